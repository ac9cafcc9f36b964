//! Searching for a label.

use super::{BinaryLadderStep, read_opening, write_optional_u32, write_optional_u64};
use crate::{
    DecodeError,
    codec::{Reader, Writer},
    config::Configuration,
    head::FullTreeHead,
    proof::CombinedTreeProof,
    value::Opening,
};

/// Asks for a version of a label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchRequest {
    /// Entries of the log when it was seen last.
    pub last: Option<u64>,
    /// Whose value.
    pub label: Vec<u8>,
    /// Which version; the greatest one if none.
    pub version: Option<u32>,
}

/// A version of a label, and the proof that everybody gets the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchResponse {
    /// The head that the proof leads to.
    pub full_tree_head: FullTreeHead,
    /// The greatest version, if none was asked for.
    pub version: Option<u32>,
    /// Opens the commitment.
    pub opening: Opening,
    /// The value.
    pub value: Vec<u8>,
    /// The versions of the target's base ladder.
    pub binary_ladder: Vec<BinaryLadderStep>,
    /// The proof.
    pub search: CombinedTreeProof,
}

impl SearchRequest {
    /// The request's bytes.
    ///
    /// Errors:   [`DecodeError::TooLong`] for a label above 255 bytes; so in all requests.
    pub fn encode(&self) -> Result<Vec<u8>, DecodeError> {
        let mut writer = Writer::new();
        write_optional_u64(&mut writer, self.last)?;
        writer.bytes8(&self.label)?;
        write_optional_u32(&mut writer, self.version)?;
        Ok(writer.finish())
    }

    /// Reads a request.
    ///
    /// Errors:   [`DecodeError`], as all that reads.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        Reader::whole("SearchRequest", bytes, |reader| {
            Ok(Self {
                last: reader.optional(Reader::u64)?,
                label: reader.bytes8()?.to_vec(),
                version: reader.optional(Reader::u32)?,
            })
        })
    }
}

impl SearchResponse {
    /// The response's bytes.
    ///
    /// Errors:   [`DecodeError::TooLong`] for parts above what their length fields can say; so in all responses.
    pub fn encode(&self) -> Result<Vec<u8>, DecodeError> {
        let mut writer = Writer::new();
        self.full_tree_head.write(&mut writer)?;
        if let Some(version) = self.version {
            writer.u32(version);
        }
        writer.put(&self.opening.0).bytes32(&self.value)?;
        writer.vector8(&self.binary_ladder, |writer, step| step.write(writer))?;
        self.search.write(&mut writer)?;
        Ok(writer.finish())
    }

    /// Reads the response to a request, which says whether a version stands in it.
    ///
    /// Errors:   [`DecodeError`].
    pub fn decode(bytes: &[u8], request: &SearchRequest, config: &Configuration) -> Result<Self, DecodeError> {
        Reader::whole("SearchResponse", bytes, |reader| {
            Ok(Self {
                full_tree_head: FullTreeHead::read(reader, config)?,
                version: if request.version.is_none() { Some(reader.u32()?) } else { None },
                opening: read_opening(reader)?,
                value: reader.bytes32()?.to_vec(),
                binary_ladder: reader.vector8(|reader| BinaryLadderStep::read(reader, config))?,
                search: CombinedTreeProof::read(reader)?,
            })
        })
    }
}
