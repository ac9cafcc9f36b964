//! From sending a message to having decrypted it, between two clients at a steady rate.

use std::{path::Path, sync::Arc, time::Duration};

use anyhow::{Context, Result, bail};
use quicprochat_client::{
    Client, OsEntropy, Session,
    core::{
        Command, Event,
        auth::Password,
        content::{MimiContent, Salt},
        store::{LogBody, LogEntry},
    },
    transport::QuicConnector,
};
use quicprochat_wire::ChannelId;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use crate::{LatencyArguments, home, report::Report, window::Latencies};

/// Messages that warm up, as seconds of the rate.
const WARM_UP_SECONDS: usize = 3;
/// How long the next message or event may take.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) async fn run(arguments: &LatencyArguments) -> Result<Report> {
    let mut rows = Vec::new();
    let (alice, mut bob, channel) = conversation(arguments).await?;
    let alice = Arc::new(alice);
    for &rate in &arguments.rates {
        eprintln!("{rate} messages a second ...");
        let mut found = measure(&alice, &mut bob, channel, rate, arguments.seconds).await?;
        rows.push(vec![
            rate.to_string(),
            found.decrypted.count().to_string(),
            format!("{:.1}", found.decrypted.percentile(50)),
            format!("{:.1}", found.decrypted.percentile(99)),
            format!("{:.1}", found.accepted.percentile(50)),
            format!("{:.1}", found.accepted.percentile(99)),
        ]);
    }
    let mut report = Report::default();
    let columns = [
        "messages/s",
        "messages",
        "decrypted, p50 ms",
        "decrypted, p99 ms",
        "acknowledged, p50 ms",
        "acknowledged, p99 ms",
    ];
    report.table("From sending to decrypted", columns.map(str::to_owned).into(), rows);
    report.note(
        "Two clients with stores of their own in one process, the server in another. Sending begins when the command is handed to the sender's engine, is stored durably, acknowledged by the server when synced, pushed to the other client, decrypted and stored durably there before it is told.",
    );
    Ok(report)
}

/// Two people in a conversation of two, both listening.
async fn conversation(arguments: &LatencyArguments) -> Result<(Session, Session, ChannelId)> {
    let alice = start(arguments, "alice").await?;
    let mut bob = start(arguments, "bob").await?;
    let begin = Command::Dm { name: "bob".to_owned(), content: content("hello")?, suite: Default::default() };
    alice.run(begin).await?;
    let channel = loop {
        let event =
            timeout(PATIENCE, bob.next_event()).await.context("no invitation")?.context("bob's session ended")?;
        if let Event::Request { invitation, .. } = event {
            let joined = bob.run(Command::AcceptRequest { invitation }).await?;
            let quicprochat_client::core::Outcome::Joined { channel } = joined else {
                bail!("not joined: {joined:?}");
            };
            break channel;
        }
    };
    Ok((alice, bob, channel))
}

/// Registers somebody, who listens from then on.
async fn start(arguments: &LatencyArguments, name: &str) -> Result<Session> {
    let (home, key) = home::make(Path::new(&arguments.scratch), name)?;
    let mut client = Client::open(home, key, Arc::new(QuicConnector::default()))?;
    let password = Password::new("Kestrel-83-quarry-Lantern".to_owned());
    client.register(&arguments.server, name, password, None, "load").await?;
    let session = client.session()?;
    // Listening is never done by itself.
    drop(session.submit(Command::Listen).await);
    Ok(session)
}

struct Found {
    decrypted: Latencies,
    accepted: Latencies,
}

async fn measure(
    alice: &Arc<Session>,
    bob: &mut Session,
    channel: ChannelId,
    rate: usize,
    seconds: usize,
) -> Result<Found> {
    let (warm_up, count) = (rate * WARM_UP_SECONDS, rate * (WARM_UP_SECONDS + seconds));
    let (told, mut sent) = tokio::sync::mpsc::unbounded_channel();
    let sender = tokio::spawn(send(Arc::clone(alice), channel, rate, count, told));
    let mut begun = std::collections::HashMap::new();
    let mut decrypted = Latencies::default();
    for index in 0..count {
        let text = next_text(bob, channel).await?;
        let read = Instant::now();
        while let Ok((text, at)) = sent.try_recv() {
            begun.insert(text, at);
        }
        let at: Instant = begun.remove(&text).with_context(|| format!("{text} was not sent"))?;
        if index >= warm_up {
            decrypted.add_span(read - at);
        }
    }
    let accepted = sender.await??;
    Ok(Found { decrypted, accepted })
}

/// Sends at the rate, whether or not earlier messages have been acknowledged.
async fn send(
    alice: Arc<Session>,
    channel: ChannelId,
    rate: usize,
    count: usize,
    told: tokio::sync::mpsc::UnboundedSender<(String, Instant)>,
) -> Result<Latencies> {
    let mut ticks = interval(Duration::from_secs(1) / u32::try_from(rate)?);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut answers = tokio::task::JoinSet::new();
    for index in 0..count {
        // The time counts from when the message was due, so that a late start is no excuse.
        let due = ticks.tick().await;
        let text = format!("{rate}/s, message {index}");
        told.send((text.clone(), due))?;
        let answer = alice.submit(Command::Send { channel, content: content(&text)? }).await;
        answers.spawn(async move { answer.await.map(|_| (index, due.elapsed())) });
    }
    let mut accepted = Latencies::default();
    while let Some(answer) = answers.join_next().await {
        let (index, span) = answer??;
        if index >= rate * WARM_UP_SECONDS {
            accepted.add_span(span);
        }
    }
    Ok(accepted)
}

/// The next text that arrives in the conversation.
async fn next_text(session: &mut Session, channel: ChannelId) -> Result<String> {
    loop {
        let event = timeout(PATIENCE, session.next_event()).await.context("nothing arrives")?;
        let event = event.context("the session ended")?;
        if let Event::Logged(LogEntry { channel: here, body: LogBody::Content { content }, .. }) = event
            && here == channel
            && let Some(text) = MimiContent::decode(&content)?.as_text()
            && text != "hello"
        {
            return Ok(text);
        }
    }
}

fn content(text: &str) -> Result<Vec<u8>> {
    Ok(MimiContent::text(text, "", Salt::random(&mut OsEntropy)).encode()?)
}
