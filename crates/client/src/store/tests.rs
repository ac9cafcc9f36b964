use std::{fs, rc::Rc};

use quicprochat_client_core::store::{
    StoreTx,
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

impl Store {
    fn begin_put(&self, value: &[u8]) {
        self.connection.execute("INSERT INTO mls (key, value) VALUES (x'00', ?1)", [value]).unwrap();
    }
}
