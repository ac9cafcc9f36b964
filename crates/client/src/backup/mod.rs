//! Backup files: written beside and moved into place, read twice before anything counts.
//!
//! ```text
//!   store ──items──▶ sealer ──chunks──▶ FILE.new-1a2b ──sync, move──▶ FILE
//!   FILE.new-... that nobody writes any more ──▶ removed by the next backup to FILE
//!   FILE ──chunks──▶ opener ──items──▶ checker          first pass: all of it, nothing is changed
//!   FILE ──chunks──▶ opener ──items──▶ one transaction   second pass
//! ```
//!
//! Neither way holds more than one chunk and one item in memory. The content is that of
//! [`quicprochat_client_core::backup`], the envelope that of [`quicprochat_e2ee::backup`].

mod left_over;
mod read;
mod write;

use std::{io, path::PathBuf};

pub use quicprochat_client_core::backup::{AccountItem, ContentError, Counts, Imported};
pub use quicprochat_e2ee::backup::{BackupError, BackupSecret, SecretKind};
pub use read::BackupFile;

/// What is wrong with a backup file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupFileError {
    /// The operating system refused.
    #[error("{path}: {source}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is a file of this name.
    #[error("{path} exists; a backup is not written over it")]
    Exists {
        /// Which.
        path: PathBuf,
    },
    /// It does not open, or not to its end.
    #[error("{path}: {error}")]
    Envelope {
        /// Which file.
        path: PathBuf,
        /// Why.
        error: BackupError,
    },
    /// It opens, and what is in it cannot be taken over.
    #[error("{path}: {error}")]
    Content {
        /// Which file.
        path: PathBuf,
        /// Why.
        error: ContentError,
    },
}

/// A backup that was written, or read to its end.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BackupSummary {
    /// Whose it is.
    pub account: AccountItem,
    /// What is in it.
    pub counts: Counts,
    /// Size of the file.
    pub bytes: u64,
}

/// How far a backup has come: bytes done, and how many there will be where that is known.
pub type Progress<'a> = &'a mut dyn FnMut(u64, Option<u64>);

#[cfg(test)]
mod tests;
