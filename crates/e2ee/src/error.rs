//! What can fail here.

use quicprochat_identity::IdentityError;
use quicprochat_wire::{ChunkId, DecodeError};

use crate::mls::{Invalid, StoreFault, Transcript};

/// Why an operation of this crate failed.
///
/// A peer's entry that every member must skip is no error: see [`crate::mls::Received::Skipped`].
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum E2eeError {
    /// The store failed or holds something damaged; the transaction is to be rolled back.
    #[error(transparent)]
    Store(#[from] StoreFault),
    /// A commit counts, but this member cannot follow it: it must stop writing and rejoin (DESIGN L9).
    #[error("this member cannot follow the group any more: {cause}")]
    NeedsRejoin {
        /// What failed.
        cause: RejoinCause,
        /// The transcript of the epoch it begins, as far as it can be computed without what failed: a GroupInfo of that epoch
        /// with another one belongs to another past.
        expected: Option<Transcript>,
    },
    /// What this client is about to do, or to join, breaks a rule.
    #[error("the group's rules forbid it: {0}")]
    Forbidden(#[from] Invalid),
    /// A record, credential or signature was refused.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// Bytes are not the encoding of what was expected.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// A ciphertext does not open with this key and in this context.
    #[error("{what} does not open")]
    CannotOpen {
        /// What was to be opened.
        what: Sealed,
    },
    /// A chunk of a ratchet tree is not there.
    #[error("chunk {id} of the ratchet tree is missing")]
    MissingChunk {
        /// Which.
        id: ChunkId,
    },
    /// The padding of a plaintext is malformed.
    #[error("the padding of {what} is malformed")]
    BadPadding {
        /// What was opened.
        what: Sealed,
    },
    /// A public key is none of its kind.
    #[error("not a public key")]
    BadPublicKey,
    /// Content is larger than its limit.
    #[error("{what} of {found} bytes exceeds the limit of {limit}")]
    TooLarge {
        /// What was to be sealed.
        what: Sealed,
        /// Its limit in bytes.
        limit: usize,
        /// Its length in bytes.
        found: usize,
    },
    /// A protocol structure has a version, suite or kind that this version does not speak.
    #[error("unsupported {what}: {found}")]
    Unsupported {
        /// What it is.
        what: &'static str,
        /// The number found.
        found: u64,
    },
    /// The MLS library refused a step of this client's own.
    #[error("MLS refused to {step}")]
    Mls {
        /// Which step.
        step: MlsStep,
    },
    /// A call does not fit the group's state: no such member, no pending commit, one pending already, or no member any more.
    #[error("the group's state does not allow it: {0}")]
    State(#[from] StateFault),
}

/// Why a member cannot follow a commit that counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RejoinCause {
    /// The path secret for this member does not decrypt or does not fit the tree.
    #[error("the path secret does not fit")]
    PathSecret,
    /// The confirmation tag is another than the one computed.
    #[error("the confirmation tag differs")]
    ConfirmationTag,
    /// A private key of this member is missing.
    #[error("a private key is missing")]
    MissingKey,
    /// The library failed inside.
    #[error("the library failed")]
    Library,
}

/// What a ciphertext carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Sealed {
    /// An entry of a channel.
    Entry,
    /// A channel's GroupInfo.
    GroupInfo,
    /// A chunk of a channel's ratchet tree.
    TreeChunk,
    /// A channel's keyring.
    Keyring,
    /// An inbox entry.
    InboxEntry,
    /// The wrap of the vault's root key.
    Wrap,
    /// A vault record.
    VaultRecord,
    /// A handover record of the vault.
    Handover,
    /// A message between two devices of which one links the other.
    LinkMessage,
    /// An object of the archive.
    Archive,
}

impl core::fmt::Display for Sealed {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Entry => "the entry",
            Self::GroupInfo => "the GroupInfo",
            Self::TreeChunk => "the chunk of the ratchet tree",
            Self::Keyring => "the keyring",
            Self::InboxEntry => "the inbox entry",
            Self::Wrap => "the wrap",
            Self::VaultRecord => "the vault record",
            Self::Handover => "the handover",
            Self::LinkMessage => "the message of the other device",
            Self::Archive => "the archive's object",
        })
    }
}

/// Steps in which the MLS library can refuse.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum MlsStep {
    /// Making a KeyPackage.
    KeyPackage,
    /// Creating a group.
    Create,
    /// Building a commit.
    Commit,
    /// Merging a commit.
    Merge,
    /// Encrypting a message.
    Encrypt,
    /// Joining by a Welcome.
    Join,
    /// Entering by external commit.
    Rejoin,
    /// Exporting a secret, a tree or a GroupInfo.
    Export,
}

impl core::fmt::Display for MlsStep {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::KeyPackage => "make a KeyPackage",
            Self::Create => "create the group",
            Self::Commit => "build the commit",
            Self::Merge => "merge the commit",
            Self::Encrypt => "encrypt the message",
            Self::Join => "join the group",
            Self::Rejoin => "enter the group",
            Self::Export => "export",
        })
    }
}

/// A call that does not fit the group's state.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateFault {
    /// There is no pending commit.
    #[error("there is no pending commit")]
    NoPendingCommit,
    /// A commit is pending.
    #[error("a commit is pending")]
    PendingCommit,
    /// This device is no member any more.
    #[error("this device is not a member")]
    NotAMember,
    /// There is no member at this leaf.
    #[error("leaf {leaf} is empty")]
    NoSuchLeaf {
        /// The leaf.
        leaf: u32,
    },
    /// The store has a group for this channel already.
    #[error("the group exists already")]
    Exists,
    /// No private key of the KeyPackages named is in the store.
    #[error("no KeyPackage of this device fits")]
    NoKeyPackage,
}
