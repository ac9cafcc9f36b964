//! The log tree over the stored entries: only heads of balanced subtrees of two entries and more are kept, a single one's hash follows from its entry.

use crate::{
    Digest, KeyTransError,
    error::PositionNeed,
    prove::{Entry, LogError, Row, Store, prefix},
    tree::log::{Node, Question, full_subtrees, root_of},
    value::{log_leaf, log_parent},
};

/// What a new entry changes in the log tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grown {
    /// Balanced subtrees of two entries and more that it completes, the smallest first.
    pub nodes: Vec<(Node, Digest)>,
    /// The new root.
    pub root: Digest,
}

/// Appends an entry of this hash to a log of `size` entries.
///
/// Errors:   [`LogError::Missing`], [`LogError::Store`].
pub fn append<S: Store + ?Sized>(store: &S, size: u64, leaf: Digest) -> Result<Grown, LogError> {
    let new_size = size.checked_add(1).ok_or(LogError::Full)?;
    let mut subtrees = subtrees(store, size)?;
    let mut digest = leaf;
    let mut nodes = Vec::new();
    for level in 1..=u8::try_from(size.trailing_ones()).unwrap_or(u8::MAX) {
        let Some(left) = subtrees.pop() else { break };
        let half = 1 << (level - 1);
        digest = log_parent((half, &left), (half, &digest));
        nodes.push((Node { first: new_size - 2 * half, level }, digest));
    }
    subtrees.push(digest);
    Ok(Grown { nodes, root: root_of(new_size, &subtrees)? })
}

/// The hashes of the full subtrees of the first `size` entries, from left to right.
///
/// Errors:   [`LogError::Missing`], [`LogError::Store`].
pub fn subtrees<S: Store + ?Sized>(store: &S, size: u64) -> Result<Vec<Digest>, LogError> {
    full_subtrees(size).into_iter().map(|subtree| node(store, subtree)).collect()
}

/// The nodes that answer a question, from left to right: `InclusionProof.elements`.
///
/// Errors:   [`LogError::Missing`], [`LogError::Store`].
pub fn answer<S: Store + ?Sized>(store: &S, question: &Question<'_>) -> Result<Vec<Digest>, LogError> {
    question.given().into_iter().map(|given| node(store, given)).collect()
}

/// The hash of a balanced subtree.
///
/// Errors:   [`LogError::Missing`], [`LogError::Store`].
pub fn node<S: Store + ?Sized>(store: &S, node: Node) -> Result<Digest, LogError> {
    if node.level == 0 {
        return Ok(leaf(&entry(store, node.first)?));
    }
    let missing = LogError::Missing { what: Row::LogNode, number: node.end() - 1 };
    store.log_node(node).map_err(LogError::Store)?.ok_or(missing)
}

/// An entry that must be there.
///
/// Errors:   [`LogError::Missing`], [`LogError::Store`].
pub fn entry<S: Store + ?Sized>(store: &S, position: u64) -> Result<Entry, LogError> {
    let missing = LogError::Missing { what: Row::Entry, number: position };
    store.entry(position).map_err(LogError::Store)?.ok_or(missing)
}

/// The hash of an entry.
#[must_use]
pub fn leaf(entry: &Entry) -> Digest {
    log_leaf(entry.timestamp, &entry.prefix_root.digest)
}

/// Compares the stored data of the newest entry with a root that was signed: the root must follow from the full subtrees, the last one of them from the
/// nodes on the way down to the newest entry, and that entry's prefix tree must be there.
///
/// Errors:   [`KeyTransError::Root`], [`LogError::Changed`], [`LogError::Unsigned`], [`LogError::Missing`], [`LogError::Store`].
pub fn check<S: Store + ?Sized>(store: &S, size: u64, root: &Digest) -> Result<Entry, LogError> {
    let found = root_of(size, &subtrees(store, size)?)?;
    if found != *root {
        return Err(KeyTransError::Root { size, expected: *root, found }.into());
    }
    if store.entry(size).map_err(LogError::Store)?.is_some() {
        return Err(LogError::Unsigned { what: Row::Entry, number: size });
    }
    let mut next = full_subtrees(size).pop();
    while let Some(subtree) = next {
        next = check_node(store, subtree)?;
    }
    let newest = entry(store, size.checked_sub(1).ok_or(LogError::Missing { what: Row::Entry, number: 0 })?)?;
    prefix::read(store, newest.prefix_root)?;
    Ok(newest)
}

/// Compares everything that is stored with the root that was signed: every entry, every node of the log tree, and the root of every prefix tree.
///
/// Errors:   those of [`check`].
pub fn check_all<S: Store + ?Sized>(store: &S, size: u64, root: &Digest) -> Result<(), LogError> {
    check(store, size, root)?;
    let mut left = full_subtrees(size);
    while let Some(subtree) = left.pop() {
        if let Some(right) = check_node(store, subtree)? {
            left.extend([Node { first: subtree.first, level: right.level }, right]);
        }
    }
    (0..size).try_for_each(|position| prefix::read(store, entry(store, position)?.prefix_root).map(drop))
}

/// Compares a subtree with its halves, and gives the right one.
fn check_node<S: Store + ?Sized>(store: &S, subtree: Node) -> Result<Option<Node>, LogError> {
    let Some((left, right)) = subtree.halves() else { return Ok(None) };
    let expected = node(store, subtree)?;
    let found = log_parent((left.entries(), &node(store, left)?), (right.entries(), &node(store, right)?));
    if found == expected {
        Ok(Some(right))
    } else {
        Err(LogError::Changed { what: Row::LogNode, number: subtree.end() - 1, expected, found })
    }
}

/// The error unless an entry is in a log of this size.
pub(crate) const fn within(position: u64, size: u64) -> Result<(), KeyTransError> {
    if position < size { Ok(()) } else { Err(KeyTransError::Position { entry: position, needs: PositionNeed::InLog }) }
}

#[cfg(test)]
mod tests;
