//! Moving pages from the write-ahead log into the database, beside the writer.
//!
//! A committed transaction is on disk in the log. A thread of its own copies what the log has grown by into the database, so
//! that hardly anything is left to copy when the log has reached its bound and the writer waits for it to begin anew.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    thread::{JoinHandle, Thread},
};

use rusqlite::Connection;

use super::{OpenError, stats::StoreStats};

/// Frames that the log must have grown by before the thread sets to work.
const STEP_FRAMES: u32 = 4096;

#[derive(Debug, Default)]
struct Shared {
    /// Frames in the log as of the last commit.
    frames: AtomicU32,
    /// Frames at which the thread works next.
    due: AtomicU32,
    /// 1 once the store shuts down.
    closing: AtomicU32,
}

/// The writer's side: tells the thread how long the log is.
#[derive(Debug)]
pub(super) struct CheckpointBell {
    shared: Arc<Shared>,
    thread: Thread,
}

/// The thread that copies.
#[derive(Debug)]
pub(super) struct Checkpointer {
    shared: Arc<Shared>,
    thread: JoinHandle<()>,
}

/// Starts the thread on its own connection, and has the writer's connection count frames.
pub(super) fn start(
    writer: &mut Connection,
    db: Connection,
    stats: Arc<StoreStats>,
) -> Result<(CheckpointBell, Checkpointer), OpenError> {
    let shared = Arc::new(Shared::default());
    shared.due.store(STEP_FRAMES, Ordering::Relaxed);
    let counter = shared.clone();
    let count = move |_: &mut rusqlite::hooks::Wal, frames: std::ffi::c_int| {
        let frames = u32::try_from(frames).unwrap_or(0);
        let before = counter.frames.swap(frames, Ordering::Relaxed);
        // Fewer than before: the log began anew.
        stats.count_log_pages(if frames >= before { frames - before } else { frames });
        Ok(())
    };
    if let Err(error) = writer.wal_hook(Some(count)) {
        return Err(OpenError::Database { path: writer.path().unwrap_or_default().into(), source: error });
    }
    let state = shared.clone();
    let builder = std::thread::Builder::new().name("store-checkpoint".to_owned());
    let thread = builder.spawn(move || run(&db, &state)).map_err(OpenError::Thread)?;
    let bell = CheckpointBell { shared: shared.clone(), thread: thread.thread().clone() };
    Ok((bell, Checkpointer { shared, thread }))
}

impl CheckpointBell {
    /// Wakes the thread if the log has grown enough.
    pub(super) fn ring(&self) {
        if self.log_frames() >= self.shared.due.load(Ordering::Relaxed) {
            self.thread.unpark();
        }
    }

    /// Frames in the log.
    pub(super) fn log_frames(&self) -> u32 {
        self.shared.frames.load(Ordering::Relaxed)
    }

    /// Copies the rest from the writer's thread, while nobody writes; the next transaction then begins the log anew.
    pub(super) fn checkpoint_here(&self, db: &Connection) {
        checkpoint(db);
        self.shared.due.store(STEP_FRAMES, Ordering::Relaxed);
        self.shared.frames.store(0, Ordering::Relaxed);
    }
}

impl Checkpointer {
    /// Stops the thread and waits for it.
    pub(super) fn stop(self) {
        self.shared.closing.store(1, Ordering::Release);
        self.thread.thread().unpark();
        if self.thread.join().is_err() {
            tracing::error!("the checkpointer panicked");
        }
    }
}

fn run(db: &Connection, shared: &Shared) {
    while shared.closing.load(Ordering::Acquire) == 0 {
        let frames = shared.frames.load(Ordering::Relaxed);
        if frames >= shared.due.load(Ordering::Relaxed) {
            shared.due.store(frames.saturating_add(STEP_FRAMES), Ordering::Relaxed);
            checkpoint(db);
        } else {
            std::thread::park();
        }
    }
}

fn checkpoint(db: &Connection) {
    let done = db.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?))
    });
    match done {
        Ok((_, log, moved)) => tracing::trace!(log, moved, "checkpoint"),
        // What is in the log stays in the log; the next attempt may succeed.
        Err(error) => tracing::warn!(%error, "the log cannot be moved into the database"),
    }
}
