//! How much one request carries, and how soon the next may follow: what keeps a server that came back from being
//! knocked over again. Pure.
//!
//! With one request in flight, the size of a batch and the time until its answer are the rate. So the size does what
//! TCP's congestion window does: small after a failure, doubling while answers are quick up to where trouble was
//! met last, growing by a fixed step beyond that, halved by slow answers and by 413.

use std::time::{Duration, Instant};

/// The first batch after a failure, in samples: about one scrape.
const PROBE: u64 = 1_000;
/// An upstream that answers within this time has room for more. With a thousand agents before it, an answer is late by
/// the requests of the others; small batches then cost it more than they spare it, as each carries its labels anew. What
/// simulated fleets showed is in docs/fleet.md.
const QUICK: Duration = Duration::from_secs(2);
/// One that takes longer than this has too much to do.
const SLOW: Duration = Duration::from_secs(6);
/// Growth beyond the last trouble takes this many answers to the full size.
const STEPS: u64 = 16;

/// Hard limits of the rate; none is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct RateLimit {
    pub samples_per_second: Option<u64>,
    /// Of the packed body.
    pub bytes_per_second: Option<u64>,
}

/// See the module's doc.
#[derive(Debug)]
pub struct Window {
    max: u64,
    rate: RateLimit,
    /// Samples that the next batch may have.
    samples: u64,
    /// Where doubling ends.
    threshold: u64,
    /// The rate limit lets the next batch go then.
    free_at: Option<Instant>,
}

impl Window {
    /// A window of `max` samples at most. It starts small: an agent that starts may be one of many after a power cut.
    pub fn new(max: u64, rate: RateLimit) -> Self {
        let max = max.max(1);
        Self { max, rate, samples: PROBE.min(max), threshold: max, free_at: None }
    }

    /// Samples that the next batch may have.
    pub fn samples(&self) -> u64 {
        self.samples
    }

    /// A batch of so many samples was taken after `took`.
    pub fn delivered(&mut self, samples: u64, took: Duration) {
        if took > SLOW {
            self.shrink(self.samples / 2);
        } else if took <= QUICK && samples >= self.samples / 2 {
            // What did not fill the window says nothing of a larger one.
            let grown = if self.samples < self.threshold {
                self.samples * 2
            } else {
                self.samples + (self.max / STEPS).max(1)
            };
            self.samples = grown.min(self.max);
        }
    }

    /// A batch of so many samples was too large for the upstream.
    pub fn too_large(&mut self, samples: u64) {
        self.shrink(samples / 2);
    }

    /// The upstream is away or busy: what comes next is a probe.
    pub fn failed(&mut self) {
        self.threshold = (self.samples / 2).max(PROBE).min(self.max);
        self.samples = PROBE.min(self.max);
    }

    fn shrink(&mut self, samples: u64) {
        self.samples = samples.max(PROBE / 4).min(self.max);
        self.threshold = self.samples;
    }

    /// A batch goes out now: with a rate limit, the next may not before it is paid for.
    pub fn spend(&mut self, now: Instant, samples: u64, packed_bytes: u64) {
        let cost = |limit: Option<u64>, amount: u64| {
            limit.map_or(Duration::ZERO, |limit| Duration::from_secs_f64(amount as f64 / limit.max(1) as f64))
        };
        let cost =
            cost(self.rate.samples_per_second, samples).max(cost(self.rate.bytes_per_second, packed_bytes));
        if !cost.is_zero() {
            self.free_at = Some(self.free_at.unwrap_or(now).max(now) + cost);
        }
    }

    /// When the rate limit lets the next batch go, where that is later than now.
    pub fn wait_until(&self, now: Instant) -> Option<Instant> {
        self.free_at.filter(|free_at| *free_at > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MAX: u64 = 50_000;
    const NONE: RateLimit = RateLimit { samples_per_second: None, bytes_per_second: None };

    fn window() -> Window {
        Window::new(MAX, NONE)
    }

    fn deliver_full(window: &mut Window, took: Duration) {
        window.delivered(window.samples(), took);
    }

    #[test]
    fn it_doubles_from_a_probe_to_the_full_size() {
        let mut window = window();
        let mut sizes = vec![window.samples()];
        while window.samples() < MAX {
            deliver_full(&mut window, QUICK);
            sizes.push(window.samples());
        }
        assert_eq!(sizes, [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 50_000]);
    }

    #[test]
    fn trouble_halves_it_and_growth_is_slow_from_there_on() {
        let mut window = window();
        (0..6).for_each(|_| deliver_full(&mut window, QUICK));
        deliver_full(&mut window, SLOW + QUICK);
        assert_eq!(window.samples(), MAX / 2);
        deliver_full(&mut window, QUICK);
        assert_eq!(window.samples(), MAX / 2 + MAX / STEPS);
        deliver_full(&mut window, SLOW);
        assert_eq!(window.samples(), MAX / 2 + MAX / STEPS, "neither quick nor slow: it stays");
        window.failed();
        assert_eq!(window.samples(), PROBE);
    }

    #[test]
    fn a_trickle_does_not_open_it() {
        let mut window = window();
        (0..100).for_each(|_| window.delivered(100, QUICK));
        assert_eq!(window.samples(), PROBE);
    }

    #[test]
    fn a_rate_limit_spaces_batches() {
        let now = Instant::now();
        let rate = RateLimit { samples_per_second: Some(1_000), bytes_per_second: Some(1 << 20) };
        let mut window = Window::new(MAX, rate);
        assert_eq!(window.wait_until(now), None);
        window.spend(now, 500, 10);
        assert_eq!(window.wait_until(now), Some(now + Duration::from_millis(500)));
        window.spend(now, 1, 2 << 20);
        assert_eq!(window.wait_until(now), Some(now + Duration::from_millis(2_500)));
        assert_eq!(window.wait_until(now + Duration::from_secs(3)), None);
    }

    proptest! {
        #[test]
        fn it_stays_within_its_bounds(
            steps in prop::collection::vec((0..4u8, 0..20_000u64), 0..200), max in 1..1_000_000u64,
        ) {
            let mut window = Window::new(max, NONE);
            for (step, took) in steps {
                match step {
                    0 | 1 => deliver_full(&mut window, Duration::from_millis(took)),
                    2 => window.too_large(window.samples()),
                    _ => window.failed(),
                }
                prop_assert!((1..=max).contains(&window.samples()));
            }
        }
    }
}
