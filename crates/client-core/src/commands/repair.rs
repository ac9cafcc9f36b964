//! `Repair`: what mends itself in time, at once.

use super::{Step, Task, sync::Sync};
use crate::{
    channels::{self, denied, restore},
    command::{Outcome, RepairedConversation},
    engine::{Cx, Parts},
    error::EngineError,
    lineage, repair,
    store::{Conversation, ConversationState},
};

/// See the module.
pub(crate) struct Repair {
    sync: Sync,
    found: Vec<RepairedConversation>,
}

impl Repair {
    pub(crate) fn begin(cx: &mut Cx<'_>, parts: &mut Parts) -> Result<Self, EngineError> {
        let mut found = Vec::new();
        for mut conversation in cx.tx.conversations().all_conversations()? {
            let (channel, was) = (conversation.channel, conversation.state.clone());
            if conversation.has_stopped() {
                look_again(cx, parts, &mut conversation)?;
            }
            if was == ConversationState::Spoilt && channels::replace::again(cx, &mut conversation)? {
                parts.channels.renew(cx, &channel);
                parts.channels.want(channel);
            }
            let stopped = conversation.state == ConversationState::Spoilt;
            if !conversation.is_worked_on() && !stopped {
                continue;
            }
            repair::enter_now(cx, &channel)?;
            let missing = if stopped { repair::missing(cx.tx, &channel)? } else { repair::ask_again(cx, &channel)? };
            if was != ConversationState::Active || missing > 0 {
                found.push(RepairedConversation { channel, was, is: conversation.state, missing });
            }
        }
        let sync = Sync::begin(cx, parts);
        parts.archive.begin_repair();
        Ok(Self { sync, found })
    }
}

/// Attaches once more to a channel whose log was not the one that this device had read, or which the server did not have: an older
/// copy of the server's store may have made way for the right one since. Before anything is written every check is made anew.
fn look_again(cx: &mut Cx<'_>, parts: &mut Parts, conversation: &mut Conversation) -> Result<(), EngineError> {
    let channel = conversation.channel;
    if conversation.state == ConversationState::Gone {
        denied::expect(cx, conversation)?;
    }
    let state = restore::resumed(cx, conversation)?;
    let before = core::mem::replace(&mut conversation.state, state);
    parts.channels.renew(cx, &channel);
    channels::settle(cx, &before, conversation)?;
    parts.channels.want(channel);
    Ok(())
}

impl Task for Repair {
    fn step(&mut self, cx: &mut Cx<'_>, parts: &mut Parts) -> Result<Step, EngineError> {
        match self.sync.step(cx, parts)? {
            Step::Done(Ok(_)) => {}
            waits @ (Step::Wait | Step::Moved) => return Ok(waits),
            failed @ Step::Done(Err(_)) => {
                parts.archive.end_repair();
                return Ok(failed);
            }
        }
        let archive = parts.archive.end_repair();
        let mut conversations = core::mem::take(&mut self.found);
        for conversation in &mut conversations {
            let goes_on = lineage::current(cx.tx, conversation.channel)?;
            if let Some(found) = cx.tx.conversations().conversation(&goes_on)? {
                conversation.is = found.state;
            }
            conversation.missing = repair::missing(cx.tx, &conversation.channel)?;
        }
        // Whatever the server has deleted for good is no trouble.
        conversations.retain(|of| of.was != ConversationState::Gone || of.is != ConversationState::Gone);
        Ok(Outcome::Repaired { conversations, archive }.into())
    }
}
