//! Sam, a server that answers just enough to see how calls travel.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use futures::{StreamExt as _, stream};
use quicprochat_transport::{Handler, Reply};
use quicprochat_wire::{
    AccountId, CallFailure, Challenge, ErrorCode, Request, Response, Timestamp,
    call::{
        Done,
        auth::SignedIn,
        directory::{IdentityPart, Lookup, Record, Subject},
        inbox::{InboxEntry, InboxPage},
        session::{HelloReply, Registration, ServerLimits},
    },
    id::MessageId,
};
use tokio::sync::{Notify, mpsc};

/// Look-up of this name is answered only after [`Sam::release`].
pub(crate) const BLOCKING: &str = "block";
/// A subscription after this never ends by itself and has one page.
pub(crate) const ENDLESS: u64 = u64::MAX;
/// A subscription after this never ends and has page after page of a megabyte.
pub(crate) const FLOOD: u64 = u64::MAX - 1;

pub(crate) struct Sam {
    pub(crate) opened: AtomicUsize,
    pub(crate) closed: Notify,
    pub(crate) remotes: Mutex<Vec<SocketAddr>>,
    pub(crate) calls: Mutex<Vec<&'static str>>,
    /// Told when a blocking call has arrived.
    pub(crate) blocked: Notify,
    pub(crate) release: Notify,
    /// Told when an endless subscription has been dropped.
    pub(crate) dropped: mpsc::UnboundedSender<()>,
}

impl Sam {
    pub(crate) fn new() -> (Arc<Self>, mpsc::UnboundedReceiver<()>) {
        let (dropped, drops) = mpsc::unbounded_channel();
        let sam = Self {
            opened: AtomicUsize::new(0),
            closed: Notify::new(),
            remotes: Mutex::default(),
            calls: Mutex::default(),
            blocked: Notify::new(),
            release: Notify::new(),
            dropped,
        };
        (Arc::new(sam), drops)
    }

    fn subscription(&self, after: u64) -> Reply {
        let page = |seq, bytes| {
            let entry = InboxEntry { seq, id: MessageId::new([7; 16]), sealed: vec![1; bytes] };
            Ok(Response::from(InboxPage { entries: vec![entry], more: false }))
        };
        let guard = OnDrop(self.dropped.clone());
        match after {
            ENDLESS => Reply::Stream(
                stream::once(async move { page(1, 3) })
                    .chain(stream::pending())
                    .map(move |item| (item, &guard).0)
                    .boxed(),
            ),
            FLOOD => Reply::Stream(stream::iter(1..).map(move |seq| (page(seq, 1024 * 1024), &guard).0).boxed()),
            count => Reply::Stream(
                stream::iter(1..=count)
                    .map(move |seq| page(seq, 3))
                    .chain(stream::iter([Err(CallFailure::new(ErrorCode::DeviceRevoked))]))
                    .boxed(),
            ),
        }
    }
}

struct OnDrop(mpsc::UnboundedSender<()>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        // Tests that are not interested have dropped the receiver.
        let _uninterested = self.0.send(());
    }
}

#[async_trait]
impl Handler for Sam {
    type Connection = ();

    fn open(&self, remote: SocketAddr) {
        self.opened.fetch_add(1, Ordering::SeqCst);
        self.remotes.lock().expect("not poisoned").push(remote);
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "sam knows few methods")]
    async fn call(&self, _connection: &Arc<()>, request: Request) -> Reply {
        self.calls.lock().expect("not poisoned").push(request.name());
        match request {
            Request::Hello(_) => Response::from(hello_reply()).into(),
            Request::Lookup(Lookup { subject: Subject::Name(name) }) => {
                if name == BLOCKING {
                    self.blocked.notify_one();
                    self.release.notified().await;
                }
                Response::from(Record { identity: IdentityPart(name.into_bytes()), key_packages: vec![] }).into()
            }
            Request::InboxSubscribe(subscribe) => self.subscription(subscribe.after),
            Request::ChannelEnqueue(enqueue) => {
                assert!(enqueue.commit.is_some_and(|commit| commit.group_info.iter().all(|byte| *byte == 5)));
                Response::from(Done).into()
            }
            // Answers of a kind that does not belong to the call.
            Request::OwnRecord(_) => {
                Response::from(SignedIn { account: AccountId::new([0; 32]), wraps: vec![] }).into()
            }
            // A stream where one answer belongs.
            Request::TokenKeys(_) => self.subscription(1),
            _ => CallFailure::retry(ErrorCode::RateLimited, Duration::from_millis(1500)).into(),
        }
    }

    fn close(&self, (): &()) {
        self.closed.notify_one();
    }
}

pub(crate) fn hello_reply() -> HelloReply {
    HelloReply {
        version: 1,
        challenge: Challenge::new([9; 32]),
        time: Timestamp(1_000),
        host: "sam.example".to_owned(),
        registration: Registration::Open,
        limits: ServerLimits {
            frame_bytes: 1,
            message_bytes: 2,
            commit_bytes: 3,
            group_info_bytes: 4,
            keyring_bytes: 5,
            inbox_bytes: 6,
            retention: Duration::from_secs(7),
        },
    }
}
