//! What goes into the engine.

use quicprochat_wire::{CallFailure, ConnectionKind, Response, call::session::HelloReply, time::Duration};

use crate::command::{Command, CommandError, CommandId};

/// Numbers a call of one engine; never reused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RequestId(pub u64);

/// Numbers a subscription of one engine; never reused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SubscriptionId(pub u64);

/// Why a call got no answer from the server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CallError {
    /// The server refused.
    Refused(CallFailure),
    /// The connection was lost first. Whether the server acted is unknown.
    LinkLost,
}

impl CallError {
    /// How long the server asks to wait.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused(failure) => failure.retry_after,
            Self::LinkLost => None,
        }
    }
}

/// Why a link is down.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LinkDownReason {
    /// It could not be opened, or it broke.
    Unreachable,
    /// The server showed another key than the link says.
    WrongFingerprint,
    /// The server does not speak this version.
    Unsupported,
    /// It was there, and the server does not know this device. The engine finds that out itself.
    DeviceUnknown,
}

impl LinkDownReason {
    /// What it means for a command that needs the link and has begun nothing.
    pub(crate) const fn error(self) -> CommandError {
        match self {
            Self::DeviceUnknown => CommandError::DeviceUnknown,
            Self::Unreachable | Self::WrongFingerprint | Self::Unsupported => {
                CommandError::Unreachable { unfinished: false }
            }
        }
    }
}

/// Everything the engine can be told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Input {
    /// The first input of every engine: loads what the store has.
    Start,
    /// The deadline of `poll_timeout` has come (or the shell felt like it).
    Tick,
    /// Somebody asks for something.
    Command(CommandId, Command),
    /// A connection of this kind is open and `hello` was answered. Answers [`crate::Effect::Connect`].
    LinkUp {
        /// Which kind.
        kind: ConnectionKind,
        /// The server's answer to `hello`.
        hello: HelloReply,
    },
    /// The connection of this kind is closed or could not be opened. Calls and subscriptions on it are over.
    LinkDown {
        /// Which kind.
        kind: ConnectionKind,
        /// Why.
        reason: LinkDownReason,
    },
    /// The answer to a call.
    Response(RequestId, Result<Response, CallError>),
    /// The next response of a subscription.
    Push(SubscriptionId, Response),
    /// A subscription ended.
    Ended(SubscriptionId, CallError),
}
