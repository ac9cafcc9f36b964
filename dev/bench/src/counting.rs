//! A connector that counts what a client asks, calls and bytes of pages, and can make the network slow.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use futures::StreamExt as _;
use quicprochat_client::transport::{Connector, Link, LinkError, QuicConnector, ResponseStream};
use quicprochat_wire::{ConnectionKind, Fingerprint, Request, Response, ServerLink, call::session::HelloReply};

/// What was asked so far.
#[derive(Default, Debug)]
pub(crate) struct Counts {
    calls: AtomicU64,
    bytes: AtomicU64,
}

impl Counts {
    /// Calls, connecting among them.
    pub(crate) fn calls(&self) -> u64 {
        self.calls.load(Ordering::SeqCst)
    }

    /// Sealed bytes in pages of channels, and in objects of an archive.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::SeqCst)
    }

    fn page(&self, answer: &Result<Response, LinkError>) {
        if let Ok(Response::ChannelPage(page)) = answer {
            let sealed: usize = page.entries.iter().map(|entry| entry.sealed.len()).sum();
            self.bytes.fetch_add(u64::try_from(sealed).unwrap_or(u64::MAX), Ordering::SeqCst);
        }
        if let Ok(Response::ArchiveObject(object)) = answer {
            self.bytes.fetch_add(u64::try_from(object.sealed.len()).unwrap_or(u64::MAX), Ordering::SeqCst);
        }
    }
}

/// QUIC, counted.
#[derive(Clone, Default)]
pub(crate) struct CountingConnector {
    pub(crate) quic: QuicConnector,
    /// So much later than it comes is an answer handed on: the round trip of a slow network.
    pub(crate) delay: Duration,
    pub(crate) counts: Arc<Counts>,
}

impl CountingConnector {
    async fn ask<T>(&self, asked: impl Future<Output = T>) -> T {
        self.counts.calls.fetch_add(1, Ordering::SeqCst);
        let answer = asked.await;
        tokio::time::sleep(self.delay).await;
        answer
    }
}

#[async_trait]
impl Connector for CountingConnector {
    async fn connect(
        &self,
        server: &ServerLink,
        kind: ConnectionKind,
    ) -> Result<(Arc<dyn Link>, HelloReply), LinkError> {
        let (link, hello) = self.ask(self.quic.connect(server, kind)).await?;
        Ok((Arc::new(CountingLink { link, connector: self.clone() }), hello))
    }
}

struct CountingLink {
    link: Arc<dyn Link>,
    connector: CountingConnector,
}

#[async_trait]
impl Link for CountingLink {
    async fn call_raw(&self, request: Request) -> Result<Response, LinkError> {
        let answer = self.connector.ask(self.link.call_raw(request)).await;
        self.connector.counts.page(&answer);
        answer
    }

    async fn stream_raw(&self, request: Request) -> Result<ResponseStream, LinkError> {
        let counts = Arc::clone(&self.connector.counts);
        let items = self.connector.ask(self.link.stream_raw(request)).await?;
        Ok(items.inspect(move |item| counts.page(item)).boxed())
    }

    fn fingerprint(&self) -> Fingerprint {
        self.link.fingerprint()
    }

    fn kind(&self) -> ConnectionKind {
        self.link.kind()
    }

    async fn closed(&self) {
        self.link.closed().await;
    }

    fn close(&self) {
        self.link.close();
    }
}
