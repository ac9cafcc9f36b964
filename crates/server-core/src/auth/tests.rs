use futures::executor::block_on;
use opaque_ke::ClientLogin;
use quicprochat_identity::{
    DeviceSecretKey, EntropyRng, OpaqueSuite,
    password::{DEFAULT_STRETCH, RECOVERY_STRETCH},
};
use quicprochat_wire::{
    ConnectionKind, DeviceId, Duration, ErrorCode,
    call::{
        Done,
        auth::{
            AccountDelete, InviteCreate, InviteList, PasswordFinish, PasswordStart, RegisterStart, SignInFinish,
            SignInStart, StretchParams,
        },
        directory::{Lookup, OwnRecord, PublishIdentity, Subject},
        inbox::InboxRead,
        session::Registration,
        vault::{VaultFetch, WAY_PASSWORD, WAY_RECOVERY},
    },
};

use crate::{
    Limits, Rate,
    test_support::{
        Line, PASSWORD, Person, STRETCH, Sam, Seeded, authenticate_as, identity_part, record, recovery_wrap, refused,
        registration, wrap,
    },
};

fn invites(sam: &Sam, count: u32) -> Vec<String> {
    let invites = block_on(sam.server.create_invites(count, sam.now())).expect("makes codes");
    invites.into_iter().map(|invite| invite.code).collect()
}

/// KE1, for flows that look at the server's half alone.
fn ke1() -> Vec<u8> {
    let mut entropy = Seeded::new(5);
    let started = ClientLogin::<OpaqueSuite>::start(&mut EntropyRng::new(&mut entropy), PASSWORD).expect("starts");
    started.message.serialize().to_vec()
}

#[test]
fn an_account_is_made_with_its_device_vault_and_password() {
    let sam = Sam::new();
    let alice = Person::new("alice", 1);
    alice.register(&sam).expect("registers");
    let line = alice.line(&sam);
    let record = line.call(OwnRecord {}).expect("her record");
    assert_eq!(record.identity.0, alice.part.signed_bytes());
    assert_eq!(record.key_packages.len(), 1);
    assert_eq!(line.call(VaultFetch { ids: Vec::new() }).expect("her vault").records.len(), 2);
    let line = sam.connect(ConnectionKind::Account);
    let signed_in = line.sign_in("alice", PASSWORD).expect("signs in");
    assert_eq!((signed_in.account, signed_in.wraps), (alice.account(), vec![wrap(1)]));
}

#[test]
fn a_name_belongs_to_one_account_and_follows_the_rules() {
    let sam = Sam::new();
    Person::new("alice", 1).register(&sam).expect("registers");
    assert_eq!(Person::new("alice", 2).register(&sam), refused(ErrorCode::NameTaken));
    let line = sam.connect(ConnectionKind::Account);
    for name in ["", "Alice", "-alice", "a b", "alice@x"] {
        let request = RegisterStart { name: name.to_owned(), invite: None, request: Vec::new(), recovery: None };
        assert_eq!(line.call(request), refused(ErrorCode::NameInvalid), "{name}");
    }
}

#[test]
fn two_who_start_with_one_name_do_not_both_finish() {
    let sam = Sam::new();
    let (alice, mallory) = (Person::new("alice", 1), Person::new("alice", 2));
    let mut finishes = Vec::new();
    for person in [&alice, &mallory] {
        let line = sam.connect(ConnectionKind::Account);
        let (request, finish) = registration("alice", PASSWORD);
        let started = line
            .call(RegisterStart { name: "alice".to_owned(), invite: None, request, recovery: None })
            .expect("starts");
        finishes.push((line, person.registering(finish(&started.response), None)));
    }
    let outcomes: Vec<_> = finishes.into_iter().map(|(line, finish)| line.call(finish)).collect();
    assert_eq!(outcomes, [Ok(Done), refused(ErrorCode::NameTaken)]);
}

#[test]
fn a_registration_whose_parts_do_not_fit_together_is_refused() {
    let sam = Sam::new();
    let alice = Person::new("alice", 1);
    let bob = Person::new("bob", 2);
    let try_with = |change: &dyn Fn(&mut quicprochat_wire::call::auth::RegisterFinish)| {
        let line = sam.connect(ConnectionKind::Account);
        let (request, finish) = registration("alice", PASSWORD);
        let started = line
            .call(RegisterStart { name: "alice".to_owned(), invite: None, request, recovery: None })
            .expect("starts");
        let mut finish = alice.registering(finish(&started.response), None);
        change(&mut finish);
        line.call(finish).map_err(|failure| failure.code)
    };
    let bobs = bob.registering(Vec::new(), None);
    assert_eq!(try_with(&|finish| finish.name = "bob".to_owned()), Err(ErrorCode::BadRequest));
    assert_eq!(try_with(&|finish| finish.identity = bobs.identity.clone()), Err(ErrorCode::RecordInvalid));
    assert_eq!(try_with(&|finish| finish.key_package = bobs.key_package.clone()), Err(ErrorCode::RecordInvalid));
    assert_eq!(try_with(&|finish| finish.key_package.bytes = Vec::new()), Err(ErrorCode::RecordInvalid));
    assert_eq!(try_with(&|finish| finish.identity.0.clear()), Err(ErrorCode::RecordInvalid));
    assert_eq!(try_with(&|finish| *finish.identity.0.last_mut().expect("bytes") ^= 1), Err(ErrorCode::BadSignature));
    assert_eq!(
        try_with(&|finish| *finish.key_package.bytes.last_mut().expect("bytes") ^= 1),
        Err(ErrorCode::BadSignature)
    );
    assert_eq!(try_with(&|finish| finish.upload.truncate(9)), Err(ErrorCode::BadRequest));
    assert_eq!(try_with(&|finish| finish.wraps.clear()), Err(ErrorCode::BadRequest));
    assert_eq!(try_with(&|finish| finish.records[1].version = 2), Err(ErrorCode::VersionConflict));
    let weak = StretchParams { memory_kib: 8, ..STRETCH };
    assert_eq!(try_with(&|finish| finish.stretch = weak), Err(ErrorCode::BadRequest));
    let line = sam.connect(ConnectionKind::Account);
    let unstarted = alice.registering(Vec::new(), None);
    assert_eq!(line.call(unstarted), refused(ErrorCode::BadRequest));
    assert_eq!(try_with(&|_| ()), Ok(Done), "nothing of the failed attempts is left");
}

#[test]
fn closed_registration_lets_nobody_in() {
    let sam = Sam::with(Registration::Closed, Limits::default());
    assert_eq!(Person::new("alice", 1).register(&sam), refused(ErrorCode::RegistrationClosed));
}

#[test]
fn an_invite_code_lets_one_person_in_while_it_counts() {
    let sam = Sam::with(Registration::Invite, Limits::default());
    let codes = invites(&sam, 3);
    let alice = Person::new("alice", 1);
    assert_eq!(alice.register(&sam), refused(ErrorCode::InviteInvalid));
    assert_eq!(alice.register_with(&sam, Some("nonsense".to_owned())), refused(ErrorCode::InviteInvalid));
    assert_eq!(alice.register_with(&sam, Some(format!(" {} ", codes[0].to_uppercase()))), Ok(Done), "as people type");
    let bob = Person::new("bob", 2);
    assert_eq!(bob.register_with(&sam, Some(codes[0].clone())), refused(ErrorCode::InviteInvalid));
    sam.days(30);
    assert_eq!(bob.register_with(&sam, Some(codes[1].clone())), Ok(Done));
    sam.days(1);
    assert_eq!(Person::new("carol", 3).register_with(&sam, Some(codes[2].clone())), refused(ErrorCode::InviteInvalid));
}

#[test]
fn an_account_makes_as_many_invite_codes_as_it_may_and_sees_them() {
    let sam = Sam::with(Registration::Open, Limits { invites: 2, ..Limits::default() });
    let alice = Person::new("alice", 1);
    alice.register(&sam).expect("registers");
    let line = alice.line(&sam);
    let first = line.call(InviteCreate {}).expect("one").invite;
    line.call(InviteCreate {}).expect("two");
    let failure = line.call(InviteCreate {}).expect_err("no more");
    assert_eq!(failure.code, ErrorCode::QuotaFull);
    let list = line.call(InviteList {}).expect("lists");
    assert_eq!((list.invites.len(), list.left), (2, 0));
    assert!(list.invites.contains(&first) && first.expires > sam.now());
    sam.pass(failure.retry_after.expect("it says when"));
    assert_eq!(line.call(InviteList {}).expect("lists").left, 2);
    line.call(InviteCreate {}).expect("those before have lapsed");
}

#[test]
fn an_unknown_name_cannot_be_told_from_a_wrong_password() {
    let sam = Sam::new();
    let mut alice = Person::new("alice", 1);
    alice.name = "alice";
    alice.register(&sam).expect("registers");
    for name in ["alice", "nobody"] {
        let line = sam.connect(ConnectionKind::Account);
        assert_eq!(line.sign_in(name, b"wrong password"), refused(ErrorCode::SignInFailed), "{name}");
        assert_eq!(line.call(OwnRecord {}), refused(ErrorCode::NotAuthenticated), "{name}");
    }
    let start = |line: &Line<'_>, name: &str| {
        line.call(SignInStart { name: name.to_owned(), request: ke1(), way: WAY_PASSWORD }).expect("answers")
    };
    let line = sam.connect(ConnectionKind::Account);
    let (known, unknown) = (start(&line, "alice"), start(&line, "nobody"));
    assert_eq!(known.response.len(), unknown.response.len());
    // The part that depends on the name alone is the same each time, for both; the rest is fresh each time, for both.
    for (name, before) in [("alice", &known), ("nobody", &unknown)] {
        let again = start(&line, name);
        assert_eq!(again.response[..32], before.response[..32], "{name}");
        assert_ne!(again.response[32..64], before.response[32..64], "{name}");
        assert_eq!(again.stretch, before.stretch);
    }
    assert_ne!(known.response[..32], unknown.response[..32]);
    assert_eq!(unknown.stretch, DEFAULT_STRETCH, "as every account has that keeps to the default");
}

#[test]
fn half_a_sign_in_is_good_for_one_finish() {
    let sam = Sam::new();
    Person::new("alice", 1).register(&sam).expect("registers");
    let line = sam.connect(ConnectionKind::Account);
    let finish = SignInFinish { finalization: vec![0; 64] };
    assert_eq!(line.call(finish.clone()), refused(ErrorCode::BadRequest));
    line.call(SignInStart { name: "alice".to_owned(), request: ke1(), way: WAY_PASSWORD }).expect("answers");
    assert_eq!(line.call(finish.clone()), refused(ErrorCode::SignInFailed));
    assert_eq!(line.call(finish), refused(ErrorCode::BadRequest));
    assert_eq!(
        line.call(SignInStart { name: "alice".to_owned(), request: vec![1; 9], way: WAY_PASSWORD }),
        refused(ErrorCode::BadRequest)
    );
}

#[test]
fn guesses_are_limited_by_name_whether_or_not_anybody_has_it() {
    let rate = Rate::new(2, Duration::from_secs(60));
    let sam = Sam::with(Registration::Open, Limits { sign_ins_by_name: rate, ..Limits::default() });
    Person::new("alice", 1).register(&sam).expect("registers");
    let mut outcomes = Vec::new();
    for name in ["alice", "nobody"] {
        let attempt = || {
            let line = sam.connect(ConnectionKind::Account);
            line.call(SignInStart { name: name.to_owned(), request: ke1(), way: WAY_PASSWORD }).map(|_| ())
        };
        outcomes.push([attempt(), attempt(), attempt()]);
    }
    assert_eq!(outcomes[0], outcomes[1]);
    let failure = outcomes[0][2].expect_err("the third is too many");
    assert_eq!((failure.code, failure.retry_after), (ErrorCode::RateLimited, Some(Duration::from_secs(30))));
    sam.pass(Duration::from_secs(30));
    let line = sam.connect(ConnectionKind::Account);
    assert!(line.call(SignInStart { name: "alice".to_owned(), request: ke1(), way: WAY_PASSWORD }).is_ok());
}

#[test]
fn a_connection_has_its_own_limits() {
    let rate = Rate::new(1, Duration::from_secs(60));
    let limits = Limits { sign_ins_by_connection: rate, registrations_by_connection: rate, ..Limits::default() };
    let sam = Sam::with(Registration::Open, limits);
    let line = sam.connect(ConnectionKind::Account);
    let start = SignInStart { name: "alice".to_owned(), request: ke1(), way: WAY_PASSWORD };
    line.call(start.clone()).expect("answers");
    assert_eq!(line.call(start.clone()).map_err(|failure| failure.code), Err(ErrorCode::RateLimited));
    sam.connect(ConnectionKind::Account).call(start).expect("another connection");
    let start = RegisterStart {
        name: "alice".to_owned(),
        invite: None,
        request: registration("alice", PASSWORD).0,
        recovery: None,
    };
    line.call(start.clone()).expect("answers");
    assert_eq!(line.call(start).map_err(|failure| failure.code), Err(ErrorCode::RateLimited));
}

#[test]
fn a_device_authenticates_with_its_own_key_on_its_own_challenge() {
    let sam = Sam::new();
    let alice = Person::new("alice", 1);
    alice.register(&sam).expect("registers");
    let line = sam.connect(ConnectionKind::Account);
    assert_eq!(line.call(InboxRead { after: 0, limit: 1 }), refused(ErrorCode::NotAuthenticated));
    let mallory = DeviceSecretKey::generate(&mut Seeded::new(66));
    assert_eq!(authenticate_as(&line, alice.account(), alice.device_id, &mallory), refused(ErrorCode::BadSignature));
    let unknown = DeviceId::new([1; 16]);
    assert_eq!(authenticate_as(&line, alice.account(), unknown, &alice.device), refused(ErrorCode::NotFound));
    let elsewhere =
        Line { challenge: quicprochat_wire::Challenge::new([0; 32]), ..sam.connect(ConnectionKind::Account) };
    assert_eq!(alice.authenticate(&elsewhere), refused(ErrorCode::BadSignature));
    assert_eq!(alice.authenticate(&line), Ok(Done));
    assert!(line.call(InboxRead { after: 0, limit: 1 }).is_ok());
}

#[test]
fn authentication_and_passwords_outlive_a_restart() {
    let sam = Sam::new();
    let alice = Person::new("alice", 1);
    alice.register(&sam).expect("registers");
    let again = Sam::on(sam.store.clone(), Registration::Open, Limits::default());
    assert!(alice.line(&again).call(OwnRecord {}).is_ok());
    let line = again.connect(ConnectionKind::Account);
    assert!(line.sign_in("alice", PASSWORD).is_ok());
}

#[test]
fn a_new_password_replaces_the_old_one_with_its_wraps_and_ends_other_sign_ins() {
    let sam = Sam::new();
    let alice = Person::new("alice", 1);
    alice.register(&sam).expect("registers");
    let (line, other) = (sam.connect(ConnectionKind::Account), sam.connect(ConnectionKind::Account));
    line.sign_in("alice", PASSWORD).expect("signs in");
    other.sign_in("alice", PASSWORD).expect("signs in");
    let unstarted =
        PasswordFinish { upload: Vec::new(), stretch: STRETCH, wraps: vec![wrap(2)], way: 1, records: Vec::new() };
    assert_eq!(line.call(unstarted), refused(ErrorCode::BadRequest));
    let new = b"battery staple correct";
    line.change_password("alice", new, vec![wrap(2)]).expect("changes");
    assert_eq!(other.call(VaultFetch { ids: Vec::new() }), refused(ErrorCode::SignInRequired));
    assert_eq!(
        other.call(PasswordStart { request: registration("alice", new).0, way: WAY_PASSWORD }),
        refused(ErrorCode::SignInRequired)
    );
    assert!(line.call(VaultFetch { ids: Vec::new() }).is_ok(), "whoever changed it stays signed in");
    let fresh = sam.connect(ConnectionKind::Account);
    assert_eq!(fresh.sign_in("alice", PASSWORD), refused(ErrorCode::SignInFailed));
    assert_eq!(fresh.sign_in("alice", new).expect("signs in").wraps, vec![wrap(2)]);
}

const RECOVERY_KEY: &[u8] = b"a recovery key";

#[test]
fn a_recovery_key_signs_in_as_the_password_does() {
    let sam = Sam::new();
    let alice = Person::new("alice", 1);
    alice.register_recoverable(&sam, RECOVERY_KEY).expect("registers");
    let signed_in = [(WAY_PASSWORD, PASSWORD), (WAY_RECOVERY, RECOVERY_KEY)].map(|(way, secret)| {
        let line = sam.connect(ConnectionKind::Account);
        let signed_in = line.sign_in_by("alice", way, secret).expect("signs in");
        assert!(line.call(OwnRecord {}).is_ok() && line.call(VaultFetch { ids: Vec::new() }).is_ok());
        signed_in
    });
    assert_eq!(signed_in[0], signed_in[1]);
    assert_eq!(signed_in[0].wraps, [wrap(1), recovery_wrap(1)]);
    // Each secret is good for its own way alone.
    for (way, secret) in [(WAY_PASSWORD, RECOVERY_KEY), (WAY_RECOVERY, PASSWORD), (3, PASSWORD)] {
        let line = sam.connect(ConnectionKind::Account);
        assert_eq!(line.sign_in_by("alice", way, secret), refused(ErrorCode::SignInFailed), "{way}");
    }
    let line = sam.connect(ConnectionKind::Account);
    line.sign_in_by("alice", WAY_RECOVERY, RECOVERY_KEY).expect("signs in");
    let new = b"battery staple correct";
    line.change_password("alice", new, vec![wrap(2), recovery_wrap(1)]).expect("a forgotten password is replaced");
    let line = sam.connect(ConnectionKind::Account);
    assert_eq!(line.sign_in("alice", PASSWORD), refused(ErrorCode::SignInFailed));
    assert!(line.sign_in("alice", new).is_ok());
    assert!(line.sign_in_by("alice", WAY_RECOVERY, RECOVERY_KEY).is_ok(), "the key stays what it was");
    line.call(AccountDelete {}).expect("deletes");
    let line = sam.connect(ConnectionKind::Account);
    assert_eq!(line.sign_in_by("alice", WAY_RECOVERY, RECOVERY_KEY), refused(ErrorCode::SignInFailed), "it went along");
}

#[test]
fn a_way_that_an_account_does_not_have_cannot_be_told_from_a_wrong_key() {
    let sign_ins_by_name = Rate::new(100, Duration::from_secs(60));
    let sam = Sam::with(Registration::Open, Limits { sign_ins_by_name, ..Limits::default() });
    Person::new("alice", 1).register_recoverable(&sam, RECOVERY_KEY).expect("registers");
    Person::new("bob", 2).register(&sam).expect("registers");
    let start = |name: &str, way| {
        let line = sam.connect(ConnectionKind::Account);
        line.call(SignInStart { name: name.to_owned(), request: ke1(), way }).expect("answers")
    };
    for way in [WAY_RECOVERY, 3, u16::MAX] {
        let stretch = if way == WAY_RECOVERY { RECOVERY_STRETCH } else { DEFAULT_STRETCH };
        for name in ["alice", "bob", "nobody"] {
            let line = sam.connect(ConnectionKind::Account);
            assert_eq!(line.sign_in_by(name, way, b"a wrong key"), refused(ErrorCode::SignInFailed), "{name} {way}");
            let (first, second) = (start(name, way), start(name, way));
            assert_eq!(first.response.len(), second.response.len(), "{name} {way}");
            assert_eq!(first.response[..32], second.response[..32], "what depends on name and way alone");
            assert_ne!(first.response[32..64], second.response[32..64], "{name} {way}");
            assert_eq!((first.stretch, second.stretch), (stretch, stretch), "{name} {way}");
            assert_ne!(first.response[..32], start(name, WAY_PASSWORD).response[..32], "another way, another key");
        }
    }
}

#[test]
fn a_new_recovery_key_replaces_the_old_one_with_its_record_and_ends_other_sign_ins() {
    let sam = Sam::new();
    Person::new("alice", 1).register_recoverable(&sam, RECOVERY_KEY).expect("registers");
    let (line, other) = (sam.connect(ConnectionKind::Account), sam.connect(ConnectionKind::Account));
    line.sign_in("alice", PASSWORD).expect("signs in");
    other.sign_in("alice", PASSWORD).expect("signs in");
    for way in [0, 3] {
        let start = PasswordStart { request: registration("alice", PASSWORD).0, way };
        assert_eq!(line.call(start), refused(ErrorCode::BadRequest), "{way}");
    }
    let wraps = || vec![wrap(1), recovery_wrap(2)];
    let stale = line.change_way("alice", WAY_RECOVERY, b"another key", wraps(), vec![record(5, 2)]);
    assert_eq!(stale, refused(ErrorCode::VersionConflict));
    let fresh = sam.connect(ConnectionKind::Account);
    assert!(fresh.sign_in_by("alice", WAY_RECOVERY, RECOVERY_KEY).is_ok(), "nothing was changed");
    line.change_way("alice", WAY_RECOVERY, b"another key", wraps(), vec![record(5, 1)]).expect("changes");
    assert_eq!(other.call(OwnRecord {}), refused(ErrorCode::SignInRequired));
    assert_eq!(line.call(VaultFetch { ids: vec![5] }).expect("still signed in").records, [record(5, 1)]);
    assert_eq!(fresh.sign_in_by("alice", WAY_RECOVERY, RECOVERY_KEY), refused(ErrorCode::SignInFailed));
    assert_eq!(fresh.sign_in_by("alice", WAY_RECOVERY, b"another key").expect("signs in").wraps, wraps());
    assert!(fresh.sign_in("alice", PASSWORD).is_ok(), "the password stays what it was");
    // What was begun for one way does not finish another.
    let (request, finish) = registration("alice", PASSWORD);
    let started = line.call(PasswordStart { request, way: WAY_RECOVERY }).expect("answers");
    let upload = finish(&started.response);
    let finish = PasswordFinish { upload, stretch: STRETCH, wraps: wraps(), way: WAY_PASSWORD, records: Vec::new() };
    assert_eq!(line.call(finish), refused(ErrorCode::BadRequest));
}

#[test]
fn a_rolled_vault_cannot_get_the_wraps_of_an_earlier_sign_in() {
    let sam = Sam::new();
    let mut alice = Person::new("alice", 1);
    alice.register(&sam).expect("registers");
    let (line, other) = (sam.connect(ConnectionKind::Account), sam.connect(ConnectionKind::Account));
    line.sign_in("alice", PASSWORD).expect("signs in");
    other.sign_in("alice", PASSWORD).expect("signs in");
    let identity = identity_part(&alice.next_part(|draft, _| draft.vault_version = 2));
    let roll = PublishIdentity {
        identity,
        key_packages: Vec::new(),
        wraps: Some(vec![wrap(9)]),
        records: vec![record(1, 2), record(2, 2)],
    };
    line.call(roll).expect("rolls");
    let late = other.change_password("alice", b"battery staple correct", vec![wrap(2)]);
    assert_eq!(late, refused(ErrorCode::SignInRequired), "it would wrap a root key that opens nothing any more");
    assert!(line.call(OwnRecord {}).is_ok(), "whoever rolled it stays signed in");
    let fresh = sam.connect(ConnectionKind::Account);
    assert_eq!(fresh.sign_in("alice", PASSWORD).expect("signs in").wraps, [wrap(9)]);
}

#[test]
fn a_deleted_account_leaves_nothing_and_its_connections_are_worth_nothing() {
    let sam = Sam::new();
    let alice = Person::new("alice", 1);
    alice.register(&sam).expect("registers");
    let (device, line) = (alice.line(&sam), sam.connect(ConnectionKind::Account));
    device.call(InviteCreate {}).expect("a code");
    assert_eq!(device.call(AccountDelete {}), refused(ErrorCode::SignInRequired));
    line.sign_in("alice", PASSWORD).expect("signs in");
    line.call(AccountDelete {}).expect("deletes");
    assert_eq!(device.call(OwnRecord {}), refused(ErrorCode::DeviceRevoked));
    assert_eq!(line.call(OwnRecord {}), refused(ErrorCode::SignInRequired));
    let lookup = sam.connect(ConnectionKind::Lookup);
    for subject in [Subject::Name("alice".to_owned()), Subject::Account(alice.account())] {
        assert_eq!(lookup.call(Lookup { subject }), refused(ErrorCode::NotFound));
    }
    assert_eq!(alice.authenticate(&device), refused(ErrorCode::NotFound));
    alice.register(&sam).expect("the name is free");
    assert_eq!(alice.line(&sam).call(InviteList {}).expect("lists").invites, []);
}
