//! How long to wait after a failure: exponential, jittered, capped. Pure: the seed comes from outside.

use super::verdict::Failure;
use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use std::time::Duration;

/// A refused connection costs nobody anything, and an upstream that is back is to be found at once: the first
/// delivery comes within two seconds.
const CONNECT_CAP: Duration = Duration::from_millis(1500);

/// The waits of one upstream, from its first failure to its next success.
#[derive(Debug)]
pub struct Backoff {
    min: Duration,
    max: Duration,
    seed: u64,
    /// The cap that `waits` was made with.
    cap: Duration,
    waits: ExponentialBackoff,
}

impl Backoff {
    /// Waits grow from about `min` to at most `max`, at most 1.5 s for connections that are refused.
    pub fn new(min: Duration, max: Duration, seed: u64) -> Self {
        let min = min.min(max);
        Self { min, max, seed, cap: max, waits: waits(min, max, seed) }
    }

    /// The wait after one more failure; `failure` is none for an answer that asks to come again.
    pub fn next(&mut self, failure: Option<Failure>) -> Duration {
        let cap = if failure == Some(Failure::Connect) { self.max.min(CONNECT_CAP) } else { self.max };
        if cap != self.cap {
            self.restart(cap);
        }
        self.waits.next().unwrap_or(cap).min(cap)
    }

    /// The upstream answered as it should: the next failure begins anew.
    pub fn reset(&mut self) {
        self.restart(self.cap);
    }

    /// A random share of `whole`, evenly from nothing to all of it.
    pub fn share_of(&mut self, whole: Duration) -> Duration {
        // The crate's jitter on a wait of `whole` is between it and twice it.
        self.next_seed();
        let jittered = waits(whole * 2, whole * 2, self.seed).next().unwrap_or(whole);
        jittered.saturating_sub(whole).min(whole)
    }

    /// Another seed each time, or agents that began together would stay together.
    fn next_seed(&mut self) {
        self.seed = self.seed.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
    }

    fn restart(&mut self, cap: Duration) {
        self.cap = cap;
        self.next_seed();
        self.waits = waits(self.min, cap, self.seed);
    }
}

/// The crate's jitter adds up to the wait itself, so half of each bound is given to it: a wait is between half
/// and the whole of what the bounds say.
fn waits(min: Duration, max: Duration, seed: u64) -> ExponentialBackoff {
    ExponentialBuilder::new()
        .with_min_delay((min / 2).min(max / 2))
        .with_max_delay(max / 2)
        .with_factor(2.0)
        .without_max_times()
        .with_jitter()
        .with_jitter_seed(seed)
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    proptest! {
        #[test]
        fn waits_grow_from_below_a_second_to_the_cap_and_never_beyond(seed: u64) {
            let mut backoff = Backoff::new(ms(200), ms(5_000), seed);
            let waits: Vec<_> = (0..12).map(|_| backoff.next(None)).collect();
            prop_assert!(waits[0] >= ms(100) && waits[0] <= ms(200), "{waits:?}");
            prop_assert!(waits.iter().all(|wait| *wait <= ms(5_000)), "{waits:?}");
            prop_assert!(waits[8..].iter().all(|wait| *wait >= ms(2_500)), "{waits:?}");
        }

        #[test]
        fn a_refused_connection_is_tried_again_within_two_seconds(seed: u64) {
            let mut backoff = Backoff::new(ms(200), ms(30_000), seed);
            for _ in 0..20 {
                prop_assert!(backoff.next(Some(Failure::Connect)) <= CONNECT_CAP);
            }
        }

        #[test]
        fn any_bounds_are_kept(min in 0..10_000u64, max in 0..10_000u64, seed: u64) {
            let mut backoff = Backoff::new(ms(min), ms(max), seed);
            for _ in 0..20 {
                prop_assert!(backoff.next(None) <= ms(max));
            }
        }
    }

    #[test]
    fn shares_are_spread_over_the_whole() {
        let mut backoff = Backoff::new(ms(200), ms(5_000), 3);
        let whole = Duration::from_secs(10);
        let shares: Vec<_> = (0..200).map(|_| backoff.share_of(whole)).collect();
        assert!(shares.iter().all(|share| *share <= whole));
        for tenth in 0..10 {
            let within = |share: &&Duration| share.as_secs() == tenth;
            assert!(shares.iter().filter(within).count() > 5, "second {tenth}: {shares:?}");
        }
        assert_eq!(backoff.share_of(Duration::ZERO), Duration::ZERO);
    }

    #[test]
    fn success_begins_anew_and_agents_differ() {
        let mut backoff = Backoff::new(ms(200), ms(5_000), 1);
        for _ in 0..8 {
            backoff.next(None);
        }
        backoff.reset();
        assert!(backoff.next(None) <= ms(200));
        let first = |seed| Backoff::new(ms(200), ms(5_000), seed).next(None);
        assert_ne!(first(1), first(2));
    }
}
