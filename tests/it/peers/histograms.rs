//! Native histograms and exemplars, which remote write 1.0 carries beside the samples.
//!
//! Debian's VictoriaMetrics (1.79) ignores them, so here an upstream of ours takes its place, and a second one takes
//! what Prometheus says it pushed.

use super::{now_ms, start_prometheus};
use crate::stage::{Stage, terminate};
use pmm_buffer::harness::wait::{DEADLINE, until};
use pmm_buffer::harness::{SharedLedger, Upstream};
use pmm_buffer::model::Push;
use pmm_buffer::{proto, wire};
use prost::Message;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What Prometheus scrapes native histograms in: io.prometheus.client of prometheus/client_model, as far as it is
/// needed here.
mod exposition {
    use prost::Message;

    #[derive(Clone, PartialEq, Message)]
    pub struct MetricFamily {
        #[prost(string, tag = "1")]
        pub name: String,
        #[prost(int32, optional, tag = "3")]
        pub kind: Option<i32>,
        #[prost(message, repeated, tag = "4")]
        pub metric: Vec<Metric>,
    }

    pub const COUNTER: i32 = 0;
    pub const HISTOGRAM: i32 = 4;

    #[derive(Clone, PartialEq, Message)]
    pub struct Metric {
        #[prost(message, optional, tag = "3")]
        pub counter: Option<Counter>,
        #[prost(message, optional, tag = "7")]
        pub histogram: Option<Histogram>,
    }

    #[derive(Clone, PartialEq, Message)]
    pub struct Counter {
        #[prost(double, optional, tag = "1")]
        pub value: Option<f64>,
        #[prost(message, optional, tag = "2")]
        pub exemplar: Option<Exemplar>,
    }

    #[derive(Clone, PartialEq, Message)]
    pub struct Exemplar {
        #[prost(message, repeated, tag = "1")]
        pub label: Vec<LabelPair>,
        #[prost(double, optional, tag = "2")]
        pub value: Option<f64>,
    }

    #[derive(Clone, PartialEq, Message)]
    pub struct LabelPair {
        #[prost(string, optional, tag = "1")]
        pub name: Option<String>,
        #[prost(string, optional, tag = "2")]
        pub value: Option<String>,
    }

    #[derive(Clone, PartialEq, Message)]
    pub struct Histogram {
        #[prost(uint64, optional, tag = "1")]
        pub sample_count: Option<u64>,
        #[prost(double, optional, tag = "2")]
        pub sample_sum: Option<f64>,
        #[prost(sint32, optional, tag = "5")]
        pub schema: Option<i32>,
        #[prost(double, optional, tag = "6")]
        pub zero_threshold: Option<f64>,
        #[prost(uint64, optional, tag = "7")]
        pub zero_count: Option<u64>,
        #[prost(message, repeated, tag = "12")]
        pub positive_span: Vec<BucketSpan>,
        #[prost(sint64, repeated, packed = "false", tag = "13")]
        pub positive_delta: Vec<i64>,
    }

    #[derive(Clone, PartialEq, Message)]
    pub struct BucketSpan {
        #[prost(sint32, optional, tag = "1")]
        pub offset: Option<i32>,
        #[prost(uint32, optional, tag = "2")]
        pub length: Option<u32>,
    }
}

/// Scrapes before the outage, in it, and after it, at the least.
const SCRAPES: usize = 3;

/// The target's page at its scrape `number`.
fn page(number: u64) -> Vec<u8> {
    use exposition::{BucketSpan, Counter, Exemplar, Histogram, LabelPair, Metric, MetricFamily};
    let trace = LabelPair { name: Some("trace_id".into()), value: Some(format!("{number:016x}")) };
    let exemplar = Exemplar { label: vec![trace], value: Some(number as f64 / 8.0) };
    let counter = Counter { value: Some(number as f64), exemplar: Some(exemplar) };
    let histogram = Histogram {
        sample_count: Some(4 * number),
        sample_sum: Some(2.5 * number as f64),
        schema: Some(3),
        zero_threshold: Some(1e-128),
        zero_count: Some(number),
        positive_span: vec![BucketSpan { offset: Some(-2), length: Some(2) }],
        positive_delta: vec![number as i64, number as i64],
    };
    let family =
        |name: &str, kind, metric| MetricFamily { name: name.into(), kind: Some(kind), metric: vec![metric] };
    let counted = Metric { counter: Some(counter), histogram: None };
    let timed = Metric { counter: None, histogram: Some(histogram) };
    let mut page = family("orders_total", exposition::COUNTER, counted).encode_length_delimited_to_vec();
    page.extend(family("order_seconds", exposition::HISTOGRAM, timed).encode_length_delimited_to_vec());
    page
}

/// A target that is scraped over one connection at a time. It ends with the runtime.
async fn target() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        for number in 1.. {
            let (stream, _) = listener.accept().await.expect("a connection");
            // Prometheus that breaks off asks again.
            let _ = answer(stream, &page(number)).await;
        }
    });
    address
}

async fn answer(mut stream: TcpStream, page: &[u8]) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let kind = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited";
    let length = page.len();
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(page).await?;
    stream.shutdown().await
}

/// What an upstream was sent beside float samples: labels, timestamp and all of its bytes.
type Carried = BTreeSet<(String, i64, Vec<u8>)>;

/// The histograms and the exemplars of some requests.
fn carried(pushes: &[Push]) -> (Carried, Carried) {
    let (mut histograms, mut exemplars) = (Carried::new(), Carried::new());
    for push in pushes {
        let mut body = Vec::new();
        wire::encode(push, &mut body);
        let request = proto::WriteRequest::decode(body.as_slice()).expect("well-formed");
        for series in request.timeseries {
            let labels = format!("{:?}", series.labels);
            let histogram = |h: &proto::Histogram| (labels.clone(), h.timestamp, h.encode_to_vec());
            histograms.extend(series.histograms.iter().map(histogram));
            let exemplar = |e: &proto::Exemplar| (labels.clone(), e.timestamp, e.encode_to_vec());
            exemplars.extend(series.exemplars.iter().map(exemplar));
        }
    }
    (histograms, exemplars)
}

/// Those up to the last that both have: Prometheus was ended half way.
fn assert_equal_up_to_the_end(through: &Carried, direct: &Carried, after: i64) {
    let last = |carried: &Carried| carried.iter().map(|(_, timestamp, _)| *timestamp).max().unwrap_or(0);
    let end = last(through).min(last(direct));
    let up_to = |carried: &Carried| {
        carried.iter().filter(|(_, timestamp, _)| *timestamp <= end).cloned().collect::<Carried>()
    };
    assert_eq!(up_to(through), up_to(direct));
    assert!(end > after, "nothing after the outage");
    assert!(up_to(direct).len() >= 3 * SCRAPES, "{} of them", up_to(direct).len());
}

#[tokio::test]
async fn native_histograms_and_exemplars_of_prometheus_arrive_as_they_were_sent() {
    let mut stage = Stage::new();
    stage.upstream.keep_pushes();
    let direct = Upstream::start(&SharedLedger::default()).expect("loopback");
    direct.keep_pushes();
    let mut agent = stage.start().await;
    let folder = stage.folder.path().to_owned();
    let entry = |url: &str| {
        format!(
            "  - url: {url}\n    send_exemplars: true\n    send_native_histograms: true\n    \
             queue_config: {{batch_send_deadline: 200ms, max_shards: 1}}\n"
        )
    };
    let text = format!(
        "scrape_configs:\n  - job_name: shop\n    scrape_interval: 200ms\n    scrape_timeout: 200ms\n    \
         static_configs:\n      - targets: ['{}']\nremote_write:\n{}{}",
        target().await,
        entry(&format!("http://{}/api/v1/write", agent.address())),
        entry(&direct.url())
    );
    let features = ["--enable-feature=native-histograms,exemplar-storage"];
    let mut prometheus = start_prometheus(&folder, &text, &features).await;
    let sent = |upstream: &Upstream, after: i64| {
        let (histograms, exemplars) = carried(&upstream.pushes());
        let is_after = |carried: &Carried| carried.iter().filter(|(_, at, _)| *at > after).count() >= SCRAPES;
        is_after(&histograms) && is_after(&exemplars)
    };
    until("some arrive", || sent(&stage.upstream, 0)).await;
    stage.upstream.close().await;
    let outage = now_ms();
    until("some are sent in the outage", || sent(&direct, outage)).await;
    let back = now_ms();
    stage.upstream.open().expect("the port is ours");
    until("some arrive after the outage", || sent(&direct, back) && sent(&stage.upstream, back)).await;
    prometheus.stop().await;
    stage.drained(&agent).await;
    tokio::time::timeout(DEADLINE, terminate(&mut agent)).await.expect("it ends");
    let (through, direct) = (carried(&stage.upstream.pushes()), carried(&direct.pushes()));
    assert_equal_up_to_the_end(&through.0, &direct.0, back);
    assert_equal_up_to_the_end(&through.1, &direct.1, back);
}
