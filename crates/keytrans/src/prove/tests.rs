use std::collections::BTreeMap;

use super::{
    testing::{Hashes, Key, audited, config, new, operator},
    *,
};
use crate::{
    Digest,
    audit::Auditor,
    config::{CipherSuite, DeploymentMode},
    error::{KeyOf, PositionNeed},
    head::TreeHead,
    suite,
    tree::{log::Question, prefix::Lookup},
    value::commit,
};

fn open(store: MemoryStore) -> Result<Log<MemoryStore>, LogError> {
    Log::open(store, operator(DeploymentMode::ContactMonitoring))
}

/// Alice, bob and carol over five entries, one of them empty.
fn filled() -> Log<MemoryStore> {
    let mut log = open(MemoryStore::new()).unwrap();
    log.insert(1000, vec![new("alice", "a0"), new("bob", "b0")]).unwrap();
    log.insert(2000, vec![new("alice", "a1"), new("carol", "c0"), new("alice", "a2")]).unwrap();
    log.insert(2000, vec![]).unwrap();
    log.insert(3000, vec![new("bob", "b1")]).unwrap();
    log.insert(4000, vec![new("alice", "a3")]).unwrap();
    log
}

#[test]
fn versions_count_up_per_label_within_a_batch_and_over_entries() {
    let log = filled();
    assert_eq!(log.size(), 5);
    assert_eq!(log.versions(b"alice", 0, 9).unwrap(), [(0, 0), (1, 1), (2, 1), (3, 4)]);
    assert_eq!(log.versions(b"alice", 2, 1).unwrap(), [(2, 1)]);
    assert_eq!(log.versions(b"mallory", 0, 9).unwrap(), []);
    let greatest = |label: &[u8]| (0..5).map(|entry| log.greatest_version(label, entry).unwrap()).collect::<Vec<_>>();
    assert_eq!(greatest(b"alice"), [Some(0), Some(2), Some(2), Some(2), Some(3)]);
    assert_eq!(greatest(b"carol"), [None, Some(0), Some(0), Some(0), Some(0)]);
    assert_eq!((log.newest_version(b"bob").unwrap(), log.newest_version(b"mallory").unwrap()), (Some(1), None));
    assert_eq!(log.opened(b"alice", 2).unwrap().unwrap().value, b"a2");
    let labels = [&b"alice"[..], b"mallory", b"alice", b"mallory"];
    assert_eq!(log.next_versions(labels).unwrap(), [4, 0, 5, 1]);
}

#[test]
fn every_look_up_leads_from_the_entry_to_the_signed_root() {
    let log = filled();
    for entry in 0..5 {
        let versions = [0, 1, 3, 7, 5];
        let looked = log.look_up_versions(entry, b"alice", &versions).unwrap();
        let greatest = log.greatest_version(b"alice", entry).unwrap();
        let mut lookups = Vec::new();
        for (version, commitment) in versions.into_iter().zip(looked.commitments) {
            let included = Some(version) <= greatest;
            assert_eq!(commitment.is_some(), included, "version {version} in entry {entry}");
            if included {
                assert_eq!(commitment, Some(log.leaf(b"alice", version).unwrap().commitment));
            }
            let (vrf_output, _) = log.operator().prove_place(b"alice", version).unwrap();
            lookups.push(Lookup { vrf_output, commitment });
        }
        let prefix_root = crate::tree::prefix::root(entry, &lookups, &looked.proof).unwrap();
        assert_eq!(prefix_root, log.prefix_root(entry).unwrap());

        let question = Question { size: 5, known: 0, also: None, entries: &[entry] };
        let elements = log.inclusion(&question).unwrap();
        let leaf = crate::value::log_leaf(log.timestamp(entry).unwrap(), &prefix_root);
        let known = crate::tree::log::Nodes::default();
        let nodes = question.compute(&elements, &BTreeMap::from([(entry, leaf)]), &known).unwrap();
        let root = crate::tree::log::root_of(5, &nodes.full_subtrees(5).unwrap()).unwrap();
        let head = log.head().unwrap();
        assert_eq!(root, head.root);
        log.operator().verify(head).unwrap();
    }
}

#[test]
fn places_that_are_stored_are_those_of_the_random_function() {
    let log = filled();
    for version in 0..6 {
        let (expected, _) = log.operator().prove_place(b"alice", version).unwrap();
        assert_eq!(log.place(b"alice", version).unwrap(), expected);
    }
    let opened = log.opened(b"alice", 3).unwrap().unwrap();
    assert_eq!(log.leaf(b"alice", 3).unwrap().commitment, commit(&opened.opening, b"alice", 3, b"a3").unwrap());
    let found = log.leaf(b"alice", 4);
    assert!(matches!(found, Err(LogError::KeyTrans(KeyTransError::NoSuchVersion { version: 4 }))));
}

#[test]
fn an_entry_without_versions_has_the_tree_of_the_one_before() {
    let log = filled();
    assert_eq!(log.entry(1).unwrap().prefix_root, log.entry(2).unwrap().prefix_root);
    assert_ne!(log.root(2).unwrap(), log.root(3).unwrap());
    let mut empty = open(MemoryStore::new()).unwrap();
    let appended = empty.insert(5, vec![]).unwrap();
    assert_eq!(appended.entry.prefix_root.digest, crate::value::empty_prefix_tree());
    empty.insert(5, vec![new("alice", "a0")]).unwrap();
    assert_eq!(open(empty.store).unwrap().size(), 2);
}

#[test]
fn one_batch_has_the_prefix_tree_of_many() {
    let mut one = open(MemoryStore::new()).unwrap();
    let values = ["a0", "a1", "a2"].map(|value| new("alice", value));
    one.insert(7, values.to_vec()).unwrap();
    let mut many = open(MemoryStore::new()).unwrap();
    for value in values {
        many.insert(7, vec![value]).unwrap();
    }
    assert_eq!(one.prefix_root(0).unwrap(), many.prefix_root(2).unwrap());
}

#[test]
fn what_was_never_handed_to_the_store_never_was() {
    let log = filled();
    let (before, nodes) = (log.head().cloned(), log.store().prefix_nodes());
    let prepared = log.operator().prepare(new("alice", "a4"), 4).unwrap();
    let lost = log.next(5000, vec![prepared.clone()]).unwrap();
    assert_eq!((log.head().cloned(), log.store().prefix_nodes(), log.size()), (before, nodes, 5));
    assert_eq!(log.newest_version(b"alice").unwrap(), Some(3));
    let mut log = open(log.store).unwrap();
    // The same once more, with the same outcome: nothing of the first attempt is in the way.
    assert_eq!(log.append(5000, vec![prepared]).unwrap(), lost);
    assert_eq!(log.newest_version(b"alice").unwrap(), Some(4));
}

#[test]
fn a_store_takes_only_what_follows_it() {
    let mut log = filled();
    let prepared = log.operator().prepare(new("alice", "a4"), 4).unwrap();
    let appended = log.next(5000, vec![prepared]).unwrap();
    log.store.append(&appended).unwrap();
    let nodes = log.store.prefix_nodes();
    assert!(log.store.append(&appended).is_err());
    let mut other = appended.clone();
    (other.position, other.first_node) = (6, appended.entry.prefix_root.id + 1);
    assert!(log.store.append(&other).is_err(), "version 4 once more");
    assert_eq!(log.store.prefix_nodes(), nodes);
    // A log that does not know of the other's append is refused, and changes nothing.
    let found = log.insert(6000, vec![new("carol", "c1")]);
    assert!(matches!(found, Err(LogError::Store(_))), "{found:?}");
    assert_eq!(open(log.store).unwrap().size(), 6);
}

#[test]
fn time_does_not_run_backwards() {
    let mut log = filled();
    let found = log.insert(3999, vec![new("alice", "a4")]);
    let expected = KeyTransError::TimestampOrder { entry: 5, earliest: 4000, found: 3999 };
    assert!(matches!(found, Err(LogError::KeyTrans(error)) if error == expected));
    assert_eq!(log.size(), 5);
    log.insert(4000, vec![new("alice", "a4")]).unwrap();
}

#[test]
fn a_version_that_is_not_next_is_refused() {
    let mut log = filled();
    for versions in [&[3][..], &[5], &[4, 4], &[4, 6]] {
        let prepare = |version: &u32| log.operator().prepare(new("alice", "x"), *version).unwrap();
        let prepared = versions.iter().map(prepare).collect();
        let found = log.append(5000, prepared);
        assert!(matches!(found, Err(LogError::Version { .. })), "{versions:?} {found:?}");
    }
    let too_long = log.insert(5000, vec![new(&"a".repeat(256), "x")]);
    assert!(matches!(too_long, Err(LogError::KeyTrans(KeyTransError::Decode(_)))), "{too_long:?}");
}

#[test]
fn an_erased_label_keeps_its_commitments() {
    let mut log = filled();
    let (leaf, head) = (log.leaf(b"alice", 1).unwrap(), log.head().cloned());
    assert_eq!((log.erase(b"alice").unwrap(), log.erase(b"alice").unwrap(), log.erase(b"mallory").unwrap()), (4, 0, 0));
    let log = open(log.store).unwrap();
    assert_eq!((log.opened(b"alice", 1).unwrap(), log.leaf(b"alice", 1).unwrap()), (None, leaf));
    assert_eq!((log.newest_version(b"alice").unwrap(), log.head().cloned()), (Some(3), head));
    assert_eq!(log.opened(b"bob", 1).unwrap().unwrap().value, b"b1");
    assert!(log.look_up_versions(4, b"alice", &[0, 1, 3]).unwrap().commitments.iter().all(Option::is_some));
}

#[test]
fn a_log_that_was_changed_is_not_opened() {
    let store = filled().store;
    assert_eq!(open(store.clone()).unwrap().head().cloned(), store.head().unwrap());
    let changed = |change: &dyn Fn(&mut MemoryStore)| {
        let mut store = store.clone();
        change(&mut store);
        open(store).unwrap_err()
    };
    let node = |first, level| crate::tree::log::Node { first, level };
    let found = changed(&|store| store.replace_log_node(node(0, 2), Digest([1; 32])));
    let root = store.head().unwrap().unwrap().root;
    assert!(
        matches!(found, LogError::KeyTrans(KeyTransError::Root { size: 5, expected, found }) if expected == root && found != root)
    );
    assert!(matches!(
        changed(&|store| store.replace_entry(4, |entry| entry.timestamp += 1)),
        LogError::KeyTrans(KeyTransError::Root { .. })
    ));
    let newest = store.entry(4).unwrap().unwrap().prefix_root.id;
    assert!(matches!(
        changed(&|store| store.replace_node(newest, &PrefixNode::EMPTY)),
        LogError::Changed { what: Row::PrefixNode, number, .. } if number == newest
    ));
    assert!(matches!(
        changed(&|store| store.replace_entry(4, |entry| entry.prefix_root.id += 1)),
        LogError::Missing { what: Row::PrefixNode, .. }
    ));
    assert!(matches!(changed(&|store| store.replace_head(None)), LogError::Unsigned { what: Row::Entry, number: 0 }));
    let mut head = store.head().unwrap().unwrap();
    head.root.0[0] ^= 1;
    assert!(matches!(
        changed(&|store| store.replace_head(Some(head.clone()))),
        LogError::KeyTrans(KeyTransError::Signature { by: KeyOf::Operator })
    ));
}

#[test]
fn an_older_head_or_an_older_log_is_not_opened() {
    let mut log = filled();
    let (old, head) = (log.store.clone(), log.head().cloned());
    log.insert(5000, vec![new("bob", "b2")]).unwrap();
    let mut store = log.store.clone();
    store.replace_head(head);
    assert!(matches!(open(store).unwrap_err(), LogError::Unsigned { what: Row::Entry, number: 5 }));
    let mut store = old;
    store.replace_head(log.head().cloned());
    assert!(matches!(open(store).unwrap_err(), LogError::Missing { .. }));
    let mut store = log.store;
    let signed = operator(DeploymentMode::ContactMonitoring).sign(0, Digest::ZERO).unwrap();
    assert_eq!(signed.tree_head, TreeHead { tree_size: 0, signature: signed.tree_head.signature.clone() });
    store.replace_head(Some(signed));
    assert!(open(store).is_err());
}

#[test]
fn older_entries_that_were_changed_are_found_by_the_whole_check() {
    let log = filled();
    log.check_all().unwrap();
    let mut store = log.store;
    store.replace_entry(1, |entry| entry.timestamp += 1);
    let log = open(store).unwrap();
    let found = log.check_all();
    assert!(matches!(found, Err(LogError::Changed { what: Row::LogNode, .. })), "{found:?}");
}

#[test]
fn a_value_that_its_commitment_does_not_hold_is_not_given_out() {
    let mut store = filled().store;
    store.replace_version(b"bob", 1, |kept| kept.opened.as_mut().unwrap().value = b"mallory".to_vec());
    let log = open(store).unwrap();
    let found = log.opened(b"bob", 1);
    assert!(matches!(found, Err(LogError::Changed { what: Row::Version, number: 1, .. })), "{found:?}");
    log.opened(b"bob", 0).unwrap().unwrap();
}

#[test]
fn other_keys_than_those_of_the_configuration_are_refused() {
    let make = |vrf, head| {
        let config = config(DeploymentMode::ContactMonitoring);
        Operator::with_suite(config, &Hashes, Box::new(Key(vrf)), Box::new(Key(head)))
    };
    assert!(make(b"vrf", b"head").is_ok());
    assert!(matches!(make(b"other", b"head"), Err(LogError::ForeignKey { of: KeyOf::Vrf })));
    assert!(matches!(make(b"vrf", b"other"), Err(LogError::ForeignKey { of: KeyOf::Operator })));
    // Another configuration with the same keys is another log.
    let found = Log::open(filled().store, operator(audited()));
    assert!(matches!(found, Err(LogError::KeyTrans(KeyTransError::Signature { by: KeyOf::Operator }))));
    let unknown =
        Operator::new(config(DeploymentMode::ContactMonitoring), Box::new(Key(b"vrf")), Box::new(Key(b"head")));
    assert!(matches!(unknown, Err(LogError::KeyTrans(KeyTransError::UnsupportedSuite { .. }))));
}

#[test]
fn what_is_not_in_the_log_is_refused() {
    let log = filled();
    let outside = |found: Result<(), LogError>| {
        let needs = PositionNeed::InLog;
        assert!(
            matches!(found, Err(LogError::KeyTrans(KeyTransError::Position { needs: found, .. })) if found == needs)
        );
    };
    outside(log.entry(5).map(drop));
    outside(log.look_up(5, &[]).map(drop));
    outside(log.root(0).map(drop));
    outside(log.root(6).map(drop));
    outside(log.inclusion(&Question { size: 6, known: 0, also: None, entries: &[] }).map(drop));
    outside(log.inclusion(&Question { size: 4, known: 0, also: None, entries: &[4] }).map(drop));
    outside(log.auditor_update(5).map(drop));
    assert_eq!(log.root(5).unwrap(), log.head().unwrap().root);
}

#[test]
fn a_log_with_an_auditor_takes_255_versions_in_one_entry() {
    let many = |count: usize| (0..count).map(|at| new(&format!("label {at}"), "x")).collect::<Vec<_>>();
    let mut log = Log::open(MemoryStore::new(), operator(audited())).unwrap();
    let found = log.insert(1, many(256));
    assert!(matches!(found, Err(LogError::Batch { limit: 255, found: 256 })), "{found:?}");
    log.insert(1, many(255)).unwrap();
    assert_eq!(log.auditor_update(0).unwrap().added.len(), 255);
    let mut log = open(MemoryStore::new()).unwrap();
    log.insert(1, many(256)).unwrap();
    assert!(matches!(log.auditor_update(0), Err(LogError::Batch { limit: 255, found: 256 })));
}

#[test]
fn a_log_of_either_suite_signs_and_proves_what_verifiers_accept() {
    for suite in [CipherSuite::ED25519, CipherSuite::RISTRETTO255] {
        let head_key = || suite::head_key(suite, &[1; 32]).unwrap();
        let auditor_key = suite::head_key(suite, &[3; 32]).unwrap();
        let vrf_key = |seed| suite::vrf_key(suite, &[seed; 32]).unwrap();
        let mode = DeploymentMode::ThirdPartyAuditing {
            max_auditor_lag: 1000,
            auditor_start_pos: 0,
            auditor_public_key: auditor_key.public_key(),
        };
        let mut config = config(mode);
        config.cipher_suite = suite;
        (config.signature_public_key, config.vrf_public_key) = (head_key().public_key(), vrf_key(2).public_key());
        let operator = Arc::new(Operator::new(config.clone(), vrf_key(2), head_key()).unwrap());
        let mut log = Log::open(MemoryStore::new(), Arc::clone(&operator)).unwrap();
        let mut auditor = Auditor::new();
        for entry in 0..3 {
            log.insert(entry, vec![new("alice", "a"), new("bob", "b")]).unwrap();
            auditor.update(&log.auditor_update(entry).unwrap()).unwrap();
            let head = log.head().unwrap();
            head.tree_head.verify(&config, &head.root).unwrap();
            auditor.sign(&config, auditor_key.as_ref()).unwrap().verify(&config, &head.root).unwrap();
        }
        for version in 0..4 {
            let (place, proof) = operator.prove_place(b"alice", version).unwrap();
            let input = crate::value::vrf_input(b"alice", version).unwrap();
            let verified = suite::by_id(suite).unwrap().verify_vrf(&config.vrf_public_key, &input, &proof);
            assert_eq!((verified, log.place(b"alice", version).unwrap()), (Ok(place), place));
        }
        let log = Log::open(log.store, operator).unwrap();
        assert_eq!((log.size(), log.head().unwrap().root), (3, auditor.root().unwrap()));
        let other = Operator::new(config, vrf_key(4), head_key());
        assert!(matches!(other, Err(LogError::ForeignKey { of: KeyOf::Vrf })));
    }
}
