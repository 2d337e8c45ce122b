//! Real programs before and behind the agent: Debian's VictoriaMetrics, vmagent and Prometheus, and client libraries.
//!
//! ```text
//!  pusher ─▶ agent ─▶ relay ─▶ VictoriaMetrics     what went through the agent and an outage
//!     └──────────────────────▶ VictoriaMetrics     what the pusher itself says it pushed
//! ```
//!
//! A database is compared with what was pushed where that is known, else with a second one that the same pusher
//! writes to directly.

mod bench;
mod clients;
mod crash;
mod csv;
mod dead_letters;
mod demo;
mod exposition;
mod histograms;
mod import;
mod metrics;
mod native;
mod observing;
mod prometheus;
mod remote_write;
mod shim;
mod skipped;
mod vmagent;

use crate::stage::binary;
use pmm_buffer::harness::wait::{DEADLINE, until_async};
use pmm_buffer::harness::{Agent, Database, Launch, Relay, ReservedPort, find_peer};
use pmm_buffer::model::Push;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tempfile::TempDir;

/// Where PMM Server takes remote write, and VictoriaMetrics behind it.
const WRITE: &str = "/victoriametrics/api/v1/write";

/// Wait between two exports.
const PAUSE: Duration = Duration::from_millis(100);

/// Every series.
const ALL: &str = r#"__name__!="""#;

/// Series of a scrape of the agent, at the least.
const SCRAPED_SERIES: usize = 50;

/// Scrapes of the agent while its upstream is away, at the least.
const SCRAPES_IN_OUTAGE: usize = 5;

/// The path of a peer, or the end of the test with what to do.
fn peer(program: &str) -> PathBuf {
    find_peer(program).unwrap_or_else(|error| panic!("{error}"))
}

/// A Prometheus with this configuration, which lives in `folder`.
async fn start_prometheus(folder: &Path, config: &str, more: &[&str]) -> Peer {
    let file = folder.join("prometheus.yml");
    std::fs::write(&file, config).expect("writable");
    Peer::start("prometheus", folder, "/-/ready", |address| {
        let args = [
            format!("--web.listen-address={address}"),
            format!("--config.file={}", file.display()),
            format!("--storage.tsdb.path={}", folder.join("prometheus").display()),
        ];
        args.into_iter().chain(more.iter().map(|arg| (*arg).to_owned())).collect()
    })
    .await
}

/// The wall clock, in milliseconds since the epoch: a database takes no sample of another time.
#[expect(clippy::disallowed_methods, reason = "a real database keeps only what is recent")]
fn now_ms() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    i64::try_from(now.as_millis()).expect("before the year 292 million")
}

/// Samples by label section, each by its timestamp and the bits of its value. A set: what a lost answer repeats
/// stands in it once.
type Samples = BTreeMap<Vec<u8>, BTreeSet<(i64, u64)>>;

fn samples(push: &Push) -> Samples {
    let mut samples = Samples::new();
    for series in push.series() {
        let own = samples.entry(series.labels.to_vec()).or_default();
        own.extend(series.samples.iter().map(|sample| (sample.timestamp, sample.value.to_bits())));
    }
    samples
}

fn count(samples: &Samples) -> usize {
    samples.values().map(BTreeSet::len).sum()
}

/// The first and the last timestamp.
fn span(samples: &Samples) -> Option<(i64, i64)> {
    let timestamps = || samples.values().flatten().map(|(timestamp, _)| *timestamp);
    Some((timestamps().min()?, timestamps().max()?))
}

/// What lies strictly between two timestamps.
fn between(samples: &Samples, first: i64, last: i64) -> Samples {
    let inner = |own: &BTreeSet<(i64, u64)>| {
        own.iter().filter(|(timestamp, _)| first < *timestamp && *timestamp < last).copied().collect()
    };
    let inner: Samples = samples.iter().map(|(labels, own)| (labels.clone(), inner(own))).collect();
    inner.into_iter().filter(|(_, own)| !own.is_empty()).collect()
}

/// How two sets of samples differ, in a few lines.
fn difference(one: &Samples, other: &Samples) -> String {
    let mut lines = vec![format!("{} and {} samples", count(one), count(other))];
    for labels in one.keys().chain(other.keys()).collect::<BTreeSet<_>>() {
        let none = BTreeSet::new();
        let (own, others) = (one.get(labels).unwrap_or(&none), other.get(labels).unwrap_or(&none));
        if own != others {
            let name = String::from_utf8_lossy(labels);
            let shown = |samples: &BTreeSet<(i64, u64)>, without: &BTreeSet<(i64, u64)>| {
                let values = samples.difference(without).take(3);
                values.map(|(at, bits)| format!("{} at {at}", f64::from_bits(*bits))).collect::<Vec<_>>()
            };
            lines.push(format!("{name:?}: only {:?}, only {:?}", shown(own, others), shown(others, own)));
        }
    }
    lines.truncate(10);
    lines.join("\n")
}

/// What two databases hold in the window that both cover: what is at its very ends may have reached one of them
/// only, as the pusher was started or ended half way.
fn shared_window(one: &Samples, other: &Samples) -> Option<(i64, i64)> {
    let ((first, last), (other_first, other_last)) = (span(one)?, span(other)?);
    Some((first.max(other_first), last.min(other_last)))
}

/// Holds what went through the agent equal to what was written directly, in the window that both cover, and that
/// window to hold all of `outage`.
async fn assert_equal_around(outage: (i64, i64), through: &Victoria, direct: &Victoria) {
    let (mut sent, mut expected) = (Samples::new(), Samples::new());
    let deadline = Instant::now() + DEADLINE;
    loop {
        let (of_agent, of_pusher) = (through.samples(ALL).await, direct.samples(ALL).await);
        if let Some((first, last)) = shared_window(&of_agent, &of_pusher) {
            (sent, expected) = (between(&of_agent, first, last), between(&of_pusher, first, last));
            // A database shows a new series only after a second or so.
            if first < outage.0 && outage.1 < last && sent == expected {
                break;
            }
        }
        assert!(Instant::now() < deadline, "{}", difference(&sent, &expected));
        tokio::time::sleep(PAUSE).await;
    }
    assert!(expected.len() >= SCRAPED_SERIES, "{} series", expected.len());
    let in_outage = count(&between(&expected, outage.0, outage.1));
    assert!(in_outage >= SCRAPES_IN_OUTAGE * SCRAPED_SERIES, "{in_outage} samples in the outage");
}

/// Sends the same requests to a database directly, and to the agent, from request `away_from` on in an outage and with
/// `prefix` before their paths. Both databases have to show the same `count` samples. `send` is given where to send to,
/// a prefix, and requests.
async fn assert_sent_as_directly<R>(
    requests: &[R],
    (away_from, prefix): (usize, &str),
    send: impl AsyncFn(SocketAddr, &str, &[R]),
    (matcher, all): (&str, usize),
) {
    let mut through = Through::start().await;
    let direct = Victoria::start().await;
    send(direct.peer.address(), "/victoriametrics", requests).await;
    let (before, after) = requests.split_at(away_from);
    send(through.agent.address(), "", before).await;
    through.relay.close().await;
    send(through.agent.address(), prefix, after).await;
    through.relay.open().expect("the port is ours");
    through.drained().await;
    let (sent, stored) = (through.victoria.shown(matcher, all).await, direct.shown(matcher, all).await);
    assert!(sent == stored, "{}", difference(&sent, &stored));
    assert_eq!(count(&sent), all);
}

/// A running peer, killed when dropped.
struct Peer {
    process: Agent,
    launch: Launch,
    _port: ReservedPort,
}

impl Peer {
    /// Starts `program` and waits until `health` answers. `args` gets the address to listen on.
    async fn start(
        program: &str,
        folder: &Path,
        health: &str,
        args: impl FnOnce(SocketAddr) -> Vec<String>,
    ) -> Self {
        let port = ReservedPort::new().expect("loopback");
        let args = args(port.address()).into_iter().map(OsString::from).collect();
        let log = folder.join(format!("{program}.log"));
        let launch = Launch::new(&peer(program), args, port.address(), &log);
        let mut process = launch.start().expect("the peer starts");
        process.answers(health, DEADLINE).await.expect("the peer answers");
        Self { process, launch, _port: port }
    }

    fn address(&self) -> SocketAddr {
        self.launch.address
    }

    /// SIGTERM; returns when it has ended.
    async fn stop(&mut self) {
        self.process.terminate(DEADLINE).await.expect("the peer ends");
    }
}

/// A VictoriaMetrics under the path that PMM Server has it at.
struct Victoria {
    peer: Peer,
    database: Database,
    _folder: TempDir,
}

impl Victoria {
    const HEALTH: &str = "/victoriametrics/health";

    async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// With further flags.
    async fn start_with(more: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let data = folder.path().join("data");
        let peer = Peer::start("victoria-metrics", folder.path(), Self::HEALTH, |address| {
            let args = [
                format!("-httpListenAddr={address}"),
                format!("-storageDataPath={}", data.display()),
                "-http.pathPrefix=/victoriametrics".to_owned(),
                "-retentionPeriod=100y".to_owned(),
                "-memory.allowedBytes=64MB".to_owned(),
            ];
            args.into_iter().chain(more.iter().map(|flag| (*flag).to_owned())).collect()
        });
        let peer = peer.await;
        Self { database: Database::new(peer.address(), WRITE), peer, _folder: folder }
    }

    fn url(&self) -> String {
        format!("http://{}{WRITE}", self.peer.address())
    }

    /// Comes back on what it had stored.
    async fn start_again(&mut self) {
        self.peer.process = self.peer.launch.start().expect("the peer starts");
        self.peer.process.answers(Self::HEALTH, DEADLINE).await.expect("the peer answers");
    }

    /// All samples of the series that `matcher` matches.
    async fn samples(&self, matcher: &str) -> Samples {
        let export = self.database.export(matcher).await.expect("it answers");
        samples(&export.expect("it exports"))
    }

    /// The same, once there are so many: a database shows them only after a second or so.
    async fn shown(&self, matcher: &str, least: usize) -> Samples {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let shown = self.samples(matcher).await;
            if count(&shown) >= least {
                return shown;
            }
            assert!(Instant::now() < deadline, "{} of {least} samples", count(&shown));
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// The agent before a database, with a relay in between.
struct Through {
    agent: Agent,
    relay: Relay,
    victoria: Victoria,
    folder: TempDir,
    launch: Launch,
    _port: ReservedPort,
}

impl Through {
    async fn start() -> Self {
        Self::launched(|address, url, folder| {
            Launch::flags(binary(), address, &folder.join("data"), url, &folder.join("log"))
        })
        .await
    }

    /// The agent is given a file that has `rest` in it besides what it needs.
    async fn configured(rest: &str) -> Self {
        Self::launched(|address, url, folder| {
            let file = folder.join("pmm-buffer.yml");
            let data = folder.join("data");
            let data = data.display();
            let text =
                format!("listen: {address}\ndata_dir: {data}\nremote_write: [{{url: '{url}'}}]\n{rest}\n");
            std::fs::write(&file, text).expect("writable");
            Launch::config(binary(), address, &file, &folder.join("log"))
        })
        .await
    }

    async fn launched(launch: impl FnOnce(SocketAddr, &str, &Path) -> Launch) -> Self {
        let victoria = Victoria::start().await;
        let relay = Relay::start(victoria.peer.address()).expect("loopback");
        let folder = tempfile::tempdir().expect("a temporary folder");
        let port = ReservedPort::new().expect("loopback");
        let url = format!("http://{}{WRITE}", relay.address());
        let launch = launch(port.address(), &url, folder.path());
        let mut agent = launch.start().expect("the program starts");
        agent.ready(DEADLINE).await.expect("ready");
        Self { agent, relay, victoria, folder, launch, _port: port }
    }

    async fn start_agent_again(&mut self) {
        self.agent = self.launch.start().expect("the program starts");
        self.agent.ready(DEADLINE).await.expect("ready");
    }

    /// Waits until so many more pushes are accepted.
    async fn accepted(&self, more: u64) {
        let accepted = async || self.agent.status().await.expect("a status").pushes_accepted;
        let target = accepted().await + more;
        until_async("pushes are accepted", async || accepted().await >= target).await;
    }

    /// Takes the database away while so many pushes are accepted; returns when that began and ended.
    async fn outage(&mut self, pushes: u64) -> (i64, i64) {
        self.relay.close().await;
        let begun = now_ms();
        self.accepted(pushes).await;
        let ended = now_ms();
        self.relay.open().expect("the port is ours");
        (begun, ended)
    }

    /// Waits until the agent holds nothing.
    async fn drained(&self) {
        until_async("the agent holds nothing", async || {
            self.agent.status().await.expect("a status").upstreams[0].backlog_records == 0
        })
        .await;
        let upstream = self.agent.status().await.expect("a status").upstreams.remove(0);
        assert_eq!((upstream.samples_dropped, upstream.samples_rejected), (0, 0));
    }
}
