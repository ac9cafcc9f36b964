//! What the tests of this crate share.

pub(crate) mod draft;
pub(crate) mod entropy;

use std::path::PathBuf;

use quicprochat_identity::{DeviceSecretKey, IdentitySecretKey, VerifiedIdentity};
use quicprochat_wire::DeviceId;

use self::draft::first_draft;
pub(crate) use self::entropy::SeededEntropy;

use crate::{mls::OwnDevice, sealed::InboxSecretKey};

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
        let mut draft = first_draft(name, inbox.public());
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
