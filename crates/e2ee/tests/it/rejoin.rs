//! Devices that enter their groups again (DESIGN M2), and groups in which that happens all the time.

use quicprochat_e2ee::{
    channel::{ChannelKeys, GroupInfoBody},
    mls::{Change, Group, MlsStore as _, PendingCommit, Profile, Received, Suite, inspect_group_info},
};
use quicprochat_wire::Entropy as _;

use crate::{
    testing::entropy::SeededEntropy,
    world::{Account, CHANNEL, Device, Log, group_of},
};

/// The same device after it lost everything.
fn anew(account: &Account, index: usize) -> Device {
    let mut device = account.device(index);
    device.entropy = SeededEntropy::new(4711);
    device
}

fn enter(device: &mut Device, log: &mut Log, info: &GroupInfoBody, keys: &ChannelKeys, account: &Account) -> bool {
    let (aad, pending) = device.rejoin(log, info, keys).expect("enters");
    assert!(pending.effect.joined_externally && pending.welcome.is_none());
    log.append_commit(aad, &pending, vec![account.record()]);
    device.cursor = log.entries.len();
    pending.effect.rolls
}

#[test]
fn a_device_that_lost_everything_takes_its_own_place_and_the_keys_roll() {
    for suite in [Suite::Hybrid, Suite::Classical] {
        let (alice, bob) = (Account::new("alice", 1), Account::new("bob", 1));
        let mut devices = [alice.device(0), bob.device(0)];
        let mut log = group_of(suite, &[&alice, &bob], &mut devices);
        let [phone, laptop] = &mut devices;
        laptop.message(&mut log, "lost");
        phone.catch_up(&log);
        let (old, info) = (phone.in_force.clone(), phone.group_info());

        let mut laptop = anew(&bob, 0);
        assert!(enter(&mut laptop, &mut log, &info, &old, &bob), "it removes its own leaf");
        let received = phone.catch_up(&log);
        let [Received::OwnPending(effect)] = &received[..] else { panic!("{received:?}") };
        assert!(effect.joined_externally && effect.rolls && !effect.removes_me && effect.added.is_empty());
        assert_eq!(effect.removed.iter().map(|member| member.leaf).collect::<Vec<_>>(), [1]);
        assert_eq!((effect.committer.leaf, effect.profile.as_ref()), (1, None));
        assert_ne!(phone.in_force, old, "the old keys are cut off");
        assert_eq!(phone.in_force, laptop.in_force);
        assert_eq!(phone.keys(), laptop.in_force, "from the epoch's exporter");

        laptop.message(&mut log, "back again");
        assert!(matches!(&phone.catch_up(&log)[..], [Received::Message { content, .. }] if content == b"back again"));
        phone.message(&mut log, "welcome");
        assert!(matches!(&laptop.catch_up(&log)[..], [Received::OwnMessage, Received::Message { .. }]));
        for device in [&mut *phone, &mut laptop] {
            device.with_group(|group, _, _| {
                assert_eq!((group.epoch(), group.members().map(|members| members.len())), (2, Ok(2)));
                assert_eq!(group.profile(), Ok(Profile::group("friends")), "its id went onto no list");
            });
        }
        assert!(!laptop.with_group(|group, _, _| group.has_fresh_leaf()), "nothing to renew before it writes");
    }
}

#[test]
fn a_new_device_of_a_member_enters_without_a_roll_and_everybody_follows() {
    let (mut alice, bob, carol) = (Account::new("alice", 3), Account::new("bob", 1), Account::new("carol", 1));
    let mut devices = [alice.device(0), alice.device(1), bob.device(0), carol.device(0)];
    let mut log = group_of(Suite::Hybrid, &[&alice, &bob, &carol], &mut devices);
    let (keys, info) = (devices[3].in_force.clone(), devices[3].group_info());
    alice.renew();
    let mut tablet = alice.device(2);
    assert!(!enter(&mut tablet, &mut log, &info, &keys, &alice));
    for device in &mut devices {
        let received = device.catch_up(&log);
        let [Received::OwnPending(effect)] = &received[..] else { panic!("{received:?}") };
        assert_eq!((effect.committer.leaf, effect.rolls, effect.removed.len()), (4, false, 0));
        assert_eq!(effect.committer.credential, tablet.own.credential());
        assert_eq!(device.in_force, keys);
        assert_eq!(device.keys(), tablet.keys(), "one exporter");
    }
    // It commits like any other, and GroupInfo it made opens to the next.
    let (aad, pending) = tablet.commit(&log, &Change { remove: vec![3], ..Change::default() });
    log.append_commit(aad, &pending, Vec::new());
    tablet.catch_up(&log);
    for device in &mut devices[..3] {
        device.catch_up(&log);
        assert_eq!(device.in_force, tablet.in_force);
    }
    let info = GroupInfoBody { group_info: pending.group_info, ratchet_tree: pending.ratchet_tree };
    let mut phone = anew(&alice, 0);
    assert!(enter(&mut phone, &mut log, &info, &tablet.in_force.clone(), &alice));
    for device in [&mut tablet, &mut devices[2]] {
        device.catch_up(&log);
        assert_eq!(device.keys(), phone.keys());
    }
}

#[test]
fn an_attempt_that_was_stale_leaves_nothing_and_the_next_one_enters() {
    let (alice, bob) = (Account::new("alice", 1), Account::new("bob", 1));
    let mut devices = [alice.device(0), bob.device(0)];
    let mut log = group_of(Suite::Hybrid, &[&alice, &bob], &mut devices);
    let [phone, old_laptop] = &mut devices;
    let (keys, info) = (phone.in_force.clone(), phone.group_info());
    let mut laptop = anew(&bob, 0);
    let (_, stale) = laptop.rejoin(&log, &info, &keys).expect("enters");
    // Somebody else's commit was first; the group that was built is discarded.
    let (aad, pending) = phone.commit(&log, &Change::default());
    log.append_commit(aad, &pending, Vec::new());
    phone.catch_up(&log);
    laptop.with(|provider, _| Group::discard(provider, CHANNEL)).expect("discards");
    assert!(laptop.store.is_empty(), "{:?}", laptop.store);
    let info = GroupInfoBody { group_info: pending.group_info, ratchet_tree: pending.ratchet_tree };
    let (aad, second) = laptop.rejoin(&log, &info, &keys).expect("enters");
    assert_ne!(stale.message, second.message);
    // The answer is lost: the same bytes are sent again, and the group is there already.
    log.append_commit(aad, &second, Vec::new());
    laptop.cursor = log.entries.len();
    phone.catch_up(&log);
    assert_eq!((phone.keys(), phone.in_force.clone()), (laptop.keys(), laptop.in_force.clone()));
    // Whoever runs the device's old state reads that it was replaced.
    let received = old_laptop.catch_up(&log);
    let Some(Received::OwnPending(effect)) = received.last() else { panic!("{received:?}") };
    assert!(effect.removes_me && effect.joined_externally && effect.keys.is_none());
    assert!(!old_laptop.with_group(|group, _, _| group.is_member()));
}

#[test]
fn damaged_state_is_swept_away_by_entering_anew() {
    let (alice, bob) = (Account::new("alice", 1), Account::new("bob", 1));
    let mut devices = [alice.device(0), bob.device(0)];
    let mut log = group_of(Suite::Hybrid, &[&alice, &bob], &mut devices);
    let [phone, laptop] = &mut devices;
    let info = phone.group_info();
    let keys = phone.in_force.clone();
    laptop.entropy = SeededEntropy::new(4711);
    // Labels of what a group consists of, as its keys begin with them; 17 is the KeyPackage.
    let healthy = laptop.store.clone();
    let mut damaged = 0;
    for key in healthy.keys().into_iter().filter(|key| key[0] != 17 && key.len() == 17) {
        laptop.store = healthy.clone();
        laptop.store.put(&key, &[2, 1, 2, 3]).expect("put");
        damaged += 1;
        laptop.with(|provider, _| Group::discard(provider, CHANNEL)).expect("discards");
        assert!(laptop.with(|provider, _| Group::load(provider, CHANNEL).is_ok_and(|found| found.is_none())));
    }
    assert!(damaged > 8, "{damaged} values");
    assert!(enter(laptop, &mut log, &info, &keys, &bob));
    phone.catch_up(&log);
    assert_eq!(phone.keys(), laptop.keys());
}

#[test]
fn a_group_info_says_what_the_group_is() {
    let (alice, bob) = (Account::new("alice", 1), Account::new("bob", 1));
    let mut devices = [alice.device(0), bob.device(0)];
    let log = group_of(Suite::Classical, &[&alice, &bob], &mut devices);
    let [phone, laptop] = &mut devices;
    let (aad, pending) = phone.commit(&log, &Change::default());
    let info = GroupInfoBody { group_info: pending.group_info.clone(), ratchet_tree: pending.ratchet_tree.clone() };
    let mut stranger = Account::new("carol", 1).device(0);
    let summary = stranger.with(|provider, _| inspect_group_info(provider, CHANNEL, &info)).expect("good");
    let mut log = log;
    log.append_commit(aad, &pending, Vec::new());
    laptop.catch_up(&log);
    laptop.with_group(|group, _, _| {
        assert_eq!(summary.transcript, group.transcript());
        assert_eq!(summary.members, group.members().expect("members"));
        assert_eq!(Ok((summary.suite, summary.profile)), group.suite().and_then(|suite| Ok((suite, group.profile()?))));
    });
    assert!(stranger.store.is_empty(), "looking leaves nothing");
    // Another commit at the same place is another past.
    let (_, other) = laptop.commit(&log, &Change::default());
    phone.catch_up(&log);
    let (_, another) = phone.commit(&log, &Change::default());
    let hash = |device: &mut Device, info: GroupInfoBody| {
        device.with(|provider, _| inspect_group_info(provider, CHANNEL, &info)).expect("good").transcript
    };
    let body =
        |pending: PendingCommit| GroupInfoBody { group_info: pending.group_info, ratchet_tree: pending.ratchet_tree };
    let (one, two) = (hash(&mut stranger, body(other)), hash(&mut stranger, body(another)));
    assert_eq!(one.epoch, two.epoch);
    assert_ne!(one.hash, two.hash);
}

/// One random history: devices write, commit, lose everything and enter again, are added from outside, and are removed.
fn history(seed: u64) {
    let accounts: Vec<_> = ["alice", "bob", "carol"].map(|name| Account::new(&format!("{name}{seed}"), 4)).into();
    let mut random = SeededEntropy::new(seed);
    let mut draw = |below: usize| {
        let mut bytes = [0; 8];
        random.fill(&mut bytes);
        usize::try_from(u64::from_le_bytes(bytes) % below as u64).expect("small")
    };
    // Names of devices beside the devices: (account, index).
    let mut names = vec![(0, 0), (1, 0), (2, 0)];
    let mut devices: Vec<_> = names.iter().map(|(account, index)| accounts[*account].device(*index)).collect();
    let mut log = group_of(Suite::Classical, &accounts.iter().collect::<Vec<_>>(), &mut devices);
    let mut banned: Vec<(usize, usize)> = Vec::new();
    for step in 0..24 {
        let actor = draw(devices.len());
        match draw(6) {
            0 | 1 => devices[actor].message(&mut log, &format!("{step}")),
            2 => {
                let (aad, pending) = devices[actor].commit(&log, &Change { update: true, ..Change::default() });
                log.append_commit(aad, &pending, Vec::new());
            }
            3 if devices.len() > 1 => {
                // Loses everything; another one's GroupInfo is what the server has.
                let other = (actor + 1) % devices.len();
                let (info, keys) = (devices[other].group_info(), devices[other].in_force.clone());
                let (account, index) = names[actor];
                let mut device = accounts[account].device(index);
                device.entropy = SeededEntropy::new(seed * 1000 + step);
                assert!(enter(&mut device, &mut log, &info, &keys, &accounts[account]), "it replaces itself");
                devices[actor] = device;
            }
            4 => {
                let (account, index) = (names[actor].0, draw(4));
                let name = (account, index);
                let (info, keys) = (devices[actor].group_info(), devices[actor].in_force.clone());
                let mut device = accounts[account].device(index);
                device.entropy = SeededEntropy::new(seed * 1000 + 500 + step);
                if banned.contains(&name) {
                    assert!(device.rejoin(&log, &info, &keys).is_err(), "seed {seed}: removed devices stay out");
                } else if !names.contains(&name) {
                    assert!(!enter(&mut device, &mut log, &info, &keys, &accounts[account]));
                    names.push(name);
                    devices.push(device);
                }
            }
            5 => {
                let victim = draw(devices.len());
                let siblings = names.iter().filter(|(account, _)| *account == names[victim].0).count();
                if victim != actor && siblings > 1 {
                    let leaf = devices[victim].with_group(|group, _, _| group.own_leaf());
                    let change = Change { remove: vec![leaf], ..Change::default() };
                    let (aad, pending) = devices[actor].commit(&log, &change);
                    log.append_commit(aad, &pending, Vec::new());
                    let last = devices[victim].catch_up(&log).pop();
                    assert!(matches!(last, Some(Received::OwnPending(effect)) if effect.removes_me));
                    banned.push(names.remove(victim));
                    devices.remove(victim);
                }
            }
            _ => {}
        }
        for device in &mut devices {
            let received = device.catch_up(&log);
            assert!(!received.iter().any(|entry| matches!(entry, Received::Skipped(_))), "seed {seed}: {received:?}");
        }
        let views: Vec<_> = devices
            .iter_mut()
            .map(|device| {
                let keys = (device.keys(), device.in_force.clone());
                device.with_group(|group, _, _| (group.transcript(), group.members().expect("members"), keys))
            })
            .collect();
        assert!(views.windows(2).all(|pair| pair[0] == pair[1]), "seed {seed}, step {step}");
    }
}

#[test]
fn in_random_histories_everybody_always_agrees() {
    for seed in 0..30 {
        history(seed);
    }
}
