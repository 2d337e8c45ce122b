//! An outage with an hour of scrapes, and its end.

use crate::captures;
use crate::delay;
use crate::scrapes::{HOUR, Replayed, scrapes};
use anyhow::{Context, bail};
use pmm_buffer::harness::{
    Agent, Client, HostLoad, Launch, Pusher, Relay, ReservedPort, SharedLedger, Upstream, find_peer, pack,
};
use std::path::Path;
use std::time::{Duration, Instant};

/// Hosts with all three exporters.
const HOSTS: usize = 2;
const ONE_WAY: Duration = Duration::from_millis(50);
const PATIENCE: Duration = Duration::from_secs(180);
const LOOK: Duration = Duration::from_millis(2);
const ASK: Duration = Duration::from_millis(200);
/// VictoriaMetrics writes what it has taken to disk after so long, which is part of what it costs.
const FLUSH: Duration = Duration::from_secs(7);
const PUSHES: usize = 100;
const PAUSE: Duration = Duration::from_millis(100);

#[derive(Clone, Copy, PartialEq)]
pub enum Kind {
    Buffer,
    /// With one queue.
    Vmagent,
}

#[derive(Clone, Copy, PartialEq)]
pub enum Link {
    Near,
    /// 100 ms there and back.
    Far,
}

/// What one catch-up was.
pub struct CatchUp {
    pub samples: f64,
    pub first_delivery_s: f64,
    /// From the first delivery to the last.
    pub rest_s: f64,
    pub wire_bytes: f64,
    pub server_cpu_us: f64,
    pub agent_cpu_us: f64,
}

/// Pushes an hour of scrapes while the server is away, and measures how they get there.
pub async fn catch_up(kind: Kind, link: Link) -> anyhow::Result<CatchUp> {
    let folder = tempfile::tempdir()?;
    let (server_port, agent_port) = (ReservedPort::new()?, ReservedPort::new()?);
    let server = start_server(folder.path(), &server_port).await?;
    let target = match link {
        Link::Near => server.address(),
        Link::Far => delay::start(server.address(), ONE_WAY).await?,
    };
    let mut relay = Relay::start(target)?;
    relay.close().await;
    let url = format!("http://{}/api/v1/write", relay.address());
    let agent = start_agent(kind, folder.path(), &agent_port, &url).await?;
    let samples = push_an_hour(&agent).await?;

    let (agent_before, server_before) = (agent.tree_usage()?.cpu, server.tree_usage()?.cpu);
    let opened = Instant::now();
    relay.open()?;
    let (first, last) = until_stored(&server, samples, &relay).await?;
    let agent_cpu = agent.tree_usage()?.cpu - agent_before;
    tokio::time::sleep(FLUSH).await;
    let server_cpu = server.tree_usage()?.cpu - server_before;
    Ok(CatchUp {
        samples: samples as f64,
        first_delivery_s: (first - opened).as_secs_f64(),
        rest_s: (last - first).as_secs_f64(),
        wire_bytes: relay.bytes_sent() as f64,
        server_cpu_us: server_cpu.as_secs_f64() * 1e6,
        agent_cpu_us: agent_cpu.as_secs_f64() * 1e6,
    })
}

async fn start_server(folder: &Path, port: &ReservedPort) -> anyhow::Result<Agent> {
    let args = vec![
        format!("-httpListenAddr={}", port.address()).into(),
        format!("-storageDataPath={}", folder.join("database").display()).into(),
        "-retentionPeriod=100y".into(),
    ];
    let launch =
        Launch::new(&find_peer("victoria-metrics")?, args, port.address(), &folder.join("server.log"));
    let mut server = launch.start()?;
    server.answers("/health", PATIENCE).await?;
    Ok(server)
}

async fn start_agent(kind: Kind, folder: &Path, port: &ReservedPort, url: &str) -> anyhow::Result<Agent> {
    let (data, log) = (folder.join("data"), folder.join("agent.log"));
    let launch = match kind {
        Kind::Buffer => {
            Launch::flags(Path::new(env!("CARGO_BIN_EXE_pmm-buffer")), port.address(), &data, url, &log)
        }
        Kind::Vmagent => {
            let args = [
                format!("-httpListenAddr={}", port.address()),
                format!("-remoteWrite.url={url}"),
                format!("-remoteWrite.tmpDataPath={}", data.display()),
                "-remoteWrite.queues=1".to_owned(),
            ];
            Launch::new(&find_peer("vmagent")?, args.map(Into::into).into(), port.address(), &log)
        }
    };
    let mut agent = launch.start()?;
    // Both have that page.
    agent.answers("/metrics", PATIENCE).await?;
    Ok(agent)
}

/// Returns the samples.
async fn push_an_hour(agent: &Agent) -> anyhow::Result<u64> {
    let targets = |number| captures::ALL.iter().map(move |capture| Replayed::new(capture, number));
    let mut targets: Vec<_> = (0..HOSTS).flat_map(targets).collect();
    let mut pusher = Pusher::new(agent.address());
    let mut samples = 0;
    for (push, _) in scrapes(&mut targets, 0, HOUR) {
        samples += u64::from(push.counts().samples);
        pusher.push_until_answered(pack(&push)).await?;
    }
    Ok(samples)
}

/// Waits until the server has taken so many samples; returns when the first and the last bytes were sent to it. It counts
/// samples once a second, so those are what is timed.
async fn until_stored(server: &Agent, samples: u64, relay: &Relay) -> anyhow::Result<(Instant, Instant)> {
    let (begun, mut client) = (Instant::now(), Client::new(server.address()));
    let (mut first, mut last, mut sent, mut asked) = (None, begun, 0, begun);
    while begun.elapsed() < PATIENCE {
        if relay.bytes_sent() > sent {
            (sent, last) = (relay.bytes_sent(), Instant::now());
            first = first.or(Some(last));
        }
        if asked.elapsed() > ASK {
            asked = Instant::now();
            if stored(&mut client).await? >= samples {
                return Ok((first.context("something was sent")?, last));
            }
        }
        tokio::time::sleep(LOOK).await;
    }
    bail!("{samples} samples did not arrive within {PATIENCE:?}")
}

/// Samples that the server has taken.
async fn stored(client: &mut Client) -> anyhow::Result<u64> {
    const METRIC: &str = "vm_rows_inserted_total{type=\"promremotewrite\"} ";
    let page = client.get("/metrics").await?.text();
    let rows = page.lines().find_map(|line| line.strip_prefix(METRIC)).context("no such metric")?;
    Ok(rows.parse()?)
}

/// What an hour takes on the wire where the server takes zstd, in bytes a sample. Debian's VictoriaMetrics is too old for that.
pub async fn zstd_bytes() -> anyhow::Result<f64> {
    let folder = tempfile::tempdir()?;
    let (mut upstream, port) = (Upstream::start(&SharedLedger::default())?, ReservedPort::new()?);
    upstream.close().await;
    let agent = start_agent(Kind::Buffer, folder.path(), &port, &upstream.url()).await?;
    let (samples, begun) = (push_an_hour(&agent).await?, Instant::now());
    upstream.open()?;
    while upstream.totals().samples < samples {
        if begun.elapsed() > PATIENCE {
            bail!("{samples} samples did not arrive within {PATIENCE:?}");
        }
        tokio::time::sleep(LOOK).await;
    }
    Ok(upstream.totals().body_bytes as f64 / samples as f64)
}

/// One host pushes 100 samples ten times a second: milliseconds from each push to its arrival.
pub async fn steady() -> anyhow::Result<Vec<f64>> {
    let folder = tempfile::tempdir()?;
    let ledger = SharedLedger::default();
    let (upstream, port) = (Upstream::start(&ledger)?, ReservedPort::new()?);
    let agent = start_agent(Kind::Buffer, folder.path(), &port, &upstream.url()).await?;
    let mut pusher = Pusher::new(agent.address());
    let mut host = HostLoad::new(1, 0, 100);
    let mut latencies = Vec::new();
    for at_ms in 0..PUSHES as i64 {
        let push = host.scrape(crate::scrapes::FIRST_MS + at_ms * 1_000);
        ledger.lock().pushed(&push);
        let (begun, target) = (Instant::now(), ledger.verdict().pushed);
        pusher.push_until_answered(pack(&push)).await?;
        while ledger.verdict().delivered < target {
            if begun.elapsed() > PATIENCE {
                bail!("a push was not delivered");
            }
            tokio::time::sleep(Duration::from_micros(200)).await;
        }
        latencies.push(begun.elapsed().as_secs_f64() * 1e3);
        tokio::time::sleep(PAUSE).await;
    }
    Ok(latencies)
}
