//! What the upstream answers, and what becomes of the batch.

use crate::stage::{SERIES, Stage, binary, metric, page, upstream_status};
use pmm_buffer::harness::wait::{until, until_async};
use pmm_buffer::harness::{Agent, Mode};
use std::fs;
use std::process::Command;
use std::time::Duration;

fn retried(reason: &str) -> String {
    format!(r#"pmm_buffer_batches_retried_total{{upstream="default",reason="{reason}"}}"#)
}

/// What `pmm-buffer status` prints.
fn status_command(agent: &Agent) -> String {
    let url = format!("http://{}", agent.address());
    let output = Command::new(binary()).args(["status", "--url", &url]).output().expect("it runs");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[tokio::test]
async fn a_401_is_retried_until_the_credential_file_is_right() {
    let stage = Stage::with_config("    authorization: {credentials_file: token}", "");
    let token = stage.folder.path().join("token");
    fs::write(&token, "old").expect("writable");
    stage.upstream.set_mode(Mode::Authorize("Bearer new".into()));
    let agent = stage.start().await;
    stage.feed().push(3).await;
    let retried = retried("auth");
    until_async("401 is retried", async || metric(&agent, &retried).await >= 3.0).await;
    let status = upstream_status(&agent).await;
    let said = "the upstream does not accept the credentials (401): who are you";
    assert_eq!((status.last_error.as_deref(), status.last_reason.as_deref()), (Some(said), Some("auth")));
    for shown in [page(&agent, "/").await, status_command(&agent)] {
        assert!(
            shown.contains(said) && shown.contains("check the credentials of its remote_write entry"),
            "{shown}"
        );
    }
    assert!(agent.log().contains(said), "{}", agent.log());
    // No signal: the file is read again for each connection.
    fs::write(&token, "new\n").expect("writable");
    let verdict = stage.drained(&agent).await;
    assert!(verdict.is_clean() && verdict.delivered == 3 * SERIES, "{verdict:?}");
    assert_eq!(verdict.duplicates, 0);
}

#[tokio::test]
async fn retry_after_is_waited_for() {
    let stage = Stage::new();
    let asked = Duration::from_secs(2);
    stage.upstream.script([
        Mode::Answer { status: 503, retry_after: Some(asked) },
        Mode::Answer { status: 429, retry_after: Some(asked) },
    ]);
    let agent = stage.start().await;
    stage.feed().push(1).await;
    stage.drained(&agent).await;
    let seen = stage.upstream.seen();
    let statuses: Vec<_> = seen.iter().map(|seen| seen.status).collect();
    assert_eq!(statuses, [Some(503), Some(429), Some(204)]);
    for pair in seen.windows(2) {
        let waited = pair[1].at - pair[0].at;
        assert!(waited >= asked, "asked again after {waited:?}");
    }
}

#[tokio::test]
async fn a_retry_after_beyond_the_limit_is_cut_to_it() {
    let stage = Stage::with_config("", "replay: {max_retry_after: 1s}");
    let hour = Duration::from_secs(3600);
    stage.upstream.script([Mode::Answer { status: 503, retry_after: Some(hour) }]);
    let agent = stage.start().await;
    stage.feed().push(1).await;
    // Within the deadline of a test, far below the hour.
    assert_eq!(stage.drained(&agent).await.delivered, SERIES);
    let seen = stage.upstream.seen();
    assert!(seen[1].at - seen[0].at >= Duration::from_secs(1));
}

#[tokio::test]
async fn an_upstream_without_zstd_gets_snappy() {
    for status in [400, 415] {
        let stage = Stage::new();
        stage.upstream.set_mode(Mode::RefuseZstd(status));
        let agent = stage.start().await;
        let mut feed = stage.feed();
        feed.push(1).await;
        stage.delivered(SERIES).await;
        feed.push(1).await;
        stage.delivered(2 * SERIES).await;
        let encodings: Vec<_> =
            stage.upstream.seen().iter().map(|seen| seen.headers["content-encoding"].clone()).collect();
        assert_eq!(encodings, ["zstd", "snappy", "snappy"], "refused with {status}");
        let verdict = stage.drained(&agent).await;
        assert!(verdict.is_clean() && verdict.duplicates == 0, "{verdict:?}");
        assert_eq!(upstream_status(&agent).await.samples_rejected, 0);
    }
}

#[tokio::test]
async fn a_series_that_is_refused_for_good_costs_only_itself() {
    let stage = Stage::new();
    let poison = "mysql_global_status_questions";
    stage.upstream.set_mode(Mode::RefuseSeries(poison.into()));
    let agent = stage.start().await;
    stage.feed().push(5).await;
    let verdict = stage.drained(&agent).await;
    // One series of that name in each scrape.
    assert_eq!((verdict.lost, verdict.delivered), (5, 5 * (SERIES - 1)), "{verdict:?}");
    assert_eq!((verdict.out_of_order, verdict.made_up, verdict.duplicates), (0, 0, 0));
    let status = upstream_status(&agent).await;
    assert_eq!((status.samples_rejected, status.samples_dropped), (5, 0));
    let rejected = r#"pmm_buffer_samples_rejected_total{upstream="default",reason="bad_request"}"#;
    assert_eq!(metric(&agent, rejected).await, 5.0);
    let log = agent.log();
    assert!(log.contains(poison) && log.contains("not this series"), "{log}");
}

#[tokio::test]
async fn what_is_too_large_for_the_upstream_goes_in_halves() {
    let stage = Stage::new();
    stage.upstream.script([413, 413, 413].map(|status| Mode::Answer { status, retry_after: None }));
    let agent = stage.start().await;
    stage.feed().push(1).await;
    let verdict = stage.drained(&agent).await;
    assert!(verdict.is_clean() && verdict.delivered == SERIES, "{verdict:?}");
    let parts: Vec<u64> = stage.upstream.seen().iter().map(|seen| seen.samples).collect();
    // 100, 50 and 25 are refused; then 12 and 13, and the other halves.
    assert_eq!(parts, [0, 0, 0, 12, 13, 25, 50]);
}

#[tokio::test]
async fn pmm_takes_nothing_but_204_for_success() {
    let stage = Stage::new();
    stage.upstream.set_mode(Mode::Answer { status: 200, retry_after: None });
    let agent = stage.start().await;
    stage.feed().push(1).await;
    let retried = retried("unexpected_status");
    until_async("200 is retried", async || metric(&agent, &retried).await >= 3.0).await;
    assert_eq!(upstream_status(&agent).await.backlog_samples, SERIES);
    stage.upstream.set_mode(Mode::Accept);
    let verdict = stage.drained(&agent).await;
    assert!(verdict.is_clean() && verdict.delivered == SERIES, "{verdict:?}");
}

#[tokio::test]
async fn any_other_upstream_may_answer_200() {
    let stage = Stage::with_config("    kind: prometheus", "");
    stage.upstream.set_mode(Mode::Answer { status: 200, retry_after: None });
    let agent = stage.start().await;
    stage.feed().push(1).await;
    stage.drained(&agent).await;
    assert_eq!(upstream_status(&agent).await.samples_sent, SERIES);
    assert_eq!(stage.upstream.totals().requests, 1);
}

#[tokio::test]
async fn no_status_but_those_of_refused_content_loses_a_sample() {
    // Short waits: so many failures of one batch would take a minute.
    let stage = Stage::with_config("    queue_config: {min_backoff: 10ms, max_backoff: 20ms}", "");
    let statuses = [301, 401, 403, 404, 405, 407, 408, 409, 425, 429, 500, 501, 502, 503, 504];
    stage.upstream.script(statuses.map(|status| Mode::Answer { status, retry_after: None }));
    let agent = stage.start().await;
    stage.feed().push(2).await;
    until("all were answered", || stage.upstream.totals().requests > statuses.len() as u64).await;
    let verdict = stage.drained(&agent).await;
    assert!(verdict.is_clean() && verdict.delivered == 2 * SERIES, "{verdict:?}");
    let status = upstream_status(&agent).await;
    assert_eq!((status.samples_dropped, status.samples_rejected), (0, 0));
}
