//! Log entries and events as lines of output.

use core::cell::RefCell;
use std::collections::BTreeMap;

use quicprochat_client::{
    ClientError,
    core::{
        Event, TrustWarning,
        content::MimiContent,
        event::{ArchiveLoss, ArchiveWarning},
        store::{ConversationKind, ConversationState, LogBody, LogEntry, RejoinReason, StoreFault, StoreTx},
        views::{self, ConversationView},
    },
    now,
};
use quicprochat_wire::{AccountId, ChannelId, Timestamp};
use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{
    failure::{self, Failure},
    output::Output,
};

/// One thing to print.
pub(crate) enum Line {
    /// Something that happened.
    Show { event: &'static str, object: Value, text: String, message: bool },
    /// Something that needs attention.
    Warn { code: &'static str, text: String },
    /// Nothing.
    Silent,
}

impl Line {
    /// Prints it; true if it was a message.
    pub(crate) fn print(self, out: Output) -> Result<bool, Failure> {
        match self {
            Self::Show { event, object, text, message } => {
                out.show(event, object, &text)?;
                Ok(message)
            }
            Self::Warn { code, text } => {
                out.warn(code, &text)?;
                Ok(false)
            }
            Self::Silent => Ok(false),
        }
    }
}

/// The store as it is shown, with the names and titles that were looked up in it.
pub(crate) struct Scene<'a> {
    tx: &'a dyn StoreTx,
    /// By channel: the conversation's id and title.
    titles: BTreeMap<ChannelId, (ChannelId, String)>,
    names: RefCell<BTreeMap<AccountId, String>>,
}

impl<'a> Scene<'a> {
    /// Reads the conversations' titles once.
    pub(crate) fn of(tx: &'a dyn StoreTx) -> Result<Self, StoreFault> {
        let mut titles = BTreeMap::new();
        for view in views::conversations(tx)? {
            let id = view.main.channel;
            let title = if view.title.is_empty() { id.short() } else { view.title };
            for conversation in core::iter::once(&view.main).chain(&view.others) {
                titles.insert(conversation.channel, (id, title.clone()));
            }
        }
        Ok(Self { tx, titles, names: RefCell::default() })
    }

    fn conversation_id(&self, channel: &ChannelId) -> String {
        self.titles.get(channel).map_or(channel, |(id, _)| id).to_string()
    }

    fn title(&self, channel: &ChannelId) -> String {
        self.titles.get(channel).map_or_else(|| channel.short(), |(_, title)| title.clone())
    }

    fn name_of(&self, account: &AccountId) -> Result<String, StoreFault> {
        if let Some(name) = self.names.borrow().get(account) {
            return Ok(name.clone());
        }
        let name = name_of(self.tx, account)?;
        self.names.borrow_mut().insert(*account, name.clone());
        Ok(name)
    }
}

/// Events of the engine.
pub(crate) fn events(tx: &dyn StoreTx, events: &[Event]) -> Result<Vec<Line>, Failure> {
    let lines = Scene::of(tx).and_then(|scene| events.iter().map(|event| described(&scene, event)).collect());
    lines.map_err(|fault| ClientError::Fault(fault).into())
}

/// Whether a conversation comes out of a state by itself, with nothing that a person should know of. That a home was put back to an
/// older copy is worth a word also where everything goes on.
fn may_pass(state: &ConversationState) -> bool {
    match state {
        ConversationState::NeedsRejoin { reason } => *reason != RejoinReason::StoreRolledBack,
        ConversationState::Diverged | ConversationState::Replacing { .. } => true,
        ConversationState::Creating
        | ConversationState::Active
        | ConversationState::Leaving
        | ConversationState::Left
        | ConversationState::Removed
        | ConversationState::Spoilt
        | ConversationState::Replaced { .. }
        | ConversationState::Gone => false,
    }
}

fn is_in(scene: &Scene<'_>, channel: &ChannelId, state: &ConversationState) -> Result<bool, StoreFault> {
    let conversation = scene.tx.conversations().conversation(channel)?;
    Ok(conversation.is_some_and(|conversation| conversation.state == *state))
}

fn described(scene: &Scene<'_>, event: &Event) -> Result<Line, StoreFault> {
    let show = |event, object, text| Line::Show { event, object, text, message: false };
    Ok(match event {
        Event::Logged(entry) => log_entry(scene, entry)?,
        Event::UsedTwice { channel } => Line::Warn {
            code: "used-twice",
            text: format!(
                "{}: this home is in use twice, or a member pretends so; it enters anew after a pause. Run one copy only, and \
                 log the other device in by itself",
                scene.title(channel)
            ),
        },
        Event::ServerPutBack { wait } => Line::Warn {
            code: "server-put-back",
            text: format!(
                "the server was put back to an older backup and waits until devices have given it what it lost: what you \
                 send stays here and leaves in about {} min",
                wait.as_secs().div_ceil(60).max(1)
            ),
        },
        Event::GivenBack { channel, entries } => Line::Warn {
            code: "given-back",
            text: format!(
                "{}: the server was put back to an older backup; this device gave it {entries} entries back",
                scene.title(channel)
            ),
        },
        Event::Joined { channel, inviter } => {
            let (title, inviter) = (scene.title(channel), scene.name_of(inviter)?);
            show(
                "joined",
                json!({ "conversation": scene.conversation_id(channel), "title": title, "inviter": bare(&inviter) }),
                format!("joined {title} ({inviter} invited)"),
            )
        }
        Event::Request { invitation, from, name } => show(
            "request",
            json!({ "request": invitation.to_string(), "sender": name, "account": from.to_string() }),
            format!("{name} invites you; run: qpc requests accept {} (or block)", invitation.short()),
        ),
        // What has passed meanwhile needs no attention.
        Event::State { channel, state } if may_pass(state) && !is_in(scene, channel, state)? => Line::Silent,
        Event::State { channel, state } => {
            let title = scene.title(channel);
            match state_warning(state, &title) {
                Some(text) => Line::Warn { code: state_name(state), text },
                None => Line::Silent,
            }
        }
        Event::Trust(warning) => trust(scene, warning)?,
        Event::Rejected { channel, code, .. } => Line::Warn {
            code: "rejected",
            text: format!("a message to {} was refused for good: {}", scene.title(channel), code.name()),
        },
        Event::Undelivered { account, channel, code } => Line::Warn {
            code: "undelivered",
            text: format!(
                "the invitation of {} to {} could not be delivered: {}",
                scene.name_of(account)?,
                scene.title(channel),
                code.name()
            ),
        },
        Event::DeviceRevoked => {
            Line::Warn { code: "device-revoked", text: "this device is no longer part of the account".to_owned() }
        }
        Event::DeviceUnknown => Line::Warn { code: "device-unknown", text: failure::DEVICE_UNKNOWN.to_owned() },
        Event::SignInNeeded => Line::Warn {
            code: "sign-in-needed",
            text: "another device changed the account's keys; revoke this device and log in again".to_owned(),
        },
        Event::DeviceRemoved { device } => show(
            "device-removed",
            json!({ "device": device.to_string() }),
            format!("device {} is out of every conversation", device.short()),
        ),
        Event::ClockOff { by, ahead } => Line::Warn {
            code: "clock-off",
            text: format!(
                "this device's clock is {} s {} the server's; set it right",
                by.as_secs(),
                if *ahead { "ahead of" } else { "behind" }
            ),
        },
        Event::AccountState => show("state", json!({}), String::new()),
        Event::DraftsDropped { drafts } => Line::Warn {
            code: "drafts-dropped",
            text: format!(
                "{drafts} draft(s) of this device are gone: with what your other devices wrote there was no room for them"
            ),
        },
        Event::HistoryImported { entries, segments_left } => {
            let object = json!({ "entries": entries, "segments_left": segments_left });
            show("history-imported", object, String::new())
        }
        Event::Archive(ArchiveWarning::Full) => Line::Warn {
            code: "history-full",
            text: "the server has no room left for this account's history; everything else goes on".to_owned(),
        },
        Event::Archive(ArchiveWarning::Unreadable) => Line::Warn {
            code: "history-damaged",
            text:
                "the server withholds or damaged a part of this account's history; nothing of that part was taken over"
                    .to_owned(),
        },
        Event::Archive(ArchiveWarning::Lost(ArchiveLoss { objects, missing })) => Line::Warn {
            code: "history-lost",
            text: format!(
                "the server lost {objects} part(s) of this account's history; what this device has of them was put in again{}",
                if *missing == 0 { String::new() } else { format!(", and it does not have {missing} of the entries") }
            ),
        },
        Event::Queued { .. } | Event::Accepted { .. } => Line::Silent,
    })
}

/// An entry of a conversation's log.
pub(crate) fn log_entry(scene: &Scene<'_>, entry: &LogEntry) -> Result<Line, StoreFault> {
    let sender = scene.name_of(&entry.sender)?;
    let conversation = scene.conversation_id(&entry.channel);
    let title = scene.title(&entry.channel);
    let names = |accounts: &[AccountId]| {
        accounts.iter().map(|account| scene.name_of(account)).collect::<Result<Vec<String>, StoreFault>>()
    };
    let show = |event, object, text, message| Line::Show { event, object, text, message };
    Ok(match &entry.body {
        LogBody::Content { content } => {
            let text = MimiContent::decode(content).ok().and_then(|content| content.as_text());
            let kind = if text.is_some() { "text" } else { "unsupported" };
            let shown = text.clone().unwrap_or_else(|| "(something this version cannot show)".to_owned());
            show(
                "message",
                json!({
                    "conversation": conversation, "seq": entry.seq, "id": entry.id.to_string(), "sender": bare(&sender),
                    "account": entry.sender.to_string(), "confirmed": bare(&sender) == sender,
                    "sent_at": rfc3339(entry.sent_at), "kind": kind, "text": text,
                }),
                format!("[{title}] {} {sender}: {shown}", clock(entry.sent_at)),
                true,
            )
        }
        LogBody::Relayed { by, content } => {
            let by = scene.name_of(by)?;
            let read = MimiContent::decode(content).ok();
            let leaves = read.as_ref().is_some_and(|content| matches!(content.as_control(), Ok(Some(_))));
            let text = read.and_then(|content| content.as_text());
            let kind = if text.is_some() { "text" } else { "unsupported" };
            let shown = match &text {
                Some(text) => text.clone(),
                None if leaves => "(leaves)".to_owned(),
                None => "(something this version cannot show)".to_owned(),
            };
            show(
                "message",
                json!({
                    "conversation": conversation, "seq": entry.seq, "id": entry.id.to_string(), "sender": bare(&sender),
                    "account": entry.sender.to_string(), "confirmed": false, "relayed_by": bare(&by),
                    "sent_at": rfc3339(entry.sent_at), "kind": if leaves { "leaving" } else { kind }, "text": text,
                }),
                format!("[{title}] {} {sender} (relayed by {by}): {shown}", clock(entry.sent_at)),
                true,
            )
        }
        LogBody::Membership { added, removed, .. } => {
            let (added, removed) = (sorted(names(added)?), sorted(names(removed)?));
            let mut parts = Vec::new();
            if !added.is_empty() {
                parts.push(format!("added {}", added.join(", ")));
            }
            if !removed.is_empty() {
                parts.push(format!("removed {}", removed.join(", ")));
            }
            if parts.is_empty() {
                parts.push("changed the devices of a member".to_owned());
            }
            show(
                "membership",
                json!({ "conversation": conversation, "seq": entry.seq, "added": bares(&added), "removed": bares(&removed), "by": bare(&sender) }),
                format!("[{title}] {sender} {}", parts.join(" and ")),
                false,
            )
        }
        LogBody::Renamed { title: new } => show(
            "title",
            json!({ "conversation": conversation, "seq": entry.seq, "title": new, "by": bare(&sender) }),
            format!("[{title}] {sender} gave it the title {new}"),
            false,
        ),
        LogBody::Leave => show(
            "leaving",
            json!({ "conversation": conversation, "seq": entry.seq, "by": bare(&sender) }),
            format!("[{title}] {sender} leaves"),
            false,
        ),
        LogBody::Gap { from, to } => show(
            "gap",
            json!({ "conversation": conversation, "seq": entry.seq, "kind": "gap", "from": from, "to": to }),
            format!("[{title}] entries {from} to {to} are missing here: this device could not follow and entered anew"),
            false,
        ),
        LogBody::Replaced { culprit } => {
            let culprit = culprit.as_ref().map(|culprit| scene.name_of(culprit)).transpose()?;
            let who = culprit.as_deref().unwrap_or("somebody");
            show(
                "replaced",
                json!({ "conversation": conversation, "seq": entry.seq, "by": culprit.as_deref().map(bare) }),
                format!(
                    "[{title}] {who} registered a key that does not belong to this conversation; it goes on in another channel"
                ),
                false,
            )
        }
        LogBody::Joined | LogBody::Updated => Line::Silent,
    })
}

/// A conversation as an object, and the names of its members.
pub(crate) fn conversation(
    tx: &dyn StoreTx,
    view: &ConversationView,
    unread: u64,
) -> Result<(Value, Vec<String>), StoreFault> {
    let main = &view.main;
    let mut members = Vec::new();
    for member in views::members(tx, main)? {
        members.push(name_of(tx, &member.account)?);
    }
    members.sort();
    let object = json!({
        "conversation": main.channel.to_string(), "title": view.title, "kind": kind_name(&main.kind),
        "state": state_name(&main.state), "members": bares(&members), "suite": format!("0x{:04x}", main.suite),
        "post_quantum": main.suite == HYBRID_SUITE, "waiting": view.waiting, "unread": unread,
        "muted": is_muted(view), "muted_until": muted_until(view), "pinned": view.settings.pinned,
        "archived": view.settings.archived, "order": view.settings.order, "draft": view.settings.draft,
        "own_title": view.settings.title,
    });
    Ok((object, members))
}

/// What a list says of a conversation beside its title.
pub(crate) fn marks(view: &ConversationView, unread: u64) -> Vec<String> {
    let settings = &view.settings;
    let unread = Some(unread).filter(|unread| *unread > 0).map(|unread| format!("{unread} unread"));
    let flags = [
        (settings.pinned, "pinned"),
        (is_muted(view), "muted"),
        (settings.archived, "archived"),
        (settings.draft.is_some(), "draft"),
    ];
    let place = settings.order.map(|order| format!("place {order}"));
    let flags = flags.into_iter().filter(|(set, _)| *set).map(|(_, flag)| flag.to_owned());
    unread.into_iter().chain(flags).chain(place).collect()
}

fn is_muted(view: &ConversationView) -> bool {
    view.settings.muted_until.is_some_and(|until| until > now())
}

/// As text; null for one that is not muted, and for ever.
fn muted_until(view: &ConversationView) -> Option<String> {
    view.settings.muted_until.filter(|until| is_muted(view) && *until != Timestamp(u64::MAX)).map(rfc3339)
}

/// A name for programs: without the question mark of one that is not confirmed.
pub(crate) fn bare(name: &str) -> &str {
    name.trim_end_matches('?')
}

fn bares(names: &[String]) -> Vec<&str> {
    names.iter().map(|name| bare(name)).collect()
}

/// What to call an account: its name; with a question mark while the directory has not confirmed it; else its short id.
pub(crate) fn name_of(tx: &dyn StoreTx, account: &AccountId) -> Result<String, StoreFault> {
    if let Some(own) = tx.account().own_account()?.filter(|own| own.account == *account) {
        return Ok(own.name);
    }
    Ok(match views::name_of(tx, account)? {
        (name, _, _) if name.is_empty() => account.short(),
        (name, true, _) => name,
        (name, false, _) => format!("{name}?"),
    })
}

/// X25519+ML-KEM-768 (protocol.md, section 7).
const HYBRID_SUITE: u16 = 0x004f;

/// `group` or `direct`.
pub(crate) const fn kind_name(kind: &ConversationKind) -> &'static str {
    match kind {
        ConversationKind::Group => "group",
        ConversationKind::Direct => "direct",
    }
}

/// A state as docs/cli.md names it.
pub(crate) const fn state_name(state: &ConversationState) -> &'static str {
    match state {
        ConversationState::Creating => "creating",
        ConversationState::Active => "joined",
        ConversationState::Leaving => "leaving",
        ConversationState::Left => "left",
        ConversationState::Removed => "removed",
        ConversationState::NeedsRejoin { .. } => "needs-rejoin",
        ConversationState::Diverged => "diverged",
        ConversationState::Spoilt => "spoilt",
        ConversationState::Replacing { .. } => "replacing",
        ConversationState::Replaced { .. } => "replaced",
        ConversationState::Gone => "gone",
    }
}

fn state_warning(state: &ConversationState, title: &str) -> Option<String> {
    let text = match state {
        ConversationState::Creating
        | ConversationState::Active
        | ConversationState::Leaving
        | ConversationState::Left
        // What took its place says so in its log.
        | ConversationState::Replaced { .. } => return None,
        ConversationState::Removed => "you were removed; what came before stays readable here",
        ConversationState::NeedsRejoin { reason: RejoinReason::NewDevice } => {
            "your account is in it, this device is not yet; it enters with the next sync"
        }
        ConversationState::NeedsRejoin { reason: RejoinReason::OtherPast { .. } } => {
            "the group at the server has another past than this device has read; it waits until a member changes the group"
        }
        ConversationState::NeedsRejoin { reason: RejoinReason::RecordsMissing } => {
            "this device enters anew once every member has shown its new devices there"
        }
        ConversationState::NeedsRejoin { reason: RejoinReason::StoreRolledBack } => {
            "this home is older than what it has sent (a copy that was put back, or one in use elsewhere); it enters anew with new keys"
        }
        ConversationState::NeedsRejoin { .. } => "this device cannot follow for now and enters anew by itself",
        ConversationState::Diverged => {
            "the server lost or changed part of the log; nothing more is sent to it until a device that has it gives it back"
        }
        ConversationState::Replacing { .. } => {
            "somebody registered a key that does not belong to it; it goes on in another channel as soon as that is there"
        }
        ConversationState::Spoilt => {
            "somebody registered a false key, and false keys for the channels that could take its place; nothing more is sent to \
             it. Make a new group, or try again with qpc doctor --repair"
        }
        ConversationState::Gone => {
            "the server does not have it any more, or not under the keys of this device; it looks again now and then"
        }
    };
    Some(format!("{title}: {text}"))
}

fn trust(scene: &Scene<'_>, warning: &TrustWarning) -> Result<Line, StoreFault> {
    let (code, text) = match warning {
        TrustWarning::KeyChanged { name, .. } => (
            "changed-key",
            format!(
                "THE KEY OF {name} CHANGED. Nothing is sent to it until you accept: compare safety numbers \
                 (qpc safety-number {name}), then run qpc verify {name}"
            ),
        ),
        TrustWarning::PinnedOtherwise { name, .. } => (
            "pinned-otherwise",
            format!(
                "ANOTHER DEVICE OF YOURS HAS ANOTHER KEY FOR {name}. This one goes on with its own until you decide: compare \
                 the safety number with {name} from both devices (qpc safety-number {name}). Run qpc verify {name} on the \
                 device where it is right; the other one has a false key, or an old one: look {name} up there \
                 (qpc safety-number {name}), and accept the changed key only if its number is right"
            ),
        ),
        TrustWarning::RolledBack { name, account } => {
            let known = scene.name_of(account)?;
            let text = format!(
                "the server offered an older record of {name} ({known}) than was seen before, which was refused: it was put back to \
                 an older backup, or it lies. If it was put back, {name} is to run qpc devices after-restore"
            );
            ("rolled-back", text)
        }
        TrustWarning::BadInboxEntry { id } => {
            ("bad-signature", format!("an invitation ({}) was not validly signed and was dropped", id.short()))
        }
        TrustWarning::OwnRecord { reason } => ("own-record", failure::own_record(reason)),
        TrustWarning::IssuerChanged { epoch } => {
            ("issuer-changed", format!("the server showed another token key for epoch {epoch}; tokens were refused"))
        }
    };
    Ok(Line::Warn { code, text })
}

fn sorted(mut names: Vec<String>) -> Vec<String> {
    names.sort();
    names
}

/// RFC 3339, UTC.
pub(crate) fn rfc3339(at: Timestamp) -> String {
    moment(at).format(&Rfc3339).unwrap_or_default()
}

/// Date and time of day, UTC, for people.
fn clock(at: Timestamp) -> String {
    let at = moment(at);
    format!("{} {:02}:{:02}", at.date(), at.hour(), at.minute())
}

fn moment(at: Timestamp) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(at.0) * 1_000_000).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}
