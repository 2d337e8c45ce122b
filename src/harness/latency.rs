//! How long answers took: two histograms of fixed size, one for all of the run and one since it was last taken.

use hdrhistogram::Histogram;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Recorded in µs, from 1 µs to an hour, to three digits.
const MOST_MICROS: u64 = 3_600_000_000;
const DIGITS: u8 = 3;

/// Times and how often each was.
#[derive(Debug, Clone)]
pub struct Latency(Histogram<u64>);

impl Default for Latency {
    fn default() -> Self {
        Self(Histogram::new_with_bounds(1, MOST_MICROS, DIGITS).expect("BUG: the bounds are sound"))
    }
}

impl Latency {
    /// How many times were recorded.
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// The time that this share of all did not exceed, such as 0.99, to three digits. None where nothing was recorded.
    pub fn quantile(&self, share: f64) -> Option<Duration> {
        (!self.0.is_empty()).then(|| Duration::from_micros(self.0.value_at_quantile(share)))
    }

    pub fn most(&self) -> Option<Duration> {
        self.quantile(1.0)
    }

    fn record(&mut self, time: Duration) {
        // Beyond the bounds it counts as the bound.
        self.0.saturating_record(u64::try_from(time.as_micros()).unwrap_or(u64::MAX).max(1));
    }

    fn add(&mut self, other: &Self) {
        self.0.add(&other.0).expect("BUG: all have the same bounds");
    }
}

/// The two in the hands of all pushers and of who watches.
#[derive(Debug, Clone, Default)]
pub(super) struct Latencies(Arc<Mutex<Both>>);

#[derive(Debug, Default)]
struct Both {
    /// Up to when it was last taken.
    past: Latency,
    recent: Latency,
}

impl Latencies {
    fn lock(&self) -> MutexGuard<'_, Both> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn record(&self, time: Duration) {
        self.lock().recent.record(time);
    }

    /// All that was recorded.
    pub(super) fn all(&self) -> Latency {
        let both = self.lock();
        let mut all = both.past.clone();
        all.add(&both.recent);
        all
    }

    /// What was recorded since this was asked for before.
    pub(super) fn take(&self) -> Latency {
        let mut both = self.lock();
        let recent = both.recent.clone();
        both.past.add(&recent);
        both.recent.0.reset();
        recent
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn quantiles_are_those_of_the_sorted_times_and_what_is_taken_stays_in_all(
            rounds in prop::collection::vec(prop::collection::vec(1u64..4_000_000, 0..40), 1..5),
            share in 0.01f64..1.0,
        ) {
            let latencies = Latencies::default();
            for micros in &rounds {
                micros.iter().for_each(|micros| latencies.record(Duration::from_micros(*micros)));
                prop_assert_eq!(latencies.take().count(), micros.len() as u64);
            }
            prop_assert_eq!(latencies.take().quantile(share), None);
            let mut sorted = rounds.concat();
            sorted.sort_unstable();
            prop_assert_eq!(latencies.all().count(), sorted.len() as u64);
            if let Some(told) = latencies.all().quantile(share) {
                let at = ((share * sorted.len() as f64).ceil() as usize).clamp(1, sorted.len());
                let (told, exact) = (told.as_micros() as f64, sorted[at - 1] as f64);
                prop_assert!((told - exact).abs() <= exact * 0.002 + 1.0, "{} for {}", told, exact);
            }
        }
    }

    #[test]
    fn times_beyond_the_bounds_count_as_the_bounds() {
        let latencies = Latencies::default();
        latencies.record(Duration::ZERO);
        latencies.record(Duration::MAX);
        let all = latencies.all();
        assert_eq!((all.count(), all.quantile(0.5)), (2, Some(Duration::from_micros(1))));
        assert!(all.most() >= Some(Duration::from_secs(3_600)));
    }
}
