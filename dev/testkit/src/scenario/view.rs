//! What server and devices have, as far as checks look at it.

use futures::FutureExt as _;
use quicprochat_client_core::{
    content::MimiContent,
    store::{Conversation, LogBody, LogEntry},
};
use quicprochat_server_core::store::{ChannelRow, EntryRow, PageLimit, read};
use quicprochat_wire::{ChannelId, call::channel::ChainPoint};

use super::Scenario;
use crate::world::DeviceIx;

/// A channel as the server has it.
pub(super) struct ServerLog {
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
            let (last, last_commit) = (row.last, row.last_commit);
            let limit = PageLimit { entries: u16::MAX, bytes: usize::MAX };
            let entries = tx.channels().page(&channel, 0, u64::MAX, limit)?;
            Ok(Some(ServerLog { last, last_commit, entries }))
        });
        log.now_or_never().and_then(Result::ok).flatten()
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
