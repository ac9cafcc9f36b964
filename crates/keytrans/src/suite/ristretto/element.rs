//! Elements of ristretto255 with their bytes.

use curve25519_dalek::{RistrettoPoint, ristretto::CompressedRistretto, traits::Identity as _};

use super::ELEMENT_LEN;

/// An element and its one encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Element {
    pub(super) point: RistrettoPoint,
    pub(super) bytes: [u8; ELEMENT_LEN],
}

impl Element {
    pub(super) fn of(point: RistrettoPoint) -> Self {
        Self { point, bytes: point.compress().to_bytes() }
    }

    /// `DeserializeElement` of RFC 9497, section 4.1: nothing for other lengths, encodings that are not canonical, and the identity.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let encoded = CompressedRistretto::from_slice(bytes).ok()?;
        // Encodings are unique, so that the identity has no other.
        let encoded = Some(encoded).filter(|encoded| *encoded != CompressedRistretto::identity())?;
        encoded.decompress().map(|point| Self { point, bytes: encoded.to_bytes() })
    }
}
