//! What the store counts about itself.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters since start. They name nobody and nothing.
#[derive(Debug, Default)]
pub struct StoreStats {
    transactions: AtomicU64,
    jobs: AtomicU64,
    largest_batch: AtomicU64,
    failed: AtomicU64,
    queries: AtomicU64,
    log_pages: AtomicU64,
    moves: AtomicU64,
    failed_moves: AtomicU64,
}

/// The counters at one moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StoreCounts {
    /// Synced transactions tried.
    pub transactions: u64,
    /// Writing jobs in them.
    pub jobs: u64,
    /// Most jobs in one.
    pub largest_batch: u64,
    /// Writing jobs whose transaction failed.
    pub failed: u64,
    /// Reading jobs.
    pub queries: u64,
    /// Pages written to the log.
    pub log_pages: u64,
    /// Moves of messages from the journal into `entries`.
    pub moves: u64,
    /// Moves that failed; nothing was lost, and a later one does it.
    pub failed_moves: u64,
}

impl StoreStats {
    pub(super) fn count_batch(&self, jobs: usize) {
        let jobs = u64::try_from(jobs).unwrap_or(u64::MAX);
        self.transactions.fetch_add(1, Ordering::Relaxed);
        self.jobs.fetch_add(jobs, Ordering::Relaxed);
        self.largest_batch.fetch_max(jobs, Ordering::Relaxed);
    }

    pub(super) fn count_failed(&self, jobs: usize) {
        self.failed.fetch_add(u64::try_from(jobs).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    pub(super) fn count_log_pages(&self, pages: u32) {
        self.log_pages.fetch_add(pages.into(), Ordering::Relaxed);
    }

    pub(super) fn count_move(&self, done: bool) {
        let counter = if done { &self.moves } else { &self.failed_moves };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_query(&self) {
        self.queries.fetch_add(1, Ordering::Relaxed);
    }

    /// The counters now.
    #[must_use]
    pub fn counts(&self) -> StoreCounts {
        StoreCounts {
            transactions: self.transactions.load(Ordering::Relaxed),
            jobs: self.jobs.load(Ordering::Relaxed),
            largest_batch: self.largest_batch.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
            queries: self.queries.load(Ordering::Relaxed),
            log_pages: self.log_pages.load(Ordering::Relaxed),
            moves: self.moves.load(Ordering::Relaxed),
            failed_moves: self.failed_moves.load(Ordering::Relaxed),
        }
    }
}
