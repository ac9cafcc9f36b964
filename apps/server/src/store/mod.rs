//! The store on one machine: SQLCipher, one writer with group commit, several readers.
//!
//! ```text
//!   submit ─▶ writer (one thread, one connection) ─▶ log (synced) ─▶ checkpoint thread ─▶ store.db
//!               └ messages: a journal, in memory too ◀─┐
//!   query  ─▶ readers (a thread and a connection each, snapshots)
//! ```
//!
//! The file is never opened unencrypted. What was acknowledged is synced; a full disk fails transactions, not the server.

mod accounts;
mod archives;
mod channel_cache;
mod channels;
mod checkpoint;
mod connection;
mod copy;
pub mod dump;
mod entries;
mod error;
mod inboxes;
mod journal;
mod reader;
mod recovery;
mod schema;
pub mod sound;
mod stats;
mod tx;
mod vaults;
mod waiters;
mod writer;

use std::sync::{Arc, Mutex, PoisonError};

use futures::future::{BoxFuture, FutureExt as _};
use quicprochat_server_core::store::{Job, Store, StoreFault};
use tokio::sync::{mpsc, oneshot};

use self::{
    checkpoint::Checkpointer,
    connection::Purpose,
    journal::Appender,
    reader::Readers,
    writer::{Waiting, Writer},
};
pub use self::{
    connection::Location,
    copy::{Filling, Snapshot, tables_of_schema},
    error::OpenError,
    journal::JournalLimits,
    recovery::recovery,
    schema::known_version as known_schema,
    stats::{StoreCounts, StoreStats},
};

/// How a store is opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StoreOptions {
    /// Threads that answer queries; at least one.
    pub readers: usize,
    /// Most pages the database may have; beyond it the store is full. `None`: as the disk allows.
    pub max_pages: Option<u32>,
    /// When messages move from the journal to their place.
    pub journal: JournalLimits,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self { readers: 2, max_pages: None, journal: JournalLimits::default() }
    }
}

/// An open store. Clones share it; it is closed by [`SqliteStore::close`] or with the last clone.
#[derive(Clone, Debug)]
pub struct SqliteStore {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    running: Mutex<Option<Running>>,
    stats: Arc<StoreStats>,
}

#[derive(Debug)]
struct Running {
    writer: Writer,
    readers: Readers,
    checkpointer: Checkpointer,
}

impl SqliteStore {
    /// Opens the store; makes it if there is none.
    ///
    /// Errors:   [`OpenError`]; nothing on disk is changed then, but for steps of the schema that were done.
    pub fn open(location: &Location, options: StoreOptions) -> Result<Self, OpenError> {
        let mut writing = location.open_first()?;
        if let Some(pages) = options.max_pages {
            connection::pragma_text(&writing, &format!("max_page_count = {pages}"))
                .map_err(|error| connection::explain(&location.path, error))?;
        }
        let appender = Appender::recover(&writing, options.journal)
            .map_err(|fault| OpenError::Damaged { path: location.path.clone(), detail: fault.to_string() })?;
        let journal = appender.journal();
        let stats = Arc::new(StoreStats::default());
        let reading = (0..options.readers.max(1)).map(|_| location.open_again(Purpose::Read));
        let reading = reading.collect::<Result<Vec<_>, _>>()?;
        let copying = location.open_again(Purpose::Checkpoint)?;
        let (bell, checkpointer) = checkpoint::start(&mut writing, copying, stats.clone())?;
        let writer = writer::start(writing, appender, stats.clone(), bell)?;
        let readers = reader::start(reading, &journal, &stats)?;
        let running = Mutex::new(Some(Running { writer, readers, checkpointer }));
        Ok(Self { inner: Arc::new(Inner { running, stats }) })
    }

    /// The store's counters.
    #[must_use]
    pub fn stats(&self) -> Arc<StoreStats> {
        self.inner.stats.clone()
    }

    /// Ends what was submitted, moves journal and log to their places, and closes the database. Later jobs fail with
    /// [`StoreFault::Closed`]. Blocks the thread.
    pub fn close(&self) {
        self.inner.close();
    }

    fn queue(&self, which: impl FnOnce(&Running) -> &mpsc::Sender<Waiting>) -> Option<mpsc::Sender<Waiting>> {
        let running = self.inner.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.as_ref().map(|running| which(running).clone())
    }
}

impl Inner {
    fn close(&self) {
        let Some(Running { writer, readers, checkpointer }) =
            self.running.lock().unwrap_or_else(PoisonError::into_inner).take()
        else {
            return;
        };
        drop(readers.queue);
        for thread in readers.threads {
            if thread.join().is_err() {
                tracing::error!("a reader of the store panicked");
            }
        }
        checkpointer.stop();
        // Last, so that SQLite removes the log when the last connection closes it.
        drop(writer.queue);
        if writer.thread.join().is_err() {
            tracing::error!("the writer of the store panicked");
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.close();
    }
}

impl Store for SqliteStore {
    fn submit(&self, job: Job) -> BoxFuture<'static, Result<(), StoreFault>> {
        let queue = self.queue(|running| {
            running.writer.waiters.note();
            &running.writer.queue
        });
        wait(queue, job)
    }

    fn query(&self, job: Job) -> BoxFuture<'static, Result<(), StoreFault>> {
        wait(self.queue(|running| &running.readers.queue), job)
    }
}

fn wait(queue: Option<mpsc::Sender<Waiting>>, job: Job) -> BoxFuture<'static, Result<(), StoreFault>> {
    async move {
        let (done, outcome) = oneshot::channel();
        let queue = queue.ok_or(StoreFault::Closed)?;
        queue.send(Waiting { job, done }).await.map_err(|_| StoreFault::Closed)?;
        drop(queue);
        outcome.await.map_err(|_| StoreFault::Closed)?
    }
    .boxed()
}

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod model_tests;
#[cfg(test)]
mod tests;
