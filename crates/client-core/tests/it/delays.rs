//! Moments that a server must not be able to foretell, and pauses that it must not be troubled in.

use std::collections::BTreeMap;

use quicprochat_client_core::{
    CallError, Command, CommandError, Event, Outcome, StoreTx as _, SuiteChoice,
    store::{DeliveryBody, Standing},
};
use quicprochat_wire::{
    CallFailure, ConnectionKind, ErrorCode, MessageId, Request, Response, Timestamp, call::Done, time::Duration,
};

use crate::world::World;

/// Welcomes leave, and fresh tokens are spent, up to so long after they could (protocol.md sections 3 and 7).
const LONGEST_MS: u64 = 2_000;
const SECOND: Duration = Duration::from_secs(1);

/// Within the documented range, and all over it: each eighth is met.
fn assert_spread(delays: &[u64]) {
    let out = delays.iter().find(|delay| **delay >= LONGEST_MS);
    assert_eq!(out, None, "none is longer");
    for eighth in 0..8 {
        let (from, to) = (eighth * LONGEST_MS / 8, (eighth + 1) * LONGEST_MS / 8);
        let met = delays.iter().filter(|delay| (from..to).contains(delay)).count();
        assert!(met > 0 && met < delays.len() / 3, "{met} of {} in {from}..{to}: {delays:?}", delays.len());
    }
}

#[test]
fn a_welcome_leaves_at_a_random_moment_after_its_commit_and_not_before() {
    let mut world = World::new(&["alice", "bob", "carol", "dave"]);
    let mut delays = Vec::new();
    for round in 0..20 {
        // Another process has another seed.
        world.client("alice").crash();
        let channel = world.create("alice", "tea");
        world.run("alice", Command::RefillTokens).expect("refilled");
        world.pass(SECOND * 3);
        world.client("alice").calls.clear();
        let names = ["bob", "carol", "dave"].map(str::to_owned).to_vec();
        let invite = world.begin("alice", Command::Invite { channel, names });
        let mut moments: BTreeMap<MessageId, Timestamp> = BTreeMap::new();
        while !world.client("alice").done.contains_key(&invite) {
            world.step();
            let tx = world.client("alice").store.begin().expect("opens");
            let rows = tx.outbox().deliveries().expect("reads");
            let sealed = rows.iter().filter(|row| matches!(row.body, DeliveryBody::Sealed { .. }));
            moments.extend(sealed.map(|row| (row.id, row.not_before)));
        }
        let result = world.wait("alice", invite);
        assert!(matches!(&result, Ok(Outcome::Committed { undelivered, .. }) if undelivered.is_empty()), "{result:?}");
        let mut commit = None;
        let mut of_this = Vec::new();
        for (at, request) in &world.client("alice").calls {
            if let Request::ChannelEnqueue(enqueue) = request
                && enqueue.commit.is_some()
            {
                commit = Some(*at);
            } else if let Request::InboxDeliver(delivery) = request {
                let committed = commit.expect("the commit leaves first (M1)");
                assert_eq!(moments.get(&delivery.id), Some(at), "neither before its moment nor long after it");
                of_this.push(at.since(committed).as_millis() as u64);
            }
        }
        assert_eq!(of_this.len(), 3, "round {round}");
        of_this.sort_unstable();
        of_this.dedup();
        assert!(of_this.len() > 1, "each has a moment of its own");
        delays.append(&mut of_this);
    }
    assert_spread(&delays);
}

#[test]
fn a_fresh_token_is_spent_at_a_random_moment_and_not_at_once() {
    let mut world = World::new(&["alice"]);
    let mut delays = Vec::new();
    for _ in 0..60 {
        let client = world.client("alice");
        client.crash();
        client.calls.clear();
        let tx = client.store.begin().expect("opens");
        for token in tx.tokens().stock().expect("reads") {
            tx.tokens().delete_token(&token.token.nonce).expect("deletes");
        }
        tx.commit();
        let create = Command::CreateGroup { title: "tea".to_owned(), suite: SuiteChoice::Hybrid };
        let created = world.run("alice", create);
        assert!(matches!(created, Ok(Outcome::Created { .. })), "{created:?}");
        let calls = &world.client("alice").calls;
        let issued = calls.iter().find(|(_, request)| matches!(request, Request::TokenIssue(_)));
        let spent = calls.iter().find(|(_, request)| matches!(request, Request::ChannelCreate(_)));
        let (Some((issued, _)), Some((spent, _))) = (issued, spent) else { panic!("no token was issued and spent") };
        assert!(spent >= issued);
        delays.push(spent.since(*issued).as_millis() as u64);
        // An account gets so many tokens a day.
        world.pass(SECOND * 24 * 3600);
    }
    assert_spread(&delays);
}

/// When alice tried to authenticate.
fn attempts(world: &mut World) -> Vec<Timestamp> {
    let calls = world.client("alice").calls.iter();
    calls.filter(|(_, request)| matches!(request, Request::Authenticate(_))).map(|(at, _)| *at).collect()
}

fn refuse(world: &mut World, failure: CallFailure) {
    let refused = move |result: &mut Result<Response, CallError>| {
        if *result == Ok(Response::Done(Done)) {
            *result = Err(CallError::Refused(failure));
        }
    };
    world.tamper = Some(("alice", Box::new(refused)));
    world.client("alice").crash();
    world.client("alice").calls.clear();
}

#[test]
fn a_refused_authentication_is_tried_again_after_growing_jittered_bounded_pauses() {
    let mut world = World::new(&["alice"]);
    refuse(&mut world, ErrorCode::Unavailable.into());
    world.begin("alice", Command::Listen);
    world.pass(SECOND * 600);
    let pauses = |found: &[Timestamp]| -> Vec<u64> {
        found.windows(2).map(|pair| pair[1].since(pair[0]).as_millis() as u64).collect()
    };
    let found = pauses(&attempts(&mut world));
    assert!((9..=15).contains(&found.len()), "{found:?}");
    for (pause, low) in found.iter().zip([1, 2, 4, 8, 16, 32].into_iter().chain(std::iter::repeat(60))) {
        assert!((low * 1_000..low * 1_500).contains(pause), "{pause} ms where {low} s are due: {found:?}");
    }
    let jitter: Vec<u64> = found.iter().map(|pause| pause % 1_000).collect();
    assert!(jitter.windows(2).any(|pair| pair[0] != pair[1]), "{found:?}");
    // The server recovers; the next trouble begins with a short pause again.
    world.tamper = None;
    world.pass(SECOND * 120);
    let before = attempts(&mut world).len();
    world.pass(SECOND * 3_600);
    assert_eq!(attempts(&mut world).len(), before, "it is signed in");
    let unavailable = |result: &mut Result<Response, CallError>| {
        if *result == Ok(Response::Done(Done)) {
            *result = Err(CallError::Refused(ErrorCode::Unavailable.into()));
        }
    };
    world.tamper = Some(("alice", Box::new(unavailable)));
    world.cut("alice", ConnectionKind::Account);
    world.client("alice").calls.clear();
    world.pass(SECOND * 30);
    let found = pauses(&attempts(&mut world));
    assert!(found[0] < 3_000, "{found:?}");
}

#[test]
fn a_server_that_names_a_pause_is_left_alone_for_so_long() {
    let mut world = World::new(&["alice"]);
    refuse(&mut world, CallFailure::retry(ErrorCode::RateLimited, SECOND * 300));
    world.begin("alice", Command::Listen);
    world.pass(SECOND * 299);
    assert_eq!(attempts(&mut world).len(), 1);
    world.pass(SECOND * 200);
    assert_eq!(attempts(&mut world).len(), 2);
}

#[test]
fn a_device_that_was_revoked_is_not_tried_again_and_one_that_nobody_knows_seldom() {
    let standing = |world: &mut World| {
        let tx = world.client("alice").store.begin().expect("opens");
        tx.account().own_account().expect("reads").expect("an account").standing
    };
    let mut world = World::new(&["alice"]);
    refuse(&mut world, ErrorCode::DeviceRevoked.into());
    world.begin("alice", Command::Listen);
    world.pass(SECOND * 3_600);
    assert_eq!(attempts(&mut world).len(), 1);
    assert_eq!(standing(&mut world), Standing::Revoked);

    let mut world = World::new(&["alice"]);
    refuse(&mut world, ErrorCode::NotFound.into());
    let listening = world.begin("alice", Command::Listen);
    world.pass(SECOND * 3_600);
    let found = attempts(&mut world);
    assert!((8..=13).contains(&found.len()), "{found:?}");
    assert!(found.windows(2).all(|pair| pair[1].since(pair[0]) >= SECOND * 300), "{found:?}");
    assert_eq!(standing(&mut world), Standing::Enrolled, "it may be known again");
    let told = |event: &&Event| **event == Event::DeviceUnknown;
    assert_eq!(world.client("alice").events.iter().filter(told).count(), 1, "it is said once");
    assert!(!world.client("alice").done.contains_key(&listening));
    let refill = world.run("alice", Command::RefillTokens);
    assert_eq!(refill, Err(CommandError::DeviceUnknown));
    assert_eq!(world.run("alice", Command::Sync), Err(CommandError::DeviceUnknown));
    world.tamper = None;
    assert_eq!(world.run("alice", Command::RefillTokens), Ok(Outcome::Done), "a new wish tries at once");
}
