//! Every row of a store as of one moment, and a new store made of rows: what backups are made from, and restored to.

use std::{collections::BTreeMap, io::Write};

use quicprochat_server_core::store::StoreFault;
use rusqlite::{
    Connection, Error, ErrorCode, params_from_iter,
    types::{ToSqlOutput, ValueRef},
};

use super::{
    OpenError,
    connection::{Location, PAGE_BYTES, Purpose, explain},
    error::fault,
    journal::{Held, read_block, write_block},
    recovery, schema,
};
use crate::backup::{BackupError, Cell, FrameWriter, Progress, Rows, TableHead};

const JOURNAL: &str = "journal";
/// Rows, and bytes of them, of one transaction while a store is filled.
const BATCH_ROWS: u64 = 16 * 1024;
const BATCH_BYTES: usize = 32 << 20;
/// By how much the numbers of inboxes go on after a restore: nobody gets so many invitations in the life of a server.
const INBOX_GAP: i64 = 1 << 32;

/// Columns of each table of a version of the schema.
///
/// Errors:   SQLite's.
pub fn tables_of_schema(version: u32) -> Result<BTreeMap<String, Vec<String>>, BackupError> {
    let read = || {
        let mut db = Connection::open_in_memory()?;
        let tx = db.transaction()?;
        for step in schema::STEPS.iter().take(usize::try_from(version).unwrap_or(usize::MAX)) {
            tx.execute_batch(step)?;
        }
        tables(&tx)
    };
    read().map_err(|error| BackupError::Fault(fault(&error)))
}

fn tables(db: &Connection) -> Result<BTreeMap<String, Vec<String>>, Error> {
    let mut query = db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")?;
    let names: Vec<String> = query.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let columns = |name: String| {
        let rows = db.prepare(&format!("SELECT * FROM {name} LIMIT 0"))?;
        Ok((name, rows.column_names().map(str::to_owned).collect()))
    };
    names.into_iter().map(columns).collect()
}

/// A store as of one moment. It may belong to a running server, which goes on; its log grows meanwhile.
#[derive(Debug)]
pub struct Snapshot {
    db: Connection,
    location: Location,
    schema: u32,
}

impl Snapshot {
    /// Begins: everything that was committed before is in it, and nothing that is committed later.
    ///
    /// Errors:   [`OpenError`].
    pub fn begin(location: &Location) -> Result<Self, OpenError> {
        let db = location.open_existing(Purpose::Read)?;
        db.execute_batch("BEGIN").map_err(|error| explain(&location.path, error))?;
        // The first statement that reads fixes the moment.
        let schema = schema::check_version(&db, &location.path)?;
        Ok(Self { db, location: location.clone(), schema })
    }

    /// Version of its schema.
    #[must_use]
    pub const fn schema(&self) -> u32 {
        self.schema
    }

    /// Writes every row of every table, each table in the order of its key; says how many of each. Memory is bounded by the
    /// longest row and by the journal.
    ///
    /// Errors:   the store's, or the output's.
    pub fn write<W: Write>(
        &self,
        out: &mut FrameWriter<W>,
        progress: Progress<'_>,
    ) -> Result<BTreeMap<String, u64>, BackupError> {
        let failed = |error| BackupError::Store(explain(&self.location.path, error));
        let total = self.bytes().map_err(failed)?;
        let mut counts = BTreeMap::new();
        for (name, columns) in tables(&self.db).map_err(failed)? {
            let width = columns.len();
            out.table(&TableHead { name: name.clone(), columns })?;
            let mut count = 0u64;
            if name == JOURNAL {
                count = self.write_journal(out)?;
            } else {
                let mut query = self.db.prepare(&format!("SELECT * FROM {name}")).map_err(failed)?;
                let mut rows = query.query([]).map_err(failed)?;
                while let Some(row) = rows.next().map_err(failed)? {
                    let values = (0..width).map(|index| row.get_ref(index));
                    let values: Vec<ValueRef<'_>> = values.collect::<Result<_, _>>().map_err(failed)?;
                    out.row(values.into_iter().map(cell))?;
                    count = count.saturating_add(1);
                    progress(out.bytes(), Some(total));
                }
            }
            counts.insert(name, count);
        }
        Ok(counts)
    }

    /// One row with all messages of the journal, by their keys: a backup must not keep the order in which the messages of
    /// different channels came.
    fn write_journal<W: Write>(&self, out: &mut FrameWriter<W>) -> Result<u64, BackupError> {
        let messages = journal(&self.db).map_err(|error| match error {
            JournalError::Database(error) => BackupError::Store(explain(&self.location.path, error)),
            JournalError::Damaged { .. } => BackupError::Fault(StoreFault::Damaged { what: "block of the journal" }),
        })?;
        let mut block = Vec::new();
        for (at, held) in &messages {
            write_block(&mut block, *at, held)?;
        }
        if messages.is_empty() {
            return Ok(0);
        }
        out.row([Cell::Integer(1), Cell::Bytes(&block)].into_iter())?;
        Ok(1)
    }

    /// About how many bytes a backup has: those of the pages.
    fn bytes(&self) -> Result<u64, Error> {
        let number = |pragma: &str| self.db.query_row(&format!("PRAGMA {pragma}"), [], |row| row.get::<_, i64>(0));
        let pages = number("page_count")?.saturating_sub(number("freelist_count")?);
        Ok(pages.unsigned_abs().saturating_mul(PAGE_BYTES.into()))
    }
}

/// Why the journal cannot be read.
pub(super) enum JournalError {
    Database(Error),
    Damaged { seq: i64 },
}

impl From<Error> for JournalError {
    fn from(error: Error) -> Self {
        Self::Database(error)
    }
}

/// The messages of the journal by their keys, in a transaction.
pub(super) fn journal(db: &Connection) -> Result<BTreeMap<i64, Held>, JournalError> {
    let mut messages = BTreeMap::new();
    // A store of version 1 has no journal.
    if !tables(db)?.contains_key(JOURNAL) {
        return Ok(messages);
    }
    let mut query = db.prepare("SELECT seq, block FROM journal ORDER BY seq")?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        let seq = row.get(0)?;
        let damaged = JournalError::Damaged { seq };
        let Ok(block) = row.get_ref(1)?.as_blob() else { return Err(damaged) };
        messages.extend(read_block(seq, block).map_err(|_| damaged)?);
    }
    Ok(messages)
}

fn cell(value: ValueRef<'_>) -> Cell<'_> {
    match value {
        ValueRef::Null => Cell::Null,
        ValueRef::Integer(number) => Cell::Integer(number),
        ValueRef::Real(number) => Cell::Real(number),
        ValueRef::Text(text) => Cell::Text(text),
        ValueRef::Blob(bytes) => Cell::Bytes(bytes),
    }
}

/// A store that is being made from the rows of a backup.
#[derive(Debug)]
pub struct Filling {
    db: Connection,
    location: Location,
    insert: String,
    rows: u64,
    bytes: usize,
}

impl Filling {
    /// Makes an empty store of this version of the schema.
    ///
    /// Errors:   [`OpenError`].
    pub fn create(location: &Location, version: u32) -> Result<Self, OpenError> {
        let mut db = location.create()?;
        schema::make(&mut db, version, &location.path)?;
        db.execute_batch("BEGIN IMMEDIATE").map_err(|error| explain(&location.path, error))?;
        Ok(Self { db, location: location.clone(), insert: String::new(), rows: 0, bytes: 0 })
    }

    /// Ends: brings the schema up to date, and sees to it that nobody takes what this server says for what the one before it
    /// said. Inboxes go on far above any number that was given out after the backup was made: clients ask for what follows the
    /// highest that they know. And the next start begins a recovery time, in which clients offer what came after the backup.
    ///
    /// Errors:   [`BackupError`].
    pub fn finish(mut self) -> Result<(), BackupError> {
        self.execute("INSERT OR IGNORE INTO inboxes SELECT account, 0, 0, 0 FROM accounts")?;
        self.execute(&format!("UPDATE inboxes SET last = last + {INBOX_GAP}"))?;
        recovery::leave(&self.db).map_err(|error| self.refused(&error))?;
        self.execute("COMMIT")?;
        schema::migrate(&mut self.db, &self.location.path)?;
        self.checkpoint()?;
        self.db.close().map_err(|(_, error)| BackupError::Store(explain(&self.location.path, error)))
    }

    fn execute(&self, sql: &str) -> Result<(), BackupError> {
        self.db.execute_batch(sql).map_err(|error| self.refused(&error))
    }

    /// What is committed goes into the database, and the log begins anew.
    fn checkpoint(&self) -> Result<(), BackupError> {
        let done = self.db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        done.map_err(|error| self.refused(&error))
    }

    fn refused(&self, error: &Error) -> BackupError {
        match error.sqlite_error_code() {
            // Two rows under a key, or a type that the column does not have.
            Some(ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch) => {
                BackupError::Damaged { what: "a row is none of its table" }
            }
            _ => BackupError::Fault(fault(error)),
        }
    }

    #[cfg(test)]
    pub(crate) fn limit_pages(&self, pages: u32) {
        self.db.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(())).expect("a limit");
    }
}

impl Rows for Filling {
    fn table(&mut self, name: &str, columns: usize) -> Result<(), BackupError> {
        let marks = vec!["?"; columns].join(", ");
        self.insert = format!("INSERT INTO {name} VALUES ({marks})");
        Ok(())
    }

    fn row(&mut self, cells: &[Cell<'_>]) -> Result<(), BackupError> {
        let values: Vec<ToSqlOutput<'_>> =
            cells.iter().map(|cell| value(*cell).map(ToSqlOutput::Borrowed)).collect::<Result<_, _>>()?;
        let inserted =
            self.db.prepare_cached(&self.insert).and_then(|mut insert| insert.execute(params_from_iter(values)));
        inserted.map_err(|error| self.refused(&error))?;
        self.rows = self.rows.saturating_add(1);
        self.bytes = cells.iter().fold(self.bytes, |bytes, cell| bytes.saturating_add(length(cell)));
        if self.rows.is_multiple_of(BATCH_ROWS) || self.bytes > BATCH_BYTES {
            self.bytes = 0;
            self.execute("COMMIT")?;
            self.checkpoint()?;
            self.execute("BEGIN IMMEDIATE")?;
        }
        Ok(())
    }
}

fn value(cell: Cell<'_>) -> Result<ValueRef<'_>, BackupError> {
    Ok(match cell {
        Cell::Null => ValueRef::Null,
        Cell::Integer(number) => ValueRef::Integer(number),
        Cell::Real(number) => ValueRef::Real(number),
        Cell::Text(text) if core::str::from_utf8(text).is_err() => {
            return Err(BackupError::Damaged { what: "a text is no UTF-8" });
        }
        Cell::Text(text) => ValueRef::Text(text),
        Cell::Bytes(bytes) => ValueRef::Blob(bytes),
    })
}

const fn length(cell: &Cell<'_>) -> usize {
    match cell {
        Cell::Null => 1,
        Cell::Integer(_) | Cell::Real(_) => 8,
        Cell::Text(bytes) | Cell::Bytes(bytes) => bytes.len(),
    }
}
