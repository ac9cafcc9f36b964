//! The clock and the generator of random bytes: the only place that asks the operating system for them.

use std::time::{SystemTime, UNIX_EPOCH};

use quicprochat_wire::{Entropy, Timestamp};

/// The time.
#[must_use]
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// The operating system's generator.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&mut self, out: &mut [u8]) {
        if let Err(error) = getrandom::fill(out) {
            // Going on would make keys that can be guessed.
            tracing::error!(%error, "the operating system gives no random bytes");
            std::process::abort();
        }
    }
}
