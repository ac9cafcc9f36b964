//! A file or folder: as it is, as it was synced last, and what lies between.

use std::collections::BTreeMap;
use std::ffi::OsString;

/// Bytes that a disk writes as a whole.
pub(crate) const SECTOR: usize = 512;

/// Which node of a disk.
pub(crate) type NodeId = usize;

/// What a node holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Content {
    File(Vec<u8>),
    Folder(BTreeMap<OsString, NodeId>),
}

/// A step from one content to the next.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    Write {
        offset: usize,
        data: Vec<u8>,
    },
    Resize(usize),
    /// These names now mean these nodes, or nothing; all of them at once.
    Names(Vec<(OsString, Option<NodeId>)>),
}

#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) mode: u32,
    /// As programs see it.
    pub(crate) live: Content,
    /// As of the last sync.
    pub(crate) durable: Content,
    /// What was done since, each with its place in the journal.
    pub(crate) pending: Vec<(u64, Change)>,
}

impl Node {
    /// One that was just made: nothing of it is synced.
    pub(crate) fn made(mode: u32, empty: Content) -> Self {
        Self { mode, live: empty.clone(), durable: empty, pending: Vec::new() }
    }

    /// One that was there before.
    pub(crate) fn found(mode: u32, content: Content) -> Self {
        Self::made(mode, content)
    }

    pub(crate) fn change(&mut self, place: u64, change: Change) {
        self.live.apply(&change);
        self.pending.push((place, change));
    }

    /// Everything before this place in the journal is on the disk.
    pub(crate) fn sync(&mut self, place: u64) {
        let later = self.pending.iter().position(|(at, _)| *at >= place).unwrap_or(self.pending.len());
        for (_, change) in self.pending.drain(..later) {
            self.durable.apply(&change);
        }
    }
}

impl Content {
    pub(crate) const fn empty_file() -> Self {
        Self::File(Vec::new())
    }

    pub(crate) const fn empty_folder() -> Self {
        Self::Folder(BTreeMap::new())
    }

    /// Takes a step; one that does not fit this kind of node changes nothing.
    pub(crate) fn apply(&mut self, change: &Change) {
        match (self, change) {
            (Self::File(bytes), Change::Write { offset, data }) => write(bytes, *offset, data),
            (Self::File(bytes), Change::Resize(length)) => bytes.resize(*length, 0),
            (Self::Folder(names), Change::Names(changes)) => {
                for (name, node) in changes {
                    match node {
                        Some(node) => names.insert(name.clone(), *node),
                        None => names.remove(name),
                    };
                }
            }
            (Self::File(_), Change::Names(_)) | (Self::Folder(_), Change::Write { .. } | Change::Resize(_)) => {}
        }
    }
}

/// Puts bytes into a file, which grows as needed; a gap reads as zeros.
pub(crate) fn write(bytes: &mut Vec<u8>, offset: usize, data: &[u8]) {
    let end = offset + data.len();
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    if let Some(target) = bytes.get_mut(offset..end) {
        target.copy_from_slice(data);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sync_covers_what_was_done_before_it_began() {
        let mut file = Node::made(0o600, Content::empty_file());
        file.change(1, Change::Write { offset: 0, data: b"one".to_vec() });
        file.change(5, Change::Write { offset: 4, data: b"two".to_vec() });
        file.sync(3);
        assert_eq!(file.durable, Content::File(b"one".to_vec()));
        assert_eq!(file.live, Content::File(b"one\0two".to_vec()));
        file.sync(6);
        assert_eq!(file.durable, file.live);
    }
}
