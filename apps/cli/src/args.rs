//! What `qpc` takes on its command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use quicprochat_wire::ServerLink;

use crate::commands::state::{ConversationCommand, DraftArgs, ReadArgs};

use crate::commands::{backup::BackupCommand, export::ExportArgs, history::HistoryCommand};

/// End-to-end encrypted messages from a terminal.
#[derive(Parser, Debug)]
#[command(
    name = "qpc",
    version,
    max_term_width = 100,
    after_help = "\
CONV is a conversation's id, an unambiguous prefix of one, or its title. NAME is `alice` or `alice@host`.

Exit codes: 0 done, 1 failed, 2 usage, 3 server unreachable (what was to be sent is queued),
4 authentication, 5 trust (changed key, bad signature or proof),
6 a file is no backup, damaged, or of a later version, 7 no room for the account's history.

Examples:
  qpc register alice --server qpc://chat.example:4433/#FINGERPRINT
  qpc dm bob 'Lunch at noon?'
  qpc listen"
)]
pub(crate) struct Cli {
    /// Directory of this device's keys and messages [default: $XDG_DATA_HOME/quicprochat or ~/.local/share/quicprochat].
    #[arg(long, global = true, env = "QPC_HOME", value_name = "DIR")]
    pub(crate) home: Option<PathBuf>,
    /// Print one JSON object a line instead of text.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Read the passphrase of the local store from this file (only for a store that has one, or to give a new one).
    #[arg(long, global = true, env = "QPC_PASSPHRASE_FILE", value_name = "FILE")]
    pub(crate) passphrase_file: Option<PathBuf>,
    /// What to log to stderr: error, warn, info, debug or trace.
    #[arg(long, global = true, env = "QPC_LOG", default_value = "error", value_name = "LEVEL")]
    pub(crate) log_level: String,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// A command.
#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Make an account on a server, with this as its first device.
    #[command(after_help = "\
Prints the account's recovery key: write it down. It opens the account if the password is forgotten.

Example:
  qpc register alice --server qpc://127.0.0.1:4433/#FINGERPRINT --password-file pw.txt")]
    Register {
        /// The name wanted.
        name: String,
        /// The server's link, as `qpc-server` prints it.
        #[arg(long, value_name = "LINK")]
        server: ServerLink,
        #[command(flatten)]
        password: Password,
        /// Invite code, where the server asks for one.
        #[arg(long, value_name = "CODE")]
        invite: Option<String>,
    },
    /// Make this a further device of an account.
    #[command(after_help = "\
It enters every conversation of the account with its next sync or listen, and takes the history from the server.

Examples:
  qpc --home ~/second login alice --server qpc://127.0.0.1:4433/#FINGERPRINT
  qpc --home ~/second login alice --server qpc://127.0.0.1:4433/#FINGERPRINT --recovery-key")]
    Login {
        /// The account's name.
        name: String,
        /// The server's link, as `qpc-server` prints it.
        #[arg(long, value_name = "LINK")]
        server: ServerLink,
        #[command(flatten)]
        proof: Proof,
    },
    /// Say which account and device this is.
    #[command(after_help = "\
Example:
  qpc whoami")]
    Whoami,
    /// Change the account's password.
    #[command(after_help = "\
Who has forgotten it gives the recovery key in its place.

Examples:
  qpc passwd --password-file old.txt --new-password-file new.txt
  qpc passwd --recovery-key-file key.txt --new-password-file new.txt")]
    Passwd {
        #[command(flatten)]
        proof: Proof,
        /// Read the new password from this file instead of asking.
        #[arg(long, value_name = "F")]
        new_password_file: Option<PathBuf>,
    },
    /// Show or replace the recovery key.
    #[command(after_help = "\
Examples:
  qpc recovery show
  qpc recovery new --password-file pw.txt")]
    #[command(subcommand)]
    Recovery(RecoveryCommand),
    /// Set how the account takes new devices, or delete it.
    #[command(after_help = "\
Examples:
  qpc account require-link on
  qpc account delete")]
    #[command(subcommand)]
    Account(AccountCommand),
    /// List, link, rename or revoke the account's devices.
    #[command(after_help = "\
Examples:
  qpc devices
  qpc devices link
  qpc devices revoke 3e908524")]
    #[command(visible_alias = "device")]
    Devices {
        #[command(subcommand)]
        command: Option<DevicesCommand>,
    },
    /// Show the number to compare with NAME over another way (a call, in person).
    #[command(after_help = "\
Example:
  qpc safety-number bob")]
    SafetyNumber {
        /// Whose.
        name: String,
    },
    /// Mark NAME as verified after comparing safety numbers, and accept a changed key.
    #[command(after_help = "\
Example:
  qpc safety-number bob
  qpc verify bob --number '12345 12345 ...'")]
    Verify {
        /// Whom.
        name: String,
        /// The safety number as the other side reads it; without it, qpc only shows its own (exit code 2).
        #[arg(long, value_name = "DIGITS")]
        number: Option<String>,
        /// Accept a changed key without comparing. Whoever controls the server could be behind it.
        #[arg(long, conflicts_with = "number")]
        accept_changed_key: bool,
    },
    /// Make and change groups.
    #[command(after_help = "\
Examples:
  qpc group create picnic
  qpc group invite picnic bob carol")]
    #[command(subcommand)]
    Group(GroupCommand),
    /// List conversations: pinned ones first, archived ones last.
    #[command(after_help = "\
Examples:
  qpc conversations
  qpc --json conversations")]
    #[command(alias = "list")]
    Conversations,
    /// Mute, pin, archive, place or call a conversation, on all your devices.
    #[command(after_help = "\
Examples:
  qpc conversation mute picnic --for 8h
  qpc conversation title picnic 'Sunday'")]
    #[command(subcommand)]
    Conversation(ConversationCommand),
    /// Keep the account's history at its server, sealed, for new devices; or not.
    #[command(after_help = "\
Examples:
  qpc history status
  qpc history off picnic")]
    #[command(subcommand)]
    History(HistoryCommand),
    /// Mark a conversation as read, on all your devices.
    #[command(after_help = "\
Examples:
  qpc read picnic
  qpc read picnic --to 42")]
    Read(ReadArgs),
    /// Keep what you began to write, on all your devices.
    #[command(after_help = "\
Examples:
  qpc draft picnic 'I thought that'
  qpc draft picnic --clear")]
    Draft(DraftArgs),
    /// Send text to a conversation.
    #[command(after_help = "\
Without a connection the message is queued (exit code 3) and goes out with the next sync or listen.

Examples:
  qpc send picnic 'See you at noon'
  echo 'From a pipe' | qpc send picnic -")]
    Send {
        /// Conversation.
        conv: String,
        /// The text, or - to read it from standard input.
        text: String,
    },
    /// Send text to one person.
    #[command(after_help = "\
Without a connection the message is queued (exit code 3) and goes out with the next sync or listen.

Examples:
  qpc dm bob 'Lunch at noon?'
  echo 'From a pipe' | qpc dm bob@chat.example -")]
    Dm {
        /// To whom.
        name: String,
        /// The text, or - to read it from standard input.
        text: String,
    },
    /// Make or list invite codes, where the server asks for them.
    #[command(after_help = "\
Examples:
  qpc invite create
  qpc invite list")]
    #[command(subcommand)]
    Invite(InviteCommand),
    /// List, accept or block invitations of people you do not know.
    #[command(after_help = "\
Examples:
  qpc requests
  qpc requests accept 1fea7ca7")]
    Requests {
        #[command(subcommand)]
        command: Option<RequestsCommand>,
    },
    /// Catch up once and exit.
    #[command(after_help = "\
Examples:
  qpc sync
  qpc --json sync")]
    Sync,
    /// Stay online and print what arrives.
    #[command(after_help = "\
Examples:
  qpc listen
  qpc --json listen --for 60")]
    Listen {
        /// Stop after this many seconds.
        #[arg(long = "for", value_name = "SECONDS")]
        seconds: Option<u64>,
        /// Stop after this many messages.
        #[arg(long, value_name = "N")]
        count: Option<u64>,
    },
    /// Show what was said. It stays unread, unless --read is given.
    #[command(after_help = "\
Examples:
  qpc log picnic --limit 20 --read
  qpc --json log picnic --since 42")]
    Log {
        /// Conversation.
        conv: String,
        /// Only what comes after this number.
        #[arg(long, value_name = "SEQ")]
        since: Option<u64>,
        /// At most this many, the newest.
        #[arg(long, value_name = "N")]
        limit: Option<u32>,
        /// Mark it as read, up to the last message that was shown.
        #[arg(long)]
        read: bool,
    },
    /// Back up what this device knows to a file, check one, or restore from one.
    #[command(after_help = "\
Examples:
  qpc backup create alice.backup
  qpc backup restore alice.backup")]
    #[command(subcommand)]
    Backup(BackupCommand),
    /// Write what was said as plain files: for a browser, an editor, or programs.
    #[command(after_help = "\
The files are not encrypted.

Example:
  qpc export --format html --conversation picnic ~/picnic")]
    Export(ExportArgs),
    /// Check what is configured, reachable, encrypted, and how; mend what can be mended.
    #[command(after_help = "\
Exit codes: 0 all is well, 1 something is left (for others, or for you), 3 the server cannot be reached.

Examples:
  qpc doctor
  qpc doctor --repair")]
    Doctor {
        /// Enter conversations anew that this device cannot follow, ask again for what it cannot read, look at all of the history at
        /// the server and put in again what is amiss, look once more at what has stopped, and remove key files that a crash left over
        #[arg(long)]
        repair: bool,
    },
    /// Take blind tokens out of this device's stock, for programs that speak the protocol themselves.
    #[command(after_help = "\
Example:
  qpc tokens take 3")]
    #[command(subcommand)]
    Tokens(TokensCommand),
}

/// What shows that the account is one's own: the password, or the recovery key in its place.
#[derive(Args, Debug)]
pub(crate) struct Proof {
    #[command(flatten)]
    pub(crate) password: Password,
    /// Read the recovery key from this file, in place of the password.
    #[arg(long, value_name = "F", conflicts_with = "password_file")]
    pub(crate) recovery_key_file: Option<PathBuf>,
    /// Ask for the recovery key in place of the password.
    #[arg(long, conflicts_with_all = ["password_file", "recovery_key_file"])]
    pub(crate) recovery_key: bool,
}

/// Where the password comes from.
#[derive(Args, Debug)]
pub(crate) struct Password {
    /// Read the password from this file instead of asking.
    #[arg(long, value_name = "F")]
    pub(crate) password_file: Option<PathBuf>,
}

/// `qpc recovery`.
#[derive(Subcommand, Debug)]
pub(crate) enum RecoveryCommand {
    /// Print the recovery key again.
    #[command(after_help = "\
Example:
  qpc recovery show --password-file pw.txt")]
    Show {
        #[command(flatten)]
        password: Password,
    },
    /// Make a new recovery key; the one before is worth nothing from then on.
    #[command(after_help = "\
Example:
  qpc recovery new")]
    New {
        #[command(flatten)]
        password: Password,
    },
}

/// Whether something is so.
#[derive(clap::ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Switch {
    /// It is.
    On,
    /// It is not.
    Off,
}

/// `qpc account`.
#[derive(Subcommand, Debug)]
pub(crate) enum AccountCommand {
    /// Take new devices from this account's devices only: the password alone makes none (the recovery key still does).
    #[command(after_help = "\
Example:
  qpc account require-link on")]
    RequireLink {
        /// Whether it is to be so.
        switch: Switch,
        #[command(flatten)]
        password: Password,
    },
    /// Leave every group, then remove everything the server has of this account, and this device's store.
    ///
    /// Channels cannot be found from an account: what is in them stays, unreadable to the server, until it expires.
    #[command(after_help = "\
Example:
  qpc account delete --yes --password-file pw.txt")]
    Delete {
        #[command(flatten)]
        password: Password,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
}

/// `qpc devices`.
#[derive(Subcommand, Debug)]
pub(crate) enum DevicesCommand {
    /// List them.
    #[command(after_help = "\
Example:
  qpc devices list")]
    List,
    /// Give one a name that only your own devices see.
    #[command(after_help = "\
Example:
  qpc devices rename 3e908524 kitchen-laptop")]
    Rename {
        /// Its id, or an unambiguous prefix.
        id: String,
        /// The name.
        label: String,
    },
    /// Make a new device one of the account's, from this one: shows a code for it, and hands over what it needs.
    #[command(after_help = "\
The code counts for ten minutes and for one device. Both devices show a number; each asks for the number that the
other one shows. The password is asked for here; the new device never sees it.

Example:
  qpc device link                    on this device
  qpc --home ~/second device join    on the new one; it asks for the code")]
    Link(LinkArguments),
    /// Become a device of an account, with the code that another of its devices shows.
    #[command(after_help = "\
Example:
  qpc --home ~/second device join")]
    Join {
        /// The code; without it, or with -, it is read from standard input, which leaves no trace in the shell's history.
        code: Option<String>,
    },
    /// Go on with the account after its server was put back to an older backup.
    #[command(after_help = "\
For when the server shows an older record of the account than this device has seen. Ask whoever runs the server first,
and not over the server: one that lies would show old records, too. The record is signed anew on top of what the server
has, and what this device knows to be revoked is revoked again. The password is that of the time of the backup.

Example:
  qpc devices after-restore")]
    AfterRestore {
        #[command(flatten)]
        password: Password,
    },
    /// Cut one off: at once from the account, and from every conversation.
    #[command(after_help = "\
Example:
  qpc devices revoke 3e908524")]
    Revoke {
        /// Its id, or an unambiguous prefix.
        id: String,
        #[command(flatten)]
        password: Password,
    },
}

/// `qpc group`.
#[derive(Subcommand, Debug)]
pub(crate) enum GroupCommand {
    /// Make a group.
    #[command(after_help = "\
Example:
  qpc group create picnic")]
    Create {
        /// Its title.
        title: String,
    },
    /// Invite people.
    #[command(after_help = "\
Example:
  qpc group invite picnic bob carol")]
    Invite {
        /// Conversation.
        conv: String,
        /// Whom.
        #[arg(required = true)]
        names: Vec<String>,
    },
    /// List its members and their devices.
    #[command(after_help = "\
Example:
  qpc group members picnic")]
    Members {
        /// Conversation.
        conv: String,
    },
    /// Remove somebody.
    #[command(after_help = "\
Example:
  qpc group remove picnic carol")]
    Remove {
        /// Conversation.
        conv: String,
        /// Whom.
        name: String,
    },
    /// Leave.
    #[command(after_help = "\
Example:
  qpc group leave picnic")]
    Leave {
        /// Conversation.
        conv: String,
    },
    /// Give it another title.
    #[command(after_help = "\
Example:
  qpc group rename picnic 'Sunday picnic'")]
    Rename {
        /// Conversation.
        conv: String,
        /// The title.
        title: String,
    },
}

/// `qpc invite`.
#[derive(Subcommand, Debug)]
pub(crate) enum InviteCommand {
    /// Make a code with which one person can register.
    #[command(after_help = "\
Example:
  qpc invite create")]
    Create,
    /// List your codes.
    #[command(after_help = "\
Example:
  qpc invite list")]
    List,
}

/// `qpc requests`.
#[derive(Subcommand, Debug)]
pub(crate) enum RequestsCommand {
    /// Join the conversation.
    #[command(after_help = "\
Example:
  qpc requests accept 1fea7ca7")]
    Accept {
        /// The request's id, or an unambiguous prefix.
        id: String,
    },
    /// Drop it, and everything else from that account.
    #[command(after_help = "\
Example:
  qpc requests block 1fea7ca7")]
    Block {
        /// The request's id, or an unambiguous prefix.
        id: String,
    },
}

/// `qpc tokens`.
#[derive(Subcommand, Debug)]
pub(crate) enum TokensCommand {
    /// Print N tokens and forget them.
    #[command(after_help = "\
Example:
  qpc --json tokens take 3")]
    Take {
        /// How many.
        n: u32,
    },
}

/// `qpc devices link`.
#[derive(Args, Debug)]
pub(crate) struct LinkArguments {
    #[command(flatten)]
    pub(crate) proof: Proof,
    /// Do not draw a QR code.
    #[arg(long)]
    pub(crate) no_qr: bool,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_shows_an_example_of_itself() {
        let mut open: Vec<(String, clap::Command)> = vec![("qpc".to_owned(), Cli::command())];
        while let Some((name, command)) = open.pop() {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let words: Vec<&str> = name.split(' ').collect();
            let itself = |line: &str| words.last().is_some_and(|last| line.contains("qpc ") && line.contains(*last));
            assert!(help.contains("Example") && help.lines().any(itself), "{name} --help has no example");
            let inner = command.get_subcommands().filter(|inner| inner.get_name() != "help");
            open.extend(inner.map(|inner| (format!("{name} {}", inner.get_name()), inner.clone())));
        }
    }
}
