//! Random offers and writes to a server that was put back, against a model that is too simple to be wrong.

use std::collections::BTreeMap;

use proptest::prelude::*;
use quicprochat_identity::AccessSecretKey;
use quicprochat_wire::{
    ChunkId, ConnectionKind, Duration, ErrorCode, Timestamp,
    call::channel::{
        ChainPoint, ChannelEnqueue, ChannelEntry, ChannelRead, ChannelRestore, Enqueued, RestoreOutcome, Restored,
        RestoredEntry, TreeChange, TreeChunk,
    },
};

use super::tests::room;
use crate::test_support::{Line, Room, Sam, accepted, attach_with};

/// An entry of the log before it was lost.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Kind {
    Message,
    Commit,
    Roll,
}

/// What somebody does to the server that was put back. Numbers choose among what there is.
#[derive(Clone, Debug)]
enum Step {
    /// A holder offers some entries from some point on, in calls that end with each roll, or not so.
    Offer { from: usize, count: usize, split: bool, wrong: Option<Wrong> },
    /// Somebody who does not know better writes.
    Write,
}

/// How the first entry of an offer is not what it was.
#[derive(Clone, Copy, Debug)]
enum Wrong {
    /// Other bytes.
    Bytes,
    /// The GroupInfo is missing: allowed.
    NoGroupInfo,
    /// It names another commit.
    Commit,
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![5 => Just(Kind::Message), 3 => Just(Kind::Commit), 1 => Just(Kind::Roll)]
}

fn step() -> impl Strategy<Value = Step> {
    let wrong = prop_oneof![Just(Wrong::Bytes), Just(Wrong::NoGroupInfo), Just(Wrong::Commit)];
    prop_oneof![
        8 => (0..20usize, 1..20usize, prop::bool::weighted(0.8), prop::option::weighted(0.3, wrong))
            .prop_map(|(from, count, split, wrong)| Step::Offer { from, count, split, wrong }),
        1 => Just(Step::Write),
    ]
}

fn secret(rolls: usize) -> AccessSecretKey {
    let seed = if rolls == 0 { 9 } else { 100 + u8::try_from(rolls).expect("few") };
    AccessSecretKey::from_seed(&[seed; 32])
}

/// An entry of the log that is lost, with its point.
#[derive(Clone)]
struct Held {
    request: ChannelEnqueue,
    at: ChainPoint,
    time: Timestamp,
}

impl Held {
    fn rolls(&self) -> bool {
        self.request.commit.as_ref().is_some_and(|parts| parts.roll.is_some())
    }

    fn offered(&self) -> RestoredEntry {
        let ChannelEnqueue { id, after_commit, sealed, commit, .. } = self.request.clone();
        RestoredEntry { id, after_commit, sealed, time: self.time, commit }
    }
}

/// Writes a log, a minute between entries.
fn history(sam: &Sam, kinds: &[Kind]) -> Vec<Held> {
    let (mut team, line) = room(sam);
    let mut rolls = 0;
    let mut held = Vec::new();
    for (kind, number) in kinds.iter().zip(1_u8..) {
        let content = [number; 3];
        let mut request = match kind {
            Kind::Message => team.message(&content),
            Kind::Commit => team.commit(&content),
            Kind::Roll => team.rolling(&content, &secret(rolls + 1)),
        };
        if let Some(parts) = &mut request.commit {
            let added = vec![TreeChunk { id: ChunkId::new([number; 32]), sealed: vec![number; 512] }];
            parts.tree = TreeChange { added, ended: Vec::new(), ends_all: number % 2 == 0 };
        }
        let time = Timestamp(sam.now().0 / 60_000 * 60_000);
        let at = accepted(line.call(request.clone()));
        if *kind != Kind::Message {
            team.last_commit = at;
        }
        if *kind == Kind::Roll {
            rolls += 1;
            attach_with(&line, team.channel, &secret(rolls)).expect("attaches");
        }
        held.push(Held { request, at, time });
        sam.pass(Duration::from_secs(60));
    }
    held
}

/// The log of the server that was put back: points, and which of them are commits and rolls.
struct Model {
    start: ChainPoint,
    log: Vec<(ChainPoint, Kind)>,
}

impl Model {
    fn last(&self) -> ChainPoint {
        self.log.last().map_or(self.start, |(at, _)| *at)
    }

    fn last_commit(&self) -> ChainPoint {
        let commits = self.log.iter().rev().find(|(_, kind)| *kind != Kind::Message);
        commits.map_or(self.start, |(at, _)| *at)
    }

    fn rolls(&self) -> usize {
        self.log.iter().filter(|(_, kind)| *kind == Kind::Roll).count()
    }

    fn has(&self, at: &ChainPoint) -> bool {
        *at == self.start || self.log.iter().any(|(known, _)| known == at)
    }

    /// What a call must be answered.
    fn restore(&mut self, request: &ChannelRestore) -> Result<Restored, ErrorCode> {
        let roll = |entry: &RestoredEntry| entry.commit.as_ref().is_some_and(|parts| parts.roll.is_some());
        if request.entries.iter().rev().skip(1).any(roll) {
            return Err(ErrorCode::BadRequest);
        }
        let bare = |entry: &RestoredEntry| {
            entry.commit.as_ref().is_some_and(|parts| parts.group_info.is_empty() && !parts.tree.added.is_empty())
        };
        if request.entries.iter().any(bare) {
            return Err(ErrorCode::BadRequest);
        }
        let (last, last_commit) = (self.last(), self.last_commit());
        let nothing = |outcome| Ok(Restored { outcome, added: 0, last_commit, last });
        if request.after.position > last.position {
            return nothing(RestoreOutcome::Short);
        }
        if !self.has(&request.after) {
            return nothing(RestoreOutcome::Diverged);
        }
        let (before, mut end, mut added) = (self.log.len(), request.after, 0);
        for entry in &request.entries {
            end = entry.at(&end);
            if end.position <= last.position {
                if !self.has(&end) {
                    return nothing(RestoreOutcome::Diverged);
                }
            } else if entry.after_commit == self.last_commit() {
                let kind = match (&entry.commit, roll(entry)) {
                    (None, _) => Kind::Message,
                    (Some(_), false) => Kind::Commit,
                    (Some(_), true) => Kind::Roll,
                };
                self.log.push((end, kind));
                added += 1;
            } else {
                self.log.truncate(before);
                return Err(ErrorCode::BadRequest);
            }
        }
        Ok(Restored { outcome: RestoreOutcome::Whole, added, last_commit: self.last_commit(), last: self.last() })
    }
}

/// The calls of an offer: what a holder sends who ends each with a roll, or one call of one who does not.
fn calls(held: &[Held], from: usize, count: usize, split: bool, start: ChainPoint) -> Vec<ChannelRestore> {
    let offered = &held[from..held.len().min(from + count)];
    let pieces: Vec<&[Held]> = if split { offered.split_inclusive(Held::rolls).collect() } else { vec![offered] };
    let mut after = from.checked_sub(1).map_or(start, |before| held[before].at);
    let mut calls = Vec::new();
    for piece in pieces.into_iter().filter(|piece| !piece.is_empty()) {
        let entries = piece.iter().map(Held::offered).collect();
        calls.push(ChannelRestore { channel: Room::new(9).channel, after, entries });
        after = piece.last().map_or(after, |held| held.at);
    }
    calls
}

fn spoil(entry: &mut RestoredEntry, wrong: Wrong) {
    match (wrong, &mut entry.commit) {
        (Wrong::Bytes, _) => entry.sealed.push(0),
        (Wrong::Commit, _) => entry.after_commit.position += 1,
        (Wrong::NoGroupInfo, Some(parts)) => {
            parts.group_info.clear();
            parts.tree = TreeChange::default();
        }
        (Wrong::NoGroupInfo, None) => {}
    }
}

fn log(line: &Line<'_>) -> Vec<ChannelEntry> {
    line.call(ChannelRead { channel: Room::new(9).channel, after: 0, limit: 512 }).expect("reads").entries
}

fn run(kinds: &[Kind], kept: usize, steps: &[Step]) {
    let before = Sam::new();
    let held = history(&before, kinds);
    let kept = kept % (held.len() + 1);
    let sam = Sam::new();
    history(&sam, &kinds[..kept]);
    sam.days(3);
    let kind = |held: &Held| match (held.rolls(), held.request.commit.is_some()) {
        (true, _) => Kind::Roll,
        (false, true) => Kind::Commit,
        (false, false) => Kind::Message,
    };
    let start = Room::new(9).last_commit;
    let mut model = Model { start, log: held[..kept].iter().map(|held| (held.at, kind(held))).collect() };
    let mut lines: BTreeMap<usize, Line<'_>> = BTreeMap::new();
    let mut stranger = Room::new(9);
    (0..200).for_each(|_| drop(stranger.message(b"")));
    let mut spoilt = false;
    for step in steps {
        let calls = match step {
            Step::Offer { from, count, split, wrong } => {
                let mut calls = calls(&held, from % held.len(), *count, *split, start);
                if let (Some(wrong), Some(entry)) = (wrong, calls.first_mut().and_then(|call| call.entries.first_mut()))
                {
                    spoil(entry, *wrong);
                }
                calls
            }
            Step::Write => {
                let line = line(&mut lines, &sam, model.rolls());
                stranger.last_commit = model.last_commit();
                let written = line.call(stranger.message(b"new"));
                let Ok(Enqueued::Accepted { at, .. }) = written else { panic!("not accepted: {written:?}") };
                model.log.push((at, Kind::Message));
                continue;
            }
        };
        for call in calls {
            let line = line(&mut lines, &sam, model.rolls());
            let expected = model.restore(&call);
            let found = line.call(call).map_err(|failure| failure.code);
            assert_eq!(found, expected, "{step:?}");
            spoilt |= found.is_err();
        }
        let line = line(&mut lines, &sam, model.rolls());
        let points: Vec<u64> = model.log.iter().map(|(at, _)| at.position).collect();
        assert_eq!(log(line).iter().map(|entry| entry.seq).collect::<Vec<_>>(), points);
        let state = attach_with(line, Room::new(9).channel, &secret(model.rolls())).expect("attaches");
        assert_eq!((state.last, state.last_commit), (model.last(), model.last_commit()), "{spoilt}");
    }
    // Whoever has all of it offers all of it. It is the log again, byte by byte, unless somebody else wrote.
    let last = held.last().expect("one at least").at;
    for call in calls(&held, 0, held.len(), true, start) {
        let line = line(&mut lines, &sam, model.rolls());
        assert_eq!(line.call(call.clone()).map_err(|failure| failure.code), model.restore(&call));
    }
    if model.has(&last) {
        let line = line(&mut lines, &sam, model.rolls());
        let again = log(line);
        let was = held.iter().map(|held| (held.at.position, held.request.id, &held.request.sealed, held.time));
        let is = again.iter().map(|entry| (entry.seq, entry.id, &entry.sealed, entry.time));
        assert!(is.take(held.len()).eq(was), "{again:?}");
    }
}

fn line<'l, 's>(lines: &'l mut BTreeMap<usize, Line<'s>>, sam: &'s Sam, rolls: usize) -> &'l Line<'s> {
    lines.entry(rolls).or_insert_with(|| {
        let line = sam.connect(ConnectionKind::Channel);
        attach_with(&line, Room::new(9).channel, &secret(rolls)).expect("attaches");
        line
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_offered_and_written_the_log_is_as_the_model_says(
        kinds in prop::collection::vec(kind(), 1..20), kept in 0..20usize, steps in prop::collection::vec(step(), 0..12),
    ) {
        run(&kinds, kept, &steps);
    }
}
