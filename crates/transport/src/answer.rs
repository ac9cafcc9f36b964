//! The client's side of what every link does alike: `hello`, and taking answers out of frames.

use futures::{Stream, StreamExt as _, future};
use quicprochat_wire::{
    ConnectionKind, Response,
    call::session::{Hello, HelloReply},
    codec::{self, frame::FrameReader},
    limits::PROTOCOL_VERSION,
};

use crate::{
    error::{LinkError, Violation},
    link::{self, Link, ResponseStream},
};

/// Says `hello` and checks the version in the answer.
pub(crate) async fn say_hello(link: &dyn Link, kind: ConnectionKind) -> Result<HelloReply, LinkError> {
    let reply = link::call(link, Hello { version: PROTOCOL_VERSION, kind }).await?;
    if reply.version == PROTOCOL_VERSION { Ok(reply) } else { Err(Violation::Version { found: reply.version }.into()) }
}

/// Decodes a message.
pub(crate) fn decode(message: &[u8]) -> Result<Response, LinkError> {
    codec::decode_response(message).map_err(Violation::Codec)?.map_err(LinkError::Refused)
}

/// The answer of a stream that has ended: exactly one frame.
pub(crate) fn only(frames: &mut FrameReader) -> Result<Response, LinkError> {
    let answer = decode(frames.next_frame().map_err(Violation::from)?.ok_or(Violation::Truncated)?);
    if frames.is_empty() { answer } else { Err(Violation::Trailing.into()) }
}

/// Lets an error be the last item.
pub(crate) fn until_error(items: impl Stream<Item = Result<Response, LinkError>> + Send + 'static) -> ResponseStream {
    items
        .scan(false, |failed, item| {
            let over = core::mem::replace(failed, item.is_err());
            future::ready((!over).then_some(item))
        })
        .boxed()
}
