//! decode(encode(x)) == x, whatever x.

use super::*;
use crate::config::{DICTIONARY_BYTES, SERIES_BYTES};
use crate::model::{Push, PushBuilder, Sample, Span};
use crate::proto;
use crate::wire;
use proptest::prelude::*;
use prost::Message;

/// Doubles of every sort, the ones where a codec of decimal numbers could round above all.
fn value() -> impl Strategy<Value = f64> {
    // Where whole numbers cease to be exact, where a mantissa ceases to fit, where powers of ten end.
    let edges = prop::sample::select(vec![
        1e15,
        9_007_199_254_740_992.0,
        1e17,
        9.2e18,
        9_223_372_036_854_775_808.0,
        1e22,
        0.1,
    ]);
    let stale = f64::from_bits(0x7ff0_0000_0000_0002);
    prop_oneof![
        3 => any::<u64>().prop_map(f64::from_bits),
        3 => (-1_000_000i64..1_000_000, 0..6).prop_map(|(mantissa, scale)| mantissa as f64 / 10f64.powi(scale)),
        1 => any::<i64>().prop_map(|whole| whole as f64),
        1 => (edges, -4..=4i64, any::<bool>()).prop_map(|(edge, away, is_negative): (f64, i64, bool)| {
            let near = f64::from_bits(edge.to_bits().wrapping_add_signed(away));
            if is_negative { -near } else { near }
        }),
        // Subnormal numbers, and NaNs of either sign with any payload, quiet and signalling.
        1 => (1..1u64 << 52, any::<bool>()).prop_map(|(bits, sign)| f64::from_bits(bits | u64::from(sign) << 63)),
        1 => (1..1u64 << 52, any::<bool>()).prop_map(|(payload, sign)| f64::from_bits(0x7ff << 52 | payload | u64::from(sign) << 63)),
        2 => prop::sample::select(vec![
            0.0, -0.0, stale, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 5e-324, f64::MIN_POSITIVE, f64::MAX, f64::MIN,
        ]),
    ]
}

fn timestamp() -> impl Strategy<Value = i64> {
    prop_oneof![
        4 => 1_700_000_000_000i64..1_700_000_100_000,
        1 => any::<i64>(),
        1 => prop::sample::select(vec![i64::MIN, i64::MIN + 1, -1, 0, 1, i64::MAX - 1, i64::MAX]),
    ]
}

/// Few names, so that series come again: within a push and from push to push. None at all, and more than any agent sends.
fn labels() -> impl Strategy<Value = Vec<proto::Label>> {
    let label = |name, value: String| proto::Label { name, value };
    let few =
        ("[a-c]{0,2}", prop_oneof![".{0,3}", "x{300}"]).prop_map(move |(name, value)| label(name, value));
    let huge = (1..80usize, 0..3_000usize).prop_map(move |(labels, length)| {
        (0..labels).map(|number| label(format!("label_{number}"), "y".repeat(length))).collect()
    });
    prop_oneof![30 => prop::collection::vec(few, 0..3), 1 => huge]
}

fn series() -> impl Strategy<Value = proto::TimeSeries> {
    let sample = || (value(), timestamp()).prop_map(|(value, timestamp)| proto::Sample { value, timestamp });
    let samples = prop_oneof![
        30 => prop::collection::vec(sample(), 0..6),
        1 => prop::collection::vec(sample(), 200..300),
    ];
    let exemplar = any::<i64>().prop_map(|timestamp| proto::Exemplar { timestamp, ..Default::default() });
    let histogram = any::<i64>().prop_map(|timestamp| proto::Histogram { timestamp, ..Default::default() });
    (labels(), samples, prop::collection::vec(exemplar, 0..2), prop::collection::vec(histogram, 0..2))
        .prop_map(|(labels, samples, exemplars, histograms)| proto::TimeSeries {
            labels,
            samples,
            exemplars,
            histograms,
        })
}

/// A push; some of its series stand in it again, with the same samples or with those of another series.
fn push() -> impl Strategy<Value = Push> {
    let metadata = "[a-z]{1,5}"
        .prop_map(|metric_family_name| proto::MetricMetadata { metric_family_name, ..Default::default() });
    let again = prop::collection::vec(any::<(prop::sample::Index, prop::sample::Index)>(), 0..3);
    (prop::collection::vec(series(), 0..12), again, prop::collection::vec(metadata, 0..2), any::<bool>())
        .prop_map(|(mut timeseries, again, metadata, has_unknown)| {
            for (labels, samples) in if timeseries.is_empty() { &[][..] } else { &again } {
                let labels = labels.get(&timeseries).labels.clone();
                timeseries.push(proto::TimeSeries { labels, ..samples.get(&timeseries).clone() });
            }
            let mut body = proto::WriteRequest { timeseries, metadata }.encode_to_vec();
            if has_unknown {
                prost::encoding::string::encode(99, &"from the future".to_owned(), &mut body);
            }
            wire::decode(body).unwrap()
        })
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

fn decode_all(records: &[(u32, Vec<u8>)], pushes: &[Push], accepted_ms: i64) -> Vec<Push> {
    let mut decoder = Decoder::new();
    let mut decoded = Vec::new();
    for ((since, payload), push) in records.iter().zip(pushes) {
        if *since == 0 {
            decoder.restart();
        }
        decoded.push(decoder.decode(payload, accepted_ms, wire::encoded_len(push)).unwrap());
    }
    decoded
}

fn encode_all(pushes: &[Push], accepted_ms: i64) -> Vec<(u32, Vec<u8>)> {
    let mut encoder = Encoder::new();
    let encode = |push| {
        let mut payload = Vec::new();
        let since = encoder.encode(push, accepted_ms, &mut payload);
        (since, payload)
    };
    pushes.iter().map(encode).collect()
}

proptest! {
    #[test]
    fn pushes_come_back_to_the_bit(pushes in prop::collection::vec(push(), 1..8), accepted_ms in timestamp()) {
        let records = encode_all(&pushes, accepted_ms);
        prop_assert_eq!(decode_all(&records, &pushes, accepted_ms), pushes);
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
    let records = encode_all(&pushes, 7);
    let (first, second) = (records[0].1.len(), records[1].1.len());
    assert!(second * 10 < first, "{first} bytes, then {second}");
    assert_eq!(decode_all(&records, &pushes, 7), pushes);
}

#[test]
fn an_interval_ends_when_its_labels_are_paid_for_and_the_next_depends_on_nothing() {
    let pushes: Vec<_> = (0..3_000).map(|n| scrape(20, f64::from(n * n) * 1.37)).collect();
    let records = encode_all(&pushes, 7);
    let restarts: Vec<_> = (0..records.len()).filter(|at| records[*at].0 == 0).collect();
    assert!(restarts.len() > 3, "{restarts:?}");
    let from = restarts[1];
    assert_eq!(decode_all(&records[from..], &pushes[from..], 7), pushes[from..]);
    for pair in restarts.windows(2) {
        assert!(pair[1] - pair[0] >= 32);
    }
}

#[test]
fn a_record_without_its_restart_point_is_refused() {
    let pushes = [scrape(5, 1.0), scrape(5, 2.0)];
    let records = encode_all(&pushes, 7);
    assert!(Decoder::new().decode(&records[1].1, 7, wire::encoded_len(&pushes[1])).is_err());
}

/// A store of this version must open for ever: these bytes may not change. One record after the other in an interval.
#[test]
fn records_have_their_golden_bytes() {
    let mut encoder = Encoder::new();
    let mut payload = |push: &Push, accepted_ms| {
        let mut payload = Vec::new();
        encoder.encode(push, accepted_ms, &mut payload);
        payload
    };
    let label = |name: &'static [u8]| move |out: &mut Vec<u8>| wire::append_label(out, name, b"b");

    let mut builder = PushBuilder::default();
    let labels = builder.store_with(label(b"a"));
    builder.sample(Sample { value: 1.5, timestamp: 1_000 });
    builder.sample(Sample { value: f64::INFINITY, timestamp: 1_001 });
    builder.series(labels, Span::default());
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
    assert_eq!(payload(&builder.finish(), 990), golden);

    // A known series after a new one, extras of both kinds, a value by the one before the infinity.
    let mut builder = PushBuilder::default();
    let labels = builder.store_with(label(b"c"));
    let extras = builder.store(&[0x1a, 0]);
    builder.sample(Sample { value: -0.0, timestamp: 1_000 });
    builder.series(labels, extras);
    let labels = builder.store_with(label(b"a"));
    builder.sample(Sample { value: 1.4, timestamp: 900 });
    builder.series(labels, Span::default());
    let metadata = builder.store(&[0x1a, 2, 0x08, 1]);
    builder.request_extra(metadata, true);
    #[rustfmt::skip]
    let golden: &[u8] = &[
        2, // series
        2, 9, 0, 3, 2, 0, 2, 2, 5, 2, 1, 1, 1, 1, 1, 1, 1, 0, // lengths of the columns, not packed
        2, 3, // refs: one further than expected, two back
        8, 0x0a, 6, 0x0a, 1, b'c', 0x12, 1, b'b', // labels
        0, 0xc7, 1, // times
        26, 1, // kinds: 2 and eight bytes, 0 and one
        2, 0, // extra lengths
        0x1a, 0, // extras
        4, 0x1a, 2, 0x08, 1, // request extras
        0xff, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, // planes
    ];
    assert_eq!(payload(&builder.finish(), 1_000), golden);
}

/// A pusher whose series never come again: what is remembered of them stays within the dictionary's budget, and one push.
#[test]
fn series_without_end_stay_within_the_dictionary() {
    const SERIES: u64 = 40_000;
    let (mut encoder, mut decoder) = (Encoder::new(), Decoder::new());
    let mut restarts = 0;
    for scrape in 0..20 {
        let mut builder = PushBuilder::default();
        for number in 0..SERIES {
            let name = (scrape * SERIES + number).to_string();
            let labels = builder.store_with(|out| wire::append_label(out, b"n", name.as_bytes()));
            builder.sample(Sample { value: 1.0, timestamp: scrape as i64 });
            builder.series(labels, Span::default());
        }
        let push = builder.finish();
        let mut payload = Vec::new();
        let since = encoder.encode(&push, 0, &mut payload);
        if since == 0 {
            restarts += 1;
            decoder.restart();
        }
        assert_eq!(decoder.decode(&payload, 0, wire::encoded_len(&push)).unwrap(), push);
        let most = DICTIONARY_BYTES + SERIES as usize * 2 * SERIES_BYTES;
        assert!(encoder.memory() <= most, "{} bytes to write with", encoder.memory());
        assert!(decoder.memory() <= most, "{} bytes to read with", decoder.memory());
    }
    assert!(restarts > 1, "{restarts} restarts");
}
