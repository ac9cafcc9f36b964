//! Commands: what somebody waits for, as steps that are taken whenever something has changed.
//!
//! A [`Task`] holds only what a lost process may forget. It never acts on an answer of the network itself; it looks at the
//! store and the parts, and moves on when they show what it waits for.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "steps that are not named are passed on, states that are not named are told"
)]

mod commit;
mod dm;
mod leave;
mod local;
mod repair;
mod request;
pub(crate) mod send;
mod sync;
mod tokens;

use quicprochat_wire::{ChannelId, ConnectionKind};

pub(crate) use sync::Sync;

use crate::{
    archive,
    command::{Command, CommandError, CommandId, Outcome},
    effect::Effect,
    engine::{Cx, LinkStatus, Parts},
    error::EngineError,
    lineage, state,
    store::{Conversation, ConversationState, Standing},
};

/// Whether a task is done.
pub(crate) enum Step {
    Wait,
    /// Something was changed that others may act on now.
    Moved,
    Done(Result<Outcome, CommandError>),
}

impl From<CommandError> for Step {
    fn from(error: CommandError) -> Self {
        Self::Done(Err(error))
    }
}

impl From<Outcome> for Step {
    fn from(outcome: Outcome) -> Self {
        Self::Done(Ok(outcome))
    }
}

/// A command under way.
pub(crate) trait Task: Send {
    /// Moves on as far as possible.
    fn step(&mut self, cx: &mut Cx<'_>, parts: &mut Parts) -> Result<Step, EngineError>;

    /// Ends a task that never ends by itself.
    fn stop(&mut self) -> bool {
        false
    }
}

/// All commands under way.
#[derive(Default)]
pub(crate) struct Commands {
    tasks: Vec<(CommandId, Box<dyn Task>)>,
}

impl Commands {
    pub(crate) fn begin(
        &mut self,
        cx: &mut Cx<'_>,
        parts: &mut Parts,
        id: CommandId,
        command: Command,
    ) -> Result<(), EngineError> {
        if cx.own.is_none() {
            let error = match cx.tx.account().own_account()?.map(|own| own.standing) {
                Some(Standing::Revoked | Standing::Deleted) => CommandError::DeviceRevoked,
                Some(Standing::Enrolled) | None => CommandError::NoAccount,
            };
            cx.effects.push_back(Effect::CommandDone { id, result: Err(error) });
            return Ok(());
        }
        parts.stock.forgive();
        let command = where_it_goes_on(cx, command)?;
        let task: Box<dyn Task> = match command {
            Command::CreateGroup { title, suite } => Box::new(commit::Create::group(title, suite)),
            Command::Invite { channel, names } => Box::new(commit::Commit::invite(channel, names)),
            Command::Remove { channel, name } => Box::new(commit::Commit::remove(channel, name)),
            Command::Rename { channel, title } => Box::new(commit::Commit::rename(channel, title)),
            Command::RemoveDevice { device } => Box::new(leave::RemoveDevice::new(device)),
            Command::Leave { channel } => Box::new(leave::Leave::new(channel)),
            Command::LeaveAll => Box::new(leave::LeaveAll::default()),
            Command::Send { channel, content } => Box::new(send::Send::new(channel, content)),
            Command::Dm { name, content, suite } => Box::new(dm::Dm::new(name, content, suite)),
            Command::AcceptRequest { invitation } => Box::new(request::Accept::new(invitation)),
            Command::BlockRequest { invitation } => Box::new(request::Block { invitation }),
            Command::AcceptChangedKey { name } => Box::new(local::AcceptKey { name }),
            Command::Verify { name } => Box::new(local::Verify::new(name)),
            Command::LookUp { name } => Box::new(local::LookUp::new(name)),
            Command::MarkRead { channel, position } => Box::new(state::MarkRead { channel, position }),
            Command::SetConversation { channel, change } => Box::new(state::SetConversation { channel, change }),
            Command::SetHistory { channel, on } => Box::new(archive::SetHistory { channel, on }),
            Command::SyncHistory => Box::new(archive::SyncHistory::begin(cx, parts)),
            Command::Sync => Box::new(Sync::begin(cx, parts)),
            Command::Repair => Box::new(repair::Repair::begin(cx, parts)?),
            Command::Listen => Box::new(sync::Listen::begin(parts)),
            Command::StopListening => {
                for (_, task) in &mut self.tasks {
                    task.stop();
                }
                Box::new(local::Nothing)
            }
            Command::RefillTokens => Box::new(tokens::Refill::begin(parts)),
            Command::TakeTokens { count } => Box::new(tokens::TakeTokens::begin(parts, count)),
            Command::RotateKeyPackage => Box::new(tokens::Rotate::begin(parts)),
        };
        self.tasks.push((id, task));
        Ok(())
    }

    /// Lets every task move on; whether any did.
    pub(crate) fn step(&mut self, cx: &mut Cx<'_>, parts: &mut Parts) -> Result<bool, EngineError> {
        let mut moved = false;
        let mut waiting = Vec::new();
        for (id, mut task) in core::mem::take(&mut self.tasks) {
            match task.step(cx, parts)? {
                Step::Wait => waiting.push((id, task)),
                Step::Moved => {
                    moved = true;
                    waiting.push((id, task));
                }
                Step::Done(result) => {
                    moved = true;
                    cx.effects.push_back(Effect::CommandDone { id, result });
                }
            }
        }
        self.tasks = waiting;
        Ok(moved)
    }
}

/// A command about a conversation that was replaced is about the one that took its place.
#[expect(clippy::wildcard_enum_match_arm, reason = "the others name no conversation, or a position in one")]
fn where_it_goes_on(cx: &Cx<'_>, mut command: Command) -> Result<Command, EngineError> {
    match &mut command {
        Command::Invite { channel, .. }
        | Command::Remove { channel, .. }
        | Command::Leave { channel }
        | Command::Rename { channel, .. }
        | Command::Send { channel, .. }
        | Command::MarkRead { channel, position: None }
        | Command::SetConversation { channel, .. }
        | Command::SetHistory { channel: Some(channel), .. } => *channel = lineage::current(cx.tx, *channel)?,
        _ => {}
    }
    Ok(command)
}

/// The conversation of a command, if it is one that this device is in.
fn active(cx: &Cx<'_>, channel: &ChannelId) -> Result<Result<Conversation, CommandError>, EngineError> {
    let Some(conversation) = cx.tx.conversations().conversation(channel)? else {
        return Ok(Err(CommandError::UnknownConversation));
    };
    Ok(match conversation.state.clone() {
        ConversationState::Active => Ok(conversation),
        state => Err(CommandError::ConversationState { state }),
    })
}

/// Whether the channel link is up; what that means for a command that needs it.
fn channel_link(cx: &mut Cx<'_>) -> Result<bool, CommandError> {
    match cx.link(ConnectionKind::Channel) {
        LinkStatus::Ready => Ok(true),
        LinkStatus::Waiting => Ok(false),
        LinkStatus::Down(_) => Err(CommandError::Unreachable { unfinished: false }),
        LinkStatus::Refused => Err(CommandError::DeviceRevoked),
    }
}

/// The conversation, once everything of its log is read and it can be written to; `None` until then.
fn at_head(
    cx: &mut Cx<'_>,
    parts: &Parts,
    channel: &ChannelId,
) -> Result<Result<Option<Conversation>, CommandError>, EngineError> {
    let conversation = match active(cx, channel)? {
        Ok(conversation) => conversation,
        Err(error) => return Ok(Err(error)),
    };
    match channel_link(cx) {
        Ok(true) => {}
        Ok(false) => return Ok(Ok(None)),
        Err(error) => return Ok(Err(error)),
    }
    if let Some(failure) = parts.channels.refused(channel) {
        return Ok(Err(CommandError::Refused(failure)));
    }
    Ok(Ok(parts.channels.caught_up(&conversation).then_some(conversation)))
}
