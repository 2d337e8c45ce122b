//! The import routes: their arguments, encodings and refusals.

use super::*;
use crate::wire;

const PATH: &str = "/api/v1/import/prometheus";

/// What was appended, a line a sample: labels, value, timestamp.
fn appended(agent: &Agent) -> Vec<String> {
    let mut lines = Vec::new();
    for (push, _) in agent.queue.appended() {
        for series in push.series() {
            let labels: Vec<_> = wire::labels(series.labels)
                .map(|label| label.expect("well-formed"))
                .map(|label| [label.name, b"=", label.value].concat())
                .map(|label| String::from_utf8(label).expect("text"))
                .collect();
            for sample in series.samples {
                lines.push(format!("{} {} {}", labels.join(","), sample.value, sample.timestamp));
            }
        }
    }
    lines
}

fn gzipped(body: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(body).expect("into memory");
    encoder.finish().expect("into memory")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sample_without_a_time_gets_the_moment_its_request_arrived() {
    let times = AtomicI64::new(0);
    let clock: Clock = Arc::new(move || NOW_MS + 1_000 * times.fetch_add(1, Ordering::SeqCst));
    let agent = Agent::with_clock(limits(), DEADLINE, clock).await;
    let mut client = agent.client().await;
    for _ in 0..2 {
        assert_eq!(
            client.ask(&import_request("POST", PATH, "X-None: 1", b"up 1\nup 2 5000000000")).await.status,
            204
        );
    }
    let queued = agent.queue.appended();
    for (at, (push, accepted_ms)) in queued.iter().enumerate() {
        assert_eq!(*accepted_ms, NOW_MS + 1_000 * at as i64);
        assert_eq!(push.samples()[0].timestamp, *accepted_ms, "the time it is queued with");
        assert_eq!(push.samples()[1].timestamp, 5_000_000_000);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn arguments_and_the_path_give_labels_and_time() {
    let agent = Agent::start(limits()).await;
    let mut client = agent.client().await;
    let arguments = "?extra_label=zone=a%20b&timestamp=1600000000000";
    let json = br#"{"metric":{"__name__":"js","zone":"own"},"values":[1],"timestamps":[5]}"#;
    let text = b"up{job=\"own\"} 1";
    for (method, path, body, status) in [
        ("POST", "/api/v1/import", &json[..], 204),
        ("POST", PATH, text, 204),
        ("PUT", "/api/v1/import/prometheus/metrics/job/my%2Fjob/zone/c", text, 200),
    ] {
        let answer =
            client.ask(&import_request(method, &format!("{path}{arguments}"), "X-None: 1", body)).await;
        assert_eq!((answer.status, answer.body.as_str()), (status, ""), "{answer:?}");
    }
    assert_eq!(
        appended(&agent),
        [
            "__name__=js,zone=a b 1 5",
            "__name__=up,job=own,zone=a b 1 1600000000000",
            "__name__=up,job=my/job,zone=a b 1 1600000000000",
        ]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_encoding_is_taken_on_every_import_route() {
    let agent = Agent::start(limits()).await;
    let mut client = agent.client().await;
    let json = br#"{"metric":{"__name__":"up"},"values":[1],"timestamps":[1700000000000]}"#;
    let csv = "/api/v1/import/csv?format=1:metric:up,2:time:unix_s";
    let native = native_body();
    for (path, body) in [
        ("/api/v1/import", &json[..]),
        (PATH, b"up 1"),
        (csv, b"1,1700000000"),
        ("/api/v1/import/native", &native),
    ] {
        for (encoding, packed) in [
            ("identity", body.to_vec()),
            ("gzip", gzipped(body)),
            ("snappy", pack(body)),
            ("zstd", zstd::bulk::compress(body, 1).expect("small enough")),
        ] {
            let header = format!("Content-Encoding: {encoding}");
            let answer = client.ask(&import_request("POST", path, &header, &packed)).await;
            assert_eq!(answer.status, 204, "{path} {encoding}: {answer:?}");
        }
    }
    assert_eq!(appended(&agent), ["__name__=up 1 1700000000000"; 16]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_is_refused_whole_and_named() {
    let agent = Agent::start(limits()).await;
    let mut client = agent.client().await;
    let (good, none) = (&b"up 1\n"[..], "X-None: 1");
    let packed = gzipped(&b"up 1\n".repeat(100));
    let bomb = gzipped(&vec![b'\n'; 2 << 20]);
    let cut = &packed[..packed.len() - 9];
    for (query, header, body, status, what) in [
        ("", none, &b"up 1\nup{\nup 2\n"[..], 400, "line 2: "),
        ("?extra_label=a", none, good, 400, "extra_label"),
        ("?timestamp=1.5", none, good, 400, "timestamp"),
        ("", "Content-Encoding: br", good, 415, "send gzip"),
        ("", "Content-Encoding: gzip", good, 400, "bad gzip"),
        ("", "Content-Encoding: gzip", cut, 400, "bad gzip"),
        ("", "Content-Encoding: gzip", &[&packed[..], b"xxx"].concat(), 400, "bad gzip"),
        ("", "Content-Encoding: gzip", &bomb, 413, "unpacks to more than"),
        ("", "Content-Type: application/vnd.google.protobuf", good, 415, "send the text format"),
    ] {
        let answer = client.ask(&import_request("POST", &format!("{PATH}{query}"), header, body)).await;
        assert_eq!(answer.status, status, "{answer:?}");
        assert!(answer.body.contains(what) && !answer.closes(), "{what}: {answer:?}");
    }
    assert_eq!(agent.queue.begun(), 0);
    assert_eq!(agent.metrics.in_flight_bytes.get(), 0);
    assert_eq!(client.ask(&import_request("POST", PATH, none, good)).await.status, 204);
}
