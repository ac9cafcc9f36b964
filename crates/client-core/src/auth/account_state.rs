//! The account's state in the vault: records 32 to 47, always stored together.

use std::collections::BTreeMap;

use quicprochat_e2ee::vault::{self, STATE_RECORD_COUNT, STATE_RECORDS, SealedShard, StateKey};
use quicprochat_wire::{
    AccountId, Entropy,
    call::vault::{VaultFetch, VaultRecord},
};
use zeroize::Zeroizing;

use super::CeremonyError;

/// Asks for the records.
#[must_use]
pub fn account_state_request() -> VaultFetch {
    VaultFetch { ids: (STATE_RECORDS..STATE_RECORDS + STATE_RECORD_COUNT).collect() }
}

/// The account's state, from the records that `vault-fetch` answered; `None` if no device wrote any.
///
/// Errors:   [`CeremonyError::RecordSealed`].
pub fn account_state(
    key: &StateKey,
    account: AccountId,
    records: &[VaultRecord],
) -> Result<Option<Zeroizing<Vec<u8>>>, CeremonyError> {
    let sealed: Vec<_> = present(records)
        .map(|record| SealedShard { id: record.id, version: record.version, sealed: record.sealed.clone() })
        .collect();
    let content = vault::open_account_state(key, account, &sealed)
        .map_err(|_| CeremonyError::RecordSealed { record: STATE_RECORDS })?;
    Ok(content.filter(|content| !content.is_empty()))
}

/// Seals the state to take the place of the records whose versions are `stored`: as many of them at least.
///
/// A `version-conflict` means that another device wrote in between: fetch, merge and try again.
///
/// Errors:   [`CeremonyError::StateTooLarge`].
pub fn seal_account_state(
    key: &StateKey,
    account: AccountId,
    content: &[u8],
    stored: &BTreeMap<u32, u64>,
    entropy: &mut dyn Entropy,
) -> Result<Vec<VaultRecord>, CeremonyError> {
    let records = stored.keys().filter(|id| vault::is_account_state_record(**id)).count();
    let version = |id| stored.get(&id).copied().unwrap_or(0).saturating_add(1);
    let sealed = vault::seal_account_state(key, account, content, records, version, entropy)
        .map_err(|_| CeremonyError::StateTooLarge { found: content.len() })?;
    let record = |shard: SealedShard| VaultRecord { id: shard.id, version: shard.version, sealed: shard.sealed };
    Ok(sealed.into_iter().map(record).collect())
}

fn present(records: &[VaultRecord]) -> impl Iterator<Item = &VaultRecord> {
    records.iter().filter(|record| vault::is_account_state_record(record.id) && !record.sealed.is_empty())
}
