use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// The tree of RFC 9162 as its text defines it, by recursion over all entries.
mod naive {
    use super::*;

    fn split(leaves: &[Digest]) -> usize {
        let mut power = 1;
        while power * 2 < leaves.len() {
            power *= 2;
        }
        power
    }

    pub(super) fn root(leaves: &[Digest]) -> Digest {
        match leaves {
            [] => Digest::of(&[]),
            [one] => *one,
            more => {
                let (left, right) = more.split_at(split(more));
                node_hash(&root(left), &root(right))
            }
        }
    }

    pub(super) fn path(index: usize, leaves: &[Digest]) -> Vec<Digest> {
        if leaves.len() <= 1 {
            return Vec::new();
        }
        let at = split(leaves);
        let (left, right) = leaves.split_at(at);
        let (mut below, beside) =
            if index < at { (path(index, left), root(right)) } else { (path(index - at, right), root(left)) };
        below.push(beside);
        below
    }

    pub(super) fn consistency(old: usize, leaves: &[Digest]) -> Vec<Digest> {
        if old == 0 { Vec::new() } else { part(old, leaves, true) }
    }

    fn part(old: usize, leaves: &[Digest], whole: bool) -> Vec<Digest> {
        if old == leaves.len() {
            return if whole { Vec::new() } else { vec![root(leaves)] };
        }
        let at = split(leaves);
        let (left, right) = leaves.split_at(at);
        let (mut below, beside) =
            if old <= at { (part(old, left, whole), root(right)) } else { (part(old - at, right, false), root(left)) };
        below.push(beside);
        below
    }
}

fn leaves(count: usize) -> Vec<Digest> {
    (0..count).map(|number| leaf_hash(&number.to_be_bytes())).collect()
}

type Nodes = BTreeMap<NodeId, Digest>;

fn build(leaves: &[Digest]) -> (CompactRange, Nodes) {
    let (mut range, mut nodes) = (CompactRange::new(), Nodes::new());
    for leaf in leaves {
        range.append(*leaf, |id, hash| assert_eq!(nodes.insert(id, hash), None)).unwrap();
    }
    (range, nodes)
}

fn node(nodes: &Nodes) -> impl FnMut(NodeId) -> Result<Digest, KeyTransError> {
    |id| Ok(*nodes.get(&id).unwrap_or_else(|| panic!("{id:?} is not complete")))
}

/// The entries and roots that the test data of github.com/transparency-dev/merkle (testonly/constants.go, the vectors of Certificate Transparency) have.
const ENTRIES: [&str; 8] =
    ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
const ROOTS: [&str; 9] = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

fn published() -> Vec<Digest> {
    ENTRIES.iter().map(|entry| leaf_hash(&hex::decode(entry).unwrap())).collect()
}

#[test]
fn published_roots_come_out() {
    let leaves = published();
    for (size, root) in ROOTS.iter().enumerate() {
        let (range, _) = build(&leaves[..size]);
        assert_eq!((range.size(), range.root().to_string().as_str()), (size as u64, *root));
    }
    assert_eq!(EMPTY_ROOT, Digest::of(&[]));
}

#[test]
fn published_proofs_come_out() {
    // testdata/inclusion/2 and testdata/consistency/{2,3,4} of the same place.
    let inclusion = (
        5,
        8,
        [
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    );
    let consistency: [(usize, usize, &[&str]); 3] = [
        (
            6,
            8,
            &[
                "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
                "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            ],
        ),
        (
            2,
            5,
            &[
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            ],
        ),
        (
            6,
            7,
            &[
                "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
                "b08693ec2e721597130641e8211e7eedccb4c26413963eee6c1e2ed16ffb1a5f",
                "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            ],
        ),
    ];
    let leaves = published();
    let text = |proof: Vec<Digest>| proof.iter().map(ToString::to_string).collect::<Vec<_>>();
    let (_, nodes) = build(&leaves[..inclusion.1]);
    assert_eq!(text(prove_inclusion(inclusion.0, 8, node(&nodes)).unwrap()), inclusion.2);
    for (old, size, proof) in consistency {
        let (_, nodes) = build(&leaves[..size]);
        assert_eq!(text(prove_consistency(old as u64, size as u64, node(&nodes)).unwrap()), proof);
    }
}

#[test]
fn every_proof_of_small_logs_is_that_of_the_definition_and_verifies() {
    for size in 0..40 {
        let leaves = leaves(size);
        let (range, nodes) = build(&leaves);
        let root = range.root();
        assert_eq!(root, naive::root(&leaves));
        assert_eq!(CompactRange::load(size as u64, node(&nodes)).unwrap(), range);
        assert_eq!(CompactRange::from_parts(size as u64, range.hashes().to_vec()).unwrap(), range);
        for index in 0..size {
            let proof = prove_inclusion(index as u64, size as u64, node(&nodes)).unwrap();
            assert_eq!(proof, naive::path(index, &leaves), "{index} of {size}");
            assert_eq!(verify_inclusion(&leaves[index], index as u64, size as u64, &proof, &root), Ok(()));
        }
        for old in 0..=size {
            let proof = prove_consistency(old as u64, size as u64, node(&nodes)).unwrap();
            assert_eq!(proof, naive::consistency(old, &leaves), "{old} to {size}");
            let old_root = naive::root(&leaves[..old]);
            assert_eq!(
                verify_consistency(old as u64, size as u64, &proof, &old_root, &root),
                Ok(()),
                "{old} to {size}"
            );
        }
    }
}

#[test]
fn a_proof_with_anything_changed_is_refused() {
    let leaves = leaves(21);
    let (range, nodes) = build(&leaves);
    let root = range.root();
    for index in 0..21 {
        let proof = prove_inclusion(index, 21, node(&nodes)).unwrap();
        let verify = |leaf: &Digest, index, size, proof: &[Digest], root: &Digest| {
            verify_inclusion(leaf, index, size, proof, root).is_ok()
        };
        let leaf = &leaves[index as usize];
        assert!(verify(leaf, index, 21, &proof, &root));
        assert!(!verify(&Digest([1; 32]), index, 21, &proof, &root));
        assert!(!verify(leaf, index, 21, &proof, &Digest([1; 32])));
        assert!(!verify(leaf, index, 21, &proof[1..], &root));
        assert!(!verify(leaf, index, 21, &[proof.clone(), vec![root]].concat(), &root));
        for other in (0..25).filter(|other| *other != index) {
            assert!(!verify(leaf, other, 21, &proof, &root), "{other} for {index}");
        }
        for at in 0..proof.len() {
            let mut changed = proof.clone();
            changed[at].0[31] ^= 1;
            assert!(!verify(leaf, index, 21, &changed, &root));
        }
    }
    for old in 1..21 {
        let proof = prove_consistency(old, 21, node(&nodes)).unwrap();
        let old_root = naive::root(&leaves[..old as usize]);
        let verify = |old, size, proof: &[Digest], old_root: &Digest, root: &Digest| {
            verify_consistency(old, size, proof, old_root, root).is_ok()
        };
        assert!(verify(old, 21, &proof, &old_root, &root));
        assert!(!verify(old, 21, &proof, &Digest([1; 32]), &root));
        assert!(!verify(old, 21, &proof, &old_root, &Digest([1; 32])));
        assert!(!verify(old, 21, &proof, &root, &old_root));
        assert!(!verify(old, 21, &proof[1..], &old_root, &root));
        assert!(!verify(old, 21, &[proof.clone(), vec![root]].concat(), &old_root, &root));
        for other in (0..25).filter(|other| *other != old) {
            assert!(!verify(other, 21, &proof, &old_root, &root), "{other} for {old}");
        }
        for at in 0..proof.len() {
            let mut changed = proof.clone();
            changed[at].0[0] ^= 0x80;
            assert!(!verify(old, 21, &changed, &old_root, &root), "node {at} of {old}");
        }
    }
}

#[test]
fn what_is_not_in_the_log_has_no_proof() {
    let (range, nodes) = build(&leaves(4));
    let root = range.root();
    assert_eq!(prove_inclusion(4, 4, node(&nodes)), Err(KeyTransError::TreeSize { least: 5, found: 4 }));
    assert_eq!(
        verify_inclusion(&root, u64::MAX, 4, &[], &root),
        Err(KeyTransError::TreeSize { least: u64::MAX, found: 4 })
    );
    assert_eq!(prove_consistency(5, 4, node(&nodes)), Err(KeyTransError::TreeSize { least: 5, found: 4 }));
    let counted = KeyTransError::Count { part: Part::CompanionConsistency, expected: 0, found: 1 };
    assert_eq!(verify_consistency(0, 4, &[root], &EMPTY_ROOT, &root), Err(counted.clone()));
    assert_eq!(verify_consistency(4, 4, &[root], &root, &root), Err(counted));
    let other = KeyTransError::Root { size: 4, expected: root, found: EMPTY_ROOT };
    assert_eq!(verify_consistency(4, 4, &[], &root, &EMPTY_ROOT), Err(other));
    assert!(verify_consistency(0, 4, &[], &root, &root).is_err());
    let counted = KeyTransError::Count { part: Part::CompactRange, expected: 1, found: 2 };
    assert_eq!(CompactRange::from_parts(4, vec![root, root]), Err(counted));
}

#[test]
fn a_log_of_the_greatest_size_is_full() {
    let size = super::super::MAX_TREE_SIZE;
    let mut range = CompactRange::from_parts(size, vec![EMPTY_ROOT; 1]).unwrap();
    let before = range.clone();
    assert_eq!(
        range.append(EMPTY_ROOT, |_, _| panic!("appended")),
        Err(KeyTransError::TreeSize { least: 0, found: size })
    );
    assert_eq!(range, before);
    // Proofs of logs that large are made and verified without overflow.
    let node =
        |id: NodeId| Ok::<_, KeyTransError>(leaf_hash(&[&[id.level], id.index.to_be_bytes().as_slice()].concat()));
    for index in [0, 1, 3, size / 2, size / 2 - 1, size - 1] {
        assert!(prove_inclusion(index, size, node).unwrap().len() <= 63);
        assert!(prove_consistency(index, size, node).unwrap().len() <= 63);
    }
    assert!(verify_inclusion(&EMPTY_ROOT, u64::MAX - 1, u64::MAX, &[EMPTY_ROOT; 64], &EMPTY_ROOT).is_err());
    for old in [1, 2, 1 << 62, u64::MAX - 1] {
        let count = consistency_spans(old, u64::MAX).len();
        assert!(verify_consistency(old, u64::MAX, &vec![EMPTY_ROOT; count], &EMPTY_ROOT, &EMPTY_ROOT).is_err());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, fork: false, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn proofs_of_larger_logs_are_those_of_the_definition(size in 1_usize..600, at in 0_usize..600, old in 0_usize..601) {
        let (at, old) = (at % size, old % (size + 1));
        let leaves = leaves(size);
        let (range, nodes) = build(&leaves);
        let (root, wide) = (range.root(), size as u64);
        prop_assert_eq!(root, naive::root(&leaves));
        let proof = prove_inclusion(at as u64, wide, node(&nodes)).unwrap();
        prop_assert_eq!(&proof, &naive::path(at, &leaves));
        prop_assert!(verify_inclusion(&leaves[at], at as u64, wide, &proof, &root).is_ok());
        let proof = prove_consistency(old as u64, wide, node(&nodes)).unwrap();
        prop_assert_eq!(&proof, &naive::consistency(old, &leaves));
        prop_assert!(verify_consistency(old as u64, wide, &proof, &naive::root(&leaves[..old]), &root).is_ok());
    }

    #[test]
    fn proofs_of_nonsense_are_refused_without_a_panic(
        old in any::<u64>(), size in any::<u64>(), count in 0_usize..70, fill in any::<u8>(),
    ) {
        let proof = vec![Digest([fill; 32]); count];
        prop_assert!(verify_consistency(old, size, &proof, &Digest([1; 32]), &Digest([2; 32])).is_err());
        prop_assert!(verify_inclusion(&Digest([1; 32]), old, size, &proof, &Digest([2; 32])).is_err());
    }
}
