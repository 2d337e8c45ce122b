//! What the agent takes of a host while it has little to do: CPU time and memory of the real program at the load of a typical
//! host, 360 samples a second, for a minute of real time.
//!
//! Five targets of 360 series are scraped each 5 s in turn, so that a push of 360 samples comes each second, as vmagent's flushes
//! do. The scenes run side by side: CPU time is counted, not wall time. `cargo bench --bench idle -- SECONDS`

use comfy_table::{CellAlignment, Table, presets};
use pmm_buffer::harness::{Agent, Launch, Load, Pusher, ReservedPort, SharedLedger, Upstream, pack};
use std::fs;
use std::path::Path;
use std::time::Duration;
use tokio::time::{Instant, interval, sleep};

const TARGETS: usize = 5;
const SERIES: usize = 360;
const FLUSH: Duration = Duration::from_secs(1);
/// 2026-01-01, so that every run pushes the same.
const FIRST_MS: i64 = 1_767_225_600_000;
/// Until every series is known, and the first flushes are over.
const WARM_UP: Duration = Duration::from_secs(15);
const MEASURED: Duration = Duration::from_secs(60);
const PATIENCE: Duration = Duration::from_secs(60);
const MOST_CPU_PERCENT: f64 = 0.5;
const MOST_MIB: f64 = 24.0;

#[derive(Clone, Copy)]
struct Scene {
    name: &'static str,
    is_pushed: bool,
    has_self_metrics: bool,
    is_away: bool,
}

const NOTHING: Scene =
    Scene { name: "nothing is pushed", is_pushed: false, has_self_metrics: false, is_away: false };
const TYPICAL: Scene = Scene { name: "360 samples a second", is_pushed: true, ..NOTHING };
const PACKAGED: Scene =
    Scene { name: "360 samples a second, self_metrics on", has_self_metrics: true, ..TYPICAL };
const AWAY: Scene =
    Scene { name: "the same, the upstream away", is_pushed: true, has_self_metrics: true, is_away: true };

struct Figures {
    scene: Scene,
    cpu_percent: f64,
    resident_mib: f64,
    peak_mib: f64,
    switches_a_second: f64,
}

fn main() -> anyhow::Result<()> {
    // `cargo test --benches` only wants to see it start.
    if std::env::args().any(|arg| arg == "--test") {
        return Ok(());
    }
    let seconds = std::env::args().skip(1).find_map(|arg| arg.parse().ok());
    let time = seconds.map_or(MEASURED, Duration::from_secs);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let figures = runtime.block_on(async {
        tokio::try_join!(
            measure(NOTHING, time),
            measure(TYPICAL, time),
            measure(PACKAGED, time),
            measure(AWAY, time)
        )
    });
    let (nothing, typical, packaged, away) = figures?;
    report(&[nothing, typical, packaged, away]);
    Ok(())
}

async fn measure(scene: Scene, time: Duration) -> anyhow::Result<Figures> {
    let folder = tempfile::tempdir()?;
    let ledger = SharedLedger::default();
    let mut upstream = Upstream::start(&ledger)?;
    let port = ReservedPort::new()?;
    let config = folder.path().join("pmm-buffer.yml");
    let text = format!(
        "listen: {}\ndata_dir: {}\nself_metrics: {}\nremote_write: [{{url: \"{}\"}}]\n",
        port.address(),
        folder.path().join("data").display(),
        scene.has_self_metrics,
        upstream.url()
    );
    fs::write(&config, text)?;
    if scene.is_away {
        upstream.close().await;
    }
    let binary = Path::new(env!("CARGO_BIN_EXE_pmm-buffer"));
    let mut agent = Launch::config(binary, port.address(), &config, &folder.path().join("log")).start()?;
    agent.ready(PATIENCE).await?;
    if !scene.is_pushed {
        return watch(scene, &agent, time).await;
    }
    tokio::select! {
        pushed = push(&port) => pushed.map(|()| unreachable!("BUG: it pushes for ever")),
        figures = watch(scene, &agent, time) => figures,
    }
}

async fn push(port: &ReservedPort) -> anyhow::Result<()> {
    let (mut load, mut pusher) = (Load::new(7, TARGETS, SERIES), Pusher::new(port.address()));
    let mut ticks = interval(FLUSH);
    for second in 0.. {
        ticks.tick().await;
        let body = pack(&load.next_scrape(FIRST_MS + second * 1_000));
        pusher.push_until_answered(body).await?;
    }
    Ok(())
}

async fn watch(scene: Scene, agent: &Agent, time: Duration) -> anyhow::Result<Figures> {
    sleep(WARM_UP).await;
    let (before, switches, begun) = (agent.tree_usage()?, switches(agent)?, Instant::now());
    sleep(time).await;
    let (after, more, took) = (agent.tree_usage()?, self::switches(agent)?, begun.elapsed().as_secs_f64());
    let mib = |bytes: u64| bytes as f64 / 1_048_576.0;
    Ok(Figures {
        scene,
        cpu_percent: (after.cpu - before.cpu).as_secs_f64() / took * 100.0,
        resident_mib: mib(after.resident_bytes),
        peak_mib: mib(after.peak_bytes),
        switches_a_second: (more - switches) as f64 / took,
    })
}

/// How often its threads went to sleep of their own, see proc(5).
fn switches(agent: &Agent) -> anyhow::Result<u64> {
    let mut all = 0;
    for thread in fs::read_dir(format!("/proc/{}/task", agent.id()))? {
        // One that ended meanwhile.
        let Ok(status) = fs::read_to_string(thread?.path().join("status")) else { continue };
        let count = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        all += count.and_then(|count| count.trim().parse::<u64>().ok()).unwrap_or(0);
    }
    Ok(all)
}

fn report(all: &[Figures]) {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table.set_header([
        "scene".to_owned(),
        format!("CPU, % of a core (≤ {MOST_CPU_PERCENT})"),
        format!("resident, MiB (≤ {MOST_MIB})"),
        "most, MiB".to_owned(),
        "wake-ups a second".to_owned(),
    ]);
    for figures in all {
        table.add_row([
            figures.scene.name.to_owned(),
            format!("{:.2}", figures.cpu_percent),
            format!("{:.1}", figures.resident_mib),
            format!("{:.1}", figures.peak_mib),
            format!("{:.0}", figures.switches_a_second),
        ]);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    println!("{table}");
}
