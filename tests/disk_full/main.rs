//! A full disk costs the agent its pushes for a while, and nothing else.
//!
//! The real agent keeps its queue on a file system of a few MiB, and another file takes all that is left of
//! it, as a database beside it might. Each test runs itself again in a mount namespace of its own, so that
//! the file system is gone with the process, however that ends. That takes root, or a kernel that lets users
//! make namespaces; where neither is so, the tests fail and say it.

#[path = "../common/alone.rs"]
mod alone;
mod disk;

use disk::SmallDisk;
use pmm_buffer::harness::{
    Agent, Answer, HostLoad, Launch, Load, Mode, Pusher, ReservedPort, SharedLedger, Upstream, pack,
};
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;
use tokio::time::Instant;

/// Bounds every wait. Reached only where a test fails.
const PATIENCE: Duration = Duration::from_secs(60);
/// Of the disk: the queue's limit, and as much again.
const DISK_MIB: u64 = 32;
/// What is said of the queue and of replay.
const CONFIG: &str = "\
queue: {max_bytes: 16MiB}
replay: {max_retry_after: 1s}
";

#[test]
fn a_full_disk_refuses_pushes_delivers_what_it_has_and_loses_nothing() {
    disk::in_own_mounts("a_full_disk_refuses_pushes_delivers_what_it_has_and_loses_nothing", async {
        let mut scene = Scene::set().await;
        scene.fill_behind_an_outage().await;

        scene.upstream.set_mode(Mode::Accept);
        scene.delivered("what was answered is delivered from the full disk").await;
        scene.agent.kill().expect("a child");
        scene.disk.give_back();
        scene.restart().await;
        scene.push_until(|answer| answer.status == 204).await;
        scene.delivered("the queue goes on after a restart").await;
    });
}

#[test]
fn pushes_are_taken_again_without_a_restart_once_there_is_space() {
    disk::in_own_mounts("pushes_are_taken_again_without_a_restart_once_there_is_space", async {
        let mut scene = Scene::set().await;
        scene.fill_behind_an_outage().await;

        scene.disk.give_back();
        scene.push_until(|answer| answer.status == 204).await;
        scene.agent.ready(PATIENCE).await.expect("accepting is told by /ready too");
        scene.upstream.set_mode(Mode::Accept);
        scene.delivered("what was answered before, during and after").await;
        scene.agent.kill().expect("a child");
        scene.restart().await;
        scene.push_until(|answer| answer.status == 204).await;
        scene.delivered("the queue goes on after a restart").await;
    });
}

/// An agent on a small disk, between one pusher and an upstream.
struct Scene {
    disk: SmallDisk,
    ledger: SharedLedger,
    upstream: Upstream,
    launch: Launch,
    agent: Agent,
    load: HostLoad,
    pusher: Pusher,
    timestamp_ms: i64,
    _port: ReservedPort,
    _scratch: TempDir,
}

impl Scene {
    async fn set() -> Self {
        let scratch = tempfile::tempdir().expect("a temporary folder");
        let disk = SmallDisk::mount(&scratch.path().join("disk"), DISK_MIB);
        let ledger = SharedLedger::default();
        let upstream = Upstream::start(&ledger).expect("loopback");
        let port = ReservedPort::new().expect("loopback");
        let launch = launch(scratch.path(), &disk, &port, &upstream);
        let agent = start(&launch).await;
        let load = Load::new(7, 1, 1_000).into_hosts().remove(0);
        let pusher = Pusher::new(port.address());
        let timestamp_ms = 1_700_000_000_000;
        let (_port, _scratch) = (port, scratch);
        Self { disk, ledger, upstream, launch, agent, load, pusher, timestamp_ms, _port, _scratch }
    }

    /// The upstream goes away, a backlog gathers, and something else takes the rest of the disk, until the
    /// agent refuses a push.
    async fn fill_behind_an_outage(&mut self) {
        self.upstream.set_mode(Mode::Answer { status: 503, retry_after: None });
        for _ in 0..100 {
            assert_eq!(self.push().await.status, 204);
        }
        self.disk.fill();
        let refusal = self.push_until(|answer| answer.status != 204).await;
        assert_eq!(refusal.status, 503, "{}", refusal.text());
        let retry_after = refusal.headers.get("retry-after").expect("a 503 says when to come again");
        let seconds: u64 =
            retry_after.to_str().ok().and_then(|text| text.parse().ok()).expect("whole seconds");
        assert!((1..=60).contains(&seconds), "Retry-After: {seconds}");
        assert!(self.agent.ended().expect("a child").is_none(), "{}", self.agent.log_tail());
    }

    /// One scrape, which is later than all before it.
    async fn push(&mut self) -> Answer {
        self.timestamp_ms += 1_000;
        let push = self.load.scrape(self.timestamp_ms);
        self.ledger.lock().pushed(&push);
        let answer = self.pusher.push(pack(&push)).await.expect("the agent answers");
        if answer.status == 204 {
            self.ledger.lock().answered(&push);
        }
        answer
    }

    /// Pushes scrape after scrape until an answer is as wanted.
    async fn push_until(&mut self, is_wanted: impl Fn(&Answer) -> bool) -> Answer {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = self.push().await;
            if is_wanted(&answer) {
                return answer;
            }
            let (status, text) = (answer.status, answer.text());
            assert!(
                Instant::now() < deadline,
                "the last answer was {status}: {text}\n{}",
                self.agent.log_tail()
            );
            if status != 204 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }

    /// Waits until the upstream has all that was answered, in order and nothing else.
    async fn delivered(&self, what: &str) {
        let deadline = Instant::now() + PATIENCE;
        while self.ledger.verdict().lost > 0 {
            let (verdict, log) = (self.ledger.verdict(), self.agent.log_tail());
            assert!(Instant::now() < deadline, "never came true: {what}: {verdict:?}\n{log}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(self.ledger.verdict().is_clean(), "{what}: {:?}", self.ledger.verdict());
    }

    async fn restart(&mut self) {
        self.agent = start(&self.launch).await;
    }
}

fn launch(scratch: &Path, disk: &SmallDisk, port: &ReservedPort, upstream: &Upstream) -> Launch {
    let file = scratch.join("pmm-buffer.yml");
    let (address, data, url) = (port.address(), disk.path().join("data"), upstream.url());
    let text = format!(
        "listen: {address}\ndata_dir: {}\n{CONFIG}remote_write:\n  - url: {url}\n    \
         queue_config: {{min_backoff: 10ms, max_backoff: 100ms}}\n",
        data.display()
    );
    std::fs::write(&file, text).expect("a folder of our own");
    let binary = Path::new(env!("CARGO_BIN_EXE_pmm-buffer"));
    Launch::config(binary, address, &file, &scratch.join("log"))
}

async fn start(launch: &Launch) -> Agent {
    let mut agent = launch.start().expect("the binary");
    agent.ready(PATIENCE).await.expect("the agent starts");
    agent
}
