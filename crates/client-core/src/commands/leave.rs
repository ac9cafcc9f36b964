//! `Leave`, `LeaveAll`, `RemoveDevice`.

use quicprochat_wire::{ChannelId, DeviceId, MessageId};

use super::{Step, Task, active, at_head, channel_link, send::push, sync::Sync};
use crate::{
    channels::leave::is_last,
    command::{CommandError, Outcome},
    content::{Control, MimiContent, Salt},
    engine::{Cx, Parts},
    error::EngineError,
    lineage,
    store::{Conversation, ConversationState, MessagePurpose, RevocationJob},
};

/// Leaves one conversation: by a message that the others act on (L10), or by deleting the channel if there is nobody else.
pub(crate) struct Leave {
    channel: ChannelId,
    stage: Stage,
    /// Whether the server was asked to delete the channel.
    asked: bool,
}

enum Stage {
    Begin,
    Ready,
    Leaving(MessageId),
    Deleting,
}

impl Leave {
    pub(crate) const fn new(channel: ChannelId) -> Self {
        Self { channel, stage: Stage::Begin, asked: false }
    }

    fn ready(&mut self, cx: &mut Cx<'_>, parts: &mut Parts) -> Result<Step, EngineError> {
        let conversation = match at_head(cx, parts, &self.channel)? {
            Ok(Some(conversation)) => conversation,
            Ok(None) => return Ok(Step::Wait),
            Err(error) => return Ok(error.into()),
        };
        if is_last(cx, &conversation)? {
            // Nothing more is written from here on; what waits already is, and then the channel goes.
            let leaving = Conversation { state: ConversationState::Leaving, ..conversation };
            cx.tx.conversations().put_conversation(&leaving)?;
            self.stage = Stage::Deleting;
            parts.channels.touch(self.channel);
            return Ok(Step::Moved);
        }
        let salt = Salt::random(cx.entropy);
        let Ok(content) = MimiContent::control(&Control::Leave, salt).encode() else {
            return Ok(CommandError::Crypto.into());
        };
        let intent = push(cx, &conversation, MessagePurpose::Leave, content)?;
        let leaving = Conversation { state: ConversationState::Leaving, ..conversation };
        cx.tx.conversations().put_conversation(&leaving)?;
        self.stage = Stage::Leaving(intent);
        parts.channels.touch(self.channel);
        Ok(Step::Moved)
    }

    fn leaving(&self, cx: &mut Cx<'_>, parts: &Parts, intent: &MessageId) -> Result<Step, EngineError> {
        let Some(conversation) = cx.tx.conversations().conversation(&self.channel)? else {
            return Ok(CommandError::UnknownConversation.into());
        };
        match conversation.state.clone() {
            ConversationState::Left | ConversationState::Removed => return Ok(Outcome::Done.into()),
            ConversationState::Leaving | ConversationState::Replacing { .. } => {}
            state => return Ok(CommandError::ConversationState { state }.into()),
        }
        let refused = parts.channels.refused(&self.channel).filter(|_| !parts.channels.is_calling(&self.channel));
        let error = match (channel_link(cx), refused) {
            (Err(error), _) => error,
            (Ok(_), Some(failure)) => CommandError::Refused(failure),
            (Ok(_), None) => return Ok(Step::Wait),
        };
        let Some(row) = cx.tx.outbox().outbox_by_intent(intent)? else { return Ok(Step::Wait) };
        if row.attempt.is_some() && matches!(error, CommandError::Unreachable { .. }) {
            return Ok(CommandError::Unreachable { unfinished: true }.into());
        }
        // It was not sent: as if nothing had been asked.
        cx.tx.outbox().delete_outbox(row.row)?;
        if conversation.state == ConversationState::Leaving {
            let stays = Conversation { state: ConversationState::Active, ..conversation };
            cx.tx.conversations().put_conversation(&stays)?;
        }
        Ok(error.into())
    }

    fn deleting(&mut self, cx: &mut Cx<'_>, parts: &Parts) -> Result<Step, EngineError> {
        let Some(conversation) = cx.tx.conversations().conversation(&self.channel)? else {
            return Ok(CommandError::UnknownConversation.into());
        };
        match conversation.state.clone() {
            ConversationState::Leaving => {}
            ConversationState::Left | ConversationState::Gone => return Ok(Outcome::Done.into()),
            ConversationState::Active => {
                self.stage = Stage::Ready;
                return Ok(Step::Moved);
            }
            state => return Ok(CommandError::ConversationState { state }.into()),
        }
        let refused = parts.channels.refused(&self.channel).filter(|_| !parts.channels.is_calling(&self.channel));
        let error = match (channel_link(cx), refused) {
            (Err(error), _) => error,
            (Ok(_), Some(failure)) => CommandError::Refused(failure),
            (Ok(_), None) => {
                self.asked |= parts.channels.is_deleting(&self.channel);
                return Ok(Step::Wait);
            }
        };
        if self.asked && matches!(error, CommandError::Unreachable { .. }) {
            return Ok(CommandError::Unreachable { unfinished: true }.into());
        }
        // The channel was not deleted: as if nothing had been asked.
        let stays = Conversation { state: ConversationState::Active, ..conversation };
        cx.tx.conversations().put_conversation(&stays)?;
        Ok(error.into())
    }
}

impl Task for Leave {
    fn step(&mut self, cx: &mut Cx<'_>, parts: &mut Parts) -> Result<Step, EngineError> {
        self.channel = lineage::current(cx.tx, self.channel)?;
        match &self.stage {
            Stage::Begin => {
                if let Err(error) = active(cx, &self.channel)? {
                    return Ok(error.into());
                }
                parts.channels.want(self.channel);
                parts.channels.forgive(&self.channel);
                self.stage = Stage::Ready;
                Ok(Step::Moved)
            }
            Stage::Ready => self.ready(cx, parts),
            Stage::Leaving(intent) => self.leaving(cx, parts, intent),
            Stage::Deleting => self.deleting(cx, parts),
        }
    }
}

/// Leaves every conversation, one after the other; the first that cannot be left ends it.
#[derive(Default)]
pub(crate) struct LeaveAll {
    current: Option<Leave>,
}

impl Task for LeaveAll {
    fn step(&mut self, cx: &mut Cx<'_>, parts: &mut Parts) -> Result<Step, EngineError> {
        if let Some(leave) = &mut self.current {
            return match leave.step(cx, parts)? {
                Step::Done(Ok(_)) => {
                    self.current = None;
                    Ok(Step::Moved)
                }
                other => Ok(other),
            };
        }
        let all = cx.tx.conversations().all_conversations()?;
        let next = all.into_iter().find(|conversation| conversation.state == ConversationState::Active);
        Ok(match next {
            Some(conversation) => {
                self.current = Some(Leave::new(conversation.channel));
                Step::Moved
            }
            None => Outcome::Done.into(),
        })
    }
}

/// Removes a revoked device of the own account from every conversation (A5).
pub(crate) struct RemoveDevice {
    device: DeviceId,
    sync: Option<Sync>,
}

impl RemoveDevice {
    pub(crate) const fn new(device: DeviceId) -> Self {
        Self { device, sync: None }
    }
}

impl Task for RemoveDevice {
    fn step(&mut self, cx: &mut Cx<'_>, parts: &mut Parts) -> Result<Step, EngineError> {
        let Some(sync) = &mut self.sync else {
            if self.device == cx.own()?.row.device {
                return Ok(CommandError::OwnAccount.into());
            }
            cx.tx.upkeep().put_revocation_job(&RevocationJob { device: self.device, since: cx.now })?;
            self.sync = Some(Sync::begin(cx, parts));
            return Ok(Step::Moved);
        };
        match sync.step(cx, parts)? {
            Step::Done(Ok(_)) => {
                let open = cx.tx.upkeep().revocation_jobs()?.iter().any(|job| job.device == self.device);
                Ok(if open { CommandError::Unreachable { unfinished: true }.into() } else { Outcome::Done.into() })
            }
            Step::Done(Err(CommandError::Unreachable { .. })) => {
                Ok(CommandError::Unreachable { unfinished: true }.into())
            }
            other => Ok(other),
        }
    }
}
