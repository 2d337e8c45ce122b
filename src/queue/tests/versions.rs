//! A store of each version of the format, made once and kept in the repository: it opens for ever, and gives back what was
//! put in. With a new version comes a store of its own, and the old ones stay.

use super::matrix::copy_folder;
use super::*;
use crate::proto;
use prost::Message;
use prost::encoding::string;
use std::fs;
use std::path::Path;

/// Records of the store, and how many of them its upstream had settled.
const RECORDS: u64 = 24;
const SETTLED: u64 = 5;
/// The agent was started again before this one: a segment of its own, a table and a log.
const RESTARTED_BEFORE: u64 = 14;
const FIRST_MS: i64 = 1_767_225_600_000;
const UPSTREAM: &str = "pmm";

fn accepted_ms(number: u64) -> i64 {
    FIRST_MS + number as i64 * 5_000
}

/// A store in the repository.
fn fixture_folder(version: u8) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/store-v{version}"))
}

/// Scrape `number` of a host, with a bit of everything that a push can hold. Depends on nothing that may change.
fn scrape(number: u64) -> Push {
    let mut timeseries: Vec<_> = (0..20).map(|series| float_series(series, number)).collect();
    timeseries.push(histogram_series(number));
    let help = |name: &str| proto::MetricMetadata {
        r#type: 1,
        metric_family_name: name.into(),
        help: "What the fixture counts.".into(),
        unit: "bytes".into(),
    };
    let metadata =
        if number.is_multiple_of(8) { vec![help("counter_0"), help("gauge_1")] } else { Vec::new() };
    let mut body = proto::WriteRequest { timeseries, metadata }.encode_to_vec();
    if number == 3 {
        string::encode(99, &"a field of the request that no version knows".to_owned(), &mut body);
    }
    if number == 16 {
        add_series_of_the_future(&mut body, number);
    }
    wire::decode(body).unwrap()
}

fn labels(name: String) -> Vec<proto::Label> {
    let pairs = [
        ("__name__", name),
        ("instance", "7d8f3b0a-5c1e-4f0b-9a57-1f6a0c3e2b11".into()),
        ("node_name", "db-host-01".into()),
    ];
    pairs.map(|(name, value)| proto::Label { name: name.into(), value }).into()
}

/// Counters, decimals, doubles that are no decimal numbers, and what is no number at all.
fn float_series(series: u64, number: u64) -> proto::TimeSeries {
    let stale = f64::from_bits(0x7ff0_0000_0000_0002);
    let value = match series % 5 {
        0 => (1_000 * series + 37 * number) as f64,
        1 => (173 + number) as f64 / 10.0,
        2 => 1.0 / (number + 3) as f64,
        3 if number == 20 => stale,
        3 => (1u64 << (2 * number)) as f64,
        _ => [f64::INFINITY, f64::NEG_INFINITY, f64::NAN, 5e-324, f64::MAX, -1.5][number as usize % 6],
    };
    let name = format!("{}_{series}", if series.is_multiple_of(5) { "counter" } else { "gauge" });
    let sample = |value, before| proto::Sample { value, timestamp: accepted_ms(number) - before };
    let samples =
        if series == 7 { vec![sample(0.5, 900), sample(value, 40)] } else { vec![sample(value, 40)] };
    let exemplar = proto::Exemplar {
        labels: vec![proto::Label { name: "trace_id".into(), value: format!("{number:032x}") }],
        value: 0.25,
        timestamp: accepted_ms(number) - 50,
    };
    let exemplars = if series == 0 { vec![exemplar] } else { Vec::new() };
    proto::TimeSeries { labels: labels(name), samples, exemplars, histograms: Vec::new() }
}

/// A native histogram.
fn histogram_series(number: u64) -> proto::TimeSeries {
    let histogram = proto::Histogram {
        count: Some(proto::histogram::Count::CountInt(10 + number)),
        sum: 1.5 * number as f64,
        schema: 3,
        zero_threshold: 2.938_735_877_055_719e-39,
        zero_count: Some(proto::histogram::ZeroCount::ZeroCountInt(1)),
        positive_spans: vec![
            proto::BucketSpan { offset: -2, length: 2 },
            proto::BucketSpan { offset: 4, length: 1 },
        ],
        positive_deltas: vec![3, -1, number as i64],
        timestamp: accepted_ms(number) - 40,
        ..Default::default()
    };
    proto::TimeSeries {
        labels: labels("request_seconds".into()),
        samples: Vec::new(),
        exemplars: Vec::new(),
        histograms: vec![histogram],
    }
}

/// A series with a field that no version knows, and so has one of its samples.
fn add_series_of_the_future(body: &mut Vec<u8>, number: u64) {
    let plain = proto::Sample { value: 2.0, timestamp: accepted_ms(number) - 30 };
    let mut odd = proto::Sample { value: 3.0, timestamp: accepted_ms(number) - 20 }.encode_to_vec();
    string::encode(9, &"a field of the sample".to_owned(), &mut odd);
    let mut series = proto::TimeSeries {
        labels: labels("from_the_future".into()),
        samples: vec![plain],
        ..proto::TimeSeries::default()
    }
    .encode_to_vec();
    prost::encoding::bytes::encode(2, &odd, &mut series);
    string::encode(77, &"a field of the series".to_owned(), &mut series);
    prost::encoding::bytes::encode(1, &series, body);
}

/// Makes the store of this version. Run once when the format gets a new version, on a host whose name may be seen: RocksDB
/// writes it into its tables. CONTRIBUTING.md has the command.
#[test]
#[ignore = "makes a file of the repository, once for each version of the format"]
fn make_the_store_of_this_version() {
    let folder = fixture_folder(1);
    assert!(!folder.exists(), "{} is there: it stays as it is for ever", folder.display());
    let mut fixture = Fixture::new(&[UPSTREAM], 64 * MIB);
    for number in 0..RECORDS {
        if number == RESTARTED_BEFORE {
            fixture.reopen();
        }
        fixture.append(scrape(number), accepted_ms(number));
    }
    fixture.readers[0].read(ReadLimit { records: SETTLED, ..ALL }, Instant::now()).unwrap().unwrap();
    fixture.readers[0].ack(SETTLED, Instant::now());
    fixture.close();
    fs::create_dir_all(folder.parent().unwrap()).unwrap();
    copy_folder(&fixture.path(), &folder).unwrap();
    // Neither is needed to open it, and both name the host and its folders.
    for entry in fs::read_dir(&folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if ["LOCK", "OPTIONS"].iter().any(|start| name.starts_with(start)) {
            fs::remove_file(entry.path()).unwrap();
        }
    }
}

#[test]
fn a_store_of_every_version_opens_and_gives_back_what_was_put_in() {
    let version = 1;
    let mut fixture = Fixture::new(&[UPSTREAM], 64 * MIB);
    fixture.close();
    fs::remove_dir_all(fixture.path()).unwrap();
    copy_folder(&fixture_folder(version), &fixture.path()).unwrap();
    fixture.open();
    let backlog = fixture.backlog(0);
    assert_eq!(
        (backlog.records, backlog.oldest_accepted_ms),
        (RECORDS - SETTLED, Some(accepted_ms(SETTLED)))
    );
    for number in SETTLED..RECORDS {
        let batch =
            fixture.readers[0].read(ReadLimit { records: 1, ..ALL }, Instant::now()).unwrap().unwrap();
        assert_eq!((batch.first, batch.end), (number, number + 1));
        assert_eq!(batch.push, scrape(number), "record {number} of version {version}");
    }
    assert_eq!(fixture.readers[0].read(ALL, Instant::now()).unwrap(), None);
    // What was settled is gone for its upstream, and still there for one that is new.
    fixture.close();
    fixture.upstreams = vec!["archive".into(), UPSTREAM.into()];
    fixture.open();
    for number in 0..RECORDS {
        let batch =
            fixture.readers[0].read(ReadLimit { records: 1, ..ALL }, Instant::now()).unwrap().unwrap();
        assert_eq!(batch.push, scrape(number), "record {number} of version {version}");
    }
    // The log goes on where it ended.
    assert_eq!(fixture.append(scrape(RECORDS), accepted_ms(RECORDS)), RECORDS);
    fixture.reopen();
    fixture.readers[1]
        .read(ReadLimit { records: RECORDS - SETTLED, ..ALL }, Instant::now())
        .unwrap()
        .unwrap();
    assert_eq!(fixture.readers[1].read(ALL, Instant::now()).unwrap().unwrap().push, scrape(RECORDS));
}
