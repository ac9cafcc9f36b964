//! The server's side of one connection, whatever carries it: decodes requests, holds back everything before `hello`, encodes
//! answers.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use futures::{StreamExt as _, stream::BoxStream};
use quicprochat_wire::{
    Answer, ErrorCode, Request, Response,
    codec::{self, frame},
    limits::MAX_FIRST_FRAME_BYTES,
};

use crate::server::{Handler, Reply};

/// One connection of a handler.
pub(crate) struct Session<H: Handler> {
    handler: Arc<H>,
    connection: Arc<H::Connection>,
    greeted: AtomicBool,
    frame_bytes: usize,
}

/// What goes back on a stream, as frames.
pub(crate) enum Outgoing {
    /// One frame.
    One(Vec<u8>),
    /// Frame after frame, until it ends.
    Many(BoxStream<'static, Vec<u8>>),
}

impl<H: Handler> Session<H> {
    /// Begins a connection; from `hello` on it accepts frames of up to `frame_bytes`.
    pub(crate) fn open(handler: Arc<H>, remote: SocketAddr, frame_bytes: usize) -> Self {
        let connection = Arc::new(handler.open(remote));
        Self { handler, connection, greeted: AtomicBool::new(false), frame_bytes }
    }

    /// Whether `hello` has been answered.
    pub(crate) fn greeted(&self) -> bool {
        self.greeted.load(Ordering::Acquire)
    }

    /// Largest frame that is accepted now.
    pub(crate) fn frame_limit(&self) -> usize {
        if self.greeted() { self.frame_bytes } else { self.frame_bytes.min(MAX_FIRST_FRAME_BYTES) }
    }

    /// Answers a message.
    pub(crate) async fn answer(&self, message: &[u8]) -> Outgoing {
        let request = match codec::decode_request(message) {
            Ok(request) => request,
            Err(error) => {
                tracing::debug!(%error, "a request cannot be decoded");
                return Outgoing::One(refusal(codec::refusal(&error)));
            }
        };
        let is_hello = matches!(request, Request::Hello(_));
        if !is_hello && !self.greeted() {
            return Outgoing::One(refusal(ErrorCode::WrongConnection));
        }
        let (method, is_stream) = (request.name(), request.is_stream());
        match self.handler.call(&self.connection, request).await {
            Reply::One(response) => {
                if is_hello && matches!(response, Response::Hello(_)) {
                    self.greeted.store(true, Ordering::Release);
                }
                Outgoing::One(encode(&Ok(response)))
            }
            Reply::Failure(failure) => Outgoing::One(encode(&Err(failure))),
            Reply::Stream(items) if is_stream => Outgoing::Many(items.map(|answer| encode(&answer)).boxed()),
            Reply::Stream(_) => {
                tracing::error!(method, "the handler answers a single call with a stream");
                Outgoing::One(refusal(ErrorCode::Internal))
            }
        }
    }
}

impl<H: Handler> Drop for Session<H> {
    fn drop(&mut self) {
        self.handler.close(&self.connection);
    }
}

/// The frame of a refusal.
pub(crate) fn refusal(code: ErrorCode) -> Vec<u8> {
    encode(&Err(code.into()))
}

fn encode(answer: &Answer) -> Vec<u8> {
    match frame::encode_response(answer) {
        Ok(frame) => frame,
        Err(error) => {
            tracing::error!(%error, "the handler's answer breaks the limits of the protocol");
            frame::encode_response(&Err(ErrorCode::Internal.into())).unwrap_or_default()
        }
    }
}
