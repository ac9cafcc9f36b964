//! The prover's source: the log answers, and what was asked is recorded in the order in which it was asked (draft section 11.3).

use std::collections::{BTreeMap, BTreeSet};

use super::{Entry, Log, LogError, Store};
use crate::{
    KeyTransError, VrfOutput,
    config::Configuration,
    error::PositionNeed,
    proof::{CombinedTreeProof, InclusionProof},
    tree::{implicit, log::Question},
    walk::Source,
};

/// Where an owner's walk ends for now.
#[derive(Debug, Clone, Copy)]
pub(super) struct OwnerLimit {
    /// The greatest version that the owner knows of.
    pub(super) greatest: Option<u32>,
    /// Entries of one response at most.
    pub(super) entries: usize,
}

/// A proof that grows.
#[derive(Debug)]
pub(super) struct Recording<'a, S> {
    log: &'a Log<S>,
    label: &'a [u8],
    size: u64,
    known: u64,
    retained: BTreeSet<u64>,
    proof: CombinedTreeProof,
    /// Entries that were read. Each is read once, however often it is asked about.
    entries: BTreeMap<u64, Entry>,
    /// Entries whose time was given, and whether their prefix tree's root follows from a proof.
    given: BTreeMap<u64, bool>,
    places: BTreeMap<u32, VrfOutput>,
    limit: OwnerLimit,
}

impl<'a, S: Store> Recording<'a, S> {
    /// A proof about the log when it had `size` entries, for somebody who knows its head of `known` entries, or 0.
    ///
    /// Errors:   [`KeyTransError::TreeSize`] if that is more than there are; [`KeyTransError::Position`] without any entry.
    pub(super) fn new(log: &'a Log<S>, label: &'a [u8], size: u64, known: u64) -> Result<Self, LogError> {
        if size == 0 {
            return Err(KeyTransError::Position { entry: 0, needs: PositionNeed::InLog }.into());
        }
        if known > size || size > log.size() {
            return Err(KeyTransError::TreeSize { least: known.max(size), found: log.size() }.into());
        }
        Ok(Self {
            log,
            label,
            size,
            known,
            retained: implicit::frontier(known).collect(),
            proof: CombinedTreeProof::default(),
            entries: BTreeMap::new(),
            given: BTreeMap::new(),
            places: BTreeMap::new(),
            limit: OwnerLimit { greatest: None, entries: 0 },
        })
    }

    /// Places that are known already, which saves evaluating them again.
    pub(super) fn with_places(mut self, places: BTreeMap<u32, VrfOutput>) -> Self {
        self.places = places;
        self
    }

    pub(super) const fn with_limit(mut self, limit: OwnerLimit) -> Self {
        self.limit = limit;
        self
    }

    /// The whole proof; with the root of an auditor's head of that size, too.
    pub(super) fn finish(mut self, also: Option<u64>) -> Result<CombinedTreeProof, LogError> {
        let open: Vec<u64> = self.given.iter().filter(|(_, has_root)| !**has_root).map(|(entry, _)| *entry).collect();
        for entry in open {
            let root = self.entry(entry)?.prefix_root.digest;
            self.proof.prefix_roots.push(root);
        }
        let entries: Vec<u64> = self.given.into_keys().collect();
        let question = Question { size: self.size, known: self.known, also, entries: &entries };
        self.proof.inclusion = InclusionProof { elements: self.log.inclusion(&question)? };
        Ok(self.proof)
    }

    fn entry(&mut self, position: u64) -> Result<Entry, LogError> {
        if let Some(entry) = self.entries.get(&position) {
            return Ok(*entry);
        }
        let entry = self.log.entry(position)?;
        self.entries.insert(position, entry);
        Ok(entry)
    }

    fn place(&mut self, version: u32) -> Result<VrfOutput, LogError> {
        if let Some(place) = self.places.get(&version) {
            return Ok(*place);
        }
        let place = self.log.place(self.label, version)?;
        self.places.insert(version, place);
        Ok(place)
    }
}

impl<S: Store> Source for Recording<'_, S> {
    type Error = LogError;

    fn config(&self) -> &Configuration {
        self.log.operator().config()
    }

    fn size(&self) -> u64 {
        self.size
    }

    fn timestamp(&mut self, entry: u64) -> Result<u64, LogError> {
        let timestamp = self.entry(entry)?.timestamp;
        if !self.retained.contains(&entry) && !self.given.contains_key(&entry) {
            self.given.insert(entry, false);
            self.proof.timestamps.push(timestamp);
        }
        Ok(timestamp)
    }

    fn look_up(
        &mut self,
        entry: u64,
        versions: &[u32],
        ends: &dyn Fn(u32, bool) -> bool,
    ) -> Result<Vec<bool>, LogError> {
        self.timestamp(entry)?;
        let greatest = self.log.greatest_version(self.label, entry)?;
        let (mut places, mut answers) = (Vec::new(), Vec::new());
        for version in versions {
            let included = greatest.is_some_and(|greatest| *version <= greatest);
            places.push(self.place(*version)?);
            answers.push(included);
            if ends(*version, included) {
                break;
            }
        }
        self.proof.prefix_proofs.push(self.log.look_up(entry, &places)?.proof);
        if let Some(has_root) = self.given.get_mut(&entry) {
            *has_root = true;
        }
        Ok(answers)
    }

    fn goes_on(&mut self, entry: u64) -> Result<bool, LogError> {
        let Some(left) = self.limit.entries.checked_sub(1) else { return Ok(false) };
        self.limit.entries = left;
        // A greater version than the owner knows of is told by an update, before this goes on.
        Ok(self.log.greatest_version(self.label, entry)? <= self.limit.greatest)
    }
}
