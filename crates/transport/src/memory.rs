//! A link within the process: calls reach the handler as the same bytes that a network would carry.

use std::{
    net::{Ipv6Addr, SocketAddr},
    sync::Arc,
};

use async_trait::async_trait;
use futures::{StreamExt as _, future, stream, stream::BoxStream};
use quicprochat_wire::{
    ConnectionKind, ErrorCode, Fingerprint, Request, Response, ServerLink,
    call::session::HelloReply,
    codec::frame::{self, FrameReader},
    limits::MAX_FRAME_BYTES,
};
use tokio::sync::watch;

use crate::{
    answer,
    error::LinkError,
    link::{Connector, Link, ResponseStream},
    server::Handler,
    session::{Outgoing, Session, refusal},
};

/// Connects to a handler in the same process, which plays the server with the given fingerprint.
pub struct MemoryConnector<H: Handler> {
    handler: Arc<H>,
    fingerprint: Fingerprint,
}

impl<H: Handler> MemoryConnector<H> {
    /// Every connection goes to `handler`, whatever host and port a link names.
    #[must_use]
    pub const fn new(handler: Arc<H>, fingerprint: Fingerprint) -> Self {
        Self { handler, fingerprint }
    }

    /// A connection on which nothing has been said yet.
    #[must_use]
    pub fn open(&self, kind: ConnectionKind) -> MemoryLink<H> {
        let remote = SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0));
        let session = Arc::new(Session::open(Arc::clone(&self.handler), remote, MAX_FRAME_BYTES));
        MemoryLink { session: Arc::new(watch::Sender::new(Some(session))), fingerprint: self.fingerprint, kind }
    }
}

#[async_trait]
impl<H: Handler> Connector for MemoryConnector<H> {
    async fn connect(
        &self,
        server: &ServerLink,
        kind: ConnectionKind,
    ) -> Result<(Arc<dyn Link>, HelloReply), LinkError> {
        if *server.fingerprint() != self.fingerprint {
            return Err(LinkError::WrongFingerprint { expected: *server.fingerprint(), found: self.fingerprint });
        }
        let link = self.open(kind);
        let hello = answer::say_hello(&link, kind).await?;
        Ok((Arc::new(link), hello))
    }
}

type Open<H> = watch::Sender<Option<Arc<Session<H>>>>;

/// A connection within the process.
pub struct MemoryLink<H: Handler> {
    /// `None` once closed.
    session: Arc<Open<H>>,
    fingerprint: Fingerprint,
    kind: ConnectionKind,
}

impl<H: Handler> MemoryLink<H> {
    /// Puts `bytes` on a stream of its own, ends it, and gives the frames that come back until the stream or the connection
    /// ends: what a client may do that knows no rules.
    pub async fn exchange(&self, bytes: &[u8]) -> BoxStream<'static, Vec<u8>> {
        let Some(session) = self.session.borrow().clone() else { return stream::empty().boxed() };
        let mut frames = FrameReader::new(session.frame_limit());
        frames.push(bytes);
        let outgoing = match frames.next_frame().map(|message| message.map(<[u8]>::to_vec)) {
            Ok(Some(message)) if frames.is_empty() => {
                tokio::select! {
                    outgoing = session.answer(&message) => outgoing,
                    () = wait_until_closed(&self.session) => return stream::empty().boxed(),
                }
            }
            Ok(_) => Outgoing::One(refusal(ErrorCode::BadRequest)),
            Err(_) => Outgoing::One(refusal(ErrorCode::TooLarge)),
        };
        match outgoing {
            Outgoing::One(frame) => stream::once(future::ready(frame)).boxed(),
            Outgoing::Many(frames) => {
                let session = Arc::clone(&self.session);
                frames.take_until(Box::pin(async move { wait_until_closed(&session).await })).boxed()
            }
        }
    }

    fn is_closed(&self) -> bool {
        self.session.borrow().is_none()
    }
}

#[async_trait]
impl<H: Handler> Link for MemoryLink<H> {
    async fn call_raw(&self, request: Request) -> Result<Response, LinkError> {
        let bytes = frame::encode_request(&request).map_err(LinkError::Unsendable)?;
        let mut frames = self.exchange(&bytes).await;
        if self.is_closed() {
            return Err(LinkError::Closed);
        }
        let first = frames.next().await;
        let mut reader = FrameReader::new(MAX_FRAME_BYTES);
        reader.push(&first.ok_or(LinkError::Closed)?);
        if let Some(more) = frames.next().await {
            reader.push(&more);
        }
        answer::only(&mut reader)
    }

    async fn stream_raw(&self, request: Request) -> Result<ResponseStream, LinkError> {
        let bytes = frame::encode_request(&request).map_err(LinkError::Unsendable)?;
        let frames = self.exchange(&bytes).await;
        if self.is_closed() {
            return Err(LinkError::Closed);
        }
        let session = Arc::clone(&self.session);
        // Frames end either because the server has no more, or because the connection does.
        let end = stream::once(async move { session.borrow().is_none().then_some(Err(LinkError::Closed)) });
        let items = frames.map(|frame| {
            let mut reader = FrameReader::new(MAX_FRAME_BYTES);
            reader.push(&frame);
            Some(answer::only(&mut reader))
        });
        Ok(answer::until_error(items.chain(end).filter_map(future::ready)))
    }

    fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    fn kind(&self) -> ConnectionKind {
        self.kind
    }

    async fn closed(&self) {
        wait_until_closed(&self.session).await;
    }

    fn close(&self) {
        self.session.send_replace(None);
    }
}

async fn wait_until_closed<H: Handler>(session: &Open<H>) {
    let mut state = session.subscribe();
    // It fails only when the sender is gone, which is borrowed here.
    drop(state.wait_for(Option::is_none).await);
}
