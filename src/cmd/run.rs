//! `pmm-buffer run`: parse → validate → open the queue → spawn → wait for a signal → drain.
//!
//! Exit status: 0 after SIGTERM or SIGINT, 64 for a configuration that cannot be used, 1 for anything else that
//! keeps it from starting.

mod follow;
mod managed;
mod overview;
mod reload;

use super::wall;
use crate::cli::{self, EXIT_USAGE};
use crate::config::{Config, Upstream};
use crate::dead_letter::{self, DeadLetters};
use crate::queue::{self, Appender, Queue};
use crate::replay::{Replay, Settings};
use crate::server::{self, Drained, State};
use crate::service::{Manager, activation};
use crate::telemetry::{Metrics, logging};
use anyhow::Context;
use follow::Followed;
use overview::Overview;
use reload::Source;
use std::hash::{BuildHasher, RandomState};
use std::net;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{oneshot, watch};

/// Pushes are decoded and batches packed on these; the host's other cores belong to its database.
const WORKER_THREADS: usize = 2;

/// Runs the agent until it is told to end.
pub fn run(args: &cli::Run) -> anyhow::Result<ExitCode> {
    let source = Source { file: args.config.clone(), overrides: args.overrides.with_environment() };
    let loaded = match source.load() {
        Ok(loaded) => loaded,
        Err(errors) => {
            errors.iter().for_each(|error| eprintln!("error: {error}"));
            return Ok(ExitCode::from(EXIT_USAGE));
        }
    };
    let level = logging::init(&loaded.config.log);
    let passed = activation::passed_listener()?;
    for warning in &loaded.warnings {
        tracing::warn!(%warning, "configuration");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKER_THREADS)
        .thread_name("worker")
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let followed = Followed::new(loaded.followed);
    let serve = async { Agent::start(source, loaded.config, level, passed, followed).await?.serve().await };
    let (queue, manager) = runtime.block_on(serve)?;
    // The tasks that are left hold nothing that the queue waits for.
    runtime.shutdown_background();
    queue.close();
    drop(manager);
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}

/// The running agent.
struct Agent {
    source: Source,
    /// In force.
    config: watch::Sender<Arc<Config>>,
    level: logging::LevelHandle,
    queue: Queue,
    listener: TcpListener,
    overview: Arc<Overview>,
    state: Arc<State<Appender>>,
    replays: Vec<Replay>,
    letters: Arc<DeadLetters>,
    signals: Signals,
    followed: Followed,
}

impl Agent {
    /// `passed` is a listening socket to serve in the place of one of its own.
    async fn start(
        source: Source,
        config: Config,
        level: logging::LevelHandle,
        passed: Option<net::TcpListener>,
        followed: Followed,
    ) -> anyhow::Result<Self> {
        // Before anything is open: from here on a signal ends the agent in order.
        let signals = Signals::listen().context("cannot listen for signals")?;
        let metrics = Arc::new(Metrics::new());
        let options = queue::Options {
            path: config.queue_folder(),
            settings: config.queue.clone(),
            clock: Arc::new(wall::now_ms),
        };
        let names: Vec<_> = config.upstreams.iter().map(|upstream| upstream.name.clone()).collect();
        // Before the queue: what fails from here on would have to close it.
        let listener = managed::listen(config.listen, passed).await?;
        let mut queue = Queue::open(options, &names, metrics.clone())?;
        let letters = Arc::new(DeadLetters::open(dead_letter::Options {
            path: config.dead_letter_folder(),
            max_bytes: config.dead_letters.max_bytes,
            queue: config.queue.clone(),
        }));
        let spawn = |settings: Settings| {
            let reader = queue.reader(&settings.upstream.name);
            let seed = RandomState::new().hash_one(());
            Replay::spawn(reader, settings, metrics.clone(), letters.clone(), wall::now, seed)
        };
        let replays: Vec<_> = settings(&config).map(spawn).collect();
        let (server, import) = (config.server.clone(), config.import);
        let config = watch::Sender::new(Arc::new(config));
        let overview =
            Overview::new(queue.view(), &replays, letters.clone(), config.subscribe(), metrics.clone());
        let overview = Arc::new(overview);
        let seen = overview.clone();
        let status = Arc::new(move || seen.status());
        let state = State::new(queue.appender(), server, import, metrics, status, Arc::new(wall::now_ms));
        Ok(Self {
            source,
            config,
            level,
            queue,
            listener,
            overview,
            state,
            replays,
            letters,
            signals,
            followed,
        })
    }

    /// Serves until a signal ends it, then drains. Returns the queue, to be closed, and the service manager, who is told
    /// until then.
    async fn serve(mut self) -> anyhow::Result<(Queue, Manager)> {
        self.log_start()?;
        let (stop, stopping) = oneshot::channel();
        let shutdown = async { stopping.await.unwrap_or_default() };
        let serving = tokio::spawn(server::serve(self.listener, self.state.clone(), shutdown));
        let manager = managed::inform(&self.queue, &self.replays, self.overview);
        let own_metrics =
            tokio::spawn(server::push_own_metrics(self.state.clone(), self.config.subscribe(), host_name()));
        let textfile = tokio::spawn(server::write_textfile(self.state.clone(), self.config.subscribe()));
        let signal = loop {
            let told = tokio::select! {
                told = self.signals.next() => told,
                () = self.followed.change() => Told::Reload,
            };
            match told {
                Told::Reload => {
                    manager.reloading();
                    reload::reload(
                        &self.source,
                        &self.config,
                        &self.level,
                        &self.state,
                        &self.replays,
                        &mut self.followed,
                    );
                    self.letters.set_max_bytes(self.config.borrow().dead_letters.max_bytes);
                    manager.reloaded();
                }
                Told::End(signal) => break signal,
            }
        };
        manager.stopping();
        let grace = self.config.borrow().shutdown_grace;
        let end = Instant::now() + grace;
        tracing::info!(
            signal,
            grace_seconds = grace.as_secs_f64(),
            "stopping, what is in flight is finished"
        );
        // Both sides at once; a second signal changes nothing, the grace time bounds it all.
        self.replays.iter().for_each(Replay::stop);
        let _ = stop.send(grace);
        let drained = serving.await.context("the listener ended by a fault")?;
        log_cut(drained);
        // It ends when the listener drains, but for a push that waits for the disk.
        let own_metrics = async { tokio::join!(own_metrics, textfile) };
        let _ = tokio::time::timeout(end.saturating_duration_since(Instant::now()), own_metrics).await;
        for replay in self.replays {
            replay.stopped(end.saturating_duration_since(Instant::now())).await;
        }
        Ok((self.queue, manager))
    }

    fn log_start(&self) -> anyhow::Result<()> {
        let config = self.config.borrow();
        let view = self.queue.view();
        let backlogs = config.upstreams.iter().filter_map(|upstream| view.backlog(&upstream.name));
        tracing::info!(
            version = env!("CARGO_PKG_VERSION"),
            listen = %self.listener.local_addr()?,
            queue = %view.status().path,
            upstreams = config.upstreams.len(),
            backlog_samples = backlogs.map(|(_, backlog)| backlog.samples).max().unwrap_or(0),
            "accepting pushes"
        );
        Ok(())
    }
}

/// What the host calls itself.
fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// What each upstream's delivery is told.
fn settings(config: &Config) -> impl Iterator<Item = Settings> {
    let settings =
        |upstream: &Upstream| Settings { upstream: upstream.clone(), replay: config.replay.clone() };
    config.upstreams.iter().map(settings)
}

fn log_cut(Drained { cut }: Drained) {
    if cut > 0 {
        tracing::warn!(
            connections = cut,
            "the grace time is over, connections were cut; their pushes were not answered"
        );
    }
}

/// What a signal says.
enum Told {
    Reload,
    End(&'static str),
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> Told {
        tokio::select! {
            _ = self.terminate.recv() => Told::End("SIGTERM"),
            _ = self.interrupt.recv() => Told::End("SIGINT"),
            _ = self.hangup.recv() => Told::Reload,
        }
    }
}
