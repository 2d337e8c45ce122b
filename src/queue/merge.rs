//! Many records as one push: each series once, with its samples in the order they were accepted. Pure.
//!
//! That is what makes a catch-up cheap for the server: labels are sent, parsed and looked up once for a hundred
//! scrapes. Series are told apart by their references, so those of different intervals stand apart, in order.

use super::columns::{Section, Sink};
use crate::model::{Push, PushBuilder, Sample, Span};
use crate::wire;

/// Collects records; see the module's doc.
#[derive(Default)]
pub(super) struct Merge {
    /// Labels and extras.
    arena: Vec<u8>,
    series: Vec<Series>,
    /// As they came.
    samples: Vec<Sample>,
    /// The series of each.
    owners: Vec<u32>,
    extras: Vec<(u32, Span)>,
    request_extras: Vec<Span>,
    /// Reference → series, in the interval being read.
    by_reference: Vec<u32>,
    /// The first series of that interval.
    interval: usize,
    /// Those of the intervals after the first.
    intervals: Vec<usize>,
    current: u32,
    /// Where the record being read began.
    mark: Mark,
}

struct Series {
    labels: Span,
    reference: u32,
    samples: u32,
    /// A sample stands among its extras: what follows must not overtake it there.
    has_carried: bool,
}

#[derive(Clone, Copy, Default)]
struct Mark {
    arena: usize,
    series: usize,
    samples: usize,
    extras: usize,
    request_extras: usize,
}

/// A sample on the wire with its head: value, and a time of six bytes.
const SAMPLE_BYTES: usize = 18;

impl Merge {
    /// Collects in the memory of a batch that is done with: a large block that is new costs more to be given by the host, page by
    /// page, than what is put there.
    pub(super) fn over((arena, samples): (Vec<u8>, Vec<Sample>)) -> Self {
        Self { arena, samples, ..Self::default() }
    }

    /// References mean other series from here on.
    pub(super) fn begin_interval(&mut self) {
        self.by_reference.clear();
        self.interval = self.series.len();
        if self.interval > 0 && self.intervals.last() != Some(&self.interval) {
            self.intervals.push(self.interval);
        }
    }

    /// A record follows.
    pub(super) fn begin_record(&mut self) {
        self.mark = Mark {
            arena: self.arena.len(),
            series: self.series.len(),
            samples: self.samples.len(),
            extras: self.extras.len(),
            request_extras: self.request_extras.len(),
        };
    }

    /// The record that was begun could not be read to its end: it never was.
    pub(super) fn roll_back(&mut self) {
        for series in self.owners.drain(self.mark.samples..) {
            self.series[series as usize].samples -= 1;
        }
        self.samples.truncate(self.mark.samples);
        self.arena.truncate(self.mark.arena);
        self.series.truncate(self.mark.series);
        self.extras.truncate(self.mark.extras);
        self.request_extras.truncate(self.mark.request_extras);
    }

    /// Numbers of the first series of each interval but the first: before one of them and behind it, the same series may
    /// stand.
    pub(super) fn intervals(&self) -> &[usize] {
        &self.intervals
    }

    /// About the bytes of the request that this becomes.
    pub(super) fn wire_bytes(&self) -> usize {
        self.arena.len() + self.samples.len() * SAMPLE_BYTES
    }

    /// The label sections collected so far; one that comes in two intervals stands there twice.
    pub(super) fn label_sections(&self) -> impl Iterator<Item = &[u8]> {
        self.series.iter().map(|series| &self.arena[series.labels.range()])
    }

    fn store(&mut self, bytes: &[u8]) -> Span {
        self.store_with(|arena| arena.extend_from_slice(bytes))
    }

    fn store_with(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Span {
        let offset = |at: usize| u32::try_from(at).expect("BUG: a batch is bounded far below 4 GiB");
        let start = offset(self.arena.len());
        write(&mut self.arena);
        Span { start, end: offset(self.arena.len()) }
    }

    /// The merged push. It takes over the memory that was collected in: no label and no sample is held twice.
    pub(super) fn finish(self) -> Push {
        let Self { arena, series, mut samples, owners, mut extras, request_extras, .. } = self;
        group(&mut samples, owners, &series);
        // Stable: the extras of a series stay in their order.
        extras.sort_by_key(|(series, _)| *series);
        let mut extras = extras.into_iter().peekable();
        let mut push = PushBuilder::over_samples(arena, samples);
        for (number, series) in series.iter().enumerate() {
            let mut span = Span::default();
            while let Some((_, extra)) = extras.next_if(|(of, _)| *of as usize == number) {
                span = if span.is_empty() { extra } else { push.join(span, extra) };
            }
            if !span.is_empty() {
                let counts = wire::count_extras(push.bytes(span));
                push.count_extras(counts.histograms, counts.exemplars);
                (0..counts.samples).for_each(|_| push.count_carried_sample());
            }
            push.series_of(series.labels, series.samples, span);
        }
        for extra in request_extras {
            let is_metadata = wire::is_metadata(push.bytes(extra));
            push.request_extra(extra, is_metadata);
        }
        push.finish()
    }
}

/// Puts samples in order, series by series, those of each as they came. In place: a batch is the largest thing that an agent
/// holds.
fn group(samples: &mut [Sample], owners: Vec<u32>, series: &[Series]) {
    let mut next = Vec::with_capacity(series.len());
    let mut start = 0;
    for series in series {
        next.push(start);
        start += series.samples;
    }
    let mut places = owners;
    for place in &mut places {
        let next = &mut next[*place as usize];
        *place = *next;
        *next += 1;
    }
    for at in 0..samples.len() {
        // Each swap brings one sample to where it belongs.
        while places[at] as usize != at {
            let place = places[at] as usize;
            samples.swap(at, place);
            places.swap(at, place);
        }
    }
}

impl Sink for Merge {
    #[inline]
    fn series(&mut self, reference: usize, labels: Section<'_>) {
        if self.by_reference.len() <= reference {
            self.by_reference.resize(reference + 1, u32::MAX);
        }
        let known = self.by_reference[reference];
        // After a roll-back, a number may stand for nothing or for another series.
        let is_known =
            self.series.get(known as usize).is_some_and(|series| series.reference as usize == reference);
        if is_known && known as usize >= self.interval {
            self.current = known;
            return;
        }
        let narrow =
            |number: usize| u32::try_from(number).expect("BUG: a batch is bounded far below 4 G series");
        let labels = self.store_with(|arena| labels.write(arena));
        self.current = narrow(self.series.len());
        self.series.push(Series { labels, reference: narrow(reference), samples: 0, has_carried: false });
        self.by_reference[reference] = self.current;
    }

    #[inline]
    fn sample(&mut self, sample: Sample) {
        if self.series[self.current as usize].has_carried {
            let mut field = Vec::new();
            wire::put_sample_field(&mut field, &sample);
            let field = self.store(&field);
            self.extras.push((self.current, field));
            return;
        }
        self.samples.push(sample);
        self.owners.push(self.current);
        self.series[self.current as usize].samples += 1;
    }

    fn end_series(&mut self, extras: &[u8]) {
        if !extras.is_empty() {
            self.series[self.current as usize].has_carried |= wire::count_extras(extras).samples > 0;
            let extras = self.store(extras);
            self.extras.push((self.current, extras));
        }
    }

    fn request_extra(&mut self, extra: &[u8]) {
        let extra = self.store(extra);
        self.request_extras.push(extra);
    }
}
