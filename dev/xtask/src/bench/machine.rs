//! What was measured on, and when.

use std::fmt;
use std::fs;
use std::process::Command;
use std::thread;

use anyhow::{Context, Result, ensure};

use crate::workspace;

/// Load average, per core, up to which a measurement is taken as undisturbed.
const QUIET: f64 = 0.5;

/// The machine, the commit and the date.
pub(super) struct Machine {
    cpu: String,
    cores: usize,
    kernel: String,
    commit: String,
    date: String,
    load: f64,
}

impl Machine {
    pub(super) fn look() -> Result<Self> {
        let cpus = fs::read_to_string("/proc/cpuinfo").context("no /proc/cpuinfo")?;
        let model = cpus.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").context("no kernel release")?;
        let load = fs::read_to_string("/proc/loadavg").context("no /proc/loadavg")?;
        let load = load.split(' ').next().context("no load average")?.parse().context("no load average")?;
        let changed = git(&["status", "--porcelain", "--untracked-files=no", "--", ":!docs/benchmarks.md"])?;
        let suffix = if changed.is_empty() { "" } else { " with changes" };
        Ok(Self {
            cpu: model.map_or("unknown CPU", |(_, name)| name).trim().to_owned(),
            cores: thread::available_parallelism()?.get(),
            kernel: kernel.trim().to_owned(),
            commit: git(&["rev-parse", "--short=12", "HEAD"])? + suffix,
            date: output(Command::new("date").args(["-u", "+%Y-%m-%d"]))?,
            load,
        })
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cpu, cores, kernel, commit, date, load } = self;
        write!(f, "{date}, commit {commit}; {cpu}, {cores} cores, Linux {kernel}; load average before {load:.1}")?;
        let busy = *load > QUIET * f64::from(u32::try_from(*cores).unwrap_or(u32::MAX));
        if busy { f.write_str(" - **disturbed: other programs were running**") } else { Ok(()) }
    }
}

fn git(arguments: &[&str]) -> Result<String> {
    output(Command::new("git").args(arguments).current_dir(workspace::root()?))
}

fn output(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("cannot run {command:?}"))?;
    ensure!(output.status.success(), "{command:?} failed: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout).context("an answer is no UTF-8")?.trim().to_owned())
}
