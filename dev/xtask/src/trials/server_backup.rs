//! A server that is put back to its backup.

use std::fs;

use anyhow::{Context, Result, ensure};

use super::{Trial, accept, cast, devices::login, done, fails, group, logged, same, sync_until, texts};
use crate::sandbox::{Person, Sandbox};

pub(super) const TRIALS: &[Trial] = &[
    ("a_server_that_is_put_back_is_noticed_and_goes_on", a_server_that_is_put_back_is_noticed_and_goes_on),
    (
        "a_device_that_was_revoked_since_the_backup_is_revoked_again",
        a_device_that_was_revoked_since_the_backup_is_revoked_again,
    ),
];

fn a_server_that_is_put_back_is_noticed_and_goes_on(sandbox: &mut Sandbox) -> Result<()> {
    let [alice, bob] = cast(sandbox, ["alice", "bob"])?;
    for title in ["picnic", "quiet"] {
        done(sandbox, &alice, &["group", "create", title])?;
        done(sandbox, &alice, &["group", "invite", title, "bob"])?;
        if title == "picnic" {
            accept(sandbox, &bob)?;
        } else {
            sync_until(sandbox, &bob, "joined")?;
        }
        done(sandbox, &alice, &["send", title, "before"])?;
    }
    for title in ["picnic", "quiet"] {
        same("log", &texts(sandbox, &bob, title)?, &vec!["before".to_owned()])?;
    }
    // While the server runs.
    let backup = backup_of(sandbox)?;
    let said = sandbox.administer(&["backup", &backup, "--json"])?;
    let made: serde_json::Value = serde_json::from_str(&said)?;
    same("accounts", &made.get("accounts").and_then(serde_json::Value::as_u64), &Some(2))?;
    // What the backup does not have: a message that bob has read, and a group that he was invited to.
    done(sandbox, &alice, &["send", "picnic", "since"])?;
    group_of_two(sandbox, &alice, &bob, "later")?;
    same("log", &texts(sandbox, &bob, "picnic")?, &vec!["before".to_owned(), "since".to_owned()])?;
    put_back(sandbox, &backup)?;
    for person in [&alice, &bob] {
        let events = done(sandbox, person, &["sync"])?;
        // Alice comes first, and gives back what the backup does not have.
        let given = ("given-back", "gave it 1 entries back");
        let expected = [Some(("gone", "does not have it any more")), Some(given).filter(|_| person.name() == "alice")];
        for (code, text) in expected.into_iter().flatten() {
            let warned = events.iter().filter(|event| event.kind() == "warning").any(|event| {
                event.text("code").is_ok_and(|found| found == code)
                    && event.text("text").is_ok_and(|found| found.contains(text))
            });
            ensure!(warned, "{} is not told `{code}`: {events:?}", person.name());
        }
        same(
            "what was read stays",
            &logged(sandbox, person, "picnic")?,
            &vec!["before".to_owned(), "since".to_owned()],
        )?;
        let states = done(sandbox, person, &["conversations"])?;
        for (title, state) in [("picnic", "joined"), ("quiet", "joined"), ("later", "gone")] {
            let found = states.iter().find(|event| event.text("title").is_ok_and(|found| found == title));
            same(title, &found.context("listed")?.text("state")?, &state)?;
        }
    }
    // Everything goes on, and so do inboxes: bob had read further than the restored one counts.
    for (title, expected) in [("picnic", &["before", "since", "after"][..]), ("quiet", &["before", "after"])] {
        done(sandbox, &bob, &["send", title, "after"])?;
        let expected: Vec<String> = expected.iter().map(|text| (*text).to_owned()).collect();
        for person in [&alice, &bob] {
            same("log", &texts(sandbox, person, title)?, &expected)?;
        }
    }
    group_of_two(sandbox, &alice, &bob, "again")?;
    same("log", &texts(sandbox, &bob, "again")?, &vec!["hello".to_owned()])
}

fn a_device_that_was_revoked_since_the_backup_is_revoked_again(sandbox: &mut Sandbox) -> Result<()> {
    let [alice, bob] = cast(sandbox, ["alice", "bob"])?;
    group(sandbox, "picnic", &[&alice, &bob])?;
    let tablet = sandbox.device(&alice, "tablet")?;
    login(sandbox, &tablet)?;
    done(sandbox, &tablet, &["sync"])?;
    let backup = backup_of(sandbox)?;
    sandbox.administer(&["backup", &backup])?;
    let devices = done(sandbox, &alice, &["devices"])?;
    let other = devices.iter().find(|event| event.flag("this").is_ok_and(|this| !this)).context("the tablet")?;
    let (device, password) = (other.text("device")?.to_owned(), alice.password_file());
    let password = password.to_str().context("UTF-8")?;
    done(sandbox, &alice, &["devices", "revoke", &device, "--password-file", password])?;
    done(sandbox, &alice, &["send", "picnic", "without the tablet"])?;
    // Bob has seen the newer record.
    same("bob's log", &texts(sandbox, &bob, "picnic")?, &vec!["without the tablet".to_owned()])?;
    put_back(sandbox, &backup)?;
    let revoke = ["devices", "revoke", &device, "--password-file", password];
    for refused in [&revoke[..], &["passwd", "--password-file", password, "--new-password-file", password]] {
        let said = fails(sandbox, &alice, refused, 5, "own-record")?;
        let error = said.events.iter().find(|event| event.kind() == "error").context("an error")?;
        ensure!(error.text("text")?.contains("qpc devices after-restore"), "it does not say what to do");
    }
    done(sandbox, &alice, &["devices", "after-restore", "--password-file", password])?;
    fails(sandbox, &tablet, &["sync"], 4, "device-revoked")?;
    done(sandbox, &alice, &["send", "picnic", "again"])?;
    done(sandbox, &bob, &["send", "picnic", "heard"])?;
    let expected = ["without the tablet", "again", "heard"].map(str::to_owned).to_vec();
    for person in [&alice, &bob] {
        same("log", &texts(sandbox, person, "picnic")?, &expected)?;
    }
    // Whoever pinned the record that was lost takes the one of now.
    group_of_two(sandbox, &bob, &alice, "later")?;
    done(sandbox, &alice, &["passwd", "--password-file", password, "--new-password-file", password]).map(drop)
}

fn backup_of(sandbox: &Sandbox) -> Result<String> {
    let backup = sandbox.server_dir().with_extension("backup");
    Ok(backup.to_str().context("UTF-8")?.to_owned())
}

/// Puts the server back to a backup. The link is the same: `start_server` compares it. Nobody waits for what others could offer.
fn put_back(sandbox: &mut Sandbox, backup: &str) -> Result<()> {
    sandbox.stop_server()?;
    let data = sandbox.server_dir();
    fs::rename(&data, data.with_extension("old"))?;
    sandbox.administer(&["restore", backup])?;
    same("check", &sandbox.administer(&["check"])?, &"ok\n".to_owned())?;
    sandbox.server_takes(&["--recovery", "0s"]);
    sandbox.start_server().map(drop)
}

/// Between people who know each other: nobody has to accept.
fn group_of_two(sandbox: &Sandbox, maker: &Person, other: &Person, title: &str) -> Result<()> {
    done(sandbox, maker, &["group", "create", title])?;
    done(sandbox, maker, &["group", "invite", title, other.name()])?;
    sync_until(sandbox, other, "joined")?;
    done(sandbox, maker, &["send", title, "hello"])?;
    Ok(())
}
