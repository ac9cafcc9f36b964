//! The engine through its public interface, against the real server on a store in memory.
#![expect(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests end where something is amiss")]

mod accounts;
mod again;
mod archive;
mod archive_loss;
mod archive_safety;
mod clocks;
mod crash;
mod delays;
mod devices;
mod gaps;
mod groups;
mod large;
mod processes;
mod rejoin;
mod renewed;
mod repeats;
mod replaced;
mod restored;
mod returned;
mod state;
mod states;
mod trust;
mod vault;
mod world;
