use super::{
    super::{SqliteStore, StoreOptions, fixture},
    *,
};
use crate::backup::planted;

/// A store with a channel of eight entries, some of them in the journal.
fn store(dir: &std::path::Path) -> Location {
    let location = fixture::location(dir);
    let store = SqliteStore::open(&location, StoreOptions::default()).expect("opens");
    fixture::block_on(planted::channel(&store, 1, 8));
    fixture::block_on(planted::inbox(&store, 3));
    store.close();
    location
}

fn spoilt(sql: &str) -> Vec<String> {
    let temp = tempfile::tempdir().expect("a directory");
    let location = store(temp.path());
    assert_eq!(faults(&location).expect("opens"), Vec::<String>::new());
    location.open_first().expect("opens").execute_batch(sql).expect("done");
    faults(&location).expect("opens")
}

#[test]
fn whatever_does_not_fit_together_is_named() {
    for (sql, said) in [
        ("DELETE FROM entries WHERE at & 4294967295 = 3", "entries 3 to 3 are missing"),
        ("UPDATE entries SET sealed = x'00' WHERE at & 4294967295 = 4", "the hash of entry 4"),
        ("UPDATE entries SET hash = zeroblob(32) WHERE at & 4294967295 = 8", "the hash of entry 8"),
        ("UPDATE entries SET sealed = NULL WHERE at & 4294967295 = 5", "the content of entry 5 is missing"),
        (
            "UPDATE entries SET after_position = 1 WHERE at & 4294967295 = 8",
            "entry 8 was accepted after another commit",
        ),
        ("UPDATE channels SET last_position = 9", "entries after 8 are missing"),
        ("UPDATE channels SET commit_position = 1", "the last commit is at 2"),
        ("DELETE FROM channels", "8 entries belong to no channel"),
        ("UPDATE inboxes SET entries = 1", "1 rows of inboxes count other entries"),
        ("DELETE FROM inboxes", "1 rows of inboxes count other entries"),
        ("UPDATE inboxes SET last = 2", "1 entries of inboxes have a number above"),
        ("INSERT INTO archives VALUES (zeroblob(32), 1, 1)", "1 rows of archives count other objects"),
        ("DELETE FROM accounts", "1 rows of inboxes belong to no account"),
        ("UPDATE entries SET kind = 7 WHERE at & 4294967295 = 8", "a row cannot be read"),
        ("INSERT INTO journal VALUES (4, x'09')", "row 4 of the journal"),
    ] {
        let found = spoilt(sql);
        assert!(found.iter().any(|fault| fault.contains(said)), "{sql}: {found:?}");
    }
}

#[test]
fn expired_content_and_what_waits_in_the_journal_is_sound() {
    let expired = "UPDATE channels SET first = 4; UPDATE entries SET sealed = NULL WHERE at & 4294967295 < 4";
    assert_eq!(spoilt(expired), Vec::<String>::new());
    let temp = tempfile::tempdir().expect("a directory");
    let location = fixture::location(temp.path());
    let store = SqliteStore::open(&location, StoreOptions::default()).expect("opens");
    fixture::block_on(planted::channel(&store, 1, 8));
    // Beside the store that holds them, before they have moved.
    assert_eq!(faults(&location).expect("opens"), Vec::<String>::new());
    store.close();
}

#[test]
fn a_channel_without_entries_is_sound() {
    let temp = tempfile::tempdir().expect("a directory");
    let location = fixture::location(temp.path());
    let store = SqliteStore::open(&location, StoreOptions::default()).expect("opens");
    fixture::block_on(planted::channel(&store, 1, 0));
    store.close();
    assert_eq!(faults(&location).expect("opens"), Vec::<String>::new());
}
