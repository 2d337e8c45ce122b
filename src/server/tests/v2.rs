//! The receiver's rules of remote write 2.0 (prometheus.io/docs/specs/prw/remote_write_spec_2_0), by their names there.

use super::client::Received;
use super::*;
use crate::proto::v2;
use prost::Message;

const V2: &str = "application/x-protobuf;proto=io.prometheus.write.v2.Request";
const WRITTEN: [&str; 3] = [
    "x-prometheus-remote-write-samples-written",
    "x-prometheus-remote-write-histograms-written",
    "x-prometheus-remote-write-exemplars-written",
];

fn push(content_type: &str, encoding: &str, body: &[u8]) -> Vec<u8> {
    let mut request = format!(
        "POST /api/v1/write HTTP/1.1\r\nHost: test\r\nContent-Type: {content_type}\r\nContent-Encoding: {encoding}\r\n\
         X-Prometheus-Remote-Write-Version: 2.0.0\r\nContent-Length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    request.extend_from_slice(body);
    request
}

/// Two samples, a histogram and an exemplar of one series.
fn request() -> v2::Request {
    let sample = |timestamp| v2::Sample { value: 1.5, timestamp, start_timestamp: 5 };
    let series = v2::TimeSeries {
        labels_refs: vec![1, 2, 3, 4],
        samples: vec![sample(NOW_MS), sample(NOW_MS + 1)],
        histograms: vec![v2::Histogram { sum: 3.0, timestamp: NOW_MS, ..v2::Histogram::default() }],
        exemplars: vec![v2::Exemplar { labels_refs: vec![3, 4], value: 1.0, timestamp: NOW_MS }],
        metadata: Some(v2::Metadata { r#type: 2, help_ref: 5, unit_ref: 0 }),
        created_timestamp: 0,
    };
    let symbols = ["", "__name__", "up", "job", "test", "What it is."].map(str::to_owned).into();
    v2::Request { symbols, timeseries: vec![series] }
}

fn written(answer: &Received) -> [Option<&str>; 3] {
    WRITTEN.map(|name| answer.header(name))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_written_is_204_with_how_much_was_written() {
    let agent = Agent::start(limits()).await;
    let mut client = agent.client().await;
    let answer = client.ask(&push(V2, "snappy", &pack(&request().encode_to_vec()))).await;
    assert_eq!((answer.status, answer.body.as_str()), (204, ""));
    assert_eq!(written(&answer), [Some("2"), Some("1"), Some("1")]);
    let appended = agent.queue.appended();
    let [(stored, _)] = &appended[..] else { panic!("{appended:?}") };
    let counts = stored.counts();
    assert_eq!((counts.samples, counts.histograms, counts.exemplars, counts.metadata), (2, 1, 1, 1));
    assert_eq!(agent.metrics.start_timestamps_dropped.get(), 2);
    // The same metadata does not go on with every scrape.
    client.ask(&push(V2, "snappy", &pack(&request().encode_to_vec()))).await;
    assert_eq!(agent.queue.appended()[1].0.counts().metadata, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invalid_samples_are_400_with_nothing_written() {
    let agent = Agent::start(limits()).await;
    let mut client = agent.client().await;
    let mut no_symbol = request();
    no_symbol.symbols.pop();
    let mut bad_label = request();
    bad_label.symbols[3] = String::new();
    for (bad, says) in [(no_symbol, "symbol 5"), (bad_label, "a label has no name")] {
        let answer = client.ask(&push(V2, "snappy", &pack(&bad.encode_to_vec()))).await;
        assert_eq!(answer.status, 400, "{answer:?}");
        assert!(answer.body.contains(says), "{answer:?}");
        assert_eq!(written(&answer), [Some("0"); 3]);
    }
    assert!(agent.queue.appended().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_could_not_be_stored_is_5xx_with_nothing_written() {
    let agent = Agent::start(limits()).await;
    agent.queue.set(Mode::Fail(AppendError::Store("disk on fire".into())));
    let answer = agent.client().await.ask(&push(V2, "snappy", &pack(&request().encode_to_vec()))).await;
    assert_eq!((answer.status, written(&answer)), (503, [Some("0"); 3]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unsupported_message_or_encoding_is_415() {
    let agent = Agent::start(limits()).await;
    let mut client = agent.client().await;
    let body = pack(&request().encode_to_vec());
    let v3 = "application/x-protobuf;proto=io.prometheus.write.v3.Request";
    for (content_type, encoding) in [(V2, "br"), (v3, "snappy")] {
        let answer = client.ask(&push(content_type, encoding, &body)).await;
        assert_eq!(answer.status, 415, "{answer:?}");
    }
    assert!(agent.queue.appended().is_empty());
}

/// By the schema alone: the field numbers of the two do not overlap.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_schema_is_chosen_by_the_content_type() {
    let agent = Agent::start(limits()).await;
    let mut client = agent.client().await;
    let v1 =
        client.ask(&push("application/x-protobuf;proto=prometheus.WriteRequest", "snappy", &body(3))).await;
    assert_eq!((v1.status, written(&v1)), (204, [None; 3]));
    let as_v2 = client.ask(&push(V2, "snappy", &body(3))).await;
    assert_eq!((as_v2.status, written(&as_v2)), (204, [Some("0"); 3]));
    assert_eq!(agent.queue.appended().len(), 1);
}
