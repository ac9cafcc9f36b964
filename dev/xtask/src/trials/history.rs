//! The account's history at its server, and on a device that came later.

use anyhow::{Context as _, Result, ensure};

use super::{Trial, accept, cast, devices::login, done, fails, same};
use crate::sandbox::{Person, Sandbox};

pub(super) const TRIALS: &[Trial] = &[
    ("a_new_device_has_the_history_while_all_others_are_off", a_new_device_has_the_history_while_all_others_are_off),
    ("history_that_is_off_is_not_on_a_new_device", history_that_is_off_is_not_on_a_new_device),
    ("a_server_without_room_for_history_is_told_of", a_server_without_room_for_history_is_told_of),
];

/// Messages that each of the two writes.
const EACH: usize = 30;
/// A conversation is in the vault a minute after it was made, if somebody is there to put it.
const WRITTEN_AFTER: &str = "61";

/// Alice and bob write to each other, and then alice's device has read all of it.
fn talk(sandbox: &mut Sandbox) -> Result<(Person, Vec<String>)> {
    let [alice, bob] = cast(sandbox, ["alice", "bob"])?;
    done(sandbox, &alice, &["group", "create", "picnic"])?;
    done(sandbox, &alice, &["group", "invite", "picnic", "bob"])?;
    accept(sandbox, &bob)?;
    let mut texts = Vec::new();
    for number in 0..EACH {
        for person in [&alice, &bob] {
            let text = format!("{} writes {number}", person.name());
            done(sandbox, person, &["send", "picnic", &text])?;
            texts.push(text);
        }
    }
    done(sandbox, &alice, &["listen", "--for", WRITTEN_AFTER])?;
    Ok((alice, texts))
}

fn log(sandbox: &Sandbox, person: &Person) -> Result<Vec<String>> {
    let events = done(sandbox, person, &["log", "picnic", "--limit", "1000"])?;
    let messages = events.iter().filter(|event| event.kind() == "message");
    messages.map(|event| Ok(event.text("text")?.to_owned())).collect()
}

fn a_new_device_has_the_history_while_all_others_are_off(sandbox: &mut Sandbox) -> Result<()> {
    let (alice, texts) = talk(sandbox)?;
    let kept = done(sandbox, &alice, &["history", "sync"])?;
    let kept = kept.iter().find(|event| event.kind() == "history").context("it is printed")?;
    ensure!(kept.flag("enabled")? && kept.number("to_store")? == 0 && !kept.flag("full")?, "{kept:?}");
    ensure!(kept.number("entries")? >= 2 * EACH as u64, "{kept:?}");
    let tablet = sandbox.device(&alice, "tablet")?;
    login(sandbox, &tablet)?;
    let events = done(sandbox, &tablet, &["sync"])?;
    ensure!(events.iter().all(|event| event.kind() != "message"), "what was said before is no news");
    same("log", &log(sandbox, &tablet)?, &texts)?;
    // Those who wrote are named as on the first device.
    let senders = |person: &Person| -> Result<Vec<String>> {
        let events = done(sandbox, person, &["log", "picnic", "--limit", "1000"])?;
        let messages = events.iter().filter(|event| event.kind() == "message");
        messages.map(|event| Ok(event.text("sender")?.to_owned())).collect()
    };
    same("senders", &senders(&tablet)?, &senders(&alice)?)?;
    sandbox.stop_server()?;
    let dump = sandbox.dump()?;
    ensure!(dump.contains("archive"), "the dump shows where the history is");
    ensure!(texts.iter().all(|text| !dump.contains(text.as_str())), "the server has what was said");
    Ok(())
}

fn history_that_is_off_is_not_on_a_new_device(sandbox: &mut Sandbox) -> Result<()> {
    let (alice, texts) = talk(sandbox)?;
    done(sandbox, &alice, &["history", "sync"])?;
    let off = done(sandbox, &alice, &["history", "off"])?;
    let off = off.iter().find(|event| event.kind() == "history").context("it is printed")?;
    ensure!(!off.flag("enabled")? && off.number("objects")? == 0, "{off:?}");
    let tablet = sandbox.device(&alice, "tablet")?;
    login(sandbox, &tablet)?;
    done(sandbox, &tablet, &["sync"])?;
    let shown = log(sandbox, &tablet)?;
    ensure!(shown.iter().all(|text| !texts.contains(text)), "{shown:?}");
    Ok(())
}

fn a_server_without_room_for_history_is_told_of(sandbox: &mut Sandbox) -> Result<()> {
    sandbox.server_takes(&["--set", "limits.archive_bytes=1KiB"]);
    let [alice, bob] = cast(sandbox, ["alice", "bob"])?;
    done(sandbox, &alice, &["group", "create", "picnic"])?;
    done(sandbox, &alice, &["group", "invite", "picnic", "bob"])?;
    accept(sandbox, &bob)?;
    for number in 0..EACH {
        done(sandbox, &alice, &["send", "picnic", &format!("number {number}, which is of no use to anybody")])?;
    }
    fails(sandbox, &alice, &["history", "sync"], 7, "history-full")?;
    done(sandbox, &alice, &["sync"])?;
    done(sandbox, &alice, &["send", "picnic", "still here"])?;
    let status = done(sandbox, &alice, &["history", "status"])?;
    let status = status.iter().find(|event| event.kind() == "history").context("it is printed")?;
    ensure!(status.flag("full")? && status.number("to_store")? > 0, "{status:?}");
    Ok(())
}
