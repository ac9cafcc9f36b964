//! A server's port.

use std::{io, net::SocketAddr, sync::Arc};

use quicprochat_wire::Fingerprint;
use quinn::{
    Endpoint, EndpointConfig, Incoming, TokioRuntime,
    crypto::rustls::{NoInitialCipherSuite, QuicServerConfig},
};
use tokio::{
    sync::{Semaphore, mpsc, watch},
    time::timeout,
};

use super::{
    certificate::{CertificateError, ServerIdentity},
    code,
    config::{self, ServerConfig},
    connection,
    guard::Guard,
    socket,
    stream::{Terms, wait_for_calls},
    tls,
};
use crate::server::Handler;

/// Why a server cannot listen.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ListenError {
    /// The address is taken, or not one of this machine.
    #[error("the address {address} cannot be bound")]
    Bind {
        /// The address wanted.
        address: SocketAddr,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// Certificate or key cannot be used.
    #[error("the certificate cannot be used")]
    Certificate(#[from] CertificateError),
    /// The TLS library lacks the cipher suite that QUIC begins with.
    #[error("TLS lacks the initial cipher suite of QUIC")]
    Tls(#[from] NoInitialCipherSuite),
}

/// A bound port.
pub struct Listener {
    endpoint: Endpoint,
    address: SocketAddr,
    fingerprint: Fingerprint,
    config: Arc<ServerConfig>,
}

impl Listener {
    /// Binds `address`; port 0 takes any that is free. Must be called within a Tokio runtime.
    pub fn bind(address: SocketAddr, identity: &ServerIdentity, config: ServerConfig) -> Result<Self, ListenError> {
        let bind_error = |source| ListenError::Bind { address, source };
        let crypto = QuicServerConfig::try_from(tls::server_config(identity, config.accept_classical)?)?;
        let mut server = quinn::ServerConfig::with_crypto(Arc::new(crypto));
        server.transport_config(config::server_transport(&config)).migration(false);
        server.validation_token.sent(0);
        let socket = socket::bind(address, Some(config.socket_buffer_bytes)).map_err(bind_error)?;
        let endpoint = Endpoint::new(EndpointConfig::default(), Some(server), socket, Arc::new(TokioRuntime))
            .map_err(bind_error)?;
        let address = endpoint.local_addr().map_err(bind_error)?;
        if config.accept_classical {
            tracing::warn!("clients without post-quantum key exchange are accepted");
        }
        Ok(Self { endpoint, address, fingerprint: identity.fingerprint(), config: Arc::new(config) })
    }

    /// The address that is bound.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// The key that clients see.
    #[must_use]
    pub const fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// Serves until `shutdown` resolves; then takes nothing new, ends subscriptions with `unavailable`, lets calls under way
    /// finish for [`ServerConfig::drain_timeout`], and closes every connection.
    pub async fn serve<H: Handler>(self, handler: Arc<H>, shutdown: impl Future<Output = ()> + Send) {
        let (drain, draining) = watch::channel(false);
        let (under_way, calls) = mpsc::channel(1);
        let guard = Guard::new(self.config.max_connections, self.config.max_connections_per_address);
        let buffer = semaphore_kib(self.config.buffer_bytes);
        tokio::pin!(shutdown);
        loop {
            let incoming = tokio::select! {
                biased;
                () = &mut shutdown => break,
                incoming = self.endpoint.accept() => match incoming {
                    Some(incoming) => incoming,
                    None => break,
                },
            };
            let Some((incoming, admission)) = admit(incoming, &guard) else { continue };
            let terms = Terms {
                connection_buffer: semaphore_kib(self.config.connection_buffer_bytes),
                buffer: Arc::clone(&buffer),
                progress_timeout: self.config.progress_timeout,
                transfer_timeout: self.config.transfer_timeout,
                draining: draining.clone(),
            };
            let (handler, config) = (Arc::clone(&handler), Arc::clone(&self.config));
            tokio::spawn(connection::serve(incoming, admission, handler, config, terms, under_way.downgrade()));
        }
        self.endpoint.set_server_config(None);
        drain.send_replace(true);
        drop(under_way);
        wait_for_calls(calls, self.config.drain_timeout).await;
        self.endpoint.close(code::DRAINING, b"draining");
        if timeout(self.config.drain_timeout, self.endpoint.wait_idle()).await.is_err() {
            tracing::debug!("some clients did not acknowledge the end of their connection");
        }
    }
}

/// Refuses what is too much, and has clients prove their address when there are many.
fn admit(incoming: Incoming, guard: &Arc<Guard>) -> Option<(Incoming, super::guard::Admission)> {
    if guard.is_busy() && !incoming.remote_address_validated() && incoming.may_retry() {
        // It fails only for those that may not retry, which has just been asked.
        drop(incoming.retry());
        return None;
    }
    match guard.admit(incoming.remote_address().ip()) {
        Some(admission) => Some((incoming, admission)),
        None => {
            tracing::debug!("too many connections");
            incoming.refuse();
            None
        }
    }
}

fn semaphore_kib(bytes: usize) -> Arc<Semaphore> {
    Arc::new(Semaphore::new((bytes / 1024).min(Semaphore::MAX_PERMITS)))
}
