//! What this device knows already: conversations and their logs. Needs no server.

use quicprochat_client::{ClientError, core::views};

use crate::{context::Context, failure::Failure, render};

/// Most entries shown at once.
const MOST: usize = 1_000_000;

pub(super) fn list(context: &mut Context) -> Result<(), Failure> {
    context.account()?;
    let lines = context.read(|tx| {
        let mut lines = Vec::new();
        for view in views::conversations(tx)? {
            let (object, members) = render::conversation(tx, &view)?;
            let (id, state) = (view.main.channel.short(), render::state_name(&view.main.state));
            lines.push((object, format!("{id}  {}  [{state}]  {}", view.title, members.join(", "))));
        }
        Ok(lines)
    })?;
    lines.into_iter().try_for_each(|(object, text)| Ok(context.out.show("conversation", object, &text)?))
}

pub(super) fn log(context: &mut Context, conv: &str, since: Option<u64>, limit: Option<u32>) -> Result<(), Failure> {
    context.account()?;
    let view = context.conversation(conv)?;
    let limit = limit.map_or(MOST, |limit| limit as usize);
    let lines = context.read(|tx| {
        let scene = render::Scene::of(tx)?;
        let entries = views::log(tx, &view, since.unwrap_or_default(), limit)?;
        entries
            .iter()
            .map(|entry| render::log_entry(&scene, entry))
            .collect::<Result<Vec<_>, _>>()
            .map_err(ClientError::from)
    })?;
    lines.into_iter().try_for_each(|line| line.print(context.out).map(drop))
}
