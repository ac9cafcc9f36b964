//! UDP sockets.

use std::{
    io,
    net::{SocketAddr, UdpSocket},
};

use socket2::{Domain, Protocol, Socket, Type};

/// Binds `address`, IPv6 for both families where the system can, and asks for buffers of `buffer_bytes`.
pub(super) fn bind(address: SocketAddr, buffer_bytes: Option<usize>) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6()
        && let Err(error) = socket.set_only_v6(false)
    {
        tracing::debug!(%error, "IPv6 only");
    }
    if let Some(bytes) = buffer_bytes {
        if let Err(error) = socket.set_recv_buffer_size(bytes) {
            tracing::debug!(%error, "the receive buffer stays as it is");
        }
        if let Err(error) = socket.set_send_buffer_size(bytes) {
            tracing::debug!(%error, "the send buffer stays as it is");
        }
    }
    socket.bind(&address.into())?;
    Ok(socket.into())
}
