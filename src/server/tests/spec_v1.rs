//! The receiver's rules of remote write 1.0 (prometheus.io/docs/specs/prw/remote_write_spec), by their words there.

use super::*;
use crate::proto;
use crate::wire;
use prost::Message;

fn label(name: &str, value: &str) -> proto::Label {
    proto::Label { name: name.into(), value: value.into() }
}

/// A request of one series.
fn request(labels: &[(&str, &str)], samples: &[(f64, i64)]) -> proto::WriteRequest {
    let series = proto::TimeSeries {
        labels: labels.iter().map(|(name, value)| label(name, value)).collect(),
        samples: samples
            .iter()
            .map(|(value, timestamp)| proto::Sample { value: *value, timestamp: *timestamp })
            .collect(),
        ..proto::TimeSeries::default()
    };
    proto::WriteRequest { timeseries: vec![series], ..proto::WriteRequest::default() }
}

fn push(request: &proto::WriteRequest) -> Vec<u8> {
    push_request("/api/v1/write", &pack(&request.encode_to_vec()))
}

/// The labels of every series that was stored, as text.
fn stored_labels(agent: &Agent) -> Vec<String> {
    let text =
        |label: wire::Label<'_>| String::from_utf8([label.name, b"=", label.value].concat()).expect("text");
    let labels = |section| {
        wire::labels(section).map(|label| text(label.expect("sound"))).collect::<Vec<_>>().join(";")
    };
    let appended = agent.queue.appended();
    appended.iter().flat_map(|(push, _)| push.series().map(|series| labels(series.labels))).collect()
}

/// "MUST respond with a HTTP 2xx status code when the write is successful"; "the response body SHOULD be empty".
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_succeeded_is_2xx_with_an_empty_body() {
    let agent = Agent::start(limits()).await;
    let mut client = agent.client().await;
    let request = push_request("/api/v1/write", &body(3));
    let answer = client.ask(&request).await;
    assert_eq!((answer.status, answer.body.as_str()), (204, ""));
    assert_eq!(answer.header("content-length"), None, "204 has no body: {answer:?}");
    let appended = agent.queue.appended();
    assert_eq!(appended.len(), 1);
    assert_eq!(appended[0].0.counts().samples, 3);
    assert_eq!(appended[0].1, NOW_MS, "stamped with the clock");
    assert_eq!(agent.accepted("/api/v1/write"), 1);
    assert_eq!(agent.metrics.samples_accepted.get(), 3);
    assert_eq!(agent.metrics.accepted_bytes.get(), body(3).len() as u64);
    assert_eq!(agent.metrics.in_flight_bytes.get(), 0);
}

/// "MUST respond with HTTP status code 5xx when the write fails and SHOULD be retried."
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_failed_is_5xx_and_succeeds_when_retried() {
    let agent = Agent::start(limits()).await;
    let mut client = agent.client().await;
    let request = push_request("/api/v1/write", &body(1));
    agent.queue.set(Mode::Fail(AppendError::Store("/secret/path: no space left on device".into())));
    let answer = client.ask(&request).await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("5")));
    assert!(!answer.body.contains("/secret/path"), "the cause is for the log: {answer:?}");
    agent.queue.set(Mode::Fail(AppendError::ShuttingDown));
    let mut other = agent.client().await;
    let answer = other.ask(&request).await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("2")));
    agent.queue.set(Mode::Accept);
    assert_eq!(client.ask(&request).await.status, 204, "on the same connection");
    assert_eq!((agent.refused("store"), agent.refused("shutdown")), (1, 1));
    assert_eq!(agent.metrics.samples_accepted.get(), 1);
}

/// "MUST respond with HTTP status code 4xx when the request is invalid, will never be able to succeed"; "SHOULD provide a
/// human readable error message in the response body".
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_can_never_succeed_is_4xx_with_a_readable_message() {
    let agent = Agent::start(limits()).await;
    let mut client = agent.client().await;
    for bad in
        [b"no snappy at all".to_vec(), pack(b"\x0a\xff\xff\xff\xff\x0f"), pack(&[0x80; 40]), Vec::new()]
    {
        let answer = client.ask(&push_request("/api/v1/write", &bad)).await;
        assert_eq!(answer.status, 400, "{answer:?}");
        assert_eq!(answer.body.matches('\n').count(), 1, "{answer:?}");
        assert!(answer.body.ends_with('\n') && answer.body.len() > 10, "{answer:?}");
        assert!(!answer.closes(), "{answer:?}");
    }
    assert_eq!(agent.refused("bad_request"), 4);
    assert_eq!(client.ask(&push_request("/api/v1/write", &body(1))).await.status, 204);
    assert_eq!(agent.queue.appended().len(), 1);
}

/// "The block format MUST be used - the framed format MUST NOT be used."
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn framed_snappy_is_no_remote_write() {
    let agent = Agent::start(limits()).await;
    // The stream identifier that begins every framed body, and an empty chunk.
    let framed = b"\xff\x06\x00\x00sNaPpY\x01\x04\x00\x00\xd8\xea\x82\xa2";
    let answer = agent.client().await.ask(&push_request("/api/v1/write", framed)).await;
    assert_eq!(answer.status, 400, "{answer:?}");
    assert!(answer.body.contains("snappy"), "{answer:?}");
    assert!(agent.queue.appended().is_empty());
}

/// "MUST return a HTTP 400 status code for write requests that contain any invalid samples"; labels "MUST NOT contain
/// repeated label names" nor "any empty label names". The valid samples beside them, which a receiver "MAY ingest", are not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_invalid_sample_is_400_and_nothing_of_the_request_is_kept() {
    let agent = Agent::start(limits()).await;
    let mut client = agent.client().await;
    for (labels, says) in [
        (&[("__name__", "up"), ("job", "a"), ("job", "b")][..], "label job stands in it twice"),
        (&[("__name__", "up"), ("", "a")], "a label has no name"),
        (&[], "it has no labels"),
    ] {
        let mut bad = request(&[("__name__", "good")], &[(1.0, NOW_MS)]);
        bad.timeseries.extend(request(labels, &[(1.0, NOW_MS)]).timeseries);
        let answer = client.ask(&push(&bad)).await;
        assert_eq!(answer.status, 400, "{answer:?}");
        assert!(answer.body.starts_with("series 1") && answer.body.contains(says), "{answer:?}");
    }
    assert!(agent.queue.appended().is_empty());
}

/// Label sets "MUST have label names sorted in lexicographical order": from a sender that did not sort them, they leave so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn labels_are_sorted_before_they_go_on() {
    let agent = Agent::start(limits()).await;
    let unsorted = request(&[("job", "a"), ("__name__", "up"), ("Zone", "z")], &[(1.0, NOW_MS)]);
    assert_eq!(agent.client().await.ask(&push(&unsorted)).await.status, 204);
    assert_eq!(stored_labels(&agent), ["Zone=z;__name__=up;job=a"]);
}

/// "SHOULD contain a `__name__` label": a series without one is no invalid one. "Label values MAY be any sequence of UTF-8
/// characters."
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_series_needs_no_name_and_values_are_any_text() {
    let agent = Agent::start(limits()).await;
    let labels = [("job", "é 日本\n\"\\"), ("zone", "{}=,")];
    assert_eq!(agent.client().await.ask(&push(&request(&labels, &[(1.0, NOW_MS)]))).await.status, 204);
    assert_eq!(stored_labels(&agent), ["job=é 日本\n\"\\;zone={}=,"]);
}

/// "Receivers MAY impose limits on the number and length of labels."
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_on_labels_are_told_by_their_option() {
    let bounds =
        config::Bounds { labels: 2, label_name_bytes: 16, label_value_bytes: 64, ..config::Bounds::DEFAULT };
    let agent = Agent::start(config::Server { bounds, ..limits() }).await;
    let mut client = agent.client().await;
    let long = "x".repeat(65);
    for (labels, option) in [
        (&[("__name__", "up"), ("a", "1"), ("b", "2")][..], "max_labels"),
        (&[("__name__", "up"), (&long[..17], "")], "max_label_name_bytes"),
        (&[("__name__", &long)], "max_label_value_bytes"),
    ] {
        let answer = client.ask(&push(&request(labels, &[(1.0, NOW_MS)]))).await;
        assert_eq!(answer.status, 400, "{answer:?}");
        assert!(answer.body.contains(&format!("(server.{option})")), "{answer:?}");
        assert_eq!(agent.refused(option), 1);
    }
    let at_limits = [("__name__", &long[..64]), (&long[..16], "")];
    assert_eq!(client.ask(&push(&request(&at_limits, &[(1.0, NOW_MS)]))).await.status, 204);
}

/// "Limits on […] batch sizes": smaller requests are taken, which is what 413 says.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_on_a_request_are_413() {
    let bounds = config::Bounds { series: 2, samples: 3, ..config::Bounds::DEFAULT };
    let agent = Agent::start(config::Server { bounds, ..limits() }).await;
    let mut client = agent.client().await;
    let mut many = request(&[("__name__", "up")], &[(1.0, NOW_MS)]);
    many.timeseries = vec![many.timeseries[0].clone(); 3];
    for (request, option) in
        [(push(&many), "max_series"), (push_request("/api/v1/write", &body(4)), "max_samples")]
    {
        let answer = client.ask(&request).await;
        assert_eq!(answer.status, 413, "{answer:?}");
        assert!(answer.body.contains(&format!("(server.{option})")), "{answer:?}");
        assert_eq!(agent.refused(option), 1);
    }
    assert_eq!(client.ask(&push_request("/api/v1/write", &body(3))).await.status, 204);
}

/// "Timestamps MUST be int64 counted as milliseconds since the Unix epoch. Values MUST be float64." Stale markers "MUST be
/// signalled by the special NaN value 0x7ff0000000000002".
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn values_and_times_are_kept_to_the_bit() {
    let agent = Agent::start(limits()).await;
    let stale = f64::from_bits(0x7ff0_0000_0000_0002);
    let samples = [
        (stale, NOW_MS),
        (1.5, -1),
        (f64::MAX, i64::MAX),
        (5e-324, i64::MIN),
        (f64::NEG_INFINITY, 0),
        (f64::NAN, 1),
    ];
    assert_eq!(agent.client().await.ask(&push(&request(&[("__name__", "up")], &samples))).await.status, 204);
    // Several samples of a series stay in the order they were sent in.
    let stored: Vec<_> = agent.queue.appended()[0]
        .0
        .samples()
        .iter()
        .map(|sample| (sample.value.to_bits(), sample.timestamp))
        .collect();
    assert_eq!(stored, samples.map(|(value, timestamp)| (value.to_bits(), timestamp)));
}

/// "Any 1.x compatible receivers MUST be able to read any 1.x compatible sender"; "Adding (optional) fields will be a minor
/// version bump"; fields 2 and 3 of the request are in use by Cortex and for metadata.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fields_of_later_versions_and_of_others_do_no_harm() {
    let agent = Agent::start(limits()).await;
    let unknown = |number: u8| [&[number << 3 | 2, 3][..], b"new"].concat();
    let good = request(&[("__name__", "up")], &[(1.0, NOW_MS)]).encode_to_vec();
    // The message of the series, which is the only field, with a field more.
    let series = [&good[2..], &unknown(9)[..]].concat();
    let metadata = [0x1a, 4, 0x12, 2, b'u', b'p'];
    let body = [&unknown(2)[..], &[0x0a, series.len() as u8], &series, &metadata, &unknown(8)].concat();
    let answer = agent.client().await.ask(&push_request("/api/v1/write", &pack(&body))).await;
    assert_eq!(answer.status, 204, "{answer:?}");
    let counts = agent.queue.appended()[0].0.counts();
    assert_eq!((counts.series, counts.samples, counts.metadata), (1, 1, 1));
    assert_eq!(stored_labels(&agent), ["__name__=up"]);
}
