//! Requests of 2.0, made of those of 1.0 by generated code, against these.

use super::super::tests::series;
use super::super::{decode, encode};
use super::*;
use crate::proto::{self, v2};
use proptest::prelude::*;
use prost::Message;

/// The symbols of a request that is being made.
struct Table {
    symbols: Vec<String>,
}

impl Table {
    fn new() -> Self {
        Self { symbols: vec![String::new()] }
    }

    fn reference(&mut self, text: &str) -> u32 {
        let at = self.symbols.iter().position(|symbol| symbol == text).unwrap_or_else(|| {
            self.symbols.push(text.to_owned());
            self.symbols.len() - 1
        });
        at as u32
    }

    fn references(&mut self, labels: &[proto::Label]) -> Vec<u32> {
        labels.iter().flat_map(|label| [self.reference(&label.name), self.reference(&label.value)]).collect()
    }
}

fn histogram(histogram: &proto::Histogram) -> v2::Histogram {
    // They have the same bytes.
    v2::Histogram::decode(histogram.encode_to_vec().as_slice()).unwrap()
}

fn of_v1(request: &proto::WriteRequest) -> v2::Request {
    let mut table = Table::new();
    let mut timeseries = Vec::new();
    for series in &request.timeseries {
        let labels_refs = table.references(&series.labels);
        let sample = |sample: &proto::Sample| v2::Sample {
            value: sample.value,
            timestamp: sample.timestamp,
            start_timestamp: 0,
        };
        let exemplars = series.exemplars.iter().map(|exemplar| v2::Exemplar {
            labels_refs: table.references(&exemplar.labels),
            value: exemplar.value,
            timestamp: exemplar.timestamp,
        });
        timeseries.push(v2::TimeSeries {
            labels_refs,
            exemplars: exemplars.collect(),
            samples: series.samples.iter().map(sample).collect(),
            histograms: series.histograms.iter().map(histogram).collect(),
            ..v2::TimeSeries::default()
        });
    }
    v2::Request { symbols: table.symbols, timeseries }
}

fn bytes(bytes: usize) -> MostV2 {
    MostV2 { bytes, symbols: usize::MAX }
}

fn read(body: &[u8]) -> Result<(Push, NotCarried), WireError> {
    decode_v2(body, bytes(usize::MAX), |_, section| Ok(section.len()), |_| true)
}

/// What goes out of a push, as generated code sees it.
fn sent(push: &Push) -> proto::WriteRequest {
    let mut body = Vec::new();
    encode(push, &mut body);
    proto::WriteRequest::decode(body.as_slice()).unwrap()
}

fn named(name: &str, metadata: Option<v2::Metadata>, symbols: &[&str]) -> v2::Request {
    let mut all = vec![String::new(), "__name__".into(), name.into()];
    all.extend(symbols.iter().map(|symbol| (*symbol).to_owned()));
    let samples = vec![v2::Sample { value: 1.0, timestamp: 2, start_timestamp: 0 }];
    let series = v2::TimeSeries { labels_refs: vec![1, 2], samples, metadata, ..v2::TimeSeries::default() };
    v2::Request { symbols: all, timeseries: vec![series] }
}

proptest! {
    #[test]
    fn a_request_says_the_same_in_either_version(timeseries in prop::collection::vec(series(), 0..5)) {
        let request = proto::WriteRequest { timeseries, metadata: Vec::new() };
        let (push, not_carried) = read(&of_v1(&request).encode_to_vec()).unwrap();
        let expected = decode(request.encode_to_vec()).unwrap();
        prop_assert_eq!(push.counts(), expected.counts());
        prop_assert_eq!(not_carried, NotCarried::default());
        // By their bytes: NaN does not equal itself.
        prop_assert_eq!(sent(&push).encode_to_vec(), sent(&expected).encode_to_vec());
    }

    #[test]
    fn no_bytes_make_it_panic_or_outgrow_its_bound(
        timeseries in prop::collection::vec(series(), 0..4), at: prop::sample::Index, to: u8, bound in 0..400usize,
    ) {
        let mut body = of_v1(&proto::WriteRequest { timeseries, metadata: Vec::new() }).encode_to_vec();
        if !body.is_empty() {
            let at = at.index(body.len());
            body[at] = to;
        }
        let bounded = decode_v2::<WireError>(&body, bytes(bound), |_, section| Ok(section.len()), |_| true);
        if let Ok((push, _)) = bounded {
            let held: usize = push.series().map(|series| series.labels.len() + series.extras.len()).sum();
            prop_assert!(held <= bound, "{held} bytes");
        }
        let _ = read(&body);
    }
}

#[test]
fn metadata_becomes_that_of_the_family() {
    for (name, kind, family) in [
        ("requests_total", 1, "requests_total"),
        ("latency_bucket", 3, "latency"),
        ("latency_count", 5, "latency"),
        ("latency_bucket", 5, "latency_bucket"),
        ("a_sum", 2, "a_sum"),
    ] {
        let metadata = v2::Metadata { r#type: kind, help_ref: 3, unit_ref: 0 };
        let (push, _) = read(&named(name, Some(metadata), &["What it is."]).encode_to_vec()).unwrap();
        let expected = proto::MetricMetadata {
            r#type: kind,
            metric_family_name: family.into(),
            help: "What it is.".into(),
            unit: String::new(),
        };
        assert_eq!(sent(&push).metadata, [expected]);
        assert_eq!(push.counts().metadata, 1);
    }
}

#[test]
fn metadata_that_says_nothing_or_is_not_wanted_is_left_out() {
    let nothing = named("a", Some(v2::Metadata::default()), &[]).encode_to_vec();
    assert_eq!(read(&nothing).unwrap().0.counts().metadata, 0);
    let help = named("a", Some(v2::Metadata { r#type: 1, help_ref: 3, unit_ref: 3 }), &["x"]).encode_to_vec();
    let unwanted =
        decode_v2::<WireError>(&help, bytes(1_000), |_, section| Ok(section.len()), |_| false).unwrap();
    assert_eq!(unwanted.0.counts().metadata, 0);
}

#[test]
fn start_timestamps_are_counted() {
    let mut request = named("a", None, &[]);
    request.timeseries[0].samples[0].start_timestamp = 7;
    request.timeseries[0].created_timestamp = 8;
    let (push, not_carried) = read(&request.encode_to_vec()).unwrap();
    assert_eq!((push.counts().samples, not_carried.start_timestamps), (1, 2));
}

#[test]
fn what_breaks_a_rule_is_refused_with_its_place() {
    let refused = |request: &v2::Request| read(&request.encode_to_vec()).unwrap_err().what;
    let good = named("a", None, &[]);
    let with = |change: fn(&mut v2::Request)| {
        let mut request = good.clone();
        change(&mut request);
        refused(&request)
    };
    assert_eq!(with(|request| request.symbols[0] = "x".into()), "the first symbol is not empty");
    assert_eq!(with(|request| request.symbols.truncate(2)), "a reference to symbol 2, of 2");
    assert_eq!(with(|request| request.symbols.clear()), "a reference to symbol 1, of 0");
    assert_eq!(with(|request| request.timeseries[0].labels_refs.truncate(1)), "a label without a value");
    let metadata = Some(v2::Metadata { r#type: 1, help_ref: 9, unit_ref: 0 });
    assert_eq!(refused(&named("a", metadata, &[])), "a reference to symbol 9, of 3");
    let exemplar = v2::Exemplar { labels_refs: vec![1], value: 0.0, timestamp: 0 };
    let mut request = good.clone();
    request.timeseries[0].exemplars.push(exemplar);
    assert_eq!(refused(&request), "an exemplar's label without a value");
}

/// One large symbol and many short references to it: what they mean is not spelled out beyond the bound.
#[test]
fn a_body_made_to_fill_memory_is_refused() {
    let mut request = named("a", None, &[&"x".repeat(10_000)]);
    request.timeseries[0].labels_refs.extend([3, 3].repeat(10_000));
    let body = request.encode_to_vec();
    assert!(body.len() < 60_000);
    let refused = decode_v2::<WireError>(&body, bytes(1 << 20), |_, section| Ok(section.len()), |_| true);
    assert_eq!(refused.unwrap_err().what, "what is spelled out is over 1048576 bytes");
    let symbols = v2::Request { symbols: vec![String::new(); 40_000], timeseries: Vec::new() };
    let refused = read(&symbols.encode_to_vec()).unwrap_err();
    assert_eq!(refused.what, "too many symbols for the size of the body");
}

#[test]
fn symbols_beyond_their_bound_are_refused_with_their_number() {
    let body = named("a", None, &["x", "y"]).encode_to_vec();
    let read = |symbols| {
        let most = MostV2 { bytes: 1_000, symbols };
        decode_v2::<WireError>(&body, most, |_, section| Ok(section.len()), |_| true)
    };
    assert!(read(5).is_ok());
    assert_eq!(read(3).unwrap_err().kind, WireErrorKind::TooManySymbols { found: 5, most: 3 });
}
