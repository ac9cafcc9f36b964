//! Chunks of ratchet trees, as clients see them.

use quicprochat_wire::{
    CallFailure, ChunkId, ConnectionKind, Duration, ErrorCode,
    call::{
        channel::{ChannelChunks, ChannelEnqueue, ChannelGroupInfo, Enqueued, TreeChange, TreeChunk},
        session::Registration,
    },
    limits::{MAX_PAGE_BYTES, MAX_TREE_CHUNK_BYTES, MAX_TREE_CHUNKS, MIN_TREE_CHUNK_BYTES},
};

use super::tests::room;
use crate::{
    config::{Limits, Rate},
    test_support::{Line, Room, Sam, accepted, refused},
};

fn id(number: u8) -> ChunkId {
    ChunkId::new([number; 32])
}

fn added(numbers: &[u8]) -> TreeChange {
    let chunk = |number: &u8| TreeChunk { id: id(*number), sealed: vec![*number; MIN_TREE_CHUNK_BYTES] };
    TreeChange { added: numbers.iter().map(chunk).collect(), ..TreeChange::default() }
}

fn commit(room: &mut Room, tree: TreeChange) -> ChannelEnqueue {
    let mut request = room.commit(b"c");
    request.commit.as_mut().expect("a commit").tree = tree;
    request
}

/// Which of the chunks 1 to 9 are there.
fn found(line: &Line<'_>, room: &Room) -> Vec<u8> {
    let ids = (1..=9).map(id).collect();
    let answer = line.call(ChannelChunks { channel: room.channel, ids }).expect("chunks");
    (1..=9).zip(answer.chunks).filter(|(_, chunk)| !chunk.is_empty()).map(|(number, _)| number).collect()
}

#[test]
fn chunks_are_kept_as_long_as_a_group_info_may_name_them() {
    let sam = Sam::with(Registration::Open, Limits { channel_group_infos_bytes: 0, ..Limits::default() });
    let (mut room, line) = room(&sam);
    room.last_commit = accepted(line.call(commit(&mut room, added(&[1, 2, 3]))));
    let ended = TreeChange { ended: vec![id(1)], ..added(&[4]) };
    room.last_commit = accepted(line.call(commit(&mut room, ended)));
    room.last_commit = accepted(line.call(commit(&mut room, TreeChange { ends_all: true, ..added(&[5]) })));
    assert_eq!(found(&line, &room), [1, 2, 3, 4, 5], "older GroupInfos name them");
    // 32 are kept: that of the creation goes with the 32nd commit, that of the first commit with the 33rd, and so on.
    for number in 4..=32 {
        room.last_commit = accepted(line.call(room.commit(b"c")));
        assert_eq!(found(&line, &room), [1, 2, 3, 4, 5], "after commit {number}");
    }
    room.last_commit = accepted(line.call(room.commit(b"c")));
    assert_eq!(found(&line, &room), [2, 3, 4, 5], "that of the first commit is gone");
    room.last_commit = accepted(line.call(room.commit(b"c")));
    let oldest = line.call(ChannelGroupInfo { channel: room.channel, position: 3 }).expect("the oldest");
    assert_eq!(oldest.at.position, 3);
    assert_eq!(found(&line, &room), [5], "the oldest GroupInfo is that of the third commit");
}

#[test]
fn a_commit_that_is_refused_leaves_no_chunk_and_the_same_one_again_changes_nothing() {
    let sam = Sam::new();
    let (mut room, line) = room(&sam);
    let start = room.last_commit;
    let first = commit(&mut room, added(&[1]));
    room.last_commit = accepted(line.call(first.clone()));
    let stale =
        ChannelEnqueue { after_commit: start, ..commit(&mut room, TreeChange { ends_all: true, ..added(&[2]) }) };
    assert!(matches!(line.call(stale), Ok(Enqueued::Stale { .. })));
    assert_eq!(found(&line, &room), [1]);
    room.last_commit = accepted(line.call(commit(&mut room, TreeChange { ended: vec![id(1)], ..added(&[3]) })));
    assert_eq!(accepted(line.call(first)).position, 1, "answered as before");
    let again = commit(&mut room, TreeChange { ended: vec![id(1)], ..TreeChange::default() });
    assert_eq!(line.call(again), refused(ErrorCode::BadRequest), "it ended, and the repetition did not bring it back");
}

#[test]
fn changes_that_do_not_fit_are_refused_as_a_whole() {
    let sam = Sam::new();
    let (mut room, line) = room(&sam);
    room.last_commit = accepted(line.call(commit(&mut room, added(&[1, 2]))));
    let sized = |bytes: usize| TreeChange {
        added: vec![TreeChunk { id: id(9), sealed: vec![0; bytes] }],
        ..TreeChange::default()
    };
    for (change, why) in [
        (added(&[3, 1]), "an id that is there"),
        (added(&[3, 3]), "an id twice"),
        (TreeChange { ended: vec![id(7)], ..added(&[3]) }, "an id that is not there"),
        (TreeChange { ended: vec![id(1), id(1)], ..added(&[3]) }, "an end twice"),
        (TreeChange { ended: vec![id(1)], ends_all: true, ..added(&[3]) }, "all, and one of them"),
        (sized(MIN_TREE_CHUNK_BYTES - 1), "too small"),
        (sized(MAX_TREE_CHUNK_BYTES + 1), "too large"),
    ] {
        assert_eq!(line.call(commit(&mut room, change)), refused(ErrorCode::BadRequest), "{why}");
        assert_eq!(found(&line, &room), [1, 2], "{why}");
    }
    let refusal = line.call(ChannelChunks { channel: room.channel, ids: Vec::new() });
    assert_eq!(refusal, refused(ErrorCode::BadRequest));
    assert_eq!(found(&line, &room), [1, 2]);
}

#[test]
fn a_tree_has_no_more_bytes_than_a_group_info() {
    let limit = u32::try_from(3 * MIN_TREE_CHUNK_BYTES).expect("small");
    let sam = Sam::with(Registration::Open, Limits { group_info_bytes: limit, ..Limits::default() });
    let (mut room, line) = room(&sam);
    assert_eq!(line.call(commit(&mut room, added(&[1, 2, 3]))), refused(ErrorCode::TooLarge), "with the GroupInfo");
    room.last_commit = accepted(line.call(commit(&mut room, added(&[1, 2]))));
    room.last_commit = accepted(line.call(commit(&mut room, added(&[3]))));
    assert_eq!(line.call(commit(&mut room, added(&[4]))), refused(ErrorCode::TooLarge), "all in use");
    assert_eq!(found(&line, &room), [1, 2, 3]);
    let change = TreeChange { ended: vec![id(1)], ..added(&[4]) };
    accepted(line.call(commit(&mut room, change)));
}

#[test]
fn chunks_are_for_holders_of_the_current_key_and_come_in_pages() {
    let sam = Sam::new();
    let (mut room, line) = room(&sam);
    let large = |number: u8| TreeChunk { id: id(number), sealed: vec![number; MAX_TREE_CHUNK_BYTES] };
    for half in [0, 20] {
        let change = TreeChange { added: (half..half + 20).map(large).collect(), ..TreeChange::default() };
        room.last_commit = accepted(line.call(commit(&mut room, change)));
    }
    let ids: Vec<_> = (0..40).map(id).collect();
    let first = line.call(ChannelChunks { channel: room.channel, ids: ids.clone() }).expect("chunks").chunks;
    assert_eq!(first.len(), 32, "the one that reaches 2 MiB is the last");
    let rest = line.call(ChannelChunks { channel: room.channel, ids: ids[32..].to_vec() }).expect("chunks").chunks;
    assert_eq!(rest.len(), 8);
    assert!(first.iter().chain(&rest).zip(0u8..).all(|(chunk, number)| chunk[0] == number));
    let mallory = sam.connect(ConnectionKind::Channel);
    let denied = mallory.call(ChannelChunks { channel: room.channel, ids });
    assert_eq!(denied, refused(ErrorCode::AccessDenied));
}

#[test]
fn chunks_that_are_not_there_fill_a_page_and_calls_have_a_limit() {
    let rate = Rate::new(3, Duration::from_secs(60));
    let sam = Sam::with(Registration::Open, Limits { chunk_calls_by_connection: rate, ..Limits::default() });
    let (room, line) = room(&sam);
    let ids: Vec<_> = (0..u16::try_from(MAX_TREE_CHUNKS).expect("fits"))
        .map(|number| {
            let mut id = [0; 32];
            id[..2].copy_from_slice(&number.to_le_bytes());
            ChunkId::new(id)
        })
        .collect();
    let asked = || line.call(ChannelChunks { channel: room.channel, ids: ids.clone() });
    for _ in 0..3 {
        let found = asked().expect("within the limit").chunks;
        assert_eq!(found, vec![Vec::<u8>::new(); MAX_PAGE_BYTES / MAX_TREE_CHUNK_BYTES], "as many as the largest");
    }
    let limited = CallFailure::retry(ErrorCode::RateLimited, Duration::from_secs(20));
    assert_eq!(asked(), Err(limited));
    let other = sam.connect(ConnectionKind::Channel);
    room.attach(&other).expect("attaches");
    let found = other.call(ChannelChunks { channel: room.channel, ids: ids.clone() });
    assert!(found.is_ok(), "another connection has its own limit: {found:?}");
}

#[test]
fn a_group_info_says_what_its_commit_named_also_when_the_entry_has_expired() {
    let sam = Sam::new();
    let (mut room, line) = room(&sam);
    let start = room.last_commit;
    let created = line.call(ChannelGroupInfo { channel: room.channel, position: u64::MAX }).expect("of the creation");
    assert_eq!((created.after_commit, created.commit.as_bytes()), (start, &[0; 16]));
    let request = room.commit(b"c");
    let id = request.id;
    room.last_commit = accepted(line.call(request));
    sam.days(120);
    futures::executor::block_on(sam.server.sweep(sam.now())).expect("sweeps");
    let info = line.call(ChannelGroupInfo { channel: room.channel, position: u64::MAX }).expect("the newest");
    assert_eq!((info.at, info.commit, info.after_commit), (room.last_commit, id, start));
}
