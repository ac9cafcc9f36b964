//! The verifier's source: answers are taken from the proof in the order in which they are asked for (draft section 11.3).

use std::collections::{BTreeMap, BTreeSet};

use super::{
    TreeView,
    places::Places,
    view::{LogEntry, count},
};
use crate::{
    Digest, KeyTransError,
    config::Configuration,
    error::Part,
    proof::{CombinedTreeProof, Terminal},
    tree::prefix,
    walk::Source,
};

/// A proof that is being used up.
#[derive(Debug)]
pub(super) struct Consuming<'a> {
    config: &'a Configuration,
    size: u64,
    proof: &'a CombinedTreeProof,
    places: &'a Places,
    timestamps: usize,
    prefix_proofs: usize,
    seen: BTreeMap<u64, Seen>,
    included: BTreeSet<u32>,
}

/// What is known of an entry so far.
#[derive(Debug, Clone, Copy)]
struct Seen {
    timestamp: u64,
    prefix_root: Option<Digest>,
    /// From the view, not from the proof.
    is_retained: bool,
}

/// All entries that a proof speaks of, and those whose hashes the log tree must contain.
#[derive(Debug)]
pub(super) struct Entries {
    pub(super) all: BTreeMap<u64, LogEntry>,
    pub(super) given: Vec<u64>,
    /// Versions of which a proof has shown the leaf, and so the commitment.
    pub(super) included: BTreeSet<u32>,
}

impl<'a> Consuming<'a> {
    pub(super) fn new(
        config: &'a Configuration,
        size: u64,
        view: Option<&TreeView>,
        proof: &'a CombinedTreeProof,
        places: &'a Places,
    ) -> Self {
        let retained = view.into_iter().flat_map(TreeView::frontier);
        let seen = retained
            .map(|(entry, LogEntry { timestamp, prefix_root })| {
                (entry, Seen { timestamp, prefix_root: Some(prefix_root), is_retained: true })
            })
            .collect();
        Self { config, size, proof, places, timestamps: 0, prefix_proofs: 0, seen, included: BTreeSet::new() }
    }

    /// Whether prefix proofs are left.
    const fn has_more(&self) -> bool {
        self.prefix_proofs < self.proof.prefix_proofs.len()
    }

    /// Ends: nothing may be left over, and time must not run backwards.
    pub(super) fn finish(mut self) -> Result<Entries, KeyTransError> {
        count(Part::Timestamps, self.timestamps, self.proof.timestamps.len())?;
        count(Part::PrefixProofs, self.prefix_proofs, self.proof.prefix_proofs.len())?;
        let open = self.seen.values_mut().filter(|seen| seen.prefix_root.is_none());
        let mut roots = self.proof.prefix_roots.iter();
        let mut missing = 0;
        for seen in open {
            seen.prefix_root = roots.next().copied();
            missing += usize::from(seen.prefix_root.is_none());
        }
        let found = self.proof.prefix_roots.len();
        count(Part::PrefixRoots, found + missing - roots.len(), found)?;
        let mut entries = Entries { all: BTreeMap::new(), given: Vec::new(), included: self.included };
        let mut earliest = 0;
        for (entry, seen) in self.seen {
            if seen.timestamp < earliest {
                return Err(KeyTransError::TimestampOrder { entry, earliest, found: seen.timestamp });
            }
            earliest = seen.timestamp;
            let prefix_root = seen.prefix_root.unwrap_or_default();
            entries.all.insert(entry, LogEntry { timestamp: seen.timestamp, prefix_root });
            if !seen.is_retained {
                entries.given.push(entry);
            }
        }
        Ok(entries)
    }
}

impl Source for Consuming<'_> {
    type Error = KeyTransError;

    fn config(&self) -> &Configuration {
        self.config
    }

    fn size(&self) -> u64 {
        self.size
    }

    fn timestamp(&mut self, entry: u64) -> Result<u64, KeyTransError> {
        if let Some(seen) = self.seen.get(&entry) {
            return Ok(seen.timestamp);
        }
        let next = self.proof.timestamps.get(self.timestamps).copied();
        self.timestamps += 1;
        let (expected, found) = (self.timestamps, self.proof.timestamps.len());
        let timestamp = next.ok_or(KeyTransError::Count { part: Part::Timestamps, expected, found })?;
        self.seen.insert(entry, Seen { timestamp, prefix_root: None, is_retained: false });
        Ok(timestamp)
    }

    fn look_up(
        &mut self,
        entry: u64,
        versions: &[u32],
        ends: &dyn Fn(u32, bool) -> bool,
    ) -> Result<Vec<bool>, KeyTransError> {
        self.timestamp(entry)?;
        let next = self.proof.prefix_proofs.get(self.prefix_proofs);
        self.prefix_proofs += 1;
        let (expected, found) = (self.prefix_proofs, self.proof.prefix_proofs.len());
        let proof = next.ok_or(KeyTransError::Count { part: Part::PrefixProofs, expected, found })?;
        let (mut lookups, mut answers) = (Vec::new(), Vec::new());
        for version in versions {
            let (expected, found) = (lookups.len() + 1, proof.results.len());
            let result = proof.results.get(lookups.len());
            let result = result.ok_or(KeyTransError::Count { part: Part::PrefixResults, expected, found })?;
            let included = result.terminal == Terminal::Inclusion;
            lookups.push(self.places.lookup(*version)?);
            answers.push(included);
            if ends(*version, included) {
                break;
            }
        }
        let root = prefix::root(entry, &lookups, proof)?;
        let shown = versions.iter().zip(&answers).filter(|(_, included)| **included);
        self.included.extend(shown.map(|(version, _)| *version));
        if let Some(seen) = self.seen.get_mut(&entry) {
            match seen.prefix_root {
                Some(expected) if expected != root => {
                    return Err(KeyTransError::PrefixRoot { entry, expected, found: root });
                }
                Some(_) | None => seen.prefix_root = Some(root),
            }
        }
        Ok(answers)
    }

    fn goes_on(&mut self, _: u64) -> Result<bool, KeyTransError> {
        Ok(self.has_more())
    }
}
