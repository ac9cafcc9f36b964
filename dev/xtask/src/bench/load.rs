//! Running a program that measures and prints one JSON document.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::report::Report;
use crate::process::running::Running;

/// How long a benchmark may take.
const PATIENCE: Duration = Duration::from_secs(30 * 60);

/// Runs it to its end; what it says on standard error is shown as it comes.
pub(super) fn run(program: &Path, arguments: &[&str]) -> Result<Report> {
    let running = Running::start(Command::new(program).args(arguments))?;
    let mut printed = String::new();
    while let Some(line) = running.next_line(PATIENCE)? {
        printed.push_str(&line);
    }
    let status = running.wait(PATIENCE)?;
    ensure!(status.success(), "{} ended with {status}", program.display());
    serde_json::from_str(&printed).with_context(|| format!("{} printed no report: {printed}", program.display()))
}
