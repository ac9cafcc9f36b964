//! What comes out of the engine, after its transaction is committed.

use quicprochat_wire::{ConnectionKind, Request};

use crate::{
    command::{CommandError, CommandId, Outcome},
    event::Event,
    input::{RequestId, SubscriptionId},
};

/// What the shell must do.
#[derive(Clone, PartialEq, Debug)]
pub enum Effect {
    /// Open a connection of this kind and say hello; answer with `LinkUp` or `LinkDown`.
    Connect {
        /// Which kind.
        kind: ConnectionKind,
    },
    /// Close the connection of this kind; no `LinkDown` is expected.
    Disconnect {
        /// Which kind.
        kind: ConnectionKind,
    },
    /// Make a call on the connection of this kind; answer with `Response`.
    Call {
        /// To be returned.
        id: RequestId,
        /// On which connection.
        kind: ConnectionKind,
        /// What.
        request: Request,
    },
    /// Make a streaming call on the connection of this kind; answer with `Push` for each item and one `Ended`.
    Subscribe {
        /// To be returned.
        id: SubscriptionId,
        /// On which connection.
        kind: ConnectionKind,
        /// What.
        request: Request,
    },
    /// Stop a streaming call; its `Ended` may be left out.
    Unsubscribe {
        /// Which.
        id: SubscriptionId,
    },
    /// Tell whoever listens.
    Notify(Event),
    /// Answer a command. The last thing said of it.
    CommandDone {
        /// Which.
        id: CommandId,
        /// What came of it.
        result: Result<Outcome, CommandError>,
    },
}
