use std::{
    io::{self, Write},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use quicprochat_server_core::{
    Recovery,
    store::{StateKey, StoreTx, write as write_row},
};
use quicprochat_transport::ServerIdentity;
use quicprochat_wire::Timestamp;

use super::{create::write, planted, *};
use crate::{
    data_dir::{DataDir, RESTORING},
    private_file,
    store::{Filling, Location, SqliteStore, StoreOptions, dump, known_schema, recovery, sound},
    store_key::StoreKey,
};

struct Bed {
    temp: tempfile::TempDir,
    store: SqliteStore,
    location: Location,
    server_key: PathBuf,
}

/// A store that is open, with two channels, one of them written to just now, and an inbox.
fn bed() -> Bed {
    let temp = tempfile::tempdir().expect("a directory");
    let location = Location { path: temp.path().join("store.db"), key: StoreKey::new([7; 32]) };
    let server_key = temp.path().join("server.key");
    let identity = ServerIdentity::generate("sam.example").expect("made");
    private_file::write_private(&server_key, identity.key_der()).expect("written");
    let store = SqliteStore::open(&location, StoreOptions::default()).expect("opens");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        planted::channel(&store, 1, 6).await;
        planted::channel(&store, 2, 5).await;
        planted::inbox(&store, 3).await;
    });
    Bed { temp, store, location, server_key }
}

impl Bed {
    fn backup(&self) -> Vec<u8> {
        write(&self.location, &self.server_key, Vec::new(), &mut |_, _| {}).expect("written").0
    }

    fn restore(&self, name: &str, backup: &[u8]) -> (PathBuf, Result<Summary, BackupError>) {
        let data = self.temp.path().join(name);
        let key = |_: &Path, _: &Path| Ok(StoreKey::new([8; 32]));
        let restored = restore_backup(&data, backup, None, Faults::Refused, key, &mut |_, _| {});
        (data, restored)
    }
}

fn checked(backup: &[u8]) -> Result<Summary, BackupError> {
    check_backup(backup, None, &mut |_, _| {})
}

fn names(dir: &Path) -> Vec<String> {
    let names = std::fs::read_dir(dir).expect("there");
    let mut names: Vec<String> =
        names.map(|name| name.expect("a name").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// The dump of a store without its journal, which is moved when a store is opened.
fn dumped(location: &Location) -> Vec<String> {
    SqliteStore::open(location, StoreOptions::default()).expect("opens").close();
    let mut out = Vec::new();
    dump::dump(location, &mut out).expect("dumped");
    String::from_utf8(out).expect("text").lines().map(str::to_owned).collect()
}

#[test]
fn a_restored_store_has_the_rows_of_the_one_that_was_running() {
    let bed = bed();
    let mut steps = 0;
    let file = bed.temp.path().join("sam.backup");
    let made = create(&bed.location, &bed.server_key, &file, false, &mut |_, _| steps += 1).expect("made");
    assert!(steps > 10, "{steps}");
    assert_eq!((made.of("accounts"), made.of("channels"), made.of("inbox_entries")), (1, 2, 3));
    let metadata = std::fs::metadata(&file).expect("there");
    assert_eq!((metadata.permissions().mode() & 0o777, metadata.len()), (0o600, made.bytes));
    let backup = std::fs::read(&file).expect("there");
    assert_eq!(checked(&backup).expect("whole"), made);
    let (data, restored) = bed.restore("data", &backup);
    assert_eq!(restored.expect("restored"), made);
    assert_eq!(names(&data), ["lock", "server.key", "store.db"]);
    let key = |path: &Path| private_file::read_private(path).expect("private").expect("there");
    assert_eq!(key(&data.join("server.key")), key(&bed.server_key));
    bed.store.close();
    let location = Location { path: data.join("store.db"), key: StoreKey::new([8; 32]) };
    assert_eq!(sound::faults(&location).expect("opens"), Vec::<String>::new());
    // Inboxes go on elsewhere, and there is the mark of the restore.
    let same = |row: &String| !row.contains(r#""table":"inboxes""#) && !row.contains(r#""key":"recovery""#);
    let rows = |location: &Location| dumped(location).into_iter().filter(same).collect::<Vec<_>>();
    assert_eq!(rows(&location), rows(&bed.location));
}

#[test]
fn a_restored_store_begins_a_recovery_time_whatever_the_backup_says_of_an_earlier_one() {
    let bed = bed();
    assert_eq!(recovery(&bed.location).expect("opens"), None);
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let earlier = Recovery { until: Some(Timestamp(7)), restored: 9 };
    let mark = move |tx: &mut dyn StoreTx| Ok(tx.state().put(StateKey::Recovery, &earlier.encode())?);
    runtime.block_on(write_row(&bed.store, mark)).expect("put");
    for (name, backup) in [("first", bed.backup()), ("second", bed.backup())] {
        let (data, restored) = bed.restore(name, &backup);
        restored.expect("restored");
        let location = Location { path: data.join("store.db"), key: StoreKey::new([8; 32]) };
        assert_eq!(recovery(&location).expect("opens"), Some(Ok(Recovery::PENDING)));
    }
    assert_eq!(recovery(&bed.location).expect("opens"), Some(Ok(earlier)));
}

#[test]
fn an_inbox_goes_on_above_every_number_that_was_given_out() {
    let bed = bed();
    let (data, restored) = bed.restore("data", &bed.backup());
    restored.expect("restored");
    let rows = dumped(&Location { path: data.join("store.db"), key: StoreKey::new([8; 32]) });
    let inbox = rows.iter().find(|row| row.contains(r#""table":"inboxes""#)).expect("an inbox");
    assert!(inbox.contains(&format!(r#""last":{}"#, (1u64 << 32) + 3)), "{inbox}");
}

#[test]
fn messages_of_the_journal_do_not_stand_in_the_order_in_which_they_came() {
    let temp = tempfile::tempdir().expect("a directory");
    let location = Location { path: temp.path().join("store.db"), key: StoreKey::new([7; 32]) };
    let server_key = temp.path().join("server.key");
    private_file::write_private(&server_key, ServerIdentity::generate("sam.example").expect("made").key_der())
        .expect("written");
    let store = SqliteStore::open(&location, StoreOptions::default()).expect("opens");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    for number in [3, 1, 2, 9, 4, 8, 5, 7, 6] {
        runtime.block_on(planted::channel(&store, number, 1));
    }
    let (backup, made) = write(&location, &server_key, Vec::new(), &mut |_, _| {}).expect("written");
    assert_eq!((made.of("journal"), made.of("entries")), (1, 0), "the messages have not moved");
    // By their channels' random numbers: one order in 9! is the one in which they came.
    let key = |_: &Path, _: &Path| Ok(StoreKey::new([8; 32]));
    restore_backup(&temp.path().join("data"), &backup[..], None, Faults::Refused, key, &mut |_, _| {})
        .expect("restored");
    let restored = Location { path: temp.path().join("data/store.db"), key: StoreKey::new([8; 32]) };
    let mut out = Vec::new();
    dump::dump(&restored, &mut out).expect("dumped");
    let at = String::from_utf8(out).expect("text");
    let at = at.lines().filter(|row| row.contains(r#""table":"journal""#)).map(|row| {
        let row: serde_json::Value = serde_json::from_str(row).expect("JSON");
        row["row"]["at"].as_i64().expect("a key")
    });
    let at: Vec<i64> = at.collect();
    assert_eq!(at.len(), 9);
    assert!(at.is_sorted(), "{at:?}");
}

#[test]
fn a_file_cut_anywhere_is_refused() {
    let bed = bed();
    let backup = bed.backup();
    for length in (0..backup.len()).filter(|length| *length < 200 || length % 13 == 0 || *length + 60 > backup.len()) {
        let error = checked(&backup[..length]).expect_err("cut");
        let expected = if length < 16 { "not-a-backup" } else { "backup-truncated" };
        assert_eq!(error.code(), (expected, 6), "{length}: {error}");
    }
    let longer = [&backup[..], &[0]].concat();
    assert_eq!(checked(&longer).expect_err("longer").code().0, "backup-damaged");
}

#[test]
fn no_flipped_byte_goes_unnoticed() {
    let bed = bed();
    let backup = bed.backup();
    for offset in (0..backup.len()).filter(|offset| *offset < 200 || offset % 7 == 0 || *offset + 60 > backup.len()) {
        for flip in [1, 0x80] {
            let mut damaged = backup.clone();
            damaged[offset] ^= flip;
            let error = checked(&damaged).expect_err("damaged");
            assert_eq!(error.code().1, 6, "{offset}: {error}");
        }
    }
    let mut damaged = backup.clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    let (data, restored) = bed.restore("data", &damaged);
    assert_eq!(restored.expect_err("damaged").code().1, 6);
    assert_eq!(names(&data), ["lock"], "nothing is left but the lock");
    bed.restore("data", &backup).1.expect("the whole one is restored there");
}

#[test]
fn what_a_later_version_wrote_is_refused_as_that() {
    let bed = bed();
    let backup = bed.backup();
    let mut later = backup.clone();
    later[16] = format::VERSION + 1;
    assert_eq!(checked(&later).expect_err("later").code(), ("later-version", 6));
    let key = private_file::read_private(&bed.server_key).expect("private").expect("there");
    let head = Head { program: "qpc-server 9".to_owned(), made: 0, schema: known_schema() + 1 };
    let (later, _) = FrameWriter::begin(Vec::new(), &head, &key).and_then(FrameWriter::finish).expect("written");
    assert_eq!(checked(&later).expect_err("later").code(), ("later-version", 6));
    assert_eq!(checked(b"qpc backup file\n\x01").expect_err("a client's").code(), ("not-a-backup", 6));
    assert_eq!(checked(b"").expect_err("empty").code(), ("not-a-backup", 6));
}

#[test]
fn a_store_that_is_not_sound_is_not_put_in_place() {
    let bed = bed();
    let key = private_file::read_private(&bed.server_key).expect("private").expect("there");
    let head = Head { program: "qpc-server".to_owned(), made: 0, schema: known_schema() };
    let mut frames = FrameWriter::begin(Vec::new(), &head, &key).expect("begun");
    for (name, columns) in crate::store::tables_of_schema(known_schema()).expect("known") {
        frames.table(&TableHead { name: name.clone(), columns }).expect("written");
        if name == "inboxes" {
            // An inbox of nobody that counts what is not there.
            let row = [Cell::Bytes(&[9; 32]), Cell::Integer(4), Cell::Integer(4), Cell::Integer(40)];
            frames.row(row.into_iter()).expect("written");
        }
    }
    let (backup, _) = frames.finish().expect("written");
    checked(&backup).expect("the file is whole");
    let folder = bed.temp.path().join("scratch");
    private_file::private_dir(&folder).expect("made");
    let error = check_restored(&folder, &backup[..], None, &mut |_, _| {}).expect_err("not sound");
    assert_eq!(error.code(), ("backup-unsound", 6));
    assert!(error.to_string().contains("inboxes"), "{error}");
    assert_eq!(names(&folder), Vec::<String>::new());
    let (data, restored) = bed.restore("data", &backup);
    let error = restored.expect_err("not sound");
    assert_eq!(error.code(), ("backup-unsound", 6));
    assert!(error.to_string().contains("inboxes") && error.to_string().contains("--despite-faults"), "{error}");
    assert_eq!(names(&data), ["lock"]);
    // Where there is no better one.
    let key = |_: &Path, _: &Path| Ok(StoreKey::new([8; 32]));
    let taken = restore_backup(&data, &backup[..], None, Faults::Told, key, &mut |_, _| {}).expect("put in place");
    assert!(
        !taken.faults.is_empty() && taken.faults.iter().all(|fault| fault.contains("inboxes")),
        "{:?}",
        taken.faults
    );
    assert_eq!(names(&data), ["lock", "server.key", "store.db"]);
}

#[test]
fn a_backup_is_checked_as_when_it_is_restored_and_nothing_stays() {
    let bed = bed();
    let backup = bed.backup();
    let folder = bed.temp.path().join("scratch");
    private_file::private_dir(&folder).expect("made");
    let (mut most, mut within) = (0, 0);
    let mut show = |done, _| {
        most = most.max(done);
        within = within.max(names(&folder).len());
    };
    let summary = check_restored(&folder, &backup[..], Some(backup.len() as u64), &mut show).expect("sound");
    assert_eq!(summary, checked(&backup).expect("whole"));
    assert!(most > 0 && within == 1, "it shows how far it is, in a directory of its own");
    assert_eq!(names(&folder), Vec::<String>::new());
    for damaged in [&backup[..backup.len() - 1], &backup[..backup.len() / 2]] {
        let error = check_restored(&folder, damaged, None, &mut |_, _| {}).expect_err("cut");
        assert_eq!(error.code().1, 6, "{error}");
        assert_eq!(names(&folder), Vec::<String>::new());
    }
    let nowhere = bed.temp.path().join("nowhere");
    let error = check_restored(&nowhere, &backup[..], None, &mut |_, _| {}).expect_err("no such folder");
    assert_eq!(error.code(), ("failed", 1));
}

#[test]
fn nothing_is_restored_over_what_is_there() {
    let bed = bed();
    let backup = bed.backup();
    let data = bed.temp.path().join("data");
    private_file::private_dir(&data).expect("made");
    std::fs::write(data.join("letter"), b"dear sam").expect("written");
    assert_eq!(bed.restore("data", &backup).1.expect_err("full").code(), ("not-empty", 1));
    assert_eq!(names(&data), ["letter"]);
    std::fs::remove_file(data.join("letter")).expect("removed");
    let held = DataDir::open(&data).expect("locked");
    assert_eq!(bed.restore("data", &backup).1.expect_err("in use").code(), ("in-use", 1));
    drop(held);
    // Whatever an interrupted one left is its own.
    let staged = data.join(RESTORING);
    private_file::private_dir(&staged).expect("made");
    std::fs::write(staged.join("store.db"), b"half").expect("written");
    private_file::write_private(&data.join("server.key"), b"half").expect("written");
    bed.restore("data", &backup).1.expect("restored");
    assert_eq!(names(&data), ["lock", "server.key", "store.db"]);
}

/// A disk with room for so many bytes.
struct Full(usize);

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.checked_sub(bytes.len()).ok_or_else(|| io::Error::from(io::ErrorKind::StorageFull))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_full_disk_fails_the_backup_and_the_restore() {
    let bed = bed();
    let backup = bed.backup();
    for room in [0, 100, backup.len() - 1] {
        let written = write(&bed.location, &bed.server_key, Full(room), &mut |_, _| {});
        assert!(matches!(written, Err(BackupError::Stream { writing: true, .. })), "{room}");
    }
    let location = Location { path: bed.temp.path().join("filled.db"), key: StoreKey::new([8; 32]) };
    let mut filling = Filling::create(&location, known_schema()).expect("made");
    filling.limit_pages(60);
    filling.table("state", 2).expect("begun");
    let row = |name: &'static str| [Cell::Text(name.as_bytes()), Cell::Bytes(&[1; 100_000])];
    filling.row(&row("a")).expect("fits");
    let full = filling.row(&row("b")).expect_err("full");
    assert_eq!(full.code(), ("disk-full", 1));
    let said = full.while_checking(Path::new("/small"));
    assert_eq!(said.code(), ("disk-full", 1));
    assert!(said.to_string().contains("/small") && said.to_string().contains("TMPDIR"), "{said}");
    assert_eq!(BackupError::NotABackup.while_checking(Path::new("/small")).code().0, "not-a-backup");
}

#[test]
fn a_row_that_its_table_does_not_take_is_damage() {
    let bed = bed();
    let location = Location { path: bed.temp.path().join("filled.db"), key: StoreKey::new([8; 32]) };
    let mut filling = Filling::create(&location, known_schema()).expect("made");
    filling.table("state", 2).expect("begun");
    let row = [Cell::Text(b"a"), Cell::Bytes(b"b")];
    filling.row(&row).expect("taken");
    assert_eq!(filling.row(&row).expect_err("twice").code().0, "backup-damaged");
    assert_eq!(filling.row(&[Cell::Text(b"c"), Cell::Integer(1)]).expect_err("a number").code().0, "backup-damaged");
    assert_eq!(filling.row(&[Cell::Text(b"\xff"), row[1]]).expect_err("no text").code().0, "backup-damaged");
}

#[test]
fn a_file_that_is_there_is_replaced_only_if_asked_for_and_nothing_unfinished_stays() {
    let bed = bed();
    let file = bed.temp.path().join("backups/sam.backup");
    private_file::private_dir(&bed.temp.path().join("backups")).expect("made");
    let make = |replace| create(&bed.location, &bed.server_key, &file, replace, &mut |_, _| {});
    make(false).expect("made");
    assert_eq!(make(false).expect_err("there").code(), ("file-exists", 1));
    make(true).expect("replaced");
    std::fs::remove_file(&bed.server_key).expect("removed");
    let before = std::fs::read(&file).expect("there");
    assert!(matches!(make(true), Err(BackupError::NoServerKey { .. })));
    assert_eq!(std::fs::read(&file).expect("there"), before);
    assert_eq!(names(&bed.temp.path().join("backups")), ["sam.backup"]);
}

#[test]
fn a_full_disk_is_called_one() {
    let mut full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("opens");
    let error = Write::write_all(&mut full, b"more").expect_err("is full");
    assert_eq!(BackupError::stream(true)(error).code(), ("disk-full", 1));
    let error = io::ErrorKind::QuotaExceeded.into();
    assert_eq!(BackupError::io("sync", Path::new("sam.backup"))(error).code(), ("disk-full", 1));
}
