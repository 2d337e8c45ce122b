//! Which URL of an entry's `urls` is next: a state machine of `(event, now) → URL`. Pure.
//!
//! ```text
//!  the first ──── no connection, or failing for long ───▶ the next not tried yet, at once ──▶ … all were tried
//!      ▲  ▲                                                     │                                 │
//!      │  └── it delivered ◀── probe: now and then one batch ◀──┘ it delivers                     │
//!      └──────────────────────────── a wait, then from the front ◀────────────────────────────────┘
//! ```
//!
//! Exactly one URL is asked at a time. Invariants, in [`Failover::check`]: the URL in use is in the list, and it is not among
//! those tried in vain in this round; a probe is of the first, while another is in use.

use super::verdict::{Failure, Outcome};
use std::time::{Duration, Instant};

/// A URL that delivered before is left after so many failures in a row, or after failing for so long: one 503 while a
/// server restarts its storage is no reason to send what was settled lately to another one.
const MOVE_AFTER_FAILURES: u32 = 3;
const MOVE_AFTER: Duration = Duration::from_secs(10);

/// The first URL is asked again so long after it was left, then after twice as long each time.
const FIRST_PROBE: Duration = Duration::from_secs(10);
const LAST_PROBE: Duration = Duration::from_secs(60);

/// The URL of one attempt, by its place in the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    pub url: usize,
    /// Only to learn whether the first URL is back: it is not to hold up the delivery for long.
    pub is_probe: bool,
}

/// What follows a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The same batch to another URL, at once.
    AtOnce,
    /// The usual wait, counted from this moment on.
    WaitFrom(Instant),
}

/// What a failure says about the URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sign {
    /// There is nobody.
    Away,
    /// There is somebody who cannot serve.
    Failing,
    /// It speaks of the sender, or asks for patience: another URL is no better.
    Unrelated,
}

/// See the module's doc.
#[derive(Debug)]
pub struct Failover {
    urls: Vec<Url>,
    /// The one in use.
    current: usize,
    /// It delivered since it is in use, or is the first at the start.
    is_proven: bool,
    failures: u32,
    failing_since: Option<Instant>,
    /// When the attempt in flight began.
    begun: Option<Instant>,
    is_probing: bool,
    probe_wait: Duration,
    probe_at: Option<Instant>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Url {
    /// It failed since the last delivery and the last wait.
    is_tried: bool,
    /// What a Retry-After of it asked for.
    busy_until: Option<Instant>,
}

impl Failover {
    /// For a list of so many URLs, at least one.
    pub fn new(urls: usize) -> Self {
        assert!(urls > 0, "BUG: an upstream without a URL");
        Self {
            urls: vec![Url::default(); urls],
            current: 0,
            is_proven: true,
            failures: 0,
            failing_since: None,
            begun: None,
            is_probing: false,
            probe_wait: FIRST_PROBE,
            probe_at: None,
        }
    }

    /// The URL in use, whatever is being probed.
    pub fn current(&self) -> usize {
        self.current
    }

    /// True from the choice of a probe until its outcome.
    pub fn is_probing(&self) -> bool {
        self.is_probing
    }

    /// True while the URL in use asked for patience: nothing but time ends that.
    pub fn is_busy(&self, now: Instant) -> bool {
        self.urls[self.current].is_busy(now)
    }

    /// Chooses the URL of the attempt that begins now.
    pub fn attempt(&mut self, now: Instant) -> Target {
        self.begun = Some(now);
        let is_due = self.probe_at.is_some_and(|at| at <= now);
        // A probe that was answered with a word about the encoding goes on.
        self.is_probing = self.current != 0 && (self.is_probing || is_due && !self.urls[0].is_busy(now));
        self.check();
        Target { url: if self.is_probing { 0 } else { self.current }, is_probe: self.is_probing }
    }

    /// The attempt settled something: its URL is the one to use.
    pub fn settled(&mut self) {
        if self.is_probing {
            self.is_probing = false;
            self.current = 0;
            self.probe_at = None;
        }
        self.is_proven = true;
        self.forget_failures();
        self.urls.iter_mut().for_each(|url| url.is_tried = false);
        self.check();
    }

    /// The attempt failed, and `asked` is its Retry-After, zero for none.
    pub fn failed(&mut self, outcome: &Outcome, asked: Duration, now: Instant) -> Step {
        let asked_until = Some(now + asked).filter(|_| asked > Duration::ZERO);
        if self.is_probing {
            self.is_probing = false;
            self.urls[0].busy_until = asked_until;
            self.probe_wait = (self.probe_wait * 2).min(LAST_PROBE);
            self.probe_at = Some(now + self.probe_wait);
            return Step::AtOnce;
        }
        self.urls[self.current].busy_until = asked_until;
        self.failures += 1;
        let since = *self.failing_since.get_or_insert(self.begun.unwrap_or(now));
        let is_long =
            self.failures >= MOVE_AFTER_FAILURES || now - since >= MOVE_AFTER || asked >= MOVE_AFTER;
        let is_to_leave = match sign(outcome) {
            Sign::Away => true,
            Sign::Failing => !self.is_proven || is_long,
            Sign::Unrelated => !self.is_proven,
        };
        let step = if is_to_leave { self.leave(now) } else { Step::WaitFrom(now + asked) };
        self.check();
        step
    }

    /// The next in the list that was not tried in this round; with none left, a new round after a wait.
    fn leave(&mut self, now: Instant) -> Step {
        self.urls[self.current].is_tried = true;
        if let Some(next) = self.urls.iter().position(|url| !url.is_tried && !url.is_busy(now)) {
            self.use_url(next, now);
            return Step::AtOnce;
        }
        self.urls.iter_mut().for_each(|url| url.is_tried = false);
        let free_at = |url: &Url| url.busy_until.map_or(now, |until| until.max(now));
        // The first of those that are free first.
        let (next, from) =
            self.urls.iter().map(free_at).enumerate().min_by_key(|(_, at)| *at).unwrap_or((0, now));
        self.use_url(next, now);
        Step::WaitFrom(from)
    }

    fn use_url(&mut self, next: usize, now: Instant) {
        if self.current == 0 && next != 0 {
            self.probe_wait = FIRST_PROBE;
            self.probe_at = Some(now + FIRST_PROBE);
        }
        if next == 0 {
            self.probe_at = None;
        }
        self.current = next;
        self.is_proven = false;
        self.forget_failures();
    }

    fn forget_failures(&mut self) {
        self.failures = 0;
        self.failing_since = None;
    }

    fn check(&self) {
        assert!(self.current < self.urls.len(), "BUG: a URL that is not there");
        assert!(!self.urls[self.current].is_tried, "BUG: a URL in use that was tried in vain");
        assert!(!self.is_probing || self.current != 0, "BUG: a probe of the URL in use");
        assert!(self.probe_at.is_some() == (self.current != 0), "BUG: the first URL is never probed");
    }
}

impl Url {
    fn is_busy(&self, now: Instant) -> bool {
        self.busy_until.is_some_and(|until| until > now)
    }
}

fn sign(outcome: &Outcome) -> Sign {
    match outcome {
        Outcome::Failed { failure: Failure::Connect, .. } => Sign::Away,
        Outcome::Failed { failure: Failure::Timeout | Failure::Broken, .. } => Sign::Failing,
        Outcome::Failed { failure: Failure::Setup | Failure::Token, .. } => Sign::Unrelated,
        Outcome::Answered(answer) => match answer.status {
            401 | 403 | 407 | 425 | 429 => Sign::Unrelated,
            _ => Sign::Failing,
        },
    }
}

#[cfg(test)]
#[path = "failover_tests.rs"]
mod tests;
