//! Keeps a warning that anyone can trigger from flooding the log. Pure.

use std::collections::HashMap;

/// Between two warnings of one kind.
const INTERVAL_MS: i64 = 60_000;

/// What was warned of, and when.
#[derive(Debug, Default)]
pub struct Throttle {
    kinds: HashMap<&'static str, Kind>,
}

#[derive(Debug)]
struct Kind {
    warned_ms: i64,
    suppressed: u64,
}

impl Throttle {
    /// Notes an event of `kind`: returns the number of those held back since the last warning when it may
    /// be warned of, and `None` when it is to be held back itself. A clock that was set back does not
    /// silence a kind.
    pub fn note(&mut self, kind: &'static str, now_ms: i64) -> Option<u64> {
        let Some(known) = self.kinds.get_mut(kind) else {
            self.kinds.insert(kind, Kind { warned_ms: now_ms, suppressed: 0 });
            return Some(0);
        };
        if (0..INTERVAL_MS).contains(&now_ms.saturating_sub(known.warned_ms)) {
            known.suppressed += 1;
            return None;
        }
        known.warned_ms = now_ms;
        Some(std::mem::take(&mut known.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_warned_of_once_a_minute_with_the_number_held_back() {
        let mut throttle = Throttle::default();
        assert_eq!(throttle.note("busy", 1_000), Some(0));
        assert_eq!(throttle.note("busy", 1_000), None);
        assert_eq!(throttle.note("busy", 60_999), None);
        assert_eq!(throttle.note("store", 60_999), Some(0), "another kind has its own minute");
        assert_eq!(throttle.note("busy", 61_000), Some(2));
        assert_eq!(throttle.note("busy", 61_001), None);
        assert_eq!(throttle.note("busy", 500_000), Some(1));
    }

    #[test]
    fn a_clock_set_back_does_not_silence() {
        let mut throttle = Throttle::default();
        assert_eq!(throttle.note("busy", 1_000_000), Some(0));
        assert_eq!(throttle.note("busy", 10), Some(0));
        assert_eq!(throttle.note("busy", 11), None);
    }
}
