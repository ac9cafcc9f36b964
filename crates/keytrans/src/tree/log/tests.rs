use proptest::{collection::btree_set, prelude::*};

use super::*;
use crate::value::log_leaf;

fn leaf(entry: u64) -> Digest {
    log_leaf(entry, &Digest::ZERO)
}

/// The tree as its definition has it: left-balanced, split at the largest power of two below its size.
fn naive(first: u64, size: u64) -> Digest {
    if size == 1 {
        return leaf(first);
    }
    let mut half = 1;
    while half * 2 < size {
        half *= 2;
    }
    let (left, right) = (naive(first, half), naive(first + half, size - half));
    log_parent((half, &left), (size - half, &right))
}

fn subtrees(size: u64) -> Vec<Digest> {
    full_subtrees(size).into_iter().map(|node| naive(node.first, node.entries())).collect()
}

fn answer(question: &Question<'_>) -> Vec<Digest> {
    question.given().into_iter().map(|node| naive(node.first, node.entries())).collect()
}

fn leaves(entries: &[u64]) -> BTreeMap<u64, Digest> {
    entries.iter().map(|entry| (*entry, leaf(*entry))).collect()
}

#[test]
fn the_root_follows_from_the_full_subtrees() {
    for size in 1..200 {
        assert_eq!(root_of(size, &subtrees(size)), Ok(naive(0, size)), "{size}");
    }
    assert!(root_of(0, &[]).is_err() && root_of(3, &subtrees(2)).is_err());
}

#[test]
fn the_worked_example_gives_the_nodes_that_it_names() {
    let question = Question { size: 13, known: 4, also: None, entries: &[7, 11, 12] };
    let named = [(4, 1), (6, 0), (8, 1), (10, 0)].map(|(first, level)| Node { first, level });
    assert_eq!(question.given(), named);
}

#[test]
fn the_figures_of_the_draft_are_met() {
    let inclusion = Question { size: 6, known: 0, also: None, entries: &[2] };
    assert_eq!(inclusion.given(), [(0, 1), (3, 0), (4, 1)].map(|(first, level)| Node { first, level }));
    let consistency = Question { size: 7, known: 5, also: None, entries: &[] };
    assert_eq!(consistency.given(), [(5, 0), (6, 0)].map(|(first, level)| Node { first, level }));
}

#[test]
fn a_subtree_that_was_known_cannot_be_exchanged_by_an_inclusion_proof() {
    // Entry 1 is within what was known: its proof alone gives the head of entries 0 to 3.
    let question = Question { size: 4, known: 4, also: None, entries: &[1] };
    let other = Digest([9; 32]);
    let known = Nodes::of_full_subtrees(4, &subtrees(4)).unwrap();
    assert!(question.compute(&answer(&question), &leaves(&[1]), &known).is_ok());
    let mut elements = answer(&question);
    elements[0] = other;
    let found = question.compute(&elements, &leaves(&[1]), &known);
    assert!(matches!(found, Err(KeyTransError::Forked { first: 0, last: 3, .. })), "{found:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_question_is_answered_by_its_nodes_and_by_nothing_less(
        size in 1_u64..80,
        known in 0_u64..80,
        also in proptest::option::of(1_u64..80),
        entries in btree_set(0_u64..80, 0..6),
        spoilt in any::<prop::sample::Index>(),
    ) {
        let (known, also) = (known.min(size), also.map(|also| also.min(size)));
        let entries: Vec<u64> = entries.into_iter().filter(|entry| *entry < size).collect();
        let question = Question { size, known, also, entries: &entries };
        let before = Nodes::of_full_subtrees(known, &subtrees(known)).unwrap();
        let elements = answer(&question);
        let nodes = question.compute(&elements, &leaves(&entries), &before).unwrap();
        prop_assert_eq!(nodes.full_subtrees(size).unwrap(), subtrees(size));
        if let Some(also) = also {
            prop_assert_eq!(nodes.full_subtrees(also).unwrap(), subtrees(also));
        }
        for (node, digest) in &nodes.0 {
            prop_assert_eq!(*digest, naive(node.first, node.entries()));
        }
        if !elements.is_empty() {
            let at = spoilt.index(elements.len());
            let mut shorter = elements.clone();
            shorter.remove(at);
            prop_assert!(question.compute(&shorter, &leaves(&entries), &before).is_err());
            let mut longer = elements.clone();
            longer.insert(at, Digest::ZERO);
            prop_assert!(question.compute(&longer, &leaves(&entries), &before).is_err());
            let mut other = elements;
            other[at].0[0] ^= 1;
            let found = question.compute(&other, &leaves(&entries), &before);
            prop_assert!(found.is_err() || found.unwrap().full_subtrees(size).unwrap() != subtrees(size));
        }
        // Nothing can be left out: no node that is given follows from the others.
        for node in question.given() {
            let inside = |other: &Node| other.first <= node.first && node.end() <= other.end();
            prop_assert!(!full_subtrees(known).iter().any(|other| inside(other) && !entries.iter().any(|entry| (other.first..other.end()).contains(entry)) && also.is_none()));
        }
    }
}
