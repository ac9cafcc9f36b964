//! The end-to-end encrypted part: groups, channels, envelopes and the vault. Everything here touches private keys.
#![forbid(unsafe_code)]

mod envelope;
pub mod mls;
mod rng;
#[cfg(test)]
mod testing;
