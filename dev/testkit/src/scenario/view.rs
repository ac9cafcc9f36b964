//! What server and devices have, as far as checks look at it.

use futures::FutureExt as _;
use quicprochat_client_core::{
    content::MimiContent,
    store::{Conversation, LogBody, LogEntry},
};
use quicprochat_server_core::store::{ChannelRow, EntryRow, PageLimit, read};
use quicprochat_wire::{ChannelId, MessageId, call::channel::ChainPoint};

use super::Scenario;
use crate::world::DeviceIx;

/// A channel as the server has it.
pub(super) struct ServerLog {
    pub(super) first: u64,
    pub(super) last: ChainPoint,
    pub(super) last_commit: ChainPoint,
    pub(super) entries: Vec<EntryRow>,
}

impl Scenario {
    /// The server's log of a channel; `None` if it is not there (any more).
    pub(super) fn server_log(&self, channel: &ChannelId) -> Option<ServerLog> {
        let channel = *channel;
        let log = read(self.world.server_store(), move |tx| {
            let Some(row): Option<ChannelRow> = tx.channels().load(&channel)? else { return Ok(None) };
            let (first, last, last_commit) = (row.first, row.last, row.last_commit);
            let limit = PageLimit { entries: u16::MAX, bytes: usize::MAX };
            let entries = tx.channels().page(&channel, 0, u64::MAX, limit)?;
            Ok(Some(ServerLog { first, last, last_commit, entries }))
        });
        log.now_or_never().and_then(Result::ok).flatten()
    }

    /// The id of what stands at a position; outer `None` if the channel is gone or what stood there is too old.
    pub(super) fn server_entry(&self, channel: &ChannelId, seq: u64) -> Option<Option<MessageId>> {
        self.world.entry_at(channel, seq)
    }

    /// The last position of a channel; `None` if it is gone.
    pub(super) fn server_end(&self, channel: &ChannelId) -> Option<u64> {
        let channel = *channel;
        let found = read(self.world.server_store(), move |tx| Ok(tx.channels().load(&channel)?));
        found.now_or_never().and_then(Result::ok).flatten().map(|row| row.last.position)
    }

    pub(super) fn conversation(&self, device: DeviceIx, channel: &ChannelId) -> Option<Conversation> {
        self.world.read(device, |tx| tx.conversations().conversation(channel)).expect("in memory")
    }
}

/// The text of an entry, if it is one.
pub(super) fn words(entry: &LogEntry) -> Option<String> {
    match &entry.body {
        LogBody::Content { content } => MimiContent::decode(content).ok()?.as_text(),
        _ => None,
    }
}
