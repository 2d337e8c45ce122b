//! The agent with its pushers, and the two nodes of its upstream.

use crate::network::{self, REMARK, VIP};
use pmm_buffer::harness::wait::{DEADLINE, until, until_async};
use pmm_buffer::harness::{
    Agent, Client, Database, Flow, Launch, Load, ReservedPort, Schedule, SharedLedger, find_peer,
};
use pmm_buffer::status::{UpstreamState, UpstreamStatus};
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tempfile::TempDir;
use tokio::time::{Instant, sleep, timeout};

pub const NODE_A: &str = "node-a";
pub const NODE_B: &str = "node-b";

const WRITE: &str = "/victoriametrics/api/v1/write";
const HEALTH: &str = "/victoriametrics/health";
const PORT: u16 = 8428;

const HOSTS: usize = 2;
const SERIES: usize = 100;
/// Pushes are so far apart, and say they are a second.
const PERIOD: Duration = Duration::from_millis(50);
/// A second's worth of samples.
const SECOND: u64 = 40 * SERIES as u64;
/// Timestamps are not to end in the future.
const START_AGO_MS: i64 = 6 * 3600 * 1000;

/// The promise, in docs/replay.md, is two seconds; the machine that runs this may be busy with other things.
const FIRST_DELIVERY: Duration = Duration::from_secs(8);
/// One look at whether the address answers. Short: what is sent into the void is not sent again for a second.
const LOOK: Duration = Duration::from_millis(50);
const PAUSE: Duration = Duration::from_millis(10);

/// See the module's doc. Dropped, all of it is gone.
pub struct Pair {
    server: Agent,
    agent: Agent,
    ledger: SharedLedger,
    node_ids: Vec<String>,
    flow: Option<Flow>,
    /// Samples delivered when something was done to the server.
    sent: u64,
    first_delivery: Duration,
    volume: TempDir,
    _port: ReservedPort,
}

impl Pair {
    /// Node A is active, and what is pushed arrives there.
    pub async fn start() -> Self {
        network::build();
        network::add_node(NODE_A);
        network::add_node(NODE_B);
        let (volume, port) = (tempfile::tempdir().expect("a folder"), ReservedPort::new().expect("loopback"));
        network::give_address(NODE_A);
        let mut server = start_server(NODE_A, volume.path());
        server.answers(HEALTH, DEADLINE).await.expect("the server answers");
        let binary = Path::new(env!("CARGO_BIN_EXE_pmm-buffer"));
        let (data, log) = (volume.path().join("queue"), volume.path().join("agent.log"));
        let url = format!("http://{}{WRITE}", address());
        let mut agent =
            Launch::flags(binary, port.address(), &data, &url, &log).start().expect("the program starts");
        agent.ready(DEADLINE).await.expect("ready");
        let ledger = SharedLedger::default();
        let load = Load::new(9, HOSTS, SERIES).into_hosts();
        let node_ids = load.iter().map(|host| host.node_id().to_owned()).collect();
        let schedule = Schedule { period: PERIOD, first_ms: now_ms() - START_AGO_MS, step_ms: 1_000 };
        let flow = Some(Flow::start(load, port.address(), schedule, &ledger));
        let (sent, first_delivery) = (0, Duration::ZERO);
        let mut pair =
            Self { server, agent, ledger, node_ids, flow, sent, first_delivery, volume, _port: port };
        until_async("samples are delivered", async || pair.upstream().await.samples_sent >= SECOND).await;
        pair.sent = pair.upstream().await.samples_sent;
        pair
    }

    async fn upstream(&self) -> UpstreamStatus {
        self.agent.status().await.expect("a status").upstreams.remove(0)
    }

    /// SIGTERM: what it has answered, it writes to the volume.
    pub async fn stop_server(&mut self) {
        self.server.terminate(DEADLINE).await.expect("the server ends");
        self.sent = self.upstream().await.samples_sent;
    }

    /// kill -9: what it has answered last is gone.
    pub fn kill_server(&mut self) {
        self.server.kill().expect("it runs");
    }

    /// Waits until the agent knows that its upstream is away and pushes have gone on for a second.
    pub async fn held_up(&mut self) {
        let is_down = async || self.upstream().await.state == UpstreamState::Down;
        until_async("the agent misses its upstream", is_down).await;
        self.sent = self.upstream().await.samples_sent;
        self.pushes_go_on(1).await;
    }

    /// Waits until pushes of so many seconds more are answered.
    pub async fn pushes_go_on(&self, seconds: u64) {
        let target = self.ledger.verdict().answered + seconds * SECOND;
        until("pushes go on", || self.ledger.verdict().answered > target).await;
    }

    /// The volume and the address move to `node`. Returns when something was delivered there.
    pub async fn take_over(&mut self, node: &str) {
        self.sent = self.upstream().await.samples_sent;
        network::give_address(node);
        self.server = start_server(node, self.volume.path());
        self.is_back().await;
    }

    /// Waits until something is delivered, and measures how long that takes once the address answers.
    pub async fn is_back(&mut self) {
        let sent = async || self.upstream().await.samples_sent > self.sent;
        let delivered = async {
            until_async("something is delivered", sent).await;
            Instant::now()
        };
        let (answers, delivered) = tokio::join!(address_answers(), delivered);
        self.first_delivery = delivered.saturating_duration_since(answers);
    }

    /// Ends the flow and holds what was answered against what the database has.
    pub async fn nothing_is_missing(&mut self, scene: &str) {
        self.pushes_go_on(1).await;
        let flow = self.flow.take().expect("it ends once");
        timeout(DEADLINE, flow.stop()).await.expect("answered").expect("not refused");
        until_async("the agent holds nothing", async || self.upstream().await.backlog_records == 0).await;
        let database = Database::new(address(), WRITE);
        assert!(database.check(&self.ledger, &self.node_ids).await.expect("it answers"), "it exports");
        let verdict = self.ledger.verdict();
        let first = self.first_delivery.as_secs_f64();
        eprintln!(
            "{REMARK}{scene}: of {} samples {} are missing; first delivery {first:.2} s after the address answers",
            verdict.answered, verdict.lost
        );
        let log = self.agent.log_tail();
        assert_eq!((verdict.lost, verdict.made_up), (0, 0), "{scene}: {verdict:?}\n{log}");
        assert!(self.first_delivery < FIRST_DELIVERY, "{scene}: {first} s\n{log}");
    }
}

fn address() -> SocketAddr {
    SocketAddr::from((VIP, PORT))
}

/// A VictoriaMetrics on a node, on the shared folder.
fn start_server(node: &str, volume: &Path) -> Agent {
    let server = find_peer("victoria-metrics").unwrap_or_else(|error| panic!("{error}"));
    let data = volume.join("data");
    let args = [
        "netns".into(),
        "exec".into(),
        node.into(),
        server.into_os_string(),
        format!("-httpListenAddr=:{PORT}").into(),
        format!("-storageDataPath={}", data.display()).into(),
        "-http.pathPrefix=/victoriametrics".into(),
        "-retentionPeriod=100y".into(),
        "-memory.allowedBytes=64MB".into(),
    ];
    let args: Vec<OsString> = args.into();
    let log = volume.join(format!("{node}.log"));
    Launch::new(Path::new("ip"), args, address(), &log).start().expect("ip, of iproute2")
}

/// Waits until there is an answer from the address; returns when it came.
async fn address_answers() -> Instant {
    let deadline = Instant::now() + DEADLINE;
    loop {
        let asked = timeout(LOOK, async { Client::new(address()).get(HEALTH).await }).await;
        if matches!(asked, Ok(Ok(answer)) if answer.status == 200) {
            return Instant::now();
        }
        assert!(Instant::now() < deadline, "the address does not answer");
        sleep(PAUSE).await;
    }
}

/// The wall clock, in milliseconds since the epoch: a database takes no sample of another time.
#[expect(clippy::disallowed_methods, reason = "a real database keeps only what is recent")]
fn now_ms() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    i64::try_from(now.as_millis()).expect("before the year 292 million")
}
