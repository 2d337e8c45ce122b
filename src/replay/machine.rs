//! Delivery of one upstream as a state machine: what to do next, given how the last attempt ended. Pure: no
//! socket, no clock, no queue.
//!
//! ```text
//!            ┌────────────── all parts settled ──────────────┐
//!            ▼                                               │
//!  Read ─▶ loaded ─▶ Send(part) ─▶ outcome ─┬─ delivered ────┤
//!                      ▲   ▲                ├─ rejected: one series ─ set aside
//!                      │   │                │            several ─── halves, in order
//!                      │   └── at once ─────┼─ split: halves, in order
//!                      │                    ├─ repack: the same in snappy
//!                      └── after a wait ────┴─ retry: the same
//! ```
//!
//! Parts are a stack: halves go back in order, so nothing overtakes anything, and only the first part not yet
//! settled is ever in flight.

use super::backoff::Backoff;
use super::batch::{Packing, Part};
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

/// Refused series of one batch that are looked for; from then on, refused parts go whole. An upstream that refuses
/// everything (each sample is too old for it, say) must not be asked twice for each series.
const MAX_REJECTED_ALONE: u32 = 32;

/// See the module's doc.
#[derive(Debug)]
pub struct Machine {
    rules: Rules,
    backoff: Backoff,
    window: Window,
    sent: Option<Sent>,
    failing_since: Option<Instant>,
    /// What is not settled of the batch, the next one last.
    parts: Vec<Part>,
    /// Series of the batch that were rejected alone.
    rejected: u32,
    attempt: u32,
    wait_until: Option<Instant>,
    /// What the upstream is known to understand.
    packing: Packing,
    /// The next part was refused in zstd and goes out in snappy: whether that is the encoding's fault is known
    /// by how it ends.
    is_repacked: bool,
}

impl Machine {
    pub fn new(rules: Rules, backoff: Backoff) -> Self {
        Self {
            rules,
            backoff,
            window: Window::new(rules.max_samples_per_send, rules.rate),
            sent: None,
            failing_since: None,
            parts: Vec::new(),
            rejected: 0,
            attempt: 0,
            wait_until: None,
            packing: Packing::Zstd,
            is_repacked: false,
        }
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
                let packing = if self.is_repacked { Packing::Snappy } else { self.packing };
                Action::Send { part: part.clone(), packing, attempt: self.attempt }
            }
        }
    }

    /// A batch of so many series was read.
    pub fn load(&mut self, series: usize) {
        assert!(self.parts.is_empty(), "BUG: a batch read before the last one was settled");
        self.parts.push(Part::whole(series));
        self.rejected = 0;
    }

    /// The batch is not needed any more: what is sent next is read anew. A wait goes on as it is.
    pub fn forget_batch(&mut self) {
        self.parts.clear();
        self.is_repacked = false;
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
        let verdict = Verdict::of(self.rules.kind, packing, outcome);
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
                self.divide(part, "too_large")
            }
            Verdict::Reject { reason } if self.rejected >= MAX_REJECTED_ALONE => self.reject(part, reason),
            Verdict::Reject { reason } => self.divide(part, reason),
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
        // An upstream that comes back may be another one, or a newer one.
        self.packing = Packing::Zstd;
        self.is_repacked = false;
        let failure = match outcome {
            // Its idle connection was closed: that says nothing of its state.
            Outcome::Failed { is_stale: true, .. } => return,
            Outcome::Failed { failure, .. } => Some(*failure),
            Outcome::Answered(_) => None,
        };
        // What is asked for is a lower bound; the jitter comes on top, or all agents came back in one moment.
        let asked = asked.unwrap_or_default().min(self.rules.max_retry_after);
        self.failing_since.get_or_insert(now);
        self.window.failed();
        self.wait_until = Some(now + asked + self.backoff.next(failure));
    }

    fn settle(&mut self) {
        self.parts.pop();
        self.is_repacked = false;
        self.attempt = 0;
        self.backoff.reset();
    }

    fn reject(&mut self, part: Part, reason: &'static str) -> Settled {
        self.settle();
        self.rejected += 1;
        Settled::Rejected(part, reason)
    }

    /// Puts the halves of a part in its place; a single series is rejected.
    fn divide(&mut self, part: Part, reason: &'static str) -> Settled {
        let Some([first, second]) = part.halves() else { return self.reject(part, reason) };
        self.parts.pop();
        self.parts.extend([second, first]);
        self.attempt = 0;
        Settled::Nothing
    }
}

#[cfg(test)]
#[path = "machine_tests.rs"]
mod tests;
