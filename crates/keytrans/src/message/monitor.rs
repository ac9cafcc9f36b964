//! Monitoring, and walking the distinguished entries.

use super::{BinaryLadderStep, ContactMap, read_map, write_map, write_optional_u32, write_optional_u64};
use crate::{
    DecodeError,
    codec::{Reader, Writer},
    config::Configuration,
    head::FullTreeHead,
    proof::CombinedTreeProof,
};

/// Asks for what became of versions that were looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContactMonitorRequest {
    /// Entries of the log when it was seen last.
    pub last: Option<u64>,
    /// Whose versions.
    pub label: Vec<u8>,
    /// Which versions, and in which entries they were seen.
    pub entries: ContactMap,
}

/// What became of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContactMonitorResponse {
    /// The head that the proof leads to.
    pub full_tree_head: FullTreeHead,
    /// The proof.
    pub monitor: CombinedTreeProof,
}

/// Asks for the past of a label that somebody begins to own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnerInitRequest {
    /// Entries of the log when it was seen last.
    pub last: Option<u64>,
    /// The label.
    pub label: Vec<u8>,
    /// The distinguished entry from which on it is owned.
    pub start: u64,
}

/// The past of a label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnerInitResponse {
    /// The head that the proof leads to.
    pub full_tree_head: FullTreeHead,
    /// The greatest version in `start` and in each older entry that is shown, the nearest first, as long as there is one.
    pub greatest_versions: Vec<u32>,
    /// The versions of the ladders, ascending.
    pub binary_ladder: Vec<BinaryLadderStep>,
    /// The proof.
    pub init: CombinedTreeProof,
}

/// Asks for what became of a label that is owned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnerMonitorRequest {
    /// Entries of the log when it was seen last.
    pub last: Option<u64>,
    /// The label.
    pub label: Vec<u8>,
    /// Versions that are in no distinguished entry yet.
    pub entries: ContactMap,
    /// The rightmost distinguished entry that was verified.
    pub start: u64,
    /// The greatest version that the owner knows of.
    pub greatest_version: Option<u32>,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnerMonitorResponse {
    /// The head that the proof leads to.
    pub full_tree_head: FullTreeHead,
    /// The proof.
    pub monitor: CombinedTreeProof,
}

/// Asks for the recent distinguished entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DistinguishedRequest {
    /// Entries of the log when it was seen last.
    pub last: Option<u64>,
    /// Entries up to this one are known.
    pub stop: Option<u64>,
}

/// The recent distinguished entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DistinguishedResponse {
    /// The head that the proof leads to.
    pub full_tree_head: FullTreeHead,
    /// The proof.
    pub distinguished: CombinedTreeProof,
}

impl ContactMonitorRequest {
    /// The request's bytes.
    pub fn encode(&self) -> Result<Vec<u8>, DecodeError> {
        let mut writer = Writer::new();
        write_optional_u64(&mut writer, self.last)?;
        writer.bytes8(&self.label)?;
        write_map(&mut writer, &self.entries)?;
        Ok(writer.finish())
    }

    /// Reads a request, whose map must ascend in positions and versions.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        Reader::whole("ContactMonitorRequest", bytes, |reader| {
            Ok(Self {
                last: reader.optional(Reader::u64)?,
                label: reader.bytes8()?.to_vec(),
                entries: read_map(reader)?,
            })
        })
    }
}

impl OwnerInitRequest {
    /// The request's bytes.
    pub fn encode(&self) -> Result<Vec<u8>, DecodeError> {
        let mut writer = Writer::new();
        write_optional_u64(&mut writer, self.last)?;
        writer.bytes8(&self.label)?.u64(self.start);
        Ok(writer.finish())
    }

    /// Reads a request.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        Reader::whole("OwnerInitRequest", bytes, |reader| {
            Ok(Self { last: reader.optional(Reader::u64)?, label: reader.bytes8()?.to_vec(), start: reader.u64()? })
        })
    }
}

impl OwnerInitResponse {
    /// The response's bytes.
    pub fn encode(&self) -> Result<Vec<u8>, DecodeError> {
        let mut writer = Writer::new();
        self.full_tree_head.write(&mut writer)?;
        writer.vector8(&self.greatest_versions, |writer, version| writer.u32(*version).done())?;
        writer.vector16(&self.binary_ladder, |writer, step| step.write(writer))?;
        self.init.write(&mut writer)?;
        Ok(writer.finish())
    }

    /// Reads a response.
    pub fn decode(bytes: &[u8], config: &Configuration) -> Result<Self, DecodeError> {
        Reader::whole("OwnerInitResponse", bytes, |reader| {
            Ok(Self {
                full_tree_head: FullTreeHead::read(reader, config)?,
                greatest_versions: reader.vector8(Reader::u32)?,
                binary_ladder: reader.vector16(|reader| BinaryLadderStep::read(reader, config))?,
                init: CombinedTreeProof::read(reader)?,
            })
        })
    }
}

impl OwnerMonitorRequest {
    /// The request's bytes.
    pub fn encode(&self) -> Result<Vec<u8>, DecodeError> {
        let mut writer = Writer::new();
        write_optional_u64(&mut writer, self.last)?;
        writer.bytes8(&self.label)?;
        write_map(&mut writer, &self.entries)?;
        writer.u64(self.start);
        write_optional_u32(&mut writer, self.greatest_version)?;
        Ok(writer.finish())
    }

    /// Reads a request, whose map must ascend in positions and versions.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        Reader::whole("OwnerMonitorRequest", bytes, |reader| {
            Ok(Self {
                last: reader.optional(Reader::u64)?,
                label: reader.bytes8()?.to_vec(),
                entries: read_map(reader)?,
                start: reader.u64()?,
                greatest_version: reader.optional(Reader::u32)?,
            })
        })
    }
}

impl DistinguishedRequest {
    /// The request's bytes.
    pub fn encode(&self) -> Result<Vec<u8>, DecodeError> {
        let mut writer = Writer::new();
        write_optional_u64(&mut writer, self.last)?;
        write_optional_u64(&mut writer, self.stop)?;
        Ok(writer.finish())
    }

    /// Reads a request.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        Reader::whole("DistinguishedRequest", bytes, |reader| {
            Ok(Self { last: reader.optional(Reader::u64)?, stop: reader.optional(Reader::u64)? })
        })
    }
}

/// Responses that are a head and a proof.
macro_rules! head_and_proof {
    ($($name:ident { $proof:ident }),+) => {$(
        impl $name {
            /// The response's bytes.
            pub fn encode(&self) -> Result<Vec<u8>, DecodeError> {
                let mut writer = Writer::new();
                self.full_tree_head.write(&mut writer)?;
                self.$proof.write(&mut writer)?;
                Ok(writer.finish())
            }

            /// Reads a response.
            pub fn decode(bytes: &[u8], config: &Configuration) -> Result<Self, DecodeError> {
                Reader::whole(stringify!($name), bytes, |reader| {
                    Ok(Self {
                        full_tree_head: FullTreeHead::read(reader, config)?,
                        $proof: CombinedTreeProof::read(reader)?,
                    })
                })
            }
        }
    )+};
}

head_and_proof!(
    ContactMonitorResponse { monitor },
    OwnerMonitorResponse { monitor },
    DistinguishedResponse { distinguished }
);
