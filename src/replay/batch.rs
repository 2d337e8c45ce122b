//! A batch → the body of one request. Pure.

use crate::model::Push;
use crate::wire;
use std::ops::Range;
use zstd::zstd_safe::{CCtx, CParameter, InBuffer, OutBuffer, SafeResult};

/// How a body is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// A third smaller, and understood by VictoriaMetrics only.
    Zstd,
    /// What remote write 1.0 says.
    Snappy,
}

impl Packing {
    /// The value of Content-Encoding.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Zstd => "zstd",
            Self::Snappy => "snappy",
        }
    }
}

/// zstd's level: the wire is not what limits a catch-up, the upstream's CPU is.
const ZSTD_LEVEL: i32 = 1;

/// A part of a batch: some of its series, with all their samples. What belongs to the request as a whole goes with the
/// last one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    pub series: Range<usize>,
}

impl Part {
    /// All of a batch of so many series.
    pub fn whole(series: usize) -> Self {
        Self { series: 0..series }
    }

    /// Its two halves; none for a single series.
    pub fn halves(&self) -> Option<[Self; 2]> {
        let Range { start, end } = self.series;
        let middle = start + (end - start) / 2;
        (end - start > 1).then_some([Self { series: start..middle }, Self { series: middle..end }])
    }

    /// Float and histogram samples in it.
    pub fn samples(&self, push: &Push) -> u64 {
        if self.series.len() == push.series().len() {
            return push.counts().all_samples();
        }
        let series = push.series().skip(self.series.start).take(self.series.len());
        series.map(|series| wire::samples_of(&series)).sum()
    }
}

/// Writes and packs send batches; keeps a small buffer and zstd's context between them.
pub struct Packer {
    piece: Vec<u8>,
    zstd: CCtx<'static>,
}

/// zstd takes what is written in pieces of this size: a batch never stands in memory unpacked.
const PIECE_BYTES: usize = 64 << 10;
/// What is reserved for a packed body at first, as a share of the batch.
const PACKED_SHARE: usize = 16;

const BUG: &str = "BUG: packing into memory cannot fail";

impl Packer {
    pub fn new() -> Self {
        let mut zstd = CCtx::create();
        zstd.set_parameter(CParameter::CompressionLevel(ZSTD_LEVEL))
            .expect("BUG: zstd knows its own level 1");
        Self { piece: Vec::new(), zstd }
    }

    /// One `WriteRequest` with `part` of `push`.
    pub fn pack(&mut self, push: &Push, part: &Part, packing: Packing) -> Vec<u8> {
        let packed = match packing {
            Packing::Zstd => self.zstd(push, part),
            Packing::Snappy => snappy(push, part),
        };
        // One huge series must not keep its buffer for ever.
        self.piece.shrink_to(2 * PIECE_BYTES);
        packed
    }

    /// One frame that tells its size, which lets a server refuse what is too large before it unpacks it.
    fn zstd(&mut self, push: &Push, part: &Part) -> Vec<u8> {
        let Self { piece, zstd } = self;
        let length = wire::encoded_len_of(push, part.series.clone());
        zstd.set_pledged_src_size(Some(length as u64)).expect(BUG);
        let mut packed = Vec::with_capacity(length / PACKED_SHARE + CCtx::out_size());
        wire::encode_in_pieces(push, part.series.clone(), PIECE_BYTES, piece, |piece| {
            let mut input = InBuffer::around(piece);
            while input.pos < piece.len() {
                append(&mut packed, |out| zstd.compress_stream(out, &mut input));
            }
        });
        while append(&mut packed, |out| zstd.end_stream(out)) > 0 {}
        packed
    }
}

/// Lets `write` append to `packed`, with room for a block of zstd's at least.
fn append(packed: &mut Vec<u8>, write: impl FnOnce(&mut OutBuffer<'_, Vec<u8>>) -> SafeResult) -> usize {
    packed.reserve(CCtx::out_size());
    let end = packed.len();
    write(&mut OutBuffer::around_pos(packed, end)).expect(BUG)
}

/// A block of snappy is packed in one piece.
fn snappy(push: &Push, part: &Part) -> Vec<u8> {
    let mut wire = Vec::with_capacity(wire::encoded_len_of(push, part.series.clone()));
    wire::encode_in_pieces(push, part.series.clone(), PIECE_BYTES, &mut Vec::new(), |piece| {
        wire.extend_from_slice(piece);
    });
    snap::raw::Encoder::new().compress_vec(&wire).expect("BUG: a batch is far below snappy's 4 GiB")
}

impl Default for Packer {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{PushBuilder, Sample, Span};
    use proptest::prelude::*;

    fn push(samples: &[usize]) -> Push {
        let mut builder = PushBuilder::default();
        for (number, count) in samples.iter().enumerate() {
            let labels =
                builder.store_with(|out| wire::append_label(out, b"n", number.to_string().as_bytes()));
            (0..*count).for_each(|at| builder.sample(Sample { value: number as f64, timestamp: at as i64 }));
            builder.series(labels, Span::default());
        }
        let metadata = builder.store(&[0x1a, 0]);
        builder.request_extra(metadata, true);
        builder.finish()
    }

    fn unpack(packed: &[u8], packing: Packing) -> Push {
        let wire = match packing {
            Packing::Zstd => zstd::decode_all(packed).unwrap(),
            Packing::Snappy => snap::raw::Decoder::new().decompress_vec(packed).unwrap(),
        };
        wire::decode(wire).unwrap()
    }

    /// Halves `part` down to single series, as a stubborn 413 would.
    fn leaves(part: Part, out: &mut Vec<Part>) {
        match part.halves() {
            Some(halves) => halves.into_iter().for_each(|half| leaves(half, out)),
            None => out.push(part),
        }
    }

    proptest! {
        #[test]
        fn however_it_is_split_all_of_it_goes_out_once_and_in_order(
            samples in prop::collection::vec(0..5usize, 0..9), zstd: bool,
        ) {
            let packing = if zstd { Packing::Zstd } else { Packing::Snappy };
            let push = push(&samples);
            let mut packer = Packer::new();
            let whole = Part::whole(samples.len());
            prop_assert_eq!(&unpack(&packer.pack(&push, &whole, packing), packing), &push);
            let mut parts = Vec::new();
            leaves(whole, &mut parts);
            let sent: Vec<_> = parts.iter().map(|part| unpack(&packer.pack(&push, part, packing), packing)).collect();
            prop_assert!(sent.iter().flat_map(|part| part.series()).eq(push.series()));
            prop_assert_eq!(sent.iter().map(|part| part.counts().metadata).sum::<u32>(), 1);
            let counted: u64 = parts.iter().map(|part| part.samples(&push)).sum();
            prop_assert_eq!(counted, push.counts().all_samples());
        }
    }
}
