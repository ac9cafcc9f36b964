use std::collections::{BTreeMap, BTreeSet};

use proptest::{collection::vec, prelude::*, sample::Index};

use super::*;
use crate::{
    error::PrefixProblem,
    head::TreeHead,
    prove::{Appended, Entry, MemoryStore, SignedHead},
    tree::prefix::{Lookup, root},
    value::{prefix_leaf, prefix_parent},
};

/// Something at each place, ascending.
type At<T> = Vec<(VrfOutput, T)>;
type Leaves = BTreeMap<VrfOutput, Digest>;

/// The tree as its definition has it.
fn naive(depth: usize, leaves: &[(VrfOutput, Digest)]) -> Digest {
    match leaves {
        [] if depth > 0 => Digest::ZERO,
        [(place, commitment)] if depth > 0 => prefix_leaf(place, commitment),
        leaves => {
            let (left, right) = naive_split(depth, leaves);
            prefix_parent(&naive(depth + 1, &left), &naive(depth + 1, &right))
        }
    }
}

fn naive_split<T: Copy>(depth: usize, leaves: &[(VrfOutput, T)]) -> (At<T>, At<T>) {
    leaves.iter().copied().partition(|(place, _)| !place.bit(depth))
}

/// The nodes that no search reaches, from left to right, as their definition has it.
fn naive_elements(
    depth: usize,
    leaves: &[(VrfOutput, Digest)],
    places: &[(VrfOutput, ())],
    elements: &mut Vec<Digest>,
) {
    if places.is_empty() {
        return elements.push(naive(depth, leaves));
    }
    if depth > 0 && leaves.len() < 2 {
        return;
    }
    let (left, right) = naive_split(depth, leaves);
    let (to_left, to_right) = naive_split(depth, places);
    naive_elements(depth + 1, &left, &to_left, elements);
    naive_elements(depth + 1, &right, &to_right, elements);
}

/// How many nodes of the tree lie on the way to one of these places.
fn naive_touched(depth: usize, leaves: &[(VrfOutput, Digest)], new: &BTreeSet<VrfOutput>) -> usize {
    let touched = leaves.iter().any(|(place, _)| new.contains(place));
    match leaves {
        _ if !touched => 0,
        [_] if depth > 0 => 1,
        leaves => {
            let (left, right) = naive_split(depth, leaves);
            1 + naive_touched(depth + 1, &left, new) + naive_touched(depth + 1, &right, new)
        }
    }
}

fn list(leaves: &Leaves) -> Vec<(VrfOutput, Digest)> {
    leaves.iter().map(|(place, commitment)| (*place, *commitment)).collect()
}

fn leaf(place: VrfOutput) -> PrefixLeaf {
    PrefixLeaf { vrf_output: place, commitment: Digest::of(&[b"commitment", &place.0]) }
}

/// Keeps a new tree as that of the next entry.
fn keep(store: &mut MemoryStore, grown: &Grown, first_node: u64) -> Entry {
    let position = (0..).find(|position| store.entry(*position).unwrap().is_none()).unwrap();
    let entry = Entry { timestamp: 0, prefix_root: grown.root };
    let head =
        SignedHead { tree_head: TreeHead { tree_size: position + 1, signature: Vec::new() }, root: Digest::ZERO };
    let nodes = grown.nodes.clone();
    let (log_nodes, versions) = (Vec::new(), Vec::new());
    store.append(&Appended { position, entry, first_node, nodes, log_nodes, versions, head }).unwrap();
    entry
}

fn add(store: &mut MemoryStore, last: Option<Entry>, places: &[VrfOutput]) -> Result<(Entry, Grown), LogError> {
    let next = last.map_or(0, |entry| entry.prefix_root.id + 1);
    let leaves: Vec<PrefixLeaf> = places.iter().copied().map(leaf).collect();
    let grown = insert(store, last.map(|entry| entry.prefix_root), next, &leaves)?;
    Ok((keep(store, &grown, next), grown))
}

/// Places that often share long prefixes, but never 255 bits.
fn place() -> impl Strategy<Value = VrfOutput> {
    let bytes = || prop::sample::select(vec![0_u8, 1, 0x80, 0xc0]);
    (bytes(), bytes(), any::<bool>(), 0_u8..4).prop_map(|(first, second, far, last)| {
        let mut place = VrfOutput([0; 32]);
        place.0[0] = first;
        place.0[if far { 30 } else { 1 }] = second;
        place.0[31] = last << 1;
        place
    })
}

fn batches() -> impl Strategy<Value = Vec<BTreeSet<VrfOutput>>> {
    vec(prop::collection::btree_set(place(), 0..12), 1..8).prop_map(|mut batches| {
        let mut seen = BTreeSet::new();
        for batch in &mut batches {
            batch.retain(|place| seen.insert(*place));
        }
        batches
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_batch_gives_the_tree_of_the_definition_and_writes_each_touched_node_once(batches in batches()) {
        let (mut store, mut last, mut leaves) = (MemoryStore::new(), None, Leaves::new());
        for batch in &batches {
            let places: Vec<VrfOutput> = batch.iter().copied().collect();
            let (entry, grown) = add(&mut store, last, &places).unwrap();
            leaves.extend(places.iter().map(|place| (*place, leaf(*place).commitment)));
            prop_assert_eq!(entry.prefix_root.digest, naive(0, &list(&leaves)));
            let first = u64::from(last.is_none() && batch.is_empty());
            prop_assert_eq!(grown.nodes.len() as u64, naive_touched(0, &list(&leaves), batch) as u64 + first);
            for (place, id) in places.iter().zip(&grown.leaves) {
                prop_assert_eq!(store.prefix_node(*id).unwrap(), Some(PrefixNode::Leaf(leaf(*place))));
            }
            last = Some(entry);
        }
    }

    #[test]
    fn look_ups_in_any_old_tree_prove_its_root_with_the_fewest_nodes(
        batches in batches(),
        looked in vec((any::<Index>(), prop::collection::hash_set(place(), 0..12)), 1..6),
    ) {
        let (mut store, mut last) = (MemoryStore::new(), None);
        let (mut leaves, mut states) = (Leaves::new(), Vec::new());
        for batch in &batches {
            let places: Vec<VrfOutput> = batch.iter().copied().collect();
            last = Some(add(&mut store, last, &places).unwrap().0);
            leaves.extend(places.iter().map(|place| (*place, leaf(*place).commitment)));
            states.push((last.unwrap(), leaves.clone()));
        }
        for (at, places) in looked {
            let (entry, leaves) = at.get(&states);
            // A hash set is in no order.
            let places: Vec<VrfOutput> = places.into_iter().collect();
            let found = look_up(&store, Some(entry.prefix_root), &places).unwrap();
            let expected: Vec<Option<Digest>> = places.iter().map(|place| leaves.get(place).copied()).collect();
            prop_assert_eq!(&found.commitments, &expected);
            let lookups = places.iter().zip(&expected);
            let lookups: Vec<Lookup> = lookups.map(|(place, commitment)| Lookup { vrf_output: *place, commitment: *commitment }).collect();
            prop_assert_eq!(root(0, &lookups, &found.proof), Ok(entry.prefix_root.digest));
            let mut sorted: Vec<(VrfOutput, ())> = places.iter().map(|place| (*place, ())).collect();
            sorted.sort();
            let mut elements = Vec::new();
            naive_elements(0, &list(leaves), &sorted, &mut elements);
            prop_assert_eq!(&found.proof.elements, &elements);
            for (result, expected) in found.proof.results.iter().zip(&expected) {
                prop_assert_eq!(result.terminal == Terminal::Inclusion, expected.is_some());
            }
        }
    }

    #[test]
    fn one_batch_and_many_give_the_same_root(batches in batches()) {
        let (mut store, mut last) = (MemoryStore::new(), None);
        for batch in &batches {
            let places: Vec<VrfOutput> = batch.iter().copied().collect();
            last = Some(add(&mut store, last, &places).unwrap().0);
        }
        let all: BTreeSet<VrfOutput> = batches.into_iter().flatten().collect();
        let all: Vec<VrfOutput> = all.into_iter().collect();
        let (entry, _) = add(&mut MemoryStore::new(), None, &all).unwrap();
        prop_assert_eq!(entry.prefix_root.digest, last.unwrap().prefix_root.digest);
    }
}

fn at(first: u8, last: u8) -> VrfOutput {
    let mut place = VrfOutput([0; 32]);
    (place.0[0], place.0[31]) = (first, last);
    place
}

#[test]
fn the_tree_without_keys_proves_that_it_has_none() {
    let places = [at(0x80, 0), at(0, 0)];
    let found = look_up(&MemoryStore::new(), None, &places).unwrap();
    let lookups = places.map(|vrf_output| Lookup { vrf_output, commitment: None });
    assert_eq!(root(0, &lookups, &found.proof), Ok(PrefixNode::EMPTY.digest()));
    let found = look_up(&MemoryStore::new(), None, &[]).unwrap();
    assert_eq!(root(0, &[], &found.proof), Ok(PrefixNode::EMPTY.digest()));
    let mut store = MemoryStore::new();
    let (entry, grown) = add(&mut store, None, &[]).unwrap();
    assert_eq!((entry.prefix_root.digest, grown.nodes), (PrefixNode::EMPTY.digest(), vec![PrefixNode::EMPTY]));
}

#[test]
fn a_single_leaf_stands_below_the_root() {
    let mut store = MemoryStore::new();
    let (entry, _) = add(&mut store, None, &[at(0x80, 0)]).unwrap();
    let found = look_up(&store, Some(entry.prefix_root), &[at(0x80, 0)]).unwrap();
    assert_eq!(found.proof.results, [PrefixSearchResult { terminal: Terminal::Inclusion, depth: 1 }]);
    assert_eq!(found.proof.elements, [Digest::ZERO]);
}

#[test]
fn a_place_that_is_taken_is_refused() {
    let mut store = MemoryStore::new();
    let (entry, _) = add(&mut store, None, &[at(1, 0), at(2, 0)]).unwrap();
    for places in [&[at(1, 0)][..], &[at(0, 0), at(2, 0), at(3, 0)], &[at(5, 0), at(5, 0)], &[at(6, 0), at(5, 0)]] {
        let found = add(&mut store.clone(), Some(entry), places);
        assert!(matches!(found, Err(LogError::Taken { .. })), "{found:?}");
    }
}

#[test]
fn leaves_that_differ_in_the_last_bit_alone_are_refused() {
    let mut store = MemoryStore::new();
    let found = add(&mut store, None, &[at(1, 0), at(1, 1)]);
    assert!(matches!(found, Err(LogError::TooDeep { .. })), "{found:?}");
    let (entry, _) = add(&mut store, None, &[at(1, 0)]).unwrap();
    let found = add(&mut store, Some(entry), &[at(1, 1)]);
    assert!(matches!(found, Err(LogError::TooDeep { .. })), "{found:?}");
    // One bit more is the deepest that the draft has a number for.
    let (entry, _) = add(&mut store, Some(entry), &[at(1, 2)]).unwrap();
    let found = look_up(&store, Some(entry.prefix_root), &[at(1, 2), at(1, 3)]).unwrap();
    assert_eq!(found.proof.results.iter().map(|result| result.depth).collect::<Vec<_>>(), [255, 255]);
    let found = add(&mut store, Some(entry), &[at(1, 3)]);
    assert!(matches!(found, Err(LogError::TooDeep { .. })), "{found:?}");
}

#[test]
fn a_place_is_looked_up_once_and_255_of_them_at_most() {
    let mut store = MemoryStore::new();
    let (entry, _) = add(&mut store, None, &[at(1, 0)]).unwrap();
    let found = look_up(&store, Some(entry.prefix_root), &[at(1, 0), at(2, 0), at(1, 0)]);
    assert!(matches!(found, Err(LogError::Twice { place }) if place == at(1, 0)), "{found:?}");
    let places: Vec<VrfOutput> = (0..=255).map(|first| at(first, 0)).collect();
    assert!(look_up(&store, Some(entry.prefix_root), &places[1..]).is_ok());
    let found = look_up(&store, Some(entry.prefix_root), &places);
    assert!(matches!(found, Err(LogError::KeyTrans(_))), "{found:?}");
}

#[test]
fn a_node_that_was_changed_gets_into_no_proof_and_below_no_root() {
    let mut store = MemoryStore::new();
    let (entry, grown) = add(&mut store, None, &[at(1, 0), at(2, 0), at(0x80, 0)]).unwrap();
    let other = PrefixNode::Leaf(PrefixLeaf { commitment: Digest([9; 32]), ..leaf(at(1, 0)) });
    store.replace_node(grown.leaves[0], &other);
    let found = look_up(&store, Some(entry.prefix_root), &[at(1, 0)]);
    assert!(matches!(found, Err(LogError::Changed { what: Row::PrefixNode, number, .. }) if number == grown.leaves[0]));
    assert!(matches!(add(&mut store, Some(entry), &[at(0, 0)]), Err(LogError::Changed { .. })));
    // What the change is not on the way to is as good as before.
    let found = look_up(&store, Some(entry.prefix_root), &[at(0x80, 0)]).unwrap();
    let lookup = Lookup { vrf_output: at(0x80, 0), commitment: Some(leaf(at(0x80, 0)).commitment) };
    assert_eq!(root(0, &[lookup], &found.proof), Ok(entry.prefix_root.digest));
    let gone = Child { id: 99, digest: Digest::ZERO };
    assert!(look_up(&store, Some(gone), &[]).is_ok());
    let found = look_up(&store, Some(gone), &[at(0, 0)]);
    assert!(matches!(found, Err(LogError::Missing { what: Row::PrefixNode, number: 99 })));
}

#[test]
fn a_proof_of_another_tree_does_not_lead_to_this_root() {
    let mut store = MemoryStore::new();
    let (before, _) = add(&mut store, None, &[at(1, 0)]).unwrap();
    let (after, _) = add(&mut store, Some(before), &[at(2, 0)]).unwrap();
    let found = look_up(&store, Some(before.prefix_root), &[at(2, 0)]).unwrap();
    let lookup = Lookup { vrf_output: at(2, 0), commitment: None };
    assert_ne!(root(0, &[lookup], &found.proof), Ok(after.prefix_root.digest));
    let found = look_up(&store, Some(after.prefix_root), &[at(2, 0)]).unwrap();
    let problem = PrefixProblem::NoCommitment;
    assert_eq!(root(3, &[lookup], &found.proof), Err(crate::KeyTransError::PrefixProof { entry: 3, problem }));
}
