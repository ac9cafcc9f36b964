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
    /// Gives a command and waits for its answer; if the process dies meanwhile, the next one catches up instead.
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

    fn catch_up(world: &mut World) {
        while !matches!(patient(world, &Command::Sync), Some(Ok(_))) {}
    }

    let create = Command::CreateGroup { title: "tea".to_owned(), suite: SuiteChoice::Hybrid };
    while groups(world).is_empty() {
        patient(world, &create);
    }
    while groups(world)[0].state == ConversationState::Creating {
        patient(world, &Command::Sync);
    }
    assert_eq!(groups(world).len(), 1, "one group, however often alice died");
    let channel = groups(world)[0].channel;
    assert_eq!(groups(world)[0].state, ConversationState::Active);
    let invite = Command::Invite { channel, names: vec!["bob".to_owned(), "carol".to_owned()] };
    while groups(world)[0].members.len() < 3 {
        patient(world, &invite);
    }
    catch_up(world);
    for name in ["bob", "carol"] {
        world.sync(name);
        world.accept(name);
        world.sync(name);
    }
    let stands = |world: &mut World, text: &str| world.texts("alice", channel).contains(&format!("alice: {text}"));
    let write = |world: &mut World, text: &str| {
        while !stands(world, text) {
            // What was queued is not asked for again, it is sent by the next sync.
            patient(world, &Command::Send { channel, content: text_content(text) });
            catch_up(world);
        }
    };
    write(world, "one");
    write(world, "two");
    while groups(world)[0].members.len() > 2 {
        patient(world, &Command::Remove { channel, name: "carol".to_owned() });
        catch_up(world);
    }
    write(world, "three");
    world.pass(Duration::from_secs(3));
    catch_up(world);
    world.sync("bob");
    world.sync("carol");
    let expected = ["alice: one", "alice: two", "alice: three"];
    assert_eq!(world.texts("alice", channel), expected);
    assert_eq!(world.texts("bob", channel), expected);
    assert!(!world.texts("carol", channel).contains(&"alice: three".to_owned()));
    world.send("bob", channel, "four").expect("sent");
    catch_up(world);
    assert_eq!(world.texts("alice", channel).last().map(String::as_str), Some("bob: four"));
    let tx = world.client("alice").store.begin().expect("opens");
    assert!(tx.outbox().deliveries().expect("reads").is_empty());
    assert!(tx.outbox().outbox_channels().expect("reads").is_empty());
}

#[test]
fn alice_loses_the_answer_and_the_link_once_at_every_effect() {
    for at in 0..effects_of_a_quiet_run() {
        let mut world = World::new(&["alice", "bob", "carol"]);
        world.client("alice").cut_at = Some(at);
        println!("the answer to effect {at} is lost");
        story(&mut world);
        assert_eq!(world.client("alice").cut_at, None, "the link broke at effect {at}");
    }
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
