//! Delivery: one task an upstream, one request in flight.
//!
//! | file | its job |
//! |---|---|
//! | `batch` | records → the body of a request (pure) |
//! | `verdict` | what an answer means, by kind of upstream (pure) |
//! | `backoff` | how long to wait (pure) |
//! | `window` | how much a request carries, how soon the next follows (pure) |
//! | `failover` | which of an entry's URLs is next (pure) |
//! | `machine` | what to do next (pure) |
//! | `outage` | an outage from its first failure to its last delivered sample (pure) |
//! | `dial`, `tls` | connections |
//! | `oauth2` | tokens for `client` |
//! | `client` | one request and its answer |
//! | `network` | when the host's network changes |
//! | `worker` | carries out what the machine says |
//! | `resend` | one push to one upstream, once: for a dead letter |
//! | `progress` | what status and metrics see |
//!
//! The rules in words are in docs/replay.md.

mod backoff;
mod batch;
mod client;
mod dial;
mod failover;
mod machine;
mod network;
mod oauth2;
mod outage;
mod progress;
mod resend;
mod tls;
mod verdict;
mod window;
mod worker;

pub use backoff::Backoff;
pub use client::WallClock;
pub use machine::{Action, Machine, Rules};
pub use progress::{Progress, Snapshot};
pub use resend::{NotTaken, resend};
pub use verdict::{Answer, Failure, Outcome};
pub use window::RateLimit;

use crate::config::{self, Upstream};
use crate::dead_letter::DeadLetters;
use crate::queue::Reader;
use crate::telemetry::Metrics;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use worker::Worker;

/// What a reload can change.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    pub upstream: Upstream,
    pub replay: config::Replay,
}

/// Delivery to one upstream, running.
pub struct Replay {
    progress: Arc<Progress>,
    settings: watch::Sender<Arc<Settings>>,
    shutdown: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Replay {
    /// Starts delivering what `reader` reads; what is refused for good goes to `letters`. `seed` makes the waits of this agent differ from others'.
    ///
    /// Must be called within a tokio runtime of several threads.
    pub fn spawn(
        reader: Reader,
        settings: Settings,
        metrics: Arc<Metrics>,
        letters: Arc<DeadLetters>,
        wall: WallClock,
        seed: u64,
    ) -> Self {
        let name = settings.upstream.name.clone();
        metrics.declare_upstream(&name);
        let progress = Arc::new(Progress::new(name));
        let (settings, settings_receiver) = watch::channel(Arc::new(settings));
        let (shutdown, shutdown_receiver) = watch::channel(false);
        let worker = Worker {
            reader,
            settings: settings_receiver,
            shutdown: shutdown_receiver,
            progress: progress.clone(),
            metrics,
            letters,
            wall,
            seed,
        };
        Self { progress, settings, shutdown, task: tokio::spawn(worker.run()) }
    }

    pub fn progress(&self) -> Arc<Progress> {
        self.progress.clone()
    }

    /// Puts new settings in force; the name of the upstream stays.
    pub fn reload(&self, settings: Settings) {
        assert_eq!(settings.upstream.name, self.progress.name, "BUG: a reload cannot rename an upstream");
        self.settings.send_if_modified(|current| {
            let is_new = **current != settings;
            if is_new {
                *current = Arc::new(settings);
            }
            is_new
        });
    }

    /// Asks it to stop; [`Replay::stopped`] waits for that.
    pub fn stop(&self) {
        self.shutdown.send_replace(true);
    }

    /// Waits for the request in flight, at most for `grace`. What has no answer by then is sent again after
    /// the next start.
    pub async fn stopped(self, grace: Duration) {
        let abort = self.task.abort_handle();
        if tokio::time::timeout(grace, self.task).await.is_err() {
            abort.abort();
        }
    }
}
