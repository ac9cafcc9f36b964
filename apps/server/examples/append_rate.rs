//! How many synced appends the store takes a second, with 1, 16 and 64 writers that wait for each answer.
//!
//! `cargo run --release --package quicprochat-server --example append_rate [DIR [SECONDS [WRITERS CHANNELS [MESSAGES]]]]`
//!
//! `MESSAGES` is how many the journal takes before it is moved.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use quicprochat_server::{
    store::{Location, SqliteStore, StoreOptions},
    store_key::StoreKey,
};
use quicprochat_server_core::store::{ChannelRow, EntryRow, Minute, Refusal, Store, write};
use quicprochat_wire::{
    AccessPublicKey, ChannelId, Digest, MessageId,
    call::channel::{ChainPoint, EntryKind},
    chain,
};
use tokio::task::JoinSet;

fn main() -> anyhow::Result<()> {
    let mut args = std::env::args().skip(1);
    let dir = args.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let seconds: f64 = args.next().map_or(Ok(5.0), |text| text.parse())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let chosen = args.next().zip(args.next());
    let mut options = StoreOptions::default();
    if let Some(messages) = args.next() {
        options.journal.messages = messages.parse()?;
    }
    let cases = match chosen {
        Some((writers, channels)) => vec![(writers.parse()?, channels.parse()?)],
        None => vec![(1, 1), (16, 16), (64, 1), (64, 64), (256, 64)],
    };
    for (writers, channels) in cases {
        let path = dir.join(format!("append-rate-{}.db", std::process::id()));
        let location = Location { path: path.clone(), key: StoreKey::new([7; 32]) };
        let store = SqliteStore::open(&location, options)?;
        let (cpu, start) = (cpu_seconds(), Instant::now());
        let (appends, mut waits) =
            runtime.block_on(measure(&store, writers, channels, Duration::from_secs_f64(seconds)))?;
        let (elapsed, cpu) = (start.elapsed().as_secs_f64(), cpu_seconds() - cpu);
        let counts = store.stats().counts();
        waits.sort_unstable();
        let at = |share: usize| waits.get(waits.len() * share / 1000).map_or(0.0, |wait| wait.as_secs_f64() * 1e3);
        let log = std::fs::metadata(path.with_extension("db-wal")).map(|log| log.len() >> 20).unwrap_or(0);
        store.close();
        let size = std::fs::metadata(&path)?.len() >> 20;
        std::fs::remove_file(&path)?;
        let line = format!(
            "{writers:4} writers {channels:3} channels: {:7.0} appends/s, {:5.1} a transaction, {:.2} pages and {:5.1} us CPU each, p50 {:.2} ms p99 {:.2} ms p999 {:.2} ms, log {log} MiB, database {size} MiB\n",
            appends as f64 / elapsed,
            counts.jobs as f64 / counts.transactions as f64,
            counts.log_pages as f64 / appends as f64,
            cpu * 1e6 / appends as f64,
            at(500),
            at(990),
            at(999),
        );
        std::io::Write::write_all(&mut std::io::stdout(), line.as_bytes())?;
    }
    Ok(())
}

async fn measure(
    store: &SqliteStore,
    writers: u64,
    channels: u64,
    time: Duration,
) -> anyhow::Result<(u64, Vec<Duration>)> {
    for number in 0..channels {
        write(store, move |tx| {
            let channel = channel(number);
            let start = ChainPoint { position: 0, hash: chain::start(&channel) };
            let row = ChannelRow {
                access: AccessPublicKey::new([1; 32]),
                access_since: 0,
                last_commit: start,
                last: start,
                first: 1,
                oldest: None,
                bytes: 0,
                group_infos: 0,
                group_info_bytes: 0,
                created_with: Digest::new([0; 32]),
            };
            Ok(tx.channels().insert(&channel, &row)?)
        })
        .await?;
    }
    let end = Instant::now() + time;
    let mut tasks = JoinSet::new();
    for writer in 0..writers {
        let store = store.clone();
        tasks.spawn(async move {
            let mut waits = Vec::new();
            for number in 0u64.. {
                if Instant::now() >= end {
                    break;
                }
                let id =
                    MessageId::new(((u128::from(writer) << 64) | u128::from(number)).wrapping_mul(ODD).to_be_bytes());
                let start = Instant::now();
                append(&store, channel(writer % channels), id).await?;
                waits.push(start.elapsed());
            }
            Ok::<_, Refusal>(waits)
        });
    }
    let mut all = Vec::new();
    while let Some(waits) = tasks.join_next().await {
        all.extend(waits??);
    }
    Ok((all.len() as u64, all))
}

const ODD: u128 = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;

async fn append(store: &dyn Store, channel: ChannelId, id: MessageId) -> Result<(), Refusal> {
    let sealed = vec![id.as_bytes()[0]; 1024];
    write(store, move |tx| {
        let channels = tx.channels();
        let Some(row) = channels.load(&channel)? else { return Ok(()) };
        if channels.find_id(&channel, &id)?.is_some() {
            return Ok(());
        }
        let position = row.last.position + 1;
        let hash = chain::link(&row.last.hash, position, &id, EntryKind::Message, &row.last_commit, &sealed);
        let at = ChainPoint { position, hash };
        let next = ChannelRow { last: at, bytes: row.bytes + 1024, oldest: row.oldest.or(Some(Minute(1))), ..row };
        let entry = EntryRow {
            at,
            id,
            kind: EntryKind::Message,
            after_commit: row.last_commit,
            sealed,
            next_access: None,
            time: Minute(1),
        };
        Ok(channels.append(&channel, &next, entry)?)
    })
    .await
}

fn channel(number: u64) -> ChannelId {
    let mut bytes = [7; 32];
    bytes[..8].copy_from_slice(&number.to_le_bytes());
    ChannelId::new(bytes)
}

/// User and system time of this process, from /proc; 0 where there is none.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<f64> = stat
        .rsplit_once(')')
        .map(|(_, rest)| rest.split_whitespace().skip(11).take(2).filter_map(|field| field.parse().ok()).collect())
        .unwrap_or_default();
    fields.iter().sum::<f64>() / 100.0
}
