//! Groups of two and of five, through everything that happens to them.

use core::cell::Cell;

use quicprochat_e2ee::{
    E2eeError, MlsStep, StateFault,
    channel::{open_keyring, seal_keyring},
    mls::{
        Change, CommitEffect, EntryRecords, Group, Invalid, MemoryMlsStore, MlsStore, Profile, Provider, Received,
        StoreFault, Suite, delete_key_package, has_key_package, welcome_for,
    },
};

use crate::{
    testing::entropy::SeededEntropy,
    world::{Account, CHANNEL, Device, Log, group_of, no_keys},
};

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
}

/// Alice with two devices, Bob, Carol and Dave.
fn five() -> (Vec<Account>, Vec<Device>, Log) {
    let accounts: Vec<_> =
        [("alice", 2), ("bob", 1), ("carol", 1), ("dave", 1)].map(|(name, count)| Account::new(name, count)).into();
    let [alice, bob, carol, dave] = &accounts[..] else { unreachable!("four accounts") };
    let mut devices = vec![alice.device(0), alice.device(1), bob.device(0), carol.device(0), dave.device(0)];
    let log = group_of(Suite::Hybrid, &[alice, bob, carol, dave], &mut devices);
    (accounts, devices, log)
}

fn effect(received: &[Received]) -> &CommitEffect {
    match received {
        [Received::OwnPending(effect)] => effect,
        other => panic!("expected one commit, found {other:?}"),
    }
}

#[test]
fn five_devices_hear_each_other_and_share_keys_at_every_epoch() {
    let (_, mut devices, mut log) = five();
    for round in 0..2 {
        for writer in 0..devices.len() {
            devices[writer].message(&mut log, &format!("{round} {writer}"));
            let (aad, pending) = devices[writer].commit(&log, &Change::default());
            log.append_commit(aad, &pending, Vec::new());
            assert!(!pending.effect.rolls);
            for (reader, device) in devices.iter_mut().enumerate() {
                let received = device.catch_up(&log);
                let expected = if reader == writer { vec![] } else { vec![format!("{round} {writer}")] };
                assert_eq!(texts(&received), expected);
            }
            let keys: Vec<_> = devices.iter_mut().map(Device::keys).collect();
            assert!(keys.windows(2).all(|pair| pair[0] == pair[1]), "one exporter");
            assert_eq!(pending.effect.keys.as_ref(), keys.first(), "known before the commit is merged");
        }
    }
    assert!(devices.iter_mut().all(|device| device.epoch() == 11));
    assert!(devices.iter_mut().all(|device| !device.with_group(|group, _, _| group.has_fresh_leaf())));
}

#[test]
fn a_removed_member_is_cut_off_and_the_others_roll() {
    let (accounts, mut devices, mut log) = five();
    // Carol asks to leave; Bob, the next to commit, removes her.
    devices[3].message(&mut log, "leave");
    let leaver = match devices[2].catch_up(&log).pop() {
        Some(Received::Message { sender, .. }) => sender,
        other => panic!("expected a message, found {other:?}"),
    };
    let (aad, pending) = devices[2].commit(&log, &Change { remove: vec![leaver.leaf], ..Change::default() });
    log.append_commit(aad, &pending, Vec::new());
    let before = devices[3].store.clone();
    let mut keys = Vec::new();
    for index in [0, 1, 2, 4] {
        let received = devices[index].catch_up(&log);
        let Some(Received::OwnPending(effect)) = received.last() else { panic!("a commit ends {received:?}") };
        assert!(effect.rolls && !effect.removes_me);
        assert_eq!(effect.removed, std::slice::from_ref(&leaver));
        assert_eq!(effect.profile, None, "her account is gone, so no list names her device");
        keys.push(effect.keys.clone().expect("keys of the next epoch"));
        assert_eq!(devices[index].keys(), keys[0], "derived alike before and after merging");
    }
    let keyring_epoch = pending.effect.epoch;
    let remaining = [&accounts[0], &accounts[1], &accounts[3]];
    let publics: Vec<_> = remaining.iter().map(|account| account.identity.inbox_key()).collect();
    let mut entropy = SeededEntropy::new(9);
    let keyring = seal_keyring(&CHANNEL, &keys[0], keyring_epoch, &publics, &mut entropy).expect("seals");
    for account in remaining {
        let opened = open_keyring(&CHANNEL, &keys[0].access_public(), &keyring, std::slice::from_ref(&account.inbox));
        assert_eq!(opened, Ok(Some((keys[0].clone(), keyring_epoch))));
    }
    let carols = open_keyring(&CHANNEL, &keys[0].access_public(), &keyring, std::slice::from_ref(&accounts[2].inbox));
    assert_eq!(carols, Ok(None));

    devices[0].message(&mut log, "without her");
    // Carol did not see the commit that removes her, and tries the message after it with what she has.
    let removal = devices[3].cursor + 1;
    let entry = &log.entries[removal + 1];
    let carol = &mut devices[3];
    let tried = carol.with_group(|group, provider, _| {
        group.receive(provider, entry.kind, &entry.message, &entry.aad, &EntryRecords::default(), &no_keys())
    });
    assert!(matches!(tried, Ok(Received::Skipped(Invalid::OtherEpoch { .. }))), "{tried:?}");
    carol.store = before;
    let received: Vec<_> = (0..2).map(|_| carol.step(&log)).collect();
    let Some(Received::OwnPending(effect)) = received.last() else { panic!("a commit ends {received:?}") };
    assert!(effect.removes_me && effect.keys.is_none());
    carol.with_group(|group, provider, own| {
        assert!(!group.is_member());
        assert!(group.channel_keys(provider).is_err());
        let aad = log.next_aad(&mut SeededEntropy::new(1));
        let refused = Err(StateFault::NotAMember.into());
        assert_eq!(group.encrypt(provider, own, &aad, b"still here"), refused);
        let taken =
            group.receive(provider, entry.kind, &entry.message, &entry.aad, &EntryRecords::default(), &no_keys());
        assert!(matches!(taken, Err(E2eeError::State(StateFault::NotAMember))));
    });
    assert_eq!(texts(&devices[4].catch_up(&log)), ["without her"]);
}

#[test]
fn one_commit_adds_removes_renames_and_renews_the_own_leaf() {
    let (mut accounts, mut devices, mut log) = five();
    accounts[0].renew();
    devices[0].own = accounts[0].own(0);
    let erin = Account::new("erin", 2);
    let mut new = [erin.device(0), erin.device(1)];
    let packages: Vec<_> = new.iter_mut().map(|device| device.key_package(Suite::Hybrid)).collect();
    let change = Change {
        add: packages.clone(),
        remove: vec![1, 4],
        profile: Some(Profile { policy: 2, ..Profile::group("renamed") }),
        update: false,
    };
    let (aad, pending) = devices[0].commit(&log, &change);
    log.append_commit(aad, &pending, vec![accounts[0].record(), erin.record()]);
    let second = accounts[0].own(1).device;
    for index in [0, 2, 3] {
        let received = devices[index].catch_up(&log);
        let effect = effect(&received);
        assert_eq!(*effect, pending.effect);
        assert_eq!(effect.committer.credential.identity_hash, accounts[0].identity.hash());
        assert_eq!(effect.added.iter().map(|member| member.leaf).collect::<Vec<_>>(), [1, 4], "the free places");
        let profile = Profile { policy: 2, removed: vec![second], ..Profile::group("renamed") };
        assert_eq!(effect.profile.as_ref(), Some(&profile));
        devices[index].with_group(|group, _, _| {
            assert_eq!(group.profile(), Ok(profile));
            let members = group.members().expect("members");
            assert_eq!(members.len(), 5);
            assert!(effect.added.iter().all(|added| members.contains(added)), "the places foreseen");
            assert!(members.contains(&effect.committer));
        });
    }
    assert!(effect(&devices[1].catch_up(&log)).removes_me);
    let welcome = welcome_for(pending.welcome.as_deref().expect("a Welcome"), &[&packages[0], &packages[1]]);
    for device in &mut new {
        device.join(&log, welcome.as_deref().expect("well-formed"), &pending);
        let records: Vec<_> = accounts.iter().chain([&erin]).map(Account::record).collect();
        device.with_group(|group, _, _| {
            assert_eq!(group.check_records(&EntryRecords::check(&records)), Ok(()));
            let missing = group.check_records(&EntryRecords::check(&records[1..]));
            assert_eq!(missing, Err(Invalid::MissingRecord.into()));
        });
        assert_eq!(device.keys(), devices[0].keys());
        assert!(device.with_group(|group, _, _| group.has_fresh_leaf()));
    }
    new[1].message(&mut log, "hello from erin");
    assert_eq!(texts(&devices[3].catch_up(&log)), ["hello from erin"]);
    assert_eq!(texts(&new[0].catch_up(&log)), ["hello from erin"]);
}

#[test]
fn a_welcome_cut_down_opens_for_its_devices_only() {
    let (alice, bob, carol) = (Account::new("alice", 1), Account::new("bob", 1), Account::new("carol", 1));
    let mut log = Log::default();
    let (mut phone, mut bobs, mut carols) = (alice.device(0), bob.device(0), carol.device(0));
    phone.create(Suite::Hybrid);
    let packages = [bobs.key_package(Suite::Hybrid), carols.key_package(Suite::Hybrid)];
    let (aad, pending) = phone.commit(&log, &Change { add: packages.to_vec(), ..Change::default() });
    log.append_commit(aad, &pending, vec![bob.record(), carol.record()]);
    let whole = pending.welcome.clone().expect("a Welcome");
    let for_bob = welcome_for(&whole, &[&packages[0]]).expect("well-formed");
    assert!(for_bob.len() + 1000 < whole.len());
    let tree = &pending.ratchet_tree;
    let join = |provider: &Provider<'_>, records: &[Vec<u8>]| {
        Group::join(provider, CHANNEL, &for_bob, tree, &EntryRecords::check(records)).map(drop).err()
    };
    let records = [&alice, &bob, &carol].map(Account::record);
    assert_eq!(carols.with(|provider, _| join(provider, &records)), Some(E2eeError::Mls { step: MlsStep::Join }));
    // Whoever lacks a member's record does not join, and nothing of the group stays.
    assert_eq!(bobs.with(|provider, _| join(provider, &records[1..])), Some(Invalid::MissingRecord.into()));
    assert_eq!(bobs.with(|provider, _| join(provider, &records)), None);
    assert_eq!(bobs.with(|provider, _| join(provider, &records)), Some(StateFault::Exists.into()));
    assert_eq!(welcome_for(&whole, &[&packages[0], &packages[1]]), Ok(whole.clone()));
    for end in 0..for_bob.len() {
        assert!(welcome_for(&for_bob[..end], &[&packages[0]]).is_err(), "cut at {end}");
    }
    // The KeyPackage is reusable: it is still there after joining, until it is deleted.
    bobs.with(|provider, _| {
        assert_eq!(has_key_package(provider, &packages[0]), Ok(true));
        delete_key_package(provider, &packages[0]).expect("deleted");
        assert_eq!(has_key_package(provider, &packages[0]), Ok(false));
    });
}

#[test]
fn a_deleted_group_leaves_nothing_and_epochs_do_not_pile_up() {
    let (_, mut devices, mut log) = five();
    let mut sizes = Vec::new();
    for round in 0..15 {
        let writer = round % devices.len();
        let (aad, pending) = devices[writer].commit(&log, &Change::default());
        log.append_commit(aad, &pending, Vec::new());
        for device in &mut devices {
            device.catch_up(&log);
        }
        sizes.push(devices[0].store.len());
    }
    let most = |rounds: &[usize]| rounds.iter().copied().max();
    assert!(most(&sizes[10..]) <= most(&sizes[5..10]).map(|most| most + 1), "{sizes:?}");
    let device = &mut devices[0];
    device.with(|provider, _| {
        let group = Group::load(provider, CHANNEL).expect("readable").expect("a group");
        group.delete(provider).expect("deleted");
        assert!(Group::load(provider, CHANNEL).expect("readable").is_none());
    });
    assert!(device.store.is_empty(), "{:?}", device.store);
}

#[test]
fn a_run_can_be_replayed() {
    let run = || {
        let (_, mut devices, mut log) = five();
        devices[1].message(&mut log, "hello");
        let (aad, pending) = devices[0].commit(&log, &Change { remove: vec![4], ..Change::default() });
        log.append_commit(aad, &pending, Vec::new());
        log.entries.into_iter().map(|entry| entry.message).collect::<Vec<_>>()
    };
    assert_eq!(run(), run());
}

#[test]
fn steps_that_do_not_fit_are_refused() {
    let (_, mut devices, log) = five();
    let aad = log.next_aad(&mut SeededEntropy::new(1));
    let device = &mut devices[0];
    device.with_group(|group, provider, own| {
        assert_eq!(group.merge_pending(provider), Err(StateFault::NoPendingCommit.into()));
        let nobody = Change { remove: vec![17], ..Change::default() };
        let refused = group.stage_commit(provider, own, &nobody, &aad).err();
        assert_eq!(refused, Some(StateFault::NoSuchLeaf { leaf: 17 }.into()));
        let own_leaf = Change { remove: vec![group.own_leaf()], ..Change::default() };
        let refused = group.stage_commit(provider, own, &own_leaf, &aad).err();
        assert_eq!(refused, Some(E2eeError::Mls { step: MlsStep::Commit }));
        let junk = Change { add: vec![vec![1, 2, 3]], ..Change::default() };
        let refused = group.stage_commit(provider, own, &junk, &aad).err();
        assert_eq!(refused, Some(E2eeError::Mls { step: MlsStep::KeyPackage }));
        group.stage_commit(provider, own, &Change::default(), &aad).expect("stages");
        let second = group.stage_commit(provider, own, &Change::default(), &aad).err();
        assert_eq!(second, Some(StateFault::PendingCommit.into()));
        group.clear_pending(provider).expect("cleared");
        assert!(!group.has_pending());
        let created = Group::create(provider, own, CHANNEL, Suite::Hybrid, &Profile::direct()).err();
        assert_eq!(created, Some(StateFault::Exists.into()));
    });
}

/// Counts the bytes written through it.
struct Counting<'a> {
    inner: &'a MemoryMlsStore,
    written: Cell<usize>,
}

impl MlsStore for Counting<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreFault> {
        self.inner.get(key)
    }
    fn put(&self, key: &[u8], value: &[u8]) -> Result<(), StoreFault> {
        self.written.set(self.written.get() + value.len());
        self.inner.put(key, value)
    }
    fn delete(&self, key: &[u8]) -> Result<(), StoreFault> {
        self.inner.delete(key)
    }
}

#[test]
fn a_message_and_a_commit_write_a_small_part_of_a_group_of_64() {
    let accounts: Vec<_> = (0..8).map(|index| Account::new(&format!("account{index}"), 8)).collect();
    let mut devices: Vec<_> = (0..64).map(|index| accounts[index / 8].device(index % 8)).collect();
    let mut log = group_of(Suite::Hybrid, &accounts.iter().collect::<Vec<_>>(), &mut devices);
    let (aad, pending) = devices[1].commit(&log, &Change::default());
    log.append_commit(aad, &pending, Vec::new());
    let reader = &mut devices[2];
    let entry = &log.entries[reader.cursor];
    let counting = Counting { inner: &reader.store, written: Cell::new(0) };
    let provider = Provider::new(&counting, &mut reader.entropy);
    let mut group = Group::load(&provider, CHANNEL).expect("readable").expect("a group");
    let received =
        group.receive(&provider, entry.kind, &entry.message, &entry.aad, &EntryRecords::default(), &no_keys());
    let Ok(Received::Commit(staged)) = received else { panic!("expected a commit, found {received:?}") };
    group.merge_staged(&provider, *staged).expect("merges");
    let (commit, whole) = (counting.written.replace(0), reader.store.bytes());
    assert!(whole > 100_000 && commit < whole / 3, "{commit} of {whole} bytes");
    group.encrypt(&provider, &reader.own, &entry.aad, b"text").expect("encrypts");
    let message = counting.written.get();
    assert!(message < 2500, "{message} bytes");
}

#[test]
fn members_of_one_epoch_derive_the_same_replacements_and_nobody_else_does() {
    for suite in [Suite::Hybrid, Suite::Classical] {
        let (alice, bob) = (Account::new("alice", 1), Account::new("bob", 1));
        let mut devices = [alice.device(0), bob.device(0)];
        let mut log = group_of(suite, &[&alice, &bob], &mut devices);
        let derive = |device: &mut Device, number| {
            device.with_group(|group, provider, _| group.replacement(provider, number).expect("derives"))
        };
        let [phone, laptop] = &mut devices;
        let first = derive(phone, 1);
        assert_eq!(derive(laptop, 1), first, "{suite:?}");
        assert_eq!(derive(phone, 1), first, "as often as it is asked for");
        let second = derive(phone, 2);
        assert!(second.channel != first.channel && second.keys != first.keys);
        assert!(first.keys != phone.keys() && first.channel != CHANNEL);
        let (aad, pending) = laptop.commit(&log, &Change::default());
        log.append_commit(aad, &pending, Vec::new());
        phone.catch_up(&log);
        assert_ne!(derive(phone, 1).channel, first.channel, "another epoch");
    }
}
