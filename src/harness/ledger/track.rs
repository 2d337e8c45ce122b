//! The account of one series.

use super::SeriesFaults;
use super::name::short_name;
use crate::model::Sample;

const ANSWERED: i64 = 1;
const DELIVERED: i64 = 2;
const SETTLED: i64 = ANSWERED | DELIVERED;
/// Bits that the flags take below the time. What is left does for 73 million years.
const FLAG_BITS: u32 = 2;
const MOST_MS: i64 = i64::MAX >> FLAG_BITS;

/// Fewer entries than that are never looked through.
const LEAST_LOOK: usize = 8;

/// One sample that was pushed.
#[derive(Debug, Clone, Copy)]
struct Entry {
    /// The timestamp, with the flags in its lowest bits.
    time: i64,
    /// Of the value.
    bits: u64,
}

impl Entry {
    fn timestamp(self) -> i64 {
        self.time >> FLAG_BITS
    }

    fn is_settled(self) -> bool {
        self.time & SETTLED == SETTLED
    }
}

/// Where a sample stands that arrived or was answered.
enum Place {
    At(usize),
    /// No more in the account: it was settled long ago.
    Forgotten,
    Unknown,
}

/// What an entry made in the account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Noted {
    /// It is new. `settles` where the sample is now both answered and delivered.
    New {
        settles: bool,
        is_late: bool,
    },
    Again,
    MadeUp,
}

/// The samples of one series in the order they were pushed, but for those that were forgotten.
#[derive(Debug)]
pub(super) struct Track {
    name: Box<str>,
    entries: Vec<Entry>,
    /// The latest sample that arrived.
    frontier_ms: i64,
    /// The latest sample that was forgotten: all up to here that are no more in `entries` were settled.
    forgotten_ms: i64,
    /// How many entries there may be before the next look for what can be forgotten.
    look_at: usize,
    /// Where the last search ended: samples mostly come one after the other.
    hint: usize,
    duplicates: u64,
    out_of_order: u64,
    made_up: u64,
}

impl Track {
    /// An empty account of the series with this label section.
    pub(super) fn new(labels: &[u8]) -> Self {
        Self {
            name: short_name(labels).into(),
            entries: Vec::new(),
            frontier_ms: i64::MIN,
            forgotten_ms: i64::MIN,
            look_at: 0,
            hint: 0,
            duplicates: 0,
            out_of_order: 0,
            made_up: 0,
        }
    }

    pub(super) fn push(&mut self, sample: &Sample) {
        let last_ms = self.entries.last().map_or(i64::MIN, |last| last.timestamp()).max(self.forgotten_ms);
        assert!(last_ms < sample.timestamp, "BUG: the timestamps of a series increase from push to push");
        assert!(sample.timestamp.abs() <= MOST_MS, "BUG: a timestamp is near our time");
        self.entries.push(Entry { time: sample.timestamp << FLAG_BITS, bits: sample.value.to_bits() });
    }

    pub(super) fn answered(&mut self, sample: &Sample, keep: Option<usize>) -> Noted {
        let at = match self.find(sample) {
            Place::At(at) => at,
            Place::Forgotten => return Noted::Again,
            Place::Unknown => panic!("BUG: what is answered was pushed"),
        };
        let entry = &mut self.entries[at];
        if entry.time & ANSWERED != 0 {
            return Noted::Again;
        }
        entry.time |= ANSWERED;
        let settles = entry.is_settled();
        self.forget(keep);
        Noted::New { settles, is_late: false }
    }

    pub(super) fn arrived(&mut self, sample: &Sample, keep: Option<usize>) -> Noted {
        let at = match self.find(sample) {
            Place::At(at) if self.entries[at].time & DELIVERED == 0 => at,
            Place::At(_) | Place::Forgotten => {
                self.duplicates += 1;
                return Noted::Again;
            }
            Place::Unknown => {
                self.made_up += 1;
                return Noted::MadeUp;
            }
        };
        let entry = &mut self.entries[at];
        entry.time |= DELIVERED;
        let settles = entry.is_settled();
        let is_late = sample.timestamp < self.frontier_ms;
        self.out_of_order += u64::from(is_late);
        self.frontier_ms = self.frontier_ms.max(sample.timestamp);
        self.forget(keep);
        Noted::New { settles, is_late }
    }

    /// The place of the sample, if it was pushed with this timestamp and value.
    fn find(&mut self, sample: &Sample) -> Place {
        let timestamp = |entry: &Entry| entry.timestamp();
        let at = match self.entries.get(self.hint) {
            Some(entry) if entry.timestamp() == sample.timestamp => self.hint,
            _ => match self.entries.binary_search_by_key(&sample.timestamp, timestamp) {
                Ok(at) => at,
                Err(_) if sample.timestamp <= self.forgotten_ms => return Place::Forgotten,
                Err(_) => return Place::Unknown,
            },
        };
        self.hint = at + 1;
        if self.entries[at].bits == sample.value.to_bits() { Place::At(at) } else { Place::Unknown }
    }

    /// Forgets what is settled, but for the last `keep` samples, once that is worth a look.
    fn forget(&mut self, keep: Option<usize>) {
        let Some(keep) = keep.filter(|_| self.entries.len() >= self.look_at) else { return };
        let end = self.entries.len().saturating_sub(keep);
        let is_old_and_settled = |at: usize, entry: Entry| at < end && entry.is_settled();
        let mut at = 0;
        let forgotten_ms = &mut self.forgotten_ms;
        self.entries.retain(|entry| {
            let is_forgotten = is_old_and_settled(at, *entry);
            if is_forgotten {
                *forgotten_ms = entry.timestamp().max(*forgotten_ms);
            }
            at += 1;
            !is_forgotten
        });
        self.hint = 0;
        // Twice as many: each sample is looked at a few times at most, however many stay.
        self.look_at = (2 * self.entries.len()).max(2 * keep).max(LEAST_LOOK);
    }

    /// Takes back all arrivals.
    pub(super) fn forget_arrivals(&mut self) {
        self.entries.iter_mut().for_each(|entry| entry.time &= !DELIVERED);
        self.frontier_ms = i64::MIN;
        (self.duplicates, self.out_of_order, self.made_up) = (0, 0, 0);
    }

    /// Samples in the account.
    #[cfg(test)]
    pub(super) fn remembered(&self) -> usize {
        self.entries.len()
    }

    /// What is wrong with the series; none where nothing is.
    pub(super) fn faults(&self) -> Option<SeriesFaults> {
        let lost = self.entries.iter().filter(|entry| entry.time & SETTLED == ANSWERED).count() as u64;
        let faults = SeriesFaults {
            name: self.name.to_string(),
            lost,
            duplicates: self.duplicates,
            out_of_order: self.out_of_order,
            made_up: self.made_up,
        };
        faults.is_any().then_some(faults)
    }
}
