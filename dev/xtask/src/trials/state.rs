//! One account state on two devices.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use super::{Trial, accept, cast, devices::login, done, same};
use crate::process::running::Running;
use crate::sandbox::{Event, Person, Sandbox};

pub(super) const TRIALS: &[Trial] = &[
    (
        "settings_markers_drafts_and_verifications_are_on_both_devices",
        settings_markers_drafts_and_verifications_are_on_both_devices,
    ),
    ("who_listens_sees_a_change_of_another_device", who_listens_sees_a_change_of_another_device),
];

/// Alice on two devices in a conversation with bob, who wrote three messages.
fn two_devices(sandbox: &mut Sandbox) -> Result<[Person; 3]> {
    let [alice, bob] = cast(sandbox, ["alice", "bob"])?;
    let tablet = sandbox.device(&alice, "tablet")?;
    login(sandbox, &tablet)?;
    // alice's first device announces itself under the new record.
    done(sandbox, &alice, &["sync"])?;
    done(sandbox, &bob, &["group", "create", "picnic"])?;
    done(sandbox, &bob, &["group", "invite", "picnic", "alice"])?;
    accept(sandbox, &alice)?;
    accept(sandbox, &tablet)?;
    for text in ["one", "two", "three"] {
        done(sandbox, &bob, &["send", "picnic", text])?;
    }
    for device in [&alice, &tablet] {
        done(sandbox, device, &["sync"])?;
    }
    Ok([alice, tablet, bob])
}

fn listed(sandbox: &Sandbox, person: &Person) -> Result<Event> {
    let listed = done(sandbox, person, &["list"])?;
    same("conversations", &listed.len(), &1)?;
    listed.into_iter().next().context("one")
}

fn settings_markers_drafts_and_verifications_are_on_both_devices(sandbox: &mut Sandbox) -> Result<()> {
    let [alice, tablet, _bob] = two_devices(sandbox)?;
    for device in [&alice, &tablet] {
        same("unread", &listed(sandbox, device)?.number("unread")?, &3)?;
    }
    let messages = done(sandbox, &alice, &["log", "picnic"])?;
    let second = messages.iter().find(|event| event.text("text").is_ok_and(|text| text == "two"));
    let second = second.context("the second message")?.number("seq")?.to_string();
    same("a log that was looked at", &listed(sandbox, &alice)?.number("unread")?, &3)?;
    done(sandbox, &alice, &["read", "picnic", "--to", &second])?;
    done(sandbox, &alice, &["conversation", "mute", "picnic"])?;
    done(sandbox, &alice, &["conversation", "title", "picnic", "lunch"])?;
    done(sandbox, &alice, &["draft", "picnic", "half a"])?;
    let number = done(sandbox, &alice, &["safety-number", "bob"])?;
    let number = number.first().context("a number")?.text("number")?.to_owned();
    done(sandbox, &alice, &["verify", "bob", "--number", &number])?;
    done(sandbox, &alice, &["sync"])?;
    // While they are apart the other device changes something, too.
    done(sandbox, &tablet, &["conversation", "pin", "picnic"])?;
    for device in [&tablet, &alice, &tablet] {
        done(sandbox, device, &["sync"])?;
    }
    for device in [&alice, &tablet] {
        let there = listed(sandbox, device)?;
        same("unread", &there.number("unread")?, &1)?;
        ensure!(there.flag("muted")? && there.flag("pinned")? && !there.flag("archived")?, "{there:?}");
        same("title", &there.text("title")?, &"lunch")?;
        same("draft", &there.text("draft")?, &"half a")?;
        let shown = done(sandbox, device, &["safety-number", "bob"])?;
        ensure!(shown.first().context("a number")?.flag("verified")?, "{shown:?}");
    }
    done(sandbox, &tablet, &["log", "lunch", "--read"])?;
    done(sandbox, &tablet, &["draft", "lunch", "--clear"])?;
    done(sandbox, &tablet, &["sync"])?;
    done(sandbox, &alice, &["sync"])?;
    let there = listed(sandbox, &alice)?;
    same("unread", &there.number("unread")?, &0)?;
    ensure!(there.text("draft").is_err(), "{there:?}");
    Ok(())
}

fn who_listens_sees_a_change_of_another_device(sandbox: &mut Sandbox) -> Result<()> {
    /// Both notice each other's process, write after a second at most, and are told.
    const PATIENCE: Duration = Duration::from_secs(20);
    let [alice, tablet, _bob] = two_devices(sandbox)?;
    for device in [&alice, &tablet] {
        done(sandbox, device, &["sync"])?;
    }
    let here = sandbox.start_qpc(&alice, &["listen", "--for", "60"])?;
    let there = sandbox.start_qpc(&tablet, &["listen", "--for", "60"])?;
    for (command, pinned) in [("pin", true), ("unpin", false)] {
        done(sandbox, &alice, &["conversation", command, "picnic"])?;
        while listed(sandbox, &tablet)?.flag("pinned")? != pinned {
            next_state(&there, PATIENCE)?;
        }
    }
    here.terminate(PATIENCE)?;
    there.terminate(PATIENCE)?;
    Ok(())
}

fn next_state(listening: &Running, patience: Duration) -> Result<()> {
    while let Some(line) = listening.next_line(patience)? {
        if Event::parse(&line)?.kind() == "state" {
            return Ok(());
        }
    }
    bail!("it ended before another device's change came")
}
