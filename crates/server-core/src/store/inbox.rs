//! Inboxes: a log for each account.

use quicprochat_wire::{AccountId, MessageId};

use super::{Day, PageLimit, StoreFault};

/// Where an inbox stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct InboxRow {
    /// The last sequence number given out; never goes back.
    pub last: u64,
    /// Entries kept.
    pub entries: u64,
    /// Bytes of sealed content kept.
    pub bytes: u64,
}

/// One entry.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InboxEntryRow {
    /// Position; the first has number 1.
    pub seq: u64,
    /// As chosen by the sender; unique among the entries kept.
    pub id: MessageId,
    /// The sealed bytes.
    pub sealed: Vec<u8>,
    /// When it came.
    pub day: Day,
}

/// Inboxes by account.
pub trait InboxStore {
    /// Where the inbox stands; all zero if nothing ever came.
    fn load(&mut self, account: &AccountId) -> Result<InboxRow, StoreFault>;
    /// The position of the entry with this id, while it is kept.
    fn find_id(&mut self, account: &AccountId, id: &MessageId) -> Result<Option<u64>, StoreFault>;
    /// Adds an entry and replaces the inbox's row.
    fn append(&mut self, account: &AccountId, row: &InboxRow, entry: &InboxEntryRow) -> Result<(), StoreFault>;
    /// Entries above `after` in order. At least one if there is any, else within the limit.
    fn page(&mut self, account: &AccountId, after: u64, limit: PageLimit) -> Result<Vec<InboxEntryRow>, StoreFault>;
    /// Removes up to `limit` entries of any inbox that came before `day`, keeping the rows of those inboxes right; says how many.
    fn expire(&mut self, day: Day, limit: u32) -> Result<u32, StoreFault>;
    /// Removes the inbox.
    fn remove(&mut self, account: &AccountId) -> Result<(), StoreFault>;
}
