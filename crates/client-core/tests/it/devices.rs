//! Accounts with several devices.

use quicprochat_client_core::{
    CallError, Command, CommandError, Event, Outcome, StoreTx as _,
    store::{ConversationState, InvitationState, RejoinReason},
    views,
};
use quicprochat_e2ee::mls::{Provider, delete_key_package};
use quicprochat_wire::{ChannelId, ConnectionKind, DeviceId, ErrorCode, Request, Response, time::Duration};

use crate::{
    groups::group_of,
    world::{Seeded, World},
};

const DAY: Duration = Duration::from_secs(24 * 3600);
/// All that Bob has where he has three.
const BOBS: [&str; 3] = ["bob", "bob's phone", "bob's laptop"];

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

/// Bob has three devices, one of them a phone, and alice has invited him.
fn with_three_devices() -> (World, ChannelId, DeviceId) {
    let mut world = World::new(&["alice", "bob"]);
    let phone = world.enrol("bob", "bob's phone");
    world.enrol("bob", "bob's laptop");
    for name in BOBS {
        world.sync(name);
    }
    let channel = world.create("alice", "tea");
    world.invite("alice", channel, &["bob"]);
    (world, channel, phone)
}

fn all_accept(world: &mut World) {
    for name in BOBS {
        world.sync(name);
        world.accept(name);
        world.sync(name);
    }
}

#[test]
fn a_job_that_one_device_took_on_another_finishes() {
    let (mut world, channel, phone) = with_three_devices();
    all_accept(&mut world);
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
fn a_device_revoked_while_an_invitation_waited_is_removed_once_it_is_accepted() {
    let (mut world, channel, phone) = with_three_devices();
    for name in ["bob", "bob's laptop"] {
        world.sync(name);
    }
    world.revoke("bob", "bob", phone);
    world.sync("bob");
    let jobs = |world: &mut World| {
        let tx = world.client("bob").store.begin().expect("opens");
        tx.upkeep().revocation_jobs().expect("reads").len()
    };
    assert_eq!(jobs(&mut world), 0, "no conversation had the phone, so the job is done");
    world.accept("bob");
    world.sync("bob");
    world.sync("alice");
    let members = world.conversation("alice", channel).members;
    assert_eq!(members.len(), 3);
    assert!(members.iter().all(|member| member.device != phone), "the own record says that it was revoked");
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

/// What was on its way when the server said so: the commit that removes the device, and what follows it.
#[test]
fn a_revoked_device_that_listens_takes_in_nothing_more() {
    let mut world = World::new(&["alice", "bob"]);
    let phone = world.enrol("bob", "bob's phone");
    for name in ["bob", "bob's phone"] {
        world.sync(name);
    }
    let channel = world.create("alice", "tea");
    world.invite("alice", channel, &["bob"]);
    for name in ["bob", "bob's phone"] {
        world.sync(name);
        world.accept(name);
        world.sync(name);
    }
    world.begin("bob's phone", Command::Listen);
    world.settle();
    world.revoke("bob", "bob", phone);
    world.settle();
    assert!(world.client("bob's phone").events.contains(&Event::DeviceRevoked));
    assert_eq!(world.run("bob", Command::RemoveDevice { device: phone }), Ok(Outcome::Done));
    world.send("alice", channel, "without the phone").expect("sent");
    world.settle();
    assert!(world.texts("bob's phone", channel).is_empty());
}

#[test]
fn a_revoked_device_whose_link_breaks_with_a_call_on_its_way_just_stops() {
    let mut world = World::new(&["bob"]);
    let phone = world.enrol("bob", "bob's phone");
    for name in ["bob", "bob's phone"] {
        world.sync(name);
    }
    world.client("bob's phone").crash();
    world.client("bob's phone").calls.clear();
    world.begin("bob's phone", Command::Listen);
    let asked = |world: &mut World| {
        world.client("bob's phone").calls.iter().any(|(_, call)| matches!(call, Request::OwnRecord(_)))
    };
    while !asked(&mut world) {
        world.step();
    }
    // The answer never comes.
    drop(world.client("bob's phone").hold());
    world.revoke("bob", "bob", phone);
    world.settle();
    assert!(world.client("bob's phone").events.contains(&Event::DeviceRevoked));
    world.cut("bob's phone", ConnectionKind::Account);
    world.settle();
    assert_eq!(world.run("bob's phone", Command::Sync), Err(CommandError::DeviceRevoked));
}

#[test]
fn a_device_that_slept_through_a_revocation_of_another_is_still_a_member() {
    let (mut world, channel, phone) = with_three_devices();
    all_accept(&mut world);
    world.revoke("bob", "bob", phone);
    assert_eq!(world.run("bob", Command::RemoveDevice { device: phone }), Ok(Outcome::Done));
    // The keyring is for an inbox key that the laptop has not heard of; a command that is not about the account finds that out.
    let sent = world.send("bob's laptop", channel, "who is here?");
    assert!(matches!(sent, Ok(Outcome::Sent { .. })), "{sent:?}");
    assert_eq!(world.conversation("bob's laptop", channel).state, ConversationState::Active);
    // Without the account's connection nobody can tell: the laptop waits, and is not out.
    let (mut world, channel, phone) = with_three_devices();
    all_accept(&mut world);
    world.revoke("bob", "bob", phone);
    assert_eq!(world.run("bob", Command::RemoveDevice { device: phone }), Ok(Outcome::Done));
    let unavailable = |result: &mut Result<Response, CallError>| {
        if let Ok(Response::Record(_)) = result {
            *result = Err(CallError::Refused(ErrorCode::Unavailable.into()));
        }
    };
    world.tamper = Some(("bob's laptop", Box::new(unavailable)));
    let queued = world.send("bob's laptop", channel, "is anybody here?");
    assert!(matches!(queued, Ok(Outcome::Queued { .. })), "{queued:?}");
    assert_eq!(world.conversation("bob's laptop", channel).state, ConversationState::Active);
    world.tamper = None;
    world.sync("bob's laptop");
    world.sync("alice");
    assert_eq!(world.texts("alice", channel), ["bob: is anybody here?"]);
}

#[test]
fn a_revoked_device_is_cut_off_from_server_and_channels_and_the_others_go_on() {
    let (mut world, channel, phone) = with_three_devices();
    all_accept(&mut world);
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

/// Bob's conversations, his requests, and how many invitations his device could not open.
fn seen(world: &mut World, name: &str) -> (usize, usize, u64) {
    let tx = world.client(name).store.begin().expect("opens");
    let conversations = tx.conversations().all_conversations().expect("reads").len();
    let invitations = tx.inbox().invitations().expect("reads");
    let requests = invitations.iter().filter(|found| found.state == InvitationState::Request).count();
    (conversations, requests, views::unopened_invitations(&tx).expect("reads"))
}

fn told_of_a_state(world: &mut World, name: &str) -> bool {
    world.client(name).events.iter().any(|event| matches!(event, Event::State { .. }))
}

#[test]
fn an_invitation_that_only_another_device_can_open_is_silent() {
    let mut world = World::new(&["alice", "bob"]);
    world.enrol("bob", "bob's laptop");
    // The first device's KeyPackage names the record before the enrolment, so that it cannot be added.
    let channel = world.create("alice", "tea");
    world.invite("alice", channel, &["bob"]);
    world.sync("bob");
    world.sync("bob's laptop");
    assert_eq!(seen(&mut world, "bob"), (0, 0, 1));
    assert!(!told_of_a_state(&mut world, "bob"));
    assert_eq!(seen(&mut world, "bob's laptop"), (0, 1, 0));
    world.accept("bob's laptop");
    world.send("alice", channel, "hello laptop").expect("sent");
    world.sync("bob's laptop");
    assert_eq!(world.texts("bob's laptop", channel), ["alice: hello laptop"]);
    // Another look at the inbox counts nothing twice; the next invitation brings the device in.
    world.sync("bob");
    assert_eq!(seen(&mut world, "bob"), (0, 0, 1));
    world.invite("alice", channel, &["bob"]);
    world.sync("bob");
    world.accept("bob");
    assert_eq!(world.conversation("bob", channel).state, ConversationState::Active);
    assert_eq!(world.conversation("alice", channel).members.len(), 3);
}

/// A conversation that bob's devices are invited to, and that his laptop joined; his phone's request waits until the
/// private key of its KeyPackage is deleted.
fn overslept() -> (World, ChannelId) {
    let mut world = World::new(&["alice", "bob"]);
    world.enrol("bob", "bob's laptop");
    world.sync("bob");
    let channel = world.create("alice", "tea");
    world.invite("alice", channel, &["bob"]);
    for name in ["bob", "bob's laptop"] {
        world.sync(name);
        assert_eq!(seen(&mut world, name), (0, 1, 0), "{name}");
    }
    world.accept("bob's laptop");
    for _ in 0..8 {
        world.pass(DAY * 5);
        world.sync("bob");
    }
    (world, channel)
}

#[test]
fn a_request_that_outlived_its_key_package_is_accepted_by_entering_anew() {
    let (mut world, channel) = overslept();
    world.send("bob's laptop", channel, "are you there?").expect("sent");
    let request = {
        let tx = world.client("bob").store.begin().expect("opens");
        tx.inbox().invitations().expect("reads")[0].id
    };
    let accepted = world.run("bob", Command::AcceptRequest { invitation: request });
    assert_eq!(accepted, Ok(Outcome::Joined { channel }), "the device has a leaf, and takes its place (M1)");
    assert_eq!(seen(&mut world, "bob"), (1, 0, 0));
    assert_eq!(world.conversation("bob", channel).state, ConversationState::Active);
    for name in ["bob's laptop", "alice"] {
        world.sync(name);
        assert_eq!(world.conversation(name, channel).members.len(), 3, "{name}");
    }
    world.send("alice", channel, "hello both").expect("sent");
    for name in ["bob", "bob's laptop"] {
        world.sync(name);
        let read = world.texts(name, channel);
        assert!(read.ends_with(&["alice: hello both".to_owned()]), "{name}: {read:?}");
    }
}

#[test]
fn a_request_that_outlived_its_key_package_fails_where_the_device_was_removed_since() {
    let (mut world, channel) = overslept();
    world.run("alice", Command::Remove { channel, name: "bob".to_owned() }).expect("removed");
    let request = {
        let tx = world.client("bob").store.begin().expect("opens");
        tx.inbox().invitations().expect("reads")[0].id
    };
    let accepted = world.run("bob", Command::AcceptRequest { invitation: request });
    assert_eq!(accepted, Err(CommandError::JoinFailed), "the person hears that it leads nowhere");
    assert!(!told_of_a_state(&mut world, "bob"), "and sees no broken conversation");
}

#[test]
fn a_leaf_that_lay_about_for_days_is_renewed_as_soon_as_its_device_is_there() {
    let mut world = World::new(&["alice", "bob", "carol"]);
    let channel = world.create("alice", "tea");
    world.invite("alice", channel, &["bob", "carol"]);
    for name in ["bob", "carol"] {
        world.sync(name);
    }
    world.accept("carol");
    world.sync("carol");
    assert!(world.conversation("carol", channel).fresh_leaf, "she has a day's time");
    world.send("alice", channel, "hello").expect("sent");
    world.pass(DAY * 2);
    world.accept("bob");
    world.sync("bob");
    assert_eq!(world.texts("bob", channel), ["alice: hello"], "its Welcome opens, so nothing is lost to him");
    assert!(!world.conversation("bob", channel).fresh_leaf, "his keys were out there for two days");
}

fn joining(world: &mut World, name: &str) -> bool {
    let tx = world.client(name).store.begin().expect("opens");
    let invitations = tx.inbox().invitations().expect("reads");
    invitations.iter().any(|found| found.state == InvitationState::Joining)
}

#[test]
fn whoever_cannot_open_the_welcome_enters_by_itself() {
    let (mut world, channel) = group_of(&["alice", "bob"]);
    world.run("alice", Command::Remove { channel, name: "bob".to_owned() }).expect("removed");
    world.sync("bob");
    assert_eq!(world.conversation("bob", channel).state, ConversationState::Removed);
    world.invite("alice", channel, &["bob"]);
    // The process dies once the inbox is read; when another one starts, the KeyPackage's private key is gone.
    world.begin("bob", Command::Sync);
    while !joining(&mut world, "bob") {
        world.step();
    }
    world.client("bob").crash();
    let tx = world.client("bob").store.begin().expect("opens");
    for package in tx.upkeep().key_packages().expect("reads") {
        let mut entropy = Seeded::new(3);
        delete_key_package(&Provider::new(tx.mls(), &mut entropy), &package.key_package).expect("deletes");
        tx.upkeep().delete_key_package(&package.key_package).expect("deletes");
    }
    tx.commit();
    world.sync("bob");
    let state = ConversationState::NeedsRejoin { reason: RejoinReason::BadWelcome };
    let told = |event: &Event| matches!(event, Event::State { state: told, .. } if *told == state);
    assert!(world.client("bob").events.iter().any(told));
    // His account is in the group, so he enters without the Welcome.
    assert_eq!(world.conversation("bob", channel).state, ConversationState::Active);
    world.send("bob", channel, "in again").expect("sent");
    world.sync("alice");
    assert_eq!(world.texts("alice", channel), ["bob: in again"]);
}
