//! Acknowledged, synced appends per second: ours beside Redis Streams, in turns.

use std::{
    str::FromStr,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use quicprochat_transport::{ChannelLink, QuicConnector};
use quicprochat_wire::call::token::Token;
use tokio::task::JoinSet;

use crate::{
    EnqueueArguments, account,
    channel::{self, Channel},
    process::Process,
    redis::Appender,
    report::Report,
    window::{Latencies, Window},
};

/// Bytes of an entry.
const ENTRY_BYTES: usize = 1024;
/// Connections at which the target is set, and the least ratio to Redis there.
const AIMED_AT: usize = 64;
const AIM: f64 = 0.5;
const WARM_UP: Duration = Duration::from_secs(2);

/// How the load is spread.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    connections: usize,
    /// Calls on each that wait for an answer.
    in_flight: usize,
}

impl FromStr for Shape {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let (connections, in_flight) = text.split_once('x').context("a shape is written as 64x8")?;
        Ok(Self { connections: connections.parse()?, in_flight: in_flight.parse()? })
    }
}

/// What one run found.
struct Found {
    rate: f64,
    latencies: Latencies,
    /// Microseconds of the server's CPU for each.
    cpu: f64,
}

pub(crate) async fn run(arguments: &EnqueueArguments) -> Result<Report> {
    let connector = QuicConnector::default();
    let measured = Duration::from_secs(arguments.seconds);
    let channels = arguments.shapes.iter().map(|shape| shape.connections).sum();
    let mut tokens = account::tokens(&connector, &arguments.server.server, channels).await?;
    let (mut rows, mut ratios) = (Vec::new(), Vec::new());
    for &Shape { connections, in_flight } in &arguments.shapes {
        eprintln!("{connections} connections, {in_flight} in flight on each ...");
        let tokens = tokens.split_off(tokens.len().saturating_sub(connections));
        let mut ours = ours(arguments, &connector, tokens, in_flight, measured).await?;
        let unstored = unstored(arguments, &connector, connections, in_flight, measured).await?;
        let mut redis = redis(arguments, connections, in_flight, measured).await?;
        let ratio = ours.rate / redis.rate;
        if connections == AIMED_AT {
            ratios.push(ratio);
        }
        rows.push(vec![
            connections.to_string(),
            in_flight.to_string(),
            format!("{:.0}", ours.rate),
            format!("{:.2} / {:.2}", ours.latencies.percentile(50), ours.latencies.percentile(99)),
            format!("{:.0}", ours.cpu),
            format!("{:.0}", unstored.rate),
            format!("{:.0}", unstored.cpu),
            format!("{:.0}", redis.rate),
            format!("{:.2} / {:.2}", redis.latencies.percentile(50), redis.latencies.percentile(99)),
            format!("{:.0}", redis.cpu),
            format!("{ratio:.2}"),
        ]);
    }
    let mut report = Report::default();
    let columns = [
        "connections",
        "in flight on each",
        "ours, /s",
        "ours, p50 / p99 ms",
        "ours, server CPU µs each",
        "refused, /s",
        "refused, server CPU µs each",
        "Redis, /s",
        "Redis, p50 / p99 ms",
        "Redis, server CPU µs each",
        "ours/Redis",
    ];
    report.table("Acknowledged, synced appends of 1 KB", columns.map(str::to_owned).into(), rows);
    let lowest = ratios.iter().copied().fold(f64::INFINITY, f64::min);
    report.target(
        "at least half of Redis at 64 connections, though we encrypt and authenticate",
        lowest >= AIM,
        format!("ours/Redis is {}", ratios.iter().map(|ratio| format!("{ratio:.2}")).collect::<Vec<_>>().join(" and ")),
    );
    report.note(format!(
        "{} s a row and side after {} s of warming up, ours and Redis in turns on one disk. Every connection appends to a channel (a stream) of its own, and waits for an answer before it sends the next in place of it.",
        measured.as_secs(),
        WARM_UP.as_secs(),
    ));
    report.note(
        "\"Refused\" are the same calls to a channel that was not attached, which the server refuses before it asks its store: what calls over QUIC cost without storing anything.",
    );
    report.note(
        "Ours: TLS 1.3 over QUIC with X25519MLKEM768, SQLCipher, synced before the answer. Redis: plain TCP on loopback, XADD, `appendfsync always`, `save \"\"`. The load runs on the same cores, and for us it encrypts, too.",
    );
    Ok(report)
}

async fn ours(
    arguments: &EnqueueArguments,
    connector: &QuicConnector,
    tokens: Vec<Token>,
    in_flight: usize,
    measured: Duration,
) -> Result<Found> {
    let window = Window::new();
    let mut load = JoinSet::new();
    for token in tokens {
        let (link, hello) = ChannelLink::connect(connector, &arguments.server.server).await?;
        let channel = Channel::create(&link, token).await?;
        channel.attach(&link, &hello.challenge).await?;
        let channel = Arc::new(channel);
        for _ in 0..in_flight {
            let (link, channel, window) = (link.clone(), Arc::clone(&channel), window.clone());
            load.spawn(async move { repeat(&window, || channel.enqueue(&link, vec![b'x'; ENTRY_BYTES])).await });
        }
    }
    found(&window, load, measured, Process(arguments.server.server_pid)).await
}

/// Calls one after the other until the window is over.
async fn repeat<F: Future<Output = Result<()>>>(window: &Window, call: impl Fn() -> F) -> Result<Latencies> {
    let mut latencies = Latencies::default();
    while !window.is_over() {
        let since = Instant::now();
        call().await?;
        if window.counts() {
            latencies.add(since);
        }
    }
    Ok(latencies)
}

/// The same calls, refused before anything is stored.
async fn unstored(
    arguments: &EnqueueArguments,
    connector: &QuicConnector,
    connections: usize,
    in_flight: usize,
    measured: Duration,
) -> Result<Found> {
    let window = Window::new();
    let mut load = JoinSet::new();
    for _ in 0..connections {
        let (link, _) = ChannelLink::connect(connector, &arguments.server.server).await?;
        for _ in 0..in_flight {
            let (link, window) = (link.clone(), window.clone());
            load.spawn(async move { repeat(&window, || channel::refused(&link, vec![b'x'; ENTRY_BYTES])).await });
        }
    }
    found(&window, load, measured, Process(arguments.server.server_pid)).await
}

async fn redis(
    arguments: &EnqueueArguments,
    connections: usize,
    in_flight: usize,
    measured: Duration,
) -> Result<Found> {
    let window = Window::new();
    let mut load = JoinSet::new();
    for number in 0..connections {
        let appender = Appender::connect(arguments.redis, number, &[b'x'; ENTRY_BYTES]).await?;
        load.spawn(appender.run(in_flight, window.clone()));
    }
    found(&window, load, measured, Process(arguments.redis_pid)).await
}

#[expect(clippy::cast_precision_loss, reason = "counts of a benchmark are exact in a double")]
async fn found(
    window: &Window,
    load: JoinSet<Result<Latencies>>,
    measured: Duration,
    server: Process,
) -> Result<Found> {
    let (elapsed, before, after) = window.run(WARM_UP, measured, || server.cpu()).await;
    let mut latencies = Latencies::default();
    for part in load.join_all().await {
        latencies.extend(part?);
    }
    let count = latencies.count() as f64;
    let cpu = after?.saturating_sub(before?).as_secs_f64() * 1e6 / count;
    Ok(Found { rate: count / elapsed.as_secs_f64(), latencies, cpu })
}
