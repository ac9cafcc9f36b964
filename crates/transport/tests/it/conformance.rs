//! What every link must do alike.

use std::time::Duration;

use futures::StreamExt as _;
use quicprochat_transport::{
    AccountLink, ChannelLink, LinkError, LookupLink, Violation,
    link::{call, subscribe},
};
use quicprochat_wire::{
    AccessPublicKey, CallFailure, ChannelId, ConnectionKind, ErrorCode, Fingerprint, MessageId, ServerLink,
    call::{
        Done,
        auth::SignInStart,
        channel::{AccessRoll, ChainPoint, ChannelEnqueue, CommitParts, TreeChange},
        directory::{Lookup, OwnRecord, Subject},
        inbox::InboxSubscribe,
        token::TokenKeys,
    },
    codec::{frame, frame::PREFIX_BYTES},
    id::ChainHash,
    limits,
};

use crate::{
    beds::{Bed, Memory, Quic},
    raw::hello,
    sam::{BLOCKING, ENDLESS, Sam, hello_reply},
};

/// Runs each case on each bed.
macro_rules! on_every_link {
    ($($case:ident;)*) => {
        mod memory {
            $(#[tokio::test] async fn $case() { super::$case::<super::Memory>().await; })*
        }
        mod quic {
            $(#[tokio::test] async fn $case() { super::$case::<super::Quic>().await; })*
        }
    };
}

on_every_link! {
    hello_and_a_call_are_answered;
    a_refusal_arrives_with_its_retry_time;
    a_subscription_yields_its_items_and_then_the_refusal;
    a_dropped_subscription_is_dropped_by_the_server;
    a_closed_link_ends_calls_and_subscriptions;
    a_blocked_call_blocks_no_other;
    the_largest_commit_fits;
    a_request_beyond_the_limits_is_not_sent;
    an_answer_of_another_kind_is_a_violation;
    another_fingerprint_is_not_trusted;
    an_oversized_frame_is_refused_by_its_length;
    a_large_frame_is_refused_before_hello;
    garbage_is_refused;
    a_truncated_frame_is_refused;
    bytes_behind_the_frame_are_refused;
    an_unknown_method_is_named_so;
    a_call_before_hello_never_reaches_the_handler;
    the_handler_learns_that_a_connection_is_over;
}

fn lookup(name: &str) -> Lookup {
    Lookup { subject: Subject::Name(name.to_owned()) }
}

fn refused(code: ErrorCode) -> Vec<Result<quicprochat_wire::Response, CallFailure>> {
    vec![Err(CallFailure::new(code))]
}

async fn hello_and_a_call_are_answered<B: Bed>() {
    let (sam, _) = Sam::new();
    let bed = B::start(sam.clone()).await;
    let (alice, hello) = LookupLink::connect(bed.connector(), &bed.link()).await.expect("a link");
    assert_eq!(hello, hello_reply());
    assert_eq!(alice.fingerprint(), *bed.link().fingerprint());
    let record = alice.call(lookup("bob")).await.expect("a record");
    assert_eq!(record.identity.0, b"bob");
    assert_eq!(*sam.calls.lock().expect("not poisoned"), ["hello", "lookup"]);
}

async fn a_refusal_arrives_with_its_retry_time<B: Bed>() {
    let (sam, _) = Sam::new();
    let bed = B::start(sam).await;
    let (alice, _) = AccountLink::connect(bed.connector(), &bed.link()).await.expect("a link");
    let error =
        alice.call(SignInStart { name: "alice".to_owned(), request: vec![], way: 1 }).await.expect_err("refused");
    let failure = CallFailure::retry(ErrorCode::RateLimited, Duration::from_millis(1500));
    assert_eq!(error.refusal(), Some(&failure), "{error:?}");
}

async fn a_subscription_yields_its_items_and_then_the_refusal<B: Bed>() {
    let (sam, _) = Sam::new();
    let bed = B::start(sam).await;
    let (alice, _) = AccountLink::connect(bed.connector(), &bed.link()).await.expect("a link");
    let items: Vec<_> = alice.subscribe(InboxSubscribe { after: 3 }).await.expect("a subscription").collect().await;
    let seqs: Vec<_> = items.iter().map(|item| item.as_ref().ok().map(|page| page.entries[0].seq)).collect();
    assert_eq!(seqs, [Some(1), Some(2), Some(3), None]);
    let last = items.into_iter().last().expect("four items").expect_err("a refusal");
    assert_eq!(last.refusal(), Some(&CallFailure::new(ErrorCode::DeviceRevoked)), "{last:?}");
}

async fn a_dropped_subscription_is_dropped_by_the_server<B: Bed>() {
    let (sam, mut drops) = Sam::new();
    let bed = B::start(sam).await;
    let (alice, _) = AccountLink::connect(bed.connector(), &bed.link()).await.expect("a link");
    let mut items = alice.subscribe(InboxSubscribe { after: ENDLESS }).await.expect("a subscription");
    assert_eq!(items.next().await.expect("an item").expect("a page").entries.len(), 1);
    assert!(drops.try_recv().is_err(), "still wanted");
    drop(items);
    drops.recv().await.expect("dropped");
}

async fn a_closed_link_ends_calls_and_subscriptions<B: Bed>() {
    let (sam, _drops) = Sam::new();
    let bed = B::start(sam.clone()).await;
    let (link, _) = bed.connector().connect(&bed.link(), ConnectionKind::Account).await.expect("a link");
    let mut items = subscribe(&*link, InboxSubscribe { after: ENDLESS }).await.expect("a subscription");
    items.next().await.expect("an item").expect("a page");
    let blocked = call(&*link, lookup(BLOCKING));
    let close = async {
        sam.blocked.notified().await;
        link.close();
        link.closed().await;
    };
    let (outcome, ()) = futures::join!(blocked, close);
    assert!(matches!(outcome, Err(LinkError::Closed)), "{outcome:?}");
    assert!(matches!(items.next().await, Some(Err(LinkError::Closed))));
    assert!(items.next().await.is_none());
    assert!(matches!(call(&*link, lookup("bob")).await, Err(LinkError::Closed)));
}

async fn a_blocked_call_blocks_no_other<B: Bed>() {
    let (sam, _) = Sam::new();
    let bed = B::start(sam.clone()).await;
    let (alice, _) = LookupLink::connect(bed.connector(), &bed.link()).await.expect("a link");
    let blocked = alice.call(lookup(BLOCKING));
    let others = async {
        sam.blocked.notified().await;
        let names: Vec<String> = (0..99).map(|index| format!("bob{index}")).collect();
        let records = futures::future::join_all(names.iter().map(|name| alice.call(lookup(name)))).await;
        for (name, record) in names.iter().zip(records) {
            assert_eq!(record.expect("a record").identity.0, name.as_bytes());
        }
        sam.release.notify_one();
    };
    let (record, ()) = futures::join!(blocked, others);
    assert_eq!(record.expect("a record").identity.0, BLOCKING.as_bytes());
}

fn largest_commit() -> ChannelEnqueue {
    ChannelEnqueue {
        channel: ChannelId::new([1; 32]),
        id: MessageId::new([2; 16]),
        after_commit: ChainPoint { position: 3, hash: ChainHash::new([4; 32]) },
        sealed: vec![5; limits::MAX_COMMIT_BYTES],
        commit: Some(CommitParts {
            group_info: vec![5; limits::MAX_GROUP_INFO_BYTES],
            roll: Some(AccessRoll {
                access: AccessPublicKey::new([6; 32]),
                keyring: vec![5; limits::MAX_KEYRING_BYTES],
            }),
            tree: TreeChange::default(),
        }),
    }
}

async fn the_largest_commit_fits<B: Bed>() {
    let (sam, _) = Sam::new();
    let bed = B::start(sam).await;
    let (link, _) = bed.connector().connect(&bed.link(), ConnectionKind::Channel).await.expect("a link");
    let response = link.call_raw(largest_commit().into()).await.expect("an answer");
    assert_eq!(response, Done.into());
}

async fn a_request_beyond_the_limits_is_not_sent<B: Bed>() {
    let (sam, _) = Sam::new();
    let bed = B::start(sam.clone()).await;
    let (alice, _) = ChannelLink::connect(bed.connector(), &bed.link()).await.expect("a link");
    let mut commit = largest_commit();
    commit.sealed.push(0);
    assert!(matches!(alice.call(commit).await, Err(LinkError::Unsendable(_))));
    assert_eq!(*sam.calls.lock().expect("not poisoned"), ["hello"]);
}

async fn an_answer_of_another_kind_is_a_violation<B: Bed>() {
    let (sam, _) = Sam::new();
    let bed = B::start(sam).await;
    let (alice, _) = AccountLink::connect(bed.connector(), &bed.link()).await.expect("a link");
    let error = alice.call(OwnRecord {}).await.expect_err("a violation");
    let expected = Violation::UnexpectedResponse { method: "own-record" };
    assert!(matches!(&error, LinkError::Protocol(found) if *found == expected), "{error:?}");
    // The server's own mistake is caught by the server.
    let error = alice.call(TokenKeys {}).await.expect_err("a failure");
    assert_eq!(error.refusal(), Some(&CallFailure::new(ErrorCode::Internal)), "{error:?}");
}

async fn another_fingerprint_is_not_trusted<B: Bed>() {
    let (sam, _) = Sam::new();
    let bed = B::start(sam.clone()).await;
    let real = bed.link();
    let expected = Fingerprint::new([0xee; 32]);
    let link = ServerLink::new(real.host(), real.port(), expected).expect("valid parts");
    let error = bed.connector().connect(&link, ConnectionKind::Account).await.err().expect("not trusted");
    let LinkError::WrongFingerprint { expected: wanted, found } = error else { panic!("{error:?}") };
    assert_eq!((wanted, found), (expected, *real.fingerprint()));
    assert!(sam.calls.lock().expect("not poisoned").is_empty());
    assert_eq!(sam.opened.load(std::sync::atomic::Ordering::SeqCst), 0, "no connection, no byte of a request");
}

async fn an_oversized_frame_is_refused_by_its_length<B: Bed>() {
    let (sam, _) = Sam::new();
    let bed = B::start(sam).await;
    let mallory = bed.raw().await;
    assert_eq!(mallory.exchange(&hello()).await, [Ok(hello_reply().into())]);
    let length = u32::try_from(limits::MAX_FRAME_BYTES + 1).expect("small").to_le_bytes();
    assert_eq!(mallory.exchange(&length).await, refused(ErrorCode::TooLarge));
    assert_eq!(mallory.exchange(&[0xff; PREFIX_BYTES]).await, refused(ErrorCode::TooLarge));
}

async fn a_large_frame_is_refused_before_hello<B: Bed>() {
    let (sam, _) = Sam::new();
    let bed = B::start(sam).await;
    let mallory = bed.raw().await;
    let mut frame = u32::try_from(limits::MAX_FIRST_FRAME_BYTES + 1).expect("small").to_le_bytes().to_vec();
    frame.resize(PREFIX_BYTES + limits::MAX_FIRST_FRAME_BYTES + 1, 0);
    assert_eq!(mallory.exchange(&frame).await, refused(ErrorCode::TooLarge));
    assert_eq!(mallory.exchange(&hello()).await, [Ok(hello_reply().into())]);
    assert_eq!(mallory.exchange(&frame).await, refused(ErrorCode::BadRequest), "of lawful size, but garbage");
}

async fn garbage_is_refused<B: Bed>() {
    let (sam, _) = Sam::new();
    let bed = B::start(sam).await;
    let mallory = bed.raw().await;
    for garbage in [
        &[4, 0, 0, 0, 1, 2, 3, 4][..],
        &[0, 0, 0, 0],
        &[16, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255],
    ] {
        assert_eq!(mallory.exchange(garbage).await, refused(ErrorCode::BadRequest), "{garbage:?}");
    }
    assert_eq!(mallory.exchange(&hello()).await, [Ok(hello_reply().into())], "the connection goes on");
}

async fn a_truncated_frame_is_refused<B: Bed>() {
    let (sam, _) = Sam::new();
    let bed = B::start(sam.clone()).await;
    let mallory = bed.raw().await;
    let whole = hello();
    for end in [0, 1, PREFIX_BYTES, whole.len() - 1] {
        assert_eq!(mallory.exchange(&whole[..end]).await, refused(ErrorCode::BadRequest), "cut at {end}");
    }
    assert!(sam.calls.lock().expect("not poisoned").is_empty());
}

async fn bytes_behind_the_frame_are_refused<B: Bed>() {
    let (sam, _) = Sam::new();
    let bed = B::start(sam.clone()).await;
    let mallory = bed.raw().await;
    for more in [&[0][..], &hello()] {
        assert_eq!(mallory.exchange(&[&hello(), more].concat()).await, refused(ErrorCode::BadRequest));
    }
    assert!(sam.calls.lock().expect("not poisoned").is_empty());
}

async fn an_unknown_method_is_named_so<B: Bed>() {
    let (sam, _) = Sam::new();
    let bed = B::start(sam).await;
    let mallory = bed.raw().await;
    let mut request = hello();
    // Behind the length, the segment table and the root pointer stands the number of the method.
    request[PREFIX_BYTES + 16..PREFIX_BYTES + 18].copy_from_slice(&900u16.to_le_bytes());
    assert_eq!(mallory.exchange(&request).await, refused(ErrorCode::UnknownMethod));
}

async fn a_call_before_hello_never_reaches_the_handler<B: Bed>() {
    let (sam, _) = Sam::new();
    let bed = B::start(sam.clone()).await;
    let mallory = bed.raw().await;
    let request = frame::encode_request(&lookup("bob").into()).expect("within the limits");
    assert_eq!(mallory.exchange(&request).await, refused(ErrorCode::WrongConnection));
    assert!(sam.calls.lock().expect("not poisoned").is_empty());
    assert_eq!(mallory.exchange(&hello()).await, [Ok(hello_reply().into())]);
    assert_eq!(mallory.exchange(&request).await.len(), 1);
    assert_eq!(*sam.calls.lock().expect("not poisoned"), ["hello", "lookup"]);
}

async fn the_handler_learns_that_a_connection_is_over<B: Bed>() {
    let (sam, _) = Sam::new();
    let bed = B::start(sam.clone()).await;
    let (alice, _) = AccountLink::connect(bed.connector(), &bed.link()).await.expect("a link");
    alice.close();
    sam.closed.notified().await;
}
