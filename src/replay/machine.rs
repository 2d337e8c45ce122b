//! Delivery of one upstream as a state machine: what to do next, given how the last attempt ended. Pure: no
//! socket, no clock, no queue.
//!
//! ```text
//!            ┌────────────── all parts settled ──────────────┐
//!            ▼                                               │
//!  Read ─▶ loaded ─▶ Send(part) ─▶ outcome ─┬─ delivered ────┤
//!                      ▲   ▲                ├─ rejected: the smallest part ─ set aside
//!                      │   │                │            a larger one ───── halves, in order
//!                      │   └── at once ─────┼─ split: halves, in order
//!                      │                    ├─ repack: the same in snappy
//!                      └── after a wait ────┴─ retry: the same
//! ```
//!
//! Parts are a stack: halves go back in order, so nothing overtakes anything, and only the first part not yet
//! settled is ever in flight.
//!
//! What is refused is looked for among the series first: mostly one is at fault, and always is. A single series is then
//! halved by its samples. Where too many series turn out to be at fault, it is more likely that a moment is: the rest is
//! halved by samples, all series at once. Each has a bound, so that no upstream is asked without end.

use super::backoff::Backoff;
use super::batch::{Packing, Part, Shape};
use super::failover::{Failover, Step, Target};
use super::verdict::{Outcome, Verdict};
use super::window::{RateLimit, Window};
use crate::config::UpstreamKind;
use std::time::{Duration, Instant};

/// What the worker is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Read the next batch, and [`Machine::load`] it.
    Read,
    /// Send this part, and tell [`Machine::outcome`] how it went. `attempt` counts from 0.
    Send { part: Part, packing: Packing, attempt: u32 },
    /// Do nothing until then.
    Wait(Instant),
}

/// What an outcome settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settled {
    Nothing,
    Delivered(Part),
    /// Refused for good.
    Rejected(Part, &'static str),
}

/// Settings of one upstream's delivery.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    pub kind: UpstreamKind,
    /// The longest Retry-After that is obeyed.
    pub max_retry_after: Duration,
    /// Samples of one batch at most.
    pub max_samples_per_send: u64,
    pub rate: RateLimit,
}

/// Many agents see an upstream come back in the same moment. After its first delivery each waits for a random share
/// of this part of the outage, at most [`MAX_SPREAD`], before it sends on: the first samples of all of them are to be in
/// before the server is busy with the rest of some. More than that gains nothing, see docs/fleet.md.
const SPREAD_SHARE: u32 = 20;
const MAX_SPREAD: Duration = Duration::from_secs(10);

/// What was sent last.
#[derive(Debug, Clone, Copy)]
struct Sent {
    at: Instant,
    samples: u64,
}

/// Refused series of one batch that are looked for; from then on, what is refused is halved by samples. An upstream that
/// refuses everything (each sample is too old for it, say) must not be asked twice for each series.
const MAX_SERIES_ALONE: u32 = 32;
/// Refused samples that are looked for in one series; what is refused of it from then on goes whole.
const MAX_SAMPLES_ALONE: u32 = 4;
/// Refused moments of what is left of a batch that are looked for; what is refused from then on goes whole.
const MAX_MOMENTS_ALONE: u32 = 32;

/// What was found to be refused of a batch.
#[derive(Debug, Clone, Copy, Default)]
struct Found {
    series: u32,
    /// In the series found last.
    samples: u32,
    last_series: Option<usize>,
    moments: u32,
}

/// See the module's doc.
#[derive(Debug)]
pub struct Machine {
    rules: Rules,
    backoff: Backoff,
    failover: Failover,
    window: Window,
    sent: Option<Sent>,
    failing_since: Option<Instant>,
    /// What is not settled of the batch, the next one last.
    parts: Vec<Part>,
    shape: Shape,
    found: Found,
    attempt: u32,
    wait_until: Option<Instant>,
    /// What the upstream is known to understand.
    packing: Packing,
    /// The next part was refused in zstd and goes out in snappy: whether that is the encoding's fault is known
    /// by how it ends.
    is_repacked: bool,
    /// Content of the batch was refused in either encoding: its parts go out in snappy, so that one refusal of each is
    /// enough.
    is_poisoned: bool,
}

impl Machine {
    pub fn new(rules: Rules, backoff: Backoff) -> Self {
        Self {
            rules,
            backoff,
            failover: Failover::new(1),
            window: Window::new(rules.max_samples_per_send, rules.rate),
            sent: None,
            failing_since: None,
            parts: Vec::new(),
            shape: Shape::default(),
            found: Found::default(),
            attempt: 0,
            wait_until: None,
            packing: Packing::Zstd,
            is_repacked: false,
            is_poisoned: false,
        }
    }

    /// For an upstream with so many URLs; a machine has one.
    pub fn with_urls(self, urls: usize) -> Self {
        Self { failover: Failover::new(urls), ..self }
    }

    /// The URL of the attempt that begins now.
    pub fn target(&mut self, now: Instant) -> Target {
        self.failover.attempt(now)
    }

    /// The URL in use.
    pub fn url(&self) -> usize {
        self.failover.current()
    }

    /// True where a wait is the agent's own choice, and not what a Retry-After asks for.
    pub fn may_wake(&self, now: Instant) -> bool {
        !self.failover.is_busy(now)
    }

    /// Samples that the next batch may have.
    pub fn max_samples(&self) -> u64 {
        self.window.samples()
    }

    /// The part that [`Action::Send`] named goes out.
    pub fn sending(&mut self, now: Instant, samples: u64, packed_bytes: usize) {
        self.sent = Some(Sent { at: now, samples });
        self.window.spend(now, samples, packed_bytes as u64);
    }

    pub fn next(&self) -> Action {
        if let Some(until) = self.wait_until {
            return Action::Wait(until);
        }
        match self.parts.last() {
            None => Action::Read,
            Some(part) => {
                let is_snappy = self.is_repacked || self.is_poisoned;
                let packing = if is_snappy { Packing::Snappy } else { self.packing };
                Action::Send { part: part.clone(), packing, attempt: self.attempt }
            }
        }
    }

    /// A batch of this shape was read.
    pub fn load(&mut self, shape: impl Into<Shape>) {
        assert!(self.parts.is_empty(), "BUG: a batch read before the last one was settled");
        self.shape = shape.into();
        self.parts.push(Part::whole(self.shape.series()));
        self.found = Found::default();
        self.is_poisoned = false;
    }

    /// The batch is not needed any more: what is sent next is read anew. A wait goes on as it is.
    pub fn forget_batch(&mut self) {
        self.parts.clear();
        self.is_repacked = false;
        self.is_poisoned = false;
    }

    /// True where nothing of the batch is left to be settled.
    pub fn is_settled(&self) -> bool {
        self.parts.is_empty()
    }

    /// The wait is over, or no longer needed: the settings of the upstream changed.
    pub fn wake(&mut self) {
        self.wait_until = None;
    }

    /// The queue could not be read: try again later.
    pub fn read_failed(&mut self, now: Instant) {
        self.wait_until = Some(now + self.backoff.next(None));
    }

    /// Takes in how the attempt at the next part ended.
    pub fn outcome(&mut self, outcome: &Outcome, now: Instant) -> (Verdict, Settled) {
        let Action::Send { part, packing, .. } = self.next() else {
            panic!("BUG: an outcome without an attempt");
        };
        let verdict = match Verdict::of(self.rules.kind, packing, outcome) {
            // The URL in use may take it as it is: only a delivery brings the first one back.
            Verdict::Split | Verdict::Reject { .. } if self.failover.is_probing() => {
                Verdict::Retry { reason: "unexpected_status", wait: None }
            }
            verdict => verdict,
        };
        let settled = match verdict {
            Verdict::Delivered => {
                if self.is_repacked {
                    self.packing = Packing::Snappy;
                }
                self.delivered(now);
                Settled::Delivered(part)
            }
            Verdict::Retry { wait, .. } => {
                self.retry(outcome, wait, now);
                Settled::Nothing
            }
            Verdict::Repack => {
                self.is_repacked = true;
                Settled::Nothing
            }
            Verdict::Split => {
                if let Some(sent) = self.sent {
                    self.window.too_large(sent.samples);
                }
                let halves = self.shape.by_series(&part).or_else(|| self.shape.by_samples(&part));
                self.divide(part, halves, "too_large")
            }
            Verdict::Reject { reason } => {
                // In zstd too, else it would have been repacked: the encoding is not at fault.
                self.is_poisoned |= packing == Packing::Snappy && self.is_repacked;
                let halves = self.search(&part);
                self.divide(part, halves, reason)
            }
        };
        (verdict, settled)
    }

    fn delivered(&mut self, now: Instant) {
        if let Some(Sent { at, samples }) = self.sent {
            self.window.delivered(samples, now - at);
        }
        self.settle();
        // It takes data again: what is held up follows after a moment of this agent's own.
        let spread = self.failing_since.take().map_or(Duration::ZERO, |since| (now - since) / SPREAD_SHARE);
        let spread = self.backoff.share_of(spread.min(MAX_SPREAD));
        let paced = self.window.wait_until(now).unwrap_or(now);
        self.wait_until = Some(paced.max(now + spread)).filter(|until| *until > now);
    }

    fn retry(&mut self, outcome: &Outcome, asked: Option<Duration>, now: Instant) {
        self.attempt += 1;
        self.is_repacked = false;
        // What is asked for is a lower bound; the jitter comes on top, or all agents came back in one moment.
        let asked = asked.unwrap_or_default().min(self.rules.max_retry_after);
        if self.failover.is_probing() && !matches!(outcome, Outcome::Failed { is_stale: true, .. }) {
            // It says nothing of the URL in use, which gets the same at once.
            self.failover.failed(outcome, asked, now);
            return;
        }
        // An upstream that comes back may be another one, or a newer one.
        self.packing = Packing::Zstd;
        let failure = match outcome {
            // Its connection ended between two requests: it may well be up, and is asked at once.
            Outcome::Failed { is_stale: true, .. } => return,
            Outcome::Failed { failure, .. } => Some(*failure),
            Outcome::Answered(_) => None,
        };
        let step = self.failover.failed(outcome, asked, now);
        self.failing_since.get_or_insert(now);
        self.window.failed();
        if let Step::WaitFrom(from) = step {
            self.wait_until = Some(from + self.backoff.next(failure));
        }
    }

    fn settle(&mut self) {
        self.parts.pop();
        self.is_repacked = false;
        self.attempt = 0;
        self.backoff.reset();
        self.failover.settled();
    }

    /// Where to look for what is refused in `part`; none where it goes whole.
    fn search(&self, part: &Part) -> Option<[Part; 2]> {
        let Found { series, samples, last_series, moments } = self.found;
        if part.series.len() == 1 {
            let samples = if last_series == Some(part.series.start) { samples } else { 0 };
            return self.shape.by_samples(part).filter(|_| samples < MAX_SAMPLES_ALONE);
        }
        let by_series = self.shape.by_series(part).filter(|_| series < MAX_SERIES_ALONE);
        by_series.or_else(|| self.shape.by_samples(part).filter(|_| moments < MAX_MOMENTS_ALONE))
    }

    fn reject(&mut self, part: Part, reason: &'static str) -> Settled {
        self.settle();
        self.found.note(&part);
        Settled::Rejected(part, reason)
    }

    /// Puts the halves of a part in its place; one that has none is rejected.
    fn divide(&mut self, part: Part, halves: Option<[Part; 2]>, reason: &'static str) -> Settled {
        let Some([first, second]) = halves else { return self.reject(part, reason) };
        self.parts.pop();
        self.parts.extend([second, first]);
        self.attempt = 0;
        self.is_repacked = false;
        Settled::Nothing
    }
}

impl Found {
    fn note(&mut self, part: &Part) {
        if part.series.len() > 1 {
            self.moments += 1;
        } else if self.last_series == Some(part.series.start) {
            self.samples += 1;
        } else {
            self.series += 1;
            self.samples = 1;
            self.last_series = Some(part.series.start);
        }
    }
}

#[cfg(test)]
#[path = "machine_tests.rs"]
mod tests;
