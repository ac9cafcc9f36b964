//! `Repair`: what mends itself in time, at once.

use super::{Step, Task, sync::Sync};
use crate::{
    command::{Outcome, RepairedConversation},
    engine::{Cx, Parts},
    error::EngineError,
    repair,
};

/// See the module.
pub(crate) struct Repair {
    sync: Sync,
    found: Vec<RepairedConversation>,
}

impl Repair {
    pub(crate) fn begin(cx: &mut Cx<'_>, parts: &mut Parts) -> Result<Self, EngineError> {
        let mut found = Vec::new();
        for conversation in cx.tx.conversations().all_conversations()? {
            if !conversation.is_worked_on() {
                continue;
            }
            let channel = conversation.channel;
            repair::enter_now(cx, &channel)?;
            let missing = repair::ask_again(cx, &channel)?;
            if !conversation.is_live() || missing > 0 {
                let (was, is) = (conversation.state.clone(), conversation.state);
                found.push(RepairedConversation { channel, was, is, missing });
            }
        }
        Ok(Self { sync: Sync::begin(cx, parts), found })
    }
}

impl Task for Repair {
    fn step(&mut self, cx: &mut Cx<'_>, parts: &mut Parts) -> Result<Step, EngineError> {
        match self.sync.step(cx, parts)? {
            Step::Done(Ok(_)) => {}
            other => return Ok(other),
        }
        let mut conversations = core::mem::take(&mut self.found);
        for conversation in &mut conversations {
            if let Some(found) = cx.tx.conversations().conversation(&conversation.channel)? {
                conversation.is = found.state;
            }
            conversation.missing = repair::missing(cx.tx, &conversation.channel)?;
        }
        Ok(Outcome::Repaired { conversations }.into())
    }
}
