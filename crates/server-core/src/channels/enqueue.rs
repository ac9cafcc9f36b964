//! `channel-enqueue`: the compare-and-set that keeps a log from forking (DESIGN L3, L5, L6, L7, L12).

use quicprochat_wire::{
    AccessPublicKey, CallFailure, ChannelId, Duration, ErrorCode, Timestamp,
    call::channel::{ChainPoint, ChannelEnqueue, CommitParts, Enqueued, EntryKind},
    chain,
    mutant::{Mutant, is_on},
};

use super::{
    authorise::{Reach, reach},
    tree,
};
use crate::{
    config::Limits,
    connection::ChannelConnection,
    shared::Core,
    store::{ChannelRow, EntryRow, GroupInfoRow, KeyRow, KeyringRow, Minute, PageLimit, Refusal, StoreTx, write},
};

/// GroupInfos that are kept however large they are.
const GROUP_INFOS_KEPT: u32 = 32;

pub(crate) async fn enqueue(
    core: &Core,
    connection: &ChannelConnection,
    request: ChannelEnqueue,
    now: Timestamp,
) -> Result<Enqueued, Refusal> {
    check_sizes(&request, &core.config.limits)?;
    let channel = request.channel;
    let attached = connection.keys(&channel)?;
    core.limits.enqueues.take(channel, now)?;
    let quota = Quota::of(&core.config.limits, now);
    let (outcome, appended) = write(&*core.store, move |tx| {
        let row = match authorise(tx, &request, &attached)? {
            Authorised::Repeat(at) => return Ok((Enqueued::Accepted { at, time: time_of(tx, &channel, at)? }, false)),
            Authorised::New(row) => row,
        };
        if request.after_commit != row.last_commit && !is_on(Mutant::AcceptStaleCommit) {
            return Ok((outdated(tx, &request, &row)?, false));
        }
        quota.check(&row, &request)?;
        let at = append(tx, row, request, &quota)?;
        Ok((Enqueued::Accepted { at, time: Some(Minute::from(quota.now).start()) }, true))
    })
    .await?;
    if appended && !is_on(Mutant::ForgetToWake) {
        core.channel_wakers.wake(&channel);
    }
    Ok(outcome)
}

fn check_sizes(request: &ChannelEnqueue, limits: &Limits) -> Result<(), ErrorCode> {
    let limits = limits.announced();
    let fits = |bytes: &[u8], limit: u32| u32::try_from(bytes.len()).is_ok_and(|length| length <= limit);
    if request.sealed.is_empty() {
        return Err(ErrorCode::BadRequest);
    }
    let fit = match &request.commit {
        None => fits(&request.sealed, limits.message_bytes),
        Some(CommitParts { group_info, roll, tree }) => {
            tree::check(tree)?;
            let info_bytes = length(group_info).saturating_add(tree::added_bytes(tree));
            fits(&request.sealed, limits.commit_bytes)
                && info_bytes <= u64::from(limits.group_info_bytes)
                && roll.as_ref().is_none_or(|roll| fits(&roll.keyring, limits.keyring_bytes))
        }
    };
    if fit { Ok(()) } else { Err(ErrorCode::TooLarge) }
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
fn time_of(tx: &mut dyn StoreTx, channel: &ChannelId, at: ChainPoint) -> Result<Option<Timestamp>, Refusal> {
    let limit = PageLimit { entries: 1, bytes: 1 };
    let page = tx.channels().page(channel, at.position.saturating_sub(1), at.position, limit)?;
    Ok(page.first().map(|entry| entry.time.start()))
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

/// How much a channel may keep, with room that only commits may use (DESIGN L12).
struct Quota {
    bytes: u64,
    entries: u64,
    commit_bytes: u64,
    commit_entries: u64,
    group_infos_bytes: u64,
    tree_bytes: u64,
    retention: Duration,
    now: Timestamp,
}

impl Quota {
    fn of(limits: &Limits, now: Timestamp) -> Self {
        Self {
            bytes: limits.channel_bytes,
            entries: limits.channel_entries,
            commit_bytes: limits.channel_bytes.saturating_add(limits.channel_commit_room_bytes),
            commit_entries: limits.channel_entries.saturating_add(limits.channel_commit_room_entries),
            group_infos_bytes: limits.channel_group_infos_bytes,
            tree_bytes: limits.announced().group_info_bytes.into(),
            retention: limits.retention,
            now,
        }
    }

    fn check(&self, row: &ChannelRow, request: &ChannelEnqueue) -> Result<(), CallFailure> {
        let (max_bytes, max_entries) = match request.commit {
            None => (self.bytes, self.entries),
            Some(_) => (self.commit_bytes, self.commit_entries),
        };
        let bytes = row.bytes.saturating_add(length(&request.sealed));
        let entries = row.last.position.saturating_add(2).saturating_sub(row.first);
        if bytes <= max_bytes && entries <= max_entries {
            return Ok(());
        }
        Err(match row.oldest {
            // Only age makes room.
            Some(oldest) => {
                let expires = oldest.start().after(self.retention).after(Duration::from_millis(Minute::MS));
                CallFailure::retry(ErrorCode::QuotaFull, expires.since(self.now))
            }
            None => CallFailure::new(ErrorCode::QuotaFull),
        })
    }
}

/// Appends the entry, and stores what a commit brings along, all in this transaction (DESIGN L6).
fn append(
    tx: &mut dyn StoreTx,
    mut row: ChannelRow,
    request: ChannelEnqueue,
    quota: &Quota,
) -> Result<ChainPoint, Refusal> {
    let ChannelEnqueue { channel, id, after_commit, sealed, commit } = request;
    let kind = if commit.is_some() { EntryKind::Commit } else { EntryKind::Message };
    let position = row.last.position.saturating_add(1);
    let hash = chain::link(&row.last.hash, position, &id, kind, &after_commit, &sealed);
    let at = ChainPoint { position, hash };
    let time = Minute::from(quota.now);
    row.last = at;
    row.bytes = row.bytes.saturating_add(length(&sealed));
    row.oldest = row.oldest.or(Some(time));
    let mut next_access = None;
    if let Some(CommitParts { group_info, roll, tree }) = commit {
        row.last_commit = at;
        tree::change(tx, &channel, &mut row, position, tree, quota.tree_bytes)?;
        store_group_info(tx, &channel, &mut row, GroupInfoRow { at, sealed: group_info }, quota)?;
        if let Some(roll) = roll {
            roll_access(tx, &channel, &mut row, roll.access, position)?;
            if !is_on(Mutant::KeyringLost) {
                tx.channels().put_keyring(&channel, KeyringRow { at, keyring: roll.keyring })?;
            }
            next_access = Some(roll.access);
        }
    }
    tx.channels().append(&channel, &row, EntryRow { at, id, kind, after_commit, sealed, next_access, time })?;
    Ok(at)
}

/// The new key is in force for everything after `position`; the old one sees up to it (DESIGN L7).
fn roll_access(
    tx: &mut dyn StoreTx,
    channel: &ChannelId,
    row: &mut ChannelRow,
    access: AccessPublicKey,
    position: u64,
) -> Result<(), Refusal> {
    // A key that comes back would let in whoever was cut off from it.
    if tx.channels().key(channel, &access)?.is_some() {
        return Err(ErrorCode::BadRequest.into());
    }
    let ended = KeyRow { since: row.access_since, until: Some(position) };
    tx.channels().put_key(channel, &row.access, ended)?;
    tx.channels().put_key(channel, &access, KeyRow { since: position, until: None })?;
    row.access = access;
    row.access_since = position;
    Ok(())
}

/// Keeps the newest, and drops the oldest beyond what the quota allows.
fn store_group_info(
    tx: &mut dyn StoreTx,
    channel: &ChannelId,
    row: &mut ChannelRow,
    group_info: GroupInfoRow,
    quota: &Quota,
) -> Result<(), Refusal> {
    row.group_infos = row.group_infos.saturating_add(1);
    row.group_info_bytes = row.group_info_bytes.saturating_add(length(&group_info.sealed));
    tx.channels().put_group_info(channel, group_info)?;
    trim_group_infos(tx, channel, row, |_, bytes| bytes > quota.group_infos_bytes)
}

/// Drops the oldest GroupInfos as long as `drop` says so of (position, bytes of all) and more than the last 32 are kept, and
/// with each the chunks that only it and older ones may name.
pub(super) fn trim_group_infos(
    tx: &mut dyn StoreTx,
    channel: &ChannelId,
    row: &mut ChannelRow,
    drop: impl Fn(u64, u64) -> bool,
) -> Result<(), Refusal> {
    while row.group_infos > GROUP_INFOS_KEPT {
        let Some((position, bytes)) = tx.channels().oldest_group_info(channel)? else { break };
        if !drop(position, row.group_info_bytes) {
            break;
        }
        tx.channels().remove_group_info(channel, position)?;
        row.group_infos = row.group_infos.saturating_sub(1);
        row.group_info_bytes = row.group_info_bytes.saturating_sub(bytes);
        if let Some((oldest, _)) = tx.channels().oldest_group_info(channel)? {
            tree::drop_unnamed(tx, channel, row, oldest)?;
        }
    }
    Ok(())
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}
