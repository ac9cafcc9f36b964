//! `channel-enqueue`: the compare-and-set that keeps a log from forking (DESIGN L3, L5, L6, L7, L12).

use quicprochat_wire::{
    AccessPublicKey, ChannelId, ErrorCode, Timestamp,
    call::channel::{ChainPoint, ChannelEnqueue, Enqueued, EntryKind},
    chain,
    mutant::{Mutant, is_on},
};

use super::{
    append::{Addition, Quota, append, check_sizes},
    authorise::{Reach, reach},
};
use crate::{
    connection::ChannelConnection,
    recovery,
    shared::Core,
    store::{ChannelRow, Minute, PageLimit, Refusal, StoreTx, write},
};

pub(crate) async fn enqueue(
    core: &Core,
    connection: &ChannelConnection,
    request: ChannelEnqueue,
    now: Timestamp,
) -> Result<Enqueued, Refusal> {
    check_sizes(&request.sealed, request.commit.as_ref(), &core.config.limits)?;
    let channel = request.channel;
    let attached = connection.keys(&channel)?;
    recovery::gate(core, now).await?;
    core.limits.enqueues.take(channel, now)?;
    let quota = Quota::of(&core.config.limits, now);
    let time = Minute::from(now);
    let (outcome, appended) = write(&*core.store, move |tx| {
        let mut row = match authorise(tx, &request, &attached)? {
            Authorised::Repeat(at) => {
                let time = time_of(tx, &channel, at)?.map(Minute::start);
                return Ok((Enqueued::Accepted { at, time }, false));
            }
            Authorised::New(row) => row,
        };
        if request.after_commit != row.last_commit && !is_on(Mutant::AcceptStaleCommit) {
            return Ok((outdated(tx, &request, &row)?, false));
        }
        let ChannelEnqueue { id, after_commit, sealed, commit, .. } = request;
        let at = append(tx, &channel, &mut row, Addition { id, after_commit, sealed, commit, time }, &quota)?;
        Ok((Enqueued::Accepted { at, time: Some(time.start()) }, true))
    })
    .await?;
    if appended && !is_on(Mutant::ForgetToWake) {
        core.channel_wakers.wake(&channel);
    }
    Ok(outcome)
}

enum Authorised {
    /// The id is known; its entry stands here.
    Repeat(ChainPoint),
    New(ChannelRow),
}

/// Looks the id up before anything else is compared (DESIGN L5), and asks for the current key.
///
/// Whoever repeats the commit that ended the key they wrote it with gets their answer too: it could be lost with no other
/// way to learn it. They could read up to that position anyway.
fn authorise(
    tx: &mut dyn StoreTx,
    request: &ChannelEnqueue,
    attached: &[AccessPublicKey],
) -> Result<Authorised, Refusal> {
    let row = tx.channels().load(&request.channel)?.ok_or(ErrorCode::AccessDenied)?;
    let known = tx.channels().find_id(&request.channel, &request.id)?.filter(|_| !is_on(Mutant::SkipIdCheck));
    if attached.contains(&row.access) {
        return Ok(known.map_or(Authorised::New(row), Authorised::Repeat));
    }
    let at = known.ok_or(ErrorCode::AccessDenied)?;
    for access in attached {
        let (_, reach) = reach(tx, &request.channel, access)?;
        if reach != Reach::Open && reach.covers(at.position) {
            return Ok(Authorised::Repeat(at));
        }
    }
    Err(ErrorCode::AccessDenied.into())
}

/// The time of an entry, unless it has expired.
pub(super) fn time_of(tx: &mut dyn StoreTx, channel: &ChannelId, at: ChainPoint) -> Result<Option<Minute>, Refusal> {
    let limit = PageLimit { entries: 1, bytes: 1 };
    let page = tx.channels().page(channel, at.position.saturating_sub(1), at.position, limit)?;
    Ok(page.first().map(|entry| entry.time))
}

/// What to tell a writer who names another commit than the last: one they can read on from, or that our pasts differ.
fn outdated(tx: &mut dyn StoreTx, request: &ChannelEnqueue, row: &ChannelRow) -> Result<Enqueued, Refusal> {
    let named = request.after_commit;
    let known = if named.position == 0 {
        named.hash == chain::start(&request.channel)
    } else {
        let point = tx.channels().point(&request.channel, named.position)?;
        point.is_some_and(|point| point.at == named && point.kind == EntryKind::Commit)
    };
    Ok(if known {
        Enqueued::Stale { last_commit: row.last_commit }
    } else {
        Enqueued::Diverged { last_commit: row.last_commit, last: row.last }
    })
}
