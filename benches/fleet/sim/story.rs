//! What came of a scene.

use super::{Micros, SECOND};

/// Times are in seconds after the end of the outage.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Story {
    /// Of each second.
    pub seconds: Vec<Second>,
    /// Of each agent; none where it was not by the end.
    pub first_delivery: Vec<Option<f64>>,
    pub current: Vec<Option<f64>>,
    pub requests: u64,
    /// Answers that say 503, and requests without an answer in time.
    pub busy: u64,
    pub timeouts: u64,
    pub crashes: u64,
    /// Samples in the order of their agent, again, and ahead of others that were still missing.
    pub samples: u64,
    pub repeated: u64,
    pub out_of_order: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Second {
    /// CPU time.
    pub busy_us: u64,
    /// The most requests that waited for a core.
    pub waiting: usize,
    /// The longest that an answered request had been under way.
    pub answer_us: Micros,
    pub samples: u64,
}

impl Story {
    /// The entry for a moment so long after the end of the outage.
    pub fn second(&mut self, after: Micros) -> &mut Second {
        let at = (after / SECOND) as usize;
        if self.seconds.len() <= at {
            self.seconds.resize(at + 1, Second::default());
        }
        &mut self.seconds[at]
    }

    /// The most requests that waited at the same time.
    pub fn max_waiting(&self) -> usize {
        self.seconds.iter().map(|second| second.waiting).max().unwrap_or(0)
    }

    /// The longest time to an answer, in seconds.
    pub fn longest_answer(&self) -> f64 {
        self.seconds.iter().map(|second| second.answer_us).max().unwrap_or(0) as f64 / SECOND as f64
    }

    /// CPU time, in seconds.
    pub fn cpu_seconds(&self) -> f64 {
        self.seconds.iter().map(|second| second.busy_us).sum::<u64>() as f64 / SECOND as f64
    }
}

/// The value that `share` of the agents do not exceed; none where fewer have one.
pub fn quantile(values: &[Option<f64>], share: f64) -> Option<f64> {
    let mut known: Vec<f64> = values.iter().map(|value| value.unwrap_or(f64::INFINITY)).collect();
    known.sort_by(f64::total_cmp);
    let at = (share * (known.len() - 1) as f64).round() as usize;
    known.get(at).copied().filter(|value| value.is_finite())
}
