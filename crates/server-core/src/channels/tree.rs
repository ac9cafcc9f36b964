//! Chunks of the ratchet tree: those that the newest GroupInfo names, and those that older ones do which are kept.
//!
//! ```text
//!   commit ──added──▶ in use ──ended by a later commit──▶ kept ──no GroupInfo from before that commit is left──▶ gone
//! ```
//!
//! Which GroupInfo names which chunk is sealed. A chunk may be named by those between the commit that added it and the one
//! that ended it, so it goes with the last of these.

use quicprochat_wire::{
    ChannelId, ErrorCode, Timestamp,
    call::channel::{ChannelChunks, TreeChange, TreeChunks},
    limits::{MAX_PAGE_BYTES, MAX_TREE_CHUNK_BYTES, MAX_TREE_CHUNKS, MIN_TREE_CHUNK_BYTES},
};

use super::authorise::current;
use crate::{
    connection::ChannelConnection,
    shared::Core,
    store::{ChannelRow, Refusal, StoreTx, read},
};

/// `channel-chunks`: as many of the chunks asked for as fit a page; one that is not there takes the room of the largest.
pub(crate) async fn chunks(
    core: &Core,
    connection: &ChannelConnection,
    request: ChannelChunks,
    now: Timestamp,
) -> Result<TreeChunks, Refusal> {
    if request.ids.is_empty() || request.ids.len() > MAX_TREE_CHUNKS {
        return Err(ErrorCode::BadRequest.into());
    }
    let attached = connection.keys(&request.channel)?;
    connection.chunks.take(now)?;
    read(&*core.store, move |tx| {
        current(tx, &request.channel, &attached)?;
        let mut chunks = Vec::new();
        let mut bytes = 0;
        for id in &request.ids {
            if bytes >= MAX_PAGE_BYTES {
                break;
            }
            let sealed = tx.channels().chunk(&request.channel, id)?.map(|row| row.sealed).unwrap_or_default();
            // To look for what is not there is work, too.
            bytes = bytes.saturating_add(if sealed.is_empty() { MAX_TREE_CHUNK_BYTES } else { sealed.len() });
            chunks.push(sealed);
        }
        Ok(TreeChunks { chunks })
    })
    .await
}

/// Whether a change is one that may be asked for.
pub(super) fn check(change: &TreeChange) -> Result<(), ErrorCode> {
    let fits = |length: usize| (MIN_TREE_CHUNK_BYTES..=MAX_TREE_CHUNK_BYTES).contains(&length);
    if change.added.len() > MAX_TREE_CHUNKS || change.ended.len() > MAX_TREE_CHUNKS {
        return Err(ErrorCode::TooLarge);
    }
    if !change.added.iter().all(|chunk| fits(chunk.sealed.len())) || (change.ends_all && !change.ended.is_empty()) {
        return Err(ErrorCode::BadRequest);
    }
    Ok(())
}

/// Bytes that a change adds.
pub(super) fn added_bytes(change: &TreeChange) -> u64 {
    change.added.iter().map(|chunk| u64::try_from(chunk.sealed.len()).unwrap_or(u64::MAX)).sum()
}

/// Ends and adds chunks with the commit at `position`, in its transaction.
///
/// Errors:   `bad-request` for an id that is not in use, or not new; `too-large` if those in use are more than `limit` bytes.
pub(super) fn change(
    tx: &mut dyn StoreTx,
    channel: &ChannelId,
    row: &mut ChannelRow,
    position: u64,
    change: TreeChange,
    limit: u64,
) -> Result<(), Refusal> {
    if change == TreeChange::default() {
        return Ok(());
    }
    row.group_info_bytes = row.group_info_bytes.saturating_add(added_bytes(&change));
    if change.ends_all {
        tx.channels().end_all_chunks(channel, position)?;
    }
    for id in &change.ended {
        if !tx.channels().end_chunk(channel, id, position)? {
            return Err(ErrorCode::BadRequest.into());
        }
    }
    for chunk in change.added {
        if tx.channels().chunk(channel, &chunk.id)?.is_some() {
            return Err(ErrorCode::BadRequest.into());
        }
        tx.channels().put_chunk(channel, &chunk.id, chunk.sealed)?;
    }
    if tx.channels().chunk_bytes(channel)? > limit { Err(ErrorCode::TooLarge.into()) } else { Ok(()) }
}

/// Drops the chunks that no GroupInfo which is kept may name. The oldest of these is at `oldest`.
pub(super) fn drop_unnamed(
    tx: &mut dyn StoreTx,
    channel: &ChannelId,
    row: &mut ChannelRow,
    oldest: u64,
) -> Result<(), Refusal> {
    let bytes = tx.channels().drop_chunks(channel, oldest)?;
    row.group_info_bytes = row.group_info_bytes.saturating_sub(bytes);
    Ok(())
}
