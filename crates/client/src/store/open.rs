//! Opening the file: the key, the settings that make a commit durable, and what damage looks like.

use std::{
    fs::OpenOptions,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use quicprochat_client_core::store::StoreFault;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::{StoreError, schema::MIGRATIONS};
use crate::home::{Home, StoreKey, check_private, io_error};

/// How long a transaction waits for another process. Group operations of another process are far shorter.
const LOCK_WAIT: Duration = Duration::from_secs(20);

/// A handle on a store: one connection.
#[derive(Debug)]
pub struct Store {
    pub(super) connection: Connection,
    path: PathBuf,
}

/// How a store is encrypted, for `qpc doctor`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CipherInfo {
    /// Version of SQLCipher.
    pub version: String,
    /// Its cipher provider.
    pub provider: String,
}

impl Store {
    /// Opens the home's store with its key, and makes it if there is none.
    ///
    /// Errors:   [`StoreError::KeyOrDamage`] for a wrong key or a damaged file: nothing is written then.
    pub fn open(home: &Home, key: &StoreKey) -> Result<Self, StoreError> {
        let path = home.store_path();
        // Made here so that it is never, not even for a moment, readable by others.
        OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path).map_err(io_error(&path))?;
        check_private(&path, 0o600)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&path, flags).map_err(fault_at(&path))?;
        let mut store = Self { connection, path };
        store.unlock(key)?;
        store.migrate()?;
        Ok(store)
    }

    /// Where the file is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How it is encrypted.
    pub fn cipher(&self) -> Result<CipherInfo, StoreError> {
        let text = |pragma: &str| self.connection.query_row(pragma, [], |row| row.get::<_, String>(0));
        Ok(CipherInfo {
            version: text("PRAGMA cipher_version").map_err(fault_at(&self.path))?,
            provider: text("PRAGMA cipher_provider").map_err(fault_at(&self.path))?,
        })
    }

    /// Reads every page and compares it with its MAC and structure; the findings, empty if all is well.
    pub fn check(&self) -> Result<Vec<String>, StoreError> {
        let mut findings = Vec::new();
        for pragma in ["PRAGMA cipher_integrity_check", "PRAGMA integrity_check"] {
            let mut statement = self.connection.prepare(pragma).map_err(fault_at(&self.path))?;
            let rows = statement.query_map([], |row| row.get::<_, String>(0)).map_err(fault_at(&self.path))?;
            for row in rows {
                let row = row.map_err(fault_at(&self.path))?;
                if row != "ok" {
                    findings.push(row);
                }
            }
        }
        Ok(findings)
    }

    fn unlock(&mut self, key: &StoreKey) -> Result<(), StoreError> {
        let set = |name: &str, value: &str| self.connection.pragma_update(None, name, value);
        // SQLCipher would print its own errors to stderr.
        set("cipher_log_level", "NONE").map_err(fault_at(&self.path))?;
        set("key", &key.pragma()).map_err(fault_at(&self.path))?;
        let version: Option<String> = self.connection.query_row("PRAGMA cipher_version", [], |row| row.get(0)).ok();
        if version.is_none_or(|version| version.is_empty()) {
            return Err(StoreError::NotEncrypted);
        }
        self.connection.busy_timeout(LOCK_WAIT).map_err(fault_at(&self.path))?;
        // The first real read: where a wrong key shows.
        self.connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(())).map_err(|error| {
            let (path, fault) = (self.path.clone(), store_fault(&error));
            if fault == StoreFault::Damaged {
                return StoreError::KeyOrDamage { path };
            }
            StoreError::Fault { path, fault }
        })?;
        set("journal_mode", "WAL").map_err(fault_at(&self.path))?;
        // FULL: a commit that returned survives a power cut.
        set("synchronous", "FULL").map_err(fault_at(&self.path))?;
        set("foreign_keys", "ON").map_err(fault_at(&self.path))?;
        // Deleted secrets are overwritten: forward secrecy rests on it.
        set("secure_delete", "ON").map_err(fault_at(&self.path))?;
        set("temp_store", "MEMORY").map_err(fault_at(&self.path))?;
        self.connection.set_prepared_statement_cache_capacity(64);
        Ok(())
    }

    fn migrate(&mut self) -> Result<(), StoreError> {
        let path = self.path.clone();
        let known = u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX);
        let tx = self
            .connection
            .transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)
            .map_err(fault_at(&path))?;
        let found: u32 = tx.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(fault_at(&path))?;
        if found > known {
            return Err(StoreError::TooNew { path, found, known });
        }
        for step in MIGRATIONS.iter().skip(found as usize) {
            tx.execute_batch(step).map_err(fault_at(&path))?;
        }
        if found < known {
            tx.pragma_update(None, "user_version", known).map_err(fault_at(&path))?;
        }
        tx.commit().map_err(fault_at(&path))
    }
}

/// What a database error means to the engine.
pub(super) fn store_fault(error: &rusqlite::Error) -> StoreFault {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreFault::Locked,
        Some(ErrorCode::DiskFull) => StoreFault::Full,
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => StoreFault::Damaged,
        Some(code) => {
            tracing::error!(?code, "the store failed");
            StoreFault::Failed
        }
        None => {
            tracing::error!(%error, "the store failed");
            StoreFault::Failed
        }
    }
}

fn fault_at(path: &Path) -> impl Fn(rusqlite::Error) -> StoreError {
    let path = path.to_owned();
    move |error| StoreError::Fault { path: path.clone(), fault: store_fault(&error) }
}
