//! Age, the only thing that deletes entries (DESIGN L12).

use quicprochat_wire::{ChannelId, Timestamp};

use super::append::trim_group_infos;
use crate::store::{Minute, Refusal, Store, StoreTx, write};

/// Channels looked at in one transaction, and entries of each.
const CHANNELS: u32 = 64;
const ENTRIES: u32 = 1024;

/// Drops the content of entries accepted before `cutoff`; says of how many. A step of bounded size: 0 means done.
pub(crate) async fn expire(store: &dyn Store, cutoff: Timestamp) -> Result<u64, Refusal> {
    let cutoff = Minute::from(cutoff);
    write(store, move |tx| {
        let mut dropped = 0;
        for channel in tx.channels().overdue(cutoff, CHANNELS)? {
            dropped += expire_channel(tx, &channel, cutoff)?;
        }
        Ok(dropped)
    })
    .await
}

fn expire_channel(tx: &mut dyn StoreTx, channel: &ChannelId, cutoff: Minute) -> Result<u64, Refusal> {
    let Some(mut row) = tx.channels().load(channel)? else { return Ok(0) };
    let before = row.first;
    let mut oldest = None;
    let ages = tx.channels().ages(channel, row.first, ENTRIES)?;
    let all_seen = ages.last().is_none_or(|(position, ..)| *position >= row.last.position);
    for (position, bytes, time) in ages {
        // A clock that was set back can leave a younger entry before an older one; the older waits for it.
        if time >= cutoff {
            oldest = Some(time);
            break;
        }
        row.first = position.saturating_add(1);
        row.bytes = row.bytes.saturating_sub(bytes);
    }
    // Where more entries follow than were looked at, the channel stays overdue and the next step goes on.
    row.oldest = if oldest.is_none() && !all_seen { row.oldest } else { oldest };
    tx.channels().drop_content(channel, row.first)?;
    let (first, newest) = (row.first, row.last_commit.position);
    trim_group_infos(tx, channel, &mut row, |position, _| position < first && position != newest)?;
    tx.channels().save(channel, &row)?;
    Ok(row.first.saturating_sub(before))
}
