//! A loopback TCP relay before a real server: closing it is an outage that the server knows nothing of.

use super::gate::Gate;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

const BUFFER_BYTES: usize = 64 * 1024;

/// Forwards connections to `target` while it is open; closed, it refuses them.
#[derive(Debug)]
pub struct Relay {
    gate: Gate,
    target: SocketAddr,
    sent: Arc<AtomicU64>,
}

impl Relay {
    /// A relay that is open. Must be called within a runtime.
    pub fn start(target: SocketAddr) -> io::Result<Self> {
        let mut relay = Self { gate: Gate::new()?, target, sent: Arc::default() };
        relay.open()?;
        Ok(relay)
    }

    /// Where the relay listens.
    pub fn address(&self) -> SocketAddr {
        self.gate.address()
    }

    /// Bytes forwarded to the target, HTTP heads included.
    pub fn bytes_sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Refuses connections from now on and breaks off those there are.
    pub async fn close(&mut self) {
        self.gate.close().await;
    }

    /// Listens again. Must be called on a closed relay.
    pub fn open(&mut self) -> io::Result<()> {
        let (target, sent) = (self.target, self.sent.clone());
        self.gate.open(move |stream| {
            let sent = sent.clone();
            async move {
                // Either side may break off at any time; the other then sees its connection end.
                let _ = forward(stream, target, &sent).await;
            }
        })
    }
}

async fn forward(mut client: TcpStream, target: SocketAddr, sent: &AtomicU64) -> io::Result<()> {
    let mut server = TcpStream::connect(target).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (client_reads, client_writes) = client.split();
    let (server_reads, server_writes) = server.split();
    let received = AtomicU64::new(0);
    tokio::try_join!(copy(client_reads, server_writes, sent), copy(server_reads, client_writes, &received))?;
    Ok(())
}

async fn copy(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    count: &AtomicU64,
) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let read = from.read(&mut buffer).await?;
        if read == 0 {
            return to.shutdown().await;
        }
        to.write_all(&buffer[..read]).await?;
        count.fetch_add(read as u64, Ordering::Relaxed);
    }
}
