//! A remote-write 2.0 `Request`, as a [`Push`].
//!
//! Source: prometheus/prometheus `prompb/io/prometheus/write/v2/types.proto`, kept in `proto/`, and the remote-write 2.0
//! specification (prometheus.io/docs/specs/prw/remote_write_spec_2_0).
//!
//! | 2.0 | becomes |
//! |---|---|
//! | `labels_refs`, pairs of references into `symbols` | the label section, spelled out |
//! | `samples` | entries of the sample column |
//! | `histograms` | `histograms` of 1.0, which has the same message under another number |
//! | `exemplars` | `exemplars` of 1.0, with their labels spelled out |
//! | `metadata` of a series | `metadata` of the request, where the caller wants it |
//! | `created_timestamp`, `start_timestamp` | nothing: 1.0 has no place for them, so they are counted |
//!
//! Fields that this version does not know are left out, as a receiver of protobuf does: they may refer to symbols.

use super::carried;
use super::field::{Field, Fields, Payload, field_len, put_head, varint_len};
use super::labels::{append_label, label_len};
use super::{
    Allowance, EXEMPLARS, HISTOGRAMS, METADATA, SMALLEST_SAMPLE, TIMESTAMP, VALUE, WireError, WireErrorKind,
    put_varint,
};
use crate::model::{Push, PushBuilder, Sample};
use std::ops::Range;

// Field numbers of `Request`, `TimeSeries`, `Sample`, `Exemplar` and `Metadata`.
const SYMBOLS: u32 = 4;
const TIMESERIES_V2: u32 = 5;
const LABELS_REFS: u32 = 1;
const SAMPLES_V2: u32 = 2;
const HISTOGRAMS_V2: u32 = 3;
const EXEMPLARS_V2: u32 = 4;
const METADATA_V2: u32 = 5;
const CREATED_TIMESTAMP: u32 = 6;
const START_TIMESTAMP: u32 = 3;
const TYPE: u32 = 1;
const HELP_REF: u32 = 3;
const UNIT_REF: u32 = 4;

/// A symbol that is no repetition takes more than this on the wire, as a rule; its place in memory takes eight.
const SMALLEST_SYMBOL: usize = 4;

/// How much a request may hold.
#[derive(Debug, Clone, Copy)]
pub struct MostV2 {
    /// Bytes of what is spelled out: references are short, and what they mean need not be.
    pub bytes: usize,
    pub symbols: usize,
}

/// What of a request a push has no place for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NotCarried {
    /// Created and start timestamps that were given.
    pub start_timestamps: u64,
}

/// Decodes an unpacked `Request`.
///
/// `tidy` is as in [`super::decode_with`]. `wants` is shown each series' metadata, as a field of a 1.0 request, and says
/// whether it is to be part of the push.
pub fn decode_v2<E: From<WireError>>(
    body: &[u8],
    most: MostV2,
    mut tidy: impl FnMut(usize, &mut [u8]) -> Result<usize, E>,
    mut wants: impl FnMut(&[u8]) -> bool,
) -> Result<(Push, NotCarried), E> {
    let symbols = Symbols::read(body, most.symbols)?;
    let mut walk = Walk {
        body,
        symbols,
        max_bytes: most.bytes,
        push: PushBuilder::default(),
        section: Vec::new(),
        extras: Vec::new(),
        metadata: Vec::new(),
        not_carried: NotCarried::default(),
        allowance: Allowance::of(body.len(), SMALLEST_SAMPLE),
    };
    let mut fields = Fields::of(body, 0..body.len());
    let mut number = 0;
    while let Some(field) = fields.next()? {
        if field.number == TIMESERIES_V2 {
            let at = field.whole.start;
            walk.time_series(field.bytes()?, &mut wants)?;
            let kept = tidy(number, &mut walk.section)?;
            walk.close(at, kept)?;
            number += 1;
        }
    }
    Ok(walk.finish())
}

/// The strings of a request, by reference.
struct Symbols {
    spans: Vec<(u32, u32)>,
}

impl Symbols {
    fn read(body: &[u8], most: usize) -> Result<Self, WireError> {
        let mut allowance = Allowance::of(body.len(), SMALLEST_SYMBOL);
        let mut spans = Vec::new();
        let mut fields = Fields::of(body, 0..body.len());
        while let Some(field) = fields.next()? {
            if field.number != SYMBOLS {
                continue;
            }
            let at = field.whole.start;
            let symbol = field.bytes()?;
            if spans.is_empty() && !symbol.is_empty() {
                return Err(WireError::new(at, "the first symbol is not empty"));
            }
            if !allowance.take(1) {
                return Err(WireError::too_large(at, "too many symbols for the size of the body"));
            }
            if spans.len() == most {
                return Err(too_many_symbols(body, at, most));
            }
            let narrow = |at: usize| u32::try_from(at).map_err(|_| WireError::new(at, "beyond 4 GiB"));
            spans.push((narrow(symbol.start)?, narrow(symbol.end)?));
        }
        Ok(Self { spans })
    }

    #[inline]
    fn get(&self, reference: u64, at: usize) -> Result<Range<usize>, WireError> {
        let span = usize::try_from(reference).ok().and_then(|reference| self.spans.get(reference));
        let Some((start, end)) = span else { return Err(self.out_of_range(reference, at)) };
        Ok(*start as usize..*end as usize)
    }

    #[cold]
    fn out_of_range(&self, reference: u64, at: usize) -> WireError {
        WireError::new(at, format!("a reference to symbol {reference}, of {}", self.spans.len()))
    }
}

/// How many there are is worth knowing to whoever sets the limit.
#[cold]
fn too_many_symbols(body: &[u8], at: usize, most: usize) -> WireError {
    let mut rest = Fields::of(body, at..body.len());
    let mut found = most;
    while let Ok(Some(field)) = rest.next() {
        found += usize::from(field.number == SYMBOLS);
    }
    let what = format!("{found} symbols, of {most} at most");
    WireError { offset: at, what, kind: WireErrorKind::TooManySymbols { found, most } }
}

/// The decoder's state between fields.
struct Walk<'a> {
    body: &'a [u8],
    symbols: Symbols,
    max_bytes: usize,
    push: PushBuilder,
    /// Labels of the series being read, spelled out.
    section: Vec<u8>,
    /// Its histograms and exemplars, as fields of 1.0.
    extras: Vec<u8>,
    /// Fields of the request.
    metadata: Vec<u8>,
    not_carried: NotCarried,
    allowance: Allowance,
}

impl Walk<'_> {
    fn time_series(
        &mut self,
        message: Range<usize>,
        wants: &mut impl FnMut(&[u8]) -> bool,
    ) -> Result<(), WireError> {
        let mut section = std::mem::take(&mut self.section);
        section.clear();
        self.extras.clear();
        let mut metadata = None;
        let mut name = None;
        let mut fields = Fields::of(self.body, message);
        while let Some(field) = fields.next()? {
            match field.number {
                LABELS_REFS => name = self.spell_out(&field, name, 0, &mut section)?,
                SAMPLES_V2 => self.sample(&field)?,
                HISTOGRAMS_V2 => {
                    let payload = field.bytes()?;
                    carried::check(self.body, payload.clone(), carried::HISTOGRAM)?;
                    self.bound(self.extras.len() + payload.len() + 6, field.whole.start)?;
                    put_head(&mut self.extras, HISTOGRAMS as u8, payload.len());
                    self.extras.extend_from_slice(&self.body[payload]);
                    self.push.count_extras(1, 0);
                }
                EXEMPLARS_V2 => self.exemplar(&field)?,
                METADATA_V2 => metadata = Some(field),
                CREATED_TIMESTAMP if field.varint()? != 0 => self.not_carried.start_timestamps += 1,
                _ => {}
            }
        }
        if name.is_some() {
            return Err(WireError::new(fields.at(), "a label without a value"));
        }
        self.section = section;
        if let Some(field) = metadata {
            self.metadata(&field, wants)?;
        }
        Ok(())
    }

    /// Appends the labels that a field refers to. `left` is the name that a field before it ended in, and returned is the
    /// one that this ends in. `held` are the bytes of the series so far, without `out`.
    #[inline]
    fn spell_out(
        &self,
        field: &Field,
        left: Option<u64>,
        held: usize,
        out: &mut Vec<u8>,
    ) -> Result<Option<u64>, WireError> {
        let mut refs = Refs::of(self.body, field, left)?;
        while let Some((name, value)) = refs.next_pair()? {
            let (name, value) = (self.symbols.get(name, refs.at)?, self.symbols.get(value, refs.at)?);
            let (name, value) = (&self.body[name], &self.body[value]);
            self.bound(held + out.len() + label_len(name, value), refs.at)?;
            append_label(out, name, value);
        }
        Ok(refs.left)
    }

    /// Refuses a request that would become larger than it may. `series` are the bytes of the series being read so far.
    #[inline]
    fn bound(&self, series: usize, at: usize) -> Result<(), WireError> {
        if self.push.arena_len() + self.metadata.len() + series > self.max_bytes {
            return Err(WireError::too_large(
                at,
                format!("what is spelled out is over {} bytes", self.max_bytes),
            ));
        }
        Ok(())
    }

    #[inline]
    fn sample(&mut self, field: &Field) -> Result<(), WireError> {
        if !self.allowance.take(1) {
            return Err(WireError::too_large(field.whole.start, "too many samples for the size of the body"));
        }
        let mut sample = Sample { value: 0.0, timestamp: 0 };
        let mut fields = Fields::of(self.body, field.bytes()?);
        while let Some(field) = fields.next()? {
            match field.number {
                VALUE => sample.value = f64::from_bits(field.fixed64()?),
                TIMESTAMP => sample.timestamp = field.varint()? as i64,
                START_TIMESTAMP if field.varint()? != 0 => self.not_carried.start_timestamps += 1,
                _ => {}
            }
        }
        self.push.sample(sample);
        Ok(())
    }

    fn exemplar(&mut self, field: &Field) -> Result<(), WireError> {
        let (mut labels, mut value, mut timestamp) = (Vec::new(), 0u64, 0u64);
        let mut left = None;
        let mut fields = Fields::of(self.body, field.bytes()?);
        while let Some(field) = fields.next()? {
            match field.number {
                // `labels` has number 1 here as in `TimeSeries`.
                LABELS_REFS => left = self.spell_out(&field, left, self.extras.len(), &mut labels)?,
                // The same numbers as in 1.0.
                VALUE_OF_EXEMPLAR => value = field.fixed64()?,
                TIME_OF_EXEMPLAR => timestamp = field.varint()?,
                _ => {}
            }
        }
        if left.is_some() {
            return Err(WireError::new(fields.at(), "an exemplar's label without a value"));
        }
        put_head(&mut self.extras, EXEMPLARS as u8, labels.len() + 9 + 1 + varint_len(timestamp));
        self.extras.extend_from_slice(&labels);
        self.extras.push((VALUE_OF_EXEMPLAR as u8) << 3 | super::FIXED64);
        self.extras.extend_from_slice(&value.to_le_bytes());
        self.extras.push((TIME_OF_EXEMPLAR as u8) << 3 | super::VARINT);
        put_varint(&mut self.extras, timestamp);
        self.push.count_extras(0, 1);
        Ok(())
    }

    /// Makes metadata of the request of a series' own. 2.0 does not name the family: it is the series' name, without what
    /// the parts of a histogram or a summary add to it.
    fn metadata(&mut self, field: &Field, wants: &mut impl FnMut(&[u8]) -> bool) -> Result<(), WireError> {
        let (mut kind, mut help, mut unit) = (0, 0..0, 0..0);
        let mut fields = Fields::of(self.body, field.bytes()?);
        while let Some(field) = fields.next()? {
            match field.number {
                TYPE => kind = field.varint()?,
                HELP_REF => help = self.symbols.get(field.varint()?, field.whole.start)?,
                UNIT_REF => unit = self.symbols.get(field.varint()?, field.whole.start)?,
                _ => {}
            }
        }
        let Some(name) = super::metric_name(&self.section) else { return Ok(()) };
        if kind == 0 && help.is_empty() && unit.is_empty() {
            return Ok(());
        }
        let texts = [(2, family(name, kind)), (4, &self.body[help]), (5, &self.body[unit])];
        let texts = texts.into_iter().filter(|(_, text)| !text.is_empty());
        let kind_len = if kind == 0 { 0 } else { 1 + varint_len(kind) };
        let length = kind_len + texts.clone().map(|(_, text)| field_len(text.len())).sum::<usize>();
        let start = self.metadata.len();
        put_head(&mut self.metadata, METADATA as u8, length);
        if kind != 0 {
            self.metadata.push((TYPE as u8) << 3 | super::VARINT);
            put_varint(&mut self.metadata, kind);
        }
        for (number, text) in texts {
            put_head(&mut self.metadata, number, text.len());
            self.metadata.extend_from_slice(text);
        }
        if !wants(&self.metadata[start..]) {
            self.metadata.truncate(start);
            return Ok(());
        }
        self.bound(self.section.len() + self.extras.len(), field.whole.start)
    }

    /// The series that was read, with the first `kept` bytes of its labels.
    fn close(&mut self, at: usize, kept: usize) -> Result<(), WireError> {
        self.bound(kept + self.extras.len(), at)?;
        let labels = self.push.store(&self.section[..kept]);
        let extras = self.push.store(&self.extras);
        self.push.series(labels, extras);
        Ok(())
    }

    fn finish(mut self) -> (Push, NotCarried) {
        let mut fields = Fields::of(&self.metadata, 0..self.metadata.len());
        while let Ok(Some(field)) = fields.next() {
            let extra = self.push.store(&self.metadata[field.whole]);
            self.push.request_extra(extra, true);
        }
        (self.push.finish(), self.not_carried)
    }
}

const VALUE_OF_EXEMPLAR: u32 = 2;
const TIME_OF_EXEMPLAR: u32 = 3;

const HISTOGRAM: u64 = 3;
const GAUGE_HISTOGRAM: u64 = 4;
const SUMMARY: u64 = 5;

/// The name of the family that a series with this name and type is of.
fn family(name: &[u8], kind: u64) -> &[u8] {
    let parts: &[&[u8]] = match kind {
        HISTOGRAM | GAUGE_HISTOGRAM => &[b"_bucket", b"_count", b"_sum"],
        SUMMARY => &[b"_count", b"_sum"],
        _ => &[],
    };
    parts.iter().find_map(|part| name.strip_suffix(*part)).unwrap_or(name)
}

/// The references of one field, packed or single, in pairs.
struct Refs<'a> {
    numbers: Fields<'a>,
    single: Option<u64>,
    /// The first of a pair whose second is to come.
    left: Option<u64>,
    at: usize,
}

impl<'a> Refs<'a> {
    fn of(body: &'a [u8], field: &Field, left: Option<u64>) -> Result<Self, WireError> {
        let at = field.whole.start;
        match &field.payload {
            Payload::Varint(reference) => {
                Ok(Self { numbers: Fields::of(&[], 0..0), single: Some(*reference), left, at })
            }
            Payload::Bytes(packed) => {
                Ok(Self { numbers: Fields::of(body, packed.clone()), single: None, left, at })
            }
            _ => Err(field.wrong_type()),
        }
    }

    #[inline]
    fn next(&mut self) -> Result<Option<u64>, WireError> {
        if let Some(reference) = self.single.take() {
            return Ok(Some(reference));
        }
        if self.numbers.is_at_end() { Ok(None) } else { self.numbers.varint().map(Some) }
    }

    #[inline]
    fn next_pair(&mut self) -> Result<Option<(u64, u64)>, WireError> {
        loop {
            let Some(reference) = self.next()? else { return Ok(None) };
            match self.left.take() {
                Some(first) => return Ok(Some((first, reference))),
                None => self.left = Some(reference),
            }
        }
    }
}

#[cfg(test)]
#[path = "v2_tests.rs"]
mod tests;
