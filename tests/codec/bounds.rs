//! Records that are not as they were written: the decoder never panics, and takes no more memory than docs/format.md
//! says. Checksums keep accidents from it, so what is tested here is what a checksum cannot see: records made to harm,
//! and defects of our own.

use super::{ACCEPTED_MS, Record, captures, encode};
use pmm_buffer::model::{Push, PushBuilder, Span};
use pmm_buffer::queue::columns::Decoder;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::RngSeed;
use std::sync::LazyLock;

/// Memory held at once while an interval is decoded, in bytes for each byte of its pushes' lengths: docs/format.md.
const MOST_TIMES: u64 = 64;
/// What any decoding takes, however little there is to decode.
const MOST_ANYWAY: u64 = 64 << 10;
/// Records of the intervals that are spoilt.
const RECORDS: usize = 3;
/// Columns of a record, whose lengths stand behind the number of series entries.
const COLUMNS: usize = 17;

/// A payload taken apart.
#[derive(Debug, Clone)]
struct Parts {
    entries: u64,
    columns: Vec<Vec<u8>>,
}

impl Parts {
    fn of(payload: &[u8]) -> Self {
        let mut rest = payload;
        let mut number = || prost::encoding::decode_varint(&mut rest).expect("a whole record");
        let entries = number();
        let lengths: Vec<_> = (0..COLUMNS).map(|_| number() as usize).collect();
        let body = match rest[0] {
            0 => rest[1..].to_vec(),
            _ => zstd::decode_all(&rest[1..]).expect("a whole record"),
        };
        let mut at = 0;
        let mut column = |length| {
            at += length;
            body[at - length..at].to_vec()
        };
        Self { entries, columns: lengths.into_iter().map(&mut column).collect() }
    }

    /// The numbers of the head: entries, lengths.
    fn numbers(&self) -> Vec<u64> {
        std::iter::once(self.entries).chain(self.columns.iter().map(|column| column.len() as u64)).collect()
    }

    /// Put together again, under these numbers.
    fn payload(&self, numbers: &[u64], is_packed: bool) -> Vec<u8> {
        let mut payload: Vec<_> = numbers.iter().flat_map(|number| varint(*number)).collect();
        let body = self.columns.concat();
        payload.push(u8::from(is_packed));
        payload.extend(if is_packed { zstd::encode_all(body.as_slice(), 1).expect("memory") } else { body });
        payload
    }
}

fn varint(number: u64) -> Vec<u8> {
    let mut out = Vec::new();
    prost::encoding::encode_varint(number, &mut out);
    out
}

/// Decodes an interval, as far as it can be decoded. Panics if that takes more memory than it may.
fn decode(interval: &[Record]) -> Result<(), String> {
    let mut outcome = Ok(());
    let taken = allocation_counter::measure(|| {
        let mut decoder = Decoder::new();
        let decoded = interval
            .iter()
            .try_for_each(|record| decoder.decode(&record.payload, ACCEPTED_MS, record.wire_len).map(drop));
        outcome = decoded.map_err(|error| error.to_string());
    });
    let lengths: usize = interval.iter().map(|record| record.wire_len).sum();
    let most = lengths as u64 * MOST_TIMES + MOST_ANYWAY;
    assert!(
        taken.bytes_max <= most,
        "{} bytes at once for pushes of {lengths}: {outcome:?}",
        taken.bytes_max
    );
    outcome
}

/// Every `nth` series of a push with its samples.
fn thinned(push: &Push, nth: usize) -> Push {
    let mut thinned = PushBuilder::default();
    for series in push.series().step_by(nth) {
        let labels = thinned.store(series.labels);
        series.samples.iter().for_each(|sample| thinned.sample(*sample));
        thinned.series(labels, Span::default());
    }
    thinned.finish()
}

/// Short intervals of each capture: some of its series, spread over all of them.
static INTERVALS: LazyLock<Vec<Vec<Record>>> = LazyLock::new(|| {
    let interval = |capture: captures::Capture| {
        let pushes: Vec<_> = capture.pushes().iter().take(RECORDS).map(|push| thinned(push, 10)).collect();
        encode(&pushes, usize::MAX)
    };
    captures::ALL.map(interval).into()
});

/// What is done to a run of bytes.
#[derive(Debug, Clone)]
enum Change {
    Set(Index, u8),
    Flip(Index, u8),
    Truncate(Index),
    Append(Vec<u8>),
    /// Bytes of the same column of another record go over, or between, those that are there.
    Copy {
        from: (usize, Index, Index),
        length: usize,
        to: Index,
        is_inserted: bool,
    },
}

fn change() -> impl Strategy<Value = Change> {
    let byte = prop_oneof![any::<u8>(), prop::sample::select(vec![0, 1, 0x7f, 0x80, 0xff])];
    let from = (0..captures::ALL.len(), any::<Index>(), any::<Index>());
    prop_oneof![
        4 => (any::<Index>(), byte).prop_map(|(at, byte)| Change::Set(at, byte)),
        4 => (any::<Index>(), 0..8u8).prop_map(|(at, bit)| Change::Flip(at, bit)),
        1 => any::<Index>().prop_map(Change::Truncate),
        1 => prop::collection::vec(any::<u8>(), 1..40).prop_map(Change::Append),
        3 => (from, 1..60usize, any::<Index>(), any::<bool>()).prop_map(|(from, length, to, is_inserted)| {
            Change::Copy { from, length, to, is_inserted }
        }),
    ]
}

impl Change {
    /// Changes `bytes`, which are those of `column` or a whole payload.
    fn make(&self, column: Option<usize>, bytes: &mut Vec<u8>) {
        match self {
            Self::Append(added) => bytes.extend_from_slice(added),
            _ if bytes.is_empty() => {}
            Self::Set(at, byte) => *at.get_mut(bytes) = *byte,
            Self::Flip(at, bit) => *at.get_mut(bytes) ^= 1 << bit,
            Self::Truncate(at) => bytes.truncate(at.index(bytes.len())),
            Self::Copy { from: (capture, record, at), length, to, is_inserted } => {
                let source = &record.get(&INTERVALS[*capture]).payload;
                let source = column
                    .map_or_else(|| source.clone(), |column| Parts::of(source).columns.swap_remove(column));
                let start = at.index(source.len() + 1);
                let run = &source[start..source.len().min(start + length)];
                let to = to.index(bytes.len());
                let end = if *is_inserted { to } else { bytes.len().min(to + run.len()) };
                bytes.splice(to..end, run.iter().copied());
            }
        }
    }
}

/// What is done to one record. What stands behind its columns is changed with their lengths, so that the changes are seen
/// by what reads the columns; the rest is changed without.
#[derive(Debug, Clone)]
struct Harm {
    columns: Vec<(usize, Change)>,
    /// Numbers of the head that become others.
    numbers: Vec<(Index, u64)>,
    is_packed: bool,
    payload: Vec<Change>,
    wire_len: Option<usize>,
}

fn harm() -> impl Strategy<Value = Harm> {
    let number = prop_oneof![
        0..3u64,
        any::<u8>().prop_map(u64::from),
        any::<u64>(),
        (0..64u32).prop_map(|bit| 1 << bit),
        Just(u64::MAX),
    ];
    let numbers = prop::collection::vec((any::<Index>(), number), 1..3);
    let payload = prop::collection::vec(change(), 1..4);
    (
        prop::collection::vec((0..COLUMNS, change()), 0..4),
        prop_oneof![4 => Just(Vec::new()), 1 => numbers],
        any::<bool>(),
        prop_oneof![4 => Just(Vec::new()), 1 => payload],
        prop::option::weighted(0.1, 0..200_000usize),
    )
        .prop_map(|(columns, numbers, is_packed, payload, wire_len)| Harm {
            columns,
            numbers,
            is_packed,
            payload,
            wire_len,
        })
}

impl Harm {
    fn is_done_to(&self, record: &mut Record) {
        let mut parts = Parts::of(&record.payload);
        self.columns
            .iter()
            .for_each(|(column, change)| change.make(Some(*column), &mut parts.columns[*column]));
        let mut numbers = parts.numbers();
        self.numbers.iter().for_each(|(at, number)| *at.get_mut(&mut numbers) = *number);
        record.payload = parts.payload(&numbers, self.is_packed);
        self.payload.iter().for_each(|change| change.make(None, &mut record.payload));
        record.wire_len = self.wire_len.unwrap_or(record.wire_len);
    }
}

proptest! {
    // The same cases each time: what is new is for the fuzz targets to find.
    #![proptest_config(ProptestConfig {
        cases: 6_000, rng_seed: RngSeed::Fixed(1), failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn spoilt_records_neither_panic_nor_fill_memory(
        capture in 0..captures::ALL.len(), bad in 0..RECORDS, harm in harm(),
    ) {
        let mut interval = INTERVALS[capture].clone();
        harm.is_done_to(&mut interval[bad]);
        let _ = decode(&interval);
    }
}

#[test]
fn a_record_that_is_taken_apart_and_put_together_is_still_one() {
    for interval in INTERVALS.iter() {
        for is_packed in [true, false] {
            let again = |record: &Record| {
                let parts = Parts::of(&record.payload);
                Record { payload: parts.payload(&parts.numbers(), is_packed), ..record.clone() }
            };
            assert_eq!(decode(&interval.iter().map(again).collect::<Vec<_>>()), Ok(()));
        }
    }
}

// Columns by number, see docs/format.md.
const REFS: usize = 0;
const LABELS: usize = 1;
const COUNTS: usize = 2;
const TIMES: usize = 3;
const KINDS: usize = 4;

const WIRE_LEN: usize = 1 << 20;

/// A record of so many series entries and these columns.
fn made(entries: u64, given: &[(usize, &[u8])]) -> Parts {
    let mut columns = vec![Vec::new(); COLUMNS];
    given.iter().for_each(|(column, bytes)| columns[*column] = bytes.to_vec());
    Parts { entries, columns }
}

/// Decodes a record that packs to nearly nothing and claims to be of a push of [`WIRE_LEN`].
fn decode_one(parts: &Parts) -> Result<(), String> {
    decode_payload(parts.payload(&parts.numbers(), true))
}

fn decode_payload(payload: Vec<u8>) -> Result<(), String> {
    decode(&[Record { payload, since: 0, wire_len: WIRE_LEN }])
}

/// Two bytes each on the wire, and as many as these can be: the most memory for a byte that there is.
#[test]
fn a_million_empty_series_stay_within_bounds() {
    for (entries, is_whole) in [(WIRE_LEN / 2, true), (WIRE_LEN / 2 + 1, false), (WIRE_LEN * 2 / 3, false)] {
        let zeros = vec![0; entries];
        let record = made(entries as u64, &[(REFS, &zeros), (LABELS, &zeros), (COUNTS, &zeros)]);
        assert_eq!(decode_one(&record).is_ok(), is_whole, "{entries} series");
    }
}

#[test]
fn labels_that_come_again_and_again_are_no_more_than_the_push_was() {
    let section = [varint(1 << 16), vec![b'x'; 1 << 16]].concat();
    let times = |entries: usize| {
        let refs = [vec![0], vec![1; entries - 1]].concat();
        let counts = vec![0; entries];
        decode_one(&made(entries as u64, &[(REFS, &refs), (LABELS, &section), (COUNTS, &counts)]))
    };
    assert_eq!(times(15), Ok(()));
    assert_eq!(times(1_000), Err("it is longer than the push was".into()));
}

#[test]
fn samples_of_two_bytes_are_no_more_than_the_push_had() {
    let with = |samples: usize| {
        let (column, count) = (vec![0; samples], varint(samples as u64));
        decode_one(&made(
            1,
            &[(REFS, &[0]), (LABELS, &[0]), (COUNTS, &count), (TIMES, &column), (KINDS, &column)],
        ))
    };
    assert_eq!(with(WIRE_LEN / 13 - 1), Ok(()));
    assert_eq!(with(WIRE_LEN - 16), Err("it is longer than the push was".into()));
}

#[test]
fn numbers_that_nothing_stands_behind_take_no_memory() {
    for claim in [WIRE_LEN as u64, u64::from(u32::MAX), u64::MAX] {
        assert!(decode_one(&made(claim, &[])).is_err(), "{claim} series");
        let samples = made(1, &[(REFS, &[0]), (LABELS, &[0]), (COUNTS, &varint(claim))]);
        assert!(decode_one(&samples).is_err(), "{claim} samples");
        assert!(
            decode_one(&made(1, &[(REFS, &[0]), (LABELS, &varint(claim))])).is_err(),
            "{claim} of labels"
        );
        for column in 0..COLUMNS {
            let record = made(0, &[]);
            let mut numbers = record.numbers();
            numbers[1 + column] = claim;
            assert!(decode_payload(record.payload(&numbers, true)).is_err(), "a column of {claim} bytes");
        }
    }
}

#[test]
fn a_frame_that_goes_on_behind_the_columns_is_not_unpacked() {
    let record = made(0, &[(REFS, &vec![0; 100 << 20])]);
    let payload = record.payload(&[0; COLUMNS + 1], true);
    assert_eq!(decode_payload(payload), Err("its columns do not unpack".into()));
}
