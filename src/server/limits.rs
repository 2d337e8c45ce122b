//! The limits in force, and the budgets made of them.

use crate::config;
use crate::telemetry::Metrics;
use prometheus_client::metrics::gauge::Gauge;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// One set of limits with its budgets.
pub(super) struct Limits {
    pub(super) server: config::Server,
    pub(super) import: config::Import,
    pub(super) connections: Arc<Semaphore>,
    /// Pushes from the first byte of their body to their answer.
    pub(super) places: Arc<Semaphore>,
    /// Memory of bodies that arrive.
    pub(super) bodies: Budget,
    /// Memory of pushes on their way to the disk.
    pub(super) pushes: Budget,
}

impl Limits {
    pub(super) fn new(server: config::Server, import: config::Import, metrics: &Metrics) -> Self {
        let half = server.max_in_flight_bytes / 2;
        let semaphore = |most: usize| Arc::new(Semaphore::new(most.clamp(1, Semaphore::MAX_PERMITS)));
        Self {
            connections: semaphore(server.max_connections),
            places: semaphore(server.max_bodies),
            bodies: Budget::new(half, metrics.in_flight_bytes.clone()),
            pushes: Budget::new(half, metrics.in_flight_bytes.clone()),
            server,
            import,
        }
    }

    /// Waits until one more push may be taken. It may until the permit is dropped.
    pub(super) async fn place(&self) -> OwnedSemaphorePermit {
        self.places.clone().acquire_owned().await.expect("BUG: it is never closed")
    }
}

/// Memory, counted in units of 1 KiB. First come, first served.
#[derive(Clone)]
pub(super) struct Budget {
    free: Arc<Semaphore>,
    units: u32,
    gauge: Gauge,
}

const UNIT_BYTES: usize = 1024;

impl Budget {
    fn new(bytes: usize, gauge: Gauge) -> Self {
        let units = u32::try_from(bytes / UNIT_BYTES).unwrap_or(u32::MAX).max(1);
        Self { free: Arc::new(Semaphore::new(units as usize)), units, gauge }
    }

    /// Waits until `bytes` are free and takes them. What is larger than the whole budget takes all of it,
    /// and so goes alone.
    pub(super) async fn reserve(&self, bytes: usize) -> Reservation {
        let permit = self.acquire(self.units_of(bytes)).await;
        self.gauge.inc_by(bytes as i64);
        Reservation { budget: self.clone(), permit, bytes }
    }

    fn units_of(&self, bytes: usize) -> u32 {
        u32::try_from(bytes.div_ceil(UNIT_BYTES)).unwrap_or(u32::MAX).min(self.units)
    }

    async fn acquire(&self, units: u32) -> OwnedSemaphorePermit {
        self.free.clone().acquire_many_owned(units).await.expect("BUG: a budget is never closed")
    }
}

/// Memory taken of a budget, until it is dropped.
pub(super) struct Reservation {
    budget: Budget,
    permit: OwnedSemaphorePermit,
    bytes: usize,
}

impl Reservation {
    /// Bytes this stands for.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Waits until it stands for at least `bytes`.
    pub(super) async fn grow_to(&mut self, bytes: usize) {
        if bytes <= self.bytes {
            return;
        }
        let held = u32::try_from(self.permit.num_permits()).unwrap_or(u32::MAX);
        let more = self.budget.units_of(bytes).saturating_sub(held);
        self.permit.merge(self.budget.acquire(more).await);
        self.budget.gauge.inc_by((bytes - self.bytes) as i64);
        self.bytes = bytes;
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.budget.gauge.dec_by(self.bytes as i64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    /// The outcome of polling once: budgets wake nobody in these tests.
    fn now<T>(future: impl Future<Output = T>) -> Option<T> {
        match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(value) => Some(value),
            Poll::Pending => None,
        }
    }

    fn budget(bytes: usize) -> Budget {
        Budget::new(bytes, Gauge::default())
    }

    #[test]
    fn what_does_not_fit_waits_until_something_is_given_back() {
        let budget = budget(10 * UNIT_BYTES);
        let first = now(budget.reserve(6 * UNIT_BYTES)).expect("fits");
        assert!(now(budget.reserve(5 * UNIT_BYTES)).is_none());
        assert_eq!(budget.gauge.get(), 6 * UNIT_BYTES as i64);
        drop(first);
        assert_eq!(budget.gauge.get(), 0);
        assert!(now(budget.reserve(5 * UNIT_BYTES)).is_some());
    }

    #[test]
    fn what_is_larger_than_the_budget_goes_alone() {
        let budget = budget(10 * UNIT_BYTES);
        let small = now(budget.reserve(1)).expect("fits");
        assert!(now(budget.reserve(usize::MAX / 4)).is_none());
        drop(small);
        let large = now(budget.reserve(100 * UNIT_BYTES)).expect("alone it goes");
        assert!(now(budget.reserve(1)).is_none());
        assert_eq!(budget.gauge.get(), 100 * UNIT_BYTES as i64, "the gauge shows what is really there");
        drop(large);
        assert!(now(budget.reserve(1)).is_some());
    }

    #[test]
    fn growing_takes_the_difference_only() {
        let budget = budget(10 * UNIT_BYTES);
        let mut growing = now(budget.reserve(2 * UNIT_BYTES)).expect("fits");
        now(growing.grow_to(UNIT_BYTES)).expect("it has more already");
        now(growing.grow_to(9 * UNIT_BYTES)).expect("fits");
        assert_eq!((growing.bytes(), budget.gauge.get()), (9 * UNIT_BYTES, 9 * UNIT_BYTES as i64));
        let other = now(budget.reserve(UNIT_BYTES)).expect("one unit is left");
        assert!(now(growing.grow_to(10 * UNIT_BYTES)).is_none());
        drop(other);
        now(growing.grow_to(50 * UNIT_BYTES)).expect("up to all there is");
        drop(growing);
        assert_eq!((budget.free.available_permits(), budget.gauge.get()), (10, 0));
    }
}
