//! Chunks at a server that keeps to the changes it is told.

use proptest::prelude::*;
use quicprochat_wire::limits::MIN_TREE_CHUNK_BYTES;

use super::*;
use crate::{
    mls::tree::tests::{contents, credentialled, hybrid_tree, tree},
    testing::SeededEntropy,
};

const CHANNEL: ChannelId = ChannelId::new([7; 32]);

/// Chunks in use, as a server has them.
#[derive(Default)]
struct Server(BTreeMap<ChunkId, Vec<u8>>);

impl Server {
    fn apply(&mut self, change: &TreeChange) {
        if change.ends_all {
            assert!(change.ended.is_empty());
            self.0.clear();
        }
        for id in &change.ended {
            assert!(self.0.remove(id).is_some(), "ended, but not in use");
        }
        for chunk in &change.added {
            assert!(chunk.sealed.len() >= MIN_TREE_CHUNK_BYTES);
            assert_eq!(self.0.insert(chunk.id, chunk.sealed.clone()), None, "added twice");
        }
    }
}

/// Contents without blanks at the end, as arrays of trees are.
fn filled(nodes: usize) -> Vec<u8> {
    vec![1; nodes]
}

/// The record of a hash, as long as a real one.
fn record(hash: &Digest) -> Vec<u8> {
    hash.as_bytes().repeat(210)
}

fn seal_with(
    tree: &[u8],
    before: Option<(&ChunkList, &[u8])>,
    entropy: &mut SeededEntropy,
) -> Result<SealedTree, E2eeError> {
    seal_tree(&CHANNEL, tree, before, |hash| Ok(Some(record(hash))), entropy)
}

fn sealed(contents: &[u8], entropy: &mut SeededEntropy) -> (ChunkList, Server) {
    let made = seal_with(&tree(contents), None, entropy).expect("seals");
    let mut server = Server::default();
    server.apply(&made.change);
    (made.list.expect("chunks"), server)
}

#[test]
fn a_tree_of_up_to_eight_leaves_needs_no_chunks() {
    let mut entropy = SeededEntropy::new(1);
    let small = seal_with(&tree(&filled(15)), None, &mut entropy).expect("seals");
    assert_eq!((small.list, small.change.ends_all, small.change.added.len()), (None, true, 0));
    assert_eq!(is_whole(&tree(&filled(15))), Ok(true));
    assert_eq!(is_whole(&tree(&filled(17))), Ok(false));
    assert!(is_whole(&[1, 7]).is_err());
}

#[test]
fn an_update_seals_one_chunk_a_group_anew() {
    let mut entropy = SeededEntropy::new(1);
    let before = filled(2 * 600 - 1);
    let (list, mut server) = sealed(&before, &mut entropy);
    let mut after = before.clone();
    // The leaf 9 and the nodes above it.
    for level in 0..=10 {
        let node = ((9 >> level) << (level + 1)) + (1 << level) - 1;
        if let Some(content) = after.get_mut(node) {
            *content = 2;
        }
    }
    let known = tree(&before);
    let made = seal_with(&tree(&after), Some((&list, &known)), &mut entropy).expect("seals");
    assert_eq!((made.change.added.len(), made.change.ended.len(), made.change.ends_all), (5, 5, false));
    server.apply(&made.change);
    assert_eq!(made.list.expect("chunks").open(&CHANNEL, &server.0), Ok(tree(&after)));
}

/// Every node filled, with the lengths of the hybrid suite: the dearest tree of its size.
#[test]
fn a_commit_to_a_full_tree_of_1000_leaves_seals_less_than_40_kib() {
    let mut entropy = SeededEntropy::new(1);
    for (leaves, least, most) in [(10, 6, 20), (100, 10, 32), (1000, 20, 40)] {
        let before = full_tree(leaves, 0);
        let made = seal_with(&before, None, &mut entropy).expect("seals");
        let list = made.list.expect("chunks");
        let whole: usize = made.change.added.iter().map(|chunk| chunk.sealed.len()).sum();
        assert!(whole > leaves * 2_500 && whole < leaves * 3_700, "{leaves}: {whole}");
        let made = seal_with(&full_tree(leaves, 1), Some((&list, &before)), &mut entropy).expect("seals");
        let chunks: usize = made.change.added.iter().map(|chunk| chunk.sealed.len()).sum();
        let listed = made.list.expect("chunks").write(Writer::new()).finish().len();
        println!("{leaves} leaves: {chunks} bytes of chunks, {listed} of their list, {whole} in all");
        assert!((least * 1024..most * 1024).contains(&(chunks + listed)), "{leaves}: {chunks} and {listed}");
    }
}

/// A tree of that many leaves; `path` is what is in the nodes from leaf 9 to the root.
fn full_tree(leaves: usize, path: u8) -> Vec<u8> {
    let on_path = |node: usize| (0..=10).any(|level| node == ((9 >> level) << (level + 1)) + (1 << level) - 1);
    let content = |node: usize| if on_path(node) { 1 + path } else { 1 };
    let contents: Vec<u8> = (0..2 * leaves - 1).map(content).collect();
    hybrid_tree(&contents)
}

#[test]
fn a_list_that_is_not_that_of_the_tree_before_is_not_relied_on() {
    let mut entropy = SeededEntropy::new(1);
    let (list, _) = sealed(&filled(41), &mut entropy);
    let other = tree(&filled(43));
    let made = seal_with(&other, Some((&list, &other)), &mut entropy).expect("seals");
    assert!(made.change.ends_all && !made.change.added.is_empty());
}

#[test]
fn a_chunk_that_is_missing_swapped_foreign_or_damaged_is_refused() {
    let mut entropy = SeededEntropy::new(1);
    let (list, server) = sealed(&filled(41), &mut entropy);
    let ids = list.ids();
    assert_eq!(list.open(&CHANNEL, &server.0), Ok(tree(&filled(41))));
    let refused = Err(E2eeError::CannotOpen { what: Sealed::TreeChunk });
    assert_eq!(list.open(&ChannelId::new([8; 32]), &server.0), refused, "of another channel");
    for id in &ids {
        let mut missing = server.0.clone();
        missing.remove(id);
        assert_eq!(list.open(&CHANNEL, &missing), Err(E2eeError::MissingChunk { id: *id }));
        let mut damaged = server.0.clone();
        *damaged.get_mut(id).expect("there").last_mut().expect("bytes") ^= 1;
        assert_eq!(list.open(&CHANNEL, &damaged), refused);
        let mut short = server.0.clone();
        short.get_mut(id).expect("there").truncate(20);
        assert_eq!(list.open(&CHANNEL, &short), refused);
    }
    let mut swapped = server.0.clone();
    swapped.insert(ids[0], server.0[&ids[1]].clone());
    assert_eq!(list.open(&CHANNEL, &swapped), refused);
    // A member who seals another piece, or none, under the right key: it does not fit its place.
    let (_, key) = &list.keys[0];
    let key = key.as_ref().expect("a chunk");
    for piece in [&[1, 0, 0, 0, 0, 0, 0, 0][..], &[], &[0; 11], &[0; 13]] {
        let mut foreign = server.0.clone();
        foreign.insert(ids[0], key.seal(&CHANNEL, piece, &mut entropy).expect("seals"));
        assert!(matches!(list.open(&CHANNEL, &foreign), Err(E2eeError::Decode(_))), "{piece:?}");
    }
}

#[test]
fn lists_are_read_as_written_and_others_refused() {
    let mut entropy = SeededEntropy::new(1);
    let mut contents = filled(41);
    contents[8..15].fill(0);
    let (list, _) = sealed(&contents, &mut entropy);
    let bytes = list.write(Writer::new()).finish();
    let mut reader = Reader::new(&bytes);
    assert_eq!(ChunkList::read(&mut reader), Ok(list.clone()));
    reader.finish().expect("all is read");
    assert!(list.keys[1].1.is_none(), "all blank");
    for (what, at, value) in [("another size", 0, 9), ("an absurd size", 3, 255), ("no such option", 8, 7)] {
        let mut other = bytes.clone();
        other[at] = value;
        assert!(ChunkList::read(&mut Reader::new(&other)).is_err(), "{what}");
    }
    let key = list.keys[0].1.clone().expect("a chunk");
    assert_eq!(format!("{key:?}"), format!("ChunkKey({:?})", key.id()), "no key is shown");
}

/// A tree of so many leaves, each of which names an identity with this number.
fn naming(leaves: &[u8]) -> Vec<u8> {
    let contents: Vec<u8> = leaves.iter().flat_map(|leaf| [*leaf, 0]).take(2 * leaves.len() - 1).collect();
    credentialled(&contents)
}

/// Records that a list leads to.
fn records_of(list: &ChunkList, tree: &[u8], server: &Server, known: &[Digest]) -> Vec<Digest> {
    let ids = list.record_ids(tree, |hash| Ok::<_, E2eeError>(known.contains(hash))).expect("a tree");
    let parts = ids.iter().flat_map(|id| list.open_records(&CHANNEL, id, &server.0[id]).expect("opens"));
    parts.map(|part| Digest::new(part[..32].try_into().expect("32 bytes"))).collect()
}

#[test]
fn records_are_stored_by_four_leaves_and_again_only_when_these_name_others() {
    let mut entropy = SeededEntropy::new(1);
    let digest = |number: u8| Digest::new([number; 32]);
    let first = naming(&[1, 2, 2, 3, 4, 5, 6, 7, 8, 9]);
    let made = seal_with(&first, None, &mut entropy).expect("seals");
    let (list, mut server) = (made.list.expect("chunks"), Server::default());
    server.apply(&made.change);
    assert_eq!(records_of(&list, &first, &server, &[]), (1..=9).map(digest).collect::<Vec<_>>());
    let known: Vec<Digest> = (4..=9).map(digest).collect();
    assert_eq!(records_of(&list, &first, &server, &known), [1, 2, 3].map(digest), "what is known is not asked for");

    let second = naming(&[1, 2, 2, 3, 4, 5, 10, 7, 8, 9, 11]);
    let made = seal_with(&second, Some((&list, &first)), &mut entropy).expect("seals");
    server.apply(&made.change);
    let after = made.list.expect("chunks");
    assert_eq!(after.records[0], list.records[0], "the first four name the same");
    assert_ne!(after.records[1], list.records[1]);
    assert_ne!(after.records[2], list.records[2]);
    assert_eq!(records_of(&after, &second, &server, &[]), [1, 2, 3, 4, 5, 10, 7, 8, 9, 11].map(digest));
}

#[test]
fn records_that_the_writer_lacks_are_left_to_the_next_one() {
    let mut entropy = SeededEntropy::new(1);
    let tree = naming(&[1, 2, 2, 3, 4, 5, 6, 7, 8, 9]);
    let lacks_five = |hash: &Digest| Ok::<_, E2eeError>((*hash != Digest::new([5; 32])).then(|| record(hash)));
    let made = seal_tree(&CHANNEL, &tree, None, lacks_five, &mut entropy).expect("seals");
    let list = made.list.expect("chunks");
    assert_eq!(list.records.iter().map(Option::is_some).collect::<Vec<_>>(), [true, false, true]);
    let made = seal_with(&tree, Some((&list, &tree)), &mut entropy).expect("seals");
    assert_eq!((made.change.added.len(), made.change.ended.len()), (1, 0));
    assert!(made.list.expect("chunks").records.iter().all(Option::is_some));
    let fails = |_: &Digest| Err(E2eeError::BadPublicKey);
    assert_eq!(seal_tree(&CHANNEL, &tree, None, fails, &mut entropy).err(), Some(E2eeError::BadPublicKey));
}

#[test]
fn a_chunk_of_records_that_is_swapped_foreign_or_damaged_is_refused() {
    let mut entropy = SeededEntropy::new(1);
    let tree = naming(&[1, 2, 2, 3, 4, 5, 6, 7, 8, 9]);
    let made = seal_with(&tree, None, &mut entropy).expect("seals");
    let (list, mut server) = (made.list.expect("chunks"), Server::default());
    server.apply(&made.change);
    let ids = list.record_ids(&tree, |_| Ok::<_, E2eeError>(false)).expect("a tree");
    let refused = Err(E2eeError::CannotOpen { what: Sealed::TreeChunk });
    assert_eq!(list.open_records(&CHANNEL, &ids[0], &server.0[&ids[1]]), refused);
    assert_eq!(list.open_records(&ChannelId::new([8; 32]), &ids[0], &server.0[&ids[0]]), refused);
    assert_eq!(list.open_records(&CHANNEL, &ids[0], &[]), refused);
    let other = ChunkId::new([1; 32]);
    assert_eq!(list.open_records(&CHANNEL, &other, &[]), Err(E2eeError::MissingChunk { id: other }));
    // A member who seals something else under the right key.
    let key = list.records[0].as_ref().expect("a chunk");
    let second = Writer::new().u8(RECORDS).u32(1).u32(0).finish();
    let five = Writer::new().u8(RECORDS).u32(0).list(&[0; 5], |writer, _| writer.bytes([1])).finish();
    for piece in [&second[..], &five, &[], &[0; 9]] {
        let foreign = key.seal(&CHANNEL, piece, &mut entropy).expect("seals");
        assert!(matches!(list.open_records(&CHANNEL, &ids[0], &foreign), Err(E2eeError::Decode(_))), "{piece:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_server_has_the_chunks_of_every_tree_in_turn(trees in prop::collection::vec((contents(70), any::<bool>()), 1..8)) {
        let mut entropy = SeededEntropy::new(1);
        let (mut server, mut known) = (Server::default(), None::<(ChunkList, Vec<u8>)>);
        for (contents, knows) in trees {
            let tree = tree(&contents);
            let before = known.as_ref().filter(|_| knows).map(|(list, tree)| (list, tree.as_slice()));
            let made = seal_with( &tree, before, &mut entropy).expect("seals");
            server.apply(&made.change);
            let named = made.list.as_ref().map(|list| list.all().len()).unwrap_or_default();
            prop_assert_eq!(server.0.len(), named, "no more and no less than it names");
            if let Some(list) = &made.list {
                prop_assert_eq!(list.open(&CHANNEL, &server.0), Ok(tree.clone()));
            }
            known = made.list.map(|list| (list, tree));
        }
    }
}
