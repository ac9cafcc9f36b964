//! Whether the account's history is kept at its server, sealed, for devices to come; and how that stands.

use clap::Subcommand;
use quicprochat_client::core::{Command, archive::archive_status};
use serde_json::json;

use crate::{context::Context, failure::Failure, render};

/// `qpc history`.
#[derive(Subcommand, Debug)]
pub(crate) enum HistoryCommand {
    /// Keep history: of the account, or of a conversation that was left out.
    #[command(after_help = "\
Examples:
  qpc history on
  qpc history on picnic")]
    On {
        /// Conversation; without it, of the account.
        conv: Option<String>,
    },
    /// Keep no history, and delete what is kept: of the account, or of one conversation.
    #[command(after_help = "\
Examples:
  qpc history off picnic
  qpc history off")]
    Off {
        /// Conversation; without it, of the account.
        conv: Option<String>,
    },
    /// What is kept, what it takes, and what is still to be put in or taken out.
    #[command(after_help = "\
Example:
  qpc --json history status")]
    Status,
    /// Put everything in that is missing there, and take everything out that is missing here, at once.
    #[command(after_help = "\
Example:
  qpc history sync")]
    Sync,
}

pub(super) async fn history(context: &mut Context, command: HistoryCommand) -> Result<(), Failure> {
    context.account()?;
    match command {
        HistoryCommand::On { conv } => set(context, conv, true).await,
        HistoryCommand::Off { conv } => set(context, conv, false).await,
        HistoryCommand::Status => status(context),
        HistoryCommand::Sync => {
            context.run(Command::SyncHistory).await?;
            status(context)
        }
    }
}

/// It is noted first, so that without the server the next `sync` or `listen` does it.
async fn set(context: &mut Context, conv: Option<String>, on: bool) -> Result<(), Failure> {
    let channel = match conv {
        None => None,
        Some(conv) => Some(context.conversation(&conv)?.main.channel),
    };
    context.run(Command::SetHistory { channel, on }).await?;
    context.run(Command::SyncHistory).await?;
    status(context)
}

fn status(context: &mut Context) -> Result<(), Failure> {
    let status = context.read(|tx| Ok(archive_status(tx)?))?;
    let excluded: Vec<String> = status.excluded.iter().map(ToString::to_string).collect();
    let object = json!({
        "enabled": status.enabled, "asked": status.asked, "excluded": excluded, "entries": status.entries,
        "to_store": status.to_store, "to_fetch": status.to_fetch, "unreadable": status.unreadable, "full": status.full,
        "objects": status.objects, "bytes": status.bytes, "quota": status.quota,
        "looked": (status.quota > 0).then(|| render::rfc3339(status.looked)),
    });
    let mut lines = vec![match (status.enabled, status.asked) {
        (_, Some(true)) => "history is to be kept; the next qpc sync begins".to_owned(),
        (_, Some(false)) => "history is to be kept no more; the next qpc sync deletes it".to_owned(),
        (false, None) => "history is off: a new device has only what is written after it came".to_owned(),
        (true, None) => format!("history is on: {} entries are kept for new devices", status.entries),
    }];
    if status.quota > 0 {
        let (bytes, quota) = (status.bytes.div_ceil(1024), status.quota.div_ceil(1024));
        lines.push(format!("{} objects, {bytes} of {quota} KiB at the server", status.objects));
    }
    if status.to_store > 0 {
        lines.push(format!("{} positions are still to be put in", status.to_store));
    }
    if status.to_fetch > 0 {
        lines.push(format!("{} positions are still to be taken out; qpc history sync does it now", status.to_fetch));
    }
    if !excluded.is_empty() {
        lines.push(format!("of {} conversations none is kept", excluded.len()));
    }
    if status.full {
        lines.push("the server has no room for more; nothing else is affected".to_owned());
    }
    if status.unreadable > 0 {
        lines.push(format!("{} objects at the server are damaged or missing", status.unreadable));
    }
    Ok(context.out.show("history", object, &lines.join("\n"))?)
}
