//! Messages on their way into `entries`.
//!
//! ```text
//!   append ─▶ appender ── COMMIT ─▶ one row of `journal` ─┐
//!                 │                                       ├─ settle, one transaction ─▶ `entries`, sorted
//!                 └──────────────▶ table in memory ───────┘
//!                                      ▲
//!                       writer, readers (what their snapshot's rows hold)
//! ```
//!
//! An append to `entries` grows the tree in the middle: several pages are written anew for one message. So the messages of a
//! transaction are written as one row, and moved together later (ADR 0005). In every snapshot a message stands in one of
//! both places; transactions look into both.

mod appender;
mod block;
mod settle;
mod table;

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use quicprochat_server_core::store::StoreFault;
use rusqlite::Connection;

use self::table::Table;
pub(super) use self::{
    appender::Appender,
    table::{Held, View},
};

/// When messages move from the journal into `entries`: at whatever is reached first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct JournalLimits {
    /// Messages in it.
    pub messages: usize,
    /// Their bytes.
    pub bytes: usize,
    /// Age of the oldest.
    pub age: Duration,
}

impl Default for JournalLimits {
    fn default() -> Self {
        Self { messages: 4096, bytes: 8 << 20, age: Duration::from_secs(5) }
    }
}

/// The table in memory that is in use.
#[derive(Debug, Default)]
pub(super) struct Journal {
    table: RwLock<Arc<Table>>,
}

impl Journal {
    /// Begins a reading transaction, and says what it sees.
    ///
    /// While its snapshot is taken the table cannot be replaced: it holds whatever rows of `journal` the snapshot has. Messages
    /// are in the table before their row is committed, and a table is replaced after its rows are gone.
    pub(super) fn begin_reading(&self, db: &Connection) -> Result<View, rusqlite::Error> {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        db.prepare_cached("BEGIN")?.execute([])?;
        let ends = db
            .prepare_cached("SELECT (SELECT min(seq) FROM journal), (SELECT max(seq) FROM journal)")?
            .query_row([], |row| Ok((row.get::<_, Option<i64>>(0)?, row.get::<_, Option<i64>>(1)?)))?;
        let rows = ends.0.zip(ends.1).map(|(first, last)| first..=last);
        Ok(View { table: table.clone(), rows })
    }

    fn replace(&self, table: Arc<Table>) {
        *self.table.write().unwrap_or_else(PoisonError::into_inner) = table;
    }
}

/// The messages of a row of `journal`, each under its key.
///
/// Errors:   [`StoreFault::Damaged`].
pub(super) fn read_block(seq: i64, block: &[u8]) -> Result<Vec<(i64, Held)>, StoreFault> {
    block::decode(seq, block)
}

/// Adds a message to a block, which may be empty.
///
/// Errors:   [`StoreFault::Full`].
pub(super) fn write_block(block: &mut Vec<u8>, at: i64, held: &Held) -> Result<(), StoreFault> {
    block::encode(block, at, held)
}

#[cfg(test)]
mod tests;
