//! What can go wrong outside of calls, and how failures inside them are told.

use quicprochat_wire::{CallFailure, ErrorCode};

use crate::store::{Refusal, StoreFault};

/// Why the server could not start, or could not do its housekeeping.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// The database failed.
    #[error("the store failed")]
    Store(#[from] StoreFault),
    /// A stored secret of the server is not what it should be; without it nobody can sign in or spend a token.
    #[error("the stored {what} cannot be read")]
    StateDamaged {
        /// Which.
        what: &'static str,
    },
    /// A limit that cannot work.
    #[error("the limit {limit} is not usable")]
    LimitInvalid {
        /// Which.
        limit: &'static str,
    },
}

impl From<Refusal> for ServerError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Store(fault) => Self::Store(fault),
            // Housekeeping refuses itself nothing; were it to, its transaction was undone all the same.
            Refusal::Call(_) => Self::Store(StoreFault::Closed),
        }
    }
}

/// What a caller is told.
pub(crate) fn failure(refusal: Refusal, method: &'static str) -> CallFailure {
    match refusal {
        Refusal::Call(failure) => failure,
        Refusal::Store(fault @ (StoreFault::Full | StoreFault::Closed)) => {
            tracing::warn!(method, %fault, "the store refuses work");
            ErrorCode::Unavailable.into()
        }
        Refusal::Store(fault) => {
            tracing::error!(method, %fault, "the store failed");
            ErrorCode::Internal.into()
        }
    }
}
