//! The one thread that writes: jobs that wait share one synced transaction.
//!
//! ```text
//!   submit ─▶ queue ─▶ BEGIN ─ job ─ job ─ ... ─▶ COMMIT (synced) ─▶ every submit resolves
//!                               └ savepoint each: one that is undone leaves the others
//! ```

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    thread::JoinHandle,
};

use quicprochat_server_core::store::{Job, StoreFault, Verdict};
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::{
    OpenError, channel_cache::ChannelCache, checkpoint::CheckpointBell, error::fault, stats::StoreStats, tx::SqliteTx,
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
    pub(super) done: oneshot::Sender<Result<(), StoreFault>>,
}

/// The writer's thread, and the way to it.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) queue: mpsc::Sender<Waiting>,
    pub(super) thread: JoinHandle<()>,
}

/// Starts the writer on its connection.
pub(super) fn start(db: Connection, stats: Arc<StoreStats>, bell: CheckpointBell) -> Result<Writer, OpenError> {
    let (queue, jobs) = mpsc::channel(QUEUE);
    let run = move || Batches { db, jobs, cache: ChannelCache::default(), stats, bell }.run();
    let thread = std::thread::Builder::new().name("store-writer".to_owned()).spawn(run).map_err(OpenError::Thread)?;
    Ok(Writer { queue, thread })
}

struct Batches {
    db: Connection,
    jobs: mpsc::Receiver<Waiting>,
    cache: ChannelCache,
    stats: Arc<StoreStats>,
    bell: CheckpointBell,
}

impl Batches {
    fn run(mut self) {
        let mut batch = Vec::with_capacity(MAX_BATCH);
        while self.jobs.blocking_recv_many(&mut batch, MAX_BATCH) > 0 {
            self.transact(&mut batch);
            self.cache.trim();
            self.bell.ring();
            if self.bell.log_frames() > MAX_LOG_FRAMES {
                self.bell.checkpoint_here(&self.db);
            }
        }
        self.bell.checkpoint_here(&self.db);
    }

    fn transact(&mut self, batch: &mut Vec<Waiting>) {
        self.stats.count_batch(batch.len());
        if let Err(error) = self.execute("BEGIN IMMEDIATE") {
            self.fail(fault(&error), batch.drain(..).map(|waiting| waiting.done));
            return;
        }
        let mut finished = Vec::with_capacity(batch.len());
        let mut jobs = batch.drain(..);
        for waiting in jobs.by_ref() {
            let outcome = run_job(&self.db, &mut self.cache, waiting.job);
            finished.push((waiting.done, outcome));
            if self.db.is_autocommit() {
                // SQLite rolled the whole transaction back, as it does when the disk is full.
                let lost = outcome.err().unwrap_or(StoreFault::Full);
                let all: Vec<_> =
                    finished.into_iter().map(|(done, _)| done).chain(jobs.map(|left| left.done)).collect();
                self.fail(lost, all);
                return;
            }
        }
        drop(jobs);
        match self.execute("COMMIT") {
            Ok(()) => {
                for (done, outcome) in finished {
                    // A caller that went away needs no answer.
                    let _ = done.send(outcome);
                }
            }
            Err(error) => self.fail(fault(&error), finished.into_iter().map(|(done, _)| done)),
        }
    }

    /// Undoes the transaction, and tells everybody in it that nothing is on disk.
    fn fail(&mut self, fault: StoreFault, callers: impl IntoIterator<Item = oneshot::Sender<Result<(), StoreFault>>>) {
        if !self.db.is_autocommit()
            && let Err(error) = self.db.execute_batch("ROLLBACK")
        {
            tracing::error!(%error, "a failed transaction cannot be rolled back");
        }
        self.cache.clear();
        let mut told = 0usize;
        for caller in callers {
            told += 1;
            let _ = caller.send(Err(fault));
        }
        self.stats.count_failed(told);
        tracing::warn!(%fault, jobs = told, "a transaction failed; nothing of it was acknowledged");
    }

    fn execute(&self, sql: &str) -> Result<(), rusqlite::Error> {
        self.db.prepare_cached(sql)?.execute([]).map(drop)
    }
}

fn run_job(db: &Connection, cache: &mut ChannelCache, job: Job) -> Result<(), StoreFault> {
    let mut tx = SqliteTx::writing(db, cache);
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
