//! `channel-restore`: entries that the server lost when it was put back, offered again by who has them (DESIGN L3).
//!
//! ```text
//!   server   1 ── 2 ── 3                        h(3) is what both have, and what the call names
//!   holder   1 ── 2 ── 3 ── 4 ── 5 ── 6         offers 4, 5, 6: appended, they have the hashes that they had
//!   another  1 ── 2 ── 3 ── 4 ── 5              offers 4, 5: passed over, or the first to come
//!   writer   1 ── 2 ── 3 ── x                   came before all of them: 4 and the rest are not of this log
//! ```

use quicprochat_wire::{
    ChannelId, ErrorCode, Timestamp,
    call::channel::{ChainPoint, ChannelRestore, CommitParts, RestoreOutcome, Restored, RestoredEntry, TreeChange},
    chain,
    limits::MAX_PAGE_ENTRIES,
    mutant::{Mutant, is_on},
};

use super::{
    append::{Addition, Quota, append, check_sizes},
    authorise::current,
    enqueue::time_of,
};
use crate::{
    config::Limits,
    connection::ChannelConnection,
    recovery,
    shared::Core,
    store::{ChannelRow, Minute, Refusal, StoreTx, write},
};

/// Bytes that cost as much as an entry.
pub(super) const BYTES_OF_ONE: usize = 64 << 10;

pub(crate) async fn restore(
    core: &Core,
    connection: &ChannelConnection,
    request: ChannelRestore,
    now: Timestamp,
) -> Result<Restored, Refusal> {
    check(&request, &core.config.limits)?;
    let channel = request.channel;
    let attached = connection.keys(&channel)?;
    core.limits.enqueues.take_many(channel, cost(&request), now)?;
    let request = Offer::new(request);
    let quota = Quota::of(&core.config.limits, now);
    let counts = core.recovery.is_on();
    let restored = write(&*core.store, move |tx| {
        let mut row = current(tx, &channel, &attached)?;
        let (outcome, added) = take(tx, &mut row, request, &quota, now)?;
        if counts && added > 0 {
            recovery::count(tx, added)?;
        }
        Ok(Restored { outcome, added, last_commit: row.last_commit, last: row.last })
    })
    .await?;
    core.recovery.count(restored.added);
    if restored.added > 0 && !is_on(Mutant::ForgetToWake) {
        core.channel_wakers.wake(&channel);
    }
    Ok(restored)
}

/// What is taken of the channel's rate: each entry is one, whether the server lacks it or not, and so is each 64 KiB. It is the one
/// writer that looks at them.
fn cost(request: &ChannelRestore) -> u32 {
    let bytes: usize = request.entries.iter().map(|entry| entry.sealed.len()).sum();
    u32::try_from(request.entries.len().saturating_add(bytes / BYTES_OF_ONE)).unwrap_or(u32::MAX)
}

/// An offer with the points at which its entries stand, counted before the writer has it.
struct Offer {
    request: ChannelRestore,
    ends: Vec<ChainPoint>,
}

impl Offer {
    fn new(request: ChannelRestore) -> Self {
        let mut end = request.after;
        let mut next = |entry: &RestoredEntry| {
            end = entry.at(&end);
            end
        };
        let ends = request.entries.iter().map(&mut next).collect();
        Self { request, ends }
    }
}

fn check(request: &ChannelRestore, limits: &Limits) -> Result<(), ErrorCode> {
    let Some((_, before)) = request.entries.split_last() else { return Err(ErrorCode::BadRequest) };
    if request.entries.len() > usize::from(MAX_PAGE_ENTRIES) {
        return Err(ErrorCode::TooLarge);
    }
    // What follows a rolling commit takes the key that it brings.
    if before.iter().any(|entry| entry.commit.as_ref().is_some_and(|parts| parts.roll.is_some())) {
        return Err(ErrorCode::BadRequest);
    }
    for RestoredEntry { sealed, commit, .. } in &request.entries {
        check_sizes(sealed, commit.as_ref(), limits)?;
        // Chunks are told apart from those that the GroupInfo before names; without a GroupInfo there is nothing to tell.
        let blind = |parts: &CommitParts| parts.group_info.is_empty() && parts.tree != TreeChange::default();
        if commit.as_ref().is_some_and(blind) {
            return Err(ErrorCode::BadRequest);
        }
    }
    Ok(())
}

/// Passes over what the log has and appends the rest; says how many that were. Nothing was appended before it finds that the
/// log goes on otherwise.
///
/// Errors:   `bad-request` for an entry that no log could have there; as of [`append`].
fn take(
    tx: &mut dyn StoreTx,
    row: &mut ChannelRow,
    Offer { request, ends }: Offer,
    quota: &Quota,
    now: Timestamp,
) -> Result<(RestoreOutcome, u32), Refusal> {
    let ChannelRestore { channel, after, entries } = request;
    if after.position > row.last.position {
        return Ok((RestoreOutcome::Short, 0));
    }
    if !stands(tx, &channel, row, after)? {
        return Ok((RestoreOutcome::Diverged, 0));
    }
    // A point stands for all that came before it: what both have is compared once, at its end.
    let lacks = ends.partition_point(|end| end.position <= row.last.position);
    if let Some(both) = lacks.checked_sub(1).and_then(|last| ends.get(last))
        && !stands(tx, &channel, row, *both)?
    {
        return Ok((RestoreOutcome::Diverged, 0));
    }
    let mut earliest = time_of(tx, &channel, row.last)?.unwrap_or_default();
    let mut added = 0_u32;
    for entry in entries.into_iter().skip(lacks) {
        if entry.after_commit != row.last_commit || tx.channels().find_id(&channel, &entry.id)?.is_some() {
            return Err(ErrorCode::BadRequest.into());
        }
        let time = Minute::from(entry.time).max(earliest).min(Minute::from(now));
        earliest = time;
        let RestoredEntry { id, after_commit, sealed, commit, .. } = entry;
        append(tx, &channel, row, Addition { id, after_commit, sealed, commit, time }, quota)?;
        added = added.saturating_add(1);
    }
    Ok((RestoreOutcome::Whole, added))
}

/// Whether the log has this point. It is not beyond the end.
fn stands(tx: &mut dyn StoreTx, channel: &ChannelId, row: &ChannelRow, at: ChainPoint) -> Result<bool, Refusal> {
    if at.position == row.last.position {
        return Ok(at == row.last);
    }
    if at.position == 0 {
        return Ok(at.hash == chain::start(channel));
    }
    Ok(tx.channels().point(channel, at.position)?.is_some_and(|point| point.at == at))
}
