//! The prefix trees of all entries in one: each new tree shares with the one before it all nodes that did not change.
//!
//! ```text
//!   entry 0:  (4)               entry 1 inserts c:   (8)        Nodes 5 to 8 are new: c, and what is above it.
//!            ╱   ╲                                  ╱   ╲       A leaf that is pushed down stays the node that it was.
//!          (2)   3:d                              (7)   3:d
//!          ╱ ╲                                    ╱ ╲
//!        0:a 1:b                               (6)  1:b
//!                                              ╱ ╲
//!                                            0:a 5:c
//! ```
//!
//! What a store gives back is hashed and compared with what the node above says, before it gets into a proof or below a new root.

use crate::{
    DecodeError, Digest, VrfOutput,
    proof::{PrefixLeaf, PrefixProof, PrefixSearchResult, Terminal},
    prove::{Child, LogError, PrefixNode, Row, Store},
};

/// The greatest depth that a node can have.
const MAX_DEPTH: usize = 255;
/// Look-ups that one proof can have.
pub(crate) const MAX_LOOKUPS: usize = 255;

/// A new tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grown {
    /// Its root.
    pub root: Child,
    /// New nodes, numbered from the given number on.
    pub nodes: Vec<PrefixNode>,
    /// The numbers of the new leaves, in the order in which they were given.
    pub leaves: Vec<u64>,
}

/// What look-ups in one prefix tree showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Looked {
    /// The proof.
    pub proof: PrefixProof,
    /// The commitments of the places that there are, in the order in which they were asked for.
    pub commitments: Vec<Option<Digest>>,
}

/// Inserts leaves into a tree; without a tree, into the empty one. Each node that changes is hashed and made once.
///
/// Shape:    leaves in ascending order of their places; new nodes are numbered from `next` on.
/// Errors:   [`LogError::Taken`] for a place that is there already, or does not follow the one before; [`LogError::TooDeep`]; [`LogError::Missing`],
///           [`LogError::Changed`], [`LogError::Store`].
pub fn insert<S: Store + ?Sized>(
    store: &S,
    root: Option<Child>,
    next: u64,
    leaves: &[PrefixLeaf],
) -> Result<Grown, LogError> {
    let mut pairs = leaves.iter().zip(leaves.iter().skip(1));
    if let Some((_, second)) = pairs.find(|(first, second)| first.vrf_output >= second.vrf_output) {
        return Err(LogError::Taken { place: second.vrf_output });
    }
    let mut insertion = Insertion { store, next, nodes: Vec::new(), leaves: Vec::with_capacity(leaves.len()) };
    let root = match root {
        Some(root) => insertion.extend_child(root, 0, leaves)?,
        None => insertion.extend_parent(None, None, 0, leaves)?,
    };
    Ok(Grown { root, nodes: insertion.nodes, leaves: insertion.leaves })
}

/// Looks places up in a tree, and proves what it finds; without a tree, in the empty one.
///
/// Shape:    at most 255 places, in any order.
/// Errors:   [`LogError::Twice`]; [`DecodeError::TooLong`]; [`LogError::Missing`], [`LogError::Changed`], [`LogError::Store`].
pub fn look_up<S: Store + ?Sized>(store: &S, root: Option<Child>, places: &[VrfOutput]) -> Result<Looked, LogError> {
    if places.len() > MAX_LOOKUPS {
        return Err(DecodeError::TooLong { limit: MAX_LOOKUPS, found: places.len() }.into());
    }
    let mut searches: Vec<Search> =
        places.iter().zip(0..).map(|(place, asked)| Search { place: *place, asked }).collect();
    searches.sort_by_key(|search| search.place);
    let mut pairs = searches.iter().zip(searches.iter().skip(1));
    if let Some((twice, _)) = pairs.find(|(first, second)| first.place == second.place) {
        return Err(LogError::Twice { place: twice.place });
    }
    let mut proving = Proving { store, found: Vec::with_capacity(places.len()), elements: Vec::new() };
    match root {
        Some(root) => proving.node(Some(root), 0, &searches)?,
        None if searches.is_empty() => proving.elements.push(PrefixNode::EMPTY.digest()),
        None => proving.parent(None, None, 0, &searches)?,
    }
    proving.found.sort_by_key(|found| found.asked);
    Ok(Looked {
        commitments: proving.found.iter().map(|found| found.commitment).collect(),
        proof: PrefixProof {
            results: proving.found.iter().map(|found| found.result).collect(),
            elements: proving.elements,
        },
    })
}

/// Reads a node, and checks that it is the one that is meant.
///
/// Errors:   [`LogError::Missing`], [`LogError::Changed`], [`LogError::Store`].
pub fn read<S: Store + ?Sized>(store: &S, child: Child) -> Result<PrefixNode, LogError> {
    let (what, number) = (Row::PrefixNode, child.id);
    let node = store.prefix_node(child.id).map_err(LogError::Store)?.ok_or(LogError::Missing { what, number })?;
    let found = node.digest();
    if found == child.digest {
        Ok(node)
    } else {
        Err(LogError::Changed { what, number, expected: child.digest, found })
    }
}

struct Insertion<'a, S: ?Sized> {
    store: &'a S,
    next: u64,
    nodes: Vec<PrefixNode>,
    leaves: Vec<u64>,
}

impl<S: Store + ?Sized> Insertion<'_, S> {
    /// What stands below a node's child once these leaves are in it, too.
    fn below(&mut self, child: Option<Child>, depth: usize, leaves: &[PrefixLeaf]) -> Result<Option<Child>, LogError> {
        match (child, leaves) {
            (child, []) => Ok(child),
            (Some(child), leaves) => self.extend_child(child, depth, leaves).map(Some),
            (None, [leaf]) => self.leaf(leaf).map(Some),
            (None, leaves) => self.extend_parent(None, None, depth, leaves).map(Some),
        }
    }

    fn extend_child(&mut self, child: Child, depth: usize, leaves: &[PrefixLeaf]) -> Result<Child, LogError> {
        if leaves.is_empty() {
            return Ok(child);
        }
        match read(self.store, child)? {
            PrefixNode::Parent { left, right } => self.extend_parent(left, right, depth, leaves),
            PrefixNode::Leaf(there) => self.around(child, &there, depth, leaves),
        }
    }

    fn extend_parent(
        &mut self,
        left: Option<Child>,
        right: Option<Child>,
        depth: usize,
        leaves: &[PrefixLeaf],
    ) -> Result<Child, LogError> {
        if let Some(leaf) = leaves.first().filter(|_| depth >= MAX_DEPTH) {
            return Err(LogError::TooDeep { place: leaf.vrf_output });
        }
        let (to_left, to_right) = split(leaves, depth);
        let left = self.below(left, depth + 1, to_left)?;
        let right = self.below(right, depth + 1, to_right)?;
        self.push(PrefixNode::Parent { left, right })
    }

    /// Puts new parents where a leaf stands that is in the way.
    fn around(
        &mut self,
        child: Child,
        there: &PrefixLeaf,
        depth: usize,
        leaves: &[PrefixLeaf],
    ) -> Result<Child, LogError> {
        // At depth 255 only the last bit is left: leaves that get here differ from this one in nothing else, or not at all.
        if let Some(leaf) = leaves.iter().find(|leaf| leaf.vrf_output == there.vrf_output) {
            return Err(LogError::Taken { place: leaf.vrf_output });
        }
        if there.vrf_output.bit(depth) {
            self.extend_parent(None, Some(child), depth, leaves)
        } else {
            self.extend_parent(Some(child), None, depth, leaves)
        }
    }

    fn leaf(&mut self, leaf: &PrefixLeaf) -> Result<Child, LogError> {
        let child = self.push(PrefixNode::Leaf(*leaf))?;
        self.leaves.push(child.id);
        Ok(child)
    }

    fn push(&mut self, node: PrefixNode) -> Result<Child, LogError> {
        let id = self.next;
        self.next = id.checked_add(1).ok_or(LogError::Full)?;
        let digest = node.digest();
        self.nodes.push(node);
        Ok(Child { id, digest })
    }
}

#[derive(Clone, Copy)]
struct Search {
    place: VrfOutput,
    asked: usize,
}

struct Found {
    asked: usize,
    result: PrefixSearchResult,
    commitment: Option<Digest>,
}

struct Proving<'a, S: ?Sized> {
    store: &'a S,
    found: Vec<Found>,
    elements: Vec<Digest>,
}

impl<S: Store + ?Sized> Proving<'_, S> {
    fn node(&mut self, child: Option<Child>, depth: u8, searches: &[Search]) -> Result<(), LogError> {
        if searches.is_empty() {
            self.elements.push(child.map_or(Digest::ZERO, |child| child.digest));
            return Ok(());
        }
        let Some(child) = child else {
            self.end(searches, depth, None);
            return Ok(());
        };
        match read(self.store, child)? {
            PrefixNode::Leaf(leaf) => self.end(searches, depth, Some(leaf)),
            PrefixNode::Parent { left, right } => self.parent(left, right, depth, searches)?,
        }
        Ok(())
    }

    fn parent(
        &mut self,
        left: Option<Child>,
        right: Option<Child>,
        depth: u8,
        searches: &[Search],
    ) -> Result<(), LogError> {
        let at = searches.partition_point(|search| !search.place.bit(depth.into()));
        let (to_left, to_right) = searches.split_at(at);
        // No parent was ever made deeper than 254, and its hash was compared.
        let below = depth.saturating_add(1);
        self.node(left, below, to_left)?;
        self.node(right, below, to_right)
    }

    fn end(&mut self, searches: &[Search], depth: u8, leaf: Option<PrefixLeaf>) {
        self.found.extend(searches.iter().map(|search| {
            let (terminal, commitment) = match leaf {
                None => (Terminal::NonInclusionParent, None),
                Some(leaf) if leaf.vrf_output == search.place => (Terminal::Inclusion, Some(leaf.commitment)),
                Some(leaf) => (Terminal::NonInclusionLeaf(leaf), None),
            };
            Found { asked: search.asked, result: PrefixSearchResult { terminal, depth }, commitment }
        }));
    }
}

/// Those that go on with a 0 at this depth, and those that go on with a 1.
fn split(leaves: &[PrefixLeaf], depth: usize) -> (&[PrefixLeaf], &[PrefixLeaf]) {
    leaves.split_at(leaves.partition_point(|leaf| !leaf.vrf_output.bit(depth)))
}

#[cfg(test)]
mod tests;
