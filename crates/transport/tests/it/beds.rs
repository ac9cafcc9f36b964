//! Where the suite runs: a server with a connector that reaches it, and a way to send it raw bytes.

use std::sync::Arc;

use async_trait::async_trait;
use futures::StreamExt as _;
use quicprochat_transport::{
    Connector, Listener, MemoryConnector, MemoryLink, QuicConnector, ServerIdentity, quic::ServerConfig,
};
use quicprochat_wire::{Answer, ConnectionKind, Fingerprint, ServerLink, codec, codec::frame::FrameReader};
use tokio::{sync::oneshot, task::JoinHandle};

use crate::{raw, sam::Sam};

#[async_trait]
pub(crate) trait Bed: Sized + Send {
    async fn start(sam: Arc<Sam>) -> Self;
    fn connector(&self) -> &dyn Connector;
    fn link(&self) -> ServerLink;
    /// A connection on which nothing has been said.
    async fn raw(&self) -> Box<dyn Raw>;
}

#[async_trait]
pub(crate) trait Raw: Send + Sync {
    /// Puts bytes on a stream of its own, ends it, and waits for all that comes back.
    async fn exchange(&self, bytes: &[u8]) -> Vec<Answer>;
}

pub(crate) struct Memory(MemoryConnector<Sam>);

#[async_trait]
impl Bed for Memory {
    async fn start(sam: Arc<Sam>) -> Self {
        Self(MemoryConnector::new(sam, Fingerprint::new([1; 32])))
    }

    fn connector(&self) -> &dyn Connector {
        &self.0
    }

    fn link(&self) -> ServerLink {
        ServerLink::new("sam.example", 1, Fingerprint::new([1; 32])).expect("valid parts")
    }

    async fn raw(&self) -> Box<dyn Raw> {
        Box::new(self.0.open(ConnectionKind::Account))
    }
}

#[async_trait]
impl Raw for MemoryLink<Sam> {
    async fn exchange(&self, bytes: &[u8]) -> Vec<Answer> {
        let frames: Vec<Vec<u8>> = Self::exchange(self, bytes).await.collect().await;
        let decode = |frame: &Vec<u8>| {
            let mut reader = FrameReader::new(usize::MAX);
            reader.push(frame);
            codec::decode_response(reader.next_frame().expect("no limit").expect("whole")).expect("well-formed")
        };
        frames.iter().map(decode).collect()
    }
}

pub(crate) struct Quic {
    connector: QuicConnector,
    pub(crate) link: ServerLink,
    pub(crate) address: std::net::SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    pub(crate) serving: Option<JoinHandle<()>>,
}

impl Quic {
    pub(crate) fn with(sam: Arc<Sam>, config: ServerConfig) -> Self {
        let identity = ServerIdentity::generate("sam.example").expect("a certificate");
        let listener = Listener::bind("127.0.0.1:0".parse().expect("an address"), &identity, config).expect("a port");
        let address = listener.local_addr();
        let link = ServerLink::new("127.0.0.1", address.port(), identity.fingerprint()).expect("valid parts");
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = tokio::spawn(listener.serve(sam, async move { drop(stopped.await) }));
        Self { connector: QuicConnector::default(), link, address, stop: Some(stop), serving: Some(serving) }
    }

    pub(crate) fn stop(&mut self) {
        drop(self.stop.take());
    }
}

#[async_trait]
impl Bed for Quic {
    async fn start(sam: Arc<Sam>) -> Self {
        Self::with(sam, ServerConfig::default())
    }

    fn connector(&self) -> &dyn Connector {
        &self.connector
    }

    fn link(&self) -> ServerLink {
        self.link.clone()
    }

    async fn raw(&self) -> Box<dyn Raw> {
        let (connection, _) =
            raw::connect(self.address, raw::HYBRID, quinn::TransportConfig::default()).await.expect("a connection");
        Box::new(connection)
    }
}

#[async_trait]
impl Raw for quinn::Connection {
    async fn exchange(&self, bytes: &[u8]) -> Vec<Answer> {
        raw::exchange(self, bytes).await
    }
}
