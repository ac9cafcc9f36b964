//! Entries as they travel.

use quicprochat_wire::{
    ChannelId,
    call::channel::{ChannelEntry, ChannelPage},
};

use crate::store::{EntryRow, PageLimit, StoreFault, StoreTx};

/// Entries with `after < seq <= through`, where `through` is at most the end of the log.
pub(super) fn page(
    tx: &mut dyn StoreTx,
    channel: &ChannelId,
    after: u64,
    through: u64,
    limit: u16,
) -> Result<ChannelPage, StoreFault> {
    let rows = tx.channels().page(channel, after, through, PageLimit::asked(limit))?;
    let more = rows.last().is_some_and(|row| row.at.position < through);
    Ok(ChannelPage { entries: rows.into_iter().map(entry).collect(), more })
}

fn entry(row: EntryRow) -> ChannelEntry {
    ChannelEntry {
        seq: row.at.position,
        id: row.id,
        kind: row.kind,
        after_commit: row.after_commit,
        sealed: row.sealed,
        next_access: row.next_access,
        time: row.time.start(),
    }
}
