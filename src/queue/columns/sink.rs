//! Where the decoder puts what it reads.

use super::dictionary::Section;
use crate::model::{Push, PushBuilder, Sample, Span};
use crate::wire;

/// Takes a record series by series: `series`, its samples, `end_series`; then the extras of the request.
pub trait Sink {
    /// An entry begins. `reference` is the same for all entries of a series in an interval.
    fn series(&mut self, reference: usize, labels: Section<'_>);
    fn sample(&mut self, sample: Sample);
    fn end_series(&mut self, extras: &[u8]);
    fn request_extra(&mut self, extra: &[u8]);
}

/// Makes the push that was encoded, entry by entry.
pub struct Exact {
    push: PushBuilder,
    labels: Span,
}

/// What is allocated for a push before anything of it was read.
const MOST_FIRST: usize = 1 << 20;

impl Exact {
    /// `wire_len` is the push's length as [`wire::encode`] writes it, which the decoder keeps it to.
    pub fn new(wire_len: usize) -> Self {
        let push = PushBuilder::over(Vec::with_capacity(wire_len.min(MOST_FIRST)));
        Self { push, labels: Span::default() }
    }

    pub fn finish(self) -> Push {
        self.push.finish()
    }
}

impl Sink for Exact {
    fn series(&mut self, _: usize, labels: Section<'_>) {
        self.labels = self.push.store_with(|out| labels.write(out));
    }

    fn sample(&mut self, sample: Sample) {
        self.push.sample(sample);
    }

    fn end_series(&mut self, extras: &[u8]) {
        let counts = wire::count_extras(extras);
        self.push.count_extras(counts.histograms, counts.exemplars);
        (0..counts.samples).for_each(|_| self.push.count_carried_sample());
        let extras = self.push.store(extras);
        self.push.series(self.labels, extras);
    }

    fn request_extra(&mut self, extra: &[u8]) {
        let is_metadata = wire::is_metadata(extra);
        let extra = self.push.store(extra);
        self.push.request_extra(extra, is_metadata);
    }
}

/// Throws it away: what is read only for what comes after it.
pub struct Nothing;

impl Sink for Nothing {
    fn series(&mut self, _: usize, _: Section<'_>) {}

    fn sample(&mut self, _: Sample) {}

    fn end_series(&mut self, _: &[u8]) {}

    fn request_extra(&mut self, _: &[u8]) {}
}
