//! The server's services, without socket, clock, runtime or database.
//!
//! One folder a service, one file a method: [`session`], [`auth`], [`directory`], [`vault`], [`tokens`], [`inbox`],
//! [`channels`]. [`server`] routes calls to them and checks in one place who may make which. They keep everything in a
//! [`store::Store`], whose traits a backend implements; [`store::memory`] is one, for tests and simulations.
//!
//! ```text
//!  Request ─▶ Server::handle ─ access ─▶ <service>/<method> ─ job ─▶ Store::submit (one transaction, durable)
//!     Reply ◀──────────────────────────────────┘                         │ after the commit
//!     Stream ◀── reads from its cursor ◀── wakers ◀──────────────────────┘
//! ```
#![forbid(unsafe_code)]

pub mod store;
