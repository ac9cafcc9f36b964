//! Key transparency: a directory whose every answer can be checked, after draft-ietf-keytrans-protocol.
//!
//! A log maps a *label* (a name) and a *version* (0, 1, 2, ...) to a *value* (public keys, say). Each version is a leaf of a prefix tree, at
//! a place that a verifiable random function gives, and commits to the value; each state of the prefix tree is, with the time, a leaf of a log
//! tree, whose head the operator signs. Whoever looks a label up gets a proof that the answer is what everybody else gets.
//!
//! ```text
//!   label, version ──suite: VRF──▶ place ─┐
//!   value, opening ──commitment──▶ leaf ──┴─▶ prefix tree ─root, time─▶ log tree ─root─▶ TreeHead, signed
//!                                                  │                        │
//!                              prove: PrefixProof ─┴─ CombinedTreeProof ────┴──▶ verify: a value, or which check failed
//! ```
//!
//! The crate is pure: bytes in, bytes out, the time by argument. `docs/key-transparency.md` has every format.
#![forbid(unsafe_code)]

pub mod audit;
pub mod codec;
pub mod config;
mod digest;
pub mod error;
pub mod head;
pub mod message;
pub mod note;
pub mod proof;
pub mod prove;
pub mod suite;
pub mod tree;
pub mod value;
pub mod verify;
mod walk;

pub use digest::{Digest, VrfOutput};
pub use error::{DecodeError, KeyTransError};
