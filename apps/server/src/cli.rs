//! The command line.

use std::{ffi::OsString, net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand};

use crate::config::{Layers, LogFormat, LogLevel, Registration};

/// Standard input or output in place of a file.
pub(crate) const STREAM: &str = "-";

const EXIT_CODES: &str = "Exit codes: 0 done, 1 failed, 2 the command line, environment or configuration file is wrong, 6 a file is no backup, truncated, damaged, or of
a later version.";

/// The server of quicprochat: keeps and orders ciphertext for people who chat end to end.
#[derive(Debug, Parser)]
#[command(
    name = "qpc-server",
    version,
    after_help = EXIT_CODES,
    after_long_help = "Examples:
  qpc-server                                   run with defaults, on UDP port 4433
  qpc-server --listen 127.0.0.1:0              run on this machine alone, on any free port
  qpc-server --host chat.example --registration invite
  qpc-server config                            what is in force, and where it comes from
  qpc-server invite create --count 3           invite codes to hand out
  qpc-server backup /var/backups               everything in one file, while the server runs

Exit codes: 0 done, 1 failed, 2 the command line, environment or configuration file is wrong, 6 a file is no backup, truncated, damaged, or of
a later version.",
    subcommand_required = false
)]
pub struct Cli {
    /// What to do; `run` if nothing is said.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Settings, taken by every command.
    #[command(flatten)]
    pub settings: Settings,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the server until SIGTERM or SIGINT (the default).
    #[command(after_help = "Example:
  qpc-server run --data-dir /var/lib/qpc --host chat.example --ready-file /run/qpc/link

Prints one line `ready qpc://HOST:PORT/#FINGERPRINT` once it accepts connections. SIGTERM and SIGINT end what is under way
and exit with 0; a second one exits at once with 1. SIGUSR1 logs counters.")]
    Run,
    /// Print the configuration in force, with the origin of each value. Shows no secret.
    #[command(after_help = "Examples:
  qpc-server config > server.toml              a file that says what holds now
  qpc-server config --json | jq '.listen.from'")]
    Config(ConfigArgs),
    /// Make invite codes.
    #[command(subcommand)]
    Invite(InviteCommand),
    /// Print the whole database, decrypted, one row a line (JSON). For audits: there is nothing to read in it.
    #[command(after_help = "Needs the store key; may run beside the server.

Example:
  qpc-server dump --data-dir /var/lib/qpc | grep -c 'a word from a message'")]
    Dump,
    /// Write everything the server keeps to one file, as of now. The server goes on beside it.
    #[command(
        after_help = "Everything that was acknowledged before it began is in the file. It is made with mode 0600 and holds the server's secrets (not
the store's key: a store that is restored gets a new one): keep it as you keep the data directory, or encrypt what comes out.
The configuration is not in it.

Examples:
  qpc-server backup /var/backups/qpc.backup --replace
  qpc-server backup /var/backups               a name with date and time
  qpc-server backup - | age -r KEY > qpc.backup.age

Exit codes: 0 done, 1 failed (nothing is left behind), 2 the command line is wrong."
    )]
    Backup(BackupArgs),
    /// Put a backup into an empty data directory.
    #[command(
        after_help = "All of the file is read and checked before anything is in its place. The directory must be empty. Clients notice that the server is
as it was, and offer what it lost: for 10 minutes from its first start on (--recovery) it takes nothing new for conversations.
docs/server.md says more.

Examples:
  qpc-server restore /var/backups/qpc.backup --data-dir /var/lib/qpc
  age -d -i KEY qpc.backup.age | qpc-server restore - --data-dir /var/lib/qpc

Exit codes: 0 done, 1 failed, 2 the command line is wrong, 6 the file is no backup, truncated, damaged, or of a later version."
    )]
    Restore(RestoreArgs),
    /// Check the data directory, or a backup.
    #[command(
        after_help = "Of a data directory: that every page of the database is whole, that its structure is sound, and that logs, counters and accounts
fit together. May run beside the server. Prints `ok`, or what is wrong and exits with 1. Of a backup: that it is whole, and all of that for the
store in it, which is written to a directory of its own in $TMPDIR (/tmp), encrypted, and removed; `--quick` reads the file only.

Examples:
  qpc-server check --data-dir /var/lib/qpc
  qpc-server check /var/backups/qpc.backup

Exit codes: 0 sound, 1 something is wrong, 2 the command line is wrong, 6 the file is no backup, truncated, damaged, or of a later
version."
    )]
    Check(CheckArgs),
}

impl Command {
    /// Whether whoever called wants one object on standard output, also where it fails. A backup to standard output has none: there
    /// the bytes themselves go.
    #[must_use]
    pub fn prints_json(&self) -> bool {
        match self {
            Self::Run | Self::Dump => false,
            Self::Config(args) => args.json,
            Self::Invite(InviteCommand::Create(args)) => args.json,
            Self::Check(args) => args.json,
            Self::Backup(args) => args.json && args.path.as_os_str() != STREAM,
            Self::Restore(args) => args.json,
        }
    }
}

/// Arguments of `backup`.
#[derive(Debug, Args)]
pub struct BackupArgs {
    /// Where to; in a directory, a name with date and time; `-` for standard output.
    #[arg(value_name = "FILE|DIR")]
    pub path: PathBuf,
    /// Replace a file of that name.
    #[arg(long)]
    pub replace: bool,
    /// One JSON object instead of text.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `restore`.
#[derive(Debug, Args)]
pub struct RestoreArgs {
    /// Which; `-` for standard input.
    pub file: PathBuf,
    /// Put it in place also if its rows do not fit each other (a wrong count, a row that belongs to nothing), and say how: where
    /// there is no better backup.
    #[arg(long)]
    pub despite_faults: bool,
    /// One JSON object instead of text.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// A backup, or `-` for standard input; the data directory if there is none.
    pub file: Option<PathBuf>,
    /// Of a backup, only whether the file is whole.
    #[arg(long, requires = "file")]
    pub quick: bool,
    /// One JSON object instead of text.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `config`.
#[derive(Debug, Args)]
pub struct ConfigArgs {
    /// One JSON object instead of TOML.
    #[arg(long)]
    pub json: bool,
}

/// What to do with invite codes.
#[derive(Debug, Subcommand)]
pub enum InviteCommand {
    /// Make codes, one a line. Each lets one person register.
    #[command(after_help = "May run beside the server.

Examples:
  qpc-server invite create --count 3 --data-dir /var/lib/qpc
  qpc-server invite create --json | jq -r '.codes[]'")]
    Create(InviteArgs),
}

/// Arguments of `invite create`.
#[derive(Debug, Args)]
pub struct InviteArgs {
    /// How many.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub count: u32,
    /// One JSON object instead of a code a line.
    #[arg(long)]
    pub json: bool,
}

/// Settings that have a flag of their own; all others go by `--set`, the environment, or the file.
#[derive(Debug, Args)]
pub struct Settings {
    /// Configuration file (TOML).
    #[arg(long, value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,
    /// Directory for everything the server keeps [default: ~/.local/share/quicprochat-server].
    #[arg(long, value_name = "DIR", global = true)]
    pub data_dir: Option<PathBuf>,
    /// UDP address and port; port 0 takes any that is free [default: 0.0.0.0:4433].
    #[arg(long, value_name = "ADDR:PORT", global = true)]
    pub listen: Option<SocketAddr>,
    /// Host in the server link and behind names [default: by --listen, or this machine's name].
    #[arg(long, value_name = "NAME", global = true)]
    pub host: Option<String>,
    /// File that gets the server link once connections are accepted.
    #[arg(long, value_name = "FILE", global = true)]
    pub ready_file: Option<PathBuf>,
    /// How long a server that was restored takes nothing new for conversations, so that clients can offer first what it lost;
    /// 0s for not at all [default: 10min].
    #[arg(long, value_name = "TIME", global = true)]
    pub recovery: Option<String>,
    /// Who may register [default: open].
    #[arg(long, value_enum, global = true)]
    pub registration: Option<Registration>,
    /// How log lines look [default: text].
    #[arg(long, value_enum, global = true)]
    pub log_format: Option<LogFormat>,
    /// How much is logged, to standard error [default: info].
    #[arg(long, value_enum, global = true)]
    pub log_level: Option<LogLevel>,
    /// Any other setting, such as `--set limits.retention=30d`. May be repeated.
    #[arg(long, value_name = "KEY=VALUE", global = true, value_parser = key_value)]
    pub set: Vec<(String, String)>,
}

fn key_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("expected KEY=VALUE")?;
    Ok((key.trim().to_owned(), value.trim().to_owned()))
}

impl Settings {
    /// The layers of configuration, with `environment` as it was found.
    ///
    /// Errors:   the name of a flag whose value is not text.
    pub fn layers(self, environment: impl IntoIterator<Item = (OsString, OsString)>) -> Result<Layers, &'static str> {
        let mut flags: Vec<(String, String, String)> =
            self.set.into_iter().map(|(key, value)| (format!("--set {key}"), key, value)).collect();
        let mut flag = |name: &str, key: &str, value: Option<String>| {
            flags.extend(value.map(|value| (name.to_owned(), key.to_owned(), value)));
        };
        let path = |name, path: Option<PathBuf>| path.map(|path| text(name, path)).transpose();
        flag("--data-dir", "data_dir", path("--data-dir", self.data_dir)?);
        flag("--listen", "listen", self.listen.map(|listen| listen.to_string()));
        flag("--host", "host", self.host);
        flag("--ready-file", "ready_file", path("--ready-file", self.ready_file)?);
        flag("--recovery", "recovery", self.recovery);
        flag("--registration", "registration.mode", self.registration.as_ref().map(name));
        flag("--log-format", "log.format", self.log_format.as_ref().map(name));
        flag("--log-level", "log.level", self.log_level.as_ref().map(name));
        Ok(Layers { file: self.config, environment: environment.into_iter().collect(), flags })
    }
}

fn text(flag: &'static str, path: PathBuf) -> Result<String, &'static str> {
    path.into_os_string().into_string().map_err(|_| flag)
}

fn name(value: &impl clap::ValueEnum) -> String {
    value.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        use clap::CommandFactory as _;
        Cli::command().debug_assert();
    }
}
