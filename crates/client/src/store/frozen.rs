//! Homes that earlier versions wrote (samples/README.md).

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use super::Store;
use crate::{
    OsEntropy,
    home::{Home, StoreKey},
};

const SAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../samples");
/// Tables whose rows are there only while something is under way.
const PASSING: &[&str] = &["creation", "pending_commit", "delivery", "job", "sqlite_sequence"];

/// The homes of each version, by its folder.
fn homes() -> BTreeMap<PathBuf, Vec<PathBuf>> {
    let folders = |folder: &Path| -> Vec<PathBuf> {
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect()
    };
    let versions = folders(&Path::new(SAMPLES).canonicalize().unwrap()).into_iter();
    versions.map(|version| (version.clone(), folders(&version.join("homes")))).collect()
}

/// Opens a copy.
fn open(sample: &Path, temp: &Path) -> Store {
    let home = Home::open(temp.join(sample.file_name().unwrap())).unwrap();
    for name in ["store.key", "store.db"] {
        let copy = home.path().join(name);
        fs::copy(sample.join(name), &copy).unwrap();
        fs::set_permissions(&copy, fs::Permissions::from_mode(0o600)).unwrap();
    }
    let key = StoreKey::load_or_create(&home, None, &mut OsEntropy).unwrap();
    Store::open(&home, &key).unwrap()
}

#[test]
fn homes_of_every_version_open_and_those_just_made_have_rows_of_every_kind() {
    let homes = homes();
    assert!(!homes.is_empty(), "there are no samples in {SAMPLES}");
    for (version, homes) in homes {
        let temp = tempfile::tempdir().unwrap();
        let (mut tables, mut filled) = (BTreeSet::new(), BTreeSet::new());
        for sample in &homes {
            let store = open(sample, temp.path());
            assert_eq!(store.check().unwrap(), Vec::<String>::new(), "{}", sample.display());
            let mut names = store.connection.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").unwrap();
            for name in names.query_map([], |row| row.get::<_, String>(0)).unwrap().map(Result::unwrap) {
                let any = format!("SELECT count(*) > 0 FROM {name}");
                if store.connection.query_row(&any, [], |row| row.get(0)).unwrap() {
                    filled.insert(name.clone());
                }
                tables.insert(name);
            }
        }
        let name = version.file_name().unwrap().to_str().unwrap();
        // `cargo xtask samples make` asks when it has written them: a table that was added since is empty in older ones.
        if std::env::var_os("QPC_SAMPLES_MADE").is_some_and(|made| made == version.as_os_str()) {
            let empty: Vec<&String> =
                tables.difference(&filled).filter(|table| !PASSING.contains(&table.as_str())).collect();
            assert!(
                empty.is_empty(),
                "no home of {name} has rows in {empty:?}; have dev/xtask/src/samples/make.rs write some"
            );
        }
    }
}
