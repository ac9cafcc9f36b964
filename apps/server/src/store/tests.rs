use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::Path,
};

use futures::future::join_all;
use quicprochat_server_core::store::{
    PageLimit, Refusal, StateKey, StoreTx,
    conformance::{self, Fixture},
    read, write,
};
use quicprochat_wire::ErrorCode;
use tempfile::TempDir;

use super::{
    fixture::{TEAM, block_on, entry, id, location, point, row},
    *,
};
use crate::store_key::StoreKey;

fn open(dir: &Path) -> SqliteStore {
    SqliteStore::open(&location(dir), StoreOptions::default()).expect("opens")
}

struct Dirs {
    dirs: Vec<TempDir>,
    last: Option<SqliteStore>,
}

impl Fixture for Dirs {
    fn open(&mut self) -> BoxFuture<'_, Arc<dyn Store>> {
        let dir = tempfile::tempdir().expect("a directory");
        let store = open(dir.path());
        self.dirs.push(dir);
        self.last = Some(store.clone());
        async move { Arc::new(store) as Arc<dyn Store> }.boxed()
    }

    fn reopen(&mut self, store: Arc<dyn Store>) -> BoxFuture<'_, Arc<dyn Store>> {
        drop(store);
        self.last.take().expect("one is open").close();
        let store = open(self.dirs.last().expect("one was made").path());
        async move { Arc::new(store) as Arc<dyn Store> }.boxed()
    }
}

#[test]
fn does_what_every_store_must() {
    block_on(conformance::run(&mut Dirs { dirs: Vec::new(), last: None })).expect("conforms");
}

fn append(tx: &mut dyn StoreTx, position: u64) -> Result<(), Refusal> {
    let found = tx.channels().load(&TEAM)?.expect("the channel is there");
    assert_eq!(found.last.position + 1, position);
    assert_eq!(tx.channels().find_id(&TEAM, &id(position))?, None);
    Ok(tx.channels().append(&TEAM, &row(position), entry(position))?)
}

async fn create(store: &SqliteStore) {
    write(store, |tx| Ok(tx.channels().insert(&TEAM, &row(0))?)).await.expect("created");
}

#[test]
fn ids_and_rows_are_the_same_from_memory_and_from_disk() {
    let dir = tempfile::tempdir().expect("a directory");
    let check = |store: &SqliteStore, count: u64| {
        block_on(read(store, move |tx| {
            let channels = tx.channels();
            assert_eq!(channels.load(&TEAM)?, Some(row(count)));
            for position in 1..=count {
                assert_eq!(channels.find_id(&TEAM, &id(position))?, Some(point(position)), "{position} of {count}");
            }
            assert_eq!(channels.find_id(&TEAM, &id(count + 1))?, None);
            let page = channels.page(&TEAM, count - 2, u64::MAX, PageLimit { entries: 9, bytes: 9999 })?;
            assert_eq!(page, [entry(count - 1), entry(count)]);
            Ok(())
        }))
        .expect("readable");
    };
    let store = open(dir.path());
    block_on(async {
        create(&store).await;
        // Past the point at which ids move into their index, twice.
        for position in 1..=1200 {
            write(&store, move |tx| append(tx, position)).await.expect("appended");
        }
    });
    check(&store, 1200);
    store.close();
    let store = open(dir.path());
    check(&store, 1200);
    block_on(async {
        for position in 1201..=1210 {
            write(&store, move |tx| append(tx, position)).await.expect("appended");
        }
    });
    check(&store, 1210);
}

#[test]
fn an_undone_append_leaves_neither_row_nor_id() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path());
    block_on(async {
        create(&store).await;
        let jobs = (0..200u64).map(|index| {
            write(&store, move |tx| {
                let next = tx.channels().load(&TEAM)?.expect("there").last.position + 1;
                append(tx, next)?;
                if index % 2 == 1 { Err(ErrorCode::QuotaFull.into()) } else { Ok(next) }
            })
        });
        let outcomes = join_all(jobs).await;
        let mut kept: Vec<u64> = outcomes.into_iter().filter_map(Result::ok).collect();
        kept.sort_unstable();
        assert_eq!(kept, (1..=100).collect::<Vec<u64>>());
        assert_eq!(read(&store, |tx| Ok(tx.channels().load(&TEAM)?)).await, Ok(Some(row(100))));
    });
    let counts = store.stats().counts();
    assert!(counts.transactions < 150, "jobs that wait together share transactions: {counts:?}");
}

#[test]
fn a_job_that_panics_is_undone_alone() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path());
    block_on(async {
        create(&store).await;
        let panicking = write(&store, |tx| -> Result<(), Refusal> {
            append(tx, 1)?;
            panic!("on purpose");
        });
        let (panicked, kept) = futures::join!(panicking, write(&store, |tx| append(tx, 1)));
        assert!(panicked.is_err());
        assert_eq!(kept, Ok(()));
        assert_eq!(read(&store, |tx| Ok(tx.channels().load(&TEAM)?)).await, Ok(Some(row(1))));
    });
}

#[test]
fn a_full_store_acknowledges_nothing_and_goes_on_when_there_is_room() {
    let dir = tempfile::tempdir().expect("a directory");
    let small = StoreOptions { max_pages: Some(100), ..StoreOptions::default() };
    let store = SqliteStore::open(&location(dir.path()), small).expect("opens");
    let mut acknowledged = 0;
    block_on(async {
        create(&store).await;
        let full = loop {
            let next = acknowledged + 1;
            match write(&store, move |tx| append(tx, next)).await {
                Ok(()) => acknowledged = next,
                Err(refusal) => break refusal,
            }
            assert!(acknowledged < 100_000, "100 pages cannot hold this");
        };
        assert_eq!(full, StoreFault::Full.into());
        // Reading goes on, and so does writing what needs no room.
        assert_eq!(read(&store, |tx| Ok(tx.channels().load(&TEAM)?)).await, Ok(Some(row(acknowledged))));
        write(&store, |tx| Ok(tx.channels().drop_content(&TEAM, 40)?)).await.expect("needs no room");
        write(&store, |tx| Ok(tx.state().put(StateKey::TokenSeed, &[1; 8])?)).await.expect("there is room now");
    });
    store.close();
    let store = open(dir.path());
    block_on(async {
        assert_eq!(read(&store, |tx| Ok(tx.channels().load(&TEAM)?)).await, Ok(Some(row(acknowledged))));
        let next = acknowledged + 1;
        write(&store, move |tx| append(tx, next)).await.expect("there is room now");
    });
}

#[test]
fn a_closed_store_says_so() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path());
    store.close();
    let refused = block_on(write(&store, |tx| Ok(tx.state().put(StateKey::TokenSeed, &[1])?)));
    assert_eq!(refused, Err(StoreFault::Closed.into()));
    assert!(!dir.path().join("store.db-wal").exists(), "the log was moved into the database");
}

#[test]
fn the_files_are_encrypted_and_for_the_owner_alone() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path());
    let marker = [0x5a; 64];
    block_on(write(&store, move |tx| Ok(tx.state().put(StateKey::TokenSeed, &marker)?))).expect("written");
    for entry in fs::read_dir(dir.path()).expect("readable") {
        let entry = entry.expect("readable");
        let content = fs::read(entry.path()).expect("readable");
        assert!(!content.starts_with(b"SQLite format 3"), "{:?}", entry.path());
        assert!(!content.windows(64).any(|window| window == marker), "{:?}", entry.path());
        assert_eq!(entry.metadata().expect("there").mode() & 0o077, 0, "{:?}", entry.path());
    }
}

#[test]
fn a_wrong_key_is_refused_and_nothing_is_changed() {
    let dir = tempfile::tempdir().expect("a directory");
    open(dir.path()).close();
    let before = fs::read(dir.path().join("store.db")).expect("there");
    let wrong = Location { key: StoreKey::new([8; 32]), ..location(dir.path()) };
    let error = SqliteStore::open(&wrong, StoreOptions::default()).expect_err("wrong key");
    assert!(matches!(error, OpenError::WrongKey { .. }), "{error}");
    assert_eq!(fs::read(dir.path().join("store.db")).expect("there"), before);
    open(dir.path());
}

#[test]
fn an_unencrypted_store_is_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("store.db");
    rusqlite::Connection::open(&path).expect("opens").execute_batch("CREATE TABLE t (x)").expect("runs");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("ours");
    let error = SqliteStore::open(&location(dir.path()), StoreOptions::default()).expect_err("plain");
    assert!(matches!(error, OpenError::Unencrypted { .. }), "{error}");
}

#[test]
fn a_store_of_a_later_version_is_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    open(dir.path()).close();
    let db = location(dir.path()).open_existing(Purpose::Write).expect("opens");
    db.pragma_update(None, "user_version", 999).expect("set");
    drop(db);
    let error = SqliteStore::open(&location(dir.path()), StoreOptions::default()).expect_err("too new");
    assert!(matches!(error, OpenError::TooNew { found: 999, .. }), "{error}");
}

#[test]
fn a_damaged_page_is_found_by_the_check() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path());
    block_on(async {
        create(&store).await;
        for position in 1..=300 {
            write(&store, move |tx| append(tx, position)).await.expect("appended");
        }
    });
    store.close();
    assert_eq!(dump::check(&location(dir.path())).expect("opens"), Vec::<String>::new());
    let path = dir.path().join("store.db");
    let mut bytes = fs::read(&path).expect("there");
    let middle = bytes.len() - 2000;
    bytes[middle] ^= 1;
    fs::write(&path, bytes).expect("written");
    assert_ne!(dump::check(&location(dir.path())).expect("opens"), Vec::<String>::new());
}

#[test]
fn a_dump_shows_every_row() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path());
    block_on(async {
        create(&store).await;
        write(&store, |tx| append(tx, 1)).await.expect("appended");
        write(&store, |tx| Ok(tx.state().put(StateKey::TokenSeed, b"plain words")?)).await.expect("written");
    });
    let mut out = Vec::new();
    dump::dump(&location(dir.path()), &mut out).expect("dumped beside the open store");
    let text = String::from_utf8(out).expect("text");
    let rows: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(rows.len(), 3, "{text}");
    assert!(rows.iter().any(|row| row["table"] == "state" && row["row"]["value"]["text"] == "plain words"));
    assert!(rows.iter().any(|row| row["table"] == "journal" && row["row"]["id"]["hex"] == id(1).to_string()));
}
