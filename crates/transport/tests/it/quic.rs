//! What only a network can show: TLS, ports, slow peers, limits, the end of a server.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use futures::StreamExt as _;
use quicprochat_transport::{
    AccountLink, ChannelLink, Connector, LinkError, LookupLink, QuicConnector, ServerIdentity, Unreachable,
    quic::{ClientConfig, ServerConfig, classical_handshakes},
};
use quicprochat_wire::{
    CallFailure, ConnectionKind, ErrorCode, ServerLink,
    call::{
        directory::{Lookup, Subject},
        inbox::InboxSubscribe,
    },
    codec::frame,
};
use quinn::{ConnectionError, ReadError, TransportConfig, VarInt, crypto::rustls::QuicServerConfig};
use rustls::{
    NamedGroup,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
};

use crate::{
    beds::{Bed, Quic},
    raw::{self, CLASSICAL, HYBRID},
    sam::{BLOCKING, ENDLESS, FLOOD, Sam},
};

fn config(change: impl FnOnce(&mut ServerConfig)) -> ServerConfig {
    let mut config = ServerConfig::default();
    change(&mut config);
    config
}

#[tokio::test]
async fn classical_clients_are_refused_unless_the_server_accepts_them() {
    let (sam, _) = Sam::new();
    let strict = Quic::start(sam.clone()).await;
    let error = raw::connect(strict.address, CLASSICAL, TransportConfig::default()).await.expect_err("refused");
    assert!(matches!(error, ConnectionError::ConnectionClosed(_)), "{error:?}");
    let before = classical_handshakes();

    let lax = Quic::with(sam, config(|config| config.accept_classical = true));
    let (connection, tickets) =
        raw::connect(lax.address, CLASSICAL, TransportConfig::default()).await.expect("accepted");
    assert_eq!(tickets.group(), Some(NamedGroup::X25519));
    assert_eq!(raw::exchange(&connection, &raw::hello()).await.len(), 1);
    assert_eq!(classical_handshakes(), before + 1, "never silent");

    let both: Vec<_> = HYBRID.iter().chain(CLASSICAL).copied().collect();
    let (_connection, tickets) = raw::connect(lax.address, &both, TransportConfig::default()).await.expect("accepted");
    assert_eq!(tickets.group(), Some(NamedGroup::X25519MLKEM768), "whoever offers the hybrid first gets it");
    assert_eq!(classical_handshakes(), before + 1);
}

#[tokio::test]
async fn our_client_never_falls_back_to_classical_key_exchange() {
    let identity = ServerIdentity::generate("sam.example").expect("a certificate");
    let provider = CryptoProvider { kx_groups: CLASSICAL.to_vec(), ..aws_lc_rs::default_provider() };
    let mut tls = rustls::ServerConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from(identity.certificate_der().to_vec())],
            PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(identity.key_der().to_vec())),
        )
        .expect("a certificate");
    tls.alpn_protocols = vec![b"qpc/1".to_vec()];
    let tls = quinn::ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls).expect("TLS 1.3")));
    let server = quinn::Endpoint::server(tls, "127.0.0.1:0".parse().expect("an address")).expect("a port");
    let port = server.local_addr().expect("bound").port();
    let serving = tokio::spawn(async move {
        let incoming = server.accept().await.expect("a client");
        incoming.await.expect_err("nothing in common")
    });
    let link = ServerLink::new("127.0.0.1", port, identity.fingerprint()).expect("valid parts");
    let error = QuicConnector::default().connect(&link, ConnectionKind::Account).await.err().expect("refused");
    assert!(matches!(error, LinkError::Unreachable(Unreachable::Handshake)), "{error:?}");
    serving.await.expect("no panic");
}

#[tokio::test]
async fn connections_share_neither_ports_nor_tickets() {
    let (sam, _) = Sam::new();
    let bed = Quic::start(sam.clone()).await;
    let _account = AccountLink::connect(bed.connector(), &bed.link).await.expect("a link");
    let _channel = ChannelLink::connect(bed.connector(), &bed.link).await.expect("a link");
    let _lookup = LookupLink::connect(bed.connector(), &bed.link).await.expect("a link");
    let ports: BTreeSet<u16> = sam.remotes.lock().expect("not poisoned").iter().map(|remote| remote.port()).collect();
    assert_eq!(ports.len(), 3);

    let (mallory, tickets) = raw::connect(bed.address, HYBRID, TransportConfig::default()).await.expect("a connection");
    assert_eq!(raw::exchange(&mallory, &raw::hello()).await.len(), 1, "tickets would have come before this");
    assert_eq!(tickets.count(), 0);
}

#[tokio::test]
async fn a_peer_that_stops_in_the_middle_of_a_request_is_timed_out() {
    let (sam, _) = Sam::new();
    let bed = Quic::with(sam.clone(), config(|config| config.progress_timeout = Duration::from_millis(200)));
    let (mallory, _) = raw::connect(bed.address, HYBRID, TransportConfig::default()).await.expect("a connection");
    let (_send, mut recv) = raw::half_a_request(&mallory).await;
    let error = recv.read_to_end(1000).await.expect_err("reset");
    let quinn::ReadToEndError::Read(ReadError::Reset(code)) = error else { panic!("{error:?}") };
    assert_eq!(code, VarInt::from_u32(2));
    assert!(sam.calls.lock().expect("not poisoned").is_empty());
}

#[tokio::test]
async fn a_peer_that_sends_byte_by_byte_is_timed_out() {
    let (sam, _) = Sam::new();
    let bed = Quic::with(
        sam,
        config(|config| {
            config.progress_timeout = Duration::from_secs(10);
            config.transfer_timeout = Duration::from_millis(300);
        }),
    );
    let (mallory, _) = raw::connect(bed.address, HYBRID, TransportConfig::default()).await.expect("a connection");
    let (mut send, mut recv) = raw::half_a_request(&mallory).await;
    let mut trickle = tokio::time::interval(Duration::from_millis(20));
    let trickling = async {
        for _ in 0..20 {
            trickle.tick().await;
            if send.write_all(&[0]).await.is_err() {
                return;
            }
        }
    };
    let (read, ()) = futures::join!(recv.read_to_end(1000), trickling);
    assert!(matches!(read, Err(quinn::ReadToEndError::Read(ReadError::Reset(_)))), "{read:?}");
}

#[tokio::test]
async fn a_peer_that_takes_no_answer_is_timed_out() {
    let (sam, mut drops) = Sam::new();
    let bed = Quic::with(sam, config(|config| config.progress_timeout = Duration::from_millis(200)));
    let mut narrow = TransportConfig::default();
    narrow.stream_receive_window(VarInt::from_u32(10_000));
    let (mallory, _) = raw::connect(bed.address, HYBRID, narrow).await.expect("a connection");
    assert_eq!(raw::exchange(&mallory, &raw::hello()).await.len(), 1);
    let (mut send, _recv) = mallory.open_bi().await.expect("a stream");
    let request = frame::encode_request(&InboxSubscribe { after: FLOOD }.into()).expect("within the limits");
    send.write_all(&request).await.expect("room");
    send.finish().expect("open");
    drops.recv().await.expect("the subscription is given up");
}

#[tokio::test]
async fn a_connection_without_hello_is_closed() {
    let (sam, _) = Sam::new();
    let bed = Quic::with(sam, config(|config| config.hello_timeout = Duration::from_millis(300)));
    let (mallory, _) = raw::connect(bed.address, HYBRID, TransportConfig::default()).await.expect("a connection");
    let ConnectionError::ApplicationClosed(close) = mallory.closed().await else { panic!("closed otherwise") };
    assert_eq!(close.error_code, VarInt::from_u32(2));
}

#[tokio::test]
async fn too_many_connections_from_one_address_are_refused() {
    let (sam, _) = Sam::new();
    let bed = Quic::with(sam.clone(), config(|config| config.max_connections_per_address = 2));
    let (alice, _) = AccountLink::connect(bed.connector(), &bed.link).await.expect("a link");
    let (_bob, _) = AccountLink::connect(bed.connector(), &bed.link).await.expect("a link");
    let error = AccountLink::connect(bed.connector(), &bed.link).await.expect_err("refused");
    assert!(matches!(error, LinkError::Unreachable(Unreachable::Refused)), "{error:?}");
    drop(alice);
    sam.closed.notified().await;
    AccountLink::connect(bed.connector(), &bed.link).await.expect("room again");
}

#[tokio::test]
async fn a_busy_server_still_takes_clients_that_prove_their_address() {
    let (sam, _) = Sam::new();
    let bed = Quic::with(sam, config(|config| config.max_connections = 2));
    let (_alice, _) = AccountLink::connect(bed.connector(), &bed.link).await.expect("a link");
    let (_bob, _) = AccountLink::connect(bed.connector(), &bed.link).await.expect("a link, after a retry packet");
    let error = AccountLink::connect(bed.connector(), &bed.link).await.expect_err("refused");
    assert!(matches!(error, LinkError::Unreachable(Unreachable::Refused)), "{error:?}");
}

#[tokio::test]
async fn large_requests_wait_for_room_and_are_refused_without() {
    let (sam, _) = Sam::new();
    let bed = Quic::with(
        sam,
        config(|config| {
            config.connection_buffer_bytes = 100 * 1024;
            config.progress_timeout = Duration::from_millis(300);
        }),
    );
    let (mallory, _) = raw::connect(bed.address, HYBRID, TransportConfig::default()).await.expect("a connection");
    assert_eq!(raw::exchange(&mallory, &raw::hello()).await.len(), 1);
    let mut frame = (200u32 * 1024).to_le_bytes().to_vec();
    frame.resize(4 + 200 * 1024, 0);
    let answers = raw::exchange(&mallory, &frame).await;
    assert_eq!(answers, [Err(CallFailure::new(ErrorCode::Unavailable))]);
    let mut frame = (90u32 * 1024).to_le_bytes().to_vec();
    frame.resize(4 + 90 * 1024, 0);
    for _ in 0..3 {
        let answers = raw::exchange(&mallory, &frame).await;
        assert_eq!(answers, [Err(CallFailure::new(ErrorCode::BadRequest))], "room is given back");
    }
}

#[tokio::test]
async fn a_stopping_server_finishes_calls_and_ends_subscriptions() {
    let (sam, _drops) = Sam::new();
    let mut bed = Quic::start(sam.clone()).await;
    let (alice, _) = AccountLink::connect(bed.connector(), &bed.link).await.expect("a link");
    let (bob, _) = LookupLink::connect(bed.connector(), &bed.link).await.expect("a link");
    let lookup = |name: &str| Lookup { subject: Subject::Name(name.to_owned()) };
    let mut items = alice.subscribe(InboxSubscribe { after: ENDLESS }).await.expect("a subscription");
    items.next().await.expect("an item").expect("a page");
    let under_way = bob.call(lookup(BLOCKING));
    let stop = async {
        sam.blocked.notified().await;
        bed.stop();
        let last = items.next().await.expect("an item").expect_err("the end");
        assert_eq!(last.refusal(), Some(&CallFailure::new(ErrorCode::Unavailable)), "{last:?}");
        let error = bob.call(lookup("carol")).await.expect_err("refused");
        assert_eq!(error.refusal(), Some(&CallFailure::new(ErrorCode::Unavailable)), "{error:?}");
        sam.release.notify_one();
    };
    let (record, ()) = futures::join!(under_way, stop);
    assert_eq!(record.expect("a record").identity.0, BLOCKING.as_bytes());
    bob.closed().await;
    bed.serving.take().expect("serving").await.expect("no panic");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unreachable() {
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port");
    let port = silent.local_addr().expect("bound").port();
    let mut config = ClientConfig::default();
    config.connect_timeout = Duration::from_millis(300);
    let fingerprint = quicprochat_wire::Fingerprint::new([0; 32]);
    let link = ServerLink::new("127.0.0.1", port, fingerprint).expect("valid parts");
    let connector = QuicConnector::new(config);
    let error = connector.connect(&link, ConnectionKind::Account).await.err().expect("unreachable");
    assert!(matches!(error, LinkError::Unreachable(Unreachable::TimedOut)), "{error:?}");
    let link = ServerLink::new("no-such-host.invalid", port, fingerprint).expect("valid parts");
    let error = connector.connect(&link, ConnectionKind::Account).await.err().expect("unreachable");
    assert!(matches!(error, LinkError::Unreachable(Unreachable::Resolve(_) | Unreachable::TimedOut)), "{error:?}");
}
