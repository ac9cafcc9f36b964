//! Channels: a row, a log, the access keys there ever were, GroupInfos with the chunks of their trees, and one keyring.

use quicprochat_wire::{
    AccessPublicKey, ChannelId, ChunkId, Digest, MessageId,
    call::channel::{ChainPoint, EntryKind},
    limits::{MAX_PAGE_BYTES, MAX_PAGE_ENTRIES},
};

use super::{Minute, StoreFault};

/// Where a channel stands: all that an enqueue must know, in one row.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ChannelRow {
    /// The current access key.
    pub access: AccessPublicKey,
    /// The commit that brought it; 0 for the first key.
    pub access_since: u64,
    /// The last commit, or the empty log.
    pub last_commit: ChainPoint,
    /// The last entry, or the empty log.
    pub last: ChainPoint,
    /// The lowest position whose content is kept; `last.position + 1` if none is.
    pub first: u64,
    /// When the entry at `first` was accepted; `None` if no content is kept.
    pub oldest: Option<Minute>,
    /// Bytes of sealed content kept.
    pub bytes: u64,
    /// GroupInfos kept.
    pub group_infos: u32,
    /// Their bytes, and those of all chunks kept.
    pub group_info_bytes: u64,
    /// Digest of what the channel was created with, so that a repeated creation is known as such.
    pub created_with: Digest,
}

/// One entry of the log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EntryRow {
    /// Position and chain value.
    pub at: ChainPoint,
    /// As chosen by the writer; unique in the channel.
    pub id: MessageId,
    /// Message or commit.
    pub kind: EntryKind,
    /// The commit it named.
    pub after_commit: ChainPoint,
    /// The sealed bytes.
    pub sealed: Vec<u8>,
    /// For a rolling commit: the access key it brought.
    pub next_access: Option<AccessPublicKey>,
    /// When it was accepted.
    pub time: Minute,
}

/// What stays of an entry as long as its channel exists.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LogPoint {
    /// Position and chain value.
    pub at: ChainPoint,
    /// As chosen by the writer.
    pub id: MessageId,
    /// Message or commit.
    pub kind: EntryKind,
    /// The commit it named.
    pub after_commit: ChainPoint,
}

/// An access key that the channel has or had.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KeyRow {
    /// The commit that brought it; 0 for the first.
    pub since: u64,
    /// The rolling commit that ended it; `None` for the current key.
    pub until: Option<u64>,
}

/// A sealed GroupInfo.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GroupInfoRow {
    /// The commit that stored it, or the empty log.
    pub at: ChainPoint,
    /// The sealed bytes.
    pub sealed: Vec<u8>,
}

/// A sealed piece of a ratchet tree.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChunkRow {
    /// The sealed bytes.
    pub sealed: Vec<u8>,
    /// The commit whose GroupInfo does not name it any more; `None` as long as it is in use.
    pub until: Option<u64>,
}

/// The current keyring.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyringRow {
    /// The commit that stored it, or the empty log.
    pub at: ChainPoint,
    /// Its bytes.
    pub keyring: Vec<u8>,
}

/// How much a page may hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PageLimit {
    /// Entries.
    pub entries: u16,
    /// Bytes of sealed content; the entry that reaches it is the page's last.
    pub bytes: usize,
}

impl PageLimit {
    /// Of a page of which somebody asks for so many entries; 0 asks for as many as a page may hold.
    #[must_use]
    pub fn asked(entries: u16) -> Self {
        let entries = if entries == 0 { MAX_PAGE_ENTRIES } else { entries.min(MAX_PAGE_ENTRIES) };
        Self { entries, bytes: MAX_PAGE_BYTES }
    }
}

/// Channels by id.
///
/// An enqueue makes four calls: `load`, `key` (only if the attached key is not the row's), `find_id` and `append`. A backend
/// may keep rows in memory as long as they agree with the open transaction.
pub trait ChannelStore {
    /// Where the channel stands, if it exists.
    fn load(&mut self, channel: &ChannelId) -> Result<Option<ChannelRow>, StoreFault>;
    /// Adds a channel. The caller has looked that the id is free; it stores key, GroupInfo and keyring by their own calls.
    fn insert(&mut self, channel: &ChannelId, row: &ChannelRow) -> Result<(), StoreFault>;
    /// Replaces the row of a channel that exists.
    fn save(&mut self, channel: &ChannelId, row: &ChannelRow) -> Result<(), StoreFault>;
    /// Where the entry with this id stands, also if its content has expired.
    fn find_id(&mut self, channel: &ChannelId, id: &MessageId) -> Result<Option<ChainPoint>, StoreFault>;
    /// What stands at a position, also if its content has expired.
    fn point(&mut self, channel: &ChannelId, position: u64) -> Result<Option<LogPoint>, StoreFault>;
    /// Adds an entry (at `row.last`) and replaces the channel's row.
    fn append(&mut self, channel: &ChannelId, row: &ChannelRow, entry: EntryRow) -> Result<(), StoreFault>;
    /// Entries with `after < seq <= through` in order whose content is kept. At least one if there is any, else within the limit.
    fn page(
        &mut self,
        channel: &ChannelId,
        after: u64,
        through: u64,
        limit: PageLimit,
    ) -> Result<Vec<EntryRow>, StoreFault>;
    /// Whether and when the channel has or had this key.
    fn key(&mut self, channel: &ChannelId, access: &AccessPublicKey) -> Result<Option<KeyRow>, StoreFault>;
    /// Stores or replaces a key.
    fn put_key(&mut self, channel: &ChannelId, access: &AccessPublicKey, row: KeyRow) -> Result<(), StoreFault>;
    /// The GroupInfo that was stored by the commit at a position.
    fn group_info(&mut self, channel: &ChannelId, position: u64) -> Result<Option<GroupInfoRow>, StoreFault>;
    /// Stores a GroupInfo.
    fn put_group_info(&mut self, channel: &ChannelId, row: GroupInfoRow) -> Result<(), StoreFault>;
    /// Position and length of the oldest GroupInfo kept.
    fn oldest_group_info(&mut self, channel: &ChannelId) -> Result<Option<(u64, u64)>, StoreFault>;
    /// Position of the newest GroupInfo kept.
    fn newest_group_info(&mut self, channel: &ChannelId) -> Result<Option<u64>, StoreFault>;
    /// Removes a GroupInfo.
    fn remove_group_info(&mut self, channel: &ChannelId, position: u64) -> Result<(), StoreFault>;
    /// A chunk, in use or not.
    fn chunk(&mut self, channel: &ChannelId, id: &ChunkId) -> Result<Option<ChunkRow>, StoreFault>;
    /// Adds a chunk, in use from now on. The caller has looked that the id is free.
    fn put_chunk(&mut self, channel: &ChannelId, id: &ChunkId, sealed: Vec<u8>) -> Result<(), StoreFault>;
    /// Ends a chunk's use with the commit at a position; says whether it was in use.
    fn end_chunk(&mut self, channel: &ChannelId, id: &ChunkId, until: u64) -> Result<bool, StoreFault>;
    /// Ends the use of every chunk of the channel.
    fn end_all_chunks(&mut self, channel: &ChannelId, until: u64) -> Result<(), StoreFault>;
    /// Bytes of the chunks in use.
    fn chunk_bytes(&mut self, channel: &ChannelId) -> Result<u64, StoreFault>;
    /// Removes chunks whose use ended at or before a position; says how many bytes they were.
    fn drop_chunks(&mut self, channel: &ChannelId, through: u64) -> Result<u64, StoreFault>;
    /// The keyring.
    fn keyring(&mut self, channel: &ChannelId) -> Result<Option<KeyringRow>, StoreFault>;
    /// Stores or replaces the keyring.
    fn put_keyring(&mut self, channel: &ChannelId, row: KeyringRow) -> Result<(), StoreFault>;
    /// Up to `limit` channels whose `oldest` is before `before`, in any order.
    fn overdue(&mut self, before: Minute, limit: u32) -> Result<Vec<ChannelId>, StoreFault>;
    /// Positions, lengths and times of up to `limit` entries from `from` on whose content is kept, in order.
    fn ages(&mut self, channel: &ChannelId, from: u64, limit: u32) -> Result<Vec<(u64, u64, Minute)>, StoreFault>;
    /// Drops the content of all entries below `first`. Their ids, chain values and kinds stay.
    fn drop_content(&mut self, channel: &ChannelId, first: u64) -> Result<(), StoreFault>;
    /// Removes the channel and everything in it.
    fn remove(&mut self, channel: &ChannelId) -> Result<(), StoreFault>;
}
