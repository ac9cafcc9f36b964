//! The process dies between any two effects; nothing is lost and nothing stands twice.

use quicprochat_client_core::{Command, store::ConversationState};
use quicprochat_wire::time::Duration;

use crate::world::{World, text_content};

/// Effects of a run in which nothing dies; each is a place to die at.
fn effects_of_a_quiet_run() -> usize {
    let mut world = World::new(&["alice", "bob", "carol"]);
    story(&mut world);
    world.client("alice").effects
}

/// Alice makes a group, invites, writes, removes, writes. A process that died goes on with a sync; what was asked of the dead
/// one is asked again where it shows that it was not done.
fn story(world: &mut World) {
    use quicprochat_client_core::{CommandError, Outcome, StoreTx as _, SuiteChoice};
    fn groups(world: &mut World) -> Vec<quicprochat_client_core::store::Conversation> {
        let tx = world.client("alice").store.begin().expect("opens");
        tx.conversations().all_conversations().expect("reads")
    }
    fn patient(world: &mut World, command: &Command) -> Option<Result<Outcome, CommandError>> {
        let starts = world.client("alice").starts();
        let id = world.begin("alice", command.clone());
        for _ in 0..5_000 {
            if let Some(result) = world.client("alice").done.remove(&id) {
                return Some(result);
            }
            if world.client("alice").starts() != starts {
                world.sync("alice");
                return None;
            }
            world.step();
        }
        panic!("{command:?} is not answered");
    }

    let create = Command::CreateGroup { title: "tea".to_owned(), suite: SuiteChoice::Hybrid };
    while groups(world).is_empty() {
        patient(world, &create);
    }
    assert_eq!(groups(world).len(), 1, "one group, however often alice died");
    let channel = groups(world)[0].channel;
    assert_eq!(groups(world)[0].state, ConversationState::Active);
    let invite = Command::Invite { channel, names: vec!["bob".to_owned(), "carol".to_owned()] };
    while groups(world)[0].members.len() < 3 {
        patient(world, &invite);
    }
    for name in ["bob", "carol"] {
        world.sync(name);
        world.accept(name);
        world.sync(name);
    }
    let sent_or_waiting = |world: &mut World, text: &str| {
        let texts = world.texts("alice", channel);
        texts.contains(&format!("alice: {text}"))
    };
    for text in ["one", "two"] {
        while !sent_or_waiting(world, text) {
            patient(world, &Command::Send { channel, content: text_content(text) });
        }
    }
    while groups(world)[0].members.len() > 2 {
        patient(world, &Command::Remove { channel, name: "carol".to_owned() });
    }
    while !sent_or_waiting(world, "three") {
        patient(world, &Command::Send { channel, content: text_content("three") });
    }
    world.pass(Duration::from_secs(3));
    while patient(world, &Command::Sync).is_none() {}
    world.sync("bob");
    world.sync("carol");
    let expected = ["alice: one", "alice: two", "alice: three"];
    assert_eq!(world.texts("alice", channel), expected);
    assert_eq!(world.texts("bob", channel), expected);
    assert!(!world.texts("carol", channel).contains(&"alice: three".to_owned()));
    world.send("bob", channel, "four").expect("sent");
    while patient(world, &Command::Sync).is_none() {}
    assert_eq!(world.texts("alice", channel).last().map(String::as_str), Some("bob: four"));
    let tx = world.client("alice").store.begin().expect("opens");
    assert!(tx.outbox().deliveries().expect("reads").is_empty());
    assert!(tx.outbox().outbox_channels().expect("reads").is_empty());
}

#[test]
fn alice_dies_once_at_every_effect() {
    let effects = effects_of_a_quiet_run();
    assert!(effects > 30, "{effects} effects");
    for at in 0..effects {
        let mut world = World::new(&["alice", "bob", "carol"]);
        world.client("alice").crash_at = Some(at);
        println!("alice dies at effect {at}");
        story(&mut world);
        assert_eq!(world.client("alice").crash_at, None, "alice died at effect {at}");
    }
}
