//! Stores that are not as they were left.

use super::*;
use crate::telemetry::metrics::UpstreamReasonLabel;
use std::fs;

fn dropped(fixture: &Fixture) -> u64 {
    let label = UpstreamReasonLabel { upstream: "a".into(), reason: "damaged" };
    fixture.metrics.samples_dropped.get(&label).map_or(0, |counter| counter.get())
}

/// Overwrites a record in place, behind the queue's back.
pub(super) fn overwrite(fixture: &Fixture, position: Position, change: impl FnOnce(&mut Vec<u8>)) {
    overwrite_in(&fixture.queue().store, position, change);
}

pub(super) fn overwrite_in(store: &Store, position: Position, change: impl FnOnce(&mut Vec<u8>)) {
    let mut record = store.get(position).unwrap().unwrap();
    change(&mut record);
    let mut batch = WriteBatch::default();
    store.put_record(&mut batch, position, &record);
    store.write(batch, true).unwrap();
}

/// Two intervals of six records, the second after a restart; record `id` has `10 + id` samples.
fn two_intervals() -> Fixture {
    let mut fixture = Fixture::new(&["a"], 64 * MIB);
    for id in 0..12 {
        if id == 6 {
            fixture.reopen();
        }
        fixture.append(push(id, 10 + id as usize), 0);
    }
    fixture
}

#[test]
fn a_damaged_record_costs_itself_and_the_rest_of_its_interval() {
    for bad in [0, 2, 5] {
        let mut fixture = two_intervals();
        overwrite(&fixture, bad, |record| *record.last_mut().unwrap() ^= 1);
        let batch = fixture.readers[0].read(ALL, Instant::now()).unwrap().unwrap();
        assert_eq!(ids(&batch), (0..bad).chain(6..12).collect::<Vec<_>>());
        assert_eq!(dropped(&fixture), (bad..6).map(|id| 10 + id).sum::<u64>());
        // Acked with its neighbours: nothing is left over.
        fixture.readers[0].ack(batch.end, Instant::now());
        assert_eq!(fixture.backlog(0).records, 0);
    }
}

/// Reading that begins in the middle of an interval, before and behind the damage.
#[test]
fn a_reader_that_starts_within_a_damaged_interval_skips_to_the_next() {
    for acked in [1, 4] {
        let mut fixture = two_intervals();
        fixture.readers[0].read(ALL, Instant::now()).unwrap();
        fixture.readers[0].ack(acked, Instant::now());
        overwrite(&fixture, 2, |record| *record.last_mut().unwrap() ^= 1);
        fixture.close();
        fixture.open();
        let batch = fixture.readers[0].read(ALL, Instant::now()).unwrap().unwrap();
        assert_eq!(ids(&batch), (acked..2).chain(6..12).collect::<Vec<_>>());
        assert_eq!(dropped(&fixture), (acked.max(2)..6).map(|id| 10 + id).sum::<u64>());
    }
}

#[test]
fn nothing_but_damage_is_settled_by_itself_and_what_comes_after_depends_on_none_of_it() {
    let mut fixture = Fixture::new(&["a"], 64 * MIB);
    for id in 0..3 {
        fixture.append(push(id, 1), 0);
        overwrite(&fixture, id, |record| record.truncate(3));
    }
    assert_eq!(fixture.readers[0].read(ALL, Instant::now()).unwrap(), None);
    assert_eq!((fixture.backlog(0).records, dropped(&fixture)), (0, 3));
    // The reader told the committer: the next record begins an interval of its own.
    fixture.append(push(3, 1), 0);
    assert_eq!(ids(&fixture.readers[0].read(ALL, Instant::now()).unwrap().unwrap()), [3]);
}

/// The tables are made anew where they do not read; a kill may come when the old ones are gone.
#[test]
fn a_store_without_tables_delivers_all_that_it_holds_again() {
    let mut fixture = Fixture::new(&["a"], 64 * MIB);
    (0..12).for_each(|id| assert_eq!(fixture.append(push(id, 1), 0), id));
    let batch = fixture.readers[0].read(ALL, Instant::now()).unwrap().unwrap();
    fixture.readers[0].ack(batch.end, Instant::now());
    fixture.close();
    let limits = Limits::of(&fixture.settings);
    Store::open(&fixture.path(), &[], &limits).unwrap().0.drop_meta_for_test();
    fixture.open();
    let again = fixture.readers[0].read(ALL, Instant::now()).unwrap().unwrap();
    assert_eq!((ids(&again), dropped(&fixture)), ((0..12).collect(), 0));
    fixture.append(push(12, 1), 0);
    fixture.reopen();
    assert_eq!(fixture.backlog(0).records, 13);
}

#[test]
fn a_record_of_a_later_version_is_passed_over() {
    let mut fixture = two_intervals();
    overwrite(&fixture, 5, |record| record[0] = 2);
    assert_eq!(
        ids(&fixture.readers[0].read(ALL, Instant::now()).unwrap().unwrap()),
        [0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11]
    );
    assert_eq!(dropped(&fixture), 15);
}

/// A byte changed in a table file: RocksDB finds the block corrupt, the records of other blocks are read.
#[test]
fn a_damaged_block_costs_its_records_and_the_rest_of_their_interval() {
    let mut fixture = Fixture::new(&["a"], 16 * MIB);
    let count = 400;
    for id in 0..count {
        fixture.append(noise(id, 1_000), 0);
    }
    fixture.close();
    let mut tables: Vec<_> = fs::read_dir(fixture.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "sst"))
        .collect();
    tables.sort_by_key(|path| std::cmp::Reverse(fs::metadata(path).unwrap().len()));
    let mut bytes = fs::read(&tables[0]).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    fs::write(&tables[0], bytes).unwrap();
    fixture.open();
    let mut read = 0;
    while let Some(batch) = fixture.readers[0].read(ReadLimit { records: 50, ..ALL }, Instant::now()).unwrap()
    {
        assert_holds(&batch, ids(&batch).into_iter().map(|id| noise(id, 1_000)));
        read += batch.records;
        fixture.readers[0].ack(batch.end, Instant::now());
    }
    let lost = count - read;
    // A block holds eight of these records, an interval of theirs 32.
    assert!(lost > 0 && lost <= 40, "{lost} records of {count} were lost");
    assert_eq!(dropped(&fixture), lost * 1_000);
    assert_eq!(fixture.backlog(0).records, 0);
}

/// A log cut short: what a power cut leaves of a commit that was not answered.
#[test]
fn a_torn_tail_opens_with_everything_before_it() {
    let mut fixture = Fixture::new(&["a"], 64 * MIB);
    let mut end = Vec::new();
    for id in 0..50 {
        // As it was before the last commit.
        end = fs::read(fixture.path().join("END")).unwrap();
        fixture.append(noise(id, 100), 0);
    }
    fixture.close();
    let log = fs::read_dir(fixture.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "log"))
        .max_by_key(|path| fs::metadata(path).unwrap().len())
        .unwrap();
    let length = fs::metadata(&log).unwrap().len();
    fs::OpenOptions::new().write(true).open(&log).unwrap().set_len(length - 500).unwrap();
    fs::write(fixture.path().join("END"), end).unwrap();
    fixture.open();
    let batch = fixture.readers[0].read(ALL, Instant::now()).unwrap().unwrap();
    assert_eq!(ids(&batch), (0..49).collect::<Vec<_>>());
    assert_eq!((fixture.append(push(49, 1), 0), dropped(&fixture)), (49, 0));
}

/// The same of a commit that was answered: the log reached further, and what is missing is counted.
#[test]
fn a_log_that_lost_its_end_opens_and_counts_it() {
    let mut fixture = Fixture::new(&["a"], 64 * MIB);
    (0..50).for_each(|id| assert_eq!(fixture.append(noise(id, 100), 0), id));
    fixture.close();
    let entries = fs::read_dir(fixture.path()).unwrap().map(|entry| entry.unwrap().path());
    let logs = entries.filter(|path| path.extension().is_some_and(|extension| extension == "log"));
    let log = logs.max_by_key(|path| fs::metadata(path).unwrap().len()).unwrap();
    let length = fs::metadata(&log).unwrap().len();
    fs::OpenOptions::new().write(true).open(&log).unwrap().set_len(length - 500).unwrap();
    fixture.open();
    let batch = fixture.readers[0].read(ALL, Instant::now()).unwrap().unwrap();
    assert_eq!((ids(&batch), batch.end), ((0..49).collect(), 50));
    assert_eq!((fixture.append(push(50, 1), 0), dropped(&fixture)), (50, 100));
}

#[test]
fn a_folder_that_is_no_queue_is_left_alone() {
    let mut fixture = Fixture::new(&["a"], 64 * MIB);
    fixture.close();
    let elsewhere = tempfile::tempdir().unwrap();
    fs::create_dir(elsewhere.path().join("queue")).unwrap();
    let file = elsewhere.path().join("queue/notes.txt");
    fs::write(&file, "mine").unwrap();
    fixture.folder = elsewhere;
    let error = fixture.try_open().err().unwrap();
    assert!(matches!(error, OpenError::Foreign { .. }), "{error}");
    assert_eq!(fs::read(file).unwrap(), b"mine");
}

#[test]
fn a_store_without_its_manifest_is_refused_and_not_made_anew() {
    let mut fixture = Fixture::new(&["a"], 64 * MIB);
    fixture.append(push(0, 1), 0);
    fixture.close();
    let before = |fixture: &Fixture| {
        let mut names: Vec<_> =
            fs::read_dir(fixture.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    for entry in fs::read_dir(fixture.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap().to_string_lossy().starts_with("MANIFEST") {
            fs::remove_file(path).unwrap();
        }
    }
    let names = before(&fixture);
    let error = fixture.try_open().err().unwrap();
    assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
    assert_eq!(before(&fixture), names, "nothing was deleted or added");
}

#[test]
fn a_store_without_its_first_file_is_refused() {
    let mut fixture = Fixture::new(&["a"], 64 * MIB);
    fixture.append(push(0, 1), 0);
    fixture.close();
    fs::remove_file(fixture.path().join("CURRENT")).unwrap();
    let error = fixture.try_open().err().unwrap();
    assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
    assert!(error.to_string().contains("CURRENT is missing"), "{error}");
}

#[test]
fn a_later_format_is_refused_by_its_number() {
    let mut fixture = Fixture::new(&["a"], 64 * MIB);
    let store = fixture.queue().store.clone();
    store.put_format_for_test(9);
    drop(store);
    fixture.close();
    let error = fixture.try_open().err().unwrap();
    assert!(matches!(error, OpenError::Version { found: 9, .. }), "{error}");
}

#[test]
fn a_first_start_that_was_cut_off_is_made_good_by_the_next_and_takes_nothing_of_others_with_it() {
    let mut fixture = Fixture::new(&["a"], 64 * MIB);
    fixture.close();
    // The marker stands until the store is whole; what was there by then is worth nothing.
    fs::remove_file(fixture.path().join("CURRENT")).unwrap();
    fs::write(fixture.path().join("000000.dbtmp"), "half").unwrap();
    fs::write(fixture.path().join("UNFINISHED"), "").unwrap();
    fixture.open();
    assert!(!fixture.path().join("UNFINISHED").exists());
    fixture.append(push(0, 1), 0);
    fixture.reopen();
    assert_eq!(ids(&fixture.readers[0].read(ALL, Instant::now()).unwrap().unwrap()), [0]);
    fixture.close();
    let notes = fixture.path().join("notes.txt");
    fs::write(&notes, "mine").unwrap();
    fs::write(fixture.path().join("UNFINISHED"), "").unwrap();
    assert!(fixture.try_open().is_err());
    assert_eq!(fs::read(notes).unwrap(), b"mine");
}
