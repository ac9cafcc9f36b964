//! Binary ladders in one entry, and which look-ups others have made needless (draft section 6.2).

use core::cmp::Ordering;
use std::collections::BTreeMap;

use super::Source;
use crate::{KeyTransError, tree::ladder};

/// What look-ups of this response have shown so far.
#[derive(Debug, Default)]
pub(crate) struct Shown {
    /// The leftmost entry that is shown to include a version: all entries right of it do.
    included: BTreeMap<u32, u64>,
    /// The rightmost entry that is shown not to include a version: no entry left of it does.
    excluded: BTreeMap<u32, u64>,
}

/// What a search ladder tells of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rung {
    /// How the greatest version there compares with the target.
    pub(crate) greatest: Ordering,
    /// The look-up that tells, unless they are equal.
    pub(crate) decided: Option<u32>,
}

impl Shown {
    /// What is known of a version in an entry without looking.
    fn of(&self, entry: u64, version: u32) -> Option<bool> {
        if self.included.get(&version).is_some_and(|shown| *shown < entry) {
            return Some(true);
        }
        self.excluded.get(&version).filter(|shown| **shown > entry).map(|_| false)
    }

    /// Remembers a look-up.
    pub(crate) fn record(&mut self, entry: u64, version: u32, included: bool) {
        if included {
            let leftmost = self.included.entry(version).or_insert(entry);
            *leftmost = entry.min(*leftmost);
        } else {
            let rightmost = self.excluded.entry(version).or_insert(entry);
            *rightmost = entry.max(*rightmost);
        }
    }

    /// A search ladder for this target, without what was shown before.
    pub(crate) fn search<S: Source>(&mut self, source: &mut S, entry: u64, target: u32) -> Result<Rung, S::Error> {
        let steps: Vec<(u32, Option<bool>)> =
            ladder::base(target).into_iter().map(|version| (version, self.of(entry, version))).collect();
        let asked: Vec<u32> = steps.iter().filter(|(_, known)| known.is_none()).map(|(version, _)| *version).collect();
        // A ladder of which nothing is left takes no proof (docs/key-transparency.md, rule 16).
        let answers = if asked.is_empty() { Vec::new() } else { Self::ask(source, entry, target, &asked)? };
        for (version, included) in asked.iter().zip(&answers) {
            self.record(entry, *version, *included);
        }
        let mut answers = answers.into_iter();
        for (version, known) in steps {
            let Some(included) = known.or_else(|| answers.next()) else { break };
            if let Some(greatest) = ladder::ends(target, version, included) {
                return Ok(Rung { greatest, decided: Some(version) });
            }
        }
        Ok(Rung { greatest: Ordering::Equal, decided: None })
    }

    fn ask<S: Source>(source: &mut S, entry: u64, target: u32, asked: &[u32]) -> Result<Vec<bool>, S::Error> {
        source.look_up(entry, asked, &|version, included| ends(target, version, included))
    }

    /// Remembers what a search ladder would have shown in an entry with this greatest version.
    pub(crate) fn assume(&mut self, entry: u64, target: u32, greatest: Option<u32>) {
        for version in ladder::base(target) {
            let included = greatest.is_some_and(|greatest| version <= greatest);
            self.record(entry, version, included);
            if ends(target, version, included) {
                break;
            }
        }
    }
}

impl Rung {
    /// The greatest version must not be greater than the target.
    pub(crate) fn at_most(self, entry: u64) -> Result<Self, KeyTransError> {
        if self.greatest == Ordering::Greater { Err(self.wrong(entry)) } else { Ok(self) }
    }

    /// The greatest version must be the target.
    pub(crate) fn exactly(self, entry: u64) -> Result<(), KeyTransError> {
        if self.greatest == Ordering::Equal { Ok(()) } else { Err(self.wrong(entry)) }
    }

    /// No version may exist; the target was 0.
    pub(crate) fn nothing(self, entry: u64) -> Result<(), KeyTransError> {
        if self.greatest == Ordering::Less { Ok(()) } else { Err(self.wrong(entry)) }
    }

    fn wrong(self, entry: u64) -> KeyTransError {
        let version = self.decided.unwrap_or(0);
        KeyTransError::Ladder { entry, version, included: self.greatest != Ordering::Less }
    }
}

fn ends(target: u32, version: u32, included: bool) -> bool {
    ladder::ends(target, version, included).is_some()
}

/// A search ladder of its own, without leaving anything out; `None` as the target: no version may exist.
pub(crate) fn whole<S: Source>(source: &mut S, entry: u64, target: Option<u32>) -> Result<(), S::Error> {
    let rung = Shown::default().search(source, entry, target.unwrap_or(0))?;
    Ok(if target.is_some() { rung.exactly(entry) } else { rung.nothing(entry) }?)
}

/// Looks versions up that must all be included.
pub(crate) fn all_included<S: Source>(source: &mut S, entry: u64, versions: &[u32]) -> Result<(), S::Error> {
    let answers = source.look_up(entry, versions, &|_, included| !included)?;
    match versions.iter().zip(&answers).find(|(_, included)| !**included) {
        Some((version, _)) => Err(KeyTransError::Ladder { entry, version: *version, included: false }.into()),
        None => Ok(()),
    }
}
