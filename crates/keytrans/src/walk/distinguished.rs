//! Distinguished entries: which they are, and the walk over the recent ones (draft sections 6.1 and 9.1).

use super::{Source, is_expired, newest};
use crate::tree::implicit;

/// The times of the nearest entries known to be left and right of where a walk stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    left: u64,
    right: u64,
}

impl Bounds {
    pub(super) fn begin<S: Source>(source: &mut S) -> Result<Self, S::Error> {
        Ok(Self { left: 0, right: newest(source)? })
    }

    /// Whether the entry between these bounds is distinguished.
    pub(super) fn distinguish(self, source: &impl Source) -> bool {
        self.right.saturating_sub(self.left) >= source.config().reasonable_monitoring_window
    }

    pub(super) const fn left_of(self, timestamp: u64) -> Self {
        Self { right: timestamp, ..self }
    }

    pub(super) const fn right_of(self, timestamp: u64) -> Self {
        Self { left: timestamp, ..self }
    }
}

/// Whether an entry is distinguished; its own time is not asked for.
pub(crate) fn is_distinguished<S: Source>(source: &mut S, entry: u64) -> Result<bool, S::Error> {
    let mut bounds = Bounds::begin(source)?;
    for at in implicit::path(entry, source.size()) {
        if !bounds.distinguish(source) {
            return Ok(false);
        }
        let timestamp = source.timestamp(at)?;
        bounds = if entry < at { bounds.left_of(timestamp) } else { bounds.right_of(timestamp) };
    }
    Ok(bounds.distinguish(source))
}

/// The rightmost distinguished entry. It is on the frontier, if there is one.
pub(crate) fn rightmost_distinguished<S: Source>(source: &mut S) -> Result<Option<u64>, S::Error> {
    let mut bounds = Bounds::begin(source)?;
    let mut found = None;
    for entry in implicit::frontier(source.size()) {
        if !bounds.distinguish(source) {
            break;
        }
        found = Some(entry);
        bounds = bounds.right_of(source.timestamp(entry)?);
    }
    Ok(found)
}

/// The recent distinguished entries, at most `most`, from left to right; none at or left of `stop`, none that has expired.
pub(crate) fn walk_recent<S: Source>(source: &mut S, stop: Option<u64>, most: usize) -> Result<Vec<u64>, S::Error> {
    let mut walk = Recent { stop, most, found: Vec::new() };
    if let Some(root) = implicit::root(source.size()) {
        let bounds = Bounds::begin(source)?;
        walk.visit(source, root, bounds)?;
    }
    walk.found.reverse();
    Ok(walk.found)
}

struct Recent {
    stop: Option<u64>,
    most: usize,
    /// From right to left.
    found: Vec<u64>,
}

impl Recent {
    fn visit<S: Source>(&mut self, source: &mut S, entry: u64, bounds: Bounds) -> Result<(), S::Error> {
        if !bounds.distinguish(source) {
            return Ok(());
        }
        let timestamp = source.timestamp(entry)?;
        if let Some(right) = implicit::right(entry, source.size()) {
            self.visit(source, right, bounds.right_of(timestamp))?;
        }
        if self.stop.is_some_and(|stop| entry <= stop) || self.found.len() >= self.most || is_expired(source, entry)? {
            return Ok(());
        }
        self.found.push(entry);
        match implicit::left(entry) {
            Some(left) => self.visit(source, left, bounds.left_of(timestamp)),
            None => Ok(()),
        }
    }
}
