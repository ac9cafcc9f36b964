//! Channels.

use super::{
    channel_tree,
    error::CodecError,
    field::{bytes, exact_bytes, id, known, limited, sized, structs, write_structs},
    token,
};
use crate::{
    call::channel::{
        AccessRoll, ChainPoint, ChannelAttach, ChannelCreate, ChannelEnqueue, ChannelEntry, ChannelGroupInfo,
        ChannelPage, ChannelRead, ChannelState, ChannelSubscribe, CommitParts, Enqueued, EntryKind, GroupInfo, Keyring,
        TreeChange,
    },
    id::{AccessPublicKey, ChainHash, ChannelId, MessageId},
    limits::{
        MAX_COMMIT_BYTES, MAX_GROUP_INFO_BYTES, MAX_KEYRING_BYTES, MAX_MESSAGE_BYTES, MAX_PAGE_ENTRIES, SIGNATURE_BYTES,
    },
    schema::qpc_capnp::{
        self as schema, access_roll, chain_point, channel_attach, channel_create, channel_enqueue, channel_entry,
        channel_group_info, channel_page, channel_read, channel_ref, channel_state, channel_subscribe, commit_parts,
        enqueued, group_info, keyring,
    },
    time::Timestamp,
};

/// Largest sealed entry of a kind.
pub(super) const fn sealed_limit(kind: EntryKind) -> usize {
    match kind {
        EntryKind::Message => MAX_MESSAGE_BYTES,
        EntryKind::Commit => MAX_COMMIT_BYTES,
    }
}

pub(super) fn write_point(point: &ChainPoint, mut out: chain_point::Builder<'_>) {
    out.set_position(point.position);
    out.set_hash(point.hash.as_bytes());
}

pub(super) fn read_point(from: capnp::Result<chain_point::Reader<'_>>) -> Result<ChainPoint, CodecError> {
    let from = from?;
    Ok(ChainPoint { position: from.get_position(), hash: id("hash", from.get_hash(), ChainHash::new)? })
}

pub(super) fn write_create(create: &ChannelCreate, mut out: channel_create::Builder<'_>) -> Result<(), CodecError> {
    out.set_channel(create.channel.as_bytes());
    out.set_access(create.access.as_bytes());
    out.set_group_info(limited("groupInfo", &create.group_info, MAX_GROUP_INFO_BYTES)?);
    out.set_keyring(limited("keyring", &create.keyring, MAX_KEYRING_BYTES)?);
    token::write_token(&create.token, out.init_token())
}

pub(super) fn read_create(from: channel_create::Reader<'_>) -> Result<ChannelCreate, CodecError> {
    Ok(ChannelCreate {
        channel: id("channel", from.get_channel(), ChannelId::new)?,
        access: id("access", from.get_access(), AccessPublicKey::new)?,
        group_info: bytes("groupInfo", from.get_group_info(), MAX_GROUP_INFO_BYTES)?,
        keyring: bytes("keyring", from.get_keyring(), MAX_KEYRING_BYTES)?,
        token: token::read_token(from.get_token()?)?,
    })
}

pub(super) fn write_attach(attach: &ChannelAttach, mut out: channel_attach::Builder<'_>) -> Result<(), CodecError> {
    out.set_channel(attach.channel.as_bytes());
    out.set_access(attach.access.as_bytes());
    out.set_signature(sized("signature", &attach.signature, SIGNATURE_BYTES)?);
    Ok(())
}

pub(super) fn read_attach(from: channel_attach::Reader<'_>) -> Result<ChannelAttach, CodecError> {
    Ok(ChannelAttach {
        channel: id("channel", from.get_channel(), ChannelId::new)?,
        access: id("access", from.get_access(), AccessPublicKey::new)?,
        signature: exact_bytes("signature", from.get_signature(), SIGNATURE_BYTES)?,
    })
}

pub(super) fn write_state(state: &ChannelState, mut out: channel_state::Builder<'_>) {
    out.set_current(state.current);
    out.set_access(state.access.as_bytes());
    out.set_access_since(state.access_since);
    write_point(&state.last_commit, out.reborrow().init_last_commit());
    write_point(&state.last, out.reborrow().init_last());
    out.set_first(state.first);
}

pub(super) fn read_state(from: channel_state::Reader<'_>) -> Result<ChannelState, CodecError> {
    Ok(ChannelState {
        current: from.get_current(),
        access: id("access", from.get_access(), AccessPublicKey::new)?,
        access_since: from.get_access_since(),
        last_commit: read_point(from.get_last_commit())?,
        last: read_point(from.get_last())?,
        first: from.get_first(),
    })
}

pub(super) fn write_enqueue(enqueue: &ChannelEnqueue, mut out: channel_enqueue::Builder<'_>) -> Result<(), CodecError> {
    let kind = if enqueue.commit.is_some() { EntryKind::Commit } else { EntryKind::Message };
    out.set_channel(enqueue.channel.as_bytes());
    out.set_id(enqueue.id.as_bytes());
    write_point(&enqueue.after_commit, out.reborrow().init_after_commit());
    out.set_sealed(limited("sealed", &enqueue.sealed, sealed_limit(kind))?);
    match &enqueue.commit {
        Some(commit) => write_commit(commit, out.init_commit()),
        None => Ok(()),
    }
}

pub(super) fn read_enqueue(from: channel_enqueue::Reader<'_>) -> Result<ChannelEnqueue, CodecError> {
    let kind = if from.has_commit() { EntryKind::Commit } else { EntryKind::Message };
    Ok(ChannelEnqueue {
        channel: id("channel", from.get_channel(), ChannelId::new)?,
        id: id("id", from.get_id(), MessageId::new)?,
        after_commit: read_point(from.get_after_commit())?,
        sealed: bytes("sealed", from.get_sealed(), sealed_limit(kind))?,
        commit: match kind {
            EntryKind::Commit => Some(read_commit(from.get_commit()?)?),
            EntryKind::Message => None,
        },
    })
}

pub(super) fn write_commit(commit: &CommitParts, mut out: commit_parts::Builder<'_>) -> Result<(), CodecError> {
    out.set_group_info(limited("groupInfo", &commit.group_info, MAX_GROUP_INFO_BYTES)?);
    if let Some(roll) = &commit.roll {
        write_roll(roll, out.reborrow().init_roll())?;
    }
    if commit.tree == TreeChange::default() {
        Ok(())
    } else {
        channel_tree::write_change(&commit.tree, out.init_tree())
    }
}

pub(super) fn read_commit(from: commit_parts::Reader<'_>) -> Result<CommitParts, CodecError> {
    Ok(CommitParts {
        group_info: bytes("groupInfo", from.get_group_info(), MAX_GROUP_INFO_BYTES)?,
        roll: match from.has_roll() {
            true => Some(read_roll(from.get_roll()?)?),
            false => None,
        },
        tree: channel_tree::read_change(from.get_tree()?)?,
    })
}

fn write_roll(roll: &AccessRoll, mut out: access_roll::Builder<'_>) -> Result<(), CodecError> {
    out.set_access(roll.access.as_bytes());
    out.set_keyring(limited("keyring", &roll.keyring, MAX_KEYRING_BYTES)?);
    Ok(())
}

fn read_roll(from: access_roll::Reader<'_>) -> Result<AccessRoll, CodecError> {
    Ok(AccessRoll {
        access: id("access", from.get_access(), AccessPublicKey::new)?,
        keyring: bytes("keyring", from.get_keyring(), MAX_KEYRING_BYTES)?,
    })
}

pub(super) fn write_enqueued(enqueued: &Enqueued, mut out: enqueued::Builder<'_>) {
    match enqueued {
        Enqueued::Accepted { at, time } => {
            out.set_time(time.map_or(0, |time| time.0));
            write_point(at, out.init_accepted());
        }
        Enqueued::Stale { last_commit } => write_point(last_commit, out.init_stale()),
        Enqueued::Diverged { last_commit, last } => {
            let mut diverged = out.init_diverged();
            write_point(last_commit, diverged.reborrow().init_last_commit());
            write_point(last, diverged.init_last());
        }
    }
}

pub(super) fn read_enqueued(from: enqueued::Reader<'_>) -> Result<Enqueued, CodecError> {
    Ok(match known("enqueued", from.which())? {
        enqueued::Which::Accepted(at) => {
            let time = Some(from.get_time()).filter(|time| *time != 0).map(Timestamp);
            Enqueued::Accepted { at: read_point(at)?, time }
        }
        enqueued::Which::Stale(last_commit) => Enqueued::Stale { last_commit: read_point(last_commit)? },
        enqueued::Which::Diverged(diverged) => {
            let diverged = diverged?;
            Enqueued::Diverged {
                last_commit: read_point(diverged.get_last_commit())?,
                last: read_point(diverged.get_last())?,
            }
        }
    })
}

pub(super) fn write_read(read: &ChannelRead, mut out: channel_read::Builder<'_>) {
    out.set_channel(read.channel.as_bytes());
    out.set_after(read.after);
    out.set_limit(read.limit);
}

pub(super) fn read_read(from: channel_read::Reader<'_>) -> Result<ChannelRead, CodecError> {
    Ok(ChannelRead {
        channel: id("channel", from.get_channel(), ChannelId::new)?,
        after: from.get_after(),
        limit: from.get_limit(),
    })
}

pub(super) fn write_subscribe(subscribe: &ChannelSubscribe, mut out: channel_subscribe::Builder<'_>) {
    out.set_channel(subscribe.channel.as_bytes());
    out.set_after(subscribe.after);
}

pub(super) fn read_subscribe(from: channel_subscribe::Reader<'_>) -> Result<ChannelSubscribe, CodecError> {
    Ok(ChannelSubscribe { channel: id("channel", from.get_channel(), ChannelId::new)?, after: from.get_after() })
}

pub(super) fn write_page(page: &ChannelPage, mut out: channel_page::Builder<'_>) -> Result<(), CodecError> {
    out.set_more(page.more);
    let limit = usize::from(MAX_PAGE_ENTRIES);
    write_structs!("entries", &page.entries, limit, out => init_entries, write_entry);
    Ok(())
}

pub(super) fn read_page(from: channel_page::Reader<'_>) -> Result<ChannelPage, CodecError> {
    Ok(ChannelPage {
        entries: structs("entries", from.get_entries(), usize::from(MAX_PAGE_ENTRIES), read_entry)?,
        more: from.get_more(),
    })
}

fn write_entry(entry: &ChannelEntry, mut out: channel_entry::Builder<'_>) -> Result<(), CodecError> {
    out.set_seq(entry.seq);
    out.set_id(entry.id.as_bytes());
    out.set_kind(match entry.kind {
        EntryKind::Message => schema::EntryKind::Message,
        EntryKind::Commit => schema::EntryKind::Commit,
    });
    write_point(&entry.after_commit, out.reborrow().init_after_commit());
    out.set_sealed(limited("sealed", &entry.sealed, sealed_limit(entry.kind))?);
    if let Some(access) = &entry.next_access {
        out.set_next_access(access.as_bytes());
    }
    out.set_time(entry.time.0);
    Ok(())
}

fn read_entry(from: channel_entry::Reader<'_>) -> Result<ChannelEntry, CodecError> {
    let kind = match known("kind", from.get_kind())? {
        schema::EntryKind::Message => EntryKind::Message,
        schema::EntryKind::Commit => EntryKind::Commit,
    };
    Ok(ChannelEntry {
        seq: from.get_seq(),
        id: id("id", from.get_id(), MessageId::new)?,
        kind,
        after_commit: read_point(from.get_after_commit())?,
        sealed: bytes("sealed", from.get_sealed(), sealed_limit(kind))?,
        next_access: match from.has_next_access() {
            true => Some(id("nextAccess", from.get_next_access(), AccessPublicKey::new)?),
            false => None,
        },
        time: Timestamp(from.get_time()),
    })
}

pub(super) fn write_group_info_of(call: &ChannelGroupInfo, mut out: channel_group_info::Builder<'_>) {
    out.set_channel(call.channel.as_bytes());
    out.set_position(call.position);
}

pub(super) fn read_group_info_of(from: channel_group_info::Reader<'_>) -> Result<ChannelGroupInfo, CodecError> {
    Ok(ChannelGroupInfo { channel: id("channel", from.get_channel(), ChannelId::new)?, position: from.get_position() })
}

pub(super) fn write_group_info(info: &GroupInfo, mut out: group_info::Builder<'_>) -> Result<(), CodecError> {
    write_point(&info.at, out.reborrow().init_at());
    out.set_sealed(limited("groupInfo", &info.sealed, MAX_GROUP_INFO_BYTES)?);
    out.set_commit(info.commit.as_bytes());
    write_point(&info.after_commit, out.init_after_commit());
    Ok(())
}

pub(super) fn read_group_info(from: group_info::Reader<'_>) -> Result<GroupInfo, CodecError> {
    Ok(GroupInfo {
        at: read_point(from.get_at())?,
        sealed: bytes("groupInfo", from.get_sealed(), MAX_GROUP_INFO_BYTES)?,
        commit: id("commit", from.get_commit(), MessageId::new)?,
        after_commit: read_point(from.get_after_commit())?,
    })
}

pub(super) fn write_keyring(keyring: &Keyring, mut out: keyring::Builder<'_>) -> Result<(), CodecError> {
    write_point(&keyring.at, out.reborrow().init_at());
    out.set_keyring(limited("keyring", &keyring.keyring, MAX_KEYRING_BYTES)?);
    Ok(())
}

pub(super) fn read_keyring(from: keyring::Reader<'_>) -> Result<Keyring, CodecError> {
    Ok(Keyring { at: read_point(from.get_at())?, keyring: bytes("keyring", from.get_keyring(), MAX_KEYRING_BYTES)? })
}

pub(super) fn write_ref(channel: &ChannelId, mut out: channel_ref::Builder<'_>) {
    out.set_channel(channel.as_bytes());
}

pub(super) fn read_ref(from: channel_ref::Reader<'_>) -> Result<ChannelId, CodecError> {
    id("channel", from.get_channel(), ChannelId::new)
}
