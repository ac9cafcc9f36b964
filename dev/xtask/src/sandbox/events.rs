//! What a client answered: exit code and events, one JSON object a line (docs/cli.md).

use std::process::Output;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

/// One line of a client's output.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Event(Value);

impl Event {
    /// Reads a line.
    pub(crate) fn parse(line: &str) -> Result<Self> {
        let value: Value = serde_json::from_str(line).with_context(|| format!("not JSON: {line}"))?;
        ensure!(value.get("event").is_some_and(Value::is_string), "no event: {line}");
        Ok(Self(value))
    }

    /// What kind it is: `message`, `sent`, `joined`, ...
    pub(crate) fn kind(&self) -> &str {
        self.0.get("event").and_then(Value::as_str).unwrap_or_default()
    }

    /// A field that is text.
    pub(crate) fn text(&self, field: &str) -> Result<&str> {
        self.0.get(field).and_then(Value::as_str).with_context(|| format!("the event lacks `{field}`: {}", self.0))
    }

    /// A field that is true or false.
    pub(crate) fn flag(&self, field: &str) -> Result<bool> {
        self.0.get(field).and_then(Value::as_bool).with_context(|| format!("the event lacks `{field}`: {}", self.0))
    }

    /// A field that is a list of texts.
    pub(crate) fn names(&self, field: &str) -> Result<Vec<String>> {
        let list = self.0.get(field).and_then(Value::as_array);
        let names = list.and_then(|list| list.iter().map(|name| name.as_str().map(str::to_owned)).collect());
        names.with_context(|| format!("the event lacks the list `{field}`: {}", self.0))
    }

    /// A field that is a number.
    pub(crate) fn number(&self, field: &str) -> Result<u64> {
        self.0.get(field).and_then(Value::as_u64).with_context(|| format!("the event lacks `{field}`: {}", self.0))
    }
}

/// How a client ended and what it printed.
#[derive(Debug)]
pub(crate) struct Reply {
    /// The command, for messages.
    pub(crate) command: String,
    /// Its exit code; -1 if a signal ended it.
    pub(crate) code: i32,
    /// Its events in order.
    pub(crate) events: Vec<Event>,
    /// What it logged.
    pub(crate) log: String,
}

/// Exit code of a command that is done.
const DONE: i32 = 0;
/// Exit code of a command that could not reach the server.
const UNREACHABLE: i32 = 3;

impl Reply {
    /// Reads what a client printed.
    pub(super) fn parse(command: String, output: &Output) -> Result<Self> {
        let stdout = std::str::from_utf8(&output.stdout).with_context(|| format!("{command}: no UTF-8"))?;
        let log = String::from_utf8_lossy(&output.stderr).into_owned();
        let events: Result<Vec<Event>> = stdout.lines().map(Event::parse).collect();
        let events = events.with_context(|| format!("{command}: bad output; it logged: {log}"))?;
        Ok(Self { command, code: output.status.code().unwrap_or(-1), events, log })
    }

    /// The events, if the command is done.
    pub(crate) fn expect_done(self) -> Result<Vec<Event>> {
        self.expect_code(DONE)
    }

    /// The events, if the command says that the server is away.
    pub(crate) fn expect_unreachable(self) -> Result<Vec<Event>> {
        self.expect_code(UNREACHABLE)
    }

    /// The events, if the command failed in whatever way; a signal is no failure but a crash.
    pub(crate) fn expect_failure(self) -> Result<Vec<Event>> {
        if self.code <= DONE {
            bail!("{} should have failed and ended with {}", self.command, self.code);
        }
        Ok(self.events)
    }

    fn expect_code(self, code: i32) -> Result<Vec<Event>> {
        if self.code == code {
            return Ok(self.events);
        }
        let said: Vec<String> = self.events.iter().map(|event| event.0.to_string()).collect();
        bail!("{} ended with {}, not {code}: {} {}", self.command, self.code, said.join(" "), self.log.trim())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::ExitStatus;

    use super::*;

    fn reply(code: i32, stdout: &str) -> Result<Reply> {
        let status = ExitStatus::from_raw(code << 8);
        Reply::parse("alice: qpc sync".to_owned(), &Output { status, stdout: stdout.into(), stderr: b"why".to_vec() })
    }

    #[test]
    fn events_have_a_kind_and_fields() {
        let events = reply(0, "{\"event\":\"message\",\"seq\":3,\"text\":\"hi\"}\n").unwrap().expect_done().unwrap();
        assert_eq!(
            (events[0].kind(), events[0].text("text").unwrap(), events[0].number("seq").unwrap()),
            ("message", "hi", 3)
        );
        assert!(events[0].text("sender").is_err());
    }

    #[test]
    fn output_that_is_no_event_is_an_error_with_the_log() {
        assert!(format!("{:#}", reply(0, "hello").unwrap_err()).contains("why"));
        assert!(reply(0, "{\"seq\":3}").is_err());
    }

    #[test]
    fn another_exit_code_is_an_error_that_quotes_the_command() {
        let error = reply(1, "").unwrap().expect_done().unwrap_err().to_string();
        assert!(error.contains("alice: qpc sync ended with 1, not 0") && error.contains("why"), "{error}");
        assert!(reply(0, "").unwrap().expect_failure().is_err());
        assert!(reply(3, "").unwrap().expect_unreachable().is_ok());
    }
}
