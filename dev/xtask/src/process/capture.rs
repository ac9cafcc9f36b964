//! Running a program to its end and keeping what it printed.

use std::os::unix::process::CommandExt;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::{GRACE, Group, describe};

/// Runs a program to its end; a failure of it is not an error here, its status says so.
///
/// Errors: it cannot be started, or still runs after `patience` (then it is ended).
pub(crate) fn capture(command: &mut Command, patience: Duration) -> Result<Output> {
    let shown = describe(command);
    let child = command
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start `{shown}`"))?;
    let group = Group::of(&child)?;
    let (ended, end) = mpsc::channel();
    thread::spawn(move || drop(ended.send(child.wait_with_output())));
    match end.recv_timeout(patience) {
        Ok(output) => output.with_context(|| format!("cannot read from `{shown}`")),
        Err(RecvTimeoutError::Timeout) => {
            group.end(GRACE);
            bail!("`{shown}` still ran after {} s and was ended", patience.as_secs())
        }
        Err(RecvTimeoutError::Disconnected) => bail!("lost sight of `{shown}`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_both_streams_and_the_status() {
        let output = capture(Command::new("sh").args(["-c", "echo a; echo b >&2; exit 5"]), GRACE).unwrap();
        assert_eq!((output.stdout, output.stderr, output.status.code()), (b"a\n".to_vec(), b"b\n".to_vec(), Some(5)));
    }

    #[test]
    fn a_program_that_hangs_is_ended() {
        let error = capture(Command::new("sleep").arg("600"), Duration::from_millis(50)).unwrap_err().to_string();
        assert!(error.contains("was ended"), "{error}");
    }
}
