//! Captures in each form, and their hosts.

use super::*;
use crate::harness::{HostLoad, LoadSource, LoadSpec, pack};
use std::collections::HashSet;

const NOW_MS: i64 = 1_700_000_000_000;

fn section(labels: &[(&str, &str)]) -> Vec<u8> {
    let mut section = Vec::new();
    labels
        .iter()
        .for_each(|(name, value)| wire::append_label(&mut section, name.as_bytes(), value.as_bytes()));
    section
}

/// A series with its samples, as value and time.
type Sampled<'a> = (&'a [u8], &'a [(f64, i64)]);

fn push(series: &[Sampled<'_>]) -> Push {
    let mut push = PushBuilder::default();
    for (labels, samples) in series {
        let labels = push.store(labels);
        samples
            .iter()
            .for_each(|(value, timestamp)| push.sample(Sample { value: *value, timestamp: *timestamp }));
        push.series(labels, Span::default());
    }
    push.finish()
}

fn times(push: &Push) -> Vec<Vec<i64>> {
    push.series().map(|series| series.samples.iter().map(|sample| sample.timestamp).collect()).collect()
}

fn with_lengths(bodies: &[Push]) -> Vec<u8> {
    let mut file = Vec::new();
    for push in bodies {
        let mut body = Vec::new();
        wire::encode(push, &mut body);
        file.extend((body.len() as u32).to_le_bytes());
        file.extend(body);
    }
    file
}

fn scrapes() -> Vec<Push> {
    let mut host = HostLoad::new(1, 0, 40);
    (0..3).map(|scrape| host.scrape(NOW_MS + scrape * 5_000)).collect()
}

#[test]
fn every_form_of_a_capture_gives_its_bodies() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = |name: &str| folder.path().join(name);
    let scrapes = scrapes();
    let plain = with_lengths(&scrapes);
    fs::write(path("plain"), &plain).expect("written");
    fs::write(path("packed.zst"), zstd::encode_all(plain.as_slice(), 1).expect("in memory"))
        .expect("written");
    let mut body = Vec::new();
    wire::encode(&scrapes[0], &mut body);
    fs::create_dir(path("bodies")).expect("made");
    fs::write(path("bodies/1"), pack(&scrapes[0])).expect("written");
    fs::write(path("bodies/2"), zstd::encode_all(body.as_slice(), 1).expect("in memory")).expect("written");
    for (name, bodies) in [("plain", 3), ("packed.zst", 3), ("bodies/1", 1), ("bodies/2", 1), ("bodies", 2)] {
        let capture = Capture::read(&path(name)).expect(name);
        let found = (capture.bodies(), capture.samples(), capture.series());
        assert_eq!(found, (bodies, bodies as u64 * 40, 40), "{name}");
    }
}

#[test]
fn the_captures_of_real_exporters_can_be_replayed() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/captures");
    let capture = Capture::read(&folder.join("node_exporter.zst")).expect("it is in the repository");
    assert_eq!(capture.bodies(), 48);
    assert!(capture.series() >= 507);
}

#[test]
fn what_is_no_capture_is_refused_with_its_path_and_what_it_has_to_be() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("text");
    let refused = |bytes: &[u8]| {
        fs::write(&file, bytes).expect("written");
        Capture::read(&file).expect_err("no capture").to_string()
    };
    let error = refused(b"some text of some length");
    assert!(error.contains("text is no capture") && error.contains("remote-write 1.0 body"), "{error}");
    let error = refused(&with_lengths(&[push(&[(b"\x0a\x01\xff", &[(1.0, 1)])])]));
    assert!(error.contains("a label is no text"), "{error}");
    let error = refused(&with_lengths(&[push(&[(&section(&[("a", "b")]), &[(f64::NAN, 1)])])]));
    assert!(error.contains("holds no sample that is a number"), "{error}");
    let error = Capture::read(&folder.path().join("missing")).expect_err("nothing there").to_string();
    assert!(error.contains("cannot read the capture") && error.contains("missing"), "{error}");
}

#[test]
fn times_are_those_of_the_scrapes_and_always_increase() {
    let (one, other) = (section(&[("a", "1")]), section(&[("a", "2")]));
    let capture = Arc::new(Capture::of(&[
        push(&[(&one, &[(1.0, 1_000), (2.0, 2_000)]), (&other, &[(3.0, 1_500)])]),
        // Came earlier than it belongs.
        push(&[(&one, &[(4.0, 500)])]),
    ]));
    let mut host = Replayed::new(&capture, 0);
    assert_eq!(times(&host.request(10_000)), [vec![9_000, 10_000], vec![9_500]]);
    assert_eq!(times(&host.request(10_001)), [vec![10_001]]);
    // Begun anew, with less time between than the samples of the body are apart.
    assert_eq!(times(&host.request(10_100)), [vec![10_002, 10_100], vec![9_600]]);
}

#[test]
fn series_of_each_host_are_its_own_and_their_labels_sorted() {
    let pmm = section(&[("__name__", "up"), ("node_id", "n"), ("node_name", "db")]);
    let bare = section(&[("__name__", "up"), ("zone", "a")]);
    let capture = Arc::new(Capture::of(&[push(&[(&pmm, &[(1.0, 1)]), (&bare, &[(1.0, 1)])])]));
    let spec = LoadSpec { source: LoadSource::Replay(capture), hosts: 3, seed: 0 };
    let mut seen = HashSet::new();
    for mut host in spec.build() {
        for series in host.scrape(NOW_MS).series() {
            let names: Vec<_> = wire::labels(series.labels).map(|label| label.expect("sound").name).collect();
            assert!(names.is_sorted());
            assert!(seen.insert(series.labels.to_vec()));
        }
    }
    assert!(seen.contains(&section(&[("__name__", "up"), ("instance", "replay-0001"), ("zone", "a")])));
    assert_eq!(seen.len(), 6);
}

#[test]
fn values_are_rounded_to_what_every_format_carries() {
    assert_eq!(tame(0.1 + 0.2), Some(0.3));
    assert_eq!((tame(f64::NAN), tame(f64::INFINITY)), (None, None));
    assert_eq!(tame(-0.0).map(f64::to_bits), Some(0));
    assert_eq!((tame(1e-9), tame(4e18), tame(-123.25)), (Some(0.0), Some(0.0), Some(-123.25)));
}
