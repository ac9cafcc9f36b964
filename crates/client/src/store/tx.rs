//! One transaction.

use core::cell::Cell;

use quicprochat_client_core::store::{
    AccountStore, ContactStore, ConversationStore, InboxStore, MessageStore, MlsStore, MlsStoreFault, OutboxStore,
    RawLogStore, RecordStore, StateStore, StoreFault, StoreTx, Stored, TokenStore, UpkeepStore,
};
use rusqlite::{OptionalExtension as _, Params, TransactionBehavior};

use super::open::{Store, store_fault};

/// A transaction that holds the store's write lock. Dropped without [`Tx::commit`], it changes nothing.
#[derive(Debug)]
pub struct Tx<'a> {
    tx: rusqlite::Transaction<'a>,
    cause: Cell<Option<StoreFault>>,
}

impl Store {
    /// Begins a transaction; waits while another process has one.
    ///
    /// Errors:   [`StoreFault::Locked`] if another process does not let go within 20 seconds.
    pub fn begin(&mut self) -> Result<Tx<'_>, StoreFault> {
        self.begin_as(TransactionBehavior::Immediate)
    }

    /// Begins a transaction for reading alone: it sees the store of one moment, however long it takes, and nobody waits for it. A
    /// write in it fails: it would do so beside another process's, too.
    pub fn begin_reading(&mut self) -> Result<Tx<'_>, StoreFault> {
        self.begin_as(TransactionBehavior::Deferred)
    }

    fn begin_as(&mut self, behavior: TransactionBehavior) -> Result<Tx<'_>, StoreFault> {
        let reads = matches!(behavior, TransactionBehavior::Deferred);
        self.connection.pragma_update(None, "query_only", reads).map_err(|error| store_fault(&error))?;
        let tx = self.connection.transaction_with_behavior(behavior).map_err(|error| store_fault(&error))?;
        Ok(Tx { tx, cause: Cell::new(None) })
    }
}

impl Tx<'_> {
    /// Makes everything durable, or nothing.
    pub fn commit(self) -> Result<(), StoreFault> {
        self.tx.commit().map_err(|error| store_fault(&error))
    }

    /// Why the group library's part of the transaction failed, if it did: its own error says only that it did.
    #[must_use]
    pub fn cause(&self) -> Option<StoreFault> {
        self.cause.get()
    }

    pub(super) fn keep_cause(&self, fault: StoreFault) -> MlsStoreFault {
        self.cause.set(Some(fault));
        if fault == StoreFault::Damaged { MlsStoreFault::Damaged } else { MlsStoreFault::Failed }
    }

    pub(super) fn run(&self, sql: &str, params: impl Params) -> Result<usize, StoreFault> {
        self.tx.prepare_cached(sql).and_then(|mut statement| statement.execute(params)).map_err(|e| store_fault(&e))
    }

    pub(super) fn inserted(&self) -> u64 {
        u64::try_from(self.tx.last_insert_rowid()).unwrap_or_default()
    }

    /// The first column of the first row.
    pub(super) fn value<T: rusqlite::types::FromSql>(
        &self,
        sql: &str,
        params: impl Params,
    ) -> Result<Option<T>, StoreFault> {
        self.tx
            .prepare_cached(sql)
            .and_then(|mut statement| statement.query_row(params, |row| row.get(0)).optional())
            .map_err(|error| store_fault(&error))
    }

    /// The first columns of all rows.
    pub(super) fn values<T: rusqlite::types::FromSql>(
        &self,
        sql: &str,
        params: impl Params,
    ) -> Result<Vec<T>, StoreFault> {
        self.tx
            .prepare_cached(sql)
            .and_then(|mut statement| statement.query_map(params, |row| row.get(0))?.collect())
            .map_err(|error| store_fault(&error))
    }

    /// The first two columns of all rows: a number and a row's bytes.
    pub(super) fn pairs(&self, sql: &str, params: impl Params) -> Result<Vec<(i64, Vec<u8>)>, StoreFault> {
        self.tx
            .prepare_cached(sql)
            .and_then(|mut statement| statement.query_map(params, |row| Ok((row.get(0)?, row.get(1)?)))?.collect())
            .map_err(|error| store_fault(&error))
    }

    /// The first four columns of the first row, which are numbers.
    pub(super) fn numbers(&self, sql: &str, params: impl Params) -> Result<Option<[u64; 4]>, StoreFault> {
        let number = |row: &rusqlite::Row<'_>, column: usize| {
            Ok::<_, rusqlite::Error>(u64::try_from(row.get::<_, i64>(column)?).unwrap_or_default())
        };
        self.tx
            .prepare_cached(sql)
            .and_then(|mut statement| {
                let read =
                    |row: &rusqlite::Row<'_>| Ok([number(row, 0)?, number(row, 1)?, number(row, 2)?, number(row, 3)?]);
                statement.query_row(params, read).optional()
            })
            .map_err(|error| store_fault(&error))
    }

    /// The first column of the first row, decoded.
    pub(super) fn row<T: Stored>(&self, sql: &str, params: impl Params) -> Result<Option<T>, StoreFault> {
        Ok(self.value::<Vec<u8>>(sql, params)?.map(|bytes| T::decode(&bytes)).transpose()?)
    }

    /// The first columns of all rows, decoded.
    pub(super) fn rows<T: Stored>(&self, sql: &str, params: impl Params) -> Result<Vec<T>, StoreFault> {
        self.values::<Vec<u8>>(sql, params)?.iter().map(|bytes| Ok(T::decode(bytes)?)).collect()
    }
}

/// SQLite's integers are signed; the protocol's counters never come near the sign.
pub(super) fn int(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

impl StoreTx for Tx<'_> {
    fn version(&self) -> Result<u64, StoreFault> {
        let version: Option<i64> = self.value("PRAGMA data_version", [])?;
        Ok(version.and_then(|version| u64::try_from(version).ok()).unwrap_or_default())
    }
    fn account(&self) -> &dyn AccountStore {
        self
    }
    fn contacts(&self) -> &dyn ContactStore {
        self
    }
    fn conversations(&self) -> &dyn ConversationStore {
        self
    }
    fn records(&self) -> &dyn RecordStore {
        self
    }
    fn messages(&self) -> &dyn MessageStore {
        self
    }
    fn raw_log(&self) -> &dyn RawLogStore {
        self
    }
    fn outbox(&self) -> &dyn OutboxStore {
        self
    }
    fn inbox(&self) -> &dyn InboxStore {
        self
    }
    fn tokens(&self) -> &dyn TokenStore {
        self
    }
    fn upkeep(&self) -> &dyn UpkeepStore {
        self
    }
    fn state(&self) -> &dyn StateStore {
        self
    }
    fn mls(&self) -> &dyn MlsStore {
        self
    }
}
