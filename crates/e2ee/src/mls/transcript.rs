//! Transcript hashes: by them two devices see whether they have the same past (DESIGN L9).

use openmls::prelude::MlsGroup;
use quicprochat_wire::Digest;
use sha2::{Digest as _, Sha256};
use tls_codec::Serialize as _;

use super::Group;

/// The confirmed transcript hash of an epoch: it covers every commit that led there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Transcript {
    /// The epoch.
    pub epoch: u64,
    /// Its confirmed transcript hash.
    pub hash: Digest,
}

impl Group {
    /// The transcript of the epoch in force.
    #[must_use]
    pub fn transcript(&self) -> Transcript {
        Transcript {
            epoch: self.epoch(),
            hash: digest(self.inner.public_group().group_context().confirmed_transcript_hash()),
        }
    }
}

/// The transcript of the epoch that a commit begins, from the group before it and the commit's part in it.
///
/// Source:   RFC 9420 section 8.2; every suite hashes with SHA-256.
pub(super) fn after(group: &MlsGroup, input: &[u8]) -> Option<Transcript> {
    let tag = group.confirmation_tag().tls_serialize_detached().ok()?;
    let confirmed = group.public_group().group_context().confirmed_transcript_hash();
    let interim = Sha256::new().chain_update(confirmed).chain_update(tag).finalize();
    let hash = Sha256::new().chain_update(interim).chain_update(input).finalize();
    Some(Transcript { epoch: group.epoch().as_u64().checked_add(1)?, hash: Digest::new(hash.into()) })
}

/// A hash of the library as ours; both are of SHA-256, but that of epoch 0 is empty.
pub(super) fn digest(hash: &[u8]) -> Digest {
    Digest::from_slice(hash).unwrap_or(Digest::new([0; 32]))
}
