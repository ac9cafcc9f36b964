//! Why the store does not open, and how faults of SQLite become those of the services.

use std::path::PathBuf;

use quicprochat_server_core::store::StoreFault;
use rusqlite::{Error, ErrorCode};

use crate::{private_file::PrivateFileError, store_key::StoreKeyError};

/// Why a store cannot be opened. Nothing on disk was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// A file cannot be used.
    #[error(transparent)]
    File(#[from] PrivateFileError),
    /// There is no key.
    #[error(transparent)]
    Key(#[from] StoreKeyError),
    /// The file is a plain SQLite database.
    #[error("{path} is not encrypted; qpc-server never opens an unencrypted store", path = path.display())]
    Unencrypted {
        /// The database.
        path: PathBuf,
    },
    /// This build of SQLite does not encrypt.
    #[error("the database library was built without SQLCipher")]
    NoCipher,
    /// The file system cannot hold a write-ahead log (shared memory is missing, as on some network file systems).
    #[error("{path} lies on a file system that cannot hold a write-ahead log; use a local disk", path = path.display())]
    NoLog {
        /// The database.
        path: PathBuf,
    },
    /// The first page does not open with the key.
    #[error(
        "{path} does not open with this store key: either the key is not the one the store was made with, or the file is damaged; nothing was changed",
        path = path.display()
    )]
    WrongKey {
        /// The database.
        path: PathBuf,
    },
    /// The key is right, but something behind it cannot be read.
    #[error("{path} is damaged ({detail}); restore it from a backup", path = path.display())]
    Damaged {
        /// The database.
        path: PathBuf,
        /// What SQLite found.
        detail: String,
    },
    /// A later version wrote it.
    #[error("{path} has schema version {found}, but this qpc-server knows only up to {known}; use a newer qpc-server", path = path.display())]
    TooNew {
        /// The database.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// Ours.
        known: u32,
    },
    /// It should exist and does not.
    #[error("there is no store at {path}", path = path.display())]
    Absent {
        /// Where it should be.
        path: PathBuf,
    },
    /// A thread could not be started.
    #[error("cannot start a thread of the store")]
    Thread(#[source] std::io::Error),
    /// SQLite refused.
    #[error("cannot open {path}", path = path.display())]
    Database {
        /// The database.
        path: PathBuf,
        /// What it said.
        source: Error,
    },
}

/// The services' view of a fault of SQLite.
#[expect(clippy::wildcard_enum_match_arm, reason = "every other error is the same to a caller")]
pub(super) fn fault(error: &Error) -> StoreFault {
    match error {
        Error::SqliteFailure(failure, _) => {
            tracing::debug!(code = failure.extended_code, "the database reports a fault");
            code_fault(failure.code, failure.extended_code)
        }
        Error::FromSqlConversionFailure(..) | Error::InvalidColumnType(..) | Error::IntegralValueOutOfRange(..) => {
            StoreFault::Damaged { what: "column" }
        }
        _ => StoreFault::Backend { code: -1 },
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the codes that are told apart are named; SQLite has many more")]
fn code_fault(code: ErrorCode, extended: i32) -> StoreFault {
    match code {
        ErrorCode::DiskFull => StoreFault::Full,
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => StoreFault::Damaged { what: "page" },
        _ => StoreFault::Backend { code: extended },
    }
}

/// Whether the database itself is what cannot be read.
pub(super) fn is_damage(error: &Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}
