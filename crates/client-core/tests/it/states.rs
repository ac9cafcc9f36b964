//! Servers that lose or change things, and clients that do: typed states, and the way out where there is one.

use quicprochat_client_core::{
    CallError, Command, CommandError, Event, Outcome, StoreTx as _,
    event::ArchiveLoss,
    store::{ConversationState, LogBody, RejoinReason},
};
use quicprochat_wire::{
    AccessPublicKey, ErrorCode, Request, Response,
    call::channel::{ChainPoint, Enqueued},
    time::Duration,
};

use crate::{groups::group_of, world::World};

const DAY: Duration = Duration::from_secs(24 * 3600);

fn told(world: &mut World, name: &str, state: &ConversationState) -> bool {
    let is_it = |event: &Event| matches!(event, Event::State { state: told, .. } if told == state);
    world.client(name).events.iter().any(is_it)
}

#[test]
fn a_server_that_went_back_is_noticed_on_attach() {
    let (mut world, channel) = group_of(&["alice", "bob"]);
    world.send("bob", channel, "one").expect("sent");
    world.client("bob").crash();
    let back = |result: &mut Result<Response, CallError>| {
        if let Ok(Response::ChannelState(state)) = result {
            state.last.position -= 1;
        }
    };
    world.tamper = Some(("bob", Box::new(back)));
    world.sync("bob");
    assert_eq!(world.conversation("bob", channel).state, ConversationState::Diverged);
    assert!(told(&mut world, "bob", &ConversationState::Diverged));
    let refused = world.send("bob", channel, "two");
    assert_eq!(refused, Err(CommandError::ConversationState { state: ConversationState::Diverged }));
}

#[test]
fn a_server_with_another_past_is_noticed_wherever_it_shows() {
    type Lie = fn(&mut Result<Response, CallError>);
    let lies: [Lie; 3] = [
        // It does not know the commit named.
        |result| {
            if let Ok(Response::Enqueued(enqueued)) = result {
                let nowhere = ChainPoint { position: 1, hash: quicprochat_wire::ChainHash::new([1; 32]) };
                *enqueued = Enqueued::Diverged { last_commit: nowhere, last: nowhere };
            }
        },
        // It puts the entry somewhere else in the chain.
        |result| {
            if let Ok(Response::Enqueued(Enqueued::Accepted { at, .. })) = result {
                at.hash = quicprochat_wire::ChainHash::new([2; 32]);
            }
        },
        // It says stale, and names a commit that this device knows to be another.
        |result| {
            if let Ok(Response::Enqueued(enqueued)) = result {
                let other = ChainPoint { position: 1, hash: quicprochat_wire::ChainHash::new([3; 32]) };
                *enqueued = Enqueued::Stale { last_commit: other };
            }
        },
    ];
    for (index, lie) in lies.into_iter().enumerate() {
        let (mut world, channel) = group_of(&["alice", "bob"]);
        world.tamper = Some(("alice", Box::new(lie)));
        let sent = world.send("alice", channel, "one");
        let state = world.conversation("alice", channel).state;
        assert_eq!(state, ConversationState::Diverged, "lie {index}: {sent:?}");
    }
}

#[test]
fn a_repair_looks_again_at_what_had_another_past_and_goes_on_only_where_it_is_the_right_one() {
    let (mut world, channel) = group_of(&["alice", "bob"]);
    world.send("alice", channel, "before").expect("sent");
    world.sync("bob");
    // As a server that was put back to an older copy shows it.
    let older = |result: &mut Result<Response, CallError>| {
        if let Ok(Response::ChannelState(state)) = result {
            state.last = ChainPoint { position: 1, hash: quicprochat_wire::ChainHash::new([1; 32]) };
            state.last_commit = state.last;
        }
    };
    world.tamper = Some(("bob", Box::new(older)));
    world.client("bob").crash();
    world.sync("bob");
    assert_eq!(world.conversation("bob", channel).state, ConversationState::Diverged);
    let cursor = world.conversation("bob", channel).cursor;
    world.client("bob").calls.clear();
    let again = world.run("bob", Command::Repair);
    let Ok(Outcome::Repaired { conversations, .. }) = again else { panic!("{again:?}") };
    let [found] = &conversations[..] else { panic!("{conversations:?}") };
    assert_eq!((&found.was, &found.is), (&ConversationState::Diverged, &ConversationState::Diverged));
    let wrote = |world: &mut World| {
        world.client("bob").calls.iter().any(|(_, request)| matches!(request, Request::ChannelEnqueue(_)))
    };
    assert!(!wrote(&mut world), "nothing is written to another past");
    assert_eq!(world.conversation("bob", channel).cursor, cursor);
    world.tamper = None;
    let again = world.run("bob", Command::Repair);
    let Ok(Outcome::Repaired { conversations, .. }) = again else { panic!("{again:?}") };
    let [found] = &conversations[..] else { panic!("{conversations:?}") };
    assert_eq!((&found.was, &found.is, found.missing), (&ConversationState::Diverged, &ConversationState::Active, 0));
    world.send("bob", channel, "after").expect("sent");
    world.sync("alice");
    for name in ["alice", "bob"] {
        assert_eq!(world.texts(name, channel), ["alice: before", "bob: after"], "{name}");
    }
    let again = world.run("bob", Command::Repair);
    assert_eq!(
        again,
        Ok(Outcome::Repaired { conversations: Vec::new(), archive: ArchiveLoss::default() }),
        "nothing is amiss any more"
    );
}

#[test]
fn an_access_key_that_was_not_derived_spoils_the_channel_and_another_takes_its_place() {
    type Lie = fn(&mut Option<AccessPublicKey>);
    let lies: [Lie; 3] = [
        // Another key than the derived one, none where there must be one, one where there must be none.
        |key| *key = key.map(|_| AccessPublicKey::new([9; 32])),
        |key| *key = None,
        |key| *key = Some(key.unwrap_or(AccessPublicKey::new([9; 32]))),
    ];
    for (index, lie) in lies.into_iter().enumerate() {
        let (mut world, channel) = group_of(&["alice", "bob", "carol"]);
        if index < 2 {
            world.run("alice", Command::Remove { channel, name: "carol".to_owned() }).expect("removed");
        } else {
            world.run("alice", Command::Rename { channel, title: "x".to_owned() }).expect("renamed");
        }
        let tamper = move |result: &mut Result<Response, CallError>| {
            if let Ok(Response::ChannelPage(page)) = result {
                page.entries.iter_mut().for_each(|entry| lie(&mut entry.next_access));
            }
        };
        world.tamper = Some(("bob", Box::new(tamper)));
        world.sync("bob");
        let ConversationState::Replaced { by } = world.conversation("bob", channel).state else {
            panic!("lie {index}: {:?}", world.conversation("bob", channel).state)
        };
        let sent = world.send("bob", channel, "x");
        assert!(matches!(sent, Ok(Outcome::Sent { channel, .. }) if channel == by), "lie {index}: {sent:?}");
    }
}

/// Alice removes bob and invites him again; then all is well.
fn mend(world: &mut World, channel: quicprochat_wire::ChannelId) {
    // Bob's published KeyPackage may have become old while he was away.
    world.run("bob", Command::RotateKeyPackage).expect("rotated");
    world.run("alice", Command::Remove { channel, name: "bob".to_owned() }).expect("removed");
    world.invite("alice", channel, &["bob"]);
    world.sync("bob");
    assert_eq!(
        world.conversation("bob", channel).state,
        ConversationState::Active,
        "alice is a contact: he joins by himself"
    );
    world.send("alice", channel, "welcome back").expect("sent");
    world.send("bob", channel, "thanks").expect("sent");
    world.sync("alice");
    world.sync("bob");
    let last = ["alice: welcome back", "bob: thanks"];
    for name in ["alice", "bob"] {
        assert!(world.texts(name, channel).ends_with(&last.map(str::to_owned)), "{name}");
    }
}

#[test]
fn an_invitation_whose_group_info_is_gone_is_a_conversation_that_needs_rejoin() {
    let mut world = World::new(&["alice", "bob"]);
    let channel = world.create("alice", "tea");
    world.invite("alice", channel, &["bob"]);
    world.sync("bob");
    let gone = |result: &mut Result<Response, CallError>| {
        if let Ok(Response::GroupInfo(_)) = result {
            *result = Err(CallError::Refused(ErrorCode::NotFound.into()));
        }
    };
    world.tamper = Some(("bob", Box::new(gone)));
    let invitation = {
        let tx = world.client("bob").store.begin().expect("opens");
        tx.inbox().invitations().expect("reads")[0].id
    };
    assert_eq!(world.run("bob", Command::AcceptRequest { invitation }), Err(CommandError::JoinFailed));
    let state = ConversationState::NeedsRejoin { reason: RejoinReason::GroupInfoGone };
    assert_eq!(world.conversation("bob", channel).state, state);
    world.tamper = None;
    mend(&mut world, channel);
}

#[test]
fn leaves_are_renewed_after_a_week_and_new_ones_within_a_day() {
    let (mut world, channel) = group_of(&["alice", "bob"]);
    assert!(world.conversation("bob", channel).fresh_leaf);
    world.pass(DAY);
    world.sync("bob");
    assert!(!world.conversation("bob", channel).fresh_leaf, "without a message, within a day (M3)");
    let updates = |world: &mut World| {
        let tx = world.client("bob").store.begin().expect("opens");
        let log = tx.messages().messages_of(&channel, 0, 100).expect("reads");
        log.iter().filter(|entry| entry.body == LogBody::Updated).count()
    };
    assert_eq!(updates(&mut world), 1);
    world.send("bob", channel, "one").expect("sent");
    assert_eq!(updates(&mut world), 1);
    world.pass(DAY * 8);
    world.sync("bob");
    assert_eq!(updates(&mut world), 1, "not before there is something to write");
    world.send("bob", channel, "two").expect("sent");
    assert_eq!(updates(&mut world), 2, "once a week, when it writes (M3)");
    world.sync("alice");
    assert_eq!(world.texts("alice", channel), ["bob: one", "bob: two"]);
}

#[test]
fn a_deleted_channel_is_gone() {
    let (mut world, channel) = group_of(&["alice", "bob"]);
    let denied = |result: &mut Result<Response, CallError>| {
        if let Ok(Response::ChannelState(_)) = result {
            *result = Err(CallError::Refused(ErrorCode::AccessDenied.into()));
        }
    };
    world.client("bob").crash();
    world.tamper = Some(("bob", Box::new(denied)));
    assert!(matches!(world.run("bob", Command::Sync), Ok(Outcome::Synced { .. })));
    assert_eq!(world.conversation("bob", channel).state, ConversationState::Gone);
}
