//! `urls`: which of several upstreams gets the data, and when.

use crate::stage::{SERIES, Stage, logged, metric, page, upstream_status};
use pmm_buffer::harness::wait::{until, until_async};
use pmm_buffer::harness::{Mode, Upstream};
use std::time::Duration;

const URL_IN_USE: &str = r#"pmm_buffer_upstream_url_index{upstream="default"}"#;

/// A stage whose agent has two URLs; both upstreams keep one ledger, as a replicated pair does.
fn pair(rest: &str) -> (Stage, Upstream) {
    let stage = Stage::with_config("", rest);
    let second = Upstream::start(&stage.ledger).expect("loopback");
    write_pair(&stage, &[&stage.upstream.url(), &second.url()], rest);
    (stage, second)
}

fn write_pair(stage: &Stage, urls: &[&str], rest: &str) {
    stage.write_urls(urls, "", rest);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_takes_over_in_order_and_the_first_is_taken_back() {
    let (mut stage, second) = pair("");
    let mut agent = stage.start().await;
    let flow = stage.flow(3, Duration::from_millis(100));
    stage.answered(10 * SERIES).await;
    stage.delivered(5 * SERIES).await;
    assert_eq!((second.totals().requests, metric(&agent, URL_IN_USE).await), (0, 1.0));

    stage.upstream.close().await;
    until("the second is sent to", || second.totals().samples >= 5 * SERIES).await;
    logged(&agent, "a url does not take data, delivery went on to another").await;
    let status = upstream_status(&agent).await;
    assert_eq!((status.url, status.url_number, status.urls.len()), (second.url(), 2, 2));
    assert_eq!(metric(&agent, URL_IN_USE).await, 2.0);
    let shown = page(&agent, "/").await;
    assert!(shown.contains("url 2 of 2"), "{shown}");

    stage.upstream.open().expect("the same port");
    let before = stage.upstream.totals().samples;
    until("the first is sent to again", || stage.upstream.totals().samples > before).await;
    logged(&agent, "the first url takes data again").await;
    let of_second = second.totals().requests;
    let more = stage.upstream.totals().samples + 5 * SERIES;
    until("it goes on", || stage.upstream.totals().samples >= more).await;
    assert_eq!((second.totals().requests, metric(&agent, URL_IN_USE).await), (of_second, 1.0));

    let verdict = stage.finish(&agent, flow).await;
    assert!(verdict.is_clean(), "{verdict:?}");
    assert_never_two_at_once(&stage.upstream, &second);
    let log = agent.log();
    assert_eq!(log.matches("delivery went on to another").count(), 1, "{log}");
    assert_eq!(log.matches("the first url takes data again").count(), 1, "{log}");
    assert!(!log.contains("upstream does not take data"), "no outage: {log}");
    crate::stage::terminate(&mut agent).await;
}

/// No request began on one while the other had one without an answer.
fn assert_never_two_at_once(first: &Upstream, second: &Upstream) {
    for upstream in [first, second] {
        assert!(upstream.totals().max_in_flight <= 1);
    }
    let spans = |upstream: &Upstream, url| {
        upstream
            .seen()
            .into_iter()
            .filter_map(move |seen| Some((seen.at, seen.ended?, url)))
            .collect::<Vec<_>>()
    };
    let mut all = [spans(first, 1), spans(second, 2)].concat();
    all.sort();
    for pair in all.windows(2) {
        let ((_, ended, one), (at, _, other)) = (pair[0], pair[1]);
        assert!(at >= ended, "url {other} was asked while url {one} had not answered");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn server_errors_are_waited_out_a_little_and_then_the_second_takes_over() {
    let (stage, second) = pair("");
    let agent = stage.start().await;
    let mut feed = stage.feed();
    let busy = || Mode::Answer { status: 500, retry_after: None };
    stage.upstream.script([busy(), busy()]);
    feed.push(1).await;
    stage.drained(&agent).await;
    assert_eq!(
        (stage.upstream.totals().requests, second.totals().requests),
        (3, 0),
        "two failures are not enough"
    );
    stage.upstream.set_mode(busy());
    feed.push(1).await;
    let verdict = stage.drained(&agent).await;
    assert!(verdict.is_clean() && verdict.duplicates == 0, "{verdict:?}");
    assert_eq!((stage.upstream.totals().requests, second.totals().requests), (6, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_asks_for_a_long_wait_is_not_waited_for() {
    let (stage, second) = pair("");
    let agent = stage.start().await;
    stage.upstream.set_mode(Mode::Answer { status: 503, retry_after: Some(Duration::from_secs(600)) });
    stage.feed().push(1).await;
    stage.drained(&agent).await;
    assert_eq!((stage.upstream.totals().requests, second.totals().requests), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_settled_lately_goes_to_the_second_too() {
    let (mut stage, second) = pair("");
    // A pair that is not replicated: the second knows nothing.
    stage.launch.env.retain(|(name, _)| name != "PMM_BUFFER_QUEUE_REWIND");
    let agent = stage.start().await;
    let mut feed = stage.feed();
    feed.push(3).await;
    stage.drained(&agent).await;
    stage.upstream.close().await;
    feed.push(1).await;
    let verdict = stage.drained(&agent).await;
    assert_eq!((verdict.lost, verdict.out_of_order), (0, 0), "{verdict:?}");
    assert_eq!(second.totals().samples, 4 * SERIES);
    until_async("counted", async || {
        metric(&agent, r#"pmm_buffer_samples_repeated_total{upstream="default"}"#).await
            == (3 * SERIES) as f64
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_all_away_there_is_one_outage_and_any_of_them_ends_it() {
    let (mut stage, mut second) = pair("");
    stage.upstream.close().await;
    second.close().await;
    let agent = stage.start().await;
    stage.feed().push(2).await;
    let retried = r#"pmm_buffer_batches_retried_total{upstream="default",reason="connect"}"#;
    until_async("both are tried again and again", async || metric(&agent, retried).await >= 6.0).await;
    second.open().expect("the same port");
    let verdict = stage.drained(&agent).await;
    assert!(verdict.is_clean() && verdict.delivered == 2 * SERIES, "{verdict:?}");
    let log = agent.log();
    assert_eq!(log.matches("upstream does not take data").count(), 1, "{log}");
    assert_eq!(log.matches("upstream is back").count(), 1, "{log}");
    assert_eq!(log.matches("delivery went on to another").count(), 1, "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_of_a_url_is_never_shown() {
    let (stage, mut second) = pair("");
    let secret = "hunter2";
    let (first, other) =
        (format!("{}?token={secret}", stage.upstream.url()), format!("{}?key={secret}", second.url()));
    write_pair(&stage, &[&first, &other], "log: {level: debug}");
    let agent = stage.start().await;
    stage.upstream.set_mode(Mode::Answer { status: 503, retry_after: Some(Duration::from_secs(60)) });
    stage.feed().push(1).await;
    stage.drained(&agent).await;
    logged(&agent, "delivery went on to another").await;
    second.close().await;
    let status = page(&agent, "/api/v1/status").await;
    for shown in [agent.log(), status, page(&agent, "/").await, page(&agent, "/metrics").await] {
        assert!(!shown.contains(secret), "{shown}");
    }
}
