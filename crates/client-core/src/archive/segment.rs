//! Segments: history records, compressed.

use quicprochat_e2ee::vault::MAX_ARCHIVE_CONTENT;
use quicprochat_wire::Timestamp;

use super::{
    coverage::Coverage,
    deflate::{deflated, inflated},
    holdings::is_kept,
};
use crate::{
    history::{HistoryRecord, MAX_LIST_RECORDS, RecordError, decode_list, encode_list},
    store::{StoreFault, StoreTx},
};

/// Most bytes of a segment's records before they are compressed.
const MAX_RAW_BYTES: usize = 4 * 1024 * 1024;
/// Most entries, and about how many bytes of them, that are put in at a time.
const MAX_GATHERED: usize = 16_384;
const MAX_GATHERED_BYTES: usize = 4 * 1024 * 1024;
/// Entries read at a time.
const BATCH: usize = 1024;

/// Records as the content of one object.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Packed {
    pub(super) content: Vec<u8>,
    /// How many of the records are in it, from the first one.
    pub(super) count: usize,
}

/// As many of the records, from the first one, as fit an object; `None` if not even that one does.
pub(super) fn pack(records: &[HistoryRecord]) -> Option<Packed> {
    let mut count = raw_fit(records);
    while count > 0 {
        let content = deflated(&encode_list(records.get(..count)?));
        if content.len() <= MAX_ARCHIVE_CONTENT {
            return Some(Packed { content, count });
        }
        // A little less than would fit if all were of one size: seldom a third attempt is needed.
        let fits = count.saturating_mul(MAX_ARCHIVE_CONTENT) / content.len().max(1);
        count = fits.saturating_sub(fits / 16).min(count - 1);
    }
    None
}

/// The records of a segment.
///
/// Errors:   [`RecordError`].
pub(super) fn unpack(content: &[u8]) -> Result<Vec<HistoryRecord>, RecordError> {
    decode_list(&inflated(content, MAX_RAW_BYTES)?)
}

/// The time of the newest record.
pub(super) fn newest(records: &[HistoryRecord]) -> Timestamp {
    records.iter().map(|record| record.time).max().unwrap_or(Timestamp(0))
}

/// A part of some records, as the content of one object.
pub(super) struct Chunk<'a> {
    pub(super) content: Vec<u8>,
    pub(super) records: &'a [HistoryRecord],
    pub(super) covered: Coverage,
}

/// All the records, sorted by channel and position, in as many objects as they need; together they cover `covered`.
pub(super) fn packed(mut records: &[HistoryRecord], mut covered: Coverage) -> Vec<Chunk<'_>> {
    let mut chunks: Vec<Chunk<'_>> = Vec::new();
    while !records.is_empty() {
        let Some(Packed { content, count }) = pack(records) else {
            // No entry is as large as that.
            tracing::warn!("an entry of the log fits no object");
            records = records.get(1..).unwrap_or_default();
            continue;
        };
        let (packed, left) = records.split_at_checked(count).unwrap_or((records, &[]));
        let part = if left.is_empty() { covered.clone() } else { up_to_last(&covered, packed) };
        covered = covered.minus(&part);
        chunks.push(Chunk { content, records: packed, covered: part });
        records = left;
    }
    chunks
}

/// Entries of the log at these positions, sorted by channel and position, as many as are put in at a time; and the positions
/// that they cover.
pub(super) fn gather(tx: &dyn StoreTx, wanted: &Coverage) -> Result<(Vec<HistoryRecord>, Coverage), StoreFault> {
    let (mut records, mut bytes) = (Vec::new(), 0usize);
    for (channel, ranges) in wanted.iter() {
        for (from, to) in ranges.iter() {
            let mut after = from.saturating_sub(1);
            while after < to {
                let entries = tx.messages().messages_of(channel, after, BATCH)?;
                let Some(last) = entries.last().map(|entry| entry.seq) else { break };
                for entry in entries.iter().filter(|entry| entry.seq <= to && is_kept(&entry.body)) {
                    let record = HistoryRecord::from(entry);
                    bytes = bytes.saturating_add(record.encode().len());
                    records.push(record);
                    if bytes >= MAX_GATHERED_BYTES || records.len() >= MAX_GATHERED {
                        let covered = up_to_last(wanted, &records);
                        return Ok((records, covered));
                    }
                }
                after = last;
            }
        }
    }
    Ok((records, wanted.clone()))
}

/// The part of `wanted` that a list of records, sorted by channel and position, holds when it ends with its last one: ranges
/// that reach beyond are cut there.
pub(super) fn up_to_last(wanted: &Coverage, records: &[HistoryRecord]) -> Coverage {
    let mut covered = Coverage::default();
    let Some(last) = records.last().map(|record| (record.channel, record.seq)) else { return covered };
    for (channel, ranges) in wanted.iter().filter(|(channel, _)| **channel <= last.0) {
        for (from, to) in ranges.iter() {
            covered.add(*channel, from, if *channel == last.0 { to.min(last.1) } else { to });
        }
    }
    covered
}

/// How many records are within the limits of a list and of raw bytes.
fn raw_fit(records: &[HistoryRecord]) -> usize {
    let mut bytes = 0usize;
    let fits = |record: &&HistoryRecord| {
        bytes = bytes.saturating_add(record.encode().len().saturating_add(4));
        bytes <= MAX_RAW_BYTES - 16
    };
    records.iter().take(MAX_LIST_RECORDS).take_while(fits).count()
}

/// What the content of a segment says, written anew and not compressed: for fuzzing.
#[must_use]
pub fn check(content: &[u8]) -> Option<Vec<u8>> {
    unpack(content).ok().map(|records| encode_list(&records))
}

#[cfg(test)]
mod tests {
    use quicprochat_wire::{AccountId, ChannelId, DeviceId, Entropy as _, MessageId};

    use super::*;
    use crate::{history::RecordBody, store::LogBody, testing::SeededEntropy};

    fn record(channel: u8, seq: u64, content: Vec<u8>) -> HistoryRecord {
        HistoryRecord {
            channel: ChannelId::new([channel; 32]),
            seq,
            id: MessageId::new([seq as u8; 16]),
            sender: AccountId::new([4; 32]),
            device: DeviceId::new([5; 16]),
            time: Timestamp(seq * 60_000),
            sent_at: Timestamp(seq * 60_000),
            body: RecordBody::Known(LogBody::Content { content }),
        }
    }

    fn random(length: usize, seed: u64) -> Vec<u8> {
        let mut content = vec![0; length];
        SeededEntropy::new(seed).fill(&mut content);
        content
    }

    #[test]
    fn as_many_records_are_packed_as_fit_an_object() {
        let few: Vec<_> = (1..9).map(|seq| record(1, seq, vec![7; 30])).collect();
        let packed = pack(&few).expect("fits");
        assert_eq!((packed.count, unpack(&packed.content)), (8, Ok(few)));
        let many: Vec<_> = (1..900).map(|seq| record(1, seq, random(1_000, seq))).collect();
        let packed = pack(&many).expect("fits");
        assert!((230..260).contains(&packed.count), "{}", packed.count);
        assert!(packed.content.len() <= MAX_ARCHIVE_CONTENT);
        assert_eq!(unpack(&packed.content).map(|records| records.len()), Ok(packed.count));
        let repetitive: Vec<_> = (1..60).map(|seq| record(1, seq, vec![7; 200_000])).collect();
        assert!(pack(&repetitive).is_some_and(|packed| packed.count == 20), "bounded before it is compressed");
    }

    #[test]
    fn the_largest_message_fits_and_what_does_not_is_said() {
        assert_eq!(pack(&[record(1, 1, random(229_300, 1))]).map(|packed| packed.count), Some(1));
        assert_eq!(pack(&[record(1, 1, random(300_000, 1)), record(1, 2, random(10, 1))]), None);
        assert_eq!(pack(&[]), None);
    }

    #[test]
    fn many_records_are_packed_into_as_many_objects_as_they_need_and_each_position_is_covered_once() {
        let records: Vec<_> = (1..900).map(|seq| record(1 + u8::from(seq > 450), seq, random(1_000, seq))).collect();
        let mut wanted = Coverage::default();
        wanted.add(ChannelId::new([1; 32]), 1, 455);
        wanted.add(ChannelId::new([2; 32]), 440, 1_000);
        let chunks = packed(&records, wanted.clone());
        assert!((4..6).contains(&chunks.len()), "{}", chunks.len());
        let (mut all, mut covered, mut count) = (Vec::new(), Coverage::default(), 0);
        for chunk in &chunks {
            assert_eq!(unpack(&chunk.content).as_deref(), Ok(chunk.records));
            assert!(chunk.records.iter().all(|record| chunk.covered.contains(&record.channel, record.seq)));
            all.extend_from_slice(chunk.records);
            covered.extend(&chunk.covered);
            count += chunk.covered.count();
        }
        assert_eq!((all, count), (records, wanted.count()));
        assert_eq!(covered, wanted);
    }

    #[test]
    fn a_segment_that_would_burst_is_refused() {
        let bomb = deflated(&vec![0; MAX_RAW_BYTES + 1]);
        assert!(bomb.len() < 10_000);
        assert!(matches!(unpack(&bomb), Err(RecordError::Damaged(_))));
    }

    #[test]
    fn coverage_ends_where_the_records_of_a_segment_end() {
        let mut wanted = Coverage::default();
        wanted.add(ChannelId::new([1; 32]), 1, 20);
        wanted.add(ChannelId::new([2; 32]), 5, 9);
        wanted.add(ChannelId::new([2; 32]), 30, 40);
        wanted.add(ChannelId::new([3; 32]), 1, 2);
        let records = [record(1, 3, vec![]), record(2, 7, vec![])];
        let covered = up_to_last(&wanted, &records);
        let mut expected = Coverage::default();
        expected.add(ChannelId::new([1; 32]), 1, 20);
        expected.add(ChannelId::new([2; 32]), 5, 7);
        assert_eq!(covered, expected);
        assert!(up_to_last(&wanted, &[]).is_empty());
        assert_eq!(newest(&records), Timestamp(7 * 60_000));
    }
}
