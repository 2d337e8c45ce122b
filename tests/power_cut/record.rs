//! The runs of the real agent that are recorded.

use super::peers::{self, Load, PushId, Sent, Upstream};
use super::trace::{Event, Recorder};
use pmm_buffer::harness::{Agent, Client, Launch, ReservedPort};
use pmm_buffer::model::Push;
use std::collections::HashMap;
use std::ffi::OsString;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tempfile::TempDir;
use tokio::time::Instant;

/// The least that the agent takes: segments and write buffers of half a MiB.
pub const MAX_BYTES: u64 = 16 << 20;
/// Name of the only upstream.
pub const UPSTREAM: &str = "default";

/// Pushers that push at the same time, so that a commit group has several records.
const PUSHERS: usize = 3;
/// Bounds every wait. Reached only where the test fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// A run, and everything that is known of it from outside.
pub struct Run {
    pub events: Vec<Event>,
    pub load: Load,
    /// By port of the pusher's connection, which pushes were sent on it.
    pub sent: HashMap<u16, Vec<PushId>>,
    /// What the upstream took, request by request.
    pub taken: Vec<Push>,
    /// Bytes of records that each process wrote.
    pub written: Vec<u64>,
    /// The folder as the agent left it.
    pub folder: PathBuf,
    _scratch: TempDir,
}

/// Records deliveries, an outage with a restart in it, and catching up.
pub fn record() -> Run {
    block_on(async {
        let scene = Scene::set().await;
        let pushes = |pusher| (0..160).map(|number| peers::push((pusher, number))).collect();
        let load: Load = (0..PUSHERS).map(pushes).collect();
        let (sent, mut written) = (Sent::default(), Vec::new());

        let mut agent = start(&scene.launch).await;
        push(&agent, &load, 0..30, &sent).await;
        delivered(&agent).await;
        scene.upstream.is_down.store(true, Ordering::SeqCst);
        push(&agent, &load, 30..90, &sent).await;
        written.push(stop(agent).await);

        agent = start(&scene.launch).await;
        push(&agent, &load, 90..120, &sent).await;
        scene.upstream.is_down.store(false, Ordering::SeqCst);
        push(&agent, &load, 120..160, &sent).await;
        delivered(&agent).await;
        written.push(stop(agent).await);

        scene.end(load, sent, written)
    })
}

/// Records the first start, in an empty folder, and an end before anything is pushed.
pub fn record_first_start() -> Run {
    block_on(async {
        let scene = Scene::set().await;
        let written = stop(start(&scene.launch).await).await;
        scene.end(Load::new(), Sent::default(), vec![written])
    })
}

/// Records pushes that are answered before they are synced, as `queue.sync: interval` has it.
pub fn record_answers_before_syncs() -> Run {
    block_on(async {
        let scene = Scene::set_with("sync: interval, sync_interval: 1m").await;
        let pushes = |pusher| (0..20).map(|number| peers::push((pusher, number))).collect();
        let load: Load = (0..PUSHERS).map(pushes).collect();
        let sent = Sent::default();
        scene.upstream.is_down.store(true, Ordering::SeqCst);
        let agent = start(&scene.launch).await;
        push(&agent, &load, 0..20, &sent).await;
        let written = stop(agent).await;
        scene.end(load, sent, vec![written])
    })
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(future)
}

/// What the agent runs in.
struct Scene {
    scratch: TempDir,
    folder: PathBuf,
    recorder: Recorder,
    upstream: Arc<Upstream>,
    launch: Launch,
    _port: ReservedPort,
}

impl Scene {
    async fn set() -> Self {
        Self::set_with("sync: always").await
    }

    /// `queue` is what the section says besides.
    async fn set_with(queue: &str) -> Self {
        let scratch = tempfile::tempdir().expect("a temporary folder");
        let folder = scratch.path().join("data");
        std::fs::create_dir(&folder).expect("a folder of our own");
        let recorder = Recorder::compile(scratch.path(), &folder);
        let (upstream, url) = Upstream::start().await.expect("loopback");
        let port = ReservedPort::new().expect("loopback");
        let launch = launch(&recorder, &port, &folder, &url, queue, scratch.path());
        Self { scratch, folder, recorder, upstream, launch, _port: port }
    }

    fn end(self, load: Load, sent: Sent, written: Vec<u64>) -> Run {
        Run {
            events: self.recorder.events(),
            load,
            sent: sent.lock().expect("nobody panicked").clone(),
            taken: self.upstream.taken(),
            written,
            folder: self.folder,
            _scratch: self.scratch,
        }
    }
}

fn launch(
    recorder: &Recorder,
    port: &ReservedPort,
    folder: &Path,
    url: &str,
    queue: &str,
    scratch: &Path,
) -> Launch {
    let config = scratch.join("pmm-buffer.yml");
    let text = format!(
        "listen: {}\ndata_dir: {}\nqueue: {{max_bytes: {MAX_BYTES}, rewind: 0s, {queue}}}\nremote_write:\n  - url: {url}\n    \
         queue_config: {{max_samples_per_send: 40, min_backoff: 10ms, max_backoff: 50ms}}\n",
        port.address(),
        folder.display(),
    );
    std::fs::write(&config, text).expect("a folder of our own");
    let mut args = recorder.arguments();
    args.extend([env!("CARGO_BIN_EXE_pmm-buffer").into(), "run".into(), "--config".into()]);
    args.push(OsString::from(config));
    let log = scratch.join("log");
    Launch::new(Path::new("/usr/bin/env"), args, port.address(), &log)
}

async fn start(launch: &Launch) -> Agent {
    let mut agent = launch.start().expect("env(1)");
    agent.ready(PATIENCE).await.expect("the agent starts");
    agent
}

/// All pushers push these of their pushes at the same time.
async fn push(agent: &Agent, load: &Load, range: Range<usize>, sent: &Sent) {
    let mut pushers = tokio::task::JoinSet::new();
    for (pusher, pushes) in load.iter().enumerate() {
        let pushes: Vec<_> = range.clone().map(|n| ((pusher, n), pushes[n].clone())).collect();
        pushers.spawn(peers::send(agent.address(), pushes.into_iter(), sent.clone()));
    }
    let all = async {
        while let Some(ended) = pushers.join_next().await {
            let answered = ended.expect("a pusher does not panic");
            answered.unwrap_or_else(|error| panic!("a push failed: {error}\n{}", agent.log_tail()));
        }
    };
    tokio::time::timeout(PATIENCE, all).await.expect("pushes are answered");
}

/// Waits until the backlog is delivered and settled.
async fn delivered(agent: &Agent) {
    let deadline = Instant::now() + PATIENCE;
    while agent.status().await.expect("the agent answers").upstreams[0].backlog_records > 0 {
        assert!(Instant::now() < deadline, "the backlog is not delivered\n{}", agent.log_tail());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Ends the agent in order. Returns how many bytes of records it wrote.
async fn stop(mut agent: Agent) -> u64 {
    let metrics = Client::new(agent.address()).get("/metrics").await.expect("the agent answers").text();
    let written = metrics.lines().find_map(|line| line.strip_prefix("pmm_buffer_queue_written_bytes_total "));
    let status = agent.terminate(PATIENCE).await.expect("the agent ends");
    assert!(status.success(), "{status}\n{}", agent.log_tail());
    written.and_then(|bytes| bytes.parse().ok()).expect("/metrics has the bytes that were written")
}
