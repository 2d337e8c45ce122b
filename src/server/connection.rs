//! One connection, from accept to close.

use super::stream::Stream;
use super::{Append, State, answer, routes};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus_client::metrics::gauge::Gauge;
use std::convert::Infallible;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Read buffer of a connection at most; it bounds a request's head too (431 beyond).
const BUFFER_BYTES: usize = 64 * 1024;

/// How long the rest of a refused request is read and thrown away. Closing with unread bytes resets the
/// connection, and the client may lose the answer that tells it why.
const LINGER: Duration = Duration::from_secs(2);

/// Counts a connection while it lives.
struct Open(Gauge);

impl Open {
    fn new(gauge: Gauge) -> Self {
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Serves a connection until either side ends it, or the server drains and its request is answered.
pub(super) async fn run<A: Append>(stream: TcpStream, peer: SocketAddr, state: Arc<State<A>>) {
    let _open = Open::new(state.metrics.connections.clone());
    // Answers are one small segment each.
    let _ = stream.set_nodelay(true);
    let unread = Arc::new(AtomicBool::new(false));
    let service = service_fn(|request| {
        let (state, unread) = (state.clone(), unread.clone());
        Box::pin(async move {
            let answer = routes::answer(&state, peer, request).await;
            if answer::is_closing(&answer) {
                unread.store(true, Ordering::Relaxed);
            }
            Ok::<_, Infallible>(answer)
        })
    });
    let patience = state.limits().server.read_timeout;
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(patience)
        .max_buf_size(BUFFER_BYTES)
        // A client may end its side once its request is sent, and still wants the answer.
        .half_close(true)
        .serve_connection(TokioIo::new(Stream::new(stream, patience)), service);

    let mut draining = false;
    let ended = loop {
        tokio::select! {
            ended = poll_fn(|context| connection.poll_without_shutdown(context)) => break ended,
            () = state.drain_begins(), if !draining => {
                draining = true;
                std::pin::Pin::new(&mut connection).graceful_shutdown();
            }
        }
    };
    if let Err(error) = &ended {
        tracing::debug!(%peer, %error, "connection ended");
    }
    if unread.load(Ordering::Relaxed) || ended.is_err_and(|error| error.is_parse()) {
        linger(connection.into_parts().io.into_inner().into_inner()).await;
    }
}

/// Ends our side, and reads on until the client ends its own.
async fn linger(mut stream: TcpStream) {
    let _ = stream.shutdown().await;
    let mut sink = vec![0u8; 16 * 1024];
    let drained = async { while matches!(stream.read(&mut sink).await, Ok(read) if read > 0) {} };
    let _ = tokio::time::timeout(LINGER, drained).await;
}
