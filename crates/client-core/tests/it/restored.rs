//! Servers that were put back to an older backup: whoever has what they lost gives it back, byte by byte (L3).

use quicprochat_client_core::{
    CallError, Command, CommandError, Event, Outcome, StoreTx as _,
    auth::VaultStanding,
    store::{ConversationState, InvitationState, LogBody, RejoinReason},
    views,
};
use quicprochat_server_core::store::memory::MemoryStore as ServerStore;
use quicprochat_wire::{
    CallFailure, ChannelId, ErrorCode, Request, Response,
    call::channel::{ChainPoint, ChannelRestore},
    time::Duration,
};

use crate::{
    groups::group_of,
    rejoin::{lose_group, set_state},
    vault::standing,
    world::{World, text_content},
};

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 3600);

fn remove(world: &mut World, by: &str, channel: ChannelId, name: &str) {
    let removed = world.run(by, Command::Remove { channel, name: name.to_owned() });
    assert!(matches!(removed, Ok(Outcome::Committed { .. })), "{removed:?}");
}

fn rename(world: &mut World, by: &str, channel: ChannelId, title: &str) {
    world.run(by, Command::Rename { channel, title: title.to_owned() }).expect("renamed");
}

fn state(world: &mut World, name: &str, channel: ChannelId) -> ConversationState {
    world.conversation(name, channel).state
}

/// How many entries a client says it gave back, each time it says so.
fn given(world: &mut World, name: &str) -> Vec<u64> {
    let told = |event: &Event| if let Event::GivenBack { entries, .. } = event { Some(*entries) } else { None };
    world.client(name).events.iter().filter_map(told).collect()
}

fn offers(world: &mut World, name: &str) -> Vec<ChannelRestore> {
    let offer = |(_, request): &(_, Request)| {
        if let Request::ChannelRestore(offer) = request { Some(offer.clone()) } else { None }
    };
    world.client(name).calls.iter().filter_map(offer).collect()
}

fn writes(world: &mut World, name: &str) -> usize {
    let wrote = |(_, request): &&(_, Request)| matches!(request, Request::ChannelEnqueue(_));
    world.client(name).calls.iter().filter(wrote).count()
}

fn end(world: &mut World, name: &str, channel: ChannelId) -> ChainPoint {
    world.conversation(name, channel).cursor
}

/// As a store of before there were raw entries.
fn forget_raw(world: &mut World, name: &str, channel: ChannelId) {
    let tx = world.client(name).store.begin().expect("opens");
    tx.raw_log().clear_raw(&channel).expect("clears");
    tx.commit();
}

/// A group in which alice and bob have written, so that their leaves are not fresh any more.
fn group_that_writes(names: &[&'static str]) -> (World, ChannelId) {
    let (mut world, channel) = group_of(names);
    for name in ["alice", "bob"] {
        world.send(name, channel, "before").expect("sent");
    }
    world.sync("alice");
    (world, channel)
}

/// Everybody is at one point of one log, and reads and writes on.
fn assert_whole(world: &mut World, channel: ChannelId, names: &[&'static str], texts: &[&str]) {
    for _ in 0..2 {
        for name in names {
            world.sync(name);
        }
    }
    for (index, name) in names.iter().enumerate() {
        world.send(name, channel, &format!("after {index}")).expect("sent");
    }
    for name in names {
        world.sync(name);
    }
    let mut expected: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
    expected.extend(names.iter().enumerate().map(|(index, name)| format!("{name}: after {index}")));
    let point = end(world, names[0], channel);
    for name in names {
        assert_eq!(world.texts(name, channel), expected, "{name}");
        assert_eq!(state(world, name, channel), ConversationState::Active, "{name}");
        assert_eq!(end(world, name, channel), point, "{name}");
    }
}

#[test]
fn messages_that_the_server_lost_are_given_back_as_they_stood() {
    let (mut world, channel) = group_of(&["alice", "bob"]);
    world.send("alice", channel, "before").expect("sent");
    // Both leaves are renewed before their first message.
    world.send("bob", channel, "too").expect("sent");
    world.sync("alice");
    let backup = world.back_up_server();
    world.send("alice", channel, "lost one").expect("sent");
    world.send("bob", channel, "lost two").expect("sent");
    for name in ["alice", "bob"] {
        world.sync(name);
    }
    let known = end(&mut world, "alice", channel);
    world.put_server_back(&backup);
    world.sync("alice");
    assert_eq!(end(&mut world, "alice", channel), known, "it is the log that it was");
    assert_eq!((given(&mut world, "alice"), given(&mut world, "bob")), (vec![2], vec![]));
    let [offer] = &offers(&mut world, "alice")[..] else { panic!("one page") };
    assert_eq!(offer.entries.len(), 2);
    let told = {
        let tx = world.client("alice").store.begin().expect("opens");
        views::server_put_back(&tx).expect("reads").expect("noticed")
    };
    assert_eq!((told.given, told.conversations), (2, 1));
    world.sync("bob");
    assert_eq!(offers(&mut world, "bob"), [], "nothing is missing any more");
    let texts = ["alice: before", "bob: too", "alice: lost one", "bob: lost two"];
    assert_whole(&mut world, channel, &["alice", "bob"], &texts);
    assert_eq!(given(&mut world, "alice"), [2], "it is said once");
}

#[test]
fn what_had_left_before_the_server_was_put_back_waits_and_is_sent_once() {
    let (mut world, channel) = group_that_writes(&["alice", "bob"]);
    let backup = world.back_up_server();
    world.send("alice", channel, "lost").expect("sent");
    world.sync("bob");
    world.another_process("bob", "bob's other process");
    let wrote = writes(&mut world, "bob");
    let send = world.begin("bob", Command::Send { channel, content: text_content("once") });
    while writes(&mut world, "bob") == wrote {
        world.step();
    }
    // It was accepted, and read; its writer does not hear of it.
    world.client("bob").hold();
    world.client("bob").frozen = true;
    world.sync("alice");
    forget_raw(&mut world, "bob", channel);
    world.put_server_back(&backup);
    let synced = world.run("bob's other process", Command::Sync);
    assert_eq!(synced, Ok(Outcome::Synced { waiting: 1, undelivered: 0, untold: false }));
    assert_eq!(state(&mut world, "bob", channel), ConversationState::Diverged);
    world.client("bob").frozen = false;
    let sent = world.wait("bob", send);
    assert!(matches!(sent, Ok(Outcome::Queued { .. })), "{sent:?}");
    world.sync("alice");
    assert_eq!(given(&mut world, "alice"), [2]);
    let texts = ["alice: before", "bob: before", "alice: lost", "bob: once"];
    assert_whole(&mut world, channel, &["alice", "bob"], &texts);
    let older = |event: &Event| {
        matches!(event, Event::State { state: ConversationState::NeedsRejoin { .. }, .. } | Event::UsedTwice { .. })
    };
    for name in ["bob", "bob's other process"] {
        assert!(!world.client(name).events.iter().any(older), "{name} knows its own words");
    }
}

#[test]
fn commits_are_given_back_with_a_group_info_to_enter_with() {
    let mut world = World::new(&["alice", "bob", "carol"]);
    let channel = world.create("alice", "tea");
    world.invite("alice", channel, &["bob"]);
    world.sync("bob");
    world.accept("bob");
    world.sync("bob");
    world.send("bob", channel, "before").expect("sent");
    world.sync("alice");
    let backup = world.back_up_server();
    let older = world.client("bob").store.snapshot();
    rename(&mut world, "alice", channel, "coffee");
    world.invite("alice", channel, &["carol"]);
    world.sync("carol");
    world.accept("carol");
    world.send("carol", channel, "lost").expect("sent");
    world.sync("bob");
    world.send("bob", channel, "lost too").expect("sent");
    world.sync("alice");
    let known = end(&mut world, "alice", channel);
    world.put_server_back(&backup);
    world.sync("alice");
    assert_eq!(end(&mut world, "alice", channel), known);
    // Whoever enters anew takes what was stored with the last commit.
    let client = world.client("bob");
    client.store = older;
    client.crash();
    world.sync("bob");
    let entered = |event: &Event| matches!(event, Event::State { state: ConversationState::NeedsRejoin { .. }, .. });
    assert!(world.client("bob").events.iter().any(entered), "his store was older than what he had sent");
    assert_eq!(state(&mut world, "bob", channel), ConversationState::Active);
    for name in ["alice", "carol", "bob", "alice", "carol"] {
        world.sync(name);
    }
    world.send("bob", channel, "after").expect("sent");
    for name in ["alice", "carol"] {
        world.sync(name);
        let texts = world.texts(name, channel);
        assert!(texts.ends_with(&["carol: lost", "bob: lost too", "bob: after"].map(str::to_owned)), "{texts:?}");
        assert_eq!(world.conversation(name, channel).title, "coffee");
    }
}

#[test]
fn a_removal_is_given_back_with_the_keys_that_it_made_and_nobody_who_belongs_is_locked_out() {
    let (mut world, channel) = group_of(&["alice", "bob", "carol", "dave"]);
    for name in ["alice", "bob", "carol", "dave"] {
        world.send(name, channel, name).expect("sent");
        world.sync("alice");
    }
    for name in ["bob", "carol", "dave"] {
        world.sync(name);
    }
    let backup = world.back_up_server();
    world.send("alice", channel, "one").expect("sent");
    remove(&mut world, "alice", channel, "carol");
    world.send("alice", channel, "two").expect("sent");
    remove(&mut world, "alice", channel, "dave");
    world.send("alice", channel, "three").expect("sent");
    let known = end(&mut world, "alice", channel);
    world.put_server_back(&backup);
    // The server knows neither of the keys that came since.
    world.sync("alice");
    assert_eq!(end(&mut world, "alice", channel), known);
    assert_eq!(given(&mut world, "alice"), [5]);
    let rolls = |offer: &ChannelRestore| {
        offer.entries.iter().map(|entry| entry.commit.as_ref().is_some_and(|parts| parts.roll.is_some())).collect()
    };
    let pages: Vec<Vec<bool>> = offers(&mut world, "alice").iter().map(rolls).collect();
    assert_eq!(pages, [vec![false], vec![true], vec![false], vec![true], vec![false]]);
    // Bob was away all the time: with his old key he finds the new ones.
    let mine = ["alice: alice", "bob: bob", "carol: carol", "dave: dave", "alice: one", "alice: two", "alice: three"];
    assert_whole(&mut world, channel, &["alice", "bob"], &mine);
    for name in ["carol", "dave"] {
        world.sync(name);
        assert_eq!(state(&mut world, name, channel), ConversationState::Removed, "{name}");
        assert!(!world.texts(name, channel).contains(&"alice: three".to_owned()), "{name}");
    }
}

/// Joins by the one open request.
fn join(world: &mut World, name: &str) {
    world.sync(name);
    world.accept(name);
    world.sync(name);
}

/// Alice and bob have written, and alice has removed carol: the keys have rolled, and the server may be put back to before.
fn group_that_removed() -> (World, ChannelId, quicprochat_server_core::store::memory::MemoryStore) {
    let mut world = World::new(&["alice", "bob", "carol", "erin"]);
    let channel = world.create("alice", "tea");
    world.invite("alice", channel, &["bob", "carol"]);
    join(&mut world, "bob");
    join(&mut world, "carol");
    for name in ["alice", "bob"] {
        world.send(name, channel, "before").expect("sent");
    }
    world.sync("alice");
    let backup = world.back_up_server();
    remove(&mut world, "alice", channel, "carol");
    world.sync("bob");
    (world, channel, backup)
}

#[test]
fn who_has_no_key_of_before_a_removal_waits_until_somebody_gives_it_back() {
    let (mut world, channel, backup) = group_that_removed();
    world.invite("alice", channel, &["erin"]);
    join(&mut world, "erin");
    world.send("erin", channel, "lost").expect("sent");
    for name in ["alice", "bob"] {
        world.sync(name);
    }
    forget_raw(&mut world, "bob", channel);
    let known = end(&mut world, "bob", channel);
    world.put_server_back(&backup);
    world.set_online("alice", false);
    for name in ["bob", "erin"] {
        world.begin(name, Command::Listen);
        world.pass(MINUTE);
        assert_eq!(state(&mut world, name, channel), ConversationState::Diverged, "{name}");
        assert_eq!(offers(&mut world, name).len(), 0, "{name}");
    }
    let refused = world.send("erin", channel, "not now");
    assert_eq!(refused, Err(CommandError::ConversationState { state: ConversationState::Diverged }));
    world.set_online("alice", true);
    world.sync("alice");
    assert_eq!(end(&mut world, "alice", channel), known, "it is the log that it was");
    world.pass(MINUTE * 11);
    for name in ["bob", "erin"] {
        assert_eq!(state(&mut world, name, channel), ConversationState::Active, "{name} looks again by itself");
    }
    let texts = |world: &mut World, name| world.texts(name, channel);
    for name in ["alice", "bob", "erin"] {
        world.send(name, channel, "after").expect("sent");
    }
    for name in ["alice", "bob", "erin"] {
        world.sync(name);
        let after = ["erin: lost", "alice: after", "bob: after", "erin: after"].map(str::to_owned);
        assert!(texts(&mut world, name).ends_with(&after), "{name}");
    }
}

#[test]
fn a_channel_is_gone_after_a_day_and_looked_at_again_with_each_link() {
    let (mut world, channel, _) = group_that_removed();
    forget_raw(&mut world, "bob", channel);
    let denied = |result: &mut Result<Response, CallError>| {
        if let Ok(Response::ChannelState(_)) = result {
            *result = Err(CallError::Refused(ErrorCode::AccessDenied.into()));
        }
    };
    world.client("bob").crash();
    world.tamper = Some(("bob", Box::new(denied)));
    world.run("bob", Command::Sync).expect("ends");
    assert_eq!(state(&mut world, "bob", channel), ConversationState::Diverged);
    world.pass(DAY * 3 / 4);
    world.run("bob", Command::Sync).expect("ends");
    assert_eq!(state(&mut world, "bob", channel), ConversationState::Diverged, "somebody may still come");
    world.pass(DAY * 3 / 4);
    world.run("bob", Command::Sync).expect("ends");
    assert_eq!(state(&mut world, "bob", channel), ConversationState::Gone);
    let again = world.run("bob", Command::Repair);
    assert!(matches!(&again, Ok(Outcome::Repaired { conversations, .. }) if conversations.is_empty()), "{again:?}");
    for _ in 0..3 {
        world.pass(DAY / 2);
        world.run("bob", Command::Sync).expect("ends");
    }
    let told = standing(&mut world, "bob", channel);
    assert_eq!(told, Some(VaultStanding::Joined), "that the account has left is for the log to say");
    world.tamper = None;
    world.client("bob").crash();
    world.sync("bob");
    assert_eq!(state(&mut world, "bob", channel), ConversationState::Active);
    assert_whole(&mut world, channel, &["alice", "bob"], &["alice: before", "bob: before"]);
}

#[test]
fn a_device_enrolled_while_the_server_is_short_enters_once_it_is_not() {
    let (mut world, channel, _) = group_that_removed();
    // The keys are in the vault.
    world.pass(DAY * 2);
    for _ in 0..2 {
        world.sync("bob");
        world.pass(MINUTE * 2);
    }
    world.enrol("bob", "bob's laptop");
    let denied = |result: &mut Result<Response, CallError>| {
        if let Ok(Response::ChannelState(_)) = result {
            *result = Err(CallError::Refused(ErrorCode::AccessDenied.into()));
        }
    };
    world.tamper = Some(("bob's laptop", Box::new(denied)));
    world.run("bob's laptop", Command::Sync).expect("ends");
    assert_eq!(state(&mut world, "bob's laptop", channel), ConversationState::Diverged);
    world.tamper = None;
    world.client("bob's laptop").crash();
    world.sync("bob's laptop");
    assert_eq!(state(&mut world, "bob's laptop", channel), ConversationState::Active);
    world.send("bob's laptop", channel, "here").expect("sent");
    world.sync("alice");
    assert!(world.texts("alice", channel).ends_with(&["bob: here".to_owned()]));
}

#[test]
fn an_invitation_into_a_channel_whose_server_was_put_back_is_tried_again() {
    let (mut world, channel, backup) = group_that_removed();
    world.invite("alice", channel, &["erin"]);
    world.sync("erin");
    world.put_server_back(&backup);
    world.set_online("alice", false);
    world.set_online("bob", false);
    let invitation = {
        let tx = world.client("erin").store.begin().expect("opens");
        tx.inbox().invitations().expect("reads")[0].id
    };
    assert_eq!(world.run("erin", Command::AcceptRequest { invitation }), Err(CommandError::JoinFailed));
    world.begin("erin", Command::Listen);
    world.pass(MINUTE * 20);
    world.set_online("alice", true);
    world.sync("alice");
    assert_eq!(given(&mut world, "alice"), [2]);
    world.pass(MINUTE * 11);
    assert_eq!(state(&mut world, "erin", channel), ConversationState::Active);
    world.set_online("bob", true);
    world.send("erin", channel, "here").expect("sent");
    for name in ["alice", "bob"] {
        world.sync(name);
        assert!(world.texts(name, channel).ends_with(&["erin: here".to_owned()]), "{name}");
    }
}

#[test]
fn an_invitation_that_is_denied_for_a_day_leads_nowhere() {
    let (mut world, channel, _) = group_that_removed();
    world.invite("alice", channel, &["erin"]);
    world.sync("erin");
    let denied = |result: &mut Result<Response, CallError>| {
        if let Ok(Response::ChannelState(_)) = result {
            *result = Err(CallError::Refused(ErrorCode::AccessDenied.into()));
        }
    };
    world.tamper = Some(("erin", Box::new(denied)));
    let invitation = |world: &mut World| {
        let tx = world.client("erin").store.begin().expect("opens");
        tx.inbox().invitations().expect("reads").remove(0)
    };
    let id = invitation(&mut world).id;
    assert_eq!(world.run("erin", Command::AcceptRequest { invitation: id }), Err(CommandError::JoinFailed));
    world.client("erin").calls.clear();
    world.begin("erin", Command::Listen);
    for _ in 0..143 {
        world.pass(MINUTE * 10);
    }
    assert_eq!(invitation(&mut world).state, InvitationState::Joining);
    let attached = |(_, request): &&(_, Request)| matches!(request, Request::ChannelAttach(_));
    let attached = world.client("erin").calls.iter().filter(attached).count();
    assert!((100..400).contains(&attached), "less and less often: {attached}");
    world.pass(MINUTE * 30);
    assert_eq!(invitation(&mut world).state, InvitationState::Failed);
}

#[test]
fn a_channel_that_the_account_has_deleted_is_gone_without_waiting() {
    let (mut world, channel, _) = group_that_removed();
    remove(&mut world, "alice", channel, "bob");
    world.enrol("alice", "alice's laptop");
    // The conversation is in the vault, with its newest keys.
    for _ in 0..2 {
        world.pass(DAY);
        world.sync("alice");
    }
    world.sync("alice's laptop");
    assert_eq!(state(&mut world, "alice's laptop", channel), ConversationState::Active);
    world.sync("alice");
    assert_eq!(world.run("alice", Command::Leave { channel }), Ok(Outcome::Done));
    world.run("alice's laptop", Command::Sync).expect("ends");
    assert_eq!(state(&mut world, "alice's laptop", channel), ConversationState::Diverged, "nothing was said yet");
    world.pass(MINUTE * 2);
    world.sync("alice");
    world.run("alice's laptop", Command::Sync).expect("ends");
    assert_eq!(state(&mut world, "alice's laptop", channel), ConversationState::Gone);
}

#[test]
fn holders_who_have_read_differently_far_complete_each_other() {
    for first in ["alice", "bob"] {
        let (mut world, channel) = group_that_writes(&["alice", "bob", "carol"]);
        let backup = world.back_up_server();
        world.send("alice", channel, "one").expect("sent");
        remove(&mut world, "alice", channel, "carol");
        // Bob reads the removal as well; alice does not read what he writes then.
        world.send("bob", channel, "two").expect("sent");
        rename(&mut world, "bob", channel, "coffee");
        world.send("bob", channel, "three").expect("sent");
        world.put_server_back(&backup);
        let second = if first == "alice" { "bob" } else { "alice" };
        world.sync(first);
        world.sync(second);
        let all: u64 = ["alice", "bob"].iter().flat_map(|name| given(&mut world, name)).sum();
        assert_eq!(all, 5, "{first} first: each entry is taken once");
        let texts = ["alice: before", "bob: before", "alice: one", "bob: two", "bob: three"];
        assert_whole(&mut world, channel, &["alice", "bob"], &texts);
        assert_eq!(world.conversation("alice", channel).title, "coffee");
    }
}

#[test]
fn holders_who_come_at_the_same_time_do_not_get_in_each_others_way() {
    let (mut world, channel) = group_that_writes(&["alice", "bob", "carol"]);
    let backup = world.back_up_server();
    world.send("alice", channel, "one").expect("sent");
    remove(&mut world, "bob", channel, "carol");
    world.sync("alice");
    world.send("alice", channel, "two").expect("sent");
    world.sync("bob");
    for name in ["alice", "bob"] {
        world.begin(name, Command::Listen);
    }
    world.pass(MINUTE);
    world.put_server_back(&backup);
    world.pass(MINUTE * 5);
    let all: u64 = ["alice", "bob"].iter().flat_map(|name| given(&mut world, name)).sum();
    assert_eq!(all, 3);
    assert_whole(&mut world, channel, &["alice", "bob"], &["alice: before", "bob: before", "alice: one", "alice: two"]);
}

#[test]
fn who_has_no_raw_entries_says_what_is_missing_and_goes_on_once_somebody_gives_it_back() {
    let (mut world, channel) = group_that_writes(&["alice", "bob"]);
    let backup = world.back_up_server();
    world.send("alice", channel, "lost").expect("sent");
    rename(&mut world, "alice", channel, "coffee");
    world.sync("bob");
    forget_raw(&mut world, "alice", channel);
    world.put_server_back(&backup);
    world.set_online("bob", false);
    world.client("alice").calls.clear();
    world.run("alice", Command::Sync).expect("ends");
    let diverged = ConversationState::Diverged;
    assert_eq!(state(&mut world, "alice", channel), diverged);
    let missing = |world: &mut World| {
        let tx = world.client("alice").store.begin().expect("opens");
        views::missing_at_server(&tx, &channel).expect("reads")
    };
    assert_eq!(missing(&mut world), Some(2));
    let refused = world.send("alice", channel, "after");
    assert_eq!(refused, Err(CommandError::ConversationState { state: diverged.clone() }));
    // Again and again, also as another process.
    world.client("alice").crash();
    for _ in 0..3 {
        world.run("alice", Command::Sync).expect("ends");
        world.pass(MINUTE);
        assert_eq!(state(&mut world, "alice", channel), diverged);
    }
    let again = world.run("alice", Command::Repair);
    let Ok(Outcome::Repaired { conversations, .. }) = again else { panic!("{again:?}") };
    assert_eq!((&conversations[0].was, &conversations[0].is), (&diverged, &diverged));
    assert_eq!((writes(&mut world, "alice"), offers(&mut world, "alice").len()), (0, 0));
    // Bob has it.
    world.begin("alice", Command::Listen);
    world.set_online("bob", true);
    world.sync("bob");
    assert_eq!(given(&mut world, "bob"), [2]);
    world.pass(MINUTE * 11);
    assert_eq!(state(&mut world, "alice", channel), ConversationState::Active, "it looks again by itself");
    assert_eq!(missing(&mut world), None);
    assert_whole(&mut world, channel, &["alice", "bob"], &["alice: before", "bob: before", "alice: lost"]);
}

#[test]
fn a_conversation_that_was_to_be_entered_when_it_stopped_is_entered_when_it_goes_on() {
    for repairs in [false, true] {
        let (mut world, channel) = group_that_writes(&["alice", "bob"]);
        let backup = world.back_up_server();
        world.send("alice", channel, "lost").expect("sent");
        world.sync("bob");
        lose_group(&mut world, "bob", channel);
        let reason = RejoinReason::NotFollowed;
        set_state(&mut world, "bob", channel, reason.clone());
        forget_raw(&mut world, "bob", channel);
        world.put_server_back(&backup);
        world.set_online("alice", false);
        world.run("bob", Command::Sync).expect("ends");
        assert_eq!(state(&mut world, "bob", channel), ConversationState::Diverged);
        world.client("bob").crash();
        world.run("bob", Command::Sync).expect("ends");
        world.set_online("alice", true);
        world.sync("alice");
        world.set_online("alice", false);
        world.client("bob").events.clear();
        world.run("bob", if repairs { Command::Repair } else { Command::Sync }).expect("ends");
        assert_eq!(state(&mut world, "bob", channel), ConversationState::Active);
        let entered = |event: &Event| matches!(event, Event::State { state: ConversationState::NeedsRejoin { reason: found }, .. } if *found == reason);
        assert!(world.client("bob").events.iter().any(entered), "{repairs}");
        world.set_online("alice", true);
        world.sync("alice");
        world.send("alice", channel, "next").expect("sent");
        world.set_online("alice", false);
        world.sync("bob");
        assert!(world.texts("bob", channel).ends_with(&["alice: next".to_owned()]), "bob is in the group: {repairs}");
        world.set_online("alice", true);
        assert_whole(
            &mut world,
            channel,
            &["alice", "bob"],
            &["alice: before", "bob: before", "alice: lost", "alice: next"],
        );
    }
}

#[test]
fn who_enters_a_log_whose_last_commit_has_no_group_info_waits_for_the_next_commit() {
    let (mut world, channel) = group_that_writes(&["alice", "bob", "carol"]);
    world.sync("carol");
    let backup = world.back_up_server();
    rename(&mut world, "alice", channel, "coffee");
    for name in ["bob", "carol"] {
        world.sync(name);
    }
    for name in ["alice", "bob"] {
        lose_group(&mut world, name, channel);
    }
    set_state(&mut world, "bob", channel, RejoinReason::GroupLost);
    world.put_server_back(&backup);
    for name in ["bob", "carol"] {
        world.set_online(name, false);
    }
    world.run("alice", Command::Sync).expect("ends");
    assert_eq!(given(&mut world, "alice"), [1], "without a GroupInfo");
    world.set_online("alice", false);
    world.set_online("bob", true);
    world.client("bob").calls.clear();
    for _ in 0..2 {
        let synced = world.run("bob", Command::Sync);
        assert!(matches!(synced, Ok(Outcome::Synced { .. })), "{synced:?}");
        let waits = ConversationState::NeedsRejoin { reason: RejoinReason::GroupLost };
        assert_eq!((state(&mut world, "bob", channel), writes(&mut world, "bob")), (waits, 0));
        world.client("bob").crash();
    }
    world.set_online("carol", true);
    rename(&mut world, "carol", channel, "cocoa");
    world.sync("bob");
    assert_eq!(state(&mut world, "bob", channel), ConversationState::Active);
    world.send("bob", channel, "here").expect("sent");
    world.sync("carol");
    assert!(world.texts("carol", channel).ends_with(&["bob: here".to_owned()]));
}

#[test]
fn a_conversation_that_stopped_goes_on_at_the_next_start_once_the_log_is_whole() {
    let (mut world, channel) = group_that_writes(&["alice", "bob"]);
    // As a version that kept no raw entries has left it.
    {
        let tx = world.client("bob").store.begin().expect("opens");
        let stored = tx.conversations().conversation(&channel).expect("reads").expect("is there");
        let stopped = quicprochat_client_core::store::Conversation { state: ConversationState::Diverged, ..stored };
        tx.conversations().put_conversation(&stopped).expect("stores");
        tx.commit();
    }
    world.client("bob").crash();
    world.sync("bob");
    assert_whole(&mut world, channel, &["alice", "bob"], &["alice: before", "bob: before"]);
}

#[test]
fn a_server_that_has_gone_on_otherwise_is_not_written_to_by_who_has_read_another_past() {
    let (mut world, channel) = group_of(&["alice", "bob", "carol"]);
    for name in ["alice", "bob", "carol"] {
        world.send(name, channel, "before").expect("sent");
    }
    world.sync("bob");
    world.sync("alice");
    let backup = world.back_up_server();
    world.send("alice", channel, "lost one").expect("sent");
    world.send("alice", channel, "lost two").expect("sent");
    world.put_server_back(&backup);
    world.set_online("alice", false);
    // The server takes new entries again before alice is there.
    world.send("carol", channel, "instead").expect("sent");
    world.set_online("alice", true);
    world.client("alice").calls.clear();
    world.run("alice", Command::Sync).expect("ends");
    assert_eq!(state(&mut world, "alice", channel), ConversationState::Diverged);
    world.client("alice").crash();
    for _ in 0..3 {
        world.pass(MINUTE);
        world.run("alice", Command::Sync).expect("ends");
    }
    assert_eq!(state(&mut world, "alice", channel), ConversationState::Diverged);
    assert_eq!((writes(&mut world, "alice"), offers(&mut world, "alice").len()), (0, 0));
    world.set_online("alice", false);
    world.send("carol", channel, "further").expect("sent");
    world.send("carol", channel, "and further").expect("sent");
    world.set_online("alice", true);
    world.client("alice").crash();
    world.run("alice", Command::Sync).expect("ends");
    assert_eq!(state(&mut world, "alice", channel), ConversationState::Diverged, "nor when it is the longer one");
    assert_eq!(writes(&mut world, "alice"), 0);
    assert!(world.texts("alice", channel).ends_with(&["alice: lost two".to_owned()]), "what was read stays");
}

#[test]
fn a_message_that_was_on_its_way_stands_once() {
    let (mut world, channel) = group_that_writes(&["alice", "bob"]);
    let backup = world.back_up_server();
    world.send("alice", channel, "lost").expect("sent");
    // The server takes bob's message, whose answer he never gets; alice reads it.
    world.sync("bob");
    world.client("bob").calls.clear();
    world.begin("bob", Command::Send { channel, content: text_content("twice?") });
    while writes(&mut world, "bob") == 0 {
        world.step();
    }
    world.set_online("bob", false);
    world.client("bob").crash();
    world.sync("alice");
    let read = ["alice: before", "bob: before", "alice: lost", "bob: twice?"];
    assert_eq!(world.texts("alice", channel), read);
    for first in ["alice", "bob"] {
        // Whether alice gives it back, or bob, who does not know that it stood there, sends it again.
        world.put_server_back(&backup);
        for name in ["alice", "bob"] {
            world.set_online(name, name == first);
        }
        world.run(first, Command::Sync).expect("ends");
        for name in ["alice", "bob"] {
            world.set_online(name, true);
        }
        world.sync("alice");
        world.sync("bob");
        for name in ["alice", "bob"] {
            assert_eq!(world.texts(name, channel), read, "{first} first");
        }
    }
    assert_whole(&mut world, channel, &["alice", "bob"], &read);
}

#[test]
fn what_is_to_be_sent_waits_until_the_server_takes_it_again_and_people_are_told_once() {
    let (mut world, channel) = group_that_writes(&["alice", "bob"]);
    let wait = MINUTE * 10;
    let until = world.now.after(wait);
    world.client("alice").calls.clear();
    let restoring = move |result: &mut Result<Response, CallError>| {
        if let Ok(Response::Enqueued(_)) = result {
            *result = Err(CallError::Refused(CallFailure::retry(ErrorCode::Restoring, wait)));
        }
    };
    world.tamper = Some(("alice", Box::new(restoring)));
    for text in ["one", "two"] {
        assert!(matches!(world.send("alice", channel, text), Ok(Outcome::Queued { .. })), "{text}");
    }
    let told = |event: &&Event| matches!(event, Event::ServerPutBack { wait: told } if *told == wait);
    assert_eq!(world.client("alice").events.iter().filter(told).count(), 1);
    let noticed = {
        let tx = world.client("alice").store.begin().expect("opens");
        views::server_put_back(&tx).expect("reads").expect("noticed")
    };
    assert!(noticed.until >= until, "{noticed:?}");
    world.begin("alice", Command::Listen);
    world.pass(MINUTE);
    let tried = writes(&mut world, "alice");
    world.tamper = None;
    world.pass(MINUTE * 5);
    assert_eq!(writes(&mut world, "alice"), tried, "not before");
    // What others write meanwhile is read.
    world.send("bob", channel, "meanwhile").expect("sent");
    world.pass(MINUTE);
    assert!(world.texts("alice", channel).contains(&"bob: meanwhile".to_owned()));
    world.pass(MINUTE * 10);
    assert!(world.texts("alice", channel).contains(&"alice: two".to_owned()));
    world.sync("bob");
    assert_eq!(world.texts("bob", channel), world.texts("alice", channel));
    assert_eq!(world.client("alice").events.iter().filter(told).count(), 1);
}

/// Bob's phone is enrolled, and alice writes what only it reads; then the server is put back to before. The one backup does not
/// know the phone, the other one does.
fn a_device_that_came_since() -> (World, ChannelId, [ServerStore; 2]) {
    let (mut world, channel) = group_that_writes(&["alice", "bob"]);
    let older = world.back_up_server();
    world.enrol("bob", PHONE);
    world.sync("bob");
    world.invite("alice", channel, &["bob"]);
    world.sync(PHONE);
    world.accept(PHONE);
    world.send(PHONE, channel, "here, too").expect("sent");
    for name in ["alice", "bob"] {
        world.sync(name);
    }
    assert_eq!(state(&mut world, PHONE, channel), ConversationState::Active);
    let newer = world.back_up_server();
    world.send("alice", channel, "lost").expect("sent");
    world.sync(PHONE);
    forget_raw(&mut world, "alice", channel);
    world.put_server_back(&older);
    (world, channel, [older, newer])
}

const PHONE: &str = "bob's phone";

#[test]
fn a_device_that_was_enrolled_after_the_backup_gives_back_what_only_it_has() {
    let (mut world, channel, _) = a_device_that_came_since();
    // What let it in stands before all that it has read: bob has that.
    assert_eq!(world.run(PHONE, Command::Sync), Err(CommandError::DeviceUnknown));
    assert_eq!(state(&mut world, PHONE, channel), ConversationState::Diverged);
    world.sync("bob");
    assert!(!world.texts("bob", channel).contains(&"alice: lost".to_owned()));
    assert_eq!(world.run(PHONE, Command::Sync), Err(CommandError::DeviceUnknown));
    assert_eq!(given(&mut world, PHONE), [1]);
    assert!(world.client(PHONE).events.contains(&Event::DeviceUnknown));
    assert!(!world.client(PHONE).events.contains(&Event::DeviceRevoked));
    for name in ["alice", "bob"] {
        world.sync(name);
        assert_eq!(state(&mut world, name, channel), ConversationState::Active, "{name}");
        let read = ["alice: before", "bob: before", "bob: here, too", "alice: lost"];
        assert_eq!(world.texts(name, channel), read, "{name}");
    }
    // It reads and writes on, also as another process; only what needs the account rests.
    world.send("alice", channel, "still there?").expect("sent");
    world.client(PHONE).crash();
    assert_eq!(world.run(PHONE, Command::Sync), Err(CommandError::DeviceUnknown));
    let sent = world.send(PHONE, channel, "yes");
    assert!(matches!(sent, Ok(Outcome::Sent { .. })), "{sent:?}");
    for name in ["alice", "bob"] {
        world.sync(name);
        let texts = world.texts(name, channel);
        assert!(texts.ends_with(&["alice: still there?", "bob: yes"].map(str::to_owned)), "{name}: {texts:?}");
    }
}

#[test]
fn a_device_that_a_newer_backup_knows_again_is_whole_by_itself() {
    let (mut world, channel, [_, newer]) = a_device_that_came_since();
    world.begin(PHONE, Command::Listen);
    world.pass(MINUTE);
    assert!(world.client(PHONE).events.contains(&Event::DeviceUnknown));
    world.put_server_back(&newer);
    world.pass(MINUTE * 10);
    assert!(world.is_taken(PHONE));
    world.sync(PHONE);
    for name in ["alice", "bob", PHONE] {
        world.sync(name);
        let texts = world.texts(name, channel);
        assert!(texts.ends_with(&["bob: here, too", "alice: lost"].map(str::to_owned)), "{name}: {texts:?}");
        assert_eq!(state(&mut world, name, channel), ConversationState::Active, "{name}");
    }
}

/// Alice gives back a removal with what stands around it, and dies or loses a link meanwhile; how many effects that took her.
fn story(prepare: impl FnOnce(&mut World)) -> core::ops::Range<usize> {
    let (mut world, channel) = group_that_writes(&["alice", "bob", "carol"]);
    let backup = world.back_up_server();
    world.send("alice", channel, "one").expect("sent");
    remove(&mut world, "alice", channel, "carol");
    world.send("alice", channel, "two").expect("sent");
    let known = end(&mut world, "alice", channel);
    world.put_server_back(&backup);
    world.settle();
    prepare(&mut world);
    let start = world.client("alice").effects;
    world.begin("alice", Command::Sync);
    world.pass(MINUTE);
    let effects = start..world.client("alice").effects;
    for _ in 0..2 {
        world.begin("alice", Command::Sync);
        world.pass(MINUTE);
    }
    assert_eq!(end(&mut world, "alice", channel), known);
    assert_whole(&mut world, channel, &["alice", "bob"], &["alice: before", "bob: before", "alice: one", "alice: two"]);
    let log = {
        let tx = world.client("bob").store.begin().expect("opens");
        tx.messages().messages_of(&channel, 0, 1_000).expect("reads")
    };
    assert!(!log.iter().any(|entry| matches!(entry.body, LogBody::Gap { .. })), "nothing is missing");
    effects
}

#[test]
fn a_holder_may_die_or_lose_its_link_at_every_effect() {
    let effects = story(|_| {});
    assert!(effects.len() > 10, "{effects:?}");
    for at in effects {
        println!("alice dies at effect {at}");
        story(|world| world.client("alice").crash_at = Some(at));
        if at % 3 == 0 {
            println!("the answer to effect {at} is lost");
            story(|world| world.client("alice").cut_at = Some(at));
        }
    }
}
