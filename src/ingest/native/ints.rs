//! Columns of whole numbers, in the forms that VictoriaMetrics stores them in.
//!
//! | form | bytes |
//! |---|---|
//! | 3, constant | none: all are the first |
//! | 2, constant delta | the delta |
//! | 6, deltas | each number less the one before it |
//! | 5, deltas of deltas | the first delta, then each delta less the one before it |
//! | 4 and 1 | as 6 and 5, packed with zstd |
//!
//! The first number stands in the head of the block. The others are varints of zigzag; sums wrap around.
//!
//! Source: VictoriaMetrics, lib/encoding.

use zstd::bulk::Decompressor;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Constant,
    ConstantDelta,
    Deltas { packed: bool },
    DeltasOfDeltas { packed: bool },
}

impl Form {
    pub(super) fn of(byte: u8) -> Result<Self, String> {
        match byte {
            1 => Ok(Self::DeltasOfDeltas { packed: true }),
            2 => Ok(Self::ConstantDelta),
            3 => Ok(Self::Constant),
            4 => Ok(Self::Deltas { packed: true }),
            5 => Ok(Self::DeltasOfDeltas { packed: false }),
            6 => Ok(Self::Deltas { packed: false }),
            _ => Err(format!("{byte} is no form of a column; there are 1 to 6")),
        }
    }
}

/// A column, but for its bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column {
    pub(super) form: Form,
    pub(super) first: i64,
    /// One at the least.
    pub(super) rows: usize,
}

/// Most bytes of a varint.
const VARINT: usize = 10;

/// Unpacks columns into memory that is allocated once for all.
#[derive(Default)]
pub(super) struct Unpacker {
    /// None until the first packed column.
    zstd: Option<Decompressor<'static>>,
    unpacked: Vec<u8>,
}

impl Unpacker {
    /// Reads a column from all of `bytes`. Nothing beyond what its rows can take is allocated.
    pub(super) fn read(&mut self, column: Column, bytes: &[u8], out: &mut Vec<i64>) -> Result<(), String> {
        out.clear();
        match column.form {
            Form::Constant => {
                out.resize(column.rows, column.first);
                at_end(bytes)
            }
            Form::ConstantDelta => {
                let mut rest = bytes;
                let delta = signed(&mut rest)?;
                let numbers =
                    std::iter::successors(Some(column.first), |last| Some(last.wrapping_add(delta)));
                out.extend(numbers.take(column.rows));
                at_end(rest)
            }
            Form::Deltas { packed } => {
                let bytes = if packed { self.unpack(bytes, column.rows)? } else { bytes };
                deltas(column, bytes, out)
            }
            Form::DeltasOfDeltas { packed } => {
                let bytes = if packed { self.unpack(bytes, column.rows)? } else { bytes };
                deltas_of_deltas(column, bytes, out)
            }
        }
    }

    fn unpack(&mut self, bytes: &[u8], rows: usize) -> Result<&[u8], String> {
        let bad = |error: std::io::Error| format!("bad zstd: {error}");
        let zstd = match &mut self.zstd {
            Some(zstd) => zstd,
            none => none.insert(Decompressor::new().map_err(bad)?),
        };
        self.unpacked.clear();
        // What unpacks to more than the room there is ends in an error.
        self.unpacked.reserve(rows * VARINT);
        zstd.decompress_to_buffer(bytes, &mut self.unpacked).map_err(bad)?;
        Ok(&self.unpacked)
    }
}

fn deltas(column: Column, mut bytes: &[u8], out: &mut Vec<i64>) -> Result<(), String> {
    let mut number = column.first;
    out.reserve(column.rows);
    out.push(number);
    for _ in 1..column.rows {
        number = number.wrapping_add(signed(&mut bytes)?);
        out.push(number);
    }
    at_end(bytes)
}

fn deltas_of_deltas(column: Column, mut bytes: &[u8], out: &mut Vec<i64>) -> Result<(), String> {
    if column.rows < 2 {
        return Err("deltas of deltas need two rows".into());
    }
    let (mut number, mut delta) = (column.first, 0i64);
    out.reserve(column.rows);
    out.push(number);
    for _ in 1..column.rows {
        delta = delta.wrapping_add(signed(&mut bytes)?);
        number = number.wrapping_add(delta);
        out.push(number);
    }
    at_end(bytes)
}

fn at_end(rest: &[u8]) -> Result<(), String> {
    if rest.is_empty() { Ok(()) } else { Err(format!("{} bytes are left behind its end", rest.len())) }
}

/// Small numbers of either sign, as small ones without: 0, -1, 1, -2 are 0, 1, 2, 3.
pub(super) fn from_zigzag(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -(number & 1).cast_signed()
}

/// A varint of zigzag, which is taken from the beginning of `rest`.
#[inline]
pub(super) fn signed(rest: &mut &[u8]) -> Result<i64, &'static str> {
    unsigned(rest).map(from_zigzag)
}

/// A varint, which is taken from the beginning of `rest`.
#[inline]
pub(super) fn unsigned(rest: &mut &[u8]) -> Result<u64, &'static str> {
    match **rest {
        [byte @ ..0x80, ..] => {
            *rest = &rest[1..];
            Ok(byte.into())
        }
        [low, high @ ..0x80, ..] => {
            *rest = &rest[2..];
            Ok(u64::from(low & 0x7f) | u64::from(high) << 7)
        }
        _ => long(rest),
    }
}

fn long(rest: &mut &[u8]) -> Result<u64, &'static str> {
    let mut number = 0;
    for (at, byte) in rest.iter().enumerate().take(VARINT) {
        number |= u64::from(byte & 0x7f) << (7 * at);
        // The tenth byte holds the last of 64 bits.
        if *byte < if at + 1 == VARINT { 2 } else { 0x80 } {
            *rest = &rest[at + 1..];
            return Ok(number);
        }
    }
    Err(if rest.len() < VARINT { "a number is cut" } else { "a number has more than 64 bits" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harness::{NativeForm, native_column};
    use proptest::prelude::*;

    fn read(form: u8, first: i64, rows: usize, bytes: &[u8]) -> Result<Vec<i64>, String> {
        let mut out = vec![7];
        Unpacker::default().read(Column { form: Form::of(form)?, first, rows }, bytes, &mut out)?;
        Ok(out)
    }

    #[test]
    fn each_form_is_read() {
        assert_eq!(read(3, 5, 3, b"").unwrap(), [5, 5, 5]);
        assert_eq!(read(2, 5, 3, &[3]).unwrap(), [5, 3, 1]);
        assert_eq!(read(6, 5, 3, &[2, 0x81, 0x01]).unwrap(), [5, 6, -59]);
        assert_eq!(read(6, 5, 1, b"").unwrap(), [5]);
        assert_eq!(read(5, 5, 4, &[2, 2, 3]).unwrap(), [5, 6, 8, 8]);
        assert_eq!(read(4, 5, 3, &zstd::bulk::compress(&[2, 2], 1).unwrap()).unwrap(), [5, 6, 7]);
        assert_eq!(read(1, 5, 3, &zstd::bulk::compress(&[2, 2], 1).unwrap()).unwrap(), [5, 6, 8]);
    }

    #[test]
    fn what_is_no_column_is_refused() {
        let much = zstd::bulk::compress(&[0; 1 << 20], 1).unwrap();
        let other = zstd::bulk::compress(&[2, 2], 1).unwrap();
        for (form, rows, bytes, what) in [
            (0, 3, &b""[..], "0 is no form"),
            (7, 3, b"", "7 is no form"),
            (3, 3, b"\0", "1 bytes are left"),
            (2, 3, b"", "a number is cut"),
            (2, 3, b"\0\0", "1 bytes are left"),
            (6, 3, b"\0", "a number is cut"),
            (6, 3, b"\0\x80", "a number is cut"),
            (6, 3, b"\0\0\0", "1 bytes are left"),
            (6, 1, b"\0", "1 bytes are left"),
            (6, 2, b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x02", "more than 64 bits"),
            (5, 1, b"", "two rows"),
            (5, 3, b"\0", "a number is cut"),
            (1, 3, b"\0", "bad zstd"),
            (4, 3, &much, "bad zstd"),
            (4, 2, &other, "1 bytes are left"),
            (4, 3, &other[..other.len() - 1], "bad zstd"),
        ] {
            let refused = read(form, 0, rows, bytes).unwrap_err();
            assert!(refused.contains(what), "{form} {rows} {bytes:?}: {refused}");
        }
    }

    fn forms() -> impl Strategy<Value = NativeForm> {
        prop::sample::select(NativeForm::ALL.to_vec())
    }

    proptest! {
        #[test]
        fn a_column_in_any_form_comes_back(
            first: i64,
            step in prop_oneof![-70..70i64, any::<i64>()],
            odd in prop::collection::vec(prop_oneof![-70..70i64, -20_000..20_000i64, any::<i64>()], 0..300),
            same in 1..300usize,
            form in forms(),
        ) {
            let numbers = match form {
                NativeForm::Constant => vec![first; same],
                NativeForm::ConstantDelta => (0..same as i64).map(|at| first.wrapping_add(step.wrapping_mul(at))).collect(),
                _ => [vec![first, step], odd].concat(),
            };
            let bytes = native_column(&numbers, form);
            prop_assert_eq!(read(form as u8, numbers[0], numbers.len(), &bytes).unwrap(), numbers);
        }

        #[test]
        fn no_bytes_make_it_panic(
            form in 0..8u8, first: i64, rows in 1..50usize, bytes in prop::collection::vec(any::<u8>(), 0..100),
        ) {
            if let Ok(read) = read(form, first, rows, &bytes) {
                prop_assert_eq!(read.len(), rows);
            }
        }
    }
}
