//! The account's state on several devices: settings, markers, drafts, contacts.

use quicprochat_client_core::{
    CallError, Command, CommandError, Event, Outcome, StoreTx as _, TrustWarning,
    auth::CeremonyError,
    command::ConversationChange,
    store::{ConversationSettings, ConversationState, Invitation, InvitationState, Relation},
    views::{self, ConversationView},
};
use quicprochat_wire::{
    ChannelId, ConnectionKind, ErrorCode, Request, Response, Timestamp,
    call::vault::{VaultRecord, VaultStore, VaultSubscribe},
    time::Duration,
};

use crate::{groups::group_of, world::World};

const MINUTE: Duration = Duration::from_secs(60);
const LAPTOP: &str = "alice's laptop";

/// Alice in a conversation with bob, on two devices.
fn two_devices() -> (World, ChannelId) {
    let (mut world, channel) = group_of(&["alice", "bob"]);
    world.pass(MINUTE * 2);
    world.sync("alice");
    world.enrol("alice", LAPTOP);
    world.sync(LAPTOP);
    world.sync("alice");
    (world, channel)
}

fn set(world: &mut World, name: &str, channel: ChannelId, change: ConversationChange) {
    assert_eq!(world.run(name, Command::SetConversation { channel, change }), Ok(Outcome::Done));
}

fn read(world: &mut World, name: &str, channel: ChannelId, position: Option<u64>) {
    assert_eq!(world.run(name, Command::MarkRead { channel, position }), Ok(Outcome::Done));
}

fn view(world: &mut World, name: &str, channel: ChannelId) -> ConversationView {
    let tx = world.client(name).store.begin().expect("opens");
    let views = views::conversations(&tx).expect("reads");
    views.into_iter().find(|view| view.main.channel == channel).expect("there")
}

fn settings(world: &mut World, name: &str, channel: ChannelId) -> ConversationSettings {
    view(world, name, channel).settings
}

fn unread(world: &mut World, name: &str, channel: ChannelId) -> u64 {
    let view = view(world, name, channel);
    let tx = world.client(name).store.begin().expect("opens");
    views::unread(&tx, &view).expect("reads")
}

fn writes(world: &mut World, name: &str) -> Vec<(Timestamp, VaultStore)> {
    let mut stores = Vec::new();
    for (at, request) in &world.client(name).calls {
        if let Request::VaultStore(store) = request
            && store.records.iter().any(|record| (32..48).contains(&record.id))
        {
            stores.push((*at, store.clone()));
        }
    }
    stores
}

#[test]
fn what_is_set_on_one_device_shows_on_the_other_within_a_second_or_so() {
    let (mut world, channel) = two_devices();
    for name in ["alice", LAPTOP] {
        world.begin(name, Command::Listen);
    }
    world.pass(MINUTE * 2);
    world.client(LAPTOP).events.clear();
    set(&mut world, "alice", channel, ConversationChange::MutedUntil(Some(Timestamp(u64::MAX))));
    set(&mut world, "alice", channel, ConversationChange::Pinned(true));
    set(&mut world, "alice", channel, ConversationChange::Order(Some(3)));
    set(&mut world, "alice", channel, ConversationChange::Title(Some("mine".to_owned())));
    assert!(!settings(&mut world, LAPTOP, channel).pinned, "not yet");
    world.pass(Duration::from_millis(1_500));
    let expected = ConversationSettings {
        title: Some("mine".to_owned()),
        muted_until: Some(Timestamp(u64::MAX)),
        pinned: true,
        order: Some(3),
        ..ConversationSettings::new(channel)
    };
    assert_eq!(settings(&mut world, LAPTOP, channel), expected);
    assert_eq!(view(&mut world, LAPTOP, channel).title, "mine");
    assert!(world.client(LAPTOP).events.contains(&Event::AccountState));
    let stores = writes(&mut world, LAPTOP);
    set(&mut world, LAPTOP, channel, ConversationChange::Pinned(false));
    set(&mut world, LAPTOP, channel, ConversationChange::Archived(true));
    world.pass(Duration::from_millis(1_500));
    let expected = ConversationSettings { pinned: false, archived: true, ..expected };
    assert_eq!(settings(&mut world, "alice", channel), expected);
    assert_eq!(writes(&mut world, LAPTOP).len(), stores.len() + 1, "several changes are one write");
    // What other accounts have is theirs.
    assert_eq!(settings(&mut world, "bob", channel), ConversationSettings::new(channel));
}

#[test]
fn markers_and_drafts_are_written_seconds_later_and_together() {
    let (mut world, channel) = two_devices();
    world.begin("alice", Command::Listen);
    world.pass(MINUTE * 2);
    let mut delays = Vec::new();
    for round in 0..20u64 {
        world.client("alice").calls.clear();
        let at = world.now;
        let draft = format!("draft {round}");
        set(&mut world, "alice", channel, ConversationChange::Draft(Some(draft.clone())));
        set(&mut world, "alice", channel, ConversationChange::Draft(Some(format!("{draft}, longer"))));
        world.pass(MINUTE);
        let stores = writes(&mut world, "alice");
        let [(written, store)] = stores.as_slice() else { panic!("{} writes", stores.len()) };
        assert_eq!(store.records.iter().map(|record| record.sealed.len()).collect::<Vec<_>>(), [4_136]);
        delays.push(written.since(at).as_millis());
    }
    assert!(delays.iter().all(|delay| (2_000..=10_000).contains(delay)), "{delays:?}");
    assert!(delays.iter().max() > delays.iter().min().map(|least| least + 2_000).as_ref(), "{delays:?}");
    world.sync(LAPTOP);
    assert_eq!(settings(&mut world, LAPTOP, channel).draft.as_deref(), Some("draft 19, longer"));
    set(&mut world, LAPTOP, channel, ConversationChange::Draft(None));
    world.sync(LAPTOP);
    world.pass(MINUTE);
    assert_eq!(settings(&mut world, "alice", channel).draft, None, "a sync does not wait");
}

#[test]
fn unread_counts_are_the_same_on_every_device_and_markers_never_go_back() {
    let (mut world, channel) = two_devices();
    for name in ["alice", LAPTOP] {
        read(&mut world, name, channel, None);
        world.sync(name);
    }
    for text in ["one", "two", "three"] {
        world.send("bob", channel, text).expect("sent");
    }
    for name in ["alice", LAPTOP, "bob"] {
        world.sync(name);
    }
    assert_eq!((unread(&mut world, "alice", channel), unread(&mut world, LAPTOP, channel)), (3, 3));
    assert_eq!(unread(&mut world, "bob", channel), 0, "his own");
    world.send(LAPTOP, channel, "mine").expect("sent");
    world.sync("alice");
    assert_eq!(
        (unread(&mut world, "alice", channel), unread(&mut world, LAPTOP, channel)),
        (3, 3),
        "own ones move nothing"
    );
    // Both read on while they are apart; the further one counts for both.
    let seqs: Vec<u64> = {
        let tx = world.client("alice").store.begin().expect("opens");
        tx.messages().last_messages(&channel, 4).expect("reads").iter().map(|entry| entry.seq).collect()
    };
    read(&mut world, "alice", channel, Some(seqs[0]));
    read(&mut world, LAPTOP, channel, Some(seqs[1]));
    for name in ["alice", LAPTOP, "alice", LAPTOP] {
        world.sync(name);
    }
    assert_eq!((unread(&mut world, "alice", channel), unread(&mut world, LAPTOP, channel)), (1, 1));
    read(&mut world, "alice", channel, Some(seqs[0]));
    world.sync("alice");
    assert_eq!(unread(&mut world, "alice", channel), 1, "a marker never goes back");
    read(&mut world, LAPTOP, channel, Some(u64::MAX));
    world.sync(LAPTOP);
    world.sync("alice");
    assert_eq!((unread(&mut world, "alice", channel), unread(&mut world, LAPTOP, channel)), (0, 0));
    world.send("bob", channel, "four").expect("sent");
    world.sync("alice");
    assert_eq!(unread(&mut world, "alice", channel), 1, "nobody has read what was not there");
}

#[test]
fn devices_that_write_at_once_lose_nothing() {
    let (mut world, channel) = two_devices();
    let both = ["alice", LAPTOP];
    for name in both {
        world.pass(MINUTE);
        world.sync(name);
        world.client(name).calls.clear();
    }
    set(&mut world, "alice", channel, ConversationChange::Pinned(true));
    set(&mut world, LAPTOP, channel, ConversationChange::Archived(true));
    set(&mut world, LAPTOP, channel, ConversationChange::Draft(Some("of the laptop".to_owned())));
    // In step: both know of one version before either stores.
    let syncs = both.map(|name| (name, world.begin(name, Command::Sync)));
    for (name, id) in syncs {
        assert!(world.wait(name, id).is_ok(), "{name}");
    }
    let versions: Vec<u64> =
        both.iter().flat_map(|name| writes(&mut world, name)).map(|(_, store)| store.records[0].version).collect();
    assert!(versions.windows(2).any(|two| two[0] == two[1]), "one was refused: {versions:?}");
    for name in both {
        world.pass(MINUTE);
        world.sync(name);
    }
    world.sync("alice");
    let expected = ConversationSettings {
        archived: true,
        pinned: true,
        draft: Some("of the laptop".to_owned()),
        read_to: settings(&mut world, "alice", channel).read_to,
        ..ConversationSettings::new(channel)
    };
    assert_eq!(settings(&mut world, "alice", channel), expected);
    assert_eq!(settings(&mut world, LAPTOP, channel), expected);
}

#[test]
fn a_new_device_has_the_state_by_the_password_alone() {
    let (mut world, channel) = group_of(&["alice", "bob"]);
    world.send("bob", channel, "hello").expect("sent");
    world.sync("alice");
    assert!(world.run("alice", Command::Verify { name: "bob".to_owned() }).is_ok());
    read(&mut world, "alice", channel, None);
    set(&mut world, "alice", channel, ConversationChange::Pinned(true));
    world.pass(MINUTE * 2);
    world.sync("alice");
    world.set_online("alice", false);
    world.enrol("alice", LAPTOP);
    world.sync(LAPTOP);
    let there = settings(&mut world, LAPTOP, channel);
    assert!(there.pinned && there.read_to > 0, "{there:?}");
    // Bob is verified as soon as this device has seen the same key.
    assert!(world.run(LAPTOP, Command::LookUp { name: "bob".to_owned() }).is_ok());
    let tx = world.client(LAPTOP).store.begin().expect("opens");
    let bob = tx.contacts().contact_by_name("bob", "").expect("reads").expect("there");
    assert_eq!((bob.verified, bob.relation), (true, Relation::Contact));
}

#[test]
fn a_verification_counts_for_the_same_key_alone_and_a_pin_is_never_replaced() {
    let (mut world, _) = two_devices();
    let look_up = Command::LookUp { name: "bob".to_owned() };
    assert!(world.run(LAPTOP, look_up.clone()).is_ok());
    assert!(world.run("alice", Command::Verify { name: "bob".to_owned() }).is_ok());
    world.sync("alice");
    let bob = |world: &mut World, name: &str| {
        let tx = world.client(name).store.begin().expect("opens");
        tx.contacts().contact_by_name("bob", "").expect("reads").expect("there")
    };
    assert!(!bob(&mut world, LAPTOP).verified, "not yet");
    world.sync(LAPTOP);
    let before = bob(&mut world, LAPTOP);
    assert!(before.verified, "the same key");
    // Somebody else is called bob now, and alice accepts that on one device.
    world.delete_account("bob");
    world.register("bob");
    let changed = CommandError::KeyChanged { name: "bob".to_owned() };
    let channel = world.create("alice", "tea");
    let invite = Command::Invite { channel, names: vec!["bob".to_owned()] };
    assert_eq!(world.run("alice", invite), Err(changed.clone()));
    assert!(world.run("alice", Command::AcceptChangedKey { name: "bob".to_owned() }).is_ok());
    world.sync("alice");
    world.sync(LAPTOP);
    let after = bob(&mut world, LAPTOP);
    assert_eq!((after.account, after.verified), (before.account, false), "void, and still the key that was pinned");
    assert_eq!(world.run(LAPTOP, look_up.clone()), Err(changed.clone()), "this device asks for itself");
    // A device that never met bob takes the account's word for which key it was.
    world.enrol("alice", "alice's phone");
    world.sync("alice's phone");
    assert!(world.run("alice's phone", look_up.clone()).is_ok(), "the accepted one");
    world.delete_account("bob");
    world.register("bob");
    world.enrol("alice", "alice's desk");
    world.sync("alice's desk");
    assert_eq!(
        world.run("alice's desk", look_up),
        Err(changed),
        "not trusted on first use: another device pinned another key"
    );
    let warned = |event: &Event| matches!(event, Event::Trust(TrustWarning::KeyChanged { name, .. }) if name == "bob");
    assert!(world.client("alice's desk").events.iter().any(warned));
    let tx = world.client("alice's desk").store.begin().expect("opens");
    assert!(!tx.contacts().contact_by_name("bob", "").expect("reads").expect("there").verified);
}

#[test]
fn devices_that_pinned_different_keys_for_a_name_warn_and_keep_theirs_until_a_person_decides() {
    let (mut world, _) = group_of(&["alice", "carol"]);
    world.register("bob");
    world.enrol("alice", LAPTOP);
    world.sync(LAPTOP);
    world.sync("alice");
    let verify = || Command::Verify { name: "bob".to_owned() };
    assert!(world.run(LAPTOP, verify()).is_ok());
    // Somebody else is called bob now, and alice's other device meets that one first.
    world.delete_account("bob");
    world.register("bob");
    assert!(world.run("alice", verify()).is_ok());
    let pinned = |world: &mut World, name: &str| {
        let tx = world.client(name).store.begin().expect("opens");
        tx.contacts().contact_by_name("bob", "").expect("reads").expect("there").account
    };
    let before = ["alice", LAPTOP].map(|device| pinned(&mut world, device));
    assert_ne!(before[0], before[1]);
    world.sync("alice");
    world.sync(LAPTOP);
    world.sync("alice");
    let differ = |world: &mut World, device: &str| {
        let tx = world.client(device).store.begin().expect("opens");
        views::pinned_otherwise(&tx).expect("reads")
    };
    for (device, own) in ["alice", LAPTOP].into_iter().zip(before) {
        let told = Event::Trust(TrustWarning::PinnedOtherwise { account: own, name: "bob".to_owned() });
        let times = world.client(device).events.iter().filter(|event| **event == told).count();
        assert_eq!(times, 1, "{device} is told once");
        assert_eq!(pinned(&mut world, device), own, "{device} keeps its own");
        assert_eq!(differ(&mut world, device), ["bob"], "{device}");
    }
    // The new one is the right one: the other device is shown it, and a person accepts it there.
    let look_up = Command::LookUp { name: "bob".to_owned() };
    assert_eq!(world.run(LAPTOP, look_up), Err(CommandError::KeyChanged { name: "bob".to_owned() }));
    assert!(world.run(LAPTOP, Command::AcceptChangedKey { name: "bob".to_owned() }).is_ok());
    world.sync(LAPTOP);
    world.sync("alice");
    for device in ["alice", LAPTOP] {
        assert_eq!(pinned(&mut world, device), before[0]);
        assert_eq!(differ(&mut world, device), Vec::<String>::new(), "{device}");
    }
}

/// Bob, whom nobody knows, invites alice; both of her devices show the request.
fn request_on_two_devices() -> (World, ChannelId) {
    let (mut world, _) = group_of(&["alice", "carol"]);
    world.register("bob");
    world.enrol("alice", LAPTOP);
    world.sync(LAPTOP);
    world.sync("alice");
    let channel = world.create("bob", "please");
    world.invite("bob", channel, &["alice"]);
    world.sync("alice");
    world.sync(LAPTOP);
    for device in ["alice", LAPTOP] {
        assert_eq!(request(&mut world, device).state, InvitationState::Request, "{device}");
    }
    (world, channel)
}

fn request(world: &mut World, device: &str) -> Invitation {
    let tx = world.client(device).store.begin().expect("opens");
    let all = tx.inbox().invitations().expect("reads");
    all.into_iter().find(|invitation| invitation.from_name == "bob").expect("there")
}

#[test]
fn a_blocked_stranger_is_blocked_on_every_device_and_its_request_is_shown_on_none() {
    let (mut world, _) = request_on_two_devices();
    let bob = request(&mut world, "alice");
    assert_eq!(world.run("alice", Command::BlockRequest { invitation: bob.id }), Ok(Outcome::Done));
    world.sync("alice");
    world.sync(LAPTOP);
    assert_eq!(request(&mut world, LAPTOP).state, InvitationState::Blocked);
    let tx = world.client(LAPTOP).store.begin().expect("opens");
    let known = tx.state().known_contact(&bob.from).expect("reads").expect("there");
    assert_eq!(known.relation, Some(Relation::Blocked));
    let contact = tx.contacts().contact(&bob.from).expect("reads").expect("the directory has vouched for it");
    assert_eq!(contact.relation, Relation::Blocked);
}

#[test]
fn a_request_that_one_device_accepts_is_accepted_on_all() {
    let (mut world, channel) = request_on_two_devices();
    let bob = request(&mut world, "alice");
    let joined = world.run("alice", Command::AcceptRequest { invitation: bob.id });
    assert_eq!(joined, Ok(Outcome::Joined { channel }));
    // What follows from accepting is written a while later, so that one does not follow on the heels of the other.
    world.pass(MINUTE * 2);
    world.sync("alice");
    world.sync(LAPTOP);
    assert_eq!(request(&mut world, LAPTOP).state, InvitationState::Joined);
    assert_eq!(world.conversation(LAPTOP, channel).state, ConversationState::Active);
}

#[test]
fn a_revocation_carries_the_state_over_and_the_revoked_device_writes_no_more() {
    let (mut world, channel) = two_devices();
    let phone = world.enrol("alice", "alice's phone");
    world.sync("alice's phone");
    set(&mut world, "alice's phone", channel, ConversationChange::Pinned(true));
    world.sync("alice's phone");
    world.sync("alice");
    world.begin("alice's phone", Command::Listen);
    world.begin(LAPTOP, Command::Listen);
    world.pass(MINUTE);
    world.revoke("alice", "alice", phone);
    // It is cut off, and what it changes later goes nowhere.
    world.pass(MINUTE);
    assert!(world.client("alice's phone").events.contains(&Event::DeviceRevoked));
    world.client("alice's phone").calls.clear();
    let change = ConversationChange::Pinned(false);
    let refused = world.run("alice's phone", Command::SetConversation { channel, change });
    assert_eq!(refused, Err(CommandError::DeviceRevoked));
    assert!(writes(&mut world, "alice's phone").is_empty());
    // The one that remains goes on under the new key, while it listens.
    assert!(settings(&mut world, LAPTOP, channel).pinned);
    set(&mut world, LAPTOP, channel, ConversationChange::Archived(true));
    world.pass(MINUTE * 2);
    world.sync("alice");
    let there = settings(&mut world, "alice", channel);
    assert!(there.pinned && there.archived, "{there:?}");
    let told = |event: &Event| matches!(event, Event::Trust(_));
    assert!(!world.client(LAPTOP).events.iter().any(told), "a roll is nothing to be warned of");
    // A client that keeps its keys and asks the server all the same is refused.
    let connection = world.connect(ConnectionKind::Account);
    let record = VaultRecord { id: 32, version: 9, sealed: vec![1] };
    for request in [Request::from(VaultSubscribe {}), VaultStore { records: vec![record] }.into()] {
        let refused = world.try_ask(&connection, request).expect_err("nobody");
        assert_eq!(refused.code, ErrorCode::NotAuthenticated);
    }
    world.enrol("alice", "alice's desk");
    world.sync("alice's desk");
    assert!(settings(&mut world, "alice's desk", channel).archived, "a new device opens what was carried over");
}

#[test]
fn a_sync_says_so_where_the_vault_does_not_take_what_a_person_changed() {
    let (mut world, channel) = two_devices();
    set(&mut world, "alice", channel, ConversationChange::Pinned(true));
    let refuse = |result: &mut Result<Response, CallError>| {
        if matches!(result, Ok(Response::Done(_))) {
            *result = Err(CallError::Refused(ErrorCode::QuotaFull.into()));
        }
    };
    world.tamper = Some(("alice", Box::new(refuse)));
    let untold = Outcome::Synced { waiting: 0, undelivered: 0, untold: true };
    assert_eq!(world.run("alice", Command::Sync), Ok(untold));
    world.tamper = None;
    world.sync("alice");
    world.sync(LAPTOP);
    assert!(settings(&mut world, LAPTOP, channel).pinned);
}

#[test]
fn an_old_state_is_noticed_and_what_it_lacks_is_put_back() {
    let mut world = World::new(&["alice"]);
    let channel = world.create("alice", "tea");
    world.pass(MINUTE);
    set(&mut world, "alice", channel, ConversationChange::Pinned(true));
    world.sync("alice");
    let old = writes(&mut world, "alice").pop().expect("written").1.records;
    set(&mut world, "alice", channel, ConversationChange::Archived(true));
    world.sync("alice");
    world.client("alice").events.clear();
    // The server answers with what it had before.
    let replay = move |result: &mut Result<Response, _>| {
        if let Ok(Response::VaultRecords(records)) = result {
            for record in &mut records.records {
                if let Some(before) = old.iter().find(|before| before.id == record.id) {
                    record.clone_from(before);
                }
            }
        }
    };
    world.tamper = Some(("alice", Box::new(replay)));
    // Only an answer that is asked for shows it: another device has written.
    world.enrol("alice", LAPTOP);
    world.sync(LAPTOP);
    set(&mut world, LAPTOP, channel, ConversationChange::Order(Some(1)));
    world.sync(LAPTOP);
    world.begin("alice", Command::Sync);
    world.settle();
    let rolled_back = CeremonyError::VaultRolledBack { vault_version: 1 };
    let told = Event::Trust(TrustWarning::OwnRecord { reason: rolled_back });
    assert!(world.client("alice").events.contains(&told));
    assert!(settings(&mut world, "alice", channel).archived, "what this device knows stays");
    world.tamper = None;
    world.pass(MINUTE);
    world.sync("alice");
    world.pass(MINUTE);
    world.sync("alice");
    let there = settings(&mut world, "alice", channel);
    assert!(there.archived && there.pinned && there.order == Some(1), "{there:?}");
}

#[test]
fn a_store_that_went_back_in_time_takes_a_new_name_and_loses_nothing() {
    let (mut world, channel) = two_devices();
    set(&mut world, "alice", channel, ConversationChange::Order(Some(1)));
    world.sync("alice");
    let copy = world.client("alice").store.snapshot();
    set(&mut world, "alice", channel, ConversationChange::Pinned(true));
    set(&mut world, "alice", channel, ConversationChange::Archived(true));
    world.sync("alice");
    world.client("alice").crash();
    world.client("alice").store = copy;
    assert!(!settings(&mut world, "alice", channel).pinned);
    // What it writes now has the numbers of what it wrote then.
    set(&mut world, "alice", channel, ConversationChange::Order(Some(7)));
    set(&mut world, "alice", channel, ConversationChange::Title(Some("again".to_owned())));
    set(&mut world, "alice", channel, ConversationChange::Draft(Some("and again".to_owned())));
    world.run("alice", Command::Sync).ok();
    world.pass(MINUTE);
    world.run("alice", Command::Sync).ok();
    world.sync(LAPTOP);
    let expected = ConversationSettings {
        title: Some("again".to_owned()),
        archived: true,
        pinned: true,
        order: Some(7),
        draft: Some("and again".to_owned()),
        read_to: settings(&mut world, LAPTOP, channel).read_to,
        ..ConversationSettings::new(channel)
    };
    assert_eq!(settings(&mut world, LAPTOP, channel), expected);
    assert_eq!(settings(&mut world, "alice", channel), expected);
}

/// What a person does between two devices, until both show all of it.
fn story(world: &mut World, channel: ChannelId) {
    let change = |change| Command::SetConversation { channel, change };
    world.persist("alice", &change(ConversationChange::Pinned(true)));
    world.persist("alice", &Command::Sync);
    world.persist("alice", &Command::MarkRead { channel, position: None });
    world.persist("alice", &change(ConversationChange::Draft(Some("half a".to_owned()))));
    world.persist("alice", &Command::Sync);
    world.persist("alice", &change(ConversationChange::Draft(None)));
    for _ in 0..2 {
        world.pass(MINUTE);
        world.persist("alice", &Command::Sync);
    }
    world.sync(LAPTOP);
    let (here, there) = (settings(world, "alice", channel), settings(world, LAPTOP, channel));
    assert_eq!(here, there);
    assert!(there.pinned && there.draft.is_none() && there.read_to > 0, "{there:?}");
}

#[test]
fn a_device_that_dies_or_loses_the_link_once_at_every_effect_loses_nothing() {
    let effects = {
        let (mut world, channel) = two_devices();
        world.client("alice").effects = 0;
        story(&mut world, channel);
        world.client("alice").effects
    };
    assert!(effects > 15, "{effects} effects");
    for at in 0..effects {
        for dies in [true, false] {
            let (mut world, channel) = two_devices();
            let client = world.client("alice");
            client.effects = 0;
            *(if dies { &mut client.crash_at } else { &mut client.cut_at }) = Some(at);
            println!("effect {at} is the last one, dies: {dies}");
            story(&mut world, channel);
        }
    }
}
