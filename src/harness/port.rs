//! Ports of loopback that stay ours while nobody listens on them.

use socket2::{Domain, Socket, Type};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use tokio::net::{TcpListener, TcpSocket};

/// Connections that may wait to be accepted; more connections at once than any test opens.
const BACKLOG: u32 = 256;

/// A port of 127.0.0.1, held by a socket that is bound and never listens.
///
/// Connections to it are refused, the kernel gives it to nobody else, and a listener that sets SO_REUSEADDR
/// (tokio's does) can still take it: here or in a child process. A port that was merely found free could be
/// taken by any other connection of the host during an outage.
#[derive(Debug)]
pub struct ReservedPort {
    address: SocketAddr,
    _holder: Socket,
}

impl ReservedPort {
    /// Reserves a port that is free. An error where none can be bound.
    pub fn new() -> io::Result<Self> {
        Self::at((Ipv4Addr::LOCALHOST, 0).into())
    }

    /// Reserves this port of this address. An error where it is taken.
    pub fn at(address: SocketAddr) -> io::Result<Self> {
        let holder = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        holder.set_reuse_address(true)?;
        holder.bind(&address.into())?;
        let address = holder.local_addr()?.as_socket().expect("BUG: it was bound to an address of IP");
        Ok(Self { address, _holder: holder })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Listens on the port. Must be called within a runtime.
    pub(super) fn listen(&self) -> io::Result<TcpListener> {
        let socket = if self.address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.set_reuseaddr(true)?;
        socket.bind(self.address)?;
        socket.listen(BACKLOG)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpStream;

    #[tokio::test]
    async fn connections_are_refused_but_while_someone_listens() {
        let port = ReservedPort::new().expect("loopback");
        for _ in 0..3 {
            let refused = TcpStream::connect(port.address()).await.expect_err("nobody listens");
            assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
            let listener = port.listen().expect("the port is ours");
            let (client, server) = tokio::join!(TcpStream::connect(port.address()), listener.accept());
            client.expect("someone listens");
            server.expect("a connection");
        }
    }

    #[tokio::test]
    async fn a_listener_of_tokio_can_take_the_port() {
        let port = ReservedPort::new().expect("loopback");
        TcpListener::bind(port.address()).await.expect("tokio sets SO_REUSEADDR");
    }
}
