//! `cargo xtask demo`: three people talk over a real server, and the server is shown to know nothing of it.

mod fragments;
mod scenario;
mod seen;

use anyhow::{Result, bail};
use clap::Args;

use crate::process::{Deadline, descendants};
use crate::sandbox::{Binaries, Profile, Sandbox};

pub(crate) const EXAMPLES: &str = "\
Examples:
  cargo xtask demo                  builds in release mode first; some minutes the first time
  cargo xtask demo --profile dev    the quick build that the tests use";

/// Minutes for the build; each command of the scenario has its own, shorter limit.
const BUILD_MINUTES: u64 = 60;

/// How to show it.
#[derive(Args)]
pub(crate) struct Arguments {
    /// How the programs are built
    #[arg(long, value_enum, default_value = "release")]
    profile: Profile,
}

/// Builds both programs, plays the scenario, and makes sure that nothing is left of it.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    println!("Building qpc-server and qpc ...");
    let binaries = Binaries::build(arguments.profile, &Deadline::minutes("build", BUILD_MINUTES))?;
    let mut sandbox = Sandbox::new(binaries)?;
    scenario::play(&mut sandbox)?;
    drop(sandbox);
    nothing_left_running()?;
    println!("\nNothing is left running, the scratch folder is removed. The demonstration is over.");
    Ok(())
}

fn nothing_left_running() -> Result<()> {
    let left: Vec<String> = descendants::of_this_process().into_iter().map(|process| process.command).collect();
    if left.is_empty() {
        return Ok(());
    }
    bail!("left running: {}", left.join("; "))
}
