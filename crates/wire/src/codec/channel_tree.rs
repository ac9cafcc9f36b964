//! Chunks of ratchet trees.

use capnp::data_list;

use super::{
    error::CodecError,
    field::{at_most, bytes, id, limited, structs, write_structs},
};
use crate::{
    call::channel::{ChannelChunks, TreeChange, TreeChunk, TreeChunks},
    id::{ChannelId, ChunkId},
    limits::{MAX_TREE_CHUNK_BYTES, MAX_TREE_CHUNKS},
    schema::qpc_capnp::{channel_chunks, tree_change, tree_chunk, tree_chunks},
};

pub(super) fn write_change(change: &TreeChange, mut out: tree_change::Builder<'_>) -> Result<(), CodecError> {
    write_structs!("added", &change.added, MAX_TREE_CHUNKS, out.reborrow() => init_added, write_chunk);
    let ended = out.reborrow().init_ended(at_most("ended", change.ended.len(), MAX_TREE_CHUNKS)?);
    write_ids(&change.ended, ended);
    out.set_ends_all(change.ends_all);
    Ok(())
}

pub(super) fn read_change(from: tree_change::Reader<'_>) -> Result<TreeChange, CodecError> {
    Ok(TreeChange {
        added: structs("added", from.get_added(), MAX_TREE_CHUNKS, read_chunk)?,
        ended: read_ids("ended", from.get_ended())?,
        ends_all: from.get_ends_all(),
    })
}

fn write_chunk(chunk: &TreeChunk, mut out: tree_chunk::Builder<'_>) -> Result<(), CodecError> {
    out.set_id(chunk.id.as_bytes());
    out.set_sealed(limited("chunk", &chunk.sealed, MAX_TREE_CHUNK_BYTES)?);
    Ok(())
}

fn read_chunk(from: tree_chunk::Reader<'_>) -> Result<TreeChunk, CodecError> {
    Ok(TreeChunk {
        id: id("id", from.get_id(), ChunkId::new)?,
        sealed: bytes("chunk", from.get_sealed(), MAX_TREE_CHUNK_BYTES)?,
    })
}

pub(super) fn write_chunks_of(call: &ChannelChunks, mut out: channel_chunks::Builder<'_>) -> Result<(), CodecError> {
    out.set_channel(call.channel.as_bytes());
    write_ids(&call.ids, out.init_ids(at_most("ids", call.ids.len(), MAX_TREE_CHUNKS)?));
    Ok(())
}

pub(super) fn read_chunks_of(from: channel_chunks::Reader<'_>) -> Result<ChannelChunks, CodecError> {
    Ok(ChannelChunks {
        channel: id("channel", from.get_channel(), ChannelId::new)?,
        ids: read_ids("ids", from.get_ids())?,
    })
}

pub(super) fn write_chunks(answer: &TreeChunks, out: tree_chunks::Builder<'_>) -> Result<(), CodecError> {
    let mut list = out.init_chunks(at_most("chunks", answer.chunks.len(), MAX_TREE_CHUNKS)?);
    for (index, chunk) in (0..).zip(&answer.chunks) {
        list.set(index, limited("chunk", chunk, MAX_TREE_CHUNK_BYTES)?);
    }
    Ok(())
}

pub(super) fn read_chunks(from: tree_chunks::Reader<'_>) -> Result<TreeChunks, CodecError> {
    let list = from.get_chunks()?;
    at_most("chunks", usize::try_from(list.len()).unwrap_or(usize::MAX), MAX_TREE_CHUNKS)?;
    let chunks = list.iter().map(|chunk| bytes("chunk", chunk, MAX_TREE_CHUNK_BYTES)).collect::<Result<_, _>>()?;
    Ok(TreeChunks { chunks })
}

fn write_ids(ids: &[ChunkId], mut out: data_list::Builder<'_>) {
    for (index, id) in (0..).zip(ids) {
        out.set(index, id.as_bytes());
    }
}

fn read_ids(field: &'static str, from: capnp::Result<data_list::Reader<'_>>) -> Result<Vec<ChunkId>, CodecError> {
    let list = from?;
    at_most(field, usize::try_from(list.len()).unwrap_or(usize::MAX), MAX_TREE_CHUNKS)?;
    list.iter().map(|item| id(field, item, ChunkId::new)).collect()
}
