//! A letter ↔ the bytes of its file. Pure; the layout is in docs/format.md.

use crate::model::Push;
use crate::wire;

const MAGIC: [u8; 4] = *b"pmdl";
const VERSION: u8 = 1;
/// Magic, version and checksum: what the checksum does not cover.
const FRAME_LEN: usize = MAGIC.len() + 1 + size_of::<u32>();
/// A batch is far below; bounds what a damaged length can allocate.
const MAX_WIRE_LEN: u32 = 1 << 30;

/// What one refusal took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// Name of the `remote_write` entry whose upstream refused it.
    pub upstream: String,
    /// When, in milliseconds since the epoch.
    pub refused_ms: i64,
    /// When the first and the last record of its batch were accepted; the same unit.
    pub accepted_ms: (i64, i64),
    /// The batch: its first position, and one past its last.
    pub positions: (u64, u64),
    /// Of the answer.
    pub status: u16,
    /// Why, as in `pmm_buffer_samples_rejected_total`.
    pub reason: String,
    /// What the upstream said, in one line.
    pub answer: String,
    pub series: u32,
    /// Float and histogram samples.
    pub samples: u64,
    /// Length of `packed` once unpacked.
    pub wire_len: u32,
    /// A remote-write 1.0 `WriteRequest`, in one zstd frame.
    pub packed: Vec<u8>,
}

/// Bytes that are no letter, or not a whole one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    #[error("it is no dead letter")]
    Foreign,
    #[error("it is of version {0}, which this version of pmm-buffer does not know")]
    Version(u8),
    #[error("its checksum is wrong: it was changed or cut short")]
    Checksum,
    #[error("what it holds does not read")]
    Content,
}

impl Letter {
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(FRAME_LEN + 96 + self.answer.len() + self.packed.len());
        out.extend_from_slice(&MAGIC);
        out.push(VERSION);
        out.extend_from_slice(&[0; size_of::<u32>()]);
        out.extend_from_slice(&self.refused_ms.to_le_bytes());
        out.extend_from_slice(&self.accepted_ms.0.to_le_bytes());
        out.extend_from_slice(&self.accepted_ms.1.to_le_bytes());
        out.extend_from_slice(&self.positions.0.to_le_bytes());
        out.extend_from_slice(&self.positions.1.to_le_bytes());
        out.extend_from_slice(&self.samples.to_le_bytes());
        out.extend_from_slice(&self.series.to_le_bytes());
        out.extend_from_slice(&self.wire_len.to_le_bytes());
        out.extend_from_slice(&self.status.to_le_bytes());
        for text in [&self.upstream, &self.reason, &self.answer] {
            let length = u16::try_from(text.len()).expect("BUG: names and answers are bounded to a line");
            out.extend_from_slice(&length.to_le_bytes());
            out.extend_from_slice(text.as_bytes());
        }
        out.extend_from_slice(&self.packed);
        let crc = crc32fast::hash(&out[FRAME_LEN..]);
        out[FRAME_LEN - size_of::<u32>()..FRAME_LEN].copy_from_slice(&crc.to_le_bytes());
        out
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let rest = bytes.strip_prefix(&MAGIC).ok_or(DecodeError::Foreign)?;
        let (&version, rest) = rest.split_first().ok_or(DecodeError::Checksum)?;
        if version != VERSION {
            return Err(DecodeError::Version(version));
        }
        let (crc, rest) = rest.split_first_chunk().ok_or(DecodeError::Checksum)?;
        if u32::from_le_bytes(*crc) != crc32fast::hash(rest) {
            return Err(DecodeError::Checksum);
        }
        Fields(rest).letter().ok_or(DecodeError::Content)
    }

    /// What was refused.
    pub fn push(&self) -> Result<Push, DecodeError> {
        let wire_len = Some(self.wire_len).filter(|length| *length <= MAX_WIRE_LEN);
        let wire_len = wire_len.ok_or(DecodeError::Content)? as usize;
        let wire = zstd::bulk::decompress(&self.packed, wire_len).map_err(|_| DecodeError::Content)?;
        wire::decode(wire).map_err(|_| DecodeError::Content)
    }
}

/// What is left to be read.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn letter(mut self) -> Option<Letter> {
        Some(Letter {
            refused_ms: i64::from_le_bytes(self.take()?),
            accepted_ms: (i64::from_le_bytes(self.take()?), i64::from_le_bytes(self.take()?)),
            positions: (u64::from_le_bytes(self.take()?), u64::from_le_bytes(self.take()?)),
            samples: u64::from_le_bytes(self.take()?),
            series: u32::from_le_bytes(self.take()?),
            wire_len: u32::from_le_bytes(self.take()?),
            status: u16::from_le_bytes(self.take()?),
            upstream: self.text()?,
            reason: self.text()?,
            answer: self.text()?,
            packed: self.0.to_vec(),
        })
    }

    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    fn text(&mut self) -> Option<String> {
        let length = u16::from_le_bytes(self.take()?);
        let (text, rest) = self.0.split_at_checked(length.into())?;
        self.0 = rest;
        String::from_utf8(text.to_vec()).ok()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::model::{PushBuilder, Sample, Span};
    use proptest::prelude::*;

    /// A letter with one series of these values.
    pub(in crate::dead_letter) fn letter(upstream: &str, name: &str, values: &[f64]) -> Letter {
        let mut builder = PushBuilder::default();
        let labels = builder.store_with(|out| wire::append_label(out, b"__name__", name.as_bytes()));
        for (at, value) in values.iter().enumerate() {
            builder.sample(Sample { value: *value, timestamp: 1_700_000_000_000 + at as i64 });
        }
        builder.series(labels, Span::default());
        let mut body = Vec::new();
        wire::encode(&builder.finish(), &mut body);
        Letter {
            upstream: upstream.into(),
            refused_ms: 1_700_000_100_000,
            accepted_ms: (1_700_000_000_500, 1_700_000_001_500),
            positions: (7, 9),
            status: 400,
            reason: "bad_request".into(),
            answer: "400 Bad Request: not this series".into(),
            series: 1,
            samples: values.len() as u64,
            wire_len: u32::try_from(body.len()).unwrap(),
            packed: zstd::bulk::compress(&body, 1).unwrap(),
        }
    }

    /// These bytes are on disks: they do not change.
    #[test]
    fn the_layout_is_that_of_the_document() {
        let letter = Letter { packed: b"PACKED".to_vec(), ..letter("a", "n", &[1.0]) };
        let bytes = letter.encode();
        assert_eq!(bytes[..5], *b"pmdl\x01");
        assert_eq!(bytes[5..9], crc32fast::hash(&bytes[9..]).to_le_bytes());
        assert_eq!(bytes[9..17], 1_700_000_100_000_i64.to_le_bytes());
        assert_eq!(bytes[17..25], 1_700_000_000_500_i64.to_le_bytes());
        assert_eq!(bytes[25..33], 1_700_000_001_500_i64.to_le_bytes());
        assert_eq!(bytes[33..49], [7, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(bytes[49..57], [1, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(bytes[57..61], [1, 0, 0, 0]);
        assert_eq!(bytes[61..65], letter.wire_len.to_le_bytes());
        assert_eq!(bytes[65..67], [0x90, 1]);
        let texts = b"\x01\x00a\x0b\x00bad_request\x20\x00400 Bad Request: not this seriesPACKED";
        assert_eq!(bytes[67..], *texts);
    }

    fn any_letter() -> impl Strategy<Value = Letter> {
        let numbers = any::<(i64, (i64, i64), (u64, u64), u16, u32, u64, u32)>();
        (numbers, ".{0,9}", ".{0,9}", ".{0,40}", prop::collection::vec(any::<u8>(), 0..40)).prop_map(
            |(numbers, upstream, reason, answer, packed)| {
                let (refused_ms, accepted_ms, positions, status, series, samples, wire_len) = numbers;
                #[rustfmt::skip]
                let letter = Letter {
                    upstream, refused_ms, accepted_ms, positions, status, reason, answer, series, samples, wire_len, packed,
                };
                letter
            },
        )
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(letter in any_letter()) {
            prop_assert_eq!(Letter::decode(&letter.encode()), Ok(letter));
        }

        #[test]
        fn every_cut_and_every_changed_bit_is_told(letter in any_letter()) {
            let bytes = letter.encode();
            for cut in 0..bytes.len() {
                prop_assert!(Letter::decode(&bytes[..cut]).is_err(), "cut at {}", cut);
            }
            for bit in 0..bytes.len() * 8 {
                let mut changed = bytes.clone();
                changed[bit / 8] ^= 1 << (bit % 8);
                prop_assert!(Letter::decode(&changed).is_err(), "bit {}", bit);
            }
        }

        /// A checksum that is right says nothing of who wrote it.
        #[test]
        fn content_made_to_harm_is_refused_without_a_panic(mut bytes in prop::collection::vec(any::<u8>(), 9..200)) {
            bytes[..5].copy_from_slice(b"pmdl\x01");
            let crc = crc32fast::hash(&bytes[9..]).to_le_bytes();
            bytes[5..9].copy_from_slice(&crc);
            if let Ok(letter) = Letter::decode(&bytes) {
                let _ = letter.push();
            }
        }
    }

    #[test]
    fn what_was_refused_comes_back() {
        let push = letter("a", "up", &[1.0, f64::NAN]).push().unwrap();
        let series: Vec<_> = push.series().collect();
        assert_eq!(wire::metric_name(series[0].labels), Some(&b"up"[..]));
        assert_eq!(series[0].samples.len(), 2);
        let claims_too_much = Letter { wire_len: u32::MAX, ..letter("a", "up", &[1.0]) };
        assert_eq!(claims_too_much.push(), Err(DecodeError::Content));
    }
}
