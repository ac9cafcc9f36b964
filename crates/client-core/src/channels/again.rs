//! What was on the way when this account was removed: the server tells the holder of an earlier key whether it has it (protocol.md,
//! section 4).

use quicprochat_wire::{
    CallFailure, ConnectionKind, ErrorCode, MessageId, Timestamp,
    call::channel::{ChannelEnqueue, Enqueued},
};

use super::session::{ChannelCall, Session};
use crate::{
    archive,
    engine::{Cx, Purpose},
    error::EngineError,
    event::Event,
    store::{Attempt, Conversation, LogBody, LogEntry, MessagePurpose, OutboxMessage},
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
    conversation: &Conversation,
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
            accepted(cx, conversation, row, id, at.position, time.unwrap_or(cx.server_minute()))
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
    conversation: &Conversation,
    row: OutboxMessage,
    id: MessageId,
    seq: u64,
    time: Timestamp,
) -> Result<(), EngineError> {
    let channel = conversation.channel;
    cx.tx.outbox().delete_outbox(row.row)?;
    if row.purpose != MessagePurpose::Content {
        return Ok(());
    }
    let own = &cx.own()?.row;
    let entry = LogEntry {
        index: 0,
        channel,
        seq,
        id,
        sender: own.account,
        device: own.device,
        time,
        sent_at: time,
        intent: Some(row.intent),
        body: LogBody::Content { content: row.content },
    };
    // It did not arrive here in the log's order: what lies before it was not read.
    if cx.tx.messages().import_message(&entry)? {
        archive::forget_holdings(cx.tx)?;
    }
    cx.notify(Event::Accepted { channel, intent: row.intent, id, seq });
    Ok(())
}
