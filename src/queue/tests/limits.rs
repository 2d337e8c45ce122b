//! `max_bytes`, segments, bounds of a read, a disk that fails.

use super::*;
use crate::telemetry::metrics::UpstreamReasonLabel;

fn dropped(fixture: &Fixture, reason: &'static str) -> u64 {
    let label = UpstreamReasonLabel { upstream: "a".into(), reason };
    fixture.metrics.samples_dropped.get(&label).map_or(0, |counter| counter.get())
}

/// Twice the limit, nobody delivers: the oldest go, exactly they are counted, and the folder stays within.
#[test]
fn a_full_queue_gives_up_the_oldest_counts_them_and_keeps_the_folder_within_its_limit() {
    let mut fixture = Fixture::new(&["a"], 16 * MIB);
    let samples = 5_000;
    let mut appended = 0;
    let mut most = 0;
    while fixture.queue().view().status().trimmed < 200 {
        fixture.append(noise(appended, samples), appended as i64);
        appended += 1;
        most = most.max(fixture.queue().view().status().disk_bytes);
        assert!(appended < 5_000, "nothing was given up");
    }
    assert!(most <= 16 * MIB, "the folder took {most} bytes");
    // The committer answers before it tidies up.
    let trimmed = || fixture.queue().view().status().trimmed;
    until("the count", || dropped(&fixture, "max_bytes") == trimmed() * samples as u64);
    let batch = fixture.readers[0].read(ReadLimit { records: 1, ..ALL }).unwrap().unwrap();
    let first = batch.first;
    assert_eq!(first, fixture.queue().view().status().trimmed);
    assert_eq!(fixture.backlog(0).records, appended - first);
    // After a restart the same is there.
    fixture.reopen();
    assert_eq!(fixture.backlog(0).records, appended - first);
    let mut next = first;
    while let Some(batch) = fixture.readers[0].read(ReadLimit { records: 16, ..ALL }).unwrap() {
        assert_eq!(batch.first, next);
        assert_holds(&batch, (next..batch.end).map(|id| noise(id, samples)));
        next = batch.end;
    }
    assert_eq!(next, appended);
    assert_eq!(dropped(&fixture, "damaged"), 0);
}

#[test]
fn space_comes_back_when_all_is_delivered() {
    let mut fixture = Fixture::new(&["a"], 64 * MIB);
    for id in 0..400 {
        fixture.append(noise(id, 10_000), id as i64);
    }
    let full = fixture.queue().view().status().disk_bytes;
    assert!(full > 25 * MIB, "{full}");
    while let Some(batch) = fixture.readers[0].read(ReadLimit { records: 16, ..ALL }).unwrap() {
        let end = batch.end;
        fixture.readers[0].ack(end);
    }
    until("the folder to shrink", || fixture.queue().view().status().disk_bytes < full / 2);
    assert_eq!(dropped(&fixture, "max_bytes"), 0);
}

#[test]
fn a_read_keeps_its_bounds_and_returns_one_record_at_least() {
    let mut fixture = Fixture::new(&["a"], 64 * MIB);
    for id in 0..6 {
        fixture.append(push(id, 10), 0);
    }
    let reader = &mut fixture.readers[0];
    let mut read = |limit| reader.read(limit).unwrap().map_or(0, |batch| batch.records);
    assert_eq!(read(ReadLimit { samples: 25, ..ALL }), 2);
    assert_eq!(read(ReadLimit { samples: 1, ..ALL }), 1);
    assert_eq!(read(ReadLimit { bytes: 1, ..ALL }), 1);
    // About: a record is added while there is room at all.
    let one = wire::encoded_len(&push(4, 10));
    assert_eq!(read(ReadLimit { bytes: one + one / 2, ..ALL }), 2);
    assert_eq!(read(ALL), 0);
}

/// A batch that was read, and dropped by the limit before it was settled.
#[test]
fn an_ack_of_what_was_dropped_meanwhile_changes_nothing() {
    let mut fixture = Fixture::new(&["a"], 16 * MIB);
    fixture.append(noise(0, 5_000), 0);
    let batch = fixture.readers[0].read(ReadLimit { records: 1, ..ALL }).unwrap().unwrap();
    let mut appended = 1;
    while fixture.queue().view().status().trimmed == 0 {
        fixture.append(noise(appended, 5_000), 0);
        appended += 1;
    }
    let before = fixture.backlog(0);
    fixture.readers[0].ack(batch.end);
    assert_eq!(fixture.backlog(0), before);
    let next = fixture.readers[0].read(ReadLimit { records: 1, ..ALL }).unwrap().unwrap();
    assert_eq!(next.first, fixture.queue().view().status().trimmed);
}

#[test]
fn a_store_that_failed_refuses_with_its_reason_until_a_restart() {
    let fixture = Fixture::new(&["a"], 64 * MIB);
    let queue = fixture.queue();
    assert_eq!(queue.appender().unavailable(), None);
    assert!(queue.shared.set_failure("first"));
    assert!(!queue.shared.set_failure("second"));
    assert_eq!(queue.appender().unavailable().as_deref(), Some("first"));
    let refused = futures(queue.appender().append(push(0, 1), 0));
    assert!(matches!(refused, Err(AppendError::Store(reason)) if reason == "first"));
}
