//! What a device that is in a conversation has to show of it.

use std::collections::BTreeSet;

use quicprochat_client_core::store::{GapRow, Gaps, LogBody, LogEntry, Stored as _};
use quicprochat_wire::{AccountId, ChannelId};

use super::{Scenario, history::History};
use crate::world::DeviceIx;

impl Scenario {
    /// Every span that a device could not read at some time, whether or not others have filled it since.
    pub(super) fn gaps(&self, device: DeviceIx, channel: &ChannelId) -> Vec<GapRow> {
        let stored = self.world.read(device, |tx| tx.upkeep().setting(&format!("gaps/{channel}"))).expect("in memory");
        let gaps = stored.map(|stored| Gaps::decode(&stored).expect("the engine wrote it"));
        gaps.map(|gaps| gaps.rows.iter().cloned().collect()).unwrap_or_default()
    }
}

/// Positions of what a device lacks: everything behind where it `first` came in, as long as its account was in, is shown by its
/// log, or said by it to be a gap.
///
/// A gap that is closed has everything that people said in it: members send that again, and nothing else.
pub(super) fn lost(log: &[LogEntry], history: &History, account: &AccountId, first: u64, gaps: &[GapRow]) -> Vec<u64> {
    let shown: BTreeSet<u64> = log.iter().map(|entry| entry.seq).collect();
    let said = |seq: u64| {
        log.iter().any(|entry| matches!(entry.body, LogBody::Gap { from, to } if (from..=to).contains(&seq)))
    };
    let was_gap = |seq: u64| gaps.iter().any(|gap| (gap.from..=gap.to).contains(&seq));
    let by_people = |entry: &LogEntry| matches!(entry.body, LogBody::Content { .. } | LogBody::Leave);
    let behind = history.entries.range(first.saturating_add(1)..);
    let due = behind.filter(|(seq, _)| !shown.contains(*seq) && history.listens(account, **seq));
    let lost = due.filter(|(seq, entry)| !said(**seq) && (by_people(entry) || !was_gap(**seq)));
    lost.map(|(seq, _)| *seq).collect()
}
