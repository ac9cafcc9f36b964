//! The operator's side: the log's data, how it grows, and what proofs are made of.
//!
//! ```text
//!   New ──Operator::prepare: place, commitment (parallel)──▶ Prepared ──Log::next──▶ Appended ──Store::append──▶ nothing, or all of it
//!                                                                      prefix, log, head signed
//! ```
//!
//! One entry takes a batch of new versions: each node of the prefix tree that changes is hashed and written once for all of them. Nothing is seen by
//! anybody before the store has the whole [`Appended`], so a crash leaves the log as it was.
//!
//! *Batches and auditors.* A proof holds 255 look-ups. A log with a third-party auditor therefore takes at most 255 new versions in one entry
//! ([`Operator::max_batch`]); more are spread over entries that may be of the same time. Other logs have no such limit.

mod error;
pub mod log;
mod memory;
mod node;
mod operator;
pub mod prefix;
mod read;
mod record;
mod respond;
pub mod segment;
mod store;

use std::{collections::HashMap, sync::Arc};

use crate::{KeyTransError, proof::PrefixLeaf};

pub use self::{
    error::{LogError, Row, StoreError},
    memory::{MemoryStore, NotNext},
    node::{Child, MAX_NODE, PrefixNode},
    operator::{New, Operator, Prepared},
    prefix::Looked,
    respond::OWNER_ENTRIES,
    store::{Appended, Entry, Inserted, Opened, SignedHead, Store, Version},
};

/// A log over its data.
///
/// It remembers the newest entry. Where the store is a database's transaction, a log is opened in it and ends with it; that costs a few reads.
#[derive(Debug)]
pub struct Log<S> {
    operator: Arc<Operator>,
    store: S,
    newest: Option<Newest>,
}

#[derive(Debug, Clone)]
struct Newest {
    head: SignedHead,
    entry: Entry,
}

impl<S: Store> Log<S> {
    /// Opens a log: an empty one, or one whose data must lead to the root that was signed last.
    ///
    /// Errors:   [`KeyTransError::Root`] with both roots if the data contradicts the last head; [`LogError::Changed`], [`LogError::Unsigned`] and
    ///           [`LogError::Missing`] if the newest entry does; [`KeyTransError::Signature`] if the last head is not of this operator
    ///           or of another configuration; [`LogError::Store`].
    pub fn open(store: S, operator: Arc<Operator>) -> Result<Self, LogError> {
        let newest = match store.head().map_err(LogError::Store)? {
            Some(head) => {
                operator.verify(&head)?;
                let entry = log::check(&store, head.tree_head.tree_size, &head.root)?;
                Some(Newest { head, entry })
            }
            None if store.entry(0).map_err(LogError::Store)?.is_some() => {
                return Err(LogError::Unsigned { what: Row::Entry, number: 0 });
            }
            None => None,
        };
        Ok(Self { operator, store, newest })
    }

    /// Compares all entries and log nodes with the newest head, not only the newest ones as [`Self::open`] does.
    ///
    /// Errors:   those of [`Self::open`].
    pub fn check_all(&self) -> Result<(), LogError> {
        let Some(newest) = &self.newest else { return Ok(()) };
        log::check_all(&self.store, newest.head.tree_head.tree_size, &newest.head.root)
    }

    /// The versions that these values will be, one after the other: those of one label count up.
    ///
    /// Errors:   [`LogError::Full`] if a label has had 2^32 versions; [`LogError::Store`].
    pub fn next_versions<'a>(&self, labels: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<u32>, LogError> {
        let mut next = NextVersions::new(self);
        labels.into_iter().map(|label| next.of(label)).collect()
    }

    /// Computes what a new entry with these versions is, and signs the head with it. Nothing is changed.
    ///
    /// Errors:   [`KeyTransError::TimestampOrder`] if the time is before that of the newest entry; [`LogError::Version`];
    ///           [`LogError::Batch`]; those of [`prefix::insert`].
    pub fn next(&self, timestamp: u64, prepared: Vec<Prepared>) -> Result<Appended, LogError> {
        let (position, previous) = (self.size(), self.newest.as_ref().map(|newest| newest.entry));
        self.check_next(position, previous.as_ref(), timestamp, &prepared)?;
        let first_node = previous.map_or(Some(0), |entry| entry.prefix_root.id.checked_add(1)).ok_or(LogError::Full)?;

        let mut order: Vec<usize> = (0..prepared.len()).collect();
        order.sort_by_key(|at| prepared.get(*at).map(|prepared| prepared.leaf.vrf_output));
        let leaves: Vec<PrefixLeaf> = order.iter().filter_map(|at| prepared.get(*at)).map(|new| new.leaf).collect();
        let root = previous.map(|entry| entry.prefix_root);
        let prefix::Grown { root, nodes, leaves } = prefix::insert(&self.store, root, first_node, &leaves)?;

        let entry = Entry { timestamp, prefix_root: root };
        let log::Grown { nodes: log_nodes, root } = log::append(&self.store, position, log::leaf(&entry))?;
        let head = self.operator.sign(position + 1, root)?;

        let mut ids = vec![0; prepared.len()];
        for (at, id) in order.into_iter().zip(leaves) {
            ids.get_mut(at).into_iter().for_each(|slot| *slot = id);
        }
        let versions =
            prepared.into_iter().zip(ids).map(|(prepared, leaf)| prepared.inserted(position, leaf)).collect();
        Ok(Appended { position, entry, first_node, nodes, log_nodes, versions, head })
    }

    /// Appends an entry with these versions.
    ///
    /// Errors:   those of [`Self::next`]; [`LogError::Store`]. The log is as it was, then.
    pub fn append(&mut self, timestamp: u64, prepared: Vec<Prepared>) -> Result<Appended, LogError> {
        let appended = self.next(timestamp, prepared)?;
        self.store.append(&appended).map_err(LogError::Store)?;
        self.newest = Some(Newest { head: appended.head.clone(), entry: appended.entry });
        Ok(appended)
    }

    /// Prepares these values one after the other, and appends them.
    ///
    /// Errors:   those of [`Operator::prepare`] and [`Self::append`].
    pub fn insert(&mut self, timestamp: u64, values: Vec<New>) -> Result<Appended, LogError> {
        let versions = self.next_versions(values.iter().map(|new| new.label.as_slice()))?;
        let prepared = values.into_iter().zip(versions).map(|(new, version)| self.operator.prepare(new, version));
        let prepared = prepared.collect::<Result<_, _>>()?;
        self.append(timestamp, prepared)
    }

    /// Forgets what all versions of a label say. That they existed, and when, stays; how many were forgotten.
    ///
    /// Errors:   [`LogError::Store`].
    pub fn erase(&mut self, label: &[u8]) -> Result<usize, LogError> {
        let mut erased = 0;
        if let Some(greatest) = self.newest_version(label)? {
            for version in 0..=greatest {
                erased += usize::from(self.store.erase(label, version).map_err(LogError::Store)?);
            }
        }
        Ok(erased)
    }

    fn check_next(
        &self,
        position: u64,
        previous: Option<&Entry>,
        timestamp: u64,
        prepared: &[Prepared],
    ) -> Result<(), LogError> {
        if let Some(previous) = previous.filter(|previous| timestamp < previous.timestamp) {
            let (earliest, found) = (previous.timestamp, timestamp);
            return Err(KeyTransError::TimestampOrder { entry: position, earliest, found }.into());
        }
        let found = prepared.len();
        if let Some(limit) = self.operator.max_batch().filter(|limit| *limit < found) {
            return Err(LogError::Batch { limit, found });
        }
        let mut next = NextVersions::new(self);
        for new in prepared {
            let expected = next.of(&new.new.label)?;
            if expected != new.version {
                return Err(LogError::Version { expected, found: new.version });
            }
        }
        Ok(())
    }
}

/// Counts versions up that are not in the store yet.
struct NextVersions<'log, 'label, S> {
    log: &'log Log<S>,
    next: HashMap<&'label [u8], u64>,
}

impl<'log, 'label, S: Store> NextVersions<'log, 'label, S> {
    fn new(log: &'log Log<S>) -> Self {
        Self { log, next: HashMap::new() }
    }

    fn of(&mut self, label: &'label [u8]) -> Result<u32, LogError> {
        let next = match self.next.get(label) {
            Some(next) => *next,
            None => self.log.newest_version(label)?.map_or(0, |greatest| u64::from(greatest) + 1),
        };
        self.next.insert(label, next + 1);
        u32::try_from(next).map_err(|_| LogError::Full)
    }
}

impl Prepared {
    fn inserted(self, entry: u64, leaf: u64) -> Inserted {
        let New { label, value, opening } = self.new;
        let kept = Version { entry, leaf, opened: Some(Opened { opening, value }) };
        Inserted { label, version: self.version, kept }
    }
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
