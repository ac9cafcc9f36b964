//! The end-to-end encrypted part: groups, channels, envelopes and the vault. Everything here touches private keys.
#![forbid(unsafe_code)]

pub mod channel;
mod envelope;
pub mod error;
pub mod mls;
mod rng;
#[cfg(test)]
mod testing;

pub use error::{E2eeError, MlsStep, RejoinCause, Sealed, StateFault};
