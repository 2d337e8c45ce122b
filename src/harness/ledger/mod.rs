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
//!
//! A ledger may forget samples that were answered and delivered, so that a long run fits in memory. What is lost or not
//! answered stays, and so do the last samples of each series. A repeat of a forgotten sample is still a duplicate: it is
//! not later than the last one that was forgotten. So is then, and only then, what was made up of as old a time.

mod name;
mod track;

use self::track::{Noted, Track};
use crate::model::{Push, SeriesView};
use crate::wire;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
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

/// What is wrong with one series, all counted in samples, see [`Verdict`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SeriesFaults {
    /// Its metric and labels, for the user.
    pub name: String,
    pub lost: u64,
    pub duplicates: u64,
    pub out_of_order: u64,
    pub made_up: u64,
}

impl SeriesFaults {
    fn is_any(&self) -> bool {
        self.weight() != (0, 0)
    }

    /// Duplicates weigh less than any fault.
    fn weight(&self) -> (u64, u64) {
        (self.lost + self.out_of_order + self.made_up, self.duplicates)
    }
}

/// The account of every sample. Takes 16 bytes a sample that it remembers, and a few hundred a series.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Place of a series in `tracks`, by the hash of its label section.
    places: HashMap<u128, u32, BuildHasherDefault<KeyHasher>>,
    /// In the order in which series were pushed first, which is mostly that of each push.
    tracks: Vec<Track>,
    /// Series that were never pushed and arrived, with how many samples: the first [`MOST_STRANGERS`] of them.
    strangers: HashMap<Vec<u8>, u64>,
    /// Samples of a series that are never forgotten; none where none is.
    keep: Option<usize>,
    /// Without `lost`.
    counts: Verdict,
    /// Both answered and delivered.
    settled: u64,
}

const MOST_STRANGERS: usize = 100;

/// The series of a push, to find them again when it is answered.
#[derive(Debug)]
pub struct PushedSeries(Vec<u32>);

/// Keys are hashes already.
#[derive(Debug, Default)]
struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("BUG: keys have 128 bits");
    }

    fn write_u128(&mut self, key: u128) {
        self.0 = key as u64;
    }
}

impl Ledger {
    /// A ledger that forgets what is settled, but for the last `keep` samples of each series: more than an agent may send
    /// again.
    pub fn forgetting(keep: usize) -> Self {
        Self { keep: Some(keep), ..Self::default() }
    }

    /// Notes a push that is about to be sent, once, however often it is tried. Timestamps of a series must
    /// be later than those it had before.
    pub fn pushed(&mut self, push: &Push) -> PushedSeries {
        let places = push.series().map(|series| {
            let next = self.tracks.len() as u32;
            let place = *self.places.entry(XxHash3_128::oneshot(series.labels)).or_insert(next);
            if place == next {
                self.tracks.push(Track::new(series.labels));
            }
            let track = &mut self.tracks[place as usize];
            series.samples.iter().for_each(|sample| track.push(sample));
            self.counts.pushed += series.samples.len() as u64;
            place
        });
        PushedSeries(places.collect())
    }

    /// Notes that a push was answered with success.
    pub fn answered(&mut self, push: &Push) {
        let place = |labels| {
            *self.places.get(&XxHash3_128::oneshot(labels)).expect("BUG: what is answered was pushed")
        };
        let places = PushedSeries(push.series().map(|series| place(series.labels)).collect());
        self.answered_at(push, &places);
    }

    /// The same as [`Ledger::answered`], without the search: `places` is what [`Ledger::pushed`] gave for this push.
    pub fn answered_at(&mut self, push: &Push, places: &PushedSeries) {
        for (series, place) in push.series().zip(&places.0) {
            let track = &mut self.tracks[*place as usize];
            for sample in series.samples {
                if let Noted::New { settles, .. } = track.answered(sample, self.keep) {
                    self.counts.answered += 1;
                    self.settled += u64::from(settles);
                }
            }
        }
    }

    /// Notes what arrived in one request, in its order.
    pub fn arrived(&mut self, push: &Push) {
        for series in push.series() {
            let Some(place) = self.place(series.labels) else {
                self.note_stranger(&series);
                continue;
            };
            let track = &mut self.tracks[place];
            for sample in series.samples {
                match track.arrived(sample, self.keep) {
                    Noted::New { settles, is_late } => {
                        self.counts.delivered += 1;
                        self.settled += u64::from(settles);
                        self.counts.out_of_order += u64::from(is_late);
                    }
                    Noted::Again => self.counts.duplicates += 1,
                    Noted::MadeUp => self.counts.made_up += 1,
                }
            }
        }
    }

    /// Where the series with these labels stands. Agents may send them in another order.
    fn place(&self, labels: &[u8]) -> Option<usize> {
        let find =
            |labels: &[u8]| self.places.get(&XxHash3_128::oneshot(labels)).map(|place| *place as usize);
        find(labels).or_else(|| find(&sorted(labels)))
    }

    fn note_stranger(&mut self, series: &SeriesView<'_>) {
        let samples = series.samples.len() as u64;
        self.counts.made_up += samples;
        if let Some(count) = self.strangers.get_mut(series.labels) {
            *count += samples;
        } else if self.strangers.len() < MOST_STRANGERS {
            self.strangers.insert(series.labels.to_vec(), samples);
        }
    }

    /// Forgets all arrivals, to take them from another source: a query of what a database holds. Not of a ledger that
    /// forgets samples.
    pub fn forget_arrivals(&mut self) {
        assert!(self.keep.is_none(), "BUG: what was forgotten cannot be found elsewhere");
        self.tracks.iter_mut().for_each(Track::forget_arrivals);
        self.strangers.clear();
        let Verdict { pushed, answered, .. } = self.counts;
        (self.counts, self.settled) = (Verdict { pushed, answered, ..Verdict::default() }, 0);
    }

    /// The verdict as of now. Cheap: the counts are kept as things happen.
    pub fn verdict(&self) -> Verdict {
        Verdict { lost: self.counts.answered - self.settled, ..self.counts }
    }

    /// Up to `most` series with something wrong, the worst first; those with nothing but duplicates last. Looks at every
    /// sample.
    pub fn worst(&self, most: usize) -> Vec<SeriesFaults> {
        let strangers = self.strangers.iter().map(|(labels, made_up)| SeriesFaults {
            name: name::short_name(labels),
            made_up: *made_up,
            ..SeriesFaults::default()
        });
        let mut faults: Vec<_> = self.tracks.iter().filter_map(Track::faults).chain(strangers).collect();
        faults.sort_by(|a, b| b.weight().cmp(&a.weight()).then_with(|| a.name.cmp(&b.name)));
        faults.truncate(most);
        faults
    }
}

/// The section with its labels in order; as it is where it cannot be read.
fn sorted(section: &[u8]) -> Vec<u8> {
    let Ok(mut labels) = wire::labels(section).collect::<Result<Vec<_>, _>>() else {
        return section.to_vec();
    };
    labels.sort_by_key(|label| label.name);
    let mut sorted = Vec::with_capacity(section.len());
    labels.iter().for_each(|label| wire::append_label(&mut sorted, label.name, label.value));
    sorted
}

/// One ledger in several hands.
#[derive(Debug, Clone, Default)]
pub struct SharedLedger(Arc<Mutex<Ledger>>);

impl SharedLedger {
    /// See [`Ledger::forgetting`].
    pub fn forgetting(keep: usize) -> Self {
        Self(Arc::new(Mutex::new(Ledger::forgetting(keep))))
    }

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
mod tests;
