//! Who saw which message, beside who should have.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};

/// A message of the scenario and its readers, its writer among them.
#[derive(Debug, Clone)]
pub(super) struct Message {
    pub(super) sender: &'static str,
    pub(super) text: &'static str,
    pub(super) readers: &'static [&'static str],
}

/// Everything that was written, and what each person's log shows in the end.
#[derive(Debug, Default)]
pub(super) struct Seen {
    written: Vec<Message>,
    logs: Vec<(&'static str, Vec<(String, String)>)>,
}

impl Seen {
    /// Notes what was written.
    pub(super) fn wrote(&mut self, message: Message) {
        self.written.push(message);
    }

    /// Every text that was written.
    pub(super) fn texts(&self) -> impl Iterator<Item = &str> {
        self.written.iter().map(|message| message.text)
    }

    /// Notes a person's log as pairs of sender and text, in order.
    pub(super) fn has_log(&mut self, person: &'static str, log: Vec<(String, String)>) {
        self.logs.push((person, log));
    }

    /// Prints one row a message, one column a person.
    pub(super) fn print(&self) {
        let heads: Vec<String> = self.logs.iter().map(|(person, _)| format!("{person:<6}")).collect();
        println!("\n  {}  message", heads.join(" "));
        for message in &self.written {
            let marks: Vec<String> = self.logs.iter().map(|(_, log)| format!("{:<6}", mark(log, message))).collect();
            println!("  {}  {}: {}", marks.join(" "), message.sender, message.text);
        }
    }

    /// Checks that everybody saw exactly what they should: in order, once, from the right sender, and nothing else.
    pub(super) fn verify(&self) -> Result<()> {
        let people: BTreeSet<&str> = self.logs.iter().map(|(person, _)| *person).collect();
        let named = self.written.iter().flat_map(|message| message.readers.iter().copied());
        for reader in named {
            ensure!(people.contains(reader), "{reader} should read and has no log");
        }
        for (person, log) in &self.logs {
            let due = self.written.iter().filter(|message| message.readers.contains(person));
            let due: Vec<(String, String)> =
                due.map(|message| (message.sender.to_owned(), message.text.to_owned())).collect();
            ensure!(*log == due, "{person} should have seen {due:#?}\nand saw {log:#?}");
        }
        Ok(())
    }
}

fn mark(log: &[(String, String)], message: &Message) -> &'static str {
    if log.iter().any(|(_, text)| text == message.text) { "yes" } else { "-" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(sender: &str, text: &str) -> (String, String) {
        (sender.to_owned(), text.to_owned())
    }

    fn seen(bob: Vec<(String, String)>, carol: Vec<(String, String)>) -> Seen {
        let mut seen = Seen::default();
        seen.wrote(Message { sender: "alice", text: "one", readers: &["bob", "carol"] });
        seen.wrote(Message { sender: "alice", text: "two", readers: &["bob"] });
        seen.has_log("bob", bob);
        seen.has_log("carol", carol);
        seen
    }

    #[test]
    fn everybody_who_saw_what_they_should_is_fine() {
        let both = vec![pair("alice", "one"), pair("alice", "two")];
        seen(both, vec![pair("alice", "one")]).verify().unwrap();
    }

    #[test]
    fn a_message_too_many_is_found() {
        let both = vec![pair("alice", "one"), pair("alice", "two")];
        assert!(seen(both.clone(), both).verify().unwrap_err().to_string().starts_with("carol"));
    }

    #[test]
    fn a_message_missing_twice_swapped_or_from_another_is_found() {
        let (one, two) = (pair("alice", "one"), pair("alice", "two"));
        let wrong = [
            vec![one.clone()],
            vec![one.clone(), one.clone(), two.clone()],
            vec![two.clone(), one.clone()],
            vec![one.clone(), pair("carol", "two")],
        ];
        for bob in wrong {
            assert!(seen(bob, vec![one.clone()]).verify().unwrap_err().to_string().starts_with("bob"));
        }
    }
}
