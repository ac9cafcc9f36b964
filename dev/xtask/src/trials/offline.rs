//! Servers and people that are away.

use anyhow::{Result, ensure};

use super::{Trial, cast, done, fails, group, same, texts};
use crate::sandbox::Sandbox;

pub(super) const TRIALS: &[Trial] = &[
    ("what_is_written_without_a_server_goes_out_later", what_is_written_without_a_server_goes_out_later),
    ("what_needs_the_server_says_so", what_needs_the_server_says_so),
    ("several_commands_at_once_on_one_home", several_commands_at_once_on_one_home),
    ("a_week_away_is_caught_up", a_week_away_is_caught_up),
];

fn what_is_written_without_a_server_goes_out_later(sandbox: &mut Sandbox) -> Result<()> {
    let [alice, bob] = cast(sandbox, ["alice", "bob"])?;
    group(sandbox, "picnic", &[&alice, &bob])?;
    sandbox.stop_server()?;
    let mut expected = Vec::new();
    for n in 0..3 {
        let text = format!("queued {n}");
        let events = sandbox.qpc(&alice, &["send", "picnic", &text])?.expect_unreachable()?;
        ensure!(events.iter().any(|event| event.kind() == "queued"), "{events:?}");
        expected.push(text);
    }
    sandbox.start_server()?;
    done(sandbox, &alice, &["sync"])?;
    same("bob", &texts(sandbox, &bob, "picnic")?, &expected)?;
    same("alice", &texts(sandbox, &alice, "picnic")?, &expected)
}

fn what_needs_the_server_says_so(sandbox: &mut Sandbox) -> Result<()> {
    let [alice, bob] = cast(sandbox, ["alice", "bob"])?;
    group(sandbox, "picnic", &[&alice, &bob])?;
    sandbox.stop_server()?;
    for arguments in [
        &["group", "invite", "picnic", "carol"][..],
        &["group", "remove", "picnic", "bob"],
        &["group", "rename", "picnic", "x"],
        &["group", "create", "another"],
        &["sync"],
        &["devices"],
    ] {
        fails(sandbox, &alice, arguments, 3, "unreachable")?;
    }
    // What the device knows needs no server.
    done(sandbox, &alice, &["conversations"])?;
    done(sandbox, &alice, &["log", "picnic"])?;
    done(sandbox, &alice, &["whoami"])?;
    sandbox.start_server()?;
    done(sandbox, &bob, &["sync"])?;
    same("members", &done(sandbox, &bob, &["group", "members", "picnic"])?.len(), &2)
}

fn several_commands_at_once_on_one_home(sandbox: &mut Sandbox) -> Result<()> {
    let [alice, bob] = cast(sandbox, ["alice", "bob"])?;
    group(sandbox, "picnic", &[&alice, &bob])?;
    let mut running = Vec::new();
    for n in 0..6 {
        running.push(sandbox.start_qpc(&alice, &["send", "picnic", &format!("at once {n}")])?);
    }
    for one in running {
        let status = one.wait(std::time::Duration::from_secs(90))?;
        ensure!(status.success(), "a send ended with {status}");
    }
    let mut found = texts(sandbox, &bob, "picnic")?;
    same("both logs", &found, &texts(sandbox, &alice, "picnic")?)?;
    found.sort();
    same("each once", &found, &(0..6).map(|n| format!("at once {n}")).collect())
}

fn a_week_away_is_caught_up(sandbox: &mut Sandbox) -> Result<()> {
    let [alice, bob, carol] = cast(sandbox, ["alice", "bob", "carol"])?;
    group(sandbox, "picnic", &[&alice, &bob])?;
    let mut expected = Vec::new();
    for round in 0..5 {
        let text = format!("round {round}");
        done(sandbox, &alice, &["send", "picnic", &text])?;
        expected.push(text);
        // Commits in between, rolling ones too.
        done(sandbox, &alice, &["group", "invite", "picnic", "carol"])?;
        done(sandbox, &alice, &["group", "remove", "picnic", "carol"])?;
    }
    same("bob", &texts(sandbox, &bob, "picnic")?, &expected)?;
    done(sandbox, &carol, &["sync"])?;
    done(sandbox, &bob, &["send", "picnic", "back again"])?;
    expected.push("back again".to_owned());
    same("alice", &texts(sandbox, &alice, "picnic")?, &expected)
}
