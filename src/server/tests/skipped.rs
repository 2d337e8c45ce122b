//! `import.bad_lines: skip`: what is left out of an import, and who is told.

use super::logging::Log;
use super::*;
use tracing::instrument::WithSubscriber;

const SKIP: config::Import = config::Import { bad_lines: config::BadLines::Skip };

async fn skipping(server: config::Server) -> Agent {
    let agent = Agent::start(server.clone()).await;
    agent.state.set_limits(server, SKIP);
    agent
}

fn skipped(agent: &Agent, route: &'static str) -> u64 {
    let label = crate::telemetry::metrics::RouteLabel { route };
    agent.metrics.lines_skipped.get_or_create_owned(&label).get()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_lines_are_counted_by_route_and_the_rest_is_kept() {
    let agent = skipping(limits()).await;
    let mut client = agent.client().await;
    let json = r#"{"metric":{"__name__":"up"},"values":[1],"timestamps":[1700000000000]}"#;
    for (path, query, body) in [
        ("/api/v1/import", "", format!("{json}\n{{\n{json}\nx\n")),
        ("/api/v1/import/csv", "?format=1:label:k,2:metric:up", "a,1\nb\nc,2\nd,x\n".to_owned()),
        ("/api/v1/import/prometheus", "", "up 1\nup{\n# HELP up {\nup 2\nup\n".to_owned()),
    ] {
        let answer = client
            .ask(&import_request("POST", &format!("{path}{query}"), "X-None: 1", body.as_bytes()))
            .await;
        assert_eq!((answer.status, answer.body.as_str()), (204, ""), "{path}");
        assert_eq!(skipped(&agent, path), 2, "{path}");
        assert_eq!(agent.queue.appended().last().expect("kept").0.counts().samples, 2, "{path}");
    }
    let only_bad = client.ask(&import_request("POST", "/api/v1/import", "X-None: 1", b"{\n")).await;
    assert_eq!((only_bad.status, agent.queue.appended().len()), (204, 3));
    assert_eq!(skipped(&agent, "/api/v1/import"), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_matter_of_a_line_refuses_the_request_all_the_same() {
    let bounds = config::Bounds { series: 2, ..config::Bounds::DEFAULT };
    let agent = skipping(config::Server { bounds, ..limits() }).await;
    let mut client = agent.client().await;
    for (query, header, body, status) in [
        ("", "Content-Encoding: gzip", &b"\x1f\x8b\x08\x00up 1"[..], 400),
        ("?extra_label=a", "X-None: 1", b"up 1", 400),
        ("", "X-None: 1", b"up 1\nup 2\nup 3\n", 413),
    ] {
        let path = format!("/api/v1/import/prometheus{query}");
        let answer = client.ask(&import_request("POST", &path, header, body)).await;
        assert_eq!(answer.status, status, "{answer:?}");
    }
    // A body that is shorter than was declared.
    let whole = import_request("POST", "/api/v1/import/prometheus", "X-None: 1", b"up 1\nup{\nup 2\n");
    client.send(&whole[..whole.len() - 3]).await;
    client.finish().await;
    assert_eq!(client.answer().await.status, 400);
    assert!(agent.queue.appended().is_empty());
    assert_eq!(skipped(&agent, "/api/v1/import/prometheus"), 0);
}

/// What was not stored comes again, and its bad lines with it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_of_a_push_that_was_not_stored_are_not_counted() {
    let agent = skipping(limits()).await;
    agent.queue.set(Mode::Fail(AppendError::Store("disk on fire".into())));
    let request = import_request("POST", "/api/v1/import/prometheus", "X-None: 1", b"up 1\nup{\n");
    assert_eq!(agent.client().await.ask(&request).await.status, 503);
    assert_eq!(skipped(&agent, "/api/v1/import/prometheus"), 0);
}

#[tokio::test]
async fn the_first_bad_line_is_logged_once_a_minute() {
    let (log, subscriber) = Log::at(tracing::Level::WARN);
    let state = state(Arc::default(), Arc::default(), limits());
    let skipped = |line: usize| crate::ingest::lines::Skipped {
        lines: 3,
        first: Some(crate::ingest::Refusal::Bad(format!("line {line}: up\n is no number"))),
    };
    async {
        for line in [2, 7] {
            state.report_skipped(&skipped(line), "/api/v1/import", "127.0.0.1:5".parse().unwrap());
        }
        state.report_skipped(&Default::default(), "/api/v1/import", "127.0.0.1:5".parse().unwrap());
    }
    .with_subscriber(subscriber)
    .await;
    let lines = log.lines();
    let [line] = &lines[..] else { panic!("{lines:?}") };
    for part in [
        "WARN",
        "bad lines of a push skipped",
        "lines=3",
        "first=line 2: up\\n is no number",
        "/api/v1/import",
    ] {
        assert!(line.contains(part), "{part}: {line}");
    }
}
