//! An open transaction as the services see it.

use quicprochat_server_core::store::{
    AccountStore, ArchiveStore, ChannelStore, DirectoryStore, InboxStore, InviteStore, StateStore, StoreFault, StoreTx,
    TokenStore, VaultStore,
};
use rusqlite::{Connection, Error, OptionalExtension as _, Params, Row};

use super::{
    channel_cache::ChannelCache,
    error::fault,
    journal::{Appender, View},
};

/// Whether a transaction may write.
#[derive(Debug)]
enum Mode<'c> {
    Read(&'c View),
    /// A savepoint is opened by a job's first statement that writes; messages that go into the journal need none.
    Write {
        savepoint: bool,
        journal: &'c mut Appender,
    },
}

/// One job's view of a transaction. Every noun's store is implemented on it, each in its own file.
pub(super) struct SqliteTx<'c> {
    db: &'c Connection,
    mode: Mode<'c>,
    pub(super) cache: &'c mut ChannelCache,
    /// The first fault of a write: whatever the job makes of it, the job did not succeed.
    broken: Option<StoreFault>,
}

impl<'c> SqliteTx<'c> {
    pub(super) fn reading(db: &'c Connection, cache: &'c mut ChannelCache, journal: &'c View) -> Self {
        Self { db, mode: Mode::Read(journal), cache, broken: None }
    }

    pub(super) fn writing(db: &'c Connection, cache: &'c mut ChannelCache, journal: &'c mut Appender) -> Self {
        Self { db, mode: Mode::Write { savepoint: false, journal }, cache, broken: None }
    }

    /// Ends a job: keeps or undoes its writes.
    ///
    /// Errors:   the fault of one of its writes, if there was one; then they are undone.
    pub(super) fn finish(mut self, keep: bool) -> Result<(), StoreFault> {
        let keep = keep && self.broken.is_none();
        let touched = self.cache.end_job();
        if !keep {
            self.cache.evict(&touched);
        }
        if matches!(self.mode, Mode::Write { savepoint: true, .. }) && !self.db.is_autocommit() {
            if !keep {
                self.run("ROLLBACK TO job");
            }
            self.run("RELEASE job");
        }
        if let Mode::Write { journal, .. } = self.mode {
            journal.end_job(keep && self.broken.is_none());
        }
        self.broken.map_or(Ok(()), Err)
    }

    fn run(&mut self, sql: &str) {
        if let Err(error) = self.db.prepare_cached(sql).and_then(|mut statement| statement.execute([])) {
            self.broken.get_or_insert(fault(&error));
        }
    }

    /// Runs a statement that writes; says how many rows it changed.
    pub(super) fn write(&mut self, sql: &str, params: impl Params) -> Result<usize, StoreFault> {
        let begun = match &mut self.mode {
            Mode::Read(_) => return Err(StoreFault::ReadOnly),
            Mode::Write { savepoint, .. } => core::mem::replace(savepoint, true),
        };
        if !begun {
            self.run("SAVEPOINT job");
        }
        if let Some(fault) = self.broken {
            return Err(fault);
        }
        let done = self.db.prepare_cached(sql).and_then(|mut statement| statement.execute(params));
        done.map_err(|error| {
            let fault = fault(&error);
            self.broken.get_or_insert(fault);
            fault
        })
    }

    /// What the transaction sees of the journal.
    pub(super) fn held(&self) -> &View {
        match &self.mode {
            Mode::Read(view) => view,
            Mode::Write { journal, .. } => journal.view(),
        }
    }

    /// The journal, if the transaction may write.
    pub(super) fn journal(&mut self) -> Result<&mut Appender, StoreFault> {
        match (&mut self.mode, self.broken) {
            (Mode::Read(_), _) => Err(StoreFault::ReadOnly),
            (Mode::Write { .. }, Some(fault)) => Err(fault),
            (Mode::Write { journal, .. }, None) => Ok(journal),
        }
    }

    /// The first row of a query.
    pub(super) fn one<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnOnce(&Row<'_>) -> Result<T, Error>,
    ) -> Result<Option<T>, StoreFault> {
        let found = self.db.prepare_cached(sql).and_then(|mut query| query.query_row(params, read).optional());
        found.map_err(|error| fault(&error))
    }

    /// All rows of a query.
    pub(super) fn all<T>(
        &self,
        sql: &str,
        params: impl Params,
        mut read: impl FnMut(&Row<'_>) -> Result<T, Error>,
    ) -> Result<Vec<T>, StoreFault> {
        let mut found = Vec::new();
        self.each(sql, params, |row| {
            found.push(read(row)?);
            Ok(true)
        })?;
        Ok(found)
    }

    /// The rows of a query, until `take` says that it has enough.
    pub(super) fn each(
        &self,
        sql: &str,
        params: impl Params,
        mut take: impl FnMut(&Row<'_>) -> Result<bool, Error>,
    ) -> Result<(), StoreFault> {
        let run = || {
            let mut query = self.db.prepare_cached(sql)?;
            let mut rows = query.query(params)?;
            while let Some(row) = rows.next()? {
                if !take(row)? {
                    break;
                }
            }
            Ok(())
        };
        run().map_err(|error: Error| fault(&error))
    }
}

impl StoreTx for SqliteTx<'_> {
    fn accounts(&mut self) -> &mut dyn AccountStore {
        self
    }
    fn directory(&mut self) -> &mut dyn DirectoryStore {
        self
    }
    fn invites(&mut self) -> &mut dyn InviteStore {
        self
    }
    fn vaults(&mut self) -> &mut dyn VaultStore {
        self
    }
    fn archives(&mut self) -> &mut dyn ArchiveStore {
        self
    }
    fn tokens(&mut self) -> &mut dyn TokenStore {
        self
    }
    fn inboxes(&mut self) -> &mut dyn InboxStore {
        self
    }
    fn channels(&mut self) -> &mut dyn ChannelStore {
        self
    }
    fn state(&mut self) -> &mut dyn StateStore {
        self
    }
}

/// An unsigned number as SQLite keeps it.
///
/// Errors:   [`StoreFault::Full`] beyond 2^63 - 1, which no counter of ours reaches.
pub(super) fn signed(value: u64) -> Result<i64, StoreFault> {
    i64::try_from(value).map_err(|_| StoreFault::Full)
}

/// A column that holds an unsigned number.
pub(super) fn unsigned(row: &Row<'_>, column: usize) -> Result<u64, Error> {
    let value: i64 = row.get(column)?;
    u64::try_from(value).map_err(|_| Error::IntegralValueOutOfRange(column, value))
}

/// The row count of a change, as the services count.
pub(super) fn count(rows: usize) -> u32 {
    u32::try_from(rows).unwrap_or(u32::MAX)
}
