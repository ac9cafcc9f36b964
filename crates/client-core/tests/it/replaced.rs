//! Somebody has an access key recorded that is not the derived one (L11): the conversation goes on in another channel.

use quicprochat_client_core::{
    Command, CommandError, Event, Outcome, StoreTx as _, SuiteChoice,
    archive::archive_status,
    command::ConversationChange,
    store::{Conversation, ConversationState, LogBody},
    views,
};
use quicprochat_e2ee::{
    channel::{ChannelKeys, seal_keyring},
    mls::{Group, Provider, Replacement},
};
use quicprochat_identity::{UnverifiedIdentity, attach_text};
use quicprochat_server_core::Connection;
use quicprochat_wire::{
    AccessPublicKey, ChannelId, ConnectionKind, ErrorCode, MessageId, Request, Response,
    call::{
        channel::{
            AccessRoll, ChannelAttach, ChannelCreate, ChannelEnqueue, ChannelRead, ChannelState, CommitParts,
            TreeChange,
        },
        session::Hello,
    },
    time::Duration,
};

use crate::{
    groups::group_of,
    world::{FINGERPRINT, Seeded, World, text_content},
};

const SECOND: Duration = Duration::from_secs(1);
const FALSE: AccessPublicKey = AccessPublicKey::new([9; 32]);

/// Has another key recorded with the next commits that remove somebody.
fn register_a_false_key(request: &mut Request) {
    if let Request::ChannelEnqueue(ChannelEnqueue { commit: Some(parts), .. }) = request
        && let Some(roll) = &mut parts.roll
    {
        roll.access = FALSE;
    }
}

/// Mallory removes somebody and spoils the channel.
fn spoil(world: &mut World, channel: ChannelId, victim: &str) {
    world.meddle = Some(("mallory", Box::new(register_a_false_key)));
    let removed = world.run("mallory", Command::Remove { channel, name: victim.to_owned() });
    assert!(matches!(removed, Ok(Outcome::Committed { .. })), "{removed:?}");
    world.meddle = None;
}

fn listen(world: &mut World, names: &[&str]) {
    for name in names {
        world.begin(name, Command::Listen);
    }
    world.settle();
}

/// The channel that took the place of another one.
fn successor(world: &mut World, name: &str, channel: ChannelId) -> Conversation {
    let state = world.conversation(name, channel).state;
    let ConversationState::Replaced { by } = state else { panic!("{name} is in state {state:?}") };
    world.conversation(name, by)
}

fn members(world: &mut World, name: &str, channel: ChannelId) -> Vec<String> {
    let conversation = world.conversation(name, channel);
    let tx = world.client(name).store.begin().expect("opens");
    views::members(&tx, &conversation).expect("reads").into_iter().map(|member| member.name).collect()
}

/// Everything that a person sees of the conversation, from its first channel on.
fn shown(world: &mut World, name: &str, channel: ChannelId) -> Vec<String> {
    let view = {
        let tx = world.client(name).store.begin().expect("opens");
        views::resolve(&tx, &channel.to_string()).expect("one conversation")
    };
    let channels: Vec<ChannelId> = view.others.iter().rev().chain([&view.main]).map(|of| of.channel).collect();
    channels.into_iter().flat_map(|channel| world.texts(name, channel)).collect()
}

fn creations(world: &World) -> usize {
    let of = |request: &Request| matches!(request, Request::ChannelCreate(_));
    world.clients.iter().map(|client| client.calls.iter().filter(|(_, request)| of(request)).count()).sum()
}

/// What a member of the epoch in force can derive, whatever its client makes of it.
fn derived(world: &mut World, name: &str, group: ChannelId, number: u32) -> Replacement {
    let tx = world.client(name).store.begin().expect("opens");
    let mut entropy = Seeded::new(1);
    let provider = Provider::new(tx.mls(), &mut entropy);
    let group = Group::load(&provider, group).expect("reads").expect("a group");
    group.replacement(&provider, number).expect("derives")
}

/// Attaches by hand, on a connection that was not used.
fn attach_by_hand(
    world: &World,
    connection: &Connection,
    channel: ChannelId,
    keys: &ChannelKeys,
) -> Result<ChannelState, ErrorCode> {
    let hello = Hello { version: 1, kind: ConnectionKind::Channel };
    let Response::Hello(hello) = world.ask(connection, hello.into()) else { panic!("no hello") };
    let access = keys.access_public();
    let text = attach_text(&FINGERPRINT, &hello.challenge, &channel, &access);
    let attach = ChannelAttach { channel, access, signature: keys.access().sign(&text).to_vec() };
    let answer = world.try_ask(connection, attach.into()).map_err(|failure| failure.code)?;
    let Response::ChannelState(state) = answer else { panic!("{answer:?}") };
    Ok(state)
}

/// Attaches with the keys of a replacement, and reads.
fn by_hand(world: &World, replacement: &Replacement) -> Result<(ChannelState, Vec<u64>), ErrorCode> {
    let (connection, channel) = (world.server.open(), replacement.channel);
    let state = attach_by_hand(world, &connection, channel, &replacement.keys)?;
    let read = ChannelRead { channel, after: 0, limit: 100 };
    let Response::ChannelPage(page) = world.try_ask(&connection, read.into()).map_err(|failure| failure.code)? else {
        panic!("no page")
    };
    Ok((state, page.entries.iter().map(|entry| entry.seq).collect()))
}

#[test]
fn everybody_goes_on_in_another_channel_without_whoever_spoilt_the_first() {
    let everybody = ["alice", "bob", "carol", "mallory", "dave"];
    let (mut world, channel) = group_of(&everybody);
    world.send("bob", channel, "before").expect("sent");
    listen(&mut world, &["alice", "bob", "carol"]);
    let before = creations(&world);
    spoil(&mut world, channel, "dave");
    let kept = derived(&mut world, "mallory", channel, 1);
    world.pass(SECOND * 90);
    let new = successor(&mut world, "alice", channel);
    assert_eq!(kept.channel, new.channel, "everybody who was left derived the same channel");
    for name in ["alice", "bob", "carol"] {
        let there = successor(&mut world, name, channel);
        assert_eq!((there.channel, &there.state), (new.channel, &ConversationState::Active), "{name}");
        assert_eq!((there.group, there.replaces, there.rounds), (channel, Some(channel), 0), "{name}");
        assert_eq!(there.title, "tea");
        assert_eq!(members(&mut world, name, new.channel), ["alice", "bob", "carol"]);
    }
    assert_eq!(creations(&world) - before, 1, "one token is spent");
    // Whatever names the old one means the new one.
    let sent = world.send("alice", channel, "after");
    assert!(matches!(sent, Ok(Outcome::Sent { channel, .. }) if channel == new.channel), "{sent:?}");
    world.send("carol", channel, "indeed").expect("sent");
    world.pass(SECOND * 90);
    for name in ["alice", "bob", "carol"] {
        assert_eq!(shown(&mut world, name, channel), ["bob: before", "alice: after", "carol: indeed"], "{name}");
        let culprit = world.client("mallory").store.begin().expect("opens").account().own_account();
        let culprit = culprit.expect("reads").expect("there").account;
        let tx = world.client(name).store.begin().expect("opens");
        let log = tx.messages().last_messages(&new.channel, 100).expect("reads");
        assert_eq!(log[0].body, LogBody::Replaced { culprit: Some(culprit) }, "{name}");
        let LogBody::Membership { removed, .. } = &log[1].body else { panic!("{:?}", log[1]) };
        assert_eq!(removed.as_slice(), [culprit], "{name}: the first commit");
    }
    let tx = world.client("alice").store.begin().expect("opens");
    assert_eq!(tx.raw_log().raw_span(&channel), Ok(None), "nothing of it is given back to anybody");
    assert!(tx.raw_log().raw_span(&new.channel).expect("reads").is_some());
    drop(tx);
    // Mallory has derived the first keys of the new channel. They end with her removal.
    let (state, read) = by_hand(&world, &kept).expect("a key that the channel had");
    assert!(!state.current, "{state:?}");
    assert_eq!(read, [1], "the commit that removed her, and nothing later");
    let refused = world.send("mallory", channel, "listen to me");
    assert!(matches!(refused, Err(CommandError::ConversationState { .. })), "{refused:?}");
}

#[test]
fn messages_that_waited_are_sent_once_in_the_other_channel() {
    let (mut world, channel) = group_of(&["alice", "bob", "mallory", "dave"]);
    listen(&mut world, &["alice"]);
    world.set_online("bob", false);
    for text in ["one", "two"] {
        assert!(matches!(world.send("bob", channel, text), Ok(Outcome::Queued { .. })));
    }
    spoil(&mut world, channel, "dave");
    world.pass(SECOND * 60);
    let new = successor(&mut world, "alice", channel).channel;
    // Bob was away: he reads the old channel to its end with the key that ended, whatever the keyring says.
    world.set_online("bob", true);
    world.sync("bob");
    assert_eq!(successor(&mut world, "bob", channel).channel, new);
    world.pass(SECOND * 60);
    world.sync("bob");
    for name in ["alice", "bob"] {
        assert_eq!(shown(&mut world, name, channel), ["bob: one", "bob: two"], "{name}");
    }
    let tx = world.client("bob").store.begin().expect("opens");
    assert!(tx.outbox().outbox_channels().expect("reads").is_empty());
    drop(tx);
    assert!(matches!(world.send("bob", channel, "three"), Ok(Outcome::Sent { channel, .. }) if channel == new));
}

#[test]
fn a_command_that_is_under_way_goes_on_in_the_other_channel() {
    let (mut world, channel) = group_of(&["alice", "bob", "mallory", "dave"]);
    listen(&mut world, &["bob"]);
    spoil(&mut world, channel, "dave");
    world.settle();
    assert!(matches!(world.conversation("bob", channel).state, ConversationState::Replacing { number: 1, .. }));
    // Bob is not the first in line, and writes while he waits.
    let sent = world.begin("bob", Command::Send { channel, content: text_content("meanwhile") });
    let sent = world.wait("bob", sent);
    let new = successor(&mut world, "bob", channel).channel;
    assert!(matches!(sent, Ok(Outcome::Sent { channel, .. }) if channel == new), "{sent:?}");
    world.sync("alice");
    assert_eq!(shown(&mut world, "alice", channel), ["bob: meanwhile"]);
    assert_eq!(members(&mut world, "alice", new), ["alice", "bob"], "nothing was written before she was out");
    let (mut told, of) = (false, world.clients.iter().find(|client| client.name == "bob").expect("there"));
    for event in &of.events {
        told |= matches!(event, Event::State { state: ConversationState::Replaced { by }, .. } if *by == new);
    }
    assert!(told);
}

#[test]
fn a_wish_to_leave_is_written_where_the_conversation_goes_on() {
    let (mut world, channel) = group_of(&["alice", "bob", "carol", "mallory", "dave"]);
    listen(&mut world, &["alice", "bob", "carol"]);
    spoil(&mut world, channel, "dave");
    world.settle();
    world.pass(SECOND * 30);
    let new = successor(&mut world, "carol", channel).channel;
    assert_eq!(world.run("carol", Command::Leave { channel }), Ok(Outcome::Done));
    world.pass(SECOND * 90);
    assert_eq!(world.conversation("carol", new).state, ConversationState::Left);
    assert_eq!(members(&mut world, "alice", new), ["alice", "bob"]);
}

/// Mallory makes replacements of the epoch at hand before anybody else, under keys that are not the derived ones.
fn occupy(world: &mut World, group: ChannelId, numbers: core::ops::RangeInclusive<u32>) {
    for number in numbers {
        let Replacement { channel, .. } = derived(world, "mallory", group, number);
        let taken = world.run("mallory", Command::TakeTokens { count: 1 });
        let Ok(Outcome::Tokens { mut tokens }) = taken else { panic!("{taken:?}") };
        let token = tokens.pop().expect("one");
        let connection = world.connect(ConnectionKind::Channel);
        let create = ChannelCreate { channel, access: FALSE, group_info: vec![1], keyring: vec![1], token };
        world.ask(&connection, create.into());
    }
}

#[test]
fn the_next_replacement_is_taken_where_somebody_made_the_first_with_another_key() {
    let (mut world, channel) = group_of(&["alice", "bob", "mallory", "dave"]);
    for name in ["alice", "bob"] {
        world.set_online(name, false);
    }
    spoil(&mut world, channel, "dave");
    occupy(&mut world, channel, 1..=2);
    let third = derived(&mut world, "mallory", channel, 3).channel;
    for name in ["alice", "bob"] {
        world.set_online(name, true);
    }
    listen(&mut world, &["alice", "bob"]);
    world.pass(SECOND * 120);
    for name in ["alice", "bob"] {
        assert_eq!(successor(&mut world, name, channel).channel, third, "{name}");
        assert_eq!(members(&mut world, name, third), ["alice", "bob"], "{name}");
    }
    world.send("alice", channel, "here we are").expect("sent");
    world.pass(SECOND);
    assert_eq!(shown(&mut world, "bob", channel), ["alice: here we are"]);
}

#[test]
fn whoever_takes_every_replacement_leaves_a_spoilt_channel_that_a_repair_tries_again() {
    let (mut world, channel) = group_of(&["alice", "mallory", "dave"]);
    world.set_online("alice", false);
    spoil(&mut world, channel, "dave");
    occupy(&mut world, channel, 1..=4);
    world.set_online("alice", true);
    world.sync("alice");
    assert_eq!(world.conversation("alice", channel).state, ConversationState::Spoilt);
    let refused = world.send("alice", channel, "x");
    assert_eq!(refused, Err(CommandError::ConversationState { state: ConversationState::Spoilt }));
    let again = world.run("alice", Command::Repair);
    let Ok(Outcome::Repaired { conversations, .. }) = again else { panic!("{again:?}") };
    let [found] = &conversations[..] else { panic!("{conversations:?}") };
    assert_eq!((&found.was, &found.is), (&ConversationState::Spoilt, &ConversationState::Spoilt), "still in vain");
    let attaches = |world: &mut World| {
        let attach = |request: &Request| matches!(request, Request::ChannelAttach(_));
        world.client("alice").calls.iter().filter(|(_, request)| attach(request)).count()
    };
    let before = attaches(&mut world);
    world.run("alice", Command::Repair).expect("repairs");
    assert!(attaches(&mut world) >= before + 8, "each was looked for, and once more after it was found to exist");
}

/// Lets a client of several sessions write down in the vault what it has to.
fn put_down(world: &mut World, name: &str) {
    world.pass(SECOND * 60);
    world.sync(name);
}

#[test]
fn the_other_devices_of_an_account_follow_and_one_that_is_enrolled_later_finds_it() {
    let (mut world, channel) = group_of(&["alice", "bob", "mallory", "dave"]);
    put_down(&mut world, "bob");
    world.enrol("bob", "bob's laptop");
    world.sync("bob's laptop");
    world.sync("alice");
    world.send("alice", channel, "before").expect("sent");
    world.sync("bob's laptop");
    world.set_online("bob's laptop", false);
    world.send("alice", channel, "unread").expect("sent");
    world.sync("bob");
    listen(&mut world, &["alice", "bob"]);
    spoil(&mut world, channel, "dave");
    world.pass(SECOND * 180);
    let new = successor(&mut world, "bob", channel).channel;
    world.send("alice", channel, "after").expect("sent");
    world.pass(SECOND * 60);
    // The vault lists the old channel as left. A device that is away reads it to its end all the same.
    world.set_online("bob's laptop", true);
    world.sync("bob's laptop");
    world.pass(SECOND * 60);
    world.sync("bob's laptop");
    let there = successor(&mut world, "bob's laptop", channel);
    assert_eq!((there.channel, there.state), (new, ConversationState::Active));
    assert_eq!(shown(&mut world, "bob's laptop", channel), ["alice: before", "alice: unread", "alice: after"]);
    assert_eq!(creations(&world), 2, "the group and its replacement");
    // Nobody of the account is there to help the next one, which has nothing but the vault.
    world.enrol("bob", "bob's tablet");
    for name in ["bob", "bob's laptop"] {
        world.set_online(name, false);
    }
    world.sync("bob's tablet");
    let row = world.conversation("bob's tablet", new);
    assert_eq!((&row.state, row.group, row.title.as_str()), (&ConversationState::Active, channel, "tea"));
    assert_eq!(row.replaces, Some(channel));
    assert_eq!(successor(&mut world, "bob's tablet", channel).channel, new, "what it was called before names it");
    world.send("bob's tablet", channel, "hello").expect("sent");
    world.pass(SECOND);
    assert_eq!(shown(&mut world, "alice", channel).last().map(String::as_str), Some("bob: hello"));
}

#[test]
fn a_device_that_cannot_read_the_old_channel_to_its_end_follows_the_vault() {
    let (mut world, channel) = group_of(&["alice", "bob", "mallory", "dave"]);
    put_down(&mut world, "bob");
    world.enrol("bob", "bob's laptop");
    world.sync("bob's laptop");
    world.sync("alice");
    world.send("alice", channel, "before").expect("sent");
    world.sync("bob's laptop");
    world.set_online("bob's laptop", false);
    world.send("alice", channel, "unread").expect("sent");
    listen(&mut world, &["alice", "bob"]);
    spoil(&mut world, channel, "dave");
    world.pass(SECOND * 180);
    let new = successor(&mut world, "bob", channel).channel;
    for name in ["alice", "bob", "mallory"] {
        world.set_online(name, false);
    }
    world.now = world.now.after(Duration::from_secs(91 * 24 * 3600));
    world.expire();
    for name in ["alice", "bob"] {
        world.set_online(name, true);
    }
    world.set_online("bob's laptop", true);
    for _ in 0..2 {
        world.sync("bob's laptop");
        world.pass(SECOND * 400);
    }
    let there = successor(&mut world, "bob's laptop", channel);
    assert_eq!((there.channel, there.state, there.replaces), (new, ConversationState::Active, Some(channel)));
    world.send("bob's laptop", channel, "back").expect("sent");
    assert_eq!(shown(&mut world, "bob's laptop", channel), ["alice: before", "bob: back"]);
    world.pass(SECOND * 10);
    assert_eq!(shown(&mut world, "alice", channel).last().map(String::as_str), Some("bob: back"));
}

/// Alice comes back, finds the channel spoilt, and makes its replacement: once, wherever she dies or loses her link.
fn comes_back(at: Option<usize>, cuts: bool) -> usize {
    let (mut world, channel) = group_of(&["alice", "bob", "mallory", "dave"]);
    for name in ["alice", "bob"] {
        world.set_online(name, false);
    }
    assert!(matches!(world.send("alice", channel, "one"), Ok(Outcome::Queued { .. })));
    spoil(&mut world, channel, "dave");
    world.set_online("alice", true);
    world.client("alice").crash();
    let begins = world.client("alice").effects;
    match at {
        Some(at) if cuts => world.client("alice").cut_at = Some(begins + at),
        Some(at) => world.client("alice").crash_at = Some(begins + at),
        None => {}
    }
    for _ in 0..4 {
        let starts = world.client("alice").starts();
        let id = world.begin("alice", Command::Sync);
        for _ in 0..5_000 {
            if world.client("alice").done.remove(&id).is_some() || world.client("alice").starts() != starts {
                break;
            }
            world.step();
        }
        world.pass(SECOND * 5);
    }
    let effects = world.client("alice").effects - begins;
    assert_eq!((world.client("alice").crash_at, world.client("alice").cut_at), (None, None), "it happened");
    let new = successor(&mut world, "alice", channel).channel;
    world.set_online("bob", true);
    world.sync("bob");
    world.sync("bob");
    for name in ["alice", "bob"] {
        assert_eq!(successor(&mut world, name, channel).channel, new, "{name}");
        assert_eq!(members(&mut world, name, new), ["alice", "bob"], "{name}");
        assert_eq!(shown(&mut world, name, channel), ["alice: one"], "{name}");
    }
    effects
}

#[test]
fn who_makes_the_replacement_may_die_once_at_every_effect() {
    let effects = comes_back(None, false);
    assert!(effects > 15, "{effects} effects");
    for at in 0..effects {
        println!("alice dies at effect {at} of {effects}");
        comes_back(Some(at), false);
    }
}

#[test]
fn who_makes_the_replacement_may_lose_the_answer_once_at_every_effect() {
    let effects = comes_back(None, true);
    for at in 0..effects {
        println!("the answer to effect {at} of {effects} is lost");
        comes_back(Some(at), true);
    }
}

/// Somebody with mallory's keys has a false key recorded by an entry that shows no member.
fn spoil_by_garbage(world: &mut World, channel: ChannelId) {
    let row = world.conversation("mallory", channel);
    let keys = ChannelKeys::from_bytes(row.keys.expose());
    let connection = world.server.open();
    attach_by_hand(world, &connection, channel, &keys).expect("attaches");
    let roll = Some(AccessRoll { access: FALSE, keyring: vec![1] });
    let commit =
        Some(CommitParts { group_info: vec![1], roll, tree: TreeChange { ends_all: true, ..TreeChange::default() } });
    let (id, after_commit) = (MessageId::new([7; 16]), row.last_commit);
    world.ask(&connection, ChannelEnqueue { channel, id, after_commit, sealed: vec![1; 600], commit }.into());
}

#[test]
fn a_commit_that_counts_for_nobody_spoils_a_channel_and_nobody_is_blamed() {
    let (mut world, channel) = group_of(&["alice", "bob", "mallory"]);
    listen(&mut world, &["alice", "bob"]);
    spoil_by_garbage(&mut world, channel);
    world.pass(SECOND * 120);
    let new = successor(&mut world, "alice", channel).channel;
    for name in ["alice", "bob"] {
        assert_eq!(successor(&mut world, name, channel).channel, new, "{name}");
        assert_eq!(members(&mut world, name, new), ["alice", "bob", "mallory"], "{name}: nobody knows who it was");
        let tx = world.client(name).store.begin().expect("opens");
        let log = tx.messages().last_messages(&new, 100).expect("reads");
        assert_eq!(log.first().map(|entry| &entry.body), Some(&LogBody::Replaced { culprit: None }), "{name}");
    }
    world.send("bob", channel, "still here").expect("sent");
    world.pass(SECOND);
    assert_eq!(shown(&mut world, "alice", channel), ["bob: still here"]);
}

#[test]
fn an_own_device_that_did_it_is_not_removed_by_the_account() {
    let (mut world, channel) = group_of(&["alice", "dave"]);
    put_down(&mut world, "alice");
    world.enrol("alice", "mallory");
    world.sync("mallory");
    listen(&mut world, &["alice"]);
    spoil(&mut world, channel, "dave");
    world.pass(SECOND * 120);
    let there = successor(&mut world, "alice", channel);
    assert_eq!((there.members.len(), there.leavers.len()), (2, 0), "two devices of alice");
    world.send("alice", channel, "it was me").expect("sent");
}

#[test]
fn whoever_is_invited_or_enters_anew_learns_which_group_goes_on_there() {
    let (mut world, channel) = group_of(&["alice", "bob", "mallory", "dave"]);
    world.register("erin");
    listen(&mut world, &["alice", "bob"]);
    spoil(&mut world, channel, "dave");
    world.pass(SECOND * 120);
    let new = successor(&mut world, "alice", channel).channel;
    world.invite("alice", channel, &["erin"]);
    world.sync("erin");
    assert_eq!(world.accept("erin"), new);
    world.sync("erin");
    assert_eq!((world.conversation("erin", new).group, world.conversation("erin", new).replaces), (channel, None));
    world.send("erin", new, "hello").expect("sent");
    world.pass(SECOND);
    {
        let tx = world.client("bob").store.begin().expect("opens");
        let mut entropy = Seeded::new(1);
        let provider = Provider::new(tx.mls(), &mut entropy);
        Group::load(&provider, channel).expect("reads").expect("a group").delete(&provider).expect("deletes");
        tx.commit();
    }
    world.send("alice", channel, "and welcome").expect("sent");
    world.pass(SECOND * 10);
    assert_eq!(world.conversation("bob", new).state, ConversationState::Active);
    world.send("bob", channel, "I am back").expect("sent");
    world.pass(SECOND * 60);
    world.sync("erin");
    let all = ["erin: hello", "alice: and welcome", "bob: I am back"];
    for name in ["alice", "erin"] {
        assert_eq!(shown(&mut world, name, new), all, "{name}");
    }
}

#[test]
fn what_was_set_for_the_conversation_stays_and_can_be_taken_back() {
    let (mut world, channel) = group_of(&["alice", "bob", "mallory", "dave"]);
    let set = |world: &mut World, change| {
        assert_eq!(world.run("bob", Command::SetConversation { channel, change }), Ok(Outcome::Done));
    };
    set(&mut world, ConversationChange::Pinned(true));
    set(&mut world, ConversationChange::Title(Some("our tea".to_owned())));
    assert_eq!(world.run("bob", Command::SetHistory { channel: Some(channel), on: false }), Ok(Outcome::Done));
    world.send("alice", channel, "unread").expect("sent");
    listen(&mut world, &["alice", "bob"]);
    spoil(&mut world, channel, "dave");
    world.pass(SECOND * 120);
    let new = successor(&mut world, "bob", channel).channel;
    let seen = |world: &mut World| {
        let tx = world.client("bob").store.begin().expect("opens");
        let all = views::conversations(&tx).expect("reads");
        let [view] = &all[..] else { panic!("{} conversations", all.len()) };
        assert_eq!((view.main.channel, view.others.len()), (new, 1));
        assert_eq!(views::resolve(&tx, &channel.to_string()), Ok(view.clone()));
        (view.title.clone(), view.settings.pinned, views::unread(&tx, view).expect("reads"))
    };
    assert_eq!(seen(&mut world), ("our tea".to_owned(), true, 1));
    set(&mut world, ConversationChange::Pinned(false));
    set(&mut world, ConversationChange::Title(None));
    assert_eq!(world.run("bob", Command::MarkRead { channel, position: None }), Ok(Outcome::Done));
    assert_eq!(seen(&mut world), ("tea".to_owned(), false, 0));
    let tx = world.client("bob").store.begin().expect("opens");
    let off = archive_status(&tx).expect("reads").excluded;
    assert!(off.contains(&channel) && off.contains(&new), "{off:?}");
}

#[test]
fn who_is_left_out_of_a_keyring_is_not_removed() {
    let (mut world, channel) = group_of(&["alice", "bob", "mallory", "dave"]);
    world.set_online("bob", false);
    let leave_out = |request: &mut Request| {
        if let Request::ChannelEnqueue(ChannelEnqueue { commit: Some(parts), .. }) = request
            && let Some(roll) = &mut parts.roll
        {
            roll.keyring = vec![1];
        }
    };
    world.meddle = Some(("mallory", Box::new(leave_out)));
    world.run("mallory", Command::Remove { channel, name: "dave".to_owned() }).expect("removed");
    world.meddle = None;
    world.send("mallory", channel, "after").expect("sent");
    world.set_online("bob", true);
    world.sync("bob");
    assert_eq!(world.conversation("bob", channel).state, ConversationState::Active, "the key is the derived one");
    assert_eq!(world.texts("bob", channel), ["mallory: after"]);
    world.send("bob", channel, "I am here").expect("sent");
    // Who was removed reads of it, and nothing later.
    world.sync("dave");
    assert_eq!(world.conversation("dave", channel).state, ConversationState::Removed);
    assert!(world.texts("dave", channel).is_empty());
    let tx = world.client("dave").store.begin().expect("opens");
    let last = tx.messages().last_messages(&channel, 1).expect("reads").remove(0);
    assert!(matches!(last.body, LogBody::Membership { removed, .. } if removed.len() == 1));
}

#[test]
fn whoever_is_handed_false_keys_reads_on_and_follows_the_others() {
    for epoch in [0, u64::MAX] {
        let (mut world, channel) = group_of(&["alice", "bob", "mallory", "dave"]);
        listen(&mut world, &["alice"]);
        world.set_online("bob", false);
        let own = world.client("bob").store.begin().expect("opens").account().own_account();
        let identity = UnverifiedIdentity::parse(&own.expect("reads").expect("there").identity).expect("parses");
        let identity = identity.verify().expect("verifies");
        let (lie, mut entropy) = (ChannelKeys::from_bytes(&[7; 96]), Seeded::new(1));
        let keyring = seal_keyring(&channel, &lie, epoch, &[identity.inbox_key()], &mut entropy).expect("seals");
        let hand_over = move |request: &mut Request| {
            if let Request::ChannelEnqueue(ChannelEnqueue { commit: Some(parts), .. }) = request
                && let Some(roll) = &mut parts.roll
            {
                *roll = AccessRoll { access: lie.access_public(), keyring: keyring.clone() };
            }
        };
        world.meddle = Some(("mallory", Box::new(hand_over)));
        world.run("mallory", Command::Remove { channel, name: "dave".to_owned() }).expect("removed");
        world.meddle = None;
        world.pass(SECOND * 60);
        let new = successor(&mut world, "alice", channel).channel;
        world.set_online("bob", true);
        world.sync("bob");
        assert_eq!(successor(&mut world, "bob", channel).channel, new, "epoch {epoch}");
        world.send("bob", channel, "here").expect("sent");
        world.pass(SECOND);
        assert_eq!(shown(&mut world, "alice", channel), ["bob: here"], "epoch {epoch}");
    }
}

#[test]
fn another_process_of_the_same_device_listens_on_in_the_other_channel() {
    let (mut world, channel) = group_of(&["alice", "bob", "mallory", "dave"]);
    world.another_process("bob", "bob again");
    listen(&mut world, &["alice", "bob", "bob again"]);
    spoil(&mut world, channel, "dave");
    world.pass(SECOND * 60);
    assert_eq!(creations(&world), 2, "the group and its replacement");
    let new = successor(&mut world, "bob", channel).channel;
    world.send("alice", channel, "who hears me?").expect("sent");
    world.settle();
    for name in ["bob", "bob again"] {
        let told = |event: &Event| matches!(event, Event::Logged(entry) if entry.channel == new && matches!(entry.body, LogBody::Content { .. }));
        assert_eq!(world.client(name).events.iter().filter(|event| told(event)).count(), 1, "{name}");
    }
}

#[test]
fn a_direct_conversation_goes_on_with_both() {
    let mut world = World::new(&["alice", "mallory"]);
    let dm = |world: &mut World, from: &str, to: &str, text: &str| {
        let command = Command::Dm { name: to.to_owned(), content: text_content(text), suite: SuiteChoice::default() };
        match world.run(from, command) {
            Ok(Outcome::Sent { channel, .. }) => channel,
            other => panic!("{other:?}"),
        }
    };
    let channel = dm(&mut world, "alice", "mallory", "hello");
    world.sync("mallory");
    world.accept("mallory");
    world.sync("mallory");
    // A commit that counts for nobody, with mallory's keys.
    spoil_by_garbage(&mut world, channel);
    world.sync("alice");
    let new = successor(&mut world, "alice", channel).channel;
    assert_eq!(members(&mut world, "alice", new), ["alice", "mallory"]);
    assert_eq!(dm(&mut world, "alice", "mallory", "still there?"), new);
    world.sync("mallory");
    assert_eq!(dm(&mut world, "mallory", "alice", "yes"), new, "the one conversation of the two");
    world.sync("alice");
    assert_eq!(world.texts("alice", new), ["alice: hello", "alice: still there?", "mallory: yes"]);
}
