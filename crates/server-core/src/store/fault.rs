//! Why a backend could not do what it was asked.

/// A failure of the database, not of the caller.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreFault {
    /// No room on the disk, or the database is at its size limit.
    #[error("the store is full")]
    Full,
    /// The store is shut down, or failed in a way that it does not go on from.
    #[error("the store is closed")]
    Closed,
    /// A row cannot be read as what it should be.
    #[error("a stored {what} cannot be read")]
    Damaged {
        /// Which noun.
        what: &'static str,
    },
    /// A write inside a reading job.
    #[error("a reading job tried to write")]
    ReadOnly,
    /// Anything else, by the database's own number.
    #[error("the database failed with code {code}")]
    Backend {
        /// As the database numbers it.
        code: i32,
    },
}
