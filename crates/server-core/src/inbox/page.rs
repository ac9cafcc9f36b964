//! A page of an inbox.

use quicprochat_wire::call::inbox::{InboxEntry, InboxPage};

use crate::{
    connection::Device,
    store::{PageLimit, Refusal, StoreTx},
};

/// Reads on from `after`, if the account still has the device.
pub(super) fn page(tx: &mut dyn StoreTx, caller: &Device, after: u64, limit: u16) -> Result<InboxPage, Refusal> {
    caller.confirm(tx)?;
    let rows = tx.inboxes().page(&caller.account, after, PageLimit::asked(limit))?;
    let last = tx.inboxes().load(&caller.account)?.last;
    let more = rows.last().is_some_and(|row| row.seq < last);
    let entries = rows.into_iter().map(|row| InboxEntry { seq: row.seq, id: row.id, sealed: row.sealed }).collect();
    Ok(InboxPage { entries, more })
}
