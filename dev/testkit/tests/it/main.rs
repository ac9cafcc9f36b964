//! The simulated world, and what is tried in it.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "helpers of tests fail their test, and watch a few of many inputs"
)]

mod engine;
mod observer;
mod probe;
mod sim;
mod world;
