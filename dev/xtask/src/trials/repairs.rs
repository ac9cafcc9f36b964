//! What a device cannot read: asked for, sent again, and mended on demand.

use std::fs;

use anyhow::{Context, Result, ensure};

use super::{Trial, cast, devices::login, done, fails, group, logged, returned::copy_folder, same, texts};
use crate::sandbox::Sandbox;

pub(super) const TRIALS: &[Trial] = &[
    ("a_member_sends_a_new_device_again_what_it_cannot_read", a_member_sends_a_new_device_again_what_it_cannot_read),
    ("the_doctor_repairs_and_says_what_is_left", the_doctor_repairs_and_says_what_is_left),
    ("a_server_that_was_put_back_is_noticed", a_server_that_was_put_back_is_noticed),
];

fn a_member_sends_a_new_device_again_what_it_cannot_read(sandbox: &mut Sandbox) -> Result<()> {
    /// A conversation is in the vault a minute after it was made, if somebody is there to put it.
    const WRITTEN_AFTER: &str = "62";
    /// The account's own devices have the first turn.
    const SECOND_TURN: &str = "30";
    let [alice, bob] = cast(sandbox, ["alice", "bob"])?;
    group(sandbox, "picnic", &[&bob, &alice])?;
    done(sandbox, &alice, &["listen", "--for", WRITTEN_AFTER])?;
    done(sandbox, &bob, &["send", "picnic", "bring a blanket"])?;
    done(sandbox, &alice, &["send", "picnic", "and I the tea"])?;
    done(sandbox, &bob, &["sync"])?;
    let tablet = sandbox.device(&alice, "tablet")?;
    login(sandbox, &tablet)?;
    let shown = done(sandbox, &tablet, &["sync"])?;
    ensure!(shown.iter().any(|event| event.kind() == "gap"), "the tablet shows no gap: {shown:?}");
    // Alice's first device is off; bob's answers.
    done(sandbox, &bob, &["listen", "--for", SECOND_TURN])?;
    done(sandbox, &tablet, &["sync"])?;
    let log = done(sandbox, &tablet, &["log", "picnic"])?;
    for (text, sender) in [("bring a blanket", "bob"), ("and I the tea", "alice")] {
        let is_it = |event: &&crate::sandbox::Event| event.text("text").is_ok_and(|shown| shown == text);
        let entry = log.iter().find(is_it).with_context(|| format!("the tablet has no {text:?}: {log:?}"))?;
        same("sender", &entry.text("sender")?, &sender)?;
        same("sent again by", &entry.text("relayed_by")?, &"bob")?;
    }
    ensure!(log.iter().all(|event| event.kind() != "gap"), "something is missing still: {log:?}");
    done(sandbox, &tablet, &["doctor"]).map(drop)
}

fn the_doctor_repairs_and_says_what_is_left(sandbox: &mut Sandbox) -> Result<()> {
    let [alice, bob] = cast(sandbox, ["alice", "bob"])?;
    group(sandbox, "picnic", &[&alice, &bob])?;
    done(sandbox, &bob, &["send", "picnic", "before"])?;
    let (home, copy) = (bob.home(), bob.home().with_extension("copy"));
    copy_folder(&home, &copy)?;
    done(sandbox, &bob, &["send", "picnic", "since"])?;
    done(sandbox, &alice, &["sync"])?;
    fs::remove_dir_all(&home)?;
    copy_folder(&copy, &home)?;
    done(sandbox, &bob, &["sync"])?;
    let stray = home.join("store.new-0badcafe");
    let dated = fs::File::create(&stray)?.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(1));
    dated.context("the file system keeps times")?;
    fails(sandbox, &bob, &["doctor"], 1, "failed")?;
    let reply = fails(sandbox, &bob, &["doctor", "--repair"], 1, "failed")?;
    let repairs: Vec<_> = reply.events.iter().filter(|event| event.kind() == "repair").collect();
    ensure!(repairs.len() == 2 && !stray.exists(), "{repairs:?}");
    ensure!(format!("{repairs:?}").contains("members are asked"), "{repairs:?}");
    // Alice answers; then there is nothing left.
    done(sandbox, &alice, &["sync"])?;
    done(sandbox, &bob, &["sync"])?;
    let events = done(sandbox, &bob, &["doctor", "--repair"])?;
    ensure!(events.iter().any(|event| format!("{event:?}").contains("nothing to repair")), "{events:?}");
    let log = logged(sandbox, &bob, "picnic")?;
    ensure!(log.iter().any(|shown| shown.contains("since")), "{log:?}");
    Ok(())
}

fn a_server_that_was_put_back_is_noticed(sandbox: &mut Sandbox) -> Result<()> {
    let [alice, bob, carol] = cast(sandbox, ["alice", "bob", "carol"])?;
    group(sandbox, "picnic", &[&alice, &bob, &carol])?;
    for person in [&bob, &carol] {
        done(sandbox, person, &["send", "picnic", "before"])?;
    }
    done(sandbox, &alice, &["sync"])?;
    let (data, older) = (sandbox.server_dir(), sandbox.server_dir().with_extension("older"));
    let newest = sandbox.server_dir().with_extension("newest");
    sandbox.stop_server()?;
    copy_folder(&data, &older)?;
    sandbox.start_server()?;
    done(sandbox, &bob, &["send", "picnic", "since"])?;
    done(sandbox, &alice, &["sync"])?;
    sandbox.stop_server()?;
    fs::rename(&data, &newest)?;
    fs::rename(&older, &data)?;
    sandbox.start_server()?;
    // Nobody who has read more is there when somebody writes on.
    done(sandbox, &carol, &["send", "picnic", "instead"])?;
    for person in [&alice, &bob] {
        done(sandbox, person, &["sync"])?;
        let listed = done(sandbox, person, &["conversations"])?;
        same("state", &listed.first().context("one")?.text("state")?, &"diverged")?;
        fails(sandbox, person, &["send", "picnic", "to another past"], 1, "conversation-ended")?;
        fails(sandbox, person, &["doctor"], 1, "failed")?;
        let reply = fails(sandbox, person, &["doctor", "--repair"], 1, "failed")?;
        let repair = reply.events.iter().find(|event| event.kind() == "repair").context("a repair is listed")?;
        ensure!(repair.text("done")?.contains("put back to an older copy"), "{repair:?}");
        ensure!(!repair.flag("mended")?, "{repair:?}");
    }
    sandbox.stop_server()?;
    fs::rename(&data, &older)?;
    fs::rename(&newest, &data)?;
    sandbox.start_server()?;
    for person in [&alice, &bob] {
        let events = done(sandbox, person, &["doctor", "--repair"])?;
        let repair = events.iter().find(|event| event.kind() == "repair").context("a repair is listed")?;
        ensure!(repair.flag("mended")?, "{repair:?}");
    }
    done(sandbox, &alice, &["send", "picnic", "after"])?;
    done(sandbox, &bob, &["sync"])?;
    let expected: Vec<String> = ["before", "before", "since", "after"].map(str::to_owned).into();
    for person in [&alice, &bob] {
        same("log", &texts(sandbox, person, "picnic")?, &expected)?;
    }
    Ok(())
}
