//! The async client library: the pure engine of `client-core`, a transport and an encrypted store, joined.
#![deny(unsafe_code)]

pub mod entropy;
pub mod home;

pub use entropy::OsEntropy;
pub use home::{Home, HomeError};
