use quicprochat_identity::DeviceSecretKey;
use quicprochat_wire::{
    ConnectionKind, DeviceId, ErrorCode,
    call::{
        Done,
        directory::{Lookup, OwnRecord, PublishIdentity, PublishKeyPackage, Subject},
        inbox::{InboxRead, InboxSubscribe},
        vault::{VaultFetch, VaultSubscribe, VaultWrap, WAY_LINKED, WAY_RECOVERY},
    },
};

use crate::test_support::{
    Line, PASSWORD, Person, Sam, Seeded, authenticate_as, identity_part, key_package, record, recovery_wrap, refused,
    wrap,
};

const PHONE: DeviceId = DeviceId::new([0xBB; 16]);

fn phone() -> DeviceSecretKey {
    DeviceSecretKey::generate(&mut Seeded::new(1234))
}

fn signed_in<'a>(sam: &'a Sam, name: &str) -> Line<'a> {
    let line = sam.connect(ConnectionKind::Account);
    line.sign_in(name, PASSWORD).expect("signs in");
    line
}

fn alice(sam: &Sam) -> Person {
    let alice = Person::new("alice", 1);
    alice.register(sam).expect("registers");
    alice
}

fn publication(part: &quicprochat_identity::VerifiedIdentity) -> PublishIdentity {
    PublishIdentity { identity: identity_part(part), key_packages: Vec::new(), wraps: None, records: Vec::new() }
}

/// Enrols the phone.
fn enrol(sam: &Sam, alice: &mut Person) {
    let part = alice.next_part(|draft, identity| draft.add_device(identity, PHONE, phone().public()));
    let key_packages = vec![key_package(&part, PHONE, &phone())];
    let request = PublishIdentity { key_packages, ..publication(&part) };
    signed_in(sam, "alice").call(request).expect("enrols");
    alice.part = part;
}

#[test]
fn a_record_is_found_by_name_and_by_account() {
    let sam = Sam::new();
    let alice = alice(&sam);
    let lookup = sam.connect(ConnectionKind::Lookup);
    let by_name = lookup.call(Lookup { subject: Subject::Name("alice".to_owned()) }).expect("found");
    let by_account = lookup.call(Lookup { subject: Subject::Account(alice.account()) }).expect("found");
    assert_eq!(by_name, by_account);
    assert_eq!(by_name.identity, identity_part(&alice.part));
    assert_eq!(by_name.key_packages, [key_package(&alice.part, alice.device_id, &alice.device)]);
    for name in ["bob", "", "Alice"] {
        let subject = Subject::Name(name.to_owned());
        assert_eq!(lookup.call(Lookup { subject }), refused(ErrorCode::NotFound));
    }
}

#[test]
fn a_new_device_needs_the_password_its_certificate_and_its_key_package() {
    let sam = Sam::new();
    let mut alice = alice(&sam);
    let part = alice.next_part(|draft, identity| draft.add_device(identity, PHONE, phone().public()));
    let whole = PublishIdentity { key_packages: vec![key_package(&part, PHONE, &phone())], ..publication(&part) };
    assert_eq!(alice.line(&sam).call(whole.clone()), refused(ErrorCode::SignInRequired));
    let line = signed_in(&sam, "alice");
    assert_eq!(line.call(publication(&part)), refused(ErrorCode::RecordInvalid), "without KeyPackage");
    let forged = key_package(&part, PHONE, &DeviceSecretKey::generate(&mut Seeded::new(6)));
    let request = PublishIdentity { key_packages: vec![forged], ..publication(&part) };
    assert_eq!(line.call(request), refused(ErrorCode::BadSignature));
    let twice = vec![key_package(&part, PHONE, &phone()); 2];
    let request = PublishIdentity { key_packages: twice, ..publication(&part) };
    assert_eq!(line.call(request), refused(ErrorCode::RecordInvalid));
    assert_eq!(line.call(whole), Ok(Done));
    let phone_line = sam.connect(ConnectionKind::Account);
    authenticate_as(&phone_line, alice.account(), PHONE, &phone()).expect("the phone is enrolled");
    assert_eq!(phone_line.call(OwnRecord {}).expect("its record").key_packages.len(), 2);
}

#[test]
fn a_part_follows_on_the_stored_one_or_is_refused() {
    let sam = Sam::new();
    let mut alice = alice(&sam);
    let line = signed_in(&sam, "alice");
    assert_eq!(line.call(publication(&alice.part)), refused(ErrorCode::VersionConflict), "the same serial");
    let skips = alice.next_part(|draft, _| draft.serial += 1);
    assert_eq!(line.call(publication(&skips)), refused(ErrorCode::VersionConflict));
    let renamed = alice.next_part(|draft, _| draft.name = "bob".parse().expect("a name"));
    assert_eq!(line.call(publication(&renamed)), refused(ErrorCode::RecordInvalid));
    let bob = Person::new("alice", 2);
    assert_eq!(line.call(publication(&bob.part)), refused(ErrorCode::RecordInvalid), "another key");
    let mut forged = publication(&alice.next_part(|_, _| ()));
    *forged.identity.0.last_mut().expect("bytes") ^= 1;
    assert_eq!(line.call(forged), refused(ErrorCode::BadSignature));
    let vanished = alice.next_part(|draft, _| draft.devices.clear());
    assert_eq!(line.call(publication(&vanished)), refused(ErrorCode::RecordInvalid), "a device gone without a trace");
    let next = alice.next_part(|_, _| ());
    assert_eq!(line.call(publication(&next)), Ok(Done));
    assert_eq!(line.call(OwnRecord {}).expect("hers").identity, identity_part(&next));
}

#[test]
fn serials_may_be_passed_over_where_the_versions_of_the_vault_say_what_a_part_follows_on() {
    let sam = Sam::new();
    let mut alice = alice(&sam);
    let line = signed_in(&sam, "alice");
    let with = |part: &quicprochat_identity::VerifiedIdentity, id, version| PublishIdentity {
        records: vec![record(id, version)],
        ..publication(part)
    };
    let renewed = alice.next_part(|draft, _| draft.serial += 5);
    assert_eq!(
        line.call(publication(&renewed)),
        refused(ErrorCode::VersionConflict),
        "it says nothing of what is there"
    );
    assert_eq!(line.call(with(&renewed, 1, 1)), refused(ErrorCode::VersionConflict), "the vault is newer");
    assert_eq!(line.call(with(&renewed, 1, 2)), Ok(Done));
    assert_eq!(
        line.call(with(&alice.next_part(|draft, _| draft.serial += 4), 1, 3)),
        refused(ErrorCode::VersionConflict)
    );
    assert_eq!(line.call(with(&renewed, 1, 3)), refused(ErrorCode::VersionConflict), "the same serial");
    alice.part = renewed;
    let vanished = alice.next_part(|draft, _| {
        draft.serial += 5;
        draft.devices.clear();
    });
    assert_eq!(line.call(with(&vanished, 1, 3)), refused(ErrorCode::RecordInvalid), "a device gone without a trace");
    let next = alice.next_part(|_, _| ());
    assert_eq!(line.call(publication(&next)), Ok(Done));
}

#[test]
fn a_revoked_device_is_refused_at_once_on_every_open_connection() {
    let sam = Sam::new();
    let mut alice = alice(&sam);
    enrol(&sam, &mut alice);
    let stolen = sam.connect(ConnectionKind::Account);
    authenticate_as(&stolen, alice.account(), PHONE, &phone()).expect("authenticates");
    let mut subscription = stolen.subscribe(InboxSubscribe { after: 0 }).expect("subscribes");
    assert!(subscription.next().expect("at once").is_ok());
    assert!(subscription.next().is_none());
    let mut vault = stolen.subscribe(VaultSubscribe {}).expect("subscribes");
    assert!(vault.next().expect("at once").is_ok());

    let part = alice.next_part(|draft, _| {
        draft.remove_device(PHONE).expect("present");
        draft.vault_version += 1;
    });
    let request = PublishIdentity { wraps: Some(vec![wrap(9)]), records: vec![record(1, 2)], ..publication(&part) };
    let line = signed_in(&sam, "alice");
    line.call(request).expect("revokes");
    alice.part = part;

    assert_eq!(subscription.next(), Some(refused(ErrorCode::DeviceRevoked)));
    assert!(subscription.ended());
    assert_eq!(vault.next(), Some(refused(ErrorCode::DeviceRevoked)));
    assert!(vault.ended());
    assert_eq!(stolen.call(InboxRead { after: 0, limit: 9 }), refused(ErrorCode::DeviceRevoked));
    assert_eq!(stolen.call(OwnRecord {}), refused(ErrorCode::DeviceRevoked));
    assert_eq!(stolen.call(VaultFetch { ids: Vec::new() }), refused(ErrorCode::DeviceRevoked));
    let again = sam.connect(ConnectionKind::Account);
    assert_eq!(authenticate_as(&again, alice.account(), PHONE, &phone()), refused(ErrorCode::DeviceRevoked));

    // The others go on, and the vault rolled along.
    assert!(alice.line(&sam).call(InboxRead { after: 0, limit: 9 }).is_ok());
    let vault = line.call(VaultFetch { ids: vec![1] }).expect("the vault");
    assert_eq!(vault.records, [record(1, 2)]);
    let fresh = sam.connect(ConnectionKind::Account);
    assert_eq!(fresh.sign_in("alice", PASSWORD).expect("signs in").wraps, [wrap(9)]);

    // It does not come back.
    let back = alice.next_part(|draft, identity| {
        draft.removed.clear();
        draft.add_device(identity, PHONE, phone().public());
    });
    let request = PublishIdentity { key_packages: vec![key_package(&back, PHONE, &phone())], ..publication(&back) };
    assert_eq!(line.call(request), refused(ErrorCode::RecordInvalid));
}

#[test]
fn a_publication_whose_vault_records_conflict_changes_nothing() {
    let sam = Sam::new();
    let mut alice = alice(&sam);
    let part = alice.next_part(|draft, _| draft.vault_version += 1);
    let line = signed_in(&sam, "alice");
    let request = PublishIdentity { wraps: Some(vec![wrap(9)]), records: vec![record(1, 1)], ..publication(&part) };
    assert_eq!(line.call(request), refused(ErrorCode::VersionConflict));
    assert_eq!(line.call(OwnRecord {}).expect("hers").identity, identity_part(&alice.part));
    assert_eq!(line.sign_in("alice", PASSWORD).expect("signs in").wraps, [wrap(1)]);
}

#[test]
fn a_device_replaces_its_own_key_package_and_no_other() {
    let sam = Sam::new();
    let mut alice = alice(&sam);
    enrol(&sam, &mut alice);
    let line = alice.line(&sam);
    let bytes = quicprochat_identity::sign_key_package_part(
        alice.account(),
        alice.device_id,
        quicprochat_wire::Timestamp(6),
        b"a newer KeyPackage",
        &alice.device,
    );
    let part =
        quicprochat_wire::call::directory::KeyPackagePart { device: alice.device_id, bytes: bytes.expect("fits") };
    assert_eq!(line.call(PublishKeyPackage { part: part.clone() }), Ok(Done));
    assert!(line.call(OwnRecord {}).expect("hers").key_packages.contains(&part));
    let mut forged = part.clone();
    *forged.bytes.last_mut().expect("bytes") ^= 1;
    assert_eq!(line.call(PublishKeyPackage { part: forged }), refused(ErrorCode::BadSignature));
    let others = key_package(&alice.part, PHONE, &phone());
    assert_eq!(line.call(PublishKeyPackage { part: others.clone() }), refused(ErrorCode::RecordInvalid));
    let disguised = quicprochat_wire::call::directory::KeyPackagePart { device: alice.device_id, ..others };
    assert_eq!(line.call(PublishKeyPackage { part: disguised }), refused(ErrorCode::RecordInvalid));
}

#[test]
fn an_account_that_requires_links_is_changed_from_its_devices_or_by_its_recovery_key() {
    let sam = Sam::new();
    let mut alice = Person::new("alice", 1);
    alice.register_recoverable(&sam, b"a recovery key").expect("registers");
    let linked = VaultWrap { way: WAY_LINKED, sealed: vec![4; 72] };
    let wraps = vec![recovery_wrap(1), linked.clone()];
    let part = alice.next_part(|_, _| ());
    let both = vec![wrap(1), linked];
    let request = PublishIdentity { wraps: Some(both), ..publication(&part) };
    assert_eq!(signed_in(&sam, "alice").call(request), refused(ErrorCode::BadRequest), "one or the other");
    let request = PublishIdentity { wraps: Some(wraps), ..publication(&part) };
    signed_in(&sam, "alice").call(request).expect("is set so");
    alice.part = part;
    // The password proves itself, and changes nothing that would let a device in.
    let part = alice.next_part(|draft, identity| draft.add_device(identity, PHONE, phone().public()));
    let adding = PublishIdentity { key_packages: vec![key_package(&part, PHONE, &phone())], ..publication(&part) };
    let stranger = signed_in(&sam, "alice");
    assert_eq!(stranger.call(adding.clone()), refused(ErrorCode::LinkRequired));
    let same = alice.next_part(|_, _| ());
    let unlocking = PublishIdentity { wraps: Some(vec![wrap(9)]), ..publication(&same) };
    assert_eq!(stranger.call(unlocking), refused(ErrorCode::LinkRequired));
    assert_eq!(stranger.change_password("alice", b"another one", vec![wrap(9)]), refused(ErrorCode::LinkRequired));
    // A device of another account is no help.
    let bob = Person::new("bob", 2);
    bob.register(&sam).expect("registers");
    bob.authenticate(&stranger).expect("authenticates");
    assert_eq!(stranger.call(adding.clone()), refused(ErrorCode::LinkRequired));
    // Nor is what belongs to no new device refused.
    stranger.call(publication(&same)).expect("the record alone");
    alice.part = same;
    let part = alice.next_part(|draft, identity| draft.add_device(identity, PHONE, phone().public()));
    let adding = PublishIdentity { key_packages: vec![key_package(&part, PHONE, &phone())], ..publication(&part) };
    let device = signed_in(&sam, "alice");
    alice.authenticate(&device).expect("authenticates");
    device.call(adding).expect("from a device");
    alice.part = part;
    let by_key = sam.connect(ConnectionKind::Account);
    by_key.sign_in_by("alice", WAY_RECOVERY, b"a recovery key").expect("signs in");
    let part = alice.next_part(|draft, _| draft.remove_device(PHONE).expect("there"));
    let freeing = PublishIdentity { wraps: Some(vec![wrap(9), recovery_wrap(2)]), ..publication(&part) };
    by_key.call(freeing).expect("by the recovery key");
}
