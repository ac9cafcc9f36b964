use quicprochat_wire::{
    Access, AccountId, CallFailure, ChannelId, ConnectionKind, DeviceId, ErrorCode, Fingerprint, LinkId, MessageId,
    Request,
    call::{
        auth, channel, directory, inbox, linking,
        session::{Hello, Registration},
        token, vault,
    },
    limits::PROTOCOL_VERSION,
};

use crate::{
    Limits, Reply, Server, ServerConfig,
    store::memory::{Fault, FaultPoint, MemoryStore},
    test_support::{FINGERPRINT, PASSWORD, Person, Room, Sam, Seeded, refused},
};

/// One of each.
fn every_request() -> Vec<Request> {
    let token = || token::Token { epoch: 1, nonce: vec![1; 32], authenticator: vec![1; 64] };
    let channel = ChannelId::new([1; 32]);
    let part = || directory::IdentityPart(Vec::new());
    let key_package = || directory::KeyPackagePart { device: DeviceId::new([1; 16]), bytes: Vec::new() };
    let account = AccountId::new([1; 32]);
    let stretch = crate::test_support::STRETCH;
    let mut room = Room::new(1);
    let person = Person::new("alice", 1);
    vec![
        Hello { version: PROTOCOL_VERSION, kind: ConnectionKind::Account }.into(),
        auth::RegisterStart { name: "alice".to_owned(), invite: None, request: Vec::new(), recovery: None }.into(),
        person.registering(Vec::new(), None).into(),
        auth::SignInStart { name: "alice".to_owned(), request: Vec::new(), way: 1 }.into(),
        auth::SignInFinish { finalization: Vec::new() }.into(),
        auth::Authenticate { account, device: DeviceId::new([1; 16]), signature: Vec::new() }.into(),
        auth::PasswordStart { request: Vec::new(), way: 1 }.into(),
        auth::PasswordFinish { upload: Vec::new(), stretch, wraps: Vec::new(), way: 1, records: Vec::new() }.into(),
        auth::AccountDelete {}.into(),
        auth::InviteCreate {}.into(),
        auth::InviteList {}.into(),
        directory::Lookup { subject: directory::Subject::Account(account) }.into(),
        directory::OwnRecord {}.into(),
        directory::PublishIdentity { identity: part(), key_packages: Vec::new(), wraps: None, records: Vec::new() }
            .into(),
        directory::PublishKeyPackage { part: key_package() }.into(),
        vault::VaultFetch { ids: Vec::new() }.into(),
        vault::VaultStore { records: Vec::new() }.into(),
        token::TokenKeys {}.into(),
        token::TokenIssue { epoch: 1, blinded: Vec::new() }.into(),
        inbox::InboxDeliver { account, id: MessageId::new([1; 16]), sealed: vec![1], token: token() }.into(),
        inbox::InboxRead { after: 0, limit: 1 }.into(),
        inbox::InboxSubscribe { after: 0 }.into(),
        room.creation(token()).into(),
        channel::ChannelAttach { channel, access: room.key.public(), signature: Vec::new() }.into(),
        room.message(b"m").into(),
        channel::ChannelRead { channel, after: 0, limit: 1 }.into(),
        channel::ChannelSubscribe { channel, after: 0 }.into(),
        channel::ChannelGroupInfo { channel, position: 0 }.into(),
        channel::ChannelKeyring { channel }.into(),
        channel::ChannelDelete { channel }.into(),
        linking::LinkOpen { link: LinkId::new([1; 16]) }.into(),
        linking::LinkPut { link: LinkId::new([1; 16]), side: linking::LinkSide::Joiner, number: 0, sealed: vec![1] }
            .into(),
        linking::LinkSubscribe { link: LinkId::new([1; 16]), side: linking::LinkSide::Joiner, from: 0 }.into(),
    ]
}

fn code(reply: Reply) -> Option<ErrorCode> {
    match reply {
        Reply::Refused(CallFailure { code, .. }) => Some(code),
        Reply::One(_) | Reply::Stream(_) => None,
    }
}

/// What somebody without any proof is told on a connection of this kind, if the call does not even belong there.
fn expected(access: Access, kind: ConnectionKind) -> Option<ErrorCode> {
    match (access, kind) {
        (Access::Any, _) => Some(ErrorCode::BadRequest),
        (Access::AccountSignedIn, ConnectionKind::Account) => Some(ErrorCode::SignInRequired),
        (Access::AccountDevice, ConnectionKind::Account) => Some(ErrorCode::NotAuthenticated),
        (Access::AccountOpen, ConnectionKind::Account)
        | (Access::Channel, ConnectionKind::Channel)
        | (Access::Lookup, ConnectionKind::Lookup) => None,
        _ => Some(ErrorCode::WrongConnection),
    }
}

#[test]
fn every_call_is_refused_on_every_connection_it_does_not_belong_on() {
    let sam = Sam::new();
    let requests = every_request();
    let mut numbers: Vec<_> = requests.iter().map(Request::number).collect();
    numbers.dedup();
    assert_eq!(numbers.len(), 33, "one of each");
    for kind in [ConnectionKind::Account, ConnectionKind::Channel, ConnectionKind::Lookup] {
        for request in &requests {
            let line = sam.connect(kind);
            let found = code(line.send(request.clone()));
            match expected(request.access(), kind) {
                Some(code) => assert_eq!(found, Some(code), "{} on {kind:?}", request.name()),
                None => assert_ne!(found, Some(ErrorCode::WrongConnection), "{} on {kind:?}", request.name()),
            }
        }
    }
}

#[test]
fn nothing_is_answered_before_hello_and_hello_is_said_once() {
    let sam = Sam::new();
    for request in every_request().into_iter().skip(1) {
        let connection = sam.server.open();
        let reply = futures::executor::block_on(sam.server.handle(&connection, request, sam.now()));
        assert_eq!(code(reply), Some(ErrorCode::WrongConnection));
    }
    let connection = sam.server.open();
    let hello = |version| Hello { version, kind: ConnectionKind::Channel }.into();
    let send = |request| futures::executor::block_on(sam.server.handle(&connection, request, sam.now()));
    assert_eq!(code(send(hello(PROTOCOL_VERSION + 1))), Some(ErrorCode::UnsupportedVersion));
    assert_eq!(connection.kind(), None);
    assert_eq!(code(send(hello(PROTOCOL_VERSION))), None);
    assert_eq!(code(send(hello(PROTOCOL_VERSION))), Some(ErrorCode::BadRequest));
    assert_eq!(connection.kind(), Some(ConnectionKind::Channel));
}

#[test]
fn each_connection_has_a_challenge_of_its_own() {
    let sam = Sam::new();
    let mut challenges: Vec<_> = (0..50).map(|_| sam.connect(ConnectionKind::Lookup).challenge).collect();
    challenges.sort();
    challenges.dedup();
    assert_eq!(challenges.len(), 50);
}

#[test]
fn what_is_signed_for_one_server_is_worth_nothing_on_another() {
    let sam = Sam::new();
    let alice = Person::new("alice", 1);
    alice.register(&sam).expect("registers");
    let fingerprint = Fingerprint::new([9; 32]);
    assert_ne!(fingerprint, FINGERPRINT);
    let config =
        ServerConfig { host: "h".to_owned(), fingerprint, registration: Registration::Open, limits: Limits::default() };
    let store = std::sync::Arc::new(sam.store.clone());
    let mut other = Sam::on(sam.store.clone(), Registration::Open, Limits::default());
    other.server = futures::executor::block_on(Server::start(config, store, Box::new(Seeded::new(1)))).expect("starts");
    let line = other.connect(ConnectionKind::Account);
    assert_eq!(alice.authenticate(&line), refused(ErrorCode::BadSignature));
    assert_eq!(line.sign_in("alice", PASSWORD), refused(ErrorCode::SignInFailed));
}

#[test]
fn a_call_that_the_store_fails_is_unavailable_and_can_be_repeated() {
    let store = MemoryStore::new();
    let sam = Sam::on(store.clone(), Registration::Open, Limits::default());
    store.set_faults(Some(Box::new(|point| match point {
        FaultPoint::BeforeSync => Fault::Crash,
        FaultPoint::BeforeWrite | FaultPoint::AfterSync => Fault::None,
    })));
    let alice = Person::new("alice", 1);
    assert_eq!(alice.register(&sam), refused(ErrorCode::Unavailable));
    store.set_faults(None);
    store.restart();
    assert!(alice.register(&sam).is_ok());
}

#[test]
fn calls_can_be_answered_on_any_thread() {
    fn sendable<T: Send>(_: &T) {}
    let sam = Sam::new();
    let connection = sam.server.open();
    let hello = Hello { version: PROTOCOL_VERSION, kind: ConnectionKind::Lookup };
    let answer = sam.server.handle(&connection, hello.into(), sam.now());
    sendable(&answer);
    assert!(matches!(futures::executor::block_on(answer), Reply::One(_)));
}
