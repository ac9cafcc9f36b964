//! The operating system's randomness and clock: the only places where the client takes them from.

use std::time::{SystemTime, UNIX_EPOCH};

use quicprochat_wire::{Entropy, Timestamp};

/// The operating system's random generator.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsEntropy;

impl Entropy for OsEntropy {
    #[expect(clippy::expect_used, reason = "a system without randomness can do nothing safely")]
    fn fill(&mut self, out: &mut [u8]) {
        getrandom::fill(out).expect("the operating system gives randomness");
    }
}

/// Now, by the system's clock.
#[must_use]
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
