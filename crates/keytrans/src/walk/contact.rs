//! Monitoring of labels that were looked up (draft section 8.2).

use std::collections::BTreeMap;

use super::{Source, is_distinguished, ladder::all_included, newer_ancestors};
use crate::{KeyTransError, message::ContactMap, tree::ladder};

/// Follows each version of the map to the newest entry that must have it, or to a distinguished one; the map afterwards.
///
/// `owner_start` is where an owner's own walk of the same response begins, if there is one.
pub(crate) fn contact<S: Source>(
    source: &mut S,
    map: &ContactMap,
    owner_start: Option<u64>,
) -> Result<ContactMap, S::Error> {
    let mut monitored: Vec<(u64, u32)> = Vec::new();
    // The version that the ladder of an entry was for.
    let mut provided: BTreeMap<u64, u32> = BTreeMap::new();
    for (position, version) in map.iter().rev() {
        if let Some(position) = follow(source, *position, *version, owner_start, &mut provided)? {
            monitored.push((position, *version));
        }
    }
    let mut left = ContactMap::new();
    for (position, version) in monitored {
        if !is_distinguished(source, position)? {
            watch(&mut left, position, version);
        }
    }
    Ok(left)
}

/// Adds a version to a map. What a greater version says that is monitored from an older entry on is not monitored twice, so versions ascend as positions do
/// (docs/key-transparency.md, rule 17).
pub(crate) fn watch(map: &mut ContactMap, position: u64, version: u32) {
    if map.range(..=position).any(|(_, other)| *other >= version) {
        return;
    }
    map.retain(|other, lesser| *other < position || *lesser > version);
    map.insert(position, version);
}

/// Where a version is monitored from now on; `None` if a greater one is monitored on its way.
fn follow<S: Source>(
    source: &mut S,
    position: u64,
    version: u32,
    owner_start: Option<u64>,
    provided: &mut BTreeMap<u64, u32>,
) -> Result<Option<u64>, S::Error> {
    if is_distinguished(source, position)? {
        return Ok(Some(position));
    }
    let mut at = position;
    for entry in to_inspect(source, position, owner_start)? {
        match provided.get(&entry) {
            Some(greater) if *greater > version => return Ok(None),
            Some(other) => return Err(KeyTransError::VersionOrder { most: *other, found: version }.into()),
            None => {}
        }
        all_included(source, entry, &ladder::monitoring(version))?;
        provided.insert(entry, version);
        at = entry;
    }
    Ok(Some(at))
}

/// The newer ancestors up to the first distinguished one, without that if an owner's walk inspects it anyway.
fn to_inspect<S: Source>(source: &mut S, position: u64, owner_start: Option<u64>) -> Result<Vec<u64>, S::Error> {
    let mut entries = Vec::new();
    for entry in newer_ancestors(position, source.size()) {
        let is_last = is_distinguished(source, entry)?;
        if !is_last || owner_start.is_none_or(|start| position < start) {
            entries.push(entry);
        }
        if is_last {
            break;
        }
    }
    Ok(entries)
}
