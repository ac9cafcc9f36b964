//! The journal: what a program did to its files, one record a call.
//!
//! ```text
//!   record = length u32 · kind u8 · a u64 · b u64 · bytes      little-endian; length is that of `bytes`
//! ```
//!
//! A node is the number (inode) by which the operating system knows a file or folder.

/// Bytes of a record before its bytes of variable length.
const HEADER: usize = 4 + 1 + 8 + 8;

/// One call that succeeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Record<'a> {
    /// A file was opened by a call that makes it if there is none.
    Opened {
        /// The file.
        node: u64,
        /// Its rights.
        mode: u32,
        /// Its name.
        path: &'a [u8],
    },
    /// Bytes were written.
    Written {
        /// The file.
        node: u64,
        /// Where, in bytes.
        offset: u64,
        /// What.
        data: &'a [u8],
    },
    /// A file was cut or made longer.
    Resized {
        /// The file.
        node: u64,
        /// Its length in bytes.
        length: u64,
    },
    /// A sync began: it covers what was done before.
    SyncBegun {
        /// The file or folder.
        node: u64,
        /// Which sync.
        ticket: u64,
    },
    /// A sync has succeeded.
    SyncEnded {
        /// Which sync.
        ticket: u64,
    },
    /// A folder was made.
    FolderMade {
        /// The folder.
        node: u64,
        /// Its rights.
        mode: u32,
        /// Its name.
        path: &'a [u8],
    },
    /// A file got a further name.
    Linked {
        /// A name it had.
        from: &'a [u8],
        /// The new one.
        to: &'a [u8],
    },
    /// A file or folder got another name, perhaps that of another one.
    Renamed {
        /// The old name.
        from: &'a [u8],
        /// The new one.
        to: &'a [u8],
    },
    /// A name was removed.
    Removed {
        /// Which.
        path: &'a [u8],
    },
}

impl<'a> Record<'a> {
    /// The record as it stands in the journal.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let (kind, a, b, first, second): (u8, u64, u64, &[u8], &[u8]) = match *self {
            Self::Opened { node, mode, path } => (1, node, mode.into(), path, &[]),
            Self::Written { node, offset, data } => (2, node, offset, data, &[]),
            Self::Resized { node, length } => (3, node, length, &[], &[]),
            Self::SyncBegun { node, ticket } => (4, node, ticket, &[], &[]),
            Self::SyncEnded { ticket } => (5, 0, ticket, &[], &[]),
            Self::FolderMade { node, mode, path } => (6, node, mode.into(), path, &[]),
            Self::Linked { from, to } => (7, from.len() as u64, 0, from, to),
            Self::Renamed { from, to } => (8, from.len() as u64, 0, from, to),
            Self::Removed { path } => (9, 0, 0, path, &[]),
        };
        let length = first.len() + second.len();
        let mut bytes = Vec::with_capacity(HEADER + length);
        bytes.extend_from_slice(&(length as u32).to_le_bytes());
        bytes.push(kind);
        bytes.extend_from_slice(&a.to_le_bytes());
        bytes.extend_from_slice(&b.to_le_bytes());
        bytes.extend_from_slice(first);
        bytes.extend_from_slice(second);
        bytes
    }

    /// The first record of a journal, and the rest of it.
    #[must_use]
    pub fn split(journal: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (length, rest) = journal.split_first_chunk::<4>()?;
        let (&kind, rest) = rest.split_first()?;
        let (a, rest) = rest.split_first_chunk::<8>()?;
        let (b, rest) = rest.split_first_chunk::<8>()?;
        let (bytes, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        Some((Self::of_parts(kind, u64::from_le_bytes(*a), u64::from_le_bytes(*b), bytes)?, rest))
    }

    fn of_parts(kind: u8, a: u64, b: u64, bytes: &'a [u8]) -> Option<Self> {
        let names = || bytes.split_at_checked(usize::try_from(a).ok()?);
        Some(match kind {
            1 => Self::Opened { node: a, mode: u32::try_from(b).ok()?, path: bytes },
            2 => Self::Written { node: a, offset: b, data: bytes },
            3 => Self::Resized { node: a, length: b },
            4 => Self::SyncBegun { node: a, ticket: b },
            5 => Self::SyncEnded { ticket: b },
            6 => Self::FolderMade { node: a, mode: u32::try_from(b).ok()?, path: bytes },
            7 => names().map(|(from, to)| Self::Linked { from, to })?,
            8 => names().map(|(from, to)| Self::Renamed { from, to })?,
            9 => Self::Removed { path: bytes },
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_record_is_read_as_it_was_written() {
        let records = [
            Record::Opened { node: 1, mode: 0o600, path: b"/a" },
            Record::Written { node: 1, offset: 1 << 40, data: b"hello" },
            Record::Resized { node: 1, length: 3 },
            Record::SyncBegun { node: 1, ticket: 9 },
            Record::SyncEnded { ticket: 9 },
            Record::FolderMade { node: 2, mode: 0o700, path: b"/f" },
            Record::Linked { from: b"/a", to: b"/bc" },
            Record::Renamed { from: b"/abc", to: b"/d" },
            Record::Removed { path: b"/d" },
        ];
        let journal: Vec<u8> = records.iter().flat_map(Record::encode).collect();
        let mut rest = journal.as_slice();
        for record in records {
            let (found, after) = Record::split(rest).unwrap();
            assert_eq!(found, record);
            rest = after;
        }
        assert!(rest.is_empty() && Record::split(rest).is_none());
    }

    #[test]
    fn what_is_no_record_is_none() {
        let whole = Record::Written { node: 1, offset: 0, data: b"hello" }.encode();
        assert!((0..whole.len()).all(|length| Record::split(&whole[..length]).is_none()));
        let mut unknown = whole;
        unknown[4] = 77;
        assert!(Record::split(&unknown).is_none());
    }
}
