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
    let batch = fixture.readers[0].read(ReadLimit { records: 1, ..ALL }, Instant::now()).unwrap().unwrap();
    let first = batch.first;
    assert_eq!(first, fixture.queue().view().status().trimmed);
    assert_eq!(fixture.backlog(0).records, appended - first);
    // After a restart the same is there.
    fixture.reopen();
    assert_eq!(fixture.backlog(0).records, appended - first);
    let mut next = first;
    while let Some(batch) = fixture.readers[0].read(ReadLimit { records: 16, ..ALL }, Instant::now()).unwrap()
    {
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
    while let Some(batch) = fixture.readers[0].read(ReadLimit { records: 16, ..ALL }, Instant::now()).unwrap()
    {
        let end = batch.end;
        fixture.readers[0].ack(end, Instant::now());
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
    let mut read = |limit| reader.read(limit, Instant::now()).unwrap().map_or(0, |batch| batch.records);
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
    let batch = fixture.readers[0].read(ReadLimit { records: 1, ..ALL }, Instant::now()).unwrap().unwrap();
    let mut appended = 1;
    while fixture.queue().view().status().trimmed == 0 {
        fixture.append(noise(appended, 5_000), 0);
        appended += 1;
    }
    let before = fixture.backlog(0);
    fixture.readers[0].ack(batch.end, Instant::now());
    assert_eq!(fixture.backlog(0), before);
    let next = fixture.readers[0].read(ReadLimit { records: 1, ..ALL }, Instant::now()).unwrap().unwrap();
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

/// What waited too long goes, by whole segments, and is counted under its own reason.
#[test]
fn what_waits_longer_than_max_age_is_dropped_and_counted() {
    let max_age = Some(Duration::from_secs(80));
    let settings = config::Queue { max_age, rewind: Duration::ZERO, ..config::Queue::default() };
    let mut fixture = Fixture::with(&["a"], settings);
    // A record a second: segments of ten seconds.
    for id in 0..100 {
        fixture.append(push(id, 1), id as i64 * 1_000);
    }
    fixture.now_ms.store(100_000, Ordering::Relaxed);
    until("the drop", || dropped(&fixture, "max_age") > 0);
    let trimmed = fixture.queue().view().status().trimmed;
    assert!((10..=20).contains(&trimmed), "records of 80 s stay, and up to a segment more: {trimmed}");
    assert_eq!((dropped(&fixture, "max_age"), dropped(&fixture, "max_bytes")), (trimmed, 0));
    let batch = fixture.readers[0].read(ALL, Instant::now()).unwrap().unwrap();
    assert_eq!(ids(&batch), (trimmed..100).collect::<Vec<_>>());
}

#[test]
fn a_queue_that_rejects_new_pushes_when_full_drops_nothing_and_takes_them_again_when_there_is_room() {
    let settings = config::Queue {
        max_bytes: 16 * MIB,
        when_full: config::WhenFull::RejectNew,
        rewind: Duration::ZERO,
        ..config::Queue::default()
    };
    let mut fixture = Fixture::with(&["a"], settings);
    let appender = fixture.queue().appender();
    let mut appended = 0;
    let refused = loop {
        match futures(appender.append(noise(appended, 5_000), appended as i64)) {
            Ok(position) => assert_eq!(position, appended),
            Err(error) => break error,
        }
        appended += 1;
        assert!(appended < 5_000, "nothing was refused");
    };
    assert!(matches!(&refused, AppendError::Full(why) if why.contains("reject_new")), "{refused}");
    assert!(appender.unavailable().is_some_and(|why| why.contains("reject_new")));
    assert!(fixture.queue().view().status().disk_bytes <= 16 * MIB);
    let mut next = 0;
    while let Some(batch) = fixture.readers[0].read(ReadLimit { records: 16, ..ALL }, Instant::now()).unwrap()
    {
        assert_holds(&batch, (next..batch.end).map(|id| noise(id, 5_000)));
        next = batch.end;
        fixture.readers[0].ack(batch.end, Instant::now());
    }
    assert_eq!(next, appended, "all that was answered is there, and only that");
    until("room", || appender.unavailable().is_none());
    assert_eq!(fixture.append(noise(appended, 5_000), 0), appended);
    assert_eq!(dropped(&fixture, "max_bytes"), 0);
}

/// More than the file system can ever have free: nothing is taken, and what is there is still delivered.
#[test]
fn free_space_that_is_kept_for_others_is_not_taken() {
    let settings = config::Queue { rewind: Duration::ZERO, ..config::Queue::default() };
    let mut fixture = Fixture::with(&["a"], settings);
    fixture.append(push(0, 1), 0);
    fixture.close();
    fixture.settings.min_free_disk = Some(1 << 60);
    fixture.open();
    let appender = fixture.queue().appender();
    let refused = futures(appender.append(push(1, 1), 0));
    assert!(matches!(&refused, Err(AppendError::Full(why)) if why.contains("min_free_disk")), "{refused:?}");
    let batch = fixture.readers[0].read(ALL, Instant::now()).unwrap().unwrap();
    fixture.readers[0].ack(batch.end, Instant::now());
    fixture.close();
    fixture.settings.min_free_disk = Some(0);
    fixture.open();
    assert_eq!(fixture.backlog(0).records, 0, "the settled position was written all the same");
    assert_eq!(fixture.append(push(1, 1), 0), 1);
}

#[test]
fn what_is_answered_before_its_sync_is_synced_within_the_interval() {
    let settings = config::Queue {
        sync: config::SyncMode::Interval,
        sync_interval: Duration::from_millis(10),
        ..config::Queue::default()
    };
    let mut fixture = Fixture::with(&["a"], settings);
    for id in 0..100 {
        fixture.append(push(id, 1), 0);
    }
    until("a sync", || fixture.queue().shared.unsynced_since().is_none());
    fixture.reopen();
    assert_eq!(
        ids(&fixture.readers[0].read(ALL, Instant::now()).unwrap().unwrap()),
        (0..100).collect::<Vec<_>>()
    );
}

/// The server's own loss: what it answered last is still there, and comes again, in order, with what followed.
#[test]
fn what_was_settled_lately_is_kept_and_comes_again_after_a_rewind() {
    let settings =
        config::Queue { max_bytes: 16 * MIB, rewind: Duration::from_secs(600), ..config::Queue::default() };
    let mut fixture = Fixture::with(&["a"], settings);
    // Several segments, all of them settled.
    for id in 0..60 {
        fixture.append(noise(id, 5_000), id as i64);
    }
    let start = Instant::now();
    let at = |second: u64| start + Duration::from_secs(second);
    for (end, second) in [(10, 0), (40, 500), (60, 900)] {
        let limit = ReadLimit { records: end - fixture.readers[0].bounds().0, ..ALL };
        let batch = fixture.readers[0].read(limit, Instant::now()).unwrap().unwrap();
        assert_eq!(batch.end, end);
        fixture.readers[0].ack(end, at(second));
    }
    assert_eq!(fixture.backlog(0).records, 0);
    let samples = fixture.readers[0].take_back(at(1_000));
    assert_eq!(samples, 50 * 5_000, "since the last position that was settled for longer than ten minutes");
    assert_eq!((fixture.backlog(0).records, fixture.backlog(0).samples), (50, samples));
    let batch = fixture.readers[0].read(ALL, Instant::now()).unwrap().unwrap();
    assert_holds(&batch, (10..60).map(|id| noise(id, 5_000)));
    fixture.readers[0].ack(60, at(1_001));
    for _ in 0..2 {
        assert_eq!(fixture.readers[0].take_back(at(1_002)), samples, "the server may have crashed again");
        fixture.readers[0].read(ALL, Instant::now()).unwrap().unwrap();
        fixture.readers[0].ack(60, at(1_003));
    }
    assert_eq!(fixture.readers[0].take_back(at(1_004)), 0, "not over and over");
    assert_eq!(dropped(&fixture, "max_bytes"), 0);
}
