//! The conversations in the vault: when they are written, what a new device gets of them, and what becomes of collisions.

use std::collections::BTreeSet;

use quicprochat_client_core::{
    Command, Event, Outcome, StoreTx as _, SuiteChoice, TrustWarning,
    auth::{CeremonyError, ConversationList, VaultStanding},
    command::ConversationChange,
    state,
    store::{ConversationState, RejoinReason},
    vault::adopt_conversations,
    views,
};
use quicprochat_wire::{ChannelId, Request, Response, Timestamp, call::vault::VaultStore, time::Duration};

use crate::{
    groups::group_of,
    world::{Seeded, World, text_content},
};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const NEW_DEVICE: ConversationState = ConversationState::NeedsRejoin { reason: RejoinReason::NewDevice };

/// When a client wrote its list, and what it stored.
fn writes(world: &mut World, name: &str) -> Vec<(Timestamp, VaultStore)> {
    let mut stores = Vec::new();
    for (at, request) in &world.client(name).calls {
        if let Request::VaultStore(store) = request
            && store.records.iter().any(|record| (16..32).contains(&record.id))
        {
            stores.push((*at, store.clone()));
        }
    }
    stores
}

/// What the vault lists, as the password opens it.
fn listed(world: &mut World, name: &str) -> ConversationList {
    world.sign_in(name).1.conversations().clone()
}

pub(crate) fn standing(world: &mut World, name: &str, channel: ChannelId) -> Option<VaultStanding> {
    let list = listed(world, name);
    list.iter().find(|(id, _)| **id == channel).map(|(_, entry)| entry.standing)
}

/// Lets a client of several sessions write what it has to write.
fn put_down(world: &mut World, name: &str) {
    world.pass(MINUTE);
    world.sync(name);
}

#[test]
fn a_write_comes_at_a_random_moment_after_the_change_and_says_nothing_but_that() {
    let mut world = World::new(&["alice"]);
    world.begin("alice", Command::Listen);
    world.pass(MINUTE * 2);
    let (mut delays, mut sizes) = (Vec::new(), BTreeSet::new());
    for round in 0..60 {
        world.client("alice").calls.clear();
        let changed = world.now;
        let channel = world.create("alice", "tea");
        world.pass(MINUTE * 2);
        let is_of_channel = |request: &Request| matches!(request, Request::ChannelCreate(_));
        let created =
            world.client("alice").calls.iter().find(|(_, request)| is_of_channel(request)).expect("created").0;
        assert!(created >= changed, "{round}");
        let writes = writes(&mut world, "alice");
        let [(at, store)] = writes.as_slice() else { panic!("{} writes for one change", writes.len()) };
        delays.push(at.since(created).as_millis() as u64);
        let ids: Vec<u32> = store.records.iter().map(|record| record.id).collect();
        assert_eq!(ids, (16..32).collect::<Vec<_>>(), "wherever the channel belongs");
        sizes.extend(store.records.iter().map(|record| record.sealed.len()));
        assert_eq!(standing(&mut world, "alice", channel), Some(VaultStanding::Joined));
    }
    assert!(delays.iter().all(|delay| (5_000..=61_000).contains(delay)), "5 to 60 s: {delays:?}");
    for sixth in 0..6 {
        let (from, to) = (5_000 + sixth * 9_200, 5_000 + (sixth + 1) * 9_200);
        assert!(delays.iter().any(|delay| (from..to).contains(delay)), "none in {from}..{to}: {delays:?}");
    }
    assert!(sizes.len() <= 2, "60 conversations show in {} sizes", sizes.len());
}

#[test]
fn a_process_that_ends_early_leaves_the_write_to_a_later_one() {
    let mut world = World::new(&["alice"]);
    let channel = world.create("alice", "tea");
    world.client("alice").crash();
    world.sync("alice");
    assert!(writes(&mut world, "alice").is_empty(), "not on the heels of the change");
    world.client("alice").crash();
    put_down(&mut world, "alice");
    assert_eq!(writes(&mut world, "alice").len(), 1);
    assert_eq!(standing(&mut world, "alice", channel), Some(VaultStanding::Joined));
    put_down(&mut world, "alice");
    assert_eq!(writes(&mut world, "alice").len(), 1, "nothing changed since");
}

#[test]
fn a_new_device_learns_of_the_conversations_and_enters_them() {
    let (mut world, channel) = group_of(&["alice", "bob"]);
    let left = world.create("bob", "left");
    assert_eq!(world.run("bob", Command::Leave { channel: left }), Ok(Outcome::Done));
    put_down(&mut world, "bob");
    world.send("alice", channel, "before").expect("sent");
    world.enrol("bob", "bob's laptop");
    // Nobody of the account is there to help.
    world.set_online("bob", false);
    let before = world.conversation("bob", channel);
    world.sync("bob's laptop");
    let told = Event::State { channel, state: NEW_DEVICE };
    assert!(world.client("bob's laptop").events.contains(&told));
    let row = world.conversation("bob's laptop", channel);
    assert_eq!((row.state, row.title.as_str(), row.members.len()), (ConversationState::Active, "tea", 3));
    assert_eq!((row.keys, row.keys_since), (before.keys, before.keys_since), "it removed nobody, so nothing rolled");
    let tx = world.client("bob's laptop").store.begin().expect("opens");
    assert_eq!(tx.conversations().conversation(&left), Ok(None), "the account left it");
    drop(tx);
    world.send("bob's laptop", channel, "hello").expect("sent");
    world.sync("alice");
    assert_eq!(world.texts("alice", channel), ["alice: before", "bob: hello"]);
    assert_eq!(world.texts("bob's laptop", channel), ["bob: hello"], "what was before it is a gap");
    world.set_online("bob", true);
    world.sync("bob");
    assert_eq!(world.texts("bob", channel), ["alice: before", "bob: hello"]);
}

/// What a person is shown: title and place in the order.
fn shown(world: &mut World, name: &str) -> Vec<(String, bool, ConversationState)> {
    let tx = world.client(name).store.begin().expect("opens");
    let mut views = views::conversations(&tx).expect("reads");
    views::in_order(&mut views);
    views.into_iter().map(|view| (view.title, view.settings.pinned, view.main.state)).collect()
}

#[test]
fn a_new_device_shows_titles_and_settings_before_it_has_entered_anything() {
    let (mut world, channel) = group_of(&["alice", "bob"]);
    let cake = world.create("bob", "cake");
    let content = text_content("hello");
    assert!(world.run("bob", Command::Dm { name: "alice".to_owned(), content, suite: SuiteChoice::default() }).is_ok());
    let pin = ConversationChange::Pinned(true);
    assert_eq!(world.run("bob", Command::SetConversation { channel, change: pin }), Ok(Outcome::Done));
    put_down(&mut world, "bob");
    put_down(&mut world, "bob");
    world.enrol("bob", "bob's laptop");
    let (_, vault, _) = world.sign_in("bob");
    let now = world.now;
    let client = world.client("bob's laptop");
    let tx = client.store.begin().expect("opens");
    let server = tx.account().own_account().expect("reads").expect("enrolled").server;
    let adopted = adopt_conversations(&tx, &server, vault.conversations(), now).expect("stores");
    assert_eq!(adopted.len(), 3);
    let state = vault.account_state().expect("a state");
    assert_eq!(state::take_over(&tx, state, &mut Seeded::new(7)), Ok(true));
    assert_eq!(state::take_over(&tx, b"damaged", &mut Seeded::new(7)), Ok(false));
    tx.commit();
    let named = |title: &str, pinned, state: &ConversationState| (title.to_owned(), pinned, state.clone());
    let expected = |state| [named("tea", true, &state), named("alice", false, &state), named("cake", false, &state)];
    assert_eq!(shown(&mut world, "bob's laptop"), expected(NEW_DEVICE));
    let before = world.conversation("bob", cake).members;
    world.sync("bob's laptop");
    assert_eq!(shown(&mut world, "bob's laptop"), expected(ConversationState::Active));
    assert!(world.conversation("bob's laptop", cake).members.len() > before.len());
}

#[test]
fn a_new_device_writes_to_somebody_where_the_account_did_before() {
    let (mut world, tea) = group_of(&["alice", "bob"]);
    let dm = |text: &str| Command::Dm {
        name: "alice".to_owned(),
        content: text_content(text),
        suite: SuiteChoice::default(),
    };
    let direct = match world.run("bob", dm("hello")) {
        Ok(Outcome::Sent { channel, .. }) => channel,
        other => panic!("{other:?}"),
    };
    put_down(&mut world, "bob");
    put_down(&mut world, "bob");
    // It has no list yet: the first thing that it is told is to write.
    world.enrol("bob", "bob's laptop");
    let sent = world.run("bob's laptop", dm("from the laptop"));
    assert!(matches!(sent, Ok(Outcome::Sent { channel, .. }) if channel == direct), "{sent:?}");
    assert_eq!(world.conversation("bob's laptop", tea).state, ConversationState::Active);

    // It has the list, and has entered nothing yet.
    world.enrol("bob", "bob's phone");
    let (_, vault, _) = world.sign_in("bob");
    let now = world.now;
    {
        let tx = world.client("bob's phone").store.begin().expect("opens");
        let server = tx.account().own_account().expect("reads").expect("enrolled").server;
        adopt_conversations(&tx, &server, vault.conversations(), now).expect("stores");
        tx.commit();
    }
    assert_eq!(world.conversation("bob's phone", tea).state, NEW_DEVICE);
    let sent = world.send("bob's phone", tea, "to all");
    assert!(matches!(sent, Ok(Outcome::Sent { .. })), "it enters and sends: {sent:?}");
    let sent = world.run("bob's phone", dm("from the phone"));
    assert!(matches!(sent, Ok(Outcome::Sent { channel, .. }) if channel == direct), "{sent:?}");
    world.sync("alice");
    assert_eq!(world.texts("alice", tea), ["bob: to all"]);
    assert_eq!(world.texts("alice", direct), ["bob: hello", "bob: from the laptop", "bob: from the phone"]);
}

#[test]
fn a_new_device_enters_what_was_used_last_first_and_asks_for_a_person_once() {
    const GROUPS: usize = 40;
    let mut world = World::new(&["alice", "bob"]);
    let channels: Vec<_> = (0..GROUPS).map(|number| world.create("alice", &format!("tea {number}"))).collect();
    for channel in &channels {
        world.invite("alice", *channel, &["bob"]);
    }
    put_down(&mut world, "alice");
    // The last ones by their ids were used last.
    let mut by_id = channels.clone();
    by_id.sort();
    world.pass(HOUR);
    for channel in &by_id[GROUPS - 4..] {
        world.send("alice", *channel, "hello").expect("sent");
        world.pass(MINUTE * 2);
    }
    world.pass(HOUR * 31);
    put_down(&mut world, "alice");
    put_down(&mut world, "alice");
    let list = listed(&mut world, "alice");
    let mut active: Vec<_> = list.iter().map(|(channel, entry)| (entry.active, *channel)).collect();
    active.sort();
    assert_eq!(active[GROUPS - 4..].iter().map(|(_, channel)| *channel).collect::<Vec<_>>(), by_id[GROUPS - 4..]);
    world.enrol("alice", "alice's laptop");
    world.set_online("alice", false);
    world.client("alice's laptop").calls.clear();
    world.sync("alice's laptop");
    let calls = &world.client("alice's laptop").calls;
    let mut entered = Vec::new();
    let mut looked_up = 0;
    for (_, request) in calls {
        looked_up += usize::from(matches!(request, Request::Lookup(_)));
        if let Request::ChannelAttach(attach) = request
            && !entered.contains(&attach.channel)
        {
            entered.push(attach.channel);
        }
    }
    assert_eq!(entered.len(), GROUPS);
    assert_eq!(entered[..4], by_id[GROUPS - 4..].iter().rev().copied().collect::<Vec<_>>());
    assert!(looked_up < 5, "{looked_up} look-ups of two people");
    for channel in channels {
        assert_eq!(world.conversation("alice's laptop", channel).state, ConversationState::Active);
    }
}

#[test]
fn a_conversation_that_one_device_begins_comes_up_on_the_others_within_a_minute() {
    let mut world = World::new(&["alice"]);
    world.enrol("alice", "alice's laptop");
    for name in ["alice", "alice's laptop"] {
        world.begin(name, Command::Listen);
    }
    world.settle();
    let channel = world.create("alice", "tea");
    world.pass(MINUTE * 2);
    let row = world.conversation("alice's laptop", channel);
    assert_eq!((row.state, row.title.as_str(), row.members.len()), (ConversationState::Active, "tea", 2));
    world.send("alice's laptop", channel, "here, too").expect("sent");
    world.settle();
    assert_eq!(world.texts("alice", channel), ["alice: here, too"]);
}

#[test]
fn a_device_that_was_removed_hears_that_its_account_is_back() {
    let (mut world, channel) = group_of(&["alice", "bob"]);
    put_down(&mut world, "bob");
    world.enrol("bob", "bob's laptop");
    world.sync("bob's laptop");
    for name in ["alice", "bob"] {
        world.sync(name);
    }
    world.run("alice", Command::Remove { channel, name: "bob".to_owned() }).expect("removed");
    world.sync("bob");
    assert_eq!(world.conversation("bob", channel).state, ConversationState::Removed);
    world.sync("bob's laptop");
    // The invitation reaches the laptop alone: where bob is, it is lost.
    world.invite("alice", channel, &["bob"]);
    world.sync("bob's laptop");
    assert_eq!(world.conversation("bob's laptop", channel).state, ConversationState::Active);
    put_down(&mut world, "bob's laptop");
    assert_eq!(standing(&mut world, "bob", channel), Some(VaultStanding::Joined));
    forget_invitations(&mut world, "bob");
    world.sync("bob");
    let row = world.conversation("bob", channel);
    assert_eq!((row.state, row.title.as_str()), (ConversationState::Active, "tea"));
}

/// Everything in the inbox counts as read.
fn forget_invitations(world: &mut World, name: &str) {
    let last = world.client("bob's laptop").store.begin().expect("opens").inbox().inbox_cursor().expect("reads");
    let tx = world.client(name).store.begin().expect("opens");
    tx.inbox().put_inbox_cursor(last).expect("stores");
    tx.commit();
}

#[test]
fn what_was_left_stays_left_until_the_account_is_invited_again() {
    let (mut world, channel) = group_of(&["alice", "bob"]);
    put_down(&mut world, "bob");
    assert_eq!(standing(&mut world, "bob", channel), Some(VaultStanding::Joined));
    assert_eq!(world.run("bob", Command::Leave { channel }), Ok(Outcome::Done));
    put_down(&mut world, "bob");
    assert_eq!(standing(&mut world, "bob", channel), Some(VaultStanding::Left));
    world.sync("alice");
    world.pass(MINUTE);
    world.sync("alice");
    world.invite("alice", channel, &["bob"]);
    world.sync("bob");
    assert_eq!(world.conversation("bob", channel).state, ConversationState::Active);
    put_down(&mut world, "bob");
    assert_eq!(standing(&mut world, "bob", channel), Some(VaultStanding::Joined));
}

#[test]
fn two_devices_that_write_at_once_lose_nothing() {
    let mut world = World::new(&["alice"]);
    world.enrol("alice", "alice's laptop");
    let both = ["alice", "alice's laptop"];
    for name in both {
        world.sync(name);
    }
    let channels = both.map(|name| world.create(name, name));
    world.pass(MINUTE);
    // In step: both fetch before either stores.
    let syncs = both.map(|name| (name, world.begin(name, Command::Sync)));
    for (name, id) in syncs {
        assert!(world.wait(name, id).is_ok(), "{name}");
    }
    let first: usize = both.iter().map(|name| writes(&mut world, name).len()).sum();
    assert_eq!(first, 2, "both wrote");
    let versions: BTreeSet<u64> =
        both.iter().flat_map(|name| writes(&mut world, name)).map(|(_, store)| store.records[0].version).collect();
    assert_eq!(versions.len(), 1, "of one version, so that one was refused");
    put_down(&mut world, "alice");
    put_down(&mut world, "alice's laptop");
    for channel in channels {
        assert_eq!(standing(&mut world, "alice", channel), Some(VaultStanding::Joined));
    }
}

#[test]
fn keys_and_commits_are_refreshed_once_a_day_and_only_if_they_moved() {
    let (mut world, channel) = group_of(&["alice", "bob"]);
    put_down(&mut world, "bob");
    world.client("bob").calls.clear();
    let pinned = |list: &ConversationList| list.iter().map(|(_, entry)| entry.pinned.position).max().expect("one");
    let before = pinned(&listed(&mut world, "bob"));
    for number in 0..5 {
        let title = format!("tea {number}");
        assert!(world.run("alice", Command::Rename { channel, title }).is_ok());
        put_down(&mut world, "bob");
        world.pass(HOUR);
    }
    assert!(writes(&mut world, "bob").is_empty(), "a commit is no reason to write");
    world.pass(HOUR * 26);
    world.sync("bob");
    assert!(writes(&mut world, "bob").is_empty(), "a day has passed, but it waits for a random moment");
    put_down(&mut world, "bob");
    assert_eq!(writes(&mut world, "bob").len(), 1, "all together");
    assert!(pinned(&listed(&mut world, "bob")) >= before + 5);
    world.pass(HOUR * 31);
    world.sync("bob");
    put_down(&mut world, "bob");
    assert_eq!(writes(&mut world, "bob").len(), 1, "nothing moved since");
}

#[test]
fn a_revocation_carries_the_conversations_over_to_the_new_keys() {
    let (mut world, channel) = group_of(&["alice", "bob"]);
    put_down(&mut world, "bob");
    let phone = world.enrol("bob", "bob's phone");
    world.sync("bob");
    let before = listed(&mut world, "bob");
    assert!(!before.is_empty());
    world.revoke("bob", "bob", phone);
    assert_eq!(listed(&mut world, "bob"), before);
    world.enrol("bob", "bob's laptop");
    world.sync("bob's laptop");
    assert_eq!(world.conversation("bob's laptop", channel).state, ConversationState::Active);
    // Whoever remains goes on writing, under the new key.
    let another = world.create("bob", "another");
    put_down(&mut world, "bob");
    put_down(&mut world, "bob");
    assert_eq!(standing(&mut world, "bob", another), Some(VaultStanding::Joined));
}

#[test]
fn an_old_list_is_noticed_and_what_it_lacks_is_put_back() {
    let mut world = World::new(&["alice"]);
    world.create("alice", "tea");
    put_down(&mut world, "alice");
    world.create("alice", "coffee");
    put_down(&mut world, "alice");
    let noticed = |world: &mut World| {
        let events = &world.client("alice").events;
        let is_it = |event: &&Event| {
            let rolled_back = CeremonyError::VaultRolledBack { vault_version: 1 };
            **event == Event::Trust(TrustWarning::OwnRecord { reason: rolled_back })
        };
        events.iter().filter(is_it).count()
    };
    assert_eq!(noticed(&mut world), 0);
    // The server shows none of the records that it had.
    let forget = |result: &mut Result<Response, _>| {
        if let Ok(Response::VaultRecords(records)) = result {
            records.records.retain(|record| record.id < 16);
        }
    };
    world.tamper = Some(("alice", Box::new(forget)));
    let third = world.create("alice", "milk");
    put_down(&mut world, "alice");
    assert_eq!(noticed(&mut world), 1);
    world.tamper = None;
    put_down(&mut world, "alice");
    assert_eq!(standing(&mut world, "alice", third), Some(VaultStanding::Joined));
    assert_eq!(listed(&mut world, "alice").iter().count(), 3);
}
