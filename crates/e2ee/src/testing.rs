//! What the tests of this crate share.

use std::path::PathBuf;

use quicprochat_identity::{AccountName, DeviceSecretKey, IdentityDraft, IdentitySecretKey, VerifiedIdentity};
use quicprochat_wire::{DeviceId, Digest as WireDigest, Entropy, Timestamp};
use sha2::{Digest as _, Sha256};

use crate::{mls::OwnDevice, sealed::InboxSecretKey};

/// A generator that yields the same bytes for the same seed.
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
            self.counter += 1;
            chunk.copy_from_slice(&block.finalize()[..chunk.len()]);
        }
    }
}

/// A file of the vectors, or `None` (with a loud line) where it is missing; with `CI=true` that fails the test.
pub(crate) fn vectors(path: &str) -> Option<serde_json::Value> {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors");
    let candidates = [std::env::var_os("QPC_VECTORS").map(PathBuf::from), Some(beside)];
    let found = candidates.into_iter().flatten().map(|folder| folder.join(path)).find(|file| file.exists());
    let Some(file) = found else {
        let ci = std::env::var("CI").is_ok_and(|value| value == "true");
        assert!(!ci, "{path} is missing; set QPC_VECTORS to the folder of vectors");
        println!("SKIPPED: {path} is missing; set QPC_VECTORS to the folder of vectors");
        return None;
    };
    let bytes = std::fs::read(&file).expect("a readable file");
    Some(serde_json::from_slice(&bytes).expect("valid JSON"))
}

/// A field in hexadecimal.
pub(crate) fn hex_field(value: &serde_json::Value, name: &str) -> Vec<u8> {
    hex::decode(value[name].as_str().unwrap_or_else(|| panic!("{name} is text"))).expect("hexadecimal")
}

/// An account with one device.
pub(crate) struct Person {
    pub(crate) key: IdentitySecretKey,
    pub(crate) identity: VerifiedIdentity,
    pub(crate) inbox: InboxSecretKey,
    pub(crate) device: DeviceId,
    pub(crate) secret: DeviceSecretKey,
}

impl Person {
    pub(crate) fn new(name: &str) -> Self {
        let seed = name.bytes().fold(0, |seed: u64, byte| seed * 31 + u64::from(byte));
        let mut entropy = SeededEntropy::new(seed);
        let key = IdentitySecretKey::generate(&mut entropy);
        let inbox = InboxSecretKey::generate(&mut entropy);
        let device = DeviceId::new(quicprochat_wire::entropy::random_array(&mut entropy));
        let secret = DeviceSecretKey::generate(&mut entropy);
        let mut draft = IdentityDraft {
            name: AccountName::parse(name).expect("a valid name"),
            serial: 1,
            time: Timestamp(1_700_000_000_000),
            inbox_key: inbox.public(),
            devices: Vec::new(),
            removed: Vec::new(),
            vault_version: 1,
            vault_hash: WireDigest::new([6; 32]),
        };
        draft.add_device(&key, device, secret.public());
        let identity = draft.sign(&key, &mut entropy).expect("a valid part");
        Self { key, identity, inbox, device, secret }
    }

    pub(crate) fn own(&self) -> OwnDevice {
        OwnDevice {
            account: self.identity.account(),
            device: self.device,
            secret: DeviceSecretKey::from_bytes(&self.secret.to_bytes()),
            certificate: self.identity.device(&self.device).expect("named").certificate,
            identity_hash: self.identity.hash(),
        }
    }
}
