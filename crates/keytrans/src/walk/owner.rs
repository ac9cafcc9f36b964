//! What an owner verifies of the own label (draft section 8.3).

use super::{Source, distinguished::Bounds, is_distinguished, is_expired, ladder::whole};
use crate::{
    KeyTransError,
    error::{Part, PositionNeed},
    tree::implicit,
};

/// The entries that show a label's past at a starting position: it, and its older ancestors that have not expired, the nearest first.
///
/// Errors:   [`KeyTransError::Position`] if the starting position is not in the log, not distinguished, or expired.
pub(crate) fn init_list<S: Source>(source: &mut S, start: u64) -> Result<Vec<u64>, S::Error> {
    let size = source.size();
    if start >= size {
        return Err(KeyTransError::Position { entry: start, needs: PositionNeed::InLog }.into());
    }
    let is_distinguished = is_distinguished(source, start)?;
    if is_distinguished {
        source.timestamp(start)?;
    }
    if !is_distinguished || is_expired(source, start)? {
        return Err(KeyTransError::Position { entry: start, needs: PositionNeed::Distinguished }.into());
    }
    let mut older: Vec<u64> = implicit::path(start, size).filter(|at| *at < start).collect();
    older.reverse();
    let mut list = vec![start];
    for entry in older {
        if is_expired(source, entry)? {
            break;
        }
        list.push(entry);
    }
    Ok(list)
}

/// Verifies which was the greatest version in each of these entries; entries beyond the claims have none.
pub(crate) fn owner_init<S: Source>(source: &mut S, list: &[u64], claims: &[u32]) -> Result<(), S::Error> {
    if claims.len() > list.len() {
        let (expected, found) = (list.len(), claims.len());
        return Err(KeyTransError::Count { part: Part::GreatestVersions, expected, found }.into());
    }
    for pair in claims.windows(2) {
        if let [newer, older] = pair
            && older > newer
        {
            return Err(KeyTransError::VersionOrder { most: *newer, found: *older }.into());
        }
    }
    for (at, entry) in list.iter().enumerate() {
        whole(source, *entry, claims.get(at).copied())?;
    }
    Ok(())
}

/// How far an owner's walk came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OwnerWalk {
    /// The rightmost distinguished entry that is verified.
    pub(crate) verified: u64,
    /// Whether there are no more.
    pub(crate) is_complete: bool,
}

/// Verifies in the distinguished entries after `start` that the greatest version is the one that the owner knows of.
pub(crate) fn owner_monitor<S: Source>(
    source: &mut S,
    start: u64,
    expected: &dyn Fn(u64) -> Result<Option<u32>, S::Error>,
) -> Result<OwnerWalk, S::Error> {
    let mut walk = Walk { start, expected, verified: start, stopped: false };
    if let Some(root) = implicit::root(source.size()) {
        let bounds = Bounds::begin(source)?;
        walk.visit(source, root, bounds)?;
    }
    Ok(OwnerWalk { verified: walk.verified, is_complete: !walk.stopped })
}

struct Walk<'a, E> {
    start: u64,
    expected: &'a dyn Fn(u64) -> Result<Option<u32>, E>,
    verified: u64,
    stopped: bool,
}

impl<E: From<KeyTransError>> Walk<'_, E> {
    fn visit<S: Source<Error = E>>(&mut self, source: &mut S, entry: u64, bounds: Bounds) -> Result<(), S::Error> {
        if !bounds.distinguish(source) {
            return Ok(());
        }
        let right = implicit::right(entry, source.size());
        if entry <= self.start {
            return self.child(source, entry, right, |bounds, timestamp| bounds.right_of(timestamp), bounds);
        }
        let left = implicit::left(entry);
        self.child(source, entry, left, |bounds, timestamp| bounds.left_of(timestamp), bounds)?;
        if self.stopped {
            return Ok(());
        }
        if !source.goes_on(entry)? {
            self.stopped = true;
            return Ok(());
        }
        whole(source, entry, (self.expected)(entry)?)?;
        self.verified = entry;
        self.child(source, entry, right, |bounds, timestamp| bounds.right_of(timestamp), bounds)
    }

    fn child<S: Source<Error = E>>(
        &mut self,
        source: &mut S,
        entry: u64,
        child: Option<u64>,
        narrow: impl FnOnce(Bounds, u64) -> Bounds,
        bounds: Bounds,
    ) -> Result<(), S::Error> {
        let Some(child) = child else { return Ok(()) };
        let timestamp = source.timestamp(entry)?;
        self.visit(source, child, narrow(bounds, timestamp))
    }
}
