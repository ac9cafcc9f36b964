//! The server's services, without socket, clock, runtime or database.
//!
//! One folder a service, one file a method: `session`, `auth`, `directory`, `vault`, `archive`, `tokens`, `inbox`, `channels`,
//! `linking`.
//! [`Server`] routes calls to them; `access` decides in one place who may make which; `recovery` holds back what is new after a
//! restore. They keep everything in a
//! [`store::Store`], whose traits a backend implements; [`store::memory`] is one, for tests and simulations.
//!
//! ```text
//!  Request ─▶ Server::handle ─ access ─▶ <service>/<method> ─ job ─▶ Store::submit (one transaction, durable)
//!     Reply ◀──────────────────────────────────┘                         │ after the commit
//!     Stream ◀── reads from its cursor ◀── wakers ◀──────────────────────┘
//! ```
#![forbid(unsafe_code)]

mod access;
mod archive;
mod auth;
mod channels;
mod config;
mod connection;
mod directory;
mod error;
mod inbox;
mod limiter;
mod linking;
mod maintenance;
mod recovery;
mod server;
mod session;
mod shared;
pub mod store;
mod subscription;
mod tokens;
mod vault;
mod wakers;

#[cfg(test)]
mod test_support;

pub use config::{Limits, Rate, ServerConfig};
pub use connection::Connection;
pub use error::ServerError;
pub use maintenance::Swept;
pub use recovery::Recovery;
pub use server::{Reply, Server};
