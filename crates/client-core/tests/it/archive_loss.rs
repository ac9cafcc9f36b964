//! What the server loses or damages of an archive: it is noticed, given up after a while, and put in again by who has it.

use quicprochat_client_core::{
    Command, CommandError, Event, Outcome, StoreTx as _,
    event::{ArchiveLoss, ArchiveWarning},
    store::{Gaps, LogBody, Stored as _},
};
use quicprochat_wire::{
    ChannelId, ObjectId, Request,
    call::archive::{ArchiveDelete, ArchivePut},
};

use crate::{
    archive::{HOUR, LAPTOP, MINUTE, PHONE, kept, objects, status, sync_history, talk},
    world::World,
};

/// The last object that alice put in: the manifest.
fn manifest(world: &mut World) -> ObjectId {
    let put = |request: &Request| if let Request::ArchivePut(put) = request { Some(put.id) } else { None };
    world.client("alice").calls.iter().rev().find_map(|(_, request)| put(request)).expect("put")
}

/// The server has other bytes for them from now on.
fn damage(world: &mut World, ids: &[ObjectId]) {
    let connection = world.signed("alice");
    world.ask(&connection, ArchiveDelete { ids: ids.to_vec() }.into());
    for id in ids {
        world.ask(&connection, ArchivePut { id: *id, sealed: vec![7; 600] }.into());
    }
}

fn lose(world: &mut World, ids: &[ObjectId]) {
    let connection = world.signed("alice");
    world.ask(&connection, ArchiveDelete { ids: ids.to_vec() }.into());
}

fn segments(world: &mut World) -> Vec<ObjectId> {
    let manifest = manifest(world);
    objects(world, "alice").into_iter().filter(|id| *id != manifest).collect()
}

fn warned(world: &mut World, name: &str) -> Vec<ArchiveWarning> {
    let warning = |event: &Event| if let Event::Archive(warning) = event { Some(*warning) } else { None };
    world.client(name).events.iter().filter_map(warning).collect()
}

fn gaps(world: &mut World, name: &str, channel: ChannelId) -> Vec<(u64, u64)> {
    let tx = world.client(name).store.begin().expect("opens");
    let log = tx.messages().messages_of(&channel, 0, 10_000).expect("reads").into_iter();
    log.filter_map(|entry| if let LogBody::Gap { from, to } = entry.body { Some((from, to)) } else { None }).collect()
}

/// How often a device asked members for what it cannot read.
fn asked_members(world: &mut World, name: &str, channel: ChannelId) -> u32 {
    let tx = world.client(name).store.begin().expect("opens");
    let stored = tx.upkeep().setting(&format!("gaps/{channel}")).expect("reads");
    stored.map_or(0, |stored| Gaps::decode(&stored).expect("reads").tries)
}

#[test]
fn a_damaged_segment_is_given_up_by_who_saw_it_and_put_in_again_by_who_has_it() {
    let (mut world, channel) = kept();
    let texts = talk(&mut world, channel, 0..6);
    sync_history(&mut world, "alice");
    let bad = segments(&mut world);
    damage(&mut world, &bad);
    world.set_online("alice", false);
    world.enrol("alice", LAPTOP);
    for _ in 0..3 {
        assert_eq!(
            warned(&mut world, LAPTOP).iter().filter(|warning| **warning != ArchiveWarning::Unreadable).count(),
            0
        );
        world.sync(LAPTOP);
        world.sync(LAPTOP);
        assert!(status(&mut world, LAPTOP).unreadable > 0);
        world.pass(HOUR + MINUTE);
    }
    world.sync(LAPTOP);
    world.pass(MINUTE * 3);
    world.sync(LAPTOP);
    let said = warned(&mut world, LAPTOP);
    let [ArchiveWarning::Unreadable, ArchiveWarning::Lost(loss)] = said[..] else { panic!("{said:?}") };
    assert!(loss.objects == bad.len() && loss.missing >= texts.len() as u64, "{loss:?}");
    assert_eq!(status(&mut world, LAPTOP).unreadable, 0);
    assert!(bad.iter().all(|id| !objects(&mut world, LAPTOP).contains(id)), "of no use to anybody");
    // What was in it stays a gap for as long as nobody brings it.
    assert!(!gaps(&mut world, LAPTOP, channel).is_empty());
    world.set_online("alice", true);
    world.sync("alice");
    world.pass(MINUTE * 3);
    world.sync("alice");
    assert_eq!(warned(&mut world, "alice"), [], "it only sees that there is something to be put in");
    world.set_online("alice", false);
    world.sync(LAPTOP);
    assert_eq!(world.texts(LAPTOP, channel), texts);
    assert_eq!(warned(&mut world, LAPTOP).len(), 2, "said once");
    world.enrol("alice", PHONE);
    sync_history(&mut world, PHONE);
    assert_eq!(world.texts(PHONE, channel), texts);
}

#[test]
fn a_manifest_that_is_lost_is_made_anew_from_the_segments() {
    for is_damaged in [false, true] {
        let (mut world, channel) = kept();
        let texts = talk(&mut world, channel, 0..6);
        sync_history(&mut world, "alice");
        let bad = [manifest(&mut world)];
        (if is_damaged { damage } else { lose })(&mut world, &bad);
        world.set_online("alice", false);
        world.enrol("alice", LAPTOP);
        for _ in 0..2 {
            world.sync(LAPTOP);
            assert_eq!(world.texts(LAPTOP, channel), Vec::<String>::new());
            world.pass(HOUR + MINUTE);
        }
        world.sync(LAPTOP);
        world.sync(LAPTOP);
        assert_eq!(world.texts(LAPTOP, channel), texts, "damaged: {is_damaged}");
        let lost = ArchiveWarning::Lost(ArchiveLoss { objects: 1, missing: 0 });
        assert_eq!(warned(&mut world, LAPTOP), [ArchiveWarning::Unreadable, lost]);
        // The device that knew the manifest before goes on from the new one.
        world.set_online("alice", true);
        let more = talk(&mut world, channel, 6..8);
        sync_history(&mut world, "alice");
        world.set_online("alice", false);
        world.enrol("alice", PHONE);
        sync_history(&mut world, PHONE);
        assert_eq!(world.texts(PHONE, channel), [texts, more].concat());
    }
}

#[test]
fn a_repair_looks_at_every_object_and_mends_what_is_amiss_at_once() {
    let (mut world, channel) = kept();
    let texts = talk(&mut world, channel, 0..6);
    sync_history(&mut world, "alice");
    let repair = |world: &mut World, name: &str| {
        let result = world.run(name, Command::Repair);
        let Ok(Outcome::Repaired { archive, .. }) = result else { panic!("{result:?}") };
        archive
    };
    assert_eq!(repair(&mut world, "alice"), ArchiveLoss::default());
    let bad: Vec<_> = objects(&mut world, "alice").into_iter().collect();
    damage(&mut world, &bad);
    // Nothing told this device of it, which has all that there is.
    let loss = repair(&mut world, "alice");
    assert!(loss.objects >= bad.len() && loss.missing == 0, "{loss:?}");
    assert_eq!(repair(&mut world, "alice"), ArchiveLoss::default());
    world.enrol("alice", LAPTOP);
    sync_history(&mut world, LAPTOP);
    assert_eq!(world.texts(LAPTOP, channel), texts);
    // A device that has nothing gives up what is bad, and another one puts it in again.
    let bad: Vec<_> = objects(&mut world, "alice").into_iter().collect();
    damage(&mut world, &bad);
    world.set_online("alice", false);
    world.set_online(LAPTOP, false);
    world.enrol("alice", PHONE);
    let loss = repair(&mut world, PHONE);
    assert!(loss.objects >= 1, "{loss:?}");
    assert_eq!(world.texts(PHONE, channel), Vec::<String>::new());
    world.set_online("alice", true);
    sync_history(&mut world, "alice");
    sync_history(&mut world, PHONE);
    assert_eq!(world.texts(PHONE, channel), texts);
}

#[test]
fn what_no_device_has_any_more_stays_a_gap() {
    let (mut world, channel) = kept();
    let mut texts = talk(&mut world, channel, 0..6);
    sync_history(&mut world, "alice");
    let bad = segments(&mut world);
    texts.extend(talk(&mut world, channel, 6..10));
    sync_history(&mut world, "alice");
    lose(&mut world, &bad);
    world.set_online("alice", false);
    world.set_online("bob", false);
    world.enrol("alice", LAPTOP);
    assert_eq!(world.run(LAPTOP, Command::SyncHistory), Err(CommandError::ArchiveUnreadable));
    for _ in 0..4 {
        world.pass(HOUR + MINUTE);
        world.sync(LAPTOP);
    }
    sync_history(&mut world, LAPTOP);
    assert_eq!(status(&mut world, LAPTOP).unreadable, 0);
    assert_eq!(world.texts(LAPTOP, channel), texts[6..], "the rest is there");
    assert!(!gaps(&mut world, LAPTOP, channel).is_empty());
    assert!(asked_members(&mut world, LAPTOP, channel) > 0, "members may still have it");
}

#[test]
fn members_are_not_asked_for_what_the_archive_has() {
    let (mut world, channel) = kept();
    let texts = talk(&mut world, channel, 0..10);
    sync_history(&mut world, "alice");
    world.set_online("alice", false);
    world.enrol("alice", LAPTOP);
    world.sync(LAPTOP);
    assert_eq!(world.texts(LAPTOP, channel), texts);
    assert_eq!(gaps(&mut world, LAPTOP, channel), []);
    assert_eq!(asked_members(&mut world, LAPTOP, channel), 0);
}

#[test]
fn members_are_asked_for_what_the_archive_lacks_and_for_all_if_it_does_not_give_it() {
    for is_withheld in [false, true] {
        let (mut world, channel) = kept();
        let mut texts = talk(&mut world, channel, 0..6);
        sync_history(&mut world, "alice");
        let held = segments(&mut world);
        world.set_online("alice", false);
        // No own device has read it.
        world.send("bob", channel, "later").expect("sent");
        texts.push("bob: later".to_owned());
        if is_withheld {
            lose(&mut world, &held);
        }
        world.enrol("alice", LAPTOP);
        world.sync(LAPTOP);
        assert_eq!(asked_members(&mut world, LAPTOP, channel), 1, "withheld: {is_withheld}");
        let before = world.texts(LAPTOP, channel);
        assert_eq!(before, if is_withheld { Vec::new() } else { texts[..6].to_vec() });
        world.sync("bob");
        world.pass(MINUTE * 5);
        world.sync("bob");
        world.sync(LAPTOP);
        let tx = world.client(LAPTOP).store.begin().expect("opens");
        let log = tx.messages().messages_of(&channel, 0, 10_000).expect("reads");
        let relayed = log.iter().filter(|entry| matches!(entry.body, LogBody::Relayed { .. })).count();
        // Bob entered with the conversation's first messages, and all of these came after.
        assert_eq!(relayed, if is_withheld { texts.len() } else { 1 }, "withheld: {is_withheld}");
    }
}
