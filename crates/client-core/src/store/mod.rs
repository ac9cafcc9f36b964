//! What the engine keeps, as narrow traits: one a noun, all inside one transaction.
//!
//! A backend implements every trait for its transaction type and passes [`conformance`]; [`memory`] is the one beside the
//! traits, for tests and the simulator. Methods take `&self`: a transaction is used by one engine at a time, and interior
//! mutability is the backend's business (SQLite's connection has it by itself).
//!
//! ```text
//!   account ── who we are            conversation, record ── channels, groups, announced identities
//!   contact ── whom we know          message ── the readable log      outbox ── what is to leave
//!   inbox ── invitations             token ── blind tokens            upkeep ── KeyPackages, jobs, settings
//!   state ── what all devices of the account share
//!   raw log ── entries as the server had them, for a while
//!   mls ── the group state, opaque bytes of `quicprochat-e2ee`
//! ```
//!
//! Rows are plain structs; [`Stored`] is their stored form, so that a backend needs no column but those it looks rows up by.

pub mod account;
pub(crate) mod codec;
pub mod conformance;
pub mod contact;
pub mod conversation;
pub mod gaps;
pub mod inbox;
pub mod memory;
pub mod message;
pub mod outbox;
pub mod pending_commit;
pub mod raw_log;
pub mod repair;
pub mod secret;
pub mod state;
pub mod token;
pub mod upkeep;

pub use account::{AccountStore, OwnAccount, Standing};
pub use codec::{List, Stored};
pub use contact::{Contact, ContactStore, Relation};
pub use conversation::{
    AnnouncedRecord, Conversation, ConversationKind, ConversationState, ConversationStore, Creation, KeysAhead, Leaver,
    MemberDevice, RecordStore, RejoinReason, Roll,
};
pub use gaps::{Answered, GapRequest, GapRow, Gaps, Positions};
pub use inbox::{InboxStore, Invitation, InvitationState};
pub use memory::MemoryStore;
pub use message::{LogBody, LogEntry, MessageStore};
pub use outbox::{Attempt, Delivery, DeliveryBody, Lease, MessagePurpose, OutboxMessage, OutboxStore};
pub use pending_commit::{PendingCommit, PendingGroupInfo, StoredChunk};
pub use quicprochat_e2ee::mls::{MlsStore, StoreFault as MlsStoreFault};
pub use raw_log::{RawEntry, RawLogStore, RawMark, RawRoll, ServerPutBack};
pub use repair::Repair;
pub use secret::{Secret, SecretBytes};
pub use state::{AccountState, ConversationSettings, KnownContact, RecordVersion, StateStore, UnsentKey};
pub use token::{StockToken, TokenStore};
pub use upkeep::{KeyPackageState, OwnKeyPackage, RevocationJob, UpkeepStore};

/// One transaction on the client's store. Everything read and written through it is of one moment, and either all of it is
/// committed or nothing.
pub trait StoreTx {
    /// A number that stays the same as long as nobody but this handle has changed the store (as SQLite's `data_version`).
    fn version(&self) -> Result<u64, StoreFault>;

    /// The own account.
    fn account(&self) -> &dyn AccountStore;
    /// Other accounts.
    fn contacts(&self) -> &dyn ContactStore;
    /// Conversations and their channels.
    fn conversations(&self) -> &dyn ConversationStore;
    /// Identity parts announced in conversations.
    fn records(&self) -> &dyn RecordStore;
    /// The readable logs.
    fn messages(&self) -> &dyn MessageStore;
    /// Entries as the server had them.
    fn raw_log(&self) -> &dyn RawLogStore;
    /// What is to leave.
    fn outbox(&self) -> &dyn OutboxStore;
    /// The own inbox.
    fn inbox(&self) -> &dyn InboxStore;
    /// Blind tokens.
    fn tokens(&self) -> &dyn TokenStore;
    /// KeyPackages, jobs, settings.
    fn upkeep(&self) -> &dyn UpkeepStore;
    /// What all devices of the account share.
    fn state(&self) -> &dyn StateStore;
    /// The MLS library's state.
    fn mls(&self) -> &dyn MlsStore;
}

/// The store failed. The transaction is lost; the engine is to be dropped and loaded anew.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreFault {
    /// Another process held the store too long.
    #[error("the store is locked by another process")]
    Locked,
    /// No room left on the disk.
    #[error("the disk is full")]
    Full,
    /// A row or the file does not read back.
    #[error("the store is damaged")]
    Damaged,
    /// A row that could not be read back. Nothing of the transaction is kept.
    #[error("a row would be larger than what can be read back")]
    TooLarge,
    /// Any other failure of the backend; its own log says which.
    #[error("the store failed")]
    Failed,
}

impl From<quicprochat_wire::DecodeError> for StoreFault {
    fn from(_: quicprochat_wire::DecodeError) -> Self {
        Self::Damaged
    }
}

impl From<MlsStoreFault> for StoreFault {
    #[expect(clippy::wildcard_enum_match_arm, reason = "faults of later versions of the group store are failures")]
    fn from(fault: MlsStoreFault) -> Self {
        match fault {
            MlsStoreFault::Damaged | MlsStoreFault::UnknownVersion { .. } => Self::Damaged,
            _ => Self::Failed,
        }
    }
}
