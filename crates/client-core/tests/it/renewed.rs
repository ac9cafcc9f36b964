//! Accounts whose server was put back to an older record of them, and shows it, or only pretends (A1, A5, ADR 0014).

use quicprochat_client_core::{
    Command, CommandError, Event, Outcome, TrustWarning, auth::CeremonyError, command::RecordFault,
    store::ConversationState,
};
use quicprochat_server_core::store::memory::MemoryStore as ServerStore;
use quicprochat_wire::{ChannelId, DeviceId, Response, call::directory::Record};

use crate::world::World;

const PHONE: &str = "alice's phone";
const TABLET: &str = "alice's tablet";
const ALICES: [&str; 3] = ["alice", TABLET, PHONE];

fn look_up(world: &mut World, by: &str, name: &str) -> Result<Outcome, CommandError> {
    world.run(by, Command::LookUp { name: name.to_owned() })
}

fn rolled_back() -> CommandError {
    CommandError::BadRecord { name: "alice".to_owned(), fault: RecordFault::RolledBack }
}

fn serial(world: &mut World, name: &str) -> u64 {
    world.device(name).identity.serial()
}

/// What a client was told to be wrong with its own record.
fn warned(world: &mut World, name: &str) -> Vec<CeremonyError> {
    let told = |event: &Event| {
        if let Event::Trust(TrustWarning::OwnRecord { reason }) = event { Some(reason.clone()) } else { None }
    };
    world.client(name).events.iter().filter_map(told).collect()
}

fn members(world: &mut World, by: &str, channel: ChannelId) -> Vec<DeviceId> {
    world.conversation(by, channel).members.iter().map(|member| member.device).collect()
}

/// Alice has three devices in a group with bob; the backup is of then. After it she revoked the phone, and bob has seen that.
fn revoked_since() -> (World, ChannelId, DeviceId, ServerStore) {
    let mut world = World::new(&["alice", "bob"]);
    world.enrol("alice", TABLET);
    let phone = world.enrol("alice", PHONE);
    for name in ALICES {
        world.sync(name);
    }
    let channel = world.create("bob", "tea");
    world.invite("bob", channel, &["alice"]);
    for name in ALICES {
        world.sync(name);
        world.accept(name);
        world.sync(name);
    }
    world.sync("bob");
    let backup = world.back_up_server();
    world.revoke("alice", "alice", phone);
    assert_eq!(world.run("alice", Command::RemoveDevice { device: phone }), Ok(Outcome::Done));
    for name in ["alice", TABLET, "bob"] {
        world.sync(name);
    }
    assert!(matches!(look_up(&mut world, "bob", "alice"), Ok(Outcome::Found { .. })));
    (world, channel, phone, backup)
}

#[test]
fn what_was_revoked_since_the_backup_is_revoked_again_and_everybody_goes_on() {
    let (mut world, channel, phone, backup) = revoked_since();
    let seen = serial(&mut world, "alice");
    world.put_server_back(&backup);
    assert!(world.is_taken(PHONE), "it counts again");
    // Nobody goes on by himself: the server may lie.
    let refused = CeremonyError::RecordRolledBack { seen, found: seen - 1 };
    assert_eq!(world.sign_in_knowing("alice", "alice"), Err(refused.clone()));
    world.run("alice", Command::Sync).expect("ends");
    assert_eq!(warned(&mut world, "alice").first(), Some(&refused));
    assert_eq!(look_up(&mut world, "bob", "alice"), Err(rolled_back()));

    assert_eq!(world.renew_record("alice", "alice"), Ok(vec![phone]));
    assert_eq!(serial(&mut world, "alice"), seen + 1);
    assert!(!world.is_taken(PHONE));
    assert_eq!(world.sign_in_knowing("alice", "alice"), Ok(()), "every ceremony works again");
    assert_eq!(world.run("alice", Command::RemoveDevice { device: phone }), Ok(Outcome::Done));
    // The other device is handed the new keys, and bob sees a newer record.
    for name in ["alice", TABLET, "bob", TABLET] {
        world.sync(name);
    }
    assert_eq!(world.device(TABLET).identity, world.device("alice").identity);
    assert_eq!(world.device(TABLET).state_key.as_bytes(), world.device("alice").state_key.as_bytes());
    assert!(matches!(look_up(&mut world, "bob", "alice"), Ok(Outcome::Found { .. })));
    let second = world.create("bob", "coffee");
    world.invite("bob", second, &["alice"]);
    for name in ["alice", TABLET] {
        world.sync(name);
        assert_eq!(world.conversation(name, second).state, ConversationState::Active, "{name}");
    }
    world.send("bob", second, "welcome back").expect("sent");
    world.send("bob", channel, "and here").expect("sent");
    for name in ["alice", TABLET] {
        world.sync(name);
        assert_eq!(world.texts(name, second), ["bob: welcome back"], "{name}");
        assert!(world.texts(name, channel).ends_with(&["bob: and here".to_owned()]), "{name}");
    }
    for at in [channel, second] {
        assert!(!members(&mut world, "bob", at).contains(&phone));
    }
    // The phone has no way back in.
    assert_eq!(world.run(PHONE, Command::Sync), Err(CommandError::DeviceRevoked));
    assert!(!world.texts(PHONE, channel).contains(&"bob: and here".to_owned()));
    let tablet = world.device(TABLET).device;
    world.revoke("alice", "alice", tablet);
    assert_eq!(serial(&mut world, "alice"), seen + 2, "as ever");
}

#[test]
fn a_device_that_was_enrolled_since_holds_nobody_up_and_logs_in_again() {
    let mut world = World::new(&["alice", "bob"]);
    let backup = world.back_up_server();
    let tablet = world.enrol("alice", TABLET);
    world.sync("alice");
    assert!(matches!(look_up(&mut world, "bob", "alice"), Ok(Outcome::Found { .. })));
    let (before, seen) = (world.device("alice"), serial(&mut world, "alice"));
    world.put_server_back(&backup);
    let refused = CeremonyError::RecordRolledBack { seen, found: seen - 1 };
    assert_eq!(world.sign_in_knowing("alice", "alice"), Err(refused));
    assert_eq!(look_up(&mut world, "bob", "alice"), Err(rolled_back()));
    assert_eq!(world.renew_record("alice", TABLET), Err(CeremonyError::UnknownDevice { device: tablet }));
    assert_eq!(world.renew_record("alice", "alice"), Ok(vec![]));
    let after = world.device("alice");
    assert_eq!((after.identity.serial(), after.identity.devices().len()), (seen + 1, 1));
    assert!(!after.identity.removed().contains(&tablet), "it was never revoked");
    assert_eq!(after.state_key.as_bytes(), before.state_key.as_bytes(), "nothing was rolled");
    world.sync("alice");
    assert!(matches!(look_up(&mut world, "bob", "alice"), Ok(Outcome::Found { .. })));
    assert_eq!(world.run(TABLET, Command::Sync), Err(CommandError::DeviceUnknown));
    world.enrol("alice", "alice's tablet again");
    for name in ["alice", "alice's tablet again", "alice"] {
        world.sync(name);
    }
    // It may be done where there is no need, too: the number goes up.
    assert_eq!(world.renew_record("alice", "alice"), Ok(vec![]));
    assert_eq!(serial(&mut world, "alice"), seen + 3);
    world.sync("alice's tablet again");
    assert_eq!(serial(&mut world, "alice's tablet again"), seen + 3);
}

#[test]
fn an_account_that_was_changed_elsewhere_after_the_restore_is_forked_until_that_device_numbers_it_anew() {
    let mut world = World::new(&["alice", "bob"]);
    let backup = world.back_up_server();
    world.enrol("alice", TABLET);
    world.sync("alice");
    let seen = serial(&mut world, "alice");
    world.put_server_back(&backup);
    world.enrol("alice", PHONE);
    let forked = CeremonyError::RecordForked { serial: seen };
    assert_eq!(world.sign_in_knowing("alice", "alice"), Err(forked.clone()));
    assert_eq!(world.renew_record("alice", "alice"), Err(forked.clone()), "nor with leave");
    world.run("alice", Command::Sync).expect("ends");
    assert_eq!(warned(&mut world, "alice").first(), Some(&forked));
    assert_eq!(world.renew_record("alice", PHONE), Ok(vec![]));
    for name in ["alice", PHONE] {
        world.sync(name);
        assert_eq!(serial(&mut world, name), seen + 1, "{name}");
    }
    assert_eq!(world.sign_in_knowing("alice", "alice"), Ok(()));
}

#[test]
fn a_server_that_shows_an_older_record_wins_nothing_by_itself() {
    let (mut world, channel, phone, backup) = revoked_since();
    let own = world.device("alice");
    // What it showed before the revocation, and shows again; everything else is as it is.
    let now = world.back_up_server();
    world.put_server_back(&backup);
    let (_, _, old) = world.sign_in("alice");
    world.put_server_back(&now);
    world.sync("alice");
    let lie: Record = old;
    world.client("alice").events.clear();
    world.tamper = Some((
        "alice",
        Box::new(move |result| {
            if let Ok(Response::Record(record)) = result {
                *record = lie.clone();
            }
        }),
    ));
    world.client("alice").crash();
    world.run("alice", Command::Sync).expect("ends");
    let (seen, found) = (own.identity.serial(), own.identity.serial() - 1);
    assert_eq!(warned(&mut world, "alice"), [CeremonyError::RecordRolledBack { seen, found }]);
    let after = world.device("alice");
    assert_eq!(after.identity, own.identity);
    assert_eq!(after.state_key.as_bytes(), own.state_key.as_bytes());
    let sent = world.send("alice", channel, "still without the phone");
    assert!(matches!(sent, Ok(Outcome::Sent { .. })), "{sent:?}");
    assert!(!members(&mut world, "alice", channel).contains(&phone));
    world.tamper = None;
    world.client("alice").crash();
    world.sync("alice");
    assert_eq!(world.sign_in_knowing("alice", "alice"), Ok(()));
    assert!(!world.is_taken(PHONE));
}
