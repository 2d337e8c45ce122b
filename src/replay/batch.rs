//! A batch → the body of one request. Pure.

use crate::model::{Push, PushBuilder, SeriesView};
use crate::queue::Batch;
use crate::wire;
use std::ops::Range;
use zstd::zstd_safe::{CCtx, CParameter, InBuffer, OutBuffer, SafeResult};

/// How a body is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// A third smaller, and understood by VictoriaMetrics only.
    Zstd,
    /// What remote write 1.0 says.
    Snappy,
}

impl Packing {
    /// The value of Content-Encoding.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Zstd => "zstd",
            Self::Snappy => "snappy",
        }
    }
}

/// zstd's level: the wire is not what limits a catch-up, the upstream's CPU is.
const ZSTD_LEVEL: i32 = 1;

/// A part of a batch: some of its series, with all their samples or those with these numbers. What belongs to the request
/// as a whole goes with the last one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    pub series: Range<usize>,
    /// Of each of the series; one that has fewer gives what it has there.
    pub samples: Range<u32>,
}

/// All samples of a series, however many.
const ALL: Range<u32> = 0..u32::MAX;

impl Part {
    /// All of a batch of so many series.
    pub fn whole(series: usize) -> Self {
        Self::of_series(0..series)
    }

    /// These series, with all their samples.
    pub fn of_series(series: Range<usize>) -> Self {
        Self { series, samples: ALL }
    }

    fn has_all_samples(&self) -> bool {
        self.samples == ALL
    }

    /// Numbers of the samples it has of a series of so many.
    fn samples_in(&self, count: u32) -> Range<u32> {
        self.samples.start.min(count)..self.samples.end.min(count)
    }

    /// Float and histogram samples in it.
    pub fn samples(&self, push: &Push) -> u64 {
        if self.series.len() == push.series().len() && self.has_all_samples() {
            return push.counts().all_samples();
        }
        let series = push.series().skip(self.series.start).take(self.series.len());
        series.map(|series| self.samples_in(count(&series)).len() as u64).sum()
    }

    /// Series that have something in it.
    pub fn series_in(&self, push: &Push) -> usize {
        self.cut(push).map_or(self.series.len(), |cut| cut.series().len())
    }

    /// Bytes of its body before it is packed.
    pub fn encoded_len(&self, push: &Push) -> usize {
        match self.cut(push) {
            Some(cut) => wire::encoded_len(&cut),
            None => wire::encoded_len_of(push, self.series.clone()),
        }
    }

    /// A push with what it has of `push`; none where it is a run of whole series, which can be taken as it stands.
    fn cut(&self, push: &Push) -> Option<Push> {
        if self.has_all_samples() {
            return None;
        }
        let mut cut = PushBuilder::default();
        for series in push.series().skip(self.series.start).take(self.series.len()) {
            let wanted = self.samples_in(count(&series));
            let column = series.samples.len() as u32;
            let extras = wire::extras_with_samples(series.extras, column, &self.samples);
            if wanted.is_empty() && extras.is_empty() {
                continue;
            }
            let samples = wanted.start.min(column) as usize..wanted.end.min(column) as usize;
            series.samples[samples].iter().for_each(|sample| cut.sample(*sample));
            let counts = wire::count_extras(extras);
            cut.count_extras(counts.histograms, counts.exemplars);
            (0..counts.samples).for_each(|_| cut.count_carried_sample());
            let (labels, extras) = (cut.store(series.labels), cut.store(extras));
            cut.series(labels, extras);
        }
        if self.series.end == push.series().len() && self.samples.end == ALL.end {
            for extra in push.request_extras() {
                let field = cut.store(extra);
                cut.request_extra(field, wire::is_metadata(extra));
            }
        }
        Some(cut.finish())
    }
}

/// Float and histogram samples of a series of a batch, which is bounded far below what 32 bits count.
fn count(series: &SeriesView<'_>) -> u32 {
    u32::try_from(wire::samples_of(series)).unwrap_or(u32::MAX)
}

/// How a batch can be cut, so that the parts sent one after the other keep the order of each series.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Shape {
    /// Samples of each series.
    samples: Vec<u32>,
    /// Number of the first series of each interval of the log but the first: a series may stand in several.
    intervals: Vec<usize>,
}

impl Shape {
    pub fn of(batch: &Batch) -> Self {
        let samples = batch.push.series().map(|series| count(&series)).collect();
        Self { samples, intervals: batch.intervals.clone() }
    }

    #[cfg(test)]
    pub(super) fn with(samples: &[u32], intervals: &[usize]) -> Self {
        Self { samples: samples.to_vec(), intervals: intervals.to_vec() }
    }

    pub fn series(&self) -> usize {
        self.samples.len()
    }

    /// The halves of a part's series; none for a single one, and for series that have only some of their samples in it.
    pub fn by_series(&self, part: &Part) -> Option<[Part; 2]> {
        let Range { start, end } = part.series;
        let can_be_cut = end - start > 1 && part.has_all_samples();
        can_be_cut.then(|| Self::at(part, start + (end - start) / 2))
    }

    /// The earlier and the later half of a part's samples; none where no series has two. What spans intervals is cut between
    /// them first: a later one may go on with the same series.
    pub fn by_samples(&self, part: &Part) -> Option<[Part; 2]> {
        let Range { start, end } = part.series;
        let between = self.intervals.iter().find(|first| (start + 1..end).contains(first));
        if let Some(first) = between.filter(|_| part.has_all_samples()) {
            return Some(Self::at(part, *first));
        }
        let most = self.samples[start..end].iter().copied().max().unwrap_or(0);
        let wanted = part.samples_in(most);
        let middle = wanted.start + (wanted.end - wanted.start) / 2;
        let half = |samples| Part { series: part.series.clone(), samples };
        (wanted.len() > 1).then(|| [half(part.samples.start..middle), half(middle..part.samples.end)])
    }

    fn at(part: &Part, middle: usize) -> [Part; 2] {
        [part.series.start..middle, middle..part.series.end].map(Part::of_series)
    }
}

/// Series of one sample each.
impl From<usize> for Shape {
    fn from(series: usize) -> Self {
        Self { samples: vec![1; series], intervals: Vec::new() }
    }
}

/// Writes and packs send batches; keeps a small buffer and zstd's context between them.
pub struct Packer {
    piece: Vec<u8>,
    zstd: CCtx<'static>,
}

/// zstd takes what is written in pieces of this size: a batch never stands in memory unpacked.
const PIECE_BYTES: usize = 64 << 10;
/// What is reserved for a packed body at first, as a share of the batch.
const PACKED_SHARE: usize = 16;

const BUG: &str = "BUG: packing into memory cannot fail";

impl Packer {
    pub fn new() -> Self {
        let mut zstd = CCtx::create();
        zstd.set_parameter(CParameter::CompressionLevel(ZSTD_LEVEL))
            .expect("BUG: zstd knows its own level 1");
        Self { piece: Vec::new(), zstd }
    }

    /// One `WriteRequest` with `part` of `push`.
    pub fn pack(&mut self, push: &Push, part: &Part, packing: Packing) -> Vec<u8> {
        let packed = match part.cut(push) {
            Some(cut) => self.pack_series(&cut, 0..cut.series().len(), packing),
            None => self.pack_series(push, part.series.clone(), packing),
        };
        // One huge series must not keep its buffer for ever.
        self.piece.shrink_to(2 * PIECE_BYTES);
        packed
    }

    fn pack_series(&mut self, push: &Push, series: Range<usize>, packing: Packing) -> Vec<u8> {
        match packing {
            Packing::Zstd => self.zstd(push, series),
            Packing::Snappy => snappy(push, series),
        }
    }

    /// One frame that tells its size, which lets a server refuse what is too large before it unpacks it.
    fn zstd(&mut self, push: &Push, series: Range<usize>) -> Vec<u8> {
        let Self { piece, zstd } = self;
        let length = wire::encoded_len_of(push, series.clone());
        zstd.set_pledged_src_size(Some(length as u64)).expect(BUG);
        let mut packed = Vec::with_capacity(length / PACKED_SHARE + CCtx::out_size());
        wire::encode_in_pieces(push, series, PIECE_BYTES, piece, |piece| {
            let mut input = InBuffer::around(piece);
            while input.pos < piece.len() {
                append(&mut packed, |out| zstd.compress_stream(out, &mut input));
            }
        });
        while append(&mut packed, |out| zstd.end_stream(out)) > 0 {}
        packed
    }
}

/// Lets `write` append to `packed`, with room for a block of zstd's at least.
fn append(packed: &mut Vec<u8>, write: impl FnOnce(&mut OutBuffer<'_, Vec<u8>>) -> SafeResult) -> usize {
    packed.reserve(CCtx::out_size());
    let end = packed.len();
    write(&mut OutBuffer::around_pos(packed, end)).expect(BUG)
}

/// A block of snappy is packed in one piece.
fn snappy(push: &Push, series: Range<usize>) -> Vec<u8> {
    let mut wire = Vec::with_capacity(wire::encoded_len_of(push, series.clone()));
    wire::encode_in_pieces(push, series, PIECE_BYTES, &mut Vec::new(), |piece| {
        wire.extend_from_slice(piece);
    });
    snap::raw::Encoder::new().compress_vec(&wire).expect("BUG: a batch is far below snappy's 4 GiB")
}

impl Default for Packer {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Sample;
    use proptest::prelude::*;

    /// Series of so many samples, the first with histograms and an exemplar behind them.
    fn push(samples: &[usize], histograms: usize) -> Push {
        let mut builder = PushBuilder::default();
        for (number, count) in samples.iter().enumerate() {
            let labels =
                builder.store_with(|out| wire::append_label(out, b"n", number.to_string().as_bytes()));
            (0..*count).for_each(|at| builder.sample(Sample { value: number as f64, timestamp: at as i64 }));
            let histograms = if number == 0 { histograms } else { 0 };
            let extras = builder.store_with(|out| {
                // `Histogram.timestamp`, so that they differ.
                (0..histograms).for_each(|at| out.extend_from_slice(&[0x22, 2, 0x78, at as u8]));
                if histograms > 1 {
                    wire::append_exemplar(out, &[], 1.0, 1);
                }
            });
            builder.count_extras(histograms as u32, u32::from(histograms > 1));
            builder.series(labels, extras);
        }
        let metadata = builder.store(&[0x1a, 0]);
        builder.request_extra(metadata, true);
        builder.finish()
    }

    fn unpack(packed: &[u8], packing: Packing) -> Push {
        let wire = match packing {
            Packing::Zstd => zstd::decode_all(packed).unwrap(),
            Packing::Snappy => snap::raw::Decoder::new().decompress_vec(packed).unwrap(),
        };
        wire::decode(wire).unwrap()
    }

    /// Cuts `part` down to single samples, as a stubborn 413 would.
    fn leaves(shape: &Shape, part: Part, out: &mut Vec<Part>) {
        match shape.by_series(&part).or_else(|| shape.by_samples(&part)) {
            Some(halves) => halves.into_iter().for_each(|half| leaves(shape, half, out)),
            None => out.push(part),
        }
    }

    fn shape(push: &Push) -> Shape {
        Shape::of(&Batch { push: push.clone(), intervals: Vec::new(), first: 0, end: 1, records: 1 })
    }

    /// What stands in pushes, series by series: labels, samples, extras.
    fn gathered(pushes: &[Push]) -> Vec<(Vec<u8>, Vec<Sample>, Vec<u8>)> {
        let mut gathered: Vec<(Vec<u8>, Vec<Sample>, Vec<u8>)> = Vec::new();
        for series in pushes.iter().flat_map(Push::series) {
            let at = gathered.iter().position(|(labels, ..)| labels == series.labels);
            let at = at.unwrap_or_else(|| {
                gathered.push((series.labels.to_vec(), Vec::new(), Vec::new()));
                gathered.len() - 1
            });
            gathered[at].1.extend_from_slice(series.samples);
            gathered[at].2.extend_from_slice(series.extras);
        }
        gathered
    }

    proptest! {
        #[test]
        fn however_it_is_split_all_of_it_goes_out_once_and_in_order(
            samples in prop::collection::vec(0..5usize, 0..9), zstd: bool, histograms in 0..4usize,
        ) {
            let packing = if zstd { Packing::Zstd } else { Packing::Snappy };
            let push = push(&samples, histograms);
            let mut packer = Packer::new();
            let whole = Part::whole(samples.len());
            prop_assert_eq!(&unpack(&packer.pack(&push, &whole, packing), packing), &push);
            let mut parts = Vec::new();
            leaves(&shape(&push), whole, &mut parts);
            let sent: Vec<_> = parts.iter().map(|part| unpack(&packer.pack(&push, part, packing), packing)).collect();
            prop_assert_eq!(gathered(&sent), gathered(std::slice::from_ref(&push)));
            prop_assert_eq!(sent.iter().map(|part| part.counts().metadata).sum::<u32>(), 1);
            for (part, sent) in parts.iter().zip(&sent) {
                prop_assert_eq!(part.samples(&push), sent.counts().all_samples());
                prop_assert!(sent.counts().all_samples() <= 1 || samples.is_empty());
            }
        }

        #[test]
        fn halves_of_the_samples_of_several_series_are_both_of_some(
            samples in prop::collection::vec(0..9usize, 1..9), histograms in 0..4usize,
        ) {
            let push = push(&samples, histograms);
            let shape = shape(&push);
            let mut parts = vec![Part::whole(samples.len())];
            let mut sent = Vec::new();
            while let Some(part) = parts.pop() {
                match shape.by_samples(&part) {
                    Some([first, second]) => parts.extend([second, first]),
                    None => sent.push(part),
                }
            }
            let pushes: Vec<_> =
                sent.iter().map(|part| part.cut(&push).unwrap_or_else(|| push.clone())).collect();
            prop_assert_eq!(pushes.iter().map(|push| push.counts().all_samples()).sum::<u64>(), push.counts().all_samples());
            prop_assert!(pushes.len() == 1 || pushes.iter().all(|push| !push.is_empty()));
            let mut found = gathered(&pushes);
            found.sort_by(|a, b| a.0.cmp(&b.0));
            let mut expected = gathered(std::slice::from_ref(&push));
            expected.sort_by(|a, b| a.0.cmp(&b.0));
            // A series without a sample has nothing to say: it is left out of slices.
            expected.retain(|(_, samples, extras)| pushes.len() == 1 || !samples.is_empty() || !extras.is_empty());
            prop_assert_eq!(found, expected);
        }
    }
}
