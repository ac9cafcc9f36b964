//! Logs: to standard error, as text or JSON.

use std::io;

use tracing_subscriber::{EnvFilter, filter::ParseError, fmt, util::TryInitError};
use tracing_subscriber::{Layer as _, layer::SubscriberExt as _, util::SubscriberInitExt as _};

use crate::config::{LogFormat, LogLevel, LogSection};

/// Why there are no logs.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TelemetryError {
    /// Our filter is malformed.
    #[error("the log filter is malformed")]
    Filter(#[from] ParseError),
    /// Somebody else logs already.
    #[error("logging is set up already")]
    Taken(#[from] TryInitError),
}

/// Sends log lines of this process to standard error from now on.
///
/// Libraries are heard at `warn` unless everything is wanted. Above `debug`, no line names an account, a channel or an
/// address.
///
/// Errors:   [`TelemetryError`].
pub fn init(section: &LogSection) -> Result<(), TelemetryError> {
    let level = match section.level {
        LogLevel::Error => "error",
        LogLevel::Warn => "warn",
        LogLevel::Info => "info",
        LogLevel::Debug => "debug",
        LogLevel::Trace => "trace",
    };
    let others = if section.level == LogLevel::Trace { "debug" } else { "warn" };
    let ours = ["quicprochat_server", "quicprochat_server_core", "quicprochat_transport", "quicprochat_wire"];
    let directives: Vec<String> = ours.iter().map(|target| format!("{target}={level}")).collect();
    let filter = EnvFilter::try_new(format!("{others},{}", directives.join(",")))?;
    let lines = fmt::layer().with_writer(io::stderr).with_target(false);
    match section.format {
        LogFormat::Text => {
            tracing_subscriber::registry().with(lines.with_ansi(false).with_filter(filter)).try_init()?
        }
        LogFormat::Json => {
            tracing_subscriber::registry().with(lines.json().flatten_event(true).with_filter(filter)).try_init()?;
        }
    }
    Ok(())
}
