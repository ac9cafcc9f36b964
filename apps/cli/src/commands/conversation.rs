//! What this device knows already: conversations and their logs. Needs no server.

use std::collections::BTreeMap;

use quicprochat_client::{
    ClientError,
    core::{Command, views},
};

use crate::{context::Context, failure::Failure, render};

/// Most entries shown at once.
const MOST: usize = 1_000_000;

pub(super) fn list(context: &mut Context) -> Result<(), Failure> {
    context.account()?;
    let lines = context.read(|tx| {
        let mut lines = Vec::new();
        let mut views = views::conversations(tx)?;
        views::in_order(&mut views);
        for view in views {
            let unread = views::unread(tx, &view)?;
            let (object, members) = render::conversation(tx, &view, unread)?;
            let (id, state) = (view.main.channel.short(), render::state_name(&view.main.state));
            let marks = render::marks(&view, unread);
            let marks = if marks.is_empty() { String::new() } else { format!("({})  ", marks.join(", ")) };
            lines.push((object, format!("{id}  {}  [{state}]  {marks}{}", view.title, members.join(", "))));
        }
        Ok(lines)
    })?;
    lines.into_iter().try_for_each(|(object, text)| Ok(context.out.show("conversation", object, &text)?))
}

pub(super) async fn log(
    context: &mut Context,
    conv: &str,
    since: Option<u64>,
    limit: Option<u32>,
    read: bool,
) -> Result<(), Failure> {
    context.account()?;
    let view = context.conversation(conv)?;
    let limit = limit.map_or(MOST, |limit| limit as usize);
    let (lines, last) = context.read(|tx| {
        let scene = render::Scene::of(tx)?;
        let entries = views::log(tx, &view, since.unwrap_or_default(), limit)?;
        let lines = entries.iter().map(|entry| render::log_entry(&scene, entry));
        let lines = lines.collect::<Result<Vec<_>, _>>().map_err(ClientError::from)?;
        // Of each channel in its own right: there are several only between two accounts.
        let mut last = BTreeMap::new();
        for entry in &entries {
            let seq = last.entry(entry.channel).or_insert(entry.seq);
            *seq = entry.seq.max(*seq);
        }
        Ok((lines, last))
    })?;
    lines.into_iter().try_for_each(|line| line.print(context.out).map(drop))?;
    if read {
        for (channel, seq) in last {
            context.run(Command::MarkRead { channel, position: Some(seq) }).await?;
        }
    }
    Ok(())
}
