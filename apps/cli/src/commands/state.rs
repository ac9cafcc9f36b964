//! What a person sets for conversations, on every device of the account. Needs no server: the other devices hear of it with the
//! next `sync` or `listen` of this one.

use std::time::Duration;

use clap::{Args, Subcommand};
use quicprochat_client::{
    core::{Command, command::ConversationChange, views},
    now,
};
use quicprochat_wire::Timestamp;
use serde_json::json;

use crate::{context::Context, failure::Failure, render};

/// `qpc read`.
#[derive(Args, Debug)]
pub(crate) struct ReadArgs {
    /// Conversation.
    conv: String,
    /// Up to this number, as `qpc --json log` shows it; without it, up to the last message that this device has.
    #[arg(long, value_name = "SEQ")]
    to: Option<u64>,
}

/// `qpc draft`.
#[derive(Args, Debug)]
pub(crate) struct DraftArgs {
    /// Conversation.
    conv: String,
    /// What was begun to be written; without it, the draft is printed.
    #[arg(conflicts_with = "clear")]
    text: Option<String>,
    /// Remove the draft.
    #[arg(long)]
    clear: bool,
}

/// `qpc conversation`.
#[derive(Subcommand, Debug)]
pub(crate) enum ConversationCommand {
    /// No notifications.
    #[command(after_help = "\
Example:
  qpc conversation mute picnic --for 8h")]
    Mute {
        /// Conversation.
        conv: String,
        /// For so long: a number and s, m, h, d or w. Without it, until `unmute`.
        #[arg(long = "for", value_name = "TIME", value_parser = parse_duration)]
        duration: Option<Duration>,
    },
    /// Notifications again.
    #[command(after_help = "\
Example:
  qpc conversation unmute picnic")]
    Unmute {
        /// Conversation.
        conv: String,
    },
    /// Keep on top.
    #[command(after_help = "\
Example:
  qpc conversation pin picnic")]
    Pin {
        /// Conversation.
        conv: String,
    },
    /// No longer keep on top.
    #[command(after_help = "\
Example:
  qpc conversation unpin picnic")]
    Unpin {
        /// Conversation.
        conv: String,
    },
    /// Put away.
    #[command(after_help = "\
Example:
  qpc conversation archive picnic")]
    Archive {
        /// Conversation.
        conv: String,
    },
    /// Take out again.
    #[command(after_help = "\
Example:
  qpc conversation unarchive picnic")]
    Unarchive {
        /// Conversation.
        conv: String,
    },
    /// Give it a place among those that have one, the smallest first.
    #[command(after_help = "\
Examples:
  qpc conversation order picnic 1
  qpc conversation order picnic --clear")]
    Order {
        /// Conversation.
        conv: String,
        /// Its place.
        #[arg(required_unless_present = "clear")]
        place: Option<u32>,
        /// Take its place away.
        #[arg(long, conflicts_with = "place")]
        clear: bool,
    },
    /// Call it something else on your own devices; other people see nothing of it.
    #[command(after_help = "\
Examples:
  qpc conversation title picnic 'Sunday'
  qpc conversation title picnic --clear")]
    Title {
        /// Conversation.
        conv: String,
        /// The title.
        #[arg(required_unless_present = "clear")]
        title: Option<String>,
        /// Call it by its own title again.
        #[arg(long, conflicts_with = "title")]
        clear: bool,
    },
}

pub(super) async fn read(context: &mut Context, args: ReadArgs) -> Result<(), Failure> {
    context.account()?;
    let view = context.conversation(&args.conv)?;
    context.run(Command::MarkRead { channel: view.main.channel, position: args.to }).await?;
    show(context, &args.conv)
}

pub(super) async fn draft(context: &mut Context, args: DraftArgs) -> Result<(), Failure> {
    context.account()?;
    let view = context.conversation(&args.conv)?;
    if args.text.is_some() || args.clear {
        return change(context, &args.conv, ConversationChange::Draft(args.text)).await;
    }
    let draft = view.settings.draft.unwrap_or_default();
    let object = json!({ "conversation": view.main.channel.to_string(), "text": draft });
    Ok(context.out.show("draft", object, &draft)?)
}

pub(super) async fn conversation(context: &mut Context, command: ConversationCommand) -> Result<(), Failure> {
    context.account()?;
    let (conv, wanted) = match command {
        ConversationCommand::Mute { conv, duration } => {
            let until = duration.map_or(Timestamp(u64::MAX), |duration| now().after(duration));
            (conv, ConversationChange::MutedUntil(Some(until)))
        }
        ConversationCommand::Unmute { conv } => (conv, ConversationChange::MutedUntil(None)),
        ConversationCommand::Pin { conv } => (conv, ConversationChange::Pinned(true)),
        ConversationCommand::Unpin { conv } => (conv, ConversationChange::Pinned(false)),
        ConversationCommand::Archive { conv } => (conv, ConversationChange::Archived(true)),
        ConversationCommand::Unarchive { conv } => (conv, ConversationChange::Archived(false)),
        ConversationCommand::Order { conv, place, .. } => (conv, ConversationChange::Order(place)),
        ConversationCommand::Title { conv, title, .. } => (conv, ConversationChange::Title(title)),
    };
    change(context, &conv, wanted).await
}

async fn change(context: &mut Context, conv: &str, change: ConversationChange) -> Result<(), Failure> {
    let view = context.conversation(conv)?;
    let channel = view.main.channel;
    context.run(Command::SetConversation { channel, change }).await?;
    show(context, &channel.to_string())
}

/// With `--json` the conversation as it is afterwards; nothing as text.
fn show(context: &mut Context, conv: &str) -> Result<(), Failure> {
    let view = context.conversation(conv)?;
    let (object, _) = context.read(|tx| Ok(render::conversation(tx, &view, views::unread(tx, &view)?)?))?;
    Ok(context.out.show("conversation", object, "")?)
}

fn parse_duration(text: &str) -> Result<Duration, String> {
    let seconds = |unit| match unit {
        's' => Some(1),
        'm' => Some(60),
        'h' => Some(3_600),
        'd' => Some(86_400),
        'w' => Some(604_800),
        _ => None,
    };
    let parsed = text.char_indices().last().and_then(|(end, unit)| {
        let number: u64 = text.get(..end)?.parse().ok()?;
        number.checked_mul(seconds(unit)?)
    });
    // A hundred years are for ever.
    parsed
        .filter(|seconds| (1..=3_155_760_000).contains(seconds))
        .map(Duration::from_secs)
        .ok_or_else(|| "a number and s, m, h, d or w, as in 8h".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_number_and_a_unit() {
        for (text, seconds) in [("1s", 1), ("90m", 5_400), ("8h", 28_800), ("2d", 172_800), ("1w", 604_800)] {
            assert_eq!(parse_duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "8", "h", "0h", "-1h", "8 h", "8y", "8hh", "99999999999w", "18446744073709551615w", "8ü"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }
}
