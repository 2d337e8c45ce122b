//! A flow straight into the upstream: what the agent stands between, without it.

use super::*;
use crate::harness::wait::{DEADLINE, until};
use crate::harness::{Encoding, Format, Load, LoadProfile, LoadSource, LoadSpec, Mode, Relay, Upstream};
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

fn spec(agents: Vec<SocketAddr>, pace: Pace) -> FlowSpec {
    FlowSpec {
        agents,
        protocol: Protocol::default(),
        pace,
        producers: NonZeroUsize::new(2),
        first_ms: SCHEDULE.first_ms,
        step_ms: SCHEDULE.step_ms,
        passes_refused: false,
    }
}

#[tokio::test]
async fn hosts_are_spread_over_agents_and_connections_at_any_pace() {
    for pace in [Pace::Every(SCHEDULE.period), Pace::Rate(50_000.0), Pace::Full] {
        let ledger = SharedLedger::default();
        let agents: Vec<_> = (0..3).map(|_| Upstream::start(&ledger).expect("loopback")).collect();
        let hosts = Load::new(1, 7, 20).into_hosts();
        let flow = Flow::drive(hosts, spec(agents.iter().map(Upstream::address).collect(), pace), &ledger);
        let account = flow.account();
        until("every agent has pushes", || agents.iter().all(|agent| agent.totals().samples > 200)).await;
        timeout(DEADLINE, flow.stop()).await.expect("all are answered").expect("none is refused");
        let (verdict, counts) = (ledger.verdict(), account.counts());
        assert!(verdict.is_clean() && verdict.lost == 0, "{pace:?}: {verdict:?}");
        assert_eq!(counts.answered * 20, verdict.answered, "{pace:?}");
        assert!(agents.iter().all(|agent| agent.totals().max_in_flight <= 2), "{pace:?}");
    }
}

#[tokio::test]
async fn a_scrape_of_several_requests_is_pushed_whole_by_any_protocol_of_remote_write() {
    for protocol in [Protocol::default(), Protocol::new(Format::VictoriaMetrics, None).expect("zstd")] {
        let ledger = SharedLedger::default();
        let upstream = Upstream::start(&ledger).expect("loopback");
        let source = LoadSource::Profile { profile: LoadProfile::Extreme, series: None, churn: 0.5 };
        let hosts = LoadSpec { source, hosts: 1, seed: 1 }.build();
        let encoding = protocol.encoding();
        let spec = FlowSpec { protocol: protocol.at("/other"), ..spec(vec![upstream.address()], Pace::Full) };
        let flow = Flow::drive(hosts, spec, &ledger);
        until("pushes are answered", || ledger.verdict().answered > 60_000).await;
        timeout(DEADLINE, flow.stop()).await.expect("all are answered").expect("none is refused");
        assert!(ledger.verdict().is_clean());
        let seen = &upstream.seen()[0];
        assert_eq!((seen.target.as_str(), seen.samples), ("/other", 10_000));
        assert_eq!(seen.headers["content-encoding"], encoding.name());
        assert_eq!(
            encoding == Encoding::Zstd,
            seen.headers.contains_key("x-victoriametrics-remote-write-version")
        );
    }
}

#[tokio::test]
async fn refused_pushes_are_counted_and_passed_over_where_that_is_asked_for() {
    let ledger = SharedLedger::default();
    let upstream = Upstream::start(&ledger).expect("loopback");
    upstream.script([
        Mode::Answer { status: 400, retry_after: None },
        Mode::Answer { status: 409, retry_after: None },
    ]);
    let spec = FlowSpec { passes_refused: true, ..spec(vec![upstream.address()], Pace::Full) };
    let flow = Flow::drive(hosts(), spec, &ledger);
    let account = flow.account();
    until("pushes are answered", || account.counts().answered > 10).await;
    timeout(DEADLINE, flow.stop()).await.expect("all are answered").expect("refusals are passed over");
    assert_eq!(account.counts().refused, 2);
    let first = account.first_refusal().expect("there was one");
    assert!(first.contains("as told"), "{first}");
    let verdict = ledger.verdict();
    assert_eq!((verdict.pushed - verdict.answered, verdict.lost), (40, 0));
}

#[tokio::test]
async fn latency_counts_from_the_first_byte_and_has_the_tries_that_failed_in_it() {
    let ledger = SharedLedger::default();
    let upstream = Upstream::start(&ledger).expect("loopback");
    upstream.script([Mode::Answer { status: 503, retry_after: None }, Mode::Reset]);
    let mut one = spec(vec![upstream.address()], Pace::Full);
    one.producers = NonZeroUsize::new(1);
    let flow = Flow::drive(hosts(), one, &ledger);
    let account = flow.account();
    until("pushes are answered", || account.counts().answered > 20).await;
    let first = account.take_latency();
    assert_eq!(account.counts().retries, 2);
    assert!(
        first.most() >= Some(2 * Duration::from_millis(25)),
        "two waits between tries: {:?}",
        first.most()
    );
    assert!(first.quantile(0.5) < first.most());
    timeout(DEADLINE, flow.stop()).await.expect("all are answered").expect("none is refused");
    let rest = account.take_latency();
    assert_eq!(first.count() + rest.count(), account.counts().answered);
    assert_eq!(account.latency().count(), account.counts().answered);
}
