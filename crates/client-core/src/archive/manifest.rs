//! The manifest: which segments there are, and what each covers.
//!
//! ```text
//!   record 48 ──id, hash──▶ manifest ──id, hash──▶ segments
//!                               └───── if it is too large for one object ──▶ parts ──id, hash──▶ segments
//! ```

use std::collections::BTreeMap;

use quicprochat_e2ee::vault::{MAX_ARCHIVE_CONTENT, ManifestPointer, object_hash};
use quicprochat_wire::{ChannelId, DecodeError, Digest, ObjectId, Reader, Timestamp, Writer, limits::MAX_ARCHIVE_BYTES};

use super::{
    coverage::{Coverage, Ranges},
    deflate::{deflated, inflated},
};

const VERSION: u8 = 1;
/// Most bytes of a manifest, or of a part of it, before they are compressed.
const MAX_RAW_BYTES: usize = 16 * 1024 * 1024;
/// Most segments of an account; more than a server keeps.
const MAX_SEGMENTS: usize = 65_536;
/// Most parts of a manifest.
const MAX_PARTS: usize = 4_096;
/// Segments that a part begins with, before it is halved because it is too large.
const PART_SEGMENTS: usize = 128;
const MAX_CHANNELS: usize = 65_536;

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

/// An object that holds a part of the manifest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Part {
    pub(super) id: ObjectId,
    pub(super) hash: Digest,
}

/// What the manifest's own object holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Root {
    Whole(Manifest),
    /// In this order.
    Parts(Vec<Part>),
}

impl Manifest {
    /// Everything that is covered.
    pub(super) fn coverage(&self) -> Coverage {
        let mut all = Coverage::default();
        self.segments.iter().for_each(|segment| all.extend(&segment.coverage));
        all
    }

    /// The manifest's content, if it fits one object.
    pub(super) fn whole(&self, version: u64) -> Option<Vec<u8>> {
        let content = deflated(&write_segments(Writer::new().u8(VERSION).u64(version).u8(0), &self.segments).finish());
        (content.len() <= MAX_ARCHIVE_CONTENT).then_some(content)
    }

    /// The contents of the parts, in order; `None` if a segment alone is too large for one, which none is that was packed
    /// here.
    pub(super) fn parts(&self) -> Option<Vec<Vec<u8>>> {
        let mut contents = Vec::new();
        for chunk in self.segments.chunks(PART_SEGMENTS) {
            split(chunk, &mut contents)?;
        }
        (contents.len() <= MAX_PARTS).then_some(contents)
    }

    /// Takes the content of a part.
    pub(super) fn parse_part(content: &[u8]) -> Result<Self, DecodeError> {
        let raw = inflated(content, MAX_RAW_BYTES)?;
        let mut reader = versioned(&raw)?;
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

fn split(segments: &[Segment], contents: &mut Vec<Vec<u8>>) -> Option<()> {
    let content = deflated(&write_segments(Writer::new().u8(VERSION), segments).finish());
    if content.len() <= MAX_ARCHIVE_CONTENT {
        contents.push(content);
        return Some(());
    }
    let (first, second) = segments.split_at_checked(segments.len() / 2).filter(|(first, _)| !first.is_empty())?;
    split(first, contents)?;
    split(second, contents)
}

impl Root {
    /// The content of the manifest's own object where it has parts.
    pub(super) fn of_parts(version: u64, parts: &[Part]) -> Vec<u8> {
        let writer = Writer::new().u8(VERSION).u64(version).u8(1);
        deflated(&writer.list(parts, |writer, part| writer.fixed(part.id).fixed(part.hash)).finish())
    }

    /// Takes the content of the manifest's own object, which must be of this version.
    pub(super) fn parse(content: &[u8], version: u64) -> Result<Self, DecodeError> {
        let raw = inflated(content, MAX_RAW_BYTES)?;
        let mut reader = versioned(&raw)?;
        let found = reader.u64()?;
        if found != version {
            return Err(DecodeError::BadValue { found });
        }
        let root = match reader.u8()? {
            0 => Self::Whole(Manifest { segments: read_segments(&mut reader)? }),
            1 => Self::Parts(reader.list::<_, DecodeError>(MAX_PARTS, |item| {
                Ok(Part { id: ObjectId::new(item.array()?), hash: Digest::new(item.array()?) })
            })?),
            found => return Err(DecodeError::BadValue { found: found.into() }),
        };
        reader.finish()?;
        Ok(root)
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

fn read_segments(reader: &mut Reader<'_>) -> Result<Vec<Segment>, DecodeError> {
    let channels = reader.list::<_, DecodeError>(MAX_CHANNELS, |item| item.array().map(ChannelId::new))?;
    reader.list(MAX_SEGMENTS, |item| {
        let (id, hash) = (ObjectId::new(item.array()?), Digest::new(item.array()?));
        let (bytes, count, newest) = (item.u32()?, item.u32()?, Timestamp(item.u64()?));
        if usize::try_from(bytes).is_ok_and(|bytes| bytes > MAX_ARCHIVE_BYTES) {
            return Err(DecodeError::BadValue { found: bytes.into() });
        }
        let mut coverage = Coverage::default();
        let ranges = item.list::<_, DecodeError>(MAX_CHANNELS, |item| Ok((item.u32()?, Ranges::read(item)?)))?;
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
    /// Parts, each with H of its content, so that those that stay the same are not stored anew.
    pub(super) parts: Vec<(Part, Digest)>,
}

impl Cached {
    pub(super) fn encode(&self) -> Vec<u8> {
        let writer = Writer::new().u8(VERSION);
        let writer = match &self.pointer {
            None => writer.u8(0),
            Some(pointer) => writer.u8(1).u64(pointer.version).fixed(pointer.id).fixed(pointer.hash),
        };
        let writer = writer.list(&self.parts, |writer, (part, digest)| {
            writer.fixed(part.id).fixed(part.hash).fixed(digest)
        });
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
        let parts = reader.list::<_, DecodeError>(MAX_PARTS, |item| {
            let part = Part { id: ObjectId::new(item.array()?), hash: Digest::new(item.array()?) };
            Ok((part, Digest::new(item.array()?)))
        })?;
        let manifest = Manifest::read(&mut reader)?;
        reader.finish()?;
        Ok(Self { pointer, manifest, parts })
    }

    /// The objects of the manifest itself.
    pub(super) fn objects(&self) -> impl Iterator<Item = ObjectId> {
        self.pointer.iter().map(|pointer| pointer.id).chain(self.parts.iter().map(|(part, _)| part.id))
    }
}

/// H of a part's content.
pub(super) fn digest(content: &[u8]) -> Digest {
    object_hash(content)
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
        fn a_manifest_reads_back_whole_in_parts_and_from_the_store(segments in segments(), version in any::<u64>()) {
            let manifest = Manifest { segments };
            let whole = manifest.whole(version).expect("small");
            prop_assert_eq!(Root::parse(&whole, version), Ok(Root::Whole(manifest.clone())));
            prop_assert!(Root::parse(&whole, version ^ 1).is_err(), "of another version");
            let parts: Vec<Manifest> =
                manifest.parts().expect("small").iter().map(|part| Manifest::parse_part(part).expect("a part")).collect();
            let joined: Vec<Segment> = parts.into_iter().flat_map(|part| part.segments).collect();
            prop_assert_eq!(&joined, &manifest.segments);
            let pointer = Some(ManifestPointer { version, id: ObjectId::new([1; 16]), hash: Digest::new([2; 32]) });
            let part = Part { id: ObjectId::new([3; 16]), hash: Digest::new([4; 32]) };
            let cached = Cached { pointer, manifest, parts: vec![(part, Digest::new([5; 32]))] };
            prop_assert_eq!(Cached::decode(&cached.encode()), Ok(cached));
            let root = Root::of_parts(version, &[part]);
            prop_assert_eq!(Root::parse(&root, version), Ok(Root::Parts(vec![part])));
        }

        #[test]
        fn bytes_from_outside_are_refused_without_a_panic(bytes in vec(any::<u8>(), 0..300)) {
            let _ = Root::parse(&bytes, 1);
            let _ = Root::parse(&deflated(&bytes), 1);
            let _ = Manifest::parse_part(&deflated(&bytes));
            let _ = Cached::decode(&bytes);
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
        let whole = large(40, 300).whole(1).expect("fits");
        assert!(whole.len() < 130_000, "{}", whole.len());
    }

    #[test]
    fn a_manifest_that_is_too_large_is_split_and_its_first_parts_stay_as_they_are() {
        let mut manifest = large(300, 300);
        assert_eq!(manifest.whole(1), None);
        let before = manifest.parts().expect("splits");
        assert!(before.len() >= 2 && before.iter().all(|part| part.len() <= MAX_ARCHIVE_CONTENT));
        let last = manifest.segments.last().expect("some").clone();
        manifest.segments.push(last);
        let after = manifest.parts().expect("splits");
        assert_eq!(before[..before.len() - 1], after[..before.len() - 1]);
        let joined = after.iter().flat_map(|part| Manifest::parse_part(part).expect("a part").segments);
        assert_eq!(joined.collect::<Vec<_>>(), manifest.segments);
    }
}
