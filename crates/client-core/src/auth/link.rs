//! Linking: a device of the account makes another one a device, and hands over what a new one needs (protocol.md section 14).
//!
//! ```text
//!   holder   OpenVault ──admit(offer)──▶ PreparedLink ──handover──▶ the joiner
//!                                            └──publish(package)──▶ PublishIdentity
//!   joiner   LinkingDevice ──offer──▶ the holder ──take(handover)──▶ LinkedDevice ──finish(KeyPackage)──▶ package + DeviceAccount
//! ```
//!
//! The handover leaves before the account's record is published: should the holder stop right after that, the new device has
//! all that it needs to go on alone.

use core::fmt;

use quicprochat_e2ee::{
    link::{LinkHandover, LinkOffer},
    mls::OwnDevice,
    sealed::InboxSecretKey,
    vault::{DevicesRecord, StateKey, StateRecord as _},
};
use quicprochat_identity::{
    DeviceSecretKey, UnverifiedIdentity, UnverifiedKeyPackagePart, VerifiedIdentity, record::DeviceEntry,
};
use quicprochat_wire::{
    DeviceId, Entropy, Timestamp,
    call::{
        directory::{IdentityPart, KeyPackagePart, PublishIdentity},
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
    /// Takes another device into the account, of which only the public half is known here.
    ///
    /// Errors:   [`CeremonyError::TooManyDevices`], [`CeremonyError::LabelTooLong`]; [`CeremonyError::Record`] for a device id
    ///           that the account has or had.
    pub fn admit(
        &self,
        offer: &LinkOffer,
        now: Timestamp,
        entropy: &mut dyn Entropy,
    ) -> Result<PreparedLink, CeremonyError> {
        if self.identity.devices().len() >= MAX_DEVICES {
            return Err(CeremonyError::TooManyDevices { limit: MAX_DEVICES });
        }
        let mut labels = records::labels_of(&self.labels, &self.identity);
        labels.push(DeviceLabel::new(offer.device, &offer.label)?);
        let version = self.next_version(DevicesRecord::ID);
        let record = records::seal_labels(&self.state_key, self.account(), version, &labels, entropy)?;
        let mut draft = self.identity.next_draft(now.day_start());
        draft.add_device(&self.identity_key, offer.device, offer.key);
        let identity = draft.sign(&self.identity_key, entropy)?;
        Ok(PreparedLink {
            identity,
            device: offer.device,
            record,
            state_key: self.state_key.clone(),
            inbox_keys: self.inbox_keys.iter().take(records::MAX_INBOX_KEYS).cloned().collect(),
        })
    }
}

/// An enrolment of another device that lacks only its KeyPackage.
pub struct PreparedLink {
    identity: VerifiedIdentity,
    device: DeviceId,
    record: VaultRecord,
    state_key: StateKey,
    inbox_keys: Vec<InboxSecretKey>,
}

impl PreparedLink {
    /// The account's identity part with the device in it.
    #[must_use]
    pub const fn identity(&self) -> &VerifiedIdentity {
        &self.identity
    }

    /// What the new device gets.
    #[must_use]
    pub fn handover(&self) -> LinkHandover {
        LinkHandover {
            identity: self.identity.signed_bytes().to_vec(),
            state_key: self.state_key.clone(),
            inbox_keys: self.inbox_keys.clone(),
        }
    }

    /// Makes the request, with the KeyPackage part that the device sent.
    ///
    /// A `version-conflict` means that another device changed the account in between: fetch, open and admit again.
    ///
    /// Errors:   [`CeremonyError::Record`] for a part that is not of this device; [`CeremonyError::UnknownDevice`] likewise.
    pub fn publish(self, part: Vec<u8>) -> Result<PublishIdentity, CeremonyError> {
        let verified = UnverifiedKeyPackagePart::parse(&part)?.verify(&self.identity)?;
        if verified.device() != self.device {
            return Err(CeremonyError::UnknownDevice { device: verified.device() });
        }
        Ok(PublishIdentity {
            identity: IdentityPart(self.identity.signed_bytes().to_vec()),
            key_packages: vec![KeyPackagePart { device: self.device, bytes: part }],
            wraps: None,
            records: vec![self.record],
        })
    }
}

impl fmt::Debug for PreparedLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PreparedLink({:?})", self.identity)
    }
}

/// A device that belongs to no account yet.
///
/// Secrets:  its key.
pub struct LinkingDevice {
    device: DeviceId,
    key: DeviceSecretKey,
}

impl LinkingDevice {
    /// Draws an id and a key.
    pub fn generate(entropy: &mut dyn Entropy) -> Self {
        Self { device: DeviceId::new(random_array(entropy)), key: DeviceSecretKey::generate(entropy) }
    }

    /// Its public half. `label` is its name for people.
    ///
    /// Errors:   [`CeremonyError::LabelTooLong`].
    pub fn offer(&self, label: &str) -> Result<LinkOffer, CeremonyError> {
        let DeviceLabel { device, label } = DeviceLabel::new(self.device, label)?;
        Ok(LinkOffer { device, key: self.key.public(), label })
    }

    /// Takes what a device of the account handed over.
    ///
    /// Errors:   [`CeremonyError::Record`] for an identity part that does not verify; [`CeremonyError::UnknownDevice`] for one
    ///           that does not name this device with its key; [`CeremonyError::VaultRolledBack`] if the inbox keys are not
    ///           those that it announces.
    pub fn take(&self, handover: LinkHandover) -> Result<LinkedDevice, CeremonyError> {
        let identity = UnverifiedIdentity::parse(&handover.identity)?.verify()?;
        let device = self.device;
        let named = identity.device(&device).filter(|entry| entry.key == self.key.public());
        let entry = named.cloned().ok_or(CeremonyError::UnknownDevice { device })?;
        if records::inbox_public(&handover.inbox_keys)? != *identity.inbox_key() {
            return Err(CeremonyError::VaultRolledBack { vault_version: identity.vault_version() });
        }
        let LinkHandover { state_key, inbox_keys, .. } = handover;
        let device_key = DeviceSecretKey::from_bytes(&self.key.to_bytes());
        Ok(LinkedDevice { account: DeviceAccount { identity, device, device_key, state_key, inbox_keys }, entry })
    }
}

impl fmt::Debug for LinkingDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LinkingDevice({:?})", self.device)
    }
}

/// A device that has everything but the account's record naming it.
pub struct LinkedDevice {
    account: DeviceAccount,
    entry: DeviceEntry,
}

impl LinkedDevice {
    /// The account that it is to belong to.
    #[must_use]
    pub const fn identity(&self) -> &VerifiedIdentity {
        &self.account.identity
    }

    /// What the first KeyPackage is to be made for.
    #[must_use]
    pub fn own_device(&self) -> OwnDevice {
        own_device(&self.account.identity, &self.entry, &self.account.device_key)
    }

    /// Makes the part that the other device publishes, and what this one is to store before it sends the part.
    ///
    /// Errors:   [`CeremonyError::Record`] for a KeyPackage that does not fit its row.
    pub fn finish(self, key_package: &[u8], now: Timestamp) -> Result<(KeyPackagePart, DeviceAccount), CeremonyError> {
        let Self { account, .. } = self;
        let part = key_package_part(account.account(), account.device, &account.device_key, key_package, now)?;
        Ok((part, account))
    }
}

impl fmt::Debug for LinkedDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LinkedDevice({:?})", self.account.identity)
    }
}
