//! Pushes remote write as vmagent does: in order, and again until it is answered.

use super::{Answer, Client, Protocol, body};
use crate::model::Push;
use bytes::Bytes;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Wait between tries. Short, so that an agent that is back is found at once.
const RETRY: Duration = Duration::from_millis(25);

/// The body of a remote-write 1.0 request, packed with snappy.
pub fn pack(push: &Push) -> Bytes {
    snappy(&body::remote_write(push))
}

/// The body of a remote-write 2.0 request with the labels and samples of a push, packed with snappy.
pub fn pack_v2(push: &Push) -> Bytes {
    snappy(&body::remote_write_2(push))
}

/// The body of an import of JSON lines with the labels and samples of a push, a line a series.
pub fn json_lines(push: &Push) -> Bytes {
    body::json(push).into()
}

fn snappy(body: &[u8]) -> Bytes {
    let packed = snap::raw::Encoder::new().compress_vec(body);
    packed.expect("BUG: a push is far below the 4 GiB that snappy takes").into()
}

/// The agent refused a push for good, with an answer that a pusher does not repeat.
#[derive(Debug, thiserror::Error)]
#[error("a push was refused with {}: {}", .0.status, .0.text())]
pub struct PushRefused(pub Answer);

/// One pusher with its connection. Pushes go one at a time, so their order is kept.
#[derive(Debug)]
pub struct Pusher {
    client: Client,
    protocol: Arc<Protocol>,
    retries: Arc<AtomicU64>,
}

impl Pusher {
    /// Speaks remote write 1.0.
    pub fn new(agent: SocketAddr) -> Self {
        Self::speaking(Arc::default(), agent, Arc::default())
    }

    /// Speaks `protocol`, and counts the tries that it has to make beyond the first.
    pub(super) fn speaking(protocol: Arc<Protocol>, agent: SocketAddr, retries: Arc<AtomicU64>) -> Self {
        Self { client: Client::new(agent), protocol, retries }
    }

    /// Pushes a packed body once. An error means that no answer came: the push may be stored or not.
    pub async fn push(&mut self, body: Bytes) -> io::Result<Answer> {
        self.client.post(self.protocol.path(), self.protocol.headers(), body).await
    }

    /// Pushes until the answer is a success (2xx), and returns the number of tries. Without an answer, and at 429 and
    /// 5xx, it tries again, for ever: bound it with a timeout.
    pub async fn push_until_answered(&mut self, body: Bytes) -> Result<u32, PushRefused> {
        let mut tries = 1;
        loop {
            match self.push(body.clone()).await {
                Ok(answer) if (200..300).contains(&answer.status) => return Ok(tries),
                Ok(answer) if answer.status != 429 && answer.status < 500 => return Err(PushRefused(answer)),
                Ok(_) | Err(_) => {}
            }
            tries += 1;
            self.retries.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(RETRY).await;
        }
    }
}
