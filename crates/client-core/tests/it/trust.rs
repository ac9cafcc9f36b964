//! Strangers, contacts, changed keys.

use quicprochat_client_core::{
    Command, CommandError, Event, Outcome, StoreTx as _, SuiteChoice, TrustWarning,
    store::{InvitationState, Relation},
};

use crate::world::{World, text_content};

fn dm(name: &str, text: &str) -> Command {
    Command::Dm { name: name.to_owned(), content: text_content(text), suite: SuiteChoice::Hybrid }
}

#[test]
fn a_strangers_invitation_waits_and_a_contacts_is_joined() {
    let mut world = World::new(&["alice", "bob"]);
    let channel = world.create("alice", "tea");
    world.invite("alice", channel, &["bob"]);
    world.sync("bob");
    let asked = |event: &Event| matches!(event, Event::Request { name, .. } if name == "alice");
    assert_eq!(world.client("bob").events.iter().filter(|event| asked(event)).count(), 1);
    world.accept("bob");
    let second = world.create("alice", "coffee");
    world.invite("alice", second, &["bob"]);
    world.sync("bob");
    assert_eq!(world.conversation("bob", second).title, "coffee", "alice is a contact by now");
    // It goes both ways: alice invited bob, so he is her contact.
    let third = world.create("bob", "cake");
    world.invite("bob", third, &["alice"]);
    world.sync("alice");
    assert_eq!(world.conversation("alice", third).title, "cake");
}

#[test]
fn a_blocked_stranger_is_not_heard_again() {
    let mut world = World::new(&["alice", "bob"]);
    let channel = world.create("alice", "tea");
    world.invite("alice", channel, &["bob"]);
    world.sync("bob");
    let invitation = {
        let tx = world.client("bob").store.begin().expect("opens");
        tx.inbox().invitations().expect("reads")[0].clone()
    };
    assert_eq!(invitation.state, InvitationState::Request);
    assert_eq!(world.run("bob", Command::BlockRequest { invitation: invitation.id }), Ok(Outcome::Done));
    let again = world.run("bob", Command::AcceptRequest { invitation: invitation.id });
    assert_eq!(again, Err(CommandError::RequestState { state: InvitationState::Blocked }));
    let second = world.create("alice", "please");
    world.invite("alice", second, &["bob"]);
    world.sync("bob");
    let tx = world.client("bob").store.begin().expect("opens");
    assert_eq!(tx.inbox().invitations().expect("reads").len(), 1);
    let alice = tx.contacts().contact(&invitation.from).expect("reads").expect("there");
    assert_eq!(alice.relation, Relation::Blocked);
}

#[test]
fn a_changed_key_blocks_until_the_person_accepts_it() {
    let mut world = World::new(&["alice", "bob"]);
    assert!(matches!(world.run("alice", dm("bob", "hello")), Ok(Outcome::Sent { .. })));
    assert!(matches!(world.run("alice", Command::Verify { name: "bob".to_owned() }), Ok(Outcome::Found { .. })));
    // Somebody else is called bob now.
    world.delete_account("bob");
    world.register("bob");
    let changed = CommandError::KeyChanged { name: "bob".to_owned() };
    let channel = world.create("alice", "tea");
    let invite = Command::Invite { channel, names: vec!["bob".to_owned()] };
    assert_eq!(world.run("alice", invite.clone()), Err(changed.clone()));
    let warned = |event: &Event| matches!(event, Event::Trust(TrustWarning::KeyChanged { name, .. }) if name == "bob");
    assert!(world.client("alice").events.iter().any(warned));
    assert_eq!(world.run("alice", dm("bob", "secret")), Err(changed.clone()));
    assert_eq!(world.run("alice", Command::Verify { name: "bob".to_owned() }), Err(changed.clone()));
    let accepted = world.run("alice", Command::AcceptChangedKey { name: "bob".to_owned() });
    assert!(matches!(accepted, Ok(Outcome::Found { .. })), "{accepted:?}");
    assert!(matches!(world.run("alice", invite), Ok(Outcome::Committed { .. })));
    assert!(matches!(world.run("alice", dm("bob", "hello new bob")), Ok(Outcome::Sent { .. })));
    world.sync("bob");
    let tx = world.client("alice").store.begin().expect("opens");
    let bob = tx.contacts().contact_by_name("bob", "").expect("reads").expect("there");
    assert!(!bob.verified, "a new key was never compared");
}
