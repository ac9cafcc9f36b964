//! Salts, and the ids that refer to messages.

use core::fmt;

use quicprochat_wire::{Entropy, entropy::random_array};
use sha2::{Digest as _, Sha256};

use super::ContentError;

/// Hash algorithm number of SHA-256 in IANA's registry, the first byte of every id.
const SHA_256: u8 = 1;

/// What makes equal messages differ.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Salt([u8; 16]);

impl Salt {
    /// Length in bytes.
    pub const LEN: usize = 16;

    /// Draws a salt; every message takes its own.
    pub fn random(entropy: &mut dyn Entropy) -> Self {
        Self(random_array(entropy))
    }

    /// A salt that was chosen elsewhere.
    #[must_use]
    pub const fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

/// The id by which content refers to another message (to reply, react, edit, delete).
///
/// Shape:    32 bytes: hash algorithm (1), then the first 31 bytes of the hash.
/// Source:   draft-ietf-mimi-content-08, section 3.3.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MimiId([u8; 32]);

impl MimiId {
    /// Length in bytes.
    pub const LEN: usize = 32;

    /// An id received from elsewhere.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The id of the message with these encoded bytes and salt, sent by `sender_uri` in `room_uri`.
    ///
    /// Errors:   [`ContentError::TooLong`] for a URI of 65,536 bytes or more.
    pub fn of(sender_uri: &str, room_uri: &str, encoded: &[u8], salt: &Salt) -> Result<Self, ContentError> {
        let mut hash = Sha256::new();
        for (field, uri) in [("sender URI", sender_uri), ("room URI", room_uri)] {
            let len = u16::try_from(uri.len()).map_err(|_| ContentError::TooLong {
                field,
                limit: usize::from(u16::MAX),
                found: uri.len(),
            })?;
            hash.update(len.to_be_bytes());
            hash.update(uri);
        }
        hash.update(encoded);
        hash.update(salt.as_bytes());
        let hash: [u8; 32] = hash.finalize().into();
        let mut id = [SHA_256; 32];
        for (out, byte) in id.iter_mut().skip(1).zip(hash) {
            *out = byte;
        }
        Ok(Self(id))
    }
}

impl fmt::Debug for MimiId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "mimi:{}", hex::encode(self.0.get(..5).unwrap_or(&self.0)))
    }
}

impl fmt::Display for MimiId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}
