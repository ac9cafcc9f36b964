//! What can go wrong in the client library, by what the caller can do about it.

use quicprochat_client_core::{auth::CeremonyError, store::StoreFault, trust::TrustError};
use quicprochat_identity::IdentityError;
use quicprochat_transport::LinkError;

use crate::{HomeError, RunError, SessionError, StoreError};

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The home directory or its key.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// The store does not open.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store failed; nothing of the transaction was kept.
    #[error(transparent)]
    Fault(#[from] StoreFault),
    /// The connection, or what the server refused.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// Registration, sign-in, devices or password.
    #[error(transparent)]
    Ceremony(#[from] CeremonyError),
    /// A record that does not verify.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// Somebody's keys.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// A command of the engine.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The engine ended.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// Cryptography of the group library.
    #[error(transparent)]
    E2ee(#[from] quicprochat_e2ee::E2eeError),
    /// A backup file.
    #[error(transparent)]
    Backup(#[from] crate::backup::BackupFileError),
    /// This home has no account yet.
    #[error("this home has no account; run register or login first")]
    NotRegistered,
    /// The server does not know this device, and does not say that it was revoked.
    #[error("the server does not know this device (any more)")]
    DeviceUnknown,
    /// This home has an account.
    #[error("this home belongs to {name} already; use another --home")]
    AlreadyRegistered {
        /// Whose.
        name: String,
    },
    /// No device of the account has this id.
    #[error("the account has no device {id}")]
    UnknownDevice {
        /// As it was given.
        id: String,
    },
    /// The device would revoke itself.
    #[error("this is the device itself; run account delete, or revoke it from another device")]
    OwnDevice,
    /// The account was changed on another device at the same time, again and again.
    #[error("another device changed the account at the same time; try again")]
    Contended,
    /// Linking a device.
    #[error(transparent)]
    Linking(#[from] crate::LinkProblem),
    /// A worker thread failed.
    #[error("a worker thread failed")]
    Worker,
}
