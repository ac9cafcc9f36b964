//! What everybody has in the end, compared with what was promised.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};

use super::load::{CONVERSATION, GUEST, Promises};
use super::report::Report;
use crate::sandbox::{Event, Person, Sandbox};

/// More than any log here.
const WHOLE_LOG: &str = "100000";

/// Brings everybody up to date, and counts what is missing, twice, unreadable or different.
///
/// Errors: a promise was broken; the report has it.
pub(super) fn pass(sandbox: &Sandbox, people: &[Person], promises: &Promises, report: &mut Report) -> Result<()> {
    // The first sync sends what was queued, the second reads what the others sent.
    for _ in 0..2 {
        for person in people {
            sandbox.qpc(person, &["sync"])?.expect_done()?;
        }
    }
    let logs: Vec<Vec<Event>> = people.iter().map(|person| log(sandbox, person)).collect::<Result<_>>()?;
    let mut found = Vec::new();
    for (person, log) in people.iter().zip(&logs) {
        let mut count: BTreeMap<&str, usize> = BTreeMap::new();
        for message in log {
            match message.text("text") {
                Ok(text) => *count.entry(text).or_default() += 1,
                Err(_) => {
                    report.undecryptable += 1;
                    found.push(format!("{} cannot show a message", person.name()));
                }
            }
        }
        for (text, _) in count.iter().filter(|(_, times)| **times > 1) {
            report.duplicated += 1;
            found.push(format!("{} has twice: {text}", person.name()));
        }
        let state = state(sandbox, person)?;
        match state.as_str() {
            "joined" => {}
            "diverged" | "spoilt" => report.forks += 1,
            _ => report.undecryptable += 1,
        }
        if state != "joined" {
            found.push(format!("the conversation of {} is {state}", person.name()));
        }
    }
    let mut lost: BTreeSet<&String> = BTreeSet::new();
    for (person, log) in people.iter().zip(&logs) {
        let there: BTreeSet<&str> = log.iter().filter_map(|message| message.text("text").ok()).collect();
        for text in promises.texts.iter().filter(|text| !there.contains(text.as_str())) {
            lost.insert(text);
            found.push(format!("{} lacks: {text}", person.name()));
        }
    }
    report.lost += lost.len();
    let orders: Vec<Vec<String>> = logs.iter().map(|log| log.iter().map(identity).collect()).collect::<Result<_>>()?;
    if orders.windows(2).any(|pair| matches!(pair, [one, other] if one != other)) {
        report.forks += 1;
        found.push(format!("logs differ: {orders:?}"));
    }
    if let Some(expected) = promises.guest_is_in {
        for person in people {
            if has_guest(sandbox, person)? != expected {
                report.lost += 1;
                found.push(format!(
                    "{} does not know that {GUEST} is {}",
                    person.name(),
                    if expected { "in" } else { "out" }
                ));
            }
        }
    }
    ensure!(found.is_empty(), "{}", found.join("; "));
    Ok(())
}

/// Whether somebody's device has the guest as a member.
pub(super) fn has_guest(sandbox: &Sandbox, person: &Person) -> Result<bool> {
    let events = sandbox.qpc(person, &["group", "members", CONVERSATION])?.expect_done()?;
    Ok(events.iter().any(|event| event.kind() == "member" && event.text("name").is_ok_and(|name| is(name, GUEST))))
}

/// `dave` and `dave@host` are the same here.
fn is(name: &str, wanted: &str) -> bool {
    name.split('@').next() == Some(wanted)
}

fn log(sandbox: &Sandbox, person: &Person) -> Result<Vec<Event>> {
    let mut events = sandbox.qpc(person, &["log", CONVERSATION, "--limit", WHOLE_LOG])?.expect_done()?;
    events.retain(|event| event.kind() == "message");
    Ok(events)
}

/// What must be the same for everybody: place, id and text.
fn identity(message: &Event) -> Result<String> {
    Ok(format!("{} {} {}", message.number("seq")?, message.text("id")?, message.text("text").unwrap_or("?")))
}

fn state(sandbox: &Sandbox, person: &Person) -> Result<String> {
    let events = sandbox.qpc(person, &["conversations"])?.expect_done()?;
    let conversation = events.iter().find(|event| event.text("title").is_ok_and(|title| title == CONVERSATION));
    Ok(conversation.with_context(|| format!("{} has no {CONVERSATION}", person.name()))?.text("state")?.to_owned())
}
