//! The end-to-end encrypted part: groups, channels, envelopes and the vault. Everything here touches private keys.
//!
//! A newcomer starts at [`mls`] (a conversation is an MLS group), then [`channel`] (how its messages travel through the
//! server's log), [`sealed`] (how somebody is invited), [`vault`] (how an account survives the loss of its devices) and [`link`]
//! (how one device makes another a device of the account).
//!
//! The crate is pure: no socket, file, clock or randomness of its own. Randomness comes through `wire::Entropy`, state lies
//! behind [`mls::MlsStore`].
#![forbid(unsafe_code)]

// The world of the tests names this crate from outside; unit tests use it, too.
#[cfg(test)]
extern crate self as quicprochat_e2ee;

mod aead;
pub mod backup;
mod base32;
pub mod channel;
mod envelope;
pub mod error;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
pub mod link;
pub mod mls;
mod rng;
pub mod sealed;
#[cfg(test)]
mod testing;
pub mod vault;
#[cfg(test)]
#[path = "../tests/it/world.rs"]
#[expect(dead_code, reason = "shared with the tests from outside, which use more of it")]
mod world;

pub use error::{E2eeError, MlsStep, RejoinCause, Sealed, StateFault};
