//! `qpc-server`.

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use clap::Parser as _;
use quicprochat_server::{
    backup,
    cli::{Cli, Command, InviteCommand},
    command, run, telemetry,
};

/// The command line, the environment or the configuration file is wrong.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let layers = match cli.settings.layers(std::env::vars_os()) {
        Ok(layers) => layers,
        Err(flag) => return complain(&anyhow::anyhow!("the value of {flag} is not UTF-8 text"), USAGE),
    };
    let effective = match layers.resolve() {
        Ok(effective) => effective,
        Err(error) => return complain(&error.into(), USAGE),
    };
    if let Err(error) = telemetry::init(&effective.config.log) {
        return complain(&error.into(), 1);
    }
    let config = &effective.config;
    let done = match cli.command.unwrap_or(Command::Run) {
        Command::Run => run::run(config, &layers),
        Command::Config(args) => command::show_config(&effective, &layers, args.json),
        Command::Invite(InviteCommand::Create(args)) => command::create_invites(config, &layers, &args),
        Command::Dump => command::dump(config, &layers),
        Command::Check(args) => backup::check(config, &layers, &args),
        Command::Backup(args) => backup::backup(config, &layers, &args),
        Command::Restore(args) => backup::restore(config, &layers, &args),
    };
    done.unwrap_or_else(|error| complain(&error, 1))
}

fn complain(error: &anyhow::Error, code: u8) -> ExitCode {
    let mut err = io::stderr().lock();
    // With standard error closed there is nobody to tell.
    let _ = writeln!(err, "qpc-server: {error:#}");
    ExitCode::from(code)
}
