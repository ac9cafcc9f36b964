//! Catching up after a long time away.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::{
    CatchUpArguments,
    flood::Flood,
    home,
    pair::{self, Somebody},
    process,
    report::Report,
};

/// What the messages say, which is about what people write.
const TEXT: &str = "shall we meet at the harbour at eight, or is that too late for the children? I can bring the soup";
/// How much later answers come on the slow network, in milliseconds.
const SLOW: &str = "100";
const SLOW_SECONDS: f64 = 0.1;

pub(crate) async fn run(arguments: &CatchUpArguments) -> Result<Report> {
    let scratch = Path::new(&arguments.scratch);
    let mut alice = Somebody::register(scratch, &arguments.server, "alice").await?;
    let mut bob = Somebody::register(scratch, &arguments.server, "bob").await?;
    let (owner, mut guest) = (alice.listen().await?, bob.listen().await?);
    let channels = pair::meet(&owner, &mut guest, "bob", arguments.conversations).await?;
    owner.stop().await?;
    guest.stop().await?;
    let mut flood = Flood::open(&alice.home, &alice.key, &arguments.server).await?;
    let mut rows = Vec::new();
    for &messages in &arguments.messages {
        eprintln!("{messages} messages ...");
        flood.write(&channels, messages / channels.len(), TEXT).await?;
        let scratch = scratch.to_str().context("the scratch folder's path is UTF-8")?;
        let copy = format!("bob-{messages}");
        home::copy(Path::new(scratch), "bob", &copy)?;
        let reader = ["catch-up-reader", "--scratch", scratch, "--folder"];
        let found = process::measure(&[&reader[..], &["bob"]].concat()).await?;
        let slow = process::measure(&[&reader[..], &[&copy, "--delay", SLOW]].concat()).await?;
        rows.push(row(messages, &found, &slow)?);
    }
    let mut report = Report::default();
    let columns = [
        "messages",
        "s",
        "messages/s",
        "of reading alone",
        "calls",
        "s, answers 100 ms later",
        "that many round trips",
        "KiB received",
        "bytes a message",
        "peak memory, MiB",
    ];
    report.table("Catching up", columns.map(str::to_owned).into(), rows);
    report.note(format!(
        "A device that was away reads messages of {} characters in {} conversations: from the start of `sync` until all are decrypted and stored durably. The same again with every answer 100 ms later, from a copy of the device: by how many times 100 ms it is slower is how many round trips came one after the other (connecting counts as one). \"of reading alone\" is the speed against reading the same pages over the same kind of connection without opening them, in the same process.",
        TEXT.len(), channels.len()
    ));
    Ok(report)
}

#[expect(clippy::cast_precision_loss, reason = "counts of a benchmark are exact in a double")]
fn row(expected: usize, found: &Value, slow: &Value) -> Result<Vec<String>> {
    let number = |name: &str| process::number(found, name);
    let count = |name: &str| found.get(name).and_then(Value::as_u64).with_context(|| format!("no {name}"));
    let (messages, seconds) = (count("messages")?, number("seconds")?);
    ensure!(messages == u64::try_from(expected)?, "{messages} of {expected} messages came");
    let rate = messages as f64 / seconds;
    let raw = number("raw")? / number("raw_seconds")?;
    let bytes = count("bytes")?;
    let slow = process::number(slow, "seconds")?;
    Ok(vec![
        messages.to_string(),
        format!("{seconds:.2}"),
        format!("{rate:.0}"),
        format!("{:.3}", rate / raw),
        count("calls")?.to_string(),
        format!("{slow:.2}"),
        format!("{:.0}", (slow - seconds) / SLOW_SECONDS),
        (bytes / 1024).to_string(),
        (bytes / messages).to_string(),
        format!("{:.1}", count("peak")? as f64 / 1024.0 / 1024.0),
    ])
}
