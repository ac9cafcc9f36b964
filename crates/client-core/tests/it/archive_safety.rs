//! An archive whose process dies, whose link is lost, whose other devices write, and whose server is put back or lies.

use std::collections::BTreeSet;

use quicprochat_client_core::{
    CallError, Command, CommandError, Event, Outcome, StoreTx as _,
    event::ArchiveWarning,
    history::{HistoryRecord, RecordBody, encode_list},
    store::LogBody,
};
use quicprochat_e2ee::vault::{ArchiveRecord, ObjectKind, StateRecord as _, object_hash, seal_object};
use quicprochat_server_core::Limits;
use quicprochat_wire::{
    ChannelId, DeviceId, MessageId, ObjectId, Request, Response, Writer,
    call::archive::{ArchiveDelete, ArchiveEntry, ArchivePut},
    time::Duration,
};

use crate::{
    archive::{HOUR, LAPTOP, MINUTE, PHONE, kept, objects, status, sync_history, talk},
    world::{Seeded, World},
};

const OFF: Command = Command::SetHistory { channel: None, on: false };
const ON: Command = Command::SetHistory { channel: None, on: true };
/// More than a sweep is put off.
const NEXT_SWEEP: Duration = Duration::from_secs(31 * 3600);

/// Alice with history at the server, and nothing left to be done.
fn archived() -> (World, ChannelId) {
    let (mut world, channel) = kept();
    talk(&mut world, channel, 0..4);
    sync_history(&mut world, "alice");
    world.client("alice").calls.clear();
    (world, channel)
}

/// A laptop beside that, which has all of it.
fn with_laptop() -> (World, ChannelId) {
    let (mut world, channel) = archived();
    world.enrol("alice", LAPTOP);
    for name in [LAPTOP, "alice", "bob", LAPTOP] {
        world.sync(name);
    }
    (world, channel)
}

fn set(world: &mut World, name: &str, command: Command) {
    assert_eq!(world.run(name, command), Ok(Outcome::Done));
}

fn count(world: &mut World, name: &str, call: &str) -> usize {
    world.client(name).calls.iter().filter(|(_, request)| request.name() == call).count()
}

/// Runs the world until alice makes a call.
fn until(world: &mut World, is_it: impl Fn(&Request) -> bool) {
    for _ in 0..2_000 {
        if world.client("alice").calls.iter().any(|(_, request)| is_it(request)) {
            return;
        }
        world.step();
    }
    let calls: Vec<_> = world.client("alice").calls.iter().map(|(_, request)| request.name()).collect();
    panic!("only {calls:?}")
}

/// Alice goes on, and is told last of all that there is another record.
fn thaw(world: &mut World) {
    let alice = world.client("alice");
    (alice.frozen, alice.deaf) = (false, true);
}

fn is_list(request: &Request) -> bool {
    matches!(request, Request::ArchiveList(_))
}

fn warnings(world: &mut World, name: &str) -> Vec<ArchiveWarning> {
    let warning = |event: &Event| if let Event::Archive(warning) = event { Some(*warning) } else { None };
    world.client(name).events.iter().filter_map(warning).collect()
}

/// An object of a device that is about to point to it.
fn put_stray(world: &mut World, byte: u8) -> ObjectId {
    let (id, connection) = (ObjectId::new([byte; 16]), world.signed("alice"));
    world.ask(&connection, ArchivePut { id, sealed: vec![1; 600] }.into());
    id
}

/// Checks how a story ends in which alice dies, or loses the link, once at any effect.
#[expect(clippy::print_stdout, reason = "a test that fails says where")]
fn at_every_effect(world: &mut World, story: impl Fn(&mut World), check: impl Fn(&mut World)) {
    let copy = world.copy();
    world.back_to(&copy);
    story(world);
    let effects = world.client("alice").effects;
    check(world);
    assert!(effects > 8, "{effects} effects");
    for at in 0..effects {
        for dies in [false, true] {
            println!("effect {at} of {effects}, dies: {dies}");
            world.back_to(&copy);
            let client = world.client("alice");
            *(if dies { &mut client.crash_at } else { &mut client.cut_at }) = Some(at);
            story(world);
            check(world);
        }
    }
}

#[test]
fn history_that_is_turned_off_is_deleted_wherever_the_process_dies_or_the_link_is_lost() {
    let story = |world: &mut World| {
        world.persist("alice", &OFF);
        world.persist("alice", &Command::Sync);
        world.persist("alice", &Command::Sync);
    };
    at_every_effect(&mut archived().0, story, |world| {
        let there = status(world, "alice");
        assert!(!there.enabled && there.asked.is_none(), "{there:?}");
        assert_eq!(objects(world, "alice").len(), 0);
    });
}

#[test]
fn what_a_device_that_died_left_of_an_archive_that_is_off_goes_too() {
    let (mut world, _) = archived();
    set(&mut world, "alice", OFF);
    world.sync("alice");
    put_stray(&mut world, 9);
    for _ in 0..2 {
        assert_eq!(objects(&mut world, "alice").len(), 1);
        world.pass(NEXT_SWEEP);
        world.sync("alice");
    }
    assert_eq!(objects(&mut world, "alice").len(), 0);
}

#[test]
fn a_wish_to_delete_that_is_outdated_deletes_nothing_that_is_on_its_way() {
    let (mut world, _) = with_laptop();
    set(&mut world, "alice", OFF);
    let lose = |result: &mut Result<Response, CallError>| {
        if matches!(result, Ok(Response::ArchivePage(_))) {
            *result = Err(CallError::LinkLost);
        }
    };
    world.tamper = Some(("alice", Box::new(lose)));
    let id = world.begin("alice", Command::Sync);
    until(&mut world, is_list);
    world.set_online("alice", false);
    assert!(world.wait("alice", id).is_err(), "there is no link");
    world.tamper = None;
    world.sync(LAPTOP);
    set(&mut world, LAPTOP, ON);
    sync_history(&mut world, LAPTOP);
    let stray = put_stray(&mut world, 9);
    world.set_online("alice", true);
    world.sync("alice");
    sync_history(&mut world, "alice");
    assert!(objects(&mut world, "alice").contains(&stray));
}

#[test]
fn a_device_that_deletes_sees_first_whether_another_one_turned_history_on() {
    let (mut world, channel) = with_laptop();
    set(&mut world, "alice", OFF);
    let id = world.begin("alice", Command::Sync);
    until(&mut world, |request| matches!(request, Request::VaultStore(_)));
    // The answer to what turned it off, and what comes of it, waits.
    world.client("alice").frozen = true;
    world.sync(LAPTOP);
    set(&mut world, LAPTOP, ON);
    sync_history(&mut world, LAPTOP);
    let there = objects(&mut world, LAPTOP);
    assert!(there.len() >= 2);
    thaw(&mut world);
    until(&mut world, is_list);
    world.step();
    world.client("alice").deaf = false;
    assert!(world.wait("alice", id).is_ok());
    assert!(objects(&mut world, "alice").is_superset(&there), "what the laptop put in stays");
    sync_history(&mut world, "alice");
    assert_eq!((warnings(&mut world, "alice"), warnings(&mut world, LAPTOP)), (vec![], vec![]));
    assert!(status(&mut world, "alice").enabled);
    assert_eq!(world.texts("alice", channel), world.texts(LAPTOP, channel));
}

#[test]
fn what_another_device_replaces_while_the_objects_are_listed_is_not_missing() {
    let (mut world, channel) = with_laptop();
    // Two segments, and with the laptop's third and fourth they are merged.
    for round in 2..4 {
        talk(&mut world, channel, round * 2..round * 2 + 2);
        sync_history(&mut world, "alice");
    }
    sync_history(&mut world, LAPTOP);
    world.client("alice").calls.clear();
    let id = world.begin("alice", Command::SyncHistory);
    until(&mut world, |request| matches!(request, Request::VaultFetch(fetch) if fetch.ids == [48]));
    world.client("alice").frozen = true;
    let before = objects(&mut world, LAPTOP);
    for number in 8..12 {
        world.send(LAPTOP, channel, &format!("message {number}")).expect("sent");
        sync_history(&mut world, LAPTOP);
    }
    let kept: BTreeSet<_> = objects(&mut world, LAPTOP).intersection(&before).copied().collect();
    assert!(kept.len() + 1 < before.len(), "segments were merged");
    thaw(&mut world);
    until(&mut world, is_list);
    world.step();
    world.client("alice").deaf = false;
    let result = world.wait("alice", id);
    assert!(matches!(result, Ok(Outcome::Synced { .. })), "{result:?}");
    assert_eq!(warnings(&mut world, "alice"), []);
}

#[test]
fn a_server_that_tells_of_objects_without_end_is_listened_to_no_longer() {
    let (mut world, _) = archived();
    let before = objects(&mut world, "alice");
    let mut number = 0_u128;
    let endless = move |result: &mut Result<Response, CallError>| {
        if let Ok(Response::ArchivePage(page)) = result {
            let mut entry = || {
                number += 1;
                ArchiveEntry { id: ObjectId::new(number.to_be_bytes()), bytes: 600 }
            };
            page.entries = (0..512).map(|_| entry()).collect();
            page.more = true;
        }
    };
    world.tamper = Some(("alice", Box::new(endless)));
    assert_eq!(world.run("alice", Command::SyncHistory), Err(CommandError::Protocol));
    assert_eq!(count(&mut world, "alice", "archive-list"), 128);
    assert_eq!(warnings(&mut world, "alice"), [], "of what comes after it nothing is known");
    assert_eq!(objects(&mut world, "alice"), before);
}

#[test]
fn a_server_that_deletes_nothing_is_not_asked_without_end() {
    let (mut world, _) = archived();
    let ids = objects(&mut world, "alice");
    set(&mut world, "alice", OFF);
    let stubborn = move |result: &mut Result<Response, CallError>| {
        if let Ok(Response::ArchivePage(page)) = result {
            page.entries = ids.iter().map(|id| ArchiveEntry { id: *id, bytes: 600 }).collect();
        }
    };
    world.tamper = Some(("alice", Box::new(stubborn)));
    world.sync("alice");
    assert!((1..=2).contains(&count(&mut world, "alice", "archive-delete")));
}

#[test]
fn what_a_server_that_was_put_back_lost_of_the_record_is_put_back_wherever_the_process_dies() {
    let (mut world, _) = archived();
    let coffee = world.create("alice", "coffee");
    world.sync("alice");
    world.pass(MINUTE * 3);
    sync_history(&mut world, "alice");
    let copy = world.back_up_server();
    set(&mut world, "alice", Command::SetHistory { channel: Some(coffee), on: false });
    set(&mut world, "alice", OFF);
    world.sync("alice");
    assert_eq!(objects(&mut world, "alice").len(), 0);
    world.put_server_back(&copy);
    assert!(!objects(&mut world, "alice").is_empty(), "with the older record there is what was deleted");
    let story = |world: &mut World| {
        for _ in 0..3 {
            world.persist("alice", &Command::Sync);
        }
    };
    at_every_effect(&mut world, story, |world| {
        let there = status(world, "alice");
        assert!(!there.enabled && there.excluded.len() == 1, "{there:?}");
        assert_eq!(count(world, "alice", "archive-put"), 0, "nothing goes in under the older record");
        assert_eq!(objects(world, "alice").len(), 0);
        // The server has it, so that another device knows.
        world.enrol("alice", LAPTOP);
        world.sync(LAPTOP);
        let told = status(world, LAPTOP);
        assert!(!told.enabled && told.excluded.len() == 1, "{told:?}");
    });
}

#[test]
fn segments_that_do_not_become_fewer_are_not_put_together_again_and_again() {
    let (mut world, channel) = kept();
    // Little when compressed, and as much as a segment takes before.
    let text = "tea ".repeat(50_000);
    for _ in 0..84 {
        world.send("alice", channel, &text).expect("sent");
    }
    sync_history(&mut world, "alice");
    let (there, before) = (status(&mut world, "alice"), objects(&mut world, "alice"));
    assert_eq!(there.to_store, 0);
    // A later process knows it, too.
    world.client("alice").crash();
    world.client("alice").calls.clear();
    sync_history(&mut world, "alice");
    assert_eq!(count(&mut world, "alice", "archive-get"), 0);
    assert_eq!(objects(&mut world, "alice"), before);
    world.enrol("alice", LAPTOP);
    sync_history(&mut world, LAPTOP);
    assert_eq!(world.texts(LAPTOP, channel).len(), 84);
}

/// A text that does not become smaller.
fn dense(number: u32) -> String {
    let mut state = number.wrapping_mul(0x9E37_79B9) | 1;
    let letter = |_| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        char::from(b'0' + u8::try_from(state % 64).expect("small"))
    };
    (0..900).map(letter).collect()
}

/// Alice writes here and there until there is no room for more; the conversations.
fn full(quota: u64) -> (World, ChannelId, ChannelId) {
    let (mut world, tea) = kept();
    let coffee = world.create("alice", "coffee");
    world.limit(|limits: &mut Limits| limits.archive_bytes = quota);
    for number in 0..60 {
        for channel in [tea, coffee] {
            world.send("alice", channel, &dense(2 * number + u32::from(channel == tea))).expect("sent");
        }
        match world.run("alice", Command::SyncHistory) {
            Ok(Outcome::Synced { .. }) => {}
            full => {
                assert_eq!(full, Err(CommandError::ArchiveFull));
                return (world, tea, coffee);
            }
        }
    }
    panic!("it is never full")
}

#[test]
fn a_full_archive_has_room_again_once_a_conversation_is_left_out_wherever_the_process_dies() {
    let (mut world, tea, coffee) = full(24_000);
    let story = |world: &mut World| {
        world.persist("alice", &Command::SetHistory { channel: Some(coffee), on: false });
        for _ in 0..2 {
            world.persist("alice", &Command::SyncHistory);
        }
    };
    at_every_effect(&mut world, story, |world| {
        let there = status(world, "alice");
        assert!(!there.full && there.to_store == 0 && there.unreadable == 0, "{there:?}");
        let texts = world.texts("alice", tea);
        world.set_online("alice", false);
        world.enrol("alice", LAPTOP);
        sync_history(world, LAPTOP);
        assert_eq!(world.texts(LAPTOP, tea), texts);
        assert_eq!(world.texts(LAPTOP, coffee), Vec::<String>::new());
    });
}

/// The changes of members that a client shows.
fn changes(world: &mut World, name: &str, channel: ChannelId) -> Vec<u64> {
    let tx = world.client(name).store.begin().expect("opens");
    let log = tx.messages().messages_of(&channel, 0, 1_000).expect("reads");
    log.iter().filter(|entry| matches!(entry.body, LogBody::Membership { .. })).map(|entry| entry.seq).collect()
}

#[test]
fn a_full_archive_is_made_room_in_by_a_device_that_has_all_that_goes_and_not_by_one_that_joined_in_it() {
    let (mut world, tea) = kept();
    let coffee = world.create("alice", "coffee");
    world.sync("alice");
    world.pass(MINUTE * 2);
    world.sync("alice");
    world.enrol("alice", LAPTOP);
    for name in [LAPTOP, "alice", "bob"] {
        world.sync(name);
    }
    // One segment holds what is to stay, with the commit by which the laptop entered, and what is to go.
    for number in 0..4 {
        for channel in [tea, coffee] {
            world.send("alice", channel, &dense(2 * number + u32::from(channel == tea))).expect("sent");
        }
    }
    sync_history(&mut world, "alice");
    let used = status(&mut world, "alice").bytes;
    assert!(used > 0, "it was asked");
    world.limit(|limits: &mut Limits| limits.archive_bytes = used + 4_000);
    for number in 10..16 {
        world.send("alice", tea, &dense(number)).expect("sent");
    }
    assert_eq!(world.run("alice", Command::SyncHistory), Err(CommandError::ArchiveFull));
    let expected = changes(&mut world, "alice", tea);
    world.sync(LAPTOP);
    assert_ne!(changes(&mut world, LAPTOP, tea), expected, "in the place of one stands that it joined");
    assert_eq!(world.run(LAPTOP, Command::SyncHistory), Err(CommandError::ArchiveFull));
    world.set_online("alice", false);
    set(&mut world, LAPTOP, Command::SetHistory { channel: Some(coffee), on: false });
    for _ in 0..3 {
        assert_eq!(world.run(LAPTOP, Command::SyncHistory), Err(CommandError::ArchiveFull));
        world.pass(HOUR * 2);
    }
    world.enrol("alice", PHONE);
    assert_eq!(world.run(PHONE, Command::SyncHistory), Err(CommandError::ArchiveFull), "it takes in what there is");
    assert_eq!(changes(&mut world, PHONE, tea), expected, "all of it is in the archive still");
    world.set_online("alice", true);
    world.sync("alice");
    // The first time she finds that there is no room, either.
    for _ in 0..3 {
        let result = world.run("alice", Command::SyncHistory);
        assert!(matches!(result, Ok(Outcome::Synced { .. }) | Err(CommandError::ArchiveFull)), "{result:?}");
    }
    let there = status(&mut world, "alice");
    assert!(!there.full && there.to_store == 0 && there.unreadable == 0, "{there:?}");
}

#[test]
fn history_that_is_kept_is_kept_again_when_the_server_was_put_back_to_a_time_before() {
    let (mut world, channel) = archived();
    set(&mut world, "alice", OFF);
    world.sync("alice");
    let copy = world.back_up_server();
    set(&mut world, "alice", ON);
    sync_history(&mut world, "alice");
    world.pass(HOUR);
    world.put_server_back(&copy);
    world.persist("alice", &Command::Sync);
    for _ in 0..3 {
        let result = world.run("alice", Command::SyncHistory);
        // What the older server does not have is missing at first.
        assert!(matches!(result, Ok(Outcome::Synced { .. }) | Err(CommandError::ArchiveUnreadable)), "{result:?}");
        world.pass(MINUTE * 2);
    }
    sync_history(&mut world, "alice");
    assert!(status(&mut world, "alice").enabled);
    world.set_online("alice", false);
    world.enrol("alice", LAPTOP);
    sync_history(&mut world, LAPTOP);
    assert_eq!(world.texts(LAPTOP, channel).len(), 4);
}

#[test]
fn what_the_server_lost_of_history_is_put_in_again_by_catching_up_alone() {
    let (mut world, channel) = archived();
    let copy = world.back_up_server();
    for text in ["five", "six"] {
        world.send("bob", channel, text).expect("sent");
    }
    sync_history(&mut world, "alice");
    world.put_server_back(&copy);
    for _ in 0..3 {
        world.persist("alice", &Command::Sync);
        world.pass(MINUTE * 2);
    }
    world.set_online("alice", false);
    world.enrol("alice", LAPTOP);
    sync_history(&mut world, LAPTOP);
    assert_eq!(world.texts(LAPTOP, channel).len(), 6);
}

/// What a later version of alice's program put in, at a position where this one has nothing: the content of her archive's
/// manifest then is what she knows of it.
fn put_later(world: &mut World, channel: ChannelId) {
    let (id, now) = (ObjectId::new([9; 16]), world.now);
    let tx = world.client("alice").store.begin().expect("opens");
    let own = tx.account().own_account().expect("reads").expect("there");
    let setting = |name: &str| tx.upkeep().setting(name).expect("reads").expect("there");
    // Version, version of the record, length.
    let record = ArchiveRecord::parse(&setting("archive-record")[13..]).expect("reads");
    let later = HistoryRecord {
        channel,
        seq: 1,
        id: MessageId::new([9; 16]),
        sender: own.account,
        device: DeviceId::new([9; 16]),
        time: now,
        sent_at: now,
        body: RecordBody::Later { kind: 200, bytes: vec![1, 2, 3] },
    };
    let content = miniz_oxide::deflate::compress_to_vec(&encode_list(&[later]), 7);
    let entropy = &mut Seeded::new(9);
    let sealed =
        seal_object(&record.keys[0], &own.account, &id, ObjectKind::Segment, &content, entropy).expect("seals");
    let mut cached = setting("archive-manifest");
    // Version and pointer, the channels, and then how many segments there are.
    let channels = usize::from(cached[58]);
    let listed = cached[62..62 + 32 * channels].chunks(32);
    let place = listed.clone().position(|listed| listed == channel.as_bytes().as_slice()).expect("known");
    let place = u32::try_from(place).expect("small");
    cached[62 + 32 * channels] += 1;
    let bytes = u32::try_from(sealed.len()).expect("small");
    let segment = Writer::new().fixed(id).fixed(object_hash(&sealed)).u32(bytes).u32(1).u64(now.0);
    let segment = segment.list(&[()], |writer, ()| writer.u32(place).list(&[()], |writer, ()| writer.u64(1).u64(1)));
    cached.extend(segment.finish());
    tx.upkeep().put_setting("archive-manifest", Some(&cached)).expect("stores");
    tx.commit();
    let connection = world.signed("alice");
    world.ask(&connection, ArchivePut { id, sealed }.into());
}

#[test]
fn a_lost_segment_is_not_put_in_again_without_what_only_a_later_version_can_show() {
    for with_later in [false, true] {
        let (mut world, tea) = archived();
        // Alice was not there at its first position.
        let coffee = world.create("bob", "coffee");
        world.invite("bob", coffee, &["alice"]);
        world.sync("alice");
        if world.client("alice").store.begin().expect("opens").conversations().conversation(&coffee) == Ok(None) {
            world.accept("alice");
        }
        world.send("bob", coffee, "welcome").expect("sent");
        sync_history(&mut world, "alice");
        if with_later {
            put_later(&mut world, coffee);
        }
        talk(&mut world, tea, 4..6);
        sync_history(&mut world, "alice");
        assert_eq!(status(&mut world, "alice").to_fetch, 0, "it was taken in, as far as it goes");
        let pointer = {
            let tx = world.client("alice").store.begin().expect("opens");
            tx.upkeep().setting("archive-manifest").expect("reads").expect("there")[10..26].to_vec()
        };
        let lost = objects(&mut world, "alice").into_iter().filter(|id| id.as_bytes().as_slice() != pointer);
        let (ids, connection) = (lost.collect(), world.signed("alice"));
        world.ask(&connection, ArchiveDelete { ids }.into());
        assert_eq!(world.run("alice", Command::SyncHistory), Err(CommandError::ArchiveUnreadable));
        let again = world.run("alice", Command::SyncHistory);
        assert_eq!(again.is_err(), with_later, "{again:?}");
        let there = status(&mut world, "alice");
        assert_eq!(there.unreadable > 0, with_later, "{there:?}");
    }
}
