//! Which files count, the lock, and the journal.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use quicprochat_powerloss::record::Record;
use quicprochat_powerloss::{DISK, JOURNAL, is_volatile};

/// What the kernel appends to the name of a file without one.
const REMOVED: &[u8] = b" (deleted)";

/// The disk of this process.
#[derive(Debug)]
pub(crate) struct Layer {
    disk: PathBuf,
    journal: Mutex<File>,
    tickets: AtomicU32,
}

/// The right to take one step and write it down.
pub(crate) struct Turn<'a> {
    journal: MutexGuard<'a, File>,
}

impl Layer {
    /// The layer, if this process has a disk.
    pub(crate) fn get() -> Option<&'static Self> {
        static LAYER: OnceLock<Option<Layer>> = OnceLock::new();
        LAYER.get_or_init(Self::of_environment).as_ref()
    }

    fn of_environment() -> Option<Self> {
        let disk = PathBuf::from(std::env::var_os(DISK)?);
        let journal = PathBuf::from(std::env::var_os(JOURNAL)?);
        let file = OpenOptions::new().append(true).open(&journal).unwrap_or_else(|error| give_up(&journal, &error));
        Some(Self { disk, journal: Mutex::new(file), tickets: AtomicU32::new(0) })
    }

    /// Takes the next turn of all processes on this disk.
    pub(crate) fn turn(&self) -> Turn<'_> {
        let journal = self.journal.lock().unwrap_or_else(PoisonError::into_inner);
        journal.lock().unwrap_or_else(|error| give_up(&self.disk, &error));
        Turn { journal }
    }

    /// A number that no other sync of the disk has.
    pub(crate) fn ticket(&self) -> u64 {
        u64::from(std::process::id()) << 32 | u64::from(self.tickets.fetch_add(1, Ordering::Relaxed))
    }

    /// The name of what a descriptor stands for, if it is on the disk.
    pub(crate) fn name_of(&self, descriptor: i32) -> Option<OsString> {
        let name = fs::read_link(format!("/proc/self/fd/{descriptor}")).ok()?.into_os_string().into_vec();
        let name = name.strip_suffix(REMOVED).unwrap_or(&name);
        self.counts(Path::new(OsStr::from_bytes(name))).then(|| OsStr::from_bytes(name).to_owned())
    }

    /// The full name of a path as a program gives it, if it is on the disk. What it stands for need not exist.
    pub(crate) fn name(&self, folder: i32, path: &OsStr) -> Option<OsString> {
        let path = Path::new(path);
        let base = match folder {
            libc::AT_FDCWD => std::env::current_dir().ok()?,
            descriptor => fs::read_link(format!("/proc/self/fd/{descriptor}")).ok()?,
        };
        let path = base.join(path);
        let full = fs::canonicalize(path.parent()?).ok()?.join(path.file_name()?);
        self.counts(&full).then(|| full.into_os_string())
    }

    fn counts(&self, path: &Path) -> bool {
        path.starts_with(&self.disk) && !is_volatile(path.as_os_str().as_bytes())
    }
}

impl Turn<'_> {
    /// Writes a step down.
    pub(crate) fn log(&mut self, record: &Record<'_>) {
        self.journal.write_all(&record.encode()).unwrap_or_else(|error| give_up(Path::new("the journal"), &error));
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.journal.unlock().unwrap_or_else(|error| give_up(Path::new("the journal"), &error));
    }
}

/// A step that is not written down would make the journal a lie.
#[expect(clippy::print_stderr, reason = "the program's own output is all there is before it ends")]
fn give_up(what: &Path, error: &std::io::Error) -> ! {
    eprintln!("the power loss layer cannot go on: {}: {error}", what.display());
    std::process::abort()
}
