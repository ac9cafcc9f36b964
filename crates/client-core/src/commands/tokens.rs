//! Commands about tokens and KeyPackages.

use quicprochat_wire::{ConnectionKind, limits::TOKEN_BATCH};

use super::{Step, Task};
use crate::{
    command::{CommandError, Outcome},
    engine::{Cx, LinkStatus, Parts},
    error::EngineError,
};

/// Whether the account link is there; what that means for a command that needs it.
fn account_link(cx: &mut Cx<'_>) -> Option<CommandError> {
    match cx.link(ConnectionKind::Account) {
        LinkStatus::Ready | LinkStatus::Waiting => None,
        LinkStatus::Down(reason) => Some(reason.error()),
        LinkStatus::Refused => Some(CommandError::DeviceRevoked),
    }
}

/// Fills the stock by a batch.
pub(crate) struct Refill {
    target: usize,
}

impl Refill {
    pub(crate) fn begin(parts: &mut Parts) -> Self {
        parts.stock.want(TOKEN_BATCH);
        Self { target: TOKEN_BATCH }
    }
}

impl Task for Refill {
    fn step(&mut self, cx: &mut Cx<'_>, parts: &mut Parts) -> Result<Step, EngineError> {
        let (level, refused) = parts.stock.level(cx)?;
        if level >= self.target {
            return Ok(Outcome::Done.into());
        }
        Ok(refused.or_else(|| account_link(cx)).map_or(Step::Wait, Step::from))
    }
}

/// Hands tokens out.
pub(crate) struct TakeTokens {
    count: usize,
}

impl TakeTokens {
    pub(crate) fn begin(parts: &mut Parts, count: u16) -> Self {
        let count = usize::from(count);
        parts.stock.want(count);
        Self { count }
    }
}

impl Task for TakeTokens {
    fn step(&mut self, cx: &mut Cx<'_>, parts: &mut Parts) -> Result<Step, EngineError> {
        let stock = cx.tx.tokens().stock()?;
        let live: Vec<_> = stock.into_iter().filter(|token| token.expires > cx.now).take(self.count).collect();
        if live.len() < self.count {
            let (_, refused) = parts.stock.level(cx)?;
            return Ok(refused.or_else(|| account_link(cx)).map_or(Step::Wait, Step::from));
        }
        if let Some(latest) = live.iter().map(|token| token.ready).max().filter(|ready| *ready > cx.now) {
            cx.wake(latest);
            return Ok(Step::Wait);
        }
        for token in &live {
            cx.tx.tokens().delete_token(&token.token.nonce)?;
        }
        Ok(Outcome::Tokens { tokens: live.into_iter().map(|token| token.token).collect() }.into())
    }
}

/// Publishes a fresh KeyPackage.
pub(crate) struct Rotate;

impl Rotate {
    pub(crate) fn begin(parts: &mut Parts) -> Self {
        parts.upkeep.rotate();
        Self
    }
}

impl Task for Rotate {
    fn step(&mut self, _: &mut Cx<'_>, parts: &mut Parts) -> Result<Step, EngineError> {
        Ok(match parts.upkeep.rotation() {
            (false, _) => Outcome::Done.into(),
            (true, Some(error)) => error.clone().into(),
            (true, None) => Step::Wait,
        })
    }
}
