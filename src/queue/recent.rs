//! What an upstream settled lately: how far back a rewind may go, and so what has to stay readable. Pure.
//!
//! A server answers before it flushes. When it crashes, what it answered last is gone from it, and only the queue
//! still has it. So what was settled within the window stays in the log, and when the upstream was away, delivery
//! begins again at the window's start:
//!
//! ```text
//!            base            acked
//!  ────────────┼───────────────┼──────────────▶ log
//!   settled    │ settled within│ not settled
//!   long ago   │ the window    │
//! ```

use super::mark::Mark;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Steps that a window is remembered in: a rewind goes back by the window and at most one step more.
const STEPS: u32 = 16;

/// An upstream that fails again and again must not be sent the same over and over: of the rewinds within this many windows,
/// only the first [`WHOLE_REWINDS`] may go back to what one before them repeated.
const QUIET_WINDOWS: u32 = 6;
/// A server that is started anew can crash again before it has flushed what was repeated for it, and so can the node that took
/// over from it.
const WHOLE_REWINDS: usize = 3;

/// The settled positions of the last seconds. See the module's doc.
#[derive(Debug, Clone)]
pub struct Recent {
    window: Duration,
    /// Everything before it was settled before the window.
    base: Mark,
    /// Settled positions and when they were reached, a step apart at least, oldest first.
    steps: VecDeque<(Instant, Mark)>,
    /// The last one of all, which may have come sooner than a step after the one before it.
    last: Option<(Instant, Mark)>,
    /// When the last rewinds were made, and what was settled then.
    rewound: VecDeque<(Instant, Mark)>,
}

impl Recent {
    /// Nothing was settled lately; everything before `base` was, some time.
    pub fn new(window: Duration, base: Mark) -> Self {
        Self { window, base, steps: VecDeque::new(), last: None, rewound: VecDeque::new() }
    }

    /// The settled position moved on to `to`.
    pub fn settled(&mut self, now: Instant, to: Mark) {
        let before = self.last.replace((now, to));
        let is_step = self.steps.back().is_none_or(|(at, _)| *at + self.window / STEPS <= now);
        if is_step {
            // The one before it may have come long before, and not long enough after its step to be one.
            self.steps.extend(before.filter(|before| self.steps.back() != Some(before)));
            self.steps.push_back((now, to));
        }
        self.move_base(now);
    }

    /// Everything before it was settled before the window that ends now.
    pub fn base(&mut self, now: Instant) -> Mark {
        self.move_base(now);
        self.base
    }

    /// The window ends with the last answer: a server that goes down right after it may be missed a minute later only, where
    /// nothing is pushed in between. After so long it is not waited for any more.
    fn end_of_window(&self, now: Instant) -> Instant {
        let quiet = self.window * QUIET_WINDOWS;
        self.last.map(|(at, _)| at).filter(|at| now < *at + quiet).unwrap_or(now)
    }

    fn move_base(&mut self, now: Instant) {
        let now = self.end_of_window(now);
        let is_old = |at: Instant| at + self.window <= now;
        while let Some((at, mark)) = self.steps.front()
            && is_old(*at)
        {
            self.base = *mark;
            self.steps.pop_front();
        }
        if let Some((at, mark)) = self.last
            && is_old(at)
        {
            self.base = mark;
            self.last = None;
        }
    }

    /// The upstream is away: where delivery begins again, given what is settled. From here on that is settled.
    pub fn rewind(&mut self, now: Instant, acked: Mark) -> Mark {
        let mut to = self.base(now);
        let quiet = self.window * QUIET_WINDOWS;
        self.rewound.retain(|(at, _)| now < *at + quiet);
        if self.rewound.len() >= WHOLE_REWINDS
            && let Some((_, repeated)) = self.rewound.back()
        {
            to = to.max(*repeated);
        }
        // What was settled by an earlier rewind's measure lies ahead of what is settled now: nothing to repeat.
        if to.position >= acked.position {
            return acked;
        }
        self.rewound.push_back((now, acked));
        self.base = to;
        self.steps.clear();
        self.last = None;
        to
    }

    /// Everything before `first` left the log.
    pub fn trim(&mut self, first: Mark) {
        self.base = self.base.max(first);
        self.steps.retain(|(_, mark)| mark.position > first.position);
        self.last = self.last.filter(|(_, mark)| mark.position > first.position);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const WINDOW: Duration = Duration::from_secs(10);

    fn mark(position: u64) -> Mark {
        Mark { position, samples: position, bytes: position }
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_rewind_goes_back_by_the_window() {
        let start = Instant::now();
        let mut recent = Recent::new(WINDOW, mark(0));
        (1..=60).for_each(|second| recent.settled(start + seconds(second), mark(second)));
        assert_eq!(recent.base(start + seconds(60)), mark(50));
        assert_eq!(recent.rewind(start + seconds(60), mark(60)), mark(50));
    }

    #[test]
    fn what_was_settled_long_ago_is_not_held_though_nothing_followed() {
        let start = Instant::now();
        let mut recent = Recent::new(WINDOW, mark(0));
        recent.settled(start, mark(1));
        recent.settled(start + Duration::from_millis(1), mark(2));
        assert_eq!(recent.base(start + seconds(59)), mark(0));
        assert_eq!(recent.base(start + seconds(61)), mark(2));
    }

    #[test]
    fn a_rewind_goes_back_from_the_last_answer_however_late_the_failure_shows() {
        let start = Instant::now();
        let mut recent = Recent::new(WINDOW, mark(0));
        (1..=60).for_each(|second| recent.settled(start + seconds(second), mark(second)));
        assert_eq!(recent.rewind(start + seconds(75), mark(60)), mark(50));
    }

    #[test]
    fn a_server_that_crashes_again_is_sent_the_whole_window_again() {
        let start = Instant::now();
        let mut recent = Recent::new(WINDOW, mark(0));
        (1..=20).for_each(|second| recent.settled(start + seconds(second), mark(second)));
        let at = start + seconds(20);
        assert_eq!(recent.rewind(at, mark(20)), mark(10));
        recent.settled(at + seconds(3), mark(23));
        assert_eq!(
            recent.rewind(at + seconds(4), mark(23)),
            mark(10),
            "it may have lost all of it once more"
        );
        recent.settled(at + seconds(6), mark(15));
        assert_eq!(recent.rewind(at + seconds(7), mark(15)), mark(10), "also what came but in part");
    }

    #[test]
    fn an_upstream_that_keeps_failing_is_not_sent_the_same_over_and_over() {
        let start = Instant::now();
        let mut recent = Recent::new(WINDOW, mark(0));
        (1..=20).for_each(|second| recent.settled(start + seconds(second), mark(second)));
        let at = start + seconds(20);
        for _ in 0..WHOLE_REWINDS {
            assert_eq!(recent.rewind(at, mark(20)), mark(10));
            recent.settled(at, mark(20));
        }
        recent.settled(at + seconds(1), mark(25));
        assert_eq!(recent.rewind(at + seconds(2), mark(25)), mark(20), "what is new is repeated once");
        recent.settled(at + seconds(3), mark(22));
        assert_eq!(
            recent.rewind(at + seconds(4), mark(22)),
            mark(22),
            "it came in part, and is not sent again"
        );
        recent.settled(at + seconds(100), mark(40));
        assert_eq!(
            recent.rewind(at + seconds(101), mark(40)),
            mark(22),
            "after a quiet time, the whole window"
        );
    }

    #[test]
    fn without_a_window_nothing_is_held() {
        let now = Instant::now();
        let mut recent = Recent::new(Duration::ZERO, mark(0));
        recent.settled(now, mark(5));
        assert_eq!(recent.base(now), mark(5));
        assert_eq!(recent.rewind(now, mark(5)), mark(5));
    }

    proptest! {
        /// Against the whole history: what was settled within the window is held, and little more.
        #[test]
        fn the_window_is_held_and_a_step_more_at_most(steps in prop::collection::vec((0..5_000u64, 1..9u64), 1..100)) {
            let start = Instant::now();
            let mut recent = Recent::new(WINDOW, mark(0));
            let mut history = vec![(start, mark(0))];
            let (mut now, mut at) = (start, 0);
            for (ms, records) in steps {
                now += Duration::from_millis(ms);
                at += records;
                recent.settled(now, mark(at));
                history.push((now, mark(at)));
                let settled_by = |time: Instant| {
                    history.iter().rev().find(|(at, _)| *at <= time).map_or(mark(0), |(_, mark)| *mark)
                };
                let base = recent.base(now);
                let exact = now.checked_sub(WINDOW).map_or(mark(0), settled_by);
                prop_assert!(base.position <= exact.position);
                let early = now.checked_sub(WINDOW + 2 * WINDOW / STEPS).map_or(mark(0), settled_by);
                prop_assert!(base.position >= early.position, "{base:?} is before {early:?}");
                prop_assert!(recent.steps.len() <= 2 * STEPS as usize + 2);
            }
        }
    }
}
