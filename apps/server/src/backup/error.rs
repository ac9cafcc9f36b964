//! Why a backup is not made, not whole, or not restored.

use std::{io, path::PathBuf};

use quicprochat_server_core::store::StoreFault;

use crate::{data_dir::DataDirError, private_file::PrivateFileError, store::OpenError};

/// Why a backup is not made, not whole, or not restored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// It begins with something else.
    #[error("this is no backup of a qpc-server")]
    NotABackup,
    /// A later program wrote it.
    #[error("the backup has {what} {found}, but this qpc-server knows only up to {known}; use a newer qpc-server")]
    LaterVersion {
        /// Which number is too high.
        what: &'static str,
        /// It.
        found: u32,
        /// The highest that we read.
        known: u32,
    },
    /// It ends before its end.
    #[error("the backup is truncated: it ends after {bytes} bytes, before its end")]
    Truncated {
        /// Bytes that are there.
        bytes: u64,
    },
    /// It is not what was written.
    #[error("the backup is damaged: {what}")]
    Damaged {
        /// Where it shows.
        what: &'static str,
    },
    /// A row is longer than any that is written.
    #[error("a row of {table} is too long for a backup ({bytes} bytes)")]
    TooLong {
        /// Whose.
        table: String,
        /// Its length.
        bytes: usize,
    },
    /// There is a file of that name.
    #[error("{path} exists already; choose another name, or replace it with --replace", path = path.display())]
    Exists {
        /// Which.
        path: PathBuf,
    },
    /// Something lies where the backup would be restored to.
    #[error(
        "{path} is not empty ({found}); a backup is restored into an empty directory: move what is there away, or set --data-dir",
        path = path.display()
    )]
    NotEmpty {
        /// The data directory.
        path: PathBuf,
        /// A name in it.
        found: String,
    },
    /// The server's key is missing, so that a restored server would be another one.
    #[error("{path} is missing: no client would accept a server that was restored without it", path = path.display())]
    NoServerKey {
        /// Where it should be.
        path: PathBuf,
    },
    /// The file is whole, but what came out of it breaks rules of the store.
    #[error("the backup is whole, but the store in it is not sound, and `restore` {how}: {faults}", how = if *readable { "puts it in place with --despite-faults only" } else { "does not put it in place" }, faults = faults.join("; "))]
    Unsound {
        /// What is wrong.
        faults: Vec<String>,
        /// Whether the database itself is whole, so that a server can run on it: only what its rows say of each other is wrong.
        readable: bool,
    },
    /// The store does not open.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// The store cannot be read or written.
    #[error("the store cannot be used: {0}")]
    Fault(#[from] StoreFault),
    /// A backup is looked at where there is too little room for the store in it.
    #[error("there is no room in {folder} for the store of the backup, which is written there to be checked: set TMPDIR to a directory with more room, or check the file alone (--quick)", folder = folder.display())]
    NoRoomToCheck {
        /// Where it was written.
        folder: PathBuf,
    },
    /// The data directory cannot be used.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// A private file cannot be used.
    #[error(transparent)]
    File(#[from] PrivateFileError),
    /// Reading or writing failed.
    #[error("cannot {action} {path}: {source}", path = path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// What the frames go to or come from failed.
    #[error("the backup cannot be {done}: {source}", done = if *writing { "written" } else { "read" })]
    Stream {
        /// Whether it was being written.
        writing: bool,
        /// What the system said.
        source: io::Error,
    },
}

/// Whether there is no room left for what was to be written.
fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

impl BackupError {
    /// The stable word for scripts, and the exit code.
    #[must_use]
    pub fn code(&self) -> (&'static str, u8) {
        match self {
            Self::NotABackup => ("not-a-backup", 6),
            Self::LaterVersion { .. } => ("later-version", 6),
            Self::Truncated { .. } => ("backup-truncated", 6),
            Self::Damaged { .. } => ("backup-damaged", 6),
            Self::Unsound { .. } => ("backup-unsound", 6),
            Self::Exists { .. } => ("file-exists", 1),
            Self::NotEmpty { .. } => ("not-empty", 1),
            Self::DataDir(DataDirError::InUse { .. }) => ("in-use", 1),
            Self::Fault(StoreFault::Full) | Self::NoRoomToCheck { .. } => ("disk-full", 1),
            Self::Io { source, .. } | Self::Stream { source, .. } if is_full(source) => ("disk-full", 1),
            Self::TooLong { .. }
            | Self::NoServerKey { .. }
            | Self::Store(_)
            | Self::Fault(_)
            | Self::DataDir(_)
            | Self::File(_)
            | Self::Io { .. }
            | Self::Stream { .. } => ("failed", 1),
        }
    }

    /// The same of a backup that is written to `folder` to be looked at.
    pub(super) fn while_checking(self, folder: &std::path::Path) -> Self {
        if self.code().0 == "disk-full" { Self::NoRoomToCheck { folder: folder.to_owned() } } else { self }
    }

    pub(crate) fn io(action: &'static str, path: &std::path::Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, path: path.to_owned(), source }
    }

    pub(super) const fn stream(writing: bool) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Stream { writing, source }
    }
}
