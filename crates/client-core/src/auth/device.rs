//! This device as part of its account, and what it signs.

use core::fmt;

use quicprochat_e2ee::{mls::OwnDevice, sealed::InboxSecretKey, vault::StateKey};
use quicprochat_identity::{
    DeviceSecretKey, UnverifiedIdentity, VerifiedIdentity, authenticate_text, record::DeviceEntry,
    sign_key_package_part,
};
use quicprochat_wire::{
    AccountId, Challenge, DeviceId, Fingerprint, ServerLink, Timestamp,
    call::{
        auth::Authenticate,
        directory::{KeyPackagePart, PublishKeyPackage},
    },
};

use super::CeremonyError;
use crate::store::{List, OwnAccount, Secret, Standing};

/// What a device keeps of its account; stored as [`OwnAccount`].
///
/// Secrets:  the device's key, the vault's state key, the inbox keys. Stored by the device in its encrypted store only.
pub struct DeviceAccount {
    /// The newest own identity part; it names this device.
    pub identity: VerifiedIdentity,
    /// This device.
    pub device: DeviceId,
    /// Its key.
    pub device_key: DeviceSecretKey,
    /// The vault's state key K.
    pub state_key: StateKey,
    /// Inbox secret keys, newest first.
    pub inbox_keys: Vec<InboxSecretKey>,
}

impl DeviceAccount {
    /// The account.
    #[must_use]
    pub fn account(&self) -> AccountId {
        self.identity.account()
    }

    /// The row to store, while the device is enrolled.
    ///
    /// Errors:   [`CeremonyError::UnknownDevice`] if the identity part does not name the device.
    pub fn to_stored(&self, server: ServerLink, host: String) -> Result<OwnAccount, CeremonyError> {
        let inbox_keys: Vec<_> = self.inbox_keys.iter().map(|key| Secret::new(*key.as_bytes())).collect();
        Ok(OwnAccount {
            server,
            host,
            name: self.identity.name().to_string(),
            account: self.account(),
            device: self.device,
            device_key: Secret::new(*self.device_key.to_bytes()),
            certificate: self.entry()?.certificate,
            identity: self.identity.signed_bytes().to_vec(),
            inbox_keys: List(inbox_keys),
            state_key: Secret::new(*self.state_key.as_bytes()),
            standing: Standing::Enrolled,
        })
    }

    /// Takes a device out of the store.
    ///
    /// Errors:   [`CeremonyError::Record`] if the stored identity part is damaged.
    pub fn from_stored(stored: &OwnAccount) -> Result<Self, CeremonyError> {
        Ok(Self {
            identity: UnverifiedIdentity::parse(&stored.identity)?.verify()?,
            device: stored.device,
            device_key: DeviceSecretKey::from_bytes(stored.device_key.expose()),
            state_key: StateKey::from_bytes(stored.state_key.expose()),
            inbox_keys: stored.inbox_keys.iter().map(|key| InboxSecretKey::from_bytes(key.expose())).collect(),
        })
    }

    /// What the device's leaves are made of.
    ///
    /// Errors:   [`CeremonyError::UnknownDevice`] if the identity part does not name the device.
    pub fn own_device(&self) -> Result<OwnDevice, CeremonyError> {
        let entry = self.entry()?;
        Ok(own_device(&self.identity, entry, &self.device_key))
    }

    /// This device on the identity part.
    ///
    /// Errors:   [`CeremonyError::UnknownDevice`].
    pub fn entry(&self) -> Result<&DeviceEntry, CeremonyError> {
        self.identity.device(&self.device).ok_or(CeremonyError::UnknownDevice { device: self.device })
    }
}

impl fmt::Debug for DeviceAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeviceAccount")
            .field("identity", &self.identity)
            .field("device", &self.device)
            .finish_non_exhaustive()
    }
}

pub(super) fn own_device(identity: &VerifiedIdentity, entry: &DeviceEntry, secret: &DeviceSecretKey) -> OwnDevice {
    OwnDevice {
        account: identity.account(),
        device: entry.device,
        secret: DeviceSecretKey::from_bytes(&secret.to_bytes()),
        certificate: entry.certificate,
        identity_hash: identity.hash(),
    }
}

/// Authenticates a connection as this device, to the challenge of its `hello`.
#[must_use]
pub fn authenticate(
    server: &Fingerprint,
    challenge: &Challenge,
    account: AccountId,
    device: DeviceId,
    key: &DeviceSecretKey,
) -> Authenticate {
    let signature = key.sign(&authenticate_text(server, challenge, &account, &device)).to_vec();
    Authenticate { account, device, signature }
}

/// Publishes a fresh KeyPackage of this device; due every day.
///
/// Errors:   [`CeremonyError::Record`] for a KeyPackage that does not fit its row.
pub fn rotate_key_package(
    account: AccountId,
    device: DeviceId,
    key: &DeviceSecretKey,
    key_package: &[u8],
    now: Timestamp,
) -> Result<PublishKeyPackage, CeremonyError> {
    Ok(PublishKeyPackage { part: key_package_part(account, device, key, key_package, now)? })
}

pub(super) fn key_package_part(
    account: AccountId,
    device: DeviceId,
    key: &DeviceSecretKey,
    key_package: &[u8],
    now: Timestamp,
) -> Result<KeyPackagePart, CeremonyError> {
    let bytes = sign_key_package_part(account, device, now, key_package, key)?;
    Ok(KeyPackagePart { device, bytes })
}
