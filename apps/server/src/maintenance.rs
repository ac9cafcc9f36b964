//! What happens by itself: housekeeping each hour, counters on request.

use std::{future::pending, sync::Arc, time::Duration};

use quicprochat_server_core::Server;
use tokio::{
    signal::unix::Signal,
    time::{MissedTickBehavior, interval, sleep},
};

use crate::{metrics::Metrics, store::StoreStats, system};

/// How often the services remove what is too old.
const SWEEP_PERIOD: Duration = Duration::from_secs(60 * 60);
/// How long until what is left of a recovery time is removed again, if that failed.
const RETRY: Duration = Duration::from_secs(60);

/// Sweeps at once, each hour, and when a recovery time is over, and logs counters when `requests` comes. Runs until it is
/// dropped.
pub(crate) async fn run(server: Server, store: Arc<StoreStats>, metrics: Arc<Metrics>, mut requests: Signal) {
    let mut ticks = interval(SWEEP_PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => sweep(&server).await,
            () = recovered(&server) => sweep(&server).await,
            _ = requests.recv() => log_counters(&server, &store, &metrics),
        }
    }
}

/// Resolves when the recovery time is over; never if there is none.
async fn recovered(server: &Server) {
    match server.recovery_ends() {
        None => pending().await,
        Some(until) => {
            let left = until.since(system::now());
            // Nothing is left if it could not be removed: the store is full, say.
            sleep(if left.is_zero() { RETRY } else { left + Duration::from_millis(1) }).await;
        }
    }
}

async fn sweep(server: &Server) {
    match server.sweep(system::now()).await {
        Ok(swept) => {
            tracing::debug!(?swept, "removed what was too old");
            if let Some(recovery) = swept.recovery {
                tracing::info!(restored = recovery.restored, "the recovery time is over: conversations go on");
            }
        }
        Err(error) => tracing::warn!(%error, "housekeeping failed; the next turn tries again"),
    }
}

fn log_counters(server: &Server, store: &StoreStats, metrics: &Metrics) {
    let counts = store.counts();
    let recovery = server.recovery_ends().map_or(0, |until| until.since(system::now()).as_secs());
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
        recovery_seconds = recovery,
        restored_entries = server.restored_entries(),
        "counters"
    );
    for (method, outcome, count) in metrics.calls() {
        tracing::info!(method, outcome, count, "calls");
    }
}
