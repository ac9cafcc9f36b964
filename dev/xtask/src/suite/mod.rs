//! `cargo xtask test`: every suite in order, each within its budget.
//!
//! To add a suite: one file in this folder that defines `SUITE`, one row in [`SUITES`], one row in the table of
//! CONTRIBUTING.md (tidy compares the two).

mod clippy;
mod codegen;
mod demo;
mod docs;
mod fmt;
mod fuzz;
mod power_loss;
mod python;
mod sim;
mod tidy;
mod trials;
mod unit;
mod wasm;

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use clap::Args;

use crate::process::{self, Deadline, descendants};
use crate::setup::{self, Need};
use crate::workspace;

/// Every suite, in the order in which they run: the quick ones first.
pub(crate) const SUITES: &[Suite] = &[
    fmt::SUITE,
    tidy::SUITE,
    codegen::SUITE,
    clippy::SUITE,
    unit::SUITE,
    sim::SUITE,
    wasm::SUITE,
    fuzz::SUITE,
    docs::SUITE,
    demo::SUITE,
    trials::SUITE,
    power_loss::SUITE,
    python::SUITE,
];

pub(crate) const EXAMPLES: &str = "\
Examples:
  cargo xtask test                              every suite
  cargo xtask test --only fmt --only tidy       two of them
  CI=true cargo xtask test                      as CI does: a test that misses its vectors fails

The last line counts suites: `N passed, N failed`.";

/// Time a program below us has to go away after its suite has ended.
const STRAGGLER_PATIENCE: Duration = Duration::from_secs(2);

/// Which suites are meant.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Take this suite only; may be given several times
    #[arg(long, value_name = "SUITE", value_parser = clap::builder::PossibleValuesParser::new(SUITES.iter().map(|suite| suite.name)))]
    only: Vec<String>,
}

impl Arguments {
    /// The suites meant, in the order of [`SUITES`].
    pub(crate) fn suites(&self) -> Vec<&'static Suite> {
        let wanted = |suite: &&Suite| self.only.is_empty() || self.only.iter().any(|name| name == suite.name);
        SUITES.iter().filter(wanted).collect()
    }
}

/// A named part of the tests.
pub(crate) struct Suite {
    /// Its name on the command line and in the summary.
    pub(crate) name: &'static str,
    /// Minutes after which it is ended and counts as failed, on two cores and with nothing built before.
    pub(crate) budget_minutes: u64,
    /// What must be installed first.
    pub(crate) needs: &'static [Need],
    /// Runs it; must start programs through [`Run`] only, so that they end in time.
    pub(crate) run: fn(&Run) -> Result<()>,
}

/// What a running suite works with.
pub(crate) struct Run {
    /// Root of the workspace.
    pub(crate) root: PathBuf,
    deadline: Deadline,
}

impl Run {
    /// Runs cargo with these arguments in the root of the workspace.
    pub(crate) fn cargo(&self, arguments: &[&str]) -> Result<()> {
        self.cargo_with(arguments, &[])
    }

    /// The same with environment variables set.
    pub(crate) fn cargo_with(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Result<()> {
        self.program(workspace::cargo()?.args(arguments).envs(environment.iter().copied()))
    }

    /// Runs a program, and ends it with all its children when the budget is used up.
    pub(crate) fn program(&self, command: &mut Command) -> Result<()> {
        println!("      $ {}", process::describe(command));
        process::run(command, &self.deadline)
    }
}

struct Outcome {
    suite: &'static Suite,
    took: Duration,
    result: Result<()>,
}

/// Runs the suites meant by `arguments` and prints how they went.
///
/// Errors: a suite failed; the others were run all the same.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let suites = arguments.suites();
    let count = suites.len();
    let mut outcomes = Vec::with_capacity(count);
    for (index, suite) in suites.into_iter().enumerate() {
        println!("[{}/{count}] {} (budget {} min)", index + 1, suite.name, suite.budget_minutes);
        let outcome = run_one(suite)?;
        match &outcome.result {
            Ok(()) => println!("[{}/{count}] {} passed in {}", index + 1, suite.name, seconds(outcome.took)),
            Err(error) => {
                println!("[{}/{count}] {} FAILED in {}: {error:#}", index + 1, suite.name, seconds(outcome.took))
            }
        }
        outcomes.push(outcome);
    }
    summarise(&outcomes)
}

fn run_one(suite: &'static Suite) -> Result<Outcome> {
    let run = Run { root: workspace::root()?, deadline: Deadline::minutes(suite.name, suite.budget_minutes) };
    let result = setup::provide(suite.needs, &run.deadline)
        .and_then(|()| (suite.run)(&run))
        .and_then(|()| within_budget(&run.deadline));
    let result = result.and(nothing_left_running());
    Ok(Outcome { suite, took: run.deadline.elapsed(), result })
}

fn within_budget(deadline: &Deadline) -> Result<()> {
    ensure!(!deadline.is_over(), "exceeded the budget: {deadline}");
    Ok(())
}

/// Fails, after killing them, if programs outlive their suite.
fn nothing_left_running() -> Result<()> {
    let left = descendants::wait_until_gone(STRAGGLER_PATIENCE, |_| true);
    if left.is_empty() {
        return Ok(());
    }
    descendants::kill_all();
    let commands: Vec<String> = left.into_iter().map(|process| process.command).collect();
    bail!("left running: {}", commands.join("; "))
}

fn summarise(outcomes: &[Outcome]) -> Result<()> {
    println!("\n{:<10} {:>8} {:>10} {:>10}", "suite", "result", "time", "budget");
    for outcome in outcomes {
        let word = if outcome.result.is_ok() { "passed" } else { "FAILED" };
        let budget = format!("{} min", outcome.suite.budget_minutes);
        println!("{:<10} {:>8} {:>10} {:>10}", outcome.suite.name, word, seconds(outcome.took), budget);
    }
    let failed: Vec<&str> =
        outcomes.iter().filter(|outcome| outcome.result.is_err()).map(|outcome| outcome.suite.name).collect();
    println!("\n{} passed, {} failed", outcomes.len() - failed.len(), failed.len());
    ensure!(failed.is_empty(), "failed: {}", failed.join(", "));
    Ok(())
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_budgets_are_set() {
        let mut names: Vec<&str> = SUITES.iter().map(|suite| suite.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), SUITES.len());
        assert!(SUITES.iter().all(|suite| suite.budget_minutes > 0));
    }

    #[test]
    fn suites_run_in_the_order_of_the_table_whatever_the_order_of_the_flags() {
        let arguments = Arguments { only: vec!["unit".to_owned(), "fmt".to_owned()] };
        let names: Vec<&str> = arguments.suites().iter().map(|suite| suite.name).collect();
        assert_eq!(names, ["fmt", "unit"]);
    }

    #[test]
    fn a_suite_that_overran_in_our_own_process_fails() {
        let error = within_budget(&Deadline::after("probe", Duration::ZERO)).unwrap_err().to_string();
        assert!(error.contains("exceeded the budget: probe"), "{error}");
    }
}
