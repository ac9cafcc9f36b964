//! Whether nobody listens at an address.
//!
//! QUIC by itself waits for its timeout when the port is closed: quinn's sockets are not connected, so the system does not
//! tell them that the datagram was turned away. A connected socket is told (RFC 1122, section 4.1.3.3).

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::net::UdpSocket;

/// Resolves when the address turns a datagram away; never if somebody listens there or nothing comes back.
///
/// An empty datagram is sent: it is no QUIC packet, and a server drops it unread.
pub(super) async fn turned_away(address: SocketAddr) {
    let any = match address {
        SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
    };
    if let Ok(socket) = UdpSocket::bind(any).await
        && socket.connect(address).await.is_ok()
        && socket.send(&[]).await.is_ok()
        && socket.recv(&mut [0]).await.is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionRefused)
    {
        return;
    }
    // Without a clear no, the handshake decides.
    std::future::pending().await
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_closed_port_turns_away_and_an_open_one_does_not() {
        let open = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = open.local_addr().unwrap();
        let waited = tokio::time::timeout(Duration::from_millis(50), turned_away(address)).await;
        assert!(waited.is_err(), "somebody listens");
        drop(open);
        tokio::time::timeout(Duration::from_secs(10), turned_away(address)).await.expect("nobody listens");
    }
}
