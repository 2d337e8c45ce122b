//! The columns of one record, and how they are packed: one zstd frame with a block for each column, so that each has
//! the entropy tables that fit it.

use super::bytes::Reader;
use crate::wire::put_varint;
use zstd::zstd_safe::{CCtx, CParameter, DCtx, InBuffer, OutBuffer};

/// The columns, in the order they are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Column {
    /// Per series entry: its reference, as zig-zag distance from the one expected.
    Refs,
    /// Per new series: length and label section.
    Labels,
    /// Per series entry: its number of samples; empty where all have one.
    Counts,
    /// Per sample: its time, as zig-zag difference to the sample before it in the record.
    Times,
    /// Per sample: kind · 9 + length of the difference in bytes.
    Kinds,
    /// Per sample of kind 1: its decimals.
    Scales,
    /// Per series entry: length of its extras; empty where none has any.
    ExtraLengths,
    Extras,
    /// Per extra of the request: length and bytes.
    RequestExtras,
}

/// The differences follow, lowest byte first: one column for each of their eight bytes.
const PLANE0: usize = Column::RequestExtras as usize + 1;
/// Number of columns.
const COLUMNS: usize = PLANE0 + size_of::<u64>();

/// zstd's level: 1 is what the time budget of an encoder on the commit path allows, and more gains little on columns.
pub(super) const ZSTD_LEVEL: i32 = 1;
/// zstd's shortest match. Columns have long runs, which it finds all the same, and short matches in them are chance: to
/// write one costs more than its bytes do, packed by their entropy.
const SHORTEST_MATCH: u32 = 7;
/// Below this, a frame costs more than it saves.
const SMALLEST_PACKED: usize = 64;
/// A column of its own block costs some bytes: short ones share.
const SMALLEST_BLOCK: usize = 256;
/// What a buffer keeps for the next record: a push of 10 000 known series needs less. One of many new labels, or a huge
/// one, does not keep its buffers for ever.
const KEPT_BYTES: usize = 256 << 10;

/// What is being written.
#[derive(Debug, Default)]
pub(super) struct Streams {
    columns: [Vec<u8>; COLUMNS],
}

impl Streams {
    #[inline]
    pub(super) fn column(&mut self, column: Column) -> &mut Vec<u8> {
        &mut self.columns[column as usize]
    }

    /// Writes the lowest bytes of a difference, as many as it needs, and returns how many that are.
    #[inline]
    pub(super) fn put_difference(&mut self, difference: u64) -> u8 {
        let length = (64 - difference.leading_zeros()).div_ceil(8) as usize;
        let bytes = difference.to_le_bytes();
        for (plane, byte) in self.columns[PLANE0..PLANE0 + length].iter_mut().zip(bytes) {
            plane.push(byte);
        }
        length as u8
    }

    pub(super) fn clear(&mut self) {
        for column in &mut self.columns {
            column.clear();
            column.shrink_to(KEPT_BYTES);
        }
    }

    pub(super) fn raw_len(&self) -> usize {
        self.columns.iter().map(Vec::len).sum()
    }
}

/// Packs columns; keeps its context and buffer between records.
pub(super) struct Packer {
    context: CCtx<'static>,
    packed: Vec<u8>,
}

const BUG: &str = "BUG: packing into memory cannot fail";

impl Packer {
    pub(super) fn new(level: i32) -> Self {
        let mut context = CCtx::create();
        let parameters = [
            CParameter::CompressionLevel(level),
            CParameter::MinMatch(SHORTEST_MATCH),
            CParameter::ContentSizeFlag(false),
        ];
        for parameter in parameters {
            context.set_parameter(parameter).expect("BUG: zstd knows these parameters");
        }
        Self { context, packed: Vec::new() }
    }

    /// Appends the lengths of the columns, then the columns: packed where that is shorter.
    pub(super) fn pack(&mut self, streams: &Streams, out: &mut Vec<u8>) {
        for column in &streams.columns {
            put_varint(out, column.len() as u64);
        }
        let raw_len = streams.raw_len();
        if raw_len >= SMALLEST_PACKED {
            self.compress(streams, raw_len);
            if self.packed.len() < raw_len {
                out.push(1);
                out.extend_from_slice(&self.packed);
                return;
            }
        }
        out.push(0);
        streams.columns.iter().for_each(|column| out.extend_from_slice(column));
    }

    fn compress(&mut self, streams: &Streams, raw_len: usize) {
        self.packed.clear();
        // Room for the worst case, and for the head of each block.
        self.packed.reserve(zstd::zstd_safe::compress_bound(raw_len) + 16 * COLUMNS);
        self.context.set_pledged_src_size(Some(raw_len as u64)).expect(BUG);
        let mut out = OutBuffer::around(&mut self.packed);
        let mut in_block = 0;
        for column in streams.columns.iter().filter(|column| !column.is_empty()) {
            let mut input = InBuffer::around(column);
            while input.pos < column.len() {
                self.context.compress_stream(&mut out, &mut input).expect(BUG);
            }
            in_block += column.len();
            if in_block >= SMALLEST_BLOCK {
                while self.context.flush_stream(&mut out).expect(BUG) > 0 {}
                in_block = 0;
            }
        }
        while self.context.end_stream(&mut out).expect(BUG) > 0 {}
        self.packed.shrink_to(KEPT_BYTES);
    }
}

/// The columns of a record that is read.
pub(super) struct Unpacked<'a> {
    columns: [Reader<'a>; COLUMNS],
}

impl<'a> Unpacked<'a> {
    #[inline]
    pub(super) fn column(&mut self, column: Column) -> &mut Reader<'a> {
        &mut self.columns[column as usize]
    }

    /// Reads a difference of `length` bytes.
    #[inline]
    pub(super) fn difference(&mut self, length: u8) -> Option<u64> {
        let mut bytes = [0; 8];
        let planes = self.columns[PLANE0..].iter_mut();
        for (byte, plane) in bytes.get_mut(..usize::from(length))?.iter_mut().zip(planes) {
            *byte = plane.byte()?;
        }
        Some(u64::from_le_bytes(bytes))
    }

    /// True where every column was read to its end.
    pub(super) fn is_spent(&self) -> bool {
        self.columns.iter().all(Reader::is_empty)
    }
}

/// Unpacks columns; keeps its context and buffer between records.
pub(super) struct Unpacker {
    context: DCtx<'static>,
    raw: Vec<u8>,
}

impl Unpacker {
    pub(super) fn new() -> Self {
        Self { context: DCtx::create(), raw: Vec::new() }
    }

    /// Unpacks what [`Packer::pack`] wrote. None where it is not that, or would unpack to more than `limit` bytes.
    pub(super) fn unpack<'a>(&'a mut self, packed: &'a [u8], limit: usize) -> Option<Unpacked<'a>> {
        let mut reader = Reader::new(packed);
        let mut lengths = [0; COLUMNS];
        for length in &mut lengths {
            *length = reader.varint()?;
        }
        let raw_len = lengths.iter().try_fold(0u64, |sum, length| sum.checked_add(*length))?;
        let raw_len = usize::try_from(raw_len).ok().filter(|raw_len| *raw_len <= limit)?;
        let is_packed = reader.byte()?;
        let body = reader.rest();
        let raw = match is_packed {
            0 => body,
            1 => {
                self.raw.clear();
                self.raw.shrink_to(KEPT_BYTES);
                self.raw.reserve(raw_len);
                // It writes no more than there is room for.
                self.context.decompress(&mut self.raw, body).ok()?;
                &self.raw
            }
            _ => return None,
        };
        if raw.len() != raw_len {
            return None;
        }
        let mut reader = Reader::new(raw);
        let mut columns = [Reader::new(&[]); COLUMNS];
        for (column, length) in columns.iter_mut().zip(lengths) {
            *column = Reader::new(reader.take(length)?);
        }
        Some(Unpacked { columns })
    }
}
