//! Batches: series gathered, samples in order, whatever else stands in the pushes.

use super::*;
use crate::proto;
use proptest::prelude::*;
use prost::Message;
use std::collections::BTreeMap;

fn series() -> impl Strategy<Value = proto::TimeSeries> {
    let sample = any::<(u64, i64)>()
        .prop_map(|(bits, timestamp)| proto::Sample { value: f64::from_bits(bits), timestamp });
    let exemplar = any::<i64>().prop_map(|timestamp| proto::Exemplar { timestamp, ..Default::default() });
    ("[a-d]", prop::collection::vec(sample, 0..3), prop::collection::vec(exemplar, 0..2)).prop_map(
        |(name, samples, exemplars)| proto::TimeSeries {
            labels: vec![proto::Label { name, value: "x".into() }],
            samples,
            exemplars,
            histograms: Vec::new(),
        },
    )
}

fn request() -> impl Strategy<Value = proto::WriteRequest> {
    let metadata = "[a-z]"
        .prop_map(|metric_family_name| proto::MetricMetadata { metric_family_name, ..Default::default() });
    (prop::collection::vec(series(), 1..5), prop::collection::vec(metadata, 0..2))
        .prop_map(|(timeseries, metadata)| proto::WriteRequest { timeseries, metadata })
}

/// By series: the bits and times of its samples, and its exemplars, in order.
type Content = BTreeMap<String, (Vec<(u64, i64)>, Vec<i64>)>;

fn content<'a>(series: impl Iterator<Item = &'a proto::TimeSeries>) -> Content {
    let mut content = Content::new();
    for series in series {
        let (samples, exemplars) = content.entry(series.labels[0].name.clone()).or_default();
        samples.extend(series.samples.iter().map(|sample| (sample.value.to_bits(), sample.timestamp)));
        exemplars.extend(series.exemplars.iter().map(|exemplar| exemplar.timestamp));
    }
    content
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn a_batch_holds_every_series_once_with_its_samples_in_order(
        requests in prop::collection::vec(request(), 1..10), reopened: bool,
    ) {
        let mut fixture = Fixture::new(&["a"], 64 * MIB);
        let mut pushed = Vec::new();
        for (number, request) in requests.iter().enumerate() {
            if reopened && number == requests.len() / 2 {
                fixture.reopen();
            }
            let body = request.encode_to_vec();
            // Generated code leaves -0.0 out as if it were 0.
            pushed.push(proto::WriteRequest::decode(body.as_slice()).unwrap());
            fixture.append(wire::decode(body).unwrap(), 0);
        }
        let batch = fixture.readers[0].read(ALL, Instant::now()).unwrap().unwrap();
        let mut out = Vec::new();
        wire::encode(&batch.push, &mut out);
        let sent = proto::WriteRequest::decode(out.as_slice()).unwrap();
        prop_assert_eq!(content(sent.timeseries.iter()), content(pushed.iter().flat_map(|request| &request.timeseries)));
        let most = if reopened { 8 } else { 4 };
        prop_assert!(sent.timeseries.len() <= most, "{} series", sent.timeseries.len());
        let names = |request: &proto::WriteRequest| {
            request.metadata.iter().map(|metadata| metadata.metric_family_name.clone()).collect::<Vec<_>>()
        };
        prop_assert_eq!(names(&sent), pushed.iter().flat_map(names).collect::<Vec<_>>());
        let samples: u64 = pushed.iter().flat_map(|request| &request.timeseries).map(|s| s.samples.len() as u64).sum();
        prop_assert_eq!(batch.push.counts().all_samples(), samples);
    }
}

/// A sample with a field of the future is carried among the extras, and nothing may overtake it there.
#[test]
fn samples_behind_a_carried_one_stay_behind_it() {
    let fixture_body = |value: f64, is_odd: bool| {
        let mut sample = proto::Sample { value, timestamp: 1 }.encode_to_vec();
        if is_odd {
            prost::encoding::string::encode(9, &"later".to_owned(), &mut sample);
        }
        let label = proto::Label { name: "a".into(), value: "b".into() }.encode_to_vec();
        let (mut series, mut body) = (Vec::new(), Vec::new());
        prost::encoding::bytes::encode(1, &label, &mut series);
        prost::encoding::bytes::encode(2, &sample, &mut series);
        prost::encoding::bytes::encode(1, &series, &mut body);
        body
    };
    let mut fixture = Fixture::new(&["a"], 64 * MIB);
    for (value, is_odd) in [(1.0, false), (2.0, true), (3.0, false), (4.0, false)] {
        fixture.append(wire::decode(fixture_body(value, is_odd)).unwrap(), 0);
    }
    let batch = fixture.readers[0].read(ALL, Instant::now()).unwrap().unwrap();
    let mut out = Vec::new();
    wire::encode(&batch.push, &mut out);
    let sent = proto::WriteRequest::decode(out.as_slice()).unwrap();
    assert_eq!(sent.timeseries.len(), 1);
    let values: Vec<_> = sent.timeseries[0].samples.iter().map(|sample| sample.value).collect();
    assert_eq!(values, [1.0, 2.0, 3.0, 4.0]);
    assert_eq!(batch.push.counts().all_samples(), 4);
}
