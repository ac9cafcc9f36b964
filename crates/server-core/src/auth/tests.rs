use futures::executor::block_on;
use opaque_ke::ClientLogin;
use quicprochat_identity::{DeviceSecretKey, EntropyRng, OpaqueSuite, password::DEFAULT_STRETCH};
use quicprochat_wire::{
    ConnectionKind, DeviceId, Duration, ErrorCode,
    call::{
        Done,
        auth::{
            AccountDelete, InviteCreate, InviteList, PasswordStart, RegisterStart, SignInFinish, SignInStart,
            StretchParams,
        },
        directory::{Lookup, OwnRecord, Subject},
        inbox::InboxRead,
        session::Registration,
        vault::VaultFetch,
    },
};

use crate::{
    Limits, Rate,
    test_support::{Line, PASSWORD, Person, STRETCH, Sam, Seeded, authenticate_as, refused, registration, wrap},
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
        let request = RegisterStart { name: name.to_owned(), invite: None, request: Vec::new() };
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
        let started = line.call(RegisterStart { name: "alice".to_owned(), invite: None, request }).expect("starts");
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
        let started = line.call(RegisterStart { name: "alice".to_owned(), invite: None, request }).expect("starts");
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
        line.call(SignInStart { name: name.to_owned(), request: ke1() }).expect("answers")
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
    line.call(SignInStart { name: "alice".to_owned(), request: ke1() }).expect("answers");
    assert_eq!(line.call(finish.clone()), refused(ErrorCode::SignInFailed));
    assert_eq!(line.call(finish), refused(ErrorCode::BadRequest));
    assert_eq!(
        line.call(SignInStart { name: "alice".to_owned(), request: vec![1; 9] }),
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
            line.call(SignInStart { name: name.to_owned(), request: ke1() }).map(|_| ())
        };
        outcomes.push([attempt(), attempt(), attempt()]);
    }
    assert_eq!(outcomes[0], outcomes[1]);
    let failure = outcomes[0][2].expect_err("the third is too many");
    assert_eq!((failure.code, failure.retry_after), (ErrorCode::RateLimited, Some(Duration::from_secs(30))));
    sam.pass(Duration::from_secs(30));
    let line = sam.connect(ConnectionKind::Account);
    assert!(line.call(SignInStart { name: "alice".to_owned(), request: ke1() }).is_ok());
}

#[test]
fn a_connection_has_its_own_limits() {
    let rate = Rate::new(1, Duration::from_secs(60));
    let limits = Limits { sign_ins_by_connection: rate, registrations_by_connection: rate, ..Limits::default() };
    let sam = Sam::with(Registration::Open, limits);
    let line = sam.connect(ConnectionKind::Account);
    let start = SignInStart { name: "alice".to_owned(), request: ke1() };
    line.call(start.clone()).expect("answers");
    assert_eq!(line.call(start.clone()).map_err(|failure| failure.code), Err(ErrorCode::RateLimited));
    sam.connect(ConnectionKind::Account).call(start).expect("another connection");
    let start = RegisterStart { name: "alice".to_owned(), invite: None, request: registration("alice", PASSWORD).0 };
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
        quicprochat_wire::call::auth::PasswordFinish { upload: Vec::new(), stretch: STRETCH, wraps: vec![wrap(2)] };
    assert_eq!(line.call(unstarted), refused(ErrorCode::BadRequest));
    let new = b"battery staple correct";
    line.change_password("alice", new, vec![wrap(2)]).expect("changes");
    assert_eq!(other.call(VaultFetch { ids: Vec::new() }), refused(ErrorCode::SignInRequired));
    assert_eq!(other.call(PasswordStart { request: registration("alice", new).0 }), refused(ErrorCode::SignInRequired));
    assert!(line.call(VaultFetch { ids: Vec::new() }).is_ok(), "whoever changed it stays signed in");
    let fresh = sam.connect(ConnectionKind::Account);
    assert_eq!(fresh.sign_in("alice", PASSWORD), refused(ErrorCode::SignInFailed));
    assert_eq!(fresh.sign_in("alice", new).expect("signs in").wraps, vec![wrap(2)]);
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
