//! Why a link could not be made, or a call on it failed.

use quicprochat_wire::{CallFailure, CodecError, Fingerprint, codec::frame::FrameTooLarge};

/// What can go wrong on a link, apart from what the caller has to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// The server cannot be reached now; trying again later may help.
    #[error("the server cannot be reached")]
    Unreachable(#[from] Unreachable),
    /// Somebody answered who is not the server of the link. Never retried silently: the user must be told.
    #[error("the server shows {found} but the link names {expected}")]
    WrongFingerprint {
        /// The key that the link names.
        expected: Fingerprint,
        /// The key that was shown.
        found: Fingerprint,
    },
    /// The server authenticated itself but does not speak the protocol.
    #[error("the server breaks the protocol")]
    Protocol(#[from] Violation),
    /// The request breaks a limit of the protocol and was not sent.
    #[error("the request cannot be sent")]
    Unsendable(#[source] CodecError),
    /// The connection is over; connect again.
    #[error("the connection is closed")]
    Closed,
    /// The server understood the call and refused it.
    #[error("refused: {0}")]
    Refused(CallFailure),
}

/// Why a server cannot be reached.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Unreachable {
    /// The host name has no address.
    #[error("the host name cannot be resolved")]
    Resolve(#[source] Option<std::io::Error>),
    /// No answer in time.
    #[error("no answer in time")]
    TimedOut,
    /// The server, or the way to it, refused the connection.
    #[error("the connection was refused")]
    Refused,
    /// Server and client have no key exchange or protocol version in common.
    #[error("server and client have no TLS parameters in common")]
    Handshake,
    /// This machine cannot open a socket.
    #[error("no socket can be opened")]
    Socket(#[source] std::io::Error),
}

/// How a peer broke the protocol.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Violation {
    /// A frame is longer than agreed.
    #[error("a frame of {found} bytes exceeds the limit of {limit}")]
    FrameTooLarge {
        /// Agreed limit, bytes.
        limit: usize,
        /// Announced length, bytes.
        found: usize,
    },
    /// A frame holds no well-formed answer.
    #[error("an answer cannot be decoded")]
    Codec(#[from] CodecError),
    /// The stream ended within a frame, or before the answer.
    #[error("the stream ended before the answer was complete")]
    Truncated,
    /// More came than one answer.
    #[error("bytes follow the answer")]
    Trailing,
    /// An answer to another call.
    #[error("the answer does not fit the call {method}")]
    UnexpectedResponse {
        /// Name of the call.
        method: &'static str,
    },
    /// The server chose a version that was not offered.
    #[error("the server speaks version {found}")]
    Version {
        /// The version in its answer to `hello`.
        found: u16,
    },
}

impl LinkError {
    /// The refusal, if the server understood the call and refused it.
    #[must_use]
    pub const fn refusal(&self) -> Option<&CallFailure> {
        match self {
            Self::Refused(failure) => Some(failure),
            Self::Unreachable(_)
            | Self::WrongFingerprint { .. }
            | Self::Protocol(_)
            | Self::Unsendable(_)
            | Self::Closed => None,
        }
    }
}

impl From<CallFailure> for LinkError {
    fn from(failure: CallFailure) -> Self {
        Self::Refused(failure)
    }
}

impl From<FrameTooLarge> for Violation {
    fn from(FrameTooLarge { limit, found }: FrameTooLarge) -> Self {
        Self::FrameTooLarge { limit, found }
    }
}
