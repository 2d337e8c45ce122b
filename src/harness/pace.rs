//! When the next push is due. Pure.

use std::time::Duration;

/// How fast all hosts together push.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pace {
    /// Each host once in this time. A push that took long delays the next one of its connection, and is not made up for by
    /// a burst.
    Every(Duration),
    /// This many samples a second in all, above 0. What was missed is made up for, up to a second of it.
    Rate(f64),
    /// As fast as it goes: each connection pushes again as soon as it is answered.
    Full,
}

/// The most that [`Pace::Rate`] makes up for.
const MOST_BEHIND: Duration = Duration::from_secs(1);

/// The share of one connection: when it pushes. Times count from the start of the flow.
#[derive(Debug, Clone)]
pub(super) struct Turns {
    pace: Pace,
    /// Hosts of this connection.
    hosts: u32,
    connections: u32,
    due: Duration,
}

impl Turns {
    /// Connection `number` of so many, which pushes for `hosts` hosts in turn. The first pushes are spread over a turn, so
    /// that not all push at once.
    pub(super) fn new(pace: Pace, number: usize, connections: usize, hosts: usize) -> Self {
        let (connections, hosts) = (connections as u32, hosts as u32);
        let due = match pace {
            Pace::Every(period) => period * number as u32 / connections / hosts.max(1),
            Pace::Rate(_) | Pace::Full => Duration::ZERO,
        };
        Self { pace, hosts, connections, due }
    }

    /// When the next push is due.
    pub(super) fn due(&self) -> Duration {
        self.due
    }

    /// Notes that a host pushes `samples` samples at `now`, not before it was due.
    pub(super) fn begin(&mut self, samples: u64, now: Duration) {
        self.due = match self.pace {
            Pace::Every(period) => now.max(self.due) + period / self.hosts,
            Pace::Rate(rate) => {
                let time = samples as f64 * f64::from(self.connections) / rate;
                let from = self.due.max(now.saturating_sub(MOST_BEHIND));
                from + Duration::try_from_secs_f64(time).unwrap_or(Duration::MAX / 4)
            }
            Pace::Full => now,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MS: Duration = Duration::from_millis(1);

    /// Pushes at each turn for `time`, each taking `answer`; when they began.
    fn play(mut turns: Turns, samples: u64, answer: Duration, time: Duration) -> Vec<Duration> {
        let (mut now, mut begun) = (Duration::ZERO, Vec::new());
        loop {
            now = now.max(turns.due());
            if now >= time {
                return begun;
            }
            turns.begin(samples, now);
            begun.push(now);
            now += answer;
        }
    }

    #[test]
    fn each_host_has_its_turn_once_in_a_period_and_connections_do_not_begin_together() {
        let begun = |number| play(Turns::new(Pace::Every(100 * MS), number, 2, 5), 1, MS, 300 * MS);
        assert_eq!(begun(0).len(), 15);
        assert_eq!(begun(0)[..3], [Duration::ZERO, 20 * MS, 40 * MS]);
        assert_eq!(begun(1)[..3], [10 * MS, 30 * MS, 50 * MS]);
    }

    #[test]
    fn a_slow_answer_delays_and_makes_no_burst() {
        let mut turns = Turns::new(Pace::Every(10 * MS), 0, 1, 1);
        turns.begin(1, Duration::ZERO);
        turns.begin(1, 500 * MS);
        assert_eq!(turns.due(), 510 * MS);
    }

    #[test]
    fn as_fast_as_it_goes_a_push_is_always_due() {
        let begun = play(Turns::new(Pace::Full, 0, 1, 3), 1, MS, 100 * MS);
        assert_eq!(begun.len(), 100);
    }

    #[test]
    fn a_rate_makes_up_for_a_second_at_most() {
        // 10 pushes a second.
        let mut turns = Turns::new(Pace::Rate(1_000.0), 0, 1, 1);
        turns.begin(100, 10_000 * MS);
        assert_eq!(turns.due(), 9_100 * MS);
    }

    proptest! {
        #[test]
        fn a_rate_is_kept_over_all_connections_as_long_as_answers_are_quick(
            rate in 100.0..100_000.0f64, connections in 1usize..8, samples in 1u64..50, percent in 0u32..90,
        ) {
            let time = Duration::from_secs(20);
            let turns = |number| Turns::new(Pace::Rate(rate), number, connections, 2);
            // The time that a connection has for a push.
            let share = Duration::from_secs_f64(samples as f64 * connections as f64 / rate);
            let pushes: usize =
                (0..connections).map(|number| play(turns(number), samples, share * percent / 100, time).len()).sum();
            let (pushed, expected) = (pushes as f64 * samples as f64, rate * time.as_secs_f64());
            // A push a connection, and what rounding to ns comes to.
            let most_off = samples as f64 * connections as f64 + expected * 1e-9 / share.as_secs_f64();
            prop_assert!((pushed - expected).abs() <= most_off, "{} of {}", pushed, expected);
        }
    }
}
