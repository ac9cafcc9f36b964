//! The envelope of a backup file: a header that says how to get at the key, and sealed chunks of one size.
//!
//! ```text
//!   header ── magic, version, which secret, how it is stretched, salt, check     one Argon2id a file
//!   stream ── chunk 0 | chunk 1 | ... | last chunk (padded)                      the counter and `last` are in the nonce
//! ```
//!
//! A chunk opens in its place, in its file, and as the last one or not: chunks cannot be swapped, dropped, repeated or
//! appended. What is inside is the business of the client's engine. Shape: section 12 of the protocol.

mod header;
mod stream;

pub use header::{BackupHeader, BackupSecret, HEADER_BYTES, SecretKind};
pub use stream::{BackupOpener, BackupSealer, CHUNK_BYTES, SEALED_CHUNK_BYTES};

/// Why a file is no backup that can be read here and now.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// It does not begin as backup files do.
    #[error("this is no backup file")]
    NotABackup,
    /// It is of a version that only a later program reads.
    #[error("the backup was made by a later version (format {found}; this program reads up to {known})")]
    LaterVersion {
        /// Its version.
        found: u8,
        /// The newest one known here.
        known: u8,
    },
    /// Its parameters of Argon2id are out of range: it would take too much memory or time, or protect too little.
    #[error("the backup's header is damaged: it asks for {memory_kib} KiB, {iterations} passes, {parallelism} lanes")]
    Stretch {
        /// Memory in KiB.
        memory_kib: u32,
        /// Passes.
        iterations: u32,
        /// Lanes.
        parallelism: u32,
    },
    /// It is protected by another kind of secret than was given.
    #[error("the backup is protected by {wanted}")]
    OtherSecret {
        /// By which kind.
        wanted: SecretKind,
    },
    /// The secret does not open it.
    #[error("the secret does not open the backup: it is another one, or the header is damaged")]
    WrongSecret,
    /// It ends early.
    #[error("the backup is truncated: it ends after {chunks} whole chunks, and the end is missing")]
    Truncated {
        /// How many whole chunks there are.
        chunks: u64,
    },
    /// A chunk was changed.
    #[error("the backup is damaged in chunk {chunk}")]
    Damaged {
        /// Which, from 0.
        chunk: u64,
    },
    /// Something follows the last chunk.
    #[error("something was appended to the backup after chunk {chunk}")]
    Trailing {
        /// The last chunk.
        chunk: u64,
    },
}

#[cfg(test)]
mod tests;
