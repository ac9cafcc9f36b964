//! How a client connects.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use futures::{StreamExt as _, stream::FuturesUnordered};
use quicprochat_wire::{ConnectionKind, Fingerprint, ServerLink, call::session::HelloReply};
use quinn::{
    Connection, ConnectionError, Endpoint, EndpointConfig, TokioRuntime, TransportConfig, TransportErrorCode,
    crypto::rustls::QuicClientConfig,
};
use tokio::time::{sleep, timeout};

use super::{
    config::{self, ClientConfig},
    link::QuicLink,
    reachability::turned_away,
    socket,
    tls::{self, PinnedKey},
};
use crate::{
    answer,
    error::{LinkError, Unreachable},
    link::{Connector, Link},
};

/// How long an address may take before the next one is tried beside it (RFC 8305).
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);
/// Addresses of a host that are tried.
const MAX_ADDRESSES: usize = 6;
/// TLS alerts in QUIC: 0x100 and the alert's number (RFC 9001, section 4.8).
const CRYPTO_ERRORS: core::ops::RangeInclusive<u64> = 0x100..=0x1ff;

/// Connects over QUIC. Every connection has a UDP port, connection ids and a TLS configuration of its own.
#[derive(Clone, Debug, Default)]
pub struct QuicConnector {
    config: ClientConfig,
}

impl QuicConnector {
    /// Connects as `config` says.
    #[must_use]
    pub const fn new(config: ClientConfig) -> Self {
        Self { config }
    }

    /// Tries the addresses of the host, each a little after the one before, and takes the first that stands.
    async fn race(&self, server: &ServerLink) -> Result<Connection, LinkError> {
        let addresses = resolve(server).await?;
        let transport = config::client_transport(&self.config);
        let mut attempts: FuturesUnordered<_> = (0u32..)
            .zip(addresses)
            .map(|(index, address)| {
                let transport = Arc::clone(&transport);
                async move {
                    sleep(ATTEMPT_DELAY * index).await;
                    attempt(address, server.fingerprint(), transport).await
                }
            })
            .collect();
        let mut first_error = None;
        while let Some(outcome) = attempts.next().await {
            match outcome {
                Ok(connection) => return Ok(connection),
                // Somebody plays the server: no other address makes up for that.
                Err(error @ LinkError::WrongFingerprint { .. }) => return Err(error),
                Err(error) => drop(first_error.get_or_insert(error)),
            }
        }
        Err(first_error.unwrap_or(LinkError::Unreachable(Unreachable::Resolve(None))))
    }
}

#[async_trait]
impl Connector for QuicConnector {
    async fn connect(
        &self,
        server: &ServerLink,
        kind: ConnectionKind,
    ) -> Result<(Arc<dyn Link>, HelloReply), LinkError> {
        let connect = async {
            let connection = self.race(server).await?;
            let link = QuicLink::new(connection, *server.fingerprint(), kind, self.config.call_timeout);
            let hello = answer::say_hello(&link, kind).await?;
            Ok((Arc::new(link) as Arc<dyn Link>, hello))
        };
        timeout(self.config.connect_timeout, connect).await.map_err(|_| Unreachable::TimedOut)?
    }
}

async fn resolve(server: &ServerLink) -> Result<Vec<SocketAddr>, Unreachable> {
    match tokio::net::lookup_host((server.host(), server.port())).await {
        Ok(addresses) => Ok(addresses.take(MAX_ADDRESSES).collect()),
        Err(error) => Err(Unreachable::Resolve(Some(error))),
    }
}

/// Connects to one address, from a port of its own.
async fn attempt(
    address: SocketAddr,
    expected: &Fingerprint,
    transport: Arc<TransportConfig>,
) -> Result<Connection, LinkError> {
    let verifier = PinnedKey::new(*expected);
    let crypto = tls::client_config(Arc::clone(&verifier)).map_err(|_| Unreachable::Handshake)?;
    let crypto = QuicClientConfig::try_from(crypto).map_err(|_| Unreachable::Handshake)?;
    let mut config = quinn::ClientConfig::new(Arc::new(crypto));
    config.transport_config(transport);
    let connecting = open_endpoint(address)
        .map_err(Unreachable::Socket)?
        // The name is not sent; it has to be a valid one.
        .connect_with(config, address, "server.invalid")
        .map_err(|_| Unreachable::Refused)?;
    tokio::select! {
        connection = connecting => connection.map_err(|error| failed(&error, &verifier, *expected)),
        () = turned_away(address) => Err(Unreachable::Refused.into()),
    }
}

fn open_endpoint(address: SocketAddr) -> io::Result<Endpoint> {
    let any = match address {
        SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
    };
    Endpoint::new(EndpointConfig::default(), None, socket::bind(any, None)?, Arc::new(TokioRuntime))
}

/// Why a handshake failed.
fn failed(error: &ConnectionError, verifier: &PinnedKey, expected: Fingerprint) -> LinkError {
    if let Some(found) = verifier.mismatch() {
        return LinkError::WrongFingerprint { expected, found };
    }
    match error {
        ConnectionError::TimedOut => Unreachable::TimedOut.into(),
        ConnectionError::TransportError(error) => by_code(error.code),
        ConnectionError::ConnectionClosed(close) => by_code(close.error_code),
        ConnectionError::VersionMismatch => Unreachable::Handshake.into(),
        ConnectionError::ApplicationClosed(_) | ConnectionError::Reset | ConnectionError::CidsExhausted => {
            Unreachable::Refused.into()
        }
        ConnectionError::LocallyClosed => LinkError::Closed,
    }
}

fn by_code(code: TransportErrorCode) -> LinkError {
    if CRYPTO_ERRORS.contains(&u64::from(code)) { Unreachable::Handshake.into() } else { Unreachable::Refused.into() }
}
