//! Trees that are cut and put together again.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::{
    mls::{Change, Suite},
    world::{Account, Device, group_of},
};

/// An encoded node with keys of this length: blank for 0, else with content of this number. Even indices are leaves.
fn node(index: usize, content: u8, key: usize) -> Vec<u8> {
    let vector = |len: usize| {
        let mut bytes = Vec::new();
        write_length(&mut bytes, len);
        bytes.resize(bytes.len() + len, content);
        bytes
    };
    if content == 0 {
        return BLANK.to_vec();
    }
    if !index.is_multiple_of(2) {
        return [vec![1, PARENT], vector(key), vector(32), vector(usize::from(content % 9))].concat();
    }
    let source = match content % 3 {
        0 => [vec![1], vec![content; 16]].concat(),
        1 => vec![2],
        _ => [vec![3], vector(32)].concat(),
    };
    let credential = [0xf1c0_u16, BASIC, X509][usize::from(content % 4) % 3].to_be_bytes().to_vec();
    let capabilities = [vector(2), vector(4), vector(0), vector(2), vector(2)].concat();
    let keys = [vector(key), vector(32)].concat();
    [vec![1, LEAF], keys, credential, vector(145), capabilities, source, vector(0), vector(64)].concat()
}

/// An encoded tree with these contents.
pub(crate) fn tree(contents: &[u8]) -> Vec<u8> {
    encoded(contents, 70)
}

/// The same with keys as long as those of the hybrid suite.
pub(crate) fn hybrid_tree(contents: &[u8]) -> Vec<u8> {
    encoded(contents, 1216)
}

/// The same with leaves whose credentials are whole: a leaf names the identity with its content as hash.
pub(crate) fn credentialled(contents: &[u8]) -> Vec<u8> {
    let leaf = |content: u8| {
        let credential = [&[1; 113][..], &[content; 32]].concat();
        let empty = [0; 5];
        [&[1, LEAF, 0, 0, 0xf1, 0xc0, 0x40, 145], &credential[..], &empty, &[2, 0, 0]].concat()
    };
    let nodes = contents.iter().flat_map(|content| if *content == 0 { BLANK.to_vec() } else { leaf(*content) });
    let nodes: Vec<u8> = nodes.collect();
    let mut tree = Vec::new();
    write_length(&mut tree, nodes.len());
    tree.extend(nodes);
    tree
}

fn encoded(contents: &[u8], key: usize) -> Vec<u8> {
    let nodes: Vec<u8> = contents.iter().enumerate().flat_map(|(index, content)| node(index, *content, key)).collect();
    let mut tree = Vec::new();
    write_length(&mut tree, nodes.len());
    tree.extend(nodes);
    tree
}

/// Contents of an array as trees have it: of odd length, and the last one is not blank.
pub(crate) fn contents(most_leaves: usize) -> impl Strategy<Value = Vec<u8>> {
    (1..=most_leaves).prop_flat_map(|leaves| prop::collection::vec(0..5u8, 2 * leaves - 1)).prop_map(|mut contents| {
        if let Some(last) = contents.last_mut() {
            *last = (*last).max(1);
        }
        contents
    })
}

#[test]
fn every_node_is_in_one_piece() {
    for nodes in (1..=255).step_by(2).chain([511, 513, 1999, MAX_NODES]) {
        let mut pieces = BTreeMap::new();
        for slot in Slot::all(nodes) {
            for index in slot.nodes() {
                assert_eq!(pieces.insert(index, slot), None, "node {index} of {nodes}");
            }
        }
        assert!((0..nodes).all(|index| pieces.contains_key(&index)), "{nodes}");
    }
    assert_eq!(Slot::all(0), []);
    assert_eq!(Slot::all(MAX_NODES).len(), 256 + 64 + 16 + 4 + 1);
}

#[test]
fn a_path_to_the_root_touches_one_piece_a_group() {
    let slots = Slot::all(MAX_NODES);
    for leaf in [0u32, 1, 7, 500, 999, 1023] {
        // RFC 9420, appendix C, for a tree of 1,024 leaves.
        let path: Vec<u32> = (0..=10).map(|level| ((leaf >> level) << (level + 1)) + (1 << level) - 1).collect();
        let touched = slots.iter().filter(|slot| slot.nodes().iter().any(|node| path.contains(node)));
        assert_eq!(touched.map(|slot| slot.group).collect::<Vec<_>>(), [0, 1, 2, 3, 4], "leaf {leaf}");
    }
}

#[test]
fn leaves_name_their_identities_by_fours_and_each_once() {
    let digests = |numbers: &[u8]| numbers.iter().map(|number| Digest::new([*number; 32])).collect::<Vec<_>>();
    let tree = credentialled(&[3, 0, 3, 0, 0, 0, 2, 0, 9]);
    assert_eq!(named_identities(&tree), Ok(vec![digests(&[3, 2]), digests(&[9])]));
    assert!(named_identities(&tree[1..]).is_err());
}

#[test]
fn what_is_no_tree_is_refused() {
    let genuine = tree(&[1, 2, 3]);
    assert_eq!(CutTree::count(&genuine), Ok(3));
    assert!(CutTree::cut(&genuine[..genuine.len() - 1]).is_err());
    assert!(CutTree::cut(&[&genuine[..], &[0]].concat()).is_err());
    assert!(CutTree::cut(&[1, 2]).is_err(), "no such option");
    assert!(CutTree::cut(&[2, 1, 9]).is_err(), "no such node");
    let wide = tree(&vec![0; usize::try_from(MAX_NODES).expect("small") + 1]);
    assert!(CutTree::cut(&wide).is_err(), "wider than the largest group");
    assert!(CutTree::cut(&[]).is_err());
}

#[test]
fn pieces_of_another_tree_are_refused() {
    let cut = CutTree::cut(&tree(&[1; 31])).expect("a tree");
    assert_eq!(cut.join(), Ok(tree(&[1; 31])));
    let mut swapped = cut.clone();
    let (first, second) = (swapped.pieces[0].1.clone(), swapped.pieces[1].1.clone());
    (swapped.pieces[0].1, swapped.pieces[1].1) = (second, first);
    assert!(swapped.join().is_err(), "swapped");
    let mut missing = cut.clone();
    missing.pieces.pop();
    assert!(missing.join().is_err(), "one too few");
    assert!(CutTree { nodes: 29, ..cut.clone() }.join().is_err(), "a node behind the end");
    assert!(CutTree { nodes: MAX_NODES + 2, ..cut }.join().is_err(), "too large");
}

#[test]
fn trees_of_groups_are_cut_and_joined_also_when_they_grow_and_shrink() {
    for suite in [Suite::Hybrid, Suite::Classical] {
        let accounts = [Account::new("alice", 1), Account::new("bob", 2), Account::new("carol", 8)];
        let mut devices: Vec<Device> =
            vec![accounts[0].device(0), accounts[1].device(0), accounts[1].device(1), accounts[2].device(0)];
        let all: Vec<&Account> = accounts.iter().collect();
        let mut log = group_of(suite, &all, &mut devices);
        let more = (1..8).map(|index| accounts[2].device(index).key_package(suite)).collect();
        let changes = [
            Change::default(),
            Change { add: more, ..Change::default() },
            Change::default(),
            Change { remove: vec![1, 5], ..Change::default() },
            Change { remove: vec![6, 7, 8, 9, 10], ..Change::default() },
        ];
        for change in changes {
            let (aad, pending) = devices[0].commit(&log, &change);
            let cut = CutTree::cut(&pending.ratchet_tree).expect("a tree");
            assert_eq!(cut.join().as_ref(), Ok(&pending.ratchet_tree));
            log.append_commit(aad, &pending, vec![accounts[2].record()]);
            devices[0].catch_up(&log);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_tree_is_the_same_after_cutting_and_joining(contents in contents(90)) {
        let tree = tree(&contents);
        let cut = CutTree::cut(&tree).expect("a tree");
        prop_assert_eq!(cut.join(), Ok(tree));
    }

    #[test]
    fn any_bytes_are_cut_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(cut) = CutTree::cut(&bytes) {
            prop_assert_eq!(cut.join(), Ok(bytes));
        }
    }
}
