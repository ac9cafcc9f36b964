//! Mallory's client: bytes as she likes, TLS as she likes.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use quicprochat_wire::{
    Answer, ConnectionKind,
    call::session::Hello,
    codec::{
        self,
        frame::{self, FrameReader},
    },
};
use quinn::{
    Connection, ConnectionError, Endpoint, RecvStream, SendStream, TransportConfig, crypto::rustls::QuicClientConfig,
};
use rustls::{
    DigitallySignedStruct, Error, SignatureScheme,
    client::{
        ClientSessionStore, Resumption, Tls12ClientSessionValue, Tls13ClientSessionValue,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, SupportedKxGroup, aws_lc_rs, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
};

pub(crate) const CLASSICAL: &[&dyn SupportedKxGroup] = &[aws_lc_rs::kx_group::X25519];
pub(crate) const HYBRID: &[&dyn SupportedKxGroup] = &[aws_lc_rs::kx_group::X25519MLKEM768];

pub(crate) async fn connect(
    address: std::net::SocketAddr,
    groups: &[&'static dyn SupportedKxGroup],
    transport: TransportConfig,
) -> Result<(Connection, Arc<Tickets>), ConnectionError> {
    let provider = CryptoProvider { kx_groups: groups.to_vec(), ..aws_lc_rs::default_provider() };
    let tickets = Arc::new(Tickets::default());
    let mut tls = rustls::ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("versions")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(TrustAnybody))
        .with_no_client_auth();
    tls.alpn_protocols = vec![b"qpc/1".to_vec()];
    tls.resumption = Resumption::store(Arc::clone(&tickets) as _);
    let mut config = quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).expect("TLS 1.3")));
    config.transport_config(Arc::new(transport));
    let endpoint = Endpoint::client("127.0.0.1:0".parse().expect("an address")).expect("a socket");
    let connection = endpoint.connect_with(config, address, "mallory.invalid").expect("well-formed").await?;
    Ok((connection, tickets))
}

/// Puts bytes on a stream, ends it, and reads what comes back.
pub(crate) async fn exchange(connection: &Connection, bytes: &[u8]) -> Vec<Answer> {
    let (mut send, recv) = connection.open_bi().await.expect("a stream");
    // A server that has seen enough may have stopped reading.
    drop(send.write_all(bytes).await);
    drop(send.finish());
    answers(recv).await
}

pub(crate) async fn half_a_request(connection: &Connection) -> (SendStream, RecvStream) {
    let (mut send, recv) = connection.open_bi().await.expect("a stream");
    let frame = hello();
    send.write_all(&frame[..frame.len() / 2]).await.expect("room");
    (send, recv)
}

pub(crate) fn hello() -> Vec<u8> {
    frame::encode_request(&Hello { version: 1, kind: ConnectionKind::Account }.into()).expect("within the limits")
}

async fn answers(mut recv: RecvStream) -> Vec<Answer> {
    let bytes = recv.read_to_end(usize::MAX).await.expect("an end");
    let mut frames = FrameReader::new(usize::MAX);
    frames.push(&bytes);
    let mut answers = Vec::new();
    while let Some(message) = frames.next_frame().expect("no limit") {
        answers.push(codec::decode_response(message).expect("well-formed"));
    }
    assert!(frames.is_empty());
    answers
}

#[derive(Debug)]
struct TrustAnybody;

impl ServerCertVerifier for TrustAnybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("unused".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = aws_lc_rs::default_provider().signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, &algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        aws_lc_rs::default_provider().signature_verification_algorithms.supported_schemes()
    }
}

/// Counts the session tickets that a server hands out.
#[derive(Debug, Default)]
pub(crate) struct Tickets {
    count: AtomicUsize,
    group: Mutex<Option<rustls::NamedGroup>>,
}

impl Tickets {
    pub(crate) fn count(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }

    /// The group that the handshake settled on, as rustls notes it for the next handshake.
    pub(crate) fn group(&self) -> Option<rustls::NamedGroup> {
        *self.group.lock().expect("not poisoned")
    }
}

impl ClientSessionStore for Tickets {
    fn set_kx_hint(&self, _: ServerName<'static>, group: rustls::NamedGroup) {
        *self.group.lock().expect("not poisoned") = Some(group);
    }

    fn kx_hint(&self, _: &ServerName<'_>) -> Option<rustls::NamedGroup> {
        None
    }

    fn set_tls12_session(&self, _: ServerName<'static>, _: Tls12ClientSessionValue) {}

    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        None
    }

    fn remove_tls12_session(&self, _: &ServerName<'static>) {}

    fn insert_tls13_ticket(&self, _: ServerName<'static>, _: Tls13ClientSessionValue) {
        self.count.fetch_add(1, Ordering::SeqCst);
    }

    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        None
    }
}
