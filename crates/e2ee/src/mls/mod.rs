//! Groups: MLS (RFC 9420) as our protocol uses it. Only this module names the MLS library.
//!
//! ```text
//!   Group::stage_commit ──▶ PendingCommit ──enqueue──▶ log ──▶ Group::receive ──▶ OwnPending ──▶ merge_pending
//!                                                                            ├──▶ Commit ──────▶ merge_staged
//!                                                                            ├──▶ Message
//!                                                                            └──▶ Skipped (all members alike)
//!   Group::rejoin ──▶ Group, merged already, and PendingCommit ──enqueue──▶ accepted, or all of it is discarded
//! ```

mod aad;
mod commit;
mod crypto;
mod group;
mod opened;
mod own;
mod profile;
mod provider;
mod receive;
mod records;
mod rejoin;
mod replacement;
mod rules;
mod storage;
mod store;
mod suite;
#[cfg(test)]
mod tests;
mod transcript;
pub(crate) mod tree;
mod welcome;

pub use aad::Aad;
pub use commit::{Change, PendingCommit};
pub use group::{Group, Member};
pub use own::{DeviceSigner, OwnDevice, delete_key_package, has_key_package, inspect_key_package, new_key_package};
pub(crate) use own::{init_public, init_secret};

pub use profile::{ConversationKind, MAX_REMOVED, MAX_TITLE_BYTES, PROFILE_EXTENSION, Profile};
pub use provider::Provider;
pub use receive::{CommitEffect, Received, StagedCommit};
pub use records::{EntryRecords, RecordBook};
pub use rejoin::{GroupSummary, inspect_group_info, named_group};
pub use replacement::Replacement;
pub use rules::Invalid;
pub use store::{MemoryMlsStore, MlsStore, StoreFault};
pub use suite::Suite;
pub use transcript::Transcript;
pub(crate) use tree::{CutTree, MAX_NODES, Slot, named_identities};
pub use welcome::welcome_for;

#[cfg(feature = "fuzzing")]
pub(crate) fn reads_commit(sender_data: &[u8], content: &[u8]) -> bool {
    opened::proposed(sender_data, content).is_ok()
}
