//! Our own load, so that every sample is known, to the bit.

use super::{Through, WRITE, now_ms};
use bytes::Bytes;
use pmm_buffer::harness::wait::{DEADLINE, until};
use pmm_buffer::harness::{Client, Flow, Load, Schedule, SharedLedger, pack_v2};
use pmm_buffer::model::Push;
use pmm_buffer::wire;
use std::time::Duration;

const HOSTS: usize = 4;
const SERIES: usize = 250;

/// Timestamps start that long ago and are a second apart: they are not to end in the future.
const START_AGO_MS: i64 = 6 * 3600 * 1000;

struct Pushed {
    flow: Flow,
    ledger: SharedLedger,
    node_ids: Vec<String>,
}

impl Pushed {
    fn start(through: &Through) -> Self {
        let ledger = SharedLedger::default();
        let load = Load::new(3, HOSTS, SERIES).into_hosts();
        let node_ids = load.iter().map(|host| host.node_id().to_owned()).collect();
        let schedule =
            Schedule { period: Duration::from_millis(20), first_ms: now_ms() - START_AGO_MS, step_ms: 1_000 };
        Self { flow: Flow::start(load, through.agent.address(), schedule, &ledger), ledger, node_ids }
    }

    async fn answered(&self, pushes: u64) {
        let target = self.ledger.verdict().answered + pushes * SERIES as u64;
        until("pushes are answered", || self.ledger.verdict().answered >= target).await;
    }

    /// Ends the pushes, and holds what the database exports equal to what was pushed.
    async fn assert_exported(self, through: &Through) {
        tokio::time::timeout(DEADLINE, self.flow.stop()).await.expect("answered").expect("not refused");
        through.drained().await;
        let database = &through.victoria.database;
        assert!(database.check(&self.ledger, &self.node_ids).await.expect("it answers"), "it exports");
        let verdict = self.ledger.verdict();
        assert!(verdict.is_clean() && verdict.delivered == verdict.answered, "{verdict:?}");
        assert_eq!(verdict.answered, verdict.pushed, "all pushes were answered at the end");
    }
}

#[tokio::test]
async fn what_the_database_exports_after_an_outage_is_what_was_pushed() {
    let mut through = Through::start().await;
    let pushed = Pushed::start(&through);
    pushed.answered(20).await;
    through.outage(100).await;
    pushed.answered(20).await;
    pushed.assert_exported(&through).await;
}

#[tokio::test]
async fn a_database_that_is_restarted_and_an_agent_that_is_killed_meanwhile_lose_nothing() {
    let mut through = Through::start().await;
    let pushed = Pushed::start(&through);
    pushed.answered(20).await;
    // In order: what it has answered with 204 is on its disk then.
    through.victoria.peer.stop().await;
    pushed.answered(50).await;
    through.agent.kill().expect("it runs");
    through.start_agent_again().await;
    pushed.answered(50).await;
    through.victoria.start_again().await;
    pushed.answered(20).await;
    pushed.assert_exported(&through).await;
}

/// Pushes thirty scrapes, most of them in an outage, each as the request that `request` makes of it, and holds what the
/// database exports equal to them.
async fn assert_scrapes_arrive(
    seed: u64,
    request: impl Fn(&Push) -> (Bytes, Vec<(&'static str, &'static str)>),
) {
    let mut through = Through::start().await;
    let ledger = SharedLedger::default();
    let mut host = Load::new(seed, 1, SERIES).into_hosts().remove(0);
    let mut client = Client::new(through.agent.address());
    let first = now_ms() - START_AGO_MS;
    for scrape in 0..30 {
        if scrape == 10 {
            through.relay.close().await;
        }
        let push = host.scrape(first + scrape * 1_000);
        ledger.lock().pushed(&push);
        let (body, headers) = request(&push);
        let answer = client.post(WRITE, &headers, body).await.expect("answered");
        assert_eq!(answer.status, 204, "{}", answer.text());
        ledger.lock().answered(&push);
    }
    through.relay.open().expect("the port is ours");
    through.drained().await;
    let node_ids = [host.node_id().to_owned()];
    assert!(through.victoria.database.check(&ledger, &node_ids).await.expect("it answers"), "it exports");
    let verdict = ledger.verdict();
    assert!(verdict.is_clean() && verdict.delivered == 30 * SERIES as u64, "{verdict:?}");
}

/// VictoriaMetrics itself answers 204 to such a request and stores nothing.
#[tokio::test]
async fn pushes_of_remote_write_2_arrive_as_those_of_1_do() {
    let headers = [
        ("content-type", "application/x-protobuf;proto=io.prometheus.write.v2.Request"),
        ("content-encoding", "snappy"),
        ("x-prometheus-remote-write-version", "2.0.0"),
    ];
    assert_scrapes_arrive(6, |push| (pack_v2(push), headers.into())).await;
}

/// Debian's vmagent (1.79) sends snappy only; this is what a present one sends.
#[tokio::test]
async fn pushes_in_zstd_arrive_as_those_in_snappy_do() {
    let headers = [("content-encoding", "zstd"), ("x-victoriametrics-remote-write-version", "1")];
    assert_scrapes_arrive(5, |push| {
        let mut body = Vec::new();
        wire::encode(push, &mut body);
        (zstd::encode_all(body.as_slice(), 1).expect("in memory").into(), headers.into())
    })
    .await;
}

/// What a present vmagent asks before it sends zstd.
#[tokio::test]
async fn the_handshake_says_that_zstd_is_understood() {
    let through = Through::start().await;
    let mut client = Client::new(through.agent.address());
    let handshake = client.get(&format!("{WRITE}?get_vm_proto_version=1")).await.expect("answered");
    assert_eq!((handshake.status, handshake.text().as_str()), (200, "1"));
}
