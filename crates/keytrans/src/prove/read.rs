//! What a log answers about itself: all that proofs are made of.

use std::sync::Arc;

use crate::{
    Digest, KeyTransError, VrfOutput,
    audit::AuditorUpdate,
    proof::PrefixLeaf,
    prove::{
        Entry, Log, LogError, Looked, Opened, Operator, PrefixNode, Row, SignedHead, Store, Version, log,
        prefix::{self, MAX_LOOKUPS},
    },
    tree::log::{Question, root_of},
    value::commit,
};

impl<S: Store> Log<S> {
    /// The operator.
    #[must_use]
    pub const fn operator(&self) -> &Arc<Operator> {
        &self.operator
    }

    /// The data.
    #[must_use]
    pub const fn store(&self) -> &S {
        &self.store
    }

    /// How many entries there are.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.newest.as_ref().map_or(0, |newest| newest.head.tree_head.tree_size)
    }

    /// The newest head; `None` before the first entry.
    #[must_use]
    pub fn head(&self) -> Option<&SignedHead> {
        self.newest.as_ref().map(|newest| &newest.head)
    }

    /// The newest entry.
    #[must_use]
    pub fn newest(&self) -> Option<&Entry> {
        self.newest.as_ref().map(|newest| &newest.entry)
    }

    /// An entry.
    ///
    /// Errors:   [`KeyTransError::Position`] if it is not in the log; [`LogError::Missing`], [`LogError::Store`].
    pub fn entry(&self, position: u64) -> Result<Entry, LogError> {
        log::within(position, self.size())?;
        log::entry(&self.store, position)
    }

    /// The time of an entry, in milliseconds since 1970.
    ///
    /// Errors:   those of [`Self::entry`].
    pub fn timestamp(&self, position: u64) -> Result<u64, LogError> {
        Ok(self.entry(position)?.timestamp)
    }

    /// The root of an entry's prefix tree.
    ///
    /// Errors:   those of [`Self::entry`].
    pub fn prefix_root(&self, position: u64) -> Result<Digest, LogError> {
        Ok(self.entry(position)?.prefix_root.digest)
    }

    /// The root of the log when it had `size` entries.
    ///
    /// Errors:   [`KeyTransError::Position`] if it never had so many, or for 0; [`LogError::Missing`], [`LogError::Store`].
    pub fn root(&self, size: u64) -> Result<Digest, LogError> {
        log::within(size.wrapping_sub(1), self.size())?;
        Ok(root_of(size, &log::subtrees(&self.store, size)?)?)
    }

    /// The nodes of the log tree that answer a question: `InclusionProof.elements`.
    ///
    /// Errors:   [`KeyTransError::Position`] for a question about entries that are not in the log; [`LogError::Missing`], [`LogError::Store`].
    pub fn inclusion(&self, question: &Question<'_>) -> Result<Vec<Digest>, LogError> {
        log::within(question.size.wrapping_sub(1), self.size())?;
        question.entries.iter().try_for_each(|entry| log::within(*entry, question.size))?;
        log::answer(&self.store, question)
    }

    /// The greatest version of a label in the tree of an entry; `None` if it had none.
    ///
    /// Errors:   [`LogError::Store`].
    pub fn greatest_version(&self, label: &[u8], entry: u64) -> Result<Option<u32>, LogError> {
        self.store.greatest_version(label, entry).map_err(LogError::Store)
    }

    /// The greatest version of a label now.
    ///
    /// Errors:   [`LogError::Store`].
    pub fn newest_version(&self, label: &[u8]) -> Result<Option<u32>, LogError> {
        let Some(newest) = self.size().checked_sub(1) else { return Ok(None) };
        self.greatest_version(label, newest)
    }

    /// The entries that inserted a label's versions from `from` on, at most so many, with the versions.
    ///
    /// Errors:   [`LogError::Store`].
    pub fn versions(&self, label: &[u8], from: u32, limit: usize) -> Result<Vec<(u32, u64)>, LogError> {
        let entries = self.store.entries_of(label, from, limit).map_err(LogError::Store)?;
        Ok((from..).zip(entries).collect())
    }

    /// What is kept of a version.
    ///
    /// Errors:   [`KeyTransError::NoSuchVersion`]; [`LogError::Store`].
    pub fn version(&self, label: &[u8], version: u32) -> Result<Version, LogError> {
        let kept = self.store.version(label, version).map_err(LogError::Store)?;
        kept.ok_or_else(|| KeyTransError::NoSuchVersion { version }.into())
    }

    /// The leaf of a version: where it stands, and what it commits to. Needs no evaluation of the random function.
    ///
    /// Errors:   [`KeyTransError::NoSuchVersion`]; [`LogError::Missing`], [`LogError::Store`].
    pub fn leaf(&self, label: &[u8], version: u32) -> Result<PrefixLeaf, LogError> {
        self.leaf_at(self.version(label, version)?.leaf)
    }

    /// What a version says, checked against its commitment; `None` if it was erased.
    ///
    /// Errors:   [`KeyTransError::NoSuchVersion`]; [`LogError::Changed`], [`LogError::Missing`], [`LogError::Store`].
    pub fn opened(&self, label: &[u8], version: u32) -> Result<Option<Opened>, LogError> {
        let kept = self.version(label, version)?;
        let Some(opened) = kept.opened else { return Ok(None) };
        let expected = self.leaf_at(kept.leaf)?.commitment;
        let found = commit(&opened.opening, label, version, &opened.value)?;
        if found == expected {
            Ok(Some(opened))
        } else {
            Err(LogError::Changed { what: Row::Version, number: version.into(), expected, found })
        }
    }

    /// Where a label-version pair stands, whether it exists or not.
    ///
    /// Errors:   those of [`Operator::place`]; [`LogError::Missing`], [`LogError::Store`].
    pub fn place(&self, label: &[u8], version: u32) -> Result<VrfOutput, LogError> {
        match self.store.version(label, version).map_err(LogError::Store)? {
            Some(kept) => Ok(self.leaf_at(kept.leaf)?.vrf_output),
            None => Ok(self.operator.place(label, version)?),
        }
    }

    /// Looks places up in the tree of an entry, and proves what it finds.
    ///
    /// Errors:   those of [`Self::entry`] and [`prefix::look_up`].
    pub fn look_up(&self, position: u64, places: &[VrfOutput]) -> Result<Looked, LogError> {
        prefix::look_up(&self.store, Some(self.entry(position)?.prefix_root), places)
    }

    /// Looks versions of a label up in the tree of an entry.
    ///
    /// Errors:   those of [`Self::place`] and [`Self::look_up`].
    pub fn look_up_versions(&self, position: u64, label: &[u8], versions: &[u32]) -> Result<Looked, LogError> {
        let places: Vec<VrfOutput> =
            versions.iter().map(|version| self.place(label, *version)).collect::<Result<_, _>>()?;
        self.look_up(position, &places)
    }

    /// What a third-party auditor needs of an entry: the leaves that it added, and where they were not before.
    ///
    /// Errors:   those of [`Self::entry`]; [`LogError::Batch`] if the entry added more than 255 leaves.
    pub fn auditor_update(&self, position: u64) -> Result<AuditorUpdate, LogError> {
        let entry = self.entry(position)?;
        let previous = position.checked_sub(1).map(|previous| self.entry(previous)).transpose()?;
        let first = previous.map_or(0, |previous| previous.prefix_root.id + 1);
        // The nodes of an append lie one after the other, the leaves among them from left to right.
        let mut added = Vec::new();
        for id in first..=entry.prefix_root.id {
            match self.node(id)? {
                PrefixNode::Leaf(leaf) => added.push(leaf),
                PrefixNode::Parent { .. } => {}
            }
        }
        if added.len() > MAX_LOOKUPS {
            return Err(LogError::Batch { limit: MAX_LOOKUPS, found: added.len() });
        }
        let places: Vec<VrfOutput> = added.iter().map(|leaf| leaf.vrf_output).collect();
        let proof = prefix::look_up(&self.store, previous.map(|previous| previous.prefix_root), &places)?.proof;
        Ok(AuditorUpdate { timestamp: entry.timestamp, added, removed: Vec::new(), proof })
    }

    fn leaf_at(&self, id: u64) -> Result<PrefixLeaf, LogError> {
        match self.node(id)? {
            PrefixNode::Leaf(leaf) => Ok(leaf),
            PrefixNode::Parent { .. } => Err(LogError::Missing { what: Row::PrefixNode, number: id }),
        }
    }

    fn node(&self, id: u64) -> Result<PrefixNode, LogError> {
        let missing = LogError::Missing { what: Row::PrefixNode, number: id };
        self.store.prefix_node(id).map_err(LogError::Store)?.ok_or(missing)
    }
}
