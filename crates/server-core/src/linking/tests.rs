use quicprochat_identity::DeviceSecretKey;
use quicprochat_wire::{
    CallFailure, ConnectionKind, DeviceId, Duration, ErrorCode, LinkId,
    call::{
        Done,
        directory::PublishIdentity,
        linking::{LinkOpen, LinkPage, LinkPut, LinkSide, LinkState, LinkSubscribe},
        session::Registration,
    },
    limits::{MAX_LINK_BYTES, MAX_LINK_MESSAGES},
};

use crate::{
    Limits,
    test_support::{
        Line, PASSWORD, Person, Sam, Seeded, authenticate_as, identity_part, key_package, record, refused, wrap,
    },
};

const LINK: LinkId = LinkId::new([9; 16]);
const TEN_MINUTES: Duration = Duration::from_secs(600);

fn alice(sam: &Sam) -> Person {
    let alice = Person::new("alice", 1);
    alice.register(sam).expect("registers");
    alice
}

fn open(line: &Line<'_>, link: LinkId) -> Result<LinkState, CallFailure> {
    line.call(LinkOpen { link })
}

fn put(line: &Line<'_>, side: LinkSide, number: u16, text: &[u8]) -> Result<LinkState, CallFailure> {
    line.call(LinkPut { link: LINK, side, number, sealed: text.to_vec() })
}

fn page(messages: &[&[u8]]) -> Option<Result<LinkPage, CallFailure>> {
    Some(Ok(LinkPage { messages: messages.iter().map(|message| message.to_vec()).collect() }))
}

fn reading(side: LinkSide, from: u16) -> LinkSubscribe {
    LinkSubscribe { link: LINK, side, from }
}

#[test]
fn two_sides_exchange_messages_in_order() {
    let sam = Sam::new();
    let holder = alice(&sam).line(&sam);
    let joiner = sam.connect(ConnectionKind::Account);
    assert_eq!(open(&holder, LINK), Ok(LinkState { left: TEN_MINUTES }));
    let mut heard = holder.subscribe(reading(LinkSide::Joiner, 0)).expect("listens");
    assert_eq!(heard.next(), page(&[]), "the first page comes at once");
    assert_eq!(heard.next(), None);
    sam.pass(Duration::from_secs(60));
    assert_eq!(put(&joiner, LinkSide::Joiner, 0, b"commitment"), Ok(LinkState { left: Duration::from_secs(540) }));
    assert_eq!(heard.next(), page(&[b"commitment"]));
    put(&holder, LinkSide::Holder, 0, b"key").expect("answers");
    put(&holder, LinkSide::Holder, 1, b"more").expect("goes on");
    let mut told = joiner.subscribe(reading(LinkSide::Holder, 0)).expect("listens");
    assert_eq!(told.next(), page(&[b"key", b"more"]));
    assert_eq!(told.next(), None);
    let mut later = joiner.subscribe(reading(LinkSide::Holder, 1)).expect("listens");
    assert_eq!(later.next(), page(&[b"more"]));
}

#[test]
fn a_second_device_is_told_that_the_code_was_used() {
    let sam = Sam::new();
    let holder = alice(&sam).line(&sam);
    let (first, second) = (sam.connect(ConnectionKind::Account), sam.connect(ConnectionKind::Account));
    open(&holder, LINK).expect("opens");
    assert!(put(&first, LinkSide::Joiner, 0, b"one").is_ok());
    assert_eq!(put(&second, LinkSide::Joiner, 0, b"two"), refused(ErrorCode::LinkUsed));
    assert!(put(&first, LinkSide::Joiner, 0, b"one").is_ok(), "whose answer was lost asks again");
    assert_eq!(put(&first, LinkSide::Joiner, 2, b"three"), refused(ErrorCode::BadRequest));
}

#[test]
fn a_link_lasts_as_long_as_is_configured() {
    let sam = Sam::with(Registration::Open, Limits { link_validity: Duration::from_secs(5), ..Limits::default() });
    let holder = alice(&sam).line(&sam);
    let joiner = sam.connect(ConnectionKind::Account);
    assert_eq!(put(&joiner, LinkSide::Joiner, 0, b"one"), refused(ErrorCode::LinkExpired), "never opened");
    open(&holder, LINK).expect("opens");
    let mut heard = holder.subscribe(reading(LinkSide::Joiner, 0)).expect("listens");
    assert_eq!(heard.next(), page(&[]));
    sam.pass(Duration::from_millis(4_999));
    assert_eq!(put(&joiner, LinkSide::Joiner, 0, b"one"), Ok(LinkState { left: Duration::from_millis(1) }));
    assert_eq!(heard.next(), page(&[b"one"]));
    sam.pass(Duration::from_millis(1));
    assert_eq!(put(&joiner, LinkSide::Joiner, 0, b"one"), refused(ErrorCode::LinkExpired));
    assert_eq!(put(&holder, LinkSide::Holder, 0, b"key"), refused(ErrorCode::LinkExpired));
    assert_eq!(
        joiner.subscribe(reading(LinkSide::Holder, 0)).err().map(|failure| failure.code),
        Some(ErrorCode::LinkExpired)
    );
    futures::executor::block_on(sam.server.sweep(sam.now())).expect("sweeps");
    assert_eq!(heard.next(), Some(refused(ErrorCode::LinkExpired)));
    assert!(heard.ended());
}

#[test]
fn only_the_device_that_opened_a_link_speaks_for_it() {
    let sam = Sam::new();
    let alice = alice(&sam);
    let bob = Person::new("bob", 2);
    bob.register(&sam).expect("registers");
    let nobody = sam.connect(ConnectionKind::Account);
    assert_eq!(open(&nobody, LINK), refused(ErrorCode::NotAuthenticated));
    nobody.sign_in("alice", PASSWORD).expect("signs in");
    assert_eq!(open(&nobody, LINK), refused(ErrorCode::NotAuthenticated), "the password is no device");
    let (holder, stranger) = (alice.line(&sam), bob.line(&sam));
    open(&holder, LINK).expect("opens");
    assert_eq!(open(&stranger, LINK), refused(ErrorCode::LinkUsed));
    for line in [&nobody, &stranger] {
        assert_eq!(put(line, LinkSide::Holder, 0, b"key"), refused(ErrorCode::NotAuthenticated));
    }
    assert!(put(&holder, LinkSide::Holder, 0, b"key").is_ok());
}

#[test]
fn a_new_link_of_a_device_takes_the_one_before_back() {
    let sam = Sam::with(Registration::Open, Limits { links: 2, ..Limits::default() });
    let holder = alice(&sam).line(&sam);
    open(&holder, LINK).expect("opens");
    let mut heard = holder.subscribe(reading(LinkSide::Joiner, 0)).expect("listens");
    assert_eq!(heard.next(), page(&[]));
    for byte in 20..30 {
        open(&holder, LinkId::new([byte; 16])).expect("one a device");
    }
    assert_eq!(heard.next(), Some(refused(ErrorCode::LinkExpired)));
    let (bob, carol) = (Person::new("bob", 2), Person::new("carol", 3));
    bob.register(&sam).and(carol.register(&sam)).expect("register");
    open(&bob.line(&sam), LINK).expect("the second on the server");
    assert_eq!(open(&carol.line(&sam), LinkId::new([8; 16])), refused(ErrorCode::QuotaFull));
    sam.pass(TEN_MINUTES);
    open(&carol.line(&sam), LinkId::new([8; 16])).expect("the others are too old");
}

#[test]
fn messages_are_bounded_in_size_and_count() {
    let sam = Sam::new();
    let holder = alice(&sam).line(&sam);
    let joiner = sam.connect(ConnectionKind::Account);
    open(&holder, LINK).expect("opens");
    assert_eq!(put(&joiner, LinkSide::Joiner, 0, b""), refused(ErrorCode::BadRequest));
    assert_eq!(put(&joiner, LinkSide::Joiner, 0, &vec![1; MAX_LINK_BYTES + 1]), refused(ErrorCode::TooLarge));
    for number in 0..4 {
        put(&joiner, LinkSide::Joiner, number, &vec![1; MAX_LINK_BYTES]).expect("64 KiB in all");
    }
    assert_eq!(put(&joiner, LinkSide::Joiner, 4, b"x"), refused(ErrorCode::QuotaFull));
    open(&holder, LINK).expect("anew");
    for number in 0..MAX_LINK_MESSAGES {
        put(&joiner, LinkSide::Joiner, number, b"x").expect("sixteen");
    }
    assert_eq!(put(&joiner, LinkSide::Joiner, MAX_LINK_MESSAGES, b"x"), refused(ErrorCode::QuotaFull));
}

#[test]
fn a_device_that_is_revoked_takes_its_link_along() {
    let sam = Sam::new();
    let mut alice = alice(&sam);
    let (phone, key) = (DeviceId::new([0xBB; 16]), DeviceSecretKey::generate(&mut Seeded::new(1234)));
    let signed_in = sam.connect(ConnectionKind::Account);
    signed_in.sign_in("alice", PASSWORD).expect("signs in");
    let part = alice.next_part(|draft, identity| draft.add_device(identity, phone, key.public()));
    let publication = |part: &quicprochat_identity::VerifiedIdentity, key_packages, wraps, records| PublishIdentity {
        identity: identity_part(part),
        key_packages,
        wraps,
        records,
    };
    let added = publication(&part, vec![key_package(&part, phone, &key)], None, Vec::new());
    signed_in.call(added).expect("enrols");
    alice.part = part;
    let holder = sam.connect(ConnectionKind::Account);
    authenticate_as(&holder, alice.account(), phone, &key).expect("authenticates");
    open(&holder, LINK).expect("opens");
    let joiner = sam.connect(ConnectionKind::Account);
    let mut told = joiner.subscribe(reading(LinkSide::Holder, 0)).expect("listens");
    assert_eq!(told.next(), page(&[]));
    let part = alice.next_part(|draft, _| draft.remove_device(phone).expect("there"));
    let removed = publication(&part, Vec::new(), Some(vec![wrap(2)]), vec![record(1, 2)]);
    assert_eq!(signed_in.call(removed), Ok(Done));
    assert_eq!(told.next(), Some(refused(ErrorCode::LinkExpired)));
    assert_eq!(put(&joiner, LinkSide::Joiner, 0, b"one"), refused(ErrorCode::LinkExpired));
    assert_eq!(open(&holder, LINK), refused(ErrorCode::DeviceRevoked));
}

#[test]
fn a_server_that_stops_ends_what_waits() {
    let sam = Sam::new();
    let holder = alice(&sam).line(&sam);
    open(&holder, LINK).expect("opens");
    let mut heard = holder.subscribe(reading(LinkSide::Joiner, 0)).expect("listens");
    assert_eq!(heard.next(), page(&[]));
    sam.server.drain();
    assert_eq!(heard.next(), Some(refused(ErrorCode::Unavailable)));
    assert!(heard.ended());
}
