//! What `queue inspect` and `queue verify` see.

use super::damage::overwrite;
use super::matrix::content;
use super::*;
use crate::queue::survey::{Loss, Survey, survey};

/// Twelve records in two segments, of which upstream `a` has settled the first two; record `id` has `10 + id` samples and
/// came at `1000 · id`.
fn twelve() -> Fixture {
    let mut fixture = Fixture::new(&["a", "b"], 64 * MIB);
    for id in 0..12 {
        if id == 6 {
            fixture.reopen();
        }
        fixture.append(push(id, 10 + id as usize), 1_000 * id as i64);
    }
    fixture.readers[0].read(ALL).unwrap();
    fixture.readers[0].ack(2, Instant::now());
    fixture
}

fn look(fixture: &Fixture) -> Survey {
    survey(&fixture.path(), |read, total| assert!(read <= total, "{read} of {total}")).unwrap()
}

#[test]
fn it_sees_what_a_running_agent_has_and_changes_nothing() {
    let fixture = twelve();
    until("the ack on disk", || look(&fixture).upstreams[0].acked == 2);
    let (before, seen) = (content(&fixture.path()), look(&fixture));
    assert_eq!(content(&fixture.path()), before);
    assert!(seen.is_sound(), "{seen:?}");
    let samples: u64 = (0..12).map(|id| 10 + id).sum();
    let total = seen.total;
    assert_eq!(
        (total.first, total.end, total.records, total.samples, total.series),
        (0, 12, 12, samples, 12)
    );
    assert_eq!((total.first_accepted_ms, total.last_accepted_ms), (0, 11_000));
    assert_eq!(total.bytes, fixture.queue().view().backlog("b").unwrap().1.bytes);
    let segments: Vec<_> =
        seen.segments.iter().map(|s| (s.first, s.end, s.series, s.first_accepted_ms)).collect();
    assert_eq!(segments, [(0, 6, 6, 0), (6, 12, 6, 6_000)]);
    // The other one has never settled anything: the store does not know of it yet.
    let [upstream] = &seen.upstreams[..] else { panic!("{:?}", seen.upstreams) };
    let backlog = fixture.backlog(0);
    let waiting = (upstream.backlog_records, upstream.backlog_samples, upstream.backlog_bytes);
    assert_eq!(waiting, (backlog.records, backlog.samples, backlog.bytes));
}

#[test]
fn it_leaves_no_trace_in_a_folder_that_nobody_uses() {
    let mut fixture = twelve();
    fixture.close();
    let listing = || {
        let entries = std::fs::read_dir(fixture.path()).unwrap().map(|entry| entry.unwrap());
        let mut files: Vec<_> = entries
            .map(|entry| {
                (
                    entry.file_name(),
                    entry.metadata().unwrap().modified().unwrap(),
                    std::fs::read(entry.path()).unwrap(),
                )
            })
            .collect();
        files.sort();
        files
    };
    let before = listing();
    assert!(look(&fixture).is_sound());
    assert!(listing() == before, "something in the folder changed");
}

#[test]
fn what_it_finds_lost_is_what_a_delivery_misses_with_its_place_and_time() {
    let mut fixture = twelve();
    overwrite(&fixture, 2, |record| *record.last_mut().unwrap() ^= 1);
    overwrite(&fixture, 11, |record| record.truncate(3));
    let seen = look(&fixture);
    let found: Vec<_> =
        seen.losses.iter().map(|loss| (loss.first, loss.end, loss.from_ms, loss.to_ms)).collect();
    // The first interval is lost from its third record to its end, the second one lost its last.
    assert_eq!(found, [(2, 6, 1_000, 5_000), (11, 12, 10_000, 11_000)]);
    assert!(seen.losses[0].cause.contains("checksum") && !seen.is_sound(), "{seen:?}");
    fixture.readers[1].read(ALL).unwrap().unwrap();
    let label = crate::telemetry::metrics::UpstreamReasonLabel { upstream: "b".into(), reason: "damaged" };
    let dropped = fixture.metrics.samples_dropped.get(&label).unwrap().get();
    assert_eq!(seen.samples_lost(), dropped);
    // Only what reads has series that can be told apart.
    assert_eq!(seen.total.series, 7);
}

#[test]
fn a_loss_that_no_single_read_sees_whole_is_one() {
    let fixture = Fixture::new(&["a"], 64 * MIB);
    for id in 0..600 {
        fixture.append(push(id, 1), id as i64);
    }
    for id in 10..590 {
        overwrite(&fixture, id, |record| record.truncate(3));
    }
    let losses = look(&fixture).losses;
    // Behind the damage nothing reads up to the next restart point, if there is one.
    let [Loss { first: 10, end, samples, from_ms: 9, .. }] = &losses[..] else { panic!("{losses:?}") };
    assert!((590..=600).contains(end) && *samples == end - 10, "{losses:?}");
}

#[test]
fn a_folder_without_a_queue_is_told_from_one_that_is_damaged() {
    let elsewhere = tempfile::tempdir().unwrap();
    let missing = elsewhere.path().join("nothing");
    let told = |path: &Path| survey(path, |_, _| ()).unwrap_err().to_string();
    assert!(told(&missing).starts_with("cannot use "), "{}", told(&missing));
    assert!(!missing.exists());
    assert!(told(elsewhere.path()).contains("no queue"), "{}", told(elsewhere.path()));
    let mut fixture = twelve();
    fixture.close();
    std::fs::remove_file(fixture.path().join("CURRENT")).unwrap();
    assert!(told(&fixture.path()).contains("damaged"), "{}", told(&fixture.path()));
}
