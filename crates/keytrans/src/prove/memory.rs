//! A store that forgets everything with the process.

use std::collections::{BTreeMap, HashMap};

use thiserror::Error;

use crate::{
    DecodeError, Digest,
    prove::{Appended, Entry, PrefixNode, Row, SignedHead, Store, StoreError, Version},
    tree::log::Node,
};

/// A log's data in memory, its nodes as the bytes that a database would keep.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore {
    nodes: Nodes,
    log_nodes: HashMap<Node, Digest>,
    entries: Vec<Entry>,
    labels: BTreeMap<Vec<u8>, Vec<Version>>,
    head: Option<SignedHead>,
}

/// Nodes, one after the other.
#[derive(Debug, Clone, Default)]
struct Nodes {
    bytes: Vec<u8>,
    ends: Vec<u64>,
}

/// An append that does not follow what is there.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{what} {found} does not follow: {expected} is next")]
pub struct NotNext {
    what: Row,
    expected: u64,
    found: u64,
}

impl MemoryStore {
    /// A store that holds nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many nodes of prefix trees it has, and the bytes that they take.
    #[must_use]
    pub const fn prefix_nodes(&self) -> (usize, usize) {
        (self.nodes.ends.len(), self.nodes.bytes.len())
    }

    fn check(&self, appended: &Appended) -> Result<(), NotNext> {
        follows(Row::Entry, self.entries.len() as u64, appended.position)?;
        follows(Row::PrefixNode, self.nodes.ends.len() as u64, appended.first_node)?;
        let mut added: HashMap<&[u8], u64> = HashMap::new();
        for inserted in &appended.versions {
            let label = inserted.label.as_slice();
            let next = added.entry(label).or_insert_with(|| self.labels.get(label).map_or(0, Vec::len) as u64);
            follows(Row::Version, *next, inserted.version.into())?;
            *next += 1;
        }
        Ok(())
    }
}

impl Store for MemoryStore {
    fn head(&self) -> Result<Option<SignedHead>, StoreError> {
        Ok(self.head.clone())
    }

    fn prefix_node(&self, id: u64) -> Result<Option<PrefixNode>, StoreError> {
        Ok(self.nodes.get(id)?)
    }

    fn log_node(&self, node: Node) -> Result<Option<Digest>, StoreError> {
        Ok(self.log_nodes.get(&node).copied())
    }

    fn entry(&self, position: u64) -> Result<Option<Entry>, StoreError> {
        Ok(usize::try_from(position).ok().and_then(|at| self.entries.get(at)).copied())
    }

    fn greatest_version(&self, label: &[u8], entry: u64) -> Result<Option<u32>, StoreError> {
        let count = self.labels.get(label).map_or(0, |versions| versions.partition_point(|kept| kept.entry <= entry));
        Ok(count.checked_sub(1).and_then(|greatest| u32::try_from(greatest).ok()))
    }

    fn version(&self, label: &[u8], version: u32) -> Result<Option<Version>, StoreError> {
        Ok(self.labels.get(label).and_then(|versions| versions.get(version as usize)).cloned())
    }

    fn entries_of(&self, label: &[u8], from: u32, limit: usize) -> Result<Vec<u64>, StoreError> {
        let versions = self.labels.get(label).into_iter().flatten();
        Ok(versions.skip(from as usize).take(limit).map(|kept| kept.entry).collect())
    }

    fn append(&mut self, appended: &Appended) -> Result<(), StoreError> {
        self.check(appended)?;
        for node in &appended.nodes {
            self.nodes.push(node);
        }
        self.log_nodes.extend(appended.log_nodes.iter().copied());
        self.entries.push(appended.entry);
        for inserted in &appended.versions {
            let versions = match self.labels.get_mut(&inserted.label) {
                Some(versions) => versions,
                // Most labels have one version only.
                None => self.labels.entry(inserted.label.clone()).or_insert_with(|| Vec::with_capacity(1)),
            };
            versions.push(inserted.kept.clone());
        }
        self.head = Some(appended.head.clone());
        Ok(())
    }

    fn erase(&mut self, label: &[u8], version: u32) -> Result<bool, StoreError> {
        let kept = self.labels.get_mut(label).and_then(|versions| versions.get_mut(version as usize));
        Ok(kept.is_some_and(|kept| kept.opened.take().is_some()))
    }
}

impl Nodes {
    fn get(&self, id: u64) -> Result<Option<PrefixNode>, DecodeError> {
        let Some(at) = usize::try_from(id).ok().filter(|at| *at < self.ends.len()) else { return Ok(None) };
        let end = |at: usize| self.ends.get(at).and_then(|end| usize::try_from(*end).ok());
        let start = at.checked_sub(1).map_or(Some(0), end);
        let range = start.zip(end(at)).map(|(start, end)| start..end);
        range.and_then(|range| self.bytes.get(range)).map(PrefixNode::decode).transpose()
    }

    fn push(&mut self, node: &PrefixNode) {
        self.bytes.extend(node.encode());
        self.ends.push(self.bytes.len() as u64);
    }
}

const fn follows(what: Row, expected: u64, found: u64) -> Result<(), NotNext> {
    if expected == found { Ok(()) } else { Err(NotNext { what, expected, found }) }
}

#[cfg(test)]
impl MemoryStore {
    /// Puts another node in the place of one, as damage or an intruder would.
    pub(crate) fn replace_node(&mut self, id: u64, node: &PrefixNode) {
        let all: Vec<_> = (0..self.nodes.ends.len() as u64).map(|at| self.nodes.get(at).unwrap().unwrap()).collect();
        self.nodes = Nodes::default();
        for (at, kept) in (0..).zip(&all) {
            self.nodes.push(if at == id { node } else { kept });
        }
    }

    pub(crate) fn replace_entry(&mut self, position: usize, change: impl FnOnce(&mut Entry)) {
        change(&mut self.entries[position]);
    }

    pub(crate) fn replace_log_node(&mut self, node: Node, digest: Digest) {
        assert!(self.log_nodes.insert(node, digest).is_some());
    }

    pub(crate) fn replace_head(&mut self, head: Option<SignedHead>) {
        self.head = head;
    }

    pub(crate) fn replace_version(&mut self, label: &[u8], version: usize, change: impl FnOnce(&mut Version)) {
        change(&mut self.labels.get_mut(label).unwrap()[version]);
    }
}
