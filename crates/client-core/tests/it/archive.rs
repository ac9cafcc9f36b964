//! The archive of an account's history: what one device puts in, another one has.

use std::collections::BTreeSet;

use quicprochat_client_core::{
    Command, CommandError, Event, Outcome, StoreTx as _, TrustWarning,
    archive::{ArchiveStatus, archive_status, turn_on},
    event::ArchiveWarning,
    store::{LogBody, LogEntry},
    views,
};
use quicprochat_server_core::Limits;
use quicprochat_wire::{
    ChannelId, ConnectionKind, ErrorCode, ObjectId, Request, Response,
    call::archive::{ArchiveDelete, ArchiveList},
    time::Duration,
};

use crate::{groups::group_of, world::World};

pub(crate) const MINUTE: Duration = Duration::from_secs(60);
pub(crate) const HOUR: Duration = Duration::from_secs(3600);
pub(crate) const LAPTOP: &str = "alice's laptop";
pub(crate) const PHONE: &str = "alice's phone";

/// Alice, whose history is kept, in a conversation with bob.
pub(crate) fn kept() -> (World, ChannelId) {
    let (mut world, channel) = group_of(&["alice", "bob"]);
    keep(&mut world);
    (world, channel)
}

fn keep(world: &mut World) {
    let tx = world.client("alice").store.begin().expect("opens");
    turn_on(&tx).expect("stores");
    tx.commit();
    // The vault hears of the conversation within a minute.
    world.sync("alice");
    world.pass(MINUTE * 2);
    world.sync("alice");
}

/// Both write, in turn; alice hears all of it.
pub(crate) fn talk(world: &mut World, channel: ChannelId, numbers: core::ops::Range<u32>) -> Vec<String> {
    let mut texts = Vec::new();
    for number in numbers {
        let name = if number % 2 == 0 { "alice" } else { "bob" };
        // Bob may have to read a commit first.
        world.send(name, channel, &format!("message {number}")).expect("sent");
        texts.push(format!("{name}: message {number}"));
    }
    world.sync("alice");
    texts
}

pub(crate) fn sync_history(world: &mut World, name: &str) {
    let result = world.run(name, Command::SyncHistory);
    assert!(matches!(result, Ok(Outcome::Synced { .. })), "{name}: {result:?}");
}

pub(crate) fn status(world: &mut World, name: &str) -> ArchiveStatus {
    archive_status(&world.client(name).store.begin().expect("opens")).expect("reads")
}

/// The objects at the server.
pub(crate) fn objects(world: &mut World, name: &str) -> BTreeSet<ObjectId> {
    let connection = world.signed(name);
    let list = ArchiveList { after: None, limit: 0 };
    let Response::ArchivePage(page) = world.ask(&connection, list.into()) else { panic!("no page") };
    page.entries.iter().map(|entry| entry.id).collect()
}

/// What a client asked of the archive since its calls were last cleared.
fn asked(world: &mut World, name: &str) -> Vec<&'static str> {
    let named = |request: &Request| Some(request.name()).filter(|name| name.starts_with("archive"));
    world.client(name).calls.iter().filter_map(|(_, request)| named(request)).collect()
}

fn is_news(event: &Event) -> bool {
    matches!(event, Event::Logged(entry) if matches!(entry.body, LogBody::Content { .. }))
}

fn unread(world: &mut World, name: &str, channel: ChannelId) -> u64 {
    let tx = world.client(name).store.begin().expect("opens");
    let views = views::conversations(&tx).expect("reads");
    let view = views.iter().find(|view| view.main.channel == channel).expect("there");
    views::unread(&tx, view).expect("reads")
}

#[test]
fn a_new_device_has_what_was_written_before_it_while_all_others_are_off() {
    let (mut world, channel) = kept();
    let texts = talk(&mut world, channel, 0..30);
    assert_eq!(world.run("alice", Command::MarkRead { channel, position: None }), Ok(Outcome::Done));
    // It goes there by itself, a while after it was written.
    world.pass(MINUTE * 3);
    world.sync("alice");
    assert_eq!((status(&mut world, "alice").to_store, status(&mut world, "alice").full), (0, false));
    world.set_online("alice", false);
    world.enrol("alice", LAPTOP);
    world.sync(LAPTOP);
    assert_eq!(world.texts(LAPTOP, channel), texts, "in the order in which it was written, by both");
    // None of it is news.
    assert!(!world.client(LAPTOP).events.iter().any(is_news));
    assert_eq!(unread(&mut world, LAPTOP, channel), 0);
    assert!(world.client(LAPTOP).events.iter().any(|event| matches!(event, Event::HistoryImported { .. })));
    // What is written then is.
    world.sync("bob");
    world.send("bob", channel, "news").expect("sent");
    world.sync(LAPTOP);
    assert_eq!(unread(&mut world, LAPTOP, channel), 1);
    assert_eq!(world.client(LAPTOP).events.iter().filter(|event| is_news(event)).count(), 1);
    let status = status(&mut world, LAPTOP);
    assert!(status.enabled && status.to_fetch == 0, "{status:?}");
}

#[test]
fn history_that_is_off_is_at_the_server_no_more() {
    let (mut world, channel) = group_of(&["alice", "bob"]);
    talk(&mut world, channel, 0..4);
    world.pass(HOUR);
    world.sync("alice");
    sync_history(&mut world, "alice");
    assert_eq!(objects(&mut world, "alice").len(), 0, "nobody asked for it");
    keep(&mut world);
    sync_history(&mut world, "alice");
    assert_eq!(objects(&mut world, "alice").len(), 2, "manifest and segment");
    world.enrol("alice", PHONE);
    world.sync(PHONE);
    assert_eq!(world.texts(PHONE, channel).len(), 4);
    assert_eq!(world.run("alice", Command::SetHistory { channel: None, on: false }), Ok(Outcome::Done));
    assert_eq!(status(&mut world, "alice").asked, Some(false));
    world.sync("alice");
    assert_eq!(objects(&mut world, "alice").len(), 0);
    talk(&mut world, channel, 4..6);
    for name in ["alice", PHONE] {
        world.pass(HOUR);
        world.sync(name);
    }
    assert_eq!(objects(&mut world, "alice").len(), 0, "no device puts anything in");
    world.enrol("alice", LAPTOP);
    world.sync(LAPTOP);
    assert_eq!(world.texts(LAPTOP, channel), Vec::<String>::new());
    // Turned on again, everything that any device has goes in.
    assert_eq!(world.run(PHONE, Command::SetHistory { channel: None, on: true }), Ok(Outcome::Done));
    sync_history(&mut world, PHONE);
    sync_history(&mut world, LAPTOP);
    assert_eq!(world.texts(LAPTOP, channel).len(), 6);
}

#[test]
fn a_conversation_that_is_left_out_is_rewritten_away_and_the_others_stay() {
    let (mut world, tea) = kept();
    let coffee = world.create("alice", "coffee");
    world.send("alice", coffee, "secret").expect("sent");
    let texts = talk(&mut world, tea, 0..4);
    world.pass(MINUTE * 2);
    sync_history(&mut world, "alice");
    let before = status(&mut world, "alice").entries;
    let off = Command::SetHistory { channel: Some(coffee), on: false };
    assert_eq!(world.run("alice", off), Ok(Outcome::Done));
    sync_history(&mut world, "alice");
    assert_eq!(status(&mut world, "alice").entries, before - 1, "it is gone");
    assert_eq!(status(&mut world, "alice").excluded, [coffee]);
    world.send("alice", coffee, "another secret").expect("sent");
    sync_history(&mut world, "alice");
    world.enrol("alice", LAPTOP);
    world.sync(LAPTOP);
    assert_eq!(world.texts(LAPTOP, tea), texts);
    assert_eq!(world.texts(LAPTOP, coffee), Vec::<String>::new());
    let on = Command::SetHistory { channel: Some(coffee), on: true };
    assert_eq!(world.run("alice", on), Ok(Outcome::Done));
    sync_history(&mut world, "alice");
    sync_history(&mut world, LAPTOP);
    assert_eq!(world.texts(LAPTOP, coffee).len(), 2);
    let nowhere = Command::SetHistory { channel: Some(ChannelId::new([9; 32])), on: false };
    assert_eq!(world.run("alice", nowhere), Err(CommandError::UnknownConversation));
}

#[test]
fn two_devices_that_write_at_once_lose_nothing_and_leave_nothing_behind() {
    let (mut world, channel) = kept();
    world.pass(MINUTE * 2);
    world.sync("alice");
    world.enrol("alice", LAPTOP);
    for name in [LAPTOP, "alice", "bob"] {
        world.sync(name);
    }
    let texts = talk(&mut world, channel, 0..8);
    world.sync(LAPTOP);
    let both = ["alice", LAPTOP];
    let conflicts = |world: &World| {
        let puts = |name: &&str| {
            let client = world.clients.iter().find(|client| client.name == *name).expect("there");
            client.calls.iter().filter(|(_, request)| request.name() == "archive-delete").count()
        };
        both.iter().map(puts).sum::<usize>()
    };
    // In step: both know of one version before either stores.
    let syncs = both.map(|name| (name, world.begin(name, Command::SyncHistory)));
    for (name, id) in syncs {
        assert!(world.wait(name, id).is_ok(), "{name}");
    }
    assert!(conflicts(&world) > 0, "they met");
    for name in both {
        sync_history(&mut world, name);
    }
    assert_eq!((status(&mut world, "alice").to_store, status(&mut world, LAPTOP).to_store), (0, 0));
    let there = status(&mut world, "alice");
    assert_eq!(objects(&mut world, "alice").len() as u64, there.objects);
    world.set_online("alice", false);
    world.enrol("alice", PHONE);
    world.sync(PHONE);
    assert_eq!(world.texts(PHONE, channel), texts);
}

#[test]
fn segments_are_merged_and_all_of_them_is_kept() {
    let (mut world, channel) = kept();
    let mut texts = Vec::new();
    let mut most = 0;
    for round in 0..20 {
        texts.extend(talk(&mut world, channel, round * 2..round * 2 + 2));
        sync_history(&mut world, "alice");
        most = most.max(objects(&mut world, "alice").len());
    }
    assert!((3..=9).contains(&most), "{most} objects for twenty segments and a manifest");
    let there = status(&mut world, "alice");
    assert!(there.entries >= texts.len() as u64 && there.to_store == 0, "{there:?}");
    world.set_online("alice", false);
    world.enrol("alice", LAPTOP);
    sync_history(&mut world, LAPTOP);
    assert_eq!(world.texts(LAPTOP, channel), texts);
}

#[test]
fn a_roll_of_the_keys_carries_the_archive_over_and_shuts_the_revoked_device_out() {
    let (mut world, channel) = kept();
    let mut texts = talk(&mut world, channel, 0..4);
    sync_history(&mut world, "alice");
    let phone = world.enrol("alice", PHONE);
    world.sync(PHONE);
    world.sync("alice");
    world.revoke("alice", "alice", phone);
    world.sync("alice");
    for name in ["bob", "alice"] {
        world.sync(name);
    }
    texts.extend(talk(&mut world, channel, 4..8));
    sync_history(&mut world, "alice");
    world.enrol("alice", LAPTOP);
    sync_history(&mut world, LAPTOP);
    assert_eq!(world.texts(LAPTOP, channel), texts);
    assert!(!world.client("alice").events.iter().any(|event| matches!(event, Event::Trust(_))), "nothing to warn of");
    // The server answers the revoked device no more.
    world.client(PHONE).calls.clear();
    assert_eq!(world.run(PHONE, Command::SyncHistory), Err(CommandError::DeviceRevoked));
    assert!(asked(&mut world, PHONE).is_empty());
}

#[test]
fn a_full_archive_is_told_of_and_everything_else_goes_on() {
    let (mut world, channel) = group_of(&["alice", "bob"]);
    world.limit(|limits: &mut Limits| limits.archive_bytes = 1_200);
    keep(&mut world);
    let before = objects(&mut world, "alice");
    let texts = talk(&mut world, channel, 0..30);
    assert_eq!(world.run("alice", Command::SyncHistory), Err(CommandError::ArchiveFull));
    assert!(world.client("alice").events.contains(&Event::Archive(ArchiveWarning::Full)));
    assert!(status(&mut world, "alice").full);
    assert_eq!(objects(&mut world, "alice"), before, "what has no use is taken back");
    assert_eq!(world.texts("alice", channel), texts);
    world.client("alice").calls.clear();
    world.client("alice").events.clear();
    world.sync("alice");
    assert!(!asked(&mut world, "alice").contains(&"archive-put"), "not at once again");
    world.pass(HOUR * 2);
    world.sync("alice");
    assert!(asked(&mut world, "alice").contains(&"archive-put"));
    assert!(!world.client("alice").events.contains(&Event::Archive(ArchiveWarning::Full)), "said once");
    world.limit(|limits: &mut Limits| limits.archive_bytes = 1 << 20);
    sync_history(&mut world, "alice");
    assert!(!status(&mut world, "alice").full);
    world.enrol("alice", LAPTOP);
    world.sync(LAPTOP);
    assert_eq!(world.texts(LAPTOP, channel), texts);
}

#[test]
fn a_damaged_object_is_told_of_and_nothing_of_it_comes_in() {
    let (mut world, channel) = kept();
    let texts = talk(&mut world, channel, 0..6);
    sync_history(&mut world, "alice");
    world.enrol("alice", LAPTOP);
    let mut objects = 0;
    let damage = move |result: &mut Result<Response, _>| {
        if let Ok(Response::ArchiveObject(object)) = result {
            objects += 1;
            // The manifest comes first.
            if objects > 1 {
                object.sealed[100] ^= 1;
            }
        }
    };
    world.tamper = Some((LAPTOP, Box::new(damage)));
    assert_eq!(world.run(LAPTOP, Command::SyncHistory), Err(CommandError::ArchiveUnreadable));
    assert!(world.client(LAPTOP).events.contains(&Event::Archive(ArchiveWarning::Unreadable)));
    assert_eq!(world.texts(LAPTOP, channel), Vec::<String>::new());
    // As soon as the server gives the right one, it comes in.
    world.tamper = None;
    sync_history(&mut world, LAPTOP);
    sync_history(&mut world, LAPTOP);
    assert_eq!(world.texts(LAPTOP, channel), texts);
}

#[test]
fn what_the_server_lost_is_told_of_and_put_in_again_by_a_device_that_has_it() {
    let (mut world, channel) = kept();
    let texts = talk(&mut world, channel, 0..6);
    sync_history(&mut world, "alice");
    let lost: Vec<_> = objects(&mut world, "alice").into_iter().collect();
    let connection = world.signed("alice");
    world.ask(&connection, ArchiveDelete { ids: lost }.into());
    world.enrol("alice", LAPTOP);
    assert_eq!(world.run(LAPTOP, Command::SyncHistory), Err(CommandError::ArchiveUnreadable));
    assert_eq!(world.texts(LAPTOP, channel), Vec::<String>::new());
    assert_eq!(world.run("alice", Command::SyncHistory), Err(CommandError::ArchiveUnreadable), "it says so here too");
    sync_history(&mut world, "alice");
    sync_history(&mut world, LAPTOP);
    assert_eq!(world.texts(LAPTOP, channel), texts);
}

#[test]
fn an_old_record_is_noticed_and_what_it_lacks_is_put_back() {
    let (mut world, channel) = kept();
    let texts = talk(&mut world, channel, 0..4);
    let coffee = world.create("alice", "coffee");
    sync_history(&mut world, "alice");
    assert_eq!(world.run("alice", Command::SetHistory { channel: Some(coffee), on: false }), Ok(Outcome::Done));
    sync_history(&mut world, "alice");
    let own = |world: &World| {
        let calls = &world.clients.iter().find(|client| client.name == "alice").expect("there").calls;
        let record = |request: &Request| {
            let Request::VaultStore(store) = request else { return None };
            store.records.iter().find(|record| record.id == 48).cloned()
        };
        calls.iter().filter_map(|(_, request)| record(request)).collect::<Vec<_>>()
    };
    let old = own(&world).first().expect("stored").clone();
    let replay = move |result: &mut Result<Response, _>| {
        if let Ok(Response::VaultRecords(records)) = result {
            records.records.iter_mut().filter(|record| record.id == 48).for_each(|record| record.clone_from(&old));
        }
    };
    world.tamper = Some(("alice", Box::new(replay)));
    sync_history(&mut world, "alice");
    let there = status(&mut world, "alice");
    assert!(there.enabled && there.excluded == [coffee], "what it knew stands: {there:?}");
    assert!(
        world
            .client("alice")
            .events
            .iter()
            .any(|event| { matches!(event, Event::Trust(TrustWarning::OwnRecord { .. })) })
    );
    world.tamper = None;
    world.pass(MINUTE * 5);
    sync_history(&mut world, "alice");
    world.enrol("alice", LAPTOP);
    world.sync(LAPTOP);
    assert_eq!(world.texts(LAPTOP, channel), texts);
    let there = status(&mut world, LAPTOP);
    assert!(there.enabled && there.excluded == [coffee], "{there:?}");
}

#[test]
fn what_a_device_missed_while_it_was_away_fills_the_gap_in_its_log() {
    let (mut world, channel) = kept();
    world.enrol("alice", LAPTOP);
    for name in [LAPTOP, "alice", "bob", LAPTOP] {
        world.sync(name);
    }
    let texts = talk(&mut world, channel, 0..10);
    sync_history(&mut world, "alice");
    // The server forgets what is old, and the laptop has not read it.
    world.pass(HOUR * (100 * 24));
    world.expire();
    // What no own device has read is not there either.
    world.send("bob", channel, "today").expect("sent");
    world.set_online("alice", false);
    let result = world.run(LAPTOP, Command::Sync);
    assert!(matches!(result, Ok(Outcome::Synced { .. })), "{result:?}");
    sync_history(&mut world, LAPTOP);
    assert_eq!(world.texts(LAPTOP, channel), texts);
    let tx = world.client(LAPTOP).store.begin().expect("opens");
    let entries = tx.messages().messages_of(&channel, 0, 1_000).expect("reads");
    let last = entries.iter().rfind(|entry| matches!(entry.body, LogBody::Content { .. })).expect("some").seq;
    let is_before = |entry: &LogEntry| matches!(entry.body, LogBody::Gap { from, .. } if from <= last);
    assert!(!entries.iter().any(is_before), "what is missing was written today");
}

#[test]
fn orphans_are_deleted_after_a_day_and_not_before() {
    let (mut world, channel) = kept();
    talk(&mut world, channel, 0..4);
    sync_history(&mut world, "alice");
    let used = objects(&mut world, "alice");
    let connection = world.signed("alice");
    let put = quicprochat_wire::call::archive::ArchivePut { id: ObjectId::new([9; 16]), sealed: vec![1; 600] };
    world.ask(&connection, put.into());
    sync_history(&mut world, "alice");
    world.pass(HOUR * 23);
    sync_history(&mut world, "alice");
    assert!(objects(&mut world, "alice").contains(&ObjectId::new([9; 16])), "of a device that is about to point to it");
    world.pass(HOUR * 2);
    sync_history(&mut world, "alice");
    assert!(!objects(&mut world, "alice").contains(&ObjectId::new([9; 16])));
    assert_eq!(objects(&mut world, "alice"), used);
}

/// What alice does, until all of it is in the archive.
fn story(world: &mut World, channel: ChannelId) {
    for round in 0..5 {
        world.send("bob", channel, &format!("message {round}")).expect("sent");
        world.persist("alice", &Command::SyncHistory);
    }
    world.persist("alice", &Command::SyncHistory);
}

#[test]
fn a_device_that_dies_or_loses_the_link_once_at_every_effect_loses_nothing() {
    let effects = {
        let (mut world, channel) = kept();
        world.client("alice").effects = 0;
        story(&mut world, channel);
        world.client("alice").effects
    };
    assert!(effects > 30, "{effects} effects");
    // Every second one keeps the test short, and both ways of ending meet every kind of call.
    for at in (0..effects).step_by(2) {
        let dies = at % 4 == 0;
        let (mut world, channel) = kept();
        let client = world.client("alice");
        client.effects = 0;
        *(if dies { &mut client.crash_at } else { &mut client.cut_at }) = Some(at);
        println!("effect {at} is the last one, dies: {dies}");
        story(&mut world, channel);
        let there = status(&mut world, "alice");
        assert_eq!((there.to_store, there.to_fetch, there.unreadable), (0, 0, 0));
        world.set_online("alice", false);
        world.enrol("alice", LAPTOP);
        sync_history(&mut world, LAPTOP);
        let expected: Vec<_> = (0..5).map(|round| format!("bob: message {round}")).collect();
        assert_eq!(world.texts(LAPTOP, channel), expected);
    }
}

#[test]
fn a_stranger_reaches_no_archive() {
    let (mut world, channel) = kept();
    talk(&mut world, channel, 0..2);
    sync_history(&mut world, "alice");
    let connection = world.connect(ConnectionKind::Account);
    let list = ArchiveList { after: None, limit: 0 };
    let refused = world.try_ask(&connection, list.into()).expect_err("nobody");
    assert_eq!(refused.code, ErrorCode::NotAuthenticated);
    assert!(objects(&mut world, "bob").is_empty(), "everybody has one of their own");
}
