//! Heads of a log, signed (draft sections 10.2 to 10.4).

use crate::{
    DecodeError, Digest, KeyTransError,
    codec::{Reader, Writer},
    config::{Configuration, DeploymentMode},
    error::KeyOf,
    suite,
};

/// The operator's signature over a state of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeHead {
    /// Entries in the log.
    pub tree_size: u64,
    /// Over configuration, size and root.
    pub signature: Vec<u8>,
}

/// The auditor's signature over a state of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditorTreeHead {
    /// The time of the last entry that it saw, in milliseconds since 1970.
    pub timestamp: u64,
    /// Entries that it saw.
    pub tree_size: u64,
    /// Over configuration, time, size and root.
    pub signature: Vec<u8>,
}

/// The head that a response speaks of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FullTreeHead {
    /// The one that was advertised in the request.
    Same,
    /// A newer one.
    Updated {
        /// The operator's.
        tree_head: TreeHead,
        /// The auditor's, where there is one.
        auditor_tree_head: Option<AuditorTreeHead>,
    },
}

impl TreeHead {
    /// Verifies the operator's signature over this root.
    ///
    /// Errors:   [`KeyTransError::Signature`], [`KeyTransError::UnsupportedSuite`].
    pub fn verify(&self, config: &Configuration, root: &Digest) -> Result<(), KeyTransError> {
        let message = config.head_to_sign(self.tree_size, root)?;
        check(config, &config.signature_public_key, KeyOf::Operator, &message, &self.signature)
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { tree_size: reader.u64()?, signature: reader.bytes16()?.to_vec() })
    }

    pub(crate) fn write(&self, writer: &mut Writer) -> Result<(), DecodeError> {
        writer.u64(self.tree_size).bytes16(&self.signature)?.done()
    }
}

impl AuditorTreeHead {
    /// Verifies the auditor's signature over this root.
    ///
    /// Errors:   [`KeyTransError::Signature`], also if the log has no auditor; [`KeyTransError::UnsupportedSuite`].
    pub fn verify(&self, config: &Configuration, root: &Digest) -> Result<(), KeyTransError> {
        let DeploymentMode::ThirdPartyAuditing { auditor_public_key, .. } = &config.mode else {
            return Err(KeyTransError::Signature { by: KeyOf::Auditor });
        };
        let message = config.auditor_head_to_sign(self.timestamp, self.tree_size, root)?;
        check(config, auditor_public_key, KeyOf::Auditor, &message, &self.signature)
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { timestamp: reader.u64()?, tree_size: reader.u64()?, signature: reader.bytes16()?.to_vec() })
    }

    pub(crate) fn write(&self, writer: &mut Writer) -> Result<(), DecodeError> {
        writer.u64(self.timestamp).u64(self.tree_size).bytes16(&self.signature)?.done()
    }
}

impl FullTreeHead {
    pub(crate) fn read(reader: &mut Reader<'_>, config: &Configuration) -> Result<Self, DecodeError> {
        Ok(match reader.u8()? {
            1 => Self::Same,
            2 => Self::Updated {
                tree_head: TreeHead::read(reader)?,
                auditor_tree_head: match config.mode {
                    DeploymentMode::ContactMonitoring => None,
                    DeploymentMode::ThirdPartyAuditing { .. } => Some(AuditorTreeHead::read(reader)?),
                },
            },
            other => return Err(reader.unknown("head_type", other.into())),
        })
    }

    pub(crate) fn write(&self, writer: &mut Writer) -> Result<(), DecodeError> {
        match self {
            Self::Same => writer.u8(1).done(),
            Self::Updated { tree_head, auditor_tree_head } => {
                tree_head.write(writer.u8(2))?;
                auditor_tree_head.iter().try_for_each(|head| head.write(writer))
            }
        }
    }
}

fn check(config: &Configuration, key: &[u8], by: KeyOf, message: &[u8], signature: &[u8]) -> Result<(), KeyTransError> {
    let valid = suite::by_id(config.cipher_suite)?.verify_signature(key, message, signature);
    if valid { Ok(()) } else { Err(KeyTransError::Signature { by }) }
}
