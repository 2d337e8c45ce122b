//! What most tests start from: the agent between pushers of ours and an upstream that verifies.

use pmm_buffer::harness::wait::{DEADLINE, until, until_async};
use pmm_buffer::harness::{
    Agent, Client, Flow, HostLoad, Launch, Load, Pusher, ReservedPort, Schedule, SharedLedger, Upstream,
    Verdict, pack,
};
use pmm_buffer::status::UpstreamStatus;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

/// The timestamp of the first scrape of every load here.
pub const FIRST_MS: i64 = 1_700_000_000_000;

/// Series of one [`Feed`].
pub const SERIES: u64 = 100;

/// The program under test.
pub fn binary() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_pmm-buffer"))
}

/// Everything around the agent. The agent itself is started by the test, perhaps more than once.
pub struct Stage {
    pub ledger: SharedLedger,
    pub upstream: Upstream,
    /// How the agent is started; the same queue each time.
    pub launch: Launch,
    pub folder: TempDir,
    _port: ReservedPort,
}

impl Stage {
    /// An agent that is given flags alone.
    pub fn new() -> Self {
        Self::launched(|stage| {
            let (data, log) = (stage.data_dir(), stage.log());
            Launch::flags(binary(), stage.launch.address, &data, &stage.upstream.url(), &log)
        })
    }

    /// An agent that is given a file, which [`Stage::write_config`] is to write with `entry` and `rest`.
    pub fn with_config(entry: &str, rest: &str) -> Self {
        let stage = Self::launched(|stage| {
            Launch::config(binary(), stage.launch.address, &stage.config(), &stage.log())
        });
        stage.write_config(&stage.upstream.url(), entry, rest);
        stage
    }

    fn launched(launch: impl FnOnce(&Self) -> Launch) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let port = ReservedPort::new().expect("loopback");
        let ledger = SharedLedger::default();
        let upstream = Upstream::start(&ledger).expect("loopback");
        let none = Launch::new(binary(), Vec::new(), port.address(), Path::new(""));
        let mut stage = Self { ledger, upstream, launch: none, folder, _port: port };
        stage.launch = launch(&stage);
        // What is counted here is what went wrong; a rewind repeats on purpose.
        stage.launch.env.push(("PMM_BUFFER_QUEUE_REWIND".into(), "0s".into()));
        stage
    }

    /// Writes the configuration: where it listens and stores, one upstream at `url` with what `entry` adds to
    /// it, and `rest`. Lines of `entry` are indented by four spaces.
    pub fn write_config(&self, url: &str, entry: &str, rest: &str) {
        self.write_entry(&format!("url: {url}"), entry, rest);
    }

    /// The same with what this file hands over, in the place of a URL.
    pub fn write_followed(&self, file: &Path) {
        self.write_entry(&format!("pmm: {}", file.display()), "", "");
    }

    /// The same with several URLs.
    pub fn write_urls(&self, urls: &[&str], entry: &str, rest: &str) {
        // JSON is YAML.
        self.write_entry(&format!("urls: {urls:?}"), entry, rest);
    }

    fn write_entry(&self, first: &str, entry: &str, rest: &str) {
        let (listen, data) = (self.launch.address, self.data_dir());
        let data = data.display();
        let text =
            format!("listen: {listen}\ndata_dir: {data}\nremote_write:\n  - {first}\n{entry}\n{rest}\n");
        fs::write(self.config(), text).expect("writable");
    }

    pub fn config(&self) -> PathBuf {
        self.folder.path().join("pmm-buffer.yml")
    }

    pub fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    /// Starts the agent and waits until it takes pushes.
    pub async fn start(&self) -> Agent {
        let mut agent = self.launch.start().expect("the program starts");
        agent.ready(DEADLINE).await.expect("ready");
        agent
    }

    /// One host, to be scraped when the test says so.
    pub fn feed(&self) -> Feed {
        let (load, pusher) = (HostLoad::new(1, 0, SERIES as usize), Pusher::new(self.launch.address));
        Feed { load, pusher, ledger: self.ledger.clone(), next_ms: FIRST_MS }
    }

    /// Hosts that push on and on.
    pub fn flow(&self, hosts: usize, period: Duration) -> Flow {
        let schedule = Schedule { period, first_ms: FIRST_MS, step_ms: 1_000 };
        let load = Load::new(7, hosts, SERIES as usize).into_hosts();
        Flow::start(load, self.launch.address, schedule, &self.ledger)
    }

    /// Waits until so many samples more than now are answered.
    pub async fn answered(&self, more: u64) {
        let target = self.ledger.verdict().answered + more;
        until("pushes are answered", || self.ledger.verdict().answered >= target).await;
    }

    /// Waits until so many samples in all are delivered.
    pub async fn delivered(&self, samples: u64) {
        until("samples are delivered", || self.ledger.verdict().delivered >= samples).await;
    }

    /// Ends the flow, waits until the agent holds nothing, and returns the verdict.
    pub async fn finish(&self, agent: &Agent, flow: Flow) -> Verdict {
        tokio::time::timeout(DEADLINE, flow.stop()).await.expect("answered").expect("not refused");
        self.drained(agent).await
    }

    /// Waits until the agent holds nothing, and returns the verdict.
    pub async fn drained(&self, agent: &Agent) -> Verdict {
        until_async("the agent holds nothing", async || upstream_status(agent).await.backlog_records == 0)
            .await;
        self.ledger.verdict()
    }
}

/// The agent's account of its only upstream.
pub async fn upstream_status(agent: &Agent) -> UpstreamStatus {
    agent.status().await.expect("a status").upstreams.remove(0)
}

/// What `path` of the agent serves.
pub async fn page(agent: &Agent, path: &str) -> String {
    Client::new(agent.address()).get(path).await.expect("answered").text()
}

/// The value of a metric, by its name with labels as `/metrics` writes it; 0 where it is not there.
pub async fn metric(agent: &Agent, name: &str) -> f64 {
    let text = page(agent, "/metrics").await;
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.map_or(0.0, |value| value.parse().expect("a number"))
}

/// Waits until the log holds `text`.
pub async fn logged(agent: &Agent, text: &str) {
    until(&format!("the log says {text:?}"), || agent.log().contains(text)).await;
}

/// SIGTERM, and the exit status has to be 0.
pub async fn terminate(agent: &mut Agent) {
    let ended = agent.terminate(DEADLINE).await.expect("it ends");
    assert_eq!(ended.code(), Some(0), "{}", agent.log_tail());
}

/// One host whose scrapes are pushed one at a time.
pub struct Feed {
    load: HostLoad,
    pusher: Pusher,
    ledger: SharedLedger,
    next_ms: i64,
}

impl Feed {
    /// Pushes so many scrapes of [`SERIES`] samples, each until it is answered.
    pub async fn push(&mut self, scrapes: usize) {
        for _ in 0..scrapes {
            let push = self.load.scrape(self.next_ms);
            self.next_ms += 1_000;
            self.ledger.lock().pushed(&push);
            let answered = self.pusher.push_until_answered(pack(&push));
            tokio::time::timeout(DEADLINE, answered).await.expect("answered").expect("not refused");
            self.ledger.lock().answered(&push);
        }
    }
}
