//! Requests and responses of the draft's user operations (section 13), and credentials (section 14).
//!
//! All are read with bounds: no vector is longer than its length field allows, and nothing is reserved before the bytes are there.

mod credential;
mod monitor;
mod search;
mod update;

pub use credential::{Credential, CredentialProof, CredentialUpdate};
pub use monitor::{
    ContactMonitorRequest, ContactMonitorResponse, DistinguishedRequest, DistinguishedResponse, OwnerInitRequest,
    OwnerInitResponse, OwnerMonitorRequest, OwnerMonitorResponse,
};
pub use search::{SearchRequest, SearchResponse};
pub use update::{UpdateRequest, UpdateResponse};

use std::collections::BTreeMap;

use crate::{
    DecodeError, Digest,
    codec::{Reader, Writer},
    config::Configuration,
    suite,
    value::Opening,
};

/// Versions that are monitored: the greatest version that is proven to be in an entry.
pub type ContactMap = BTreeMap<u64, u32>;

/// A version of a label in a response: the proof of its place, and what its leaf commits to, if it exists and that does not follow otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BinaryLadderStep {
    /// The VRF proof; as long as the suite's proofs are.
    pub proof: Vec<u8>,
    /// The commitment.
    pub commitment: Option<Digest>,
}

impl BinaryLadderStep {
    fn read(reader: &mut Reader<'_>, config: &Configuration) -> Result<Self, DecodeError> {
        Ok(Self {
            proof: reader.take(proof_len(reader, config)?)?.to_vec(),
            commitment: reader.optional(Reader::digest)?,
        })
    }

    fn write(&self, writer: &mut Writer) -> Result<(), DecodeError> {
        writer.put(&self.proof);
        writer.optional(self.commitment.as_ref(), |writer, commitment| writer.put(&commitment.0).done())?.done()
    }
}

fn proof_len(reader: &Reader<'_>, config: &Configuration) -> Result<usize, DecodeError> {
    let id = config.cipher_suite;
    suite::by_id(id).map(suite::Suite::vrf_proof_len).map_err(|_| reader.unknown("ciphersuite", id.0.into()))
}

fn read_opening(reader: &mut Reader<'_>) -> Result<Opening, DecodeError> {
    reader.array().map(Opening)
}

pub(crate) fn read_map(reader: &mut Reader<'_>) -> Result<ContactMap, DecodeError> {
    let entries = reader.vector8(|reader| Ok((reader.u64()?, reader.u32()?)))?;
    let in_order = entries
        .windows(2)
        .all(|pair| matches!(pair, [(first, older), (second, newer)] if first < second && older < newer));
    if in_order { Ok(entries.into_iter().collect()) } else { Err(reader.unknown("entries", 0)) }
}

pub(crate) fn write_map(writer: &mut Writer, map: &ContactMap) -> Result<(), DecodeError> {
    let entries: Vec<(u64, u32)> = map.iter().map(|(position, version)| (*position, *version)).collect();
    writer.vector8(&entries, |writer, (position, version)| writer.u64(*position).u32(*version).done())?.done()
}

fn write_optional_u64(writer: &mut Writer, value: Option<u64>) -> Result<(), DecodeError> {
    writer.optional(value.as_ref(), |writer, value| writer.u64(*value).done())?.done()
}

fn write_optional_u32(writer: &mut Writer, value: Option<u32>) -> Result<(), DecodeError> {
    writer.optional(value.as_ref(), |writer, value| writer.u32(*value).done())?.done()
}
