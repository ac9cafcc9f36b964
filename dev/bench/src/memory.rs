//! The server's memory at start, and what an idle subscribed client adds.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures::StreamExt as _;
use quicprochat_transport::{ChannelLink, QuicConnector};
use quicprochat_wire::call::{
    channel::{ChannelPage, ChannelSubscribe},
    token::Token,
};

use crate::{
    MemoryArguments, account,
    channel::Channel,
    process::{Process, raise_file_limit},
    report::Report,
};

/// Connections that are opened side by side.
const AT_A_TIME: usize = 16;
/// Memory counts as settled when it has changed by less than a hundredth within this.
const SETTLED: Duration = Duration::from_secs(3);
const MAX_SETTLING: usize = 20;

/// An idle client: a connection, attached to a channel of its own and subscribed to it.
struct Idle {
    link: ChannelLink,
    subscription: tokio::task::JoinHandle<()>,
}

pub(crate) async fn run(arguments: &MemoryArguments) -> Result<Report> {
    raise_file_limit()?;
    let server = Process(arguments.server.server_pid);
    let connector = QuicConnector::default();
    let at_start = settled(server).await?;
    let most = arguments.clients.iter().copied().max().context("no number of clients")?;
    let mut tokens = account::tokens(&connector, &arguments.server.server, most).await?;
    let mut rows = vec![vec!["0 (at start)".to_owned(), mib(at_start), "-".to_owned()]];
    // Issuing and a first client warm up what is allocated once.
    let mut clients = vec![idle(&connector, arguments, tokens.pop().context("no token")?).await?];
    let base = settled(server).await?;
    rows.push(vec!["1 (after registration and tokens)".to_owned(), mib(base), "-".to_owned()]);
    for &count in &arguments.clients {
        eprintln!("{count} clients ...");
        open(&mut clients, count, &connector, arguments, &mut tokens).await?;
        let resident = settled(server).await?;
        ensure!(clients.iter().all(|client| !client.subscription.is_finished()), "a subscription ended");
        let each = resident.saturating_sub(base) / u64::try_from(count.saturating_sub(1).max(1))?;
        rows.push(vec![count.to_string(), mib(resident), format!("{:.1}", kib(each))]);
    }
    clients.iter().for_each(|client| client.link.close());
    let mut report = Report::default();
    report.table(
        "Memory of the server (resident)",
        ["idle clients", "MiB", "KiB each"].map(str::to_owned).into(),
        rows,
    );
    report.note(
        "Each client has a QUIC connection of its own and is subscribed on it to a channel of its own. \"KiB each\" is what all but the first add, divided by their number.",
    );
    Ok(report)
}

async fn open(
    clients: &mut Vec<Idle>,
    count: usize,
    connector: &QuicConnector,
    arguments: &MemoryArguments,
    tokens: &mut Vec<Token>,
) -> Result<()> {
    while clients.len() < count {
        let batch = tokens.split_off(tokens.len().saturating_sub(AT_A_TIME.min(count - clients.len())));
        ensure!(!batch.is_empty(), "no tokens are left");
        let opening = batch.into_iter().map(|token| idle(connector, arguments, token));
        for client in futures::future::join_all(opening).await {
            clients.push(client?);
        }
    }
    Ok(())
}

async fn idle(connector: &QuicConnector, arguments: &MemoryArguments, token: Token) -> Result<Idle> {
    let (link, hello) = ChannelLink::connect(connector, &arguments.server.server).await?;
    let channel = Channel::create(&link, token).await?;
    channel.attach(&link, &hello.challenge).await?;
    let mut pages = link.subscribe(ChannelSubscribe { channel: channel.id, after: 0 }).await?;
    // Ends only if the server ends it.
    let subscription = tokio::spawn(async move { while let Some(Ok(ChannelPage { .. })) = pages.next().await {} });
    Ok(Idle { link, subscription })
}

/// The memory, once it has settled.
async fn settled(process: Process) -> Result<u64> {
    let mut before = process.resident()?;
    for _ in 0..MAX_SETTLING {
        tokio::time::sleep(SETTLED).await;
        let now = process.resident()?;
        if now.abs_diff(before) < before / 100 {
            return Ok(now);
        }
        before = now;
    }
    anyhow::bail!("the server's memory does not settle")
}

fn mib(bytes: u64) -> String {
    format!("{:.1}", kib(bytes) / 1024.0)
}

#[expect(clippy::cast_precision_loss, reason = "sizes of a benchmark are exact in a double")]
fn kib(bytes: u64) -> f64 {
    bytes as f64 / 1024.0
}
