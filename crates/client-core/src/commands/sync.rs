//! `Sync` and `Listen`.

use quicprochat_wire::ConnectionKind;

use super::{Step, Task};
use crate::{
    command::{CommandError, Outcome},
    engine::{Cx, LinkStatus, Parts},
    error::EngineError,
    input::LinkDownReason,
    repair,
    store::{Conversation, ConversationState},
};

/// Catches up with everything once.
pub(crate) struct Sync;

impl Sync {
    pub(crate) fn begin(_: &mut Cx<'_>, parts: &mut Parts) -> Self {
        parts.mode.sync = true;
        parts.inbox.again();
        parts.upkeep.again();
        parts.own_record.again();
        parts.vault.again();
        parts.state.again();
        parts.archive.again();
        parts.stock.again();
        parts.channels.again();
        Self
    }
}

impl Task for Sync {
    fn step(&mut self, cx: &mut Cx<'_>, parts: &mut Parts) -> Result<Step, EngineError> {
        // Then what needs the account rests, and the channels are worked on all the same.
        let mut unknown = false;
        for kind in [ConnectionKind::Account, ConnectionKind::Channel] {
            // The channel link is only asked for where there are channels.
            let status = match kind {
                ConnectionKind::Account => cx.link(kind),
                ConnectionKind::Channel | ConnectionKind::Lookup => match cx.net.down(kind) {
                    Some(reason) => LinkStatus::Down(reason),
                    None => LinkStatus::Waiting,
                },
            };
            match status {
                LinkStatus::Down(LinkDownReason::DeviceUnknown) => unknown = true,
                LinkStatus::Down(_) => {
                    parts.mode.sync = false;
                    return Ok(CommandError::Unreachable { unfinished: false }.into());
                }
                LinkStatus::Refused => {
                    parts.mode.sync = false;
                    return Ok(CommandError::DeviceRevoked.into());
                }
                LinkStatus::Ready | LinkStatus::Waiting => {}
            }
        }
        if cx.net.is_busy() || parts.channels.is_touched() {
            return Ok(Step::Wait);
        }
        let idle = parts.inbox.is_idle() && parts.stock.is_idle() && parts.upkeep.is_idle();
        let told = parts.own_record.is_idle() && parts.archive.is_idle();
        if !(unknown || idle && told && parts.vault.is_idle(cx)? && parts.state.is_idle(cx)?) {
            return Ok(Step::Wait);
        }
        let mut waiting = 0;
        for conversation in cx.tx.conversations().all_conversations()? {
            if conversation.has_stopped() && !parts.channels.has_looked(&conversation.channel) {
                return Ok(Step::Wait);
            }
            if conversation.state == ConversationState::Diverged {
                waiting += cx.tx.outbox().outbox_of(&conversation.channel)?.len();
            }
            if conversation.is_worked_on() && !(unknown && is_unpaid(cx, &conversation)?) {
                match settled(cx, parts, &conversation)? {
                    Some(left) => waiting += left,
                    None => return Ok(Step::Wait),
                }
            }
        }
        let (undelivered, soon) = parts.deliveries.open(cx, |_| true)?;
        if soon {
            return Ok(Step::Wait);
        }
        parts.mode.sync = false;
        if unknown {
            return Ok(CommandError::DeviceUnknown.into());
        }
        let untold = parts.vault.is_held_up(cx)? || parts.state.is_held_up(cx)?;
        Ok(Outcome::Synced { waiting, undelivered: undelivered.len(), untold }.into())
    }
}

/// Whether a conversation waits for a token to be begun with.
fn is_unpaid(cx: &mut Cx<'_>, conversation: &Conversation) -> Result<bool, EngineError> {
    let creation = cx.tx.conversations().creation(&conversation.channel)?;
    Ok(creation.is_some_and(|creation| creation.token.is_none()))
}

/// How many messages a conversation still has waiting, once nothing more can be done; `None` while something can.
fn settled(cx: &mut Cx<'_>, parts: &Parts, conversation: &Conversation) -> Result<Option<usize>, EngineError> {
    let channel = conversation.channel;
    let waiting = cx.tx.outbox().outbox_of(&channel)?.len();
    if parts.channels.refused(&channel).is_some() && !parts.channels.is_calling(&channel) {
        return Ok(Some(waiting));
    }
    let busy = (waiting > 0 && parts.channels.held(&channel).is_none())
        || repair::is_due_soon(cx, conversation, parts.channels.awaited())?
        || cx.tx.conversations().pending_commit(&channel)?.is_some()
        || cx.tx.conversations().creation(&channel)?.is_some()
        || !parts.channels.caught_up(conversation)
        || parts.channels.is_looking(&channel);
    Ok(if busy { None } else { Some(waiting) })
}

/// Stays subscribed until stopped.
pub(crate) struct Listen {
    stopped: bool,
}

impl Listen {
    pub(crate) fn begin(parts: &mut Parts) -> Self {
        parts.mode.listen = true;
        parts.inbox.again();
        parts.upkeep.again();
        parts.own_record.again();
        parts.vault.again();
        parts.state.again();
        parts.archive.again();
        parts.stock.again();
        parts.channels.again();
        Self { stopped: false }
    }
}

impl Task for Listen {
    fn step(&mut self, cx: &mut Cx<'_>, parts: &mut Parts) -> Result<Step, EngineError> {
        if self.stopped {
            parts.mode.listen = false;
            parts.channels.touch_all();
            parts.inbox.stop(cx);
            return Ok(Outcome::Done.into());
        }
        // Both links are wanted all the time; while one is down, this asks for the next attempt.
        if cx.link(ConnectionKind::Account) == LinkStatus::Refused {
            parts.mode.listen = false;
            return Ok(CommandError::DeviceRevoked.into());
        }
        cx.link(ConnectionKind::Channel);
        Ok(Step::Wait)
    }

    fn stop(&mut self) -> bool {
        self.stopped = true;
        true
    }
}
