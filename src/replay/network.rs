//! Changes of this host's network, as the kernel tells of them: rtnetlink(7).
//!
//! An upstream that could not be reached is asked at once when a link, an address or a route comes or goes, instead of after
//! the wait. It listens only while it is asked to: a host that starts and stops containers has changes all day.

use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, socket_with};
use std::future::pending;
use std::io;
use std::time::{Duration, Instant};
use tokio::net::UdpSocket;

/// Links, addresses and routes of IPv4 and IPv6: RTMGRP_LINK, _IPV4_IFADDR, _IPV4_ROUTE, _IPV6_IFADDR, _IPV6_ROUTE. Not
/// neighbours, which the attempts themselves change.
const GROUPS: u32 = 0x1 | 0x10 | 0x40 | 0x100 | 0x400;

/// Changes that follow one another faster count as one.
const AT_MOST_EVERY: Duration = Duration::from_secs(1);

/// See the module's doc.
#[derive(Debug, Default)]
pub(super) struct Network {
    socket: Option<UdpSocket>,
    told_last: Option<Instant>,
}

impl Network {
    /// Returns when the network has changed since the first call, or the last return, before
    /// [`Network::stop_listening`]. Never, where the kernel or the service manager (`RestrictAddressFamilies`) does not
    /// let it listen: the waits are short enough.
    pub(super) async fn changed(&mut self) {
        if self.socket.is_none() {
            self.socket = listen().ok();
        }
        let Some(socket) = &self.socket else { return pending().await };
        if drained(socket).await.is_err() {
            return pending().await;
        }
        if let Some(last) = self.told_last {
            tokio::time::sleep_until((last + AT_MOST_EVERY).into()).await;
        }
        self.told_last = Some(Instant::now());
    }

    /// What changes from now on is of no interest.
    pub(super) fn stop_listening(&mut self) {
        self.socket = None;
    }
}

/// Any user may listen to the kernel's own groups.
///
/// The runtime has no type for such a socket. Of the ones it has, one of datagrams comes nearest: all that is done with it
/// is recv(2).
fn listen() -> io::Result<UdpSocket> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    // No protocol is protocol 0, which is NETLINK_ROUTE.
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None)?;
    bind(&socket, &SocketAddrNetlink::new(0, GROUPS))?;
    UdpSocket::from_std(socket.into())
}

/// Waits for a message and takes all there are. What they say does not matter.
async fn drained(socket: &UdpSocket) -> io::Result<()> {
    socket.readable().await?;
    loop {
        match socket.try_recv(&mut [0; 512]) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            // More came than the kernel keeps.
            Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => {}
            Err(error) => return Err(error),
        }
    }
}
