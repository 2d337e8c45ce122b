//! Whole bodies: made ones, one of a real database, and spoilt ones.

use super::super::import::tests::import;
use super::*;
use crate::harness::{NativeBlock, NativeBody, NativeForm, native_name};
use crate::ingest::Limits;
use crate::wire;
use proptest::prelude::*;

fn name(labels: &[(&str, &str)]) -> Vec<u8> {
    native_name(labels.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())))
}

/// Each series, as labels and samples.
fn series(push: &Push) -> Vec<(String, Vec<(f64, i64)>)> {
    let labels = |section| {
        let labels = wire::labels(section).map(Result::unwrap);
        let labels = labels.map(|label| String::from_utf8([label.name, b"=", label.value].concat()).unwrap());
        labels.collect::<Vec<_>>().join(";")
    };
    let samples =
        |samples: &[Sample]| samples.iter().map(|sample| (sample.value, sample.timestamp)).collect();
    push.series().map(|series| (labels(series.labels), samples(series.samples))).collect()
}

#[track_caller]
fn refused(body: &[u8]) -> String {
    match decode(body, &import("")) {
        Err(Refusal::Bad(what)) => what,
        other => panic!("{other:?}"),
    }
}

/// Two series, one of them in two blocks.
fn body() -> Vec<u8> {
    let mut body = NativeBody::new(0, 100);
    let up = name(&[("__name__", "up"), ("job", "a")]);
    body.add(&up, &NativeBlock { exponent: -1, ..NativeBlock::new(&[10, 20, 40], &[15, 3, 5]) });
    body.add(&name(&[("job", "b")]), &NativeBlock::new(&[10, 11, 12], &[7, 7, 7]));
    body.add(&up, &NativeBlock::new(&[50], &[1]));
    body.bytes
}

#[test]
fn blocks_become_series() {
    let push = decode(&body(), &import("extra_label=zone=z&extra_label=job=c")).unwrap();
    let row = |labels: &str, samples: &[(f64, i64)]| (labels.to_owned(), samples.to_vec());
    assert_eq!(
        series(&push),
        [
            row("__name__=up;job=c;zone=z", &[(1.5, 10), (0.3, 20), (0.5, 40)]),
            row("job=c;zone=z", &[(7.0, 10), (7.0, 11), (7.0, 12)]),
            row("__name__=up;job=c;zone=z", &[(1.0, 50)]),
        ]
    );
}

/// Captured from `/api/v1/export/native` of VictoriaMetrics 1.79.
const CAPTURED: &[u8] = include_bytes!("../../../tests/fixtures/native/victoriametrics-1.79.bin");
const CAPTURED_MS: i64 = 1_700_000_000_000;

#[test]
fn an_export_of_a_database_is_what_was_stored_in_it() {
    let push = decode(CAPTURED, &import("")).unwrap();
    let steady = |at: i64| CAPTURED_MS + 15_000 * at;
    // The time range that was asked for is an hour, and the blocks hold 300 samples.
    let odd = |value: fn(i64) -> f64| {
        let samples = (0..300).map(|at| (value(at), steady(at) + at * at * 7 % 1009));
        samples.filter(|(_, timestamp)| *timestamp <= CAPTURED_MS + 3_600_000).collect()
    };
    let row = |labels: &str, samples: Vec<(f64, i64)>| (labels.to_owned(), samples);
    let mut read = series(&push);
    read.sort_by(|one, other| one.0.cmp(&other.0));
    let wanted = [
        row("__name__=capture_constant;job=a\"\\é", (0..40).map(|at| (1.0, steady(at))).collect()),
        row("__name__=capture_counter;job=c;zone=z", odd(|at| (at * at * at + at * 17) as f64)),
        row("__name__=capture_gauge;job=d", odd(|at| (at * 7919 % 1000 - 300) as f64 / 100.0)),
        row("__name__=capture_large", vec![(12e20, steady(0)), (5e20, steady(1))]),
        row("__name__=capture_steady;job=b", (0..40).map(|at| ((at * 100) as f64, steady(at))).collect()),
        row(
            "__name__=capture_words",
            vec![(f64::INFINITY, CAPTURED_MS), (f64::NEG_INFINITY, CAPTURED_MS + 1), (2.5, CAPTURED_MS + 2)],
        ),
    ];
    assert_eq!(read.len(), wanted.len());
    for (read, wanted) in read.iter().zip(&wanted) {
        assert_eq!(read.0, wanted.0);
        assert!(read.1 == wanted.1, "{}", read.0);
    }
}

#[test]
fn samples_out_of_the_time_range_are_passed_over() {
    let mut body = NativeBody::new(20, 30);
    body.add(&name(&[("__name__", "up")]), &NativeBlock::new(&[10, 20, 30, 31], &[1, 2, 3, 4]));
    body.add(&name(&[("__name__", "before")]), &NativeBlock::new(&[10], &[1]));
    let push = decode(&body.bytes, &import("")).unwrap();
    assert_eq!(series(&push), [("__name__=up".to_owned(), vec![(2.0, 20), (3.0, 30)])]);
    assert!(decode(&NativeBody::new(1, 0).bytes, &import("")).unwrap().is_empty());
}

#[test]
fn the_first_block_tells_the_layout_of_all() {
    let up = name(&[("__name__", "up")]);
    let full = NativeBlock::new(&[10, 20, 40], &[15, 3, 5]);
    let short = NativeBlock { is_short: true, ..full.clone() };
    for (first, second) in [(&full, &short), (&short, &full)] {
        let mut body = NativeBody::new(0, 100);
        body.add(&up, first);
        body.add(&up, first);
        assert_eq!(decode(&body.bytes, &import("")).unwrap().counts().samples, 6);
        let end = body.bytes.len();
        body.add(&up, second);
        let refused = refused(&body.bytes);
        assert!(refused.starts_with(&format!("block 3 at byte {end}: in ")), "{refused}");
    }
    let mut neither = NativeBody::new(0, 100);
    neither.add(&up, &NativeBlock { rows: 0, ..full });
    assert_eq!(
        refused(&neither.bytes),
        "block 1 at byte 16: in its head, the rows are 0, and may be 1 to 16384; and as of VictoriaMetrics up to 1.79, \
         in its head, 0 is no form of a column; there are 1 to 6"
    );
}

#[test]
fn labels_that_are_no_text_go_on() {
    let mut body = NativeBody::new(0, 100);
    body.add(b"up\x01a\x01\xff\x01", &NativeBlock::new(&[10], &[1]));
    let push = decode(&body.bytes, &import("extra_label=b=c")).unwrap();
    let section = push.series().next().unwrap().labels.to_vec();
    let values: Vec<_> = wire::labels(&section).map(|label| label.unwrap().value.to_vec()).collect();
    assert_eq!(values, [b"up", &b"\xff"[..], b"c"]);
}

#[test]
fn what_is_wrong_is_named_by_its_block_and_byte() {
    let body = body();
    // Behind the range: a size, 9 bytes of name, a size, and the block.
    let block = 16 + 4 + 9 + 4;
    let mut no_labels = NativeBody::new(0, 100);
    no_labels.add(b"\x01", &NativeBlock::new(&[10], &[1]));
    let mut twice = NativeBody::new(0, 100);
    twice.add(b"up\x01a\x01b\x01a\x01c\x01", &NativeBlock::new(&[10], &[1]));
    let size_of_name = [&body[..16], &(1u32 << 20 | 1).to_be_bytes()].concat();
    for (body, what) in [
        (b"".to_vec(), "the body has 0 bytes, and the time range at its beginning 16"),
        (body[..15].to_vec(), "the body has 15 bytes, and the time range at its beginning 16"),
        (body[..18].to_vec(), "block 1 at byte 16: the body ends within the size of its name"),
        (size_of_name, "block 1 at byte 16: its name is said to have 1048577 bytes, and may have 1048576"),
        (
            body[..block - 5].to_vec(),
            "block 1 at byte 16: its name is said to have 9 bytes, and the body ends after 8",
        ),
        (body[..block].to_vec(), "block 1 at byte 16: its block is said to have "),
        (
            body[..body.len() - 1].to_vec(),
            "block 3 at byte 73: its block is said to have 10 bytes, and the body ends after 9",
        ),
        (
            [&body[..], b"x"].concat(),
            &format!("block 4 at byte {}: the body ends within the size of its name", body.len()),
        ),
        (no_labels.bytes, "block 1 at byte 16: there are no labels"),
        (twice.bytes, "block 1 at byte 16: label a stands there twice"),
    ] {
        let refused = refused(&body);
        assert!(refused.starts_with(what), "{what}: {refused}");
    }
}

#[test]
fn a_few_bytes_do_not_become_much_memory() {
    // The most that a block can claim, with hardly a byte a sample: 256 KiB each in memory.
    let mut body = NativeBody::new(0, i64::MAX);
    let forms = (NativeForm::ConstantDelta, NativeForm::Constant);
    let times: Vec<i64> = (0..16_384).collect();
    let numbers = vec![1; times.len()];
    let block = NativeBlock { forms, ..NativeBlock::new(&times, &numbers) };
    for at in 0..4 {
        body.add(&name(&[("__name__", "up"), ("at", &at.to_string())]), &block);
    }
    assert!(body.bytes.len() < 300);
    let mut import = import("");
    import.limits = Limits::of_bytes(4 * 16_384 * size_of::<Sample>());
    assert_eq!(decode(&body.bytes, &import).unwrap().counts().samples, 4 * 16_384);
    import.limits.unpacked_bytes -= 1;
    let refused = decode(&body.bytes, &import);
    assert!(matches!(refused, Err(Refusal::TooLarge(_))), "{refused:?}");
}

/// Changes a byte of a body, or cuts it.
fn spoilt(body: &[u8]) -> impl Strategy<Value = Vec<u8>> + use<> {
    let body = body.to_vec();
    (any::<prop::sample::Index>(), any::<Option<u8>>()).prop_map(move |(at, byte)| {
        let at = at.index(body.len());
        match byte {
            None => body[..at].to_vec(),
            Some(byte) => [&body[..at], &[body[at] ^ byte], &body[at + 1..]].concat(),
        }
    })
}

/// What is taken can be sent on, and is within the bound.
fn assert_sound(body: &[u8]) {
    if let Ok(push) = decode(body, &import("")) {
        assert!(size_of_val(push.samples()) <= import("").limits.unpacked_bytes);
        let mut sent = Vec::new();
        wire::encode(&push, &mut sent);
        assert_eq!(wire::decode(sent), Ok(push));
    }
}

#[test]
fn a_cut_body_is_refused_wherever_no_block_ends() {
    for (body, blocks) in [(&body()[..], 3), (CAPTURED, 6)] {
        let ends: Vec<_> = (0..body.len()).filter(|end| decode(&body[..*end], &import("")).is_ok()).collect();
        assert_eq!(ends.len(), blocks, "behind the range, and behind each block but the last: {ends:?}");
    }
}

proptest! {
    #[test]
    fn a_spoilt_body_is_refused_or_read(body in prop_oneof![spoilt(&body()), spoilt(CAPTURED)]) {
        assert_sound(&body);
    }

    #[test]
    fn no_bytes_make_it_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
        assert_sound(&body);
    }
}
