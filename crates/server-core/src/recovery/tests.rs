use futures::executor::block_on;
use quicprochat_wire::{
    CallFailure, ConnectionKind, Duration,
    call::{
        channel::{ChannelDelete, ChannelRead, ChannelRestore, ChannelSubscribe, RestoreOutcome, RestoredEntry},
        session::Registration,
    },
    limits::MAX_PAGE_ENTRIES,
};

use super::*;
use crate::{
    Limits,
    store::memory::MemoryStore,
    test_support::{Line, Person, Room, Sam, accepted, attach_with},
};

const MINUTE: Duration = Duration::from_secs(60);

/// A server's store with a channel in it, as a restore leaves it.
fn restored() -> (MemoryStore, Room) {
    let store = MemoryStore::new();
    let sam = Sam::on(store.clone(), Registration::Open, Limits::default());
    let mut alice = Person::new("alice", 1);
    alice.register(&sam).expect("registers");
    let token = alice.tokens(&alice.line(&sam)).expect("tokens").remove(0);
    let room = Room::new(9);
    sam.connect(ConnectionKind::Channel).call(room.creation(token)).expect("creates");
    mark(&store, &Recovery::PENDING.encode());
    (store, room)
}

fn mark(store: &MemoryStore, value: &[u8]) {
    let value = value.to_vec();
    block_on(write(store, move |tx| Ok(tx.state().put(StateKey::Recovery, &value)?))).expect("put");
}

fn stored_in(store: &MemoryStore) -> Option<Recovery> {
    let stored = block_on(read(store, |tx| Ok(tx.state().get(StateKey::Recovery)?))).expect("read");
    stored.map(|stored| Recovery::decode(&stored).expect("a mark"))
}

fn started(store: &MemoryStore, recovery: Duration) -> Sam {
    Sam::on(store.clone(), Registration::Open, Limits { recovery, ..Limits::default() })
}

fn attached<'s>(sam: &'s Sam, room: &Room) -> Line<'s> {
    let line = sam.connect(ConnectionKind::Channel);
    room.attach(&line).expect("attaches");
    line
}

/// A message offered again behind what the room knows.
fn offered(room: &mut Room) -> ChannelRestore {
    let message = room.message(b"lost");
    let entry = RestoredEntry {
        id: message.id,
        after_commit: message.after_commit,
        sealed: message.sealed,
        time: Timestamp(1_780_000_000_000),
        commit: None,
    };
    ChannelRestore { channel: room.channel, after: room.last_commit, entries: vec![entry] }
}

fn restoring<T>(left: Duration) -> Result<T, CallFailure> {
    Err(CallFailure::retry(ErrorCode::Restoring, left))
}

#[test]
fn nothing_new_is_written_before_the_time_is_over_and_all_else_is_done() {
    let (store, mut room) = restored();
    let sam = started(&store, MINUTE * 10);
    let begun = block_on(sam.server.begin_recovery(sam.now())).expect("begins").expect("on");
    assert_eq!(begun, Recovery { until: Some(sam.now().after(MINUTE * 10)), restored: 0 });
    sam.pass(MINUTE);
    let bob = attached(&sam, &room);
    let message = room.message(b"too early");
    assert_eq!(bob.call(message.clone()), restoring(MINUTE * 9));
    let mut pushed = bob.subscribe(ChannelSubscribe { channel: room.channel, after: 0 }).expect("subscribes");
    assert_eq!(pushed.next().expect("at once").expect("a page").entries.len(), 0);
    let restored = bob.call(offered(&mut room)).expect("taken");
    assert_eq!((restored.outcome, restored.added), (RestoreOutcome::Whole, 1));
    assert_eq!(pushed.next().expect("pushed").expect("a page").entries.len(), 1);
    let page = bob.call(ChannelRead { channel: room.channel, after: 0, limit: MAX_PAGE_ENTRIES }).expect("reads");
    assert_eq!(page.entries.len(), 1);
    let mut carol = Person::new("carol", 2);
    carol.register(&sam).expect("registers");
    let token = carol.tokens(&carol.line(&sam)).expect("tokens").remove(0);
    let elsewhere = Room::new(7);
    bob.call(elsewhere.creation(token)).expect("channels are made");
    sam.pass(MINUTE * 9);
    assert_eq!(accepted(bob.call(message)).position, 2, "to the millisecond");
}

#[test]
fn a_restart_neither_ends_nor_prolongs_it() {
    let (store, mut room) = restored();
    let first = started(&store, MINUTE * 10);
    block_on(first.server.begin_recovery(first.now())).expect("begins");
    attached(&first, &room).call(offered(&mut room)).expect("taken");
    let second = started(&store, MINUTE * 10);
    second.pass(MINUTE * 4);
    let found = block_on(second.server.begin_recovery(second.now())).expect("goes on").expect("on");
    assert_eq!(found, Recovery { until: Some(first.now().after(MINUTE * 10)), restored: 1 });
    let bob = attached(&second, &room);
    assert_eq!(bob.call(room.message(b"too early")), restoring(MINUTE * 6));
    second.pass(MINUTE * 6);
    let swept = block_on(second.server.sweep(second.now())).expect("sweeps");
    assert_eq!(swept.recovery, Some(found), "it is said once");
    assert_eq!((stored_in(&store), second.server.recovery_ends()), (None, None));
    assert_eq!(block_on(second.server.sweep(second.now())).expect("sweeps").recovery, None);
    accepted(bob.call(room.message(b"in time")));
    let third = started(&store, MINUTE * 10);
    assert_eq!(block_on(third.server.begin_recovery(third.now())).expect("none"), None);
}

#[test]
fn a_server_that_was_never_told_that_it_begins_begins_with_what_is_written_first() {
    let (store, mut room) = restored();
    // As a command beside the server does: it starts the services, and ends.
    let sam = started(&store, MINUTE * 10);
    assert_eq!(stored_in(&store), Some(Recovery::PENDING));
    assert_eq!(sam.server.recovery_ends(), None);
    sam.days(1);
    let bob = attached(&sam, &room);
    assert_eq!(bob.call(room.message(b"too early")), restoring(MINUTE * 10));
    assert_eq!(sam.server.recovery_ends(), Some(sam.now().after(MINUTE * 10)));
    assert_eq!(stored_in(&store).and_then(|recovery| recovery.until), sam.server.recovery_ends());
}

#[test]
fn none_is_kept_where_none_is_configured_and_none_is_longer_than_configured() {
    let (store, mut room) = restored();
    let sam = started(&store, Duration::ZERO);
    assert_eq!(block_on(sam.server.begin_recovery(sam.now())).expect("none"), None);
    assert_eq!(stored_in(&store), None);
    accepted(attached(&sam, &room).call(room.message(b"at once")));
    // A clock that was a year ahead when it began.
    let until = Some(sam.now().after(MINUTE * 60 * 24 * 365));
    mark(&store, &Recovery { until, restored: 3 }.encode());
    let sam = started(&store, MINUTE);
    let found = block_on(sam.server.begin_recovery(sam.now())).expect("goes on");
    assert_eq!(found, Some(Recovery { until: Some(sam.now().after(MINUTE)), restored: 3 }));
    assert_eq!(stored_in(&store), found);
}

#[test]
fn a_clock_that_is_set_back_meanwhile_does_not_prolong_it() {
    let (store, mut room) = restored();
    let sam = started(&store, MINUTE * 10);
    sam.days(1);
    block_on(sam.server.begin_recovery(sam.now())).expect("begins");
    let bob = attached(&sam, &room);
    sam.set_back(Duration::from_millis(Timestamp::DAY_MS));
    let message = room.message(b"in time");
    assert_eq!(bob.call(message.clone()), restoring(MINUTE * 10));
    assert_eq!(stored_in(&store).and_then(|recovery| recovery.until), Some(sam.now().after(MINUTE * 10)));
    sam.pass(MINUTE * 10);
    accepted(bob.call(message));
}

#[test]
fn entries_that_are_restored_later_are_taken_and_counted_all_the_same() {
    let (store, mut room) = restored();
    let sam = started(&store, Duration::ZERO);
    block_on(sam.server.begin_recovery(sam.now())).expect("none");
    let bob = attached(&sam, &room);
    let offer = offered(&mut room);
    for added in [1, 0] {
        assert_eq!(bob.call(offer.clone()).expect("answered").added, added);
    }
    assert_eq!((sam.server.restored_entries(), stored_in(&store)), (1, None));
}

#[test]
fn a_mark_is_read_as_it_was_written_and_nothing_else_is_one() {
    for recovery in [Recovery::PENDING, Recovery { until: Some(Timestamp(u64::MAX - 1)), restored: 7 }] {
        assert_eq!(Recovery::decode(&recovery.encode()), Some(recovery));
    }
    let whole = Recovery::PENDING.encode();
    assert_eq!(whole, [&[1][..], &[0; 16]].concat());
    let longer = [&whole[..], &[0]].concat();
    for other in [&[][..], &whole[..16], &longer, &[2; 17]] {
        assert_eq!(Recovery::decode(other), None);
    }
    let store = MemoryStore::new();
    mark(&store, &[9]);
    let damaged = block_on(Clock::load(&store)).expect_err("no mark");
    assert_eq!(damaged, ServerError::StateDamaged { what: "mark of a restore" });
}

#[test]
fn the_old_key_of_a_member_who_was_removed_since_writes_and_deletes_nothing_in_the_recovery_time() {
    let (store, mut room) = restored();
    let sam = started(&store, MINUTE * 10);
    block_on(sam.server.begin_recovery(sam.now())).expect("begins");
    let (alice, mallory) = (attached(&sam, &room), attached(&sam, &room));
    assert_eq!(mallory.call(room.message(b"I am back")), restoring(MINUTE * 10));
    assert_eq!(mallory.call(ChannelDelete { channel: room.channel }), restoring(MINUTE * 10));
    let next = quicprochat_identity::AccessSecretKey::from_seed(&[77; 32]);
    let removal = room.rolling(b"removed", &next);
    let entry = RestoredEntry {
        id: removal.id,
        after_commit: removal.after_commit,
        sealed: removal.sealed,
        time: sam.now(),
        commit: removal.commit,
    };
    let offer = ChannelRestore { channel: room.channel, after: room.last_commit, entries: vec![entry] };
    room.last_commit = alice.call(offer).expect("taken").last;
    attach_with(&alice, room.channel, &next).expect("attaches");
    sam.pass(MINUTE * 10);
    let denied = mallory.call(room.message(b"I am back")).expect_err("removed again");
    assert_eq!(denied.code, ErrorCode::AccessDenied);
    let denied = mallory.call(ChannelDelete { channel: room.channel }).expect_err("removed again");
    assert_eq!(denied.code, ErrorCode::AccessDenied);
    accepted(alice.call(room.message(b"we go on")));
}
