//! VictoriaMetrics' blocks: what one database exports is the same in another, directly and through the agent.
//!
//! ```text
//!  remote write ─▶ VictoriaMetrics ─▶ export/native ─┬─▶ agent ─▶ relay ─▶ VictoriaMetrics
//!                                                    └─▶ VictoriaMetrics
//! ```

use super::{Victoria, WRITE, assert_sent_as_directly, now_ms};
use bytes::Bytes;
use flate2::write::GzEncoder;
use pmm_buffer::harness::{Client, Rng, pack};
use pmm_buffer::model::{Push, PushBuilder, Sample, Span};
use pmm_buffer::wire;
use std::io::Write;
use std::net::SocketAddr;

const PATH: &str = "/api/v1/import/native";

/// Every metric here has a name that begins so.
const MATCHER: &str = r#"__name__=~"native_.*""#;

const STALE: f64 = f64::from_bits(0x7ff0_0000_0000_0002);

/// Each is a series of its own: the database stores those of one series with one exponent.
const NUMBERS: [f64; 9] = [
    0.0,
    1e-7,
    0.30000000000000004,
    std::f64::consts::PI,
    -123_456_789_012.0,
    -1e100,
    f64::MAX,
    f64::MIN_POSITIVE,
    5e-324,
];

/// More than the two blocks that a series of so many needs.
const LONG: i64 = 20_000;

/// Every kind of series, from this time on for less than six hours.
fn push(first_ms: i64) -> Push {
    let mut push = PushBuilder::default();
    let mut rng = Rng::new(9);
    let mut add = |labels: &[(&str, &str)], samples: Vec<(i64, f64)>| {
        let section = push.store_with(|out| {
            labels
                .iter()
                .for_each(|(name, value)| wire::append_label(out, name.as_bytes(), value.as_bytes()));
        });
        for (after_ms, value) in samples {
            push.sample(Sample { value, timestamp: first_ms + after_ms });
        }
        push.series(section, Span::default());
    };
    let mut total = 0;
    let counter = (0..LONG).map(|at| {
        total = if at == LONG / 2 { 0 } else { total + rng.below(1_000) as i64 };
        (at * 1_000, total as f64)
    });
    add(&[("__name__", "native_counter")], counter.collect());
    let gauge = (0..LONG)
        .map(|at| (at * 1_000 + rng.below(1_000) as i64, rng.below(100_000) as f64 / 1_000.0 - 50.0));
    add(&[("__name__", "native_gauge"), ("job", "decimals")], gauge.collect());
    add(&[("__name__", "native_constant")], (0..LONG).map(|at| (at * 1_000, 1.5)).collect());
    add(&[("__name__", "native_steady")], (0..500).map(|at| (at * 15_000, at as f64 * 0.25)).collect());
    let odd = "a\u{0}b\u{1}c\u{2} \"\\ é 日本";
    add(&[("__name__", "native_label"), ("odd", odd)], vec![(0, 1.0)]);
    let words = [f64::INFINITY, 2.5, STALE, 1.0, f64::NEG_INFINITY, STALE];
    add(&[("__name__", "native_words")], (0..).map(|at| at * 1_000).zip(words).collect());
    for (at, number) in NUMBERS.into_iter().enumerate() {
        add(&[("__name__", "native_number"), ("at", &at.to_string())], vec![(1_000, number)]);
    }
    push.finish()
}

/// A request to import: query, encoding, body.
type Import = (String, &'static str, Bytes);

/// Exports of a database that holds `push`, and the number of their samples.
async fn exports(push: &Push) -> (Vec<Import>, usize) {
    let source = Victoria::start().await;
    let headers = [("content-encoding", "snappy"), ("content-type", "application/x-protobuf")];
    let answer =
        Client::new(source.peer.address()).post(WRITE, &headers, pack(push)).await.expect("answered");
    assert_eq!(answer.status, 204, "{}", answer.text());
    let all = push.samples().len();
    source.shown(MATCHER, all).await;

    let times = || push.samples().iter().map(|sample| sample.timestamp);
    let (first, last) = (times().min().expect("samples"), times().max().expect("samples"));
    let whole = source.database.export_native(MATCHER, (first, last)).await.expect("it exports");
    // In the midst of blocks, and to the millisecond.
    let part = (first + 1_001, last - 5_000_003);
    let in_part = times().filter(|time| (part.0..=part.1).contains(time)).count();
    let part = source.database.export_native(MATCHER, part).await.expect("it exports");
    let mut packed = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(&whole).expect("into memory");
    let packed = packed.finish().expect("into memory").into();
    let imports = vec![
        (String::new(), "identity", whole),
        ("?extra_label=copy=packed".to_owned(), "gzip", packed),
        ("?extra_label=copy=part&extra_label=job=c%20d".to_owned(), "identity", part),
    ];
    (imports, 2 * all + in_part)
}

#[tokio::test]
async fn blocks_arrive_through_an_outage_as_they_do_directly() {
    let push = push((now_ms() - 24 * 3_600_000) / 1_000 * 1_000);
    let (imports, all) = exports(&push).await;
    let send = async |address: SocketAddr, prefix: &str, imports: &[Import]| {
        let mut client = Client::new(address);
        for (query, encoding, body) in imports {
            let path = format!("{prefix}{PATH}{query}");
            let headers = [("content-encoding", *encoding)];
            let answer = client.post(&path, &headers, body.clone()).await.expect("answered");
            assert_eq!(answer.status, 204, "{path}: {}", answer.text());
        }
    };
    assert_sent_as_directly(&imports, (1, "/victoriametrics"), send, (MATCHER, all)).await;
}
