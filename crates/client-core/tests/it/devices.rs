//! Accounts with several devices.

use quicprochat_client_core::{Command, CommandError, Event, Outcome, store::ConversationState};

use crate::{groups::group_of, world::World};

#[test]
fn every_device_of_an_account_is_invited_and_reads_everything() {
    let mut world = World::new(&["alice", "bob"]);
    world.enrol("bob", "bob's laptop");
    // The first device notices the second one, and publishes a KeyPackage that names the new record.
    world.sync("bob");
    let channel = world.create("alice", "tea");
    world.invite("alice", channel, &["bob"]);
    for name in ["bob", "bob's laptop"] {
        world.sync(name);
        world.accept(name);
        world.sync(name);
    }
    world.send("alice", channel, "hello both").expect("sent");
    world.send("bob's laptop", channel, "hello from the laptop").expect("sent");
    for name in ["alice", "bob", "bob's laptop"] {
        world.sync(name);
        assert_eq!(world.texts(name, channel), ["alice: hello both", "bob: hello from the laptop"], "{name}");
    }
    assert_eq!(world.conversation("alice", channel).members.len(), 3);
    let again = world.run("alice", Command::Invite { channel, names: vec!["bob".to_owned()] });
    assert_eq!(again, Err(CommandError::MemberAlreadyIn));
}

#[test]
fn a_job_that_one_device_took_on_another_finishes() {
    let mut world = World::new(&["alice", "bob"]);
    let phone = world.enrol("bob", "bob's phone");
    world.enrol("bob", "bob's laptop");
    for name in ["bob", "bob's phone", "bob's laptop"] {
        world.sync(name);
    }
    let channel = world.create("alice", "tea");
    world.invite("alice", channel, &["bob"]);
    for name in ["bob", "bob's phone", "bob's laptop"] {
        world.sync(name);
        world.accept(name);
        world.sync(name);
    }
    world.revoke("bob", "bob", phone);
    // The device that revoked is never seen again.
    world.set_online("bob", false);
    world.sync("bob's laptop");
    world.sync("alice");
    let members = world.conversation("alice", channel).members;
    assert!(members.iter().all(|member| member.device != phone), "the job came with the vault (A5)");
    assert_eq!(members.len(), 3);
}

#[test]
fn a_device_enrolled_later_is_added_by_inviting_its_account_again() {
    let (mut world, channel) = group_of(&["alice", "bob"]);
    world.enrol("bob", "bob's laptop");
    world.invite("alice", channel, &["bob"]);
    world.sync("bob's laptop");
    world.accept("bob's laptop");
    world.send("alice", channel, "hello laptop").expect("sent");
    world.sync("bob's laptop");
    assert_eq!(world.texts("bob's laptop", channel), ["alice: hello laptop"]);
    world.sync("bob");
    assert_eq!(world.texts("bob", channel), ["alice: hello laptop"]);
}

#[test]
fn a_revoked_device_is_cut_off_from_server_and_channels_and_the_others_go_on() {
    let mut world = World::new(&["alice", "bob"]);
    let phone = world.enrol("bob", "bob's phone");
    world.enrol("bob", "bob's laptop");
    for name in ["bob", "bob's phone", "bob's laptop"] {
        world.sync(name);
    }
    let channel = world.create("alice", "tea");
    world.invite("alice", channel, &["bob"]);
    for name in ["bob", "bob's phone", "bob's laptop"] {
        world.sync(name);
        world.accept(name);
        world.sync(name);
    }
    assert!(world.is_taken("bob's phone"));
    world.revoke("bob", "bob", phone);
    assert!(!world.is_taken("bob's phone"), "refused at once");
    assert_eq!(world.run("bob", Command::RemoveDevice { device: phone }), Ok(Outcome::Done));
    let removed = |event: &Event| *event == Event::DeviceRemoved { device: phone };
    assert!(world.client("bob").events.iter().any(removed));
    world.send("alice", channel, "without the phone").expect("sent");
    // The phone learns it from the server; what it has of the channel ends with the removal.
    assert_eq!(world.run("bob's phone", Command::Sync), Err(CommandError::DeviceRevoked));
    assert!(world.client("bob's phone").events.contains(&Event::DeviceRevoked));
    assert!(world.texts("bob's phone", channel).is_empty());
    // The laptop was away for all of it: the new keys come from the vault and the keyring.
    world.sync("bob's laptop");
    assert_eq!(world.texts("bob's laptop", channel), ["alice: without the phone"]);
    world.send("bob's laptop", channel, "still here").expect("sent");
    world.sync("alice");
    assert_eq!(world.texts("alice", channel), ["alice: without the phone", "bob: still here"]);
    assert_eq!(world.conversation("alice", channel).members.len(), 3);
    assert_eq!(world.conversation("bob's phone", channel).state, ConversationState::Active, "it was not told");
}
