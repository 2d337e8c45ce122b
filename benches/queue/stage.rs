//! Queues in folders of their own, and what fills them.

use crate::scrapes::{FIRST_MS, PERIOD_MS, scrapes};
use anyhow::Context;
use pmm_buffer::config::{self, SyncMode};
use pmm_buffer::harness::{HostLoad, Load, Rng};
use pmm_buffer::model::{Push, PushBuilder, Sample};
use pmm_buffer::queue::{Appender, Backlog, Options, Queue, Reader};
use pmm_buffer::telemetry::{Metrics, process};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

pub const MIB: u64 = 1 << 20;
const UPSTREAM: &str = "pmm";

/// Pushes that wait for their answer at once while a queue is filled.
const IN_FLIGHT: usize = 64;

/// How long a folder may go on changing when nothing is appended, and the time between two looks.
const SETTLE_PATIENCE: Duration = Duration::from_secs(10);
const SETTLE_PAUSE: Duration = Duration::from_millis(250);

/// A folder on the disk that is measured.
pub fn folder() -> anyhow::Result<TempDir> {
    Ok(tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?)
}

/// A folder for a queue of 1 GiB that is filled.
fn large_folder() -> anyhow::Result<TempDir> {
    let folder = folder()?;
    let free =
        process::disk_free_bytes(folder.path()).context("the file system does not say what is free")?;
    anyhow::ensure!(free > 4 << 30, "{} has less than 4 GiB free", folder.path().display());
    Ok(folder)
}

/// A data folder with a queue in it that is open.
pub struct Stage {
    pub queue: Queue,
    pub reader: Reader,
    pub path: PathBuf,
    metrics: Arc<Metrics>,
    runtime: Runtime,
}

impl Stage {
    /// Opens the queue in `data_dir`.
    pub fn open(data_dir: &Path, max_bytes: u64, sync: SyncMode) -> anyhow::Result<Self> {
        let path = data_dir.join("queue");
        let settings = config::Queue {
            max_bytes,
            sync,
            // What is timed with it is not the disk.
            sync_interval: Duration::from_secs(60),
            ..config::Queue::default()
        };
        let options = Options { path: path.clone(), settings, clock: Arc::new(|| FIRST_MS) };
        let metrics = Arc::new(Metrics::new());
        let mut queue = Queue::open(options, &[UPSTREAM.to_owned()], metrics.clone())?;
        let reader = queue.reader(UPSTREAM);
        // One thread: what is appended at once comes in order.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Self { queue, reader, path, metrics, runtime })
    }

    /// Appends one push, and waits for its answer.
    pub fn append(&self, push: Push, accepted_ms: i64) -> anyhow::Result<()> {
        self.runtime.block_on(self.queue.appender().append(push, accepted_ms))?;
        Ok(())
    }

    /// Appends many, in order, without waiting for each.
    pub fn append_all(&self, pushes: impl Iterator<Item = (Push, i64)>) -> anyhow::Result<()> {
        self.runtime.block_on(append_all(&self.queue.appender(), pushes))
    }

    /// Appends `more` again and again until the oldest is dropped.
    pub fn fill<I: Iterator<Item = (Push, i64)>>(
        &self,
        mut more: impl FnMut(usize) -> I,
    ) -> anyhow::Result<()> {
        let mut turn = 0;
        while self.queue.view().status().trimmed == 0 {
            self.append_all(more(turn))?;
            turn += 1;
        }
        Ok(())
    }

    /// Seconds that the store has written and synced for, in all.
    pub fn sync_seconds(&self) -> anyhow::Result<f64> {
        let text = self.metrics.render();
        let line = text.lines().find_map(|line| line.strip_prefix("pmm_buffer_sync_seconds_sum "));
        Ok(line.context("the metrics have no sync_seconds")?.trim().parse()?)
    }

    /// What waits.
    pub fn backlog(&self) -> Backlog {
        self.reader.backlog()
    }

    /// What the folder takes of the file system, once no flush is under way: at its end one deletes the log that its table
    /// takes the place of. Told by two looks that are the same.
    pub fn settled_disk_bytes(&self) -> anyhow::Result<u64> {
        let deadline = Instant::now() + SETTLE_PATIENCE;
        let mut before = None;
        while Instant::now() < deadline {
            let now = self.queue.view().status().disk_bytes;
            if before.replace(now) == Some(now) {
                return Ok(now);
            }
            std::thread::sleep(SETTLE_PAUSE);
        }
        anyhow::bail!("the folder of the queue still changes after {SETTLE_PATIENCE:?}")
    }

    /// Closes the queue. Returns what the folder takes then.
    pub fn close(self) -> anyhow::Result<u64> {
        drop(self.reader);
        self.queue.close();
        let mut blocks = 0;
        for entry in fs::read_dir(&self.path)? {
            blocks += entry?.metadata()?.blocks();
        }
        Ok(blocks * 512)
    }
}

async fn append_all(appender: &Appender, pushes: impl Iterator<Item = (Push, i64)>) -> anyhow::Result<()> {
    let mut running = JoinSet::new();
    for (push, accepted_ms) in pushes {
        let appender = appender.clone();
        running.spawn(async move { appender.append(push, accepted_ms).await });
        if running.len() >= IN_FLIGHT
            && let Some(ended) = running.join_next().await
        {
            ended??;
        }
    }
    while let Some(ended) = running.join_next().await {
        ended??;
    }
    Ok(())
}

/// Hosts of 1000 series each.
pub fn hosts(count: usize) -> Vec<HostLoad> {
    Load::new(7, count, 1_000).into_hosts()
}

/// Full queues that more than one part looks at, closed. Made when the first asks.
#[derive(Default)]
pub struct Stages {
    noise: Option<TempDir>,
}

impl Stages {
    /// A full queue of 1 GiB. It holds noise: scrapes would take minutes to make, and a file of noise is a file.
    pub fn full_of_noise(&mut self) -> anyhow::Result<&Path> {
        if self.noise.is_none() {
            let folder = large_folder()?;
            eprintln!("  filling 1 GiB");
            let stage = Stage::open(folder.path(), 1 << 30, SyncMode::Interval)?;
            let (mut rng, host) = (Rng::new(7), hosts(1).remove(0).scrape(FIRST_MS));
            stage.fill(|turn| {
                let round = turn as i64 * 100;
                let pushes: Vec<_> = (round..round + 100)
                    .map(|n| (noise(&host, &mut rng, FIRST_MS + n * NOISE_MS), FIRST_MS + n * NOISE_MS))
                    .collect();
                pushes.into_iter()
            })?;
            stage.close()?;
            self.noise = Some(folder);
        }
        Ok(self.noise.as_ref().expect("BUG: it was just made").path())
    }
}

/// Samples of a series in a push of noise: what a pusher sends that catches up itself.
const NOISE_SAMPLES: i64 = 10;
const NOISE_MS: i64 = NOISE_SAMPLES * PERIOD_MS;

/// The series of `push` with ten samples each that do not pack: any bits.
fn noise(push: &Push, rng: &mut Rng, from_ms: i64) -> Push {
    let mut builder = PushBuilder::default();
    builder.reserve(push.series().len(), push.series().len() * NOISE_SAMPLES as usize);
    for series in push.series() {
        let labels = builder.store(series.labels);
        for n in 0..NOISE_SAMPLES {
            builder.sample(Sample { value: f64::from_bits(rng.bits()), timestamp: from_ms + n * PERIOD_MS });
        }
        builder.series(labels, Default::default());
    }
    builder.finish()
}

/// Fills the queue in `data_dir` with scrapes of `hosts`, until the oldest is dropped. Returns it open, and the scrapes of each.
pub fn full_of_scrapes(
    data_dir: &Path,
    max_bytes: u64,
    hosts: &mut [HostLoad],
) -> anyhow::Result<(Stage, usize)> {
    const AT_ONCE: usize = 10;
    let stage = Stage::open(data_dir, max_bytes, SyncMode::Interval)?;
    let mut rounds = 0;
    while stage.queue.view().status().trimmed == 0 {
        stage.append_all(scrapes(hosts, rounds, AT_ONCE))?;
        rounds += AT_ONCE;
    }
    Ok((stage, rounds))
}
