//! Listener, routes, limits, admin pages: HTTP/1.1 on a TCP listener.
//!
//! A push is answered with 204 only after [`Append::append`] returned, which is after the sync. On the way
//! there it holds memory of one budget, what `max_memory` leaves for it, from arrival to answer:
//!
//! ```text
//!  head ─▶ reserve body ─▶ read body ─▶ decode ─▶ reserve push ─▶ append ─▶ 204
//!          half the budget              2 at once  the other half
//! ```
//!
//! Two halves, taken in this order, so that pushes never wait for each other in a circle: what holds memory
//! of the second half needs nothing more than the disk. A push that gets no memory within `read_timeout` is
//! answered with 503. What is waiting does not read its socket, so the pusher feels it.
//!
//! Before all that it waits for one of `max_bodies` places, which it keeps to its answer, in the same way. What one push may
//! hold is bounded by `ingest`.
//!
//! Connections beyond `max_connections` wait in the listener's backlog until one ends; one that is idle, or
//! does not read its answer, ends after `read_timeout`.

mod answer;
mod body;
mod connection;
mod decode;
mod limits;
mod listener;
mod metadata;
mod own_metrics;
mod page;
mod push;
mod refused;
mod routes;
mod stream;
mod textfile;

pub use listener::{Drained, serve};
pub use own_metrics::push_own_metrics;
pub use textfile::write_textfile;

use crate::clock::Clock;
use crate::config;
use crate::model::Push;
use crate::queue::{AppendError, Appender, Position};
use crate::status::Status;
use crate::telemetry::Metrics;
use crate::telemetry::throttle::Throttle;
use limits::Limits;
use metadata::Metadata;
use std::future::Future;
use std::sync::{Arc, Mutex};
use tokio::sync::{Semaphore, watch};

/// What the server needs of the queue.
pub trait Append: Send + Sync + 'static {
    /// See [`Appender::append`].
    fn append(
        &self,
        push: Push,
        accepted_ms: i64,
    ) -> impl Future<Output = Result<Position, AppendError>> + Send;

    /// See [`Appender::unavailable`].
    fn unavailable(&self) -> Option<String>;
}

impl Append for Appender {
    fn append(
        &self,
        push: Push,
        accepted_ms: i64,
    ) -> impl Future<Output = Result<Position, AppendError>> + Send {
        Appender::append(self, push, accepted_ms)
    }

    fn unavailable(&self) -> Option<String> {
        Appender::unavailable(self)
    }
}

/// Makes the status that `/api/v1/status` serves. Must not block for long.
pub type StatusFn = Arc<dyn Fn() -> Status + Send + Sync>;

/// Pushes that are decoded at the same time: decoding may take several times a push's size for a moment,
/// outside the budget, and all CPU there is.
const DECODES_AT_ONCE: usize = 2;

/// What all connections share.
pub struct State<A> {
    appender: A,
    metrics: Arc<Metrics>,
    status: StatusFn,
    clock: Clock,
    limits: watch::Sender<Arc<Limits>>,
    draining: watch::Sender<bool>,
    decoders: Semaphore,
    warnings: Mutex<Throttle>,
    metadata: Metadata,
}

impl<A: Append> State<A> {
    pub fn new(
        appender: A,
        server: config::Server,
        import: config::Import,
        metrics: Arc<Metrics>,
        status: StatusFn,
        clock: Clock,
    ) -> Arc<Self> {
        let limits = Limits::new(server, import, &metrics);
        Arc::new(Self {
            appender,
            metrics,
            status,
            clock,
            limits: watch::Sender::new(Arc::new(limits)),
            draining: watch::Sender::new(false),
            decoders: Semaphore::new(DECODES_AT_ONCE),
            warnings: Mutex::default(),
            metadata: Metadata::default(),
        })
    }

    /// Puts new limits in force. What is in flight ends under the limits it began with: for that long,
    /// memory and connections can be up to the sum of both.
    pub fn set_limits(&self, server: config::Server, import: config::Import) {
        self.limits.send_if_modified(|current| {
            let changed = current.server != server || current.import != import;
            if changed {
                *current = Arc::new(Limits::new(server, import, &self.metrics));
            }
            changed
        });
    }

    fn limits(&self) -> Arc<Limits> {
        self.limits.borrow().clone()
    }

    fn is_draining(&self) -> bool {
        *self.draining.borrow()
    }

    /// Returns once the server is shutting down.
    async fn drain_begins(&self) {
        let mut draining = self.draining.subscribe();
        // The sender lives in `self`, so this cannot fail while we are here.
        let _ = draining.wait_for(|draining| *draining).await;
    }

    /// Why pushes are not accepted, if they are not.
    fn unavailable(&self) -> Option<String> {
        if self.is_draining() { Some("shutting down".into()) } else { self.appender.unavailable() }
    }

    /// The status with what only the server knows.
    fn status(&self) -> Status {
        let mut status = (self.status)();
        status.unavailable = self.unavailable();
        status
    }

    /// What `/metrics` serves.
    fn metrics_page(&self) -> String {
        self.metrics.mirror(&self.status());
        self.metrics.render()
    }

    /// None when a warning of this kind was given less than a minute ago, else how many were held back
    /// since.
    fn may_warn(&self, kind: &'static str) -> Option<u64> {
        let now_ms = (self.clock)();
        let mut warnings = self.warnings.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        warnings.note(kind, now_ms)
    }
}

#[cfg(test)]
mod tests;
