//! Backup files.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use quicprochat_client::{
    backup::{BackupError, BackupFile, BackupFileError, BackupSecret, BackupSummary, ContentError, SecretKind},
    core::auth::RecoveryKey,
    identity::check_password_strength,
};
use serde_json::{Value, json};

use crate::{context::Context, exit::Exit, failure::Failure, progress::ProgressLine, render, secret};

/// `qpc backup`.
#[derive(Subcommand, Debug)]
pub(crate) enum BackupCommand {
    /// Write everything this device knows to one encrypted file.
    #[command(after_help = "\
Messages, contacts with verifications, and what it takes to enter the conversations again; no key of this device.

Examples:
  qpc backup create alice.backup
  qpc backup create alice.backup --recovery-key")]
    Create {
        /// Where to.
        file: PathBuf,
        #[command(flatten)]
        secret: Secret,
        /// Replace a file of that name.
        #[arg(long)]
        replace: bool,
    },
    /// Read a backup to its end, and change nothing.
    #[command(after_help = "\
Example:
  qpc backup check alice.backup")]
    Check {
        /// Which.
        file: PathBuf,
        #[command(flatten)]
        secret: Secret,
    },
    /// Take over from a backup of this account what this device does not have.
    #[command(after_help = "\
All of the file is read first; then everything is taken over, or nothing. What this device knows is never replaced.
Whoever lost all devices logs in first, with the password or the recovery key.

Example:
  qpc login alice --server LINK --recovery-key
  qpc backup restore alice.backup
  qpc sync")]
    Restore {
        /// Which.
        file: PathBuf,
        #[command(flatten)]
        secret: Secret,
    },
}

/// What protects the file. (`--passphrase-file` is that of the local store.)
#[derive(Args, Debug)]
pub(crate) struct Secret {
    /// Read the backup's passphrase from this file instead of asking.
    #[arg(long, value_name = "F")]
    backup_passphrase_file: Option<PathBuf>,
    /// Read the recovery key, which protects the backup in place of a passphrase, from this file.
    #[arg(long, value_name = "F", conflicts_with = "backup_passphrase_file")]
    recovery_key_file: Option<PathBuf>,
    /// Ask for the recovery key in place of a passphrase.
    #[arg(long, conflicts_with_all = ["backup_passphrase_file", "recovery_key_file"])]
    recovery_key: bool,
}

pub(super) fn backup(context: &mut Context, command: BackupCommand) -> Result<(), Failure> {
    match command {
        BackupCommand::Create { file, secret, replace } => create(context, &file, &secret, replace),
        BackupCommand::Check { file, secret } => check(context, &file, &secret),
        BackupCommand::Restore { file, secret } => restore(context, &file, &secret),
    }
}

fn create(context: &mut Context, file: &Path, secret: &Secret, replace: bool) -> Result<(), Failure> {
    context.account()?;
    let secret = match secret.recovery_key()? {
        Some(key) => BackupSecret::recovery_key(&key),
        None => {
            let file = secret.backup_passphrase_file.as_deref();
            let text = secret::new_from_file_or_terminal(file, "New passphrase of the backup: ")?;
            // Whoever has the file can try guesses for as long as they like.
            check_password_strength(&text, None)
                .map_err(|problem| Failure::new("weak-password", Exit::Usage, format!("the passphrase: {problem}")))?;
            BackupSecret::passphrase(text)
        }
    };
    let mut progress = Progress::new("written");
    let summary = context.client.create_backup(file, &secret, replace, &mut |done, total| progress.show(done, total));
    progress.end();
    let summary = summary?;
    let text = format!(
        "wrote {}: {}. Keep the {} apart from it: without it nobody can open the file",
        file.display(),
        counted(&summary),
        match secret.kind() {
            SecretKind::Passphrase => "passphrase",
            SecretKind::RecoveryKey => "recovery key",
        }
    );
    Ok(context.out.show("backup", object(file, &summary), &text)?)
}

fn check(context: &mut Context, path: &Path, secret: &Secret) -> Result<(), Failure> {
    let mut file = BackupFile::open(path)?;
    let secret = secret.of(&file)?;
    let mut progress = Progress::new("read");
    let summary = file.check(&secret, &mut |done, total| progress.show(done, total));
    progress.end();
    let summary = summary?;
    let text = format!(
        "{} is whole: a backup of {}@{} of {}, {}",
        path.display(),
        summary.account.name,
        summary.account.host,
        render::rfc3339(summary.account.made),
        counted(&summary)
    );
    Ok(context.out.show("backup", object(path, &summary), &text)?)
}

fn restore(context: &mut Context, path: &Path, secret: &Secret) -> Result<(), Failure> {
    context.account()?;
    let mut file = BackupFile::open(path)?;
    let secret = secret.of(&file)?;
    let mut progress = Progress::new("read");
    let restored = context.client.restore_backup(&mut file, &secret, &mut |done, total| progress.show(done, total));
    progress.end();
    let (summary, imported) = restored?;
    if imported.later > 0 {
        let text = format!("{} parts were left out: only a later version understands them", imported.later);
        context.out.warn("later-version", &text)?;
    }
    if imported.elsewhere > 0 {
        let text = format!("{} conversations on another server were left out", imported.elsewhere);
        context.out.warn("other-server", &text)?;
    }
    let mut object = object(path, &summary);
    if let Some(fields) = object.as_object_mut() {
        fields.insert(
            "imported".to_owned(),
            json!({
                "contacts": imported.contacts, "conversations": imported.conversations, "entries": imported.entries,
                "known": imported.known, "later": imported.later, "elsewhere": imported.elsewhere,
            }),
        );
    }
    let text = format!(
        "restored {} messages and other entries, {} conversations, {} contacts ({} entries were here already); qpc sync \
         enters the conversations",
        imported.entries, imported.conversations, imported.contacts, imported.known
    );
    Ok(context.out.show("restored", object, &text)?)
}

impl Secret {
    fn recovery_key(&self) -> Result<Option<RecoveryKey>, Failure> {
        let text = match (&self.recovery_key_file, self.recovery_key) {
            (Some(file), _) => secret::from_file(file)?,
            (None, true) => secret::from_file_or_terminal(None, "Recovery key: ")?,
            (None, false) => return Ok(None),
        };
        Ok(Some(RecoveryKey::parse(&text)?))
    }

    /// The secret of a file that exists; asks for the kind that protects it.
    fn of(&self, file: &BackupFile) -> Result<BackupSecret, Failure> {
        if let Some(key) = self.recovery_key()? {
            return Ok(BackupSecret::recovery_key(&key));
        }
        if let Some(file) = &self.backup_passphrase_file {
            return Ok(BackupSecret::passphrase(secret::from_file(file)?));
        }
        Ok(match file.secret_kind() {
            SecretKind::Passphrase => {
                BackupSecret::passphrase(secret::from_file_or_terminal(None, "Passphrase of the backup: ")?)
            }
            SecretKind::RecoveryKey => {
                let text = secret::from_file_or_terminal(None, "Recovery key: ")?;
                BackupSecret::recovery_key(&RecoveryKey::parse(&text)?)
            }
        })
    }
}

/// How far a backup has come.
struct Progress {
    what: &'static str,
    shown: u64,
    line: ProgressLine,
}

impl Progress {
    /// Bytes between two updates.
    const STEP: u64 = 4 << 20;

    fn new(what: &'static str) -> Self {
        Self { what, shown: 0, line: ProgressLine::new() }
    }

    fn show(&mut self, done: u64, total: Option<u64>) {
        // The second pass begins at the beginning.
        if done >= self.shown && done - self.shown < Self::STEP {
            return;
        }
        self.shown = done;
        let of = total.map(|total| format!(" of {}", mib(total))).unwrap_or_default();
        self.line.show(&format!("{}{of} MiB {}", mib(done), self.what));
    }

    fn end(&mut self) {
        self.line.clear();
    }
}

const fn mib(bytes: u64) -> u64 {
    bytes >> 20
}

fn counted(summary: &BackupSummary) -> String {
    let counts = &summary.counts;
    format!(
        "{} messages and other entries, {} conversations, {} contacts, {} bytes",
        counts.entries, counts.conversations, counts.contacts, summary.bytes
    )
}

fn object(file: &Path, summary: &BackupSummary) -> Value {
    let BackupSummary { account, counts, bytes } = summary;
    json!({
        "file": file.display().to_string(), "bytes": bytes, "name": account.name, "host": account.host,
        "account": account.account.to_string(), "made": render::rfc3339(account.made), "program": account.program,
        "entries": counts.entries, "conversations": counts.conversations, "contacts": counts.contacts,
    })
}

impl From<BackupFileError> for Failure {
    #[expect(clippy::wildcard_enum_match_arm, reason = "what has no word of its own fails as `failed`")]
    fn from(error: BackupFileError) -> Self {
        let (code, exit) = match &error {
            BackupFileError::Exists { .. } => ("file-exists", Exit::Failed),
            BackupFileError::Envelope { error, .. } => match error {
                BackupError::NotABackup => ("not-a-backup", Exit::File),
                BackupError::LaterVersion { .. } => ("later-version", Exit::File),
                BackupError::OtherSecret { .. } => ("backup-secret", Exit::Authentication),
                BackupError::WrongSecret => ("backup-secret", Exit::Authentication),
                BackupError::Truncated { .. } => ("backup-truncated", Exit::File),
                _ => ("backup-damaged", Exit::File),
            },
            BackupFileError::Content { error, .. } => match error {
                ContentError::OtherAccount { .. } => ("other-account", Exit::Failed),
                ContentError::NoAccount => ("not-registered", Exit::Failed),
                ContentError::Store(fault) => return (*fault).into(),
                _ => ("backup-damaged", Exit::File),
            },
            _ => ("failed", Exit::Failed),
        };
        Self::new(code, exit, error.to_string())
    }
}
