//! Groups from beginning to end.

use quicprochat_client_core::{
    Command, CommandError, Event, Outcome, StoreTx as _, SuiteChoice,
    store::{ConversationState, LogBody},
};
use quicprochat_wire::time::Duration;

use crate::world::{World, text_content};

const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn two_write_to_each_other_in_a_group() {
    let mut world = World::new(&["alice", "bob"]);
    let channel = world.create("alice", "tea");
    world.invite("alice", channel, &["bob"]);
    assert!(matches!(world.send("alice", channel, "hello"), Ok(Outcome::Sent { .. })));
    world.sync("bob");
    assert_eq!(world.accept("bob"), channel);
    world.sync("bob");
    assert_eq!(world.texts("bob", channel), ["alice: hello"]);
    assert!(matches!(world.send("bob", channel, "hello yourself"), Ok(Outcome::Sent { .. })));
    world.sync("alice");
    assert_eq!(world.texts("alice", channel), ["alice: hello", "bob: hello yourself"]);
    assert_eq!(world.texts("bob", channel), world.texts("alice", channel));
    let conversation = world.conversation("bob", channel);
    assert_eq!((conversation.title.as_str(), conversation.members.len()), ("tea", 2));
    assert!(!conversation.fresh_leaf, "a new leaf is updated before its first message (M3)");
}

/// A group of all the world's clients, everybody synced.
pub(crate) fn group_of(names: &[&'static str]) -> (World, quicprochat_wire::ChannelId) {
    let mut world = World::new(names);
    let channel = world.create(names[0], "tea");
    world.invite(names[0], channel, &names[1..]);
    for name in &names[1..] {
        world.sync(name);
        world.accept(name);
        world.sync(name);
    }
    world.sync(names[0]);
    (world, channel)
}

#[test]
fn a_removed_member_reads_nothing_more_and_the_others_go_on_with_new_keys() {
    let (mut world, channel) = group_of(&["alice", "bob", "carol"]);
    world.send("carol", channel, "one").expect("sent");
    world.sync("alice");
    world.sync("bob");
    let before = world.conversation("bob", channel);
    let removal = world.run("alice", Command::Remove { channel, name: "carol".to_owned() });
    assert!(matches!(removal, Ok(Outcome::Committed { .. })), "{removal:?}");
    world.send("alice", channel, "two").expect("sent");
    world.sync("carol");
    assert_eq!(world.conversation("carol", channel).state, ConversationState::Removed);
    assert_eq!(world.texts("carol", channel), ["carol: one"]);
    let refused = world.send("carol", channel, "three");
    assert_eq!(refused, Err(CommandError::ConversationState { state: ConversationState::Removed }));
    // Bob was away when the keys rolled: the keyring leads him on.
    world.client("bob").crash();
    world.sync("bob");
    assert_eq!(world.texts("bob", channel), ["carol: one", "alice: two"]);
    let after = world.conversation("bob", channel);
    assert_ne!(before.keys, after.keys, "keys roll with a removal (L7)");
    assert_eq!((after.members.len(), after.ahead), (2, None));
    world.send("bob", channel, "four").expect("sent");
    world.sync("alice");
    assert_eq!(world.texts("alice", channel), ["carol: one", "alice: two", "bob: four"]);
    // Invited again, carol goes on from there.
    world.invite("bob", channel, &["carol"]);
    world.sync("carol");
    world.accept("carol");
    world.send("carol", channel, "five").expect("sent");
    world.sync("alice");
    assert_eq!(world.texts("alice", channel).last().map(String::as_str), Some("carol: five"));
}

#[test]
fn commits_and_messages_at_the_same_time_all_get_through_once() {
    let (mut world, channel) = group_of(&["alice", "bob", "carol"]);
    let names = ["alice", "bob", "carol"];
    let mut waiting = Vec::new();
    for round in 0..3 {
        for name in names {
            let title = format!("{name} {round}");
            waiting.push((name, world.begin(name, Command::Rename { channel, title })));
            let content = text_content(&format!("{name}-{round}"));
            waiting.push((name, world.begin(name, Command::Send { channel, content })));
        }
    }
    for (name, id) in waiting {
        let result = world.wait(name, id);
        assert!(matches!(result, Ok(Outcome::Committed { .. } | Outcome::Sent { .. })), "{name}: {result:?}");
    }
    for name in names {
        world.sync(name);
    }
    let all = world.texts("alice", channel);
    assert_eq!(all.len(), 9, "{all:?}");
    for name in names {
        assert_eq!(world.texts(name, channel), all, "{name}");
        let own: Vec<_> = all.iter().filter(|text| text.starts_with(name)).collect();
        assert_eq!(own, [&format!("{name}: {name}-0"), &format!("{name}: {name}-1"), &format!("{name}: {name}-2")]);
    }
    let titles: Vec<_> = names.iter().map(|name| world.conversation(name, channel).title).collect();
    assert!(titles.iter().all(|title| *title == titles[0]), "{titles:?}");
}

#[test]
fn a_new_title_and_the_removal_of_a_leaver_are_both_in_the_log() {
    let (mut world, channel) = group_of(&["alice", "bob", "carol"]);
    assert_eq!(world.run("carol", Command::Leave { channel }), Ok(Outcome::Done));
    // A new process reads what there is before it commits.
    world.client("alice").crash();
    let renamed = world.run("alice", Command::Rename { channel, title: "coffee".to_owned() });
    let Ok(Outcome::Committed { seq, .. }) = renamed else { panic!("{renamed:?}") };
    world.sync("bob");
    for name in ["alice", "bob"] {
        let tx = world.client(name).store.begin().expect("opens");
        let log = tx.messages().last_messages(&channel, 2).expect("reads");
        drop(tx);
        let body = |at: u64| log.iter().find(|entry| entry.seq == at).map(|entry| &entry.body);
        assert!(
            matches!(body(seq - 1), Some(LogBody::Membership { removed, .. }) if removed.len() == 1),
            "{name}: {log:?}"
        );
        assert_eq!(body(seq), Some(&LogBody::Renamed { title: "coffee".to_owned() }), "{name}");
        assert_eq!(world.conversation(name, channel).title, "coffee", "{name}");
    }
}

#[test]
fn what_is_written_offline_is_queued_and_delivered_by_the_next_sync() {
    let (mut world, channel) = group_of(&["alice", "bob"]);
    world.set_online("bob", false);
    for text in ["one", "two"] {
        assert!(matches!(world.send("bob", channel, text), Ok(Outcome::Queued { .. })));
    }
    let rename = world.run("bob", Command::Rename { channel, title: "no".to_owned() });
    assert_eq!(rename, Err(CommandError::Unreachable { unfinished: false }));
    assert_eq!(world.run("bob", Command::Sync), Err(CommandError::Unreachable { unfinished: false }));
    world.send("alice", channel, "meanwhile").expect("sent");
    world.run("alice", Command::Rename { channel, title: "coffee".to_owned() }).expect("renamed");
    world.set_online("bob", true);
    world.sync("bob");
    world.sync("alice");
    assert_eq!(world.texts("alice", channel), ["alice: meanwhile", "bob: one", "bob: two"]);
    assert_eq!(world.texts("bob", channel), world.texts("alice", channel));
    assert_eq!(world.conversation("bob", channel).title, "coffee");
}

#[test]
fn who_listens_gets_everything_as_it_comes() {
    let (mut world, channel) = group_of(&["alice", "bob", "carol"]);
    world.begin("bob", Command::Listen);
    world.settle();
    world.client("bob").events.clear();
    world.send("alice", channel, "now").expect("sent");
    world.run("alice", Command::Remove { channel, name: "carol".to_owned() }).expect("removed");
    world.send("alice", channel, "then").expect("sent");
    world.settle();
    assert_eq!(world.texts("bob", channel), ["alice: now", "alice: then"]);
    let logged = |event: &Event| matches!(event, Event::Logged(entry) if matches!(entry.body, LogBody::Content { .. }));
    assert_eq!(world.client("bob").events.iter().filter(|event| logged(event)).count(), 2);
    world.send("bob", channel, "indeed").expect("sent");
    world.sync("alice");
    assert_eq!(world.texts("alice", channel), ["alice: now", "alice: then", "bob: indeed"]);
}

#[test]
fn listeners_are_invited_and_leave_without_a_restart() {
    let mut world = World::new(&["alice", "bob"]);
    world.begin("bob", Command::Listen);
    world.settle();
    let channel = world.create("alice", "tea");
    world.invite("alice", channel, &["bob"]);
    world.pass(Duration::from_secs(5));
    world.accept("bob");
    world.settle();
    world.send("alice", channel, "hello").expect("sent");
    world.settle();
    assert_eq!(world.texts("bob", channel), ["alice: hello"]);
    assert_eq!(world.run("bob", Command::Leave { channel }), Ok(Outcome::Done));
    assert_eq!(world.conversation("bob", channel).state, ConversationState::Left);
    world.sync("alice");
    world.sync("alice");
    assert_eq!(world.conversation("alice", channel).members.len(), 1, "the leaver is removed (L10)");
    assert_eq!(world.run("alice", Command::Leave { channel }), Ok(Outcome::Done));
    assert_eq!(world.conversation("alice", channel).state, ConversationState::Left);
}

#[test]
fn two_who_write_to_each_other_at_once_end_up_in_one_conversation() {
    let mut world = World::new(&["alice", "bob"]);
    let dm = |name: &str, text: &str| Command::Dm {
        name: name.to_owned(),
        content: text_content(text),
        suite: SuiteChoice::Hybrid,
    };
    let from_alice = world.begin("alice", dm("bob", "hello bob"));
    let from_bob = world.begin("bob", dm("alice", "hello alice"));
    let (one, two) = (world.wait("alice", from_alice), world.wait("bob", from_bob));
    let (Ok(Outcome::Sent { channel: one, .. }), Ok(Outcome::Sent { channel: two, .. })) = (one, two) else {
        panic!("not sent")
    };
    assert_ne!(one, two);
    for name in ["alice", "bob", "alice", "bob"] {
        world.sync(name);
    }
    let low = one.min(two);
    for (name, other) in [("alice", "bob"), ("bob", "alice")] {
        let sent = world.run(name, dm(other, "again"));
        assert!(matches!(sent, Ok(Outcome::Sent { channel, .. }) if channel == low), "{name}: {sent:?}");
    }
    for name in ["alice", "bob"] {
        world.sync(name);
    }
    let texts = world.texts("alice", one);
    assert_eq!(texts.len(), 4, "{texts:?}");
    assert_eq!(texts, world.texts("bob", two));
    assert_eq!(texts, world.texts("bob", one));
}

#[test]
fn wishes_that_cannot_be_are_refused_with_their_reason() {
    let (mut world, channel) = group_of(&["alice", "bob"]);
    let invite = |name: &str| Command::Invite { channel, names: vec![name.to_owned()] };
    assert_eq!(world.run("alice", invite("bob")), Err(CommandError::MemberAlreadyIn));
    assert_eq!(world.run("alice", invite("dave")), Err(CommandError::UnknownName { name: "dave".to_owned() }));
    let remove = Command::Remove { channel, name: "carol".to_owned() };
    assert_eq!(world.run("alice", remove), Err(CommandError::NotAMember { name: "carol".to_owned() }));
    let large = Command::Send { channel, content: vec![0; 300_000] };
    assert!(matches!(world.run("alice", large), Err(CommandError::TooLarge { .. })));
    let suite = SuiteChoice::Classical;
    let classical = Command::CreateGroup { title: "tea".to_owned(), suite };
    assert_eq!(world.run("alice", classical), Err(CommandError::Unsupported { suite }), "nobody could join it");
    let unknown = quicprochat_wire::ChannelId::new([9; 32]);
    assert_eq!(world.send("alice", unknown, "x"), Err(CommandError::UnknownConversation));
}

#[test]
fn a_direct_conversation_is_not_made_under_a_suite_that_the_other_has_no_key_package_for() {
    let mut world = World::new(&["alice", "bob"]);
    let suite = SuiteChoice::Classical;
    let dm = || Command::Dm { name: "bob".to_owned(), content: text_content("hello"), suite };
    assert_eq!(world.run("alice", dm()), Err(CommandError::Unsupported { suite }));
    let count = |world: &mut World| {
        use quicprochat_client_core::StoreTx as _;
        let tx = world.client("alice").store.begin().expect("opens");
        tx.conversations().all_conversations().expect("reads").len()
    };
    assert_eq!(count(&mut world), 0, "nothing was begun");
    let hybrid = Command::Dm { name: "bob".to_owned(), content: text_content("hello"), suite: SuiteChoice::Hybrid };
    assert!(matches!(world.run("alice", hybrid), Ok(Outcome::Sent { .. })));
    assert!(matches!(world.run("alice", dm()), Ok(Outcome::Sent { .. })), "there is one: none is made");
}

#[test]
fn key_packages_rotate_daily_and_old_private_keys_go_after_their_grace() {
    let (mut world, channel) = group_of(&["alice", "bob"]);
    let packages = |world: &mut World| {
        use quicprochat_client_core::StoreTx as _;
        let tx = world.client("bob").store.begin().expect("opens");
        tx.upkeep().key_packages().expect("reads").len()
    };
    world.sync("bob");
    assert_eq!(packages(&mut world), 1);
    world.pass(HOUR * 25);
    world.sync("bob");
    assert_eq!(packages(&mut world), 2, "the replaced one is kept for its grace period");
    world.pass(HOUR * 24 * 4);
    world.sync("bob");
    world.sync("bob");
    assert_eq!(packages(&mut world), 2, "the oldest is gone, the one of today is new");
    world.send("bob", channel, "still here").expect("sent");
    world.sync("alice");
    assert_eq!(world.texts("alice", channel), ["bob: still here"]);
}
