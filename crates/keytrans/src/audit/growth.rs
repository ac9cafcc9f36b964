//! The root of a prefix tree after leaves were added to it, of a proof that they were not there.

use crate::{
    Digest, KeyTransError,
    error::{Part, UpdateProblem},
    proof::{PrefixLeaf, PrefixProof, Terminal},
    value::{prefix_leaf, prefix_parent},
};

/// The greatest depth that a leaf can have.
const MAX_DEPTH: usize = 255;

/// The new root.
///
/// Shape:    leaves in ascending order, and a proof that leads to the old root ([`crate::tree::prefix::root`]) and includes none of them.
/// Errors:   [`KeyTransError::AuditorUpdate`] for leaves that share their first 255 bits; [`KeyTransError::Count`].
pub(super) fn root(entry: u64, added: &[PrefixLeaf], proof: &PrefixProof) -> Result<Digest, KeyTransError> {
    let mut searches = Vec::with_capacity(added.len());
    for (leaf, result) in added.iter().zip(&proof.results) {
        let in_the_way = match result.terminal {
            Terminal::NonInclusionLeaf(there) => Some(there),
            Terminal::NonInclusionParent | Terminal::Inclusion => None,
        };
        searches.push(Search { leaf: *leaf, depth: result.depth.into(), in_the_way });
    }
    Growth { entry, elements: &proof.elements, used: 0 }.node(0, &searches)
}

/// A leaf, and where it met the old tree.
struct Search {
    leaf: PrefixLeaf,
    depth: usize,
    in_the_way: Option<PrefixLeaf>,
}

struct Growth<'a> {
    entry: u64,
    elements: &'a [Digest],
    used: usize,
}

impl Growth<'_> {
    fn node(&mut self, depth: usize, searches: &[Search]) -> Result<Digest, KeyTransError> {
        let Some(first) = searches.first() else { return self.element() };
        if first.depth == depth {
            // All that get here meet the same leaf, or nothing: the proof of the old root says so.
            let mut leaves: Vec<PrefixLeaf> =
                searches.iter().map(|search| search.leaf).chain(first.in_the_way).collect();
            leaves.sort_by_key(|leaf| leaf.vrf_output);
            return self.subtree(depth, &leaves);
        }
        let (left, right) = searches.split_at(searches.partition_point(|search| !search.leaf.vrf_output.bit(depth)));
        let left = self.node(depth + 1, left)?;
        let right = self.node(depth + 1, right)?;
        Ok(prefix_parent(&left, &right))
    }

    /// A part of the tree that consists of these leaves alone.
    fn subtree(&self, depth: usize, leaves: &[PrefixLeaf]) -> Result<Digest, KeyTransError> {
        match leaves {
            [] => Ok(Digest::ZERO),
            [leaf] => Ok(prefix_leaf(&leaf.vrf_output, &leaf.commitment)),
            _ if depth >= MAX_DEPTH => {
                Err(KeyTransError::AuditorUpdate { entry: self.entry, problem: UpdateProblem::Depth })
            }
            leaves => {
                let (left, right) = leaves.split_at(leaves.partition_point(|leaf| !leaf.vrf_output.bit(depth)));
                Ok(prefix_parent(&self.subtree(depth + 1, left)?, &self.subtree(depth + 1, right)?))
            }
        }
    }

    fn element(&mut self) -> Result<Digest, KeyTransError> {
        let element = self.elements.get(self.used).copied();
        self.used += 1;
        let (expected, found) = (self.used, self.elements.len());
        element.ok_or(KeyTransError::Count { part: Part::PrefixElements, expected, found })
    }
}
