//! The receiver's rules of remote write 2.0 (prometheus.io/docs/specs/prw/remote_write_spec_2_0), by their words there.

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

/// "Receivers that written all data successfully MUST return a success 2xx"; "the response body SHOULD be empty and the
/// status code SHOULD be 204"; "MUST send a dedicated X-Prometheus-Remote-Write-*-Written response header with the precise
/// number of successfully written elements".
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

/// "MUST return a 400 status code for write requests that contain any invalid samples"; "MUST NOT return a 2xx if any of the
/// pieces of sent data were NOT written"; "MUST provide a human-readable error message". Nothing is written in part, so that
/// the headers, due "with success or failure", say 0.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invalid_samples_are_400_with_nothing_written() {
    let agent = Agent::start(limits()).await;
    let mut client = agent.client().await;
    type Change = fn(&mut v2::Request);
    let changes: [(Change, &str); 8] = [
        // "References MUST point to the existing index in the `symbols` string array."
        (|request| request.symbols.truncate(5), "a reference to symbol 5, of 5"),
        (|request| request.timeseries[0].exemplars[0].labels_refs[1] = 99, "a reference to symbol 99"),
        // "The first element of the `symbols` table MUST be an empty string."
        (|request| request.symbols[0] = "x".into(), "the first symbol is not empty"),
        (|request| request.symbols.clear(), "a reference to symbol 1, of 0"),
        // "`labels_refs` MUST be provided", and its length is a multiple of two.
        (|request| request.timeseries[0].labels_refs.clear(), "it has no labels"),
        (|request| request.timeseries[0].labels_refs.truncate(3), "a label without a value"),
        // Labels "MUST NOT contain any empty label names" and "MUST NOT contain repeated label names".
        (|request| request.symbols[3] = String::new(), "a label has no name"),
        (|request| request.symbols[3] = "__name__".into(), "label __name__ stands in it twice"),
    ];
    for (change, says) in changes {
        let mut bad = request();
        // The valid series beside it is not written either.
        bad.timeseries.insert(0, bad.timeseries[0].clone());
        bad.timeseries[0].metadata = None;
        bad.timeseries.swap(0, 1);
        change(&mut bad);
        let answer = client.ask(&push(V2, "snappy", &pack(&bad.encode_to_vec()))).await;
        assert_eq!(answer.status, 400, "{answer:?}");
        assert!(answer.body.contains(says), "{answer:?}");
        assert_eq!(written(&answer), [Some("0"); 3]);
    }
    assert!(agent.queue.appended().is_empty());
}

/// "Receivers MAY return a 5xx HTTP status code to represent internal server errors", and "MAY return the Retry-After header".
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_could_not_be_stored_is_5xx_with_nothing_written() {
    let agent = Agent::start(limits()).await;
    agent.queue.set(Mode::Fail(AppendError::Store("disk on fire".into())));
    let answer = agent.client().await.ask(&push(V2, "snappy", &pack(&request().encode_to_vec()))).await;
    assert_eq!((answer.status, written(&answer)), (503, [Some("0"); 3]));
    assert_eq!(answer.header("retry-after"), Some("5"));
}

/// "MUST return 415 Unsupported Media Type if they don't support a given content type or encoding." A type without a message
/// is that of 1.0, whatever it is: VictoriaMetrics does not look at it, and so some pushers send what they like.
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
    assert_eq!(agent.refused("unsupported"), 2);
    assert!(agent.queue.appended().is_empty());
}

/// "Receivers MUST use the content type header to identify the Protobuf Message schema to use." Of a body of the other
/// schema nothing is read: the field numbers of the two do not overlap.
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

/// "The receiver should not assume any particular encoding" of the symbols; labels "MUST have label names sorted", and leave
/// so from a sender that did not sort them; "there might be multiple TimeSeries objects with the same labels".
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn symbols_in_any_order_and_series_in_several_pieces_are_taken() {
    let agent = Agent::start(limits()).await;
    let mut request = request();
    request.timeseries.push(request.timeseries[0].clone());
    request.timeseries[0].labels_refs = vec![3, 4, 1, 2];
    // The same strings again, and in the place of the first ones.
    request.symbols.extend(["up", "__name__"].map(str::to_owned));
    request.timeseries[1].labels_refs = vec![7, 6, 3, 4];
    let answer = agent.client().await.ask(&push(V2, "snappy", &pack(&request.encode_to_vec()))).await;
    assert_eq!((answer.status, written(&answer)), (204, [Some("4"), Some("2"), Some("2")]));
    let appended = agent.queue.appended();
    let labels: Vec<_> = appended[0].0.series().map(|series| series.labels).collect();
    assert_eq!(labels.len(), 2);
    assert_eq!(labels[0], labels[1]);
}

/// "Future minor versions of 2.x MAY add new optional fields to `io.prometheus.write.v2.Request`."
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fields_of_later_versions_do_no_harm() {
    let agent = Agent::start(limits()).await;
    let body = [request().encode_to_vec(), vec![0x7a, 3, b'n', b'e', b'w']].concat();
    let answer = agent.client().await.ask(&push(V2, "snappy", &pack(&body))).await;
    assert_eq!((answer.status, written(&answer)), (204, [Some("2"), Some("1"), Some("1")]));
}

/// "Given optionality, the 0 value MUST be treated by receivers as unset value." Start timestamps that are set have no place
/// in 1.0, and are counted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_timestamp_of_0_is_none() {
    let agent = Agent::start(limits()).await;
    let mut request = request();
    request.timeseries[0].samples[0].start_timestamp = 0;
    let answer = agent.client().await.ask(&push(V2, "snappy", &pack(&request.encode_to_vec()))).await;
    assert_eq!((answer.status, agent.metrics.start_timestamps_dropped.get()), (204, 1));
}

/// "Stale markers MUST be signalled by the special NaN value 0x7ff0000000000002."
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stale_markers_are_kept_to_the_bit() {
    let agent = Agent::start(limits()).await;
    let mut request = request();
    request.timeseries[0].samples[0].value = f64::from_bits(0x7ff0_0000_0000_0002);
    assert_eq!(
        agent.client().await.ask(&push(V2, "snappy", &pack(&request.encode_to_vec()))).await.status,
        204
    );
    assert_eq!(agent.queue.appended()[0].0.samples()[0].value.to_bits(), 0x7ff0_0000_0000_0002);
}

/// "Receivers MAY reject series with unspecified `Metadata.type`", those without a start timestamp, and ones with both samples
/// and histograms: here they are taken, as all of that can go on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_receiver_may_reject_is_taken() {
    let agent = Agent::start(limits()).await;
    let mut request = request();
    request.timeseries[0].metadata = Some(v2::Metadata { r#type: 0, help_ref: 5, unit_ref: 0 });
    request.timeseries.push(v2::TimeSeries { labels_refs: vec![1, 2], ..v2::TimeSeries::default() });
    let answer = agent.client().await.ask(&push(V2, "snappy", &pack(&request.encode_to_vec()))).await;
    assert_eq!((answer.status, written(&answer)), (204, [Some("2"), Some("1"), Some("1")]));
}

/// "Receivers also MAY impose limits on the number and length of labels", and this one on the number of symbols.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_are_told_by_their_option_with_nothing_written() {
    let agent = Agent::start(limits()).await;
    for (bounds, option, status) in [
        (config::Bounds { labels: 1, ..config::Bounds::DEFAULT }, "max_labels", 400),
        (config::Bounds { symbols: 5, ..config::Bounds::DEFAULT }, "max_symbols", 413),
        (config::Bounds { samples: 2, ..config::Bounds::DEFAULT }, "max_samples", 413),
    ] {
        agent.state.set_limits(config::Server { bounds, ..limits() }, config::Import::default());
        let answer = agent.client().await.ask(&push(V2, "snappy", &pack(&request().encode_to_vec()))).await;
        assert_eq!((answer.status, written(&answer)), (status, [Some("0"); 3]), "{answer:?}");
        assert!(answer.body.contains(&format!("(server.{option})")), "{answer:?}");
        assert_eq!(agent.refused(option), 1);
    }
    assert!(agent.queue.appended().is_empty());
}
