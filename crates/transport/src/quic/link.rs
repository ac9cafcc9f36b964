//! The client's side of one connection.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt as _, stream};
use quicprochat_wire::{
    ConnectionKind, Fingerprint, Request, Response,
    codec::frame::{self, FrameReader},
    limits::MAX_FRAME_BYTES,
};
use quinn::{Connection, ConnectionError, ReadError, RecvStream, WriteError};
use tokio::time::timeout;

use super::code;
use crate::{
    answer,
    error::{LinkError, Unreachable, Violation},
    link::{Link, ResponseStream},
};

/// A connection over QUIC. It stays open as long as this or one of its subscriptions lives, or until it is closed.
#[derive(Debug)]
pub struct QuicLink {
    connection: Connection,
    fingerprint: Fingerprint,
    kind: ConnectionKind,
    call_timeout: Duration,
}

impl QuicLink {
    pub(super) const fn new(
        connection: Connection,
        fingerprint: Fingerprint,
        kind: ConnectionKind,
        call_timeout: Duration,
    ) -> Self {
        Self { connection, fingerprint, kind, call_timeout }
    }

    /// Opens a stream and puts the request on it.
    async fn send(&self, request: &Request) -> Result<RecvStream, LinkError> {
        let frame = frame::encode_request(request).map_err(LinkError::Unsendable)?;
        let (mut send, recv) = self.connection.open_bi().await.map_err(ended)?;
        match send.write_chunk(Bytes::from(frame)).await {
            // A server that has read enough to refuse stops reading; its answer says why.
            Ok(()) | Err(WriteError::Stopped(_)) => {}
            Err(WriteError::ConnectionLost(error)) => return Err(ended(error)),
            Err(WriteError::ClosedStream | WriteError::ZeroRttRejected) => return Err(LinkError::Closed),
        }
        // It fails only if the server has stopped reading.
        drop(send.finish());
        Ok(recv)
    }
}

#[async_trait]
impl Link for QuicLink {
    async fn call_raw(&self, request: Request) -> Result<Response, LinkError> {
        let call = async {
            let mut recv = self.send(&request).await?;
            let mut frames = FrameReader::new(MAX_FRAME_BYTES);
            while read_more(&mut recv, &mut frames).await? {}
            answer::only(&mut frames)
        };
        timeout(self.call_timeout, call).await.map_err(|_| Unreachable::TimedOut)?
    }

    async fn stream_raw(&self, request: Request) -> Result<ResponseStream, LinkError> {
        let recv = timeout(self.call_timeout, self.send(&request)).await.map_err(|_| Unreachable::TimedOut)??;
        let items = stream::unfold((recv, FrameReader::new(MAX_FRAME_BYTES)), |(mut recv, mut frames)| async move {
            let item = next_item(&mut recv, &mut frames).await?;
            Some((item, (recv, frames)))
        });
        Ok(answer::until_error(items.boxed()))
    }

    fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    fn kind(&self) -> ConnectionKind {
        self.kind
    }

    async fn closed(&self) {
        self.connection.closed().await;
    }

    fn close(&self) {
        self.connection.close(code::DONE, b"");
    }
}

/// The next item of a subscription; `None` at its proper end.
async fn next_item(recv: &mut RecvStream, frames: &mut FrameReader) -> Option<Result<Response, LinkError>> {
    loop {
        match frames.next_frame() {
            Ok(Some(message)) => return Some(answer::decode(message)),
            Ok(None) => {}
            Err(error) => return Some(Err(Violation::from(error).into())),
        }
        match read_more(recv, frames).await {
            Ok(true) => {}
            Ok(false) if frames.is_empty() => return None,
            Ok(false) => return Some(Err(Violation::Truncated.into())),
            Err(error) => return Some(Err(error)),
        }
    }
}

/// Reads what has arrived; false at the end of the stream.
async fn read_more(recv: &mut RecvStream, frames: &mut FrameReader) -> Result<bool, LinkError> {
    let mut chunks: [Bytes; 16] = Default::default();
    match recv.read_chunks(&mut chunks).await {
        Ok(Some(count)) => {
            for chunk in chunks.iter().take(count) {
                frames.push(chunk);
            }
            frames.announced().map_err(Violation::from)?;
            Ok(true)
        }
        Ok(None) => Ok(false),
        Err(ReadError::ConnectionLost(error)) => Err(ended(error)),
        // The server gave the stream up, because it found the client too slow or is stopping.
        Err(ReadError::Reset(_)) => Err(Unreachable::TimedOut.into()),
        Err(ReadError::ClosedStream | ReadError::IllegalOrderedRead | ReadError::ZeroRttRejected) => {
            Err(LinkError::Closed)
        }
    }
}

/// Why a standing connection ended.
fn ended(error: ConnectionError) -> LinkError {
    match error {
        ConnectionError::TimedOut => Unreachable::TimedOut.into(),
        ConnectionError::ApplicationClosed(_)
        | ConnectionError::ConnectionClosed(_)
        | ConnectionError::Reset
        | ConnectionError::LocallyClosed
        | ConnectionError::TransportError(_)
        | ConnectionError::VersionMismatch
        | ConnectionError::CidsExhausted => LinkError::Closed,
    }
}
