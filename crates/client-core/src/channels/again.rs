//! What was on the way when this account was removed: the server tells the holder of an earlier key whether it has it (protocol.md,
//! section 4).

use quicprochat_wire::{
    CallFailure, ConnectionKind, ErrorCode, MessageId, Timestamp,
    call::channel::{ChannelEnqueue, ChannelEntry, Enqueued, EntryKind},
};

use super::{
    apply,
    session::{ChannelCall, Session},
};
use crate::{
    engine::{Cx, Purpose},
    error::EngineError,
    store::{Attempt, Conversation, MessagePurpose, OutboxMessage},
};

/// Sends the very same bytes of an attempt again of which nobody knows what became, under the key that is attached and not the
/// current one; whether there was one.
pub(super) fn ask(cx: &mut Cx<'_>, session: &mut Session, conversation: &Conversation) -> Result<bool, EngineError> {
    let channel = conversation.channel;
    let rows = cx.tx.outbox().outbox_of(&channel)?;
    let Some((row, attempt)) = rows.into_iter().find_map(|row| Some((row.row, row.attempt?))) else {
        return Ok(false);
    };
    session.attaching = true;
    let Attempt { id, after, sealed } = attempt;
    let request = ChannelEnqueue { channel, id, after_commit: after, sealed, commit: None };
    let call = ChannelCall::Again { row, id };
    cx.call(ConnectionKind::Channel, request, Purpose::Channel(channel, call));
    Ok(true)
}

/// The server knows the attempt, or never will.
pub(super) fn answered(
    cx: &mut Cx<'_>,
    session: &mut Session,
    conversation: &mut Conversation,
    (row, id): (u64, MessageId),
    answer: Result<Enqueued, CallFailure>,
) -> Result<(), EngineError> {
    let rows = cx.tx.outbox().outbox_of(&conversation.channel)?;
    let is_it = |waiting: &OutboxMessage| {
        waiting.row == row && waiting.attempt.as_ref().is_some_and(|attempt| attempt.id == id)
    };
    let Some(mut row) = rows.into_iter().find(is_it) else { return Ok(()) };
    match answer {
        Ok(Enqueued::Accepted { at, time }) => {
            let time = time.unwrap_or(cx.server_minute());
            accepted(cx, conversation, row, (id, at.position, time))
        }
        Err(CallFailure { code: ErrorCode::AccessDenied, .. }) => {
            row.attempt = None;
            row.tries = row.tries.saturating_add(1);
            Ok(cx.tx.outbox().put_outbox(&row)?)
        }
        Ok(Enqueued::Stale { .. } | Enqueued::Diverged { .. }) => Ok(()),
        Err(failure) => {
            session.back_off(cx, failure);
            Ok(())
        }
    }
}

/// It stands in the log, somewhere behind what this device has read, and will not read any more.
fn accepted(
    cx: &mut Cx<'_>,
    conversation: &mut Conversation,
    row: OutboxMessage,
    (id, seq, time): (MessageId, u64, Timestamp),
) -> Result<(), EngineError> {
    if row.purpose != MessagePurpose::Content {
        return Ok(cx.tx.outbox().delete_outbox(row.row)?);
    }
    let after_commit = conversation.last_commit;
    let kind = EntryKind::Message;
    let entry = ChannelEntry { seq, id, kind, after_commit, sealed: Vec::new(), next_access: None, time };
    apply::own_unread(cx, conversation, &entry, row)
}
