//! What can go wrong on the operator's side.

use thiserror::Error;

use crate::{DecodeError, Digest, KeyTransError, VrfOutput, error::KeyOf};

/// What a store answers when it fails: an error of its own kind.
pub type StoreError = Box<dyn core::error::Error + Send + Sync>;

/// Why a log was not opened, or did not append or prove something. Nothing was changed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LogError {
    /// The store failed.
    #[error("the store of the log failed")]
    Store(#[source] StoreError),
    /// A rule of the protocol was broken: time ran backwards, an entry is not in the log, the head does not fit.
    #[error(transparent)]
    KeyTrans(#[from] KeyTransError),
    /// The store lacks something that it must have.
    #[error("the store of the log has no {what} {number}")]
    Missing {
        /// What.
        what: Row,
        /// Its number.
        number: u64,
    },
    /// The store has something that it cannot have yet.
    #[error("the store of the log has {what} {number}, which no signed head covers")]
    Unsigned {
        /// What.
        what: Row,
        /// Its number.
        number: u64,
    },
    /// The store gives back something else than was put into it.
    #[error("the store of the log was changed: {what} {number} hashes to {found}, not to {expected}")]
    Changed {
        /// What.
        what: Row,
        /// Its number; of a node of the log tree, that of its last entry.
        number: u64,
        /// What the node above it, or the head, says.
        expected: Digest,
        /// What the store's data gives.
        found: Digest,
    },
    /// A key is not the one that the configuration names.
    #[error("{of} has another key in the configuration")]
    ForeignKey {
        /// Whose key.
        of: KeyOf,
    },
    /// A leaf is already there, or is twice in a batch.
    #[error("the place {place:?} is already taken")]
    Taken {
        /// Where.
        place: VrfOutput,
    },
    /// A place was asked for twice in one proof.
    #[error("the place {place:?} is looked up twice")]
    Twice {
        /// Where.
        place: VrfOutput,
    },
    /// Two places share their first 255 bits, and the draft has no depth for what tells them apart.
    #[error("the place {place:?} cannot be told from another one")]
    TooDeep {
        /// One of the two.
        place: VrfOutput,
    },
    /// A version was prepared that is not the label's next one: another append came in between.
    #[error("version {found} was prepared where {expected} is next")]
    Version {
        /// The label's next version.
        expected: u32,
        /// What was prepared.
        found: u32,
    },
    /// A batch is larger than one entry may be.
    #[error("{found} new leaves are too many for one entry: {limit} at most")]
    Batch {
        /// Leaves at most.
        limit: usize,
        /// Leaves there are.
        found: usize,
    },
    /// What a version says was erased; only its commitment is left.
    #[error("the value of version {version} was erased")]
    Erased {
        /// The version.
        version: u32,
    },
    /// The log has an auditor, whose head goes with every answer, and none was given.
    #[error("there is no auditor's head yet")]
    NoAuditorHead,
    /// The log cannot hold another entry.
    #[error("the log is full")]
    Full,
}

/// What a store keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Row {
    /// A node of a prefix tree, by its number.
    PrefixNode,
    /// A node of the log tree, by its last entry.
    LogNode,
    /// An entry.
    Entry,
    /// The newest head; the number is its size.
    Head,
    /// A version of a label.
    Version,
}

impl From<DecodeError> for LogError {
    fn from(error: DecodeError) -> Self {
        Self::KeyTrans(error.into())
    }
}

impl core::fmt::Display for Row {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        out.write_str(match self {
            Self::PrefixNode => "node of a prefix tree",
            Self::LogNode => "node of the log tree up to entry",
            Self::Entry => "entry",
            Self::Head => "head of size",
            Self::Version => "version",
        })
    }
}
