//! What an owner verifies of new versions (draft section 9, "Updating a Label").

use std::collections::BTreeSet;

use super::{Shown, Source, is_distinguished, ladder::all_included};
use crate::{
    KeyTransError,
    error::PositionNeed,
    tree::{implicit, ladder},
};

/// New versions of a label, all of one entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NewVersions {
    /// The entry that has them first.
    pub(crate) position: u64,
    /// The greatest version before.
    pub(crate) previous: Option<u32>,
    /// The greatest version since.
    pub(crate) greatest: u32,
    /// Up to and with this entry the owner knows the past already, if there was a version before.
    pub(crate) known_to: u64,
}

impl NewVersions {
    /// The new versions, ascending.
    pub(crate) fn versions(&self) -> impl Iterator<Item = u32> + use<> {
        self.previous.map_or(0, |previous| previous.saturating_add(1))..=self.greatest
    }

    /// The versions whose places the owner must be told, ascending: see docs/key-transparency.md, rule 7.
    pub(crate) fn places(&self) -> Vec<u32> {
        let mut versions: BTreeSet<u32> = ladder::base(self.greatest).into_iter().chain(self.versions()).collect();
        let known = self.previous.map_or_else(|| vec![0], ladder::base);
        for version in known {
            versions.remove(&version);
        }
        versions.into_iter().collect()
    }
}

/// Verifies new versions; whether their entry is distinguished. What was the greatest version of an entry that is known is asked of `past`.
pub(crate) fn update<S: Source>(
    source: &mut S,
    new: &NewVersions,
    past: &dyn Fn(u64) -> Result<Option<u32>, S::Error>,
) -> Result<bool, S::Error> {
    if new.position >= source.size() {
        return Err(KeyTransError::Position { entry: new.position, needs: PositionNeed::InLog }.into());
    }
    let mut shown = Shown::default();
    previous_tree(source, new, past, &mut shown)?;
    let is_distinguished = is_distinguished(source, new.position)?;
    let in_ladder: BTreeSet<u32> = ladder::base(new.greatest).into_iter().collect();
    let others: Vec<u32> = new.versions().filter(|version| !in_ladder.contains(version)).collect();
    if !is_distinguished {
        shown.search(source, new.position, new.greatest)?.exactly(new.position)?;
    }
    if !others.is_empty() {
        all_included(source, new.position, &others)?;
    }
    Ok(is_distinguished)
}

/// Steps 1 and 2: in the log before these versions, the greatest version was the one the owner knows.
fn previous_tree<S: Source>(
    source: &mut S,
    new: &NewVersions,
    past: &dyn Fn(u64) -> Result<Option<u32>, S::Error>,
    shown: &mut Shown,
) -> Result<(), S::Error> {
    let mut is_below_distinguished = true;
    let last = new.position.checked_sub(1);
    for entry in implicit::frontier(new.position) {
        is_below_distinguished = is_below_distinguished && is_distinguished(source, entry)?;
        if is_below_distinguished {
            continue;
        }
        if new.previous.is_some() && entry <= new.known_to {
            shown.assume(entry, new.previous.unwrap_or(0), past(entry)?);
            continue;
        }
        let rung = shown.search(source, entry, new.previous.unwrap_or(0))?;
        match new.previous {
            None => rung.nothing(entry)?,
            Some(_) if Some(entry) == last => rung.exactly(entry)?,
            Some(_) => drop(rung.at_most(entry)?),
        }
    }
    Ok(())
}
