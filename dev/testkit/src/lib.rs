//! The simulated world: client engines and a server in one process, on one virtual clock, drawn from one seed.
//!
//! [`World`] runs them, with a network that reorders and breaks, processes that die at any effect, a server that dies at any
//! write, and clocks that are off.
#![expect(
    clippy::expect_used,
    reason = "tests alone use this crate: where the simulation itself is inconsistent, the test is to end"
)]
#![expect(clippy::wildcard_enum_match_arm, reason = "a world watches a few of many inputs, effects and commands")]

mod chance;
mod client;
mod errand;
mod journal;
pub mod observer;
mod people;
mod queue;
pub mod scenario;
mod server;
mod world;

pub use chance::{Dice, SeededEntropy};
pub use client::{Client, MakeClient, engines};
pub use journal::Journal;
pub use people::{FINGERPRINT, NAMES, START, prepare};
pub use world::{Device, DeviceIx, Fate, Faults, Given, Runner, Setup, World};
