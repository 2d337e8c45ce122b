//! Writes VictoriaMetrics' blocks, sound or not: what its `/api/v1/export/native` would answer. For the format see
//! [`crate::ingest::native`].

use crate::model::{Push, Sample};
use crate::wire;
use std::slice;

/// How a column is written. The number is what a block says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum NativeForm {
    /// All numbers are the same.
    Constant = 3,
    /// Each number is as far from the one before it.
    ConstantDelta = 2,
    Deltas = 6,
    PackedDeltas = 4,
    /// Two numbers at the least.
    DeltasOfDeltas = 5,
    PackedDeltasOfDeltas = 1,
}

impl NativeForm {
    /// Those that not every column can have are first.
    pub const ALL: [Self; 6] = [
        Self::Constant,
        Self::ConstantDelta,
        Self::Deltas,
        Self::PackedDeltas,
        Self::DeltasOfDeltas,
        Self::PackedDeltasOfDeltas,
    ];

    /// What VictoriaMetrics would choose, or near it.
    fn of(numbers: &[i64]) -> Self {
        let mut deltas = numbers.windows(2).map(|pair| pair[1].wrapping_sub(pair[0]));
        let delta = deltas.next().unwrap_or_default();
        match deltas.all(|next| next == delta) {
            true if delta == 0 => Self::Constant,
            true => Self::ConstantDelta,
            false if numbers.len() < 64 => Self::DeltasOfDeltas,
            false => Self::PackedDeltasOfDeltas,
        }
    }
}

/// The bytes of a column but for its first number.
pub fn native_column(numbers: &[i64], form: NativeForm) -> Vec<u8> {
    let mut deltas: Vec<i64> = numbers.windows(2).map(|pair| pair[1].wrapping_sub(pair[0])).collect();
    match form {
        NativeForm::Constant => deltas.clear(),
        NativeForm::ConstantDelta => deltas.resize(1, 0),
        NativeForm::Deltas | NativeForm::PackedDeltas => {}
        NativeForm::DeltasOfDeltas | NativeForm::PackedDeltasOfDeltas => {
            for at in (1..deltas.len()).rev() {
                deltas[at] = deltas[at].wrapping_sub(deltas[at - 1]);
            }
        }
    }
    let mut bytes = Vec::new();
    deltas.into_iter().for_each(|delta| put_signed(&mut bytes, delta));
    match form {
        NativeForm::PackedDeltas | NativeForm::PackedDeltasOfDeltas => {
            zstd::bulk::compress(&bytes, 1).expect("BUG: a column is small")
        }
        _ => bytes,
    }
}

fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)).cast_unsigned()
}

fn put_signed(out: &mut Vec<u8>, number: i64) {
    wire::put_varint(out, zigzag(number));
}

/// A block, each part of which can be made a lie.
#[derive(Debug, Clone)]
pub struct NativeBlock<'a> {
    pub timestamps: &'a [i64],
    pub numbers: &'a [i64],
    pub last_ms: i64,
    pub rows: u64,
    pub exponent: i16,
    /// Of the timestamps and of the numbers.
    pub forms: (NativeForm, NativeForm),
    pub bits: u8,
    /// Without the last time and the bits, as VictoriaMetrics up to 1.79 has it.
    pub is_short: bool,
}

impl<'a> NativeBlock<'a> {
    /// A sound block of whole numbers. Neither column may be empty.
    pub fn new(timestamps: &'a [i64], numbers: &'a [i64]) -> Self {
        Self {
            timestamps,
            numbers,
            last_ms: timestamps[timestamps.len() - 1],
            rows: numbers.len() as u64,
            exponent: 0,
            forms: (NativeForm::of(timestamps), NativeForm::of(numbers)),
            bits: 64,
            is_short: false,
        }
    }

    pub fn append(&self, out: &mut Vec<u8>) {
        put_signed(out, self.timestamps[0]);
        if !self.is_short {
            put_signed(out, self.last_ms);
        }
        put_signed(out, self.numbers[0]);
        wire::put_varint(out, self.rows);
        put_signed(out, self.exponent.into());
        out.extend([self.forms.0 as u8, self.forms.1 as u8]);
        if !self.is_short {
            out.push(self.bits);
        }
        for (numbers, form) in [(self.timestamps, self.forms.0), (self.numbers, self.forms.1)] {
            let column = native_column(numbers, form);
            wire::put_varint(out, column.len() as u64);
            out.extend(column);
        }
    }
}

/// What stands before the blocks of a series with these labels, without its size.
pub fn native_name<'a>(labels: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> Vec<u8> {
    let (metric, labels): (Vec<_>, Vec<_>) = labels.partition(|(name, _)| *name == b"__name__");
    let mut name = Vec::new();
    put_escaped(&mut name, metric.first().map_or(b"", |(_, value)| value));
    for (label, value) in labels {
        put_escaped(&mut name, label);
        put_escaped(&mut name, value);
    }
    name
}

fn put_escaped(out: &mut Vec<u8>, text: &[u8]) {
    for byte in text {
        match byte {
            0..=2 => out.extend([0, b'0' + byte]),
            byte => out.push(*byte),
        }
    }
    out.push(1);
}

/// Powers of ten up to here are exact, and so is a whole number up to [`MOST_EXACT`] over one of them, rounded once.
const MOST_DIGITS: i16 = 22;
const MOST_EXACT: f64 = 9_007_199_254_740_992.0;

/// Whole numbers that are the values over a power of ten, with its exponent; none where there are none.
fn decimals(samples: &[Sample]) -> Option<(Vec<i64>, i16)> {
    (0..=MOST_DIGITS).find_map(|digits| {
        let power = 10f64.powi(digits.into());
        let number = |sample: &Sample| {
            let number = (sample.value * power).round();
            let is_exact = number.abs() <= MOST_EXACT && (number / power).to_bits() == sample.value.to_bits();
            is_exact.then_some(number as i64)
        };
        Some((samples.iter().map(number).collect::<Option<Vec<i64>>>()?, -digits))
    })
}

/// A whole body, block by block.
#[derive(Debug)]
pub struct NativeBody {
    pub bytes: Vec<u8>,
}

impl NativeBody {
    /// A body of which samples from the first to the last time are to be taken.
    pub fn new(first_ms: i64, last_ms: i64) -> Self {
        let time = |ms: i64| zigzag(ms).to_be_bytes();
        Self { bytes: [time(first_ms), time(last_ms)].concat() }
    }

    /// The body of a push whose values are whole numbers, a block a series.
    pub fn of(push: &Push) -> Self {
        let mut body = Self::new(i64::MIN, i64::MAX);
        for series in push.series() {
            let labels =
                wire::labels(series.labels).map(|label| label.expect("BUG: a push holds sound labels"));
            let name = native_name(labels.map(|label| (label.name, label.value)));
            let timestamps: Vec<i64> = series.samples.iter().map(|sample| sample.timestamp).collect();
            let numbers: Vec<i64> = series.samples.iter().map(|sample| sample.value as i64).collect();
            body.add(&name, &NativeBlock::new(&timestamps, &numbers));
        }
        body
    }

    /// The body of a push whose values are decimal numbers of up to 15 digits, none below 10^-22; they are read as exactly
    /// those. A block a series, or several where no exponent does for all of its values.
    pub fn exact(push: &Push) -> Self {
        let mut body = Self::new(i64::MIN, i64::MAX);
        for series in push.series() {
            let labels =
                wire::labels(series.labels).map(|label| label.expect("BUG: a push holds sound labels"));
            let name = native_name(labels.map(|label| (label.name, label.value)));
            body.add_exact(&name, series.samples);
        }
        body
    }

    fn add_exact(&mut self, name: &[u8], samples: &[Sample]) {
        let timestamps: Vec<i64> = samples.iter().map(|sample| sample.timestamp).collect();
        match decimals(samples) {
            Some((numbers, exponent)) if !samples.is_empty() => {
                self.add(name, &NativeBlock { exponent, ..NativeBlock::new(&timestamps, &numbers) });
            }
            None if samples.len() > 1 => {
                samples.iter().for_each(|sample| self.add_exact(name, slice::from_ref(sample)));
            }
            None => panic!("BUG: {} has no short decimal form", samples[0].value),
            Some(_) => {}
        }
    }

    pub fn add(&mut self, name: &[u8], block: &NativeBlock<'_>) {
        let mut bytes = Vec::new();
        block.append(&mut bytes);
        for part in [name, &bytes] {
            self.bytes.extend((part.len() as u32).to_be_bytes());
            self.bytes.extend(part);
        }
    }
}
