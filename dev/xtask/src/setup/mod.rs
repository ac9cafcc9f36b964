//! `cargo xtask setup`: installs what the suites need where it may, and otherwise says exactly what is missing.

mod debian;
mod rust;
pub(crate) mod venv;

use anyhow::{Result, bail};

use crate::process::Deadline;
use crate::suite::Arguments;

pub(crate) const EXAMPLES: &str = "\
Examples:
  cargo xtask setup                   for every suite
  cargo xtask setup --only codegen    for one

As root, Debian packages are installed by apt-get. Otherwise the command to run as root is printed.";

const BUDGET_MINUTES: u64 = 20;

/// Something that must be installed before a suite can run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// A program, and the Debian package that brings it.
    Program { name: &'static str, package: &'static str },
    /// A component of the Rust toolchain.
    Component(&'static str),
    /// A target of the Rust toolchain.
    Target(&'static str),
    /// The Python environment `e2e/.venv` with what `e2e/requirements.txt` lists.
    Venv,
}

/// Provides what the suites meant by `arguments` need.
///
/// Errors: names everything that is missing and how to get it.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let deadline = Deadline::minutes("setup", BUDGET_MINUTES);
    let mut missing = Vec::new();
    for suite in arguments.suites() {
        match provide(suite.needs, &deadline) {
            Ok(()) => println!("{}: everything is there", suite.name),
            Err(error) => missing.push(format!("{}: {error:#}", suite.name)),
        }
    }
    if venv::is_wanted()?
        && let Err(error) = provide(&[Need::Venv], &deadline)
    {
        missing.push(format!("e2e/.venv: {error:#}"));
    }
    if missing.is_empty() {
        return Ok(());
    }
    bail!("missing:\n  {}", missing.join("\n  "))
}

/// Provides `needs`, the ones that are there already at no cost.
pub(crate) fn provide(needs: &[Need], deadline: &Deadline) -> Result<()> {
    for need in needs {
        match *need {
            Need::Program { name, package } => debian::provide(name, package, deadline)?,
            Need::Component(name) => rust::provide_component(name, deadline)?,
            Need::Target(name) => rust::provide_target(name, deadline)?,
            Need::Venv => venv::provide(deadline)?,
        }
    }
    Ok(())
}
