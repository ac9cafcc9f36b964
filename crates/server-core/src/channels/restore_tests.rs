//! A server that was put back, and what its clients offer it again.

use quicprochat_identity::AccessSecretKey;
use quicprochat_wire::{
    CallFailure, ChunkId, ConnectionKind, Duration, ErrorCode, MessageId, Timestamp,
    call::{
        channel::{
            ChainPoint, ChannelChunks, ChannelEnqueue, ChannelEntry, ChannelGroupInfo, ChannelKeyring, ChannelRead,
            ChannelRestore, ChannelSubscribe, Enqueued, RestoreOutcome, Restored, RestoredEntry, TreeChange, TreeChunk,
        },
        session::Registration,
    },
    limits::{MAX_PAGE_ENTRIES, MIN_TREE_CHUNK_BYTES},
};

use super::{restore::BYTES_OF_ONE, tests::room};
use crate::{
    Limits, Rate,
    test_support::{Line, Room, Sam, accepted, attach_with, refused},
};

/// An entry as a holder keeps it: as it was written, where it stands, and when readers were told it came.
#[derive(Clone)]
struct Held {
    request: ChannelEnqueue,
    at: ChainPoint,
    time: Timestamp,
}

fn next_key() -> AccessSecretKey {
    AccessSecretKey::from_seed(&[77; 32])
}

/// Writes to the server that is put back later.
fn write(line: &Line<'_>, room: &mut Room, request: ChannelEnqueue) -> Held {
    let Enqueued::Accepted { at, time: Some(time) } = line.call(request.clone()).expect("answered") else {
        panic!("not accepted")
    };
    if request.commit.is_some() {
        room.last_commit = at;
    }
    Held { request, at, time }
}

/// Message, commit, message, commit, message: ten minutes between them.
fn history(line: &Line<'_>, room: &mut Room) -> Vec<Held> {
    let mut held = Vec::new();
    for number in 1..=5_u8 {
        let request = if number % 2 == 0 { room.commit(&[number; 9]) } else { room.message(&[number; 9]) };
        held.push(write(line, room, request));
        line.sam.pass(Duration::from_secs(600));
    }
    held
}

/// A server that has the first `kept` entries, ten days later.
fn put_back(held: &[Held], kept: usize, limits: Limits) -> Sam {
    let sam = Sam::with(Registration::Open, limits);
    {
        let (_, line) = room(&sam);
        for Held { request, at, .. } in &held[..kept] {
            assert_eq!(accepted(line.call(request.clone())), *at);
            sam.pass(Duration::from_secs(600));
        }
    }
    sam.days(10);
    sam
}

fn attached(sam: &Sam) -> Line<'_> {
    let line = sam.connect(ConnectionKind::Channel);
    Room::new(9).attach(&line).expect("attaches");
    line
}

fn entry(held: &Held) -> RestoredEntry {
    let ChannelEnqueue { id, after_commit, sealed, commit, .. } = held.request.clone();
    RestoredEntry { id, after_commit, sealed, time: held.time, commit }
}

fn offer(after: ChainPoint, held: &[Held]) -> ChannelRestore {
    ChannelRestore { channel: Room::new(9).channel, after, entries: held.iter().map(entry).collect() }
}

/// What `offer` of `held[from..]` after the entry before it is.
fn rest(held: &[Held], from: usize) -> ChannelRestore {
    let after = from.checked_sub(1).map_or(Room::new(9).last_commit, |before| held[before].at);
    offer(after, &held[from..])
}

fn whole(line: &Line<'_>, request: ChannelRestore) -> Restored {
    let restored = line.call(request).expect("answered");
    assert_eq!(restored.outcome, RestoreOutcome::Whole);
    restored
}

fn entries(line: &Line<'_>) -> Vec<ChannelEntry> {
    let page = line.call(ChannelRead { channel: Room::new(9).channel, after: 0, limit: 100 });
    page.expect("reads").entries
}

#[test]
fn what_was_lost_stands_where_it_stood_with_the_bytes_hashes_and_times_that_it_had() {
    let before = Sam::new();
    let (mut team, line) = room(&before);
    let held = history(&line, &mut team);
    let log = entries(&line);
    for kept in 0..5 {
        let sam = put_back(&held, kept, Limits::default());
        let bob = attached(&sam);
        let restored = whole(&bob, rest(&held, kept));
        let expected = Restored {
            outcome: RestoreOutcome::Whole,
            added: u32::try_from(5 - kept).expect("few"),
            last_commit: held[3].at,
            last: held[4].at,
        };
        assert_eq!(restored, expected);
        assert_eq!(entries(&bob), log, "after {kept}");
        // And the conversation goes on.
        let state = Room::new(9).attach(&bob).expect("attaches");
        assert_eq!((state.last, state.last_commit), (held[4].at, held[3].at));
        let info = bob.call(ChannelGroupInfo { channel: team.channel, position: u64::MAX }).expect("the newest");
        assert_eq!((info.at, info.commit), (held[3].at, held[3].request.id));
        accepted(bob.call(team.message(b"on we go")));
    }
}

#[test]
fn any_number_of_holders_may_offer_the_same_also_at_different_lengths() {
    let before = Sam::new();
    let (mut team, line) = room(&before);
    let held = history(&line, &mut team);
    let sam = put_back(&held, 2, Limits::default());
    let (bob, carol) = (attached(&sam), attached(&sam));
    assert_eq!(whole(&bob, offer(held[1].at, &held[2..4])).added, 2);
    assert_eq!(whole(&carol, offer(held[1].at, &held[2..5])).added, 1, "the first two are passed over");
    assert_eq!(whole(&bob, offer(held[1].at, &held[2..4])).added, 0);
    assert_eq!(whole(&carol, rest(&held, 0)).added, 0, "also what was never lost");
    assert_eq!(entries(&bob), entries(&line));
    // A message that its writer sends again is the one that was restored.
    assert_eq!(accepted(carol.call(held[4].request.clone())), held[4].at);
}

#[test]
fn an_offer_that_does_not_fit_the_log_changes_nothing() {
    let before = Sam::new();
    let (mut team, line) = room(&before);
    let held = history(&line, &mut team);
    let sam = put_back(&held, 2, Limits::default());
    let bob = attached(&sam);
    let answer = |outcome| Restored { outcome, added: 0, last_commit: held[1].at, last: held[1].at };
    assert_eq!(bob.call(rest(&held, 3)), Ok(answer(RestoreOutcome::Short)), "an entry is missing in between");
    let elsewhere = ChainPoint { hash: held[0].at.hash, ..held[1].at };
    assert_eq!(bob.call(offer(elsewhere, &held[2..])), Ok(answer(RestoreOutcome::Diverged)), "another past");
    let mut other = rest(&held, 1);
    other.entries[0].sealed.push(0);
    assert_eq!(bob.call(other), Ok(answer(RestoreOutcome::Diverged)), "other bytes where something stands");
    // What no log could have there.
    let mut unnamed = rest(&held, 2);
    unnamed.entries[2].after_commit = held[1].at;
    assert_eq!(bob.call(unnamed), refused(ErrorCode::BadRequest), "it passes over the commit before it");
    let mut twice = rest(&held, 2);
    twice.entries[2].id = held[0].request.id;
    assert_eq!(bob.call(twice), refused(ErrorCode::BadRequest), "an id stands twice");
    assert_eq!(entries(&bob).len(), 2, "and what came before it is taken back");
    assert_eq!(bob.call(offer(held[1].at, &[])), refused(ErrorCode::BadRequest));
    let mut many = rest(&held, 2);
    many.entries = vec![many.entries[0].clone(); usize::from(MAX_PAGE_ENTRIES) + 1];
    assert_eq!(bob.call(many), refused(ErrorCode::TooLarge));
    let mut empty = rest(&held, 2);
    empty.entries[1].sealed.clear();
    assert_eq!(bob.call(empty), refused(ErrorCode::BadRequest));
    assert_eq!(whole(&bob, rest(&held, 2)).added, 3, "nothing of all that is in the way");
}

#[test]
fn whoever_wrote_over_the_shorter_log_first_is_found_by_the_holder_of_the_longer_one() {
    let before = Sam::new();
    let (mut team, line) = room(&before);
    let held = history(&line, &mut team);
    let sam = put_back(&held, 2, Limits::default());
    let bob = attached(&sam);
    team.last_commit = held[1].at;
    let written = accepted(bob.call(team.message(b"over it")));
    let diverged = Restored { outcome: RestoreOutcome::Diverged, added: 0, last_commit: held[1].at, last: written };
    assert_eq!(bob.call(rest(&held, 2)), Ok(diverged));
    assert_eq!(entries(&bob).len(), 3);
}

#[test]
fn times_are_taken_over_but_never_run_backwards_or_ahead() {
    let before = Sam::new();
    let (mut team, line) = room(&before);
    let held = history(&line, &mut team);
    let sam = put_back(&held, 2, Limits::default());
    let bob = attached(&sam);
    let mut claimed = rest(&held, 2);
    claimed.entries[0].time = Timestamp(0);
    claimed.entries[1].time = Timestamp(held[3].time.0 + 59_999);
    claimed.entries[2].time = Timestamp(u64::MAX);
    whole(&bob, claimed);
    let now = Timestamp(sam.now().0 / 60_000 * 60_000);
    let times: Vec<_> = entries(&bob).iter().map(|entry| entry.time).collect();
    assert_eq!(times, [held[0].time, held[1].time, held[1].time, held[3].time, now]);
}

#[test]
fn restored_entries_expire_by_their_own_age() {
    let before = Sam::new();
    let (mut team, line) = room(&before);
    let held = history(&line, &mut team);
    let sam = put_back(&held, 0, Limits::default());
    let bob = attached(&sam);
    whole(&bob, rest(&held, 0));
    sam.days(79);
    futures::executor::block_on(sam.server.sweep(sam.now())).expect("sweeps");
    assert_eq!(entries(&bob).len(), 5);
    sam.days(2);
    futures::executor::block_on(sam.server.sweep(sam.now())).expect("sweeps");
    assert!(entries(&bob).is_empty());
    // The points stay: what has expired since is known as what it was.
    assert_eq!(whole(&bob, rest(&held, 0)).added, 0);
}

#[test]
fn a_rolling_commit_ends_its_call_and_what_follows_takes_the_key_that_it_brought() {
    let before = Sam::new();
    let (mut team, line) = room(&before);
    let mut held = history(&line, &mut team);
    let rolling = team.rolling(b"roll", &next_key());
    held.push(write(&line, &mut team, rolling));
    attach_with(&line, team.channel, &next_key()).expect("attaches");
    let last = team.message(b"after it");
    held.push(write(&line, &mut team, last));
    let sam = put_back(&held, 3, Limits::default());
    let (bob, carol) = (attached(&sam), attached(&sam));
    let mut pushed = carol.subscribe(ChannelSubscribe { channel: team.channel, after: 3 }).expect("subscribes");
    assert_eq!(pushed.next().expect("at once").expect("a page").entries.len(), 0);
    assert_eq!(bob.call(rest(&held, 3)), refused(ErrorCode::BadRequest), "something follows the roll");
    let restored = whole(&bob, offer(held[2].at, &held[3..6]));
    assert_eq!((restored.last, restored.last_commit), (held[5].at, held[5].at));
    // Everybody attached is pushed it, up to the end of the old key.
    let page = pushed.next().expect("pushed").expect("a page");
    assert_eq!(page.entries.last().map(|entry| (entry.seq, entry.next_access)), Some((6, Some(next_key().public()))));
    assert_eq!(pushed.next(), Some(refused(ErrorCode::AccessDenied)));
    assert_eq!(bob.call(rest(&held, 6)), refused(ErrorCode::AccessDenied), "with the old key");
    let keyring = bob.call(ChannelKeyring { channel: team.channel }).expect("an earlier key may");
    assert_eq!((keyring.at, keyring.keyring), (held[5].at, b"keyring roll".to_vec()));
    attach_with(&bob, team.channel, &next_key()).expect("attaches");
    assert_eq!(whole(&bob, rest(&held, 6)).last, held[6].at);
    assert_eq!(entries(&bob), entries(&line));
    let mut back = rest(&held, 6);
    back.after = held[6].at;
    back.entries[0] = RestoredEntry { id: MessageId::new([99; 16]), after_commit: held[5].at, ..entry(&held[5]) };
    assert_eq!(bob.call(back), refused(ErrorCode::BadRequest), "a key never comes back");
}

#[test]
fn nothing_is_restored_without_the_current_key() {
    let before = Sam::new();
    let (mut team, line) = room(&before);
    let held = history(&line, &mut team);
    let sam = put_back(&held, 2, Limits::default());
    let mallory = sam.connect(ConnectionKind::Channel);
    assert_eq!(mallory.call(rest(&held, 2)), refused(ErrorCode::AccessDenied));
    let bob = attached(&sam);
    let elsewhere = ChannelRestore { channel: Room::new(8).channel, ..rest(&held, 2) };
    assert_eq!(bob.call(elsewhere), refused(ErrorCode::AccessDenied));
    assert_eq!(entries(&bob).len(), 2);
}

#[test]
fn a_commit_may_come_without_its_group_info_and_then_changes_no_chunks() {
    let tree = |number: u8| TreeChange {
        added: vec![TreeChunk { id: ChunkId::new([number; 32]), sealed: vec![number; MIN_TREE_CHUNK_BYTES] }],
        ..TreeChange::default()
    };
    let before = Sam::new();
    let (mut team, line) = room(&before);
    let mut held = Vec::new();
    for number in 1..=3 {
        let mut request = team.commit(&[number]);
        request.commit.as_mut().expect("a commit").tree = tree(number);
        held.push(write(&line, &mut team, request));
    }
    let sam = put_back(&held, 1, Limits::default());
    let bob = attached(&sam);
    let mut bare = rest(&held, 1);
    bare.entries[1].commit.as_mut().expect("a commit").group_info.clear();
    assert_eq!(bob.call(bare.clone()), refused(ErrorCode::BadRequest), "chunks of a GroupInfo that is not there");
    bare.entries[1].commit.as_mut().expect("a commit").tree = TreeChange::default();
    assert_eq!(whole(&bob, bare).last, held[2].at);
    let channel = team.channel;
    let newest = bob.call(ChannelGroupInfo { channel, position: u64::MAX }).expect("an older one");
    assert_eq!((newest.at, newest.commit), (held[1].at, held[1].request.id));
    assert_eq!(bob.call(ChannelGroupInfo { channel, position: 3 }), refused(ErrorCode::NotFound));
    let ids = (1..=3).map(|number| ChunkId::new([number; 32])).collect();
    let chunks = bob.call(ChannelChunks { channel, ids }).expect("chunks").chunks;
    assert_eq!(chunks.iter().map(Vec::is_empty).collect::<Vec<_>>(), [false, false, true]);
    // The next commit brings all that its GroupInfo names.
    let mut next = team.commit(b"next");
    next.commit.as_mut().expect("a commit").tree = TreeChange { ends_all: true, ..tree(4) };
    let at = accepted(bob.call(next));
    assert_eq!(bob.call(ChannelGroupInfo { channel, position: u64::MAX }).expect("the newest").at, at);
}

#[test]
fn limits_hold_for_entries_that_are_offered_again() {
    let before = Sam::new();
    let (mut team, line) = room(&before);
    let held = history(&line, &mut team);
    let tight = Limits { channel_bytes: 30, channel_commit_room_bytes: 0, ..Limits::default() };
    let sam = put_back(&held, 2, tight);
    let bob = attached(&sam);
    let full = bob.call(rest(&held, 2)).expect_err("full");
    assert!(full.code == ErrorCode::QuotaFull && full.retry_after.is_some(), "{full:?}");
    assert_eq!(entries(&bob).len(), 2, "all or nothing");
    assert_eq!(whole(&bob, offer(held[1].at, &held[2..3])).added, 1);
    let small = put_back(&held, 2, Limits { message_bytes: 9, commit_bytes: 9, ..Limits::default() });
    let bob = attached(&small);
    let mut large = rest(&held, 2);
    large.entries[1].sealed.push(0);
    assert_eq!(bob.call(large), refused(ErrorCode::TooLarge));
    assert_eq!(whole(&bob, rest(&held, 2)).added, 3);
}

#[test]
fn an_offer_costs_as_much_as_writing_its_entries_would_also_if_nothing_of_it_is_lacking() {
    let before = Sam::new();
    let (mut team, line) = room(&before);
    let held = history(&line, &mut team);
    let rate = Rate::new(12, Duration::from_secs(60));
    let sam = put_back(&held, 2, Limits { channel_enqueues: rate, ..Limits::default() });
    let bob = attached(&sam);
    assert_eq!(whole(&bob, rest(&held, 0)).added, 3);
    assert_eq!(whole(&bob, rest(&held, 0)).added, 0);
    let refused = bob.call(rest(&held, 0)).expect_err("two are left, five are wanted");
    assert_eq!(refused, CallFailure::retry(ErrorCode::RateLimited, Duration::from_secs(15)));
    sam.pass(Duration::from_secs(60));
    let mut large = rest(&held, 4);
    large.entries[0].sealed.resize(3 * BYTES_OF_ONE, 0);
    for _ in 0..3 {
        let restored = bob.call(large.clone()).expect("each costs four");
        assert_eq!(restored.outcome, RestoreOutcome::Diverged, "other bytes than stand there");
    }
    assert_eq!(bob.call(rest(&held, 4)).map_err(|failure| failure.code), Err(ErrorCode::RateLimited));
}
