//! What a verifier keeps of a log: the head it saw last, and enough to check that the next one continues it (draft section 4.2).

use crate::{
    DecodeError, Digest, KeyTransError,
    codec::{Reader, Writer},
    error::Part,
    tree::{
        implicit,
        log::{full_subtrees, root_of},
    },
};

/// Entries of a log at most: far more than can be made, and far from where numbers overflow.
pub const MAX_TREE_SIZE: u64 = 1 << 53;
/// The version of the stored form.
const FORMAT: u8 = 1;
const STRUCTURE: &str = "TreeView";

/// An entry of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogEntry {
    /// When it was made, in milliseconds since 1970.
    pub timestamp: u64,
    /// The root of its prefix tree.
    pub prefix_root: Digest,
}

/// A state of a log that was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeView {
    pub(super) size: u64,
    pub(super) subtrees: Vec<Digest>,
    pub(super) frontier: Vec<LogEntry>,
    pub(super) audited: Option<u64>,
}

impl TreeView {
    /// A state of which each part is known.
    ///
    /// Shape:    a hash for each full subtree and an entry for each position of the frontier, from left to right.
    /// Errors:   [`KeyTransError::TreeSize`], [`KeyTransError::Count`], [`KeyTransError::TimestampOrder`].
    pub fn new(
        size: u64,
        subtrees: Vec<Digest>,
        frontier: Vec<LogEntry>,
        audited: Option<u64>,
    ) -> Result<Self, KeyTransError> {
        check_size(size)?;
        count(Part::FullSubtrees, full_subtrees(size).len(), subtrees.len())?;
        let positions: Vec<u64> = implicit::frontier(size).collect();
        count(Part::Frontier, positions.len(), frontier.len())?;
        let mut earliest = 0;
        for (position, entry) in positions.iter().zip(&frontier) {
            if entry.timestamp < earliest {
                return Err(KeyTransError::TimestampOrder { entry: *position, earliest, found: entry.timestamp });
            }
            earliest = entry.timestamp;
        }
        Ok(Self { size, subtrees, frontier, audited })
    }

    /// Entries in the log.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The root of the log.
    ///
    /// Errors:   none for a view that was made by [`Self::new`].
    pub fn root(&self) -> Result<Digest, KeyTransError> {
        root_of(self.size, &self.subtrees)
    }

    /// The heads of the full subtrees, from left to right.
    #[must_use]
    pub fn full_subtrees(&self) -> &[Digest] {
        &self.subtrees
    }

    /// The entries of the frontier with their positions, from left to right.
    pub fn frontier(&self) -> impl Iterator<Item = (u64, LogEntry)> {
        implicit::frontier(self.size).zip(self.frontier.iter().copied())
    }

    /// How much of the log the auditor had seen, if there is one.
    #[must_use]
    pub const fn audited(&self) -> Option<u64> {
        self.audited
    }

    /// The view's bytes, for a store.
    ///
    /// Errors:   none for views of possible size.
    pub fn encode(&self) -> Result<Vec<u8>, DecodeError> {
        let mut writer = Writer::new();
        writer.u8(FORMAT).u64(self.size);
        writer.vector8(&self.subtrees, |writer, digest| writer.put(&digest.0).done())?;
        writer.vector8(&self.frontier, |writer, entry| writer.u64(entry.timestamp).put(&entry.prefix_root.0).done())?;
        writer.optional(self.audited.as_ref(), |writer, size| writer.u64(*size).done())?;
        Ok(writer.finish())
    }

    /// Reads a view.
    ///
    /// Errors:   [`KeyTransError::Decode`], and those of [`Self::new`].
    pub fn decode(bytes: &[u8]) -> Result<Self, KeyTransError> {
        let (size, subtrees, frontier, audited) = Reader::whole(STRUCTURE, bytes, |reader| {
            let format = reader.u8()?;
            if format != FORMAT {
                return Err(reader.unknown("format", format.into()));
            }
            Ok((
                reader.u64()?,
                reader.vector8(Reader::digest)?,
                reader.vector8(|reader| Ok(LogEntry { timestamp: reader.u64()?, prefix_root: reader.digest()? }))?,
                reader.optional(Reader::u64)?,
            ))
        })?;
        Self::new(size, subtrees, frontier, audited)
    }
}

/// A log has at least one entry, and not more than can be.
pub(super) const fn check_size(size: u64) -> Result<(), KeyTransError> {
    if size == 0 {
        return Err(KeyTransError::TreeSize { least: 1, found: size });
    }
    if size > MAX_TREE_SIZE {
        return Err(KeyTransError::Decode(DecodeError::Unknown {
            structure: "TreeHead",
            field: "tree_size",
            found: size,
        }));
    }
    Ok(())
}

pub(super) const fn count(part: Part, expected: usize, found: usize) -> Result<(), KeyTransError> {
    if expected == found { Ok(()) } else { Err(KeyTransError::Count { part, expected, found }) }
}
