//! The log tree: which of its nodes a batch of proofs consists of, and how a root follows from them (draft sections 3.2 and 11.1).
//!
//! Only heads of balanced subtrees are ever given, so a node is a first entry and a level. What stands for an unbalanced subtree
//! follows from the balanced ones that it consists of.
//!
//! ```text
//!   6 entries, proof of entry 2, head of 5 entries known before: the node (4,0) is known, (0,1) (3,0) (5,0) are given;
//!   (0,2) follows from them, and must be what was known.
//! ```

use std::collections::BTreeMap;

use crate::{Digest, KeyTransError, error::Part, value::log_parent};

/// A balanced subtree: its first entry, and the power of two of entries that it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Node {
    /// The first entry; a multiple of `2^level`.
    pub first: u64,
    /// The number of entries is `2^level`.
    pub level: u8,
}

/// What a verifier knows and wants to know: all that decides which nodes it must be given.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// Entries in the log now.
    pub size: u64,
    /// Entries when it was seen last, whose full subtrees are known; 0 if never.
    pub known: u64,
    /// Another size whose root must follow, too: that of an auditor's head.
    pub also: Option<u64>,
    /// The entries whose hashes follow from the rest of the proof, ascending.
    pub entries: &'a [u64],
}

/// Hashes of nodes that are known or follow.
#[derive(Debug, Clone, Default)]
pub struct Nodes(BTreeMap<Node, Digest>);

/// Full subtrees of a log of `size` entries, from left to right: one for each bit of the size.
#[must_use]
pub fn full_subtrees(size: u64) -> Vec<Node> {
    let mut first = 0;
    let levels = (0_u8..64).rev().filter(|level| size >> level & 1 == 1);
    levels
        .map(|level| {
            let node = Node { first, level };
            first += node.entries();
            node
        })
        .collect()
}

/// The root of a log of `size` entries, of the hashes of its full subtrees.
///
/// Shape:    as many hashes as the size has bits set, from left to right.
/// Errors:   [`KeyTransError::Count`].
pub fn root_of(size: u64, subtrees: &[Digest]) -> Result<Digest, KeyTransError> {
    let nodes = full_subtrees(size);
    let wrong = KeyTransError::Count { part: Part::FullSubtrees, expected: nodes.len(), found: subtrees.len() };
    if nodes.len() != subtrees.len() {
        return Err(wrong);
    }
    let mut parts = nodes.iter().map(Node::entries).zip(subtrees.iter().copied()).rev();
    let last = parts.next().ok_or(wrong)?;
    let (_, root) =
        parts.fold(last, |right, left| (left.0 + right.0, log_parent((left.0, &left.1), (right.0, &right.1))));
    Ok(root)
}

impl Node {
    /// How many entries it has.
    #[must_use]
    pub const fn entries(&self) -> u64 {
        1 << self.level
    }

    /// The entry after its last one.
    #[must_use]
    pub const fn end(&self) -> u64 {
        self.first + self.entries()
    }

    /// Its halves; `None` for a single entry.
    #[must_use]
    pub const fn halves(&self) -> Option<(Self, Self)> {
        if self.level == 0 {
            return None;
        }
        let level = self.level - 1;
        Some((Self { first: self.first, level }, Self { first: self.first + (1 << level), level }))
    }

    /// Whether a log of so many entries ends within it.
    const fn is_cut_by(&self, size: u64) -> bool {
        self.first < size && size < self.end()
    }
}

impl Question<'_> {
    /// The nodes that a verifier must be given, from left to right.
    #[must_use]
    pub fn given(&self) -> Vec<Node> {
        let mut given = Vec::new();
        for node in full_subtrees(self.size) {
            self.collect(node, &mut given);
        }
        given
    }

    fn collect(&self, node: Node, given: &mut Vec<Node>) {
        match self.of(node) {
            Kind::Known | Kind::Entry => {}
            Kind::Given => given.push(node),
            Kind::Computed(left, right) => {
                self.collect(left, given);
                self.collect(right, given);
            }
        }
    }

    fn of(&self, node: Node) -> Kind {
        let from = self.entries.partition_point(|entry| *entry < node.first);
        let has_entry = self.entries.get(from).is_some_and(|entry| *entry < node.end());
        let is_cut = node.is_cut_by(self.known) || self.also.is_some_and(|size| node.is_cut_by(size));
        match node.halves() {
            None if has_entry => Kind::Entry,
            Some((left, right)) if has_entry || is_cut => Kind::Computed(left, right),
            None | Some(_) if self.knows(node) => Kind::Known,
            None | Some(_) => Kind::Given,
        }
    }

    /// Whether it is one of the full subtrees of the log as it was known.
    const fn knows(&self, node: Node) -> bool {
        // The full subtree that ends at `end` is the one of the lowest bit that is set in it, among those the known size has.
        node.end() <= self.known
            && self.known >> node.level & 1 == 1
            && self.known >> node.level << node.level == node.end()
    }

    /// Computes all that follows from a proof, the hashes of entries and what was known.
    ///
    /// Errors:   [`KeyTransError::Count`] if the proof has too few or too many elements; [`KeyTransError::Forked`] if a subtree that was known
    ///           is another one now.
    pub fn compute(
        &self,
        elements: &[Digest],
        entries: &BTreeMap<u64, Digest>,
        known: &Nodes,
    ) -> Result<Nodes, KeyTransError> {
        let mut elements = Elements { all: elements, used: 0 };
        let mut nodes = Nodes::default();
        for node in full_subtrees(self.size) {
            self.evaluate(node, &mut elements, entries, known, &mut nodes)?;
        }
        if elements.used == elements.all.len() { Ok(nodes) } else { Err(elements.wrong()) }
    }

    fn evaluate(
        &self,
        node: Node,
        elements: &mut Elements<'_>,
        entries: &BTreeMap<u64, Digest>,
        known: &Nodes,
        nodes: &mut Nodes,
    ) -> Result<Digest, KeyTransError> {
        let missing = KeyTransError::Count { part: Part::FullSubtrees, expected: 1, found: 0 };
        let digest = match self.of(node) {
            Kind::Entry => entries.get(&node.first).copied().ok_or(missing)?,
            Kind::Known => known.get(node).ok_or(missing)?,
            Kind::Given => elements.next()?,
            Kind::Computed(left, right) => {
                let half = left.entries();
                let left = self.evaluate(left, elements, entries, known, nodes)?;
                let right = self.evaluate(right, elements, entries, known, nodes)?;
                log_parent((half, &left), (half, &right))
            }
        };
        // What was known and follows from elsewhere, too, must be the same: otherwise what was known would not count.
        if let Some(expected) = known.get(node).filter(|expected| *expected != digest) {
            let (first, last) = (node.first, node.end() - 1);
            return Err(KeyTransError::Forked { first, last, expected, found: digest });
        }
        nodes.0.insert(node, digest);
        Ok(digest)
    }
}

impl Nodes {
    /// The full subtrees of a log of `size` entries, of their hashes.
    ///
    /// Errors:   [`KeyTransError::Count`].
    pub fn of_full_subtrees(size: u64, subtrees: &[Digest]) -> Result<Self, KeyTransError> {
        let nodes = full_subtrees(size);
        if nodes.len() == subtrees.len() {
            Ok(Self(nodes.into_iter().zip(subtrees.iter().copied()).collect()))
        } else {
            Err(KeyTransError::Count { part: Part::FullSubtrees, expected: nodes.len(), found: subtrees.len() })
        }
    }

    /// The hash of a node.
    #[must_use]
    pub fn get(&self, node: Node) -> Option<Digest> {
        self.0.get(&node).copied()
    }

    /// The hashes of the full subtrees of a log of `size` entries, if all are here.
    #[must_use]
    pub fn full_subtrees(&self, size: u64) -> Option<Vec<Digest>> {
        full_subtrees(size).into_iter().map(|node| self.get(node)).collect()
    }
}

/// Where the hash of a node comes from.
enum Kind {
    /// From before.
    Known,
    /// It is an entry that the rest of the proof gives.
    Entry,
    /// From the proof.
    Given,
    /// From its halves.
    Computed(Node, Node),
}

/// The elements of a proof, as they are used.
struct Elements<'a> {
    all: &'a [Digest],
    used: usize,
}

impl Elements<'_> {
    fn next(&mut self) -> Result<Digest, KeyTransError> {
        let next = self.all.get(self.used).copied();
        self.used += 1;
        next.ok_or_else(|| self.wrong())
    }

    const fn wrong(&self) -> KeyTransError {
        KeyTransError::Count { part: Part::Inclusion, expected: self.used, found: self.all.len() }
    }
}

#[cfg(test)]
mod tests;
