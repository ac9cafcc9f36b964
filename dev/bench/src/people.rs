//! Accounts that exist here only.

use anyhow::{Context, Result};
use quicprochat_e2ee::{
    mls::{MemoryMlsStore, OwnDevice, Provider, Suite, new_key_package},
    sealed::InboxSecretKey,
};
use quicprochat_identity::{AccountName, DeviceSecretKey, IdentityDraft, IdentitySecretKey, VerifiedIdentity};
use quicprochat_wire::{DeviceId, Digest, Timestamp, entropy::random_array};

use crate::system::SystemEntropy;

/// An account with one device.
pub(crate) struct Person {
    pub(crate) identity: VerifiedIdentity,
    pub(crate) device: DeviceId,
    secret: DeviceSecretKey,
    pub(crate) key_package: Vec<u8>,
}

impl Person {
    pub(crate) fn new(number: usize, suite: Suite) -> Result<Self> {
        let entropy = &mut SystemEntropy;
        let key = IdentitySecretKey::generate(entropy);
        let device = DeviceId::new(random_array(entropy));
        let secret = DeviceSecretKey::generate(entropy);
        let mut draft = IdentityDraft {
            name: AccountName::parse(&format!("person-{number}"))?,
            serial: 1,
            time: Timestamp(1_700_000_000_000),
            inbox_key: InboxSecretKey::generate(entropy).public(),
            devices: Vec::new(),
            removed: Vec::new(),
            vault_version: 1,
            vault_hash: Digest::new([6; 32]),
        };
        draft.add_device(&key, device, secret.public());
        let identity = draft.sign(&key, entropy)?;
        let mut person = Self { identity, device, secret, key_package: Vec::new() };
        let (store, own) = (MemoryMlsStore::new(), person.own()?);
        person.key_package = new_key_package(&Provider::new(&store, entropy), &own, suite)?;
        Ok(person)
    }

    pub(crate) fn own(&self) -> Result<OwnDevice> {
        let entry = self.identity.device(&self.device).context("the identity names the device")?;
        Ok(OwnDevice {
            account: self.identity.account(),
            device: self.device,
            secret: DeviceSecretKey::from_bytes(&self.secret.to_bytes()),
            certificate: entry.certificate,
            identity_hash: self.identity.hash(),
        })
    }

    pub(crate) fn record(&self) -> Vec<u8> {
        self.identity.signed_bytes().to_vec()
    }
}
