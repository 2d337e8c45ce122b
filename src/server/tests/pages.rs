//! The pages for people and for Prometheus.

use super::*;
use crate::status::Status;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_says_alive_and_ready_says_accepting() {
    let agent = Agent::start(limits()).await;
    let mut client = agent.client().await;
    for path in ["/health", "/ready"] {
        let answer = client.get(path).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, "OK\n"), "{path}");
    }
    agent.queue.set_unavailable(Some("the disk is full\nreally"));
    let answer = client.get("/ready").await;
    assert_eq!(answer.status, 503);
    assert!(answer.body.contains("the disk is full"), "{answer:?}");
    assert_eq!(answer.body.matches('\n').count(), 1, "{answer:?}");
    assert!(answer.header("retry-after").is_some());
    assert_eq!(client.get("/health").await.status, 200, "alive all the same");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_status_is_json_of_its_type() {
    let agent = Agent::start(limits()).await;
    agent.queue.set_unavailable(Some("the disk is full"));
    let answer = agent.client().await.get("/api/v1/status").await;
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let status: Status = serde_json::from_str(&answer.body).expect("a status");
    let expected = Status { unavailable: Some("the disk is full".into()), ..crate::status::sample() };
    assert_eq!(status, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_are_text_of_prometheus_and_mirror_the_queue() {
    let agent = Agent::start(limits()).await;
    let mut client = agent.client().await;
    client.ask(&push_request("/api/v1/write", &body(3))).await;
    let answer = client.get("/metrics").await;
    assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    for line in [
        "pmm_buffer_pushes_accepted_total{route=\"/api/v1/write\"} 1\n",
        "pmm_buffer_samples_accepted_total 3\n",
        "pmm_buffer_connections 1\n",
        "pmm_buffer_accepting 1\n",
        "pmm_buffer_backlog_samples{upstream=\"pmm\"} 1234567\n",
        "pmm_buffer_backlog_seconds{upstream=\"pmm\"} 3725.0\n",
        "pmm_buffer_queue_disk_bytes 104857600\n",
    ] {
        assert!(answer.body.contains(line), "{line} is missing in {}", answer.body);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_home_page_is_html_that_may_load_nothing() {
    let agent = Agent::start(limits()).await;
    let answer = agent.client().await.get("/").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
    assert!(answer.header("content-security-policy").is_some_and(|p| p.starts_with("default-src 'none'")));
    assert!(answer.body.contains("needs attention") && answer.body.ends_with("</html>\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn head_is_get_without_the_body() {
    let agent = Agent::start(limits()).await;
    let mut client = agent.client().await;
    client.send(b"HEAD /health HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n").await;
    client.finish().await;
    let head = client.head().await;
    assert!(head.starts_with("HTTP/1.1 200") && head.contains("content-length: 3"), "{head}");
    client.closed().await;
}
