//! SIGTERM ends in order, SIGHUP reloads.

use crate::stage::{SERIES, Stage, logged, metric, terminate, upstream_status};
use pmm_buffer::harness::wait::{until, until_async};
use pmm_buffer::harness::{Mode, Upstream};
use std::time::{Duration, Instant};

/// `shutdown_grace` where nothing else is said.
const GRACE: Duration = Duration::from_secs(5);

#[tokio::test]
async fn sigterm_amid_pushes_ends_with_0_in_the_grace_time_and_loses_nothing() {
    let stage = Stage::new();
    let mut agent = stage.start().await;
    let flow = stage.flow(8, Duration::from_millis(5));
    for _ in 0..3 {
        stage.answered(50 * SERIES).await;
        let told = Instant::now();
        terminate(&mut agent).await;
        assert!(told.elapsed() < GRACE, "it took {:?}", told.elapsed());
        agent = stage.start().await;
    }
    stage.answered(50 * SERIES).await;
    let verdict = stage.finish(&agent, flow).await;
    assert!(verdict.is_clean() && verdict.delivered == verdict.answered, "{verdict:?}");
    assert!(agent.log().matches("stopped").count() >= 3, "{}", agent.log());
}

#[tokio::test]
async fn sigterm_does_not_wait_for_an_upstream_that_never_answers_beyond_the_grace_time() {
    let stage = Stage::with_config("", "shutdown_grace: 1s");
    stage.upstream.set_mode(Mode::Hang);
    let mut agent = stage.start().await;
    let mut feed = stage.feed();
    feed.push(3).await;
    until("a batch is in flight", || stage.upstream.totals().in_flight == 1).await;
    let told = Instant::now();
    terminate(&mut agent).await;
    assert!(told.elapsed() >= Duration::from_millis(900), "cut off after {:?}", told.elapsed());
    stage.upstream.set_mode(Mode::Accept);
    let agent = stage.start().await;
    let verdict = stage.drained(&agent).await;
    assert!(verdict.is_clean() && verdict.delivered == 3 * SERIES, "{verdict:?}");
}

#[tokio::test]
async fn sigterm_gives_several_upstreams_that_never_answer_one_grace_time() {
    let stage = Stage::with_config("", "");
    let url = stage.upstream.url();
    let entries = format!("    name: a\n  - url: {url}\n    name: b\n  - url: {url}\n    name: c");
    stage.write_config(&url, &entries, "shutdown_grace: 3s");
    stage.upstream.set_mode(Mode::Hang);
    let mut agent = stage.start().await;
    stage.feed().push(1).await;
    until("all have a batch in flight", || stage.upstream.totals().in_flight == 3).await;
    let told = Instant::now();
    terminate(&mut agent).await;
    assert!(told.elapsed() < Duration::from_secs(6), "it took {:?}", told.elapsed());
}

#[tokio::test]
async fn sigterm_in_an_outage_keeps_the_backlog_and_the_next_agent_delivers_it() {
    let mut stage = Stage::new();
    stage.upstream.close().await;
    let mut agent = stage.start().await;
    stage.feed().push(5).await;
    terminate(&mut agent).await;
    let agent = stage.start().await;
    assert_eq!(upstream_status(&agent).await.backlog_samples, 5 * SERIES);
    stage.upstream.open().expect("the port is ours");
    let verdict = stage.drained(&agent).await;
    assert!(verdict.is_clean() && verdict.delivered == 5 * SERIES, "{verdict:?}");
    assert_eq!(verdict.duplicates, 0);
}

#[tokio::test]
async fn sighup_puts_another_log_level_in_force() {
    let stage = Stage::with_config("", "log: {level: info}");
    let mut agent = stage.start().await;
    let mut feed = stage.feed();
    feed.push(1).await;
    stage.drained(&agent).await;
    assert!(!agent.log().contains("DEBUG"), "{}", agent.log());
    stage.write_config(&stage.upstream.url(), "", "log: {level: debug}");
    agent.reload().expect("it runs");
    logged(&agent, "applied=log.level").await;
    stage.upstream.script([Mode::Answer { status: 503, retry_after: None }]);
    feed.push(1).await;
    stage.drained(&agent).await;
    logged(&agent, "DEBUG").await;
}

#[tokio::test]
async fn sighup_turns_the_backlog_to_another_url() {
    let mut stage = Stage::with_config("", "");
    let mut agent = stage.start().await;
    let mut feed = stage.feed();
    feed.push(2).await;
    stage.drained(&agent).await;
    stage.upstream.close().await;
    feed.push(2).await;
    until_async("the outage is noticed", async || upstream_status(&agent).await.last_error.is_some()).await;
    let other = Upstream::start(&stage.ledger).expect("loopback");
    stage.write_config(&other.url(), "", "");
    agent.reload().expect("it runs");
    logged(&agent, "remote_write[default].url").await;
    let verdict = stage.drained(&agent).await;
    assert!(verdict.is_clean() && verdict.delivered == 4 * SERIES, "{verdict:?}");
    assert_eq!(other.totals().samples, 2 * SERIES);
    assert_eq!(upstream_status(&agent).await.url, other.url());
}

#[tokio::test]
async fn sighup_brings_the_right_credentials() {
    let stage = Stage::with_config("    bearer_token: wrong", "");
    stage.upstream.set_mode(Mode::Authorize("Bearer right".into()));
    let mut agent = stage.start().await;
    stage.feed().push(2).await;
    let retried = r#"pmm_buffer_batches_retried_total{upstream="default",reason="auth"}"#;
    until_async("401 is retried", async || metric(&agent, retried).await >= 2.0).await;
    assert_eq!(stage.ledger.verdict().delivered, 0);
    stage.write_config(&stage.upstream.url(), "    bearer_token: right", "");
    agent.reload().expect("it runs");
    logged(&agent, "remote_write[default].authentication").await;
    let verdict = stage.drained(&agent).await;
    assert!(verdict.is_clean() && verdict.delivered == 2 * SERIES, "{verdict:?}");
}

#[tokio::test]
async fn sighup_says_what_needs_a_restart_and_applies_the_rest() {
    let stage = Stage::with_config("", "");
    let mut agent = stage.start().await;
    let rest = "queue: {max_bytes: 2GiB}\nlog: {format: json}\nserver: {max_body_bytes: 64KiB}";
    stage.write_config(&stage.upstream.url(), "", rest);
    agent.reload().expect("it runs");
    logged(&agent, "these take effect at the next restart").await;
    let log = agent.log();
    assert!(log.contains("keys=queue.max_bytes, log.format"), "{log}");
    assert!(log.contains("applied=server.max_body_bytes"), "{log}");
    assert_eq!(agent.status().await.expect("a status").queue.max_bytes, 1 << 30);
    // What is applied is in force: the limit of a body was 32 MiB.
    let body = vec![0; 65_537].into();
    let mut client = pmm_buffer::harness::Client::new(agent.address());
    let answer = client.post("/api/v1/write", &[("content-encoding", "snappy")], body).await;
    assert_eq!(answer.expect("answered").status, 413);
}

#[tokio::test]
async fn sighup_with_a_bad_file_says_every_error_and_changes_nothing() {
    let stage = Stage::with_config("", "");
    let mut agent = stage.start().await;
    stage.write_config("no-url", "    remote_timeout: 1h", "log: {level: debug}");
    agent.reload().expect("it runs");
    until("both errors are said", || {
        agent.log().matches("configuration not reloaded, the one in force stays").count() == 2
    })
    .await;
    let log = agent.log();
    assert!(log.contains("remote_write[0].url") && log.contains("remote_write[0].remote_timeout"), "{log}");
    stage.feed().push(1).await;
    assert_eq!(stage.drained(&agent).await.delivered, SERIES);
    assert!(!agent.log().contains("DEBUG"), "{}", agent.log());
}
