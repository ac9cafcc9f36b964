//! Connections to the database file: always encrypted, always with the same settings.

use std::{
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
};

use rusqlite::{Connection, Error, OpenFlags};

use super::{OpenError, error::is_damage, schema};
use crate::{private_file, store_key::StoreKey};

/// Bytes of a page. Small pages keep what one append rewrites small.
pub(super) const PAGE_BYTES: u32 = 4096;
/// What an unencrypted database begins with.
const PLAIN_HEADER: &[u8; 15] = b"SQLite format 3";

/// What a connection is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Purpose {
    /// The one that writes.
    Write,
    /// One of those that answer queries.
    Read,
    /// The one that moves pages from the log into the database.
    Checkpoint,
}

/// Where a store is, and its key.
///
/// Secrets:  holds the key; zeroized when dropped.
#[derive(Clone, Debug)]
pub struct Location {
    /// The database file.
    pub path: PathBuf,
    /// Its key.
    pub key: StoreKey,
}

impl Location {
    /// Opens the database for the first time in this process: makes it if there is none, and brings its schema up to date.
    pub(super) fn open_first(&self) -> Result<Connection, OpenError> {
        if !private_file::check_private_file(&self.path)? {
            // Made by us, so that SQLite gives its log files the same rights.
            private_file::write_private(&self.path, b"")?;
        }
        refuse_plain(&self.path)?;
        let mut db = self.open(Purpose::Write).map_err(|error| self.explain_first(error))?;
        schema::migrate(&mut db, &self.path)?;
        Ok(db)
    }

    /// Makes a database that is not there yet, without a schema.
    pub(super) fn create(&self) -> Result<Connection, OpenError> {
        private_file::write_private(&self.path, b"")?;
        self.open(Purpose::Write).map_err(|error| self.explain_first(error))
    }

    /// Opens a store that must exist already.
    pub(super) fn open_existing(&self, purpose: Purpose) -> Result<Connection, OpenError> {
        if !private_file::check_private_file(&self.path)? {
            return Err(OpenError::Absent { path: self.path.clone() });
        }
        refuse_plain(&self.path)?;
        let db = self.open(purpose).map_err(|error| self.explain_first(error))?;
        schema::check_version(&db, &self.path)?;
        Ok(db)
    }

    /// Opens one more connection.
    pub(super) fn open_again(&self, purpose: Purpose) -> Result<Connection, OpenError> {
        self.open(purpose).map_err(|error| self.explain(error))
    }

    fn open(&self, purpose: Purpose) -> Result<Connection, OpenFault> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let db = Connection::open_with_flags(&self.path, flags)?;
        db.execute_batch("PRAGMA cipher_log_level = NONE")?;
        db.execute_batch(&self.key.pragma())?;
        db.execute_batch(&format!(
            "PRAGMA cipher_page_size = {PAGE_BYTES}; PRAGMA cipher_hmac_algorithm = HMAC_SHA256;"
        ))?;
        if pragma_text(&db, "cipher_version")?.is_none_or(|version| version.is_empty()) {
            return Err(OpenFault::NoCipher);
        }
        // The first access to the file: a wrong key shows here.
        db.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
        db.set_prepared_statement_cache_capacity(128);
        db.busy_timeout(core::time::Duration::from_secs(5))?;
        db.execute_batch("PRAGMA temp_store = MEMORY; PRAGMA foreign_keys = OFF; PRAGMA trusted_schema = OFF;")?;
        if purpose == Purpose::Write {
            let mode = pragma_text(&db, "journal_mode = WAL")?;
            if mode.as_deref() != Some("wal") {
                return Err(OpenFault::NoLog);
            }
        }
        // FULL: a transaction that is committed is on disk. The checkpointer writes and closes logs of its own accord.
        db.execute_batch("PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0;")?;
        match purpose {
            // Secure: what is deleted is overwritten, also in pages that nobody needs for the time being.
            Purpose::Write => db.execute_batch("PRAGMA cache_size = -65536; PRAGMA secure_delete = ON;")?,
            Purpose::Read => db.execute_batch("PRAGMA cache_size = -8192; PRAGMA query_only = ON;")?,
            Purpose::Checkpoint => db.execute_batch("PRAGMA cache_size = -512")?,
        }
        Ok(db)
    }

    fn explain_first(&self, fault: OpenFault) -> OpenError {
        match fault {
            OpenFault::Database(error) if is_damage(&error) => OpenError::WrongKey { path: self.path.clone() },
            other @ (OpenFault::Database(_) | OpenFault::NoCipher | OpenFault::NoLog) => self.explain(other),
        }
    }

    fn explain(&self, fault: OpenFault) -> OpenError {
        match fault {
            OpenFault::Database(source) => explain(&self.path, source),
            OpenFault::NoCipher => OpenError::NoCipher,
            OpenFault::NoLog => OpenError::NoLog { path: self.path.clone() },
        }
    }
}

/// What went wrong with a database whose key is right.
pub(super) fn explain(path: &Path, source: Error) -> OpenError {
    if is_damage(&source) {
        OpenError::Damaged { path: path.to_owned(), detail: source.to_string() }
    } else {
        OpenError::Database { path: path.to_owned(), source }
    }
}

enum OpenFault {
    NoCipher,
    NoLog,
    Database(Error),
}

impl From<Error> for OpenFault {
    fn from(error: Error) -> Self {
        Self::Database(error)
    }
}

/// The first column of a pragma's first row, as text; `None` if it yields no row.
pub(super) fn pragma_text(db: &Connection, pragma: &str) -> Result<Option<String>, Error> {
    let mut statement = db.prepare(&format!("PRAGMA {pragma}"))?;
    let mut rows = statement.query([])?;
    Ok(match rows.next()? {
        Some(row) => row.get_ref(0)?.as_str().ok().map(str::to_owned),
        None => None,
    })
}

fn refuse_plain(path: &Path) -> Result<(), OpenError> {
    let failed = |source| private_file::PrivateFileError::Io { action: "read", path: path.to_owned(), source };
    let mut header = Vec::with_capacity(PLAIN_HEADER.len());
    File::open(path).and_then(|file| file.take(15).read_to_end(&mut header)).map_err(failed)?;
    if header == PLAIN_HEADER {
        return Err(OpenError::Unencrypted { path: path.to_owned() });
    }
    Ok(())
}
