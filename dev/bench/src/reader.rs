//! What a device does when it comes back or is new, in a process of its own, so that its memory is its own.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use quicprochat_client::{
    Client,
    core::{
        Command, Event, Outcome,
        store::{Conversation, ConversationState},
    },
    transport::{ChannelLink, QuicConnector},
};
use quicprochat_wire::{ServerLink, call::channel::ChannelRead, limits::MAX_PAGE_ENTRIES};
use serde_json::{Value, json};

use crate::{counting::CountingConnector, flood, home, pair, process};

/// A device that was away catches up; then the same pages are read again and not opened, which is what they cost at least.
pub(crate) async fn catch_up(scratch: &Path, folder: &str, delay: Duration) -> Result<Value> {
    let (home, key) = home::make(scratch, folder)?;
    let connector = Arc::new(CountingConnector { delay, ..CountingConnector::default() });
    let counts = Arc::clone(&connector.counts);
    let mut client = Client::open(home, key, connector)?;
    let before = conversations(&mut client)?;
    let logged = client.read(|tx| Ok(tx.messages().last_arrival()?))?;
    let session = client.session()?;
    let begin = Instant::now();
    let outcome = session.run(Command::Sync).await?;
    let took = begin.elapsed();
    ensure!(matches!(outcome, Outcome::Synced { .. }), "not caught up: {outcome:?}");
    let peak = process::peak()?;
    session.stop().await?;
    let read = client.read(|tx| Ok(tx.messages().last_arrival()?))? - logged;
    let (raw, raw_took) = read_raw(&mut client, &before).await?;
    Ok(json!({
        "messages": read, "seconds": took.as_secs_f64(), "calls": counts.calls(),
        "bytes": counts.bytes(), "peak": peak, "raw": raw, "raw_seconds": raw_took.as_secs_f64(),
    }))
}

fn conversations(client: &mut Client) -> Result<Vec<Conversation>> {
    Ok(client.read(|tx| Ok(tx.conversations().all_conversations()?))?)
}

/// Reads all pages behind the cursors, side by side as the client does; how many entries, and how long it took.
async fn read_raw(client: &mut Client, before: &[Conversation]) -> Result<(usize, Duration)> {
    let server = client.account()?.context("nobody is registered here")?.server;
    let now = conversations(client)?;
    let begin = Instant::now();
    let (link, hello) = ChannelLink::connect(&QuicConnector::default(), &server).await?;
    let mut reading = tokio::task::JoinSet::new();
    for conversation in now {
        let old = before.iter().find(|old| old.channel == conversation.channel);
        let mut after = old.map_or(0, |old| old.cursor.position);
        let (link, challenge) = (link.clone(), hello.challenge);
        reading.spawn(async move {
            flood::attach(&link, &challenge, &conversation).await?;
            let mut entries = 0;
            while after < conversation.cursor.position {
                let request = ChannelRead { channel: conversation.channel, after, limit: MAX_PAGE_ENTRIES };
                let page = link.call(request).await?;
                after = page.entries.last().context("the log ends early")?.seq;
                entries += page.entries.len();
            }
            anyhow::Ok(entries)
        });
    }
    let mut entries = 0;
    while let Some(read) = reading.join_next().await {
        entries += read??;
    }
    Ok((entries, begin.elapsed()))
}

/// A new device of an account in `expected` conversations: signs in, and is in all of them again.
pub(crate) async fn new_device(
    scratch: &Path,
    folder: &str,
    delay: Duration,
    server: &ServerLink,
    name: &str,
    expected: usize,
) -> Result<Value> {
    let (home, key) = home::make(scratch, folder)?;
    let connector = Arc::new(CountingConnector { delay, ..CountingConnector::default() });
    let counts = Arc::clone(&connector.counts);
    let mut client = Client::open(home, key, connector)?;
    let begin = Instant::now();
    client.login(server, name, pair::password(), "new").await?;
    let login = begin.elapsed();
    let titles = pair::titles(&mut client)?;
    let list = begin.elapsed();
    let titled = (0..expected).filter(|number| titles.contains(&pair::title(*number))).count();
    ensure!(titled == expected && titles.len() == expected, "{titled} of {expected} conversations are listed by title");
    let mut session = client.session()?;
    let done = session.submit(Command::Sync).await;
    let (mut first, mut active) = (None, 0);
    while active < expected {
        let event = tokio::time::timeout(Duration::from_secs(600), session.next_event()).await;
        let event = event.context("nothing happens")?.context("the session ended")?;
        if matches!(event, Event::State { state: ConversationState::Active, .. }) {
            first.get_or_insert_with(|| begin.elapsed());
            active += 1;
        }
    }
    let all = begin.elapsed();
    done.await?;
    let synced = begin.elapsed();
    let peak = process::peak()?;
    session.stop().await?;
    Ok(json!({
        "login": login.as_secs_f64(), "list": list.as_secs_f64(),
        "first": first.unwrap_or_default().as_secs_f64(), "all": all.as_secs_f64(), "synced": synced.as_secs_f64(),
        "calls": counts.calls(), "peak": peak,
    }))
}
