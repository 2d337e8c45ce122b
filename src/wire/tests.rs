//! The walk against generated code, which is right by construction.

use super::*;
use crate::proto;
use proptest::prelude::*;
use prost::Message;

fn label() -> impl Strategy<Value = proto::Label> {
    ("[a-z_]{1,8}", ".{0,12}").prop_map(|(name, value)| proto::Label { name, value })
}

fn any_f64() -> impl Strategy<Value = f64> {
    any::<u64>().prop_map(f64::from_bits)
}

fn sample() -> impl Strategy<Value = proto::Sample> {
    let value = prop_oneof![
        any_f64(),
        Just(0.0),
        Just(-0.0),
        // The stale marker.
        Just(f64::from_bits(0x7ff0_0000_0000_0002)),
    ];
    (value, prop_oneof![any::<i64>(), Just(0)])
        .prop_map(|(value, timestamp)| proto::Sample { value, timestamp })
}

fn exemplar() -> impl Strategy<Value = proto::Exemplar> {
    (prop::collection::vec(label(), 0..3), any_f64(), any::<i64>())
        .prop_map(|(labels, value, timestamp)| proto::Exemplar { labels, value, timestamp })
}

fn histogram() -> impl Strategy<Value = proto::Histogram> {
    (any_f64(), any::<i32>(), prop::collection::vec(any::<i64>(), 0..4), any::<i64>()).prop_map(
        |(sum, schema, positive_deltas, timestamp)| proto::Histogram {
            sum,
            schema,
            positive_deltas,
            timestamp,
            positive_spans: vec![proto::BucketSpan { offset: -3, length: 2 }],
            ..proto::Histogram::default()
        },
    )
}

pub(super) fn series() -> impl Strategy<Value = proto::TimeSeries> {
    (
        prop::collection::vec(label(), 0..5),
        prop::collection::vec(sample(), 0..5),
        prop::collection::vec(exemplar(), 0..3),
        prop::collection::vec(histogram(), 0..3),
    )
        .prop_map(|(labels, samples, exemplars, histograms)| proto::TimeSeries {
            labels,
            samples,
            exemplars,
            histograms,
        })
}

fn request() -> impl Strategy<Value = proto::WriteRequest> {
    let metadata = ("[a-z]{1,5}", ".{0,5}").prop_map(|(metric_family_name, help)| proto::MetricMetadata {
        metric_family_name,
        help,
        ..proto::MetricMetadata::default()
    });
    (prop::collection::vec(series(), 0..6), prop::collection::vec(metadata, 0..3))
        .prop_map(|(timeseries, metadata)| proto::WriteRequest { timeseries, metadata })
}

/// Equal to the bit: messages compare by value, and NaN is not equal to itself.
fn bits(request: &proto::WriteRequest) -> Vec<u8> {
    request.encode_to_vec()
}

/// Appends a field of an unknown number.
fn unknown(number: u32, out: &mut Vec<u8>) {
    prost::encoding::string::encode(number, &"from the future".to_owned(), out);
}

proptest! {
    #[test]
    fn what_generated_code_writes_comes_out_the_same(request in request()) {
        let push = decode(request.encode_to_vec()).unwrap();
        let mut out = Vec::new();
        encode(&push, &mut out);
        prop_assert_eq!(out.len(), encoded_len(&push));
        let back = proto::WriteRequest::decode(out.as_slice()).unwrap();
        prop_assert_eq!(bits(&back), bits(&request));
    }

    #[test]
    fn what_is_decoded_is_what_generated_code_sees(request in request()) {
        let body = request.encode_to_vec();
        // Generated code leaves -0.0 out as if it were 0: what it reads is what was sent.
        let request = proto::WriteRequest::decode(body.as_slice()).unwrap();
        let push = decode(body).unwrap();
        let counts = push.counts();
        let sum = |count: fn(&proto::TimeSeries) -> usize| request.timeseries.iter().map(count).sum::<usize>() as u32;
        prop_assert_eq!(counts.series as usize, request.timeseries.len());
        prop_assert_eq!(counts.samples, sum(|series| series.samples.len()));
        prop_assert_eq!(counts.histograms, sum(|series| series.histograms.len()));
        prop_assert_eq!(counts.exemplars, sum(|series| series.exemplars.len()));
        prop_assert_eq!(counts.metadata as usize, request.metadata.len());
        for (series, wanted) in push.series().zip(&request.timeseries) {
            let read: Vec<_> = labels(series.labels).map(Result::unwrap)
                .map(|label| (label.name.to_vec(), label.value.to_vec())).collect();
            let labels: Vec<_> = wanted.labels.iter()
                .map(|label| (label.name.clone().into_bytes(), label.value.clone().into_bytes())).collect();
            prop_assert_eq!(read, labels);
            let samples: Vec<_> = wanted.samples.iter()
                .map(|sample| Sample { value: sample.value, timestamp: sample.timestamp }).collect();
            prop_assert_eq!(series.samples, samples);
            prop_assert_eq!(samples_of(&series), (wanted.samples.len() + wanted.histograms.len()) as u64);
        }
    }

    /// What is written is read back as it was, also with fields in between that nobody knows yet.
    #[test]
    fn a_push_reads_back_from_its_own_form(request in request(), extra_in_series: bool, extra_at_end: bool) {
        let mut body = Vec::new();
        for series in &request.timeseries {
            let mut message = series.encode_to_vec();
            if extra_in_series {
                unknown(99, &mut message);
            }
            prost::encoding::bytes::encode(1, &message, &mut body);
        }
        if extra_at_end {
            unknown(77, &mut body);
        }
        let push = decode(body).unwrap();
        let mut once = Vec::new();
        encode(&push, &mut once);
        let again = decode(once.clone()).unwrap();
        prop_assert_eq!(&again, &push);
        let mut twice = Vec::new();
        encode(&again, &mut twice);
        prop_assert_eq!(once, twice);
        if extra_at_end {
            prop_assert_eq!(push.request_extras().count(), 1);
        }
    }

    /// Fields may come in any order and labels in pieces: they are gathered.
    #[test]
    fn labels_that_do_not_stand_together_are_gathered(labels in prop::collection::vec(label(), 1..5), sample in sample()) {
        let mut message = Vec::new();
        for label in &labels {
            prost::encoding::bytes::encode(1, &label.encode_to_vec(), &mut message);
            prost::encoding::bytes::encode(2, &sample.encode_to_vec(), &mut message);
        }
        let mut body = Vec::new();
        prost::encoding::bytes::encode(1, &message, &mut body);
        let push = decode(body).unwrap();
        let together = proto::WriteRequest {
            timeseries: vec![proto::TimeSeries {
                samples: vec![sample; labels.len()], labels, ..proto::TimeSeries::default()
            }],
            metadata: Vec::new(),
        };
        prop_assert_eq!(push, decode(together.encode_to_vec()).unwrap());
    }

    #[test]
    fn no_bytes_make_it_panic(body in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = decode(body);
    }

    /// Near misses: a valid request with one byte changed.
    #[test]
    fn a_changed_byte_is_an_error_or_another_request(request in request(), at: prop::sample::Index, to: u8) {
        let mut body = request.encode_to_vec();
        prop_assume!(!body.is_empty());
        let at = at.index(body.len());
        body[at] = to;
        if let Ok(push) = decode(body) {
            let mut out = Vec::new();
            encode(&push, &mut out);
            prop_assert_eq!(decode(out).unwrap(), push);
        }
    }

    #[test]
    fn some_series_are_these_series(
        request in request(), from: prop::sample::Index, to: prop::sample::Index, piece_bytes in 1..200usize,
    ) {
        let push = decode(request.encode_to_vec()).unwrap();
        let count = push.series().len();
        let (from, to) = (from.index(count + 1), to.index(count + 1));
        let (from, to) = (from.min(to), from.max(to));
        let (mut out, mut pieces) = (Vec::new(), Vec::new());
        encode_in_pieces(&push, from..to, piece_bytes, &mut Vec::new(), |piece| {
            out.extend_from_slice(piece);
            pieces.push(piece.len());
        });
        prop_assert_eq!(out.len(), encoded_len_of(&push, from..to));
        let full = pieces.split_last().map_or(&[][..], |(_, full)| full);
        prop_assert!(full.iter().all(|length| *length >= piece_bytes), "{pieces:?}");
        prop_assert!(pieces.iter().all(|length| *length > 0), "{pieces:?}");
        let part = decode(out).unwrap();
        prop_assert!(part.series().eq(push.series().skip(from).take(to - from)));
        let extras = if to == count { push.request_extras().collect() } else { Vec::new() };
        prop_assert_eq!(part.request_extras().flatten().collect::<Vec<_>>(), extras.into_iter().flatten().collect::<Vec<_>>());
    }
}

/// A zero that is left out can be filled with another request's value by VictoriaMetrics.
#[test]
fn zeros_are_written_out() {
    let request = proto::WriteRequest {
        timeseries: vec![proto::TimeSeries {
            labels: vec![proto::Label { name: "a".into(), value: "b".into() }],
            samples: vec![proto::Sample { value: 0.0, timestamp: 0 }],
            ..proto::TimeSeries::default()
        }],
        metadata: Vec::new(),
    };
    let mut out = Vec::new();
    encode(&decode(request.encode_to_vec()).unwrap(), &mut out);
    let sample = [0x12, 11, 0x09, 0, 0, 0, 0, 0, 0, 0, 0, 0x10, 0];
    assert!(out.ends_with(&sample), "{out:?}");
}

/// A sample with a field of the future does not fit the column, and keeps its place in the series all the same.
#[test]
fn a_sample_with_unknown_fields_is_carried_whole() {
    let plain = |value| proto::Sample { value, timestamp: 1 }.encode_to_vec();
    let mut odd = plain(2.0);
    unknown(3, &mut odd);
    let mut message = proto::Label { name: "a".into(), value: "b".into() }.encode_to_vec();
    let mut series = Vec::new();
    prost::encoding::bytes::encode(1, &std::mem::take(&mut message), &mut series);
    for sample in [plain(1.0), odd, plain(3.0)] {
        prost::encoding::bytes::encode(2, &sample, &mut series);
    }
    let mut body = Vec::new();
    prost::encoding::bytes::encode(1, &series, &mut body);
    let push = decode(body).unwrap();
    assert_eq!(push.counts().samples, 3);
    assert_eq!(push.samples().len(), 1);
    let mut out = Vec::new();
    encode(&push, &mut out);
    let back = proto::WriteRequest::decode(out.as_slice()).unwrap();
    let values: Vec<_> = back.timeseries[0].samples.iter().map(|sample| sample.value).collect();
    assert_eq!(values, [1.0, 2.0, 3.0]);
    assert!(out.windows(15).any(|window| window == b"from the future"));
}

#[test]
fn a_body_made_to_fill_memory_is_refused() {
    let mut series = vec![0x0a, 0];
    series.extend([0x12, 0].repeat(100_000));
    let mut body = Vec::new();
    prost::encoding::bytes::encode(1, &series, &mut body);
    assert!(decode(body).unwrap_err().what.contains("too many samples"));
}

#[test]
fn broken_exemplars_and_histograms_are_refused_at_the_door() {
    for number in [3, 4] {
        let mut series = Vec::new();
        // Field 1 as a varint in an exemplar, field 2 as a varint in a histogram.
        prost::encoding::bytes::encode(number, &vec![0x08, 1, 0x10, 1], &mut series);
        let mut body = Vec::new();
        prost::encoding::bytes::encode(1, &series, &mut body);
        assert!(decode(body).unwrap_err().what.contains("wrong type"), "field {number}");
    }
}
