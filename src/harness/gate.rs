//! A listener that can go away and come back on the same port, as a server does.

use super::ReservedPort;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};

/// Accepts connections while it is open. Closed, it refuses them, and those it had are aborted.
#[derive(Debug)]
pub(super) struct Gate {
    port: ReservedPort,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    stop: oneshot::Sender<()>,
    accepting: JoinHandle<()>,
}

impl Gate {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self::on(ReservedPort::new()?))
    }

    pub(super) fn on(port: ReservedPort) -> Self {
        Self { port, open: None }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.port.address()
    }

    pub(super) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Listens, and gives each connection to `serve`. Must be called within a runtime, on a closed gate.
    pub(super) fn open<F>(&mut self, serve: impl Fn(TcpStream) -> F + Send + 'static) -> io::Result<()>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        assert!(self.open.is_none(), "BUG: the gate is open already");
        let listener = self.port.listen()?;
        let (stop, stopped) = oneshot::channel();
        let accepting = tokio::spawn(accept(listener, stopped, serve));
        self.open = Some(Open { stop, accepting });
        Ok(())
    }

    /// Stops listening and aborts all connections; returns once none is left. Does nothing when closed.
    pub(super) async fn close(&mut self) {
        if let Some(Open { stop, accepting }) = self.open.take() {
            let _ = stop.send(());
            accepting.await.expect("BUG: a connection panicked");
        }
    }
}

/// Runs until `stopped` gets a word, or its sender is dropped with the gate.
async fn accept<F>(
    listener: TcpListener,
    mut stopped: oneshot::Receiver<()>,
    serve: impl Fn(TcpStream) -> F + Send + 'static,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            _ = &mut stopped => break,
            Some(ended) = connections.join_next() => ended.expect("BUG: a connection panicked"),
            // A lack of descriptors shows as connections that nobody accepts: enough for a harness.
            Ok((stream, _)) = listener.accept() => drop(connections.spawn(serve(stream))),
        }
    }
    drop(listener);
    connections.shutdown().await;
}
