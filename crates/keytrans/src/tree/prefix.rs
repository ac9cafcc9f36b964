//! From searches in a prefix tree to its root (draft sections 3.3 and 11.2).

use crate::{
    Digest, KeyTransError, VrfOutput,
    error::{Part, PrefixProblem},
    proof::{PrefixProof, PrefixSearchResult, Terminal},
    value::{prefix_leaf, prefix_parent},
};

/// A search whose result is to be checked: where it leads, and what must stand there if it is included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lookup {
    /// The place that was looked for.
    pub vrf_output: VrfOutput,
    /// What the leaf commits to; only needed if the result is an inclusion.
    pub commitment: Option<Digest>,
}

/// The root of the prefix tree of a log entry, as the results of these searches and the proof's nodes give it.
///
/// Shape:    one look-up for each of the proof's results, in their order.
/// Errors:   [`KeyTransError::Count`], [`KeyTransError::PrefixProof`]; [`KeyTransError::Commitment`] never, as the caller knows which version it is.
pub fn root(entry: u64, lookups: &[Lookup], proof: &PrefixProof) -> Result<Digest, KeyTransError> {
    if lookups.len() != proof.results.len() {
        let (expected, found) = (lookups.len(), proof.results.len());
        return Err(KeyTransError::Count { part: Part::PrefixResults, expected, found });
    }
    let mut searches: Vec<Search> = Vec::with_capacity(lookups.len());
    for (lookup, result) in lookups.iter().zip(&proof.results) {
        searches.push(Search {
            at: lookup.vrf_output,
            end: End::of(entry, lookup, result)?,
            depth: result.depth.into(),
        });
    }
    searches.sort_by_key(|search| search.at);
    let mut evaluation = Evaluation { entry, elements: &proof.elements, used: 0 };
    let root = evaluation.node(0, &searches)?;
    if evaluation.used == proof.elements.len() { Ok(root) } else { Err(evaluation.wrong_count()) }
}

/// A search and where it ended.
struct Search {
    at: VrfOutput,
    end: End,
    depth: usize,
}

/// What stands where a search ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Leaf { vrf_output: VrfOutput, digest: Digest },
    Nothing,
}

struct Evaluation<'a> {
    entry: u64,
    elements: &'a [Digest],
    used: usize,
}

impl End {
    fn of(entry: u64, lookup: &Lookup, result: &PrefixSearchResult) -> Result<Self, KeyTransError> {
        let impossible = |problem| KeyTransError::PrefixProof { entry, problem };
        // The root is a parent, always: nothing ends at it.
        if result.depth == 0 {
            return Err(impossible(PrefixProblem::Depth));
        }
        Ok(match result.terminal {
            Terminal::Inclusion => {
                let commitment = lookup.commitment.ok_or_else(|| impossible(PrefixProblem::NoCommitment))?;
                Self::Leaf { vrf_output: lookup.vrf_output, digest: prefix_leaf(&lookup.vrf_output, &commitment) }
            }
            Terminal::NonInclusionLeaf(leaf) => {
                let common = lookup.vrf_output.common_prefix(&leaf.vrf_output);
                if leaf.vrf_output == lookup.vrf_output || common < result.depth.into() {
                    return Err(impossible(PrefixProblem::ForeignLeaf));
                }
                Self::Leaf { vrf_output: leaf.vrf_output, digest: prefix_leaf(&leaf.vrf_output, &leaf.commitment) }
            }
            Terminal::NonInclusionParent => Self::Nothing,
        })
    }

    const fn digest(&self) -> Digest {
        match self {
            Self::Leaf { digest, .. } => *digest,
            Self::Nothing => Digest::ZERO,
        }
    }
}

impl Evaluation<'_> {
    /// The hash of the node that all these searches go through, at this depth.
    fn node(&mut self, depth: usize, searches: &[Search]) -> Result<Digest, KeyTransError> {
        let Some(first) = searches.first() else { return self.element() };
        if searches.iter().any(|search| search.depth == depth) {
            return self.terminal(depth, first, searches);
        }
        let right = searches.partition_point(|search| !search.at.bit(depth));
        let (left, right) = searches.split_at(right);
        let left = self.node(depth + 1, left)?;
        let right = self.node(depth + 1, right)?;
        Ok(prefix_parent(&left, &right))
    }

    /// All searches that come to a terminal node end there, at the same one.
    fn terminal(&self, depth: usize, first: &Search, searches: &[Search]) -> Result<Digest, KeyTransError> {
        let is_same = |search: &Search| search.depth == depth && search.end == first.end;
        if searches.iter().all(is_same) { Ok(first.end.digest()) } else { Err(self.impossible(PrefixProblem::Overlap)) }
    }

    fn element(&mut self) -> Result<Digest, KeyTransError> {
        let element = self.elements.get(self.used).copied();
        self.used += 1;
        element.ok_or_else(|| self.wrong_count())
    }

    const fn wrong_count(&self) -> KeyTransError {
        KeyTransError::Count { part: Part::PrefixElements, expected: self.used, found: self.elements.len() }
    }

    const fn impossible(&self, problem: PrefixProblem) -> KeyTransError {
        KeyTransError::PrefixProof { entry: self.entry, problem }
    }
}

#[cfg(test)]
mod tests;
