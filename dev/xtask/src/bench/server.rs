//! A real server on a scratch folder, with limits that do not stop a benchmark.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::programs::Programs;
use crate::process::cleanup::Scratch;
use crate::process::running::Running;

const PATIENCE: Duration = Duration::from_secs(60);

/// Rates and counts are the load's to choose; everything else is as shipped.
const SETTINGS: &[&str] = &[
    "transport.max_connections_per_address=20000",
    "limits.channel_bytes=64GiB",
    "limits.channel_entries=100000000",
    "limits.channel_enqueues=1000000/1s",
    "limits.tokens_per_day=1000000",
    "limits.calls_by_account=1000000/1s",
    "limits.account_calls_by_connection=1000000/1s",
    "limits.sign_ins_by_name=1000/1s",
];

/// A live server.
pub(super) struct Server {
    program: Running,
    link: String,
    // Last, so that the folder goes after the program that uses it.
    _scratch: Scratch,
}

impl Server {
    /// Starts it and waits until it accepts connections.
    pub(super) fn start(programs: &Programs) -> Result<Self> {
        let scratch = Scratch::new("qpc-bench-")?;
        let mut command = Command::new(&programs.server);
        command.env_clear().env("PATH", "/usr/bin:/bin").env("HOME", scratch.path()).arg("--data-dir");
        command.arg(scratch.path().join("server")).args(["--listen", "127.0.0.1:0", "--log-level", "warn"]);
        for setting in SETTINGS {
            command.args(["--set", setting]);
        }
        let program = Running::start(&mut command)?;
        let line = program.next_line(PATIENCE)?.context("the server ended before it was ready")?;
        let link = line.strip_prefix("ready ").with_context(|| format!("the server said: {line}"))?.to_owned();
        Ok(Self { program, link, _scratch: scratch })
    }

    /// Its link.
    pub(super) fn link(&self) -> &str {
        &self.link
    }

    /// Its process id.
    pub(super) fn pid(&self) -> i32 {
        self.program.pid()
    }

    /// Asks it to end, and waits.
    ///
    /// Errors: its exit code is not 0.
    pub(super) fn stop(self) -> Result<()> {
        let status = self.program.terminate(PATIENCE)?;
        ensure!(status.success(), "the server ended with {status}");
        Ok(())
    }
}
