//! `Dm`: the conversation of two accounts, made if there is none, and a message in it.
//!
//! Two people who write to each other for the first time at once make two channels. Both then show them as one conversation
//! and write into the one with the lower id, without a word between them. Before one is made, this device is where the
//! account's other devices are: what they began is used.

use quicprochat_wire::{AccountId, ChannelId, call::directory::Subject};

use super::{
    Step, Task,
    commit::{Commit, Create},
    send::Send,
    sync::Sync,
};
use crate::{
    channels::merge,
    command::{CommandError, Outcome, SuiteChoice},
    engine::{Cx, Parts},
    error::EngineError,
    fetch::{self, Ticket},
    store::{Conversation, ConversationState},
    trust::VerifiedRecord,
    vault, views,
};

/// See the module.
pub(crate) struct Dm {
    name: String,
    content: Vec<u8>,
    suite: SuiteChoice,
    stage: Stage,
    invited: bool,
}

enum Stage {
    Begin,
    Looking(Ticket),
    /// Another device of the account may have the conversation, or has it, and this one is not in it yet.
    Entering(Sync, Box<VerifiedRecord>),
    Creating(Create, Box<VerifiedRecord>),
    Inviting(ChannelId, Commit),
    Sending(ChannelId, Send),
    Delivering(ChannelId, Outcome),
}

impl Dm {
    pub(crate) const fn new(name: String, content: Vec<u8>, suite: SuiteChoice) -> Self {
        Self { name, content, suite, stage: Stage::Begin, invited: false }
    }

    fn begin(&mut self, cx: &mut Cx<'_>, parts: &mut Parts) -> Result<Step, EngineError> {
        if self.name == cx.own()?.row.name {
            return Ok(CommandError::OwnAccount.into());
        }
        let contact = cx.tx.contacts().contact_by_name(&self.name, "")?;
        if let Some(contact) = contact {
            if contact.changed.is_some() {
                return Ok(CommandError::KeyChanged { name: contact.name }.into());
            }
            let there = target(cx, &contact.account)?;
            if let Some(conversation) = there.filter(|conversation| has(conversation, &contact.account)) {
                return Ok(self.send(conversation.channel));
            }
        }
        self.stage = Stage::Looking(parts.fetch.ask(Subject::Name(self.name.clone())));
        Ok(Step::Moved)
    }

    fn send(&mut self, channel: ChannelId) -> Step {
        let content = core::mem::take(&mut self.content);
        self.stage = Stage::Sending(channel, Send::new(channel, content));
        Step::Moved
    }

    fn found(&mut self, cx: &mut Cx<'_>, parts: &mut Parts, record: VerifiedRecord) -> Result<Step, EngineError> {
        let peer = record.identity.account();
        if peer == cx.own()?.row.account {
            return Ok(CommandError::OwnAccount.into());
        }
        fetch::befriend(cx, &peer)?;
        if let Some(conversation) = target(cx, &peer)? {
            return Ok(self.reach(parts, conversation, record));
        }
        self.stage = if !vault::is_imported(cx.tx)? || outside(cx, &peer)?.is_some() {
            Stage::Entering(Sync::begin(cx, parts), Box::new(record))
        } else {
            Stage::Creating(Create::direct(peer, self.suite), Box::new(record))
        };
        Ok(Step::Moved)
    }

    fn reach(&mut self, parts: &mut Parts, conversation: Conversation, record: VerifiedRecord) -> Step {
        if has(&conversation, &record.identity.account()) {
            return self.send(conversation.channel);
        }
        // Made, but the invitation did not get through; or the peer left.
        self.invite(parts, conversation.channel, record)
    }

    /// Everything was caught up with: there is the conversation now, or none.
    fn entered(&mut self, cx: &Cx<'_>, parts: &mut Parts, record: VerifiedRecord) -> Result<Step, EngineError> {
        let peer = record.identity.account();
        if let Some(conversation) = target(cx, &peer)? {
            return Ok(self.reach(parts, conversation, record));
        }
        if let Some(conversation) = outside(cx, &peer)? {
            return Ok(CommandError::ConversationState { state: conversation.state }.into());
        }
        self.stage = Stage::Creating(Create::direct(peer, self.suite), Box::new(record));
        Ok(Step::Moved)
    }

    fn invite(&mut self, parts: &mut Parts, channel: ChannelId, record: VerifiedRecord) -> Step {
        self.invited = true;
        parts.channels.want(channel);
        self.stage = Stage::Inviting(channel, Commit::invite_found(channel, record));
        Step::Moved
    }
}

impl Task for Dm {
    fn step(&mut self, cx: &mut Cx<'_>, parts: &mut Parts) -> Result<Step, EngineError> {
        match &mut self.stage {
            Stage::Begin => self.begin(cx, parts),
            Stage::Looking(ticket) => match parts.fetch.take(cx, *ticket) {
                None => Ok(Step::Wait),
                Some(Ok(record)) => self.found(cx, parts, record),
                Some(Err(error)) => Ok(error.into()),
            },
            Stage::Entering(sync, record) => match sync.step(cx, parts)? {
                Step::Done(Ok(_)) => {
                    let record = VerifiedRecord::clone(record);
                    self.entered(cx, parts, record)
                }
                other => Ok(other),
            },
            Stage::Creating(create, record) => match create.step(cx, parts)? {
                Step::Done(Ok(Outcome::Created { channel })) => {
                    let record = VerifiedRecord::clone(record);
                    Ok(self.invite(parts, channel, record))
                }
                other => Ok(other),
            },
            Stage::Inviting(channel, commit) => {
                let channel = *channel;
                match commit.step(cx, parts)? {
                    Step::Done(Ok(_)) => Ok(self.send(channel)),
                    other => Ok(other),
                }
            }
            Stage::Sending(channel, send) => match send.step(cx, parts)? {
                Step::Done(Ok(outcome)) if self.invited => {
                    self.stage = Stage::Delivering(*channel, outcome);
                    Ok(Step::Moved)
                }
                other => Ok(other),
            },
            Stage::Delivering(channel, outcome) => {
                let (_, soon) = parts.deliveries.open(cx, |row| row.channel == *channel)?;
                Ok(if soon { Step::Wait } else { outcome.clone().into() })
            }
        }
    }
}

/// The channel to write to somebody in: the lowest of those both are in, else the lowest that this device is in.
fn target(cx: &Cx<'_>, peer: &AccountId) -> Result<Option<Conversation>, EngineError> {
    let channels = views::direct_channels(cx.tx, peer)?;
    let takes = |main: &&Conversation| main.state == ConversationState::Active || main.is_replacing();
    Ok(views::main_channel(&channels).filter(takes).cloned())
}

/// A conversation with somebody that the account is in and this device is not yet.
fn outside(cx: &Cx<'_>, peer: &AccountId) -> Result<Option<Conversation>, EngineError> {
    let channels = views::direct_channels(cx.tx, peer)?;
    let outside = |conversation: &Conversation| matches!(conversation.state, ConversationState::NeedsRejoin { .. });
    Ok(channels.into_iter().find(outside))
}

fn has(conversation: &Conversation, peer: &AccountId) -> bool {
    merge::accounts(&conversation.members).contains(peer)
}
