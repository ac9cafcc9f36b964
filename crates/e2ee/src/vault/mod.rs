//! The vault: what an account keeps at the server under keys that the server does not have (DESIGN A4).
//!
//! ```text
//!   password     ─OPAQUE─▶ export key ─┐
//!   recovery key ─OPAQUE─▶ export key ─┴unwrap─▶ RootKey ──▶ identity key (record 1), recovery key (record 5)
//!                                                   └──────▶ StateKey ──▶ inbox keys, devices, jobs, link secret, conversations,
//!                                                                account state, archive (records 2, 3, 4, 6, 16 to 31, 32 to 47, 48)
//! ```

mod account_state;
mod archive;
mod conversations;
mod handover;
mod keys;
mod link;
mod records;
mod recovery;
#[cfg(test)]
mod tests;

pub use account_state::{
    MAX_STATE_BYTES, STATE_RECORD_COUNT, STATE_RECORDS, is_account_state_record, open_account_state, seal_account_state,
};
pub use archive::{
    ArchiveKey, ArchiveRecord, MAX_ARCHIVE_CONTENT, ManifestPointer, ObjectKind, object_hash, open_object, seal_object,
};
pub use conversations::{
    CONVERSATION_RECORDS, CONVERSATION_SHARDS, ConversationList, MAX_LISTED_TITLE_BYTES, SealedShard, Standing,
    VaultConversation, is_conversation_record,
};
pub use handover::{HANDOVER_RECORDS, open_handover, seal_handover};
pub use keys::{RootKey, StateKey};
pub use link::{LinkRecord, LinkSecret};
pub use records::{
    DevicesRecord, IDENTITY_RECORD, InboxRecord, Job, JobsRecord, RecordHead, StateRecord, open_identity, open_record,
    seal_identity, seal_record, vault_hash,
};
pub use recovery::{RECOVERY_RECORD, RecoveryKey, RecoveryKeyProblem, RecoveryRecord, open_recovery, seal_recovery};
