//! Debian's Redis on a scratch folder, which syncs every write before it answers.

use std::net::TcpListener;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::process::Deadline;
use crate::process::cleanup::Scratch;
use crate::process::running::Running;
use crate::setup::{self, Need};

const NEEDS: &[Need] = &[Need::Program { name: "redis-server", package: "redis-server" }];
const INSTALL_MINUTES: u64 = 10;
const PATIENCE: Duration = Duration::from_secs(60);
/// What it logs once it accepts connections.
const READY: &str = "Ready to accept connections";

/// A live Redis.
pub(super) struct Redis {
    program: Running,
    address: String,
    // Last, so that the folder goes after the program that uses it.
    _scratch: Scratch,
}

impl Redis {
    /// Installs it where it may, starts it, and waits until it accepts connections.
    pub(super) fn start() -> Result<Self> {
        setup::provide(NEEDS, &Deadline::minutes("redis", INSTALL_MINUTES))?;
        let scratch = Scratch::new("qpc-bench-redis-")?;
        // Nobody else takes the port between these two lines, as far as we can tell; if somebody does, it says so.
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port().to_string();
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--port", &port, "--daemonize", "no", "--save", ""]);
        command.args(["--appendonly", "yes", "--appendfsync", "always", "--dir"]).arg(scratch.path());
        let program = Running::start(&mut command)?;
        loop {
            match program.next_line(PATIENCE)? {
                Some(line) if line.contains(READY) => break,
                Some(_) => {}
                None => bail!("Redis ended before it was ready"),
            }
        }
        Ok(Self { program, address: format!("127.0.0.1:{port}"), _scratch: scratch })
    }

    /// Where it listens.
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// Its process id.
    pub(super) fn pid(&self) -> i32 {
        self.program.pid()
    }

    /// Asks it to end, and waits.
    pub(super) fn stop(self) -> Result<()> {
        let status = self.program.terminate(PATIENCE).context("Redis does not end")?;
        ensure!(status.success(), "Redis ended with {status}");
        Ok(())
    }
}
