//! Calls as Cap'n Proto messages of `schema/qpc.capnp`, and back.
//!
//! One file a service. Both directions check every length against [`crate::limits`], so that nobody sends what the other side
//! must refuse; decoding never panics, and its work and memory are bounded by the size of the message.
//!
//! ```text
//!   Request ──encode_request──▶ message ──frame──▶ stream ──frame::FrameReader──▶ message ──decode_request──▶ Request
//! ```

mod archive;
mod auth;
mod channel;
mod channel_restore;
mod channel_tree;
mod directory;
mod error;
mod field;
pub mod frame;
mod inbox;
mod linking;
mod request;
mod response;
mod session;
mod token;
mod vault;

use capnp::{message, serialize};

pub use error::{CodecError, Malformed, refusal};

use crate::{
    call::{Request, Response},
    error::CallFailure,
    schema::qpc_capnp,
};

/// What a server answers: a response, or a refusal.
pub type Answer = Result<Response, CallFailure>;

/// Words of the first segment of a message; larger ones get further segments.
const FIRST_SEGMENT_WORDS: u32 = 128;
/// Structs within structs; the schema has at most 5.
const NESTING_LIMIT: i32 = 8;

/// Encodes a request as a Cap'n Proto message, without the length of its frame.
///
/// Errors:   a length that breaks [`crate::limits`]; the message would be refused.
pub fn encode_request(request: &Request) -> Result<Vec<u8>, CodecError> {
    let mut out = Vec::new();
    encode_request_into(request, &mut out)?;
    Ok(out)
}

/// Encodes an answer as a Cap'n Proto message, without the length of its frame.
///
/// Errors:   a length that breaks [`crate::limits`]; the message would be refused.
pub fn encode_response(answer: &Answer) -> Result<Vec<u8>, CodecError> {
    let mut out = Vec::new();
    encode_response_into(answer, &mut out)?;
    Ok(out)
}

/// Decodes a request from exactly one Cap'n Proto message.
pub fn decode_request(message: &[u8]) -> Result<Request, CodecError> {
    let reader = open(message)?;
    request::read(reader.get_root::<qpc_capnp::request::Reader<'_>>()?)
}

/// Decodes an answer from exactly one Cap'n Proto message.
pub fn decode_response(message: &[u8]) -> Result<Answer, CodecError> {
    let reader = open(message)?;
    response::read(reader.get_root::<qpc_capnp::response::Reader<'_>>()?)
}

fn encode_request_into(request: &Request, out: &mut Vec<u8>) -> Result<(), CodecError> {
    let mut message = new_message();
    request::write(request, message.init_root::<qpc_capnp::request::Builder<'_>>())?;
    append(&message, out)
}

fn encode_response_into(answer: &Answer, out: &mut Vec<u8>) -> Result<(), CodecError> {
    let mut message = new_message();
    response::write(answer, message.init_root::<qpc_capnp::response::Builder<'_>>())?;
    append(&message, out)
}

fn new_message() -> message::Builder<message::HeapAllocator> {
    message::Builder::new(message::HeapAllocator::new().first_segment_words(FIRST_SEGMENT_WORDS))
}

fn append(message: &message::Builder<message::HeapAllocator>, out: &mut Vec<u8>) -> Result<(), CodecError> {
    out.reserve(serialize::compute_serialized_size_in_words(message).saturating_mul(8));
    serialize::write_message(out, message)?;
    Ok(())
}

/// Reads the segment table. Every pointer is followed at most once, so twice the message bounds all honest reading.
fn open(message: &[u8]) -> Result<message::Reader<serialize::BufferSegments<&[u8]>>, CodecError> {
    let mut options = message::ReaderOptions::new();
    options.traversal_limit_in_words(Some(message.len() / 8 * 2 + 64)).nesting_limit(NESTING_LIMIT);
    let mut rest = message;
    let reader = serialize::read_message_from_flat_slice(&mut rest, options)?;
    match rest.len() {
        0 => Ok(reader),
        extra => Err(CodecError::Trailing { extra }),
    }
}
