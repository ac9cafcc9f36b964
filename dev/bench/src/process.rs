//! What the system says of another process, and of how many files we may open.

use std::{fs, time::Duration};

use anyhow::{Context, Result, ensure};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::Value;

/// Clock ticks a second in `/proc`, the same on every Linux that there is a Debian for.
const TICKS: u64 = 100;

/// A process that is measured.
#[derive(Clone, Copy)]
pub(crate) struct Process(pub(crate) u32);

impl Process {
    /// Bytes of memory it has in RAM.
    pub(crate) fn resident(self) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0)).context("the process is gone")?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        let kib: u64 = line.trim().trim_end_matches(" kB").trim().parse().context("VmRSS is no number")?;
        Ok(kib * 1024)
    }

    /// CPU time it has used, in user and system mode.
    pub(crate) fn cpu(self) -> Result<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.0)).context("the process is gone")?;
        // The name, which may hold anything, ends with the last parenthesis; user and system time are the 12th and 13th after it.
        let (_, fields) = stat.rsplit_once(')').context("no name in stat")?;
        let mut times = fields.split_whitespace().skip(11).map(str::parse::<u64>);
        let mut next = || times.next().context("stat is too short")?.context("a time in stat is no number");
        Ok(Duration::from_millis((next()? + next()?) * 1000 / TICKS))
    }
}

/// Lets this process open as many files as the system allows.
pub(crate) fn raise_file_limit() -> Result<()> {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })
        .context("cannot raise the limit of open files")
}

/// The most memory that this process has had in RAM, in bytes.
pub(crate) fn peak() -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
    let kib: u64 = line.trim().trim_end_matches(" kB").trim().parse().context("VmHWM is no number")?;
    Ok(kib * 1024)
}

/// Runs this program anew with other arguments, and takes the JSON that it prints.
pub(crate) async fn measure(arguments: &[&str]) -> Result<Value> {
    let mut command = tokio::process::Command::new(std::env::current_exe()?);
    let output = command.args(arguments).stderr(std::process::Stdio::inherit()).kill_on_drop(true).output().await?;
    ensure!(output.status.success(), "{} ended with {}", arguments.join(" "), output.status);
    serde_json::from_slice(&output.stdout).context("it printed no JSON")
}

/// A number of what was measured.
pub(crate) fn number(found: &Value, name: &str) -> Result<f64> {
    found.get(name).and_then(Value::as_f64).with_context(|| format!("nothing says {name}"))
}
