//! What was pushed, what was answered, what arrived; and the verdict. Pure.
//!
//! A sample is known by its series (the hash of the label section) and its timestamp, and compared by the
//! bits of its value. The timestamps of a series increase from push to push, so their order is the order of
//! the pushes:
//!
//! ```text
//!  pushed     t0 t1 t2 t3 t4
//!  arrived    t0 t1 t2          the next is t3
//!             t1 t2             a repeated batch: 2 duplicates
//!             t4 t3             t3 comes after t4: 1 out of order
//! ```
//!
//! Only a sample's first arrival can be out of order. A repeat of what arrived before is a duplicate,
//! whatever came between.

use crate::model::{Push, Sample};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use twox_hash::XxHash3_128;

/// What became of the samples, all counted in samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Verdict {
    /// Sent to the agent, answered or not.
    pub pushed: u64,
    /// Of those, the agent answered 204.
    pub answered: u64,
    /// Arrived as they were pushed, repeats not counted.
    pub delivered: u64,
    /// Answered and not delivered. While the agent still holds a backlog this is the backlog.
    pub lost: u64,
    /// Arrived again.
    pub duplicates: u64,
    /// Arrived for the first time when a later sample of the series was there already.
    pub out_of_order: u64,
    /// Arrived and never pushed so: another series, timestamp or value.
    pub made_up: u64,
}

impl Verdict {
    /// True where everything that was answered was delivered, in order, and nothing else.
    pub fn is_clean(&self) -> bool {
        self.lost == 0 && self.out_of_order == 0 && self.made_up == 0
    }
}

/// The account of every sample. Takes 17 bytes a sample, and a few hundred a series.
#[derive(Debug, Default)]
pub struct Ledger {
    series: HashMap<u128, Track>,
    pushed: u64,
    answered: u64,
    delivered: u64,
    /// Both answered and delivered.
    settled: u64,
    duplicates: u64,
    out_of_order: u64,
    made_up: u64,
}

const ANSWERED: u8 = 1;
const DELIVERED: u8 = 2;

/// One series: columns over its samples, in the order they were pushed.
#[derive(Debug, Default)]
struct Track {
    timestamps: Vec<i64>,
    bits: Vec<u64>,
    flags: Vec<u8>,
    /// After the latest sample that arrived.
    frontier: usize,
    /// Where the last search ended: samples mostly come one after the other.
    hint: usize,
}

impl Track {
    fn push(&mut self, sample: &Sample) {
        assert!(
            self.timestamps.last().is_none_or(|last| *last < sample.timestamp),
            "BUG: the timestamps of a series increase from push to push"
        );
        self.timestamps.push(sample.timestamp);
        self.bits.push(sample.value.to_bits());
        self.flags.push(0);
    }

    /// The place of the sample, if it was pushed with this timestamp and value.
    fn find(&mut self, sample: &Sample) -> Option<usize> {
        let at = if self.timestamps.get(self.hint) == Some(&sample.timestamp) {
            self.hint
        } else {
            self.timestamps.binary_search(&sample.timestamp).ok()?
        };
        self.hint = at + 1;
        (self.bits[at] == sample.value.to_bits()).then_some(at)
    }
}

impl Ledger {
    /// Notes a push that is about to be sent, once, however often it is tried. Timestamps of a series must
    /// be later than those it had before.
    pub fn pushed(&mut self, push: &Push) {
        for series in push.series() {
            let track = self.series.entry(XxHash3_128::oneshot(series.labels)).or_default();
            series.samples.iter().for_each(|sample| track.push(sample));
            self.pushed += series.samples.len() as u64;
        }
    }

    /// Notes that a push was answered with success.
    pub fn answered(&mut self, push: &Push) {
        for series in push.series() {
            let track = self.series.entry(XxHash3_128::oneshot(series.labels)).or_default();
            for sample in series.samples {
                let at = track.find(sample).expect("BUG: what is answered was pushed");
                if track.flags[at] & ANSWERED == 0 {
                    track.flags[at] |= ANSWERED;
                    self.answered += 1;
                    self.settled += u64::from(track.flags[at] & DELIVERED != 0);
                }
            }
        }
    }

    /// Notes what arrived in one request, in its order.
    pub fn arrived(&mut self, push: &Push) {
        for series in push.series() {
            let Some(track) = self.series.get_mut(&XxHash3_128::oneshot(series.labels)) else {
                self.made_up += series.samples.len() as u64;
                continue;
            };
            for sample in series.samples {
                let Some(at) = track.find(sample) else {
                    self.made_up += 1;
                    continue;
                };
                if track.flags[at] & DELIVERED != 0 {
                    self.duplicates += 1;
                    continue;
                }
                track.flags[at] |= DELIVERED;
                self.delivered += 1;
                self.settled += u64::from(track.flags[at] & ANSWERED != 0);
                self.out_of_order += u64::from(at < track.frontier);
                track.frontier = track.frontier.max(at + 1);
            }
        }
    }

    /// Forgets all arrivals, to take them from another source: a query of what a database holds.
    pub fn forget_arrivals(&mut self) {
        for track in self.series.values_mut() {
            track.flags.iter_mut().for_each(|flags| *flags &= !DELIVERED);
            track.frontier = 0;
        }
        (self.delivered, self.settled) = (0, 0);
        (self.duplicates, self.out_of_order, self.made_up) = (0, 0, 0);
    }

    /// The verdict as of now. Cheap: the counts are kept as things happen.
    pub fn verdict(&self) -> Verdict {
        Verdict {
            pushed: self.pushed,
            answered: self.answered,
            delivered: self.delivered,
            lost: self.answered - self.settled,
            duplicates: self.duplicates,
            out_of_order: self.out_of_order,
            made_up: self.made_up,
        }
    }
}

/// One ledger in several hands.
#[derive(Debug, Clone, Default)]
pub struct SharedLedger(Arc<Mutex<Ledger>>);

impl SharedLedger {
    /// The ledger, for as long as the guard lives. Hold it for one entry, never across an await.
    pub fn lock(&self) -> MutexGuard<'_, Ledger> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// See [`Ledger::verdict`].
    pub fn verdict(&self) -> Verdict {
        self.lock().verdict()
    }
}

#[cfg(test)]
#[path = "ledger_tests.rs"]
mod tests;
