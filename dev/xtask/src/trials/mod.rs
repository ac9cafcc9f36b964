//! Trials: real `qpc-server` and `qpc` processes, and everything a clumsy person or a dying machine does to them.
//!
//! A trial is a function on an empty [`Sandbox`]. To add one, write it into the file of its noun and name it in that file's
//! `TRIALS`.

mod accounts;
mod backups;
mod clocks;
mod conversations;
mod crashes;
mod damage;
mod devices;
mod examples;
mod history;
mod history_loss;
mod linking;
mod observer;
mod offline;
mod recovery;
mod repairs;
mod returned;
mod samples;
mod server_backup;
mod state;
mod trust;

use std::time::Instant;

use anyhow::{Result, bail, ensure};
use clap::Args;

use crate::process::{Deadline, descendants};
use crate::sandbox::{Binaries, Event, Person, Profile, Reply, Sandbox};

/// Examples for `--help`.
pub(crate) const EXAMPLES: &str = "\
Examples:
  cargo xtask trials                        every trial
  cargo xtask trials --only wrong_password  those whose name contains the text";

/// An invitation and what follows from it arrive a moment after the command that sent them.
const MOST_SYNCS: usize = 40;

/// What the trials can be told.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Only trials whose name contains this text.
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// With which build the programs run.
    #[arg(long, value_enum, default_value = "dev")]
    profile: Profile,
}

/// A trial: its name, and what it does.
type Trial = (&'static str, fn(&mut Sandbox) -> Result<()>);

/// Runs the trials, one after another; all of them, whatever fails.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let binaries = Binaries::build(arguments.profile, &Deadline::minutes("build", 60))?;
    let groups = [
        accounts::TRIALS,
        backups::TRIALS,
        clocks::TRIALS,
        recovery::TRIALS,
        devices::TRIALS,
        linking::TRIALS,
        state::TRIALS,
        history::TRIALS,
        history_loss::TRIALS,
        conversations::TRIALS,
        offline::TRIALS,
        trust::TRIALS,
        damage::TRIALS,
        examples::TRIALS,
        observer::TRIALS,
        crashes::TRIALS,
        returned::TRIALS,
        repairs::TRIALS,
        samples::TRIALS,
        server_backup::TRIALS,
    ];
    let wanted = |trial: &&Trial| arguments.only.as_ref().is_none_or(|text| trial.0.contains(text.as_str()));
    let trials: Vec<&Trial> = groups.iter().copied().flatten().filter(wanted).collect();
    ensure!(!trials.is_empty(), "no trial has such a name");
    let mut failed = Vec::new();
    for (name, trial) in &trials {
        let begun = Instant::now();
        let result =
            Sandbox::new(binaries.clone()).and_then(|mut sandbox| trial(&mut sandbox)).and_then(|()| nothing_left());
        let took = begun.elapsed().as_secs_f64();
        match result {
            Ok(()) => println!("  ok      {name} ({took:.1} s)"),
            Err(error) => {
                println!("  FAILED  {name} ({took:.1} s): {error:#}");
                descendants::kill_all();
                failed.push(*name);
            }
        }
    }
    println!("{} of {} trials passed", trials.len() - failed.len(), trials.len());
    if failed.is_empty() {
        return Ok(());
    }
    bail!("failed: {}", failed.join(", "))
}

fn nothing_left() -> Result<()> {
    let left = descendants::wait_until_gone(std::time::Duration::from_secs(2), |_| true);
    ensure!(left.is_empty(), "left running: {left:?}");
    Ok(())
}

/// A server and these people, registered.
fn cast<const N: usize>(sandbox: &mut Sandbox, names: [&str; N]) -> Result<[Person; N]> {
    sandbox.start_server()?;
    let mut people = Vec::new();
    for name in names {
        let person = sandbox.person(name)?;
        sandbox.register(&person)?;
        people.push(person);
    }
    people.try_into().map_err(|_| anyhow::anyhow!("as many people as names"))
}

/// Runs a command that must succeed.
fn done(sandbox: &Sandbox, person: &Person, arguments: &[&str]) -> Result<Vec<Event>> {
    sandbox.qpc(person, arguments)?.expect_done()
}

/// Runs a command that must fail with this exit code and this `code`.
fn fails(sandbox: &Sandbox, person: &Person, arguments: &[&str], exit: i32, code: &str) -> Result<Reply> {
    let reply = sandbox.qpc(person, arguments)?;
    let error = reply.events.iter().find(|event| event.kind() == "error");
    let found = error.map(|event| event.text("code")).transpose()?;
    ensure!(
        reply.code == exit && found == Some(code),
        "{} should have ended with {exit} and `{code}`, not {} and {found:?}; it logged: {}",
        reply.command,
        reply.code,
        reply.log
    );
    Ok(reply)
}

/// Syncs until an event of this kind comes.
pub(crate) fn sync_until(sandbox: &Sandbox, person: &Person, kind: &str) -> Result<Event> {
    for _ in 0..MOST_SYNCS {
        if let Some(event) = done(sandbox, person, &["sync"])?.into_iter().find(|event| event.kind() == kind) {
            return Ok(event);
        }
    }
    bail!("{} saw no `{kind}` in {MOST_SYNCS} syncs", person.name())
}

/// Joins the conversation that a stranger's invitation is waiting for.
pub(crate) fn accept(sandbox: &Sandbox, person: &Person) -> Result<()> {
    let request = sync_until(sandbox, person, "request")?;
    let events = done(sandbox, person, &["requests", "accept", request.text("request")?])?;
    if !events.iter().any(|event| event.kind() == "joined") {
        sync_until(sandbox, person, "joined")?;
    }
    Ok(())
}

/// A group of the first person with everybody else in it.
pub(crate) fn group(sandbox: &Sandbox, title: &str, people: &[&Person]) -> Result<()> {
    let [first, rest @ ..] = people else { bail!("a group has a maker") };
    done(sandbox, first, &["group", "create", title])?;
    if rest.is_empty() {
        return Ok(());
    }
    let mut arguments = vec!["group", "invite", title];
    arguments.extend(rest.iter().map(|person| person.name()));
    done(sandbox, first, &arguments)?;
    rest.iter().try_for_each(|person| accept(sandbox, person))
}

/// The texts in a conversation's log, in order, after a sync.
fn texts(sandbox: &Sandbox, person: &Person, conversation: &str) -> Result<Vec<String>> {
    done(sandbox, person, &["sync"])?;
    logged(sandbox, person, conversation)
}

/// The texts in a conversation's log, in order, as the device has them.
fn logged(sandbox: &Sandbox, person: &Person, conversation: &str) -> Result<Vec<String>> {
    let events = done(sandbox, person, &["log", conversation])?;
    let messages = events.iter().filter(|event| event.kind() == "message");
    messages.map(|message| Ok(message.text("text")?.to_owned())).collect()
}

/// Compares what was found with what was expected.
fn same<T: PartialEq + std::fmt::Debug>(what: &str, found: &T, expected: &T) -> Result<()> {
    ensure!(found == expected, "{what}: found {found:?}, expected {expected:?}");
    Ok(())
}
