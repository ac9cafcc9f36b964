//! The writer's side of the journal.

use std::{mem, sync::Arc, time::Instant};

use quicprochat_server_core::store::{EntryRow, StoreFault};
use quicprochat_wire::call::channel::EntryKind;
use rusqlite::{Connection, params};

use super::{Held, Journal, JournalLimits, View, block, settle, table::Table};
use crate::store::error::fault;

/// How many times its limits the journal may hold when it cannot be moved; then messages go into `entries` at once.
const PATIENCE: usize = 2;

/// Where a job began.
#[derive(Clone, Copy, Default, Debug)]
struct Mark {
    block: usize,
    keys: usize,
}

/// Takes messages, writes a row for each transaction, and moves them when that is due.
#[derive(Debug)]
pub(in crate::store) struct Appender {
    journal: Arc<Journal>,
    limits: JournalLimits,
    /// Everything in memory, the open transaction's messages too.
    view: View,
    /// The row of the open transaction.
    seq: i64,
    /// Its content so far, and the keys in it.
    block: Vec<u8>,
    keys: Vec<i64>,
    /// Where the running job began.
    job: Mark,
    /// When what is in memory must move.
    due: Option<Instant>,
    /// The last move failed: the next waits for its time, however many messages there are.
    failed: bool,
}

impl Appender {
    /// Reads what an earlier process left in the journal.
    ///
    /// Errors:   [`StoreFault::Damaged`] if a row is none that we write, or two hold the same message.
    pub(in crate::store) fn recover(db: &Connection, limits: JournalLimits) -> Result<Self, StoreFault> {
        let table = Arc::new(Table::default());
        let mut last = 0;
        let mut each = |seq: i64, block: &[u8]| {
            last = seq;
            for (at, held) in block::decode(seq, block)? {
                if !table.insert(at, held) {
                    return Err(StoreFault::Damaged { what: "block of the journal" });
                }
            }
            Ok(())
        };
        let failed = |error| fault(&error);
        let mut query = db.prepare("SELECT seq, block FROM journal ORDER BY seq").map_err(failed)?;
        let mut rows = query.query([]).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            let block = row.get_ref(1).map_err(failed)?;
            each(row.get(0).map_err(failed)?, block.as_blob().map_err(|_| StoreFault::Damaged { what: "journal" })?)?;
        }
        let seq = last.checked_add(1).ok_or(StoreFault::Damaged { what: "journal" })?;
        let journal = Arc::new(Journal::default());
        journal.replace(table.clone());
        let due = (table.size().0 > 0).then(Instant::now);
        let (block, keys, job) = (Vec::new(), Vec::new(), Mark::default());
        Ok(Self { journal, limits, view: all_of(table), seq, block, keys, job, due, failed: false })
    }

    /// What readers share.
    pub(in crate::store) fn journal(&self) -> Arc<Journal> {
        self.journal.clone()
    }

    /// What the writer sees.
    pub(in crate::store) fn view(&self) -> &View {
        &self.view
    }

    /// Whether an entry may go through the journal.
    pub(in crate::store) fn takes(&self, entry: &EntryRow) -> bool {
        let (messages, bytes) = self.view.table.size();
        entry.kind == EntryKind::Message
            && entry.next_access.is_none()
            && entry.sealed.len() <= block::MAX_SEALED_BYTES
            && messages < self.limits.messages.saturating_mul(PATIENCE)
            && bytes < self.limits.bytes.saturating_mul(PATIENCE)
    }

    /// Adds a message to the open transaction; `bytes` is its channel's total with it.
    ///
    /// Errors:   [`StoreFault::Damaged`] if there is a message with this key.
    pub(in crate::store) fn append(&mut self, at: i64, bytes: u64, entry: EntryRow) -> Result<(), StoreFault> {
        let held = Held { seq: self.seq, bytes, entry };
        let end = self.block.len();
        block::encode(&mut self.block, at, &held)?;
        if !self.view.table.insert(at, held) {
            self.block.truncate(end);
            return Err(StoreFault::Damaged { what: "position" });
        }
        self.keys.push(at);
        Ok(())
    }

    /// Ends a job: keeps or forgets its messages.
    pub(in crate::store) fn end_job(&mut self, keep: bool) {
        if !keep {
            self.block.truncate(self.job.block);
            self.view.table.remove(self.keys.drain(self.job.keys..));
        }
        self.job = Mark { block: self.block.len(), keys: self.keys.len() };
    }

    /// Writes the open transaction's row, if it has messages.
    pub(in crate::store) fn write_row(&self, db: &Connection) -> Result<(), rusqlite::Error> {
        if !self.keys.is_empty() {
            db.prepare_cached("INSERT INTO journal VALUES (?1, ?2)")?.execute(params![self.seq, self.block])?;
        }
        Ok(())
    }

    /// The transaction is committed.
    pub(in crate::store) fn committed(&mut self) {
        if !self.keys.is_empty() {
            self.seq = self.seq.saturating_add(1);
            self.due.get_or_insert_with(|| Instant::now() + self.limits.age);
        }
        self.clear();
    }

    /// The transaction is rolled back.
    pub(in crate::store) fn undone(&mut self) {
        self.view.table.remove(mem::take(&mut self.keys));
        self.clear();
    }

    fn clear(&mut self) {
        self.keys.clear();
        self.block.clear();
        self.job = Mark::default();
    }

    /// When [`Appender::is_due`] will say so, if nothing more is appended.
    pub(in crate::store) fn deadline(&self) -> Option<Instant> {
        self.due
    }

    /// Whether the messages must move.
    pub(in crate::store) fn is_due(&self) -> bool {
        let Some(due) = self.due else { return false };
        let (messages, bytes) = self.view.table.size();
        let large = messages >= self.limits.messages || bytes >= self.limits.bytes;
        (large && !self.failed) || Instant::now() >= due
    }

    /// Moves all messages into `entries`; between transactions. Whatever happens, none is lost: if it fails, they stay.
    pub(in crate::store) fn settle(&mut self, db: &Connection) -> Result<(), rusqlite::Error> {
        if self.due.is_none() {
            return Ok(());
        }
        (self.failed, self.due) = (true, Some(Instant::now() + self.limits.age));
        settle::settle(db, &self.view.table.all(), self.seq.saturating_sub(1))?;
        let table = Arc::new(Table::default());
        self.journal.replace(table.clone());
        self.view = all_of(table);
        (self.failed, self.due) = (false, None);
        Ok(())
    }
}

fn all_of(table: Arc<Table>) -> View {
    View { table, rows: Some(i64::MIN..=i64::MAX) }
}
