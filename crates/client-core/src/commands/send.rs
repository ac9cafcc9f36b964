//! `Send`: into the outbox, and out of it if the server is there.

use quicprochat_wire::{ChannelId, ConnectionKind, MessageId, time::Duration};

use super::{Step, Task};
use crate::{
    command::{CommandError, Outcome},
    content::MAX_CONTENT_BYTES,
    engine::{Cx, LinkStatus, Parts},
    error::EngineError,
    event::Event,
    lineage,
    store::{Conversation, ConversationState, MessagePurpose, OutboxMessage},
};

/// Refusals that end sooner than this are waited for.
const PATIENCE: Duration = Duration::from_secs(10);
/// How far back an own message is looked for, once it left the outbox.
const RECENT: usize = 256;

/// See the module.
pub(crate) struct Send {
    channel: ChannelId,
    content: Vec<u8>,
    intent: Option<MessageId>,
}

impl Send {
    pub(crate) const fn new(channel: ChannelId, content: Vec<u8>) -> Self {
        Self { channel, content, intent: None }
    }

    fn begin(&mut self, cx: &mut Cx<'_>, parts: &mut Parts) -> Result<Step, EngineError> {
        let Some(conversation) = cx.tx.conversations().conversation(&self.channel)? else {
            return Ok(CommandError::UnknownConversation.into());
        };
        // Where the account is in it and this device is not yet, or cannot follow, it enters, and the message leaves then; and so it
        // does where the conversation goes on in another channel.
        let is_open = conversation.is_replacing()
            || matches!(
                conversation.state,
                ConversationState::Active | ConversationState::Creating | ConversationState::NeedsRejoin { .. }
            );
        if !is_open {
            return Ok(CommandError::ConversationState { state: conversation.state }.into());
        }
        if self.content.len() > MAX_CONTENT_BYTES {
            let (limit, found) = (MAX_CONTENT_BYTES, self.content.len());
            return Ok(CommandError::TooLarge { limit, found }.into());
        }
        if let Some(error) = blocked_peer(cx, &conversation)? {
            return Ok(error.into());
        }
        let content = core::mem::take(&mut self.content);
        let intent = push(cx, &conversation, MessagePurpose::Content, content)?;
        self.intent = Some(intent);
        parts.channels.want(self.channel);
        parts.channels.forgive(&self.channel);
        Ok(Step::Moved)
    }

    fn wait(&self, cx: &mut Cx<'_>, parts: &mut Parts, intent: MessageId) -> Result<Step, EngineError> {
        let channel = self.channel;
        let Some(row) = cx.tx.outbox().outbox_by_intent(&intent)? else {
            if let Some(failure) = parts.channels.rejected(&intent) {
                return Ok(CommandError::Refused(failure).into());
            }
            let recent = cx.tx.messages().last_messages(&channel, RECENT)?;
            let found = recent.into_iter().find(|entry| entry.intent == Some(intent));
            return Ok(match found {
                Some(entry) => Outcome::Sent { channel, id: entry.id, seq: entry.seq }.into(),
                None => CommandError::UnknownConversation.into(),
            });
        };
        let conversation = cx.tx.conversations().conversation(&channel)?;
        match conversation.map(|conversation| conversation.state) {
            // Before a wish to leave that came later it is written all the same, and may be on its way already.
            // Where this device cannot follow it enters anew by itself, and the message leaves then.
            Some(
                ConversationState::Active
                | ConversationState::Creating
                | ConversationState::Leaving
                | ConversationState::Replacing { .. }
                | ConversationState::NeedsRejoin { .. },
            ) => {}
            // The server may be given back what it lost within seconds. What left may stand in the log, whatever is said here:
            // its copy must know it when it comes back.
            Some(state) if state == ConversationState::Diverged || row.attempt.is_some() => return queued(cx, row),
            Some(state) => {
                cx.tx.outbox().delete_outbox(row.row)?;
                return Ok(CommandError::ConversationState { state }.into());
            }
            None => return Ok(CommandError::UnknownConversation.into()),
        }
        if matches!(cx.link(ConnectionKind::Channel), LinkStatus::Down(_)) {
            return queued(cx, row);
        }
        let refused = parts.channels.refused(&channel).or_else(|| parts.channels.held(&channel));
        match refused.filter(|_| !parts.channels.is_calling(&channel)) {
            None => Ok(Step::Wait),
            Some(failure) if failure.code.is_passing() => queued(cx, row),
            Some(failure) if failure.retry_after.is_some_and(|after| after <= PATIENCE) => Ok(Step::Wait),
            // It may be another call that was refused.
            Some(_) if row.attempt.is_some() => queued(cx, row),
            Some(failure) => {
                cx.tx.outbox().delete_outbox(row.row)?;
                Ok(CommandError::Refused(failure).into())
            }
        }
    }
}

/// The message stays in the outbox for the next `Sync` or `Listen`.
fn queued(cx: &mut Cx<'_>, mut row: OutboxMessage) -> Result<Step, EngineError> {
    row.lease = None;
    cx.tx.outbox().put_outbox(&row)?;
    let (channel, intent) = (row.channel, row.intent);
    cx.notify(Event::Queued { channel, intent });
    Ok(Outcome::Queued { channel, intent }.into())
}

impl Task for Send {
    fn step(&mut self, cx: &mut Cx<'_>, parts: &mut Parts) -> Result<Step, EngineError> {
        self.channel = lineage::current(cx.tx, self.channel)?;
        match self.intent {
            None => self.begin(cx, parts),
            Some(intent) => self.wait(cx, parts, intent),
        }
    }
}

/// Puts a message into the outbox, claimed by this engine; returns its intent.
pub(crate) fn push(
    cx: &mut Cx<'_>,
    conversation: &Conversation,
    purpose: MessagePurpose,
    content: Vec<u8>,
) -> Result<MessageId, EngineError> {
    let intent = cx.random_id();
    let message = OutboxMessage {
        row: 0,
        intent,
        channel: conversation.channel,
        purpose,
        content,
        queued: cx.now,
        attempt: None,
        tries: 0,
        not_before: cx.now,
        lease: Some(cx.lease()),
    };
    cx.tx.outbox().push_outbox(&message)?;
    Ok(intent)
}

/// Why the other side of a direct conversation must not be written to.
fn blocked_peer(cx: &Cx<'_>, conversation: &Conversation) -> Result<Option<CommandError>, EngineError> {
    let Some(peer) = conversation.peer else { return Ok(None) };
    let contact = cx.tx.contacts().contact(&peer)?;
    Ok(contact
        .filter(|contact| contact.changed.is_some())
        .map(|contact| CommandError::KeyChanged { name: contact.name }))
}
