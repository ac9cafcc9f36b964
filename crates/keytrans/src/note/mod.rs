//! The log's heads for the public: checkpoints, cosignatures of witnesses, and what a witness does (formats of C2SP).
//!
//! The tree of the key-transparency log hashes in its own way, so no witness of the transparency ecosystem can follow it. Its heads are therefore
//! entries of a *companion log*, an ordinary Merkle tree of RFC 6962: entry *i* is the [`HeadLeaf`] of the head that was published as number *i*.
//! Whoever watches the companion log sees every head once, and sees two heads of one size as two entries.
//!
//! ```text
//!   tree head (size, root) ──HeadLeaf──▶ leaf of the companion log ──root──▶ Checkpoint ──log's key──▶ SignedCheckpoint
//!                                                                                                         │ Witness::consider
//!                  CosignedCheckpoint ◀──Policy: k of n, not too old── note with cosignature lines ◀──Pending::store
//! ```
//!
//! Source:   c2sp.org signed-note, tlog-checkpoint, tlog-cosignature, tlog-witness, tlog-proof; RFC 9162, section 2.1.
//! `docs/key-transparency-witness.md` has the formats.

mod checkpoint;
mod cosignature;
mod head;
mod key;
pub mod merkle;
mod policy;
mod proof;
mod request;
mod secret;
mod signed;
mod text;
mod witness;

pub use checkpoint::{Checkpoint, LogKeys, MAX_TREE_SIZE, Origin, SignedCheckpoint};
pub use cosignature::{MAX_TIMESTAMP, UnixSeconds, VerifiedSignature};
pub use head::HeadLeaf;
pub use key::{Algorithm, KeyId, KeyName, VerifierKey};
pub use policy::{CosignedCheckpoint, Freshness, Policy, WitnessKeys};
pub use proof::LogProof;
pub use request::{AddCheckpoint, MAX_PROOF_LINES, MAX_REQUEST_BYTES, conflict_body, parse_conflict_body};
pub use secret::NoteKey;
pub use signed::{MAX_NOTE_BYTES, MAX_SIGNATURES, SignatureLine, UnverifiedNote};
pub use witness::{Cosigned, LogState, Pending, Refusal, StateChange, Witness};

#[cfg(test)]
mod test_support;
