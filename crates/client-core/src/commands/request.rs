//! `AcceptRequest` and `BlockRequest`.

use quicprochat_wire::{ChannelId, ConnectionKind, MessageId};

use super::{Step, Task, sync::Sync};
use crate::{
    command::{CommandError, Outcome},
    engine::{Cx, LinkStatus, Parts},
    error::EngineError,
    fetch::{self, stored_identity},
    inbox::set_state,
    state::{self, Pace},
    store::{Conversation, ConversationState, InvitationState, Relation},
};

/// Accepts, and waits until the conversation is joined.
pub(crate) struct Accept {
    invitation: MessageId,
    accepted: bool,
    /// The Welcome was of no use, and the device enters anew.
    enters: Option<Sync>,
}

impl Accept {
    pub(crate) const fn new(invitation: MessageId) -> Self {
        Self { invitation, accepted: false, enters: None }
    }
}

impl Task for Accept {
    fn step(&mut self, cx: &mut Cx<'_>, parts: &mut Parts) -> Result<Step, EngineError> {
        let Some(invitation) = cx.tx.inbox().invitation(&self.invitation)? else {
            return Ok(CommandError::UnknownRequest.into());
        };
        if !self.accepted {
            if invitation.state != InvitationState::Request {
                return Ok(CommandError::RequestState { state: invitation.state }.into());
            }
            let contact = cx.tx.contacts().contact_by_name(&invitation.from_name, "")?;
            if let Some(contact) = contact.filter(|contact| contact.changed.is_some()) {
                return Ok(CommandError::KeyChanged { name: contact.name }.into());
            }
            fetch::remember(cx, &stored_identity(&invitation.identity)?)?;
            fetch::befriend(cx, &invitation.from)?;
            set_state(cx, invitation, InvitationState::Joining)?;
            parts.inbox.touch();
            self.accepted = true;
            return Ok(Step::Moved);
        }
        match invitation.state {
            InvitationState::Joined => self.joined(cx, parts, invitation.channel),
            InvitationState::Failed | InvitationState::Blocked => Ok(CommandError::JoinFailed.into()),
            InvitationState::Joining | InvitationState::Request | InvitationState::Unchecked => {
                if parts.inbox.is_denied(&self.invitation) {
                    return Ok(CommandError::JoinFailed.into());
                }
                let down = matches!(cx.link(ConnectionKind::Channel), LinkStatus::Down(_));
                Ok(if down { CommandError::Unreachable { unfinished: true }.into() } else { Step::Wait })
            }
        }
    }
}

impl Accept {
    /// The invitation led into the conversation; where its Welcome did not, what is due may still (M1).
    fn joined(&mut self, cx: &mut Cx<'_>, parts: &mut Parts, channel: ChannelId) -> Result<Step, EngineError> {
        let conversation = cx.tx.conversations().conversation(&channel)?;
        let outside = |conversation: &Conversation| matches!(conversation.state, ConversationState::NeedsRejoin { .. });
        if !conversation.as_ref().is_some_and(outside) {
            return Ok(Outcome::Joined { channel }.into());
        }
        let sync = match &mut self.enters {
            Some(sync) => sync,
            None => self.enters.insert(Sync::begin(cx, parts)),
        };
        Ok(match sync.step(cx, parts)? {
            Step::Done(Ok(_)) => CommandError::JoinFailed.into(),
            Step::Done(Err(CommandError::Unreachable { .. })) => CommandError::Unreachable { unfinished: true }.into(),
            other => other,
        })
    }
}

/// Turns an invitation down; later ones of its sender are dropped.
pub(crate) struct Block {
    pub(crate) invitation: MessageId,
}

impl Task for Block {
    fn step(&mut self, cx: &mut Cx<'_>, _: &mut Parts) -> Result<Step, EngineError> {
        let Some(invitation) = cx.tx.inbox().invitation(&self.invitation)? else {
            return Ok(CommandError::UnknownRequest.into());
        };
        if invitation.state != InvitationState::Request {
            return Ok(CommandError::RequestState { state: invitation.state }.into());
        }
        fetch::remember(cx, &stored_identity(&invitation.identity)?)?;
        if let Some(mut contact) = cx.tx.contacts().contact(&invitation.from)? {
            contact.relation = Relation::Blocked;
            cx.tx.contacts().put_contact(&contact)?;
            state::note_contact(cx, &invitation.from, Pace::Setting)?;
        }
        set_state(cx, invitation, InvitationState::Blocked)?;
        Ok(Outcome::Done.into())
    }
}
