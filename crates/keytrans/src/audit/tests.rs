use std::sync::Arc;

use proptest::{collection::vec, prelude::*, sample::Index};

use super::*;
use crate::{
    VrfOutput,
    error::PrefixProblem,
    proof::PrefixProof,
    prove::{
        Log, MemoryStore, Operator,
        testing::{Hashes, Key, audited, config, new, operator},
    },
    suite::{Suite, VrfKey},
};

/// A random function whose outputs share long prefixes.
#[derive(Debug)]
struct Clumped;

impl VrfKey for Clumped {
    fn public_key(&self) -> Vec<u8> {
        b"vrf".to_vec()
    }

    fn evaluate(&self, input: &[u8]) -> Result<VrfOutput, KeyTransError> {
        let mut place = Digest::of(&[input]).0;
        place[0] &= 0b1100_0000;
        place[1..26].fill(0);
        place[31] &= 0xfe;
        Ok(VrfOutput(place))
    }

    fn prove(&self, input: &[u8]) -> Result<(VrfOutput, Vec<u8>), KeyTransError> {
        Ok((self.evaluate(input)?, vec![9]))
    }
}

fn filled() -> Log<MemoryStore> {
    let mut log = Log::open(MemoryStore::new(), operator(audited())).unwrap();
    log.insert(1000, vec![new("alice", "a0"), new("bob", "b0")]).unwrap();
    log.insert(2000, vec![new("carol", "c0"), new("alice", "a1"), new("bob", "b1"), new("sam", "s0")]).unwrap();
    log.insert(2000, vec![]).unwrap();
    log.insert(3000, vec![new("alice", "a2")]).unwrap();
    log
}

fn followed(log: &Log<MemoryStore>, entries: u64) -> Auditor {
    let mut auditor = Auditor::new();
    (0..entries).for_each(|entry| auditor.update(&log.auditor_update(entry).unwrap()).unwrap());
    auditor
}

#[test]
fn an_auditor_comes_to_every_root_of_the_log_and_signs_it() {
    let log = filled();
    let config = config(audited());
    for size in 1..=4 {
        let auditor = followed(&log, size);
        let root = log.root(size).unwrap();
        assert_eq!((auditor.root(), auditor.size()), (Ok(root), size));
        assert_eq!(auditor.timestamp(), log.timestamp(size - 1).unwrap());
        let head = auditor.sign(&config, &Key(b"auditor")).unwrap();
        let message = config.auditor_head_to_sign(auditor.timestamp(), size, &root).unwrap();
        assert!(Hashes.verify_signature(b"auditor", &message, &head.signature));
        assert_eq!((head.tree_size, head.timestamp), (size, auditor.timestamp()));
    }
}

#[test]
fn nobody_else_signs_as_the_auditor() {
    let auditor = followed(&filled(), 4);
    let refused = Err(KeyTransError::PublicKey { of: KeyOf::Auditor });
    assert_eq!(auditor.sign(&config(audited()), &Key(b"mallory")), refused);
    assert_eq!(auditor.sign(&config(DeploymentMode::ContactMonitoring), &Key(b"auditor")), refused);
    assert!(Auditor::new().sign(&config(audited()), &Key(b"auditor")).is_err());
}

#[test]
fn an_auditor_goes_on_where_it_was() {
    let log = filled();
    for size in 0..4 {
        let bytes = followed(&log, size).encode().unwrap();
        let mut auditor = Auditor::decode(&bytes).unwrap();
        assert_eq!(auditor, followed(&log, size));
        auditor.update(&log.auditor_update(size).unwrap()).unwrap();
        assert_eq!(auditor.root(), Ok(log.root(size + 1).unwrap()));
        assert!((0..bytes.len()).all(|cut| Auditor::decode(&bytes[..cut]).is_err()));
        assert!(Auditor::decode(&[&[2], &bytes[1..]].concat()).is_err());
    }
    assert!(Auditor::begin_at(3, 0, Digest::ZERO, vec![Digest::ZERO]).is_err());
}

/// What the auditor says of the second entry's update, changed like this.
fn refusal(change: impl FnOnce(&mut AuditorUpdate)) -> KeyTransError {
    let log = filled();
    let mut auditor = followed(&log, 1);
    let before = auditor.clone();
    let mut update = log.auditor_update(1).unwrap();
    assert_eq!((update.added.len(), update.removed.len()), (4, 0));
    change(&mut update);
    let refusal = auditor.update(&update).unwrap_err();
    assert_eq!(auditor, before);
    refusal
}

#[test]
fn an_update_that_is_not_possible_is_refused() {
    let problem = |problem| KeyTransError::AuditorUpdate { entry: 1, problem };
    assert_eq!(
        refusal(|update| update.timestamp = 999),
        KeyTransError::TimestampOrder { entry: 1, earliest: 1000, found: 999 }
    );
    assert_eq!(refusal(|update| update.added.swap(0, 1)), problem(UpdateProblem::Order));
    assert_eq!(refusal(|update| update.added[1] = update.added[0]), problem(UpdateProblem::Order));
    assert_eq!(refusal(|update| update.removed.push(update.added[0])), problem(UpdateProblem::Removal));
    assert_eq!(
        refusal(|update| update.proof.results[0].terminal = Terminal::Inclusion),
        problem(UpdateProblem::Exists)
    );
    assert!(matches!(refusal(|update| update.added.truncate(3)), KeyTransError::Count { .. }));
    assert!(matches!(
        refusal(|update| update.proof.elements.push(Digest::ZERO)),
        KeyTransError::Count { part: Part::PrefixElements, .. }
    ));
    let depth = PrefixProblem::Depth;
    assert_eq!(
        refusal(|update| update.proof.results[0].depth = 0),
        KeyTransError::PrefixProof { entry: 1, problem: depth }
    );
}

#[test]
fn an_update_of_another_tree_is_refused() {
    let log = filled();
    let mut auditor = followed(&log, 1);
    let found = auditor.update(&log.auditor_update(3).unwrap());
    assert!(matches!(found, Err(KeyTransError::PrefixRoot { entry: 0, .. })), "{found:?}");
    let found = auditor.update(&log.auditor_update(0).unwrap());
    assert!(matches!(found, Err(KeyTransError::PrefixRoot { entry: 0, .. })), "{found:?}");
}

#[test]
fn a_leaf_that_the_auditor_was_told_otherwise_gives_another_root() {
    let log = filled();
    for at in 0..4 {
        let mut auditor = followed(&log, 1);
        let mut update = log.auditor_update(1).unwrap();
        update.added[at].commitment.0[0] ^= 1;
        auditor.update(&update).unwrap();
        assert_ne!(auditor.root(), Ok(log.root(2).unwrap()));
    }
}

#[test]
fn leaves_that_differ_in_the_last_bit_alone_are_refused() {
    let leaf = |last| {
        let mut vrf_output = VrfOutput([0; 32]);
        vrf_output.0[31] = last;
        PrefixLeaf { vrf_output, commitment: Digest::ZERO }
    };
    let empty = crate::prove::prefix::look_up(&MemoryStore::new(), None, &[leaf(0).vrf_output, leaf(1).vrf_output]);
    let update = AuditorUpdate { added: vec![leaf(0), leaf(1)], proof: empty.unwrap().proof, ..Default::default() };
    let problem = UpdateProblem::Depth;
    assert_eq!(Auditor::new().update(&update), Err(KeyTransError::AuditorUpdate { entry: 0, problem }));
}

#[test]
fn an_update_is_read_as_it_was_written() {
    let log = filled();
    for entry in 0..4 {
        let mut update = log.auditor_update(entry).unwrap();
        update.removed = update.added.iter().take(1).copied().collect();
        let bytes = update.encode().unwrap();
        assert_eq!(AuditorUpdate::decode(&bytes), Ok(update));
        assert!((0..bytes.len()).all(|cut| AuditorUpdate::decode(&bytes[..cut]).is_err()));
    }
    let empty = AuditorUpdate { timestamp: 1, proof: PrefixProof::default(), ..Default::default() };
    assert_eq!(empty.encode().unwrap(), [&[0; 7][..], &[1], &[0; 4], &[0; 3]].concat());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_auditor_follows_any_log(
        batches in vec(vec(0_u8..20, 0..20), 1..8),
        spoilt in any::<Index>(),
        byte in any::<Index>(),
    ) {
        let keys = (Box::new(Clumped), Box::new(Key(b"head")));
        let operator = Arc::new(Operator::with_suite(config(audited()), &Hashes, keys.0, keys.1).unwrap());
        let mut log = Log::open(MemoryStore::new(), operator).unwrap();
        let mut auditor = Auditor::new();
        for (entry, batch) in (0..).zip(&batches) {
            log.insert(entry, batch.iter().map(|label| new(&label.to_string(), "x")).collect()).unwrap();
            let update = log.auditor_update(entry).unwrap();
            // One byte changed: refused, or the root is another one than the operator signs.
            let mut bytes = update.encode().unwrap();
            let at = byte.index(bytes.len());
            bytes[at] ^= 1 << spoilt.index(8);
            let mut deceived = auditor.clone();
            if AuditorUpdate::decode(&bytes).is_ok_and(|update| deceived.update(&update).is_ok()) {
                prop_assert_ne!(deceived.root().unwrap(), log.root(entry + 1).unwrap());
            }
            auditor.update(&update).unwrap();
            prop_assert_eq!(auditor.root().unwrap(), log.root(entry + 1).unwrap());
        }
    }
}
