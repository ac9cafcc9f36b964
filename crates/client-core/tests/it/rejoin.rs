//! Devices that cannot follow their group enter it anew, by themselves (M2).

use core::cell::RefCell;
use std::rc::Rc;

use futures::executor::block_on;
use quicprochat_client_core::{
    CallError, Command, CommandError, Event, Outcome, StoreTx as _,
    store::{
        ConversationState, Invitation, InvitationState, LogBody, MemoryStore, PendingCommit, PendingGroupInfo,
        RejoinReason, Secret, SecretBytes,
    },
};
use quicprochat_e2ee::{
    mls::{Group, MlsStore, Provider, StoreFault},
    sealed::Invitation as Body,
};
use quicprochat_wire::{
    AccountId, ChannelId, Digest, MessageId, Request, Response,
    call::channel::{ChainPoint, Enqueued, GroupInfo},
    time::Duration,
};

use crate::{
    groups::group_of,
    world::{Client, Seeded, World, text_content},
};

const DAY: Duration = Duration::from_secs(24 * 3600);
const MINUTE: Duration = Duration::from_secs(60);

/// The device's group state is gone; the rest of its store is there.
/// A device learns of a conversation from its account alone.
fn adopt(world: &mut World, from: &str, device: &str, channel: ChannelId) {
    let mut conversation = world.conversation(from, channel);
    conversation.state = ConversationState::NeedsRejoin { reason: RejoinReason::GroupLost };
    let tx = world.client(device).store.begin().expect("opens");
    tx.conversations().put_conversation(&conversation).expect("put");
    tx.commit();
}

pub(crate) fn lose_group(world: &mut World, name: &str, channel: ChannelId) {
    let tx = world.client(name).store.begin().expect("opens");
    let mut entropy = Seeded::new(5);
    let provider = Provider::new(tx.mls(), &mut entropy);
    Group::load(&provider, channel).expect("reads").expect("there").delete(&provider).expect("deletes");
    tx.commit();
}

pub(crate) fn set_state(world: &mut World, name: &str, channel: ChannelId, reason: RejoinReason) {
    let mut conversation = world.conversation(name, channel);
    conversation.state = ConversationState::NeedsRejoin { reason };
    let tx = world.client(name).store.begin().expect("opens");
    tx.conversations().put_conversation(&conversation).expect("put");
    tx.commit();
}

pub(crate) fn gaps(world: &mut World, name: &str, channel: ChannelId) -> Vec<(u64, u64)> {
    let tx = world.client(name).store.begin().expect("opens");
    let log = tx.messages().messages_of(&channel, 0, 1000).expect("reads");
    log.iter()
        .filter_map(|entry| if let LogBody::Gap { from, to } = entry.body { Some((from, to)) } else { None })
        .collect()
}

/// Accounts added and removed and devices added and removed by the last change of members that a log shows.
fn last_change(world: &mut World, name: &str, channel: ChannelId) -> (usize, usize, u32, u32) {
    let tx = world.client(name).store.begin().expect("opens");
    let log = tx.messages().messages_of(&channel, 0, 1000).expect("reads");
    let change = log.iter().rev().find_map(|entry| {
        let LogBody::Membership { added, removed, devices_added, devices_removed } = &entry.body else { return None };
        Some((added.len(), removed.len(), *devices_added, *devices_removed))
    });
    change.expect("a change")
}

#[test]
fn who_was_removed_and_invited_again_while_away_is_in_once_more() {
    let (mut world, channel) = group_of(&["alice", "bob", "carol"]);
    world.run("alice", Command::Remove { channel, name: "bob".to_owned() }).expect("removed");
    world.invite("alice", channel, &["bob"]);
    world.pass(MINUTE);
    world.sync("bob");
    world.sync("carol");
    assert_all_is_well(&mut world, channel, &["alice", "bob", "carol"]);
}

/// The same account and device on an empty disk, but for what leads to one channel: its keys.
pub(crate) fn empty_disk(world: &mut World, of: &str, name: &'static str, channel: ChannelId) {
    let seed = world.next_seed();
    let mut conversation = world.conversation(of, channel);
    conversation.state = ConversationState::NeedsRejoin { reason: RejoinReason::GroupLost };
    conversation.members = Vec::new().into();
    let own = {
        let tx = world.client(of).store.begin().expect("opens");
        tx.account().own_account().expect("reads").expect("an account")
    };
    let mut store = MemoryStore::new();
    {
        let tx = store.begin().expect("opens");
        tx.account().put_own_account(&own).expect("put");
        tx.conversations().put_conversation(&conversation).expect("put");
        tx.commit();
    }
    world.clients.push(Client::new(name, store, seed));
}

pub(crate) fn assert_all_is_well(world: &mut World, channel: ChannelId, names: &[&str]) {
    for name in names {
        assert_eq!(world.conversation(name, channel).state, ConversationState::Active, "{name}");
    }
    for name in names {
        world.send(name, channel, &format!("{name} again")).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    let expected: Vec<String> =
        names.iter().map(|name| format!("{}: {name} again", name.split('\'').next().unwrap_or(name))).collect();
    for name in names {
        world.sync(name);
        assert!(world.texts(name, channel).ends_with(&expected), "{name}: {:?}", world.texts(name, channel));
    }
    let (first, others) = names.split_first().expect("somebody");
    let view = world.conversation(first, channel);
    for name in others {
        let other = world.conversation(name, channel);
        assert_eq!((&other.members, &other.keys, other.epoch), (&view.members, &view.keys, view.epoch), "{name}");
        assert_eq!((other.cursor, other.last_commit), (view.cursor, view.last_commit));
    }
}

#[test]
fn whoever_was_away_beyond_retention_enters_anew_and_sees_what_is_missing() {
    let (mut world, channel) = group_of(&["alice", "bob"]);
    world.send("alice", channel, "long ago").expect("sent");
    world.pass(DAY * 91);
    block_on(world.server.sweep(world.now)).expect("sweeps");
    world.send("alice", channel, "today").expect("sent");
    let before = world.conversation("bob", channel);
    world.sync("bob");
    let state = ConversationState::NeedsRejoin { reason: RejoinReason::EntriesExpired };
    let told = |event: &Event| matches!(event, Event::State { state: told, .. } if *told == state);
    assert!(world.client("bob").events.iter().any(told));
    let after = world.conversation("bob", channel);
    assert_eq!(after.state, ConversationState::Active);
    // Behind the place where he entered stands what he asks the others for.
    let gap = (before.cursor.position + 1, after.cursor.position - 2);
    assert_eq!(gaps(&mut world, "bob", channel), [gap]);
    assert!(world.texts("bob", channel).is_empty(), "neither message is readable any more");
    world.sync("alice");
    assert_ne!(after.keys, before.keys, "its old leaf was removed, so the keys rolled");
    assert_all_is_well(&mut world, channel, &["alice", "bob"]);
}

#[test]
fn a_device_that_lost_its_group_enters_anew_in_the_same_sync() {
    let (mut world, channel) = group_of(&["alice", "bob", "carol"]);
    lose_group(&mut world, "bob", channel);
    world.send("alice", channel, "hello?").expect("sent");
    let cursor = world.conversation("bob", channel).cursor.position;
    world.sync("bob");
    let end = world.conversation("bob", channel).cursor.position;
    let gap = (cursor + 1, end - 2);
    assert_eq!(gaps(&mut world, "bob", channel), [gap], "what it could not read, before its entry and its request");
    for name in ["alice", "carol"] {
        world.sync(name);
        assert!(gaps(&mut world, name, channel).is_empty());
    }
    assert_eq!(world.texts("carol", channel), ["alice: hello?"]);
    assert_eq!(last_change(&mut world, "carol", channel), (0, 0, 1, 1), "a device changed, and nobody came or went");
    assert_all_is_well(&mut world, channel, &["alice", "bob", "carol"]);
    // Later removals reach everybody by the keys that rolled.
    world.run("alice", Command::Remove { channel, name: "carol".to_owned() }).expect("removed");
    world.sync("bob");
    assert_all_is_well(&mut world, channel, &["alice", "bob"]);
    world.sync("carol");
    assert_eq!(world.conversation("carol", channel).state, ConversationState::Removed);
}

/// Remembers what is read through it.
struct Recorder<'a> {
    inner: &'a dyn MlsStore,
    read: RefCell<Vec<Vec<u8>>>,
}

impl MlsStore for Recorder<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreFault> {
        let found = self.inner.get(key)?;
        if found.is_some() {
            self.read.borrow_mut().push(key.to_vec());
        }
        Ok(found)
    }
    fn put(&self, key: &[u8], value: &[u8]) -> Result<(), StoreFault> {
        self.inner.put(key, value)
    }
    fn delete(&self, key: &[u8]) -> Result<(), StoreFault> {
        self.inner.delete(key)
    }
}

#[test]
fn a_device_whose_group_state_is_damaged_enters_anew() {
    for damaged in 0..3 {
        let (mut world, channel) = group_of(&["alice", "bob"]);
        {
            let tx = world.client("bob").store.begin().expect("opens");
            let recorder = Recorder { inner: tx.mls(), read: RefCell::default() };
            let mut entropy = Seeded::new(5);
            Group::load(&Provider::new(&recorder, &mut entropy), channel).expect("reads").expect("there");
            let keys = recorder.read.into_inner();
            assert!(keys.len() > 3);
            tx.mls().put(&keys[damaged * (keys.len() - 1) / 2], &[1, 0xff, 0xff]).expect("put");
            tx.commit();
        }
        world.send("alice", channel, "hello?").expect("sent");
        world.sync("bob");
        let state = ConversationState::NeedsRejoin { reason: RejoinReason::GroupLost };
        let told = |event: &Event| matches!(event, Event::State { state: told, .. } if *told == state);
        assert!(world.client("bob").events.iter().any(told));
        world.sync("alice");
        assert_all_is_well(&mut world, channel, &["alice", "bob"]);
    }
}

#[test]
fn who_listens_enters_anew_as_well() {
    let (mut world, channel) = group_of(&["alice", "bob"]);
    world.begin("bob", Command::Listen);
    world.settle();
    lose_group(&mut world, "bob", channel);
    world.send("alice", channel, "hello?").expect("sent");
    world.settle();
    assert_eq!(world.conversation("bob", channel).state, ConversationState::Active);
    world.send("alice", channel, "there you are").expect("sent");
    world.settle();
    assert_eq!(world.texts("bob", channel), ["alice: there you are"]);
}

#[test]
fn an_empty_disk_with_the_keys_gets_everything_else_from_the_directory() {
    let (mut world, channel) = group_of(&["alice", "bob", "carol"]);
    world.send("alice", channel, "before").expect("sent");
    empty_disk(&mut world, "bob", "bob's new disk", channel);
    world.set_online("bob", false);
    world.sync("bob's new disk");
    let looked_up = |(_, request): &&(_, Request)| matches!(request, Request::Lookup(_));
    assert!(world.client("bob's new disk").calls.iter().filter(looked_up).count() >= 2);
    for name in ["alice", "carol"] {
        world.sync(name);
    }
    assert_eq!(world.conversation("bob's new disk", channel).title, "tea");
    assert_all_is_well(&mut world, channel, &["alice", "bob's new disk", "carol"]);
}

#[test]
fn a_new_device_takes_a_newer_record_of_the_directory_for_those_it_was_never_shown() {
    let (mut world, channel) = group_of(&["alice", "bob", "carol"]);
    // Two accounts whose leaves name records that the directory does not have any more.
    world.enrol("carol", "carol's laptop");
    world.enrol("bob", "bob's laptop");
    adopt(&mut world, "bob", "bob's laptop", channel);
    let keys = world.conversation("bob", channel).keys;
    world.sync("bob's laptop");
    let entered = world.conversation("bob's laptop", channel);
    assert_eq!((entered.state, entered.keys, entered.members.len()), (ConversationState::Active, keys, 4));
    // Whom it hands new keys it knows from the directory alone.
    let remove = Command::Remove { channel, name: "alice".to_owned() };
    assert!(matches!(world.run("bob's laptop", remove), Ok(Outcome::Committed { .. })));
    for name in ["bob", "carol"] {
        world.sync(name);
    }
    assert_all_is_well(&mut world, channel, &["bob", "bob's laptop", "carol"]);
}

#[test]
fn a_new_device_enters_without_every_record_and_removes_nobody_before_it_has_them() {
    let (mut world, channel) = group_of(&["alice", "bob", "carol"]);
    world.delete_account("carol");
    world.enrol("bob", "bob's laptop");
    adopt(&mut world, "bob", "bob's laptop", channel);
    world.sync("bob's laptop");
    assert_eq!(world.conversation("bob's laptop", channel).state, ConversationState::Active);
    let remove = Command::Remove { channel, name: "alice".to_owned() };
    assert_eq!(world.run("bob's laptop", remove), Err(CommandError::RecordsMissing { missing: 1 }));
    world.run("bob's laptop", Command::Rename { channel, title: "coffee".to_owned() }).expect("renamed");
}

#[test]
fn a_resync_waits_while_a_member_has_no_record_at_all() {
    let (mut world, channel) = group_of(&["alice", "bob", "carol"]);
    world.delete_account("carol");
    empty_disk(&mut world, "bob", "bob's new disk", channel);
    world.set_online("bob", false);
    world.sync("bob's new disk");
    let state = ConversationState::NeedsRejoin { reason: RejoinReason::RecordsMissing };
    assert_eq!(world.conversation("bob's new disk", channel).state, state);
    let queued = world.send("bob's new disk", channel, "early");
    assert!(matches!(queued, Ok(Outcome::Queued { .. })), "{queued:?}");
    // Whoever was shown carol's record can remove her.
    let remove = Command::Remove { channel, name: "carol".to_owned() };
    world.run("alice", remove).expect("removed");
    world.pass(Duration::from_secs(301));
    world.sync("bob's new disk");
    world.sync("alice");
    assert_eq!(world.texts("alice", channel), ["bob: early"], "it left once the device was in");
    assert_all_is_well(&mut world, channel, &["alice", "bob's new disk"]);
}

#[test]
fn a_removed_account_finds_that_it_was_removed() {
    let (mut world, channel) = group_of(&["alice", "bob", "carol"]);
    world.run("alice", Command::Remove { channel, name: "carol".to_owned() }).expect("removed");
    lose_group(&mut world, "carol", channel);
    set_state(&mut world, "carol", channel, RejoinReason::GroupLost);
    world.sync("carol");
    assert_eq!(world.conversation("carol", channel).state, ConversationState::Removed);
    world.sync("bob");
    assert_eq!(world.conversation("bob", channel).members.len(), 2);
}

#[test]
fn another_commit_comes_first_and_the_device_starts_over() {
    let (mut world, channel) = group_of(&["alice", "bob"]);
    lose_group(&mut world, "bob", channel);
    set_state(&mut world, "bob", channel, RejoinReason::GroupLost);
    world.client("bob").calls.clear();
    let sync = world.begin("bob", Command::Sync);
    let asked = |world: &mut World| {
        let is_it = |(_, request): &(_, Request)| matches!(request, Request::ChannelGroupInfo(_));
        world.client("bob").calls.iter().any(is_it)
    };
    while !asked(&mut world) {
        world.step();
    }
    // Bob waits with the GroupInfo in his hands while alice commits.
    let held = world.client("bob").hold();
    world.run("alice", Command::Rename { channel, title: "coffee".to_owned() }).expect("renamed");
    world.client("bob").release(held);
    assert_eq!(world.wait("bob", sync), Ok(Outcome::Synced { waiting: 0, undelivered: 0, untold: false }));
    let tries = world.client("bob").calls.iter().filter(|(_, request)| matches!(request, Request::ChannelEnqueue(_)));
    assert_eq!(tries.count(), 3, "once too late, once more, and to ask for what came before");
    world.sync("alice");
    assert_eq!(world.conversation("bob", channel).title, "coffee");
    assert_all_is_well(&mut world, channel, &["alice", "bob"]);
}

#[test]
fn a_server_that_says_stale_and_means_accepted_is_entered_once_more() {
    let (mut world, channel) = group_of(&["alice", "bob"]);
    lose_group(&mut world, "bob", channel);
    set_state(&mut world, "bob", channel, RejoinReason::GroupLost);
    let mut lied = false;
    let lie = move |result: &mut Result<Response, CallError>| {
        if let Ok(Response::Enqueued(Enqueued::Accepted { at, .. })) = result
            && !lied
        {
            lied = true;
            *result = Ok(Response::Enqueued(Enqueued::Stale { last_commit: ChainPoint { ..*at } }));
        }
    };
    world.tamper = Some(("bob", Box::new(lie)));
    world.sync("bob");
    world.tamper = None;
    world.sync("alice");
    assert_all_is_well(&mut world, channel, &["alice", "bob"]);
}

#[test]
fn another_past_is_said_and_waited_out() {
    let (mut world, channel) = group_of(&["alice", "bob"]);
    let epoch = world.conversation("alice", channel).epoch;
    let transcript = Digest::new([9; 32]);
    set_state(&mut world, "bob", channel, RejoinReason::CommitSpoilt { epoch, transcript });
    world.sync("bob");
    let state = ConversationState::NeedsRejoin { reason: RejoinReason::OtherPast { epoch, transcript } };
    assert_eq!(world.conversation("bob", channel).state, state);
    let told = |event: &Event| matches!(event, Event::State { state: told, .. } if *told == state);
    assert!(world.client("bob").events.iter().any(told));
    world.run("alice", Command::Rename { channel, title: "coffee".to_owned() }).expect("renamed");
    world.sync("bob");
    world.sync("alice");
    assert_all_is_well(&mut world, channel, &["alice", "bob"]);
}

#[test]
fn a_device_enters_by_a_group_info_whose_commit_has_expired() {
    let (mut world, channel) = group_of(&["alice", "bob"]);
    world.send("bob", channel, "long ago").expect("sent");
    world.pass(DAY * 91);
    block_on(world.server.sweep(world.now)).expect("sweeps");
    lose_group(&mut world, "bob", channel);
    set_state(&mut world, "bob", channel, RejoinReason::GroupLost);
    world.sync("bob");
    assert_eq!(world.conversation("bob", channel).state, ConversationState::Active);
    world.sync("alice");
    assert_all_is_well(&mut world, channel, &["alice", "bob"]);
}

#[test]
fn an_old_group_info_is_refused() {
    let (mut world, channel) = group_of(&["alice", "bob"]);
    world.send("bob", channel, "one").expect("sent");
    lose_group(&mut world, "bob", channel);
    set_state(&mut world, "bob", channel, RejoinReason::GroupLost);
    let old = |result: &mut Result<Response, CallError>| {
        if let Ok(Response::GroupInfo(info)) = result {
            info.at.position -= 1;
        }
    };
    world.tamper = Some(("bob", Box::new(old)));
    world.sync("bob");
    assert_eq!(world.conversation("bob", channel).state, ConversationState::Diverged);
    assert!(!world.client("bob").calls.iter().any(|(_, request)| {
        matches!(request, Request::ChannelEnqueue(call) if call.channel == channel && call.commit.as_ref().is_some_and(|commit| commit.roll.is_some()))
    }));
}

#[test]
fn a_group_info_that_is_garbage_is_passed_over() {
    let (mut world, channel) = group_of(&["alice", "bob"]);
    lose_group(&mut world, "bob", channel);
    set_state(&mut world, "bob", channel, RejoinReason::GroupLost);
    let spoil = |result: &mut Result<Response, CallError>| {
        if let Ok(Response::GroupInfo(info)) = result {
            info.sealed.iter_mut().for_each(|byte| *byte ^= 1);
        }
    };
    world.tamper = Some(("bob", Box::new(spoil)));
    world.sync("bob");
    let state = ConversationState::NeedsRejoin { reason: RejoinReason::GroupInfoGone };
    assert_eq!(world.conversation("bob", channel).state, state);
    let infos = |world: &mut World| {
        let is_it = |(_, request): &&(_, Request)| matches!(request, Request::ChannelGroupInfo(_));
        world.client("bob").calls.iter().filter(is_it).count()
    };
    let asked = infos(&mut world);
    assert!((2..=4).contains(&asked), "those before it are tried, a few: {asked}");
    world.tamper = None;
    world.sync("bob");
    world.sync("alice");
    assert_all_is_well(&mut world, channel, &["alice", "bob"]);
}

#[test]
fn what_waited_is_sent_once_whether_or_not_it_had_been_accepted() {
    for accepted in [true, false] {
        let (mut world, channel) = group_of(&["alice", "bob"]);
        world.send("bob", channel, "first").expect("sent");
        // The answer is lost, and so is the link.
        let send = world.begin("bob", Command::Send { channel, content: text_content("once") });
        let is_it = |(_, request): &&(_, Request)| matches!(request, Request::ChannelEnqueue(_));
        let before = world.client("bob").calls.iter().filter(is_it).count();
        while world.client("bob").calls.iter().filter(is_it).count() == before {
            world.step();
        }
        world.client("bob").crash();
        if !accepted {
            // As if the server had never seen it: the attempt names a commit that is not the last one.
            let tx = world.client("bob").store.begin().expect("opens");
            let mut row = tx.outbox().outbox_of(&channel).expect("reads").remove(0);
            row.attempt.as_mut().expect("an attempt").id = MessageId::new([9; 16]);
            row.intent = MessageId::new([8; 16]);
            tx.outbox().put_outbox(&row).expect("put");
            tx.commit();
        }
        let _ = send;
        world.pass(MINUTE);
        lose_group(&mut world, "bob", channel);
        set_state(&mut world, "bob", channel, RejoinReason::GroupLost);
        world.sync("bob");
        world.sync("alice");
        let times = world.texts("alice", channel).iter().filter(|text| *text == "bob: once").count();
        assert_eq!(times, if accepted { 1 } else { 2 }, "the server has what it has accepted, and nothing twice");
        assert_eq!(world.texts("bob", channel).iter().filter(|text| *text == "bob: once").count(), 1);
    }
}

/// What the server answers bob's laptop about the group in which alice renamed the conversation to `title`.
fn info_of(world: &mut World, channel: ChannelId, title: &str) -> GroupInfo {
    world.run("alice", Command::Rename { channel, title: title.to_owned() }).expect("renamed");
    world.sync("bob");
    let info = Rc::new(RefCell::new(None));
    let found = Rc::clone(&info);
    let keep = move |result: &mut Result<Response, CallError>| {
        if let Ok(Response::GroupInfo(info)) = result {
            found.replace(Some(info.clone()));
        }
    };
    world.tamper = Some(("bob's laptop", Box::new(keep)));
    world.sync("bob's laptop");
    world.tamper = None;
    let info = info.borrow_mut().take();
    info.expect("it asked")
}

#[test]
fn a_device_whose_process_ends_once_it_entered_learns_later_that_nobody_followed() {
    for answer_is_lost in [false, true] {
        let (mut world, channel) = group_of(&["alice", "bob"]);
        for name in ["alice", "bob"] {
            world.send(name, channel, "before").expect("sent");
        }
        world.enrol("bob", "bob's laptop");
        adopt(&mut world, "bob", "bob's laptop", channel);
        // The commit left a GroupInfo of another group than the one that its members are in.
        let copy = world.copy();
        let other = info_of(&mut world, channel, "coffee");
        world.back_to(&copy);
        world.run("alice", Command::Rename { channel, title: "cocoa".to_owned() }).expect("renamed");
        world.sync("bob");
        let lie = move |result: &mut Result<Response, CallError>| {
            if let Ok(Response::GroupInfo(info)) = result {
                *info = GroupInfo { at: info.at, ..other.clone() };
            }
        };
        world.tamper = Some(("bob's laptop", Box::new(lie)));
        if answer_is_lost {
            world.begin("bob's laptop", Command::Sync);
            let is_it = |(_, request): &(_, Request)| matches!(request, Request::ChannelEnqueue(_));
            while !world.client("bob's laptop").calls.iter().any(is_it) {
                world.step();
            }
            world.client("bob's laptop").crash();
        }
        world.sync("bob's laptop");
        world.tamper = None;
        let entered = world.conversation("bob's laptop", channel);
        assert_eq!((entered.state, entered.title.as_str()), (ConversationState::Active, "coffee"));
        world.client("bob's laptop").crash();
        world.sync("alice");
        assert_eq!(world.conversation("alice", channel).members.len(), 2, "nobody followed");
        world.send("alice", channel, "who is there?").expect("sent");
        world.run("alice", Command::Rename { channel, title: "tea".to_owned() }).expect("renamed");
        world.sync("bob's laptop");
        let state = ConversationState::NeedsRejoin { reason: RejoinReason::NotFollowed };
        let told = |event: &Event| matches!(event, Event::State { state: told, .. } if *told == state);
        assert!(world.client("bob's laptop").events.iter().any(told));
        for name in ["alice", "bob"] {
            world.sync(name);
        }
        world.pass(MINUTE);
        for name in ["bob", "alice", "bob's laptop"] {
            world.sync(name);
        }
        let read = |world: &mut World| {
            let tx = world.client("bob's laptop").store.begin().expect("opens");
            let log = tx.messages().messages_of(&channel, 0, 1000).expect("reads");
            let words = text_content("who is there?");
            let is_it = |body: &LogBody| matches!(body, LogBody::Relayed { content, .. } if *content == words);
            log.iter().filter(|entry| is_it(&entry.body)).count()
        };
        assert_eq!(read(&mut world), 1, "the entry that showed it belongs to what was missed");
        assert_all_is_well(&mut world, channel, &["alice", "bob", "bob's laptop"]);
    }
}

/// Bob lost his group, and syncs until he is back; returns how many effects that took.
fn comes_back(world: &mut World, channel: ChannelId) {
    for _ in 0..6 {
        let starts = world.client("bob").starts();
        let sync = world.begin("bob", Command::Sync);
        for _ in 0..5_000 {
            if world.client("bob").done.remove(&sync).is_some() || world.client("bob").starts() != starts {
                break;
            }
            world.step();
        }
        if world.conversation("bob", channel).state == ConversationState::Active {
            break;
        }
        world.pass(MINUTE * 6);
    }
    world.sync("bob");
    world.sync("alice");
    assert_all_is_well(world, channel, &["alice", "bob"]);
    let tx = world.client("bob").store.begin().expect("opens");
    assert!(tx.conversations().pending_commit(&channel).expect("reads").is_none());
    drop(tx);
    let own = gaps(world, "bob", channel).len();
    assert!(own <= 1, "{own} gaps");
}

fn lost() -> (World, ChannelId, usize) {
    let (mut world, channel) = group_of(&["alice", "bob"]);
    lose_group(&mut world, "bob", channel);
    world.send("alice", channel, "hello?").expect("sent");
    let begin = world.client("bob").effects;
    (world, channel, begin)
}

#[test]
fn bob_dies_or_loses_the_link_once_at_every_effect_of_coming_back() {
    let (mut world, channel, begin) = lost();
    world.sync("bob");
    let end = world.client("bob").effects;
    assert!(end - begin > 8, "{} effects", end - begin);
    comes_back(&mut world, channel);
    for at in begin..end {
        for dies in [true, false] {
            let (mut world, channel, _) = lost();
            if dies {
                world.client("bob").crash_at = Some(at);
            } else {
                world.client("bob").cut_at = Some(at);
            }
            println!("effect {at}, dies: {dies}");
            comes_back(&mut world, channel);
            let client = world.client("bob");
            assert_eq!((client.crash_at, client.cut_at), (None, None), "it happened");
            let entries = |world: &mut World| {
                let tx = world.client("alice").store.begin().expect("opens");
                let log = tx.messages().messages_of(&channel, 0, 1000).expect("reads");
                let returned = |body: &LogBody| matches!(body, LogBody::Membership { devices_added: 1, .. });
                log.iter().filter(|entry| returned(&entry.body)).count()
            };
            assert_eq!(entries(&mut world), 1, "he came back once");
        }
    }
}

/// Has a client read an invitation, and die before it does anything with it.
fn read_invitation(world: &mut World, name: &str) -> Invitation {
    world.begin(name, Command::Sync);
    for _ in 0..1_000 {
        let read = {
            let tx = world.client(name).store.begin().expect("opens");
            tx.inbox().invitations().expect("reads")
        };
        if let Some(found) = read.into_iter().find(|invitation| invitation.state == InvitationState::Joining) {
            world.client(name).crash();
            return found;
        }
        world.step();
    }
    panic!("{name} reads no invitation");
}

#[test]
fn an_invitation_that_fails_leaves_neither_its_group_nor_an_attempt_that_would_take_it_for_its_own() {
    let other_keys = |invitation: &mut Invitation| {
        let mut body = Body::parse(invitation.body.expose()).expect("as sent");
        // The keys in force are said to be of the commit that adds him, and are not.
        body.since = body.start.position;
        invitation.body = SecretBytes::new(body.encode().to_vec());
    };
    let no_member = |invitation: &mut Invitation| invitation.from = AccountId::new([9; 32]);
    for lie in [&other_keys as &dyn Fn(&mut Invitation), &no_member] {
        let (mut world, channel) = group_of(&["alice", "bob"]);
        world.run("alice", Command::Remove { channel, name: "bob".to_owned() }).expect("removed");
        world.sync("bob");
        world.invite("alice", channel, &["bob"]);
        let mut invitation = read_invitation(&mut world, "bob");
        lie(&mut invitation);
        let pending = PendingCommit {
            channel,
            id: MessageId::new([3; 16]),
            after: world.conversation("bob", channel).last_commit,
            sealed: vec![1; 9],
            group_info: PendingGroupInfo::Open { group_info: vec![1; 9], ratchet_tree: vec![1; 9] },
            roll: None,
            next_keys: Secret::new([7; 96]),
            records: Vec::new().into(),
            lease: None,
        };
        {
            let tx = world.client("bob").store.begin().expect("opens");
            tx.inbox().put_invitation(&invitation).expect("puts");
            tx.conversations().put_pending_commit(&pending).expect("puts");
            tx.commit();
        }
        world.sync("bob");
        let tx = world.client("bob").store.begin().expect("opens");
        let after = tx.inbox().invitation(&invitation.id).expect("reads").expect("there");
        assert_eq!(after.state, InvitationState::Failed);
        let mut entropy = Seeded::new(5);
        assert!(Group::load(&Provider::new(tx.mls(), &mut entropy), channel).expect("reads").is_none());
        assert_eq!(tx.conversations().pending_commit(&channel), Ok(None));
    }
}
