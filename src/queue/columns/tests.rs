//! decode(encode(x)) == x, whatever x.

use super::*;
use crate::model::{Push, PushBuilder, Sample, Span};
use crate::proto;
use crate::wire;
use proptest::prelude::*;
use prost::Message;

fn value() -> impl Strategy<Value = f64> {
    prop_oneof![
        3 => any::<u64>().prop_map(f64::from_bits),
        3 => (-1_000_000i64..1_000_000, 0..6).prop_map(|(mantissa, scale)| mantissa as f64 / 10f64.powi(scale)),
        1 => any::<i64>().prop_map(|whole| whole as f64),
        1 => Just(-0.0),
        1 => Just(f64::from_bits(0x7ff0_0000_0000_0002)),
        1 => Just(5e-324),
    ]
}

/// Few names, so that series come again: within a push and from push to push.
fn labels() -> impl Strategy<Value = Vec<proto::Label>> {
    let label = ("[a-c]{0,2}", prop_oneof![".{0,3}", "x{300}"]);
    prop::collection::vec(label.prop_map(|(name, value)| proto::Label { name, value }), 0..3)
}

fn series() -> impl Strategy<Value = proto::TimeSeries> {
    let sample = (value(), prop_oneof![any::<i64>(), 1_700_000_000_000i64..1_700_000_100_000])
        .prop_map(|(value, timestamp)| proto::Sample { value, timestamp });
    let exemplar = any::<i64>().prop_map(|timestamp| proto::Exemplar { timestamp, ..Default::default() });
    let histogram = any::<i64>().prop_map(|timestamp| proto::Histogram { timestamp, ..Default::default() });
    (
        labels(),
        prop::collection::vec(sample, 0..6),
        prop::collection::vec(exemplar, 0..2),
        prop::collection::vec(histogram, 0..2),
    )
        .prop_map(|(labels, samples, exemplars, histograms)| proto::TimeSeries {
            labels,
            samples,
            exemplars,
            histograms,
        })
}

fn push() -> impl Strategy<Value = Push> {
    let metadata = "[a-z]{1,5}"
        .prop_map(|metric_family_name| proto::MetricMetadata { metric_family_name, ..Default::default() });
    (prop::collection::vec(series(), 0..12), prop::collection::vec(metadata, 0..2), any::<bool>()).prop_map(
        |(timeseries, metadata, has_unknown)| {
            let mut body = proto::WriteRequest { timeseries, metadata }.encode_to_vec();
            if has_unknown {
                prost::encoding::string::encode(99, &"from the future".to_owned(), &mut body);
            }
            wire::decode(body).unwrap()
        },
    )
}

/// A push of `series` series with one sample each.
fn scrape(series: u32, value: f64) -> Push {
    let mut builder = PushBuilder::default();
    for number in 0..series {
        let labels = builder.store_with(|out| wire::append_label(out, b"n", number.to_string().as_bytes()));
        builder.sample(Sample { value: value + f64::from(number), timestamp: 1_000 });
        builder.series(labels, Span::default());
    }
    builder.finish()
}

fn decode_all(records: &[(u32, Vec<u8>)], pushes: &[Push]) -> Vec<Push> {
    let mut decoder = Decoder::new();
    let mut decoded = Vec::new();
    for ((since, payload), push) in records.iter().zip(pushes) {
        if *since == 0 {
            decoder.restart();
        }
        decoded.push(decoder.decode(payload, 7, wire::encoded_len(push)).unwrap());
    }
    decoded
}

fn encode_all(pushes: &[Push]) -> Vec<(u32, Vec<u8>)> {
    let mut encoder = Encoder::new();
    let encode = |push| {
        let mut payload = Vec::new();
        let since = encoder.encode(push, 7, &mut payload);
        (since, payload)
    };
    pushes.iter().map(encode).collect()
}

proptest! {
    #[test]
    fn pushes_come_back_to_the_bit(pushes in prop::collection::vec(push(), 1..8)) {
        let records = encode_all(&pushes);
        prop_assert_eq!(decode_all(&records, &pushes), pushes);
    }

    #[test]
    fn no_bytes_make_the_decoder_panic(
        payload in prop::collection::vec(any::<u8>(), 0..200), accepted_ms: i64, wire_len in 0..5_000usize,
    ) {
        let _ = Decoder::new().decode(&payload, accepted_ms, wire_len);
    }

    /// Near misses: a record with one byte changed is refused, or is another push no longer than it was.
    #[test]
    fn a_changed_byte_is_refused_or_stays_within_bounds(push in push(), at: prop::sample::Index, to: u8) {
        let mut payload = Vec::new();
        Encoder::new().encode(&push, 7, &mut payload);
        let at = at.index(payload.len());
        payload[at] = to;
        let wire_len = wire::encoded_len(&push);
        if let Ok(other) = Decoder::new().decode(&payload, 7, wire_len) {
            prop_assert!(other.series().map(|series| series.labels.len()).sum::<usize>() <= wire_len);
        }
    }
}

#[test]
fn a_known_series_costs_little() {
    let pushes: Vec<_> = (0..20).map(|n| scrape(1_000, f64::from(n) * 3.0)).collect();
    let records = encode_all(&pushes);
    let (first, second) = (records[0].1.len(), records[1].1.len());
    assert!(second * 10 < first, "{first} bytes, then {second}");
    assert_eq!(decode_all(&records, &pushes), pushes);
}

#[test]
fn an_interval_ends_when_its_labels_are_paid_for_and_the_next_depends_on_nothing() {
    let pushes: Vec<_> = (0..3_000).map(|n| scrape(20, f64::from(n * n) * 1.37)).collect();
    let records = encode_all(&pushes);
    let restarts: Vec<_> = (0..records.len()).filter(|at| records[*at].0 == 0).collect();
    assert!(restarts.len() > 3, "{restarts:?}");
    let from = restarts[1];
    assert_eq!(decode_all(&records[from..], &pushes[from..]), pushes[from..]);
    for pair in restarts.windows(2) {
        assert!(pair[1] - pair[0] >= 32);
    }
}

#[test]
fn a_record_without_its_restart_point_is_refused() {
    let pushes = [scrape(5, 1.0), scrape(5, 2.0)];
    let records = encode_all(&pushes);
    assert!(Decoder::new().decode(&records[1].1, 7, wire::encoded_len(&pushes[1])).is_err());
}

/// A store of this version must open for ever: these bytes may not change.
#[test]
fn a_record_has_its_golden_bytes() {
    let mut builder = PushBuilder::default();
    let labels = builder.store_with(|out| wire::append_label(out, b"a", b"b"));
    builder.sample(Sample { value: 1.5, timestamp: 1_000 });
    builder.sample(Sample { value: f64::INFINITY, timestamp: 1_001 });
    builder.series(labels, Span::default());
    let mut payload = Vec::new();
    Encoder::new().encode(&builder.finish(), 990, &mut payload);
    #[rustfmt::skip]
    let golden: &[u8] = &[
        1, // series
        1, 9, 1, 2, 2, 1, 0, 0, 0, 2, 1, 1, 1, 1, 1, 1, 1, 0, // lengths of the columns, not packed
        0, // refs
        8, 0x0a, 6, 0x0a, 1, b'a', 0x12, 1, b'b', // labels
        2, // counts
        20, 2, // times
        10, 26, // kinds: 1 and one byte, 2 and eight
        1, // scales
        30, 0, 0, 0, 0, 0, 0, 0xf0, 0x7f, // planes
    ];
    assert_eq!(payload, golden);
}
