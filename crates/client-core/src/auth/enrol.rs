//! Enrolment: one device more.

use core::fmt;

use quicprochat_e2ee::{
    mls::OwnDevice,
    sealed::InboxSecretKey,
    vault::{DevicesRecord, StateKey, StateRecord as _},
};
use quicprochat_identity::{DeviceSecretKey, VerifiedIdentity};
use quicprochat_wire::{
    DeviceId, Entropy, Timestamp,
    call::{
        directory::{IdentityPart, PublishIdentity},
        vault::VaultRecord,
    },
    entropy::random_array,
    limits::MAX_DEVICES,
};

use super::{
    CeremonyError, DeviceAccount, OpenVault,
    device::{key_package_part, own_device},
    records::{self, DeviceLabel},
};

impl OpenVault {
    /// Makes this device one of the account's. `label` is its name for people.
    ///
    /// Errors:   [`CeremonyError::TooManyDevices`], [`CeremonyError::LabelTooLong`].
    pub fn enrol(
        &self,
        label: &str,
        now: Timestamp,
        entropy: &mut dyn Entropy,
    ) -> Result<PreparedEnrolment, CeremonyError> {
        if self.identity.devices().len() >= MAX_DEVICES {
            return Err(CeremonyError::TooManyDevices { limit: MAX_DEVICES });
        }
        let device = DeviceId::new(random_array(entropy));
        let device_key = DeviceSecretKey::generate(entropy);
        let mut labels = records::labels_of(&self.labels, &self.identity);
        labels.push(DeviceLabel::new(device, label)?);
        let version = self.next_version(DevicesRecord::ID);
        let record = records::seal_labels(&self.state_key, self.account(), version, &labels, entropy)?;
        let mut draft = self.identity.next_draft(now.day_start());
        draft.add_device(&self.identity_key, device, device_key.public());
        Ok(PreparedEnrolment {
            identity: draft.sign(&self.identity_key, entropy)?,
            record,
            device,
            device_key,
            state_key: self.state_key.clone(),
            inbox_keys: self.inbox_keys.clone(),
        })
    }
}

/// An enrolment that lacks only its KeyPackage.
pub struct PreparedEnrolment {
    identity: VerifiedIdentity,
    record: VaultRecord,
    device: DeviceId,
    device_key: DeviceSecretKey,
    state_key: StateKey,
    inbox_keys: Vec<InboxSecretKey>,
}

impl PreparedEnrolment {
    /// What the first KeyPackage is to be made for.
    ///
    /// Errors:   none in practice: the identity part was made with this device.
    pub fn own_device(&self) -> Result<OwnDevice, CeremonyError> {
        let unknown = CeremonyError::UnknownDevice { device: self.device };
        let entry = self.identity.device(&self.device).ok_or(unknown)?;
        Ok(own_device(&self.identity, entry, &self.device_key))
    }

    /// Makes the request, and what the device is to store before it sends the request.
    ///
    /// A `version-conflict` means that another device changed the record in between: fetch, open and enrol again.
    ///
    /// Errors:   [`CeremonyError::Record`] for a KeyPackage that does not fit its row.
    pub fn finish(self, key_package: &[u8], now: Timestamp) -> Result<(PublishIdentity, DeviceAccount), CeremonyError> {
        let account = self.identity.account();
        let part = key_package_part(account, self.device, &self.device_key, key_package, now)?;
        let request = PublishIdentity {
            identity: IdentityPart(self.identity.signed_bytes().to_vec()),
            key_packages: vec![part],
            wraps: None,
            records: vec![self.record],
        };
        let account = DeviceAccount {
            identity: self.identity,
            device: self.device,
            device_key: self.device_key,
            state_key: self.state_key,
            inbox_keys: self.inbox_keys,
        };
        Ok((request, account))
    }
}

impl fmt::Debug for PreparedEnrolment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PreparedEnrolment({:?})", self.identity)
    }
}
