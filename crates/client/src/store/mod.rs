//! The client's store: SQLCipher, one file a home.
//!
//! [`Store`] is a handle (one connection); [`Tx`] one transaction on it, which implements the engine's
//! [`StoreTx`](quicprochat_client_core::store::StoreTx). A transaction takes the write lock when it begins, so what the engine
//! reads in it nobody else changes before it commits; several processes on one home take turns.
//!
//! ```text
//!   schema ── tables and migrations        open ── key, pragmas, damage
//!   tx ── begin, commit, rows              rows ── one impl a trait of the engine
//! ```

mod open;
mod rows;
mod schema;
mod tx;

use std::path::PathBuf;

pub use open::{CipherInfo, Store};
pub use tx::Tx;

/// What is wrong with a store as a whole.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The key does not open it, or it is no store at all.
    #[error("{path} does not open with this key: the key file belongs to another store, or the store is damaged")]
    KeyOrDamage {
        /// The store.
        path: PathBuf,
    },
    /// A file of a later version.
    #[error("{path} was written by a later version (format {found}, this program reads up to {known})")]
    TooNew {
        /// The store.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The newest format known here.
        known: u32,
    },
    /// The database library was built without encryption.
    #[error("the database library has no encryption; nothing was written")]
    NotEncrypted,
    /// It can be read by others.
    #[error(transparent)]
    Home(#[from] crate::home::HomeError),
    /// The database failed.
    #[error("{path}: {fault}")]
    Fault {
        /// The store.
        path: PathBuf,
        /// How.
        fault: quicprochat_client_core::store::StoreFault,
    },
}

#[cfg(test)]
mod frozen;
#[cfg(test)]
mod tests;
