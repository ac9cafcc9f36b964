//! Direct conversations that consist of several channels: two people who wrote to each other first at the same moment.

use quicprochat_wire::{AccountId, ChannelId};

use crate::store::{Conversation, ConversationKind, LogEntry, StoreFault, StoreTx};

/// The direct channels with somebody, by id. The lowest that is active is written to, on both sides.
pub fn direct_channels(tx: &dyn StoreTx, peer: &AccountId) -> Result<Vec<Conversation>, StoreFault> {
    let all = tx.conversations().all_conversations()?;
    let direct = |conversation: &Conversation| {
        conversation.kind == ConversationKind::Direct && conversation.peer.as_ref() == Some(peer)
    };
    Ok(all.into_iter().filter(direct).collect())
}

/// The logs of several channels as one: entries above `since`, at most `limit` of them, the last ones if `since` is 0.
///
/// By the server's minute, then by channel, the one that is written to last, then by position: both sides show one order.
pub fn merged_log(
    tx: &dyn StoreTx,
    channels: &[ChannelId],
    since: u64,
    limit: usize,
) -> Result<Vec<LogEntry>, StoreFault> {
    let mut entries = Vec::new();
    for channel in channels {
        entries.extend(if since == 0 {
            tx.messages().last_messages(channel, limit)?
        } else {
            tx.messages().messages_of(channel, since, limit)?
        });
    }
    if channels.len() > 1 {
        entries.sort_by_key(|entry| (entry.time, core::cmp::Reverse(entry.channel), entry.seq));
    }
    if since == 0 {
        let surplus = entries.len().saturating_sub(limit);
        entries.drain(..surplus);
    } else {
        entries.truncate(limit);
    }
    Ok(entries)
}
