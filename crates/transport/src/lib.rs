//! Links that carry the calls of [`quicprochat_wire`] between client and server.
//!
//! A newcomer starts at [`link`] (what a client holds), [`typed`] (the same with calls kept apart by kind of connection) and
//! [`server`] (what a server implements). Only this crate names QUIC.
//!
//! ```text
//!   typed::{AccountLink, ChannelLink, LookupLink} ──▶ link::Link ──frames──▶ server::Handler
//! ```
#![forbid(unsafe_code)]

mod answer;
pub mod error;
pub mod link;
pub mod memory;
pub mod quic;
pub mod server;
mod session;
pub mod typed;

pub use error::{LinkError, Unreachable, Violation};
pub use link::{CallError, Connector, Link, ResponseStream, call, subscribe};
pub use memory::{MemoryConnector, MemoryLink};
pub use quic::{Listener, QuicConnector, ServerIdentity};
pub use server::{Handler, Reply};
pub use typed::{AccountLink, Anonymous, Authenticated, ChannelLink, LookupLink};
