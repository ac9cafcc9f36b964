//! A disk that loses power.
//!
//! ```text
//!   program ─▶ layer (LD_PRELOAD, `dev/powerloss/layer`) ─▶ live files
//!                        │ one record a call
//!                        ▼
//!                     journal ─▶ Disk ── check: the live files are what the journal says
//!                                   └─── cut:   the files become what may be left of them
//! ```
//!
//! Programs work on plain files. The [`Disk`] knows from the [journal](record) what was synced and what was only written. At
//! a [cut](Disk::cut) it replaces the files by what a machine could find after a loss of power: everything synced, and of
//! the rest whatever [`survival`] chooses.
//!
//! Strict on purpose: a new, renamed or removed name counts only once its folder was synced, files keep or lose their
//! unsynced writes independently of each other and of folders, and neither `sync` nor `O_SYNC` is known. Not modelled: rights that
//! change after a file was made, times, links to folders, and disks that lie about having synced. A call that
//! the layer does not know shows as a difference between the journal and the live files, which is an error.

mod chance;
mod disk;
mod error;
mod node;
pub mod record;
pub mod survival;

pub use chance::Chance;
pub use disk::{Disk, Held};
pub use error::DiskError;
pub use survival::Loss;

/// Environment variable with the folder that is a disk, an absolute path without links in it.
pub const DISK: &str = "POWERLOSS_DISK";
/// Environment variable with the file that the layer appends records to; not on the disk.
pub const JOURNAL: &str = "POWERLOSS_JOURNAL";

/// True for a file that the machine keeps in memory only: SQLite's index of its log, which every first opener builds anew.
#[must_use]
pub fn is_volatile(name: &[u8]) -> bool {
    name.ends_with(b"-shm")
}
