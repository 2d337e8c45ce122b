//! What a push is answered, and what is kept of it.

use super::*;
use crate::telemetry::metrics::PUSH_ROUTES;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_push_is_answered_with_an_empty_204_once_it_is_appended() {
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_answer_before_the_append_has_returned() {
    let agent = Agent::start(limits()).await;
    agent.queue.hold();
    let mut client = agent.client().await;
    client.send(&push_request("/api/v1/write", &body(1))).await;
    until("the append begins", || agent.queue.begun() == 1).await;
    assert!(agent.metrics.in_flight_bytes.get() > 0, "a push that waits is in the budget");
    let early = tokio::time::timeout(Duration::from_millis(50), client.answer()).await;
    assert!(early.is_err(), "answered before it was durable: {early:?}");
    agent.queue.release();
    assert_eq!(client.answer().await.status, 204);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_route_is_there_under_every_prefix() {
    let agent = Agent::start(limits()).await;
    let mut client = agent.client().await;
    let line = br#"{"metric":{"__name__":"up"},"values":[1],"timestamps":[1700000000000]}"#;
    let native = native_body();
    for prefix in ["", "/prometheus", "/victoriametrics"] {
        for route in ["/api/v1/write", "/api/v1/push"] {
            let answer = client.ask(&push_request(&format!("{prefix}{route}"), &body(1))).await;
            assert_eq!(answer.status, 204, "{prefix}{route}: {answer:?}");
        }
        for (path, body, status) in [
            ("/api/v1/import", &line[..], 204),
            ("/api/v1/import/csv?format=1:metric:up", b"1", 204),
            ("/api/v1/import/native", &native[..], 204),
            ("/api/v1/import/prometheus", b"up 1", 204),
            ("/api/v1/import/prometheus/metrics/job/a", b"up 1", 200),
        ] {
            let path = format!("{prefix}{path}");
            let answer = client.ask(&import_request("POST", &path, "X-None: 1", body)).await;
            assert_eq!(answer.status, status, "{path}: {answer:?}");
        }
    }
    for route in PUSH_ROUTES {
        assert_eq!(agent.accepted(route), 3, "{route}");
    }
    assert_eq!(agent.queue.appended().len(), 21);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_handshake_of_vmagent_is_answered_with_1() {
    let agent = Agent::start(limits()).await;
    let mut client = agent.client().await;
    for request in [
        "GET /api/v1/write?get_vm_proto_version=1 HTTP/1.1\r\nHost: test\r\n\r\n",
        "POST /prometheus/api/v1/write?get_vm_proto_version=1 HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\n\r\n",
        "GET /victoriametrics/api/v1/push?x=y&get_vm_proto_version=1 HTTP/1.1\r\nHost: test\r\n\r\n",
    ] {
        let answer = client.ask(request.as_bytes()).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, "1"), "{request}");
    }
    assert!(agent.queue.appended().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_push_without_series_is_answered_with_204_and_not_appended() {
    let agent = Agent::start(limits()).await;
    let answer = agent.client().await.ask(&push_request("/api/v1/write", &pack(b""))).await;
    assert_eq!(answer.status, 204, "{answer:?}");
    assert_eq!(agent.queue.begun(), 0);
    assert_eq!(agent.accepted("/api/v1/write"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_body_gets_400_in_one_line_and_the_connection_goes_on() {
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_supported_gets_415() {
    let agent = Agent::start(limits()).await;
    let mut client = agent.client().await;
    let body = body(1);
    for header in [
        "Content-Type: application/x-protobuf\r\nContent-Encoding: br",
        "Content-Type: application/x-protobuf;proto=io.prometheus.write.v3.Request\r\nContent-Encoding: snappy",
    ] {
        let mut request = format!(
            "POST /api/v1/write HTTP/1.1\r\nHost: test\r\n{header}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        )
        .into_bytes();
        request.extend_from_slice(&body);
        let answer = client.ask(&request).await;
        assert_eq!(answer.status, 415, "{answer:?}");
    }
    assert_eq!(agent.refused("unsupported"), 2);
    assert!(agent.queue.appended().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_path_gets_404_that_names_the_routes() {
    let agent = Agent::start(limits()).await;
    for request in [
        push_request("/api/v1/import/influx", b"up 1"),
        b"GET /nothing HTTP/1.1\r\nHost: test\r\n\r\n".to_vec(),
    ] {
        let answer = agent.client().await.ask(&request).await;
        assert_eq!(answer.status, 404);
        for route in PUSH_ROUTES {
            assert!(answer.body.contains(route), "{answer:?}");
        }
    }
    assert_eq!(agent.refused("unknown_route"), 1, "only the POST was a push");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_method_gets_405_with_allow() {
    let agent = Agent::start(limits()).await;
    for (method, path, allow) in [
        ("GET", "/api/v1/write", "POST"),
        ("PUT", "/api/v1/import", "POST"),
        ("DELETE", "/api/v1/import/prometheus/metrics/job/a", "POST, PUT"),
        ("DELETE", "/prometheus/api/v1/push", "POST"),
        ("DELETE", "/metrics", "GET, HEAD"),
        ("OPTIONS", "/", "GET, HEAD"),
    ] {
        let request = format!("{method} {path} HTTP/1.1\r\nHost: test\r\n\r\n");
        let answer = agent.client().await.ask(request.as_bytes()).await;
        assert_eq!((answer.status, answer.header("allow")), (405, Some(allow)), "{method} {path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_stored_gets_503_with_retry_after_and_recovers() {
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fault_while_a_push_is_handled_gets_500_and_gives_all_memory_back() {
    let agent = Agent::start(limits()).await;
    agent.queue.set(Mode::Panic);
    let answer = agent.client().await.ask(&push_request("/api/v1/write", &body(1))).await;
    assert_eq!(answer.status, 500);
    assert_eq!(agent.refused("internal"), 1);
    agent.queue.set(Mode::Accept);
    for _ in 0..4 {
        let answer = agent.client().await.ask(&push_request("/api/v1/write", &body(1))).await;
        assert_eq!(answer.status, 204, "more pushes than decode at once still get through");
    }
    assert_eq!(agent.metrics.in_flight_bytes.get(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pipelined_pushes_are_answered_in_their_order() {
    let agent = Agent::start(limits()).await;
    let mut client = agent.client().await;
    let mut requests = push_request("/api/v1/write", &body(1));
    requests.extend(push_request("/api/v1/write", b"junk"));
    requests.extend(b"GET /health HTTP/1.1\r\nHost: test\r\n\r\n");
    requests.extend(push_request("/api/v1/write", &body(2)));
    client.send(&requests).await;
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(client.answer().await.status);
    }
    assert_eq!(statuses, [204, 400, 200, 204]);
    let samples: Vec<u32> = agent.queue.appended().iter().map(|(push, _)| push.counts().samples).collect();
    assert_eq!(samples, [1, 2]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pusher_that_goes_away_leaves_a_counted_push_and_no_memory() {
    let agent = Agent::start(limits()).await;
    agent.queue.hold();
    let mut client = agent.client().await;
    client.send(&push_request("/api/v1/write", &body(5))).await;
    until("the append begins", || agent.queue.begun() == 1).await;
    drop(client);
    agent.queue.release();
    until("it is counted", || agent.metrics.samples_accepted.get() == 5).await;
    until("its memory is free", || agent.metrics.in_flight_bytes.get() == 0).await;
    until("its connection is gone", || agent.metrics.connections.get() == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_http_gets_400_or_is_closed() {
    let agent = Agent::start(limits()).await;
    let mut client = agent.client().await;
    let answer = client.ask(b"\x16\x03\x01\x02\x00\x01 this is a TLS hello\r\n\r\n").await;
    assert_eq!(answer.status, 400);
    client.closed().await;

    let mut client = agent.client().await;
    let huge = format!("GET / HTTP/1.1\r\nX-Large: {}\r\n\r\n", "x".repeat(200_000));
    assert_eq!(client.ask(huge.as_bytes()).await.status, 431);
    until("all are closed", || agent.metrics.connections.get() == 0).await;
}
