//! One block: samples of one series, in order of time.
//!
//! ```text
//!  │ first ms │ last ms │ first value │ rows │ exponent │ form │ form │ bits │ size │ timestamps │ size │ values │
//!             *                                                       *
//! ```
//!
//! VictoriaMetrics up to 1.79 has not what is marked with a star, and its later versions do not read what those before
//! wrote, nor the other way around. Nothing says which it is; a block of one hardly ever reads as one of the other.
//!
//! Numbers are varints, but for the forms of the two columns (see `ints`) and the bits, which are a byte each. A value
//! is a whole number times ten to the power of the exponent; three whole numbers stand for what is none. `bits` says
//! to how many bits the numbers are exact: with less than 64, timestamps may be out of order and are put right.
//!
//! Source: VictoriaMetrics, lib/storage (`block.go`, `block_header.go`) and lib/decimal.

use super::ints::{Column, Form, Unpacker, signed, unsigned};
use crate::model::Sample;

/// Twice what VictoriaMetrics puts into a block, which is what it takes.
const MOST_ROWS: u64 = 2 * 8192;

/// Ten to the power of more is no double.
const MOST_EXPONENT: i16 = 308;

/// The stale marker of Prometheus.
const STALE: f64 = f64::from_bits(0x7ff0_0000_0000_0002);

/// What a head holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// VictoriaMetrics up to 1.79: without the last timestamp and the bits.
    Short,
    Full,
}

/// What a head says of the order of the timestamps.
#[derive(Debug, Clone, Copy)]
enum Order {
    Unsaid,
    Kept {
        last_ms: i64,
    },
    /// The numbers are not exact.
    Lost {
        last_ms: i64,
    },
}

/// What a block says before its columns.
#[derive(Debug)]
pub(super) struct Head {
    timestamps: Column,
    order: Order,
    values: Column,
    exponent: i16,
}

impl Head {
    /// Samples in the block.
    pub(super) fn rows(&self) -> usize {
        self.timestamps.rows
    }
}

/// Reads the head of a block, and returns what is behind it.
pub(super) fn head(bytes: &[u8], layout: Layout) -> Result<(Head, &[u8]), String> {
    let mut rest = bytes;
    let head = read_head(&mut rest, layout).map_err(|what| format!("in its head, {what}"))?;
    Ok((head, rest))
}

fn read_head(rest: &mut &[u8], layout: Layout) -> Result<Head, String> {
    let is_full = layout == Layout::Full;
    let first_ms = signed(rest)?;
    let last_ms = if is_full { Some(signed(rest)?) } else { None };
    let (first_value, rows, exponent) = (signed(rest)?, unsigned(rest)?, signed(rest)?);
    let (timestamps, values) = (Form::of(byte(rest)?)?, Form::of(byte(rest)?)?);
    let bits = if is_full { byte(rest)? } else { 64 };
    if !(1..=MOST_ROWS).contains(&rows) {
        return Err(format!("the rows are {rows}, and may be 1 to {MOST_ROWS}"));
    }
    let rows = rows as usize;
    let exponent = i16::try_from(exponent).ok().filter(|exponent| *exponent <= MOST_EXPONENT);
    let exponent = exponent.ok_or_else(|| format!("the exponent is no number up to {MOST_EXPONENT}"))?;
    let order = match (last_ms, bits) {
        (Some(last_ms), _) if last_ms < first_ms => {
            return Err(format!("the last timestamp, {last_ms}, is before the first, {first_ms}"));
        }
        (None, _) => Order::Unsaid,
        (Some(last_ms), 64) => Order::Kept { last_ms },
        (Some(last_ms), 1..64) => Order::Lost { last_ms },
        _ => return Err(format!("the bits are {bits}, and may be 1 to 64")),
    };
    Ok(Head {
        timestamps: Column { form: timestamps, first: first_ms, rows },
        order,
        values: Column { form: values, first: first_value, rows },
        exponent,
    })
}

fn byte(rest: &mut &[u8]) -> Result<u8, String> {
    let (byte, behind) = rest.split_first().ok_or("the forms are cut")?;
    *rest = behind;
    Ok(*byte)
}

/// The columns of a block, in memory that is allocated once for all.
#[derive(Default)]
pub(super) struct Block {
    timestamps: Vec<i64>,
    values: Vec<i64>,
    unpacker: Unpacker,
}

impl Block {
    /// Reads the columns that stand behind `head`, and holds the timestamps to what it says.
    pub(super) fn read(&mut self, head: &Head, columns: &[u8]) -> Result<(), String> {
        let mut rest = columns;
        let in_timestamps = |what| format!("in its timestamps, {what}");
        let in_values = |what| format!("in its values, {what}");
        let timestamps = sized(&mut rest).map_err(in_timestamps)?;
        let values = sized(&mut rest).map_err(in_values)?;
        if !rest.is_empty() {
            return Err(format!("{} bytes are left behind its values", rest.len()));
        }
        self.unpacker.read(head.timestamps, timestamps, &mut self.timestamps).map_err(in_timestamps)?;
        match head.order {
            Order::Unsaid => {}
            Order::Kept { last_ms } => check(&self.timestamps, last_ms).map_err(in_timestamps)?,
            Order::Lost { last_ms } => put_right(&mut self.timestamps, last_ms),
        }
        self.unpacker.read(head.values, values, &mut self.values).map_err(in_values)
    }

    /// What was read last.
    pub(super) fn samples(&self, head: &Head) -> impl Iterator<Item = Sample> {
        let power = power_of_ten(head.exponent.unsigned_abs());
        // Divided, not multiplied with a fraction, which is none: 3 by 10 is 0.3, and 3 times 0.1 is not.
        let is_fraction = head.exponent < 0;
        let value = move |number: i64| match number {
            i64::MAX => f64::INFINITY,
            i64::MIN => f64::NEG_INFINITY,
            STALE_NUMBER => STALE,
            number if is_fraction => number as f64 / power,
            number => number as f64 * power,
        };
        let rows = self.timestamps.iter().zip(&self.values);
        rows.map(move |(timestamp, number)| Sample { value: value(*number), timestamp: *timestamp })
    }
}

const STALE_NUMBER: i64 = i64::MAX - 1;

/// A column behind its size.
fn sized<'b>(rest: &mut &'b [u8]) -> Result<&'b [u8], String> {
    let size = unsigned(rest)?;
    let bytes = usize::try_from(size).ok().and_then(|size| rest.split_at_checked(size));
    let (bytes, behind) =
        bytes.ok_or_else(|| format!("there are {} bytes, and {size} are said to be there", rest.len()))?;
    *rest = behind;
    Ok(bytes)
}

/// Timestamps begin with the first as it is what the others are reckoned from.
fn check(timestamps: &[i64], last_ms: i64) -> Result<(), String> {
    if let Some(at) = timestamps.windows(2).position(|pair| pair[1] < pair[0]) {
        return Err(format!("row {} is before the one before it", at + 2));
    }
    match timestamps.last() {
        Some(last) if *last > last_ms => Err(format!("the last one, {last}, is after {last_ms}")),
        _ => Ok(()),
    }
}

/// Brings back the order, and the last timestamp, that inexact numbers have lost.
fn put_right(timestamps: &mut [i64], last_ms: i64) {
    let mut earliest = i64::MIN;
    for timestamp in timestamps.iter_mut() {
        earliest = earliest.max(*timestamp).min(last_ms);
        *timestamp = earliest;
    }
    if let Some(last) = timestamps.last_mut() {
        *last = last_ms;
    }
}

/// The product of two exact or rounded powers, as Go's `math.Pow10` has it, and so to the bit what a database reads;
/// infinite where it is no double.
fn power_of_ten(exponent: u16) -> f64 {
    const LOW: [f64; 32] = [
        1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17,
        1e18, 1e19, 1e20, 1e21, 1e22, 1e23, 1e24, 1e25, 1e26, 1e27, 1e28, 1e29, 1e30, 1e31,
    ];
    const HIGH: [f64; 10] = [1e0, 1e32, 1e64, 1e96, 1e128, 1e160, 1e192, 1e224, 1e256, 1e288];
    if exponent > MOST_EXPONENT.unsigned_abs() {
        return f64::INFINITY;
    }
    let exponent = usize::from(exponent);
    HIGH[exponent / LOW.len()] * LOW[exponent % LOW.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harness::{NativeBlock, NativeForm};
    use proptest::prelude::*;

    fn written(block: &NativeBlock<'_>) -> Vec<u8> {
        let mut bytes = Vec::new();
        block.append(&mut bytes);
        bytes
    }

    fn read(bytes: &[u8]) -> Result<Vec<Sample>, String> {
        read_as(bytes, Layout::Full)
    }

    fn read_as(bytes: &[u8], layout: Layout) -> Result<Vec<Sample>, String> {
        let mut block = Block::default();
        let (head, columns) = head(bytes, layout)?;
        block.read(&head, columns)?;
        Ok(block.samples(&head).collect())
    }

    #[track_caller]
    fn values(numbers: &[i64], exponent: i16) -> Vec<f64> {
        let timestamps: Vec<i64> = (0..numbers.len() as i64).collect();
        let block = NativeBlock { exponent, ..NativeBlock::new(&timestamps, numbers) };
        read(&written(&block)).unwrap().iter().map(|sample| sample.value).collect()
    }

    #[test]
    fn values_are_numbers_times_a_power_of_ten() {
        assert_eq!(values(&[3, -15, 0], -1), [0.3, -1.5, 0.0]);
        assert_eq!(values(&[3, -15, 0], 2), [300.0, -1500.0, 0.0]);
        assert_eq!(values(&[i64::MAX - 2], 0), [9_223_372_036_854_775_807.0]);
        assert_eq!(values(&[17], 307), [1.7e308]);
        assert_eq!(values(&[18], 307), [f64::INFINITY]);
        // As the database has it: it cannot divide by that.
        assert_eq!(values(&[5], -324), [0.0]);
    }

    #[test]
    fn three_numbers_are_none() {
        for exponent in [-3, 0, 3] {
            let read = values(&[i64::MAX, i64::MIN, i64::MAX - 1], exponent);
            assert_eq!(read[..2], [f64::INFINITY, f64::NEG_INFINITY]);
            assert_eq!(read[2].to_bits(), STALE.to_bits());
        }
    }

    #[test]
    fn powers_of_ten_are_as_go_has_them() {
        assert_eq!(power_of_ten(22), 1e22);
        assert_eq!(power_of_ten(308), 1e288 * 1e20);
        assert_eq!(power_of_ten(309), f64::INFINITY);
        assert_eq!(power_of_ten(32_768), f64::INFINITY);
    }

    #[test]
    fn timestamps_of_inexact_blocks_are_put_right() {
        let timestamps = [10, 8, 12, 30, 11];
        let block = NativeBlock { bits: 8, last_ms: 20, ..NativeBlock::new(&timestamps, &[1; 5]) };
        let read = read(&written(&block)).unwrap();
        assert_eq!(read.iter().map(|sample| sample.timestamp).collect::<Vec<_>>(), [10, 10, 12, 20, 20]);
    }

    #[test]
    fn what_is_no_block_is_refused() {
        let (times, numbers) = ([10, 20, 25], [1, 2, 4]);
        let block = || NativeBlock::new(&times, &numbers);
        let whole = written(&block());
        for (bytes, what) in [
            (whole[..2].to_vec(), "in its head, a number is cut"),
            (whole[..6].to_vec(), "in its head, the forms are cut"),
            (whole[..10].to_vec(), "in its timestamps, there are"),
            (whole[..whole.len() - 1].to_vec(), "in its values, there are 1 bytes, and 2 are said"),
            ([&whole[..], b"x"].concat(), "1 bytes are left behind its values"),
            (
                written(&NativeBlock { last_ms: 9, ..block() }),
                "the last timestamp, 9, is before the first, 10",
            ),
            (
                written(&NativeBlock { last_ms: 24, ..block() }),
                "in its timestamps, the last one, 25, is after 24",
            ),
            (written(&NativeBlock { rows: 0, ..block() }), "the rows are 0, and may be 1 to 16384"),
            (written(&NativeBlock { rows: 16_385, ..block() }), "the rows are 16385"),
            (written(&NativeBlock { rows: 4, ..block() }), "in its timestamps, a number is cut"),
            (written(&NativeBlock { exponent: 309, ..block() }), "the exponent is no number up to 308"),
            (written(&NativeBlock { bits: 0, ..block() }), "the bits are 0"),
            (written(&NativeBlock { bits: 65, ..block() }), "the bits are 65"),
            (written(&NativeBlock { is_short: true, ..block() }), "in its head, the rows are 0"),
            (
                written(&NativeBlock { last_ms: 99, ..NativeBlock::new(&[10, 20, 19], &numbers) }),
                "in its timestamps, row 3 is before the one before it",
            ),
        ] {
            let refused = read(&bytes).unwrap_err();
            assert!(refused.contains(what), "{what}: {refused}");
        }
    }

    proptest! {
        #[test]
        fn a_block_in_any_form_comes_back(
            first_ms in 0..1i64 << 50,
            rows in prop::collection::vec((0..100_000i64, -1_000_000..1_000_000i64), 2..200),
            exponent in -12..6i16,
            is_short: bool,
            forms in prop::sample::select(NativeForm::ALL[2..].to_vec()).prop_flat_map(|one| {
                (Just(one), prop::sample::select(NativeForm::ALL[2..].to_vec()))
            }),
        ) {
            let timestamps: Vec<i64> = rows
                .iter()
                .scan(first_ms, |at, (step, _)| { *at += step; Some(*at) })
                .collect();
            let numbers: Vec<i64> = rows.iter().map(|(_, number)| *number).collect();
            let block = NativeBlock { exponent, forms, is_short, ..NativeBlock::new(&timestamps, &numbers) };
            let layout = if is_short { Layout::Short } else { Layout::Full };
            let read = read_as(&written(&block), layout).unwrap();
            prop_assert_eq!(read.len(), rows.len());
            for (sample, (timestamp, number)) in read.iter().zip(timestamps.iter().zip(&numbers)) {
                prop_assert_eq!(sample.timestamp, *timestamp);
                // Small numbers and small powers: both are exact, and so is what a decimal number reads as.
                let value: f64 = format!("{number}e{exponent}").parse().unwrap();
                prop_assert_eq!(sample.value, value);
            }
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = (read(&bytes), read_as(&bytes, Layout::Short));
        }
    }
}
