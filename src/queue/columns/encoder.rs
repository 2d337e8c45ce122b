//! Push → columns.

use super::bytes::zigzag;
use super::dictionary::Dictionary;
use super::series::{Last, NEW_SCALE};
use super::streams::{Column, Packer, Streams, ZSTD_LEVEL};
use crate::config::{DICTIONARY_BYTES, SERIES_BYTES};
use crate::model::{Push, Sample, SeriesView};
use crate::wire::put_varint;
use hashbrown::HashTable;
use twox_hash::XxHash3_128;

/// An interval goes on until what follows the labels outweighs them so many times: they cost a sixteenth at most.
const LABEL_SHARE: usize = 16;
/// … and for so many records at least, so that pushes which share no series do not restart each time.
const SHORTEST_INTERVAL: u32 = 32;
/// Bounds what a reader holds in memory for an interval, and what it reads to get into one.
const LONGEST_INTERVAL: u32 = 4096;

/// Encodes the records of one segment. See the module's doc for its intervals.
pub struct Encoder {
    /// By reference: the hash of its label section. The next series of a push that looks like the last one is guessed.
    hashes: Vec<u128>,
    /// The references, found by these hashes.
    refs: HashTable<u32>,
    lasts: Vec<Last>,
    /// The labels as a reader will hold them: what bounds an interval is its memory.
    labels: Dictionary,
    /// Records since the restart point, that one included.
    records: u32,
    /// Packed bytes of the labels of this interval, and of all the rest.
    label_cost: usize,
    other_cost: usize,
    streams: Streams,
    packer: Packer,
}

impl Encoder {
    pub fn new() -> Self {
        Self::of_level(ZSTD_LEVEL)
    }

    /// With another level of zstd than the log has, to measure what it would win.
    pub fn of_level(level: i32) -> Self {
        Self {
            hashes: Vec::new(),
            refs: HashTable::new(),
            lasts: Vec::new(),
            labels: Dictionary::default(),
            records: 0,
            label_cost: 0,
            other_cost: 0,
            streams: Streams::default(),
            packer: Packer::new(level),
        }
    }

    /// Appends `push` to `out`. Returns how many records before this one its interval began: 0 at a restart point.
    pub fn encode(&mut self, push: &Push, accepted_ms: i64, out: &mut Vec<u8>) -> u32 {
        if self.must_restart() {
            self.restart();
        }
        self.streams.clear();
        self.write(push, accepted_ms);
        let start = out.len();
        put_varint(out, push.series().len() as u64);
        self.packer.pack(&self.streams, out);
        self.account(out.len() - start);
        self.records += 1;
        self.records - 1
    }

    fn must_restart(&self) -> bool {
        self.records >= LONGEST_INTERVAL
            || self.labels.used() + self.lasts.len() * SERIES_BYTES >= DICTIONARY_BYTES
            || (self.records >= SHORTEST_INTERVAL && self.other_cost >= LABEL_SHARE * self.label_cost)
    }

    /// Forgets everything: the next record depends on nothing.
    pub fn restart(&mut self) {
        self.refs.clear();
        self.hashes.clear();
        self.lasts.clear();
        self.labels.clear();
        self.records = 0;
        self.label_cost = 0;
        self.other_cost = 0;
    }

    /// Bytes of memory held for the interval.
    pub fn memory(&self) -> usize {
        let of_series = size_of::<u128>() + size_of::<Last>();
        self.refs.allocation_size() + self.hashes.capacity() * of_series + self.labels.memory()
    }

    /// Adds a record of `packed` bytes to the costs, its labels by their share of what was packed.
    fn account(&mut self, packed: usize) {
        let labels = self.streams.column(Column::Labels).len();
        let raw = self.streams.raw_len().max(1);
        let label_cost = (packed as u64 * labels as u64 / raw as u64) as usize;
        self.label_cost += label_cost;
        self.other_cost += packed - label_cost;
    }

    fn write(&mut self, push: &Push, accepted_ms: i64) {
        let mut expected = 0;
        let mut time = accepted_ms;
        let has_counts = push.series().any(|series| series.samples.len() != 1);
        let has_extras = push.series().any(|series| !series.extras.is_empty());
        for series in push.series() {
            let reference = self.reference(series.labels, expected);
            let distance = i64::from(reference) - i64::from(expected);
            put_varint(self.streams.column(Column::Refs), zigzag(distance));
            expected = reference + 1;
            if has_counts {
                put_varint(self.streams.column(Column::Counts), series.samples.len() as u64);
            }
            let last = &mut self.lasts[reference as usize];
            for sample in series.samples {
                time = write_sample(&mut self.streams, last, sample, time);
            }
            if has_extras {
                self.write_extras(&series);
            }
        }
        for extra in push.request_extras() {
            let column = self.streams.column(Column::RequestExtras);
            put_varint(column, extra.len() as u64);
            column.extend_from_slice(extra);
        }
    }

    fn write_extras(&mut self, series: &SeriesView<'_>) {
        put_varint(self.streams.column(Column::ExtraLengths), series.extras.len() as u64);
        self.streams.column(Column::Extras).extend_from_slice(series.extras);
    }

    /// The reference of a label section; a new one brings its labels along.
    #[inline]
    fn reference(&mut self, labels: &[u8], expected: u32) -> u32 {
        let hash = XxHash3_128::oneshot(labels);
        if self.hashes.get(expected as usize) == Some(&hash) {
            return expected;
        }
        let Self { hashes, refs, .. } = self;
        if let Some(&known) = refs.find(short(hash), |known| hashes[*known as usize] == hash) {
            return known;
        }
        let reference = u32::try_from(hashes.len()).expect("BUG: an interval's labels are bounded");
        hashes.push(hash);
        refs.insert_unique(short(hash), reference, |known| short(hashes[*known as usize]));
        self.lasts.push(Last::default());
        self.labels.add(labels).expect("BUG: an interval's labels are bounded");
        let column = self.streams.column(Column::Labels);
        put_varint(column, labels.len() as u64);
        column.extend_from_slice(labels);
        reference
    }
}

impl Default for Encoder {
    fn default() -> Self {
        Self::new()
    }
}

/// Writes one sample; returns its time.
#[inline]
fn write_sample(streams: &mut Streams, last: &mut Last, sample: &Sample, before: i64) -> i64 {
    put_varint(streams.column(Column::Times), zigzag(sample.timestamp.wrapping_sub(before)));
    let told = last.tell(sample.value);
    let length = streams.put_difference(told.difference);
    streams.column(Column::Kinds).push(told.kind * 9 + length);
    if told.kind == NEW_SCALE {
        streams.column(Column::Scales).push(told.scale);
    }
    sample.timestamp
}

/// What a table looks for.
fn short(hash: u128) -> u64 {
    hash as u64
}
