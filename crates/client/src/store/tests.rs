use std::{fs, rc::Rc};

use quicprochat_client_core::store::{
    StoreFault, StoreTx,
    conformance::{self, Backend},
};

use super::{Store, StoreError};
use crate::{
    OsEntropy,
    home::{Home, StoreKey},
};

struct Sqlite {
    store: Store,
    home: Home,
    key: Rc<StoreKey>,
    _temp: Rc<tempfile::TempDir>,
}

impl Sqlite {
    fn fresh() -> Self {
        let temp = tempfile::tempdir().unwrap();
        let home = Home::open(temp.path().join("home")).unwrap();
        let key = StoreKey::load_or_create(&home, None, &mut OsEntropy).unwrap();
        Self { store: Store::open(&home, &key).unwrap(), home, key: Rc::new(key), _temp: Rc::new(temp) }
    }
}

impl Backend for Sqlite {
    fn transact(&mut self, keep: bool, job: &mut dyn FnMut(&dyn StoreTx)) {
        let tx = self.store.begin().unwrap();
        job(&tx);
        if keep {
            tx.commit().unwrap();
        }
    }

    fn another(&self) -> Box<dyn Backend> {
        Box::new(Self {
            store: Store::open(&self.home, &self.key).unwrap(),
            home: self.home.clone(),
            key: Rc::clone(&self.key),
            _temp: Rc::clone(&self._temp),
        })
    }
}

#[test]
fn passes_the_conformance_suite() {
    conformance::run(&mut || Box::new(Sqlite::fresh()));
}

#[test]
fn is_encrypted_and_opens_with_its_key_only() {
    let sqlite = Sqlite::fresh();
    sqlite.store.begin_put(b"needle in the haystack");
    assert!(!sqlite.store.cipher().unwrap().version.is_empty());
    assert_eq!(sqlite.store.check().unwrap(), Vec::<String>::new());
    for file in fs::read_dir(sqlite.home.path()).unwrap() {
        let bytes = fs::read(file.unwrap().path()).unwrap();
        assert!(!bytes.windows(6).any(|window| window == b"needle"));
        assert!(!bytes.starts_with(b"SQLite format 3"));
    }
    drop(sqlite.store);
    let other = Home::open(sqlite.home.path().join("other")).unwrap();
    let wrong = StoreKey::load_or_create(&other, None, &mut OsEntropy).unwrap();
    let before = fs::read(sqlite.home.store_path()).unwrap();
    assert!(matches!(Store::open(&sqlite.home, &wrong), Err(StoreError::KeyOrDamage { .. })));
    assert_eq!(fs::read(sqlite.home.store_path()).unwrap(), before, "a wrong key changes nothing");
    Store::open(&sqlite.home, &sqlite.key).unwrap();
}

#[test]
fn says_that_a_damaged_file_is_damaged() {
    let sqlite = Sqlite::fresh();
    drop(sqlite.store);
    let mut bytes = fs::read(sqlite.home.store_path()).unwrap();
    bytes[100..200].fill(0x55);
    fs::write(sqlite.home.store_path(), &bytes).unwrap();
    assert!(matches!(Store::open(&sqlite.home, &sqlite.key), Err(StoreError::KeyOrDamage { .. })));
}

#[test]
fn refuses_a_store_of_a_later_version() {
    let sqlite = Sqlite::fresh();
    sqlite.store.connection.pragma_update(None, "user_version", 99).unwrap();
    drop(sqlite.store);
    let error = Store::open(&sqlite.home, &sqlite.key).unwrap_err();
    assert!(matches!(error, StoreError::TooNew { found: 99, .. }), "{error}");
}

#[test]
fn a_full_disk_is_told_apart_and_costs_nothing_that_was_committed() {
    let mut sqlite = Sqlite::fresh();
    sqlite.store.begin_put(b"kept");
    let pages: i64 = sqlite.store.connection.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
    sqlite.store.connection.pragma_update(None, "max_page_count", pages + 2).unwrap();
    let tx = sqlite.store.begin().unwrap();
    let large = vec![7; 64 * 1024];
    assert!(tx.mls().put(b"too much", &large).is_err());
    assert_eq!(tx.cause(), Some(StoreFault::Full));
    drop(tx);
    sqlite.store.connection.pragma_update(None, "max_page_count", pages + 1000).unwrap();
    let tx = sqlite.store.begin().unwrap();
    assert_eq!(tx.mls().get(&[0]).unwrap().as_deref(), Some(&b"kept"[..]));
    tx.mls().put(b"fits now", &large).unwrap();
    tx.commit().unwrap();
}

#[test]
fn a_transaction_for_reading_writes_nothing_and_the_next_one_may() {
    let mut sqlite = Sqlite::fresh();
    let reading = sqlite.store.begin_reading().unwrap();
    assert!(reading.mls().put(b"key", b"value").is_err());
    assert!(reading.upkeep().put_setting("key", Some(b"value")).is_err());
    drop(reading);
    let writing = sqlite.store.begin().unwrap();
    writing.upkeep().put_setting("key", Some(b"value")).unwrap();
    writing.commit().unwrap();
    let reading = sqlite.store.begin_reading().unwrap();
    assert_eq!(reading.upkeep().setting("key").unwrap().as_deref(), Some(&b"value"[..]));
}

#[test]
fn a_store_that_another_process_holds_is_locked_and_not_broken() {
    let mut sqlite = Sqlite::fresh();
    let mut other = Store::open(&sqlite.home, &sqlite.key).unwrap();
    other.connection.busy_timeout(std::time::Duration::from_millis(20)).unwrap();
    let held = sqlite.store.begin().unwrap();
    assert_eq!(other.begin().err(), Some(StoreFault::Locked));
    drop(held);
    other.begin().unwrap();
}

impl Store {
    fn begin_put(&self, value: &[u8]) {
        self.connection.execute("INSERT INTO mls (key, value) VALUES (x'00', ?1)", [value]).unwrap();
    }
}
