//! Commands about the archive.

use quicprochat_wire::ChannelId;

use super::plan::{Known, MAX_WISHES, Plan};
use crate::{
    command::{CommandError, Outcome},
    commands::{Step, Sync, Task},
    engine::{Cx, Parts},
    error::EngineError,
    state,
    store::StoreTx,
};

/// Has history kept, or not, from the next session on.
pub(crate) struct SetHistory {
    /// Of this conversation; of the account if it is none.
    pub(crate) channel: Option<ChannelId>,
    pub(crate) on: bool,
}

impl Task for SetHistory {
    fn step(&mut self, cx: &mut Cx<'_>, _: &mut Parts) -> Result<Step, EngineError> {
        let mut plan = Plan::load(cx.tx)?;
        match &self.channel {
            None => plan.wish = Some(self.on),
            Some(channel) => {
                let channels = state::channels(cx, channel)?;
                if channels.is_empty() {
                    return Ok(CommandError::UnknownConversation.into());
                }
                plan.wishes.extend(channels.into_iter().map(|channel| (channel, self.on)));
                let mut off = Known::load(cx.tx)?.record.excluded;
                off.extend(plan.wishes.iter().filter(|(_, on)| !**on).map(|(channel, _)| *channel));
                if off.len() > MAX_WISHES || plan.wishes.len() > MAX_WISHES {
                    return Ok(CommandError::TooMany { limit: MAX_WISHES, found: off.len() }.into());
                }
            }
        }
        plan.store(cx.tx)?;
        Ok(Outcome::Done.into())
    }
}

/// A conversation went on in another channel: what of it is not to be kept is not kept there, either.
pub(crate) fn went_on(tx: &dyn StoreTx, from: &ChannelId, to: ChannelId) -> Result<(), EngineError> {
    let mut plan = Plan::load(tx)?;
    let wished = plan.wishes.get(from).copied();
    if wished.unwrap_or(!Known::load(tx)?.record.excluded.contains(from)) {
        return Ok(());
    }
    if plan.wishes.len() >= MAX_WISHES {
        tracing::warn!("there are as many wishes as are kept: the history goes on");
        return Ok(());
    }
    plan.wishes.insert(to, false);
    Ok(plan.store(tx)?)
}

/// Catches up with everything, and puts in and takes out whatever is lacking.
pub(crate) struct SyncHistory(Sync);

impl SyncHistory {
    pub(crate) fn begin(cx: &mut Cx<'_>, parts: &mut Parts) -> Self {
        let sync = Sync::begin(cx, parts);
        parts.archive.begin_all();
        Self(sync)
    }
}

impl Task for SyncHistory {
    fn step(&mut self, cx: &mut Cx<'_>, parts: &mut Parts) -> Result<Step, EngineError> {
        let step = self.0.step(cx, parts)?;
        let Step::Done(result) = step else { return Ok(step) };
        Ok(match parts.archive.end_all() {
            Some(failure) if result.is_ok() => failure.into(),
            Some(_) | None => Step::Done(result),
        })
    }
}
