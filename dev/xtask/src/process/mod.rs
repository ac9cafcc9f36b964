//! Starting programs so that they end in time and none outlives us.
//!
//! Every program gets a process group of its own. [`cleanup`] knows the live groups and ends them when we end, however
//! that comes about; [`descendants`] finds what escaped its group, because we are the reaper of orphans below us.

pub(crate) mod capture;
pub(crate) mod cleanup;
pub(crate) mod deadline;
pub(crate) mod descendants;
pub(crate) mod running;

use std::os::unix::process::CommandExt;
use std::process::{Command, ExitStatus};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::Pid;

pub(crate) use cleanup::Group;
pub(crate) use deadline::Deadline;

/// Time between SIGTERM and SIGKILL.
pub(crate) const GRACE: Duration = Duration::from_secs(10);

/// Runs `command` to its end, or ends its group when the deadline passes.
///
/// Errors: it cannot be started, ends with failure, or overruns its budget.
pub(crate) fn run(command: &mut Command, deadline: &Deadline) -> Result<()> {
    let shown = describe(command);
    let mut child = command.process_group(0).spawn().with_context(|| format!("cannot start `{shown}`"))?;
    let group = Group::of(&child)?;
    let (ended, end) = mpsc::channel();
    let waiter = thread::spawn(move || {
        // The receiver is gone only when `run` has returned, and then nobody wants to know.
        drop(ended.send(child.wait()));
    });
    let status = loop {
        match end.recv_timeout(deadline.next_wait()) {
            Ok(status) => break status.with_context(|| format!("cannot wait for `{shown}`"))?,
            Err(RecvTimeoutError::Timeout) if deadline.is_over() => {
                group.end(GRACE);
                bail!("`{shown}` exceeded the budget: {deadline}; it was ended");
            }
            Err(RecvTimeoutError::Timeout) => println!("      ... {deadline}"),
            Err(RecvTimeoutError::Disconnected) => bail!("lost sight of `{shown}`"),
        }
    };
    if waiter.join().is_err() {
        bail!("lost sight of `{shown}`");
    }
    check(status, &shown)
}

fn check(status: ExitStatus, shown: &str) -> Result<()> {
    if status.success() {
        return Ok(());
    }
    bail!("`{shown}` failed: {status}")
}

/// The command line as a person would type it.
pub(crate) fn describe(command: &Command) -> String {
    let program = std::path::Path::new(command.get_program());
    let name = program.file_name().unwrap_or(command.get_program()).to_string_lossy().into_owned();
    command.get_args().fold(name, |line, argument| line + " " + &argument.to_string_lossy())
}

fn pid_of(raw: u32) -> Result<Pid> {
    i32::try_from(raw).ok().and_then(Pid::from_raw).with_context(|| format!("{raw} is no process id"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn a_program_that_fails_is_an_error_that_names_it() {
        let error = run(&mut shell("exit 3"), &Deadline::minutes("probe", 1)).unwrap_err().to_string();
        assert!(error.contains("sh -c exit 3") && error.contains("3"), "{error}");
    }

    #[test]
    fn a_program_that_overruns_is_ended_with_its_children() {
        let deadline = Deadline::after("probe", Duration::from_millis(200));
        let error = run(&mut shell("sleep 600 & sleep 600"), &deadline).unwrap_err().to_string();
        assert!(error.contains("exceeded the budget"), "{error}");
        assert!(deadline.elapsed() < GRACE, "SIGTERM ends a shell at once");
    }
}
