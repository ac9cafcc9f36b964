//! TLS: which key exchanges, whom to trust, and nothing kept from one connection for the next.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicU64, Ordering},
};

use quicprochat_wire::Fingerprint;
use rustls::{
    ClientConfig, DigitallySignedStruct, Error, NamedGroup, ServerConfig, SignatureScheme,
    client::{
        Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{
        ActiveKeyExchange, CompletedKeyExchange, CryptoProvider, SupportedKxGroup, WebPkiSupportedAlgorithms,
        aws_lc_rs::{self, kx_group},
        verify_tls13_signature,
    },
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::NoServerSessionStorage,
};

use super::{
    ALPN,
    certificate::{CertificateError, ServerIdentity, fingerprint_of},
};

/// How many handshakes of this process's servers used X25519 without ML-KEM, so that a downgrade is never silent.
#[must_use]
pub fn classical_handshakes() -> u64 {
    CLASSICAL_HANDSHAKES.load(Ordering::Relaxed)
}

static CLASSICAL_HANDSHAKES: AtomicU64 = AtomicU64::new(0);
static COUNTED_X25519: CountedX25519 = CountedX25519;

/// A server's TLS: X25519MLKEM768, and X25519 if `accept_classical`; no tickets, no resumption, no early data.
pub(super) fn server_config(
    identity: &ServerIdentity,
    accept_classical: bool,
) -> Result<ServerConfig, CertificateError> {
    let mut provider = aws_lc_rs::default_provider();
    provider.kx_groups = vec![kx_group::X25519MLKEM768];
    if accept_classical {
        provider.kx_groups.push(&COUNTED_X25519);
    }
    let (chain, key) = identity.chain();
    let mut config = ServerConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(CertificateError::Mismatch)?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.max_early_data_size = 0;
    Ok(config)
}

/// A client's TLS for one connection: X25519MLKEM768 only, and the key that `verifier` expects.
pub(super) fn client_config(verifier: Arc<PinnedKey>) -> Result<ClientConfig, Error> {
    let mut config = ClientConfig::builder_with_provider(client_provider())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.resumption = Resumption::disabled();
    config.enable_early_data = false;
    // The name would tell an observer which server is meant, and the server does not need it.
    config.enable_sni = false;
    Ok(config)
}

fn client_provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    let make =
        || Arc::new(CryptoProvider { kx_groups: vec![kx_group::X25519MLKEM768], ..aws_lc_rs::default_provider() });
    Arc::clone(PROVIDER.get_or_init(make))
}

/// Trusts one key, whatever its certificate says of names and dates.
#[derive(Debug)]
pub(super) struct PinnedKey {
    expected: Fingerprint,
    found: OnceLock<Fingerprint>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl PinnedKey {
    pub(super) fn new(expected: Fingerprint) -> Arc<Self> {
        let algorithms = client_provider().signature_verification_algorithms;
        Arc::new(Self { expected, found: OnceLock::new(), algorithms })
    }

    /// The key that was shown instead, if the handshake failed for that.
    pub(super) fn mismatch(&self) -> Option<Fingerprint> {
        self.found.get().copied().filter(|found| *found != self.expected)
    }
}

impl ServerCertVerifier for PinnedKey {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let found = fingerprint_of(end_entity).ok_or(rustls::CertificateError::BadEncoding)?;
        // TLS verifies one certificate a handshake; a second one would find the first kept, and both compared.
        if *self.found.get_or_init(|| found) == found && found == self.expected {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(rustls::CertificateError::ApplicationVerificationFailure.into())
        }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("TLS 1.2 is not spoken".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// X25519 as a server uses it, counted.
#[derive(Debug)]
struct CountedX25519;

impl SupportedKxGroup for CountedX25519 {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        kx_group::X25519.start()
    }

    fn start_and_complete(&self, peer_pub_key: &[u8]) -> Result<CompletedKeyExchange, Error> {
        CLASSICAL_HANDSHAKES.fetch_add(1, Ordering::Relaxed);
        kx_group::X25519.start_and_complete(peer_pub_key)
    }

    fn name(&self) -> NamedGroup {
        kx_group::X25519.name()
    }
}
