//! Devices with a store in memory.

use quicprochat_e2ee::mls::{MemoryMlsStore, OwnDevice, Provider};
use quicprochat_identity::{DeviceSecretKey, IdentitySecretKey, issue_device_certificate};
use quicprochat_wire::{
    ChainHash, ChannelId, DeviceId, Digest, Entropy, MessageId, call::channel::ChainPoint, entropy::random_array,
};
use sha2::{Digest as _, Sha256};

use quicprochat_e2ee::mls::Aad;

pub(crate) const CHANNEL: ChannelId = ChannelId::new([7; 32]);

/// The same bytes for the same seed.
#[derive(Clone)]
pub(crate) struct SeededEntropy {
    seed: u64,
    counter: u64,
}

impl Entropy for SeededEntropy {
    fn fill(&mut self, out: &mut [u8]) {
        for chunk in out.chunks_mut(32) {
            let block = Sha256::new().chain_update(self.seed.to_le_bytes()).chain_update(self.counter.to_le_bytes());
            self.counter += 1;
            let block = block.finalize();
            chunk.iter_mut().zip(block).for_each(|(out, byte)| *out = byte);
        }
    }
}

/// A device of an account of its own.
pub(crate) struct Device {
    own: OwnDevice,
    store: MemoryMlsStore,
    entropy: SeededEntropy,
}

impl Device {
    pub(crate) fn new(number: u64) -> Self {
        let mut entropy = SeededEntropy { seed: number, counter: 0 };
        let account = IdentitySecretKey::generate(&mut entropy);
        let device = DeviceId::new(random_array(&mut entropy));
        let secret = DeviceSecretKey::generate(&mut entropy);
        let own = OwnDevice {
            account: account.public().account_id(),
            device,
            certificate: issue_device_certificate(&account, device, &secret.public()),
            secret,
            identity_hash: Digest::new(random_array(&mut entropy)),
        };
        Self { own, store: MemoryMlsStore::new(), entropy }
    }

    /// Works with a provider on the store, as in one transaction.
    pub(crate) fn with<T>(&mut self, work: impl FnOnce(&Provider<'_>, &OwnDevice) -> T) -> T {
        work(&Provider::new(&self.store, &mut self.entropy), &self.own)
    }

    /// The authenticated data of a new entry.
    pub(crate) fn aad(&mut self) -> Aad {
        let after = ChainPoint { position: 1, hash: ChainHash::new([5; 32]) };
        Aad { id: MessageId::new(random_array(&mut self.entropy)), after }
    }
}

impl Clone for Device {
    fn clone(&self) -> Self {
        let OwnDevice { account, device, secret, certificate, identity_hash } = &self.own;
        let secret = DeviceSecretKey::from_bytes(&secret.to_bytes());
        Self {
            own: OwnDevice {
                account: *account,
                device: *device,
                secret,
                certificate: *certificate,
                identity_hash: *identity_hash,
            },
            store: self.store.clone(),
            entropy: self.entropy.clone(),
        }
    }
}
