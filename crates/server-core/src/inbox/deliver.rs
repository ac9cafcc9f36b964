//! `inbox-deliver`: leaves an entry in somebody's inbox, for a token.

use quicprochat_wire::{
    ErrorCode, Timestamp,
    call::{Done, inbox::InboxDeliver},
};

use crate::{
    access::LookupCaller,
    shared::Core,
    store::{Day, InboxEntryRow, InboxRow, Refusal, write},
    tokens::spend,
};

pub(crate) async fn deliver(
    core: &Core,
    _caller: LookupCaller,
    request: InboxDeliver,
    now: Timestamp,
) -> Result<Done, Refusal> {
    let limits = &core.config.limits;
    let InboxDeliver { account, id, sealed, token } = request;
    let length = u64::try_from(sealed.len()).unwrap_or(u64::MAX);
    if sealed.is_empty() {
        return Err(ErrorCode::BadRequest.into());
    }
    if length > u64::from(limits.announced().inbox_bytes) {
        return Err(ErrorCode::TooLarge.into());
    }
    // Recomputed outside the writer; what it says counts only if the id is new.
    let token = core.issuer.verify(&token, now);
    let (max_bytes, max_entries) = (limits.inbox_bytes, limits.inbox_entries);
    write(&*core.store, move |tx| {
        if tx.inboxes().find_id(&account, &id)?.is_some() {
            return Ok(());
        }
        spend(tx, token)?;
        if tx.accounts().load(&account)?.is_none() {
            return Err(ErrorCode::NotFound.into());
        }
        let before = tx.inboxes().load(&account)?;
        let row = InboxRow {
            last: before.last.saturating_add(1),
            entries: before.entries.saturating_add(1),
            bytes: before.bytes.saturating_add(length),
        };
        if row.bytes > max_bytes || row.entries > max_entries {
            return Err(ErrorCode::QuotaFull.into());
        }
        let entry = InboxEntryRow { seq: row.last, id, sealed, day: Day::from(now) };
        Ok(tx.inboxes().append(&account, &row, &entry)?)
    })
    .await?;
    core.account_wakers.wake(&account);
    Ok(Done)
}
