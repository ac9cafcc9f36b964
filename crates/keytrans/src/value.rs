//! Values, what stands for them in the tree, and where (draft sections 10.5 to 10.7).

use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::{DecodeError, Digest, VrfOutput, codec::Writer};

/// Bytes of a label at most.
pub const MAX_LABEL: usize = 255;
/// Bytes of a commitment's opening (`Nc`).
pub const OPENING: usize = 16;
/// The key of every commitment (`Kc`), the same in all suites.
const COMMITMENT_KEY: [u8; 16] =
    [0xd8, 0x21, 0xf8, 0x79, 0x0d, 0x97, 0x70, 0x97, 0x96, 0xb4, 0xd7, 0x90, 0x33, 0x57, 0xc3, 0xf5];

/// What opens a commitment, together with label, version and value. Whoever lacks it learns nothing of the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opening(pub [u8; OPENING]);

/// The input of the verifiable random function for a label-version pair (`VrfInput`).
///
/// Errors:   [`DecodeError::TooLong`] for a label above [`MAX_LABEL`] bytes.
pub fn vrf_input(label: &[u8], version: u32) -> Result<Vec<u8>, DecodeError> {
    let mut writer = Writer::new();
    writer.bytes8(label)?.u32(version);
    Ok(writer.finish())
}

/// The commitment to a value (draft section 10.6).
///
/// Errors:   [`DecodeError::TooLong`] for a label above [`MAX_LABEL`] bytes or a value above 2^32-1.
pub fn commit(opening: &Opening, label: &[u8], version: u32, value: &[u8]) -> Result<Digest, DecodeError> {
    let mut writer = Writer::new();
    // The suffix of an `UpdateValue` is empty where no third party manages the log.
    writer.put(&opening.0).bytes8(label)?.u32(version).bytes32(value)?;
    let mut mac = Hmac::<Sha256>::new_from_slice(&COMMITMENT_KEY).unwrap_or_else(|_| unreachable!());
    mac.update(&writer.finish());
    Ok(Digest(mac.finalize().into_bytes().into()))
}

/// The hash of a leaf of the prefix tree.
#[must_use]
pub fn prefix_leaf(vrf_output: &VrfOutput, commitment: &Digest) -> Digest {
    Digest::of(&[&[2], &vrf_output.0, &commitment.0])
}

/// The hash of an inner node of the prefix tree.
#[must_use]
pub fn prefix_parent(left: &Digest, right: &Digest) -> Digest {
    Digest::of(&[&[3], &left.0, &right.0])
}

/// The root of a prefix tree that holds nothing: a parent without children.
#[must_use]
pub fn empty_prefix_tree() -> Digest {
    prefix_parent(&Digest::ZERO, &Digest::ZERO)
}

/// The hash of a log entry: a leaf of the log tree.
#[must_use]
pub fn log_leaf(timestamp: u64, prefix_root: &Digest) -> Digest {
    Digest::of(&[&timestamp.to_be_bytes(), &prefix_root.0])
}

/// The hash of two neighbouring subtrees of the log tree, each with the number of its entries.
#[must_use]
pub fn log_parent(left: (u64, &Digest), right: (u64, &Digest)) -> Digest {
    let kind = |entries: u64| [u8::from(entries > 1)];
    Digest::of(&[&kind(left.0), &left.1.0, &kind(right.0), &right.1.0])
}
