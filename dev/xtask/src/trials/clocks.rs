//! Devices whose clocks are a day off.

use anyhow::{Context, Result, ensure};

use super::{Trial, accept, done, logged, same};
use crate::sandbox::{Event, Sandbox};

pub(super) const TRIALS: &[Trial] = &[
    ("a_clock_a_day_ahead_is_told_and_loses_nothing", |sandbox| a_day_off(sandbox, "+1d")),
    ("a_clock_a_day_behind_is_told_and_loses_nothing", |sandbox| a_day_off(sandbox, "-1d")),
];

/// Bob's clock is wrong while he registers, joins and writes, and right from then on.
fn a_day_off(sandbox: &mut Sandbox, off: &'static str) -> Result<()> {
    sandbox.start_server()?;
    let (alice, right) = (sandbox.person("alice")?, sandbox.person("bob")?);
    let bob = right.with_clock(off);
    sandbox.register(&alice)?;
    sandbox.register(&bob)?;
    done(sandbox, &alice, &["group", "create", "picnic"])?;
    done(sandbox, &alice, &["group", "invite", "picnic", "bob"])?;
    let events = done(sandbox, &bob, &["group", "create", "alone"])?;
    warned(events.iter().find(|event| event.kind() == "warning").context("no warning")?, off)?;
    accept(sandbox, &bob)?;
    done(sandbox, &alice, &["send", "picnic", "what time is it?"])?;
    done(sandbox, &bob, &["send", "picnic", "hard to say"])?;
    done(sandbox, &bob, &["dm", "alice", "between us"])?;
    let doctor = sandbox.qpc(&bob, &["doctor"])?;
    same("the doctor's exit code", &doctor.code, &1)?;
    ensure!(checked(&doctor.events, "clock")?.contains("set it right"), "{:?}", doctor.events);
    // Set right, it goes on where it was.
    done(sandbox, &right, &["send", "picnic", "noon"])?;
    let events = done(sandbox, &right, &["doctor"])?;
    ensure!(checked(&events, "clock")?.starts_with("within"), "{events:?}");
    done(sandbox, &right, &["group", "create", "his own"])?;
    let all = ["what time is it?", "hard to say", "noon"].map(str::to_owned).to_vec();
    for person in [&alice, &right] {
        ensure!(no_warning(&done(sandbox, person, &["sync"])?), "{} is warned of a clock that is right", person.name());
        same("the group's log", &logged(sandbox, person, "picnic")?, &all)?;
    }
    same("what bob wrote to alice alone", &logged(sandbox, &alice, "bob")?, &vec!["between us".to_owned()])
}

fn warned(warning: &Event, off: &str) -> Result<()> {
    let direction = if off.starts_with('+') { "ahead" } else { "behind" };
    same("the warning", &warning.text("code")?, &"clock-off")?;
    ensure!(warning.text("text")?.contains(direction), "{warning:?}");
    Ok(())
}

fn no_warning(events: &[Event]) -> bool {
    events.iter().all(|event| event.kind() != "warning")
}

/// What the doctor says about something.
fn checked<'a>(events: &'a [Event], name: &str) -> Result<&'a str> {
    let about = |event: &&Event| event.text("name").is_ok_and(|found| found == name);
    events.iter().find(about).with_context(|| format!("the doctor says nothing about {name}"))?.text("detail")
}
