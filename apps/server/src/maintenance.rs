//! What happens by itself: housekeeping each hour, counters on request.

use std::{sync::Arc, time::Duration};

use quicprochat_server_core::Server;
use tokio::{
    signal::unix::Signal,
    time::{MissedTickBehavior, interval},
};

use crate::{metrics::Metrics, store::StoreStats, system};

/// How often the services remove what is too old.
const SWEEP_PERIOD: Duration = Duration::from_secs(60 * 60);

/// Sweeps at once and each hour, and logs counters when `requests` comes. Runs until it is dropped.
pub(crate) async fn run(server: Server, store: Arc<StoreStats>, metrics: Arc<Metrics>, mut requests: Signal) {
    let mut ticks = interval(SWEEP_PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => sweep(&server).await,
            _ = requests.recv() => log_counters(&store, &metrics),
        }
    }
}

async fn sweep(server: &Server) {
    match server.sweep(system::now()).await {
        Ok(swept) => tracing::debug!(?swept, "removed what was too old"),
        Err(error) => tracing::warn!(%error, "housekeeping failed; the next turn tries again"),
    }
}

fn log_counters(store: &StoreStats, metrics: &Metrics) {
    let counts = store.counts();
    tracing::info!(
        connections = metrics.connections(),
        transactions = counts.transactions,
        writes = counts.jobs,
        largest_batch = counts.largest_batch,
        failed_writes = counts.failed,
        reads = counts.queries,
        log_pages = counts.log_pages,
        moves = counts.moves,
        failed_moves = counts.failed_moves,
        "counters"
    );
    for (method, outcome, count) in metrics.calls() {
        tracing::info!(method, outcome, count, "calls");
    }
}
