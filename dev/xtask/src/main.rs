//! `cargo xtask`: what a developer runs, and exactly what CI runs.
//!
//! One file per sub-command or noun: [`suite`] (what `test` runs, one file and one row each), [`tidy`] (checks of the
//! tree, one file each), [`codegen`], [`setup`], [`demo`], [`power_loss`], [`sim`], [`samples`], [`mod@bench`]. [`sandbox`] runs the real server and the real terminal client
//! in a scratch folder; [`process`] starts programs so that none outlives us.
#![expect(clippy::print_stdout, reason = "a command-line tool talks on standard output")]
#![expect(clippy::print_stderr, reason = "a command-line tool reports failures on standard error")]

mod bench;
mod codegen;
mod demo;
mod power_loss;
mod process;
mod samples;
mod sandbox;
mod setup;
mod sim;
mod suite;
mod tidy;
mod trials;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

const EXAMPLES: &str = "\
Examples:
  cargo xtask test                          everything that CI runs
  cargo xtask test --only fmt --only tidy   two suites
  cargo xtask setup                         install what the suites need
  cargo xtask demo                          three people talk over a real server
  cargo xtask bench                         measure, see docs/benchmarks.md";

#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", about = "Developer commands of quicprochat", after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run every suite (or those named), each within its budget
    #[command(after_help = suite::EXAMPLES)]
    Test(suite::Arguments),
    /// Same as `test`
    Ci(suite::Arguments),
    /// Install what the suites need, or say exactly what is missing
    #[command(after_help = setup::EXAMPLES)]
    Setup(suite::Arguments),
    /// Check sizes, layers, names, purity, words, the ledger and links of the tracked files
    #[command(after_help = tidy::EXAMPLES)]
    Tidy(tidy::Arguments),
    /// Write or check the Rust code of the Cap'n Proto schemas
    #[command(after_help = codegen::EXAMPLES)]
    Codegen(codegen::Arguments),
    /// Show three people who talk over a real server that learns nothing
    #[command(after_help = demo::EXAMPLES)]
    Demo(demo::Arguments),
    /// Real processes, and everything a clumsy person or a dying machine does to them.
    #[command(after_help = trials::EXAMPLES)]
    Trials(trials::Arguments),
    /// Cut the power under real programs, and count what is lost of what they acknowledged
    #[command(after_help = power_loss::EXAMPLES)]
    PowerLoss(power_loss::Arguments),
    /// Run scenarios of the simulated world, or break its rules and see that they notice
    #[command(after_help = sim::EXAMPLES)]
    Sim(sim::Arguments),
    /// Write the samples of this version that every later one must read, or read those of all versions
    #[command(after_help = samples::EXAMPLES)]
    Samples(samples::Arguments),
    /// Measure the release build: throughput, memory, group operations, sizes
    #[command(after_help = bench::EXAMPLES)]
    Bench(bench::Arguments),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match process::cleanup::install().and_then(|()| run(&cli.command)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: &Command) -> anyhow::Result<()> {
    match command {
        Command::Test(arguments) | Command::Ci(arguments) => suite::run(arguments),
        Command::Setup(arguments) => setup::run(arguments),
        Command::Tidy(arguments) => tidy::run(arguments),
        Command::Codegen(arguments) => codegen::run(arguments),
        Command::Demo(arguments) => demo::run(arguments),
        Command::Trials(arguments) => trials::run(arguments),
        Command::PowerLoss(arguments) => power_loss::run(arguments),
        Command::Sim(arguments) => sim::run(arguments),
        Command::Samples(arguments) => samples::run(arguments),
        Command::Bench(arguments) => bench::run(arguments),
    }
}
