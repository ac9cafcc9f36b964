//! Why bytes are not a message of the protocol, and what a server answers to them.

use crate::error::ErrorCode;

/// Why a message cannot be encoded or decoded.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CodecError {
    /// The bytes are no Cap'n Proto message, or one that is truncated or points outside of itself.
    #[error("not a well-formed message")]
    Malformed(#[source] Malformed),
    /// Bytes follow the message.
    #[error("{extra} bytes follow the message")]
    Trailing {
        /// How many.
        extra: usize,
    },
    /// The number of the method is reserved or above those of this version.
    #[error("unknown method")]
    UnknownMethod,
    /// The number of the response is above those of this version.
    #[error("unknown response {number}")]
    UnknownResponse {
        /// Union ordinal.
        number: u16,
    },
    /// The value of an enumeration or an inner union is none of this version's.
    #[error("unknown value {found} of {field}")]
    UnknownValue {
        /// Name of the field.
        field: &'static str,
        /// Value found.
        found: u16,
    },
    /// A field is longer than its limit.
    #[error("{field} has length {found}, its limit is {limit}")]
    TooLong {
        /// Name of the field.
        field: &'static str,
        /// Largest length allowed.
        limit: usize,
        /// Length found.
        found: usize,
    },
    /// A field does not have its exact length.
    #[error("{field} has length {found}, not {expected}")]
    BadLength {
        /// Name of the field.
        field: &'static str,
        /// The one length allowed.
        expected: usize,
        /// Length found.
        found: usize,
    },
    /// A text is not UTF-8.
    #[error("{field} is not UTF-8")]
    NotUtf8 {
        /// Name of the field.
        field: &'static str,
    },
}

/// What the serialisation library says of a message that is not well-formed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Malformed(capnp::ErrorKind);

impl core::fmt::Display for Malformed {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.0.fmt(f)
    }
}

impl core::error::Error for Malformed {}

impl From<capnp::Error> for CodecError {
    fn from(error: capnp::Error) -> Self {
        Self::Malformed(Malformed(error.kind))
    }
}

/// The code that a request which cannot be decoded is answered with.
#[must_use]
pub const fn refusal(error: &CodecError) -> ErrorCode {
    match error {
        CodecError::UnknownMethod => ErrorCode::UnknownMethod,
        CodecError::TooLong { .. } => ErrorCode::TooLarge,
        CodecError::Malformed(_)
        | CodecError::Trailing { .. }
        | CodecError::UnknownResponse { .. }
        | CodecError::UnknownValue { .. }
        | CodecError::BadLength { .. }
        | CodecError::NotUtf8 { .. } => ErrorCode::BadRequest,
    }
}
