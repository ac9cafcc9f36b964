//! The account's history at its server, when processes are killed and the server loses or damages what it keeps.

use std::collections::BTreeSet;
use std::fs;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::{Trial, accept, cast, crashes::Chance, devices::login, done, fails, same, sync_until};
use crate::sandbox::{Event, Person, Sandbox};

pub(super) const TRIALS: &[Trial] = &[
    ("a_client_killed_while_it_puts_history_in_loses_nothing", a_client_killed_while_it_puts_history_in_loses_nothing),
    ("a_conversation_whose_history_is_off_is_not_on_a_new_device", a_conversation_that_is_off),
    ("history_that_the_server_damaged_is_put_in_again", history_that_the_server_damaged_is_put_in_again),
];

/// How often the client is killed.
const CUTS: usize = 6;
/// A conversation is in the vault a minute after it was made.
const LATER: &str = "+2m";
const HASH_BYTES: usize = 32;

/// Alice and bob in these groups, which are in the vault.
fn groups(sandbox: &mut Sandbox, titles: &[&str]) -> Result<[Person; 2]> {
    let [alice, bob] = cast(sandbox, ["alice", "bob"])?;
    for (number, title) in titles.iter().enumerate() {
        done(sandbox, &alice, &["group", "create", title])?;
        done(sandbox, &alice, &["group", "invite", title, "bob"])?;
        if number == 0 {
            accept(sandbox, &bob)?;
        } else {
            // They know each other by then.
            sync_until(sandbox, &bob, "joined")?;
        }
    }
    done(sandbox, &alice.with_clock(LATER), &["sync"])?;
    Ok([alice, bob])
}

fn tablet(sandbox: &mut Sandbox, alice: &Person) -> Result<Person> {
    let tablet = sandbox.device(alice, "tablet")?;
    login(sandbox, &tablet)?;
    Ok(tablet)
}

/// Everything that was said in a conversation, as far as this device has it.
fn log(sandbox: &Sandbox, person: &Person, conversation: &str) -> Result<Vec<String>> {
    let events = done(sandbox, person, &["log", conversation, "--limit", "1000"])?;
    let messages = events.iter().filter(|event| event.kind() == "message");
    messages.map(|event| Ok(event.text("text")?.to_owned())).collect()
}

fn history(events: &[Event]) -> Result<&Event> {
    events.iter().find(|event| event.kind() == "history").context("it is printed")
}

fn a_client_killed_while_it_puts_history_in_loses_nothing(sandbox: &mut Sandbox) -> Result<()> {
    let [alice, bob] = groups(sandbox, &["picnic"])?;
    let mut chance = Chance::new();
    let mut said = Vec::new();
    for cut in 0..CUTS {
        for person in [&alice, &bob] {
            let text = format!("{} writes {cut}", person.name());
            done(sandbox, person, &["send", "picnic", &text])?;
            said.push(text);
        }
        let putting = sandbox.start_qpc(&alice, &["history", "sync"])?;
        // Not to wait for something, but to cut at a random moment.
        thread::sleep(chance.up_to(Duration::from_millis(900)));
        putting.kill(Duration::from_secs(10))?;
    }
    let kept = done(sandbox, &alice, &["history", "sync"])?;
    let kept = history(&kept)?;
    ensure!(kept.number("to_store")? == 0 && kept.number("unreadable")? == 0, "{kept:?}");
    let tablet = tablet(sandbox, &alice)?;
    done(sandbox, &tablet, &["history", "sync"])?;
    same("what alice has", &log(sandbox, &alice, "picnic")?, &said)?;
    same("what a new device has", &log(sandbox, &tablet, "picnic")?, &said)
}

fn a_conversation_that_is_off(sandbox: &mut Sandbox) -> Result<()> {
    let titles = ["picnic", "quiet", "secret"];
    let [alice, bob] = groups(sandbox, &titles)?;
    for title in titles {
        done(sandbox, &alice, &["send", title, &format!("alice in {title}")])?;
        done(sandbox, &bob, &["send", title, &format!("bob in {title}")])?;
    }
    done(sandbox, &alice, &["history", "sync"])?;
    let off = done(sandbox, &alice, &["history", "off", "secret"])?;
    ensure!(history(&off)?.number("to_store")? == 0, "{off:?}");
    // Neither what was there before nor what comes after.
    done(sandbox, &alice, &["send", "secret", "alice goes on in secret"])?;
    done(sandbox, &alice, &["history", "sync"])?;
    let tablet = tablet(sandbox, &alice)?;
    done(sandbox, &tablet, &["history", "sync"])?;
    for title in titles {
        let expected =
            if title == "secret" { vec![] } else { vec![format!("alice in {title}"), format!("bob in {title}")] };
        same(title, &log(sandbox, &tablet, title)?, &expected)?;
    }
    done(sandbox, &tablet, &["send", "secret", "it is in it all the same"])?;
    Ok(())
}

fn history_that_the_server_damaged_is_put_in_again(sandbox: &mut Sandbox) -> Result<()> {
    let [alice, bob] = groups(sandbox, &["picnic"])?;
    let mut said = Vec::new();
    for person in [&alice, &bob] {
        let text = format!("{} writes", person.name());
        done(sandbox, person, &["send", "picnic", &text])?;
        said.push(text);
    }
    done(sandbox, &alice, &["history", "sync"])?;
    let damaged = damage(sandbox)?;
    ensure!(damaged >= 2, "a manifest and a segment at least, not {damaged}");
    let tablet = tablet(sandbox, &alice)?;
    fails(sandbox, &tablet, &["history", "sync"], 5, "history-damaged")?;
    same("what a new device has", &log(sandbox, &tablet, "picnic")?, &Vec::new())?;
    let mended = done(sandbox, &alice, &["doctor", "--repair"])?;
    let repaired =
        mended.iter().find(|event| event.kind() == "repair" && event.text("name").is_ok_and(|name| name == "history"));
    ensure!(repaired.context("nothing is said of history")?.flag("mended")?, "{mended:?}");
    done(sandbox, &tablet, &["history", "sync"])?;
    same("what a new device has then", &log(sandbox, &tablet, "picnic")?, &said)?;
    let again = done(sandbox, &alice, &["doctor", "--repair"])?;
    ensure!(
        again.iter().all(|event| event.text("name").is_ok_and(|name| name != "history")),
        "nothing is amiss: {again:?}"
    );
    Ok(())
}

/// Changes a byte of every object of an archive that the server has, by way of a backup of it; how many these are.
fn damage(sandbox: &mut Sandbox) -> Result<usize> {
    sandbox.stop_server()?;
    let (data, backup) = (sandbox.server_dir(), sandbox.server_dir().with_extension("backup"));
    let path = backup.to_str().context("UTF-8")?.to_owned();
    sandbox.administer(&["backup", &path])?;
    let mut bytes = fs::read(&backup)?;
    let dump = sandbox.dump()?;
    let mut objects = BTreeSet::new();
    for line in dump.lines().filter(|line| line.contains("archive_objects")) {
        let row: Value = serde_json::from_str(line)?;
        let sealed = row.pointer("/row/sealed/hex").and_then(Value::as_str).context("an object is sealed")?;
        objects.insert(sealed.to_owned());
    }
    for object in &objects {
        let sealed = unhex(object)?;
        let at = bytes.windows(sealed.len()).position(|window| window == sealed).context("it is in the backup")?;
        *bytes.get_mut(at + sealed.len() / 2).context("it is not empty")? ^= 1;
    }
    let end = bytes.len().checked_sub(HASH_BYTES).context("it ends with a hash")?;
    let hash = Sha256::digest(bytes.get(..end).context("it ends with a hash")?);
    bytes.truncate(end);
    bytes.extend_from_slice(&hash);
    fs::write(&backup, &bytes)?;
    fs::rename(&data, data.with_extension("old"))?;
    sandbox.administer(&["restore", &path])?;
    // Nobody waits for what others could offer.
    sandbox.server_takes(&["--recovery", "0s"]);
    sandbox.start_server()?;
    Ok(objects.len())
}

fn unhex(text: &str) -> Result<Vec<u8>> {
    let digits = text.as_bytes().chunks(2).map(|pair| Ok(u8::from_str_radix(std::str::from_utf8(pair)?, 16)?));
    digits.collect()
}
