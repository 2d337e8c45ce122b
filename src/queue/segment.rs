//! Segments: the unit in which space is released, and the table that remembers them.

use super::mark::{Mark, Position};

/// What the table knows of one segment. 65 bytes on disk, see docs/format.md.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// The segment's first record.
    pub start: Mark,
    /// Behind its last record.
    pub end: Mark,
    /// When its first and last record were accepted, in milliseconds since the epoch.
    pub first_accepted_ms: i64,
    pub last_accepted_ms: i64,
}

/// Length of an encoded entry.
pub const ENTRY_LEN: usize = 1 + 8 * 8;
const VERSION: u8 = 1;

impl Segment {
    /// A segment without records yet.
    pub fn begin(start: Mark) -> Self {
        Self { start, end: start, first_accepted_ms: 0, last_accepted_ms: 0 }
    }

    pub fn is_empty(&self) -> bool {
        self.start.position == self.end.position
    }

    /// Encoded bytes of its records.
    pub fn bytes(&self) -> u64 {
        self.end.bytes - self.start.bytes
    }

    /// Adds a record that ends at `end`.
    pub fn add(&mut self, end: Mark, accepted_ms: i64) {
        if self.is_empty() {
            self.first_accepted_ms = accepted_ms;
            self.last_accepted_ms = accepted_ms;
        }
        // A wall clock may step back; the span covers what was seen.
        self.first_accepted_ms = self.first_accepted_ms.min(accepted_ms);
        self.last_accepted_ms = self.last_accepted_ms.max(accepted_ms);
        self.end = end;
    }

    pub fn encode(&self) -> [u8; ENTRY_LEN] {
        let mut entry = [0; ENTRY_LEN];
        entry[0] = VERSION;
        let fields = [
            self.start.position,
            self.start.samples,
            self.start.bytes,
            self.end.position,
            self.end.samples,
            self.end.bytes,
            self.first_accepted_ms.cast_unsigned(),
            self.last_accepted_ms.cast_unsigned(),
        ];
        for (slot, field) in entry[1..].chunks_exact_mut(8).zip(fields) {
            slot.copy_from_slice(&field.to_le_bytes());
        }
        entry
    }

    /// None where the bytes are no entry of this version, or contradict themselves.
    pub fn decode(entry: &[u8]) -> Option<Self> {
        let entry: &[u8; ENTRY_LEN] = entry.try_into().ok()?;
        if entry[0] != VERSION {
            return None;
        }
        let field = |at: usize| {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(&entry[1 + 8 * at..9 + 8 * at]);
            u64::from_le_bytes(bytes)
        };
        let mark = |at| Mark { position: field(at), samples: field(at + 1), bytes: field(at + 2) };
        let segment = Self {
            start: mark(0),
            end: mark(3),
            first_accepted_ms: field(6).cast_signed(),
            last_accepted_ms: field(7).cast_signed(),
        };
        let grows = segment.start.position <= segment.end.position
            && segment.start.samples <= segment.end.samples
            && segment.start.bytes <= segment.end.bytes;
        grows.then_some(segment)
    }
}

/// When the first and the last record of the segments that `from..to` touches were accepted, in milliseconds since the
/// epoch; zeros where there are none.
pub fn accepted_between<'a>(
    segments: impl IntoIterator<Item = &'a Segment>,
    from: Position,
    to: Position,
) -> (i64, i64) {
    let touched = segments
        .into_iter()
        .filter(|segment| !segment.is_empty() && segment.start.position < to && from < segment.end.position);
    let spans = touched.map(|segment| (segment.first_accepted_ms, segment.last_accepted_ms));
    spans.reduce(|(first, last), (from, to)| (first.min(from), last.max(to))).unwrap_or_default()
}

/// Encodes a mark on its own: an upstream's settled position. 24 bytes behind a version byte.
pub fn encode_mark(mark: Mark) -> [u8; MARK_LEN] {
    let mut out = [0; MARK_LEN];
    out[0] = VERSION;
    for (slot, field) in out[1..].chunks_exact_mut(8).zip([mark.position, mark.samples, mark.bytes]) {
        slot.copy_from_slice(&field.to_le_bytes());
    }
    out
}

/// Length of an encoded mark.
pub const MARK_LEN: usize = 1 + 3 * 8;

/// None where the bytes are no mark of this version.
pub fn decode_mark(bytes: &[u8]) -> Option<Mark> {
    let bytes: &[u8; MARK_LEN] = bytes.try_into().ok()?;
    if bytes[0] != VERSION {
        return None;
    }
    let mut fields = bytes[1..].chunks_exact(8).map(|chunk| {
        let mut field = [0; 8];
        field.copy_from_slice(chunk);
        u64::from_le_bytes(field)
    });
    Some(Mark { position: fields.next()?, samples: fields.next()?, bytes: fields.next()? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_entry_has_its_golden_bytes() {
        let segment = Segment {
            start: Mark { position: 1, samples: 2, bytes: 3 },
            end: Mark { position: 4, samples: 5, bytes: 6 },
            first_accepted_ms: 7,
            last_accepted_ms: -1,
        };
        let mut golden = vec![1];
        for field in 1..=7u8 {
            golden.extend([field, 0, 0, 0, 0, 0, 0, 0]);
        }
        golden.extend([0xff; 8]);
        assert_eq!(segment.encode().as_slice(), golden);
        assert_eq!(Segment::decode(&golden), Some(segment));
    }

    #[test]
    fn an_entry_that_contradicts_itself_does_not_read() {
        let mut segment = Segment::begin(Mark { position: 5, samples: 5, bytes: 5 });
        segment.end.samples = 4;
        assert_eq!(Segment::decode(&segment.encode()), None);
    }

    proptest! {
        #[test]
        fn marks_read_back(position: u64, samples: u64, bytes: u64) {
            let mark = Mark { position, samples, bytes };
            prop_assert_eq!(decode_mark(&encode_mark(mark)), Some(mark));
        }

        #[test]
        fn any_bytes_read_as_something_or_nothing(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            Segment::decode(&bytes);
            decode_mark(&bytes);
        }
    }
}
