//! Searches for the greatest and for a fixed version (draft sections 6.3 and 7.2).

use core::cmp::Ordering;

use super::{Shown, Source, is_distinguished, is_expired, rightmost_distinguished};
use crate::{KeyTransError, tree::implicit};

/// Where a search ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SearchEnd {
    /// The terminal entry.
    pub(crate) terminal: u64,
    /// Whether no distinguished entry is at or right of it: in contact monitoring mode the version must be monitored.
    pub(crate) is_recent: bool,
}

/// Searches for the greatest version, which is claimed to be `target`.
pub(crate) fn greatest<S: Source>(source: &mut S, target: u32) -> Result<SearchEnd, S::Error> {
    let size = source.size();
    let distinguished = rightmost_distinguished(source)?;
    let (mut shown, mut terminal) = (Shown::default(), None);
    let mut next = distinguished.or_else(|| implicit::root(size));
    while let Some(entry) = next {
        let rung = shown.search(source, entry, target)?.at_most(entry)?;
        if rung.greatest == Ordering::Equal {
            terminal = terminal.or(Some(entry));
        }
        next = implicit::right(entry, size);
        if next.is_none() {
            rung.exactly(entry)?;
        }
    }
    let terminal = terminal.ok_or(KeyTransError::NoSuchVersion { version: target })?;
    Ok(SearchEnd { terminal, is_recent: distinguished.is_none_or(|distinguished| terminal > distinguished) })
}

/// Searches for the version `target`.
///
/// Errors:   [`KeyTransError::NoSuchVersion`], [`KeyTransError::Expired`], which may be the truth.
pub(crate) fn fixed<S: Source>(source: &mut S, target: u32) -> Result<SearchEnd, S::Error> {
    let size = source.size();
    let mut search = Fixed { shown: Shown::default(), saw_expired: false, inspected: Vec::new(), greater: None };
    let mut next = implicit::root(size);
    let mut terminal = None;
    while let Some(entry) = next {
        match search.inspect(source, entry, target)? {
            Ordering::Less => next = implicit::right(entry, size),
            Ordering::Greater => next = implicit::left(entry),
            Ordering::Equal => {
                terminal = Some(entry);
                break;
            }
        }
    }
    let terminal = match terminal {
        Some(entry) => search.equal(source, entry, target)?,
        None => search.between(source, target)?,
    };
    let distinguished = rightmost_distinguished(source)?;
    Ok(SearchEnd { terminal, is_recent: distinguished.is_none_or(|distinguished| terminal > distinguished) })
}

struct Fixed {
    shown: Shown,
    saw_expired: bool,
    /// Entries whose ladder was seen, none of them expired.
    inspected: Vec<u64>,
    /// The leftmost of them with a greater version.
    greater: Option<u64>,
}

impl Fixed {
    /// Steps 1 to 4: where to go, or that this is it. An expired entry counts as one with a lesser version.
    fn inspect<S: Source>(&mut self, source: &mut S, entry: u64, target: u32) -> Result<Ordering, S::Error> {
        source.timestamp(entry)?;
        if is_expired(source, entry)? {
            self.saw_expired = true;
            return Ok(Ordering::Less);
        }
        let rung = self.shown.search(source, entry, target)?;
        self.inspected.push(entry);
        if rung.greatest == Ordering::Greater {
            // The way goes left from such an entry, so a later one is further left.
            self.greater = Some(entry);
        }
        Ok(rung.greatest)
    }

    /// Step 5: the version is the greatest in this entry.
    fn equal<S: Source>(&self, source: &mut S, entry: u64, target: u32) -> Result<u64, S::Error> {
        if !self.saw_expired || is_distinguished(source, entry)? || self.is_anchored(source, entry)? {
            Ok(entry)
        } else {
            Err(KeyTransError::Expired { version: target }.into())
        }
    }

    /// Step 6: it is the greatest in no entry that was seen, but came with a greater one.
    fn between<S: Source>(&self, source: &mut S, target: u32) -> Result<u64, S::Error> {
        let entry = self.greater.ok_or(KeyTransError::NoSuchVersion { version: target })?;
        if self.saw_expired && !self.is_anchored(source, entry)? {
            return Err(KeyTransError::Expired { version: target }.into());
        }
        let answers = source.look_up(entry, &[target], &|_, _| false)?;
        if answers.first() == Some(&true) {
            Ok(entry)
        } else {
            Err(KeyTransError::NoSuchVersion { version: target }.into())
        }
    }

    /// Whether an entry that was seen left of this one is distinguished. Those on the way to it are all that were seen.
    fn is_anchored<S: Source>(&self, source: &mut S, entry: u64) -> Result<bool, S::Error> {
        for seen in self.inspected.iter().filter(|seen| **seen < entry) {
            if is_distinguished(source, *seen)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
