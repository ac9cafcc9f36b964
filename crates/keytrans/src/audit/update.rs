//! What an auditor is told of one entry.

use crate::{
    DecodeError,
    codec::{Reader, Writer},
    proof::{PrefixLeaf, PrefixProof},
};

/// A change of the prefix tree, with what it takes to compute both roots.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AuditorUpdate {
    /// The entry's time, in milliseconds since 1970.
    pub timestamp: u64,
    /// Leaves that the entry added, ascending by place.
    pub added: Vec<PrefixLeaf>,
    /// Leaves that the entry removed, ascending by place. Our log removes none.
    pub removed: Vec<PrefixLeaf>,
    /// Look-ups of all of them, in this order, in the tree of the entry before.
    pub proof: PrefixProof,
}

const STRUCTURE: &str = "AuditorUpdate";

impl AuditorUpdate {
    /// Its bytes.
    ///
    /// Errors:   [`DecodeError::TooLong`] for more than 65,535 leaves or 255 look-ups.
    pub fn encode(&self) -> Result<Vec<u8>, DecodeError> {
        let mut writer = Writer::new();
        writer.u64(self.timestamp);
        for leaves in [&self.added, &self.removed] {
            writer.vector16(leaves, |writer, leaf| leaf.write(writer))?;
        }
        self.proof.write(&mut writer)?;
        Ok(writer.finish())
    }

    /// Reads what [`Self::encode`] wrote.
    ///
    /// Errors:   [`DecodeError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        Reader::whole(STRUCTURE, bytes, |reader| {
            Ok(Self {
                timestamp: reader.u64()?,
                added: reader.vector16(PrefixLeaf::read)?,
                removed: reader.vector16(PrefixLeaf::read)?,
                proof: PrefixProof::read(reader)?,
            })
        })
    }
}
