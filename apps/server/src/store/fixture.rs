//! What the tests of the store share: where it lies, and rows of a channel's log that follow from a position.

use std::path::Path;

use quicprochat_server_core::store::{ChannelRow, EntryRow, Minute};
use quicprochat_wire::{
    AccessPublicKey, ChainHash, ChannelId, Digest, MessageId,
    call::channel::{ChainPoint, EntryKind},
};

use super::Location;
use crate::store_key::StoreKey;

pub(super) const TEAM: ChannelId = ChannelId::new([1; 32]);

pub(super) fn location(dir: &Path) -> Location {
    Location { path: dir.join("store.db"), key: StoreKey::new([7; 32]) }
}

pub(super) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(future)
}

pub(super) fn point(position: u64) -> ChainPoint {
    ChainPoint { position, hash: ChainHash::new([position as u8; 32]) }
}

/// Ids in no order, as those of messages are.
pub(super) fn id(position: u64) -> MessageId {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&position.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes());
    MessageId::new(bytes)
}

pub(super) fn row(last: u64) -> ChannelRow {
    ChannelRow {
        access: AccessPublicKey::new([1; 32]),
        access_since: 0,
        last_commit: point(0),
        last: point(last),
        first: 1,
        oldest: (last > 0).then_some(Minute(5)),
        bytes: last * 100,
        group_infos: 1,
        group_info_bytes: 10,
        created_with: Digest::new([9; 32]),
    }
}

pub(super) fn entry(position: u64) -> EntryRow {
    EntryRow {
        at: point(position),
        id: id(position),
        kind: EntryKind::Message,
        after_commit: point(0),
        sealed: vec![position as u8; 100],
        next_access: None,
        time: Minute(5),
    }
}
