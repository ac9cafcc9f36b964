//! What can fail while the engine handles an input.

use quicprochat_e2ee::E2eeError;

use crate::store::StoreFault;

/// The engine could not handle an input. The transaction is to be rolled back and the engine dropped; a new one on the same
/// store goes on where the last commit left off.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreFault),
    /// Something stored by this device is not usable (its own identity part or keys).
    #[error("what the store holds of this device is damaged")]
    OwnState,
    /// Cryptography refused where no input from outside has a say.
    #[error("an own operation was refused")]
    Crypto(#[source] E2eeError),
}

impl From<E2eeError> for EngineError {
    #[expect(clippy::wildcard_enum_match_arm, reason = "everything but the store's faults is of one kind here")]
    fn from(error: E2eeError) -> Self {
        match error {
            E2eeError::Store(fault) => Self::Store(fault.into()),
            other => Self::Crypto(other),
        }
    }
}
