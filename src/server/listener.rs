//! Accepts connections, and drains them at the end.

use super::{Append, State, connection};
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinSet;

/// How a server ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// Connections that were cut because the grace time was over.
    pub cut: usize,
}

/// Serves `listener` until `shutdown` is done. Then stops listening, lets what is in flight finish for up
/// to the grace time that `shutdown` gives, and cuts the rest.
pub async fn serve<A: Append>(
    listener: TcpListener,
    state: Arc<State<A>>,
    shutdown: impl Future<Output = Duration>,
) -> Drained {
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    let grace = loop {
        tokio::select! {
            biased;
            grace = &mut shutdown => break grace,
            Some(ended) = connections.join_next() => report(ended),
            (stream, peer, permit) = accept(&listener, &state) => {
                let state = state.clone();
                connections.spawn(async move {
                    connection::run(stream, peer, state).await;
                    drop(permit);
                });
            }
        }
    };
    drop(listener);
    state.draining.send_replace(true);
    let drained = async {
        while let Some(ended) = connections.join_next().await {
            report(ended);
        }
    };
    let _ = tokio::time::timeout(grace, drained).await;
    let cut = connections.len();
    connections.shutdown().await;
    Drained { cut }
}

/// Waits until there may be one more connection, and for that connection. Can be dropped at any time.
async fn accept<A: Append>(
    listener: &TcpListener,
    state: &State<A>,
) -> (TcpStream, SocketAddr, OwnedSemaphorePermit) {
    let mut limits = state.limits.subscribe();
    let permit = loop {
        let connections = limits.borrow_and_update().connections.clone();
        tokio::select! {
            permit = connections.acquire_owned() => break permit.expect("BUG: a limit is never closed"),
            // New limits may have room where the old ones had none.
            _ = limits.changed() => {}
        }
    };
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => return (stream, peer, permit),
            Err(error) => accept_failed(state, &error).await,
        }
    }
}

/// A connection that broke before it was accepted is nothing to speak of. All else is a lack of descriptors
/// or memory, which passes: to try again at once would only burn CPU.
async fn accept_failed<A: Append>(state: &State<A>, error: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    if matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted) {
        return;
    }
    if let Some(suppressed) = state.may_warn("accept") {
        tracing::warn!(%error, suppressed, "cannot accept connections, trying again");
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
}

fn report(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!(%error, "a connection ended by a fault of the agent");
    }
}
