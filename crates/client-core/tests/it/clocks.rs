//! Devices whose clocks are wrong.

use quicprochat_client_core::{Command, Event, Outcome, StoreTx as _, store::DeliveryBody};
use quicprochat_wire::time::Duration;

use crate::{groups::group_of, world::World};

const DAY: Duration = Duration::from_secs(24 * 3600);
const SOON: Duration = Duration::from_secs(60);
const DAY_MS: i64 = 24 * 3600 * 1000;
const CAST: [&str; 3] = ["alice", "bob", "carol"];

/// What the engine of that name said about its clock: how far, and whether ahead.
fn told(world: &mut World, name: &str) -> Vec<(u64, bool)> {
    let mut found = Vec::new();
    for event in &world.client(name).events {
        if let Event::ClockOff { by, ahead } = event {
            found.push((by.as_secs(), *ahead));
        }
    }
    found
}

fn drop_tokens(world: &mut World, name: &str) {
    let tx = world.client(name).store.begin().expect("opens");
    for token in tx.tokens().stock().expect("reads") {
        tx.tokens().delete_token(&token.token.nonce).expect("deletes");
    }
    tx.commit();
}

#[test]
fn a_clock_that_is_a_day_off_is_told_once_and_loses_nothing() {
    let (mut world, channel) = group_of(&CAST);
    world.client("bob").clock_off = DAY_MS;
    world.client("carol").clock_off = -DAY_MS;
    for name in ["bob", "carol"] {
        // The clock was wrong before the process started.
        world.client(name).crash();
    }
    let mut said = Vec::new();
    // Over a whole epoch of tokens: on its last day the clock that is ahead is in the next one.
    for day in 0..8 {
        for name in CAST {
            let text = format!("{name} on day {day}");
            assert!(matches!(world.send(name, channel, &text), Ok(Outcome::Sent { .. })), "{text}");
            said.push(format!("{name}: {text}"));
            drop_tokens(&mut world, name);
            assert_eq!(world.run(name, Command::RefillTokens), Ok(Outcome::Done), "{text}");
        }
        for name in CAST {
            world.sync(name);
            assert_eq!(world.texts(name, channel), said, "{name}");
        }
        world.pass(DAY);
    }
    assert_eq!(told(&mut world, "bob"), [(24 * 3600, true)]);
    assert_eq!(told(&mut world, "carol"), [(24 * 3600, false)]);
    assert_eq!(told(&mut world, "alice"), []);
}

/// The process ends, the clock is set right, and another process starts.
fn set_right(world: &mut World, name: &str) {
    world.client(name).clock_off = 0;
    world.client(name).crash();
}

#[test]
fn a_clock_that_is_set_right_loses_nothing() {
    for off in [DAY_MS, -DAY_MS] {
        let mut world = World::new(&["alice", "bob"]);
        world.client("bob").clock_off = off;
        let channel = world.create("alice", "tea");
        world.run("bob", Command::RotateKeyPackage).expect("rotated");
        world.invite("alice", channel, &["bob"]);
        world.sync("bob");
        world.accept("bob");
        world.send("bob", channel, "by the wrong clock").expect("sent");
        set_right(&mut world, "bob");
        world.send("bob", channel, "by the right clock").expect("sent");
        world.send("alice", channel, "indeed").expect("sent");
        for name in ["alice", "bob"] {
            world.sync(name);
            let all = ["bob: by the wrong clock", "bob: by the right clock", "alice: indeed"];
            assert_eq!(world.texts(name, channel), all, "{name}, {off}");
        }
    }
}

#[test]
fn what_a_clock_put_off_does_not_wait_for_the_day_when_it_is_set_back() {
    let mut world = World::new(&["alice", "bob"]);
    world.client("bob").clock_off = DAY_MS;
    // Fresh tokens, which are spent a moment later.
    world.run("bob", Command::RefillTokens).expect("refilled");
    set_right(&mut world, "bob");
    let begun = world.now;
    let channel = world.create("bob", "tea");
    assert!(world.now.since(begun) < SOON, "{:?}", world.now.since(begun));
    // An invitation that leaves a moment after its commit, claimed by a process that died.
    world.client("bob").clock_off = DAY_MS;
    let invite = Command::Invite { channel, names: vec!["alice".to_owned()] };
    world.begin("bob", invite);
    let sealed = |world: &mut World| {
        let tx = world.client("bob").store.begin().expect("opens");
        let rows = tx.outbox().deliveries().expect("reads");
        rows.iter().any(|row| matches!(row.body, DeliveryBody::Sealed { .. }))
    };
    while !sealed(&mut world) {
        world.step();
    }
    set_right(&mut world, "bob");
    let begun = world.now;
    world.sync("bob");
    assert!(world.now.since(begun) < SOON, "{:?}", world.now.since(begun));
    world.sync("alice");
    world.accept("alice");
    world.send("bob", channel, "here you are").expect("sent");
    world.sync("alice");
    assert_eq!(world.texts("alice", channel), ["bob: here you are"]);
}
