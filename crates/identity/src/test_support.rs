//! What the tests of several modules share.

use quicprochat_wire::{DeviceId, Digest, Entropy, Timestamp};
use sha2::{Digest as _, Sha256};

use crate::{
    composite::IdentitySecretKey,
    credential::issue_device_certificate,
    device::DeviceSecretKey,
    name::AccountName,
    record::{DeviceEntry, IdentityDraft, InboxPublicKey},
};

/// SHA-256 of a seed and a counter: replayable randomness.
pub(crate) struct SeededEntropy {
    seed: u64,
    counter: u64,
}

impl SeededEntropy {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, counter: 0 }
    }
}

impl Entropy for SeededEntropy {
    fn fill(&mut self, out: &mut [u8]) {
        for chunk in out.chunks_mut(32) {
            let block = Sha256::new().chain_update(self.seed.to_le_bytes()).chain_update(self.counter.to_le_bytes());
            chunk.copy_from_slice(&block.finalize()[..chunk.len()]);
            self.counter += 1;
        }
    }
}

/// An account key and the devices it certified.
pub(crate) struct Account {
    pub(crate) key: IdentitySecretKey,
    pub(crate) devices: Vec<(DeviceId, DeviceSecretKey)>,
}

impl Account {
    pub(crate) fn new(seed: u64, devices: u8) -> Self {
        let mut entropy = SeededEntropy::new(seed);
        let key = IdentitySecretKey::generate(&mut entropy);
        let devices = (0..devices).map(|n| (DeviceId::new([n; 16]), DeviceSecretKey::generate(&mut entropy))).collect();
        Self { key, devices }
    }

    pub(crate) fn draft(&self, name: &str) -> IdentityDraft {
        let entry = |(device, secret): &(DeviceId, DeviceSecretKey)| DeviceEntry {
            device: *device,
            key: secret.public(),
            certificate: issue_device_certificate(&self.key, *device, &secret.public()),
        };
        IdentityDraft {
            name: AccountName::parse(name).expect("valid name"),
            serial: 1,
            time: Timestamp(1_700_000_000_000),
            inbox_key: InboxPublicKey::new([5; InboxPublicKey::LEN]),
            devices: self.devices.iter().map(entry).collect(),
            removed: Vec::new(),
            vault_version: 1,
            vault_hash: Digest::new([6; 32]),
        }
    }
}
