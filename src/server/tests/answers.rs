//! What a push is answered, and what is kept of it.

use super::*;
use crate::telemetry::metrics::PUSH_ROUTES;

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
