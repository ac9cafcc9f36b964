//! Fields and rules of an identity part.

use core::fmt;

use quicprochat_wire::{
    AccountId, DecodeError, DeviceId, DeviceKey, Digest, Reader, Timestamp, Writer,
    limits::{IDENTITY_ROW_BYTES, MAX_DEVICES, MAX_NAME_BYTES},
};
use sha2::{Digest as _, Sha256};

use super::{IdentityDraft, LABEL};
use crate::{
    composite::{IdentityPublicKey, SIGNATURE_LEN},
    credential::verify_device_certificate,
    device::usable_key,
    error::{IdentityError, KeyRole},
    name::AccountName,
};

/// Most removed devices that a part names, the newest: what fits into the row beside everything else.
pub const MAX_REMOVED_DEVICES: usize = 32;

/// An account's X-Wing public key: invitations and keyring items are sealed to it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct InboxPublicKey(Box<[u8; Self::LEN]>);

impl InboxPublicKey {
    /// Length in bytes.
    pub const LEN: usize = 1216;

    /// Wraps an encoded key; whether it is a valid one shows when something is sealed to it.
    #[must_use]
    pub fn new(bytes: [u8; Self::LEN]) -> Self {
        Self(Box::new(bytes))
    }

    /// Takes exactly [`Self::LEN`] bytes, or `None` for any other length.
    #[must_use]
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        <[u8; Self::LEN]>::try_from(bytes).ok().map(Self::new)
    }

    /// The encoded key.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }
}

impl fmt::Debug for InboxPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "inbox:{}", Digest::new(Sha256::digest(self.as_bytes()).into()).short())
    }
}

/// A device as its account's record names it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeviceEntry {
    /// The device.
    pub device: DeviceId,
    /// Its public key.
    pub key: DeviceKey,
    /// [`crate::issue_device_certificate`] over it.
    pub certificate: [u8; 64],
}

/// The fields of an identity part, with the bytes that carry them.
///
/// Only [`super::VerifiedIdentity`] and [`super::ClassicalIdentity`] hand one out after a check.
#[derive(Clone, PartialEq, Eq)]
pub struct IdentityContent {
    draft: IdentityDraft,
    key: IdentityPublicKey,
    bytes: Vec<u8>,
    text_len: usize,
    hash: Digest,
}

impl IdentityContent {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, IdentityError> {
        let limit = IDENTITY_ROW_BYTES;
        if bytes.len() > limit {
            return Err(DecodeError::TooLong { limit, found: bytes.len() }.into());
        }
        let mut reader = Reader::labelled(bytes, LABEL)?;
        let name = AccountName::parse(reader.text(MAX_NAME_BYTES)?)?;
        let (serial, time) = (reader.u64()?, Timestamp(reader.u64()?));
        let key = IdentityPublicKey::from_bytes(reader.take(IdentityPublicKey::LEN)?)?;
        let inbox_key = InboxPublicKey::new(reader.array()?);
        let devices = reader.list::<_, IdentityError>(MAX_DEVICES, |item| {
            Ok(DeviceEntry {
                device: DeviceId::new(item.array()?),
                key: DeviceKey::new(item.array()?),
                certificate: item.array()?,
            })
        })?;
        let removed = reader.list::<_, DecodeError>(MAX_REMOVED_DEVICES, |item| Ok(DeviceId::new(item.array()?)))?;
        let (vault_version, vault_hash) = (reader.u64()?, Digest::new(reader.array()?));
        let text_len = bytes.len().saturating_sub(reader.rest().len());
        let signature = reader.bytes(SIGNATURE_LEN)?;
        if let Some(missing) = SIGNATURE_LEN.checked_sub(signature.len()).filter(|missing| *missing > 0) {
            return Err(DecodeError::Truncated { missing }.into());
        }
        reader.finish()?;
        let draft = IdentityDraft { name, serial, time, inbox_key, devices, removed, vault_version, vault_hash };
        check_devices(&draft)?;
        let hash = Digest::new(Sha256::digest(bytes).into());
        Ok(Self { draft, key, bytes: bytes.to_vec(), text_len, hash })
    }

    /// The account's name, without host.
    #[must_use]
    pub const fn name(&self) -> &AccountName {
        &self.draft.name
    }

    /// Counts the parts of an account: a newer one has a higher serial.
    #[must_use]
    pub const fn serial(&self) -> u64 {
        self.draft.serial
    }

    /// When the account signed it, by its own clock.
    #[must_use]
    pub const fn time(&self) -> Timestamp {
        self.draft.time
    }

    /// The account's key.
    #[must_use]
    pub const fn key(&self) -> &IdentityPublicKey {
        &self.key
    }

    /// The account.
    #[must_use]
    pub const fn account(&self) -> AccountId {
        self.key.account_id()
    }

    /// Where to seal what only the account may read.
    #[must_use]
    pub const fn inbox_key(&self) -> &InboxPublicKey {
        &self.draft.inbox_key
    }

    /// The account's devices.
    #[must_use]
    pub fn devices(&self) -> &[DeviceEntry] {
        &self.draft.devices
    }

    /// One of the account's devices.
    #[must_use]
    pub fn device(&self, device: &DeviceId) -> Option<&DeviceEntry> {
        self.draft.devices.iter().find(|entry| entry.device == *device)
    }

    /// Devices that were removed, the newest last.
    #[must_use]
    pub fn removed(&self) -> &[DeviceId] {
        &self.draft.removed
    }

    /// Counts the rolls of the vault.
    #[must_use]
    pub const fn vault_version(&self) -> u64 {
        self.draft.vault_version
    }

    /// Hash of the vault's sealed identity record.
    #[must_use]
    pub const fn vault_hash(&self) -> Digest {
        self.draft.vault_hash
    }

    /// Hash of the whole signed part, as credentials name it.
    #[must_use]
    pub const fn hash(&self) -> Digest {
        self.hash
    }

    /// The whole signed part, as it is stored and sent.
    #[must_use]
    pub fn signed_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// A draft of the account's next part: everything as it is, one serial later.
    #[must_use]
    pub fn next_draft(&self, now: Timestamp) -> IdentityDraft {
        IdentityDraft { serial: self.draft.serial.saturating_add(1), time: now, ..self.draft.clone() }
    }

    /// Label and body: what the signature stands under.
    pub(super) fn text(&self) -> &[u8] {
        self.bytes.get(..self.text_len).unwrap_or_default()
    }

    pub(super) fn signature(&self) -> &[u8] {
        self.bytes.get(self.text_len.saturating_add(4)..).unwrap_or_default()
    }

    pub(super) fn verify_certificates(&self) -> Result<(), IdentityError> {
        let account = self.account();
        self.draft
            .devices
            .iter()
            .try_for_each(|entry| verify_device_certificate(&account, &entry.device, &entry.key, &entry.certificate))
    }
}

impl fmt::Debug for IdentityContent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("name", &self.draft.name)
            .field("account", &self.account())
            .field("serial", &self.draft.serial)
            .field("devices", &self.draft.devices.len())
            .finish_non_exhaustive()
    }
}

/// Label and body of a part under `key`.
pub(super) fn encode_text(draft: &IdentityDraft, key: &IdentityPublicKey) -> Vec<u8> {
    Writer::labelled(LABEL)
        .text(draft.name.as_str())
        .u64(draft.serial)
        .u64(draft.time.0)
        .fixed(key.as_bytes())
        .fixed(draft.inbox_key.as_bytes())
        .list(&draft.devices, |writer, entry| writer.fixed(entry.device).fixed(entry.key).fixed(entry.certificate))
        .list(&draft.removed, |writer, device| writer.fixed(device))
        .u64(draft.vault_version)
        .fixed(draft.vault_hash)
        .finish()
}

/// Limits and uniqueness. Two devices with one key would be one leaf key twice in every group.
pub(super) fn check_devices(draft: &IdentityDraft) -> Result<(), IdentityError> {
    for (limit, found) in [(MAX_DEVICES, draft.devices.len()), (MAX_REMOVED_DEVICES, draft.removed.len())] {
        if found > limit {
            return Err(IdentityError::TooMany { limit, found });
        }
    }
    for (index, entry) in draft.devices.iter().enumerate() {
        if usable_key(entry.key.as_bytes()).is_none() {
            return Err(IdentityError::KeyInvalid { key: KeyRole::Device });
        }
        if draft.devices.iter().take(index).any(|other| other.device == entry.device || other.key == entry.key) {
            return Err(IdentityError::DuplicateDevice { device: entry.device });
        }
        if draft.removed.contains(&entry.device) {
            return Err(IdentityError::RemovedDevice { device: entry.device });
        }
    }
    match draft
        .removed
        .iter()
        .enumerate()
        .find(|(index, device)| draft.removed.iter().take(*index).any(|d| d == *device))
    {
        Some((_, device)) => Err(IdentityError::DuplicateDevice { device: *device }),
        None => Ok(()),
    }
}
