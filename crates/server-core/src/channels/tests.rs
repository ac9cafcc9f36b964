use quicprochat_identity::AccessSecretKey;
use quicprochat_wire::{
    CallFailure, ChannelId, ConnectionKind, Duration, ErrorCode, MessageId, Timestamp,
    call::channel::{
        ChainPoint, ChannelDelete, ChannelEntry, ChannelGroupInfo, ChannelKeyring, ChannelPage, ChannelRead,
        ChannelSubscribe, Enqueued, EntryKind,
    },
    call::session::Registration,
    chain,
};

use crate::{
    Limits, Rate,
    store::{
        StoreFault,
        memory::{Fault, FaultPoint},
    },
    test_support::{Line, Person, Room, Sam, accepted, attach_with, refused},
};

/// A channel, made and attached on a connection of its own.
pub(super) fn room(sam: &Sam) -> (Room, Line<'_>) {
    let mut alice = Person::new("alice", 1);
    alice.register(sam).expect("registers");
    let token = alice.tokens(&alice.line(sam)).expect("tokens").remove(0);
    let line = sam.connect(ConnectionKind::Channel);
    let room = Room::new(9);
    line.call(room.creation(token)).expect("creates");
    room.attach(&line).expect("attaches");
    (room, line)
}

fn read(line: &Line<'_>, room: &Room, after: u64) -> Result<ChannelPage, CallFailure> {
    line.call(ChannelRead { channel: room.channel, after, limit: 100 })
}

fn next_key() -> AccessSecretKey {
    AccessSecretKey::from_seed(&[77; 32])
}

#[test]
fn a_creation_is_idempotent_and_its_token_pays_once() {
    let sam = Sam::new();
    let mut alice = Person::new("alice", 1);
    alice.register(&sam).expect("registers");
    let mut tokens = alice.tokens(&alice.line(&sam)).expect("tokens");
    let (first, second) = (tokens.remove(0), tokens.remove(0));
    let line = sam.connect(ConnectionKind::Channel);
    let room = Room::new(9);
    line.call(room.creation(first.clone())).expect("creates");
    line.call(room.creation(first.clone())).expect("the same again is done");
    line.call(room.creation(second.clone())).expect("also with another token, which stays unspent");
    let mut other = room.creation(second.clone());
    other.group_info.push(0);
    assert_eq!(line.call(other), refused(ErrorCode::ChannelExists));
    assert_eq!(line.call(Room::new(8).creation(first)), refused(ErrorCode::TokenSpent));
    line.call(Room::new(8).creation(second)).expect("the second token was not spent");
}

#[test]
fn a_channel_without_a_good_token_is_not_made() {
    let sam = Sam::new();
    let mut alice = Person::new("alice", 1);
    alice.register(&sam).expect("registers");
    let token = alice.tokens(&alice.line(&sam)).expect("tokens").remove(0);
    let line = sam.connect(ConnectionKind::Channel);
    let room = Room::new(9);
    let mut forged = token.clone();
    forged.authenticator[0] ^= 1;
    assert_eq!(line.call(room.creation(forged)), refused(ErrorCode::TokenInvalid));
    sam.days(21);
    assert_eq!(line.call(room.creation(token)), refused(ErrorCode::TokenExpired));
    assert_eq!(room.attach(&line), refused(ErrorCode::AccessDenied));
}

#[test]
fn attaching_takes_a_signature_and_does_not_tell_unknown_channels_from_unknown_keys() {
    let sam = Sam::new();
    let (room, _) = room(&sam);
    let line = sam.connect(ConnectionKind::Channel);
    let state = room.attach(&line).expect("attaches");
    assert!(state.current && state.access == room.key.public() && state.first == 1);
    assert_eq!((state.last, state.last_commit, state.access_since), (room.last_commit, room.last_commit, 0));
    let stranger = next_key();
    assert_eq!(attach_with(&line, room.channel, &stranger), refused(ErrorCode::AccessDenied));
    assert_eq!(attach_with(&line, ChannelId::new([1; 32]), &stranger), refused(ErrorCode::AccessDenied));
    // What is signed for one connection is worth nothing on another.
    let other = sam.connect(ConnectionKind::Channel);
    let replayed = Line { challenge: line.challenge, ..other };
    assert_eq!(room.attach(&replayed), refused(ErrorCode::BadSignature));
}

#[test]
fn nothing_of_a_channel_is_shown_or_done_without_its_key() {
    let sam = Sam::new();
    let (mut room, line) = room(&sam);
    accepted(line.call(room.message(b"hello")));
    let mallory = sam.connect(ConnectionKind::Channel);
    let channel = room.channel;
    assert_eq!(mallory.call(room.message(b"spam")), refused(ErrorCode::AccessDenied));
    assert_eq!(read(&mallory, &room, 0), refused(ErrorCode::AccessDenied));
    assert!(mallory.subscribe(ChannelSubscribe { channel, after: 0 }).is_err());
    assert_eq!(mallory.call(ChannelGroupInfo { channel, position: 0 }), refused(ErrorCode::AccessDenied));
    assert_eq!(mallory.call(ChannelKeyring { channel }), refused(ErrorCode::AccessDenied));
    assert_eq!(mallory.call(ChannelDelete { channel }), refused(ErrorCode::AccessDenied));
    assert_eq!(read(&line, &room, 0).expect("reads").entries.len(), 1);
}

#[test]
fn entries_are_chained_and_read_back_as_they_were_written() {
    let sam = Sam::new();
    let (mut room, line) = room(&sam);
    let start = room.last_commit;
    let message = room.message(b"hello");
    let first = accepted(line.call(message.clone()));
    assert_eq!(first.hash, chain::link(&start.hash, 1, &message.id, EntryKind::Message, &start, b"hello"));
    let commit = room.commit(b"commit");
    let second = accepted(line.call(commit.clone()));
    assert_eq!(second.hash, chain::link(&first.hash, 2, &commit.id, EntryKind::Commit, &start, b"commit"));
    room.last_commit = second;
    let page = read(&line, &room, 0).expect("reads");
    let time = Timestamp(sam.now().0 / 60_000 * 60_000);
    let entry = |seq, id, kind, sealed: &[u8]| ChannelEntry {
        seq,
        id,
        kind,
        after_commit: start,
        sealed: sealed.to_vec(),
        next_access: None,
        time,
    };
    let entries =
        vec![entry(1, message.id, EntryKind::Message, b"hello"), entry(2, commit.id, EntryKind::Commit, b"commit")];
    assert_eq!(page, ChannelPage { entries, more: false });
    let part = line.call(ChannelRead { channel: room.channel, after: 0, limit: 1 }).expect("reads");
    assert_eq!((part.entries.len(), part.more), (1, true));
    let all = line.call(ChannelRead { channel: room.channel, after: 0, limit: 0 }).expect("reads");
    assert_eq!((all.entries.len(), all.more), (2, false), "0 is no limit");
}

#[test]
fn whoever_missed_a_commit_is_stale_and_whoever_knows_another_past_diverged() {
    let sam = Sam::new();
    let (mut room, line) = room(&sam);
    let start = room.last_commit;
    let message = accepted(line.call(room.message(b"one")));
    let commit = accepted(line.call(room.commit(b"two")));
    let stale = Enqueued::Stale { last_commit: commit };
    assert_eq!(line.call(room.message(b"late")), Ok(stale.clone()));
    assert_eq!(line.call(room.commit(b"late too")), Ok(stale));
    let diverged = Enqueued::Diverged { last_commit: commit, last: commit };
    let elsewhere = ChainPoint { hash: message.hash, ..commit };
    for named in [message, elsewhere, ChainPoint { position: 9, ..commit }, ChainPoint { hash: commit.hash, ..start }] {
        room.last_commit = named;
        assert_eq!(line.call(room.message(b"other past")), Ok(diverged.clone()), "{named:?}");
    }
    room.last_commit = commit;
    accepted(line.call(room.message(b"in time")));
}

#[test]
fn a_repeated_id_is_answered_with_its_first_position_whatever_else_it_says() {
    let sam = Sam::new();
    let (mut room, line) = room(&sam);
    let message = room.message(b"once");
    let at = accepted(line.call(message.clone()));
    room.last_commit = accepted(line.call(room.commit(b"commit")));
    assert_eq!(accepted(line.call(message.clone())), at, "though the commit it names is stale");
    let mut other = room.message(b"other content");
    other.id = message.id;
    assert_eq!(accepted(line.call(other)), at);
    assert_eq!(read(&line, &room, 0).expect("reads").entries.len(), 2);
    sam.days(91);
    futures::executor::block_on(sam.server.sweep(sam.now())).expect("sweeps");
    assert!(read(&line, &room, 0).expect("reads").entries.is_empty());
    assert_eq!(accepted(line.call(message)), at, "beyond retention too");
}

#[test]
fn a_rolling_commit_cuts_the_old_key_off_and_leaves_it_the_keyring() {
    let sam = Sam::new();
    let (mut room, bob) = room(&sam);
    let before = accepted(bob.call(room.message(b"before")));
    let alice = sam.connect(ConnectionKind::Channel);
    room.attach(&alice).expect("attaches");
    let mut subscription = bob.subscribe(ChannelSubscribe { channel: room.channel, after: 0 }).expect("subscribes");
    assert_eq!(subscription.next().expect("at once").expect("a page").entries.len(), 1);
    assert!(subscription.next().is_none());

    let new = next_key();
    let rolling = room.rolling(b"roll", &new);
    let roll = accepted(alice.call(rolling.clone()));
    room.last_commit = roll;

    // The old key: pushed the rolling commit, then nothing; no reading on, no writing, but the keyring.
    let page = subscription.next().expect("pushed").expect("a page");
    assert_eq!(
        page.entries.iter().map(|entry| (entry.seq, entry.next_access)).collect::<Vec<_>>(),
        [(2, Some(new.public()))]
    );
    assert_eq!(subscription.next(), Some(refused(ErrorCode::AccessDenied)));
    assert!(subscription.ended());
    assert_eq!(bob.call(room.message(b"after")), refused(ErrorCode::AccessDenied));
    let until = |page: ChannelPage| (page.entries.last().map(|entry| entry.seq), page.more);
    assert_eq!(read(&bob, &room, 0).map(until), Ok((Some(2), false)), "what it was in force for");
    assert!(bob.subscribe(ChannelSubscribe { channel: room.channel, after: 0 }).is_err());
    let keyring = bob.call(ChannelKeyring { channel: room.channel }).expect("an earlier key may");
    assert_eq!((keyring.at, keyring.keyring), (roll, b"keyring roll".to_vec()));
    let again = sam.connect(ConnectionKind::Channel);
    let state = room.attach(&again).expect("an earlier key attaches");
    assert!(!state.current && state.access == new.public() && state.last.position == 0);

    // Its writer, who lost the answer, learns it by repeating; nothing later is told.
    assert_eq!(accepted(alice.call(rolling)), roll);
    let mut repeat = room.message(b"x");
    repeat.id = MessageId::new([1; 16]);
    assert_eq!(accepted(bob.call(repeat.clone())), before);

    // The new key reads everything and writes.
    let state = attach_with(&alice, room.channel, &new).expect("attaches");
    assert!(state.current && state.access_since == 2 && state.last == roll);
    let after = room.message(b"after");
    accepted(alice.call(after.clone()));
    assert_eq!(read(&alice, &room, 0).expect("reads").entries.len(), 3);
    assert_eq!(read(&bob, &room, 0).map(until), Ok((Some(2), false)), "the old key reads nothing later");
    assert_eq!(read(&bob, &room, 2).map(until), Ok((None, false)));
    assert_eq!(bob.call(after), refused(ErrorCode::AccessDenied), "an id beyond the old key's reach is not told");
}

#[test]
fn a_key_never_comes_back() {
    let sam = Sam::new();
    let (mut room, line) = room(&sam);
    let (old, new) = (AccessSecretKey::from_seed(room.key.seed().as_slice().try_into().expect("32 bytes")), next_key());
    assert_eq!(line.call(room.rolling(b"to itself", &old)), refused(ErrorCode::BadRequest));
    room.last_commit = accepted(line.call(room.rolling(b"roll", &new)));
    attach_with(&line, room.channel, &new).expect("attaches");
    assert_eq!(line.call(room.rolling(b"back", &old)), refused(ErrorCode::BadRequest));
    assert_eq!(read(&line, &room, 0).expect("reads").entries.len(), 1, "a refused commit leaves no trace");
}

#[test]
fn group_infos_are_found_by_commit_and_the_last_32_outlive_any_quota() {
    let sam = Sam::with(Registration::Open, Limits { channel_group_infos_bytes: 0, ..Limits::default() });
    let (mut room, line) = room(&sam);
    let channel = room.channel;
    let created = line.call(ChannelGroupInfo { channel, position: u64::MAX }).expect("of the creation");
    assert_eq!((created.at, created.sealed), (room.last_commit, b"GroupInfo 0".to_vec()));
    for _ in 0..40 {
        room.last_commit = accepted(line.call(room.commit(b"c")));
    }
    let newest = line.call(ChannelGroupInfo { channel, position: u64::MAX }).expect("the newest");
    assert_eq!((newest.at, newest.sealed), (room.last_commit, b"GroupInfo c".to_vec()));
    assert!(line.call(ChannelGroupInfo { channel, position: 9 }).is_ok(), "the 32nd from the end");
    assert_eq!(line.call(ChannelGroupInfo { channel, position: 8 }), refused(ErrorCode::NotFound));
}

#[test]
fn a_full_channel_refuses_messages_says_until_when_and_takes_commits() {
    let limits = Limits {
        channel_bytes: 100,
        channel_commit_room_bytes: 50,
        channel_entries: 4,
        channel_commit_room_entries: 2,
        ..Limits::default()
    };
    let sam = Sam::with(Registration::Open, limits);
    let (mut room, line) = room(&sam);
    accepted(line.call(room.message(&[1; 90])));
    let failure = line.call(room.message(&[1; 11])).expect_err("full");
    assert_eq!(failure.code, ErrorCode::QuotaFull);
    let wait = failure.retry_after.expect("it says when");
    accepted(line.call(room.message(&[1; 10])));
    room.last_commit = accepted(line.call(room.commit(&[1; 30])));
    assert_eq!(line.call(room.commit(&[1; 21])).map_err(|failure| failure.code), Err(ErrorCode::QuotaFull));
    sam.pass(wait);
    futures::executor::block_on(sam.server.sweep(sam.now())).expect("sweeps");
    for _ in 0..4 {
        accepted(line.call(room.message(&[1; 11])));
    }
    assert_eq!(line.call(room.message(&[1; 1])).map_err(|failure| failure.code), Err(ErrorCode::QuotaFull), "entries");
    for _ in 0..2 {
        room.last_commit = accepted(line.call(room.commit(&[1; 1])));
    }
    assert_eq!(line.call(room.commit(&[1; 1])).map_err(|failure| failure.code), Err(ErrorCode::QuotaFull));
}

#[test]
fn what_is_too_large_is_refused_by_its_own_limit() {
    let limits =
        Limits { message_bytes: 10, commit_bytes: 20, group_info_bytes: 30, keyring_bytes: 40, ..Limits::default() };
    let sam = Sam::with(Registration::Open, limits);
    let (mut room, line) = room(&sam);
    accepted(line.call(room.message(&[1; 10])));
    assert_eq!(line.call(room.message(&[1; 11])), refused(ErrorCode::TooLarge));
    assert_eq!(line.call(room.message(&[])), refused(ErrorCode::BadRequest));
    let sized = |commit: usize, group_info: usize, keyring: usize| {
        let mut rolling = Room::new(9).rolling(&vec![1; commit], &next_key());
        let parts = rolling.commit.as_mut().expect("a commit");
        parts.group_info = vec![1; group_info];
        parts.roll.as_mut().expect("a roll").keyring = vec![1; keyring];
        rolling.id = MessageId::new([200; 16]);
        rolling
    };
    for bad in [sized(21, 30, 40), sized(20, 31, 40), sized(20, 30, 41)] {
        assert_eq!(line.call(bad), refused(ErrorCode::TooLarge));
    }
    accepted(line.call(sized(20, 30, 40)));
}

#[test]
fn only_age_drops_content_and_it_moves_the_first_position() {
    let sam = Sam::new();
    let (mut room, line) = room(&sam);
    accepted(line.call(room.message(b"old")));
    room.last_commit = accepted(line.call(room.commit(b"old commit")));
    sam.days(60);
    accepted(line.call(room.message(b"young")));
    sam.days(31);
    let swept = futures::executor::block_on(sam.server.sweep(sam.now())).expect("sweeps");
    assert_eq!(swept.channel_entries, 2);
    let page = read(&line, &room, 0).expect("reads");
    assert_eq!(page.entries.iter().map(|entry| entry.seq).collect::<Vec<_>>(), [3]);
    assert_eq!(room.attach(&line).expect("attaches").first, 3);
    assert!(line.call(ChannelGroupInfo { channel: room.channel, position: u64::MAX }).is_ok());
    let late = Room::new(9).message(b"named the start");
    let late = line.call(quicprochat_wire::call::channel::ChannelEnqueue { id: MessageId::new([99; 16]), ..late });
    assert_eq!(late, Ok(Enqueued::Stale { last_commit: room.last_commit }));
    let swept = futures::executor::block_on(sam.server.sweep(sam.now())).expect("sweeps");
    assert_eq!(swept.channel_entries, 0);
}

#[test]
fn a_long_log_expires_in_steps() {
    let sam = Sam::with(
        Registration::Open,
        Limits { channel_enqueues: Rate::new(9_999, Duration::from_secs(1)), ..Limits::default() },
    );
    let (room, line) = room(&sam);
    for index in 0..2_500u16 {
        let mut id = [0; 16];
        id[..2].copy_from_slice(&index.to_le_bytes());
        accepted(line.call(quicprochat_wire::call::channel::ChannelEnqueue {
            id: MessageId::new(id),
            ..Room::new(9).message(b"x")
        }));
    }
    sam.days(91);
    let swept = futures::executor::block_on(sam.server.sweep(sam.now())).expect("sweeps");
    assert_eq!(swept.channel_entries, 2_500);
    assert_eq!(room.attach(&line).expect("attaches").first, 2_501);
}

#[test]
fn a_subscription_begins_at_its_cursor_and_is_pushed_what_arrives() {
    let sam = Sam::new();
    let (mut room, line) = room(&sam);
    let channel = room.channel;
    let mut empty = line.subscribe(ChannelSubscribe { channel, after: 0 }).expect("subscribes");
    assert_eq!(empty.next(), Some(Ok(ChannelPage { entries: Vec::new(), more: false })), "it is up");
    assert!(empty.next().is_none());
    for _ in 0..3 {
        accepted(line.call(room.message(b"m")));
    }
    let seqs = |page: ChannelPage| page.entries.iter().map(|entry| entry.seq).collect::<Vec<_>>();
    assert_eq!(seqs(empty.next().expect("pushed").expect("a page")), [1, 2, 3]);
    assert!(empty.next().is_none());
    let mut late = line.subscribe(ChannelSubscribe { channel, after: 2 }).expect("subscribes");
    assert_eq!(seqs(late.next().expect("at once").expect("a page")), [3]);
    accepted(line.call(room.message(b"m")));
    assert_eq!(seqs(late.next().expect("pushed").expect("a page")), [4]);
    line.call(ChannelDelete { channel }).expect("deletes");
    assert_eq!(late.next(), Some(refused(ErrorCode::AccessDenied)));
    assert_eq!(empty.next().map(|item| item.map_err(|failure| failure.code)), Some(Err(ErrorCode::AccessDenied)));
    assert_eq!(room.attach(&line), refused(ErrorCode::AccessDenied));
}

#[test]
fn a_drained_server_ends_subscriptions_and_refuses_calls() {
    let sam = Sam::new();
    let (room, line) = room(&sam);
    let mut subscription = line.subscribe(ChannelSubscribe { channel: room.channel, after: 0 }).expect("subscribes");
    assert!(subscription.next().is_some_and(|page| page.is_ok()));
    assert!(subscription.next().is_none());
    sam.server.drain();
    assert_eq!(subscription.next(), Some(refused(ErrorCode::Unavailable)));
    assert_eq!(read(&line, &room, 0), refused(ErrorCode::Unavailable));
}

#[test]
fn a_flood_is_told_when_to_go_on() {
    let rate = Rate::new(3, Duration::from_secs(3));
    let sam = Sam::with(Registration::Open, Limits { channel_enqueues: rate, ..Limits::default() });
    let (mut room, line) = room(&sam);
    for _ in 0..3 {
        accepted(line.call(room.message(b"m")));
    }
    let failure = line.call(room.message(b"m")).expect_err("too many");
    assert_eq!(failure, CallFailure::retry(ErrorCode::RateLimited, Duration::from_secs(1)));
    sam.pass(Duration::from_secs(1));
    accepted(line.call(room.message(b"m")));
}

#[test]
fn an_entry_is_acknowledged_only_when_durable_and_stands_once_after_a_crash() {
    for (point, kept) in [(FaultPoint::BeforeSync, 0), (FaultPoint::AfterSync, 1)] {
        let sam = Sam::new();
        let (mut room, line) = room(&sam);
        let message = room.message(b"m");
        sam.store.set_faults(Some(Box::new(move |at| if at == point { Fault::Crash } else { Fault::None })));
        assert_eq!(line.call(message.clone()), refused(ErrorCode::Unavailable));
        sam.store.set_faults(None);
        sam.store.restart();
        assert_eq!(read(&line, &room, 0).expect("reads").entries.len(), kept, "{point:?}");
        assert_eq!(accepted(line.call(message)).position, 1);
        assert_eq!(read(&line, &room, 0).expect("reads").entries.len(), 1);
    }
}

#[test]
fn a_full_disk_refuses_and_loses_nothing() {
    let sam = Sam::new();
    let (mut room, line) = room(&sam);
    accepted(line.call(room.message(b"m")));
    sam.store.set_faults(Some(Box::new(|point| match point {
        FaultPoint::BeforeSync => Fault::Fail(StoreFault::Full),
        FaultPoint::BeforeWrite | FaultPoint::AfterSync => Fault::None,
    })));
    let refused_message = room.message(b"n");
    assert_eq!(line.call(refused_message.clone()), refused(ErrorCode::Unavailable));
    assert_eq!(read(&line, &room, 0).expect("still reads").entries.len(), 1);
    sam.store.set_faults(None);
    assert_eq!(accepted(line.call(refused_message)).position, 2);
}
