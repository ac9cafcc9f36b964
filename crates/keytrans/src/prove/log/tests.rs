use std::collections::BTreeMap;

use proptest::{collection::btree_set, prelude::*};

use super::*;
use crate::{
    head::TreeHead,
    prove::{Appended, Child, MemoryStore, PrefixNode, SignedHead},
    tree::log::Nodes,
};

fn entry_at(position: u64) -> Entry {
    Entry { timestamp: 1000 + position, prefix_root: Child { id: 0, digest: PrefixNode::EMPTY.digest() } }
}

/// The tree as its definition has it: left-balanced, split at the largest power of two below its size.
fn naive(first: u64, size: u64) -> Digest {
    if size == 1 {
        return leaf(&entry_at(first));
    }
    let half = size.next_power_of_two() / 2;
    let (left, right) = (naive(first, half), naive(first + half, size - half));
    log_parent((half, &left), (size - half, &right))
}

fn grow(size: u64) -> (MemoryStore, Vec<Digest>) {
    let mut store = MemoryStore::new();
    let mut roots = Vec::new();
    for position in 0..size {
        let grown = append(&store, position, leaf(&entry_at(position))).unwrap();
        roots.push(grown.root);
        let tree_head = TreeHead { tree_size: position + 1, signature: Vec::new() };
        let first = position == 0;
        let appended = Appended {
            position,
            entry: entry_at(position),
            first_node: u64::from(!first),
            nodes: first.then_some(PrefixNode::EMPTY).into_iter().collect(),
            log_nodes: grown.nodes,
            versions: Vec::new(),
            head: SignedHead { tree_head, root: grown.root },
        };
        store.append(&appended).unwrap();
    }
    (store, roots)
}

fn all_nodes(size: u64) -> Vec<Node> {
    let of_level = |level: u8| (0..size >> level).map(move |index| Node { first: index << level, level });
    (0..7).flat_map(of_level).collect()
}

#[test]
fn every_root_and_every_subtree_is_that_of_the_definition() {
    let (store, roots) = grow(70);
    for (size, root) in (1..).zip(&roots) {
        assert_eq!(*root, naive(0, size), "{size}");
        assert_eq!(root_of(size, &subtrees(&store, size).unwrap()), Ok(*root));
    }
    for subtree in all_nodes(70) {
        assert_eq!(node(&store, subtree).unwrap(), naive(subtree.first, subtree.entries()), "{subtree:?}");
    }
    let missing = node(&store, Node { first: 64, level: 3 });
    assert!(matches!(missing, Err(LogError::Missing { what: Row::LogNode, number: 71 })));
    assert!(matches!(
        node(&store, Node { first: 70, level: 0 }),
        Err(LogError::Missing { what: Row::Entry, number: 70 })
    ));
}

#[test]
fn each_subtree_is_written_once_when_it_is_complete() {
    let (mut written, mut expected) = (Vec::new(), 0);
    let (store, _) = grow(70);
    for position in 0..70_u64 {
        let grown = append(&store, position, leaf(&entry_at(position))).unwrap();
        assert!(grown.nodes.iter().all(|(node, _)| node.end() == position + 1 && node.level > 0));
        expected += position.trailing_ones();
        written.extend(grown.nodes.into_iter().map(|(node, _)| node));
    }
    written.sort();
    let mut all: Vec<Node> = all_nodes(70).into_iter().filter(|node| node.level > 0).collect();
    all.sort();
    assert_eq!((written.len(), written), (expected as usize, all));
}

#[test]
fn a_log_that_is_as_it_was_is_accepted_at_every_size() {
    for size in 1..40 {
        let (store, roots) = grow(size);
        let root = roots.last().unwrap();
        assert_eq!(check(&store, size, root).unwrap(), entry_at(size - 1));
        check_all(&store, size, root).unwrap();
        let other = Digest([1; 32]);
        let found = check(&store, size, &other);
        assert!(matches!(found, Err(LogError::KeyTrans(KeyTransError::Root { expected, .. })) if expected == other));
    }
}

#[test]
fn every_change_of_a_node_or_an_entry_is_found() {
    let (store, roots) = grow(23);
    let root = &roots[22];
    for node in all_nodes(23).into_iter().filter(|node| node.level > 0) {
        let mut changed = store.clone();
        changed.replace_log_node(node, Digest([1; 32]));
        assert!(check_all(&changed, 23, root).is_err(), "{node:?}");
        // Full subtrees are read on every opening.
        assert!(!full_subtrees(23).contains(&node) || check(&changed, 23, root).is_err(), "{node:?}");
    }
    for position in 0..23 {
        let mut changed = store.clone();
        changed.replace_entry(position, |entry| entry.timestamp += 1);
        assert!(check_all(&changed, 23, root).is_err(), "{position}");
        let mut changed = store.clone();
        changed.replace_entry(position, |entry| entry.prefix_root.id = 9);
        assert!(check_all(&changed, 23, root).is_err(), "{position}");
    }
    for size in 1..40 {
        let (mut store, roots) = grow(size);
        store.replace_entry(size as usize - 1, |entry| entry.timestamp += 1);
        assert!(check(&store, size, roots.last().unwrap()).is_err(), "{size}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn answers_are_what_verifiers_compute_roots_of(
        size in 1_u64..60,
        known in 0_u64..60,
        also in proptest::option::of(1_u64..60),
        entries in btree_set(0_u64..60, 0..6),
    ) {
        let (store, roots) = grow(60);
        let (known, also) = (known.min(size), also.map(|also| also.min(size)));
        let entries: Vec<u64> = entries.into_iter().filter(|entry| *entry < size).collect();
        let question = Question { size, known, also, entries: &entries };
        let leaves: BTreeMap<u64, Digest> = entries.iter().map(|at| (*at, leaf(&entry_at(*at)))).collect();
        let before = Nodes::of_full_subtrees(known, &subtrees(&store, known).unwrap()).unwrap();
        let nodes = question.compute(&answer(&store, &question).unwrap(), &leaves, &before).unwrap();
        for size in [Some(size), also].into_iter().flatten() {
            let found = root_of(size, &nodes.full_subtrees(size).unwrap());
            prop_assert_eq!(found.as_ref(), Ok(&roots[size as usize - 1]));
        }
    }
}
