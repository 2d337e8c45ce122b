//! Under a service manager: the socket that it passed, and what it hears of the agent's parts.

use super::overview::Overview;
use crate::dead_letter::Totals;
use crate::queue::Queue;
use crate::replay::Replay;
use crate::service::{Hearts, Manager, words};
use anyhow::Context;
use std::net::{self, SocketAddr};
use std::sync::Arc;
use tokio::net::TcpListener;

/// The socket that was passed, else one of our own.
pub(super) async fn listen(
    address: SocketAddr,
    passed: Option<net::TcpListener>,
) -> anyhow::Result<TcpListener> {
    let Some(passed) = passed else {
        return TcpListener::bind(address).await.with_context(|| {
            format!("cannot listen on {address}; is another agent running? `listen` sets another address")
        });
    };
    let listener = TcpListener::from_std(passed).context("cannot use the socket that was passed")?;
    let passed = listener.local_addr().context("cannot use the socket that was passed")?;
    tracing::info!(listen = %passed, "the service manager passed a listening socket, it is kept open across restarts");
    if passed != address {
        tracing::warn!(
            listen = %passed,
            not_used = %address,
            "`listen` is not used, the socket that the service manager passed is: set ListenStream= in pmm-buffer.socket, or mask that unit"
        );
    }
    Ok(listener)
}

/// Tells a service manager, if there is one, that the agent is ready, and how it is from then on.
pub(super) fn inform(queue: &Queue, replays: &[Replay], overview: Arc<Overview>) -> Manager {
    let committer = ("committer".to_owned(), queue.heartbeat());
    let replays = replays.iter().map(|replay| {
        let progress = replay.progress();
        (format!("replay to {}", progress.name), progress.heartbeat.clone())
    });
    let hearts = Hearts::new(std::iter::once(committer).chain(replays));
    let appender = queue.appender();
    // Dead letters are not in the words, and counting them could wait for the disk.
    let words = move || words(appender.unavailable().as_deref(), &overview.upstreams(&Totals::default()));
    Manager::start(hearts, Box::new(words))
}
