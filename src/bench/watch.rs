//! What is noted while a scenario is played. Pure: times and counts come from outside.

use super::outcome::{Moment, Phase};
use crate::harness::{Latency, Totals, Usage, Verdict};
use std::time::Duration;

/// How things stand, as far as it is cheap to ask.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    pub(super) verdict: Verdict,
    pub(super) wire: Totals,
}

/// How things stand, with what the processes take.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Snapshot {
    /// Since the first push.
    pub(super) at: Duration,
    pub(super) counts: Counts,
    pub(super) usage: Usage,
    pub(super) disk_bytes: u64,
}

/// The way back from a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Recovery {
    /// When the fault had ended.
    pub(super) at: Duration,
    /// Samples that were answered by then.
    answered: u64,
    /// Samples that were delivered by then.
    delivered: u64,
    /// The first that was new to the upstream, and how many had been delivered at that look.
    pub(super) first: Option<(Duration, u64)>,
    /// When all was delivered that had been answered by the end of the fault, and how many had been delivered at that look.
    pub(super) current: Option<(Duration, u64)>,
}

/// The notes of a run.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// Before the first push.
    pub(super) begin: Usage,
    pub(super) moments: Vec<Moment>,
    pub(super) phases: Vec<Phase>,
    /// At the end of the phases before the first fault.
    pub(super) steady: Option<Snapshot>,
    /// Of the last fault.
    pub(super) recovery: Option<Recovery>,
    /// The upstream took nothing at some time.
    pub(super) had_outage: bool,
    /// The moment of the largest backlog.
    pub(super) fullest: Option<(u64, u64)>,
    is_faulty: bool,
}

impl Counts {
    /// Samples that were answered and have arrived.
    pub(super) fn settled(&self) -> u64 {
        self.verdict.answered - self.verdict.lost
    }
}

impl Recovery {
    fn look(&mut self, at: Duration, counts: &Counts) {
        let delivered = counts.verdict.delivered;
        if self.first.is_none() && delivered > self.delivered {
            self.first = Some((at, delivered));
        }
        if self.current.is_none() && counts.settled() >= self.answered {
            self.current = Some((at, delivered));
        }
    }
}

impl Watch {
    /// `begin` is what the processes had taken before the first push.
    pub(super) fn new(begin: Usage) -> Self {
        Self { begin, ..Self::default() }
    }

    /// A phase begins. Called with the processes and the upstream as they were until now.
    pub(super) fn phase(&mut self, name: &str, at: Duration) {
        self.phases.push(Phase { name: name.to_owned(), at_s: at.as_secs_f64() });
    }

    /// Something is about to go wrong.
    pub(super) fn fault_begins(&mut self, now: Snapshot) {
        self.steady.get_or_insert(now);
        self.recovery = None;
        self.is_faulty = true;
    }

    /// All is well from now on. Does nothing where it was before.
    pub(super) fn fault_ends(&mut self, at: Duration, counts: &Counts) {
        if self.is_faulty {
            let Verdict { answered, delivered, .. } = counts.verdict;
            self.recovery = Some(Recovery { at, answered, delivered, first: None, current: None });
            self.is_faulty = false;
        }
    }

    /// Between two moments.
    pub(super) fn look(&mut self, at: Duration, counts: &Counts) {
        if let Some(recovery) = &mut self.recovery {
            recovery.look(at, counts);
        }
    }

    /// `answers` are those since the moment before.
    pub(super) fn moment(&mut self, now: &Snapshot, answers: &Latency) -> &Moment {
        let Snapshot { counts: Counts { verdict, wire }, usage, .. } = now;
        let quantile = |share| answers.quantile(share).map(milliseconds);
        if self.fullest.is_none_or(|(backlog, _)| verdict.lost > backlog) {
            self.fullest = Some((verdict.lost, now.disk_bytes));
        }
        self.moments.push(Moment {
            at_s: now.at.as_secs_f64(),
            answered: verdict.answered,
            delivered: verdict.delivered,
            backlog: verdict.lost,
            wire_bytes: wire.body_bytes,
            cpu_s: usage.cpu.saturating_sub(self.begin.cpu).as_secs_f64(),
            resident_bytes: usage.resident_bytes,
            disk_bytes: now.disk_bytes,
            answer_p50_ms: quantile(0.5),
            answer_p99_ms: quantile(0.99),
        });
        self.moments.last().expect("BUG: one was pushed")
    }

    /// True from the first delivery after the last fault on, and where there was none.
    pub(super) fn delivers(&self) -> bool {
        !self.is_faulty && self.recovery.is_none_or(|recovery| recovery.first.is_some())
    }
}

pub(super) fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

#[cfg(test)]
#[path = "watch_tests.rs"]
mod tests;
