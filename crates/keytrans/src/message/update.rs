//! New versions of a label that is owned.

use super::{BinaryLadderStep, read_opening, write_optional_u32, write_optional_u64};
use crate::{
    DecodeError,
    codec::{Reader, Writer},
    config::Configuration,
    head::FullTreeHead,
    proof::CombinedTreeProof,
    value::Opening,
};

/// Asks for new versions of a label to be made, or for those that there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpdateRequest {
    /// Entries of the log when it was seen last.
    pub last: Option<u64>,
    /// The label.
    pub label: Vec<u8>,
    /// The greatest version that the owner knows of.
    pub greatest_version: Option<u32>,
    /// The new values; none to be told only.
    pub values: Vec<Vec<u8>>,
}

/// Where new versions are, and the proof that they are the only ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpdateResponse {
    /// The head that the proof leads to.
    pub full_tree_head: FullTreeHead,
    /// The entry that has them first.
    pub position: u64,
    /// Their values, if they are not those of the request.
    pub values: Vec<Vec<u8>>,
    /// What opens each one's commitment.
    pub info: Vec<Opening>,
    /// Versions whose places the owner does not know yet, ascending.
    pub binary_ladder: Vec<BinaryLadderStep>,
    /// The proof.
    pub update: CombinedTreeProof,
}

fn write_values(writer: &mut Writer, values: &[Vec<u8>]) -> Result<(), DecodeError> {
    writer.vector8(values, |writer, value| writer.bytes32(value)?.done())?.done()
}

fn read_values(reader: &mut Reader<'_>) -> Result<Vec<Vec<u8>>, DecodeError> {
    reader.vector8(|reader| Ok(reader.bytes32()?.to_vec()))
}

impl UpdateRequest {
    /// The request's bytes.
    pub fn encode(&self) -> Result<Vec<u8>, DecodeError> {
        let mut writer = Writer::new();
        write_optional_u64(&mut writer, self.last)?;
        writer.bytes8(&self.label)?;
        write_optional_u32(&mut writer, self.greatest_version)?;
        write_values(&mut writer, &self.values)?;
        Ok(writer.finish())
    }

    /// Reads a request.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        Reader::whole("UpdateRequest", bytes, |reader| {
            Ok(Self {
                last: reader.optional(Reader::u64)?,
                label: reader.bytes8()?.to_vec(),
                greatest_version: reader.optional(Reader::u32)?,
                values: read_values(reader)?,
            })
        })
    }
}

impl UpdateResponse {
    /// The response's bytes.
    pub fn encode(&self) -> Result<Vec<u8>, DecodeError> {
        let mut writer = Writer::new();
        self.full_tree_head.write(&mut writer)?;
        writer.u64(self.position);
        write_values(&mut writer, &self.values)?;
        writer.vector8(&self.info, |writer, opening| writer.put(&opening.0).done())?;
        writer.vector8(&self.binary_ladder, |writer, step| step.write(writer))?;
        self.update.write(&mut writer)?;
        Ok(writer.finish())
    }

    /// Reads a response.
    pub fn decode(bytes: &[u8], config: &Configuration) -> Result<Self, DecodeError> {
        Reader::whole("UpdateResponse", bytes, |reader| {
            Ok(Self {
                full_tree_head: FullTreeHead::read(reader, config)?,
                position: reader.u64()?,
                values: read_values(reader)?,
                info: reader.vector8(read_opening)?,
                binary_ladder: reader.vector8(|reader| BinaryLadderStep::read(reader, config))?,
                update: CombinedTreeProof::read(reader)?,
            })
        })
    }
}
