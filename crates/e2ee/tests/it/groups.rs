//! Groups of two and of five, through everything that happens to them.

use quicprochat_e2ee::mls::{Change, Invalid, Received, Suite};

use crate::world::{Account, Device, group_of};

fn texts(received: &[Received]) -> Vec<String> {
    received
        .iter()
        .filter_map(|entry| match entry {
            Received::Message { content, .. } => Some(String::from_utf8(content.clone()).expect("UTF-8")),
            Received::Commit(_) | Received::OwnPending(_) | Received::OwnMessage | Received::Skipped(_) => None,
        })
        .collect()
}

#[test]
fn two_members_talk_in_both_suites() {
    for suite in [Suite::Hybrid, Suite::Classical] {
        let (alice, bob) = (Account::new("alice", 1), Account::new("bob", 1));
        let mut devices = [alice.device(0), bob.device(0)];
        let mut log = group_of(suite, &[&alice, &bob], &mut devices);
        let [phone, laptop] = &mut devices;
        phone.message(&mut log, "hello");
        laptop.catch_up(&log);
        laptop.message(&mut log, "hi");
        laptop.message(&mut log, "there");
        let received = phone.catch_up(&log);
        assert!(matches!(received[0], Received::OwnMessage));
        assert_eq!(texts(&received), ["hi", "there"]);
        assert_eq!(phone.keys(), laptop.keys());
        let (aad, pending) = laptop.commit(&log, &Change::default());
        log.append_commit(aad, &pending, Vec::new());
        for device in [phone, laptop] {
            device.catch_up(&log);
            assert_eq!(device.epoch(), 2, "{suite:?}");
        }
    }
}

#[test]
fn a_commit_that_lost_is_dropped_for_the_one_that_won() {
    let (alice, bob) = (Account::new("alice", 1), Account::new("bob", 1));
    let mut devices: [Device; 2] = [alice.device(0), bob.device(0)];
    let mut log = group_of(Suite::Hybrid, &[&alice, &bob], &mut devices);
    let [phone, laptop] = &mut devices;
    let (aad, winner) = phone.commit(&log, &Change::default());
    laptop.commit(&log, &Change::default());
    log.append_commit(aad, &winner, Vec::new());
    phone.catch_up(&log);
    laptop.catch_up(&log);
    assert!(!laptop.with_group(|group, _, _| group.has_pending()));
    assert_eq!(phone.keys(), laptop.keys());
    laptop.message(&mut log, "after");
    assert_eq!(texts(&phone.catch_up(&log)), ["after"]);
    let _ = Invalid::Malformed;
}
