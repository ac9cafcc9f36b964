//! The rules for wraps and records, wherever they are stored from.

use std::collections::BTreeMap;

use quicprochat_wire::{
    AccountId, ErrorCode,
    call::vault::{VaultRecord, VaultWrap, WAY_LINKED, WAY_PASSWORD},
    limits::{MAX_VAULT_BYTES, MAX_VAULT_IDS, MAX_VAULT_RECORDS},
};

use crate::{
    connection::SignedIn,
    store::{PasswordRow, Refusal, StoreTx, VaultRow},
};

/// Most ways into a vault.
const MAX_WRAPS: usize = 8;

/// Checks wraps that are to replace all there are: at least one, each way once.
///
/// Errors:   `bad-request`, `too-large`, `quota-full`.
pub(crate) fn check_wraps(wraps: &[VaultWrap]) -> Result<(), ErrorCode> {
    if wraps.len() > MAX_WRAPS {
        return Err(ErrorCode::QuotaFull);
    }
    let mut ways: Vec<u16> = wraps.iter().map(|wrap| wrap.way).collect();
    ways.sort_unstable();
    ways.dedup();
    // The password is a way in, or it is together with the link secret.
    if ways.contains(&WAY_PASSWORD) && ways.contains(&WAY_LINKED) {
        return Err(ErrorCode::BadRequest);
    }
    if wraps.is_empty() || ways.len() != wraps.len() || wraps.iter().any(|wrap| wrap.sealed.is_empty()) {
        return Err(ErrorCode::BadRequest);
    }
    if wraps.iter().any(|wrap| wrap.sealed.len() > MAX_VAULT_BYTES) {
        return Err(ErrorCode::TooLarge);
    }
    Ok(())
}

/// Counts a change of the wraps: from now on other sign-ins are over, whose wraps would be of before. Returns what the
/// connection that changes them is signed in as afterwards.
pub(crate) fn new_version(tx: &mut dyn StoreTx, caller: SignedIn) -> Result<SignedIn, Refusal> {
    let row = tx.accounts().load(&caller.account)?.ok_or(ErrorCode::SignInRequired)?;
    let version = caller.password_version.saturating_add(1);
    tx.accounts().set_password(&caller.account, &PasswordRow { version, ..row.password })?;
    Ok(SignedIn { password_version: version, ..caller })
}

/// Stores records, each one version above the stored one; a refusal undoes them all with the transaction.
///
/// Errors:   `bad-request` for an id named twice, `too-large`, `version-conflict`, `quota-full`.
pub(crate) fn put_records(
    tx: &mut dyn StoreTx,
    account: &AccountId,
    records: &[VaultRecord],
    limit_bytes: u64,
) -> Result<(), Refusal> {
    let mut rows: BTreeMap<u32, VaultRow> = tx.vaults().rows(account)?.into_iter().map(|row| (row.id, row)).collect();
    let mut seen = Vec::with_capacity(records.len().min(MAX_VAULT_RECORDS));
    for record in records {
        if seen.contains(&record.id) {
            return Err(ErrorCode::BadRequest.into());
        }
        seen.push(record.id);
        if record.sealed.len() > MAX_VAULT_BYTES {
            return Err(ErrorCode::TooLarge.into());
        }
        let stored = rows.get(&record.id).map_or(0, |row| row.version);
        if Some(record.version) != stored.checked_add(1) {
            return Err(ErrorCode::VersionConflict.into());
        }
        let bytes = u64::try_from(record.sealed.len()).unwrap_or(u64::MAX);
        rows.insert(record.id, VaultRow { id: record.id, version: record.version, bytes });
        if rows.len() > MAX_VAULT_IDS {
            return Err(ErrorCode::QuotaFull.into());
        }
        tx.vaults().put(account, record)?;
    }
    let kept = rows.values().filter(|row| row.bytes > 0).count();
    let bytes: u64 = rows.values().map(|row| row.bytes).sum();
    if kept > MAX_VAULT_RECORDS || bytes > limit_bytes {
        return Err(ErrorCode::QuotaFull.into());
    }
    Ok(())
}
