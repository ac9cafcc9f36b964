//! One more entry at the end of a log, with all that a commit brings along: for a new one, and for one that is offered again.

use quicprochat_wire::{
    AccessPublicKey, CallFailure, ChannelId, Duration, ErrorCode, MessageId, Timestamp,
    call::channel::{ChainPoint, CommitParts, EntryKind},
    chain,
    mutant::{Mutant, is_on},
};

use super::tree;
use crate::{
    config::Limits,
    store::{ChannelRow, EntryRow, GroupInfoRow, KeyRow, KeyringRow, Minute, Refusal, StoreTx},
};

/// GroupInfos that are kept however large they are.
const GROUP_INFOS_KEPT: u32 = 32;

/// What is to be appended.
pub(super) struct Addition {
    pub(super) id: MessageId,
    pub(super) after_commit: ChainPoint,
    pub(super) sealed: Vec<u8>,
    pub(super) commit: Option<CommitParts>,
    pub(super) time: Minute,
}

/// Whether an entry is within the limits.
///
/// Errors:   `bad-request` for an empty one, or a change of chunks that cannot be; `too-large`.
pub(super) fn check_sizes(sealed: &[u8], commit: Option<&CommitParts>, limits: &Limits) -> Result<(), ErrorCode> {
    let limits = limits.announced();
    let fits = |bytes: &[u8], limit: u32| u32::try_from(bytes.len()).is_ok_and(|length| length <= limit);
    if sealed.is_empty() {
        return Err(ErrorCode::BadRequest);
    }
    let fit = match commit {
        None => fits(sealed, limits.message_bytes),
        Some(CommitParts { group_info, roll, tree }) => {
            tree::check(tree)?;
            let info_bytes = length(group_info).saturating_add(tree::added_bytes(tree));
            fits(sealed, limits.commit_bytes)
                && info_bytes <= u64::from(limits.group_info_bytes)
                && roll.as_ref().is_none_or(|roll| fits(&roll.keyring, limits.keyring_bytes))
        }
    };
    if fit { Ok(()) } else { Err(ErrorCode::TooLarge) }
}

/// How much a channel may keep, with room that only commits may use (DESIGN L12).
pub(super) struct Quota {
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
    pub(super) fn of(limits: &Limits, now: Timestamp) -> Self {
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

    fn check(&self, row: &ChannelRow, addition: &Addition) -> Result<(), CallFailure> {
        let (max_bytes, max_entries) = match addition.commit {
            None => (self.bytes, self.entries),
            Some(_) => (self.commit_bytes, self.commit_entries),
        };
        let bytes = row.bytes.saturating_add(length(&addition.sealed));
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

/// Appends an entry, and stores what a commit brings along, all in this transaction (DESIGN L6). `row` is the channel's then.
///
/// Errors:   `quota-full`; what a commit's parts are refused with.
pub(super) fn append(
    tx: &mut dyn StoreTx,
    channel: &ChannelId,
    row: &mut ChannelRow,
    addition: Addition,
    quota: &Quota,
) -> Result<ChainPoint, Refusal> {
    quota.check(row, &addition)?;
    let Addition { id, after_commit, sealed, commit, time } = addition;
    let kind = if commit.is_some() { EntryKind::Commit } else { EntryKind::Message };
    let position = row.last.position.saturating_add(1);
    let hash = chain::link(&row.last.hash, position, &id, kind, &after_commit, &sealed);
    let at = ChainPoint { position, hash };
    row.last = at;
    row.bytes = row.bytes.saturating_add(length(&sealed));
    row.oldest = row.oldest.or(Some(time));
    let mut next_access = None;
    if let Some(CommitParts { group_info, roll, tree }) = commit {
        row.last_commit = at;
        tree::change(tx, channel, row, position, tree, quota.tree_bytes)?;
        // Whoever offers a lost commit need not have the GroupInfo that went with it: an older one stays the newest.
        if !group_info.is_empty() {
            store_group_info(tx, channel, row, GroupInfoRow { at, sealed: group_info }, quota)?;
        }
        if let Some(roll) = roll {
            roll_access(tx, channel, row, roll.access, position)?;
            if !is_on(Mutant::KeyringLost) {
                tx.channels().put_keyring(channel, KeyringRow { at, keyring: roll.keyring })?;
            }
            next_access = Some(roll.access);
        }
    }
    tx.channels().append(channel, row, EntryRow { at, id, kind, after_commit, sealed, next_access, time })?;
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
