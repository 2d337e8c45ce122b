//! The remote-write 1.0 wire form of a [`Push`], in both directions.
//!
//! A walk over the protobuf bytes rather than generated code: labels and extras are taken as spans of the
//! body, without a look inside, so the cost is in bytes and not in labels.
//! Source: prometheus/prometheus `prompb/remote.proto` and `prompb/types.proto`, kept in `proto/`.
//!
//! What the walk makes of a `TimeSeries`:
//!
//! | field | becomes |
//! |---|---|
//! | `labels` 1 | the label section; gathered at the arena's end where the fields do not stand together |
//! | `samples` 2 | an entry of the sample column |
//! | `exemplars` 3, `histograms` 4, unknown | extras, as they are |
//!
//! A `Sample` with fields beyond value and timestamp does not fit the column. It becomes an extra, whole,
//! with value and timestamp spelled out before its other fields, and counts as a sample. The samples that
//! follow it in the same `TimeSeries` become extras with it, so that the order of the series is kept:
//! column first, extras after.

mod allowance;
mod carried;
mod field;
mod labels;
mod run;
#[cfg(test)]
mod tests;
mod v2;

pub(crate) use allowance::Allowance;
pub(crate) use field::put_varint;
pub use labels::{Label, Labels, append_label, label_len, labels, metric_name};
pub use v2::{MostV2, NotCarried, decode_v2};

use crate::model::{Counts, Push, PushBuilder, Sample, SeriesView, Span};
use field::{FIXED64, Field, Fields, VARINT, field_len, put_head, varint_len};
use run::Run;
use std::ops::Range;

// Field numbers of `WriteRequest`, `TimeSeries`, `Sample` and `Exemplar`.
const TIMESERIES: u32 = 1;
const METADATA: u32 = 3;
const SAMPLES: u32 = 2;
const EXEMPLARS: u32 = 3;
const HISTOGRAMS: u32 = 4;
const VALUE: u32 = 1;
const TIMESTAMP: u32 = 2;
/// As these fields of a sample begin.
const VALUE_TAG: u8 = (VALUE as u8) << 3 | FIXED64;
const TIMESTAMP_TAG: u8 = (TIMESTAMP as u8) << 3 | VARINT;
const EXEMPLAR_VALUE: u32 = 2;
const EXEMPLAR_TIMESTAMP: u32 = 3;

/// The largest body that [`decode`] takes: with what may be gathered beside it, spans of 32 bits still
/// reach everything. Callers bound bodies far below.
pub const MAX_BODY: usize = 512 << 20;

/// A sample with a timestamp after 1971 takes nine bytes and more; two would become sixteen.
const SMALLEST_SAMPLE: usize = 8;

/// A body that is not a request, or holds more than it may.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("at byte {offset}: {what}")]
pub struct WireError {
    pub offset: usize,
    pub what: String,
    pub kind: WireErrorKind,
}

/// What kind of thing is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WireErrorKind {
    /// It cannot be read, or breaks a rule of its format.
    Malformed,
    /// It has many parts for its size, or comes to more bytes than it may.
    TooLarge,
    TooManySymbols {
        found: usize,
        most: usize,
    },
}

impl WireError {
    #[cold]
    fn new(offset: usize, what: impl Into<String>) -> Self {
        Self { offset, what: what.into(), kind: WireErrorKind::Malformed }
    }

    #[cold]
    fn too_large(offset: usize, what: impl Into<String>) -> Self {
        Self { offset, what: what.into(), kind: WireErrorKind::TooLarge }
    }
}

/// Appends `push` to `out` as (part of) a `prometheus.WriteRequest`.
///
/// Concatenating two of these is one valid request with the series of both. Value and timestamp of a
/// sample are always written out, zeros too: VictoriaMetrics can fill a left-out zero with a value of
/// another request.
pub fn encode(push: &Push, out: &mut Vec<u8>) {
    for series in push.series() {
        encode_series(&series, out);
    }
    for extra in push.request_extras() {
        out.extend_from_slice(extra);
    }
}

/// Shows only the series with these numbers to `take`, in pieces that make up (part of) a `prometheus.WriteRequest`. What
/// belongs to the request as a whole goes with its last series. A piece has `piece_bytes` and what the last field in it
/// takes beyond; `buffer` is what it is written to.
pub fn encode_in_pieces(
    push: &Push,
    series: Range<usize>,
    piece_bytes: usize,
    buffer: &mut Vec<u8>,
    mut take: impl FnMut(&[u8]),
) {
    buffer.clear();
    let mut flush = |buffer: &mut Vec<u8>, at_least: usize| {
        if buffer.len() >= at_least {
            take(buffer);
            buffer.clear();
        }
    };
    for view in push.series().skip(series.start).take(series.len()) {
        encode_series(&view, buffer);
        flush(buffer, piece_bytes);
    }
    for extra in extras_with(push, &series) {
        buffer.extend_from_slice(extra);
        flush(buffer, piece_bytes);
    }
    flush(buffer, 1);
}

/// The extras of the request where they go with these series, else none.
fn extras_with<'a>(push: &'a Push, series: &Range<usize>) -> impl Iterator<Item = &'a [u8]> {
    let count = if series.end == push.series().len() { usize::MAX } else { 0 };
    push.request_extras().take(count)
}

/// What the extras of one series hold; its float samples are those carried there.
pub fn count_extras(extras: &[u8]) -> Counts {
    let mut counts = Counts::default();
    let mut fields = Fields::of(extras, 0..extras.len());
    while let Ok(Some(field)) = fields.next() {
        match field.number {
            SAMPLES => counts.samples += 1,
            EXEMPLARS => counts.exemplars += 1,
            HISTOGRAMS => counts.histograms += 1,
            _ => {}
        }
    }
    counts
}

/// The run of a series' extras that goes with its samples of these numbers, `column` of which stand in the sample column
/// before the extras. A field that is no sample goes with the one behind it, or the last.
pub fn extras_with_samples<'a>(extras: &'a [u8], column: u32, wanted: &Range<u32>) -> &'a [u8] {
    let all = u64::from(column) + count_extras(extras).all_samples();
    let last = u32::try_from(all.saturating_sub(1)).unwrap_or(u32::MAX);
    let mut number = column;
    let (mut start, mut end) = (0, 0);
    let mut fields = Fields::of(extras, 0..extras.len());
    while let Ok(Some(field)) = fields.next() {
        if number.min(last) < wanted.start {
            start = field.whole.end;
        }
        if number.min(last) < wanted.end {
            end = field.whole.end;
        }
        number += u32::from(matches!(field.number, SAMPLES | HISTOGRAMS));
    }
    &extras[start.min(end)..end]
}

/// Float and histogram samples of one series, those carried in its extras included.
pub fn samples_of(series: &SeriesView<'_>) -> u64 {
    series.samples.len() as u64 + count_extras(series.extras).all_samples()
}

/// True for an extra of the request that is a `metadata` field.
pub fn is_metadata(extra: &[u8]) -> bool {
    read_field(extra, 0).is_ok_and(|field| field.number == METADATA)
}

/// Bytes that [`encode`] appends.
pub fn encoded_len(push: &Push) -> usize {
    encoded_len_of(push, 0..push.series().len())
}

/// Bytes of all the pieces of [`encode_in_pieces`].
pub fn encoded_len_of(push: &Push, series: Range<usize>) -> usize {
    let views = push.series().skip(series.start).take(series.len());
    let fields: usize = views.map(|view| field_len(series_len(&view))).sum();
    fields + extras_with(push, &series).map(<[u8]>::len).sum::<usize>()
}

/// Appends one series as a `timeseries` field.
fn encode_series(series: &SeriesView<'_>, out: &mut Vec<u8>) {
    put_head(out, TIMESERIES as u8, series_len(series));
    out.extend_from_slice(series.labels);
    for sample in series.samples {
        put_sample_field(out, sample);
    }
    out.extend_from_slice(series.extras);
}

fn series_len(series: &SeriesView<'_>) -> usize {
    let samples: usize = series.samples.iter().map(|sample| field_len(sample_len(sample))).sum();
    series.labels.len() + samples + series.extras.len()
}

#[inline]
fn sample_len(sample: &Sample) -> usize {
    1 + 8 + 1 + varint_len(sample.timestamp as u64)
}

/// Appends a sample as a field of `TimeSeries`.
#[inline]
pub fn put_sample_field(out: &mut Vec<u8>, sample: &Sample) {
    put_head(out, SAMPLES as u8, sample_len(sample));
    put_sample(out, sample);
}

/// Appends an exemplar as a field of `TimeSeries`. `labels` is a section: the field has the same number in both.
pub fn append_exemplar(out: &mut Vec<u8>, labels: &[u8], value: f64, timestamp: i64) {
    put_head(out, EXEMPLARS as u8, labels.len() + 1 + 8 + 1 + varint_len(timestamp as u64));
    out.extend_from_slice(labels);
    out.push((EXEMPLAR_VALUE as u8) << 3 | FIXED64);
    out.extend_from_slice(&value.to_bits().to_le_bytes());
    out.push((EXEMPLAR_TIMESTAMP as u8) << 3 | VARINT);
    put_varint(out, timestamp as u64);
}

#[inline]
fn put_sample(out: &mut Vec<u8>, sample: &Sample) {
    out.push(VALUE_TAG);
    out.extend_from_slice(&sample.value.to_bits().to_le_bytes());
    out.push(TIMESTAMP_TAG);
    put_varint(out, sample.timestamp as u64);
}

/// Decodes an unpacked `WriteRequest`. The body becomes the push's arena.
///
/// Label sections are taken as they are, without a look inside; for bodies from outside see
/// [`decode_with`]. Memory: the body, what is gathered of it, 16 bytes a sample and 20 a series.
pub fn decode(body: Vec<u8>) -> Result<Push, WireError> {
    decode_with(body, |_, section| Ok(section.len()))
}

/// As [`decode`], and shows each label section to `tidy` with the number of its series.
///
/// `tidy` may rewrite the section in place, and returns how many of its bytes, from the front, are to be
/// the series' label section.
pub fn decode_with<E: From<WireError>>(
    mut body: Vec<u8>,
    mut tidy: impl FnMut(usize, &mut [u8]) -> Result<usize, E>,
) -> Result<Push, E> {
    let length = body.len();
    if length > MAX_BODY {
        return Err(WireError::too_large(MAX_BODY, format!("the body goes on for {length} bytes")).into());
    }
    let mut walk = Walk::new(&body);
    let mut series = 0;
    let mut at = 0;
    while at < length {
        let field = read_field(&body, at)?;
        at = field.whole.end;
        if field.number == TIMESERIES {
            walk.time_series(&body, field.bytes()?)?;
            walk.close_series(&mut body, |section| tidy(series, section))?;
            series += 1;
        } else {
            walk.request_field(&body, &field)?;
        }
    }
    Ok(walk.finish(body))
}

#[inline]
fn read_field(body: &[u8], at: usize) -> Result<Field, WireError> {
    let mut fields = Fields::of(body, at..body.len());
    fields.next()?.ok_or_else(|| WireError::new(at, "the body ends where a field is to begin"))
}

fn span(range: Range<usize>) -> Span {
    let offset = |at: usize| u32::try_from(at).expect("BUG: MAX_BODY keeps offsets within 32 bits");
    Span { start: offset(range.start), end: offset(range.end) }
}

/// The decoder's state between fields.
struct Walk {
    builder: PushBuilder,
    body_len: usize,
    /// What becomes the arena after the body.
    tail: Vec<u8>,
    labels: Run,
    extras: Run,
    /// The series being read has had a sample that does not fit the column.
    has_carried: bool,
    allowance: Allowance,
}

impl Walk {
    fn new(body: &[u8]) -> Self {
        let mut builder = PushBuilder::default();
        // One sample a series is what agents send. A body of tiny series is not trusted with its number.
        let series = count_series(body).min(body.len() / 16);
        builder.reserve(series, series);
        Self {
            builder,
            body_len: body.len(),
            tail: Vec::new(),
            labels: Run::default(),
            extras: Run::default(),
            has_carried: false,
            allowance: Allowance::of(body.len(), SMALLEST_SAMPLE),
        }
    }

    /// Reads the fields of a `TimeSeries`.
    fn time_series(&mut self, body: &[u8], message: Range<usize>) -> Result<(), WireError> {
        let mut fields = Fields::of(body, message);
        // Nearly all labels are short and stand together: they are one run, whatever their number.
        self.labels.add(body, fields.skip_short(labels::LABEL_TAG));
        while let Some(field) = fields.next()? {
            match field.number {
                labels::LABELS => {
                    field.bytes()?;
                    self.labels.add(body, field.whole);
                }
                SAMPLES => self.sample(body, &field)?,
                EXEMPLARS => {
                    carried::check(body, field.bytes()?, carried::EXEMPLAR)?;
                    self.builder.count_extras(0, 1);
                    self.extras.add(body, field.whole);
                }
                HISTOGRAMS => {
                    carried::check(body, field.bytes()?, carried::HISTOGRAM)?;
                    self.builder.count_extras(1, 0);
                    self.extras.add(body, field.whole);
                }
                _ => self.extras.add(body, field.whole),
            }
        }
        Ok(())
    }

    #[inline]
    fn sample(&mut self, body: &[u8], field: &Field) -> Result<(), WireError> {
        if !self.allowance.take(1) {
            return Err(WireError::too_large(field.whole.start, "too many samples for the size of the body"));
        }
        let message = field.bytes()?;
        if !self.has_carried
            && let Some(sample) = plain_sample(body, message.clone())
        {
            self.builder.sample(sample);
            return Ok(());
        }
        self.any_sample(body, message)
    }

    fn any_sample(&mut self, body: &[u8], message: Range<usize>) -> Result<(), WireError> {
        let mut sample = Sample { value: 0.0, timestamp: 0 };
        let mut others = Vec::new();
        let mut fields = Fields::of(body, message);
        while let Some(field) = fields.next()? {
            match field.number {
                VALUE => sample.value = f64::from_bits(field.fixed64()?),
                TIMESTAMP => sample.timestamp = field.varint()? as i64,
                _ => others.extend_from_slice(&body[field.whole]),
            }
        }
        if others.is_empty() && !self.has_carried {
            self.builder.sample(sample);
        } else {
            self.carry(body, &sample, &others);
        }
        Ok(())
    }

    /// Makes an extra of a sample that cannot stand in the column.
    #[cold]
    fn carry(&mut self, body: &[u8], sample: &Sample, others: &[u8]) {
        self.has_carried = true;
        self.builder.count_carried_sample();
        let out = self.extras.gather(body);
        put_head(out, SAMPLES as u8, sample_len(sample) + others.len());
        put_sample(out, sample);
        out.extend_from_slice(others);
    }

    #[inline]
    fn close_series<E>(
        &mut self,
        body: &mut [u8],
        tidy: impl FnOnce(&mut [u8]) -> Result<usize, E>,
    ) -> Result<(), E> {
        let section = self.labels.bytes_mut(body);
        let kept = tidy(section)?;
        debug_assert!(kept <= section.len(), "a section cannot grow in place");
        self.labels.truncate(kept);
        let labels = self.labels.settle(&mut self.tail, self.body_len);
        let extras = self.extras.settle(&mut self.tail, self.body_len);
        self.builder.series(labels, extras);
        self.has_carried = false;
        Ok(())
    }

    /// Takes a field of `WriteRequest` other than `timeseries`.
    fn request_field(&mut self, body: &[u8], field: &Field) -> Result<(), WireError> {
        let is_metadata = field.number == METADATA;
        if is_metadata {
            carried::check(body, field.bytes()?, carried::METADATA)?;
        }
        self.builder.request_extra(span(field.whole.clone()), is_metadata);
        Ok(())
    }

    fn finish(self, mut body: Vec<u8>) -> Push {
        body.reserve_exact(self.tail.len());
        body.extend_from_slice(&self.tail);
        self.builder.finish_over(body)
    }
}

/// The sample of this message as nearly all are written: a value, then a time, and nothing else. None where it is of another
/// form, or wrong.
#[inline]
fn plain_sample(body: &[u8], message: Range<usize>) -> Option<Sample> {
    let mut fields = Fields::of(body, message);
    let bits = fields.skip_byte(VALUE_TAG)?.fixed64().ok()?;
    let time = fields.skip_byte(TIMESTAMP_TAG)?.varint().ok()?;
    fields.is_at_end().then(|| Sample { value: f64::from_bits(bits), timestamp: time as i64 })
}

/// The number of `timeseries` fields, as far as the body can be read.
fn count_series(body: &[u8]) -> usize {
    let mut fields = Fields::of(body, 0..body.len());
    let mut count = 0;
    while let Ok(Some(field)) = fields.next() {
        count += usize::from(field.number == TIMESERIES);
    }
    count
}
