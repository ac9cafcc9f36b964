//! What everybody has in the end, compared with what was promised.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};

use super::load::{CONVERSATION, GUEST, Promises};
use super::report::Report;
use crate::sandbox::{Event, Person, Sandbox};

/// More than any log here.
const WHOLE_LOG: &str = "100000";

/// What one device shows.
#[derive(Debug, Clone)]
struct Shown {
    who: String,
    /// The conversation's log in order.
    log: Vec<Message>,
    /// Positions that it lacks, from and to.
    gaps: Vec<(u64, u64)>,
    /// Messages that it could not read, and that somebody sent it again.
    relayed: Vec<u64>,
    /// The conversation's state.
    state: String,
    guest_is_in: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Message {
    seq: u64,
    id: String,
    /// Nothing if the device cannot show it.
    text: Option<String>,
}

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
    let shown = people.iter().map(|person| look(sandbox, person)).collect::<Result<Vec<_>>>()?;
    let found = compare(&shown, promises, report);
    ensure!(found.is_empty(), "{}", found.join("; "));
    Ok(())
}

/// Counts broken promises, and names them.
fn compare(shown: &[Shown], promises: &Promises, report: &mut Report) -> Vec<String> {
    let mut found = Vec::new();
    let mut lost: BTreeSet<&String> = BTreeSet::new();
    for Shown { who, log, gaps, relayed, state, guest_is_in } in shown {
        // All of them were there from the beginning: whoever has to be sent something again had it, or its keys, and lost them.
        report.lost += gaps.len() + relayed.len();
        found.extend(gaps.iter().map(|(from, to)| format!("{who} cannot read {from} to {to}")));
        found.extend(relayed.iter().map(|seq| format!("{who} had to be sent message {seq} again")));
        let mut count: BTreeMap<&String, usize> = BTreeMap::new();
        for message in log {
            match &message.text {
                Some(text) => *count.entry(text).or_default() += 1,
                None => {
                    report.undecryptable += 1;
                    found.push(format!("{who} cannot show message {}", message.seq));
                }
            }
        }
        for (text, _) in count.iter().filter(|(_, times)| **times > 1) {
            report.duplicated += 1;
            found.push(format!("{who} has twice: {text}"));
        }
        for text in promises.texts.iter().filter(|text| !count.contains_key(text)) {
            lost.insert(text);
            found.push(format!("{who} lacks: {text}"));
        }
        match state.as_str() {
            "joined" => {}
            "diverged" | "spoilt" => report.forks += 1,
            _ => report.undecryptable += 1,
        }
        if state != "joined" {
            found.push(format!("the conversation of {who} is {state}"));
        }
        if promises.guest_is_in.is_some_and(|expected| expected != *guest_is_in) {
            report.lost += 1;
            found.push(format!("{who} does not know that the last change of {GUEST} was done"));
        }
    }
    report.lost += lost.len();
    if shown.windows(2).any(|pair| matches!(pair, [one, other] if one.log != other.log)) {
        report.forks += 1;
        let logs: Vec<&Vec<Message>> = shown.iter().map(|device| &device.log).collect();
        found.push(format!("logs differ: {logs:?}"));
    }
    found
}

fn look(sandbox: &Sandbox, person: &Person) -> Result<Shown> {
    let events = sandbox.qpc(person, &["log", CONVERSATION, "--limit", WHOLE_LOG])?.expect_done()?;
    let (state, guest_is_in) = (state(sandbox, person)?, has_guest(sandbox, person)?);
    read(person.name().to_owned(), &events, state, guest_is_in)
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

/// What `qpc log` says.
fn read(who: String, events: &[Event], state: String, guest_is_in: bool) -> Result<Shown> {
    let mut shown = Shown { who, log: Vec::new(), gaps: Vec::new(), relayed: Vec::new(), state, guest_is_in };
    for event in events {
        match event.kind() {
            "message" => {
                if event.text("relayed_by").is_ok() {
                    shown.relayed.push(event.number("seq")?);
                }
                shown.log.push(message(event)?);
            }
            "gap" => shown.gaps.push((event.number("from")?, event.number("to")?)),
            _ => {}
        }
    }
    Ok(shown)
}

fn message(event: &Event) -> Result<Message> {
    let text = event.text("text").ok().map(str::to_owned);
    Ok(Message { seq: event.number("seq")?, id: event.text("id")?.to_owned(), text })
}

fn state(sandbox: &Sandbox, person: &Person) -> Result<String> {
    let events = sandbox.qpc(person, &["conversations"])?.expect_done()?;
    let conversation = events.iter().find(|event| event.text("title").is_ok_and(|title| title == CONVERSATION));
    Ok(conversation.with_context(|| format!("{} has no {CONVERSATION}", person.name()))?.text("state")?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(who: &str, texts: &[&str]) -> Shown {
        let message = |(seq, text): (usize, &&str)| Message {
            seq: seq as u64,
            id: format!("id of {text}"),
            text: Some((*text).to_owned()),
        };
        Shown {
            who: who.to_owned(),
            log: texts.iter().enumerate().map(message).collect(),
            gaps: Vec::new(),
            relayed: Vec::new(),
            state: "joined".to_owned(),
            guest_is_in: false,
        }
    }

    fn promised(texts: &[&str]) -> Promises {
        Promises { texts: texts.iter().map(|text| (*text).to_owned()).collect(), guest_is_in: Some(false) }
    }

    /// Lost, duplicated, undecryptable, forks.
    fn counts(shown: &[Shown], promises: &Promises) -> [usize; 4] {
        let mut report = Report::new(1);
        let found = compare(shown, promises, &mut report);
        assert_eq!(found.is_empty(), report.is_clean(), "{found:?}");
        [report.lost, report.duplicated, report.undecryptable, report.forks]
    }

    #[test]
    fn promises_that_everybody_has_once_are_kept_whatever_else_is_there() {
        let both = [shown("alice", &["a", "b", "c"]), shown("bob", &["a", "b", "c"])];
        assert_eq!(counts(&both, &promised(&["a", "c"])), [0; 4]);
    }

    #[test]
    fn what_all_or_one_of_them_lack_is_lost_once() {
        let both = [shown("alice", &["a"]), shown("bob", &["a"])];
        assert_eq!(counts(&both, &promised(&["a", "b"])), [1, 0, 0, 0]);
        let one = [shown("alice", &["a", "b"]), shown("bob", &["a"])];
        assert_eq!(counts(&one, &promised(&["a", "b"])), [1, 0, 0, 1]);
    }

    #[test]
    fn what_stands_twice_or_in_another_order_is_counted() {
        assert_eq!(counts(&[shown("alice", &["a", "a"])], &promised(&["a"])), [0, 1, 0, 0]);
        let other = [shown("alice", &["a", "b"]), shown("bob", &["b", "a"])];
        assert_eq!(counts(&other, &promised(&["a", "b"])), [0, 0, 0, 1]);
    }

    #[test]
    fn what_a_device_cannot_show_or_follow_is_counted() {
        let mut alice = shown("alice", &["a"]);
        alice.log[0].text = None;
        assert_eq!(counts(&[alice], &promised(&[])), [0, 0, 1, 0]);
        for (state, expected) in [("needs-rejoin", [0, 0, 1, 0]), ("diverged", [0, 0, 0, 1])] {
            let device = Shown { state: state.to_owned(), ..shown("alice", &["a"]) };
            assert_eq!(counts(&[device], &promised(&["a"])), expected);
        }
    }

    #[test]
    fn what_a_device_had_and_must_be_sent_again_is_lost() {
        let lines = [
            r#"{"event":"message","conversation":"c","seq":4,"id":"1","kind":"text","text":"a"}"#,
            r#"{"event":"gap","conversation":"c","seq":9,"kind":"gap","from":5,"to":6}"#,
            r#"{"event":"gap","conversation":"c","seq":9,"kind":"gap","from":8,"to":8}"#,
            r#"{"event":"message","conversation":"c","seq":7,"id":"2","kind":"text","text":"b","relayed_by":"bob"}"#,
            r#"{"event":"membership","conversation":"c","seq":9,"added":[],"removed":[],"by":"bob"}"#,
        ];
        let events = lines.map(|line| Event::parse(line).unwrap());
        let alice = read("alice".to_owned(), &events, "joined".to_owned(), false).unwrap();
        assert_eq!((&*alice.gaps, &*alice.relayed), (&[(5, 6), (8, 8)][..], &[7][..]));
        assert_eq!(alice.log.len(), 2);
        assert_eq!(counts(&[alice], &promised(&["a", "b"])), [3, 0, 0, 0], "two gaps, and a message that was relayed");
        let whole = read("alice".to_owned(), &events[..1], "joined".to_owned(), false).unwrap();
        assert_eq!(counts(&[whole], &promised(&["a"])), [0; 4]);
    }

    #[test]
    fn a_change_of_members_that_was_acknowledged_and_is_gone_is_lost() {
        let device = Shown { guest_is_in: true, ..shown("alice", &[]) };
        assert_eq!(counts(std::slice::from_ref(&device), &promised(&[])), [1, 0, 0, 0]);
        assert_eq!(counts(&[device], &Promises::default()), [0; 4]);
    }
}
