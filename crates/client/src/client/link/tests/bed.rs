//! A server in memory, homes on disk, and connections that break where a test says.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use futures::{FutureExt as _, future::BoxFuture};
use quicprochat_client_core::auth::{Password, RecoveryKey};
use quicprochat_server_core::{Connection, Limits, Reply as Answer, Server, ServerConfig, store::memory::MemoryStore};
use quicprochat_transport::{
    Connector, Link, LinkError, ResponseStream,
    memory::MemoryConnector,
    server::{Handler, Reply},
};
use quicprochat_wire::{
    ConnectionKind, Duration, Fingerprint, Request, Response, ServerLink, Timestamp,
    call::session::{HelloReply, Registration},
};

use crate::{Client, Home, OsEntropy, StoreKey};

pub(super) const NAME: &str = "alice";
pub(super) const PASSWORD: &str = "correct horse battery staple";
const FINGERPRINT: Fingerprint = Fingerprint::new([0x51; 32]);

pub(super) fn password() -> Password {
    Password::new(PASSWORD.to_owned())
}

/// The server's services behind the transport.
struct Sam {
    server: Server,
    /// Seconds that the server's clock is ahead.
    ahead: AtomicU64,
}

impl Handler for Sam {
    type Connection = Connection;

    fn open(&self, _: SocketAddr) -> Connection {
        self.server.open()
    }

    fn call<'a, 'b, 'c>(&'a self, connection: &'b Arc<Connection>, request: Request) -> BoxFuture<'c, Reply>
    where
        'a: 'c,
        'b: 'c,
    {
        async move {
            let ahead = Duration::from_secs(self.ahead.load(Ordering::Relaxed));
            let now = Timestamp(crate::entropy::now().0).after(ahead);
            match self.server.handle(connection, request, now).await {
                Answer::One(response) => Reply::One(response),
                Answer::Refused(failure) => Reply::Failure(failure),
                Answer::Stream(items) => Reply::Stream(items),
            }
        }
        .boxed()
    }
}

/// One server.
pub(super) struct Bed {
    sam: Arc<Sam>,
}

impl Bed {
    /// Whose codes count for so many seconds.
    pub(super) fn new(link_seconds: u64) -> Self {
        let limits = Limits { link_validity: Duration::from_secs(link_seconds), ..Limits::default() };
        let config = ServerConfig {
            host: "chat.example".to_owned(),
            fingerprint: FINGERPRINT,
            registration: Registration::Open,
            limits,
        };
        let store = Arc::new(MemoryStore::new());
        let server = futures::executor::block_on(Server::start(config, store, Box::new(OsEntropy))).unwrap();
        Self { sam: Arc::new(Sam { server, ahead: AtomicU64::new(0) }) }
    }

    pub(super) fn link(&self) -> ServerLink {
        ServerLink::new("chat.example", 4433, FINGERPRINT).unwrap()
    }

    /// Sets the server's clock ahead.
    pub(super) fn pass(&self, seconds: u64) {
        self.sam.ahead.fetch_add(seconds, Ordering::Relaxed);
    }

    /// A home without an account.
    pub(super) fn home(&self) -> Place {
        let temp = tempfile::tempdir().unwrap();
        let home = Home::open(temp.path().join("home")).unwrap();
        let key = StoreKey::load_or_create(&home, None, &mut OsEntropy).unwrap();
        let cut = Arc::new(Cutter::default());
        let inner = MemoryConnector::new(Arc::clone(&self.sam), FINGERPRINT);
        let connector = Arc::new(CutConnector { inner, cut: Arc::clone(&cut) });
        let client = Client::open(home, key, connector).unwrap();
        Place { client, cut, _temp: temp }
    }

    /// A home whose account is registered.
    pub(super) async fn registered(&self) -> Place {
        self.registered_account().await.place
    }

    /// The same, with the account's recovery key.
    pub(super) async fn registered_account(&self) -> Registered {
        let mut place = self.home();
        let registered = place.client.register(&self.link(), NAME, password(), None, "laptop").await.unwrap();
        Registered { place, recovery_key: registered.recovery_key.unwrap() }
    }
}

/// A home with an account, and what opens that.
pub(super) struct Registered {
    pub(super) place: Place,
    pub(super) recovery_key: RecoveryKey,
}

/// A home and what breaks its connections.
pub(super) struct Place {
    pub(super) client: Client,
    pub(super) cut: Arc<Cutter>,
    _temp: tempfile::TempDir,
}

/// Where a program dies: at the `nth` call of a method, before it is sent or after it was carried out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cut {
    method: &'static str,
    nth: usize,
    after: bool,
}

impl Cut {
    pub(super) const fn before(method: &'static str, nth: usize) -> Self {
        Self { method, nth, after: false }
    }

    pub(super) const fn after(method: &'static str, nth: usize) -> Self {
        Self { method, nth, after: true }
    }
}

#[derive(Default)]
pub(super) struct Cutter(Mutex<State>);

#[derive(Default)]
struct State {
    cut: Option<Cut>,
    seen: usize,
    dead: bool,
}

impl Cutter {
    pub(super) fn set(&self, cut: Cut) {
        *self.0.lock().unwrap() = State { cut: Some(cut), seen: 0, dead: false };
    }

    pub(super) fn heal(&self) {
        *self.0.lock().unwrap() = State::default();
    }

    /// Whether the call is carried out, and whether its answer arrives.
    fn judge(&self, method: &str) -> (bool, bool) {
        let mut state = self.0.lock().unwrap();
        let Some(cut) = state.cut.filter(|cut| !state.dead && cut.method == method) else {
            return (!state.dead, !state.dead);
        };
        if state.seen < cut.nth {
            state.seen += 1;
            return (true, true);
        }
        state.dead = true;
        (cut.after, false)
    }

    fn is_dead(&self) -> bool {
        self.0.lock().unwrap().dead
    }
}

struct CutConnector {
    inner: MemoryConnector<Sam>,
    cut: Arc<Cutter>,
}

type Connected = Result<(Arc<dyn Link>, HelloReply), LinkError>;

impl Connector for CutConnector {
    fn connect<'a, 'b, 'c>(&'a self, server: &'b ServerLink, kind: ConnectionKind) -> BoxFuture<'c, Connected>
    where
        'a: 'c,
        'b: 'c,
    {
        async move {
            if self.cut.is_dead() {
                return Err(LinkError::Closed);
            }
            let (link, hello) = self.inner.connect(server, kind).await?;
            let link: Arc<dyn Link> = Arc::new(CutLink { inner: link, cut: Arc::clone(&self.cut) });
            Ok((link, hello))
        }
        .boxed()
    }
}

struct CutLink {
    inner: Arc<dyn Link>,
    cut: Arc<Cutter>,
}

impl Link for CutLink {
    fn call_raw<'a, 'b>(&'a self, request: Request) -> BoxFuture<'b, Result<Response, LinkError>>
    where
        'a: 'b,
    {
        async move {
            let (carried_out, answered) = self.cut.judge(request.name());
            if !carried_out {
                return Err(LinkError::Closed);
            }
            let answer = self.inner.call_raw(request).await;
            if answered { answer } else { Err(LinkError::Closed) }
        }
        .boxed()
    }

    fn stream_raw<'a, 'b>(&'a self, request: Request) -> BoxFuture<'b, Result<ResponseStream, LinkError>>
    where
        'a: 'b,
    {
        self.inner.stream_raw(request)
    }

    fn fingerprint(&self) -> Fingerprint {
        self.inner.fingerprint()
    }

    fn kind(&self) -> ConnectionKind {
        self.inner.kind()
    }

    fn closed<'a, 'b>(&'a self) -> BoxFuture<'b, ()>
    where
        'a: 'b,
    {
        self.inner.closed()
    }

    fn close(&self) {
        self.inner.close();
    }
}
