//! What goes wrong with a disk.

use std::io;
use std::path::{Path, PathBuf};

/// Why a disk cannot be read, compared or cut.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DiskError {
    /// The operating system refused.
    #[error("{path}: {source}")]
    Io {
        /// On what.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The journal is no sequence of records.
    #[error("the journal is damaged at byte {at}")]
    Journal {
        /// Where.
        at: usize,
    },
    /// A record speaks of a file or folder that was never made.
    #[error("the journal speaks of {what}, which nobody made")]
    Unknown {
        /// Of what.
        what: String,
    },
    /// A file is not what the journal says: a call went past the layer.
    #[error("{path} is not what the journal says ({what}): a call went past the layer")]
    Differs {
        /// Which file or folder.
        path: PathBuf,
        /// How.
        what: String,
    },
}

impl DiskError {
    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { path: path.to_owned(), source }
    }
}
