//! Commands about conversations that change nothing but the account's state. They need no server.

use quicprochat_wire::{ChannelId, Timestamp};

use super::{
    Pace,
    edit::{self, Edit},
    key::Key,
};
use crate::{
    command::{CommandError, ConversationChange, Outcome},
    commands::{Step, Task},
    engine::{Cx, Parts},
    error::EngineError,
    lineage, views,
};

/// Longest title that takes the place of a conversation's own.
const MAX_TITLE_BYTES: usize = 1024;
/// Longest draft.
const MAX_DRAFT_BYTES: usize = 16 * 1024;

/// Marks a conversation as read.
pub(crate) struct MarkRead {
    pub(crate) channel: ChannelId,
    /// Up to here; to the end of what this device has if nothing is said.
    pub(crate) position: Option<u64>,
}

impl Task for MarkRead {
    fn step(&mut self, cx: &mut Cx<'_>, _: &mut Parts) -> Result<Step, EngineError> {
        let channels = match self.position {
            Some(_) if cx.tx.conversations().conversation(&self.channel)?.is_some() => vec![self.channel],
            Some(_) => Vec::new(),
            None => channels(cx, &self.channel)?,
        };
        if channels.is_empty() {
            return Ok(CommandError::UnknownConversation.into());
        }
        let mut edit = Edit::default();
        for channel in channels {
            let last = cx.tx.messages().last_messages(&channel, 1)?.first().map_or(0, |entry| entry.seq);
            // Nobody can have read what is not there.
            edit = edit.mark(channel, self.position.unwrap_or(last).min(last));
        }
        done(edit::make(cx, edit, Pace::Reading)?)
    }
}

/// Sets something for a conversation.
pub(crate) struct SetConversation {
    pub(crate) channel: ChannelId,
    pub(crate) change: ConversationChange,
}

impl Task for SetConversation {
    fn step(&mut self, cx: &mut Cx<'_>, _: &mut Parts) -> Result<Step, EngineError> {
        let channels = channels(cx, &self.channel)?;
        if channels.is_empty() {
            return Ok(CommandError::UnknownConversation.into());
        }
        let of = self.channel;
        let (key, value, limit) = entry(&self.change);
        if let Some(found) = value.as_ref().map(Vec::len).filter(|found| *found > limit) {
            return Ok(CommandError::DoesNotFit { limit, found }.into());
        }
        let pace = if matches!(self.change, ConversationChange::Draft(_)) { Pace::Reading } else { Pace::Setting };
        // Of several channels with one person one has it, so that it can be taken back.
        let others = channels.into_iter().filter(|other| *other != of);
        let edit = others.fold(Edit::default(), |edit, other| edit.set(key(other), None)).set(key(of), value);
        done(edit::make(cx, edit, pace)?)
    }
}

/// Under which key, what, and of how many bytes at most.
fn entry(change: &ConversationChange) -> (KeyOf, Option<Vec<u8>>, usize) {
    let flag = |set: bool| set.then(Vec::new);
    let text = |text: &Option<String>| text.clone().filter(|text| !text.is_empty()).map(String::into_bytes);
    match change {
        ConversationChange::Title(title) => (Key::Title, text(title), MAX_TITLE_BYTES),
        ConversationChange::MutedUntil(until) => {
            (Key::MutedUntil, until.map(|Timestamp(until)| until.to_le_bytes().to_vec()), 8)
        }
        ConversationChange::Archived(set) => (Key::Archived, flag(*set), 0),
        ConversationChange::Pinned(set) => (Key::Pinned, flag(*set), 0),
        ConversationChange::Order(order) => (Key::Order, order.map(|order| order.to_le_bytes().to_vec()), 4),
        ConversationChange::Draft(draft) => (Key::Draft, text(draft), MAX_DRAFT_BYTES),
    }
}

type KeyOf = fn(ChannelId) -> Key;

fn done(made: Result<bool, super::StateError>) -> Result<Step, EngineError> {
    Ok(match made {
        Ok(_) => Outcome::Done.into(),
        Err(super::StateError::TooLarge { limit, found }) => CommandError::DoesNotFit { limit, found }.into(),
        Err(_) => return Err(EngineError::OwnState),
    })
}

/// The channels of a conversation: several between two accounts, and where it went on in another one. None if it is unknown.
pub(crate) fn channels(cx: &Cx<'_>, channel: &ChannelId) -> Result<Vec<ChannelId>, EngineError> {
    let Some(conversation) = cx.tx.conversations().conversation(channel)? else { return Ok(Vec::new()) };
    Ok(match conversation.peer {
        Some(peer) => views::direct_channels(cx.tx, &peer)?.iter().map(|direct| direct.channel).collect(),
        None => {
            let past = lineage::before(cx.tx, &conversation)?;
            core::iter::once(*channel).chain(past.iter().map(|past| past.channel)).collect()
        }
    })
}
