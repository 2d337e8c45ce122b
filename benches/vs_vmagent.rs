//! The agent beside Debian's vmagent, in turn (A B A B …), on the same load and the same upstream: CPU a
//! sample, memory, wire bytes, what an outage costs, and imports of JSON lines. Figures of one run are compared with each
//! other only.
//!
//! `cargo bench --bench vs_vmagent`; vmagent is looked for on PATH, then in `$PMM_BUFFER_TEST_PEERS/usr/bin`.

use anyhow::bail;
use comfy_table::{CellAlignment, Table};
use pmm_buffer::harness::{
    Client, Flow, Launch, Load, ReservedPort, Schedule, SharedLedger, Upstream, Usage, find_peer, json_lines,
};
use std::path::Path;
use std::time::{Duration, Instant};

const ROUNDS: usize = 3;
const HOSTS: usize = 10;
const SERIES: usize = 1_000;
const PERIOD: Duration = Duration::from_millis(200);
const STEADY: Duration = Duration::from_secs(8);
const OUTAGE: Duration = Duration::from_secs(8);
/// Requests of an import, of a sample of each series.
const IMPORTS: usize = 300;
const PATIENCE: Duration = Duration::from_secs(120);
/// 2026-01-01, so that every run pushes the same.
const FIRST_MS: i64 = 1_767_225_600_000;

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Buffer,
    Vmagent,
}

/// What one round measured.
struct Figures {
    steady_cpu_us: f64,
    all_cpu_us: f64,
    steady_resident_mib: f64,
    peak_mib: f64,
    wire_bytes: f64,
    first_delivery_s: f64,
    current_s: f64,
    lost: f64,
    out_of_order: f64,
    import_cpu_us: f64,
}

fn main() -> anyhow::Result<()> {
    // `cargo test --benches` only wants to see it start.
    if std::env::args().any(|arg| arg == "--test") {
        return Ok(());
    }
    let vmagent = find_peer("vmagent")?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let (mut buffer, mut peer) = (Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        eprintln!("round {round} of {ROUNDS}");
        buffer.push(runtime.block_on(measure(Kind::Buffer, Path::new(env!("CARGO_BIN_EXE_pmm-buffer"))))?);
        peer.push(runtime.block_on(measure(Kind::Vmagent, &vmagent))?);
    }
    report(&buffer, &peer);
    Ok(())
}

fn launch(kind: Kind, binary: &Path, port: &ReservedPort, folder: &Path, url: &str) -> Launch {
    let log = folder.join("log");
    let data = folder.join("data");
    if kind == Kind::Buffer {
        return Launch::flags(binary, port.address(), &data, url, &log);
    }
    let args = [
        format!("-httpListenAddr={}", port.address()),
        format!("-remoteWrite.url={url}"),
        format!("-remoteWrite.tmpDataPath={}", data.display()),
        // Without it, vmagent sends out of order after an outage.
        "-remoteWrite.queues=1".to_owned(),
    ];
    Launch::new(binary, args.map(Into::into).into(), port.address(), &log)
}

async fn measure(kind: Kind, binary: &Path) -> anyhow::Result<Figures> {
    let folder = tempfile::tempdir()?;
    let ledger = SharedLedger::default();
    let mut upstream = Upstream::start(&ledger)?;
    let port = ReservedPort::new()?;
    let mut agent = launch(kind, binary, &port, folder.path(), &upstream.url()).start()?;
    // Both have that page.
    agent.answers("/metrics", PATIENCE).await?;

    let idle = agent.tree_usage()?;
    let schedule = Schedule { period: PERIOD, first_ms: FIRST_MS, step_ms: 5_000 };
    let flow = Flow::start(Load::new(7, HOSTS, SERIES).into_hosts(), port.address(), schedule, &ledger);
    tokio::time::sleep(STEADY).await;
    let steady = agent.tree_usage()?;
    let steady_samples = ledger.verdict().delivered;
    let steady_bytes = upstream.totals().body_bytes;

    upstream.close().await;
    tokio::time::sleep(OUTAGE).await;
    let before = upstream.totals().samples;
    let target = ledger.verdict().answered;
    let back = Instant::now();
    upstream.open()?;
    // What is sent first may be a repeat of what the upstream had before, see `queue.rewind`.
    until("the first delivery", || upstream.totals().samples > before).await?;
    let first_delivery_s = back.elapsed().as_secs_f64();
    until("being current", || ledger.verdict().delivered >= target).await?;
    let current_s = back.elapsed().as_secs_f64();
    flow.stop().await?;
    until("the last sample", || {
        let verdict = ledger.verdict();
        verdict.delivered >= verdict.answered
    })
    .await?;
    let end = agent.tree_usage()?;
    let verdict = ledger.verdict();
    let cpu_us =
        |from: Usage, to: Usage, samples: u64| (to.cpu - from.cpu).as_secs_f64() * 1e6 / samples as f64;
    const MIB: f64 = 1_048_576.0;
    Ok(Figures {
        steady_cpu_us: cpu_us(idle, steady, steady_samples),
        all_cpu_us: cpu_us(idle, end, verdict.delivered),
        steady_resident_mib: steady.resident_bytes as f64 / MIB,
        peak_mib: end.peak_bytes as f64 / MIB,
        wire_bytes: steady_bytes as f64 / steady_samples as f64,
        first_delivery_s,
        current_s,
        lost: verdict.lost as f64,
        out_of_order: verdict.out_of_order as f64,
        import_cpu_us: measure_import(kind, binary).await?,
    })
}

/// CPU a sample of imports of JSON lines, a scrape in each request, until all is delivered.
async fn measure_import(kind: Kind, binary: &Path) -> anyhow::Result<f64> {
    let folder = tempfile::tempdir()?;
    let upstream = Upstream::start(&SharedLedger::default())?;
    let port = ReservedPort::new()?;
    let mut agent = launch(kind, binary, &port, folder.path(), &upstream.url()).start()?;
    agent.answers("/metrics", PATIENCE).await?;
    let mut load = Load::new(7, 1, SERIES);
    let bodies: Vec<_> =
        (0..IMPORTS).map(|at| json_lines(&load.next_scrape(FIRST_MS + at as i64 * 5_000))).collect();
    let idle = agent.tree_usage()?;
    let mut client = Client::new(port.address());
    for body in bodies {
        let answer = client.post("/api/v1/import", &[], body).await?;
        anyhow::ensure!(answer.status == 204, "an import was answered with {}", answer.status);
    }
    let samples = (IMPORTS * SERIES) as u64;
    until("the last import", || upstream.totals().samples >= samples).await?;
    Ok((agent.tree_usage()?.cpu - idle.cpu).as_secs_f64() * 1e6 / samples as f64)
}

async fn until(what: &str, mut done: impl FnMut() -> bool) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        if Instant::now() > deadline {
            bail!("{what} did not come within {PATIENCE:?}");
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

fn report(buffer: &[Figures], peer: &[Figures]) {
    type Pick = fn(&Figures) -> f64;
    let rows: [(&str, Pick); 10] = [
        ("CPU a sample, steady (µs)", |f| f.steady_cpu_us),
        ("CPU a sample, with outage and catch-up (µs)", |f| f.all_cpu_us),
        ("resident memory, steady (MiB)", |f| f.steady_resident_mib),
        ("resident memory, peak (MiB)", |f| f.peak_mib),
        ("wire bytes a sample, steady", |f| f.wire_bytes),
        ("first delivery after the outage (s)", |f| f.first_delivery_s),
        ("current again after (s)", |f| f.current_s),
        ("samples lost", |f| f.lost),
        ("samples out of order", |f| f.out_of_order),
        ("CPU a sample, import of JSON lines (µs)", |f| f.import_cpu_us),
    ];
    let mut table = Table::new();
    table.set_header(["median (least to most)", "pmm-buffer", "vmagent", "ratio"]);
    for (name, pick) in rows {
        let (ours, theirs) = (Spread::of(buffer, pick), Spread::of(peer, pick));
        let ratio =
            if theirs.median > 0.0 { format!("{:.2}", ours.median / theirs.median) } else { "–".into() };
        table.add_row([name.to_owned(), ours.to_string(), theirs.to_string(), ratio]);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    println!("{table}");
}

struct Spread {
    least: f64,
    median: f64,
    most: f64,
}

impl Spread {
    fn of(figures: &[Figures], pick: fn(&Figures) -> f64) -> Self {
        let mut values: Vec<f64> = figures.iter().map(pick).collect();
        values.sort_by(f64::total_cmp);
        Self { least: values[0], median: values[values.len() / 2], most: values[values.len() - 1] }
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.2} ({:.2} to {:.2})", self.median, self.least, self.most)
    }
}
