//! A program that runs beside us: its lines as they come, its end, and the means to end it.

use std::io::{BufRead, BufReader, Write as _};
use std::os::unix::process::CommandExt;
use std::process::{ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::Signal;

use super::{GRACE, Group, describe};

/// A live program in a group of its own; the group is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Running {
    shown: String,
    group: Group,
    lines: Receiver<String>,
    input: Option<ChildStdin>,
    end: Receiver<std::io::Result<ExitStatus>>,
}

impl Running {
    /// Starts a program; its standard output is read line by line, its standard error is left as the command says.
    pub(crate) fn start(command: &mut Command) -> Result<Self> {
        Self::start_with(command, Stdio::null())
    }

    /// Starts a program that is going to be told something.
    pub(crate) fn start_talking(command: &mut Command) -> Result<Self> {
        Self::start_with(command, Stdio::piped())
    }

    fn start_with(command: &mut Command, input: Stdio) -> Result<Self> {
        let shown = describe(command);
        let mut child = command
            .process_group(0)
            .stdin(input)
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start `{shown}`"))?;
        let group = Group::of(&child)?;
        let lines = read_lines(child.stdout.take().context("standard output is piped")?);
        let input = child.stdin.take();
        let (ended, end) = mpsc::channel();
        thread::spawn(move || drop(ended.send(child.wait())));
        Ok(Self { shown, group, lines, input, end })
    }

    /// The next line on its standard output; nothing when it has closed it.
    ///
    /// Errors: no line within `patience`.
    pub(crate) fn next_line(&self, patience: Duration) -> Result<Option<String>> {
        match self.lines.recv_timeout(patience) {
            Ok(line) => Ok(Some(line)),
            Err(RecvTimeoutError::Disconnected) => Ok(None),
            Err(RecvTimeoutError::Timeout) => bail!("`{}` printed nothing for {} s", self.shown, patience.as_secs()),
        }
    }

    /// Writes a line to its standard input.
    pub(crate) fn say(&mut self, line: &str) -> Result<()> {
        let input = self.input.as_mut().with_context(|| format!("`{}` listens to nobody", self.shown))?;
        writeln!(input, "{line}").with_context(|| format!("cannot tell `{}` anything", self.shown))
    }

    /// Its process id.
    pub(crate) const fn pid(&self) -> i32 {
        self.group.leader()
    }

    /// Waits for its end.
    ///
    /// Errors: it still runs after `patience`; then it is killed.
    pub(crate) fn wait(self, patience: Duration) -> Result<ExitStatus> {
        self.ended(patience)
    }

    /// Waits for its end, kills it if that takes longer than `patience`, and takes what it printed until then.
    pub(crate) fn wait_or_kill(self, patience: Duration) -> Result<Vec<String>> {
        if let Err(RecvTimeoutError::Timeout) = self.end.recv_timeout(patience) {
            self.group.signal(Signal::KILL);
            self.ended(GRACE)?;
        }
        let mut lines = Vec::new();
        while let Some(line) = self.next_line(GRACE)? {
            lines.push(line);
        }
        Ok(lines)
    }

    /// Asks it to end, and does not wait for that.
    pub(crate) fn ask_to_end(&self) {
        self.group.signal(Signal::TERM);
    }

    fn ended(&self, patience: Duration) -> Result<ExitStatus> {
        match self.end.recv_timeout(patience) {
            Ok(status) => status.with_context(|| format!("cannot wait for `{}`", self.shown)),
            Err(RecvTimeoutError::Timeout) => bail!("`{}` still ran after {} s", self.shown, patience.as_secs()),
            Err(RecvTimeoutError::Disconnected) => bail!("lost sight of `{}`", self.shown),
        }
    }

    /// Sends SIGTERM and waits for the end.
    pub(crate) fn terminate(self, patience: Duration) -> Result<ExitStatus> {
        self.group.signal(Signal::TERM);
        self.wait(patience)
    }

    /// Kills it, as a loss of power would, and waits until it is gone.
    pub(crate) fn kill(self, patience: Duration) -> Result<ExitStatus> {
        self.group.signal(Signal::KILL);
        self.wait(patience)
    }
}

/// Lines of a stream, until it ends or nobody listens.
fn read_lines(stdout: ChildStdout) -> Receiver<String> {
    let (found, lines) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines() {
            let Ok(line) = line else { return };
            if found.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(10);

    fn shell(script: &str) -> Running {
        Running::start(Command::new("sh").args(["-c", script])).unwrap()
    }

    #[test]
    fn lines_come_one_by_one_and_then_the_end() {
        let running = shell("echo one; echo two; exit 4");
        assert_eq!(running.next_line(PATIENCE).unwrap().as_deref(), Some("one"));
        assert_eq!(running.next_line(PATIENCE).unwrap().as_deref(), Some("two"));
        assert_eq!(running.next_line(PATIENCE).unwrap(), None);
        assert_eq!(running.wait(PATIENCE).unwrap().code(), Some(4));
    }

    #[test]
    fn a_program_is_asked_to_end_and_may_say_goodbye() {
        let running = shell("trap 'echo bye; exit 0' TERM; echo ready; while :; do read x < /dev/zero & wait; done");
        assert_eq!(running.next_line(PATIENCE).unwrap().as_deref(), Some("ready"));
        assert_eq!(running.terminate(PATIENCE).unwrap().code(), Some(0));
    }

    #[test]
    fn a_program_can_be_told_something() {
        let mut command = Command::new("sh");
        let mut running =
            Running::start_talking(command.args(["-c", "while read word; do echo \"heard $word\"; done"])).unwrap();
        for word in ["one", "two"] {
            running.say(word).unwrap();
            assert_eq!(running.next_line(PATIENCE).unwrap(), Some(format!("heard {word}")));
        }
        assert!(shell("exit 0").say("anybody?").is_err());
    }

    #[test]
    fn a_killed_program_has_no_exit_code() {
        let running = shell("echo ready; sleep 600");
        running.next_line(PATIENCE).unwrap();
        assert_eq!(running.kill(PATIENCE).unwrap().code(), None);
    }

    #[test]
    fn what_a_program_printed_before_it_was_killed_can_be_read() {
        let running = shell("printf 'one\\ntwo\\n'; sleep 600");
        assert_eq!(running.next_line(PATIENCE).unwrap().as_deref(), Some("one"));
        assert_eq!(running.wait_or_kill(Duration::ZERO).unwrap(), ["two"]);
        assert_eq!(shell("echo one; echo two").wait_or_kill(PATIENCE).unwrap(), ["one", "two"]);
    }

    #[test]
    fn a_silent_program_is_an_error_after_a_while() {
        let running = shell("sleep 600");
        let error = running.next_line(Duration::from_millis(50)).unwrap_err().to_string();
        assert!(error.contains("printed nothing"), "{error}");
    }
}
