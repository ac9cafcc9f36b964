//! The archive's record in the vault: record 48.

use quicprochat_e2ee::vault::{ArchiveRecord, StateKey, StateRecord as _};
use quicprochat_wire::{
    AccountId, Entropy,
    call::vault::{VaultFetch, VaultRecord},
};

use super::{CeremonyError, records};

/// Asks for the record.
#[must_use]
pub fn archive_request() -> VaultFetch {
    VaultFetch { ids: vec![ArchiveRecord::ID] }
}

/// The record, from what `vault-fetch` answered; `None` if there is none yet.
///
/// Errors:   [`CeremonyError::RecordSealed`].
pub fn archive(
    key: &StateKey,
    account: AccountId,
    records: &[VaultRecord],
) -> Result<Option<ArchiveRecord>, CeremonyError> {
    records::open(key, account, records)
}

/// Seals the record as its next version.
///
/// A `version-conflict` means that another device wrote in between: fetch, do the same to what is found, and try again.
pub fn seal_archive(
    key: &StateKey,
    account: AccountId,
    version: u64,
    record: &ArchiveRecord,
    entropy: &mut dyn Entropy,
) -> Result<VaultRecord, CeremonyError> {
    records::seal(key, account, version, record, entropy)
}
