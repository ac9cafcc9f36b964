//! The one thread that writes: jobs that wait share one synced transaction.
//!
//! ```text
//!   submit ─▶ queue ─▶ BEGIN ─ job ─ job ─ ... ─ journal row ─▶ COMMIT (synced) ─▶ every submit resolves
//!                               └ savepoint each: one that is undone leaves the others
//! ```

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    thread::JoinHandle,
};

use quicprochat_server_core::store::{Job, StoreFault, Verdict};
use rusqlite::Connection;
use tokio::{
    runtime::{Builder, Runtime},
    sync::{mpsc, oneshot},
    time::timeout_at,
};

use super::{
    OpenError,
    channel_cache::ChannelCache,
    checkpoint::CheckpointBell,
    error::fault,
    journal::Appender,
    stats::StoreStats,
    tx::SqliteTx,
    waiters::{Finished, Outcome, Waiters},
};

/// Most jobs of one transaction.
const MAX_BATCH: usize = 512;
/// Most jobs that wait; whoever comes then waits for room.
const QUEUE: usize = 4096;
/// Frames of the log above which the writer itself moves pages into the database, so that the log begins anew.
const MAX_LOG_FRAMES: u32 = 64 * 1024;

/// A job and whom to tell.
pub(super) struct Waiting {
    pub(super) job: Job,
    pub(super) done: oneshot::Sender<Outcome>,
}

/// The writer's thread, and the way to it.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) queue: mpsc::Sender<Waiting>,
    pub(super) thread: JoinHandle<()>,
    pub(super) waiters: Waiters,
}

/// Starts the writer on its connection.
pub(super) fn start(
    db: Connection,
    journal: Appender,
    stats: Arc<StoreStats>,
    bell: CheckpointBell,
) -> Result<Writer, OpenError> {
    let (queue, jobs) = mpsc::channel(QUEUE);
    let waiters = Waiters::default();
    // For its clock: the writer waits for jobs, but no longer than the journal may.
    let clock = Builder::new_current_thread().enable_time().build().map_err(OpenError::Thread)?;
    let batches =
        Batches { db, jobs, clock, cache: ChannelCache::default(), journal, waiters: waiters.clone(), stats, bell };
    let builder = std::thread::Builder::new().name("store-writer".to_owned());
    let thread = builder.spawn(move || batches.run()).map_err(OpenError::Thread)?;
    Ok(Writer { queue, thread, waiters })
}

struct Batches {
    db: Connection,
    jobs: mpsc::Receiver<Waiting>,
    clock: Runtime,
    cache: ChannelCache,
    journal: Appender,
    waiters: Waiters,
    stats: Arc<StoreStats>,
    bell: CheckpointBell,
}

impl Batches {
    fn run(mut self) {
        let mut batch = Vec::with_capacity(MAX_BATCH);
        while self.wait(&mut batch) {
            if !batch.is_empty() {
                self.transact(&mut batch);
            }
            self.cache.trim();
            if self.journal.is_due() {
                self.settle();
            }
            self.bell.ring();
            if self.bell.log_frames() > MAX_LOG_FRAMES {
                self.bell.checkpoint_here(&self.db);
            }
        }
        self.settle();
        self.bell.checkpoint_here(&self.db);
    }

    /// Takes the jobs that wait; none if the journal is due before there is one. `false` if there will be no more.
    fn wait(&mut self, batch: &mut Vec<Waiting>) -> bool {
        let next = self.jobs.recv_many(batch, MAX_BATCH);
        match self.journal.deadline() {
            None => self.clock.block_on(next) > 0,
            Some(due) => {
                self.clock.block_on(async { timeout_at(due.into(), next).await }).map_or(true, |some| some > 0)
            }
        }
    }

    fn transact(&mut self, batch: &mut Vec<Waiting>) {
        self.stats.count_batch(batch.len());
        let mut finished = Finished(Vec::with_capacity(batch.len()));
        if let Err(error) = self.execute("BEGIN IMMEDIATE") {
            self.fail(fault(&error), finished, batch.drain(..));
            return;
        }
        let mut jobs = batch.drain(..);
        for waiting in jobs.by_ref() {
            let outcome = run_job(&self.db, &mut self.cache, &mut self.journal, waiting.job);
            finished.0.push((waiting.done, outcome));
            if self.db.is_autocommit() {
                // SQLite rolled the whole transaction back, as it does when the disk is full.
                self.fail(outcome.err().unwrap_or(StoreFault::Full), finished, jobs);
                return;
            }
        }
        match self.journal.write_row(&self.db).and_then(|()| self.execute("COMMIT")) {
            Ok(()) => {
                self.journal.committed();
                self.waiters.tell(finished);
            }
            Err(error) => self.fail(fault(&error), finished, jobs),
        }
    }

    /// Undoes the transaction, and tells everybody in it that nothing is on disk.
    fn fail(&mut self, fault: StoreFault, mut finished: Finished, left: impl Iterator<Item = Waiting>) {
        if !self.db.is_autocommit()
            && let Err(error) = self.db.execute_batch("ROLLBACK")
        {
            tracing::error!(%error, "a failed transaction cannot be rolled back");
        }
        self.cache.clear();
        self.journal.undone();
        finished.0.extend(left.map(|waiting| (waiting.done, Ok(()))));
        for (_, outcome) in &mut finished.0 {
            *outcome = Err(fault);
        }
        let told = finished.0.len();
        self.stats.count_failed(told);
        tracing::warn!(%fault, jobs = told, "a transaction failed; nothing of it was acknowledged");
        self.waiters.tell(finished);
    }

    /// Moves what is in the journal to its place.
    fn settle(&mut self) {
        if self.journal.deadline().is_none() {
            return;
        }
        let moved = self.journal.settle(&self.db);
        self.stats.count_move(moved.is_ok());
        if let Err(error) = moved {
            tracing::warn!(fault = %fault(&error), "messages stay in the journal for now; none is lost");
        }
    }

    fn execute(&self, sql: &str) -> Result<(), rusqlite::Error> {
        self.db.prepare_cached(sql)?.execute([]).map(drop)
    }
}

fn run_job(db: &Connection, cache: &mut ChannelCache, journal: &mut Appender, job: Job) -> Result<(), StoreFault> {
    let mut tx = SqliteTx::writing(db, cache, journal);
    let verdict = catch_unwind(AssertUnwindSafe(|| job(&mut tx)));
    match verdict {
        Ok(verdict) => tx.finish(verdict == Verdict::Keep),
        Err(_) => {
            tracing::error!("a writing job panicked; its writes are undone");
            tx.finish(false)?;
            Err(StoreFault::Backend { code: -1 })
        }
    }
}
