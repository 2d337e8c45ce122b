//! A flow straight into the upstream: what the agent stands between, without it.

use super::*;
use crate::harness::wait::{DEADLINE, until};
use crate::harness::{Load, Mode, Relay, Upstream};
use tokio::net::TcpStream;
use tokio::time::timeout;

const SCHEDULE: Schedule =
    Schedule { period: Duration::from_millis(5), first_ms: 1_700_000_000_000, step_ms: 5_000 };

fn hosts() -> Vec<HostLoad> {
    Load::new(1, 3, 20).into_hosts()
}

#[tokio::test]
async fn a_flow_is_delivered_whole_and_in_order_through_an_outage() {
    let ledger = SharedLedger::default();
    let mut upstream = Upstream::start(&ledger).expect("loopback");
    let flow = Flow::start(hosts(), upstream.address(), SCHEDULE, &ledger);
    until("pushes are answered", || ledger.verdict().answered > 300).await;
    upstream.close().await;
    until("pushes are tried again", || ledger.verdict().answered < ledger.verdict().pushed).await;
    upstream.open().expect("the port is ours");
    until("retries are counted", || flow.retries() > 0).await;
    timeout(DEADLINE, flow.stop()).await.expect("all are answered").expect("none is refused");
    let verdict = ledger.verdict();
    assert!(verdict.is_clean(), "{verdict:?}");
    assert_eq!(verdict.pushed, verdict.answered);
    assert_eq!(verdict.answered, verdict.delivered);
}

#[tokio::test]
async fn a_flow_ends_with_the_refusal_it_met() {
    let ledger = SharedLedger::default();
    let upstream = Upstream::start(&ledger).expect("loopback");
    upstream.set_mode(Mode::Answer { status: 400, retry_after: None });
    let flow = Flow::start(hosts(), upstream.address(), SCHEDULE, &ledger);
    until("a push was made", || upstream.totals().requests > 0).await;
    timeout(DEADLINE, flow.stop()).await.expect("ended").expect_err("refused");
}

#[tokio::test]
async fn a_closed_relay_is_an_outage_and_what_it_forwards_is_counted() {
    let ledger = SharedLedger::default();
    let upstream = Upstream::start(&ledger).expect("loopback");
    let mut relay = Relay::start(upstream.address()).expect("loopback");
    let flow = Flow::start(hosts(), relay.address(), SCHEDULE, &ledger);
    until("pushes are answered", || ledger.verdict().answered > 300).await;
    relay.close().await;
    TcpStream::connect(relay.address()).await.expect_err("nobody listens");
    until("pushes are tried again", || ledger.verdict().answered < ledger.verdict().pushed).await;
    let before = upstream.totals().requests;
    relay.open().expect("the port is ours");
    until("pushes go on", || upstream.totals().requests > before).await;
    timeout(DEADLINE, flow.stop()).await.expect("all are answered").expect("none is refused");
    assert!(ledger.verdict().is_clean());
    assert!(relay.bytes_sent() > upstream.totals().body_bytes, "bodies and heads");
}
