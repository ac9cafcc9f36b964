//! What the account's history takes at its server, and how long a new device needs to have it.

use std::{path::Path, sync::Arc, time::Instant};

use anyhow::{Context, Result, ensure};
use quicprochat_client::{
    Client, OsEntropy,
    core::{
        Command, Outcome,
        archive::{ArchiveStatus, archive_status},
        store::LogBody,
    },
};
use quicprochat_wire::{ServerLink, entropy::random_below};
use serde_json::{Value, json};

use crate::{
    ArchiveArguments,
    counting::CountingConnector,
    flood::{self, Flood},
    home, new_device,
    pair::{self, Somebody},
    process,
    report::Report,
};

/// How much later answers come on the slow network, in milliseconds.
const SLOW: &str = "100";
const SLOW_SECONDS: f64 = 0.1;
/// Words of a message, and different words that there are: long enough and different enough to be compressed as what people
/// write is.
const WORDS: usize = 16;
const VOCABULARY: u64 = 4000;
/// Log entries read at a time.
const BATCH: usize = 1024;

pub(crate) async fn run(arguments: &ArchiveArguments) -> Result<Report> {
    let (mut put, mut taken) = (Vec::new(), Vec::new());
    for &messages in &arguments.messages {
        eprintln!("{messages} messages ...");
        let found = measure(arguments, messages).await?;
        put.push(found.put);
        taken.push(found.taken);
    }
    let mut report = Report::default();
    let columns = ["messages", "s", "calls", "objects", "KiB", "bytes a message", "of the text"];
    report.table("Putting history in", columns.map(str::to_owned).into(), put);
    let columns = [
        "messages",
        "s",
        "messages/s",
        "calls",
        "s, answers 100 ms later",
        "that many round trips",
        "KiB received",
        "peak memory, MiB",
    ];
    report.table("A new device takes it out", columns.map(str::to_owned).into(), taken);
    report.note(format!(
        "Messages of {WORDS} words, which are about 100 characters, drawn from {VOCABULARY} words as unevenly as in what people write, in {} conversations. \"Putting in\": `history sync` on the device that read them; KiB are those of all objects at the server, the manifest among them. \"Taking out\": `history sync` on a new device right after `login`, until it has entered every conversation and has all messages; the others are off. The same again with every answer 100 ms later: by how many times 100 ms it is slower is how many round trips came one after the other.",
        arguments.conversations
    ));
    Ok(report)
}

struct Found {
    put: Vec<String>,
    taken: Vec<String>,
}

#[expect(clippy::cast_precision_loss, reason = "counts of a benchmark are exact in a double")]
async fn measure(arguments: &ArchiveArguments, messages: usize) -> Result<Found> {
    let scratch = Path::new(&arguments.scratch);
    let (owner, guest) = (format!("alice-{messages}"), format!("bob-{messages}"));
    let mut alice = Somebody::register(scratch, &arguments.server, &owner).await?;
    let mut bob = Somebody::register(scratch, &arguments.server, &guest).await?;
    let (ours, mut theirs) = (alice.listen().await?, bob.listen().await?);
    let channels = pair::meet(&ours, &mut theirs, &guest, arguments.conversations).await?;
    new_device::in_vault(&arguments.server, &guest, arguments.conversations).await?;
    ours.stop().await?;
    theirs.stop().await?;
    let mut flood = Flood::open(&alice.home, &alice.key, &arguments.server).await?;
    let texts: Vec<String> = (0..messages).map(|_| text()).collect();
    let characters: usize = texts.iter().map(String::len).sum();
    let each = messages / channels.len();
    let pick = |place: usize, number: usize| texts.get(place * each + number).cloned().unwrap_or_default();
    flood.write_texts(&channels, each, &pick).await?;
    drop(bob);
    let (home, key) = home::make(scratch, &guest)?;
    let connector = Arc::new(CountingConnector::default());
    let counts = Arc::clone(&connector.counts);
    let mut reader = Client::open(home, key, connector)?;
    sync(&mut reader, Command::Sync).await?;
    let before = counts.calls();
    let begin = Instant::now();
    sync(&mut reader, Command::SyncHistory).await?;
    let took = begin.elapsed();
    let status = status(&mut reader)?;
    ensure!(status.to_store == 0 && !status.full, "not all of it is put in: {status:?}");
    let expected = written(&mut reader)?;
    ensure!(expected == each * channels.len(), "{expected} messages were read");
    let put = vec![
        expected.to_string(),
        format!("{:.2}", took.as_secs_f64()),
        (counts.calls() - before).to_string(),
        status.objects.to_string(),
        (status.bytes / 1024).to_string(),
        format!("{:.1}", status.bytes as f64 / expected as f64),
        format!("{:.2}", status.bytes as f64 / characters as f64),
    ];
    let (fast, slow) = (device(arguments, &guest, "fast", "0").await?, device(arguments, &guest, "slow", SLOW).await?);
    let number = |found: &Value, name: &str| process::number(found, name);
    for found in [&fast, &slow] {
        let came = found.get("messages").and_then(Value::as_u64).context("no messages")?;
        ensure!(came == u64::try_from(expected)?, "{came} of {expected} messages came");
    }
    let (seconds, slowly) = (number(&fast, "seconds")?, number(&slow, "seconds")?);
    let taken = vec![
        expected.to_string(),
        format!("{seconds:.2}"),
        format!("{:.0}", expected as f64 / seconds),
        format!("{:.0}", number(&fast, "calls")?),
        format!("{slowly:.2}"),
        format!("{:.0}", (slowly - seconds) / SLOW_SECONDS),
        format!("{:.0}", number(&fast, "bytes")? / 1024.0),
        format!("{:.1}", number(&fast, "peak")? / 1024.0 / 1024.0),
    ];
    Ok(Found { put, taken })
}

async fn device(arguments: &ArchiveArguments, name: &str, folder: &str, delay: &str) -> Result<Value> {
    let scratch = arguments.scratch.to_str().context("the scratch folder's path is UTF-8")?;
    let (server, folder) = (arguments.server.to_string(), format!("{name}-{folder}"));
    let reader = ["archive-reader", "--scratch", scratch, "--folder", &folder, "--delay", delay];
    process::measure(&[&reader[..], &["--server", &server, "--name", name]].concat()).await
}

/// A new device: signs in, and then has the whole history.
pub(crate) async fn take_out(
    scratch: &Path,
    folder: &str,
    delay: std::time::Duration,
    server: &ServerLink,
    name: &str,
) -> Result<Value> {
    let (home, key) = home::make(scratch, folder)?;
    // Signing in is not what is measured.
    let mut client = Client::open(home, key, flood::plain())?;
    client.login(server, name, pair::password(), "new").await?;
    drop(client);
    let (home, key) = home::make(scratch, folder)?;
    let connector = Arc::new(CountingConnector { delay, ..CountingConnector::default() });
    let counts = Arc::clone(&connector.counts);
    let mut client = Client::open(home, key, connector)?;
    let begin = Instant::now();
    sync(&mut client, Command::SyncHistory).await?;
    let took = begin.elapsed();
    let peak = process::peak()?;
    Ok(json!({
        "messages": written(&mut client)?, "seconds": took.as_secs_f64(), "calls": counts.calls(), "bytes": counts.bytes(),
        "peak": peak,
    }))
}

async fn sync(client: &mut Client, command: Command) -> Result<()> {
    let session = client.session()?;
    let outcome = session.run(command).await?;
    session.stop().await?;
    ensure!(matches!(outcome, Outcome::Synced { .. }), "not caught up: {outcome:?}");
    Ok(())
}

fn status(client: &mut Client) -> Result<ArchiveStatus> {
    Ok(client.read(|tx| Ok(archive_status(tx)?))?)
}

/// Messages in the log.
fn written(client: &mut Client) -> Result<usize> {
    Ok(client.read(|tx| {
        let mut count = 0;
        for conversation in tx.conversations().all_conversations()? {
            let mut after = 0;
            loop {
                let entries = tx.messages().messages_of(&conversation.channel, after, BATCH)?;
                let Some(last) = entries.last() else { break };
                after = last.seq;
                count += entries.iter().filter(|entry| matches!(entry.body, LogBody::Content { .. })).count();
            }
        }
        Ok(count)
    })?)
}

fn text() -> String {
    let words: Vec<String> = (0..WORDS).map(|_| word()).collect();
    words.join(" ")
}

/// One of the words; those with low numbers come often, and are short.
fn word() -> String {
    const SYLLABLES: [&str; 20] = [
        "a", "the", "in", "to", "ma", "ken", "ri", "so", "ten", "lu", "ver", "no", "sha", "ing", "der", "pol", "ate",
        "us", "mi", "cro",
    ];
    // The product of two is small more often than not.
    let (one, two) = (random_below(&mut OsEntropy, 1000), random_below(&mut OsEntropy, 1000));
    let mut number = one * two * VOCABULARY / 1_000_000;
    let mut word = String::new();
    loop {
        word.push_str(usize::try_from(number % 20).ok().and_then(|at| SYLLABLES.get(at)).copied().unwrap_or_default());
        number /= 20;
        if number == 0 {
            return word;
        }
    }
}
