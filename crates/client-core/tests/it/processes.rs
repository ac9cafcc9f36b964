//! Several processes on one store.

use std::collections::VecDeque;

use quicprochat_client_core::{
    Command, CommandError, CommandId, Event, Input, Outcome, StoreTx as _,
    store::{ConversationState, LogBody},
};
use quicprochat_wire::{ChannelId, Request};

use crate::{
    groups::group_of,
    world::{World, text_content},
};

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

/// Another process of alice's has sent a message whose answer is withheld while alice, who is alone with her laptop, leaves.
fn leaves_while_another_writes() -> (World, ChannelId, CommandId, CommandId, VecDeque<Input>) {
    let mut world = World::new(&["alice", "bob"]);
    world.enrol("alice", "alice's laptop");
    world.sync("alice");
    let channel = world.create("alice", "tea");
    world.invite("alice", channel, &["alice"]);
    world.sync("alice's laptop");
    world.another_process("alice", "alice again");
    let writes = world.begin("alice again", Command::Send { channel, content: text_content("on its way") });
    let sent = |world: &mut World| {
        world.client("alice again").calls.iter().any(|(_, call)| matches!(call, Request::ChannelEnqueue(_)))
    };
    while !sent(&mut world) {
        world.step();
    }
    let held = world.client("alice again").hold();
    let leaves = world.begin("alice", Command::Leave { channel });
    world.settle();
    assert_eq!(world.conversation("alice", channel).state, ConversationState::Leaving);
    (world, channel, writes, leaves, held)
}

#[test]
fn a_channel_is_not_deleted_before_what_waits_for_it_is_answered() {
    let (mut world, channel, writes, leaves, held) = leaves_while_another_writes();
    let refused = Err(CommandError::ConversationState { state: ConversationState::Leaving });
    assert_eq!(world.send("alice", channel, "too late"), refused);
    world.client("alice again").release(held);
    let sent = world.wait("alice again", writes);
    assert!(matches!(sent, Ok(Outcome::Sent { .. })), "{sent:?}");
    assert_eq!(world.wait("alice", leaves), Ok(Outcome::Done));
    assert_eq!(world.conversation("alice", channel).state, ConversationState::Left);
    assert_eq!(world.texts("alice", channel), ["alice: on its way"]);
}

#[test]
fn a_wish_to_be_the_last_to_leave_outlives_its_process() {
    let (mut world, channel, ..) = leaves_while_another_writes();
    for name in ["alice", "alice again"] {
        world.client(name).crash();
    }
    world.sync("alice");
    assert_eq!(world.conversation("alice", channel).state, ConversationState::Left);
    assert_eq!(world.texts("alice", channel), ["alice: on its way"]);
}

#[test]
fn whoever_is_not_the_last_any_more_leaves_by_a_message() {
    let (mut world, channel, writes, leaves, held) = leaves_while_another_writes();
    world.invite("alice's laptop", channel, &["bob"]);
    world.client("alice again").release(held);
    let sent = world.wait("alice again", writes);
    assert!(matches!(sent, Ok(Outcome::Sent { .. })), "{sent:?}");
    assert_eq!(world.wait("alice", leaves), Ok(Outcome::Done));
    assert_eq!(world.conversation("alice", channel).state, ConversationState::Left);
    world.sync("bob");
    world.accept("bob");
    world.sync("bob");
    let tx = world.client("bob").store.begin().expect("opens");
    let log = tx.messages().last_messages(&channel, 10).expect("reads");
    assert!(log.iter().any(|entry| entry.body == LogBody::Leave), "{log:?}");
}
