//! The record: one accepted push on disk. Header by hand, payload by the codec.
//!
//! ```text
//!  0      1      2        6              14        18        22                30              38       42
//!  ┌──────┬──────┬────────┬──────────────┬─────────┬─────────┬─────────────────┬───────────────┬────────┬─────────
//!  │ver=1 │codec │ crc32  │ accepted_ms  │ samples │wire_len │ samples_before  │ bytes_before  │ since  │ payload
//!  │ u8   │ u8   │ u32    │ i64          │ u32     │ u32     │ u64             │ u64           │ u32    │
//!  └──────┴──────┴────────┴──────────────┴─────────┴─────────┴─────────────────┴───────────────┴────────┴─────────
//! ```
//!
//! Integers are little-endian. The CRC-32 (IEEE) covers everything behind it and the two bytes before it.
//! `samples_before` and `bytes_before` are the running totals of the log, so that what is missing between two
//! intact records is known by a subtraction. `since` is how many records ago the interval began that this record
//! depends on; 0 at a restart point (see [`super::columns`]).

use super::columns::{DecodeError, Encoder};
use super::mark::Mark;
use crate::model::Push;
use crate::wire;

/// Length of the header in bytes.
pub const HEADER_LEN: usize = 42;
const VERSION: u8 = 1;
const CODEC_COLUMNS: u8 = 1;
const CRC_AT: usize = 2;

/// A record's payload may not unpack to more than this, whatever it says: a push is at most 32 MiB by
/// default and 256 MiB by any configuration.
const MAX_WIRE_LEN: u32 = 1 << 30;

/// What the header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// When the push was accepted, in milliseconds since the epoch.
    pub accepted_ms: i64,
    /// Float and histogram samples.
    pub samples: u32,
    /// Length of the push as [`wire::encode`] writes it.
    pub wire_len: u32,
    /// Running totals of all records before this one.
    pub samples_before: u64,
    pub bytes_before: u64,
    /// Records since the restart point that this one depends on; 0 for the restart point itself.
    pub since_restart: u32,
}

impl Header {
    /// Where the record stands, given its position.
    pub fn mark(&self, position: super::Position) -> Mark {
        Mark { position, samples: self.samples_before, bytes: self.bytes_before }
    }
}

/// A record that is not what was written, or was written by a later version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    #[error("{0} bytes are too short for a header")]
    Short(usize),
    #[error("version {0} is not known to this agent")]
    Version(u8),
    #[error("codec {0} is not known to this agent")]
    Codec(u8),
    #[error("the checksum does not match")]
    Checksum,
    #[error("it claims to unpack to {0} bytes")]
    Claim(u32),
    #[error("the payload does not unpack: {0}")]
    Payload(#[from] DecodeError),
    #[error("a record that it depends on is damaged")]
    Interval,
}

/// Encodes the records of one segment.
#[derive(Default)]
pub struct SegmentEncoder {
    columns: Encoder,
}

impl SegmentEncoder {
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets the next record depend on nothing before it.
    pub fn restart(&mut self) {
        self.columns.restart();
    }

    /// Appends `push` as a record to `out`. `at` is the mark of its place in the log.
    pub fn encode(&mut self, push: &Push, accepted_ms: i64, at: Mark, out: &mut Vec<u8>) {
        let narrow = |length: u64| u32::try_from(length).expect("BUG: a push is bounded far below 4 GiB");
        let start = out.len();
        out.extend_from_slice(&[VERSION, CODEC_COLUMNS, 0, 0, 0, 0]);
        out.extend_from_slice(&accepted_ms.to_le_bytes());
        out.extend_from_slice(&narrow(push.counts().all_samples()).to_le_bytes());
        out.extend_from_slice(&narrow(wire::encoded_len(push) as u64).to_le_bytes());
        out.extend_from_slice(&at.samples.to_le_bytes());
        out.extend_from_slice(&at.bytes.to_le_bytes());
        let since_at = out.len();
        out.extend_from_slice(&[0; 4]);
        debug_assert_eq!(out.len() - start, HEADER_LEN);
        let since = self.columns.encode(push, accepted_ms, out);
        out[since_at..since_at + 4].copy_from_slice(&since.to_le_bytes());
        let crc = checksum(&out[start..]);
        out[start + CRC_AT..start + CRC_AT + 4].copy_from_slice(&crc.to_le_bytes());
    }
}

/// Reads and verifies a record's header; the checksum covers the payload too.
pub fn read_header(record: &[u8]) -> Result<Header, RecordError> {
    if record.len() < HEADER_LEN {
        return Err(RecordError::Short(record.len()));
    }
    if record[0] != VERSION {
        return Err(RecordError::Version(record[0]));
    }
    if record[1] != CODEC_COLUMNS {
        return Err(RecordError::Codec(record[1]));
    }
    if u32_at(record, CRC_AT) != checksum(record) {
        return Err(RecordError::Checksum);
    }
    let wire_len = u32_at(record, 18);
    if wire_len > MAX_WIRE_LEN {
        return Err(RecordError::Claim(wire_len));
    }
    Ok(Header {
        accepted_ms: u64_at(record, 6).cast_signed(),
        samples: u32_at(record, 14),
        wire_len,
        samples_before: u64_at(record, 22),
        bytes_before: u64_at(record, 30),
        since_restart: u32_at(record, 38),
    })
}

/// The payload of a record whose header was read.
pub fn payload(record: &[u8]) -> &[u8] {
    &record[HEADER_LEN..]
}

fn checksum(record: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&record[..CRC_AT]);
    hasher.update(&record[CRC_AT + 4..]);
    hasher.finalize()
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut field = [0; 4];
    field.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(field)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut field = [0; 8];
    field.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(field)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{PushBuilder, Sample};
    use crate::queue::columns::Decoder;
    use proptest::prelude::*;

    fn push(samples: &[(u64, i64)]) -> Push {
        let mut builder = PushBuilder::default();
        for &(bits, timestamp) in samples {
            let labels = builder.store_with(|out| wire::append_label(out, b"__name__", b"up"));
            builder.sample(Sample { value: f64::from_bits(bits), timestamp });
            builder.series(labels, crate::model::Span::default());
        }
        builder.finish()
    }

    fn encode(push: &Push, accepted_ms: i64, at: Mark) -> Vec<u8> {
        let mut record = Vec::new();
        SegmentEncoder::new().encode(push, accepted_ms, at, &mut record);
        record
    }

    /// A store of this version must open for ever: these bytes may not change.
    #[test]
    fn the_header_has_its_golden_bytes() {
        let at = Mark { position: 9, samples: 0x0102, bytes: 0x0304 };
        let record = encode(&push(&[(1, 2)]), 0x0a0b, at);
        let mut golden = vec![1, 1, 0, 0, 0, 0];
        golden.extend([0x0b, 0x0a, 0, 0, 0, 0, 0, 0]);
        golden.extend([1, 0, 0, 0]);
        golden.extend([0x1f, 0, 0, 0]);
        golden.extend([2, 1, 0, 0, 0, 0, 0, 0]);
        golden.extend([4, 3, 0, 0, 0, 0, 0, 0]);
        golden.extend([0; 4]);
        assert_eq!(record[..CRC_AT], golden[..CRC_AT]);
        assert_eq!(record[CRC_AT + 4..HEADER_LEN], golden[CRC_AT + 4..]);
    }

    #[test]
    fn what_a_later_version_wrote_is_refused_by_name() {
        let mut record = encode(&push(&[(1, 2)]), 0, Mark::default());
        record[0] = 2;
        assert_eq!(read_header(&record), Err(RecordError::Version(2)));
        record[0] = 1;
        record[1] = 9;
        assert_eq!(read_header(&record), Err(RecordError::Codec(9)));
    }

    proptest! {
        #[test]
        fn a_record_gives_back_its_push(
            samples in prop::collection::vec(any::<(u64, i64)>(), 0..50),
            accepted_ms: i64, position: u32, samples_before: u32, bytes_before: u32,
        ) {
            let push = push(&samples);
            let at = Mark {
                position: position.into(), samples: samples_before.into(), bytes: bytes_before.into(),
            };
            let record = encode(&push, accepted_ms, at);
            let header = read_header(&record).unwrap();
            prop_assert_eq!(header.mark(at.position), at);
            prop_assert_eq!(header.accepted_ms, accepted_ms);
            prop_assert_eq!(u64::from(header.samples), push.counts().all_samples());
            prop_assert_eq!(header.since_restart, 0);
            prop_assert_eq!(header.wire_len as usize, wire::encoded_len(&push));
            let decoded = Decoder::new().decode(payload(&record), accepted_ms, header.wire_len as usize);
            prop_assert_eq!(decoded.unwrap(), push);
        }

        #[test]
        fn no_flipped_bit_goes_unseen(at in 0..60usize, bit in 0..8u32) {
            let mut record = encode(&push(&[(1, 2), (3, 4)]), 5, Mark::default());
            let at = at % record.len();
            record[at] ^= 1 << bit;
            prop_assert!(read_header(&record).is_err());
        }

        #[test]
        fn no_bytes_make_the_decoder_panic(record in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = read_header(&record);
        }
    }
}
