//! What requests cost a real VictoriaMetrics: the figures that the model of a server stands on.

use bytes::Bytes;
use pmm_buffer::harness::{Agent, Client, HostLoad, Launch, ReservedPort, find_peer, pack};
use pmm_buffer::model::{Push, PushBuilder};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const PATIENCE: Duration = Duration::from_secs(60);
const WRITE: &str = "/api/v1/write";
/// Debian's VictoriaMetrics is too old for zstd.
const HEADERS: [(&str, &str); 2] =
    [("content-type", "application/x-protobuf"), ("content-encoding", "snappy")];
/// VictoriaMetrics writes what it has taken to disk after so long, which is part of what it costs.
const FLUSH: Duration = Duration::from_secs(7);
const SERIES: usize = 1_800;
/// Scrapes of a host that one request of a catch-up carries.
const MERGED: usize = 28;
const PERIOD_MS: i64 = 5_000;

/// Measures, and prints what to write into the model.
pub fn measure() -> anyhow::Result<()> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?.block_on(run())
}

struct Server {
    process: Agent,
    launch: Launch,
    client: Client,
    _port: ReservedPort,
    _folder: tempfile::TempDir,
}

impl Server {
    async fn start() -> anyhow::Result<Self> {
        let (port, folder) = (ReservedPort::new()?, tempfile::tempdir()?);
        let args = vec![
            format!("-httpListenAddr={}", port.address()).into(),
            format!("-storageDataPath={}", folder.path().join("data").display()).into(),
            "-retentionPeriod=100y".into(),
        ];
        let log = folder.path().join("log");
        let launch = Launch::new(&find_peer("victoria-metrics")?, args, port.address(), &log);
        let mut process = launch.start()?;
        process.answers("/health", PATIENCE).await?;
        Ok(Self { process, launch, client: Client::new(port.address()), _port: port, _folder: folder })
    }

    /// kill -9, and a new life: it knows no series, but has them in its index.
    async fn crash(&mut self) -> anyhow::Result<()> {
        self.process.kill()?;
        self.process = self.launch.start()?;
        Ok(self.process.answers("/health", PATIENCE).await?)
    }

    /// CPU time of these requests, in microseconds.
    async fn cost(&mut self, bodies: Vec<Bytes>) -> anyhow::Result<f64> {
        let before = self.process.tree_usage()?.cpu;
        for body in bodies {
            let answer = self.client.post(WRITE, &HEADERS, body).await?;
            anyhow::ensure!(answer.status == 204, "{}: {}", answer.status, answer.text());
        }
        tokio::time::sleep(FLUSH).await;
        Ok((self.process.tree_usage()?.cpu - before).as_secs_f64() * 1e6)
    }
}

async fn run() -> anyhow::Result<()> {
    let mut server = Server::start().await?;
    let mut host = HostLoad::new(1, 0, SERIES);
    let mut at_ms = now_ms() - 12 * 3_600_000;
    let mut scrape = || {
        at_ms += PERIOD_MS;
        host.scrape(at_ms)
    };
    let first = server.cost(vec![pack(&scrape())]).await?;
    let idle = server.cost(Vec::new()).await?;
    println!(
        "idle for {FLUSH:?}: {idle:.0} µs; the first scrape of a new host: {:.1} µs a series",
        (first - idle) / SERIES as f64
    );

    // Each series alone in a request, block by block, merged.
    let tiny: Vec<Bytes> = (0..4).flat_map(|_| parts(&scrape(), SERIES)).map(|push| pack(&push)).collect();
    let (tiny_count, cost) = (tiny.len() as f64, server.cost(tiny).await? - idle);
    let tiny_us = cost / tiny_count;
    let blocks: Vec<Bytes> = (0..700).flat_map(|_| parts(&scrape(), 5)).map(|push| pack(&push)).collect();
    let (block_bytes, block_count) = (bytes(&blocks), blocks.len() as f64);
    let block_us = (server.cost(blocks).await? - idle) / block_count;
    let merged: Vec<Bytes> =
        (0..60).map(|_| pack(&merge(&(0..MERGED).map(|_| scrape()).collect::<Vec<_>>()))).collect();
    let (merged_bytes, merged_count) = (bytes(&merged), merged.len() as f64);
    let merged_us = (server.cost(merged).await? - idle) / merged_count;

    let block_samples = (SERIES / 5) as f64;
    let merged_samples = (SERIES * MERGED) as f64;
    println!("a request with one sample: {tiny_us:.0} µs");
    println!(
        "a block of {block_samples} series with a sample each: {block_us:.0} µs, {:.2} µs and {:.1} bytes a sample",
        block_us / block_samples,
        block_bytes / block_count / block_samples
    );
    println!(
        "{MERGED} scrapes of {SERIES} series merged: {merged_us:.0} µs, {:.2} µs and {:.2} bytes a sample",
        merged_us / merged_samples,
        merged_bytes / merged_count / merged_samples
    );
    // request + (series + sample) = tiny; request + n (series + sample) = block; request + s series + m sample = merged.
    let both = (block_us - tiny_us) / (block_samples - 1.0);
    let request = tiny_us - both;
    let sample = (merged_us - request - SERIES as f64 * both) / (merged_samples - SERIES as f64);
    println!("so: {request:.0} µs a request, {:.2} µs a series, {sample:.3} µs a sample", both - sample);

    server.crash().await?;
    let idle = server.cost(Vec::new()).await?;
    let cold = server.cost(vec![pack(&scrape())]).await? - idle;
    println!("after kill -9, a series more: {:.1} µs", cold / SERIES as f64 - both);
    Ok(())
}

/// A push in so many parts.
fn parts(push: &Push, count: usize) -> Vec<Push> {
    let series: Vec<_> = push.series().collect();
    let part = |own: &[_]| {
        let mut builder = PushBuilder::default();
        own.iter().for_each(|series| add(&mut builder, std::slice::from_ref(series)));
        builder.finish()
    };
    series.chunks(series.len() / count).map(part).collect()
}

/// Scrapes of the same host as one push.
fn merge(scrapes: &[Push]) -> Push {
    let mut columns: Vec<_> = scrapes.iter().map(|scrape| scrape.series()).collect();
    let mut builder = PushBuilder::default();
    for _ in 0..SERIES {
        let row: Vec<_> = columns.iter_mut().filter_map(Iterator::next).collect();
        add(&mut builder, &row);
    }
    builder.finish()
}

/// One series with the samples of all of `views`.
fn add(builder: &mut PushBuilder, views: &[pmm_buffer::model::SeriesView<'_>]) {
    let labels = builder.store_with(|out| out.extend_from_slice(views[0].labels));
    views.iter().flat_map(|view| view.samples).for_each(|sample| builder.sample(*sample));
    builder.series(labels, Default::default());
}

fn bytes(bodies: &[Bytes]) -> f64 {
    bodies.iter().map(Bytes::len).sum::<usize>() as f64
}

/// A database takes no sample of another time.
#[expect(clippy::disallowed_methods, reason = "a real database keeps only what is recent")]
fn now_ms() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    i64::try_from(now.as_millis()).expect("before the year 292 million")
}
