//! Blind tokens, client half: VOPRF batches (RFC 9497, mode 0x01; DESIGN A6).
//!
//! ```text
//!   IssuerKeys ──IssuerPins::admit──▶ IssuerPin
//!   IssuerPin ──PendingBatch::request──▶ TokenIssue ─▶ server ─▶ TokensIssued ──PendingBatch::finish──▶ 32 × Token
//! ```
//! What the server signs is blinded, so that a token spent later cannot be matched with the batch it came from. The proof
//! shows that the server used the one key that everybody gets in this epoch.

mod batch;
mod issuer;
#[cfg(test)]
pub(crate) mod testing;

use quicprochat_wire::{DecodeError, Digest, Fingerprint, Reader, Writer};
use sha2::{Digest as _, Sha256};

pub use batch::PendingBatch;
pub use issuer::{IssuerPin, IssuerPins};

/// Type number of batched VOPRF tokens with ristretto255.
///
/// Source:   draft-ietf-privacypass-batched-tokens.
const TOKEN_TYPE: u16 = 5;
const CHALLENGE_LABEL: &str = "qpc/1 token challenge";

/// Why a batch or an issuer's key was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// The server shows another key for an epoch than it did before: it may be telling people apart.
    #[error("the server shows a second key for token epoch {epoch}")]
    SecondKey {
        /// Which epoch.
        epoch: u32,
    },
    /// The server shows a key of an epoch that is over for this client.
    #[error("token epoch {epoch} is older than epoch {newest}, which this client has seen")]
    OldEpoch {
        /// The epoch shown.
        epoch: u32,
        /// The newest one seen.
        newest: u32,
    },
    /// More keys at once than a current and a previous one, or two that are not of neighbouring epochs.
    #[error("the server shows {found} issuer keys that are not a current and a previous one")]
    TooManyKeys {
        /// How many.
        found: usize,
    },
    /// An issuer's key is no point of the group.
    #[error("the issuer's key of epoch {epoch} is not a valid key")]
    KeyInvalid {
        /// Which epoch.
        epoch: u32,
    },
    /// The batch has another size than asked for.
    #[error("a batch of {expected} tokens was answered with {found}")]
    BatchSize {
        /// Tokens asked for.
        expected: usize,
        /// Elements that came.
        found: usize,
    },
    /// An element or the proof is malformed.
    #[error("the issued batch is malformed")]
    Malformed,
    /// The proof does not show that the pinned key was used.
    #[error("the proof of the issued batch does not verify")]
    ProofInvalid,
    /// Blinding failed; another attempt uses other randomness.
    #[error("blinding failed")]
    Blinding,
    /// Stored bytes are not what was stored.
    #[error("stored token state is damaged")]
    Stored(#[from] DecodeError),
}

/// What the VOPRF is computed over.
///
/// Shape:    98 bytes: `u16be 0x0005 || nonce (32) || H(label || fingerprint) (32) || H(public key) (32)`.
/// Source:   protocol.md, section 3.
#[must_use]
pub fn token_input(fingerprint: &Fingerprint, public_key: &[u8; 32], nonce: &[u8; 32]) -> Vec<u8> {
    let challenge = Writer::labelled(CHALLENGE_LABEL).fixed(fingerprint).finish();
    Writer::new().fixed(TOKEN_TYPE.to_be_bytes()).fixed(nonce).fixed(hash(&challenge)).fixed(hash(public_key)).finish()
}

fn hash(bytes: &[u8]) -> Digest {
    Digest::new(Sha256::digest(bytes).into())
}

/// Reads the version byte that every stored structure begins with.
fn read_version(reader: &mut Reader<'_>, version: u8) -> Result<(), DecodeError> {
    if reader.u8()? == version { Ok(()) } else { Err(DecodeError::WrongLabel) }
}
