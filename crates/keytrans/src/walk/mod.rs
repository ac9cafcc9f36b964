//! The draft's algorithms, once for those who make proofs and those who verify them.
//!
//! An algorithm asks a [`Source`] for timestamps and look-ups. The prover's source answers from the log and records what it was asked; the verifier's takes
//! the answers from the proof, in that order. So both agree on every field (draft appendix C), and a check that fails is an error of the algorithm.
//!
//! ```text
//!   view ─▶ search | contact | owner | update | distinguished     each walks the implicit search tree (`tree::implicit`)
//! ```

mod contact;
mod distinguished;
mod ladder;
mod owner;
mod search;
mod update;
mod view;

pub(crate) use contact::{contact, watch};
pub(crate) use distinguished::{is_distinguished, rightmost_distinguished, walk_recent};
pub(crate) use owner::{init_list, owner_init, owner_monitor};
pub(crate) use search::{fixed, greatest};
pub(crate) use update::{NewVersions, update};
pub(crate) use view::update_view;

use ladder::Shown;

use crate::{KeyTransError, config::Configuration, tree::implicit};

/// Where an algorithm's data comes from: for one label, in one state of the log.
pub(crate) trait Source {
    /// What can go wrong: a check, or reading the log.
    type Error: From<KeyTransError>;

    /// The log's configuration.
    fn config(&self) -> &Configuration;

    /// Entries in the log; at least one.
    fn size(&self) -> u64;

    /// The time of an entry.
    fn timestamp(&mut self, entry: u64) -> Result<u64, Self::Error>;

    /// Looks versions up in an entry's prefix tree, one after the other, until `ends` says so; which of them are included.
    ///
    /// Shape:    as many answers as look-ups were made.
    fn look_up(
        &mut self,
        entry: u64,
        versions: &[u32],
        ends: &dyn Fn(u32, bool) -> bool,
    ) -> Result<Vec<bool>, Self::Error>;

    /// Whether an owner's walk goes on at this entry.
    fn goes_on(&mut self, entry: u64) -> Result<bool, Self::Error>;
}

/// The time of the newest entry.
fn newest<S: Source>(source: &mut S) -> Result<u64, S::Error> {
    source.timestamp(source.size().saturating_sub(1))
}

/// Whether an entry is older than the log keeps (draft section 7.1).
fn is_expired<S: Source>(source: &mut S, entry: u64) -> Result<bool, S::Error> {
    let Some(lifetime) = source.config().maximum_lifetime else { return Ok(false) };
    let newest = newest(source)?;
    Ok(newest.saturating_sub(source.timestamp(entry)?) >= lifetime)
}

/// The ancestors of an entry that are newer than it, the nearest first.
fn newer_ancestors(entry: u64, size: u64) -> Vec<u64> {
    let mut newer: Vec<u64> = implicit::path(entry, size).filter(|at| *at > entry).collect();
    newer.reverse();
    newer
}
