//! When is measured: after warming up, for a while.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::{Duration, Instant},
};

const WARMING: u8 = 0;
const MEASURING: u8 = 1;
const OVER: u8 = 2;

/// Shared by all that make load.
#[derive(Clone)]
pub(crate) struct Window(Arc<AtomicU8>);

impl Window {
    pub(crate) fn new() -> Self {
        Self(Arc::new(AtomicU8::new(WARMING)))
    }

    /// Lets the load warm up, then measures; returns how long it really was, and what `at_edges` said at its edges.
    pub(crate) async fn run<T>(
        &self,
        warm_up: Duration,
        measured: Duration,
        at_edges: impl Fn() -> T,
    ) -> (Duration, T, T) {
        tokio::time::sleep(warm_up).await;
        let before = at_edges();
        let begin = Instant::now();
        self.0.store(MEASURING, Ordering::SeqCst);
        tokio::time::sleep(measured).await;
        self.0.store(OVER, Ordering::SeqCst);
        (begin.elapsed(), before, at_edges())
    }

    pub(crate) fn is_over(&self) -> bool {
        self.0.load(Ordering::Relaxed) == OVER
    }

    /// Whether an answer that comes now counts.
    pub(crate) fn counts(&self) -> bool {
        self.0.load(Ordering::Relaxed) == MEASURING
    }
}

/// How long answers took.
#[derive(Default)]
pub(crate) struct Latencies(Vec<u32>);

impl Latencies {
    pub(crate) fn add(&mut self, since: Instant) {
        self.add_span(since.elapsed());
    }

    pub(crate) fn add_span(&mut self, span: Duration) {
        self.0.push(u32::try_from(span.as_micros()).unwrap_or(u32::MAX));
    }

    pub(crate) fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// A percentile in milliseconds.
    pub(crate) fn percentile(&mut self, percent: usize) -> f64 {
        self.0.sort_unstable();
        let index = (self.0.len() * percent / 100).min(self.0.len().saturating_sub(1));
        self.0.get(index).copied().map_or(f64::NAN, |micros| f64::from(micros) / 1e3)
    }
}
