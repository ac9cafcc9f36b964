use quicprochat_wire::{
    CallFailure, ConnectionKind, ErrorCode, ObjectId,
    call::{
        Done,
        archive::{ArchiveDelete, ArchiveEntry, ArchiveGet, ArchiveList, ArchiveObject, ArchivePage, ArchivePut},
        auth::AccountDelete,
        session::Registration,
    },
    limits::MAX_ARCHIVE_BYTES,
};

use crate::{
    Limits,
    test_support::{Line, PASSWORD, Person, Sam, refused},
};

fn line(sam: &Sam) -> Line<'_> {
    let alice = Person::new("alice", 1);
    alice.register(sam).expect("registers");
    alice.line(sam)
}

const fn id(byte: u8) -> ObjectId {
    ObjectId::new([byte; 16])
}

fn put(line: &Line<'_>, byte: u8, length: usize) -> Result<Done, CallFailure> {
    line.call(ArchivePut { id: id(byte), sealed: vec![byte; length] })
}

fn list(line: &Line<'_>, after: Option<ObjectId>, limit: u16) -> ArchivePage {
    line.call(ArchiveList { after, limit }).expect("lists")
}

fn bounded(archive_bytes: u64, archive_objects: u64) -> Sam {
    Sam::with(Registration::Open, Limits { archive_bytes, archive_objects, ..Limits::default() })
}

#[test]
fn an_object_is_stored_once_and_never_changed() {
    let sam = Sam::new();
    let line = line(&sam);
    assert_eq!(put(&line, 1, 600), Ok(Done));
    assert_eq!(put(&line, 1, 600), Ok(Done), "the same again");
    assert_eq!(put(&line, 1, 601), refused(ErrorCode::VersionConflict));
    assert_eq!(line.call(ArchiveGet { id: id(1) }), Ok(ArchiveObject { sealed: vec![1; 600] }));
    assert_eq!(line.call(ArchiveGet { id: id(2) }), refused(ErrorCode::NotFound));
    assert_eq!(list(&line, None, 0).bytes, 600, "counted once");
}

#[test]
fn objects_have_a_size() {
    let sam = Sam::new();
    let line = line(&sam);
    assert_eq!(put(&line, 1, 0), refused(ErrorCode::BadRequest));
    assert_eq!(put(&line, 1, MAX_ARCHIVE_BYTES), Ok(Done));
}

#[test]
fn the_list_has_pages_and_counts() {
    let sam = Sam::new();
    let line = line(&sam);
    for byte in [3, 1, 2] {
        put(&line, byte, usize::from(byte) * 100).expect("stores");
    }
    let entry = |byte: u8| ArchiveEntry { id: id(byte), bytes: u32::from(byte) * 100 };
    let first = list(&line, None, 2);
    let quota = Limits::default().archive_bytes;
    let expected = ArchivePage { entries: vec![entry(1), entry(2)], more: true, objects: 3, bytes: 600, quota };
    assert_eq!(first, expected);
    let second = list(&line, Some(id(2)), 2);
    assert_eq!((second.entries, second.more), (vec![entry(3)], false));
    assert!(list(&line, Some(id(3)), 0).entries.is_empty());
}

#[test]
fn a_full_archive_refuses_new_objects_until_some_are_deleted() {
    let sam = bounded(1_000, 100);
    let line = line(&sam);
    put(&line, 1, 600).expect("fits");
    assert_eq!(put(&line, 2, 401), refused(ErrorCode::QuotaFull));
    assert_eq!(put(&line, 2, 400), Ok(Done));
    assert_eq!(put(&line, 1, 600), Ok(Done), "what is stored is still acknowledged");
    assert_eq!(line.call(ArchiveDelete { ids: vec![id(1), id(9), id(1)] }), Ok(Done));
    let left = list(&line, None, 0);
    assert_eq!((left.objects, left.bytes), (1, 400), "an object that is not there counts for nothing");
    assert_eq!(put(&line, 3, 600), Ok(Done));
}

#[test]
fn the_number_of_objects_is_bounded_too() {
    let sam = bounded(1_000_000, 2);
    let line = line(&sam);
    put(&line, 1, 1).expect("fits");
    put(&line, 2, 1).expect("fits");
    assert_eq!(put(&line, 3, 1), refused(ErrorCode::QuotaFull));
}

#[test]
fn an_archive_is_its_owners_alone() {
    let sam = Sam::new();
    let alice = line(&sam);
    put(&alice, 1, 10).expect("stores");
    let bob = Person::new("bob", 2);
    bob.register(&sam).expect("registers");
    let bobs = bob.line(&sam);
    assert_eq!(bobs.call(ArchiveGet { id: id(1) }), refused(ErrorCode::NotFound));
    assert_eq!(bobs.call(ArchiveDelete { ids: vec![id(1)] }), Ok(Done));
    assert!(alice.call(ArchiveGet { id: id(1) }).is_ok());
    assert!(list(&bobs, None, 0).entries.is_empty());
    let nobody = sam.connect(ConnectionKind::Account);
    nobody.sign_in("alice", PASSWORD).expect("signs in");
    assert_eq!(nobody.call(ArchiveGet { id: id(1) }), refused(ErrorCode::NotAuthenticated), "a sign-in is no device");
    assert_eq!(put(&nobody, 2, 10), refused(ErrorCode::NotAuthenticated));
}

#[test]
fn an_account_takes_its_archive_with_it() {
    let sam = Sam::new();
    let line = line(&sam);
    put(&line, 1, 10).expect("stores");
    let alice = sam.connect(ConnectionKind::Account);
    alice.sign_in("alice", PASSWORD).expect("signs in");
    alice.call(AccountDelete {}).expect("deletes");
    assert_eq!(line.call(ArchiveGet { id: id(1) }), refused(ErrorCode::DeviceRevoked));
    let dump = sam.store.dump();
    for name in ["archives", "archive_objects"] {
        let table = dump.iter().find(|table| table.name == name).expect("a table of the dump");
        assert!(table.rows.is_empty(), "{name}");
    }
}
