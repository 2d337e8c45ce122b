//! The agent's own metrics, as pushes of its own: what `/metrics` serves goes through the queue, so that the story of an
//! outage arrives after it.
//!
//! One push an interval, whatever happens: its size is that of the page, and it causes no other. Where the queue takes
//! nothing, or memory is short, this one is left out, and the next one is tried in its turn.

use super::{Append, State};
use crate::config::{BadLines, Bounds, Config, SelfMetrics};
use crate::ingest::exposition::{self, Format};
use crate::ingest::import::{Arguments, Import};
use crate::ingest::{self, Refusal};
use crate::model::Push;
use crate::telemetry::metrics::{RouteLabel, SELF_ROUTE};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout_at};

/// The value of the label `job`.
const JOB: &str = "pmm-buffer";

/// How long one waits for memory that pushes of others hold.
const PATIENCE: Duration = Duration::from_secs(1);

/// Pushes the agent's own metrics as the configuration in force says, until the server drains. `host` is this host's name.
pub async fn push_own_metrics<A: Append>(
    state: Arc<State<A>>,
    mut config: watch::Receiver<Arc<Config>>,
    host: String,
) {
    loop {
        let settings = config.borrow_and_update().self_metrics.clone();
        tokio::select! {
            biased;
            () = state.drain_begins() => return,
            changed = reloaded(&mut config, &settings) => if changed.is_err() { return },
            () = push_each(&state, &settings, &host) => {}
        }
    }
}

/// Waits until other settings are in force.
async fn reloaded(
    config: &mut watch::Receiver<Arc<Config>>,
    settings: &SelfMetrics,
) -> Result<(), watch::error::RecvError> {
    config.wait_for(|config| config.self_metrics != *settings).await.map(drop)
}

/// Pushes at once and then each interval.
async fn push_each<A: Append>(state: &Arc<State<A>>, settings: &SelfMetrics, host: &str) {
    if !settings.enabled {
        return std::future::pending().await;
    }
    let labels = [("job", JOB), ("instance", host), ("node_name", host)].into_iter();
    let given = settings.labels.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    // Those that the configuration takes away or replaces are left out here, since an empty one replaces nothing.
    let known = labels.filter(|(name, _)| !settings.labels.iter().any(|(other, _)| other == name));
    let arguments = Arguments::with_labels(known.chain(given));
    let mut ticks = interval(settings.interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        // On its own, so that it is counted also where it is appended while the server begins to drain.
        let pushed = tokio::spawn(push(state.clone(), arguments.clone())).await;
        if let Err(panic) = pushed {
            tracing::error!(%panic, "the agent's own metrics were not pushed by a fault of the agent");
        }
    }
}

/// Appends what `/metrics` says now.
async fn push<A: Append>(state: Arc<State<A>>, arguments: Arguments) {
    if let Some(why) = state.unavailable() {
        tracing::debug!(why, "the agent's own metrics are left out");
        return;
    }
    let accepted_ms = (state.clock)();
    let push = read(&state, arguments, accepted_ms).expect("BUG: the agent cannot read its own metrics");
    let limits = state.limits();
    let reserving = limits.pushes.reserve(push.memory());
    let Ok(reservation) = timeout_at(Instant::now() + PATIENCE, reserving).await else {
        tracing::debug!("no memory, the agent's own metrics are left out");
        return;
    };
    let samples = push.counts().all_samples();
    match state.appender.append(push, accepted_ms).await {
        Ok(_) => {
            state.metrics.pushes_accepted.get_or_create(&RouteLabel { route: SELF_ROUTE }).inc();
            state.metrics.samples_accepted.inc_by(samples);
        }
        // The queue has said so where an operator is needed.
        Err(error) => tracing::debug!(%error, "the agent's own metrics are left out"),
    }
    drop(reservation);
}

fn read<A: Append>(state: &State<A>, arguments: Arguments, accepted_ms: i64) -> Result<Push, Refusal> {
    let text = state.metrics_page();
    // What pushers are held to does not concern it.
    let limits = ingest::Limits { unpacked_bytes: text.len(), bounds: Bounds::DEFAULT };
    let import = Import { arguments, accepted_ms, limits, bad_lines: BadLines::Refuse };
    Ok(exposition::decode(text.as_bytes(), Format::Prometheus, &import)?.push)
}
