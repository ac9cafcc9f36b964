//! What was on the way when its writer was removed: the server says whether it stands in the log.

use quicprochat_client_core::{
    CallError, Command, Event, Outcome, StoreTx as _,
    store::{ConversationState, LogBody},
};
use quicprochat_wire::{ChannelId, Request, Response, time::Duration};

use crate::{
    groups::group_of,
    world::{World, text_content},
};

const WORDS: &str = "the last words";

/// Bob, who has written before and whose leaf is no new one, in a conversation with others.
fn story() -> (World, ChannelId) {
    let (mut world, channel) = group_of(&["alice", "bob", "carol"]);
    world.send("bob", channel, "before").expect("sent");
    world.sync("alice");
    world.client("bob").calls.clear();
    world.client("bob").events.clear();
    (world, channel)
}

/// Lets bob write until his message leaves; returns the effect that sends it.
fn write(world: &mut World, channel: ChannelId) -> Option<usize> {
    let starts = world.client("bob").starts();
    world.begin("bob", Command::Send { channel, content: text_content(WORDS) });
    for _ in 0..1_000 {
        let bob = world.client("bob");
        let left = bob.calls.iter().any(|(_, request)| matches!(request, Request::ChannelEnqueue(_)));
        if left || bob.starts() != starts {
            return left.then_some(bob.effects);
        }
        world.step();
    }
    panic!("nothing is written");
}

/// Bob's process died; he is removed; his next process catches up. Without what was written until his key ended, if that is not
/// kept any more.
fn removed_meanwhile(world: &mut World, channel: ChannelId, is_kept: bool) {
    world.run("alice", Command::Remove { channel, name: "bob".to_owned() }).expect("removed");
    world.client("bob").calls.clear();
    let not_kept = move |result: &mut Result<Response, CallError>| {
        if let Ok(Response::ChannelPage(page)) = result
            && !is_kept
        {
            (page.entries, page.more) = (Vec::new(), false);
        }
    };
    world.tamper = Some(("bob", Box::new(not_kept)));
    let result = world.run("bob", Command::Sync);
    world.tamper = None;
    assert!(matches!(result, Ok(Outcome::Synced { .. })), "{result:?}");
    assert_eq!(world.conversation("bob", channel).state, ConversationState::Removed);
}

fn asked_again(world: &mut World) -> usize {
    let bob = world.client("bob");
    bob.calls.iter().filter(|(_, request)| matches!(request, Request::ChannelEnqueue(_))).count()
}

#[test]
fn what_was_accepted_before_its_writer_was_removed_is_said_to_be() {
    accepted_unheard(false);
}

#[test]
fn what_was_accepted_before_its_writer_was_removed_is_read_where_it_stands() {
    accepted_unheard(true);
}

fn accepted_unheard(is_kept: bool) {
    let (mut world, channel) = story();
    write(&mut world, channel).expect("it leaves");
    // The server has it; nobody hears the answer.
    world.client("bob").hold();
    world.client("bob").crash();
    removed_meanwhile(&mut world, channel, is_kept);
    assert_eq!(asked_again(&mut world), usize::from(!is_kept), "the log says it, or else the server");
    world.sync("carol");
    let place = |world: &mut World, name: &str| {
        let tx = world.client(name).store.begin().expect("opens");
        let log = tx.messages().last_messages(&channel, 100).expect("reads");
        let words = text_content(WORDS);
        let is_it = |body: &LogBody| matches!(body, LogBody::Content { content } if *content == words);
        let found: Vec<_> = log.into_iter().filter(|entry| is_it(&entry.body)).collect();
        assert_eq!(found.len(), 1, "{name}");
        (found[0].seq, found[0].id)
    };
    let (seq, id) = place(&mut world, "carol");
    assert_eq!(place(&mut world, "bob"), (seq, id));
    let told = |event: &Event| matches!(event, Event::Accepted { seq: at, id: of, .. } if (*at, *of) == (seq, id));
    let events = &world.client("bob").events;
    assert!(events.iter().any(told) && !events.iter().any(|event| matches!(event, Event::Rejected { .. })));
    let tx = world.client("bob").store.begin().expect("opens");
    assert!(tx.outbox().outbox_of(&channel).expect("reads").is_empty());
}

#[test]
fn what_the_server_never_had_is_not_said_to_be_accepted() {
    let effect = {
        let (mut world, channel) = story();
        write(&mut world, channel).expect("it leaves") - 1
    };
    let (mut world, channel) = story();
    world.client("bob").crash_at = Some(effect);
    assert_eq!(write(&mut world, channel), None, "it dies with the message encrypted, and not sent");
    removed_meanwhile(&mut world, channel, false);
    assert_eq!(asked_again(&mut world), 1, "it may have been sent");
    assert!(!world.client("bob").events.iter().any(|event| matches!(event, Event::Accepted { .. })));
    assert!(!world.texts("bob", channel).iter().any(|text| text.ends_with(WORDS)));
    // Nobody asks once more.
    world.pass(Duration::from_secs(3600));
    world.client("bob").calls.clear();
    let result = world.run("bob", Command::Sync);
    assert!(matches!(result, Ok(Outcome::Synced { .. })), "{result:?}");
    assert_eq!(asked_again(&mut world), 0);
}
