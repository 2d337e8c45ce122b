//! What is packed is read back by the agent's own decoders, bit by bit.

use super::*;
use crate::config::BadLines;
use crate::harness::{LoadProfile, LoadSource, LoadSpec};
use crate::ingest::import::{Arguments, Import};
use crate::ingest::{Limits, encoding, exposition, import_json, native, remote_write};
use crate::model::{PushBuilder, Sample, Span};
use crate::wire;
use proptest::prelude::*;
use std::collections::BTreeMap;

const LIMITS: Limits = Limits::of_bytes(64 << 20);

/// Series by their labels, with their samples in order: formats may give them another order.
type Content = BTreeMap<Vec<u8>, Vec<(u64, i64)>>;

fn content(push: &Push) -> Content {
    let mut content = Content::new();
    for series in push.series() {
        let samples = series.samples.iter().map(|sample| (sample.value.to_bits(), sample.timestamp));
        content.entry(series.labels.to_vec()).or_default().extend(samples);
    }
    content
}

fn read(protocol: &Protocol, body: &[u8]) -> Push {
    let arguments = Arguments::default();
    let import = Import { arguments, accepted_ms: 0, limits: LIMITS, bad_lines: BadLines::Refuse };
    let packing = |name: &str| encoding::Packing::of(Some(name.as_bytes())).expect("known");
    let unpacked = || {
        let encoding = encoding::Encoding::of(Some(protocol.encoding().name().as_bytes())).expect("known");
        encoding.unpack(body.to_vec(), LIMITS).expect("packed soundly")
    };
    match protocol.format() {
        Format::RemoteWrite | Format::VictoriaMetrics => {
            remote_write::decode(body, packing(protocol.encoding().name()), LIMITS).expect("sound")
        }
        Format::RemoteWrite2 => {
            remote_write::decode_v2(body, packing("snappy"), LIMITS, |_| false).expect("sound").0
        }
        Format::Json => import_json::decode(&unpacked(), &import).expect("sound").push,
        Format::Text => {
            exposition::decode(&unpacked(), exposition::Format::Prometheus, &import).expect("sound").push
        }
        Format::Native => native::decode(&unpacked(), &import).expect("sound"),
    }
}

/// All that there are.
fn protocols() -> impl Iterator<Item = Protocol> {
    Format::ALL.into_iter().flat_map(|format| {
        format
            .encodings()
            .iter()
            .map(move |encoding| Protocol::new(format, Some(*encoding)).expect("it has it"))
    })
}

#[test]
fn loads_of_all_profiles_are_read_back_in_every_format_and_encoding() {
    for profile in LoadProfile::ALL {
        let source = LoadSource::Profile { profile, series: Some(600), churn: 0.1 };
        let mut host = LoadSpec { source, hosts: 1, seed: 5 }.build().remove(0);
        for scrape in 0..3 {
            let push = host.scrape(1_700_000_000_000 + scrape * 5_000);
            for protocol in protocols() {
                let read = read(&protocol, &protocol.pack(&push));
                assert_eq!(content(&read), content(&push), "{profile} by {protocol:?}");
            }
        }
    }
}

#[test]
fn what_does_not_go_together_is_refused() {
    let error = Protocol::new(Format::RemoteWrite, Some(Encoding::Gzip)).expect_err("never seen");
    assert_eq!(error.to_string(), "remote-write is never packed with gzip: it is with snappy");
    let error = Protocol::new(Format::VictoriaMetrics, Some(Encoding::None)).expect_err("never seen");
    assert_eq!(error.to_string(), "victoriametrics is never packed with none: it is with zstd");
}

#[test]
fn formats_and_encodings_are_known_by_their_names_and_another_word_is_told_all() {
    for format in Format::ALL {
        assert_eq!(format.name().parse(), Ok(format));
    }
    for encoding in Encoding::ALL {
        assert_eq!(encoding.name().parse(), Ok(encoding));
    }
    let error = "csv".parse::<Format>().expect_err("not here").to_string();
    assert!(error.contains("no format `csv`") && error.contains("remote-write, remote-write-2"), "{error}");
    let error = "lz4".parse::<Encoding>().expect_err("not here").to_string();
    assert_eq!(error, "there is no encoding `lz4`: it is one of none, snappy, zstd, gzip");
}

#[test]
fn path_and_headers_are_those_of_the_format_and_the_path_can_be_another() {
    let protocol = Protocol::default();
    assert_eq!(protocol.path(), "/api/v1/write");
    assert!(protocol.headers().contains(&("content-encoding", "snappy")));
    assert!(protocol.headers().contains(&("x-prometheus-remote-write-version", "0.1.0")));
    let protocol = Protocol::new(Format::Json, None).expect("plain").at("/insert/0/import?a=b");
    assert_eq!(protocol.path(), "/insert/0/import?a=b");
    assert!(protocol.headers().iter().all(|(name, _)| *name != "content-encoding"));
}

/// Texts that have to be escaped somewhere, and values as [`crate::harness::Capture`] rounds them.
fn push() -> impl Strategy<Value = Push> {
    let value = prop_oneof![
        any::<i32>().prop_map(f64::from),
        (any::<i32>(), 0i32..7).prop_map(|(number, digits)| f64::from(number) / 10f64.powi(digits)),
        (1_000_000_000_000u64..999_999_999_999_999, 0i32..21)
            .prop_map(|(number, digits)| number as f64 / 10f64.powi(digits)),
    ];
    let text = "[a-z\"\\\\\n,{}= é\u{301}\u{7f}]{1,8}";
    let series = (text, prop::collection::vec(value, 1..4));
    prop::collection::vec(series, 1..5).prop_map(|series| {
        let mut push = PushBuilder::default();
        for (at, (text, values)) in series.into_iter().enumerate() {
            let labels = push.store_with(|out| {
                wire::append_label(out, b"__name__", format!("metric_{at}").as_bytes());
                wire::append_label(out, b"label", text.as_bytes());
            });
            for (at, value) in values.into_iter().enumerate() {
                push.sample(Sample { value: value + 0.0, timestamp: 1_700_000_000_000 + at as i64 });
            }
            push.series(labels, Span::default());
        }
        push.finish()
    })
}

proptest! {
    #[test]
    fn any_text_and_decimal_value_is_read_back(push in push()) {
        for protocol in protocols() {
            let read = read(&protocol, &protocol.pack(&push));
            prop_assert_eq!(content(&read), content(&push), "by {:?}", protocol);
        }
    }
}
