//! What real exporters served comes back as it was.

use super::{ACCEPTED_MS, Record, captures, encode};
use pmm_buffer::model::Push;
use pmm_buffer::queue::columns::{Decoder, Nothing};
use pmm_buffer::wire;

/// Asserts that the records hold the pushes, as values and as the bytes that go upstream.
#[track_caller]
fn assert_hold(records: &[Record], pushes: &[&Push], what: &str) {
    let mut decoder = Decoder::new();
    let (mut expected, mut sent) = (Vec::new(), Vec::new());
    for (number, (record, push)) in records.iter().zip(pushes).enumerate() {
        if record.since == 0 {
            decoder.restart();
        }
        let decoded = decoder.decode(&record.payload, ACCEPTED_MS, record.wire_len);
        let decoded = decoded.unwrap_or_else(|error| panic!("{what}, push {number}: {error}"));
        expected.clear();
        wire::encode(push, &mut expected);
        sent.clear();
        wire::encode(&decoded, &mut sent);
        assert!(decoded == **push && sent == expected, "{what}, push {number} is not what it was");
    }
}

#[test]
fn every_push_of_every_capture_comes_back_to_the_bit_however_often_segments_end() {
    for capture in captures::ALL {
        let pushes = capture.pushes();
        let pushes: Vec<_> = pushes.iter().collect();
        for per_segment in [1, 7, usize::MAX] {
            let records = encode(pushes.iter().copied(), per_segment);
            let restarts = records.iter().filter(|record| record.since == 0).count();
            assert!(restarts >= pushes.len().div_ceil(per_segment), "{restarts} restart points");
            assert_hold(&records, &pushes, capture.name);
        }
    }
}

/// A host has all of them, and each scrape comes on its own: one encoder takes them in turn, over several intervals.
#[test]
fn the_captures_of_one_host_share_intervals() {
    let captures = captures::ALL.map(|capture| capture.pushes());
    let scrapes = captures.iter().map(Vec::len).max().unwrap_or(0);
    let mut pushes = Vec::new();
    for scrape in (0..scrapes).cycle().take(12 * scrapes) {
        pushes.extend(captures.iter().filter_map(|capture| capture.get(scrape)));
    }
    let records = encode(pushes.iter().copied(), usize::MAX);
    let restarts = records.iter().filter(|record| record.since == 0).count();
    assert!(restarts > 1, "labels were paid for, and no interval ended");
    assert_hold(&records, &pushes, "all in turn");
}

#[test]
fn a_reader_that_begins_in_the_middle_reads_up_to_there_from_the_restart_point() {
    for capture in captures::ALL {
        let pushes = capture.pushes();
        let records = encode(&pushes, usize::MAX);
        let at = pushes.len() / 2;
        let mut decoder = Decoder::new();
        for record in &records[at - records[at].since as usize..at] {
            decoder.decode_into(&record.payload, ACCEPTED_MS, record.wire_len, &mut Nothing).unwrap();
        }
        let decoded = decoder.decode(&records[at].payload, ACCEPTED_MS, records[at].wire_len).unwrap();
        assert_eq!(decoded, pushes[at], "{}", capture.name);
    }
}
