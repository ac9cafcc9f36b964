//! The async client library: the pure engine of `client-core`, a transport and an encrypted store, joined.
//!
//! [`Client`] is a home in use: it registers, logs in, manages devices and starts [`Session`]s, in which an engine runs on
//! the store and the network. What a person sees of the store is in [`core::views`].
#![deny(unsafe_code)]

pub mod backup;
mod client;
pub mod diagnosis;
pub mod entropy;
mod error;
pub mod home;
pub mod repair;
pub mod session;
pub mod store;

pub use client::{
    AdmittedDevice, Client, DeviceView, JoiningLink, LinkProblem, MetDevice, OfferedLink, Registered, RenewedRecord,
};
pub use entropy::{OsEntropy, now};
pub use error::ClientError;
pub use home::{Home, HomeError, Passphrase, StoreKey};
pub use quicprochat_client_core as core;
pub use quicprochat_identity as identity;
pub use quicprochat_transport as transport;
pub use session::{RunError, Session, SessionError};
pub use store::{Store, StoreError};
