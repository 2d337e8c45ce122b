//! The agent's status, put together from what its parts know.

use crate::cmd::wall;
use crate::config::{Config, Upstream, UpstreamKind};
use crate::dead_letter::{DeadLetters, Totals};
use crate::queue::View;
use crate::replay::{Progress, Replay};
use crate::status::{Status, UpstreamStatus};
use crate::telemetry::Metrics;
use crate::telemetry::metrics::{DROP_REASONS, UpstreamReasonLabel};
use crate::telemetry::process::{self, Process};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::watch;

/// Sees all parts, changes none.
pub(super) struct Overview {
    started: Instant,
    queue: View,
    replays: Vec<Arc<Progress>>,
    letters: Arc<DeadLetters>,
    config: watch::Receiver<Arc<Config>>,
    metrics: Arc<Metrics>,
}

impl Overview {
    pub(super) fn new(
        queue: View,
        replays: &[Replay],
        letters: Arc<DeadLetters>,
        config: watch::Receiver<Arc<Config>>,
        metrics: Arc<Metrics>,
    ) -> Self {
        let replays = replays.iter().map(Replay::progress).collect();
        Self { started: Instant::now(), queue, replays, letters, config, metrics }
    }

    /// Why pushes are not accepted is for the server to say.
    pub(super) fn status(&self) -> Status {
        let queue = self.queue.status();
        let letters = self.letters.totals();
        Status {
            version: env!("CARGO_PKG_VERSION").into(),
            uptime_seconds: self.started.elapsed().as_secs_f64(),
            unavailable: None,
            samples_accepted: self.metrics.samples_accepted.get(),
            pushes_accepted: self.metrics.all_pushes_accepted(),
            pushes_refused: self.metrics.all_pushes_refused(),
            resident_bytes: Process::read().map(|process| process.resident_bytes),
            disk_free_bytes: process::disk_free_bytes(Path::new(&queue.path)),
            dead_letter_bytes: letters.disk_bytes,
            queue,
            upstreams: self.upstreams(&letters),
        }
    }

    /// How each upstream is served, with the totals of its dead letters. Does not touch the disk.
    pub(super) fn upstreams(&self, letters: &Totals) -> Vec<UpstreamStatus> {
        let config = self.config.borrow().clone();
        config.upstreams.iter().filter_map(|upstream| self.upstream(upstream, letters)).collect()
    }

    fn upstream(&self, upstream: &Upstream, letters: &Totals) -> Option<UpstreamStatus> {
        let name = &upstream.name;
        let progress = self.replays.iter().find(|progress| progress.name == *name)?.snapshot();
        let (acked, backlog) = self.queue.backlog(name)?;
        let urls: Vec<String> = (0..upstream.urls.len()).map(|url| upstream.public_url(url)).collect();
        let now = Instant::now();
        let age_ms = backlog.oldest_accepted_ms.map_or(0, |oldest| wall::now_ms().saturating_sub(oldest));
        Some(UpstreamStatus {
            name: name.clone(),
            url: urls.get(progress.url).cloned().unwrap_or_default(),
            url_number: if urls.is_empty() { 0 } else { progress.url + 1 },
            urls,
            kind: match upstream.kind {
                UpstreamKind::Pmm => "pmm".into(),
                UpstreamKind::Prometheus => "prometheus".into(),
            },
            state: progress.state,
            acked,
            backlog_records: backlog.records,
            backlog_samples: backlog.samples,
            backlog_bytes: backlog.bytes,
            // A clock that was set back makes nothing younger than now.
            backlog_seconds: age_ms.max(0) as f64 / 1000.0,
            samples_sent: progress.samples_sent,
            samples_dropped: self.dropped(name),
            samples_rejected: progress.samples_rejected,
            dead_letters: letters.letters.get(name).copied().unwrap_or(0),
            last_error: progress.last_error,
            last_reason: progress.last_reason.map(str::to_owned),
            outage_seconds: progress.down_since.map(|since| (now - since).as_secs_f64()),
            retry_in_seconds: progress.retry_at.map(|at| at.saturating_duration_since(now).as_secs_f64()),
        })
    }

    fn dropped(&self, upstream: &str) -> u64 {
        let of = |reason| {
            let label = UpstreamReasonLabel { upstream: upstream.to_owned(), reason };
            self.metrics.samples_dropped.get(&label).map_or(0, |counter| counter.get())
        };
        DROP_REASONS.iter().copied().map(of).sum()
    }
}
