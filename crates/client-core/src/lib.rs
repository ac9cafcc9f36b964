//! The client without its surroundings: what a messenger decides, free of sockets, files, clocks and its own randomness.
//!
//! [`content`] is what a message says, [`auth`] the ceremonies of accounts and devices, [`tokens`] the client half of blind
//! tokens, [`trust`] what is remembered about other people's keys.
#![forbid(unsafe_code)]

pub mod auth;
pub mod content;
#[cfg(test)]
mod testing;
pub mod tokens;
pub mod trust;
#[cfg(test)]
mod vectors;
