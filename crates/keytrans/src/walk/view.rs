//! Updating a view of the tree (draft section 4.2).

use super::{Source, newer_ancestors};
use crate::tree::implicit;

/// Asks for the times that lead from the newest entry that was known to the newest there is; `known` is the size that was known, or 0.
pub(crate) fn update_view<S: Source>(source: &mut S, known: u64) -> Result<(), S::Error> {
    let size = source.size();
    let Some(last) = known.checked_sub(1) else {
        return implicit::frontier(size).try_for_each(|entry| source.timestamp(entry).map(drop));
    };
    let mut at = last;
    for entry in newer_ancestors(last, size) {
        source.timestamp(entry)?;
        at = entry;
    }
    // From there on it is the frontier.
    while let Some(entry) = implicit::right(at, size) {
        source.timestamp(entry)?;
        at = entry;
    }
    Ok(())
}
