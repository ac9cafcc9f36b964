//! Several processes on one store.

use quicprochat_client_core::{Command, Event, Outcome, store::LogBody};

use crate::{groups::group_of, world::text_content};

#[test]
fn two_processes_that_write_at_once_send_everything_once() {
    let (mut world, channel) = group_of(&["alice", "bob"]);
    world.another_process("alice", "alice again");
    let mut waiting = Vec::new();
    for round in 0..4 {
        for name in ["alice", "alice again"] {
            let content = text_content(&format!("{name} {round}"));
            waiting.push((name, world.begin(name, Command::Send { channel, content })));
        }
        waiting.push(("alice", world.begin("alice", Command::Rename { channel, title: format!("title {round}") })));
    }
    for (name, id) in waiting {
        let result = world.wait(name, id);
        assert!(matches!(result, Ok(Outcome::Sent { .. } | Outcome::Committed { .. })), "{name}: {result:?}");
    }
    world.sync("bob");
    let mut texts = world.texts("bob", channel);
    assert_eq!(world.texts("alice", channel), texts);
    texts.sort();
    texts.dedup();
    assert_eq!(texts.len(), 8, "{texts:?}");
}

#[test]
fn a_listener_tells_of_what_another_process_wrote_and_read() {
    let (mut world, channel) = group_of(&["alice", "bob"]);
    world.another_process("bob", "bob listening");
    world.begin("bob listening", Command::Listen);
    world.settle();
    world.send("bob", channel, "from here").expect("sent");
    world.send("alice", channel, "from there").expect("sent");
    world.sync("bob");
    world.pass(quicprochat_wire::time::Duration::from_secs(5));
    let told = |event: &Event| matches!(event, Event::Logged(entry) if matches!(entry.body, LogBody::Content { .. }));
    assert_eq!(world.client("bob listening").events.iter().filter(|event| told(event)).count(), 2);
}

#[test]
fn what_a_dead_process_left_behind_another_sends() {
    let (mut world, channel) = group_of(&["alice", "bob"]);
    world.another_process("alice", "alice again");
    let at = world.client("alice again").effects;
    // Dies with a message encrypted, claimed, and not sent.
    world.client("alice again").crash_at = Some(at + 2);
    let content = text_content("last words");
    world.begin("alice again", Command::Send { channel, content });
    world.settle();
    assert!(world.client("alice again").crash_at.is_none());
    world.sync("alice");
    world.sync("bob");
    assert_eq!(world.texts("bob", channel), ["alice: last words"]);
}
