//! What a server implements to answer calls, whatever link they come over.

use std::{net::SocketAddr, sync::Arc};

use async_trait::async_trait;
use futures::stream::BoxStream;
use quicprochat_wire::{CallFailure, ErrorCode, Request, Response};

/// What a handler answers.
pub enum Reply {
    /// One response.
    One(Response),
    /// A refusal.
    Failure(CallFailure),
    /// Responses as they come up; a refusal ends the stream. It is dropped when the client stops listening.
    Stream(BoxStream<'static, Result<Response, CallFailure>>),
}

/// Answers calls. One task per call: calls of a connection run side by side, and none may block the thread.
#[async_trait]
pub trait Handler: Send + Sync + 'static {
    /// What the server knows of a connection: kind, challenge, who authenticated, which keys are attached.
    type Connection: Send + Sync + 'static;

    /// A connection came up; nothing has been said on it. `remote` is where from (an unspecified address in memory).
    fn open(&self, remote: SocketAddr) -> Self::Connection;

    /// Answers a well-formed call. Before `hello` has been answered, only `hello` arrives here.
    async fn call(&self, connection: &Arc<Self::Connection>, request: Request) -> Reply;

    /// The connection is over and none of its calls runs any more.
    fn close(&self, _connection: &Self::Connection) {}
}

impl From<CallFailure> for Reply {
    fn from(failure: CallFailure) -> Self {
        Self::Failure(failure)
    }
}

impl From<ErrorCode> for Reply {
    fn from(code: ErrorCode) -> Self {
        Self::Failure(code.into())
    }
}

impl From<Response> for Reply {
    fn from(response: Response) -> Self {
        Self::One(response)
    }
}

impl From<Result<Response, CallFailure>> for Reply {
    fn from(answer: Result<Response, CallFailure>) -> Self {
        match answer {
            Ok(response) => Self::One(response),
            Err(failure) => Self::Failure(failure),
        }
    }
}
