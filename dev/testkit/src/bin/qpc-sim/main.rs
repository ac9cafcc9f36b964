//! `qpc-sim`: scenarios by the thousand, or one by its seed. `cargo xtask sim` builds it with the features it needs and calls
//! it; see there.
#![expect(clippy::print_stdout, reason = "a command-line tool talks on standard output")]
#![expect(clippy::print_stderr, reason = "a command-line tool reports progress on standard error")]

mod campaign;
#[cfg(feature = "mutants")]
mod mutants;

use std::{path::PathBuf, process::ExitCode, time::Duration};

use clap::Parser;

use campaign::Campaign;

/// Runs scenarios of the simulated world.
#[derive(Parser)]
#[command(name = "qpc-sim")]
struct Cli {
    /// How many scenarios; with --mutants, how many for each break of a rule at most
    #[arg(long, default_value_t = 100)]
    scenarios: u64,
    /// Seed of the first one
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Begin none after so many minutes
    #[arg(long)]
    minutes: Option<f64>,
    /// How many at once; 0 means as many as there are cores
    #[arg(long, default_value_t = 0)]
    threads: usize,
    /// Show what the engines trace
    #[arg(long)]
    trace: bool,
    /// Print the summary as one line of JSON
    #[arg(long)]
    json: bool,
    /// Folder for the event logs of scenarios that fail
    #[arg(long, default_value = ".")]
    logs: PathBuf,
    /// Break each rule in turn, and see that scenarios notice
    #[arg(long)]
    mutants: bool,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    if cli.trace {
        let lines = tracing_subscriber::fmt().without_time().with_ansi(false).with_max_level(tracing::Level::DEBUG);
        lines.with_writer(std::io::stderr).init();
    }
    match run(&cli) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether everything is as it should be.
fn run(cli: &Cli) -> anyhow::Result<bool> {
    std::fs::create_dir_all(&cli.logs)?;
    let threads = match cli.threads {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        threads => threads,
    };
    if cli.mutants {
        return hunt(cli, threads);
    }
    let limit = cli.minutes.map(|minutes| Duration::from_secs_f64(minutes.max(0.0) * 60.0));
    let campaign = Campaign { first: cli.seed, scenarios: cli.scenarios, threads, limit, logs: cli.logs.clone() };
    let report = campaign.run()?;
    if cli.json {
        println!("{}", report.json());
    } else {
        println!("{report}");
    }
    Ok(report.is_as_known())
}

#[cfg(feature = "mutants")]
fn hunt(cli: &Cli, threads: usize) -> anyhow::Result<bool> {
    let hunt = mutants::Hunt { first: cli.seed, scenarios: cli.scenarios, threads };
    let report = hunt.run();
    if cli.json {
        println!("{}", report.json());
    } else {
        println!("{report}");
    }
    Ok(report.survivors().next().is_none())
}

#[cfg(not(feature = "mutants"))]
fn hunt(_: &Cli, _: usize) -> anyhow::Result<bool> {
    anyhow::bail!("this build breaks no rules: it lacks the feature `mutants`")
}
