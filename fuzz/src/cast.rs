//! Who the inputs are of. Everything comes from fixed entropy, once in a process.

use std::sync::OnceLock;

use quicprochat_identity::{DeviceSecretKey, VerifiedIdentity};
use quicprochat_wire::{Fingerprint, Timestamp};

use crate::{testing::entropy::SeededEntropy, world::Account};

pub(crate) const FINGERPRINT: Fingerprint = Fingerprint::new([0xF1; 32]);
pub(crate) const NOW: Timestamp = Timestamp(1_780_000_000_000);

/// Alice has two devices and has signed two parts, bob and carol have one of each.
pub(crate) struct Cast {
    pub(crate) alice: Account,
    pub(crate) bob: Account,
    pub(crate) carol: Account,
    /// Every identity part that there is.
    pub(crate) parts: Vec<VerifiedIdentity>,
}

impl Cast {
    /// The part with the same content, if somebody of the cast signed it.
    pub(crate) fn signed(&self, bytes: &[u8]) -> bool {
        self.parts.iter().any(|part| part.signed_bytes() == bytes)
    }
}

pub(crate) fn cast() -> &'static Cast {
    static CAST: OnceLock<Cast> = OnceLock::new();
    CAST.get_or_init(|| {
        let mut alice = Account::new("alice", 2);
        let [bob, carol] = ["bob", "carol"].map(|name| Account::new(name, 1));
        let first = alice.identity.clone();
        alice.renew();
        let parts = vec![first, alice.identity.clone(), bob.identity.clone(), carol.identity.clone()];
        Cast { alice, bob, carol, parts }
    })
}

/// The key of alice's first device.
pub(crate) fn alice_device() -> DeviceSecretKey {
    cast().alice.own(0).secret
}

pub(crate) fn entropy() -> SeededEntropy {
    SeededEntropy::new(1)
}
