//! The server program: configuration, data directory, store, listener, signals.
//!
//! A newcomer starts at [`run`]. The services are in `quicprochat-server-core`, connections in `quicprochat-transport`; this
//! crate joins them, and is the only one that holds the server's SQL ([`store`]).
#![forbid(unsafe_code)]

pub mod backup;
pub mod cli;
pub mod command;
pub mod config;
pub mod data_dir;
pub mod handler;
pub mod identity;
mod maintenance;
pub mod metrics;
pub mod private_file;
pub mod run;
pub mod store;
pub mod store_key;
pub mod system;
pub mod telemetry;
