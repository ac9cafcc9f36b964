//! What must be gone when we are: process groups and scratch folders.
//!
//! Guards ([`Group`], [`Scratch`]) clean up when they are dropped, also by a panic. A thread that waits for SIGINT,
//! SIGTERM and SIGHUP does the same for everything that is registered, and ends us.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, getpid, kill_process_group, set_child_subreaper};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use tempfile::TempDir;

use super::{GRACE, descendants, pid_of};

static LIVE: Mutex<Live> = Mutex::new(Live { groups: BTreeSet::new(), folders: BTreeSet::new() });

struct Live {
    groups: BTreeSet<i32>,
    folders: BTreeSet<PathBuf>,
}

/// Makes us the parent of orphans below us and starts the thread that cleans up when a signal ends us.
pub(crate) fn install() -> Result<()> {
    set_child_subreaper(Some(getpid())).context("cannot become the reaper of orphaned processes")?;
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).context("cannot wait for signals")?;
    thread::spawn(move || {
        if let Some(signal) = signals.forever().next() {
            sweep();
            std::process::exit(128 + signal);
        }
    });
    Ok(())
}

/// Ends every registered group, then whatever is left below us, and removes every registered folder.
fn sweep() {
    let (groups, folders) = {
        let live = live();
        (live.groups.clone(), live.folders.clone())
    };
    for group in groups {
        signal_group(group, Signal::TERM);
    }
    descendants::wait_until_gone(GRACE, |_| true);
    descendants::kill_all();
    for folder in folders {
        if let Err(error) = fs::remove_dir_all(&folder)
            && error.kind() != ErrorKind::NotFound
        {
            eprintln!("cannot remove {}: {error}", folder.display());
        }
    }
}

/// A live process group; it is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Group(i32);

impl Group {
    /// The group that `child` leads.
    pub(crate) fn of(child: &Child) -> Result<Self> {
        let leader = pid_of(child.id())?.as_raw_nonzero().get();
        live().groups.insert(leader);
        Ok(Self(leader))
    }

    /// Process id of the leader.
    pub(crate) const fn leader(&self) -> i32 {
        self.0
    }

    /// Sends a signal to every process of the group.
    pub(crate) fn signal(&self, signal: Signal) {
        signal_group(self.0, signal);
    }

    /// Ends the group: SIGTERM, and SIGKILL for what is left of it after `grace`.
    pub(crate) fn end(self, grace: Duration) {
        self.signal(Signal::TERM);
        descendants::wait_until_gone(grace, |process| process.group == self.0);
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
        live().groups.remove(&self.0);
    }
}

/// A scratch folder; it is removed when this is dropped.
#[derive(Debug)]
pub(crate) struct Scratch(TempDir);

impl Scratch {
    /// Makes an empty folder that only we may enter.
    pub(crate) fn new(prefix: &str) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix(prefix).tempdir().context("cannot make a scratch folder")?;
        live().folders.insert(folder.path().to_owned());
        Ok(Self(folder))
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        live().folders.remove(self.0.path());
    }
}

fn live() -> MutexGuard<'static, Live> {
    // The sets stay whole whatever panicked while holding them.
    LIVE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn signal_group(leader: i32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(leader)
        && let Err(error) = kill_process_group(pid, signal)
        && error != rustix::io::Errno::SRCH
    {
        eprintln!("cannot signal process group {leader}: {error}");
    }
}
