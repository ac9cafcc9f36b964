//! Groups whose tree is stored in chunks: more than eight leaves.

use quicprochat_client_core::{
    CallError, Command, CommandError, Outcome, StoreTx as _,
    store::{ConversationState, PendingGroupInfo, RejoinReason},
};
use quicprochat_e2ee::{
    E2eeError,
    channel::{ChannelKeys, GroupInfoBody, GroupInfoHead, seal_chunked_group_info, seal_group_info, seal_tree},
};
use quicprochat_wire::{ChannelId, Digest, ErrorCode, Request, Response, call::channel::TreeChange, time::Duration};

use crate::{
    groups::group_of,
    rejoin::{assert_all_is_well, empty_disk, lose_group, set_state},
    world::{Seeded, World},
};

const NAMES: [&str; 10] = ["alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi", "ivan", "judy"];
const MINUTE: Duration = Duration::from_secs(60);

/// What a client asked the server to change of the tree, with each commit.
fn changes(world: &mut World, name: &str) -> Vec<TreeChange> {
    let change = |(_, request): &(_, Request)| {
        let Request::ChannelEnqueue(call) = request else { return None };
        call.commit.as_ref().map(|commit| commit.tree.clone())
    };
    world.client(name).calls.iter().filter_map(change).collect()
}

fn asked(world: &mut World, name: &str, what: &str) -> usize {
    world.client(name).calls.iter().filter(|(_, request)| request.name() == what).count()
}

/// A commit of a modified client: its GroupInfo is what `seal` makes of it, and it changes no chunk.
fn rename_with_group_info(
    world: &mut World,
    name: &'static str,
    channel: ChannelId,
    title: &str,
    seal: impl Fn(&GroupInfoHead, &ChannelKeys, GroupInfoBody) -> Vec<u8>,
) {
    // The tree stays open as long as it is not known what the server has.
    let lost = |result: &mut Result<Response, CallError>| {
        if matches!(result, Ok(Response::GroupInfo(_))) {
            *result = Err(CallError::LinkLost);
        }
    };
    world.tamper = Some((name, Box::new(lost)));
    world.begin(name, Command::Rename { channel, title: title.to_owned() });
    let mut pending = loop {
        world.step();
        let tx = world.client(name).store.begin().expect("opens");
        if let Some(pending) = tx.conversations().pending_commit(&channel).expect("reads") {
            break pending;
        }
    };
    let PendingGroupInfo::Open { group_info, ratchet_tree } = pending.group_info else { panic!("sealed too early") };
    let head = GroupInfoHead { channel, after_position: pending.after.position, commit: pending.id };
    let keys = ChannelKeys::from_bytes(pending.next_keys.expose());
    let sealed = seal(&head, &keys, GroupInfoBody { group_info, ratchet_tree });
    pending.group_info = PendingGroupInfo::sealed(sealed, TreeChange::default());
    {
        let tx = world.client(name).store.begin().expect("opens");
        tx.conversations().put_pending_commit(&pending).expect("put");
        tx.commit();
    }
    world.tamper = None;
    world.sync(name);
}

fn rename(world: &mut World, name: &str, channel: ChannelId, title: &str) {
    let result = world.run(name, Command::Rename { channel, title: title.to_owned() });
    assert!(matches!(result, Ok(Outcome::Committed { .. })), "{result:?}");
}

#[test]
fn a_commit_in_a_large_group_sends_what_changed_of_the_tree() {
    let (mut world, channel) = group_of(&NAMES);
    let first = changes(&mut world, "alice");
    let built = first.last().expect("the commit that added everybody");
    let parts = built.added.len();
    assert!(built.ends_all && parts == 3 + 3, "tree and records, everything, as there was none: {parts}");
    assert_eq!(asked(&mut world, "judy", "channel-chunks"), 2, "who joins fetches the tree, then the records");
    assert_all_is_well(&mut world, channel, &NAMES);

    let infos = asked(&mut world, "alice", "channel-group-info");
    rename(&mut world, "alice", channel, "coffee");
    assert_eq!(asked(&mut world, "alice", "channel-group-info"), infos + 1, "others have committed since");
    rename(&mut world, "alice", channel, "water");
    assert_eq!(asked(&mut world, "alice", "channel-group-info"), infos + 1, "what it wrote itself it knows");
    let all = changes(&mut world, "alice");
    for change in &all[all.len() - 2..] {
        assert!(!change.ends_all);
        assert_eq!((change.added.len(), change.ended.len()), (2, 2), "a chunk of leaves and one above it");
    }
    assert_eq!(asked(&mut world, "alice", "channel-chunks"), 0, "a member has the tree");

    // Bob lost his group: he enters by the chunks that others wrote, and what he sends is what changed. The records he has.
    lose_group(&mut world, "bob", channel);
    set_state(&mut world, "bob", channel, RejoinReason::GroupLost);
    let fetched = asked(&mut world, "bob", "channel-chunks");
    world.sync("bob");
    assert_eq!(asked(&mut world, "bob", "channel-chunks"), fetched + 1);
    let entry = changes(&mut world, "bob").pop().expect("a commit");
    assert_eq!((entry.ends_all, entry.added.len(), entry.ended.len()), (false, 2, 2));
    for name in NAMES {
        world.sync(name);
    }
    assert_all_is_well(&mut world, channel, &NAMES);

    // The group becomes small: its tree is stored whole again, and one can still enter.
    for name in ["judy", "ivan"] {
        world.run("carol", Command::Remove { channel, name: name.to_owned() }).expect("removed");
    }
    let last = changes(&mut world, "carol").pop().expect("a commit");
    assert_eq!((last.ends_all, last.added.len()), (true, 0));
    lose_group(&mut world, "dave", channel);
    set_state(&mut world, "dave", channel, RejoinReason::GroupLost);
    let chunks = asked(&mut world, "dave", "channel-chunks");
    for name in &NAMES[..8] {
        world.sync(name);
    }
    for name in &NAMES[..8] {
        world.sync(name);
    }
    assert_eq!(asked(&mut world, "dave", "channel-chunks"), chunks);
    assert_all_is_well(&mut world, channel, &NAMES[..8]);
}

#[test]
fn chunks_that_are_not_whole_let_nobody_in_until_they_are() {
    let (mut world, channel) = group_of(&NAMES);
    let damaged = |chunk: &mut Vec<u8>| chunk.iter_mut().for_each(|byte| *byte ^= 1);
    let missing = |chunk: &mut Vec<u8>| chunk.clear();
    let spoils: [fn(&mut Vec<u8>); 2] = [damaged, missing];
    for spoil in spoils {
        lose_group(&mut world, "bob", channel);
        set_state(&mut world, "bob", channel, RejoinReason::GroupLost);
        let tamper = move |result: &mut Result<Response, CallError>| {
            if let Ok(Response::TreeChunks(answer)) = result {
                answer.chunks.iter_mut().take(1).for_each(spoil);
            }
        };
        world.tamper = Some(("bob", Box::new(tamper)));
        world.sync("bob");
        let state = ConversationState::NeedsRejoin { reason: RejoinReason::GroupInfoGone };
        assert_eq!(world.conversation("bob", channel).state, state);
        world.tamper = None;
        world.pass(MINUTE * 6);
        world.sync("bob");
        world.sync("alice");
        assert_eq!(world.conversation("bob", channel).state, ConversationState::Active);
    }
    for name in NAMES {
        world.sync(name);
    }
    assert_all_is_well(&mut world, channel, &NAMES);
}

#[test]
fn an_invitation_to_a_large_group_has_no_records_and_a_device_with_an_empty_disk_looks_nobody_up() {
    let (mut world, channel) = group_of(&NAMES);
    world.run("carol", Command::Remove { channel, name: "judy".to_owned() }).expect("removed");
    for name in ["alice", "judy"] {
        world.sync(name);
    }
    world.invite("alice", channel, &["judy"]);
    let delivered = world.client("alice").calls.iter().rev().find_map(|(_, request)| {
        let Request::InboxDeliver(call) = request else { return None };
        Some(call.sealed.len())
    });
    let bytes = delivered.expect("an invitation");
    assert!(bytes < 20_000, "ten records are 67,000 bytes: {bytes}");
    for name in NAMES {
        world.sync(name);
    }
    assert_eq!(world.conversation("judy", channel).state, ConversationState::Active, "alice is a contact of hers");
    empty_disk(&mut world, "bob", "bob's new disk", channel);
    world.set_online("bob", false);
    world.sync("bob's new disk");
    let looked_up = asked(&mut world, "bob's new disk", "lookup");
    assert_eq!(looked_up, 0, "every record is in the chunks");
    for name in NAMES.into_iter().filter(|name| *name != "bob") {
        world.sync(name);
    }
    assert_eq!(world.conversation("bob's new disk", channel).state, ConversationState::Active);
}

#[test]
fn a_group_info_with_its_whole_tree_lets_in_and_the_next_commit_stores_chunks() {
    let (mut world, channel) = group_of(&NAMES);
    // Alice does not know the chunks of somebody else's commit.
    rename(&mut world, "bob", channel, "soup");
    world.sync("alice");
    // As clients did that knew no chunks.
    let whole = |head: &GroupInfoHead, keys: &ChannelKeys, body: GroupInfoBody| {
        seal_group_info(keys, head, &body, &mut Seeded::new(9)).expect("seals")
    };
    rename_with_group_info(&mut world, "alice", channel, "before chunks", whole);
    assert_eq!(changes(&mut world, "alice").pop(), Some(TreeChange::default()));
    assert_eq!(world.conversation("alice", channel).title, "before chunks");

    lose_group(&mut world, "bob", channel);
    set_state(&mut world, "bob", channel, RejoinReason::GroupLost);
    let chunks = asked(&mut world, "bob", "channel-chunks");
    world.sync("bob");
    assert_eq!(asked(&mut world, "bob", "channel-chunks"), chunks, "the tree is in the GroupInfo");
    let entry = changes(&mut world, "bob").pop().expect("a commit");
    assert_eq!((entry.ends_all, entry.added.len()), (true, 4 + 3), "all of the tree, and the records");
    lose_group(&mut world, "carol", channel);
    set_state(&mut world, "carol", channel, RejoinReason::GroupLost);
    for name in NAMES {
        world.sync(name);
    }
    for name in NAMES {
        world.sync(name);
    }
    assert_all_is_well(&mut world, channel, &NAMES);
}

#[test]
fn records_that_somebody_spoilt_are_looked_up() {
    let (mut world, channel) = group_of(&NAMES);
    empty_disk(&mut world, "bob", "bob's new disk", channel);
    world.set_online("bob", false);
    let mut answers = 0;
    let tamper = move |result: &mut Result<Response, CallError>| {
        if let Ok(Response::TreeChunks(answer)) = result {
            answers += 1;
            // The first has the tree.
            if answers == 2 {
                answer.chunks.iter_mut().for_each(|chunk| chunk.iter_mut().for_each(|byte| *byte ^= 1));
            }
        }
    };
    world.tamper = Some(("bob's new disk", Box::new(tamper)));
    world.sync("bob's new disk");
    assert!(asked(&mut world, "bob's new disk", "lookup") >= 9);
    assert_eq!(world.conversation("bob's new disk", channel).state, ConversationState::Active);
}

#[test]
fn commits_of_two_at_once_and_deaths_at_every_effect_leave_a_tree_to_enter_by() {
    let (mut world, channel) = group_of(&NAMES);
    for round in 0..3 {
        let title = |name: &str| Command::Rename { channel, title: format!("{name} {round}") };
        let first = world.begin("alice", title("alice"));
        let second = world.begin("bob", title("bob"));
        for (name, id) in [("alice", first), ("bob", second)] {
            let result = world.wait(name, id);
            assert!(matches!(result, Ok(Outcome::Committed { .. })), "{name}: {result:?}");
        }
    }
    world.sync("carol");
    let begin = world.client("carol").effects;
    rename(&mut world, "carol", channel, "quiet");
    let effects = world.client("carol").effects - begin;
    assert!(effects >= 3, "{effects}");
    for at in 0..effects {
        // Somebody else's commit, so that carol does not know the chunks.
        world.sync("alice");
        rename(&mut world, "alice", channel, &format!("before {at}"));
        world.sync("carol");
        let starts = world.client("carol").starts();
        let effects = world.client("carol").effects;
        world.client("carol").crash_at = Some(effects + at);
        let id = world.begin("carol", Command::Rename { channel, title: format!("carol {at}") });
        for _ in 0..5_000 {
            if world.client("carol").done.remove(&id).is_some() || world.client("carol").starts() != starts {
                break;
            }
            world.step();
        }
        world.client("carol").crash_at = None;
        world.sync("carol");
    }
    lose_group(&mut world, "dave", channel);
    set_state(&mut world, "dave", channel, RejoinReason::GroupLost);
    for name in NAMES {
        world.sync(name);
    }
    for name in NAMES {
        world.sync(name);
    }
    assert_all_is_well(&mut world, channel, &NAMES);
}

#[test]
fn a_group_info_that_names_chunks_which_are_not_there_stops_nobody_who_commits_after_it() {
    let (mut world, channel) = group_of(&NAMES);
    let false_list = |head: &GroupInfoHead, keys: &ChannelKeys, body: GroupInfoBody| {
        let mut entropy = Seeded::new(9);
        let no_record = |_: &Digest| Ok::<_, E2eeError>(None);
        let tree = seal_tree(&channel, &body.ratchet_tree, None, no_record, &mut entropy).expect("cuts");
        let list = tree.list.expect("a large tree");
        seal_chunked_group_info(keys, head, &body.group_info, &list, &mut entropy).expect("seals")
    };
    rename_with_group_info(&mut world, "judy", channel, "false", false_list);
    assert_eq!(changes(&mut world, "judy").pop(), Some(TreeChange::default()));
    world.sync("alice");

    let before = changes(&mut world, "alice").len();
    let removed = world.run("alice", Command::Remove { channel, name: "judy".to_owned() });
    assert!(matches!(removed, Ok(Outcome::Committed { .. })), "{removed:?}");
    let sent: Vec<bool> = changes(&mut world, "alice")[before..].iter().map(|change| change.ends_all).collect();
    assert_eq!(sent, [false, true], "what changed is refused, so all is sent");
    rename(&mut world, "alice", channel, "true");
    let last = changes(&mut world, "alice").pop().expect("a commit");
    assert!(!last.ends_all, "what it wrote itself it knows");

    let rest: Vec<&'static str> = NAMES.into_iter().filter(|name| *name != "judy").collect();
    lose_group(&mut world, "bob", channel);
    set_state(&mut world, "bob", channel, RejoinReason::GroupLost);
    for name in rest.iter().chain(&rest) {
        world.sync(name);
    }
    assert_all_is_well(&mut world, channel, &rest);
}

#[test]
fn a_commit_that_is_due_and_refused_for_good_is_put_off_longer_each_time() {
    let (mut world, channel) = group_of(&NAMES);
    world.limit(|limits| limits.group_info_bytes = 2_000);
    world.sync("bob");
    let tried = |world: &mut World| changes(world, "bob").len();
    let before = tried(&mut world);
    let refused = world.send("bob", channel, "hello");
    assert!(
        matches!(refused, Err(CommandError::Refused(failure)) if failure.code == ErrorCode::TooLarge),
        "{refused:?}"
    );
    let first = tried(&mut world) - before;
    assert!((1..=2).contains(&first), "the new leaf was to be renewed: once as a change, once whole: {first}");
    // While it is put off, who writes hears why, and what waits is counted.
    let now = world.now;
    let refused = world.send("bob", channel, "hello again");
    assert!(
        matches!(refused, Err(CommandError::Refused(failure)) if failure.code == ErrorCode::TooLarge),
        "{refused:?}"
    );
    assert_eq!(tried(&mut world) - before, first);
    world.set_online("bob", false);
    world.send("bob", channel, "later").expect("queued");
    world.set_online("bob", true);
    for _ in 0..2 {
        let synced = world.run("bob", Command::Sync);
        assert_eq!(synced, Ok(Outcome::Synced { waiting: 1, undelivered: 0, untold: false }));
    }
    let took = world.now.since(now);
    assert!(took < Duration::from_secs(10), "{took:?}");
    let before = tried(&mut world);
    world.begin("bob", Command::Listen);
    world.pass(Duration::from_secs(3600));
    let later = tried(&mut world) - before;
    assert!((1..=16).contains(&later), "half a minute, a minute, two, ...: {later}");
    world.limit(|_| ());
    world.pass(Duration::from_secs(2 * 3600));
    assert!(!world.conversation("bob", channel).fresh_leaf, "and it gets through in the end");
    assert_eq!(world.texts("bob", channel), ["bob: later"]);
}
