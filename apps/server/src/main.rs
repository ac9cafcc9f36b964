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
use serde_json::json;

/// The command line, the environment or the configuration file is wrong.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let command = cli.command.unwrap_or(Command::Run);
    let json = command.prints_json();
    let layers = match cli.settings.layers(std::env::vars_os()) {
        Ok(layers) => layers,
        Err(flag) => return complain(&anyhow::anyhow!("the value of {flag} is not UTF-8 text"), "usage", USAGE, json),
    };
    let effective = match layers.resolve() {
        Ok(effective) => effective,
        Err(error) => return complain(&error.into(), "usage", USAGE, json),
    };
    if let Err(error) = telemetry::init(&effective.config.log) {
        return complain(&error.into(), "failed", 1, json);
    }
    let config = &effective.config;
    let done = match command {
        Command::Run => run::run(config, &layers),
        Command::Config(args) => command::show_config(&effective, &layers, args.json),
        Command::Invite(InviteCommand::Create(args)) => command::create_invites(config, &layers, &args),
        Command::Dump => command::dump(config, &layers),
        Command::Check(args) => backup::check(config, &layers, &args),
        Command::Backup(args) => backup::backup(config, &layers, &args),
        Command::Restore(args) => backup::restore(config, &layers, &args),
    };
    done.unwrap_or_else(|error| complain(&error, "failed", 1, json))
}

fn complain(error: &anyhow::Error, word: &str, code: u8, json: bool) -> ExitCode {
    // With the output closed there is nobody to tell.
    let _ = if json {
        let said = json!({ "event": "error", "code": word, "exit": code, "text": format!("{error:#}") });
        writeln!(io::stdout().lock(), "{said}")
    } else {
        writeln!(io::stderr().lock(), "qpc-server: {error:#}")
    };
    ExitCode::from(code)
}
