//! What this device has of the conversations' logs, and how what it hears and imports adds to it: kept with the device.

use std::collections::{BTreeMap, BTreeSet};

use quicprochat_wire::{ChannelId, DecodeError, Reader, Writer};

use super::coverage::{Coverage, Ranges};
use crate::{
    content::Span,
    history::record::KINDS,
    repair::{self, Spans},
    store::{LogBody, LogEntry, StoreFault, StoreTx},
};

const SETTING: &str = "archive-holdings";
/// What an earlier version held is looked through again, as what a program wrote that knew other kinds.
const VERSION: u8 = 3;
const MAX_CHANNELS: usize = 65_536;
/// Entries read at a time.
const BATCH: usize = 1024;

/// See the module.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Holdings {
    /// Index of the last arrival that is counted in.
    arrival: u64,
    /// Positions whose entries this device has, and those between them that have none.
    pub(super) have: Coverage,
    /// Of these, positions whose records are in the archive alone: only a later version can show them, or something else stands
    /// in their place here. They are had, and cannot be put in again.
    elsewhere: Coverage,
    /// The last position that was read, by channel.
    heads: BTreeMap<ChannelId, u64>,
}

/// Has the whole log looked through again: entries came in that nobody heard.
pub(crate) fn forget(tx: &dyn StoreTx) -> Result<(), StoreFault> {
    tx.upkeep().put_setting(SETTING, None)
}

/// Counts in one entry that was imported by itself: of what lies before it, nothing is known.
pub(crate) fn came_alone(tx: &dyn StoreTx, channel: ChannelId, seq: u64) -> Result<(), StoreFault> {
    let mut holdings = Holdings::stored(tx)?;
    if holdings == Holdings::default() {
        // The whole log is yet to be looked through.
        return repair::filled(tx, &channel, &Spans::of([Span { from: seq, to: seq }]));
    }
    let mut imported = Coverage::default();
    imported.add(channel, seq, seq);
    holdings.import(tx, &imported, &Coverage::default())
}

/// Whether an entry is worth keeping for other devices: what only says how this device came in is not, nor is what members sent
/// again, which nobody vouches for.
pub(super) const fn is_kept(body: &LogBody) -> bool {
    !matches!(body, LogBody::Gap { .. } | LogBody::Joined | LogBody::Relayed { .. } | LogBody::Replaced { .. })
}

impl Holdings {
    /// Positions that this device can put in with everything that there is.
    pub(super) fn sure(&self) -> Coverage {
        self.have.minus(&self.elsewhere)
    }

    /// What this device has, as of now; kept, so that the next look is a short one.
    pub(super) fn load(tx: &dyn StoreTx) -> Result<Self, StoreFault> {
        let stored = Self::stored(tx)?;
        let (holdings, gaps) = stored.clone().look(tx)?;
        if stored == Self::default() || holdings.arrival != stored.arrival {
            holdings.store(tx)?;
        }
        // What came in before this device did is not missing.
        gaps.iter().try_for_each(|channel| repair::filled(tx, channel, &spans(&holdings.have.of(channel))))?;
        Ok(holdings)
    }

    /// The same for who only reads.
    pub(super) fn seen(tx: &dyn StoreTx) -> Result<Self, StoreFault> {
        Ok(Self::stored(tx)?.look(tx)?.0)
    }

    /// Counts in what is new, and says where gaps came up.
    fn look(mut self, tx: &dyn StoreTx) -> Result<(Self, BTreeSet<ChannelId>), StoreFault> {
        let fresh = self == Self::default();
        let gaps = self.absorb(tx)?;
        if fresh {
            self.rescan(tx)?;
        }
        Ok((self, gaps))
    }

    fn stored(tx: &dyn StoreTx) -> Result<Self, StoreFault> {
        let Some(stored) = tx.upkeep().setting(SETTING)? else { return Ok(Self::default()) };
        // What an earlier program took in, or one that knew other kinds, is looked at again.
        Ok(Self::decode(&stored)?.unwrap_or_default())
    }

    fn store(&self, tx: &dyn StoreTx) -> Result<(), StoreFault> {
        tx.upkeep().put_setting(SETTING, Some(&self.encode()))
    }

    /// Counts in what arrived since the last time; where gaps came up.
    fn absorb(&mut self, tx: &dyn StoreTx) -> Result<BTreeSet<ChannelId>, StoreFault> {
        let mut gaps = BTreeSet::new();
        loop {
            let news = tx.messages().arrivals(self.arrival, BATCH)?;
            let Some(last) = news.last() else { return Ok(gaps) };
            self.arrival = self.arrival.max(last.index);
            news.iter().for_each(|entry| self.hear(entry));
            let with_gap = news.iter().filter(|entry| matches!(entry.body, LogBody::Gap { .. }));
            gaps.extend(with_gap.map(|entry| entry.channel));
        }
    }

    fn hear(&mut self, entry: &LogEntry) {
        let (channel, seq) = (entry.channel, entry.seq);
        let before = self.heads.get(&channel).copied();
        if is_kept(&entry.body) {
            // A channel is read in order: what is between two entries had nothing to keep. What comes late stands alone.
            let from = before.filter(|head| *head < seq).map_or(seq, |head| head.saturating_add(1));
            self.have.add(channel, from, seq);
        }
        self.heads.insert(channel, before.map_or(seq, |head| head.max(seq)));
    }

    /// Looks through the whole log for entries that did not arrive here, from a backup, or repaired; and for what stands in the
    /// place of an entry that counted as had, being between two that arrived.
    fn rescan(&mut self, tx: &dyn StoreTx) -> Result<(), StoreFault> {
        for conversation in tx.conversations().all_conversations()? {
            let channel = conversation.channel;
            let mut after = 0;
            loop {
                let entries = tx.messages().messages_of(&channel, after, BATCH)?;
                let Some(last) = entries.last() else { break };
                after = last.seq;
                for entry in &entries {
                    if is_kept(&entry.body) {
                        self.have.add(channel, entry.seq, entry.seq);
                    } else if self.have.contains(&channel, entry.seq) {
                        self.elsewhere.add(channel, entry.seq, entry.seq);
                    }
                }
            }
        }
        Ok(())
    }

    /// Counts in what was imported: it is not missing any more, also where the record stays in the archive alone (`elsewhere`).
    pub(super) fn import(
        &mut self,
        tx: &dyn StoreTx,
        imported: &Coverage,
        elsewhere: &Coverage,
    ) -> Result<(), StoreFault> {
        self.have.extend(imported);
        self.elsewhere.extend(elsewhere);
        imported.iter().try_for_each(|(channel, ranges)| repair::filled(tx, channel, &spans(ranges)))?;
        self.store(tx)
    }

    fn encode(&self) -> Vec<u8> {
        let heads: Vec<_> = self.heads.iter().collect();
        let writer = self.have.write(Writer::new().u8(VERSION).u8(KINDS).u64(self.arrival));
        let writer = self.elsewhere.write(writer);
        writer.list(&heads, |writer, (channel, head)| writer.fixed(channel).u64(**head)).finish()
    }

    /// `None` if another program wrote it, to whom other records meant nothing.
    fn decode(bytes: &[u8]) -> Result<Option<Self>, DecodeError> {
        let mut reader = Reader::new(bytes);
        if reader.u8()? != VERSION || reader.u8()? != KINDS {
            return Ok(None);
        }
        let (arrival, have, elsewhere) = (reader.u64()?, Coverage::read(&mut reader)?, Coverage::read(&mut reader)?);
        let heads =
            reader.list::<_, DecodeError>(MAX_CHANNELS, |item| Ok((ChannelId::new(item.array()?), item.u64()?)))?;
        reader.finish()?;
        Ok(Some(Self { arrival, have, elsewhere, heads: heads.into_iter().collect() }))
    }
}

/// By conversation.
pub(super) fn all_spans(coverage: &Coverage) -> BTreeMap<ChannelId, Spans> {
    coverage.iter().map(|(channel, ranges)| (*channel, spans(ranges))).collect()
}

fn spans(ranges: &Ranges) -> Spans {
    Spans::of(ranges.iter().map(|(from, to)| Span { from, to }))
}

#[cfg(test)]
mod tests {
    use quicprochat_wire::{AccountId, DeviceId, MessageId, Timestamp};

    use super::*;
    use crate::store::MemoryStore;

    const TEA: ChannelId = ChannelId::new([1; 32]);

    fn entry(seq: u64, body: LogBody) -> LogEntry {
        LogEntry {
            index: 0,
            channel: TEA,
            seq,
            id: MessageId::new([seq as u8; 16]),
            sender: AccountId::new([2; 32]),
            device: DeviceId::new([3; 16]),
            time: Timestamp(seq),
            sent_at: Timestamp(seq),
            intent: None,
            body,
        }
    }

    fn ranges(holdings: &Holdings) -> Vec<(u64, u64)> {
        holdings.have.of(&TEA).iter().collect()
    }

    #[test]
    fn what_is_heard_in_order_is_had_with_what_lies_between_and_a_gap_is_not() {
        let mut store = MemoryStore::new();
        let tx = store.begin().expect("opens");
        let mut holdings = Holdings::default();
        let hear = |seq, body| tx.messages().append_message(&entry(seq, body)).map(drop);
        for (seq, body) in [(3, LogBody::Joined), (4, LogBody::Leave), (7, LogBody::Leave)] {
            hear(seq, body).expect("stores");
        }
        holdings.absorb(&tx).expect("reads");
        assert_eq!(ranges(&holdings), [(4, 7)], "how it came in is its own affair");
        hear(20, LogBody::Gap { from: 8, to: 19 }).expect("stores");
        hear(22, LogBody::Updated).expect("stores");
        holdings.absorb(&tx).expect("reads");
        assert_eq!(ranges(&holdings), [(4, 7), (21, 22)]);
        hear(15, LogBody::Leave).expect("stores");
        holdings.absorb(&tx).expect("reads");
        assert_eq!(ranges(&holdings), [(4, 7), (15, 15), (21, 22)], "what comes late stands alone");
        assert_eq!(Holdings::decode(&holdings.encode()), Ok(Some(holdings.clone())));
        for cut in 0..holdings.encode().len() {
            assert!(Holdings::decode(&holdings.encode()[..cut]).is_err(), "{cut}");
        }
    }

    #[test]
    fn a_gap_shrinks_as_it_is_filled_and_goes() {
        let mut store = MemoryStore::new();
        let tx = store.begin().expect("opens");
        let mut holdings = Holdings::default();
        tx.messages().append_message(&entry(20, LogBody::Gap { from: 8, to: 19 })).expect("stores");
        holdings.absorb(&tx).expect("reads");
        let said = || tx.messages().messages_of(&TEA, 19, 1).expect("reads").remove(0);
        for (from, to, expected) in [
            (1, 3, LogBody::Gap { from: 8, to: 19 }),
            (1, 10, LogBody::Gap { from: 11, to: 19 }),
            (13, 14, LogBody::Gap { from: 11, to: 19 }),
            (15, 19, LogBody::Gap { from: 11, to: 12 }),
            (11, 20, LogBody::Joined),
        ] {
            let mut imported = Coverage::default();
            imported.add(TEA, from, to);
            holdings.import(&tx, &imported, &Coverage::default()).expect("imports");
            assert_eq!((said().body, said().index), (expected, 1), "{from} to {to}");
        }
    }

    #[test]
    fn what_only_a_later_version_can_show_is_had_and_not_vouched_for_until_that_version_looks_again() {
        let mut store = MemoryStore::new();
        let tx = store.begin().expect("opens");
        tx.messages().append_message(&entry(3, LogBody::Leave)).expect("stores");
        let mut holdings = Holdings::load(&tx).expect("reads");
        let (mut imported, mut elsewhere) = (Coverage::default(), Coverage::default());
        imported.add(TEA, 4, 9);
        elsewhere.add(TEA, 7, 7);
        holdings.import(&tx, &imported, &elsewhere).expect("imports");
        let holdings = Holdings::load(&tx).expect("reads");
        assert_eq!(ranges(&holdings), [(3, 9)]);
        assert_eq!(holdings.sure().of(&TEA).iter().collect::<Vec<_>>(), [(3, 6), (8, 9)]);
        let mut of_another = holdings.encode();
        of_another[1] += 1;
        tx.upkeep().put_setting(SETTING, Some(&of_another)).expect("stores");
        let fresh = Holdings::load(&tx).expect("reads");
        assert_eq!(ranges(&fresh), [(3, 3)], "what came from elsewhere is fetched again");
        assert_eq!(Holdings::decode(&[9, 9, 9]), Ok(None));
    }

    #[test]
    fn what_an_earlier_version_held_is_looked_through_again() {
        let mut holdings = Holdings { arrival: 5, ..Holdings::default() };
        holdings.have.add(TEA, 2, 8);
        holdings.heads.insert(TEA, 8);
        let writer = holdings.have.write(Writer::new().u8(1).u64(5));
        let first = writer.list(&[()], |writer, ()| writer.fixed(TEA).u64(8)).finish();
        assert_eq!(Holdings::decode(&first), Ok(None));
    }

    #[test]
    fn what_a_backup_brought_is_found_in_the_log() {
        let mut store = MemoryStore::new();
        let tx = store.begin().expect("opens");
        tx.messages().import_message(&entry(5, LogBody::Leave)).expect("imports");
        tx.conversations().put_conversation(&crate::testing::conversation(TEA)).expect("stores");
        let mut holdings = Holdings::default();
        holdings.absorb(&tx).expect("reads");
        assert!(holdings.have.is_empty());
        holdings.rescan(&tx).expect("reads");
        assert_eq!(ranges(&holdings), [(5, 5)]);
    }
}
