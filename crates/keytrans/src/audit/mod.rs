//! Third-party auditing (draft section 14.2): somebody who sees every change of the log, and signs that there was no other.
//!
//! ```text
//!   AuditorUpdate of each entry ──Auditor::update──▶ size, full subtrees, prefix root, time ──Auditor::sign──▶ AuditorTreeHead
//! ```
//!
//! An auditor keeps a few hundred bytes, whatever the size of the log. It learns places and commitments, but no label and no value.

mod growth;
mod update;

use crate::{
    DecodeError, Digest, KeyTransError,
    codec::{Reader, Writer},
    config::{Configuration, DeploymentMode},
    error::{KeyOf, Part, UpdateProblem},
    head::AuditorTreeHead,
    proof::{PrefixLeaf, Terminal},
    suite::HeadKey,
    tree::{
        log::{full_subtrees, root_of},
        prefix::{self, Lookup},
    },
    value::{empty_prefix_tree, log_leaf, log_parent},
};

pub use self::update::AuditorUpdate;

/// What an auditor knows of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Auditor {
    size: u64,
    timestamp: u64,
    prefix_root: Digest,
    subtrees: Vec<Digest>,
}

const STRUCTURE: &str = "Auditor";
const FORMAT: u8 = 1;

impl Default for Auditor {
    fn default() -> Self {
        Self::new()
    }
}

impl Auditor {
    /// An auditor who follows a log from its first entry on.
    #[must_use]
    pub fn new() -> Self {
        Self { size: 0, timestamp: 0, prefix_root: empty_prefix_tree(), subtrees: Vec::new() }
    }

    /// An auditor who follows a log from a later entry on, and takes the state before for granted.
    ///
    /// Errors:   [`KeyTransError::Count`] if these are not the full subtrees of a log of `size` entries.
    pub fn begin_at(
        size: u64,
        timestamp: u64,
        prefix_root: Digest,
        subtrees: Vec<Digest>,
    ) -> Result<Self, KeyTransError> {
        let (expected, found) = (full_subtrees(size).len(), subtrees.len());
        if expected == found {
            Ok(Self { size, timestamp, prefix_root, subtrees })
        } else {
            Err(KeyTransError::Count { part: Part::FullSubtrees, expected, found })
        }
    }

    /// Entries that it saw.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The time of the newest of them.
    #[must_use]
    pub const fn timestamp(&self) -> u64 {
        self.timestamp
    }

    /// The root of the log as far as it saw it.
    ///
    /// Errors:   [`KeyTransError::Count`] before the first entry.
    pub fn root(&self) -> Result<Digest, KeyTransError> {
        root_of(self.size, &self.subtrees)
    }

    /// Checks what the next entry changes, and remembers the outcome. After an error it is as it was.
    ///
    /// The numbers are those of the draft's steps. Its step 5, and 4 with it, are not supported: an update that removes leaves is refused.
    ///
    /// Errors:   [`KeyTransError::TimestampOrder`], [`KeyTransError::AuditorUpdate`]; [`KeyTransError::PrefixRoot`] if the proof is not of the
    ///           tree that this auditor knows; those of [`prefix::root`].
    pub fn update(&mut self, update: &AuditorUpdate) -> Result<(), KeyTransError> {
        let entry = self.size;
        let refused = |problem| Err(KeyTransError::AuditorUpdate { entry, problem });
        if update.timestamp < self.timestamp {
            // 1
            let (earliest, found) = (self.timestamp, update.timestamp);
            return Err(KeyTransError::TimestampOrder { entry, earliest, found });
        }
        if !update.removed.is_empty() {
            return refused(UpdateProblem::Removal);
        }
        if !is_ascending(&update.added) {
            // 2
            return refused(UpdateProblem::Order);
        }
        if update.proof.results.iter().any(|result| result.terminal == Terminal::Inclusion) {
            // 3
            return refused(UpdateProblem::Exists);
        }
        // 6
        let lookups: Vec<Lookup> =
            update.added.iter().map(|leaf| Lookup { vrf_output: leaf.vrf_output, commitment: None }).collect();
        let (expected, found) = (self.prefix_root, prefix::root(entry, &lookups, &update.proof)?);
        if found != expected {
            return Err(KeyTransError::PrefixRoot { entry: entry.saturating_sub(1), expected, found });
        }
        // 7
        let prefix_root = growth::root(entry, &update.added, &update.proof)?;
        let Some(size) = entry.checked_add(1) else { return refused(UpdateProblem::Full) };
        self.push(log_leaf(update.timestamp, &prefix_root));
        (self.size, self.timestamp, self.prefix_root) = (size, update.timestamp, prefix_root);
        Ok(())
    }

    /// Signs what it saw (step 8).
    ///
    /// Errors:   [`KeyTransError::PublicKey`] if the configuration names another auditor or none; [`KeyTransError::Count`] before the first entry.
    pub fn sign(&self, config: &Configuration, key: &dyn HeadKey) -> Result<AuditorTreeHead, KeyTransError> {
        match &config.mode {
            DeploymentMode::ThirdPartyAuditing { auditor_public_key, .. }
                if *auditor_public_key == key.public_key() => {}
            DeploymentMode::ThirdPartyAuditing { .. } | DeploymentMode::ContactMonitoring => {
                return Err(KeyTransError::PublicKey { of: KeyOf::Auditor });
            }
        }
        let (timestamp, tree_size) = (self.timestamp, self.size);
        let signature = key.sign(&config.auditor_head_to_sign(timestamp, tree_size, &self.root()?)?);
        Ok(AuditorTreeHead { timestamp, tree_size, signature })
    }

    /// Its bytes: the format's version, 1; size; time; root of the prefix tree; full subtrees of the log.
    ///
    /// Errors:   none in practice: a log has 64 full subtrees at most.
    pub fn encode(&self) -> Result<Vec<u8>, DecodeError> {
        let mut writer = Writer::new();
        writer.u8(FORMAT).u64(self.size).u64(self.timestamp).put(&self.prefix_root.0);
        writer.vector8(&self.subtrees, |writer, subtree| writer.put(&subtree.0).done())?;
        Ok(writer.finish())
    }

    /// Reads what [`Self::encode`] wrote.
    ///
    /// Errors:   [`KeyTransError::Decode`], also for formats of another version; those of [`Self::begin_at`].
    pub fn decode(bytes: &[u8]) -> Result<Self, KeyTransError> {
        let (size, timestamp, prefix_root, subtrees) =
            Reader::whole(STRUCTURE, bytes, |reader| match reader.u8()? {
                FORMAT => Ok((reader.u64()?, reader.u64()?, reader.digest()?, reader.vector8(Reader::digest)?)),
                other => Err(reader.unknown("format", other.into())),
            })?;
        Self::begin_at(size, timestamp, prefix_root, subtrees)
    }

    /// Appends an entry to the log tree.
    fn push(&mut self, mut digest: Digest) {
        for level in 0..self.size.trailing_ones() {
            let Some(left) = self.subtrees.pop() else { break };
            let half = 1 << level;
            digest = log_parent((half, &left), (half, &digest));
        }
        self.subtrees.push(digest);
    }
}

fn is_ascending(leaves: &[PrefixLeaf]) -> bool {
    leaves.iter().zip(leaves.iter().skip(1)).all(|(first, second)| first.vrf_output < second.vrf_output)
}

#[cfg(test)]
mod tests;
