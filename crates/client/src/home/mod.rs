//! A client's home directory: where it is, who may read it, and the key of the store in it.
//!
//! ```text
//!   HOME/            0700
//!     store.key      0600  the store's key, 64 hex digits, or wrapped by a passphrase (see `key`)
//!     store.db       0600  SQLCipher
//! ```

mod key;

use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use rustix::{
    fs::{CWD, RenameFlags, renameat_with},
    io::Errno,
};

pub use key::{Passphrase, StoreKey};

/// What is wrong with a home directory or its key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HomeError {
    /// The operating system refused.
    #[error("{path}: {source}")]
    Io {
        /// Which file or directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others may read what only the owner should.
    #[error("{path} can be read or changed by others (mode {mode:03o}); run: chmod {wanted:03o} {path}")]
    Exposed {
        /// Which file or directory.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
        /// What they should be.
        wanted: u32,
    },
    /// It belongs to somebody else.
    #[error("{path} belongs to another user (uid {owner})")]
    Foreign {
        /// Which file or directory.
        path: PathBuf,
        /// Its owner.
        owner: u32,
    },
    /// There is a store but no key for it.
    #[error("{path} is missing, and without it the store beside it cannot be opened; put the file back from a copy")]
    KeyMissing {
        /// Where the key should be.
        path: PathBuf,
    },
    /// The key file is neither a key nor a wrapped key.
    #[error("{path} is damaged: it holds no store key")]
    KeyDamaged {
        /// The key file.
        path: PathBuf,
    },
    /// The key is wrapped and no passphrase was given.
    #[error("the store key in {path} is protected by a passphrase; set QPC_PASSPHRASE_FILE or use --passphrase-file")]
    PassphraseNeeded {
        /// The key file.
        path: PathBuf,
    },
    /// The passphrase does not open the key file.
    #[error("the passphrase does not open {path}")]
    PassphraseWrong {
        /// The key file.
        path: PathBuf,
    },
}

/// A home directory with safe permissions.
#[derive(Debug, Clone)]
pub struct Home {
    path: PathBuf,
}

impl Home {
    /// Opens the directory, and makes it (mode 0700) if it does not exist.
    ///
    /// Errors:   [`HomeError::Exposed`] or [`HomeError::Foreign`] if somebody else could read it: the message says how to mend it.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, HomeError> {
        let path = path.into();
        let missing = missing_directories(&path);
        if !missing.is_empty() {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(&path).map_err(io_error(&path))?;
        }
        // Whatever is synced in the home is lost with the home's own name.
        missing.into_iter().filter_map(Path::parent).try_for_each(sync_directory)?;
        check_private(&path, 0o700)?;
        Ok(Self { path })
    }

    /// The directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Removes the store and its key. The key goes first: without it the rest is noise.
    pub fn erase(&self) -> Result<(), HomeError> {
        let store = self.store_path();
        let beside = |suffix: &str| store.with_file_name(format!("store.db{suffix}"));
        for path in [self.key_path(), beside("-wal"), beside("-shm"), store.clone()] {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io_error(&path)(error)),
                Ok(()) | Err(_) => {}
            }
        }
        sync_directory(&self.path)
    }

    /// Where the store is.
    #[must_use]
    pub fn store_path(&self) -> PathBuf {
        self.path.join("store.db")
    }

    /// Where the store's key is.
    #[must_use]
    pub fn key_path(&self) -> PathBuf {
        self.path.join("store.key")
    }
}

/// The directory and those above it that do not exist, the innermost first.
fn missing_directories(path: &Path) -> Vec<&Path> {
    path.ancestors().take_while(|directory| !directory.as_os_str().is_empty() && !directory.exists()).collect()
}

/// Renames, unless the name is taken; by a hard link where the file system knows no such rename. Sticks and cards know the one,
/// some network file systems the other.
pub(crate) fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    // The last two are one on Linux, and two elsewhere.
    let unknown = [Errno::INVAL, Errno::NOSYS, Errno::NOTSUP, Errno::OPNOTSUPP];
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Err(error) if unknown.contains(&error) => {
            fs::hard_link(from, to)?;
            fs::remove_file(from)
        }
        renamed => Ok(renamed?),
    }
}

/// Puts the names in a directory on disk; the empty path is the current one.
pub(crate) fn sync_directory(path: &Path) -> Result<(), HomeError> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    fs::File::open(path).and_then(|directory| directory.sync_all()).map_err(io_error(path))
}

/// Refuses a file or directory that others could read or change.
pub(crate) fn check_private(path: &Path, wanted: u32) -> Result<(), HomeError> {
    let metadata = fs::metadata(path).map_err(io_error(path))?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(HomeError::Exposed { path: path.into(), mode, wanted });
    }
    let owner = metadata.uid();
    let own = rustix::process::geteuid().as_raw();
    if owner != own && own != 0 {
        return Err(HomeError::Foreign { path: path.into(), owner });
    }
    Ok(())
}

/// Gives an I/O error its path.
pub(crate) fn io_error(path: &Path) -> impl FnOnce(io::Error) -> HomeError {
    let path = path.to_owned();
    move |source| HomeError::Io { path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn makes_a_private_directory_and_refuses_an_exposed_one() {
        let temp = tempfile::tempdir().unwrap();
        let home = Home::open(temp.path().join("a/b")).unwrap();
        assert_eq!(fs::metadata(home.path()).unwrap().permissions().mode() & 0o777, 0o700);
        fs::set_permissions(home.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let error = Home::open(home.path()).unwrap_err();
        assert!(matches!(error, HomeError::Exposed { mode: 0o755, wanted: 0o700, .. }), "{error}");
        assert!(error.to_string().contains("chmod 700"), "{error}");
    }

    #[test]
    fn every_directory_that_must_be_made_and_synced_is_known() {
        let temp = tempfile::tempdir().unwrap();
        let deep = temp.path().join("a/b");
        assert_eq!(missing_directories(&deep), [deep.as_path(), &temp.path().join("a")]);
        Home::open(&deep).unwrap();
        assert!(missing_directories(&deep).is_empty());
        assert_eq!(missing_directories(Path::new("no-such-directory")), [Path::new("no-such-directory")]);
    }
}
