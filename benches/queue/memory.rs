//! Resident memory of the real program.

use crate::report::{Report, Spread};
use crate::scrapes::{FIRST_MS, PERIOD_MS};
use crate::stage::{MIB, Stages, folder, full_of_scrapes, hosts};
use pmm_buffer::harness::{Agent, Flow, HostLoad, Launch, ReservedPort, Schedule, SharedLedger, Upstream};
use std::path::Path;
use std::time::{Duration, Instant};

/// 50 hosts of 1000 series.
const HOSTS: usize = 50;
const MOST_MIB: f64 = 64.0;
/// 5 hosts of 1000 series.
const IDLE_HOSTS: usize = 5;
const MOST_IDLE_MIB: f64 = 24.0;
/// Five times PMM's pace.
const PERIOD: Duration = Duration::from_secs(1);
const AWAY: Duration = Duration::from_secs(12);
const BACK: Duration = Duration::from_secs(12);
const LOOK: Duration = Duration::from_millis(100);
const PATIENCE: Duration = Duration::from_secs(60);
const BINARY: &str = env!("CARGO_BIN_EXE_pmm-buffer");

pub fn measure(stages: &mut Stages, report: &mut Report) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let idle_folder = folder()?;
    runtime.block_on(idle(idle_folder.path(), report))?;

    let small = folder()?;
    let mut live = hosts(HOSTS);
    eprintln!("  filling 64 MiB");
    let (stage, scraped) = full_of_scrapes(small.path(), 64 * MIB, &mut live)?;
    stage.close()?;
    let from_ms = FIRST_MS + scraped as i64 * PERIOD_MS;
    runtime.block_on(full("64 MiB of scrapes", small.path(), 64 * MIB, live, from_ms, report))?;

    let large = stages.full_of_noise()?;
    runtime.block_on(full("1 GiB of noise", large, 1 << 30, hosts(HOSTS), FIRST_MS, report))
}

/// What was resident while something went on, in MiB.
async fn watch(agent: &Agent, time: Duration) -> anyhow::Result<Spread> {
    let begun = Instant::now();
    let mut resident = Vec::new();
    while begun.elapsed() < time {
        resident.push(mib(agent.tree_usage()?.resident_bytes));
        tokio::time::sleep(LOOK).await;
    }
    Ok(Spread::of(resident))
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / 1_048_576.0
}

async fn idle(data_dir: &Path, report: &mut Report) -> anyhow::Result<()> {
    let ledger = SharedLedger::default();
    let upstream = Upstream::start(&ledger)?;
    let port = ReservedPort::new()?;
    let log = data_dir.join("log");
    let launch =
        Launch::flags(Path::new(BINARY), port.address(), &data_dir.join("data"), &upstream.url(), &log);
    let mut agent = launch.start()?;
    agent.ready(PATIENCE).await?;
    report.note("resident after the start, MiB", mib(agent.tree_usage()?.resident_bytes));
    let schedule = Schedule { period: PERIOD, first_ms: FIRST_MS, step_ms: 10_000 };
    let flow = Flow::start(hosts(IDLE_HOSTS), port.address(), schedule, &ledger);
    tokio::time::sleep(6 * PERIOD).await;
    flow.stop().await?;
    while ledger.verdict().delivered < ledger.verdict().answered {
        tokio::time::sleep(LOOK).await;
    }
    let resident = watch(&agent, Duration::from_secs(4)).await?;
    report.bounded("resident, idle with 5000 series, MiB", MOST_IDLE_MIB, resident);
    report.note("most that was resident, 5000 series, MiB", mib(agent.tree_usage()?.peak_bytes));
    Ok(())
}

/// An agent on a full queue, with pushes coming: the upstream is away, then back.
async fn full(
    name: &str,
    data_dir: &Path,
    max_bytes: u64,
    live: Vec<HostLoad>,
    from_ms: i64,
    report: &mut Report,
) -> anyhow::Result<()> {
    let ledger = SharedLedger::default();
    let mut upstream = Upstream::start(&ledger)?;
    upstream.close().await;
    let port = ReservedPort::new()?;
    let log = data_dir.join("log");
    let mut launch = Launch::flags(Path::new(BINARY), port.address(), data_dir, &upstream.url(), &log);
    launch.args.extend(["--queue-max-bytes".into(), max_bytes.to_string().into()]);
    let begun = Instant::now();
    let mut agent = launch.start()?;
    agent.ready(PATIENCE).await?;
    report.note(format!("{name}: from start to ready, s"), begun.elapsed().as_secs_f64());
    let schedule = Schedule { period: PERIOD, first_ms: from_ms, step_ms: PERIOD_MS };
    let flow = Flow::start(live, port.address(), schedule, &ledger);
    let away = watch(&agent, AWAY).await?;
    report.bounded(format!("resident, full, {name}, 50 000 series, upstream away, MiB"), MOST_MIB, away);
    let peak_away = mib(agent.tree_usage()?.peak_bytes);
    upstream.open()?;
    let back = watch(&agent, BACK).await?;
    report.bounded(format!("resident, full, {name}, 50 000 series, catching up, MiB"), MOST_MIB, back);
    let peak = mib(agent.tree_usage()?.peak_bytes);
    report.bounded(format!("most that was resident, {name}, upstream away, MiB"), MOST_MIB, peak_away);
    report.bounded(format!("most that was resident, {name}, MiB"), MOST_MIB, peak);
    let rate = upstream.totals().samples as f64 / BACK.as_secs_f64() / 1e6;
    report.note(format!("{name}: delivered, millions of samples a second"), rate);
    flow.stop().await?;
    Ok(())
}
