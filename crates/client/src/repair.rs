//! What `qpc doctor --repair` mends: only what can be mended without losing anything.

use std::{
    fs,
    path::PathBuf,
    time::{Duration, UNIX_EPOCH},
};

use quicprochat_client_core::{
    Command, Outcome, command::RepairedConversation, event::ArchiveLoss, store::ConversationState, views,
};

use crate::{Client, ClientError, entropy::now, home::Home};

/// A key file that is younger may still be written by another process.
const LEFT_OVER: Duration = Duration::from_secs(600);

/// Something that was found, and what was done about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repair {
    /// What was looked at.
    pub name: &'static str,
    /// The conversation, if it is about one.
    pub conversation: Option<quicprochat_wire::ChannelId>,
    /// What was found.
    pub found: String,
    /// What was done.
    pub done: String,
    /// Whether nothing is left to be done.
    pub mended: bool,
}

impl Client {
    /// Mends what can be mended, and says what that was; empty if there was nothing.
    ///
    /// Errors:   [`ClientError`]; what was mended before stays mended.
    pub async fn repair(&mut self) -> Result<Vec<Repair>, ClientError> {
        let mut repairs = Vec::new();
        for path in left_over_keys(self.home()) {
            let removed = fs::remove_file(&path);
            repairs.push(Repair {
                name: "key file",
                conversation: None,
                found: format!("{} was left over when a process died", path.display()),
                done: match &removed {
                    Ok(()) => "removed".to_owned(),
                    Err(error) => format!("not removed: {error}"),
                },
                mended: removed.is_ok(),
            });
        }
        if self.account()?.is_none() {
            return Ok(repairs);
        }
        let session = self.session()?;
        let outcome = session.run(Command::Repair).await;
        session.stop().await?;
        if let Outcome::Repaired { conversations, archive } = outcome? {
            for conversation in &conversations {
                let at_server = self.read(|tx| Ok(views::missing_at_server(tx, &conversation.channel)?))?;
                repairs.push(of_conversation(conversation, at_server));
            }
            repairs.extend((archive.objects > 0).then(|| of_archive(archive)));
        }
        Ok(repairs)
    }
}

/// What is missing is what other devices put in again, or nobody has.
fn of_archive(loss: ArchiveLoss) -> Repair {
    let ArchiveLoss { objects, missing } = loss;
    Repair {
        name: "history",
        conversation: None,
        found: format!("{objects} parts of the account's history at the server were damaged or not there"),
        done: match missing {
            0 => "what they held was put in again".to_owned(),
            _ => format!("given up; this device does not have {missing} entries that they held, another one may"),
        },
        mended: missing == 0,
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "a state that is not named is one in which others are waited for")]
fn of_conversation(conversation: &RepairedConversation, at_server: Option<u64>) -> Repair {
    let RepairedConversation { channel, was, is, missing } = conversation;
    let mended = *is == ConversationState::Active && *missing == 0;
    let stuck = matches!(was, ConversationState::NeedsRejoin { .. });
    let is_false = matches!(was, ConversationState::Spoilt | ConversationState::Replacing { .. });
    let found = match was {
        ConversationState::Diverged => "the server's log was not the one that this device had read",
        ConversationState::Gone => "the server did not have it, or not under the keys of this device",
        ConversationState::Spoilt | ConversationState::Replacing { .. } => "a false access key is in force",
        _ if stuck => "this device could not follow",
        _ => "there are entries that this device cannot read",
    };
    let done = match is {
        ConversationState::Active if is_false && *missing == 0 => "went on in another channel".to_owned(),
        ConversationState::Active if stuck && *missing == 0 => "entered anew".to_owned(),
        ConversationState::Active if stuck => format!("entered anew; members are asked for {missing} entries"),
        ConversationState::Active if *missing > 0 => format!("members are asked for {missing} entries again"),
        ConversationState::Active => "looked again: it is as it should be".to_owned(),
        ConversationState::Diverged => {
            let lacks = match at_server {
                Some(entries) => format!("it lacks {entries} entries that this device has read or was told of. "),
                None => String::new(),
            };
            format!(
                "looked again, and it still is not: {lacks}The server's store was put back to an older copy, or changed. \
                 Nothing is written there; what was read stays. It goes on once another device has given back what is missing, \
                 or whoever runs the server has put the newest copy in place; else begin a new conversation"
            )
        }
        ConversationState::Spoilt => {
            "a member or the server registered it, and the channels that could take its place are taken under false keys, too. \
             Nothing is written there; what was read stays. Begin a new conversation"
                .to_owned()
        }
        ConversationState::Gone => "looked again, and it is not there any more".to_owned(),
        _ => "tried again; it waits for what only others can do".to_owned(),
    };
    let found = found.to_owned();
    Repair { name: "conversation", conversation: Some(*channel), found, done, mended }
}

/// Key files that were written beside the home's and never moved into its place.
pub(crate) fn left_over_keys(home: &Home) -> Vec<PathBuf> {
    let path = home.key_path();
    let (Some(folder), Some(stem)) = (path.parent(), path.file_stem().and_then(|stem| stem.to_str())) else {
        return Vec::new();
    };
    let begins = format!("{stem}.new-");
    let is_old = |entry: &fs::DirEntry| {
        let modified = entry.metadata().and_then(|metadata| metadata.modified()).ok();
        let since = modified.and_then(|modified| modified.duration_since(UNIX_EPOCH).ok());
        since.is_some_and(|since| u128::from(now().0) >= (since + LEFT_OVER).as_millis())
    };
    let is_one = |entry: &fs::DirEntry| {
        let name = entry.file_name();
        let rest = name.to_str().and_then(|name| name.strip_prefix(&begins));
        let is_named = rest.is_some_and(|rest| rest.len() == 8 && rest.bytes().all(|byte| byte.is_ascii_hexdigit()));
        is_named && entry.file_type().is_ok_and(|kind| kind.is_file()) && is_old(entry)
    };
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut found: Vec<PathBuf> = entries.flatten().filter(is_one).map(|entry| entry.path()).collect();
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use std::{
        fs::File,
        time::{Duration, SystemTime},
    };

    use quicprochat_client_core::store::RejoinReason;

    use super::*;

    #[test]
    fn what_is_said_of_a_conversation_is_what_became_of_it() {
        let of = |was: ConversationState, is: ConversationState, missing| {
            let channel = quicprochat_wire::ChannelId::new([1; 32]);
            let repair = of_conversation(&RepairedConversation { channel, was, is, missing }, Some(7));
            (format!("{}; {}", repair.found, repair.done), repair.mended)
        };
        let lost = || ConversationState::NeedsRejoin { reason: RejoinReason::GroupLost };
        let (active, diverged) = (ConversationState::Active, ConversationState::Diverged);
        let cases = [
            (of(lost(), active.clone(), 0), "entered anew", true),
            (of(lost(), active.clone(), 3), "asked for 3 entries", false),
            (of(active.clone(), active.clone(), 3), "asked for 3 entries again", false),
            (of(lost(), lost(), 0), "waits for what only others can do", false),
            (of(diverged.clone(), active, 0), "as it should be", true),
            (of(diverged.clone(), diverged.clone(), 0), "begin a new conversation", false),
            (of(diverged.clone(), diverged, 0), "lacks 7 entries", false),
            (of(ConversationState::Spoilt, ConversationState::Spoilt, 0), "under false keys, too", false),
            (of(ConversationState::Spoilt, ConversationState::Active, 0), "went on in another channel", true),
        ];
        for ((said, mended), expected, right) in cases {
            assert!(said.contains(expected), "{said}");
            assert_eq!(mended, right, "{said}");
        }
    }

    #[test]
    fn only_old_key_files_that_were_never_moved_into_place_are_left_over() {
        let folder = tempfile::tempdir().expect("makes");
        let home = Home::open(folder.path().join("home")).expect("opens");
        let now = SystemTime::now();
        let file = |name: &str, age: u64| {
            let file = File::create(home.path().join(name)).expect("creates");
            file.set_modified(now - Duration::from_secs(age)).expect("dates");
        };
        for name in ["store.key", "store.new-12", "store.new-1234567g", "other.new-12345678", "store.new-12345678.txt"]
        {
            file(name, 7_200);
        }
        file("store.new-00000001", 7_200);
        file("store.new-deadbeef", 60);
        fs::create_dir(home.path().join("store.new-00000002")).expect("makes");
        assert_eq!(left_over_keys(&home), [home.path().join("store.new-00000001")]);
    }
}
