//! The data directory: where everything of one server lies, and the lock that keeps a second server out.
//!
//! ```text
//!   DATA/lock         held by the running server
//!   DATA/store.key    32 random bytes in hex, the key of store.db
//!   DATA/store.db     SQLCipher, with -wal and -shm beside it
//!   DATA/server.key   the TLS key; its fingerprint stands in the server link
//!   DATA/restoring/   what a restore of a backup has not put in place yet; no server starts beside it
//! ```

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{Read as _, Seek as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use crate::private_file::{self, PrivateFileError};

/// Where a backup is restored to before it is put in place.
pub(crate) const RESTORING: &str = "restoring";

/// Why a data directory cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataDirError {
    /// The directory or a file in it is missing rights, or grants too many.
    #[error(transparent)]
    File(#[from] PrivateFileError),
    /// Another process holds the lock.
    #[error("{path} is in use by another qpc-server{holder}", path = path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
        /// ` (process N)`, if the lock file says so.
        holder: String,
    },
    /// A restore did not come to its end.
    #[error("a restore into {path} was interrupted; run `qpc-server restore` again", path = path.display())]
    Unfinished {
        /// The directory.
        path: PathBuf,
    },
    /// The lock file cannot be made or locked.
    #[error("cannot lock {path}", path = path.display())]
    Lock {
        /// The lock file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// A data directory of ours alone, locked as long as this lives.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    _lock: File,
}

impl DataDir {
    /// Makes or checks the directory and takes its lock.
    ///
    /// Errors:   [`DataDirError::InUse`] if a server runs on it; [`DataDirError::File`] if others can read it;
    ///           [`DataDirError::Unfinished`].
    pub fn open(path: &Path) -> Result<Self, DataDirError> {
        let dir = Self::open_for_restore(path)?;
        if path.join(RESTORING).exists() {
            return Err(DataDirError::Unfinished { path: path.to_owned() });
        }
        Ok(dir)
    }

    /// The same where a restore may have been interrupted.
    pub(crate) fn open_for_restore(path: &Path) -> Result<Self, DataDirError> {
        private_file::private_dir(path)?;
        let lock = path.join("lock");
        let failed = |source| DataDirError::Lock { path: lock.clone(), source };
        private_file::check_private_file(&lock)?;
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&lock)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                // Who holds it is a courtesy; that somebody does is the point.
                drop((&mut file).take(20).read_to_string(&mut text));
                let holder = text.trim().parse::<u32>().map(|pid| format!(" (process {pid})")).unwrap_or_default();
                return Err(DataDirError::InUse { path: path.to_owned(), holder });
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        file.set_len(0).and_then(|()| file.rewind()).map_err(failed)?;
        writeln!(file, "{}", std::process::id()).map_err(failed)?;
        Ok(Self { path: path.to_owned(), _lock: file })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The database.
    #[must_use]
    pub fn store(&self) -> PathBuf {
        self.path.join("store.db")
    }

    /// The database's key.
    #[must_use]
    pub fn store_key(&self) -> PathBuf {
        self.path.join("store.key")
    }

    /// The TLS key.
    #[must_use]
    pub fn server_key(&self) -> PathBuf {
        self.path.join("server.key")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_server_is_kept_out_until_the_first_is_gone() {
        let temp = tempfile::tempdir().expect("a directory");
        let path = temp.path().join("data");
        let first = DataDir::open(&path).expect("free");
        let error = DataDir::open(&path).expect_err("locked").to_string();
        assert!(error.contains("in use"), "{error}");
        assert!(error.contains(&std::process::id().to_string()), "{error}");
        drop(first);
        DataDir::open(&path).expect("free again");
    }

    #[test]
    fn no_server_starts_where_a_restore_was_interrupted() {
        let temp = tempfile::tempdir().expect("a directory");
        let path = temp.path().join("data");
        drop(DataDir::open(&path).expect("free"));
        std::fs::create_dir(path.join(RESTORING)).expect("made");
        assert!(matches!(DataDir::open(&path), Err(DataDirError::Unfinished { .. })));
        DataDir::open_for_restore(&path).expect("to be ended");
    }
}
