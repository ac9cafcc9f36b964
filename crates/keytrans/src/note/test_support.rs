//! What the tests of the notes share: keys of seeds, and a companion log in memory.

use std::collections::BTreeMap;

use super::{merkle::*, *};
use crate::{Digest, KeyTransError};

/// The example of signed-note.
pub(super) const EXAMPLE_KEY: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";

/// The example of tlog-checkpoint.
pub(super) const TEXT: &str = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";

pub(super) const ALGORITHMS: [Algorithm; 3] =
    [Algorithm::Ed25519, Algorithm::Ed25519Cosignature, Algorithm::MlDsa44Cosignature];

pub(super) fn key(name: &str, algorithm: Algorithm, seed: u8) -> NoteKey {
    NoteKey::from_seed(KeyName::new(name).unwrap(), algorithm, &[seed; 32]).unwrap()
}

/// A key of each algorithm.
pub(super) fn all_keys(name: &str) -> Vec<NoteKey> {
    ALGORITHMS.iter().zip(1..).map(|(algorithm, seed)| key(name, *algorithm, seed)).collect()
}

pub(super) fn verifiers(keys: &[NoteKey]) -> Vec<VerifierKey> {
    keys.iter().map(|key| key.verifier().clone()).collect()
}

/// A companion log with sam's keys.
#[derive(Debug)]
pub(super) struct Log {
    pub(super) keys: Vec<NoteKey>,
    pub(super) range: CompactRange,
    pub(super) nodes: BTreeMap<NodeId, Digest>,
    pub(super) heads: Vec<HeadLeaf>,
}

impl Log {
    pub(super) const ORIGIN: &str = "sam.example/keytrans";

    pub(super) fn new() -> Self {
        let keys =
            vec![key(Self::ORIGIN, Algorithm::Ed25519, 0x10), key(Self::ORIGIN, Algorithm::MlDsa44Cosignature, 0x11)];
        Self { keys, range: CompactRange::new(), nodes: BTreeMap::new(), heads: Vec::new() }
    }

    /// The same log with other entries: a fork that sam signs.
    pub(super) fn public(&self) -> LogKeys {
        LogKeys::new(Origin::new(Self::ORIGIN).unwrap(), verifiers(&self.keys)).unwrap()
    }

    /// Publishes heads; `branch` makes them others.
    pub(super) fn grow(&mut self, by: u64, branch: u8) {
        for _ in 0..by {
            let size = self.heads.last().map_or(0, |head| head.size) + 3;
            let head = HeadLeaf { size, root: leaf_hash(&[&[branch], size.to_be_bytes().as_slice()].concat()) };
            self.heads.push(head);
            let nodes = &mut self.nodes;
            self.range.append(head.leaf_hash(), |id, hash| assert!(nodes.insert(id, hash).is_none())).unwrap();
        }
    }

    pub(super) fn node(&self, id: NodeId) -> Result<Digest, KeyTransError> {
        self.nodes.get(&id).copied().ok_or(KeyTransError::TreeSize { least: id.index, found: self.range.size() })
    }

    pub(super) fn checkpoint(&self) -> Checkpoint {
        let origin = Origin::new(Self::ORIGIN).unwrap();
        let checkpoint = Checkpoint::new(origin, self.range.size(), self.range.root()).unwrap();
        self.heads.last().map_or(checkpoint.clone(), |head| checkpoint.with_head(head))
    }

    pub(super) fn note(&self) -> UnverifiedNote {
        self.checkpoint().sign(&self.keys.iter().collect::<Vec<_>>(), None, &[9; 32]).unwrap()
    }

    /// A request to a witness that has `old` entries.
    pub(super) fn request(&self, old: u64) -> AddCheckpoint {
        let proof = prove_consistency(old, self.range.size(), |id| self.node(id)).unwrap();
        AddCheckpoint::new(old, proof, self.note()).unwrap()
    }

    /// The proof of an entry, with the note that is to carry it.
    pub(super) fn proof(&self, index: u64, note: UnverifiedNote) -> LogProof {
        let nodes = prove_inclusion(index, self.range.size(), |id| self.node(id)).unwrap();
        LogProof { extra: None, index, nodes, note }
    }
}

/// A witness of this name, with an Ed25519 and an ML-DSA-44 key.
pub(super) fn witness(name: &str, seed: u8) -> (Witness, WitnessKeys) {
    let keys = vec![
        key(name, Algorithm::Ed25519Cosignature, seed),
        key(name, Algorithm::MlDsa44Cosignature, seed.wrapping_add(0x80)),
    ];
    let public = WitnessKeys::new(verifiers(&keys)).unwrap();
    (Witness::new(keys).unwrap().with_log(Log::new().public()).unwrap(), public)
}
