//! Random histories of one channel, against a model that is too simple to be wrong.

use std::collections::BTreeMap;

use proptest::prelude::*;
use quicprochat_identity::AccessSecretKey;
use quicprochat_wire::{
    ChunkId, ConnectionKind, ErrorCode, MessageId, Timestamp,
    call::channel::{
        AccessRoll, ChainPoint, ChannelChunks, ChannelEnqueue, ChannelGroupInfo, ChannelRead, CommitParts, Enqueued,
        EntryKind, TreeChange, TreeChunk,
    },
    chain,
};

use crate::test_support::{Line, Person, Room, Sam, attach_with};

/// What somebody does. Numbers choose among what there is.
#[derive(Clone, Debug)]
enum Step {
    /// Writes with the key `keys_back` before the current one, naming the point `points_back` before the last commit.
    Write { kind: Kind, keys_back: usize, points_back: usize, content: u8 },
    /// Sends an earlier enqueue again, byte by byte.
    Repeat { which: usize },
    /// Names a point that never was.
    Invent { position: u64 },
    /// Reads pages from a position on.
    Read { after: u64, limit: u16 },
    /// Lets days go by and sweeps.
    Sweep { days: u64 },
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Kind {
    Message,
    Commit,
    Roll,
}

fn step() -> impl Strategy<Value = Step> {
    let kind = prop_oneof![5 => Just(Kind::Message), 3 => Just(Kind::Commit), 1 => Just(Kind::Roll)];
    let back = prop_oneof![6 => Just(0usize), 1 => 1..4usize];
    prop_oneof![
        8 => (kind, back.clone(), back, any::<u8>())
            .prop_map(|(kind, keys_back, points_back, content)| Step::Write { kind, keys_back, points_back, content }),
        3 => any::<prop::sample::Index>().prop_map(|which| Step::Repeat { which: which.index(1_000) }),
        1 => (0..12u64).prop_map(|position| Step::Invent { position }),
        2 => (0..12u64, 1..5u16).prop_map(|(after, limit)| Step::Read { after, limit }),
        1 => (1..60u64).prop_map(|days| Step::Sweep { days }),
    ]
}

struct Entry {
    at: ChainPoint,
    id: MessageId,
    kind: EntryKind,
    sealed: Vec<u8>,
    written: u64,
    after_commit: ChainPoint,
    /// Chunks that the newest GroupInfo names.
    chunks: Vec<ChunkId>,
}

/// The log as a list.
struct Model {
    start: ChainPoint,
    entries: Vec<Entry>,
    first: u64,
    keys: Vec<(u8, u64)>,
    sent: Vec<(u8, ChannelEnqueue)>,
    next_id: u8,
}

impl Model {
    fn last(&self) -> ChainPoint {
        self.entries.last().map_or(self.start, |entry| entry.at)
    }

    fn chunks(&self) -> Vec<ChunkId> {
        self.entries.last().map_or_else(Vec::new, |entry| entry.chunks.clone())
    }

    /// Every commit, the empty log first.
    fn commits(&self) -> Vec<ChainPoint> {
        let commits = self.entries.iter().filter(|entry| entry.kind == EntryKind::Commit).map(|entry| entry.at);
        core::iter::once(self.start).chain(commits).collect()
    }

    /// The last position that the key could see, if it is not the current one.
    fn ended(&self, key: u8) -> Option<u64> {
        let index = self.keys.iter().position(|(known, _)| *known == key).expect("a key of the channel");
        self.keys.get(index + 1).map(|(_, since)| *since)
    }

    /// What an enqueue with this key must be answered.
    fn enqueue(&mut self, key: u8, request: &ChannelEnqueue, now: u64) -> Result<Enqueued, ErrorCode> {
        let ended = self.ended(key);
        if let Some(known) = self.entries.iter().find(|entry| entry.id == request.id)
            && ended.is_none_or(|last| known.at.position <= last)
        {
            let kept = known.at.position >= self.first;
            return Ok(Enqueued::Accepted { at: known.at, time: kept.then(|| minute(known.written)) });
        }
        if ended.is_some() {
            return Err(ErrorCode::AccessDenied);
        }
        let commits = self.commits();
        let last_commit = *commits.last().expect("at least the start");
        if request.after_commit != last_commit {
            return Ok(if commits.contains(&request.after_commit) {
                Enqueued::Stale { last_commit }
            } else {
                Enqueued::Diverged { last_commit, last: self.last() }
            });
        }
        let kind = if request.commit.is_some() { EntryKind::Commit } else { EntryKind::Message };
        let position = self.last().position + 1;
        let hash = chain::link(&self.last().hash, position, &request.id, kind, &request.after_commit, &request.sealed);
        let at = ChainPoint { position, hash };
        let mut chunks = self.chunks();
        if let Some(tree) = request.commit.as_ref().map(|parts| &parts.tree) {
            chunks.retain(|id| !tree.ends_all && !tree.ended.contains(id));
            chunks.extend(tree.added.iter().map(|chunk| chunk.id));
        }
        let (after_commit, sealed) = (request.after_commit, request.sealed.clone());
        self.entries.push(Entry { at, id: request.id, kind, sealed, written: now, after_commit, chunks });
        if let Some(roll) = request.commit.as_ref().and_then(|parts| parts.roll.as_ref()) {
            let next = self.keys.last().expect("a key").0 + 1;
            assert_eq!(roll.access, secret(next).public());
            self.keys.push((next, position));
        }
        Ok(Enqueued::Accepted { at, time: Some(minute(now)) })
    }

    fn sweep(&mut self, cutoff: u64) {
        while self
            .entries
            .iter()
            .any(|entry| entry.at.position == self.first && entry.written / 60_000 < cutoff / 60_000)
        {
            self.first += 1;
        }
    }
}

/// A time as readers are told it.
fn minute(time: u64) -> Timestamp {
    Timestamp(time / 60_000 * 60_000)
}

fn secret(key: u8) -> AccessSecretKey {
    AccessSecretKey::from_seed(&[key; 32])
}

/// Runs a history against server and model, comparing every answer.
fn run(steps: &[Step]) {
    let sam = Sam::new();
    let mut alice = Person::new("alice", 1);
    alice.register(&sam).expect("registers");
    let token = alice.tokens(&alice.line(&sam)).expect("tokens").remove(0);
    let room = Room::new(1);
    let maker = sam.connect(ConnectionKind::Channel);
    maker.call(room.creation(token)).expect("creates");
    let mut lines: BTreeMap<u8, Line<'_>> = BTreeMap::new();
    let mut model = Model {
        start: room.last_commit,
        entries: Vec::new(),
        first: 1,
        keys: vec![(1, 0)],
        sent: Vec::new(),
        next_id: 0,
    };
    for step in steps {
        let newest = model.keys.last().expect("a key").0;
        for (key, _) in &model.keys {
            lines.entry(*key).or_insert_with(|| {
                let line = sam.connect(ConnectionKind::Channel);
                attach_with(&line, room.channel, &secret(*key)).expect("attaches");
                line
            });
        }
        let enqueue = match step {
            Step::Write { kind, keys_back, points_back, content } => {
                let commits = model.commits();
                let point = commits[commits.len().saturating_sub(1 + points_back)];
                let key = model.keys[model.keys.len().saturating_sub(1 + keys_back)].0;
                Some((key, written(&mut model, *kind, point, *content, newest)))
            }
            Step::Invent { position } => {
                let hash = chain::start(&quicprochat_wire::ChannelId::new([200; 32]));
                let point = ChainPoint { position: *position, hash };
                Some((newest, written(&mut model, Kind::Message, point, 0, newest)))
            }
            Step::Repeat { which } if !model.sent.is_empty() => Some(model.sent[which % model.sent.len()].clone()),
            Step::Repeat { .. } => None,
            Step::Read { after, limit } => {
                check_page(&lines[&newest], &model, room.channel, *after, *limit);
                None
            }
            Step::Sweep { days } => {
                sam.days(*days);
                futures::executor::block_on(sam.server.sweep(sam.now())).expect("sweeps");
                model.sweep(sam.now().0 - 90 * 86_400_000);
                None
            }
        };
        if let Some((key, request)) = enqueue {
            let expected = model.enqueue(key, &request, sam.now().0);
            let found = lines[&key].call(request.clone()).map_err(|failure| failure.code);
            assert_eq!(found, expected, "{step:?}");
            model.sent.push((key, request));
        }
    }
    if let Some(line) = lines.get(&model.keys.last().expect("a key").0) {
        check_page(line, &model, room.channel, 0, 512);
        check_group_infos(line, &model, room.channel);
        let state = attach_with(line, room.channel, &secret(model.keys.last().expect("a key").0)).expect("attaches");
        assert_eq!((state.last, state.first), (model.last(), model.first));
        assert_eq!(Some(&state.last_commit), model.commits().last());
    }
}

fn written(model: &mut Model, kind: Kind, after_commit: ChainPoint, content: u8, newest: u8) -> ChannelEnqueue {
    model.next_id += 1;
    let roll = (kind == Kind::Roll).then(|| AccessRoll { access: secret(newest + 1).public(), keyring: vec![content] });
    let commit = (kind != Kind::Message).then(|| CommitParts {
        group_info: vec![content; 3],
        roll,
        tree: change(model, content),
    });
    ChannelEnqueue {
        channel: quicprochat_wire::ChannelId::new([1; 32]),
        id: MessageId::new([model.next_id; 16]),
        after_commit,
        sealed: vec![content; usize::from(content % 7) + 1],
        commit,
    }
}

/// Adds a chunk, and ends some or all of those that the model has in use.
fn change(model: &Model, content: u8) -> TreeChange {
    let added = vec![TreeChunk { id: ChunkId::new([model.next_id; 32]), sealed: vec![content; 512] }];
    let ended: Vec<ChunkId> = model.chunks().into_iter().take(usize::from(content % 3)).collect();
    let ends_all = content % 5 == 4;
    TreeChange { added, ended: if ends_all { Vec::new() } else { ended }, ends_all }
}

/// Every GroupInfo that is kept says which commit stored it, and every chunk that it may name is there.
fn check_group_infos(line: &Line<'_>, model: &Model, channel: quicprochat_wire::ChannelId) {
    for entry in model.entries.iter().filter(|entry| entry.kind == EntryKind::Commit) {
        let Ok(info) = line.call(ChannelGroupInfo { channel, position: entry.at.position }) else { continue };
        assert_eq!((info.at, info.commit, info.after_commit), (entry.at, entry.id, entry.after_commit));
        if !entry.chunks.is_empty() {
            let found = line.call(ChannelChunks { channel, ids: entry.chunks.clone() }).expect("chunks");
            assert_eq!(found.chunks.len(), entry.chunks.len());
            assert!(found.chunks.iter().all(|chunk| chunk.len() == 512), "a chunk that may be named is gone");
        }
    }
}

fn check_page(line: &Line<'_>, model: &Model, channel: quicprochat_wire::ChannelId, after: u64, limit: u16) {
    let page = line.call(ChannelRead { channel, after, limit }).expect("the current key reads");
    let found: Vec<_> =
        page.entries.iter().map(|entry| (entry.seq, entry.id, entry.kind, entry.sealed.clone())).collect();
    let kept = model.entries.iter().filter(|entry| entry.at.position > after && entry.at.position >= model.first);
    let kept: Vec<_> = kept.map(|entry| (entry.at.position, entry.id, entry.kind, entry.sealed.clone())).collect();
    let expected = &kept[..kept.len().min(usize::from(limit))];
    assert_eq!(found, expected);
    assert_eq!(page.more, kept.len() > expected.len());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_history_of_a_channel_is_answered_as_the_model_answers_it(steps in prop::collection::vec(step(), 1..60)) {
        run(&steps);
    }
}
