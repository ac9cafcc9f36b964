//! `qpc`: quicprochat for the terminal.

mod args;
mod commands;
mod context;
mod exit;
mod export;
mod failure;
mod output;
mod progress;
mod render;
mod secret;

use std::process::ExitCode;

use clap::Parser as _;
use tracing_subscriber::EnvFilter;

use crate::{args::Cli, context::Context, exit::Exit, failure::Failure, output::Output};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let out = Output::new(cli.json);
    // Only our own crates: what libraries log at debug is neither ours to vouch for nor of use here.
    let level = &cli.log_level;
    let filter = EnvFilter::try_new(format!("error,qpc={level},quicprochat={level}"));
    let filter = filter.unwrap_or_else(|_| EnvFilter::new("error"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let exit = match run(cli, out) {
        Ok(()) => Exit::Done,
        Err(failure) => match out.fail(&failure) {
            Ok(()) => failure.exit,
            Err(_) => Exit::Failed,
        },
    };
    exit.into()
}

fn run(cli: Cli, out: Output) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let mut context = Context::open(&cli, out)?;
    runtime.block_on(commands::run(cli, &mut context))
}
