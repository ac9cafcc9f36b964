//! What people do while the power goes, and what they are promised.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Result;

use super::report::Report;
use crate::process::running::Running;
use crate::sandbox::{Event, Person, Sandbox};

/// The conversation that everybody writes to.
pub(super) const CONVERSATION: &str = "picnic";
/// Who is invited and removed all the time.
pub(super) const GUEST: &str = "dave";

/// A command that runs while the power goes.
#[derive(Debug)]
pub(super) struct Deed {
    /// Whose: a place in the world's list of people.
    pub(super) who: usize,
    what: What,
    running: Running,
}

#[derive(Debug)]
enum What {
    /// Sends this text.
    Send(String),
    /// Invites the guest, or removes it.
    Change { invites: bool },
    /// Registers.
    Register,
}

/// What people may rely on.
#[derive(Debug, Default)]
pub(super) struct Promises {
    /// Texts that a client called sent or queued.
    pub(super) texts: BTreeSet<String>,
    /// Whether the guest is a member, where the last change of that was called done.
    pub(super) guest_is_in: Option<bool>,
}

impl Deed {
    pub(super) fn send(sandbox: &Sandbox, who: usize, person: &Person, text: String) -> Result<Self> {
        let running = sandbox.start_qpc(person, &["send", CONVERSATION, &text])?;
        Ok(Self { who, what: What::Send(text), running })
    }

    pub(super) fn change(sandbox: &Sandbox, who: usize, person: &Person, invites: bool) -> Result<Self> {
        let verb = if invites { "invite" } else { "remove" };
        let running = sandbox.start_qpc(person, &["group", verb, CONVERSATION, GUEST])?;
        Ok(Self { who, what: What::Change { invites }, running })
    }

    pub(super) fn register(sandbox: &Sandbox, who: usize, person: &Person) -> Result<Self> {
        let running = sandbox.start_qpc(person, &as_text(&registration(sandbox, person)?))?;
        Ok(Self { who, what: What::Register, running })
    }

    /// Waits for its end, at most so long, then kills it; notes what it promised until then. True if it promised anything.
    pub(super) fn end(self, patience: Duration, promises: &mut Promises, report: &mut Report) -> Result<bool> {
        let Self { what, running, .. } = self;
        if let What::Change { .. } = what {
            promises.guest_is_in = None;
        }
        let lines = running.wait_or_kill(patience)?;
        for line in lines {
            // A line that was cut short with its program promises nothing.
            let Ok(event) = Event::parse(&line) else { continue };
            match (&what, event.kind()) {
                (What::Send(text), kind @ ("sent" | "queued")) => {
                    report.acknowledged += 1;
                    report.sent += usize::from(kind == "sent");
                    promises.texts.insert(text.clone());
                }
                (What::Change { invites }, "invited" | "removed") => {
                    report.changes += 1;
                    promises.guest_is_in = Some(*invites);
                }
                (What::Register, "account") => report.registrations += 1,
                _ => continue,
            }
            return Ok(true);
        }
        Ok(false)
    }
}

/// The command that makes a person's account.
pub(super) fn registration(sandbox: &Sandbox, person: &Person) -> Result<Vec<String>> {
    let password = person.password_file().display().to_string();
    let words = ["register", person.name(), "--server", sandbox.link()?, "--password-file", &password];
    Ok(words.map(str::to_owned).to_vec())
}

/// The words of a command as they are handed over.
pub(super) fn as_text(words: &[String]) -> Vec<&str> {
    words.iter().map(String::as_str).collect()
}
