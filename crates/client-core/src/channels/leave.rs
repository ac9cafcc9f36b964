//! The last step of whoever leaves last (L10): the channel is deleted, once all that waits for it is written.

use quicprochat_wire::{ConnectionKind, call::channel::ChannelDelete};

use super::{
    merge,
    session::{ChannelCall, Session},
    settle,
};
use crate::{
    engine::{Cx, Purpose},
    error::EngineError,
    store::{Conversation, ConversationState},
};

/// Whether nobody stays: all others have left, or there are none.
pub(crate) fn is_last(cx: &Cx<'_>, conversation: &Conversation) -> Result<bool, EngineError> {
    let own = cx.own()?.row.account;
    let leaves = |account| conversation.leavers.iter().any(|leaver| leaver.account == account);
    Ok(merge::accounts(&conversation.members).into_iter().all(|account| account == own || leaves(account)))
}

/// Deletes the channel if that is what a wish to leave has come to. The cursor is at the head.
///
/// Nothing is deleted before the outbox is empty: another process may be waiting for an answer, and what the server has taken
/// already, other devices have read.
pub(super) fn drive(
    cx: &mut Cx<'_>,
    session: &mut Session,
    conversation: &mut Conversation,
) -> Result<(), EngineError> {
    let channel = conversation.channel;
    if conversation.state != ConversationState::Leaving
        || session.is_calling()
        || !cx.tx.outbox().outbox_of(&channel)?.is_empty()
        || cx.tx.conversations().pending_commit(&channel)?.is_some()
    {
        return Ok(());
    }
    if !is_last(cx, conversation)? {
        // Somebody was let in since, by another device of the account: leaving takes a message now, by whoever still wants to.
        conversation.state = ConversationState::Active;
        return settle(cx, &ConversationState::Leaving, conversation);
    }
    session.deleting = true;
    cx.call(ConnectionKind::Channel, ChannelDelete { channel }, Purpose::Channel(channel, ChannelCall::Delete));
    Ok(())
}
