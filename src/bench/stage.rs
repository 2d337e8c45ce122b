//! One scenario on one contender: plays the phases and looks on.

use super::crew::Crew;
use super::figures::{End, figures};
use super::outcome::{Moment, Run, Worst};
use super::scenario::{self, Event, Loses, Phase, Scenario, Until};
use super::subject::Subject;
use super::watch::{Counts, Snapshot, Watch};
use crate::clock::Clock;
use crate::harness::{Flow, FlowAccount, Mode, SharedLedger, Upstream};
use anyhow::{Context, bail, ensure};
use std::net::SocketAddr;
use std::path::Path;
use std::pin::pin;
use std::time::Duration;
use tokio::time::Instant;

/// Wait between two looks: what the times of deliveries are exact to.
const LOOK: Duration = Duration::from_millis(5);

/// Between two moments of the report.
const MOMENT: Duration = Duration::from_millis(100);

/// Bounds each wait for the contender. Reached only where something is wrong with it.
const PATIENCE: Duration = Duration::from_secs(120);

/// Series that are named where something went wrong.
const WORST: usize = 5;

/// Samples of each series that the ledger remembers when they are settled: more than an agent repeats.
const REMEMBERED: usize = 2_000;

/// Once delivery goes on, what does not come in that time will not come: agents that send wait less between two tries.
const QUIET: Duration = Duration::from_secs(15);
/// The same where it is expected.
const QUIET_EXPECTED: Duration = Duration::from_secs(3);

/// Who is shown how it goes on.
pub trait Progress {
    /// A run begins.
    fn run(&self, scenario: &Scenario, contender: &str, round: usize);
    fn phase(&self, phase: &Phase);
    fn moment(&self, moment: &Moment);
}

/// One run.
pub(super) struct Setting<'a> {
    pub(super) scenario: &'a Scenario,
    pub(super) subject: &'a Subject,
    pub(super) round: usize,
    /// Where queues live.
    pub(super) folder: &'a Path,
    pub(super) clock: &'a Clock,
    pub(super) progress: &'a dyn Progress,
}

/// Plays it. An error where it cannot begin; what goes wrong later stands in the run.
pub(super) async fn play(setting: &Setting<'_>) -> anyhow::Result<Run> {
    let mut stage = Stage::start(setting).await?;
    let played = stage.play(setting.scenario).await;
    let end = stage.end();
    Ok(Run {
        contender: setting.subject.name().to_owned(),
        version: setting.subject.version(),
        round: setting.round,
        figures: figures(&stage.watch, &end),
        phases: stage.watch.phases,
        moments: stage.watch.moments,
        worst: worst(&stage.ledger),
        failure: played.err().map(|error| format!("{error:#}")),
    })
}

/// The series that fared worst, without those that were only repeated.
fn worst(ledger: &SharedLedger) -> Vec<Worst> {
    let worst = ledger.lock().worst(WORST).into_iter().map(|faults| Worst {
        series: faults.name,
        lost: faults.lost,
        out_of_order: faults.out_of_order,
        made_up: faults.made_up,
    });
    worst.filter(|worst| worst.lost + worst.out_of_order + worst.made_up > 0).collect()
}

/// All that takes part. Fields are dropped in this order: the pushers go before the agents.
struct Stage<'a> {
    /// None once the pushes have ended.
    flow: Option<Flow>,
    account: FlowAccount,
    /// None where a running agent is pushed to.
    crew: Option<Crew>,
    /// None where nobody verifies.
    upstream: Option<Upstream>,
    ledger: SharedLedger,
    watch: Watch,
    progress: &'a dyn Progress,
    quiet: Duration,
    begun: Instant,
    /// When the last moment was noted.
    noted: Option<Instant>,
    pushed: Option<Duration>,
}

impl<'a> Stage<'a> {
    async fn start(setting: &Setting<'a>) -> anyhow::Result<Self> {
        let Setting { scenario, subject, folder, clock, progress, .. } = *setting;
        let ledger = SharedLedger::forgetting(REMEMBERED);
        let hosts = scenario.load.spec()?.build();
        let upstream = subject.upstream(&ledger)?;
        let crew = match subject {
            Subject::Started { contender, .. } => {
                let url = upstream.as_ref().expect("BUG: agents that are started have an upstream").url();
                Some(Crew::start(contender, scenario.agents, scenario.max_bytes, &url, folder).await?)
            }
            Subject::Running { .. } => None,
        };
        let watch = Watch::new(crew.as_ref().map(Crew::usage).unwrap_or_default());
        // Prometheus sends nothing on that is older than itself.
        let first_ms = clock() + 1;
        let agents: Vec<SocketAddr> =
            crew.as_ref().map_or_else(|| subject.address().into_iter().collect(), Crew::addresses);
        let spec = scenario.load.flow(agents, subject.push_path(), first_ms);
        let flow = Flow::drive(hosts, spec, &ledger);
        Ok(Self {
            account: flow.account(),
            flow: Some(flow),
            crew,
            upstream,
            ledger,
            watch,
            progress,
            quiet: if scenario.loses == Loses::Expected { QUIET_EXPECTED } else { QUIET },
            begun: Instant::now(),
            noted: None,
            pushed: None,
        })
    }

    async fn play(&mut self, scenario: &Scenario) -> anyhow::Result<()> {
        for phase in &scenario.phases {
            self.phase(phase).await?;
        }
        if self.crew.as_ref().is_some_and(|crew| !crew.is_running()) {
            self.event(Event::Start).await?;
        }
        self.set_upstream(&scenario::Upstream::Up).await?;
        self.settle();
        self.drain().await
    }

    async fn phase(&mut self, phase: &Phase) -> anyhow::Result<()> {
        let Phase { name, length, until, upstream, agent } = phase;
        self.progress.phase(phase);
        let now = self.note();
        self.watch.phase(name, now.at);
        if !upstream.is_up() || agent.is_some() {
            self.watch.fault_begins(now);
            self.watch.had_outage |= upstream.is_outage();
        }
        if let Some(event) = agent {
            self.event(*event).await?;
        }
        self.set_upstream(upstream).await?;
        if upstream.is_up() {
            self.settle();
        }
        let answered = self.counts().verdict.answered;
        let least = Instant::now() + length.map_or(Duration::ZERO, |time| time.0);
        let most = least + PATIENCE;
        while Instant::now() < least || (*until == Some(Until::Current) && self.counts().settled() < answered)
        {
            ensure!(
                Instant::now() < most,
                "{} samples did not arrive within {PATIENCE:?}",
                self.counts().verdict.lost
            );
            self.look().await?;
        }
        Ok(())
    }

    /// Notes that all is well, where it is.
    fn settle(&mut self) {
        if self.crew.as_ref().is_none_or(Crew::is_running) {
            self.watch.fault_ends(self.begun.elapsed(), &self.counts());
        }
    }

    async fn event(&mut self, event: Event) -> anyhow::Result<()> {
        self.crew.as_mut().context("BUG: the plan has refused it")?.play(event).await
    }

    async fn set_upstream(&mut self, to: &scenario::Upstream) -> anyhow::Result<()> {
        let Some(upstream) = &mut self.upstream else { return Ok(()) };
        let Some(mode) = mode(to) else {
            upstream.close().await;
            return Ok(());
        };
        upstream.set_mode(mode);
        if !upstream.is_open() {
            upstream.open().context("cannot listen again")?;
        }
        Ok(())
    }

    /// Ends the pushes, and waits until all has arrived that will.
    async fn drain(&mut self) -> anyhow::Result<()> {
        self.stop_pushes().await?;
        self.note();
        let pushed = Instant::now();
        let (mut least, mut since) = (u64::MAX, pushed);
        loop {
            let lost = self.counts().verdict.lost;
            if self.upstream.is_none() || lost == 0 {
                break;
            }
            if lost < least || !self.watch.delivers() {
                (least, since) = (lost, Instant::now());
            }
            if since.elapsed() > self.quiet {
                break;
            }
            ensure!(pushed.elapsed() < PATIENCE, "{lost} samples did not arrive within {PATIENCE:?}");
            self.look().await?;
        }
        Ok(())
    }

    async fn stop_pushes(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        let mut stop = pin!(self.flow.take().expect("BUG: pushes end once").stop());
        let stopped = loop {
            match tokio::time::timeout(LOOK, &mut stop).await {
                Ok(stopped) => break stopped,
                Err(_) => self.look().await?,
            }
            ensure!(Instant::now() < deadline, "pushes are not answered within {PATIENCE:?}");
        };
        stopped?;
        self.pushed = Some(self.begun.elapsed());
        // Where nothing went wrong, all of it was steady.
        let now = self.note();
        self.watch.steady.get_or_insert(now);
        Ok(())
    }

    /// Waits a little, then looks how things stand.
    async fn look(&mut self) -> anyhow::Result<()> {
        tokio::time::sleep(LOOK).await;
        self.watch.look(self.begun.elapsed(), &self.counts());
        if self.noted.is_none_or(|noted| noted.elapsed() >= MOMENT) {
            self.note();
            if let Some(crew) = &mut self.crew {
                crew.check()?;
            }
        }
        if let Some(refused) = self.account.first_refusal() {
            bail!(
                "{refused}{}",
                self.crew
                    .as_ref()
                    .map_or(String::new(), |crew| format!("; the end of its log:\n{}", crew.log_tail()))
            );
        }
        Ok(())
    }

    /// Notes a moment.
    fn note(&mut self) -> Snapshot {
        let now = self.snapshot();
        let moment = self.watch.moment(&now, &self.account.take_latency());
        self.progress.moment(moment);
        self.noted = Some(Instant::now());
        now
    }

    fn snapshot(&self) -> Snapshot {
        let crew = self.crew.as_ref();
        Snapshot {
            at: self.begun.elapsed(),
            counts: self.counts(),
            usage: crew.map(Crew::usage).unwrap_or_default(),
            disk_bytes: crew.map_or(0, Crew::disk_bytes),
        }
    }

    fn counts(&self) -> Counts {
        let mut verdict = self.ledger.verdict();
        let Some(upstream) = &self.upstream else {
            // Nobody knows what arrives.
            verdict.lost = 0;
            return Counts { verdict, ..Counts::default() };
        };
        Counts { verdict, wire: upstream.totals() }
    }

    fn end(&mut self) -> End {
        End {
            snapshot: self.note(),
            pushed: self.pushed.unwrap_or_else(|| self.begun.elapsed()),
            answers: self.account.latency(),
            retries: self.account.counts().retries,
            has_processes: self.crew.is_some(),
            has_upstream: self.upstream.is_some(),
        }
    }
}

/// What the upstream is told; none where it is closed.
fn mode(upstream: &scenario::Upstream) -> Option<Mode> {
    use scenario::Upstream;
    Some(match upstream {
        Upstream::Down => return None,
        Upstream::Up => Mode::Accept,
        Upstream::Slow(time) => Mode::Slow(time.0),
        Upstream::Answer(answer) => {
            Mode::Answer { status: answer.status, retry_after: answer.retry_after.map(|time| time.0) }
        }
        Upstream::Reset => Mode::Reset,
        Upstream::LoseAnswer => Mode::LoseAnswer,
        Upstream::Hang => Mode::Hang,
        Upstream::Poison(name) => Mode::RefuseSeries(name.clone()),
        Upstream::PoisonPercent(percent) => Mode::RefuseShare { per_million: (percent * 1e4) as u32 },
        Upstream::Narrow(size) => Mode::Narrow { bytes_per_second: size.0 },
    })
}
