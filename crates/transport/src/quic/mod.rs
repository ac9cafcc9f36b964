//! Links over QUIC: TLS 1.3, ALPN `qpc/1`, the server known by the fingerprint of its key (protocol.md section 2).
//!
//! ```text
//!   client::QuicConnector ──▶ link::QuicLink      one UDP port and one TLS configuration for every connection
//!            │ stream: frame, FIN
//!            ▼
//!   listener::Listener ──▶ connection (a task each) ──▶ stream (a task for every call) ──▶ session ──▶ server::Handler
//! ```

pub mod certificate;
pub mod client;
pub mod config;
mod connection;
mod guard;
mod link;
pub mod listener;
mod reachability;
mod socket;
mod stream;
mod tls;

pub use certificate::{CertificateError, ServerIdentity};
pub use client::QuicConnector;
pub use config::{ClientConfig, ServerConfig};
pub use link::QuicLink;
pub use listener::{ListenError, Listener};
pub use tls::classical_handshakes;

/// The name of the protocol in TLS.
const ALPN: &[u8] = b"qpc/1";

/// Why a connection or a stream was ended. A receiver learns nothing from them that it must act upon.
mod code {
    use quinn::VarInt;

    /// Nothing went wrong.
    pub(super) const DONE: VarInt = VarInt::from_u32(0);
    /// The server stops.
    pub(super) const DRAINING: VarInt = VarInt::from_u32(1);
    /// The peer was too slow.
    pub(super) const TIMED_OUT: VarInt = VarInt::from_u32(2);
}
