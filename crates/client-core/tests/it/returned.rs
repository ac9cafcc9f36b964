//! Stores that were put back to an older copy, and homes that are in use twice: no key and no nonce is used again, and nothing
//! is lost or shown twice.

use futures::executor::block_on;
use quicprochat_client_core::{
    CallError, Command, CommandError, Event, Outcome, StoreTx as _, SuiteChoice,
    store::{ConversationState, LogBody, MemoryStore, RejoinReason},
};
use quicprochat_wire::{ChannelId, MessageId, Request, Response, call::channel::ChannelState, time::Duration};

use crate::{
    archive::{LAPTOP, PHONE, kept, sync_history, talk},
    groups::group_of,
    rejoin::{gaps, lose_group, set_state},
    world::{Client, World, text_content},
};

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 3600);
const OLDER: ConversationState = ConversationState::NeedsRejoin { reason: RejoinReason::StoreRolledBack };

fn copy_of(world: &mut World, name: &str) -> MemoryStore {
    world.client(name).store.snapshot()
}

fn put_back(world: &mut World, name: &str, copy: &MemoryStore) {
    let client = world.client(name);
    client.store = copy.snapshot();
    client.events.clear();
    client.calls.clear();
    client.crash();
}

fn told_older(world: &mut World, name: &str) -> usize {
    let told = |event: &&Event| matches!(event, Event::State { state, .. } if *state == OLDER);
    world.client(name).events.iter().filter(told).count()
}

/// Everybody reads everything that was ever sent, once; except for the positions that `but` cannot read.
fn assert_all_read(world: &mut World, channel: ChannelId, all: &[&str], names: &[&str], but: &str) {
    for _ in 0..2 {
        for name in names {
            world.sync(name);
        }
    }
    for name in names {
        let texts = world.texts(name, channel);
        for text in all {
            let times = texts.iter().filter(|shown| shown.ends_with(&format!(": {text}"))).count();
            let expected = if *name == but { 0..=1 } else { 1..=1 };
            assert!(expected.contains(&times), "{name} has {text:?} {times} times: {texts:?}");
        }
        assert_eq!(world.conversation(name, channel).state, ConversationState::Active, "{name}");
    }
}

#[test]
fn a_copy_that_is_put_back_enters_anew_before_it_writes() {
    let (mut world, channel) = group_of(&["alice", "bob"]);
    world.send("bob", channel, "before").expect("sent");
    let copy = copy_of(&mut world, "bob");
    let keys = world.conversation("bob", channel).keys;
    world.send("bob", channel, "lost one").expect("sent");
    world.send("bob", channel, "lost two").expect("sent");
    put_back(&mut world, "bob", &copy);
    assert!(matches!(world.send("bob", channel, "after"), Ok(Outcome::Sent { .. })), "it mends itself on the way");
    assert_eq!(told_older(&mut world, "bob"), 1);
    assert_all_read(&mut world, channel, &["before", "lost one", "lost two", "after"], &["alice", "bob"], "bob");
    assert_ne!(world.conversation("bob", channel).keys, keys, "its old leaf is removed, so the keys rolled");
    // What it wrote first there was the commit by which it entered.
    let calls = &world.client("bob").calls;
    let mut writes = calls.iter().filter_map(|(_, request)| {
        if let Request::ChannelEnqueue(enqueue) = request { Some(enqueue.commit.is_some()) } else { None }
    });
    assert_eq!(writes.next(), Some(true));
    world.send("alice", channel, "hello").expect("sent");
    assert_all_read(&mut world, channel, &["hello", "after"], &["alice", "bob"], "");
}

#[test]
fn a_copy_that_missed_nothing_of_its_own_just_reads_on() {
    let (mut world, channel) = group_of(&["alice", "bob"]);
    world.send("bob", channel, "before").expect("sent");
    let copy = copy_of(&mut world, "bob");
    world.send("alice", channel, "meanwhile").expect("sent");
    world.run("alice", Command::Rename { channel, title: "coffee".to_owned() }).expect("renamed");
    world.sync("bob");
    put_back(&mut world, "bob", &copy);
    world.send("bob", channel, "after").expect("sent");
    assert_eq!(told_older(&mut world, "bob"), 0);
    assert_all_read(&mut world, channel, &["before", "meanwhile", "after"], &["alice", "bob"], "");
}

#[test]
fn a_commit_of_its_own_is_enough() {
    let (mut world, channel) = group_of(&["alice", "bob"]);
    world.send("bob", channel, "before").expect("sent");
    let copy = copy_of(&mut world, "bob");
    world.run("bob", Command::Rename { channel, title: "coffee".to_owned() }).expect("renamed");
    put_back(&mut world, "bob", &copy);
    world.sync("bob");
    assert_eq!(told_older(&mut world, "bob"), 1);
    world.send("bob", channel, "after").expect("sent");
    assert_all_read(&mut world, channel, &["before", "after"], &["alice", "bob"], "bob");
    assert_eq!(world.conversation("bob", channel).title, "coffee");
}

#[test]
fn a_copy_from_before_it_joined_joins_again_and_notices() {
    let mut world = World::new(&["alice", "bob"]);
    let channel = world.create("alice", "tea");
    world.sync("bob");
    let copy = copy_of(&mut world, "bob");
    world.invite("alice", channel, &["bob"]);
    world.sync("bob");
    world.accept("bob");
    world.send("bob", channel, "lost").expect("sent");
    put_back(&mut world, "bob", &copy);
    world.sync("bob");
    world.accept("bob");
    world.sync("bob");
    assert_eq!(told_older(&mut world, "bob"), 1, "the Welcome leads to keys that were used");
    world.send("bob", channel, "after").expect("sent");
    assert_all_read(&mut world, channel, &["lost", "after"], &["alice", "bob"], "bob");
}

#[test]
fn what_it_cannot_see_any_more_counts_as_sent() {
    let (mut world, channel) = group_of(&["alice", "bob"]);
    world.send("bob", channel, "before").expect("sent");
    let copy = copy_of(&mut world, "bob");
    world.send("bob", channel, "lost").expect("sent");
    world.sync("alice");
    world.pass(DAY * 91);
    block_on(world.server.sweep(world.now)).expect("sweeps");
    world.send("alice", channel, "today").expect("sent");
    put_back(&mut world, "bob", &copy);
    world.send("bob", channel, "after").expect("sent");
    let expired = ConversationState::NeedsRejoin { reason: RejoinReason::EntriesExpired };
    let told = |event: &Event| matches!(event, Event::State { state, .. } if *state == expired);
    assert!(world.client("bob").events.iter().any(told), "what expired may have been its own");
    assert_all_read(&mut world, channel, &["after"], &["alice", "bob"], "");
}

#[test]
fn a_message_that_waited_in_the_copy_and_was_sent_since_is_not_sent_again() {
    for lost_against_a_commit in [false, true] {
        let (mut world, channel) = group_of(&["alice", "bob"]);
        world.send("bob", channel, "before").expect("sent");
        world.set_online("bob", false);
        world.send("bob", channel, "first").expect("queued");
        world.send("bob", channel, "waited").expect("queued");
        let copy = copy_of(&mut world, "bob");
        world.set_online("bob", true);
        if lost_against_a_commit {
            // The first attempt is under way when alice commits.
            let sync = world.begin("bob", Command::Sync);
            let is_it = |(_, request): &&(_, Request)| matches!(request, Request::ChannelEnqueue(_));
            world.client("bob").calls.clear();
            while world.client("bob").calls.iter().filter(is_it).count() == 0 {
                world.step();
            }
            let held = world.client("bob").hold();
            world.run("alice", Command::Rename { channel, title: "coffee".to_owned() }).expect("renamed");
            world.client("bob").release(held);
            world.wait("bob", sync).expect("synced");
        } else {
            world.sync("bob");
        }
        put_back(&mut world, "bob", &copy);
        world.sync("bob");
        assert_eq!(told_older(&mut world, "bob"), 1);
        world.send("bob", channel, "after").expect("sent");
        let all = ["before", "first", "waited", "after"];
        assert_all_read(&mut world, channel, &all, &["alice", "bob"], "");
        let tx = world.client("bob").store.begin().expect("opens");
        assert!(tx.outbox().outbox_of(&channel).expect("reads").is_empty());
    }
}

#[test]
fn what_lies_before_a_message_that_is_found_in_the_log_stays_missing_and_the_archive_gets_it_from_elsewhere() {
    let (mut world, channel) = kept();
    talk(&mut world, channel, 0..4);
    world.enrol("alice", LAPTOP);
    for name in [LAPTOP, "alice", "bob", LAPTOP, "alice"] {
        world.sync(name);
    }
    sync_history(&mut world, "alice");
    world.set_online("alice", false);
    world.send("alice", channel, "waited").expect("queued");
    let copy = copy_of(&mut world, "alice");
    let read = world.conversation("alice", channel).cursor.position;
    for text in ["one", "two", "three", "four"] {
        world.send("bob", channel, text).expect("sent");
    }
    world.set_online("alice", true);
    world.sync("alice");
    world.send("bob", channel, "five").expect("sent");
    world.sync(LAPTOP);
    // A copy that cannot read on finds its message by the id alone.
    put_back(&mut world, "alice", &copy);
    lose_group(&mut world, "alice", channel);
    set_state(&mut world, "alice", channel, RejoinReason::GroupLost);
    world.sync("alice");
    let entered = {
        let tx = world.client("alice").store.begin().expect("opens");
        let log = tx.messages().messages_of(&channel, read, 100).expect("reads");
        assert_eq!(log.first().map(|entry| entry.seq), Some(read + 5), "four of bob's, and then her own");
        assert!(matches!(log[0].body, LogBody::Content { .. }) && log[0].intent.is_some());
        log[1].seq
    };
    assert_eq!(gaps(&mut world, "alice", channel), [(read + 1, entered - 1)]);
    // She is the first to put in what she has.
    world.set_online("bob", false);
    for name in ["alice", LAPTOP] {
        sync_history(&mut world, name);
        world.set_online(name, false);
    }
    world.enrol("alice", PHONE);
    world.sync(PHONE);
    for expected in ["bob: one", "bob: two", "bob: three", "bob: four", "alice: waited", "bob: five"] {
        let texts = world.texts(PHONE, channel);
        assert_eq!(texts.iter().filter(|text| *text == expected).count(), 1, "{expected}: {texts:?}");
    }
}

#[test]
fn own_words_take_the_place_of_what_a_member_sent_again_there_and_of_nothing_else() {
    for relayed in [true, false] {
        let (mut world, channel) = group_of(&["alice", "bob"]);
        world.send("bob", channel, "before").expect("sent");
        world.set_online("bob", false);
        world.send("bob", channel, "waited").expect("queued");
        let copy = copy_of(&mut world, "bob");
        world.set_online("bob", true);
        world.sync("bob");
        let log = {
            let tx = world.client("bob").store.begin().expect("opens");
            tx.messages().last_messages(&channel, 1).expect("reads")
        };
        put_back(&mut world, "bob", &copy);
        lose_group(&mut world, "bob", channel);
        set_state(&mut world, "bob", channel, RejoinReason::GroupLost);
        {
            // As if something had come to stand there.
            let tx = world.client("bob").store.begin().expect("opens");
            let mut there = log[0].clone();
            (there.intent, there.id) = (None, MessageId::new([9; 16]));
            let content = text_content("false words");
            there.body = if relayed { LogBody::Relayed { by: there.sender, content } } else { LogBody::Updated };
            tx.messages().append_message(&there).expect("appends");
            tx.commit();
        }
        world.sync("bob");
        let texts = world.texts("bob", channel);
        assert_eq!(texts.iter().filter(|text| *text == "bob: waited").count(), 1, "{texts:?}");
        let tx = world.client("bob").store.begin().expect("opens");
        assert!(tx.outbox().outbox_of(&channel).expect("reads").is_empty());
        let there = tx.messages().messages_of(&channel, log[0].seq - 1, 1).expect("reads");
        assert_eq!(there[0].id == log[0].id, relayed);
    }
}

#[test]
fn a_server_that_withholds_what_another_device_has_read_is_not_written_to() {
    let (mut world, channel) = group_of(&["alice", "bob"]);
    world.send("bob", channel, "before").expect("sent");
    world.pass(DAY * 2);
    world.sync("bob");
    let copy = copy_of(&mut world, "bob");
    let end = world.conversation("bob", channel).cursor;
    world.send("bob", channel, "lost").expect("sent");
    world.run("alice", Command::Rename { channel, title: "coffee".to_owned() }).expect("renamed");
    world.sync("bob");
    // The device that went on has put its list down in the vault.
    world.pass(DAY * 2);
    world.sync("bob");
    world.pass(MINUTE * 2);
    world.sync("bob");
    put_back(&mut world, "bob", &copy);
    let last_commit = world.conversation("bob", channel).last_commit;
    let withhold = move |result: &mut Result<Response, CallError>| match result {
        Ok(Response::ChannelState(state)) => {
            *state = ChannelState { last: end, last_commit, ..state.clone() };
        }
        Ok(Response::ChannelPage(page)) => {
            page.entries.retain(|entry| entry.seq <= end.position);
            page.more = false;
        }
        _ => {}
    };
    world.tamper = Some(("bob", Box::new(withhold)));
    for _ in 0..3 {
        let _ = world.run("bob", Command::Sync);
        world.pass(MINUTE);
    }
    assert_eq!(world.conversation("bob", channel).state, ConversationState::Diverged, "the vault says more");
    let refused = world.send("bob", channel, "after");
    assert_eq!(refused, Err(CommandError::ConversationState { state: ConversationState::Diverged }));
    let wrote = |(_, request): &(_, Request)| matches!(request, Request::ChannelEnqueue(_));
    assert!(!world.client("bob").calls.iter().any(wrote));
}

#[test]
fn two_copies_at_once_take_turns_more_and_more_slowly_and_say_so() {
    let (mut world, channel) = group_of(&["alice", "bob"]);
    world.send("bob", channel, "before").expect("sent");
    let copy = copy_of(&mut world, "bob");
    let seed = world.next_seed();
    world.clients.push(Client::new("bob's copy", copy, seed));
    for name in ["alice", "bob", "bob's copy"] {
        world.begin(name, Command::Listen);
    }
    world.pass(MINUTE);
    for round in 0..6 {
        for name in ["bob", "bob's copy"] {
            let content = text_content(&format!("{name} {round}"));
            world.begin(name, Command::Send { channel, content });
            world.pass(MINUTE * 20);
        }
    }
    for _ in 0..6 {
        world.pass(MINUTE * 60);
    }
    let mut entries = 0;
    for name in ["bob", "bob's copy"] {
        let client = world.client(name);
        let entered = client.calls.iter().filter(|(_, request)| {
            matches!(request, Request::ChannelEnqueue(enqueue) if enqueue.commit.as_ref().is_some_and(|commit| commit.roll.is_some()))
        });
        entries += entered.count();
        let told = |event: &&Event| matches!(event, Event::UsedTwice { .. });
        assert!(client.events.iter().filter(told).count() > 0, "{name} says so");
    }
    assert!((2..=40).contains(&entries), "{entries} entries in place of each other in ten hours");
    // What was sent is read by those who are not in doubt, once.
    let texts = world.texts("alice", channel);
    let distinct: std::collections::BTreeSet<&String> = texts.iter().collect();
    assert_eq!(distinct.len(), texts.len(), "{texts:?}");
    assert!(texts.len() > 2, "{texts:?}");
    let log = {
        let tx = world.client("alice").store.begin().expect("opens");
        tx.messages().messages_of(&channel, 0, 10_000).expect("reads")
    };
    assert!(!log.iter().any(|entry| matches!(entry.body, LogBody::Gap { .. })), "nobody else is touched");
}

#[test]
fn a_key_package_that_the_copy_does_not_know_is_replaced() {
    let mut world = World::new(&["alice", "bob"]);
    world.sync("bob");
    let copy = copy_of(&mut world, "bob");
    world.run("bob", Command::RotateKeyPackage).expect("rotated");
    put_back(&mut world, "bob", &copy);
    world.sync("bob");
    let channel = world.create("alice", "tea");
    world.invite("alice", channel, &["bob"]);
    world.sync("bob");
    assert_eq!(world.accept("bob"), channel);
    world.send("alice", channel, "welcome").expect("sent");
    assert_all_read(&mut world, channel, &["welcome"], &["alice", "bob"], "");
}

#[test]
fn tokens_that_were_spent_are_replaced() {
    let (mut world, _) = group_of(&["alice", "bob"]);
    world.run("bob", Command::RefillTokens).expect("refilled");
    world.pass(MINUTE);
    let copy = copy_of(&mut world, "bob");
    for _ in 0..3 {
        world.create("bob", "spent");
    }
    put_back(&mut world, "bob", &copy);
    world.pass(MINUTE);
    let command = Command::CreateGroup { title: "new".to_owned(), suite: SuiteChoice::Hybrid };
    let mut made = None;
    for _ in 0..8 {
        match world.run("bob", command.clone()) {
            Ok(Outcome::Created { channel }) => {
                made = Some(channel);
                break;
            }
            Err(CommandError::Refused(failure)) if failure.code == quicprochat_wire::ErrorCode::TokenSpent => {
                world.pass(MINUTE);
            }
            other => panic!("{other:?}"),
        }
    }
    let channel = made.expect("one of the tokens is good");
    world.invite("bob", channel, &["alice"]);
    world.sync("alice");
    world.send("bob", channel, "new").expect("sent");
    assert_all_read(&mut world, channel, &["new"], &["alice", "bob"], "");
}
