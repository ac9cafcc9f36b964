//! The Merkle tree of the companion log: SHA-256, leaves and nodes told apart by a byte (RFC 9162, section 2.1; RFC 6962 alike).
//!
//! A node of level *l* and index *i* covers the leaves from *i*·2^*l* on, 2^*l* of them. Only nodes all of whose leaves are there are kept; whoever keeps
//! them makes proofs by a closure that gives their hashes. A node never changes once it is complete.
//!
//! ```text
//!   level 2        (2,0)                 size 7: the nodes (2,0) (1,2) (0,6) are its compact range
//!   level 1    (1,0)   (1,1)   (1,2)
//!   level 0    0   1   2   3   4   5   6
//! ```

use crate::{Digest, KeyTransError, error::Part};

/// The root of a tree without leaves: SHA-256 of nothing.
pub const EMPTY_ROOT: Digest = Digest([
    0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27, 0xae, 0x41,
    0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
]);

/// The hash of an entry, as a leaf.
#[must_use]
pub fn leaf_hash(entry: &[u8]) -> Digest {
    Digest::of(&[&[0], entry])
}

/// The hash of two nodes, as their parent.
#[must_use]
pub fn node_hash(left: &Digest, right: &Digest) -> Digest {
    Digest::of(&[&[1], &left.0, &right.0])
}

/// Where a node stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId {
    /// Steps above the leaves: 0 to 63.
    pub level: u8,
    /// Its number on that level, from the left.
    pub index: u64,
}

/// The complete subtrees that a log of some size consists of: all that is needed to append and to know the root.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CompactRange {
    size: u64,
    /// From the left, which is from the largest; one for each bit of the size that is set.
    hashes: Vec<Digest>,
}

impl CompactRange {
    /// That of an empty log.
    #[must_use]
    pub const fn new() -> Self {
        Self { size: 0, hashes: Vec::new() }
    }

    /// That of a log whose nodes are kept.
    ///
    /// Errors:   those of `node`.
    pub fn load<E>(size: u64, node: impl FnMut(NodeId) -> Result<Digest, E>) -> Result<Self, E> {
        let hashes = Span { from: 0, to: size }.nodes().into_iter().map(node).collect::<Result<_, _>>()?;
        Ok(Self { size, hashes })
    }

    /// That of a log, of the roots of its complete subtrees from the left.
    ///
    /// Errors:   [`KeyTransError::Count`] if there are not as many as the size has.
    pub fn from_parts(size: u64, hashes: Vec<Digest>) -> Result<Self, KeyTransError> {
        check_count(Part::CompactRange, size.count_ones() as usize, hashes.len())?;
        Ok(Self { size, hashes })
    }

    /// Leaves of the log.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The roots of the complete subtrees, from the left.
    #[must_use]
    pub fn hashes(&self) -> &[Digest] {
        &self.hashes
    }

    /// Appends a leaf, and shows every node that becomes complete, the leaf first: these are to be kept by who makes proofs.
    ///
    /// Errors:   [`KeyTransError::TreeSize`] if the log is full.
    pub fn append(&mut self, leaf: Digest, mut complete: impl FnMut(NodeId, Digest)) -> Result<(), KeyTransError> {
        let after = self.size.checked_add(1).filter(|after| *after <= super::MAX_TREE_SIZE);
        let after = after.ok_or(KeyTransError::TreeSize { least: 0, found: self.size })?;
        let (mut node, mut hash) = (NodeId { level: 0, index: self.size }, leaf);
        complete(node, hash);
        while node.index % 2 == 1 {
            // An odd index has a complete left neighbour, and that is the last of the range.
            let Some(left) = self.hashes.pop() else { break };
            hash = node_hash(&left, &hash);
            node = NodeId { level: node.level + 1, index: node.index / 2 };
            complete(node, hash);
        }
        self.hashes.push(hash);
        self.size = after;
        Ok(())
    }

    /// The root of the log's tree.
    #[must_use]
    pub fn root(&self) -> Digest {
        fold(&self.hashes).unwrap_or(EMPTY_ROOT)
    }
}

/// Makes the proof that leaf number `index` is in the log of `size` leaves: from its sibling up.
///
/// Errors:   [`KeyTransError::TreeSize`] if the log has no such leaf; those of `node`.
pub fn prove_inclusion<E: From<KeyTransError>>(
    index: u64,
    size: u64,
    node: impl FnMut(NodeId) -> Result<Digest, E>,
) -> Result<Vec<Digest>, E> {
    check_index(index, size)?;
    hash_all(&inclusion_spans(index, size), node)
}

/// Verifies that a leaf with this hash is number `index` in the log of `size` leaves with this root.
///
/// Errors:   [`KeyTransError::TreeSize`], [`KeyTransError::Count`], [`KeyTransError::Root`].
/// Source:   RFC 9162, section 2.1.3.2
pub fn verify_inclusion(
    leaf: &Digest,
    index: u64,
    size: u64,
    proof: &[Digest],
    root: &Digest,
) -> Result<(), KeyTransError> {
    check_index(index, size)?;
    let spans = inclusion_spans(index, size);
    check_count(Part::CompanionInclusion, spans.len(), proof.len())?;
    let found = spans.iter().zip(proof).fold(*leaf, |hash, (span, sibling)| {
        if span.to <= index { node_hash(sibling, &hash) } else { node_hash(&hash, sibling) }
    });
    check_root(size, root, found)
}

/// Makes the proof that the log of `size` leaves begins with the log of `old` leaves. It is empty if `old` is 0 or `size`.
///
/// Errors:   [`KeyTransError::TreeSize`] if the old log is the larger one; those of `node`.
/// Source:   RFC 9162, section 2.1.4.1
pub fn prove_consistency<E: From<KeyTransError>>(
    old: u64,
    size: u64,
    node: impl FnMut(NodeId) -> Result<Digest, E>,
) -> Result<Vec<Digest>, E> {
    check_order(old, size)?;
    hash_all(&consistency_spans(old, size), node)
}

/// Verifies that the log of `size` leaves with the root `root` begins with that of `old` leaves with the root `old_root`.
///
/// An empty old log begins every log: then nothing is verified but that its root is that of the empty tree.
///
/// Errors:   [`KeyTransError::TreeSize`], [`KeyTransError::Count`], [`KeyTransError::Root`] with the size whose root is another.
/// Source:   RFC 9162, section 2.1.4.2
pub fn verify_consistency(
    old: u64,
    size: u64,
    proof: &[Digest],
    old_root: &Digest,
    root: &Digest,
) -> Result<(), KeyTransError> {
    check_order(old, size)?;
    let spans = consistency_spans(old, size);
    check_count(Part::CompanionConsistency, spans.len(), proof.len())?;
    if old == 0 {
        return check_root(0, &EMPTY_ROOT, *old_root);
    }
    if old == size {
        return check_root(size, old_root, *root);
    }
    // The first hash is that of the last complete subtree of the old log; if this is the whole old log, it is known and not in the proof.
    let known = old.is_power_of_two().then_some(old_root);
    let mut hashes = known.into_iter().chain(proof);
    let Some(first) = hashes.next() else { return Ok(()) };
    let (mut was, mut is) = (*first, *first);
    let (mut left, mut last) = (old - 1, size - 1);
    let shift = left.trailing_ones();
    left >>= shift;
    last >>= shift;
    for hash in hashes {
        if left % 2 == 1 || left == last {
            was = node_hash(hash, &was);
            is = node_hash(hash, &is);
            // Levels on which the node has no sibling.
            let shift = if left % 2 == 1 { 0 } else { left.trailing_zeros().min(63) };
            left >>= shift;
            last >>= shift;
        } else {
            is = node_hash(&is, hash);
        }
        left >>= 1;
        last >>= 1;
    }
    check_root(old, old_root, was)?;
    check_root(size, root, is)
}

/// Leaves next to each other, one subtree of the log's tree (of whatever size the log had).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    from: u64,
    /// The first that does not belong to it.
    to: u64,
}

impl Span {
    /// The two subtrees below: the left one has the greatest power of two of leaves that is less than all. `None` of a leaf.
    fn split(self) -> Option<(Self, Self)> {
        let last = (self.to - self.from).checked_sub(1)?;
        let middle = self.from + (1 << last.checked_ilog2()?);
        Some((Self { from: self.from, to: middle }, Self { from: middle, to: self.to }))
    }

    /// The complete nodes that it consists of, from the left.
    fn nodes(self) -> Vec<NodeId> {
        let mut nodes = Vec::new();
        let mut from = self.from;
        while let Some(level) = (self.to - from).checked_ilog2() {
            nodes.push(NodeId { level: u8::try_from(level).unwrap_or(u8::MAX), index: from >> level });
            from += 1 << level;
        }
        nodes
    }
}

/// The subtrees next to the way from a leaf to the root, from below.
fn inclusion_spans(index: u64, size: u64) -> Vec<Span> {
    let mut spans = Vec::new();
    let mut at = Span { from: 0, to: size };
    while let Some((left, right)) = at.split() {
        let (down, beside) = if index < left.to { (left, right) } else { (right, left) };
        spans.push(beside);
        at = down;
    }
    spans.reverse();
    spans
}

/// The subtrees of which a consistency proof consists, in its order.
fn consistency_spans(old: u64, size: u64) -> Vec<Span> {
    let mut spans = Vec::new();
    if old == 0 || old == size {
        return spans;
    }
    let mut at = Span { from: 0, to: size };
    while at.to != old {
        let Some((left, right)) = at.split() else { break };
        let (down, beside) = if old <= left.to { (left, right) } else { (right, left) };
        spans.push(beside);
        at = down;
    }
    if at.from != 0 {
        spans.push(at);
    }
    spans.reverse();
    spans
}

fn hash_all<E>(spans: &[Span], mut node: impl FnMut(NodeId) -> Result<Digest, E>) -> Result<Vec<Digest>, E> {
    let mut proof = Vec::new();
    for span in spans {
        let hashes = span.nodes().into_iter().map(&mut node).collect::<Result<Vec<_>, _>>()?;
        proof.extend(fold(&hashes));
    }
    Ok(proof)
}

/// The root of complete subtrees that stand side by side, each smaller than the one before.
fn fold(hashes: &[Digest]) -> Option<Digest> {
    let (last, before) = hashes.split_last()?;
    Some(before.iter().rev().fold(*last, |right, left| node_hash(left, &right)))
}

const fn check_index(index: u64, size: u64) -> Result<(), KeyTransError> {
    if index < size { Ok(()) } else { Err(KeyTransError::TreeSize { least: index.saturating_add(1), found: size }) }
}

const fn check_order(old: u64, size: u64) -> Result<(), KeyTransError> {
    if old <= size { Ok(()) } else { Err(KeyTransError::TreeSize { least: old, found: size }) }
}

const fn check_count(part: Part, expected: usize, found: usize) -> Result<(), KeyTransError> {
    if expected == found { Ok(()) } else { Err(KeyTransError::Count { part, expected, found }) }
}

fn check_root(size: u64, expected: &Digest, found: Digest) -> Result<(), KeyTransError> {
    if *expected == found { Ok(()) } else { Err(KeyTransError::Root { size, expected: *expected, found }) }
}

#[cfg(test)]
mod tests;
