//! Engines on a good day.

use quicprochat_client_core::{
    Command, CommandId, Outcome, SuiteChoice,
    content::{MimiContent, Salt},
    store::LogBody,
};
use quicprochat_testkit::{DeviceIx, Fate, Runner, Setup, World, engines};
use quicprochat_wire::{ChannelId, Duration};

const ALICE: DeviceIx = DeviceIx(0);
const BOB: DeviceIx = DeviceIx(1);
const CAROL: DeviceIx = DeviceIx(2);
const MINUTE: Duration = Duration::from_secs(60);

fn done(world: &mut World, command: CommandId) -> Outcome {
    world.run_until(MINUTE * 5, |world| *world.fate(command) != Fate::Open);
    match world.fate(command) {
        Fate::Done(Ok(outcome)) => outcome.clone(),
        other => panic!("{other:?}\n{}", world.journal()),
    }
}

fn text(text: &str) -> Vec<u8> {
    MimiContent::text(text, "", Salt::new([text.len() as u8; 16])).encode().expect("encodes")
}

fn texts(world: &World, device: DeviceIx, channel: &ChannelId) -> Vec<String> {
    let entries = world.log(device, channel).into_iter();
    let contents = entries.filter_map(|entry| match entry.body {
        LogBody::Content { content } => Some(content),
        _ => None,
    });
    contents.map(|content| MimiContent::decode(&content).expect("decodes").as_text().expect("text")).collect()
}

#[test]
fn three_people_talk_in_a_group() {
    let mut world = World::new(&Setup::quiet(1, 3), engines());
    for device in [ALICE, BOB, CAROL] {
        world.give(device, Command::Listen, Runner::Resident);
    }
    let create = world.give(
        ALICE,
        Command::CreateGroup { title: "plans".to_owned(), suite: SuiteChoice::Hybrid },
        Runner::Resident,
    );
    let Outcome::Created { channel } = done(&mut world, create) else { panic!() };
    let names = vec!["bob".to_owned(), "carol".to_owned()];
    let invite = world.give(ALICE, Command::Invite { channel, names }, Runner::Resident);
    done(&mut world, invite);
    world.run_for(MINUTE);
    for device in [BOB, CAROL] {
        let found = world.read(device, |tx| tx.inbox().invitations()).expect("in memory");
        let accept = Command::AcceptRequest { invitation: found[0].id };
        let accept = world.give(device, accept, Runner::Resident);
        done(&mut world, accept);
    }
    world.run_for(MINUTE);
    let send = world.give(ALICE, Command::Send { channel, content: text("hello") }, Runner::Resident);
    done(&mut world, send);
    world.run_for(MINUTE);
    assert_eq!(texts(&world, BOB, &channel), ["hello"], "{}", world.journal());
}
