//! Backups of the server: one file with every row of the store as of one moment, and the TLS key.
//!
//! ```text
//!   store.db ─ snapshot ─▶ rows ─▶ frames ─▶ FILE.new-... ─ sync, rename ─▶ FILE
//!   FILE.new-... that nobody writes any more ─▶ removed by the next backup to FILE
//!   FILE ─▶ frames ─▶ DATA/restoring/store.db ─ hash, checks ─▶ DATA
//!   FILE ─▶ frames ─▶ TMPDIR/qpc-server-check-.../store.db ─ hash, checks ─▶ nothing
//! ```
//!
//! Making one is a reading transaction in a process of its own: the server goes on beside it. The store's key is not in it: a
//! store that is restored gets a new one.

mod command;
mod create;
mod error;
mod format;
mod left_over;
mod output;
mod read;

pub use self::{
    command::{backup, check, restore},
    create::create,
    error::BackupError,
    format::{Cell, FrameWriter, Head},
    read::{Faults, Rows, check_backup, check_restored, restore_backup},
};

pub(crate) use self::format::TableHead;
use std::collections::BTreeMap;

/// What is told of progress: bytes done, and about how many there are, if that is known.
pub type Progress<'p> = &'p mut dyn FnMut(u64, Option<u64>);

/// What a backup holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Summary {
    /// What it says of itself.
    pub head: Head,
    /// Rows by table.
    pub rows: BTreeMap<String, u64>,
    /// Bytes of the file.
    pub bytes: u64,
    /// What the rows of a store that was put in place all the same say wrongly of each other.
    pub faults: Vec<String>,
}

impl Summary {
    /// Rows of one table.
    #[must_use]
    pub fn of(&self, table: &str) -> u64 {
        self.rows.get(table).copied().unwrap_or(0)
    }

    /// Rows of all tables.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.rows.values().sum()
    }
}

#[cfg(test)]
pub(crate) mod planted;
#[cfg(test)]
mod tests;
