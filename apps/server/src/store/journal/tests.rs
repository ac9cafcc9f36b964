//! The journal as the store's callers see it.

use std::{path::Path, sync::mpsc, time::Duration};

use futures::future::join_all;
use quicprochat_server_core::store::{
    ChannelRow, EntryRow, PageLimit, Refusal, StateKey, StoreFault, StoreTx, read, write,
};
use quicprochat_wire::{ChannelId, ErrorCode, call::channel::EntryKind};
use rusqlite::Connection;

use super::JournalLimits;
use crate::store::{
    OpenError, SqliteStore, StoreOptions,
    connection::Purpose,
    dump,
    fixture::{TEAM, block_on, entry, id, location, point, row},
    schema,
};

const PAIR: ChannelId = ChannelId::new([2; 32]);
const ALL: PageLimit = PageLimit { entries: u16::MAX, bytes: usize::MAX };

/// Moves happen only at the end.
const NEVER: JournalLimits =
    JournalLimits { messages: 1 << 20, bytes: 1 << 30, age: Duration::from_secs(24 * 60 * 60) };

fn open(dir: &Path, journal: JournalLimits) -> SqliteStore {
    SqliteStore::open(&location(dir), StoreOptions { journal, ..StoreOptions::default() }).expect("opens")
}

/// After this many messages everything moves.
fn every(messages: usize) -> JournalLimits {
    JournalLimits { messages, ..NEVER }
}

/// What a process that is killed leaves: the files as they are while the store is open.
fn killed(dir: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().expect("a directory");
    for name in ["store.db", "store.db-wal"] {
        std::fs::copy(dir.join(name), copy.path().join(name)).expect("copied");
    }
    copy
}

fn append(tx: &mut dyn StoreTx, channel: &ChannelId, position: u64) -> Result<(), Refusal> {
    Ok(tx.channels().append(channel, &row(position), entry(position))?)
}

async fn create(store: &SqliteStore) {
    write(store, |tx| {
        tx.channels().insert(&TEAM, &row(0))?;
        Ok(tx.channels().insert(&PAIR, &row(0))?)
    })
    .await
    .expect("created");
}

async fn fill(store: &SqliteStore, positions: std::ops::RangeInclusive<u64>) {
    for position in positions {
        write(store, move |tx| {
            append(tx, &TEAM, position)?;
            append(tx, &PAIR, position)
        })
        .await
        .expect("appended");
    }
}

/// Everything that can be asked of a channel with `count` messages.
fn check(tx: &mut dyn StoreTx, channel: &ChannelId, count: u64) -> Result<(), Refusal> {
    let channels = tx.channels();
    assert_eq!(channels.load(channel)?, Some(row(count)));
    assert_eq!(channels.page(channel, 0, u64::MAX, ALL)?, (1..=count).map(entry).collect::<Vec<_>>());
    assert_eq!(channels.ages(channel, 0, u32::MAX)?.len() as u64, count);
    for position in 1..=count {
        assert_eq!(channels.find_id(channel, &id(position))?, Some(point(position)), "{position} of {count}");
    }
    assert_eq!(channels.point(channel, count + 1)?, None);
    assert_eq!(channels.find_id(channel, &id(count + 1))?, None);
    Ok(())
}

/// Rows of the journal, and of `entries`, on disk.
fn rows(db: &Connection) -> (u32, u32) {
    let count = |table| db.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).expect("counted");
    (count("journal"), count("entries"))
}

fn beside(dir: &Path) -> Connection {
    location(dir).open_existing(Purpose::Write).expect("opens")
}

#[test]
fn messages_are_read_alike_before_and_after_they_move() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path(), every(30));
    block_on(async {
        create(&store).await;
        for count in 1..=40 {
            fill(&store, count..=count).await;
            read(&store, move |tx| check(tx, &TEAM, count).and_then(|()| check(tx, &PAIR, count))).await.expect("read");
            write(&store, move |tx| check(tx, &TEAM, count)).await.expect("read by the writer");
        }
    });
    assert_eq!(rows(&beside(dir.path())), (10, 60), "each transaction is one row, and moved with its round");
    assert_eq!(store.stats().counts().moves, 2);
    store.close();
    assert_eq!(rows(&beside(dir.path())), (0, 80), "a clean end moves everything");
}

#[test]
fn pages_take_their_limits_from_both_places_together() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path(), every(10));
    block_on(async {
        create(&store).await;
        fill(&store, 1..=8).await;
        // 1 to 5 have moved; a commit goes to its place at once, before the messages that precede it.
        write(&store, |tx| {
            let commit = EntryRow { kind: EntryKind::Commit, ..entry(9) };
            Ok(tx.channels().append(&TEAM, &ChannelRow { last_commit: point(9), ..row(9) }, commit)?)
        })
        .await
        .expect("appended");
        read(&store, |tx| {
            let channels = tx.channels();
            let mut positions = |after, through, entries, bytes| {
                let page = channels.page(&TEAM, after, through, PageLimit { entries, bytes })?;
                Ok::<_, StoreFault>(page.iter().map(|entry| entry.at.position).collect::<Vec<_>>())
            };
            assert_eq!(positions(0, u64::MAX, 9, usize::MAX)?, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
            assert_eq!(positions(3, u64::MAX, 4, usize::MAX)?, [4, 5, 6, 7]);
            assert_eq!(positions(3, 7, 9, usize::MAX)?, [4, 5, 6, 7]);
            assert_eq!(positions(3, u64::MAX, 9, 301)?, [4, 5, 6, 7]);
            assert_eq!(positions(6, u64::MAX, 9, 101)?, [7, 8]);
            assert_eq!(positions(7, u64::MAX, 9, 0)?, [8]);
            let ages = channels.ages(&TEAM, 4, 3)?;
            assert_eq!(ages.iter().map(|(position, ..)| *position).collect::<Vec<_>>(), [4, 5, 6]);
            assert_eq!(channels.load(&TEAM)?.map(|row| row.last.position), Some(9));
            Ok(())
        })
        .await
        .expect("read");
    });
}

#[test]
fn a_reader_that_began_before_a_move_sees_what_it_saw() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path(), every(10));
    block_on(async {
        create(&store).await;
        fill(&store, 1..=4).await;
        let (begun, has_begun) = mpsc::channel();
        let (go_on, may_go_on) = mpsc::channel();
        let reading = {
            let store = store.clone();
            std::thread::spawn(move || {
                block_on(read(&store, move |tx| {
                    begun.send(()).expect("somebody waits");
                    may_go_on.recv().expect("told to");
                    check(tx, &TEAM, 4)
                }))
            })
        };
        has_begun.recv().expect("it begins");
        fill(&store, 5..=23).await;
        assert_eq!(store.stats().counts().moves, 4, "they moved while the reader waits");
        go_on.send(()).expect("it waits");
        assert_eq!(reading.join().expect("no panic"), Ok(()));
        read(&store, |tx| check(tx, &TEAM, 23)).await.expect("a later reader sees everything");
    });
}

#[test]
fn many_readers_beside_many_moves_see_a_log_without_gaps() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path(), every(7));
    block_on(create(&store));
    let reading: Vec<_> = (0..3)
        .map(|_| {
            let store = store.clone();
            std::thread::spawn(move || {
                let mut seen = 0;
                while seen < 400 {
                    seen = block_on(read(&store, move |tx| {
                        let page = tx.channels().page(&TEAM, 0, u64::MAX, ALL)?;
                        let count = page.len() as u64;
                        assert!(count >= seen, "{count} after {seen}");
                        assert_eq!(page.last().map_or(0, |entry| entry.at.position), count, "a gap");
                        assert_eq!(tx.channels().load(&TEAM)?.map(|row| row.last.position), Some(count));
                        Ok(count)
                    }))
                    .expect("readable");
                }
            })
        })
        .collect();
    block_on(fill(&store, 1..=400));
    for reader in reading {
        reader.join().expect("it saw no gap");
    }
}

#[test]
fn a_killed_process_leaves_a_journal_that_is_read_again() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path(), every(20));
    block_on(async {
        create(&store).await;
        fill(&store, 1..=14).await;
    });
    let left = killed(dir.path());
    assert_eq!(rows(&beside(left.path())), (4, 20));
    let again = open(left.path(), NEVER);
    block_on(async {
        read(&again, |tx| check(tx, &TEAM, 14)).await.expect("nothing is lost");
        fill(&again, 15..=16).await;
    });
    let left = killed(left.path());
    open(left.path(), NEVER).close();
    assert_eq!(rows(&beside(left.path())), (0, 32), "nothing stands twice");
    block_on(read(&open(left.path(), NEVER), |tx| check(tx, &PAIR, 16))).expect("nothing is lost");
}

#[test]
fn old_messages_move_without_another_write() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path(), JournalLimits { age: Duration::from_millis(1), ..NEVER });
    block_on(async {
        create(&store).await;
        fill(&store, 1..=3).await;
        while store.stats().counts().moves == 0 {
            read(&store, |tx| check(tx, &TEAM, 3)).await.expect("read");
        }
    });
}

#[test]
fn an_undone_job_leaves_no_message_in_the_journal() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path(), NEVER);
    block_on(async {
        create(&store).await;
        let jobs = (0..60u64).map(|index| {
            write(&store, move |tx| {
                let next = tx.channels().load(&TEAM)?.expect("there").last.position + 1;
                append(tx, &TEAM, next)?;
                if index % 3 == 2 { Err(ErrorCode::QuotaFull.into()) } else { Ok(()) }
            })
        });
        let outcomes = join_all(jobs).await;
        assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 40);
        read(&store, |tx| check(tx, &TEAM, 40)).await.expect("as kept");
    });
    let left = killed(dir.path());
    block_on(read(&open(left.path(), NEVER), |tx| check(tx, &TEAM, 40))).expect("the row has those that were kept");
}

#[test]
fn a_channel_that_is_removed_takes_its_messages_out_of_the_journal() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path(), NEVER);
    block_on(async {
        create(&store).await;
        fill(&store, 1..=9).await;
        let undone: Result<(), _> = write(&store, |tx| {
            tx.channels().remove(&TEAM)?;
            Err(ErrorCode::QuotaFull.into())
        })
        .await;
        assert!(undone.is_err());
        read(&store, |tx| check(tx, &TEAM, 9)).await.expect("still there");
        write(&store, |tx| Ok(tx.channels().remove(&TEAM)?)).await.expect("removed");
        write(&store, |tx| Ok(tx.channels().insert(&TEAM, &row(0))?)).await.expect("made anew");
        write(&store, |tx| append(tx, &TEAM, 1)).await.expect("appended");
        read(&store, |tx| check(tx, &TEAM, 1).and_then(|()| check(tx, &PAIR, 9))).await.expect("only the new one");
    });
    let left = killed(dir.path());
    for store in [store, open(left.path(), NEVER)] {
        store.close();
    }
    for dir in [&dir, &left] {
        assert_eq!(rows(&beside(dir.path())), (0, 10), "what was removed is nowhere");
        block_on(read(&open(dir.path(), NEVER), |tx| check(tx, &TEAM, 1))).expect("read");
    }
}

#[test]
fn content_that_expires_in_the_journal_does_not_reach_its_place() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path(), NEVER);
    let expired = ChannelRow { first: 6, ..row(9) };
    block_on(async {
        create(&store).await;
        fill(&store, 1..=9).await;
        write(&store, move |tx| {
            tx.channels().drop_content(&TEAM, 6)?;
            Ok(tx.channels().save(&TEAM, &expired)?)
        })
        .await
        .expect("dropped");
    });
    let check = |store: &SqliteStore| {
        block_on(read(store, move |tx| {
            let channels = tx.channels();
            assert_eq!(channels.load(&TEAM)?, Some(expired));
            assert_eq!(channels.page(&TEAM, 0, u64::MAX, ALL)?, (6..=9).map(entry).collect::<Vec<_>>());
            assert_eq!(channels.ages(&TEAM, 0, 99)?.len(), 4);
            assert_eq!(channels.find_id(&TEAM, &id(2))?, Some(point(2)));
            Ok(())
        }))
        .expect("read");
    };
    check(&store);
    store.close();
    check(&open(dir.path(), NEVER));
    let kept: u32 = beside(dir.path())
        .query_row("SELECT count(*) FROM entries WHERE sealed IS NOT NULL", [], |row| row.get(0))
        .expect("counted");
    assert_eq!(kept, 4 + 9);
}

#[test]
fn large_messages_and_those_beyond_a_journal_that_cannot_move_go_to_their_place() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path(), NEVER);
    block_on(async {
        create(&store).await;
        fill(&store, 1..=2).await;
        let large = EntryRow { sealed: vec![7; 16 * 1024 + 1], ..entry(3) };
        write(&store, move |tx| Ok(tx.channels().append(&TEAM, &row(3), large)?)).await.expect("appended");
        let found = read(&store, |tx| Ok(tx.channels().page(&TEAM, 1, u64::MAX, ALL)?)).await.expect("read");
        assert_eq!(found.iter().map(|entry| entry.sealed.len()).collect::<Vec<_>>(), [100, 16 * 1024 + 1]);
    });
    assert_eq!(rows(&beside(dir.path())), (2, 1));
}

#[test]
fn a_full_disk_fails_the_move_and_nothing_else() {
    // Of these, two fill a page of `entries`; the journal packs them closely.
    let long = |position| EntryRow { sealed: vec![position as u8; 1400], ..entry(position) };
    let all = move |tx: &mut dyn StoreTx| {
        assert_eq!(tx.channels().load(&TEAM)?, Some(row(200)));
        assert_eq!(tx.channels().page(&TEAM, 0, u64::MAX, ALL)?, (1..=200).map(long).collect::<Vec<_>>());
        Ok(())
    };
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path(), NEVER);
    block_on(create(&store));
    store.close();
    let used: u32 = beside(dir.path()).query_row("PRAGMA page_count", [], |row| row.get(0)).expect("counted");
    let limited = StoreOptions { max_pages: Some(used + 85), journal: every(200), ..StoreOptions::default() };
    let store = SqliteStore::open(&location(dir.path()), limited).expect("opens");
    block_on(async {
        for job in 0..5 {
            write(&store, move |tx| {
                for position in job * 40 + 1..=job * 40 + 40 {
                    tx.channels().append(&TEAM, &row(position), long(position))?;
                }
                Ok(())
            })
            .await
            .expect("there is room in the journal");
        }
        write(&store, |tx| Ok(tx.state().put(StateKey::TokenSeed, &[1])?)).await.expect("comes after the move");
        let counts = store.stats().counts();
        assert_eq!((counts.moves, counts.failed_moves, counts.failed), (0, 1, 0));
        read(&store, all).await.expect("nothing is lost");
    });
    let left = killed(dir.path());
    let freed = open(left.path(), NEVER);
    block_on(read(&freed, all)).expect("nor after a kill");
    freed.close();
    assert_eq!(rows(&beside(left.path())), (0, 200), "with room it moves");
    store.close();
    assert_eq!(rows(&beside(dir.path())), (5, 0), "it is still full");
    let store = SqliteStore::open(&location(dir.path()), limited).expect("opens");
    block_on(async {
        read(&store, all).await.expect("nor after a restart");
        write(&store, |tx| {
            tx.channels().drop_content(&TEAM, 151)?;
            Ok(tx.channels().save(&TEAM, &ChannelRow { first: 151, ..row(200) })?)
        })
        .await
        .expect("age makes room");
    });
    store.close();
    assert_eq!(rows(&beside(dir.path())), (0, 200), "what is left fits");
}

#[test]
fn a_damaged_block_is_damage_and_no_panic() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path(), NEVER);
    block_on(async {
        create(&store).await;
        fill(&store, 1..=3).await;
    });
    let left = killed(dir.path());
    let db = beside(left.path());
    db.execute("UPDATE journal SET block = substr(block, 1, 50) WHERE seq = 2", []).expect("damaged");
    drop(db);
    let error = SqliteStore::open(&location(left.path()), StoreOptions::default()).expect_err("damaged");
    assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
    assert_eq!(dump::check(&location(left.path())).expect("opens"), ["row 2 of the journal cannot be read"]);
    let mut out = Vec::new();
    dump::dump(&location(left.path()), &mut out).expect("dumped all the same");
    let text = String::from_utf8(out).expect("text");
    assert_eq!(text.lines().filter(|line| line.contains("\"table\":\"journal\"")).count(), 5, "{text}");
}

#[test]
fn a_message_that_stands_in_two_rows_is_damage() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path(), NEVER);
    block_on(async {
        create(&store).await;
        fill(&store, 1..=3).await;
    });
    let left = killed(dir.path());
    beside(left.path()).execute("INSERT INTO journal SELECT 9, block FROM journal WHERE seq = 2", []).expect("doubled");
    let error = SqliteStore::open(&location(left.path()), StoreOptions::default()).expect_err("damaged");
    assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
}

#[test]
fn a_store_of_the_first_version_is_brought_up_to_date() {
    let dir = tempfile::tempdir().expect("a directory");
    open(dir.path(), NEVER).close();
    let path = location(dir.path()).path;
    for name in ["store.db-wal", "store.db-shm"] {
        assert!(!dir.path().join(name).exists());
    }
    std::fs::write(&path, b"").expect("emptied");
    let db = beside(dir.path());
    db.execute_batch(schema::STEPS[0]).expect("made as version 1 is");
    db.pragma_update(None, "user_version", 1).expect("set");
    let old = [
        "INSERT INTO channels VALUES (77, zeroblob(32), zeroblob(32), 0, 0, zeroblob(32), 0, zeroblob(32), 1, NULL, 0, 0, 0, zeroblob(32), 0)",
        "INSERT INTO entries VALUES ((77 << 32) + 1, zeroblob(32), 0, 3, zeroblob(16), 5, 0, zeroblob(32), NULL, x'010203')",
    ];
    for sql in old {
        db.execute(sql, []).expect("filled");
    }
    drop(db);
    assert_eq!(dump::check(&location(dir.path())).expect("opens"), Vec::<String>::new());
    let store = open(dir.path(), NEVER);
    let channel = ChannelId::new([0; 32]);
    block_on(async {
        let row = read(&store, move |tx| Ok(tx.channels().load(&channel)?)).await.expect("read").expect("there");
        assert_eq!((row.last.position, row.bytes), (1, 3));
        let next = ChannelRow { last: point(2), bytes: 103, ..row };
        write(&store, move |tx| Ok(tx.channels().append(&channel, &next, entry(2))?)).await.expect("appended");
        let page = read(&store, move |tx| Ok(tx.channels().page(&channel, 0, u64::MAX, ALL)?)).await.expect("read");
        assert_eq!(page.iter().map(|entry| entry.sealed.len()).collect::<Vec<_>>(), [3, 100]);
    });
    store.close();
    let db = beside(dir.path());
    assert_eq!(
        db.query_row("PRAGMA user_version", [], |row| row.get::<_, u32>(0)).expect("read"),
        schema::known_version()
    );
    assert_eq!(rows(&db), (0, 2));
}

#[test]
fn a_second_process_that_moves_the_journal_harms_nothing() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path(), every(16));
    block_on(async {
        create(&store).await;
        fill(&store, 1..=5).await;
        // As `invite create` does.
        let other = open(dir.path(), NEVER);
        write(&other, |tx| Ok(tx.state().put(StateKey::TokenSeed, &[1])?)).await.expect("written");
        fill(&store, 6..=6).await;
        other.close();
        assert_eq!(rows(&beside(dir.path())), (1, 10), "it leaves what it does not know");
        read(&store, |tx| check(tx, &TEAM, 6)).await.expect("read");
        write(&store, |tx| check(tx, &TEAM, 6)).await.expect("read by the writer");
        fill(&store, 7..=9).await;
        read(&store, |tx| check(tx, &PAIR, 9)).await.expect("read");
    });
    assert_eq!(store.stats().counts().moves, 1);
    store.close();
    assert_eq!(rows(&beside(dir.path())), (0, 18));
}

#[test]
fn no_page_keeps_what_was_deleted_from_the_journal() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path(), NEVER);
    let kept: i64 = beside(dir.path()).query_row("PRAGMA secure_delete", [], |row| row.get(0)).expect("asked");
    assert_eq!(kept, 1);
    drop(store);
}
