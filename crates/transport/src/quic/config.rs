//! What can be set, with defaults that are safe to keep.

use std::{sync::Arc, time::Duration};

use quicprochat_wire::limits::MAX_FRAME_BYTES;
use quinn::{AckFrequencyConfig, IdleTimeout, TransportConfig, VarInt};

/// Settings of a server.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ServerConfig {
    /// Whether X25519 is accepted beside X25519MLKEM768. The client's order decides, so a client that lists X25519 first gets
    /// it; [`super::classical_handshakes`] counts those. Default: no.
    pub accept_classical: bool,
    /// Largest frame after `hello`, bytes. Default and most: [`MAX_FRAME_BYTES`].
    pub frame_bytes: usize,
    /// Connections at a time. Default: 20,000.
    pub max_connections: usize,
    /// Connections at a time from one address (IPv6: one /64). Default: 256.
    pub max_connections_per_address: usize,
    /// Streams at a time on a connection, subscriptions included. Default: 1,024.
    pub max_streams: u32,
    /// Bytes of large requests (above 64 KiB) that a connection may have under way. Default: 16 MiB.
    pub connection_buffer_bytes: usize,
    /// Bytes of large requests that all connections together may have under way. Default: 256 MiB.
    pub buffer_bytes: usize,
    /// Within which a connection must have shaken hands and said `hello`. Default: 10 s.
    pub hello_timeout: Duration,
    /// Within which something must arrive of a request, or be taken of an answer, that is under way. Default: 15 s.
    pub progress_timeout: Duration,
    /// Within which a request must have arrived, or an answer been taken, in whole. Default: 5 min.
    pub transfer_timeout: Duration,
    /// After which a silent connection is closed. Default: 60 s.
    pub idle_timeout: Duration,
    /// How long calls under way may go on once the server stops. Default: 10 s.
    pub drain_timeout: Duration,
    /// Wanted size of the socket's buffers; the system may grant less. Default: 8 MiB.
    pub socket_buffer_bytes: usize,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            accept_classical: false,
            frame_bytes: MAX_FRAME_BYTES,
            max_connections: 20_000,
            max_connections_per_address: 256,
            max_streams: 1024,
            connection_buffer_bytes: 16 * MIB,
            buffer_bytes: 256 * MIB,
            hello_timeout: Duration::from_secs(10),
            progress_timeout: Duration::from_secs(15),
            transfer_timeout: Duration::from_secs(300),
            idle_timeout: Duration::from_secs(60),
            drain_timeout: Duration::from_secs(10),
            socket_buffer_bytes: 8 * MIB,
        }
    }
}

/// Settings of a client.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ClientConfig {
    /// Within which a connection must stand. Default: 10 s.
    pub connect_timeout: Duration,
    /// Within which a call must be answered. Default: 60 s.
    pub call_timeout: Duration,
    /// After which a connection without a sign of life is given up. Default: 45 s.
    pub idle_timeout: Duration,
    /// How often a sign of life is sent on a silent connection. Default: 15 s.
    pub keep_alive: Duration,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            call_timeout: Duration::from_secs(60),
            idle_timeout: Duration::from_secs(45),
            keep_alive: Duration::from_secs(15),
        }
    }
}

const MIB: usize = 1024 * 1024;

/// Flow control and timers of a server's connections.
pub(super) fn server_transport(config: &ServerConfig) -> Arc<TransportConfig> {
    let mut transport = common(config.idle_timeout);
    transport.max_concurrent_bidi_streams(VarInt::from_u32(config.max_streams));
    Arc::new(transport)
}

/// Flow control and timers of a client's connections. A server opens no streams.
pub(super) fn client_transport(config: &ClientConfig) -> Arc<TransportConfig> {
    let mut transport = common(config.idle_timeout);
    transport.max_concurrent_bidi_streams(VarInt::from_u32(0)).keep_alive_interval(Some(config.keep_alive));
    Arc::new(transport)
}

fn common(idle_timeout: Duration) -> TransportConfig {
    let mut transport = TransportConfig::default();
    transport
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .datagram_receive_buffer_size(None)
        .stream_receive_window(VarInt::from_u32(1024 * 1024))
        .receive_window(VarInt::from_u32(8 * 1024 * 1024))
        .send_window(8 * 1024 * 1024)
        .ack_frequency_config(Some(AckFrequencyConfig::default()))
        .allow_spin(false)
        // Beyond 2^62 ms a timeout is none.
        .max_idle_timeout(IdleTimeout::try_from(idle_timeout).ok());
    transport
}
