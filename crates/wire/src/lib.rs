//! What client and server say to each other: ids, calls, error codes, limits, padding and the Cap'n Proto codec.
//!
//! This crate is layer 0: it knows no key material beyond public bytes, no socket and no clock. A newcomer starts at
//! [`call`] (the methods, a type for each request and response), then [`codec`] (how they become bytes); `docs/protocol.md`
//! is the same in prose, enough to write a client in another language.
//!
//! ```text
//!   call::Request ──codec::encode_request──▶ Cap'n Proto message ──frame──▶ stream of a connection of one kind
//! ```
#![forbid(unsafe_code)]

pub mod call;
pub mod chain;
pub mod codec;
pub mod encoding;
pub mod entropy;
pub mod error;
pub mod id;
pub mod limits;
pub mod link;
pub mod mutant;
pub mod padding;
mod schema;
pub mod time;

pub use call::{Access, Call, ConnectionKind, Request, Response};
pub use codec::{Answer, CodecError};
pub use encoding::{DecodeError, Reader, Writer};
pub use entropy::Entropy;
pub use error::{CallFailure, ErrorCode};
pub use id::{
    AccessPublicKey, AccountId, ChainHash, Challenge, ChannelId, ChunkId, DeviceId, DeviceKey, Digest, Fingerprint,
    LinkId, MessageId, ObjectId,
};
pub use link::ServerLink;
pub use time::{Duration, Timestamp};
