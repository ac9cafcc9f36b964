//! What this device knows already: conversations and their logs. Needs no server.

use quicprochat_client::core::store::LogEntry;

use crate::{context::Context, failure::Failure, render};

/// Most entries of one page read from the store.
const ALL: usize = 1_000_000;

pub(super) fn list(context: &mut Context) -> Result<(), Failure> {
    context.account()?;
    for view in context.read(|tx| Ok(quicprochat_client::views::conversations(tx)?))? {
        let names: Vec<&str> = view.members.iter().map(|member| member.name.as_str()).collect();
        let state = render::state_name(&view.state);
        let text = format!("{}  {}  [{state}]  {}", view.id.short(), view.title, names.join(", "));
        context.out.show("conversation", render::conversation(&view), &text)?;
    }
    Ok(())
}

pub(super) fn log(context: &mut Context, conv: &str, since: Option<u64>, limit: Option<u32>) -> Result<(), Failure> {
    context.account()?;
    let view = context.conversation(conv)?;
    let limit = limit.map_or(ALL, |limit| limit as usize);
    let lines = context.read(|tx| {
        let mut entries: Vec<LogEntry> = Vec::new();
        for channel in &view.channels {
            entries.extend(match since {
                Some(since) => tx.messages().messages_of(channel, since, limit)?,
                None => tx.messages().last_messages(channel, limit)?,
            });
        }
        if view.channels.len() > 1 {
            // Two logs of one direct conversation: by the server's time, then as they arrived here.
            entries.sort_by_key(|entry| (entry.time, entry.index));
        }
        let surplus = if since.is_none() { entries.len().saturating_sub(limit) } else { 0 };
        Ok(entries.drain(surplus..).take(limit).map(|entry| render::log_entry(tx, &entry)).collect::<Vec<_>>())
    })?;
    for line in lines {
        line.map_err(quicprochat_client::ClientError::from)?.print(context.out)?;
    }
    Ok(())
}
