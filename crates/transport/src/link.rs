//! What a client holds: a connection of one kind to one server, and how to get one.

use std::sync::Arc;

use async_trait::async_trait;
use futures::{StreamExt as _, stream::BoxStream};
use quicprochat_wire::{
    Call, ConnectionKind, Fingerprint, Request, Response, ServerLink,
    call::{StreamCall, UnaryCall, session::HelloReply},
};

use crate::error::{LinkError, Violation};

/// What a typed call can fail with.
pub type CallError = LinkError;

/// The items of a subscription. An error is the last item; dropping the stream tells the server to stop.
pub type ResponseStream = BoxStream<'static, Result<Response, LinkError>>;

/// A connection on which `hello` has been said. Calls run side by side; none blocks another.
#[async_trait]
pub trait Link: Send + Sync {
    /// Calls a method that is answered once.
    ///
    /// Errors:   [`LinkError::Refused`] for what the server refused, any other variant for what the link failed at.
    async fn call_raw(&self, request: Request) -> Result<Response, LinkError>;

    /// Calls a method whose answers keep coming.
    async fn stream_raw(&self, request: Request) -> Result<ResponseStream, LinkError>;

    /// The key that the server showed.
    fn fingerprint(&self) -> Fingerprint;

    /// What `hello` declared the connection to be for.
    fn kind(&self) -> ConnectionKind;

    /// Resolves when the connection is over, for whatever reason.
    async fn closed(&self);

    /// Ends the connection at once; calls under way fail with [`LinkError::Closed`].
    fn close(&self);
}

/// Opens links.
#[async_trait]
pub trait Connector: Send + Sync {
    /// Connects, checks the fingerprint, and says `hello`.
    ///
    /// Links of different kinds share nothing that an observer could join them by (DESIGN C4).
    async fn connect(
        &self,
        server: &ServerLink,
        kind: ConnectionKind,
    ) -> Result<(Arc<dyn Link>, HelloReply), LinkError>;
}

/// Calls a method and takes the answer apart by type.
pub async fn call<C: UnaryCall>(link: &dyn Link, request: C) -> Result<C::Response, CallError> {
    let request: Request = request.into();
    let method = request.name();
    expect_response::<C>(link.call_raw(request).await?, method)
}

/// Subscribes and takes each item apart by type.
pub async fn subscribe<C: StreamCall>(
    link: &dyn Link,
    request: C,
) -> Result<BoxStream<'static, Result<C::Response, CallError>>, CallError> {
    let request: Request = request.into();
    let method = request.name();
    let items = link.stream_raw(request).await?;
    Ok(items.map(move |item| item.and_then(|response| expect_response::<C>(response, method))).boxed())
}

fn expect_response<C: Call>(response: Response, method: &'static str) -> Result<C::Response, LinkError> {
    C::Response::try_from(response).map_err(|_| Violation::UnexpectedResponse { method }.into())
}
