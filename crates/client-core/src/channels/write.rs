//! Writing at the end of the log: the pending commit first, then one message after the other (L3, L4, L5).

use quicprochat_e2ee::{
    E2eeError, StateFault,
    channel::{EntryBody, EntryHead, seal_entry},
    mls::{Group, StoreFault},
};
use quicprochat_wire::{
    CallFailure, ConnectionKind, ErrorCode, MessageId, Timestamp,
    call::channel::{AccessRoll, ChainPoint, ChannelEnqueue, ChannelEntry, CommitParts, Enqueued, EntryKind},
    mutant::{Mutant, is_on},
    time::Duration,
};

use super::{
    apply,
    commit::{self, Plan},
    restore,
    session::{ChannelCall, OwnCommits, Session},
    tree,
};
use crate::{
    deliveries,
    engine::{Cx, Own, Purpose, keys},
    error::EngineError,
    event::Event,
    repair,
    store::{Attempt, Conversation, ConversationState, MessagePurpose, OutboxMessage, PendingCommit, RejoinReason},
};

/// A leaf older than this is renewed before the next message (M3).
const LEAF_AGE: Duration = Duration::from_secs(7 * 24 * 3600);
/// Groups of up to this many leaves have new leaves updated before their first message (M3).
const UPDATE_FIRST_LEAVES: usize = 32;
/// First step of the pause after losing against a commit; doubles with each loss.
const BACK_OFF: Duration = Duration::from_millis(50);
/// The longest pause, in first steps.
const LONGEST_BACK_OFF: u32 = 64;

/// Sends what is next, if anything is. The cursor is at the head.
pub(super) fn drive(
    cx: &mut Cx<'_>,
    session: &mut Session,
    conversation: &mut Conversation,
) -> Result<(), EngineError> {
    if session.sending {
        return Ok(());
    }
    if let Some(pending) = cx.tx.conversations().pending_commit(&conversation.channel)? {
        // A message prefers to wait for a commit in flight over losing against it.
        if !cx.held_by_another(pending.lease.as_ref()) {
            send_commit(cx, session, pending)?;
        }
        return Ok(());
    }
    let Some(row) = cx.tx.outbox().outbox_of(&conversation.channel)?.into_iter().next() else { return Ok(()) };
    if cx.is_to_come(row.not_before, BACK_OFF * LONGEST_BACK_OFF) {
        return Ok(());
    }
    if cx.held_by_another(row.lease.as_ref()) {
        return Ok(());
    }
    if row.attempt.is_none() && row.purpose != MessagePurpose::Leave && leaf_is_due(cx.now, conversation) {
        session.held = session.own_commits.lasts(cx);
        if session.held.is_some() {
            return Ok(());
        }
        return match commit::stage(cx, conversation, &Plan::update())? {
            Ok(_) => drive(cx, session, conversation),
            // The message waits: it must not leave with a leaf that was to be renewed.
            Err(_) => {
                session.back_off(cx, ErrorCode::Internal.into());
                Ok(())
            }
        };
    }
    send_message(cx, session, conversation, row)
}

/// M3: whether the own leaf is to be renewed before a message is written.
fn leaf_is_due(now: Timestamp, conversation: &Conversation) -> bool {
    (conversation.fresh_leaf && conversation.members.len() <= UPDATE_FIRST_LEAVES)
        || (!conversation.fresh_leaf && now.since(conversation.leaf_updated) > LEAF_AGE)
}

pub(super) fn send_commit(
    cx: &mut Cx<'_>,
    session: &mut Session,
    mut pending: PendingCommit,
) -> Result<(), EngineError> {
    match tree::ready(cx, session, &mut pending) {
        Ok(true) => {}
        Ok(false) => return Ok(()),
        Err(EngineError::Crypto(E2eeError::TooLarge { .. })) => {
            let Some(conversation) = cx.tx.conversations().conversation(&pending.channel)? else { return Ok(()) };
            session.own_commits.refused(cx, ErrorCode::TooLarge.into());
            session.refused = Some(ErrorCode::TooLarge.into());
            return drop_pending(cx, &conversation, &pending.id);
        }
        Err(error) => return Err(error),
    }
    let Some((group_info, tree)) = pending.group_info.to_send() else { return Err(EngineError::OwnState) };
    pending.lease = Some(cx.lease());
    cx.tx.conversations().put_pending_commit(&pending)?;
    if is_on(Mutant::MergeOwnCommitEarly) {
        let of = super::group_of(cx, &pending.channel)?;
        let provider = cx.provider();
        if let Some(mut group) = Group::load(&provider, of)? {
            group.merge_pending(&provider)?;
        }
    }
    session.sending = true;
    let PendingCommit { channel, id, after, sealed, roll, .. } = pending;
    let roll = roll.map(|roll| AccessRoll { access: roll.access, keyring: roll.keyring });
    let commit = Some(CommitParts { group_info, roll, tree });
    let request = ChannelEnqueue { channel, id, after_commit: after, sealed, commit };
    cx.call(ConnectionKind::Channel, request, Purpose::Channel(channel, ChannelCall::Commit { id }));
    Ok(())
}

fn send_message(
    cx: &mut Cx<'_>,
    session: &mut Session,
    conversation: &mut Conversation,
    mut row: OutboxMessage,
) -> Result<(), EngineError> {
    let attempt = match row.attempt.take() {
        Some(attempt) => attempt,
        None => match encrypt(cx, conversation, &row) {
            Ok(attempt) => attempt,
            Err(E2eeError::Store(fault)) if fault != StoreFault::Damaged => {
                return Err(EngineError::Store(fault.into()));
            }
            Err(E2eeError::TooLarge { .. }) => {
                return reject(cx, session, &row, ErrorCode::TooLarge.into());
            }
            Err(error) => {
                tracing::warn!(?error, "the group does not encrypt");
                let before = conversation.state.clone();
                conversation.state = ConversationState::NeedsRejoin { reason: RejoinReason::GroupLost };
                return super::settle(cx, &before, conversation);
            }
        },
    };
    row.attempt = Some(attempt.clone());
    row.lease = Some(cx.lease());
    cx.tx.outbox().put_outbox(&row)?;
    if is_on(Mutant::DropOutboxEarly) {
        cx.tx.outbox().delete_outbox(row.row)?;
    }
    session.sending = true;
    let Attempt { id, after, sealed } = attempt;
    let channel = conversation.channel;
    let request = ChannelEnqueue { channel, id, after_commit: after, sealed, commit: None };
    let call = ChannelCall::Message { row: row.row, id };
    cx.call(ConnectionKind::Channel, request, Purpose::Channel(channel, call));
    Ok(())
}

/// Encrypts for the last commit read.
fn encrypt(cx: &mut Cx<'_>, conversation: &Conversation, row: &OutboxMessage) -> Result<Attempt, E2eeError> {
    let (channel, after) = (conversation.channel, conversation.last_commit);
    let id = repair::attempt_id(&row.intent, row.tries);
    let head = EntryHead { channel, id, kind: EntryKind::Message, after };
    let own = cx.own.as_ref().map(Own::device).ok_or(StateFault::NotAMember)?;
    let provider = cx.provider();
    let mut group = Group::load(&provider, conversation.group)?.ok_or(StateFault::NotAMember)?;
    let mls = group.encrypt(&provider, &own, &head.aad(), &row.content)?;
    let body = EntryBody { mls, records: Vec::new() };
    let sealed = provider.with_entropy(|entropy| seal_entry(&keys(&conversation.keys), &head, &body, entropy))?;
    Ok(Attempt { id, after, sealed })
}

/// The server's verdict on an entry of ours. It only says where to read on: what is in the log decides.
pub(super) fn enqueued(
    cx: &mut Cx<'_>,
    session: &mut Session,
    conversation: &mut Conversation,
    row: Option<u64>,
    id: &MessageId,
    enqueued: &Enqueued,
) -> Result<(), EngineError> {
    session.refused = None;
    match enqueued {
        Enqueued::Accepted { at, time } => {
            session.tree.accepted(id, *at);
            if row.is_none() {
                session.own_commits = OwnCommits::default();
                session.held = None;
            }
            session.head = session.head.max(at.position);
            conversation.head = conversation.head.max(at.position);
            let is_next = at.position == conversation.cursor.position.saturating_add(1);
            // What is not known of it is read from the log.
            if is_next
                && let Some(time) = time
                && let Some(entry) = own_entry(cx, conversation, id, at.position, *time)?
            {
                apply::entry(cx, conversation, &mut apply::Carried::default(), &entry)?;
                if conversation.cursor != *at && conversation.is_live() {
                    conversation.state = ConversationState::Diverged;
                }
            } else if at.position <= conversation.cursor.position
                && let Some(entry) = own_entry(cx, conversation, id, at.position, time.unwrap_or(cx.server_minute()))?
                && entry.kind == EntryKind::Message
            {
                // It stands where this device did not read on, having entered anew behind it.
                apply::own_before(cx, conversation, &entry)?;
            }
        }
        Enqueued::Stale { last_commit } => {
            session.head = session.head.max(last_commit.position);
            conversation.head = conversation.head.max(last_commit.position);
            // A commit before the one we have read is old news: another process has read on in the meantime.
            let known = conversation.last_commit.position..=conversation.cursor.position;
            if known.contains(&last_commit.position) && *last_commit != conversation.last_commit {
                conversation.state = ConversationState::Diverged;
            }
            if let Some(row) = row {
                pause_message(cx, conversation, row)?;
            }
        }
        Enqueued::Diverged { last, .. } => diverged(cx, session, conversation, *last)?,
    }
    Ok(())
}

/// The server does not know the commit that this device wrote after: it was put back while the link was up, or has another past.
pub(super) fn diverged(
    cx: &mut Cx<'_>,
    session: &mut Session,
    conversation: &mut Conversation,
    last: ChainPoint,
) -> Result<(), EngineError> {
    conversation.state = ConversationState::Diverged;
    if last.position < conversation.cursor.position {
        let missing = conversation.cursor.position.saturating_sub(last.position);
        restore::lost(cx, session, conversation, missing)?;
    }
    Ok(())
}

/// The entry that was just acknowledged, as reading the log would show it.
fn own_entry(
    cx: &Cx<'_>,
    conversation: &Conversation,
    id: &MessageId,
    seq: u64,
    time: Timestamp,
) -> Result<Option<ChannelEntry>, EngineError> {
    let channel = conversation.channel;
    let entry = |kind, after_commit, sealed, next_access| ChannelEntry {
        seq,
        id: *id,
        kind,
        after_commit,
        sealed,
        next_access,
        time,
    };
    if let Some(pending) = cx.tx.conversations().pending_commit(&channel)?.filter(|pending| pending.id == *id) {
        let next_access = pending.roll.as_ref().map(|roll| roll.access);
        return Ok(Some(entry(EntryKind::Commit, pending.after, pending.sealed, next_access)));
    }
    let rows = cx.tx.outbox().outbox_of(&channel)?;
    let attempt = rows.into_iter().filter_map(|row| row.attempt).find(|attempt| attempt.id == *id);
    Ok(attempt.map(|attempt| entry(EntryKind::Message, attempt.after, attempt.sealed, None)))
}

/// A message lost against a commit: jittered, growing pause, then it is encrypted anew.
fn pause_message(cx: &mut Cx<'_>, conversation: &Conversation, row: u64) -> Result<(), EngineError> {
    let rows = cx.tx.outbox().outbox_of(&conversation.channel)?;
    if let Some(mut row) = rows.into_iter().find(|waiting| waiting.row == row) {
        let spread = BACK_OFF * 1_u32.checked_shl(row.tries).unwrap_or(LONGEST_BACK_OFF).clamp(1, LONGEST_BACK_OFF);
        row.not_before = cx.jittered(spread);
        // Whoever entered anew does not read the commit that it lost against.
        let outdated = row.attempt.as_ref().is_some_and(|attempt| attempt.after != conversation.last_commit);
        if outdated && !is_on(Mutant::KeepLostAttempt) {
            row.attempt = None;
            row.tries = row.tries.saturating_add(1);
        }
        cx.wake(row.not_before);
        cx.tx.outbox().put_outbox(&row)?;
    }
    Ok(())
}

/// The server refused a message.
pub(super) fn message_refused(
    cx: &mut Cx<'_>,
    session: &mut Session,
    conversation: &Conversation,
    row: u64,
    id: &MessageId,
    failure: CallFailure,
) -> Result<(), EngineError> {
    if failure.code == ErrorCode::AccessDenied {
        session.attached = None;
        return Ok(());
    }
    let rows = cx.tx.outbox().outbox_of(&conversation.channel)?;
    let ours = |waiting: &OutboxMessage| {
        waiting.row == row && waiting.attempt.as_ref().is_some_and(|attempt| attempt.id == *id)
    };
    let Some(row) = rows.into_iter().find(ours) else { return Ok(()) };
    match failure.code {
        ErrorCode::TooLarge | ErrorCode::BadRequest => {
            reject(cx, session, &row, failure)?;
        }
        ErrorCode::Restoring => restore::put_off(cx, session, failure)?,
        _ => session.back_off(cx, failure),
    }
    Ok(())
}

/// Takes a message out of the outbox that will never be accepted.
fn reject(
    cx: &mut Cx<'_>,
    session: &mut Session,
    row: &OutboxMessage,
    failure: CallFailure,
) -> Result<(), EngineError> {
    cx.tx.outbox().delete_outbox(row.row)?;
    session.rejected.insert(row.intent, failure);
    cx.notify(Event::Rejected { channel: row.channel, intent: row.intent, code: failure.code });
    Ok(())
}

/// The server refused a commit.
pub(super) fn commit_refused(
    cx: &mut Cx<'_>,
    session: &mut Session,
    conversation: &Conversation,
    id: &MessageId,
    failure: CallFailure,
) -> Result<(), EngineError> {
    match failure.code {
        ErrorCode::AccessDenied => session.attached = None,
        ErrorCode::TooLarge | ErrorCode::BadRequest => {
            if let Some(pending) = tree::sealed_anew(cx, session, &conversation.channel, id)? {
                return send_commit(cx, session, pending);
            }
            drop_pending(cx, conversation, id)?;
            session.own_commits.refused(cx, failure);
            session.refused = Some(failure);
        }
        ErrorCode::Restoring => restore::put_off(cx, session, failure)?,
        _ => session.back_off(cx, failure),
    }
    Ok(())
}

/// Takes back a pending commit that the server refused for good.
pub(crate) fn drop_pending(cx: &mut Cx<'_>, conversation: &Conversation, id: &MessageId) -> Result<(), EngineError> {
    let channel = conversation.channel;
    let pending = cx.tx.conversations().pending_commit(&channel)?;
    if pending.is_some_and(|pending| pending.id == *id) {
        let provider = cx.provider();
        if let Some(mut group) = Group::load(&provider, conversation.group)? {
            group.clear_pending(&provider)?;
        }
        drop(provider);
        cx.tx.conversations().delete_pending_commit(&channel)?;
        deliveries::withdraw(cx, &channel, id)?;
    }
    Ok(())
}
