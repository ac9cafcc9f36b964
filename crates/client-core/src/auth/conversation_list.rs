//! The conversations in the vault: records 16 to 31, always read and stored together.

use quicprochat_e2ee::vault::{CONVERSATION_RECORDS, CONVERSATION_SHARDS, ConversationList, StateKey};
use quicprochat_wire::{
    AccountId, Entropy,
    call::vault::{VaultFetch, VaultRecord},
};

use super::{CeremonyError, records::next_version};

/// Asks for the records.
#[must_use]
pub fn conversations_request() -> VaultFetch {
    VaultFetch { ids: (CONVERSATION_RECORDS..CONVERSATION_RECORDS + CONVERSATION_SHARDS).collect() }
}

/// The account's conversations, from the records that `vault-fetch` answered; empty if there are none yet.
///
/// Errors:   [`CeremonyError::RecordSealed`].
pub fn conversations(
    key: &StateKey,
    account: AccountId,
    records: &[VaultRecord],
) -> Result<ConversationList, CeremonyError> {
    let mut list = ConversationList::default();
    for record in present(records) {
        list.open(key, account, record.id, record.version, &record.sealed)
            .map_err(|_| CeremonyError::RecordSealed { record: record.id })?;
    }
    Ok(list)
}

/// Seals the list to take the place of the records that `vault-fetch` answered.
///
/// A `version-conflict` means that another device wrote in between: fetch, merge and try again.
///
/// Errors:   [`CeremonyError::TooManyConversations`].
pub fn seal_conversations(
    key: &StateKey,
    account: AccountId,
    list: &ConversationList,
    records: &[VaultRecord],
    entropy: &mut dyn Entropy,
) -> Result<Vec<VaultRecord>, CeremonyError> {
    seal(key, account, list, |id| next_version(records, id), entropy)
}

pub(super) fn seal(
    key: &StateKey,
    account: AccountId,
    list: &ConversationList,
    version: impl Fn(u32) -> u64,
    entropy: &mut dyn Entropy,
) -> Result<Vec<VaultRecord>, CeremonyError> {
    let shards = list.seal(key, account, version, entropy).map_err(|_| CeremonyError::TooManyConversations)?;
    let record = |shard: quicprochat_e2ee::vault::SealedShard| VaultRecord {
        id: shard.id,
        version: shard.version,
        sealed: shard.sealed,
    };
    Ok(shards.into_iter().map(record).collect())
}

/// Those of the records that hold conversations.
pub(crate) fn present(records: &[VaultRecord]) -> impl Iterator<Item = &VaultRecord> {
    let holds = |record: &&VaultRecord| quicprochat_e2ee::vault::is_conversation_record(record.id);
    records.iter().filter(holds).filter(|record| !record.sealed.is_empty())
}
