//! Channels that the open connection has looked at: their rows, and the ids of their newest entries.
//!
//! The writer keeps its cache from one transaction to the next, so that an append to a busy channel reads nothing and
//! rewrites one page. A reader's lives as long as its job.

use std::collections::HashMap;

use quicprochat_server_core::store::ChannelRow;
use quicprochat_wire::{ChannelId, MessageId};

/// Most channels kept between transactions.
const MAX_CHANNELS: usize = 8192;
/// Most ids kept between transactions.
const MAX_IDS: usize = 256 * 1024;

/// A channel as of the open transaction.
#[derive(Debug)]
pub(super) struct CachedChannel {
    /// Its random number.
    pub(super) num: ChannelNum,
    /// Its row.
    pub(super) row: ChannelRow,
    /// Its row as `channels` has it: `row` but for the last position, its chain value, and the bytes.
    pub(super) stored: ChannelRow,
    /// Ids up to this position stand in `entry_ids`.
    pub(super) indexed: u64,
    /// Ids of the entries above `indexed`; `None` until somebody asks.
    pub(super) recent: Option<HashMap<MessageId, u64>>,
}

/// A channel's random number, 1 to 2^31 - 1: the upper half of its entries' keys.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct ChannelNum(u32);

impl ChannelNum {
    /// Takes 31 random bits; `None` for zero.
    pub(super) fn from_bits(bits: u32) -> Option<Self> {
        let num = bits & 0x7fff_ffff;
        (num != 0).then_some(Self(num))
    }

    /// From its column.
    pub(super) fn from_column(value: i64) -> Option<Self> {
        u32::try_from(value).ok().and_then(Self::from_bits)
    }

    /// From the key of an entry; `None` if it is none.
    pub(super) fn of_key(at: i64) -> Option<Self> {
        Self::from_column(at >> 32)
    }

    /// As its column has it.
    pub(super) const fn column(self) -> i64 {
        self.0 as i64
    }

    /// The key of the entry at a position; `None` beyond 2^32 - 1.
    pub(super) fn at(self, position: u64) -> Option<i64> {
        u32::try_from(position).ok().map(|position| (self.column() << 32) | i64::from(position))
    }

    /// The same, but positions beyond the last possible one mean that one.
    pub(super) fn at_most(self, position: u64) -> i64 {
        (self.column() << 32) | i64::from(u32::try_from(position).unwrap_or(u32::MAX))
    }
}

/// The position in a key.
pub(super) fn position_of(at: i64) -> u64 {
    at.unsigned_abs() & 0xffff_ffff
}

/// What is known of channels without asking the database.
#[derive(Debug, Default)]
pub(super) struct ChannelCache {
    channels: HashMap<ChannelId, CachedChannel>,
    ids: usize,
    /// Changed by the job that runs.
    touched: Vec<ChannelId>,
}

impl ChannelCache {
    pub(super) fn find(&mut self, channel: &ChannelId) -> Option<&mut CachedChannel> {
        self.channels.get_mut(channel)
    }

    pub(super) fn put(&mut self, channel: &ChannelId, cached: CachedChannel) {
        self.channels.insert(*channel, cached);
    }

    /// Notes that the running job changes the channel.
    pub(super) fn touch(&mut self, channel: &ChannelId) {
        if self.touched.last() != Some(channel) {
            self.touched.push(*channel);
        }
    }

    /// Notes how many ids were added.
    pub(super) fn count_ids(&mut self, added: usize) {
        self.ids = self.ids.saturating_add(added);
    }

    /// The channels that the job changed; forgets about the job.
    pub(super) fn end_job(&mut self) -> Vec<ChannelId> {
        core::mem::take(&mut self.touched)
    }

    /// Forgets channels whose changes were undone.
    pub(super) fn evict(&mut self, channels: &[ChannelId]) {
        for channel in channels {
            self.channels.remove(channel);
        }
    }

    /// Forgets everything: after a failed transaction nothing of it can be trusted.
    pub(super) fn clear(&mut self) {
        self.channels.clear();
        self.touched.clear();
        self.ids = 0;
    }

    /// Forgets everything when it has grown too large. Between transactions.
    pub(super) fn trim(&mut self) {
        if self.channels.len() > MAX_CHANNELS || self.ids > MAX_IDS {
            self.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_a_channel_lie_together_and_apart_from_others() {
        let num = ChannelNum::from_bits(0x8000_0007).expect("not zero");
        assert_eq!(num.column(), 7);
        assert_eq!(num.at(3).map(position_of), Some(3));
        assert!(num.at(0) > ChannelNum::from_bits(6).and_then(|below| below.at(u64::from(u32::MAX))));
        assert_eq!(num.at(1 << 32), None);
        assert_eq!(num.at_most(u64::MAX), num.at(u64::from(u32::MAX)).expect("the last"));
        assert_eq!(ChannelNum::from_bits(0x8000_0000), None);
    }
}
