//! `pmm-buffer demo`: the main job, shown on this host. An outage, a kill -9 in the midst of it, a restart,
//! and the way back; then the verdict over every sample.
//!
//! Everything listens on 127.0.0.1 and lives in a temporary folder that is removed at the end. The agent is
//! this very program as a child process. Every figure shown is measured in this run.
//!
//! Exit status: 0 where all that was answered arrived, in order, and nothing else did; else 1; 130 when it
//! was interrupted.

mod delivery;
mod report;
mod side;
mod view;

use super::interrupt::unless_interrupted;
use super::wall;
use crate::bench::folder::Folder;
use crate::cli;
use crate::harness::{Agent, Flow, Launch, Load, ReservedPort, Schedule, SharedLedger, Usage};
use crate::status::UpstreamStatus;
use anyhow::{Context, bail, ensure};
use delivery::{Delivery, Wire};
use report::{Disk, Report};
use side::Side;
use std::process::ExitCode;
use std::time::Duration;
use tokio::time::Instant;
use view::View;

const HOSTS: usize = 10;
const SERIES_PER_HOST: usize = 1_000;

/// A host pushes ten times a second what it would push every 5 s, the high resolution of PMM.
const PERIOD: Duration = Duration::from_millis(100);
const STEP_MS: i64 = 5_000;

/// Timestamps start that long ago, so that 50 s of scrapes in each second do not end in the future.
const START_AGO_MS: i64 = 6 * 3600 * 1000;

const STEADY: Duration = Duration::from_secs(5);
/// At least this long pushes go on once the upstream is back.
const BACK: Duration = Duration::from_secs(5);

/// Bounds each wait for the agent. Reached only where something is wrong.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long an empty queue is watched while the ledger still misses something.
const SETTLE: Duration = Duration::from_secs(2);

/// Wait between two looks at the figures.
const POLL: Duration = Duration::from_millis(20);

/// Shows the demo and prints its verdict.
pub fn run(args: &cli::Demo) -> anyhow::Result<ExitCode> {
    unless_interrupted(show(args))
}

async fn show(args: &cli::Demo) -> anyhow::Result<ExitCode> {
    let outage = Duration::from_secs(args.seconds);
    let report = Demo::start(args.upstream.as_deref()).await?.play(outage).await?;
    Ok(report::print(&report))
}

/// The stage. Fields are dropped in this order: the agent is gone before its folder.
struct Demo {
    agent: Agent,
    launch: Launch,
    side: Side,
    flow: Flow,
    ledger: SharedLedger,
    view: View,
    folder: Folder,
    /// What agents that have ended took.
    past: Usage,
    _port: ReservedPort,
}

impl Demo {
    async fn start(upstream: Option<&str>) -> anyhow::Result<Self> {
        let now_ms = wall::now_ms();
        let ledger = SharedLedger::default();
        let load = Load::new(now_ms as u64, HOSTS, SERIES_PER_HOST).into_hosts();
        let node_ids = load.iter().map(|host| host.node_id().to_owned()).collect();
        let side = Side::start(upstream, &ledger, node_ids).await?;
        let port = ReservedPort::new().context("cannot bind a port of 127.0.0.1")?;
        let folder = Folder::new(&std::env::temp_dir(), "pmm-buffer-demo")?;
        let binary = std::env::current_exe().context("cannot find this program's own file")?;
        let log = folder.path().join("agent.log");
        let launch =
            Launch::flags(&binary, port.address(), &folder.path().join("data"), &side.agent_url(), &log);
        let mut agent = launch.start().context("cannot start the agent")?;
        agent.ready(PATIENCE).await?;
        let schedule = Schedule { period: PERIOD, first_ms: now_ms - START_AGO_MS, step_ms: STEP_MS };
        let flow = Flow::start(load, agent.address(), schedule, &ledger);
        let view = View::new();
        view.line(&format!(
            "{HOSTS} hosts with {SERIES_PER_HOST} series push every {} ms to the agent at {}; {}",
            PERIOD.as_millis(),
            agent.address(),
            side.describe()
        ));
        let past = Usage::default();
        Ok(Self { agent, launch, side, flow, ledger, view, folder, past, _port: port })
    }

    /// Plays all of it, with pushes going on for `outage` while the upstream is down.
    async fn play(mut self, outage: Duration) -> anyhow::Result<Report> {
        self.view.phase("1/4  steady flow");
        self.go_on(STEADY).await?;
        let steady = self.delivery().await?;

        self.view.phase("2/4  the upstream is down, pushes go on");
        self.side.close().await;
        self.go_on(outage * 2 / 3).await?;

        self.view.phase("3/4  kill -9 in the outage, then a restart on the same queue");
        let restart = self.kill_and_restart().await?;
        self.view.line(&format!("     ready again after {:.2} s", restart.as_secs_f64()));
        self.go_on(outage / 3).await?;
        let disk = self.disk().await?;

        self.view.phase("4/4  the upstream is back, pushes go on");
        let back = self.back().await?;

        // The hosts end with their push answered, then the agent gets the time to send the rest.
        self.view.phase("     the pushes end, the agent drains its queue");
        let Self { mut agent, side, flow, ledger, view, folder, past, .. } = self;
        let retries = flow.retries();
        tokio::time::timeout(PATIENCE, flow.stop()).await.context("the agent does not answer pushes")??;
        let status = drain(&agent, &side, &ledger, &view).await?;
        let usage = past.then(agent.tree_usage()?);
        let ended = agent.terminate(PATIENCE).await?;
        ensure!(
            ended.success(),
            "the agent ended with {ended} at SIGTERM; the end of its log:\n{}",
            agent.log_tail()
        );
        let log = agent.log_tail();
        let checked = side.check(&ledger, &view).await?;
        view.finish();
        drop(folder);
        let verdict = ledger.verdict();
        Ok(Report { verdict, checked, status, restart, retries, disk, steady, back, usage, log })
    }

    /// Lets pushes go on for a while.
    async fn go_on(&mut self, time: Duration) -> anyhow::Result<()> {
        let end = Instant::now() + time;
        while Instant::now() < end {
            self.look().await?;
        }
        Ok(())
    }

    /// Waits for the next look at the figures, and shows them.
    async fn look(&mut self) -> anyhow::Result<Delivery> {
        tokio::time::sleep(POLL).await;
        if let Some(status) = self.agent.ended()? {
            bail!("the agent ended with {status}; the end of its log:\n{}", self.agent.log_tail());
        }
        let delivery = self.delivery().await?;
        self.view.show(&self.ledger.verdict(), &delivery);
        Ok(delivery)
    }

    async fn delivery(&self) -> anyhow::Result<Delivery> {
        self.side.delivery(&self.agent, &self.ledger).await
    }

    /// Returns the time from the kill to the answer 200 of `/ready`.
    async fn kill_and_restart(&mut self) -> anyhow::Result<Duration> {
        self.past = self.past.then(self.agent.tree_usage()?);
        let killed = Instant::now();
        self.agent.kill()?;
        self.agent = self.launch.start().context("cannot start the agent again")?;
        self.agent.ready(PATIENCE).await?;
        Ok(killed.elapsed())
    }

    /// What the backlog takes at the end of the outage.
    async fn disk(&self) -> anyhow::Result<Disk> {
        let status = side::upstream_status(&self.agent).await?;
        Ok(Disk {
            samples: status.backlog_samples,
            queue_bytes: status.backlog_bytes,
            folder_bytes: self.folder.allocated_bytes(),
        })
    }

    /// Opens the upstream, and measures the first delivery and the end of the backlog of the outage.
    async fn back(&mut self) -> anyhow::Result<Back> {
        let before = self.delivery().await?;
        self.side.open()?;
        let opened = Instant::now();
        let mut back = Back { held: before.held, first: None, caught_up: None };
        while back.caught_up.is_none() || opened.elapsed() < BACK {
            if opened.elapsed() > PATIENCE {
                break;
            }
            let now = self.look().await?;
            let delivered = now.samples.saturating_sub(before.samples);
            // What is sent first may be a repeat of what the upstream had before, see `queue.rewind`.
            if now.wire.samples > before.wire.samples {
                back.first.get_or_insert(opened.elapsed());
            }
            // Delivery is in order: what comes first is what was held when the upstream came back.
            if delivered >= before.held && back.caught_up.is_none() {
                back.caught_up = Some(CaughtUp { after: opened.elapsed(), wire: now.wire - before.wire });
            }
        }
        Ok(back)
    }
}

/// The way back from the outage.
#[derive(Debug)]
struct Back {
    /// Samples that were answered and not delivered when the upstream came back.
    held: u64,
    /// From the upstream's return to the first delivery.
    first: Option<Duration>,
    caught_up: Option<CaughtUp>,
}

#[derive(Debug)]
struct CaughtUp {
    /// From the upstream's return until all that was held then is delivered.
    after: Duration,
    /// What went over the wire in that time.
    wire: Wire,
}

/// Waits until the agent holds nothing or the time is up, and returns its account then.
async fn drain(
    agent: &Agent,
    side: &Side,
    ledger: &SharedLedger,
    view: &View,
) -> anyhow::Result<UpstreamStatus> {
    let deadline = Instant::now() + PATIENCE;
    let mut empty_since = None;
    loop {
        let delivery = side.delivery(agent, ledger).await?;
        view.show(&ledger.verdict(), &delivery);
        // An arrival counts before the agent has its answer, so both are asked.
        let status = side::upstream_status(agent).await?;
        let now = Instant::now();
        empty_since = if status.backlog_records == 0 { empty_since.or(Some(now)) } else { None };
        // What is missing when the queue has long been empty will not come.
        let is_settled = empty_since.is_some_and(|since| delivery.held == 0 || now - since > SETTLE);
        if is_settled || now >= deadline {
            return Ok(status);
        }
        tokio::time::sleep(POLL).await;
    }
}
