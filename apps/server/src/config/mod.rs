//! Configuration: flags before environment before file before defaults.
//!
//! ```text
//!   defaults ◀─ file (TOML) ◀─ QPC_SERVER_* ◀─ flags      a table for each, keys of the later win
//!       └────────────── one table ──▶ Config ──▶ what services, transport and store take
//! ```

mod layers;
mod runtime;
mod sections;
mod show;
mod value;

use std::path::PathBuf;

pub use self::{
    layers::{Effective, Layers, Origin},
    sections::{
        Config, LimitsSection, LogFormat, LogLevel, LogSection, Registration, RegistrationSection, StoreSection,
        TransportSection,
    },
    value::{Rate, Size, Span, ValueError},
};

/// Why the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration file {path}", path = path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not TOML, or holds a key or value that is not known.
    #[error("the configuration file {path} cannot be used: {detail}", path = path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Where and why.
        detail: String,
    },
    /// A value from the environment or a flag does not fit its key.
    #[error("{origin} cannot be used: {detail}")]
    Value {
        /// Which variable or flag.
        origin: Origin,
        /// Why.
        detail: String,
    },
    /// A variable or flag names a key that there is not.
    #[error("{origin} names no setting; `qpc-server config` lists them all")]
    UnknownKey {
        /// Which variable or flag.
        origin: Origin,
    },
    /// A variable is not text.
    #[error("{origin} is not UTF-8 text")]
    NotText {
        /// Which variable.
        origin: Origin,
    },
    /// A number is too large for what it sets.
    #[error("{key} is too large")]
    Range {
        /// Which key.
        key: &'static str,
    },
    /// There is nowhere to put the data directory.
    #[error("there is no home directory to put the data in; set --data-dir")]
    NoHome,
}

#[cfg(test)]
mod tests;
