//! The client without its surroundings: what a messenger decides, free of sockets, files, clocks and its own randomness.
//!
//! [`content`] is what a message says, [`auth`] the ceremonies of accounts and devices, [`tokens`] the client half of blind
//! tokens, [`trust`] what is remembered about other people's keys. The engine takes an [`Input`] inside a transaction of
//! the [`store`] and hands out [`Effect`]s once that is committed.
#![forbid(unsafe_code)]

pub mod archive;
pub mod auth;
pub mod backup;
mod channels;
pub mod command;
mod commands;
pub mod content;
mod deliveries;
pub mod effect;
mod engine;
pub mod error;
pub mod event;
mod fetch;
pub mod history;
mod inbox;
pub mod input;
mod lineage;
mod own_record;
mod repair;
pub mod state;
mod stock;
pub mod store;
#[cfg(test)]
mod testing;
pub mod tokens;
pub mod trust;
mod upkeep;
pub mod vault;
#[cfg(test)]
mod vectors;
pub mod views;

pub use command::{Command, CommandError, CommandId, Outcome, SuiteChoice};
pub use effect::Effect;
pub use engine::Engine;
pub use error::EngineError;
pub use event::{Event, TrustWarning};
pub use input::{CallError, Input, LinkDownReason, RequestId, SubscriptionId};
pub use store::{StoreFault, StoreTx};
