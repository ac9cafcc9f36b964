//! The messages of the journal in memory, by the key that they will have in `entries`.

use std::{
    collections::BTreeMap,
    ops::RangeInclusive,
    sync::{Arc, PoisonError, RwLock},
};

use quicprochat_server_core::store::EntryRow;

use super::block::HEAD_BYTES;

/// A message that is in the journal, or will be when the open transaction is committed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::store) struct Held {
    /// The row of `journal` it stands in.
    pub(in crate::store) seq: i64,
    /// The channel's bytes with this entry.
    pub(in crate::store) bytes: u64,
    /// The message.
    pub(in crate::store) entry: EntryRow,
}

impl Held {
    fn size(&self) -> usize {
        self.entry.sealed.len().saturating_add(HEAD_BYTES)
    }
}

/// Everything between two moves. The writer adds to it; after a move it gets a new one, and readers that began before keep
/// this one as long as they need it.
#[derive(Debug, Default)]
pub(super) struct Table {
    messages: RwLock<Messages>,
}

#[derive(Debug, Default)]
struct Messages {
    by_key: BTreeMap<i64, Arc<Held>>,
    bytes: usize,
}

impl Table {
    /// Adds a message; `false` if its key is taken.
    pub(super) fn insert(&self, at: i64, held: Held) -> bool {
        let mut messages = self.messages.write().unwrap_or_else(PoisonError::into_inner);
        if messages.by_key.contains_key(&at) {
            return false;
        }
        messages.bytes = messages.bytes.saturating_add(held.size());
        messages.by_key.insert(at, Arc::new(held));
        true
    }

    pub(super) fn remove(&self, keys: impl IntoIterator<Item = i64>) {
        let mut messages = self.messages.write().unwrap_or_else(PoisonError::into_inner);
        for at in keys {
            if let Some(held) = messages.by_key.remove(&at) {
                messages.bytes = messages.bytes.saturating_sub(held.size());
            }
        }
    }

    /// How many messages, and how many bytes of them.
    pub(super) fn size(&self) -> (usize, usize) {
        let messages = self.messages.read().unwrap_or_else(PoisonError::into_inner);
        (messages.by_key.len(), messages.bytes)
    }

    /// Everything, by key.
    pub(super) fn all(&self) -> Vec<(i64, Arc<Held>)> {
        let messages = self.messages.read().unwrap_or_else(PoisonError::into_inner);
        messages.by_key.iter().map(|(at, held)| (*at, held.clone())).collect()
    }
}

/// What a transaction sees of a table.
#[derive(Debug)]
pub(in crate::store) struct View {
    pub(super) table: Arc<Table>,
    /// The rows of `journal` that the transaction's snapshot holds.
    pub(super) rows: Option<RangeInclusive<i64>>,
}

impl View {
    /// The message with a key.
    pub(in crate::store) fn find(&self, at: i64) -> Option<Arc<Held>> {
        self.last(at..=at)
    }

    /// The message with the highest key in a range.
    pub(in crate::store) fn last(&self, keys: RangeInclusive<i64>) -> Option<Arc<Held>> {
        let rows = self.rows.as_ref().filter(|_| !keys.is_empty())?;
        let messages = self.table.messages.read().unwrap_or_else(PoisonError::into_inner);
        messages.by_key.range(keys).rev().map(|(_, held)| held).find(|held| rows.contains(&held.seq)).cloned()
    }

    /// The messages with keys in a range, in order, until `take` says that it has enough.
    pub(in crate::store) fn each(&self, keys: RangeInclusive<i64>, mut take: impl FnMut(i64, &Arc<Held>) -> bool) {
        let Some(rows) = self.rows.as_ref().filter(|_| !keys.is_empty()) else { return };
        let messages = self.table.messages.read().unwrap_or_else(PoisonError::into_inner);
        for (at, held) in messages.by_key.range(keys) {
            if rows.contains(&held.seq) && !take(*at, held) {
                return;
            }
        }
    }
}
