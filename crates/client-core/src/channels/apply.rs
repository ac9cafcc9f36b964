//! Entries of the log, strictly in order (L2, L4, L9).
//!
//! ```text
//!   entry at cursor + 1 ──▶ names the last commit? ──▶ own attempt? ──▶ outer AEAD ──▶ MLS ──▶ log, merge
//!                              │ no                                       │ no        │ no
//!                              └──────────────────────▶ skipped ◀─────────┴───────────┘
//!   every commit, also a skipped one, is the last commit from then on: whatever of ours named another one has lost
//! ```

use quicprochat_e2ee::{
    E2eeError,
    channel::{EntryBody, EntryHead, open_entry},
    mls::{EntryRecords, Group, Invalid, Provider, Received, StoreFault, Transcript},
};
use quicprochat_wire::{
    ChannelId,
    call::channel::{ChainPoint, ChannelEntry, ChannelPage, EntryKind},
    chain,
    mutant::{Mutant, is_on},
};

use super::{merge, raw, replace, session::Session};
use crate::{
    archive,
    content::{Control, MimiContent},
    deliveries,
    engine::{Cx, keys},
    error::EngineError,
    event::Event,
    history, repair,
    store::{Conversation, ConversationState, Leaver, LogBody, LogEntry, MessagePurpose, OutboxMessage, RejoinReason},
};

/// The group as it is carried from one entry of a page to the next. After an entry that does not count it is loaded anew.
#[derive(Default)]
pub(super) struct Carried {
    group: Option<Group>,
    /// Whether an entry of somebody else's counted.
    heard: bool,
}

impl Carried {
    fn take(&mut self, provider: &Provider<'_>, group: ChannelId) -> Result<Group, Trouble> {
        match self.group.take() {
            Some(group) => Ok(group),
            None => Group::load(provider, group).map_err(trouble)?.ok_or(Trouble::Rejoin(RejoinReason::GroupLost)),
        }
    }
}

/// Applies a page; stops where the conversation does.
pub(super) fn page(
    cx: &mut Cx<'_>,
    session: &mut Session,
    conversation: &mut Conversation,
    page: &ChannelPage,
) -> Result<(), EngineError> {
    let mut carried = Carried::default();
    let mut followed = false;
    for received in &page.entries {
        if !conversation.is_live() {
            break;
        }
        if received.seq <= conversation.cursor.position && !is_on(Mutant::ApplyTwice) {
            continue;
        }
        if received.seq != conversation.cursor.position.saturating_add(1) {
            conversation.state = ConversationState::NeedsRejoin { reason: RejoinReason::EntriesExpired };
            break;
        }
        entry(cx, conversation, &mut carried, received)?;
        if carried.heard && !followed {
            followed = true;
            session.rejoin.followed(cx, &conversation.channel)?;
        }
        if conversation.state == (ConversationState::NeedsRejoin { reason: RejoinReason::NotFollowed }) {
            session.rejoin.not_followed(cx, conversation)?;
        }
    }
    let reached = conversation.cursor.position;
    session.head = if page.more { session.head.max(reached.saturating_add(1)) } else { session.head.max(reached) };
    if !page.more && page.entries.is_empty() {
        session.head = reached;
    }
    // That there is more is only known once it is here: a key that was replaced ends in the middle.
    conversation.head = conversation.head.max(reached);
    Ok(())
}

/// Applies the entry after the cursor.
pub(super) fn entry(
    cx: &mut Cx<'_>,
    conversation: &mut Conversation,
    carried: &mut Carried,
    entry: &ChannelEntry,
) -> Result<(), EngineError> {
    let after = entry.after_commit;
    if after.position == conversation.last_commit.position && after != conversation.last_commit {
        // The writer saw another past at this position than we did.
        conversation.state = ConversationState::Diverged;
        return Ok(());
    }
    let at = ChainPoint {
        position: entry.seq,
        hash: chain::link(&conversation.cursor.hash, entry.seq, &entry.id, entry.kind, &after, &entry.sealed),
    };
    let before = raw::Before::of(conversation);
    let in_place = after == conversation.last_commit;
    let outcome = match entry.kind {
        _ if !in_place => Ok(()),
        EntryKind::Message => message(cx, conversation, carried, entry, at),
        EntryKind::Commit => commit(cx, conversation, carried, entry, at),
    };
    match outcome {
        Ok(()) => {}
        Err(Trouble::Rejoin(reason)) => {
            // The entry was not read: it belongs to what is missed.
            conversation.state = ConversationState::NeedsRejoin { reason };
            return Ok(());
        }
        Err(Trouble::Fail(error)) => return Err(error),
    }
    conversation.cursor = at;
    raw::keep(cx, conversation, &before, entry, at)?;
    if entry.kind == EntryKind::Commit {
        conversation.last_commit = at;
        lost(cx, conversation, carried, at)?;
        check_key(cx, conversation, entry)?;
    }
    Ok(())
}

/// Why an entry stops a conversation, or the transaction.
enum Trouble {
    Rejoin(RejoinReason),
    Fail(EngineError),
}

impl<E: Into<EngineError>> From<E> for Trouble {
    fn from(error: E) -> Self {
        Self::Fail(error.into())
    }
}

/// A failure of the group: only this device has it (L9), or it is the store's.
fn trouble(error: E2eeError) -> Trouble {
    match error {
        E2eeError::Store(StoreFault::Damaged) => Trouble::Rejoin(RejoinReason::GroupLost),
        E2eeError::Store(_) => Trouble::Fail(error.into()),
        E2eeError::NeedsRejoin { expected: Some(Transcript { epoch, hash }), .. } => {
            tracing::debug!(?error, "a commit cannot be followed");
            Trouble::Rejoin(RejoinReason::CommitSpoilt { epoch, transcript: hash })
        }
        _ => {
            tracing::debug!(?error, "a commit cannot be followed");
            Trouble::Rejoin(RejoinReason::CommitFailed)
        }
    }
}

fn open(conversation: &Conversation, entry: &ChannelEntry) -> Option<(EntryHead, EntryBody)> {
    let head = EntryHead { channel: conversation.channel, id: entry.id, kind: entry.kind, after: entry.after_commit };
    match open_entry(&keys(&conversation.keys), &head, &entry.sealed) {
        Ok(body) => Some((head, body)),
        Err(error) => {
            tracing::debug!(?error, seq = entry.seq, "an entry does not open and is skipped");
            None
        }
    }
}

fn message(
    cx: &mut Cx<'_>,
    conversation: &mut Conversation,
    carried: &mut Carried,
    entry: &ChannelEntry,
    at: ChainPoint,
) -> Result<(), Trouble> {
    let waiting = cx.tx.outbox().outbox_of(&conversation.channel)?;
    let own = waiting.into_iter().find(|row| {
        row.attempt.as_ref().is_some_and(|attempt| attempt.id == entry.id && attempt.sealed == entry.sealed)
    });
    if let Some(row) = own {
        return Ok(own_message(cx, conversation, entry, at, row)?);
    }
    let Some((head, body)) = open(conversation, entry) else { return Ok(()) };
    let channel = conversation.channel;
    let provider = cx.provider();
    let mut group = carried.take(&provider, conversation.group)?;
    let received = group
        .receive(&provider, entry.kind, &body.mls, &head.aad(), &EntryRecords::default(), &keys(&conversation.keys))
        .map_err(trouble)?;
    drop(provider);
    match received {
        Received::Message { sender, content } => {
            carried.heard = true;
            carried.group = Some(group);
            let (account, device) = (sender.credential.account, sender.credential.device);
            if cx.tx.messages().message_seen(&channel, &account, &entry.id)? {
                return Ok(());
            }
            let control = MimiContent::decode(&content).ok().map(|content| content.as_control());
            let body = match control {
                Some(Ok(Some(Control::Leave))) => {
                    note_leaver(cx, conversation, account);
                    LogBody::Leave
                }
                Some(Ok(Some(Control::GapRequest(spans)))) => {
                    return Ok(repair::requested(cx, conversation, (account, device), &spans)?);
                }
                Some(Ok(Some(Control::Relayed(relay)))) => {
                    return Ok(repair::relayed(cx, conversation, account, &relay)?);
                }
                // A control message of a later version: nothing to show.
                Some(Err(_)) => return Ok(()),
                Some(Ok(None)) | None => LogBody::Content { content },
            };
            log(cx, conversation, entry, at, (account, device), None, body)?;
        }
        Received::OwnMessage => {
            let own = cx.own()?.row.account;
            let known =
                cx.tx.messages().message_seen(&channel, &own, &entry.id)? || repair::is_own(cx, &channel, &entry.id)?;
            if !known && !is_on(Mutant::TrustOldStore) {
                return Err(Trouble::Rejoin(RejoinReason::StoreRolledBack));
            }
        }
        Received::Commit(_) | Received::OwnPending(_) => {}
        Received::Skipped(reason) => {
            tracing::debug!(?reason, seq = entry.seq, "an entry is skipped");
            return skipped(cx, conversation, &reason);
        }
    }
    Ok(())
}

/// An entry that names the last commit and goes on in the epoch before it: its writer did not follow that commit. If this device
/// entered by it, and nobody else was heard since, it is in a group of its own, and has read nothing there.
fn skipped(cx: &Cx<'_>, conversation: &Conversation, reason: &Invalid) -> Result<(), Trouble> {
    let Invalid::OtherEpoch { expected, found } = reason else { return Ok(()) };
    let is_behind = found.checked_add(1) == Some(*expected);
    if is_behind && conversation.is_live() && repair::unconfirmed(cx, &conversation.channel)?.is_some() {
        return Err(Trouble::Rejoin(RejoinReason::NotFollowed));
    }
    Ok(())
}

/// A message of this device came back, or was acknowledged right behind the cursor: it stands in the log.
pub(crate) fn own_message(
    cx: &mut Cx<'_>,
    conversation: &mut Conversation,
    entry: &ChannelEntry,
    at: ChainPoint,
    row: OutboxMessage,
) -> Result<(), EngineError> {
    let own = (cx.own()?.row.account, cx.own()?.row.device);
    let body = match row.purpose {
        MessagePurpose::Content => LogBody::Content { content: row.content },
        MessagePurpose::Leave => LogBody::Leave,
        MessagePurpose::Control => {
            cx.tx.outbox().delete_outbox(row.row)?;
            return repair::note_own(cx, entry, &conversation.channel);
        }
    };
    let leaves = body == LogBody::Leave;
    cx.tx.outbox().delete_outbox(row.row)?;
    log(cx, conversation, entry, at, own, Some(row.intent), body)?;
    cx.notify(Event::Accepted { channel: conversation.channel, intent: row.intent, id: entry.id, seq: entry.seq });
    if leaves {
        merge::leave(cx, conversation)?;
    }
    Ok(())
}

/// A message of this device that was accepted before the place where it entered anew.
pub(super) fn own_before(
    cx: &mut Cx<'_>,
    conversation: &mut Conversation,
    entry: &ChannelEntry,
) -> Result<(), EngineError> {
    let rows = cx.tx.outbox().outbox_of(&conversation.channel)?;
    let own = rows.into_iter().find(|row| row.attempt.as_ref().is_some_and(|attempt| attempt.id == entry.id));
    match own {
        Some(row) => own_unread(cx, conversation, entry, row),
        None => Ok(()),
    }
}

/// A message of this device stands in the log where this device did not read, and will not any more.
pub(crate) fn own_unread(
    cx: &mut Cx<'_>,
    conversation: &mut Conversation,
    entry: &ChannelEntry,
    mut row: OutboxMessage,
) -> Result<(), EngineError> {
    let body = match row.purpose {
        MessagePurpose::Content => LogBody::Content { content: row.content.clone() },
        MessagePurpose::Leave => LogBody::Leave,
        MessagePurpose::Control => {
            cx.tx.outbox().delete_outbox(row.row)?;
            return repair::note_own(cx, entry, &conversation.channel);
        }
    };
    let (channel, leaves) = (conversation.channel, body == LogBody::Leave);
    let own = (cx.own()?.row.account, cx.own()?.row.device);
    let own = logged(channel, entry, entry.seq, own, Some(row.intent), body);
    // It did not arrive here in the log's order: what lies before it was not read.
    if history::import_own(cx.tx, &own)? {
        archive::came_alone(cx.tx, channel, entry.seq)?;
    } else if !stands(cx, &own)? {
        // This device has read something else at that position: its words are not in the log, and leave anew.
        tracing::warn!(seq = entry.seq, "the server names a place for a message at which something else stands");
        row.attempt = None;
        row.tries = row.tries.saturating_add(1);
        return Ok(cx.tx.outbox().put_outbox(&row)?);
    }
    cx.tx.outbox().delete_outbox(row.row)?;
    cx.notify(Event::Accepted { channel, intent: row.intent, id: entry.id, seq: entry.seq });
    if leaves {
        merge::leave(cx, conversation)?;
    }
    Ok(())
}

/// Whether the readable log has this very entry.
fn stands(cx: &Cx<'_>, entry: &LogEntry) -> Result<bool, EngineError> {
    let there = cx.tx.messages().messages_of(&entry.channel, entry.seq.saturating_sub(1), 1)?;
    Ok(there.first().is_some_and(|there| (there.seq, there.id, there.sender) == (entry.seq, entry.id, entry.sender)))
}

fn commit(
    cx: &mut Cx<'_>,
    conversation: &mut Conversation,
    carried: &mut Carried,
    entry: &ChannelEntry,
    at: ChainPoint,
) -> Result<(), Trouble> {
    let Some((head, body)) = open(conversation, entry) else { return Ok(()) };
    let records = EntryRecords::check(&body.records);
    let provider = cx.provider();
    let mut group = carried.take(&provider, conversation.group)?;
    let received = group
        .receive(&provider, entry.kind, &body.mls, &head.aad(), &records, &keys(&conversation.keys))
        .map_err(trouble)?;
    let (effect, own) = match received {
        Received::OwnPending(effect) => {
            group.merge_pending(&provider).map_err(trouble)?;
            (*effect, true)
        }
        Received::Commit(staged) => {
            let effect = staged.effect.clone();
            group.merge_staged(&provider, *staged).map_err(trouble)?;
            carried.heard = true;
            (effect, false)
        }
        Received::Skipped(Invalid::NotOurs) if !is_on(Mutant::TrustOldStore) => {
            return Err(Trouble::Rejoin(RejoinReason::StoreRolledBack));
        }
        Received::Skipped(reason) => {
            drop(provider);
            tracing::debug!(?reason, seq = entry.seq, "a commit is skipped");
            return skipped(cx, conversation, &reason);
        }
        Received::Message { .. } | Received::OwnMessage => return Ok(()),
    };
    drop(provider);
    merge::merged(cx, conversation, entry, at, &group, &effect, &records, own)?;
    carried.group = conversation.is_live().then_some(group);
    Ok(())
}

/// What of ours named an earlier commit than `at` can no longer be accepted; had it been, it would have been met before.
fn lost(
    cx: &mut Cx<'_>,
    conversation: &Conversation,
    carried: &mut Carried,
    at: ChainPoint,
) -> Result<(), EngineError> {
    let channel = conversation.channel;
    let pending = cx.tx.conversations().pending_commit(&channel)?;
    if let Some(pending) = pending.filter(|pending| pending.after != at) {
        carried.group = None;
        let provider = cx.provider();
        if conversation.is_live()
            && let Some(mut group) = Group::load(&provider, conversation.group)?
        {
            group.clear_pending(&provider)?;
        }
        drop(provider);
        cx.tx.conversations().delete_pending_commit(&channel)?;
        deliveries::withdraw(cx, &channel, &pending.id)?;
    }
    for mut row in cx.tx.outbox().outbox_of(&channel)? {
        if row.attempt.as_ref().is_some_and(|attempt| attempt.after != at) && !is_on(Mutant::KeepLostAttempt) {
            row.attempt = None;
            row.tries = row.tries.saturating_add(1);
            cx.tx.outbox().put_outbox(&row)?;
        }
    }
    Ok(())
}

/// L7: the server recorded a next key exactly if the commit rolls, and then the derived one.
fn check_key(cx: &Cx<'_>, conversation: &mut Conversation, entry: &ChannelEntry) -> Result<(), EngineError> {
    if !conversation.is_live() {
        return Ok(());
    }
    let derived = (conversation.keys_since == entry.seq).then(|| keys(&conversation.keys).access_public());
    if entry.next_access != derived {
        replace::noticed(cx, conversation)?;
    } else if derived.is_some() {
        replace::rolled(conversation);
    }
    Ok(())
}

fn note_leaver(cx: &Cx<'_>, conversation: &mut Conversation, account: quicprochat_wire::AccountId) {
    if conversation.leavers.iter().all(|leaver| leaver.account != account) {
        conversation.leavers.push(Leaver { account, since: cx.now });
    }
}

/// Appends to the readable log.
pub(super) fn log(
    cx: &Cx<'_>,
    conversation: &Conversation,
    entry: &ChannelEntry,
    at: ChainPoint,
    writer: (quicprochat_wire::AccountId, quicprochat_wire::DeviceId),
    intent: Option<quicprochat_wire::MessageId>,
    body: LogBody,
) -> Result<(), EngineError> {
    cx.tx.messages().append_message(&logged(conversation.channel, entry, at.position, writer, intent, body))?;
    Ok(())
}

/// An entry of the channel as the readable log has it.
fn logged(
    channel: ChannelId,
    entry: &ChannelEntry,
    seq: u64,
    (sender, device): (quicprochat_wire::AccountId, quicprochat_wire::DeviceId),
    intent: Option<quicprochat_wire::MessageId>,
    body: LogBody,
) -> LogEntry {
    let (id, time) = (entry.id, entry.time);
    LogEntry { index: 0, channel, seq, id, sender, device, time, sent_at: time, intent, body }
}
