//! A store copied from a running agent, broken in every way that a disk or a person can break it: it opens, gives back
//! every record that is left, counts what is not, and goes on. What does not open is left as it is, and a repair brings
//! all of it back.

use super::*;
use crate::queue::store::entries_for_test;
use crate::queue::survey::{SurveyError, survey};
use crate::telemetry::metrics::UpstreamReasonLabel;
use std::collections::BTreeMap;
use std::fs;

/// Enough for two tables and a log, in records that do not pack.
const RECORDS: u64 = 80;
const SAMPLES: usize = 2_000;
/// Records that depend on one another, at most.
const INTERVAL: u64 = 32;

/// What is done to one file.
#[derive(Debug, Clone, Copy)]
enum Harm {
    Flip { at: u64, bit: u8 },
    Truncate(u64),
    Remove,
}

/// A copy of the folder as an agent that was killed at this moment would leave it.
fn copied() -> TempDir {
    let fixture = Fixture::new(&["a"], 16 * MIB);
    for id in 0..RECORDS {
        fixture.append(noise(id, SAMPLES), id as i64);
    }
    let copy = tempfile::tempdir().unwrap();
    copy_folder(&fixture.path(), &copy.path().join("queue")).unwrap();
    copy
}

pub(super) fn copy_folder(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        fs::copy(entry.path(), to.join(entry.file_name()))?;
    }
    Ok(())
}

pub(super) fn content(folder: &std::path::Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let file =
        |entry: fs::DirEntry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap());
    // The lock says nothing of what is stored.
    entries.map(file).filter(|(name, _)| name != "LOCK").collect()
}

/// A fixture over a copy of `folder`, not opened yet.
fn over(folder: &TempDir) -> Fixture {
    let mut fixture = Fixture::new(&["a"], 16 * MIB);
    fixture.close();
    fs::remove_dir_all(fixture.path()).unwrap();
    copy_folder(&folder.path().join("queue"), &fixture.path()).unwrap();
    fixture
}

fn harm(path: &std::path::Path, harm: Harm) {
    match harm {
        Harm::Flip { at, bit } => {
            let mut bytes = fs::read(path).unwrap();
            bytes[at as usize] ^= 1 << bit;
            fs::write(path, bytes).unwrap();
        }
        Harm::Truncate(length) => {
            fs::OpenOptions::new().write(true).open(path).unwrap().set_len(length).unwrap()
        }
        Harm::Remove => fs::remove_file(path).unwrap(),
    }
}

/// Bits flipped in each file; `PMM_BUFFER_DAMAGE_FLIPS` sets another number.
fn flips() -> u64 {
    std::env::var("PMM_BUFFER_DAMAGE_FLIPS").ok().and_then(|flips| flips.parse().ok()).unwrap_or(10)
}

/// `flips` flipped bits, spread evenly over the file, some truncations, and the loss of the file.
fn harms(length: u64, flips: u64) -> Vec<Harm> {
    let step = (length / flips).max(1);
    let flipped = (0..length).step_by(step as usize).map(|at| Harm::Flip { at, bit: (at / step % 8) as u8 });
    let cut = [0, length / 3, length / 2, length - length.min(9), length - length.min(1)].map(Harm::Truncate);
    flipped.chain(cut).chain([Harm::Remove]).collect()
}

/// Flips near the end of a list of files: what is wrong there can look like a write that was cut off, where it hits the
/// length of an entry. All of them with a hundred flips a file and more, else one in so many.
fn harms_of_the_end(length: u64) -> impl Iterator<Item = Harm> {
    let step = if flips() >= 100 { 1 } else { 71 };
    let bits = (length.saturating_sub(160) * 8..length * 8).step_by(step);
    bits.map(|bit| Harm::Flip { at: bit / 8, bit: (bit % 8) as u8 })
}

/// Flips in the heads of the first, the middle and the last entry of a log or a list of files, which say where the others are.
/// All of them with a hundred flips a file and more, else one in so many.
fn harms_of_heads(name: &str, path: &Path) -> Vec<Harm> {
    const HEAD: u64 = 7;
    if !name.ends_with(".log") && !name.starts_with("MANIFEST") {
        return Vec::new();
    }
    let entries = entries_for_test(&fs::read(path).unwrap());
    let step = if flips() >= 100 { 1 } else { 23 };
    let places = [entries[0], entries[entries.len() / 2], entries[entries.len() - 1]];
    let bits = places.into_iter().flat_map(|at| at as u64 * 8..(at as u64 + HEAD) * 8).step_by(step);
    bits.map(|bit| Harm::Flip { at: bit / 8, bit: (bit % 8) as u8 }).collect()
}

/// What `queue verify` makes of a store before it is opened: the samples that it finds lost, none where it cannot look.
/// Nothing in the folder changes.
fn look(fixture: &Fixture, what: &str) -> Option<u64> {
    let before = content(&fixture.path());
    let seen = survey(&fixture.path(), |_, _| ());
    assert!(content(&fixture.path()) == before, "{what}: the survey changed something");
    match seen {
        Ok(seen) => Some(seen.samples_lost()),
        Err(SurveyError::Open(OpenError::LostLog { .. } | OpenError::Damaged { .. })) => None,
        Err(error) => panic!("{what}: {error}"),
    }
}

/// What a store gave back.
struct Outcome {
    read: Vec<u64>,
    dropped: u64,
}

/// Reads an open store to its end, record by record; whatever comes is what was written.
fn read_all(fixture: &mut Fixture) -> Outcome {
    let mut read = Vec::new();
    while let Some(batch) = fixture.readers[0].read(ReadLimit { records: 8, ..ALL }, Instant::now()).unwrap()
    {
        let found = ids(&batch);
        assert_holds(&batch, found.iter().map(|id| noise(*id, SAMPLES)));
        read.extend(found);
        fixture.readers[0].ack(batch.end, Instant::now());
    }
    let label = UpstreamReasonLabel { upstream: "a".into(), reason: "damaged" };
    let dropped = fixture.metrics.samples_dropped.get(&label).map_or(0, |counter| counter.get());
    assert!(read.is_sorted(), "{read:?}");
    assert_eq!(fixture.backlog(0).records, 0);
    Outcome { read, dropped: dropped / SAMPLES as u64 }
}

/// It accepts, and what it accepts it gives back, now and after a restart.
fn goes_on(fixture: &mut Fixture, what: &str) {
    fixture.append(noise(1_000, SAMPLES), 0);
    let mut ids_read = read_all(fixture).read;
    assert_eq!(ids_read, [1_000], "{what}");
    fixture.append(noise(1_001, SAMPLES), 0);
    fixture.reopen();
    ids_read = read_all(fixture).read;
    assert_eq!(ids_read, [1_001], "{what}");
}

/// What is missing is counted.
fn assert_accounted(outcome: &Outcome, what: &str) -> u64 {
    let lost = RECORDS - outcome.read.len() as u64;
    assert_eq!(lost, outcome.dropped, "{what}: lost and counted");
    lost
}

#[test]
fn any_damage_of_tables_and_log_costs_what_it_touches_and_is_counted() {
    let folder = copied();
    let names: Vec<_> = content(&folder.path().join("queue")).into_keys().collect();
    assert!(names.iter().filter(|name| name.ends_with(".sst")).count() >= 3, "{names:?}");
    let (mut cases, mut unseen) = (0, 0);
    for name in names.iter().filter(|name| !name.starts_with("MANIFEST") && *name != "CURRENT") {
        let path = folder.path().join("queue").join(name);
        let length = fs::metadata(&path).unwrap().len();
        for case in harms(length, flips()).into_iter().chain(harms_of_heads(name, &path)) {
            let what = format!("{name}: {case:?}");
            let mut fixture = over(&folder);
            harm(&fixture.path().join(name), case);
            let foreseen = look(&fixture, &what);
            match fixture.try_open() {
                Ok(queue) => queue.close(),
                Err(error) => panic!("{what}: {error}"),
            }
            match fixture.try_open() {
                Ok(queue) => queue.close(),
                Err(error) => panic!("{what}, opened again: {error}"),
            }
            fixture.open();
            let outcome = read_all(&mut fixture);
            match foreseen {
                Some(lost) => {
                    assert_eq!(lost, outcome.dropped * SAMPLES as u64, "{what}: not what was foreseen")
                }
                None => unseen += 1,
            }
            let lost = assert_accounted(&outcome, &what);
            if let Harm::Flip { .. } = case {
                let most = if name.ends_with(".sst") || name.ends_with(".log") { INTERVAL + 8 } else { 0 };
                assert!(lost <= most || name.ends_with(".sst"), "{what}: {lost} records were lost");
            }
            goes_on(&mut fixture, &what);
            cases += 1;
        }
    }
    assert!(cases > 60 && unseen < cases / 10, "{cases} cases, of which {unseen} could not be looked at");
}

/// The key that is no record's: it stands in a table of its own, where whatever looks behind the last record comes by.
#[test]
fn damage_to_the_anchor_costs_nothing_and_is_mended_by_the_start_that_meets_it() {
    let mut fixture = Fixture::new(&["a"], 16 * MIB);
    for id in 0..RECORDS {
        fixture.append(noise(id, SAMPLES), id as i64);
    }
    let name = fixture.queue().store.anchor_table_for_test();
    let folder = tempfile::tempdir().unwrap();
    copy_folder(&fixture.path(), &folder.path().join("queue")).unwrap();
    fixture.close();
    let length = fs::metadata(folder.path().join("queue").join(&name)).unwrap().len();
    for case in harms(length, 4 * flips()) {
        let what = format!("{name}: {case:?}");
        let mut fixture = over(&folder);
        harm(&fixture.path().join(&name), case);
        assert!(look(&fixture, &what).is_none_or(|lost| lost == 0), "{what}");
        fixture.open();
        fixture.append(noise(RECORDS, SAMPLES), 0);
        fixture.reopen();
        assert_eq!(read_all(&mut fixture).read, (0..=RECORDS).collect::<Vec<_>>(), "{what}");
        fixture.queue().store.anchor_table_for_test();
        fixture.close();
        assert!(survey(&fixture.path(), |_, _| ()).unwrap().is_sound(), "{what}: not mended");
    }
}

#[test]
fn a_damaged_list_of_files_that_is_refused_can_be_repaired_without_loss() {
    let folder = copied();
    let names: Vec<_> = content(&folder.path().join("queue")).into_keys().collect();
    let mut refused = 0;
    for name in names.iter().filter(|name| name.starts_with("MANIFEST") || *name == "CURRENT") {
        let path = folder.path().join("queue").join(name);
        let length = fs::metadata(&path).unwrap().len();
        let cases = harms(length, flips() + 2).into_iter().chain(harms_of_the_end(length));
        for case in cases.chain(harms_of_heads(name, &path)) {
            let what = format!("{name}: {case:?}");
            let mut fixture = over(&folder);
            harm(&fixture.path().join(name), case);
            look(&fixture, &what);
            let before = content(&fixture.path());
            match fixture.try_open() {
                Ok(queue) => queue.close(),
                Err(OpenError::Damaged { path, .. }) => {
                    refused += 1;
                    assert_eq!(path, fixture.path());
                    assert_eq!(content(&fixture.path()), before, "{what}: nothing was deleted or added");
                    repair(&path).unwrap_or_else(|error| panic!("{what}: {error}"));
                }
                Err(error) => panic!("{what}: {error}"),
            }
            fixture.open();
            let outcome = read_all(&mut fixture);
            assert_eq!(assert_accounted(&outcome, &what), 0, "{what}: records were lost");
            goes_on(&mut fixture, &what);
        }
    }
    assert!(refused > 10, "{refused} cases");
}

/// A type that says the file was recycled: RocksDB's reader would stay there for ever, or pass over the whole file.
#[test]
fn a_flipped_bit_in_the_type_of_an_entry_is_put_right() {
    const TYPE_AT: usize = 6;
    const LAST: u8 = 4;
    let folder = copied();
    let files = content(&folder.path().join("queue"));
    let read = |name: &str| name.starts_with("MANIFEST") || name.ends_with(".log");
    for (name, bytes) in files.iter().filter(|(name, _)| read(name)) {
        let entries = entries_for_test(bytes);
        for at in [entries[0], entries[entries.len() / 2], entries[entries.len() - 1]] {
            let what = format!("{name}: the entry at {at}");
            let mut fixture = over(&folder);
            // Whole records, first and middle parts become those of a recycled log by this bit, the last part of one by another.
            let bit = if bytes[at + TYPE_AT] == LAST { 0 } else { 2 };
            harm(&fixture.path().join(name), Harm::Flip { at: (at + TYPE_AT) as u64, bit });
            assert_eq!(look(&fixture, &what), None, "{what}: it can only be looked at once it is mended");
            if name.ends_with(".log") {
                let broken = tempfile::tempdir().unwrap();
                copy_folder(&fixture.path(), &broken.path().join("queue")).unwrap();
                repair(&broken.path().join("queue")).unwrap();
            }
            fixture.open();
            assert_eq!(read_all(&mut fixture).read, (0..RECORDS).collect::<Vec<_>>(), "{what}");
            goes_on(&mut fixture, &what);
        }
    }
}

#[test]
fn files_that_do_not_belong_there_change_nothing() {
    let folder = copied();
    for name in ["notes.txt", "000999.sst", "000999.log", "999999.dbtmp", "MANIFEST-000999", ".hidden"] {
        let mut fixture = over(&folder);
        fs::write(fixture.path().join(name), b"junk that nobody of us wrote".repeat(9)).unwrap();
        fixture.open();
        let outcome = read_all(&mut fixture);
        assert_eq!(outcome.read, (0..RECORDS).collect::<Vec<_>>(), "{name}");
        goes_on(&mut fixture, name);
    }
}
