//! The manifest: which segments there are, and what each covers.
//!
//! ```text
//!   record 48 ──id, hash──▶ manifest ──id, hash──▶ segments
//! ```

use std::collections::{BTreeMap, BTreeSet};

use quicprochat_e2ee::vault::{MAX_ARCHIVE_CONTENT, ManifestPointer};
use quicprochat_wire::{
    ChannelId, DecodeError, Digest, ObjectId, Reader, Timestamp, Writer, limits::MAX_ARCHIVE_BYTES,
};

use super::{
    coverage::{Coverage, Ranges},
    deflate::{deflated, inflated},
    plan::Plan,
};

const VERSION: u8 = 1;
/// Most bytes of a manifest before they are compressed.
const MAX_RAW_BYTES: usize = 16 * 1024 * 1024;
/// Most segments of an account; more than a server keeps.
const MAX_SEGMENTS: usize = 65_536;
const MAX_CHANNELS: usize = 65_536;
/// How many segments become one.
const MERGED: usize = 4;

/// One segment of the archive.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Segment {
    pub(super) id: ObjectId,
    /// H of the sealed bytes.
    pub(super) hash: Digest,
    /// Length of the sealed bytes.
    pub(super) bytes: u32,
    /// Records in it.
    pub(super) count: u32,
    /// Time of the newest record.
    pub(super) newest: Timestamp,
    /// Positions that need not be archived any more: those of its records, and those between them that had nothing to keep.
    pub(super) coverage: Coverage,
}

/// Every segment, in the order in which they were made.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Manifest {
    pub(super) segments: Vec<Segment>,
}

impl Manifest {
    /// Everything that is covered.
    pub(super) fn coverage(&self) -> Coverage {
        let mut all = Coverage::default();
        self.segments.iter().for_each(|segment| all.extend(&segment.coverage));
        all
    }

    /// Without those segments that are lost, and those bad ones of which everything is at hand to be put in again; the second
    /// are what was left out.
    pub(super) fn without_lost(&self, plan: &Plan, have: &Coverage) -> (Self, Vec<Segment>) {
        let is_lost = |segment: &&Segment| {
            plan.is_lost(&segment.id) || plan.bad.contains_key(&segment.id) && segment.coverage.is_within(have)
        };
        let (lost, segments) = self.segments.iter().partition::<Vec<_>, _>(is_lost);
        (Self { segments: segments.into_iter().cloned().collect() }, lost.into_iter().cloned().collect())
    }

    /// Segments with something of a conversation whose history is not kept any more.
    pub(super) fn leaving(&self, excluded: &BTreeSet<ChannelId>) -> Vec<Segment> {
        let is_leaving = |segment: &&Segment| segment.coverage.iter().any(|(channel, _)| excluded.contains(channel));
        self.segments.iter().filter(is_leaving).cloned().collect()
    }

    /// Some segments of a size that are to be written anew as one: none of those that are bad, or did not become fewer before.
    pub(super) fn candidates(&self, plan: &Plan, whole: &BTreeSet<ObjectId>) -> Vec<Segment> {
        let usable = |segment: &&Segment| !plan.bad.contains_key(&segment.id) && !whole.contains(&segment.id);
        let mut classes: BTreeMap<u32, Vec<&Segment>> = BTreeMap::new();
        for segment in self.segments.iter().filter(usable) {
            let class = classes.entry((segment.bytes / 512).max(1).ilog2() / 2).or_default();
            class.push(segment);
            let bytes = class.iter().fold(0u32, |bytes, segment| bytes.saturating_add(segment.bytes));
            if class.len() == MERGED && usize::try_from(bytes).is_ok_and(|bytes| bytes <= MAX_ARCHIVE_CONTENT) {
                return class.iter().map(|segment| (*segment).clone()).collect();
            }
            if class.len() == MERGED {
                class.remove(0);
            }
        }
        Vec::new()
    }

    /// The manifest's content, if it fits one object.
    pub(super) fn content(&self, version: u64) -> Option<Vec<u8>> {
        let content = deflated(&self.raw(version));
        (content.len() <= MAX_ARCHIVE_CONTENT).then_some(content)
    }

    fn raw(&self, version: u64) -> Vec<u8> {
        write_segments(Writer::new().u8(VERSION).u64(version), &self.segments).finish()
    }

    /// Takes the content of the manifest's object, which must be of this version.
    pub(super) fn parse(content: &[u8], version: u64) -> Result<Self, DecodeError> {
        let raw = inflated(content, MAX_RAW_BYTES)?;
        let mut reader = versioned(&raw)?;
        let found = reader.u64()?;
        if found != version {
            return Err(DecodeError::BadValue { found });
        }
        let segments = read_segments(&mut reader)?;
        reader.finish()?;
        Ok(Self { segments })
    }

    pub(super) fn write(&self, writer: Writer) -> Writer {
        write_segments(writer, &self.segments)
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { segments: read_segments(reader)? })
    }
}

fn versioned(raw: &[u8]) -> Result<Reader<'_>, DecodeError> {
    let mut reader = Reader::new(raw);
    if reader.u8()? == VERSION { Ok(reader) } else { Err(DecodeError::WrongLabel) }
}

/// Channels once, and then segments that name them by their place.
fn write_segments(writer: Writer, segments: &[Segment]) -> Writer {
    let mut places: BTreeMap<ChannelId, u32> = BTreeMap::new();
    for (channel, _) in segments.iter().flat_map(|segment| segment.coverage.iter()) {
        places.insert(*channel, 0);
    }
    for (place, (_, at)) in (0..).zip(&mut places) {
        *at = place;
    }
    let channels: Vec<_> = places.keys().collect();
    writer.list(&channels, |writer, channel| writer.fixed(channel)).list(segments, |writer, segment| {
        let writer = writer.fixed(segment.id).fixed(segment.hash).u32(segment.bytes).u32(segment.count);
        let ranges: Vec<_> = segment.coverage.iter().collect();
        writer.u64(segment.newest.0).list(&ranges, |writer, (channel, ranges)| {
            ranges.write(writer.u32(places.get(*channel).copied().unwrap_or(u32::MAX)))
        })
    })
}

/// Channels and places are in order, and no place comes twice: so nothing has to be put in between what was read.
fn read_segments(reader: &mut Reader<'_>) -> Result<Vec<Segment>, DecodeError> {
    let channels = reader.list::<_, DecodeError>(MAX_CHANNELS, |item| item.array().map(ChannelId::new))?;
    if !channels.is_sorted_by(|one, next| one < next) {
        return Err(DecodeError::WrongLabel);
    }
    reader.list(MAX_SEGMENTS, |item| {
        let (id, hash) = (ObjectId::new(item.array()?), Digest::new(item.array()?));
        let (bytes, count, newest) = (item.u32()?, item.u32()?, Timestamp(item.u64()?));
        if usize::try_from(bytes).is_ok_and(|bytes| bytes > MAX_ARCHIVE_BYTES) {
            return Err(DecodeError::BadValue { found: bytes.into() });
        }
        let mut coverage = Coverage::default();
        let ranges = item.list::<_, DecodeError>(MAX_CHANNELS, |item| Ok((item.u32()?, Ranges::read(item)?)))?;
        if !ranges.is_sorted_by(|(one, _), (next, _)| one < next) {
            return Err(DecodeError::WrongLabel);
        }
        for (place, ranges) in ranges {
            let at = usize::try_from(place).unwrap_or(usize::MAX);
            let channel = channels.get(at).ok_or(DecodeError::BadValue { found: place.into() })?;
            ranges.iter().for_each(|(from, to)| coverage.add(*channel, from, to));
        }
        Ok(Segment { id, hash, bytes, count, newest, coverage })
    })
}

/// The manifest as this device last knew it, with where it came from: kept in the store.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Cached {
    pub(super) pointer: Option<ManifestPointer>,
    pub(super) manifest: Manifest,
}

impl Cached {
    pub(super) fn encode(&self) -> Vec<u8> {
        let writer = Writer::new().u8(VERSION);
        let writer = match &self.pointer {
            None => writer.u8(0),
            Some(pointer) => writer.u8(1).u64(pointer.version).fixed(pointer.id).fixed(pointer.hash),
        };
        self.manifest.write(writer).finish()
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = versioned(bytes)?;
        let pointer = match reader.u8()? {
            0 => None,
            1 => {
                let version = reader.u64()?;
                Some(ManifestPointer {
                    version,
                    id: ObjectId::new(reader.array()?),
                    hash: Digest::new(reader.array()?),
                })
            }
            found => return Err(DecodeError::BadValue { found: found.into() }),
        };
        let manifest = Manifest::read(&mut reader)?;
        reader.finish()?;
        Ok(Self { pointer, manifest })
    }

    /// Every object that is in use.
    pub(super) fn objects(&self) -> impl Iterator<Item = ObjectId> {
        self.pointer.iter().map(|pointer| pointer.id).chain(self.manifest.segments.iter().map(|segment| segment.id))
    }
}

/// What the content of a manifest of version 1 says, written anew and not compressed: for fuzzing.
#[must_use]
pub fn check(content: &[u8]) -> Option<Vec<u8>> {
    Manifest::parse(content, 1).ok().map(|manifest| manifest.raw(1))
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};
    use quicprochat_wire::Entropy as _;

    use super::*;
    use crate::testing::SeededEntropy;

    fn segments() -> impl Strategy<Value = Vec<Segment>> {
        let coverage = vec((0u8..3, 0u64..100, 0u64..10), 0..5).prop_map(|spans| {
            let mut coverage = Coverage::default();
            for (channel, from, length) in spans {
                coverage.add(ChannelId::new([channel; 32]), from, from + length);
            }
            coverage
        });
        let segment = (any::<u8>(), 0u32..262_144, any::<u32>(), any::<u64>(), coverage).prop_map(
            |(byte, bytes, count, newest, coverage)| Segment {
                id: ObjectId::new([byte; 16]),
                hash: Digest::new([byte; 32]),
                bytes,
                count,
                newest: Timestamp(newest),
                coverage,
            },
        );
        vec(segment, 0..6)
    }

    proptest! {
        #[test]
        fn a_manifest_reads_back_from_its_object_and_from_the_store(segments in segments(), version in any::<u64>()) {
            let manifest = Manifest { segments };
            let content = manifest.content(version).expect("small");
            prop_assert_eq!(Manifest::parse(&content, version), Ok(manifest.clone()));
            prop_assert!(Manifest::parse(&content, version ^ 1).is_err(), "of another version");
            let pointer = Some(ManifestPointer { version, id: ObjectId::new([1; 16]), hash: Digest::new([2; 32]) });
            let cached = Cached { pointer, manifest };
            prop_assert_eq!(Cached::decode(&cached.encode()), Ok(cached));
        }

        #[test]
        fn bytes_from_outside_are_refused_without_a_panic(bytes in vec(any::<u8>(), 0..300)) {
            let with_head = [&[VERSION][..], &1_u64.to_le_bytes(), &bytes].concat();
            for content in [bytes.clone(), deflated(&bytes), deflated(&with_head)] {
                if let Ok(manifest) = Manifest::parse(&content, 1) {
                    let again = manifest.content(1).expect("small");
                    prop_assert_eq!(Manifest::parse(&again, 1), Ok(manifest));
                }
            }
            if let Ok(cached) = Cached::decode(&bytes) {
                prop_assert_eq!(Cached::decode(&cached.encode()), Ok(cached));
            }
        }
    }

    #[test]
    fn channels_and_places_that_do_not_ascend_are_refused() {
        let manifest = |channels: [u8; 2], places: [u32; 2]| {
            let writer = Writer::new().u8(VERSION).u64(1);
            let writer = writer.list(&channels, |writer, channel| writer.fixed([*channel; 32]));
            let segment = |writer: Writer| writer.fixed([3; 16]).fixed([4; 32]).u32(552).u32(1).u64(5);
            let writer = writer.list(&[()], |writer, ()| {
                segment(writer)
                    .list(&places, |writer, place| writer.u32(*place).list(&[()], |writer, ()| writer.u64(1).u64(2)))
            });
            Manifest::parse(&deflated(&writer.finish()), 1)
        };
        assert!(manifest([1, 2], [0, 1]).is_ok());
        for (channels, places) in
            [([2, 1], [0, 1]), ([1, 1], [0, 1]), ([1, 2], [1, 0]), ([1, 2], [0, 0]), ([1, 2], [1, 2])]
        {
            assert!(manifest(channels, places).is_err(), "{channels:?} {places:?}");
        }
    }

    /// As of an account of many conversations and messages, and an archive that was never compacted much.
    fn large(segments: u32, channels: u16) -> Manifest {
        let mut entropy = SeededEntropy::new(1);
        let mut random = |out: &mut [u8]| entropy.fill(out);
        let ids: Vec<_> = (0..channels)
            .map(|_| {
                let mut id = [0; 32];
                random(&mut id);
                ChannelId::new(id)
            })
            .collect();
        let segment = |number: u32| {
            let (mut id, mut hash) = ([0; 16], [0; 32]);
            random(&mut id);
            random(&mut hash);
            let mut coverage = Coverage::default();
            for (place, channel) in (0u64..).zip(&ids) {
                let from = u64::from(number) * 11 + place % 7;
                coverage.add(*channel, from, from + 10);
            }
            let (id, hash) = (ObjectId::new(id), Digest::new(hash));
            Segment { id, hash, bytes: 250_000, count: 3_000, newest: Timestamp(number.into()), coverage }
        };
        Manifest { segments: (0..segments).map(segment).collect() }
    }

    #[test]
    fn a_hundred_thousand_messages_in_three_hundred_conversations_fit_one_object() {
        let whole = large(40, 300).content(1).expect("fits");
        assert!(whole.len() < 130_000, "{}", whole.len());
    }

    #[test]
    fn a_manifest_that_fits_no_object_is_not_written() {
        assert_eq!(large(300, 300).content(1), None);
    }
}
