//! The threads that answer queries, each on its own connection and snapshot.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, PoisonError},
    thread::JoinHandle,
};

use quicprochat_server_core::store::{Job, StoreFault};
use rusqlite::Connection;
use tokio::sync::mpsc;

use super::{
    OpenError, channel_cache::ChannelCache, error::fault, journal::Journal, stats::StoreStats, tx::SqliteTx,
    writer::Waiting,
};

/// Most queries that wait; whoever comes then waits for room.
const QUEUE: usize = 4096;

/// The readers' threads, and the way to them.
#[derive(Debug)]
pub(super) struct Readers {
    pub(super) queue: mpsc::Sender<Waiting>,
    pub(super) threads: Vec<JoinHandle<()>>,
}

/// Starts a reader on each connection.
pub(super) fn start(
    connections: Vec<Connection>,
    journal: &Arc<Journal>,
    stats: &Arc<StoreStats>,
) -> Result<Readers, OpenError> {
    let (queue, jobs) = mpsc::channel(QUEUE);
    let jobs = Arc::new(Mutex::new(jobs));
    let mut threads = Vec::with_capacity(connections.len());
    for (index, db) in connections.into_iter().enumerate() {
        let (jobs, journal, stats) = (jobs.clone(), journal.clone(), stats.clone());
        let builder = std::thread::Builder::new().name(format!("store-reader-{index}"));
        threads.push(builder.spawn(move || run(&db, &jobs, &journal, &stats)).map_err(OpenError::Thread)?);
    }
    Ok(Readers { queue, threads })
}

fn run(db: &Connection, jobs: &Mutex<mpsc::Receiver<Waiting>>, journal: &Journal, stats: &StoreStats) {
    loop {
        // Whoever waits for the next job holds the lock; the others wait for the lock.
        let next = jobs.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv();
        let Some(waiting) = next else { return };
        stats.count_query();
        let outcome = answer(db, journal, waiting.job);
        let _ = waiting.done.send(outcome);
    }
}

fn answer(db: &Connection, journal: &Journal, job: Job) -> Result<(), StoreFault> {
    let end = || db.prepare_cached("COMMIT").and_then(|mut statement| statement.execute([]));
    let view = journal.begin_reading(db).map_err(|error| {
        // The transaction may have begun; if not, there is none to end.
        drop(end());
        fault(&error)
    })?;
    let mut cache = ChannelCache::default();
    let mut tx = SqliteTx::reading(db, &mut cache, &view);
    let panicked = catch_unwind(AssertUnwindSafe(|| job(&mut tx))).is_err();
    let finished = tx.finish(false);
    end().map_err(|error| fault(&error))?;
    if panicked {
        tracing::error!("a reading job panicked");
        return Err(StoreFault::Backend { code: -1 });
    }
    finished
}
