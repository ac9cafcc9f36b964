//! The same jobs on this store and on the one in memory: what they answer must be the same, wherever the journal stands.

use std::path::Path;

use futures::future::join_all;
use quicprochat_server_core::store::{
    ChannelRow, EntryRow, LogPoint, Minute, PageLimit, Refusal, Store, StoreTx, memory::MemoryStore, read, write,
};
use quicprochat_wire::{
    AccessPublicKey, ChainHash, ChannelId, Digest, ErrorCode, MessageId,
    call::channel::{ChainPoint, EntryKind},
};

use super::{JournalLimits, Location, SqliteStore, StoreOptions};
use crate::store_key::StoreKey;

const CHANNELS: u8 = 3;
const STEPS: usize = 60;

/// Numbers that look random (SplitMix64).
struct Dice(u64);

impl Dice {
    fn throw(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % below
    }
}

/// What a job does to a channel; nothing if it is not there.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// Adds messages of a length, and a commit if asked for; undoes it all if asked for.
    Append {
        messages: u64,
        length: usize,
        commit: bool,
        undo: bool,
    },
    /// Makes the channel if there is none.
    Create,
    /// Drops the content of that many entries.
    Expire {
        entries: u64,
    },
    Remove {
        undo: bool,
    },
}

fn step(dice: &mut Dice) -> Step {
    let undo = dice.throw(4) == 0;
    match dice.throw(12) {
        0 | 1 => Step::Create,
        2 => Step::Expire { entries: dice.throw(9) },
        3 if dice.throw(2) == 0 => Step::Remove { undo },
        _ => {
            let length = [1, 100, 3_000, 20_000][dice.throw(4) as usize];
            Step::Append { messages: dice.throw(6), length, commit: dice.throw(5) == 0, undo }
        }
    }
}

fn point(position: u64, salt: u8) -> ChainPoint {
    let mut hash = [salt; 32];
    hash[..8].copy_from_slice(&position.to_be_bytes());
    ChainPoint { position, hash: ChainHash::new(hash) }
}

fn id(position: u64) -> MessageId {
    MessageId::new((u128::from(position) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835).to_be_bytes())
}

fn refuse(undo: bool) -> Result<(), Refusal> {
    if undo { Err(ErrorCode::QuotaFull.into()) } else { Ok(()) }
}

fn act(tx: &mut dyn StoreTx, channel: &ChannelId, step: Step) -> Result<(), Refusal> {
    let salt = channel.as_bytes()[0];
    let Some(mut row) = tx.channels().load(channel)? else {
        if matches!(step, Step::Create) {
            let start = point(0, salt);
            let access = AccessPublicKey::new([salt; 32]);
            let row = ChannelRow {
                access,
                access_since: 0,
                last_commit: start,
                last: start,
                first: 1,
                oldest: None,
                bytes: 0,
                group_infos: 0,
                group_info_bytes: 0,
                created_with: Digest::new([salt; 32]),
            };
            tx.channels().insert(channel, &row)?;
        }
        return Ok(());
    };
    match step {
        Step::Create => Ok(()),
        Step::Remove { undo } => {
            tx.channels().remove(channel)?;
            refuse(undo)
        }
        Step::Expire { entries } => {
            let first = (row.first + entries).min(row.last.position + 1);
            let ages = tx.channels().ages(channel, row.first, 99)?;
            row.bytes -= ages.iter().filter(|age| age.0 < first).map(|age| age.1).sum::<u64>();
            row.oldest = ages.iter().find(|age| age.0 >= first).map(|age| age.2);
            row.first = first;
            tx.channels().drop_content(channel, first)?;
            Ok(tx.channels().save(channel, &row)?)
        }
        Step::Append { messages, length, commit, undo } => {
            for number in 0..messages + u64::from(commit) {
                let at = point(row.last.position + 1, salt);
                let kind = if number == messages { EntryKind::Commit } else { EntryKind::Message };
                let after_commit = row.last_commit;
                let time = Minute(at.position as u32 / 3);
                row.last = at;
                row.bytes += length as u64;
                row.oldest = row.oldest.or(Some(time));
                if kind == EntryKind::Commit {
                    row.last_commit = at;
                }
                let sealed = vec![at.position as u8; length];
                let entry = EntryRow { at, id: id(at.position), kind, after_commit, sealed, next_access: None, time };
                tx.channels().append(channel, &row, entry)?;
            }
            refuse(undo)
        }
    }
}

/// All that a channel answers, with page limits by chance.
#[derive(PartialEq, Debug)]
struct Seen {
    row: Option<ChannelRow>,
    pages: Vec<Vec<EntryRow>>,
    ages: Vec<(u64, u64, Minute)>,
    points: Vec<Option<LogPoint>>,
    ids: Vec<Option<ChainPoint>>,
    overdue: Vec<ChannelId>,
}

fn look(tx: &mut dyn StoreTx, channel: &ChannelId, seed: u64) -> Result<Seen, Refusal> {
    let mut dice = Dice(seed);
    let channels = tx.channels();
    let row = channels.load(channel)?;
    let last = row.map_or(3, |row| row.last.position + 2);
    let whole = PageLimit { entries: u16::MAX, bytes: usize::MAX };
    let mut pages = vec![channels.page(channel, 0, u64::MAX, whole)?];
    for _ in 0..4 {
        let limit = PageLimit { entries: dice.throw(9) as u16, bytes: dice.throw(9_000) as usize };
        pages.push(channels.page(channel, dice.throw(last), dice.throw(last), limit)?);
    }
    let ages = channels.ages(channel, dice.throw(last), dice.throw(20) as u32)?;
    let points = (0..last).map(|position| channels.point(channel, position)).collect::<Result<_, _>>()?;
    let ids = (0..last).map(|position| channels.find_id(channel, &id(position))).collect::<Result<_, _>>()?;
    let mut overdue = channels.overdue(Minute(4), 99)?;
    overdue.sort_unstable();
    Ok(Seen { row, pages, ages, points, ids, overdue })
}

fn open(dir: &Path, dice: &mut Dice) -> SqliteStore {
    let age = core::time::Duration::from_millis([0, 2, 3_600_000][dice.throw(3) as usize]);
    let journal = JournalLimits { messages: 1 + dice.throw(40) as usize, bytes: 1 + dice.throw(200_000) as usize, age };
    let location = Location { path: dir.join("store.db"), key: StoreKey::new([7; 32]) };
    SqliteStore::open(&location, StoreOptions { journal, ..StoreOptions::default() }).expect("opens")
}

async fn compare(seed: u64) {
    let dice = &mut Dice(seed);
    let mut dir = tempfile::tempdir().expect("a directory");
    let model = MemoryStore::new();
    let mut store = open(dir.path(), dice);
    for number in 0..STEPS {
        // Jobs that are submitted together share a transaction.
        let steps: Vec<_> = (0..=dice.throw(4))
            .map(|_| (ChannelId::new([1 + dice.throw(CHANNELS.into()) as u8; 32]), step(dice)))
            .collect();
        let ours = join_all(steps.iter().map(|&(channel, step)| write(&store, move |tx| act(tx, &channel, step))));
        let ours = ours.await;
        for (&(channel, step), ours) in steps.iter().zip(ours) {
            let theirs = write(&model, move |tx| act(tx, &channel, step)).await;
            assert_eq!(ours, theirs, "seed {seed}, step {number}: {step:?}");
        }
        match dice.throw(16) {
            0 => {
                store.close();
                store = open(dir.path(), dice);
            }
            1 => {
                // As if the process were killed. Nobody writes now, but a move may be under way.
                let copy = tempfile::tempdir().expect("a directory");
                write(&store, |_| Ok(())).await.expect("the last move is over");
                for name in ["store.db", "store.db-wal"] {
                    std::fs::copy(dir.path().join(name), copy.path().join(name)).expect("copied");
                }
                store.close();
                dir = copy;
                store = open(dir.path(), dice);
            }
            _ => {}
        }
        let channel = ChannelId::new([1 + dice.throw(CHANNELS.into()) as u8; 32]);
        let look_seed = dice.throw(u64::MAX);
        let theirs = read(&model, move |tx| look(tx, &channel, look_seed)).await.expect("read");
        let stores: &dyn Store = &store;
        for ours in [
            read(stores, move |tx| look(tx, &channel, look_seed)).await,
            write(stores, move |tx| look(tx, &channel, look_seed)).await,
        ] {
            assert_eq!(ours.as_ref(), Ok(&theirs), "seed {seed}, after step {number}: {steps:?}");
        }
    }
}

#[test]
fn this_store_and_the_one_in_memory_answer_alike() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    for seed in 0..24 {
        runtime.block_on(compare(seed));
    }
}
