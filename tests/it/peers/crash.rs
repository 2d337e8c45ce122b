//! A database that is killed loses what it had answered and not flushed. With a rewind, that is sent again.

use super::{Victoria, now_ms};
use crate::stage::{binary, upstream_status};
use pmm_buffer::harness::wait::{DEADLINE, until, until_async};
use pmm_buffer::harness::{
    Agent, Flow, HostLoad, Launch, Load, Pusher, ReservedPort, Schedule, SharedLedger, pack,
};
use pmm_buffer::status::UpstreamStatus;
use std::time::Duration;
use tempfile::TempDir;

const HOSTS: usize = 2;
const SERIES: usize = 100;
/// Pushes are so far apart, and say they are a second.
const PERIOD: Duration = Duration::from_millis(50);
/// Delivered before the crash: about a second's worth.
const SENT: u64 = 40 * SERIES as u64;
/// Timestamps are not to end in the future.
const START_AGO_MS: i64 = 6 * 3600 * 1000;

/// An agent with its own database, which takes what a flow pushes.
struct Pair {
    agent: Agent,
    victoria: Victoria,
    ledger: SharedLedger,
    node_ids: Vec<String>,
    flow: Option<Flow>,
    _folder: TempDir,
    port: ReservedPort,
}

impl Pair {
    async fn start(rewind: &str) -> Self {
        let victoria = Victoria::start().await;
        let (folder, port) = (tempfile::tempdir().expect("a folder"), ReservedPort::new().expect("loopback"));
        let (data, log) = (folder.path().join("data"), folder.path().join("log"));
        let mut launch = Launch::flags(binary(), port.address(), &data, &victoria.url(), &log);
        launch.env.push(("PMM_BUFFER_QUEUE_REWIND".into(), rewind.into()));
        let mut agent = launch.start().expect("the program starts");
        agent.ready(DEADLINE).await.expect("ready");
        let ledger = SharedLedger::default();
        let load = Load::new(9, HOSTS, SERIES).into_hosts();
        let node_ids = load.iter().map(|host| host.node_id().to_owned()).collect();
        let schedule = Schedule { period: PERIOD, first_ms: now_ms() - START_AGO_MS, step_ms: 1_000 };
        let flow = Some(Flow::start(load, port.address(), schedule, &ledger));
        Self { agent, victoria, ledger, node_ids, flow, _folder: folder, port }
    }

    async fn upstream(&self) -> UpstreamStatus {
        upstream_status(&self.agent).await
    }

    /// Waits until so many samples are delivered, as the agent counts them.
    async fn sent(&self, samples: u64) {
        until_async("samples are delivered", async || self.upstream().await.samples_sent >= samples).await;
    }

    /// Kills the database while pushes go on, brings it back, and waits until the agent holds nothing.
    async fn crash(&mut self) {
        let answered = self.ledger.verdict().answered;
        self.victoria.peer.process.kill().expect("it runs");
        until("pushes go on", || self.ledger.verdict().answered > answered + 10 * SERIES as u64).await;
        self.victoria.start_again().await;
        until("pushes go on", || self.ledger.verdict().answered > answered + 20 * SERIES as u64).await;
        let flow = self.flow.take().expect("one crash");
        tokio::time::timeout(DEADLINE, flow.stop()).await.expect("answered").expect("not refused");
        until_async("the agent holds nothing", async || self.upstream().await.backlog_records == 0).await;
    }
}

#[tokio::test]
async fn what_a_killed_database_had_not_flushed_is_sent_again() {
    let (mut with, mut without) = tokio::join!(Pair::start("10s"), Pair::start("0s"));
    tokio::join!(with.sent(SENT), without.sent(SENT));
    tokio::join!(with.crash(), without.crash());
    let Pair { ledger, victoria, node_ids, .. } = &with;
    assert!(victoria.database.check(ledger, node_ids).await.expect("it answers"), "it exports");
    let verdict = ledger.verdict();
    assert_eq!((verdict.lost, verdict.made_up), (0, 0), "{verdict:?}");
    assert!(verdict.answered > SENT, "{verdict:?}");
    // By now this database shows what it has, too.
    let Pair { ledger, victoria, node_ids, .. } = &without;
    for node_id in node_ids {
        let export = victoria.database.export(&format!("node_id=\"{node_id}\"")).await.expect("it answers");
        ledger.lock().arrived(&export.expect("it exports"));
    }
    assert!(ledger.verdict().lost > 0, "the database lost nothing, so this test shows nothing");
}

/// Nothing fails where the database is back before the next push: the connection that ended is all there is to see.
#[tokio::test]
async fn what_a_database_lost_that_was_back_before_the_next_push_is_sent_again() {
    let mut pair = Pair::start("10s").await;
    pair.sent(SENT).await;
    let flow = pair.flow.take().expect("it runs");
    tokio::time::timeout(DEADLINE, flow.stop()).await.expect("answered").expect("not refused");
    until_async("the agent holds nothing", async || pair.upstream().await.backlog_records == 0).await;
    pair.victoria.peer.process.kill().expect("it runs");
    pair.victoria.start_again().await;
    let mut host = HostLoad::new(11, HOSTS, SERIES);
    let scrape = host.scrape(now_ms() - 1_000);
    pair.ledger.lock().pushed(&scrape);
    let mut pusher = Pusher::new(pair.port.address());
    let pushed = pusher.push_until_answered(pack(&scrape));
    tokio::time::timeout(DEADLINE, pushed).await.expect("answered").expect("not refused");
    pair.ledger.lock().answered(&scrape);
    pair.node_ids.push(host.node_id().to_owned());
    until_async("the agent holds nothing", async || pair.upstream().await.backlog_records == 0).await;
    let Pair { ledger, victoria, node_ids, .. } = &pair;
    assert!(victoria.database.check(ledger, node_ids).await.expect("it answers"), "it exports");
    let verdict = ledger.verdict();
    assert_eq!((verdict.lost, verdict.made_up), (0, 0), "{verdict:?}");
}
