//! The world itself, with probes in the place of engines.

use quicprochat_client_core::Command;
use quicprochat_testkit::{DeviceIx, Faults, Runner, Setup, World};
use quicprochat_wire::Duration;

use crate::probe::probes;

const ALICE: DeviceIx = DeviceIx(0);
const MINUTE: Duration = Duration::from_secs(60);

fn invites(world: &World) -> usize {
    let dump = world.server_store().dump();
    dump.iter().find(|table| table.name == "invites").expect("there").rows.len()
}

#[test]
fn registered_people_reach_the_server_and_are_answered() {
    let (told, make) = probes();
    let mut world = World::new(&Setup { more_devices: 2, ..Setup::quiet(1, 5) }, make);
    assert_eq!(world.devices().len(), 7);
    for device in 0..7 {
        world.give(DeviceIx(device), Command::Listen, Runner::Resident);
    }
    world.run_for(MINUTE);
    assert_eq!(told.borrow().codes.len(), 7, "{}", world.journal());
    assert_eq!(invites(&world), 7);
}

#[test]
fn a_lost_answer_leaves_its_call_done() {
    let (told, make) = probes();
    let mut world = World::new(&Setup::quiet(2, 1), make);
    world.give(ALICE, Command::Listen, Runner::Resident);
    assert!(world.run_until(MINUTE, |_| told.borrow().codes.len() == 1));
    world.set_faults(Faults { lost_answer: 500, ..Faults::none() });
    let enough = |world: &World| invites(world) > told.borrow().codes.len() + 1;
    // Each break lets the probe ask anew.
    for _ in 0..50 {
        world.break_links(ALICE);
        world.run_for(MINUTE);
        if enough(&world) {
            break;
        }
    }
    assert!(enough(&world), "calls are done whose answer was lost: {}", world.journal());
}

#[test]
fn who_is_offline_is_told_so_and_comes_back() {
    let (told, make) = probes();
    let mut world = World::new(&Setup::quiet(3, 1), make);
    world.set_online(ALICE, false);
    world.give(ALICE, Command::Listen, Runner::Resident);
    world.run_for(MINUTE);
    assert!(told.borrow().links_down > 10);
    assert_eq!(invites(&world), 0);
    world.set_online(ALICE, true);
    world.run_for(MINUTE);
    assert_eq!(told.borrow().codes.len(), 1);
}

#[test]
fn a_failed_transaction_leaves_nothing_and_a_committed_one_stays() {
    let (told, make) = probes();
    let mut world = World::new(&Setup::quiet(4, 1), make);
    world.set_faults(Faults { client_commit: 1_000, ..Faults::none() });
    world.give(ALICE, Command::Listen, Runner::Resident);
    world.run_for(MINUTE);
    assert!(told.borrow().starts > 5, "it starts again and again");
    assert!(told.borrow().found.iter().all(Option::is_none));
    world.set_faults(Faults::none());
    world.run_for(MINUTE);
    assert_eq!(told.borrow().codes.len(), 1);
    world.kill(ALICE);
    world.run_for(MINUTE);
    assert_eq!(told.borrow().found.last(), Some(&Some(b"asked".to_vec())));
}

#[test]
fn a_server_that_dies_at_its_writes_comes_back_with_what_it_acknowledged() {
    let (told, make) = probes();
    let mut world = World::new(&Setup::quiet(5, 5), make);
    world.set_faults(Faults { server_crash: 300, ..Faults::none() });
    for device in 0..5 {
        world.give(DeviceIx(device), Command::Listen, Runner::Resident);
    }
    world.run_for(MINUTE * 5);
    assert!(told.borrow().links_down > 0, "it died: {}", world.journal());
    let codes = told.borrow().codes.clone();
    assert!(codes.len() >= 5, "{}", world.journal());
    let dump = world.server_store().dump();
    let rows = format!("{:?}", dump.iter().find(|table| table.name == "invites").expect("there").rows);
    assert!(codes.iter().all(|code| rows.contains(code)), "an acknowledged code is missing");
}

#[test]
fn a_seed_repeats_line_by_line_and_another_seed_does_not() {
    let run = |seed| {
        let faults =
            Faults { slow: 50, lost_answer: 50, broken_link: 30, client_crash: 20, server_crash: 20, ..Faults::none() };
        let (_, make) = probes();
        let mut world = World::new(&Setup { skew: MINUTE, ..Setup { faults, ..Setup::quiet(seed, 5) } }, make);
        for device in 0..5 {
            world.give(DeviceIx(device), Command::Listen, Runner::Resident);
        }
        for step in 0..20 {
            world.break_links(DeviceIx(step % 5));
            world.run_for(MINUTE);
        }
        (world.journal().count(), world.journal().hash())
    };
    let (count, hash) = run(6);
    assert!(count > 300, "{count} lines");
    assert_eq!(run(6), (count, hash));
    assert_ne!(run(7).1, hash);
}
