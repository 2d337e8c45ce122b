//! The upstream goes away and comes back.

use crate::stage::{SERIES, Stage, logged, metric, terminate, upstream_status};
use pmm_buffer::harness::Mode;
use pmm_buffer::harness::wait::{until, until_async};
use std::time::{Duration, Instant};

const REFUSED: &str = r#"pmm_buffer_batches_retried_total{upstream="default",reason="connect"}"#;

/// The promise: from the return of an upstream that refused connections to the first delivery.
const FIRST_DELIVERY: Duration = Duration::from_secs(2);

#[tokio::test]
async fn pushes_go_on_in_an_outage_and_everything_arrives_in_order_afterwards() {
    let mut stage = Stage::new();
    let agent = stage.start().await;
    let flow = stage.flow(4, Duration::from_millis(10));
    stage.answered(20 * SERIES).await;
    stage.upstream.close().await;
    let before = stage.ledger.verdict();
    stage.answered(100 * SERIES).await;
    assert_eq!(flow.retries(), 0, "pushers notice nothing");
    assert!(stage.ledger.verdict().delivered <= before.pushed, "nobody listens");
    until_async("the outage is shown", async || upstream_status(&agent).await.outage_seconds.is_some()).await;
    stage.upstream.open().expect("the port is ours");
    stage.answered(20 * SERIES).await;
    let verdict = stage.finish(&agent, flow).await;
    assert!(verdict.is_clean() && verdict.delivered == verdict.answered, "{verdict:?}");
    assert_eq!(stage.upstream.totals().max_in_flight, 1, "one request in flight keeps the order");
    logged(&agent, "samples_replayed").await;
    let status = upstream_status(&agent).await;
    assert_eq!((status.samples_dropped, status.samples_rejected), (0, 0));
}

#[tokio::test]
async fn the_first_delivery_comes_within_two_seconds_of_the_return() {
    let mut stage = Stage::new();
    let agent = stage.start().await;
    let mut feed = stage.feed();
    let mut took = Vec::new();
    for outage in 1..=3 {
        stage.upstream.close().await;
        feed.push(1).await;
        // After five refused connections the waits have grown to their longest.
        let target = metric(&agent, REFUSED).await + 5.0;
        until_async("connections are refused", async || metric(&agent, REFUSED).await >= target).await;
        stage.upstream.open().expect("the port is ours");
        let back = Instant::now();
        stage.delivered(outage * SERIES).await;
        took.push(back.elapsed());
    }
    println!("first delivery after an outage: {took:?}");
    assert!(took.iter().all(|time| *time < FIRST_DELIVERY), "the first delivery took {took:?}");
    assert!(stage.drained(&agent).await.is_clean());
}

#[tokio::test]
async fn an_upstream_that_breaks_off_and_hangs_up_at_random_costs_no_order() {
    let stage = Stage::new();
    let agent = stage.start().await;
    let flow = stage.flow(4, Duration::from_millis(5));
    for _ in 0..10 {
        let busy = Mode::Answer { status: 500, retry_after: None };
        stage.upstream.script([Mode::Reset, Mode::LoseAnswer, busy, Mode::Slow(Duration::from_millis(20))]);
        stage.answered(20 * SERIES).await;
    }
    let verdict = stage.finish(&agent, flow).await;
    assert!(verdict.is_clean() && verdict.delivered == verdict.answered, "{verdict:?}");
}

#[tokio::test]
async fn answers_that_are_lost_repeat_a_batch_and_never_reorder() {
    let stage = Stage::new();
    let agent = stage.start().await;
    stage.upstream.script([Mode::LoseAnswer, Mode::LoseAnswer, Mode::Accept, Mode::LoseAnswer]);
    let flow = stage.flow(2, Duration::from_millis(10));
    until("answers were lost", || stage.upstream.totals().requests >= 6).await;
    let verdict = stage.finish(&agent, flow).await;
    assert!(verdict.is_clean() && verdict.delivered == verdict.answered, "{verdict:?}");
    // A batch whose answer was lost is sent until there is one: three repeats at the least.
    assert!(verdict.duplicates >= 3 * SERIES, "{verdict:?}");
}

#[tokio::test]
async fn a_clean_restart_goes_on_after_the_last_settled_batch() {
    let mut stage = Stage::new();
    let mut feed = stage.feed();
    for round in 1..=4 {
        let mut agent = stage.start().await;
        feed.push(10).await;
        stage.delivered(round * 20 * SERIES - 10 * SERIES).await;
        // The answer may still be under way; it is waited for, so that it counts.
        stage.upstream.close().await;
        feed.push(10).await;
        terminate(&mut agent).await;
        stage.upstream.open().expect("the port is ours");
        let mut agent = stage.start().await;
        let verdict = stage.drained(&agent).await;
        assert!(verdict.is_clean() && verdict.delivered == round * 20 * SERIES, "{verdict:?}");
        terminate(&mut agent).await;
    }
    let agent = stage.start().await;
    assert_eq!(upstream_status(&agent).await.backlog_records, 0);
    assert_eq!(stage.ledger.verdict().duplicates, 0, "{:?}", stage.ledger.verdict());
}

#[tokio::test]
async fn an_outage_has_one_line_at_its_begin_and_one_at_its_end() {
    let mut stage = Stage::new();
    let agent = stage.start().await;
    let mut feed = stage.feed();
    feed.push(1).await;
    stage.drained(&agent).await;
    let quiet = agent.log().lines().count();
    stage.upstream.close().await;
    feed.push(3).await;
    until_async("connections are refused", async || metric(&agent, REFUSED).await >= 4.0).await;
    stage.upstream.open().expect("the port is ours");
    stage.drained(&agent).await;
    logged(&agent, "samples_replayed=300").await;
    feed.push(3).await;
    stage.drained(&agent).await;
    let log = agent.log();
    assert_eq!(log.lines().count() - quiet, 2, "{log}");
}
