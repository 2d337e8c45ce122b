//! Columns → series, samples, extras.

use super::bytes::{Reader, unzigzag};
use super::dictionary::Dictionary;
use super::error::DecodeError;
use super::series::{Last, NEW_SCALE, Told};
use super::sink::{Exact, Sink};
use super::streams::{Column, Unpacked, Unpacker};
use crate::model::{Push, Sample};

/// Decodes the records of an interval one after the other, from its restart point on.
pub struct Decoder {
    /// By reference: label sections and last values.
    labels: Dictionary,
    lasts: Vec<Last>,
    unpacker: Unpacker,
}

impl Decoder {
    pub fn new() -> Self {
        Self { labels: Dictionary::default(), lasts: Vec::new(), unpacker: Unpacker::new() }
    }

    /// Forgets everything: a restart point follows.
    pub fn restart(&mut self) {
        self.labels.clear();
        self.lasts.clear();
    }

    /// Decodes the next record of the interval into `sink`.
    ///
    /// `wire_len` is the push's length as [`crate::wire::encode`] writes it. The sink is given no more than a push of that
    /// length can hold, and what is allocated is bounded by it (see docs/format.md). After an error nothing of the interval
    /// can be decoded any more, and what the sink was given is to be thrown away.
    pub fn decode_into(
        &mut self,
        payload: &[u8],
        accepted_ms: i64,
        wire_len: usize,
        sink: &mut impl Sink,
    ) -> Result<(), DecodeError> {
        let Self { labels, lasts, unpacker } = self;
        let mut head = Reader::new(payload);
        let entries = head.varint().ok_or(DecodeError("it ends in its head"))?;
        // A sample takes 13 bytes on the wire and at most 20 here, everything else takes as many.
        let limit = wire_len.saturating_mul(2).saturating_add(64);
        let columns = unpacker.unpack(head.rest(), limit).ok_or(DecodeError("its columns do not unpack"))?;
        let room = Room(wire_len as u64);
        Interval { labels, lasts }.read(columns, entries, accepted_ms, room, sink)
    }

    /// Decodes the next record of the interval as the push it was.
    pub fn decode(&mut self, payload: &[u8], accepted_ms: i64, wire_len: usize) -> Result<Push, DecodeError> {
        let mut exact = Exact::new(wire_len);
        self.decode_into(payload, accepted_ms, wire_len, &mut exact)?;
        Ok(exact.finish())
    }

    /// Bytes of memory held for the interval.
    pub fn memory(&self) -> usize {
        self.labels.memory() + self.lasts.capacity() * size_of::<Last>()
    }
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

/// A series' head on the wire: tag and length.
const SERIES_HEAD: u64 = 2;
/// A sample on the wire: head, value, and a time of one byte at least.
const SMALLEST_SAMPLE: u64 = 13;

/// What is left of the length that the push had on the wire. Few bytes of a record can stand for many of the push (labels
/// that are referred to again and again, a thousand empty series that pack to nothing), so what they claim is paid first.
struct Room(u64);

impl Room {
    #[inline]
    fn take(&mut self, bytes: u64) -> Result<(), DecodeError> {
        self.0 = self.0.checked_sub(bytes).ok_or(DecodeError("it is longer than the push was"))?;
        Ok(())
    }
}

/// What is known of the interval so far.
struct Interval<'a> {
    labels: &'a mut Dictionary,
    lasts: &'a mut Vec<Last>,
}

const CUT: DecodeError = DecodeError("a column ends too early");

impl Interval<'_> {
    fn read(
        &mut self,
        mut columns: Unpacked<'_>,
        entries: u64,
        accepted_ms: i64,
        mut room: Room,
        sink: &mut impl Sink,
    ) -> Result<(), DecodeError> {
        let has_counts = !columns.column(Column::Counts).is_empty();
        let has_extras = !columns.column(Column::ExtraLengths).is_empty();
        let mut expected = 0i64;
        let mut time = accepted_ms;
        for _ in 0..entries {
            let reference = self.reference(&mut columns, expected)?;
            expected = reference as i64 + 1;
            let section = self.labels.section(reference);
            let last = &mut self.lasts[reference];
            let count = if has_counts { columns.column(Column::Counts).varint().ok_or(CUT)? } else { 1 };
            room.take(SERIES_HEAD + section.len() as u64)?;
            room.take(count.saturating_mul(SMALLEST_SAMPLE))?;
            sink.series(reference, section);
            for _ in 0..count {
                time = time.wrapping_add(unzigzag(columns.column(Column::Times).varint().ok_or(CUT)?));
                let value = read_value(&mut columns, last)?;
                sink.sample(Sample { value, timestamp: time });
            }
            let extras: &[u8] = if has_extras { read_extras(&mut columns)? } else { &[] };
            room.take(extras.len() as u64)?;
            sink.end_series(extras);
        }
        while !columns.column(Column::RequestExtras).is_empty() {
            let column = columns.column(Column::RequestExtras);
            let extra = column.varint().and_then(|length| column.take(length)).ok_or(CUT)?;
            room.take(extra.len() as u64)?;
            sink.request_extra(extra);
        }
        if columns.is_spent() { Ok(()) } else { Err(DecodeError("a column goes on after the last series")) }
    }

    /// The series of the next entry; a new one brings its labels along.
    #[inline]
    fn reference(&mut self, columns: &mut Unpacked<'_>, expected: i64) -> Result<usize, DecodeError> {
        let distance = unzigzag(columns.column(Column::Refs).varint().ok_or(CUT)?);
        let reference = usize::try_from(expected.wrapping_add(distance)).ok();
        let reference = reference.filter(|reference| *reference <= self.lasts.len());
        let reference = reference.ok_or(DecodeError("it refers to a series that is not known"))?;
        if reference == self.lasts.len() {
            let column = columns.column(Column::Labels);
            let section = column.varint().and_then(|length| column.take(length)).ok_or(CUT)?;
            self.labels.add(section)?;
            self.lasts.push(Last::default());
        }
        Ok(reference)
    }
}

#[inline]
fn read_value(columns: &mut Unpacked<'_>, last: &mut Last) -> Result<f64, DecodeError> {
    let byte = columns.column(Column::Kinds).byte().ok_or(CUT)?;
    let (kind, length) = (byte / 9, byte % 9);
    let difference = columns.difference(length).ok_or(CUT)?;
    let scale = if kind == NEW_SCALE { columns.column(Column::Scales).byte().ok_or(CUT)? } else { 0 };
    last.hear(Told { kind, scale, difference }).ok_or(DecodeError("a value of an unknown kind"))
}

/// Fields of a series other than labels and samples.
fn read_extras<'a>(columns: &mut Unpacked<'a>) -> Result<&'a [u8], DecodeError> {
    let length = columns.column(Column::ExtraLengths).varint().ok_or(CUT)?;
    columns.column(Column::Extras).take(length).ok_or(CUT)
}
