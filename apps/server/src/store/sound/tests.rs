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
        ("UPDATE archives SET bytes = 49", "1 rows of archives count other objects or bytes"),
        ("UPDATE archive_objects SET account = zeroblob(32)", "2 rows of archives count other objects"),
        ("DELETE FROM archives", "1 rows of archives count other objects"),
        ("DELETE FROM archive_objects", "1 rows of archives count other objects"),
        ("DELETE FROM accounts", "1 rows of archive_objects belong to no account"),
        ("INSERT INTO ways VALUES (zeroblob(32), 2, x'00', 1, 1, 1)", "1 rows of ways belong to no account"),
        ("DELETE FROM accounts", "1 rows of inboxes belong to no account"),
        ("UPDATE entries SET kind = 7 WHERE at & 4294967295 = 8", "a row cannot be read"),
        (
            "UPDATE entries SET bytes = 321 WHERE at & 4294967295 = 8",
            "it counts 321 bytes of content, and 320 are kept",
        ),
        ("UPDATE channels SET group_infos = 2", "it counts 2 GroupInfos, and 1 are kept"),
        ("DELETE FROM group_infos", "no GroupInfo is kept"),
        ("DELETE FROM group_infos", "it counts 30 bytes of GroupInfos and chunks, and 20 are kept"),
        ("UPDATE group_infos SET hash = zeroblob(32)", "1 GroupInfos are those of no commit"),
        ("UPDATE group_infos SET at = at + 3", "1 GroupInfos are those of no commit"),
        ("UPDATE group_infos SET at = 77 * 4294967296", "1 rows of group_infos belong to no channel"),
        ("DELETE FROM tree_chunks", "it counts 30 bytes of GroupInfos and chunks, and 10 are kept"),
        ("UPDATE tree_chunks SET bytes = 21", "1 chunks have another size"),
        ("UPDATE tree_chunks SET until = 3", "1 chunks end with a commit that is not there"),
        ("UPDATE tree_chunks SET until = 0", "1 chunks are kept that no GroupInfo may name"),
        ("UPDATE tree_chunks SET num = 77", "1 rows of tree_chunks belong to no channel"),
        ("DELETE FROM access_keys", "its access key is not the one"),
        ("UPDATE access_keys SET until = 2", "its access key is not the one"),
        ("UPDATE channels SET access_since = 2", "its access key is not the one"),
        ("DELETE FROM keyrings", "its keyring is not that of its access key"),
        ("UPDATE channels SET indexed = 2", "0 of the ids of its first 2 entries can be found"),
        ("DELETE FROM channels", "1 rows of keyrings belong to no channel"),
        ("INSERT INTO journal VALUES (4, x'09')", "row 4 of the journal"),
    ] {
        let found = spoilt(sql);
        assert!(found.iter().any(|fault| fault.contains(said)), "{sql}: {found:?}");
    }
}

#[test]
fn expired_content_and_what_waits_in_the_journal_is_sound() {
    // As the server does it: the row is written anew with what is left.
    let expired = "UPDATE channels SET first = 4, bytes = 200, last_position = 8,
                   last_hash = (SELECT hash FROM entries WHERE at & 4294967295 = 8);
                   UPDATE entries SET sealed = NULL WHERE at & 4294967295 < 4";
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
