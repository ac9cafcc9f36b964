//! `cargo xtask sim`: scenarios of the simulated world by the thousand, one by its seed, or with rules broken on purpose.
//!
//! The simulator is built by a cargo invocation of its own, in a profile of its own: its features replace cryptography or break
//! rules, and no other build may have them (see `tidy/features.rs`).

use std::path::Path;
use std::process::Command;

use anyhow::Result;
use clap::Args;

use crate::process::{self, Deadline};
use crate::workspace;

pub(crate) const EXAMPLES: &str = "\
Examples:
  cargo xtask sim                                 1,000 scenarios
  cargo xtask sim --scenarios 10000 --minutes 6   as many of 10,000 as begin within 6 minutes
  cargo xtask sim --real --scenarios 300          with the cryptography of the messenger
  cargo xtask sim --seed 7 --scenarios 1 --trace  one of them again, with what the engines trace
  cargo xtask sim --mutants                       break each rule, and see that scenarios notice";

const PROFILE: &str = "simulation";
const BUILD_MINUTES: u64 = 60;
const RUN_MINUTES: u64 = 12 * 60;

/// What to run.
#[derive(Args)]
pub(crate) struct Arguments {
    /// How many scenarios; with --mutants, how many for each broken rule at most
    #[arg(long, default_value_t = 1_000)]
    scenarios: u64,
    /// Seed of the first one
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Begin none after so many minutes
    #[arg(long)]
    minutes: Option<f64>,
    /// With the hybrid cipher suite instead of stand-ins
    #[arg(long, conflicts_with = "mutants")]
    real: bool,
    /// Break each rule in turn, and fail if no scenario notices
    #[arg(long)]
    mutants: bool,
    /// Show what the engines trace
    #[arg(long)]
    trace: bool,
    /// Print the summary as one line of JSON
    #[arg(long)]
    json: bool,
}

/// Builds the simulator and runs it.
///
/// Errors: a scenario fails, or a broken rule is not noticed.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let features = features(arguments);
    let mut build = workspace::cargo()?;
    build.args(["build", "--quiet", "-p", "quicprochat-testkit", "--bin", "qpc-sim", "--profile", PROFILE]);
    if let Some(features) = &features {
        build.args(["--features", features]);
    }
    process::run(&mut build, &Deadline::minutes("build", BUILD_MINUTES))?;
    let folder = workspace::target_dir()?.join(PROFILE);
    let mut program = Command::new(folder.join("qpc-sim"));
    program.args(words(arguments, &folder.join("logs")));
    process::run(&mut program, &Deadline::minutes("sim", RUN_MINUTES))
}

fn features(arguments: &Arguments) -> Option<String> {
    let mut features = String::new();
    if !arguments.real {
        features.push_str("simulation");
    }
    if arguments.mutants {
        features.push_str(",mutants");
    }
    (!features.is_empty()).then_some(features)
}

fn words(arguments: &Arguments, logs: &Path) -> Vec<String> {
    let mut text = format!("--scenarios {} --seed {}", arguments.scenarios, arguments.seed);
    if let Some(minutes) = arguments.minutes {
        text.push_str(&format!(" --minutes {minutes}"));
    }
    let flags = [(arguments.mutants, "--mutants"), (arguments.trace, "--trace"), (arguments.json, "--json")];
    let mut words: Vec<String> = text.split(' ').map(str::to_owned).collect();
    words.extend(flags.into_iter().filter(|(on, _)| *on).map(|(_, flag)| flag.to_owned()));
    words.extend(["--logs".to_owned(), logs.display().to_string()]);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments() -> Arguments {
        let (minutes, real, mutants, trace, json) = (None, false, false, false, false);
        Arguments { scenarios: 10, seed: 3, minutes, real, mutants, trace, json }
    }

    #[test]
    fn stand_ins_and_broken_rules_are_features_that_the_hybrid_suite_lacks() {
        assert_eq!(features(&arguments()).as_deref(), Some("simulation"));
        assert_eq!(features(&Arguments { mutants: true, ..arguments() }).as_deref(), Some("simulation,mutants"));
        assert_eq!(features(&Arguments { real: true, ..arguments() }), None);
    }

    #[test]
    fn the_simulator_is_told_what_was_asked() {
        let asked = Arguments { minutes: Some(1.5), json: true, ..arguments() };
        let told = words(&asked, Path::new("logs")).join(" ");
        assert_eq!(told, "--scenarios 10 --seed 3 --minutes 1.5 --json --logs logs");
    }
}
