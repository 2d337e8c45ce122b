//! The one internal form of a push.
//!
//! Every protocol is decoded into a [`Push`], and everything after the door (queue, replay) sees only
//! this. It is made for the hot path: one arena of bytes, one flat column of samples, and a small entry
//! for each series that points into both. Decoding a request of 10 000 samples allocates three times,
//! not 150 000.
//!
//! ```text
//!  arena    │ labels of series 0 │ extras 0 │ labels of series 1 │ … │ request extras │
//!  series   [ {labels, extras, samples: 0..2}, {labels, extras, samples: 2..3}, … ]
//!  samples  [ s0, s1, s2, … ]
//! ```
//!
//! A *label section* is the series' labels as they stand in a remote-write 1.0 `TimeSeries`: a run of
//! `repeated Label labels = 1` fields, tag and length included, sorted by name. It is the identity of a
//! series everywhere: hashed, stored and sent as it is, without a look inside.
//!
//! *Extras* are whole protobuf fields, tag included, that are carried and not looked into: exemplars,
//! native histograms, metadata, and fields that this version does not know.

use std::ops::Range;

/// A run of bytes in a push's arena. 32 bits: a push is at most 32 MiB unpacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    pub start: u32,
    pub end: u32,
}

impl Span {
    pub fn is_empty(self) -> bool {
        self.start == self.end
    }

    pub fn len(self) -> usize {
        (self.end - self.start) as usize
    }

    /// As a range of bytes.
    pub fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// A float sample: Prometheus' `Sample`.
///
/// Equality is by bits, so that NaN payloads (the stale marker) and -0.0 count as what they are.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    pub value: f64,
    /// Milliseconds since the epoch.
    pub timestamp: i64,
}

impl PartialEq for Sample {
    fn eq(&self, other: &Self) -> bool {
        self.value.to_bits() == other.value.to_bits() && self.timestamp == other.timestamp
    }
}

impl Eq for Sample {}

/// What one request holds, as counts. Their sum over accepted pushes is what must arrive upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Entries of `timeseries`; a series may stand in a request more than once.
    pub series: u32,
    /// Float samples, those carried in extras included (see [`crate::wire`]).
    pub samples: u32,
    /// Native histogram samples.
    pub histograms: u32,
    pub exemplars: u32,
    /// `MetricMetadata` entries.
    pub metadata: u32,
}

impl Counts {
    /// Float and histogram samples: what "samples" means in metrics, logs and the status page.
    pub fn all_samples(self) -> u64 {
        u64::from(self.samples) + u64::from(self.histograms)
    }
}

/// Where one series' parts stand in its push. Made by [`PushBuilder`], read through [`SeriesView`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Series {
    labels: Span,
    extras: Span,
    /// End of this series' run in the sample column; it starts where the series before it ends.
    samples_end: u32,
}

/// One accepted request: the unit of append. See the module's doc for its shape.
#[derive(Debug, Clone, Default)]
pub struct Push {
    arena: Vec<u8>,
    series: Vec<Series>,
    samples: Vec<Sample>,
    request_extras: Vec<Span>,
    counts: Counts,
}

/// One series of a push, borrowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeriesView<'a> {
    /// The label section, see the module's doc.
    pub labels: &'a [u8],
    pub samples: &'a [Sample],
    /// Fields of `TimeSeries` other than labels and samples.
    pub extras: &'a [u8],
}

impl Push {
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// True where the request held nothing to store: it is answered with success and not appended.
    pub fn is_empty(&self) -> bool {
        self.series.is_empty() && self.request_extras.is_empty()
    }

    /// The series in the order the request had them.
    pub fn series(&self) -> impl ExactSizeIterator<Item = SeriesView<'_>> {
        let mut start = 0usize;
        self.series.iter().map(move |series| {
            let end = series.samples_end as usize;
            let view = SeriesView {
                labels: &self.arena[series.labels.range()],
                samples: &self.samples[start..end],
                extras: &self.arena[series.extras.range()],
            };
            start = end;
            view
        })
    }

    /// The sample column: all samples, series by series, but those carried in extras.
    pub fn samples(&self) -> &[Sample] {
        &self.samples
    }

    /// Fields of `WriteRequest` other than `timeseries`: metadata, and what this version does not know.
    pub fn request_extras(&self) -> impl Iterator<Item = &[u8]> {
        self.request_extras.iter().map(|span| &self.arena[span.range()])
    }

    /// Its arena and its sample column, emptied: memory for another push of its kind.
    pub fn into_memory(self) -> (Vec<u8>, Vec<Sample>) {
        let Self { mut arena, mut samples, .. } = self;
        arena.clear();
        samples.clear();
        (arena, samples)
    }

    /// Memory this push holds, in bytes: what budgets are counted in.
    pub fn memory(&self) -> usize {
        self.arena.capacity()
            + self.series.capacity() * size_of::<Series>()
            + self.samples.capacity() * size_of::<Sample>()
            + self.request_extras.capacity() * size_of::<Span>()
    }
}

/// Equality of content: two pushes are equal when they hold the same series, samples and extras in the
/// same order, wherever these stand in the arena.
impl PartialEq for Push {
    fn eq(&self, other: &Self) -> bool {
        self.counts == other.counts
            && self.series().eq(other.series())
            && self.request_extras().flatten().eq(other.request_extras().flatten())
    }
}

impl Eq for Push {}

/// Where a [`PushBuilder`] stood, to go back to.
#[derive(Debug, Clone, Copy)]
pub struct Mark {
    arena: usize,
    series: usize,
    samples: usize,
    request_extras: usize,
    counts: Counts,
}

/// Builds a [`Push`] series by series. The caller keeps the rules of a label section (sorted, unique,
/// names not empty); `ingest` checks them, the queue's decoder trusts what it wrote.
#[derive(Debug, Default)]
pub struct PushBuilder {
    push: Push,
}

impl PushBuilder {
    /// A builder whose arena starts as `body`, so that spans of the unpacked request can be used as they
    /// are, without a copy.
    pub fn over(body: Vec<u8>) -> Self {
        Self { push: Push { arena: body, ..Push::default() } }
    }

    /// A builder with everything but the series: their labels stand in `arena`, their samples in `samples`, in the order
    /// in which [`PushBuilder::series_of`] will add them.
    pub fn over_samples(arena: Vec<u8>, samples: Vec<Sample>) -> Self {
        Self { push: Push { arena, samples, ..Push::default() } }
    }

    /// Bytes in the arena so far: the body given to [`PushBuilder::over`], then what was stored.
    #[inline]
    pub fn arena_len(&self) -> usize {
        self.push.arena.len()
    }

    /// What stands at `span`.
    pub fn bytes(&self, span: Span) -> &[u8] {
        &self.push.arena[span.range()]
    }

    /// The span of what stands at `first` followed by what stands at `second`. They are copied to the end of the arena
    /// where they do not stand in one piece; a `first` that ends there already stays where it is, so that joining many
    /// costs as much as copying each once.
    pub fn join(&mut self, first: Span, second: Span) -> Span {
        if first.end == second.start {
            return Span { start: first.start, end: second.end };
        }
        let arena = &mut self.push.arena;
        let start = if first.range().end == arena.len() {
            first.range().start
        } else {
            let start = arena.len();
            arena.extend_from_within(first.range());
            start
        };
        arena.extend_from_within(second.range());
        self.span(start)
    }

    /// Copies `bytes` to the end of the arena.
    pub fn store(&mut self, bytes: &[u8]) -> Span {
        let start = self.push.arena.len();
        self.push.arena.extend_from_slice(bytes);
        self.span(start)
    }

    /// Lets `write` append to the arena and returns the span of what it wrote.
    pub fn store_with(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Span {
        let start = self.push.arena.len();
        write(&mut self.push.arena);
        self.span(start)
    }

    fn span(&self, start: usize) -> Span {
        let offset = |at: usize| u32::try_from(at).expect("BUG: a push is bounded far below 4 GiB");
        Span { start: offset(start), end: offset(self.push.arena.len()) }
    }

    /// Adds a sample to the series that the next [`PushBuilder::series`] closes.
    pub fn sample(&mut self, sample: Sample) {
        self.push.samples.push(sample);
        self.push.counts.samples += 1;
    }

    /// Counts what the extras of the series being built hold.
    pub fn count_extras(&mut self, histograms: u32, exemplars: u32) {
        self.push.counts.histograms += histograms;
        self.push.counts.exemplars += exemplars;
    }

    /// Counts a sample that stands in the extras of the series being built, see [`crate::wire`].
    pub fn count_carried_sample(&mut self) {
        self.push.counts.samples += 1;
    }

    /// Closes a series: everything added by [`PushBuilder::sample`] since the last one is its samples.
    pub fn series(&mut self, labels: Span, extras: Span) {
        let samples_end =
            u32::try_from(self.push.samples.len()).expect("BUG: a push is bounded far below 4 G samples");
        self.push.series.push(Series { labels, extras, samples_end });
        self.push.counts.series += 1;
    }

    /// Adds a series with the next `samples` of those given to [`PushBuilder::over_samples`].
    pub fn series_of(&mut self, labels: Span, samples: u32, extras: Span) {
        let samples_end = self.push.series.last().map_or(0, |before| before.samples_end) + samples;
        self.push.series.push(Series { labels, extras, samples_end });
        self.push.counts.series += 1;
        self.push.counts.samples += samples;
    }

    /// Adds a field of `WriteRequest` other than `timeseries`, whole, tag included.
    pub fn request_extra(&mut self, field: Span, is_metadata: bool) {
        self.push.request_extras.push(field);
        self.push.counts.metadata += u32::from(is_metadata);
    }

    pub fn counts(&self) -> Counts {
        self.push.counts
    }

    /// Where the builder stands, between two series.
    pub fn mark(&self) -> Mark {
        Mark {
            arena: self.push.arena.len(),
            series: self.push.series.len(),
            samples: self.push.samples.len(),
            request_extras: self.push.request_extras.len(),
            counts: self.push.counts,
        }
    }

    /// Takes back all that was added since `mark`: a series half read, or several.
    pub fn rewind(&mut self, mark: Mark) {
        let Mark { arena, series, samples, request_extras, counts } = mark;
        self.push.arena.truncate(arena);
        self.push.series.truncate(series);
        self.push.samples.truncate(samples);
        self.push.request_extras.truncate(request_extras);
        self.push.counts = counts;
    }

    /// Reserves room for the given numbers of series and samples.
    pub fn reserve(&mut self, series: usize, samples: usize) {
        self.push.series.reserve(series);
        self.push.samples.reserve(samples);
    }

    /// Finishes a push whose spans were made by the caller and point into `arena`. Nothing was stored in
    /// the builder's own arena.
    pub fn finish_over(mut self, arena: Vec<u8>) -> Push {
        debug_assert!(self.push.arena.is_empty(), "two arenas");
        self.push.arena = arena;
        self.finish()
    }

    pub fn finish(mut self) -> Push {
        // What was reserved or grown beyond need would be held for as long as the push waits.
        give_back(&mut self.push.series);
        give_back(&mut self.push.samples);
        debug_assert_eq!(
            self.push.series.last().map_or(0, |s| s.samples_end as usize),
            self.push.samples.len(),
            "samples added after the last series was closed"
        );
        self.push
    }
}

/// Shrinks a vector that is more than a quarter empty.
fn give_back<T>(vec: &mut Vec<T>) {
    if vec.capacity() - vec.len() > vec.capacity() / 4 {
        vec.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn joined_spans_read_as_one_after_the_other(
            stored in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..5), 1..9),
            picks in prop::collection::vec(any::<prop::sample::Index>(), 1..9),
        ) {
            let mut builder = PushBuilder::default();
            let spans: Vec<_> = stored.iter().map(|bytes| builder.store(bytes)).collect();
            let picks: Vec<_> = picks.iter().map(|pick| pick.index(spans.len())).collect();
            let joined = picks[1..].iter().fold(spans[picks[0]], |joined, pick| builder.join(joined, spans[*pick]));
            let expected: Vec<u8> = picks.iter().flat_map(|pick| stored[*pick].clone()).collect();
            prop_assert_eq!(builder.bytes(joined), expected);
            for (span, bytes) in spans.iter().zip(&stored) {
                prop_assert_eq!(builder.bytes(*span), bytes.as_slice());
            }
        }
    }
}
