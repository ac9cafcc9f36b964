//! An identity part that is about to be signed.

use quicprochat_wire::{DeviceId, DeviceKey, Digest, Entropy, Timestamp, Writer};

use super::{
    LABEL, UnverifiedIdentity, VerifiedIdentity,
    content::{DeviceEntry, InboxPublicKey, MAX_REMOVED_DEVICES, check_devices, encode_text},
};
use crate::{
    composite::IdentitySecretKey, credential::issue_device_certificate, error::IdentityError, name::AccountName,
};

/// What an account is about to say about itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IdentityDraft {
    /// Name without host.
    pub name: AccountName,
    /// One above the part before; 1 for the first.
    pub serial: u64,
    /// When it is signed.
    pub time: Timestamp,
    /// X-Wing public key of the inbox.
    pub inbox_key: InboxPublicKey,
    /// At most [`quicprochat_wire::limits::MAX_DEVICES`], no id or key twice.
    pub devices: Vec<DeviceEntry>,
    /// At most [`MAX_REMOVED_DEVICES`], the newest last.
    pub removed: Vec<DeviceId>,
    /// Counts the rolls of the vault.
    pub vault_version: u64,
    /// Hash of the vault's sealed identity record.
    pub vault_hash: Digest,
}

impl IdentityDraft {
    /// Names one more device and certifies its key.
    ///
    /// Limits are checked when the draft is signed.
    pub fn add_device(&mut self, identity: &IdentitySecretKey, device: DeviceId, key: DeviceKey) {
        let certificate = issue_device_certificate(identity, device, &key);
        self.devices.push(DeviceEntry { device, key, certificate });
    }

    /// Moves a device to the removed ones; the oldest of those gives way if the list is full.
    ///
    /// Errors:   [`IdentityError::UnknownDevice`] if the draft does not name it.
    pub fn remove_device(&mut self, device: DeviceId) -> Result<(), IdentityError> {
        let index = self
            .devices
            .iter()
            .position(|entry| entry.device == device)
            .ok_or(IdentityError::UnknownDevice { device })?;
        self.devices.remove(index);
        self.removed.push(device);
        let surplus = self.removed.len().saturating_sub(MAX_REMOVED_DEVICES);
        self.removed.drain(..surplus);
        Ok(())
    }

    /// Signs the part with both halves of the account's key.
    ///
    /// Errors:   as [`UnverifiedIdentity::parse`] and [`UnverifiedIdentity::verify`] would refuse the result, and
    ///           [`IdentityError::TooMany`] for a list over its limit.
    pub fn sign(
        &self,
        identity: &IdentitySecretKey,
        entropy: &mut dyn Entropy,
    ) -> Result<VerifiedIdentity, IdentityError> {
        check_devices(self)?;
        let text = encode_text(self, identity.public());
        let signature = identity.sign(LABEL.as_bytes(), &text, entropy)?;
        let bytes = Writer::new().fixed(text).bytes(signature).finish();
        UnverifiedIdentity::parse(&bytes)?.verify()
    }
}
