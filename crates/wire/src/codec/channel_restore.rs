//! Entries that are offered again to a server that lost them.

use super::{
    channel::{read_commit, read_point, sealed_limit, write_commit, write_point},
    error::CodecError,
    field::{bytes, id, known, limited, structs, write_structs},
};
use crate::{
    call::channel::{ChannelRestore, EntryKind, RestoreOutcome, Restored, RestoredEntry},
    id::{ChannelId, MessageId},
    limits::MAX_PAGE_ENTRIES,
    schema::qpc_capnp::{self as schema, channel_restore, restored, restored_entry},
    time::Timestamp,
};

pub(super) fn write_restore(call: &ChannelRestore, mut out: channel_restore::Builder<'_>) -> Result<(), CodecError> {
    out.set_channel(call.channel.as_bytes());
    write_point(&call.after, out.reborrow().init_after());
    let limit = usize::from(MAX_PAGE_ENTRIES);
    write_structs!("entries", &call.entries, limit, out => init_entries, write_entry);
    Ok(())
}

pub(super) fn read_restore(from: channel_restore::Reader<'_>) -> Result<ChannelRestore, CodecError> {
    Ok(ChannelRestore {
        channel: id("channel", from.get_channel(), ChannelId::new)?,
        after: read_point(from.get_after())?,
        entries: structs("entries", from.get_entries(), usize::from(MAX_PAGE_ENTRIES), read_entry)?,
    })
}

fn write_entry(entry: &RestoredEntry, mut out: restored_entry::Builder<'_>) -> Result<(), CodecError> {
    out.set_id(entry.id.as_bytes());
    write_point(&entry.after_commit, out.reborrow().init_after_commit());
    out.set_sealed(limited("sealed", &entry.sealed, sealed_limit(entry.kind()))?);
    out.set_time(entry.time.0);
    match &entry.commit {
        Some(commit) => write_commit(commit, out.init_commit()),
        None => Ok(()),
    }
}

fn read_entry(from: restored_entry::Reader<'_>) -> Result<RestoredEntry, CodecError> {
    let kind = if from.has_commit() { EntryKind::Commit } else { EntryKind::Message };
    Ok(RestoredEntry {
        id: id("id", from.get_id(), MessageId::new)?,
        after_commit: read_point(from.get_after_commit())?,
        sealed: bytes("sealed", from.get_sealed(), sealed_limit(kind))?,
        time: Timestamp(from.get_time()),
        commit: match kind {
            EntryKind::Commit => Some(read_commit(from.get_commit()?)?),
            EntryKind::Message => None,
        },
    })
}

pub(super) fn write_restored(answer: &Restored, mut out: restored::Builder<'_>) {
    out.set_outcome(match answer.outcome {
        RestoreOutcome::Whole => schema::RestoreOutcome::Whole,
        RestoreOutcome::Short => schema::RestoreOutcome::Short,
        RestoreOutcome::Diverged => schema::RestoreOutcome::Diverged,
    });
    out.set_added(answer.added);
    write_point(&answer.last_commit, out.reborrow().init_last_commit());
    write_point(&answer.last, out.init_last());
}

pub(super) fn read_restored(from: restored::Reader<'_>) -> Result<Restored, CodecError> {
    Ok(Restored {
        outcome: match known("outcome", from.get_outcome())? {
            schema::RestoreOutcome::Whole => RestoreOutcome::Whole,
            schema::RestoreOutcome::Short => RestoreOutcome::Short,
            schema::RestoreOutcome::Diverged => RestoreOutcome::Diverged,
        },
        added: from.get_added(),
        last_commit: read_point(from.get_last_commit())?,
        last: read_point(from.get_last())?,
    })
}
