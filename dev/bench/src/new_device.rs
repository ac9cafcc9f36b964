//! From signing in on a new device to conversations that can be used.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use quicprochat_client::{OsEntropy, core::auth::SignIn, transport::AccountLink};
use quicprochat_identity::AccountName;
use quicprochat_wire::ServerLink;

use crate::{
    NewDeviceArguments,
    flood::{self, Flood},
    pair::{self, Somebody},
    process,
    report::Report,
};

/// Messages in each conversation.
const MESSAGES: usize = 20;
/// The vault's list is written a minute after the last change at the latest.
const TRIES: usize = 30;
const BETWEEN: Duration = Duration::from_secs(5);

pub(crate) async fn run(arguments: &NewDeviceArguments) -> Result<Report> {
    let mut rows = Vec::new();
    let mut usable = Vec::new();
    for &groups in &arguments.groups {
        eprintln!("{groups} conversations ...");
        let found = measure(arguments, groups).await?;
        let number = |name: &str| process::number(&found.device, name);
        usable.push((groups, number("list")?));
        rows.push(vec![
            groups.to_string(),
            format!("{:.2}", found.unlock.as_secs_f64()),
            format!("{:.2}", number("login")?),
            format!("{:.2}", number("list")?),
            format!("{:.2}", number("first")?),
            format!("{:.2}", number("all")?),
            format!("{:.0}", number("calls")?),
            format!("{:.1}", number("peak")? / 1024.0 / 1024.0),
        ]);
    }
    let mut report = Report::default();
    let columns = [
        "conversations",
        "vault opened, s",
        "signed in, s",
        "list with titles, s",
        "first one entered, s",
        "all entered, s",
        "calls",
        "peak memory, MiB",
    ];
    report.table("A new device, with the password alone", columns.map(str::to_owned).into(), rows);
    if let Some((groups, seconds)) = usable.last() {
        let text = format!("below 1 s to a list that can be used, at {groups} conversations");
        report.target(&text, *seconds < 1.0, format!("{seconds:.2} s, password stretching included"));
    }
    report.note(
        "All other devices are off. Times are from the start of `login`, but for \"vault opened\": that is connecting, proving the password (Argon2id, 64 MiB, 3 passes) and opening the vault, by itself. \"Entered\" means that the device can read and write there, by an external commit that every other member follows.",
    );
    Ok(report)
}

/// What a new device of an account took.
struct Found {
    /// To open the vault, and no more.
    unlock: Duration,
    /// What the device says.
    device: serde_json::Value,
}

async fn measure(arguments: &NewDeviceArguments, groups: usize) -> Result<Found> {
    let scratch = Path::new(&arguments.scratch);
    let (owner, guest) = (format!("alice-{groups}"), format!("bob-{groups}"));
    let mut alice = Somebody::register(scratch, &arguments.server, &owner).await?;
    let mut bob = Somebody::register(scratch, &arguments.server, &guest).await?;
    let (ours, mut theirs) = (alice.listen().await?, bob.listen().await?);
    let channels = pair::meet(&ours, &mut theirs, &guest, groups).await?;
    // Bob's first device goes on until the vault knows of all.
    in_vault(&arguments.server, &guest, groups).await?;
    ours.stop().await?;
    theirs.stop().await?;
    let mut flood = Flood::open(&alice.home, &alice.key, &arguments.server).await?;
    flood.write(&channels, MESSAGES, "see you there").await?;
    let (folder, expected) = (format!("bob-{groups}-new"), groups.to_string());
    let (server, scratch) = (arguments.server.to_string(), scratch.to_str().context("the path is UTF-8")?);
    let begin = Instant::now();
    in_vault_now(&arguments.server, &guest).await?;
    let unlock = begin.elapsed();
    let device = process::measure(&[
        "new-device-reader",
        "--scratch",
        scratch,
        "--folder",
        &folder,
        "--server",
        &server,
        "--name",
        &guest,
        "--expected",
        &expected,
    ])
    .await?;
    Ok(Found { unlock, device })
}

/// Waits until the vault lists that many conversations.
pub(crate) async fn in_vault(server: &ServerLink, name: &str, expected: usize) -> Result<()> {
    for _ in 0..TRIES {
        if in_vault_now(server, name).await? >= expected {
            return Ok(());
        }
        tokio::time::sleep(BETWEEN).await;
    }
    bail!("the vault does not list {expected} conversations")
}

async fn in_vault_now(server: &ServerLink, name: &str) -> Result<usize> {
    let (link, _) = AccountLink::connect(&*flood::plain(), server).await?;
    let (request, sign_in) = SignIn::start(AccountName::parse(name)?, pair::password(), &mut OsEntropy)?;
    let answer = link.call(request).await?;
    let (request, proved) = sign_in.prove(&answer, server.fingerprint(), &mut OsEntropy)?;
    let unwrapped = proved.unwrap(&link.call(request).await?)?;
    let (record, records) = unwrapped.requests();
    let (record, records) = (link.call(record).await?, link.call(records).await?);
    Ok(unwrapped.open(&record, &records, None)?.conversations().iter().count())
}
