//! Proofs that people hand to each other, so that nobody has to ask the log (draft section 14).

use super::{BinaryLadderStep, read_opening};
use crate::{
    DecodeError,
    codec::{Reader, Writer},
    config::Configuration,
    head::TreeHead,
    proof::{CombinedTreeProof, PrefixProof},
    value::Opening,
};

/// The greatest version of a label as of a distinguished entry that the receiver knows, or shortly after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// Whose value.
    pub label: Vec<u8>,
    /// The version.
    pub version: u32,
    /// Opens the commitment.
    pub opening: Opening,
    /// The value.
    pub value: Vec<u8>,
    /// The versions of the target's base ladder.
    pub binary_ladder: Vec<BinaryLadderStep>,
    /// The distinguished entry that it builds on.
    pub position: u64,
    /// What links it to that entry.
    pub proof: CredentialProof,
}

/// How a credential is linked to a distinguished entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CredentialProof {
    /// The version is in it.
    Standard {
        /// The search ladder there.
        distinguished: PrefixProof,
    },
    /// The version came after it: to be verified finally when a later entry is distinguished.
    Provisional {
        /// A head of the log that has the version.
        tree_head: TreeHead,
        /// A search for the greatest version, for somebody who saw the log end at the distinguished entry.
        search: CombinedTreeProof,
    },
}

/// What links a provisional credential to a later distinguished entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialUpdate {
    /// The proof.
    pub monitor: CombinedTreeProof,
}

impl Credential {
    /// The credential's bytes.
    pub fn encode(&self) -> Result<Vec<u8>, DecodeError> {
        let mut writer = Writer::new();
        writer.bytes8(&self.label)?.u32(self.version).put(&self.opening.0).bytes32(&self.value)?;
        writer.vector8(&self.binary_ladder, |writer, step| step.write(writer))?;
        writer.u64(self.position);
        match &self.proof {
            CredentialProof::Standard { distinguished } => distinguished.write(writer.u8(1))?,
            CredentialProof::Provisional { tree_head, search } => {
                tree_head.write(writer.u8(2))?;
                search.write(&mut writer)?;
            }
        }
        Ok(writer.finish())
    }

    /// Reads a credential.
    pub fn decode(bytes: &[u8], config: &Configuration) -> Result<Self, DecodeError> {
        Reader::whole("Credential", bytes, |reader| {
            Ok(Self {
                label: reader.bytes8()?.to_vec(),
                version: reader.u32()?,
                opening: read_opening(reader)?,
                value: reader.bytes32()?.to_vec(),
                binary_ladder: reader.vector8(|reader| BinaryLadderStep::read(reader, config))?,
                position: reader.u64()?,
                proof: match reader.u8()? {
                    1 => CredentialProof::Standard { distinguished: PrefixProof::read(reader)? },
                    2 => CredentialProof::Provisional {
                        tree_head: TreeHead::read(reader)?,
                        search: CombinedTreeProof::read(reader)?,
                    },
                    other => return Err(reader.unknown("credential_type", other.into())),
                },
            })
        })
    }
}

impl CredentialUpdate {
    /// The update's bytes.
    pub fn encode(&self) -> Result<Vec<u8>, DecodeError> {
        let mut writer = Writer::new();
        self.monitor.write(&mut writer)?;
        Ok(writer.finish())
    }

    /// Reads an update.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        Reader::whole("CredentialUpdate", bytes, |reader| Ok(Self { monitor: CombinedTreeProof::read(reader)? }))
    }
}
