//! Every metric of the agent, in one table.
//!
//! Names: `pmm_buffer_` + what + unit, units last; `_total` for counters. `process_*` are the names that
//! every Prometheus client library uses for them. [`TABLE`] is the one list: help texts are taken from it,
//! and tests hold it equal to what `/metrics` serves and to docs/metrics.md.

use super::process;
use crate::status::Status;
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Metric, Registry};
use std::sync::atomic::AtomicU64;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RouteLabel {
    pub route: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ReasonLabel {
    pub reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct UpstreamLabel {
    pub upstream: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct UpstreamReasonLabel {
    pub upstream: String,
    pub reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BuildLabel {
    version: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Counter,
    Gauge,
    Histogram,
}

impl Kind {
    /// The word of the exposition format.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// One line of [`TABLE`].
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// The whole name, as `/metrics` serves it.
    pub name: &'static str,
    pub kind: Kind,
    pub labels: &'static [&'static str],
    /// One sentence, without its full stop.
    pub help: &'static str,
}

const fn entry(name: &'static str, kind: Kind, labels: &'static [&'static str], help: &'static str) -> Entry {
    Entry { name, kind, labels, help }
}

const UPSTREAM: &[&str] = &["upstream"];
const UPSTREAM_REASON: &[&str] = &["upstream", "reason"];

/// Every metric that `/metrics` serves, in that order.
#[rustfmt::skip]
pub const TABLE: &[Entry] = &[
    entry("pmm_buffer_build_info", Kind::Gauge, &["version"], "Always 1; the version is in the label"),
    entry("pmm_buffer_accepting", Kind::Gauge, &[], "1 while pushes are accepted, 0 while they are answered with 503"),

    entry("pmm_buffer_pushes_accepted_total", Kind::Counter, &["route"], "Pushes answered with success, by route; self_metrics are the agent's own"),
    entry("pmm_buffer_pushes_refused_total", Kind::Counter, &["reason"], "Pushes refused, by reason; nothing of them was kept"),
    entry("pmm_buffer_lines_skipped_total", Kind::Counter, &["route"], "Bad lines of accepted imports that were passed over (import.bad_lines: skip), by route"),
    entry("pmm_buffer_samples_accepted_total", Kind::Counter, &[], "Float and histogram samples of accepted pushes"),
    entry("pmm_buffer_start_timestamps_dropped_total", Kind::Counter, &[], "Created and start timestamps of accepted remote write 2.0 pushes, which 1.0 cannot carry"),
    entry("pmm_buffer_accepted_bytes_total", Kind::Counter, &[], "Body bytes of accepted pushes, as they came (packed)"),
    entry("pmm_buffer_connections", Kind::Gauge, &[], "Open connections of pushers and other clients"),
    entry("pmm_buffer_in_flight_bytes", Kind::Gauge, &[], "Memory that bodies and pushes in flight take of max_memory"),

    entry("pmm_buffer_commits_total", Kind::Counter, &[], "Commit groups written and synced"),
    entry("pmm_buffer_sync_seconds", Kind::Histogram, &[], "Time of the synced write of a commit group"),
    entry("pmm_buffer_queue_written_bytes_total", Kind::Counter, &[], "Bytes appended to the queue, as encoded"),
    entry("pmm_buffer_store_errors_total", Kind::Counter, &[], "Writes, syncs and reads of the store that failed"),
    entry("pmm_buffer_samples_dropped_total", Kind::Counter, UPSTREAM_REASON, "Samples dropped before delivery, by upstream and reason (max_bytes, max_age, damaged)"),
    entry("pmm_buffer_queue_disk_bytes", Kind::Gauge, &[], "What the queue takes on disk"),
    entry("pmm_buffer_queue_max_bytes", Kind::Gauge, &[], "What the queue may take on disk (queue.max_bytes)"),
    entry("pmm_buffer_unsynced_seconds", Kind::Gauge, &[], "Age of the oldest push that is answered and not synced: what a power cut now would lose; 0 with queue.sync: always"),
    entry("pmm_buffer_disk_free_bytes", Kind::Gauge, &[], "Free space of the file system that holds the queue, for unprivileged users"),

    entry("pmm_buffer_backlog_samples", Kind::Gauge, UPSTREAM, "Samples accepted and not settled yet"),
    entry("pmm_buffer_backlog_bytes", Kind::Gauge, UPSTREAM, "Encoded bytes of the records not settled yet"),
    entry("pmm_buffer_backlog_seconds", Kind::Gauge, UPSTREAM, "Age of the oldest record not settled yet"),
    entry("pmm_buffer_samples_sent_total", Kind::Counter, UPSTREAM, "Samples delivered"),
    entry("pmm_buffer_samples_repeated_total", Kind::Counter, UPSTREAM, "Delivered samples that are sent again because the upstream was away and may have lost them (queue.rewind)"),
    entry("pmm_buffer_batches_sent_total", Kind::Counter, UPSTREAM, "Send batches delivered"),
    entry("pmm_buffer_sent_bytes_total", Kind::Counter, UPSTREAM, "Request bytes put on the wire, as packed, retries included"),
    entry("pmm_buffer_batches_retried_total", Kind::Counter, UPSTREAM_REASON, "Attempts that failed and are repeated, by reason"),
    entry("pmm_buffer_samples_rejected_total", Kind::Counter, UPSTREAM_REASON, "Samples that the upstream refused for good, by reason"),
    entry("pmm_buffer_dead_letters", Kind::Gauge, UPSTREAM, "Dead letters: parts of batches that the upstream refused for good and that are kept"),
    entry("pmm_buffer_dead_letter_bytes", Kind::Gauge, &[], "What all dead letters take on disk"),
    entry("pmm_buffer_dead_letters_dropped_total", Kind::Counter, UPSTREAM_REASON, "Dead letters dropped or not kept, by reason (max_bytes, min_free_disk, disk); what they held is lost"),
    entry("pmm_buffer_upstream_up", Kind::Gauge, UPSTREAM, "1 while the last attempt was settled, 0 in an outage"),
    entry("pmm_buffer_upstream_url_index", Kind::Gauge, UPSTREAM, "Which of its urls an upstream is sent to; 1 is the first, more stands in for it, 0 while nothing says where it is"),
    entry("pmm_buffer_send_seconds", Kind::Histogram, UPSTREAM, "Time of one attempt, from the request to its answer or failure"),

    entry("process_cpu_seconds_total", Kind::Counter, &[], "User and system CPU time"),
    entry("process_resident_memory_bytes", Kind::Gauge, &[], "Resident memory"),
    entry("process_virtual_memory_bytes", Kind::Gauge, &[], "Virtual memory"),
    entry("process_open_fds", Kind::Gauge, &[], "Open file descriptors"),
    entry("process_max_fds", Kind::Gauge, &[], "Limit of open file descriptors"),
    entry("process_threads", Kind::Gauge, &[], "Threads"),
    entry("process_start_time_seconds", Kind::Gauge, &[], "When the process started, in seconds since the epoch"),
];

/// Values of `route`, the push routes without their optional prefix.
pub const PUSH_ROUTES: &[&str] = &[
    "/api/v1/write",
    "/api/v1/push",
    "/api/v1/import",
    "/api/v1/import/csv",
    "/api/v1/import/native",
    "/api/v1/import/prometheus",
    "/api/v1/import/prometheus/metrics/job",
];

/// The value of `route` of the agent's own metrics, which come by no path.
pub const SELF_ROUTE: &str = "self_metrics";

/// Values of `reason` of refused pushes. `max_…` are options of `server`.
pub const REFUSAL_REASONS: &[&str] = &[
    "bad_request",
    "too_large",
    "unsupported",
    "unknown_route",
    "timeout",
    "truncated",
    "max_series",
    "max_samples",
    "max_labels",
    "max_label_name_bytes",
    "max_label_value_bytes",
    "max_line_bytes",
    "max_symbols",
    "max_bodies",
    "busy",
    "store",
    "full",
    "shutdown",
    "internal",
];

/// Values of `reason` of dropped samples.
pub const DROP_REASONS: &[&str] = &["max_bytes", "max_age", "damaged"];

/// Values of `reason` of dropped dead letters.
pub const LETTER_DROP_REASONS: &[&str] = &["max_bytes", "min_free_disk", "disk"];

/// 0.1 ms (a cached SSD) to 5 s (a disk in trouble).
const SYNC_BUCKETS: [f64; 15] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];

/// 1 ms (loopback) to 60 s (beyond the longest request deadline).
const SEND_BUCKETS: [f64; 15] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

/// A gauge of seconds, bytes and the like that are not whole numbers or beyond `i64`.
pub type FloatGauge = Gauge<f64, AtomicU64>;

/// The counters, gauges and histograms, and the registry that `/metrics` writes out.
///
/// Shared by reference; every field counts from the start of the process. Gauges that mirror the queue
/// are set by [`Metrics::mirror`] when `/metrics` is asked for.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,

    // server, ingest
    /// 1 while pushes are accepted.
    pub accepting: Gauge,
    /// Pushes answered with success, by route ([`PUSH_ROUTES`], [`SELF_ROUTE`]).
    pub pushes_accepted: Family<RouteLabel, Counter>,
    /// Pushes refused, by reason ([`REFUSAL_REASONS`]).
    pub pushes_refused: Family<ReasonLabel, Counter>,
    /// Lines that were passed over, by route.
    pub lines_skipped: Family<RouteLabel, Counter>,
    /// Float and histogram samples of accepted pushes.
    pub samples_accepted: Counter,
    pub start_timestamps_dropped: Counter,
    /// Body bytes of accepted pushes, as they came (packed).
    pub accepted_bytes: Counter,
    pub connections: Gauge,
    /// Memory that bodies and pushes in flight take of their budget.
    pub in_flight_bytes: Gauge,

    // queue
    pub commits: Counter,
    /// Time of the synced write of a commit group.
    pub sync_seconds: Histogram,
    /// Bytes appended to the store, as encoded.
    pub queue_written_bytes: Counter,
    pub store_errors: Counter,
    /// Samples dropped by policy before delivery, by upstream and reason ([`DROP_REASONS`]).
    pub samples_dropped: Family<UpstreamReasonLabel, Counter>,
    /// What the store's folder takes on disk.
    pub queue_disk_bytes: Gauge,
    pub queue_max_bytes: Gauge,
    /// Age of the oldest push that is answered and not synced.
    pub unsynced_seconds: FloatGauge,
    /// Free space of the file system below the queue; NaN while it is not known.
    pub disk_free_bytes: FloatGauge,

    // replay
    pub backlog_samples: Family<UpstreamLabel, Gauge>,
    pub backlog_bytes: Family<UpstreamLabel, Gauge>,
    /// Age of the oldest record not settled, in seconds.
    pub backlog_seconds: Family<UpstreamLabel, FloatGauge>,
    pub samples_sent: Family<UpstreamLabel, Counter>,
    /// Delivered samples that are sent again after the upstream was away.
    pub samples_repeated: Family<UpstreamLabel, Counter>,
    pub batches_sent: Family<UpstreamLabel, Counter>,
    /// Request bytes put on the wire, as packed, retries included.
    pub sent_bytes: Family<UpstreamLabel, Counter>,
    /// Attempts that will be repeated, by reason: `connect`, `timeout`, `busy`, `auth`, `server_error`…
    pub batches_retried: Family<UpstreamReasonLabel, Counter>,
    /// Samples that the upstream refused for good.
    pub samples_rejected: Family<UpstreamReasonLabel, Counter>,
    pub dead_letters: Family<UpstreamLabel, Gauge>,
    pub dead_letter_bytes: Gauge,
    /// Dead letters dropped or not kept, by upstream and reason ([`LETTER_DROP_REASONS`]).
    pub dead_letters_dropped: Family<UpstreamReasonLabel, Counter>,
    /// 1 while the last attempt was settled, 0 in an outage.
    pub upstream_up: Family<UpstreamLabel, Gauge>,
    /// From 1, in the order of `urls`.
    pub upstream_url_index: Family<UpstreamLabel, Gauge>,
    pub send_seconds: Family<UpstreamLabel, Histogram>,
}

impl Metrics {
    pub fn new() -> Self {
        let mut metrics = Self::unregistered();
        let mut registry = Registry::default();
        metrics.register(&mut registry);
        metrics.registry = registry;
        // A counter that appears with its first event hides that event from `rate`.
        for &route in PUSH_ROUTES {
            touch(&metrics.pushes_accepted, &RouteLabel { route });
            if route.starts_with("/api/v1/import") {
                touch(&metrics.lines_skipped, &RouteLabel { route });
            }
        }
        touch(&metrics.pushes_accepted, &RouteLabel { route: SELF_ROUTE });
        for &reason in REFUSAL_REASONS {
            touch(&metrics.pushes_refused, &ReasonLabel { reason });
        }
        metrics
    }

    fn unregistered() -> Self {
        Self {
            registry: Registry::default(),
            accepting: Gauge::default(),
            pushes_accepted: Family::default(),
            pushes_refused: Family::default(),
            lines_skipped: Family::default(),
            samples_accepted: Counter::default(),
            start_timestamps_dropped: Counter::default(),
            accepted_bytes: Counter::default(),
            connections: Gauge::default(),
            in_flight_bytes: Gauge::default(),
            commits: Counter::default(),
            sync_seconds: Histogram::new(SYNC_BUCKETS),
            queue_written_bytes: Counter::default(),
            store_errors: Counter::default(),
            samples_dropped: Family::default(),
            queue_disk_bytes: Gauge::default(),
            queue_max_bytes: Gauge::default(),
            unsynced_seconds: Gauge::default(),
            disk_free_bytes: Gauge::default(),
            backlog_samples: Family::default(),
            backlog_bytes: Family::default(),
            backlog_seconds: Family::default(),
            samples_sent: Family::default(),
            samples_repeated: Family::default(),
            batches_sent: Family::default(),
            sent_bytes: Family::default(),
            batches_retried: Family::default(),
            samples_rejected: Family::default(),
            dead_letters: Family::default(),
            dead_letter_bytes: Gauge::default(),
            dead_letters_dropped: Family::default(),
            upstream_up: Family::default(),
            upstream_url_index: Family::default(),
            send_seconds: Family::new_with_constructor(|| Histogram::new(SEND_BUCKETS)),
        }
    }

    fn register(&self, registry: &mut Registry) {
        let build = Family::<BuildLabel, Gauge>::default();
        build.get_or_create(&BuildLabel { version: env!("CARGO_PKG_VERSION") }).set(1);
        register(registry, "pmm_buffer_build_info", build);
        register(registry, "pmm_buffer_accepting", self.accepting.clone());

        register(registry, "pmm_buffer_pushes_accepted_total", self.pushes_accepted.clone());
        register(registry, "pmm_buffer_pushes_refused_total", self.pushes_refused.clone());
        register(registry, "pmm_buffer_lines_skipped_total", self.lines_skipped.clone());
        register(registry, "pmm_buffer_samples_accepted_total", self.samples_accepted.clone());
        register(
            registry,
            "pmm_buffer_start_timestamps_dropped_total",
            self.start_timestamps_dropped.clone(),
        );
        register(registry, "pmm_buffer_accepted_bytes_total", self.accepted_bytes.clone());
        register(registry, "pmm_buffer_connections", self.connections.clone());
        register(registry, "pmm_buffer_in_flight_bytes", self.in_flight_bytes.clone());

        register(registry, "pmm_buffer_commits_total", self.commits.clone());
        register(registry, "pmm_buffer_sync_seconds", self.sync_seconds.clone());
        register(registry, "pmm_buffer_queue_written_bytes_total", self.queue_written_bytes.clone());
        register(registry, "pmm_buffer_store_errors_total", self.store_errors.clone());
        register(registry, "pmm_buffer_samples_dropped_total", self.samples_dropped.clone());
        register(registry, "pmm_buffer_queue_disk_bytes", self.queue_disk_bytes.clone());
        register(registry, "pmm_buffer_queue_max_bytes", self.queue_max_bytes.clone());
        register(registry, "pmm_buffer_unsynced_seconds", self.unsynced_seconds.clone());
        register(registry, "pmm_buffer_disk_free_bytes", self.disk_free_bytes.clone());

        register(registry, "pmm_buffer_backlog_samples", self.backlog_samples.clone());
        register(registry, "pmm_buffer_backlog_bytes", self.backlog_bytes.clone());
        register(registry, "pmm_buffer_backlog_seconds", self.backlog_seconds.clone());
        register(registry, "pmm_buffer_samples_sent_total", self.samples_sent.clone());
        register(registry, "pmm_buffer_samples_repeated_total", self.samples_repeated.clone());
        register(registry, "pmm_buffer_batches_sent_total", self.batches_sent.clone());
        register(registry, "pmm_buffer_sent_bytes_total", self.sent_bytes.clone());
        register(registry, "pmm_buffer_batches_retried_total", self.batches_retried.clone());
        register(registry, "pmm_buffer_samples_rejected_total", self.samples_rejected.clone());
        register(registry, "pmm_buffer_dead_letters", self.dead_letters.clone());
        register(registry, "pmm_buffer_dead_letter_bytes", self.dead_letter_bytes.clone());
        register(registry, "pmm_buffer_dead_letters_dropped_total", self.dead_letters_dropped.clone());
        register(registry, "pmm_buffer_upstream_up", self.upstream_up.clone());
        register(registry, "pmm_buffer_upstream_url_index", self.upstream_url_index.clone());
        register(registry, "pmm_buffer_send_seconds", self.send_seconds.clone());
        registry.register_collector(Box::new(process::ProcessCollector));
    }

    /// Makes the series of an upstream appear, at zero, before its first event. Series of answers whose reason is not
    /// known yet appear with it.
    pub fn declare_upstream(&self, name: &str) {
        let label = UpstreamLabel { upstream: name.to_owned() };
        touch(&self.backlog_samples, &label);
        touch(&self.backlog_bytes, &label);
        touch(&self.backlog_seconds, &label);
        touch(&self.samples_sent, &label);
        touch(&self.samples_repeated, &label);
        touch(&self.batches_sent, &label);
        touch(&self.sent_bytes, &label);
        touch(&self.dead_letters, &label);
        touch(&self.upstream_up, &label);
        self.upstream_url_index.get_or_create(&label).set(1);
        touch(&self.send_seconds, &label);
        for &reason in DROP_REASONS {
            touch(&self.samples_dropped, &UpstreamReasonLabel { upstream: name.to_owned(), reason });
        }
        for &reason in LETTER_DROP_REASONS {
            touch(&self.dead_letters_dropped, &UpstreamReasonLabel { upstream: name.to_owned(), reason });
        }
    }

    /// Counts a dead letter that was dropped or not kept, for one of [`LETTER_DROP_REASONS`].
    pub fn dead_letter_dropped(&self, upstream: &str, reason: &'static str) {
        let label = UpstreamReasonLabel { upstream: upstream.to_owned(), reason };
        self.dead_letters_dropped.get_or_create(&label).inc();
    }

    /// Pushes answered with success, by any route, the agent's own included.
    pub fn all_pushes_accepted(&self) -> u64 {
        let of = |route| self.pushes_accepted.get_or_create(&RouteLabel { route }).get();
        PUSH_ROUTES.iter().copied().chain([SELF_ROUTE]).map(of).sum()
    }

    /// Pushes refused, for any reason.
    pub fn all_pushes_refused(&self) -> u64 {
        REFUSAL_REASONS
            .iter()
            .map(|&reason| self.pushes_refused.get_or_create(&ReasonLabel { reason }).get())
            .sum()
    }

    /// Sets the gauges that mirror the state of the queue.
    pub fn mirror(&self, status: &Status) {
        self.accepting.set(i64::from(status.unavailable.is_none()));
        self.queue_disk_bytes.set(gauge_value(status.queue.disk_bytes));
        self.queue_max_bytes.set(gauge_value(status.queue.max_bytes));
        self.dead_letter_bytes.set(gauge_value(status.dead_letter_bytes));
        self.unsynced_seconds.set(status.queue.unsynced_seconds);
        self.disk_free_bytes.set(status.disk_free_bytes.map_or(f64::NAN, |free| free as f64));
        for upstream in &status.upstreams {
            let label = UpstreamLabel { upstream: upstream.name.clone() };
            self.backlog_samples.get_or_create(&label).set(gauge_value(upstream.backlog_samples));
            self.dead_letters.get_or_create(&label).set(gauge_value(upstream.dead_letters));
            self.backlog_bytes.get_or_create(&label).set(gauge_value(upstream.backlog_bytes));
            self.backlog_seconds.get_or_create(&label).set(upstream.backlog_seconds);
        }
    }

    /// All metrics in Prometheus' text format, whose Content-Type is [`CONTENT_TYPE`].
    pub fn render(&self) -> String {
        let mut open = String::new();
        text::encode_registry(&mut open, &self.registry).expect("BUG: a String takes every write");
        classic(&open)
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

/// Prometheus' text format 0.0.4: every scraper reads it, where OpenMetrics is read by some.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The largest gauge value is 2^63 - 1: far beyond any disk.
fn gauge_value(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// The entry of `name`.
pub(super) fn find(name: &str) -> &'static Entry {
    TABLE.iter().find(|entry| entry.name == name).expect("BUG: a metric is missing in the table")
}

/// The name as the library wants it: it appends `_total` itself.
pub(super) fn bare(name: &'static str) -> &'static str {
    name.strip_suffix("_total").unwrap_or(name)
}

/// Makes a series appear at zero.
fn touch<S, M, C>(family: &Family<S, M, C>, label: &S)
where
    S: Clone + std::hash::Hash + Eq,
    C: MetricConstructor<M>,
{
    drop(family.get_or_create(label));
}

fn register(registry: &mut Registry, name: &'static str, metric: impl Metric) {
    registry.register(bare(name), find(name).help, metric);
}

/// OpenMetrics text (what the library writes) as classic text: there the HELP and TYPE lines of a counter
/// carry its `_total` too.
fn classic(open: &str) -> String {
    let mut out = String::with_capacity(open.len() + 1024);
    let mut lines = open.lines().peekable();
    while let Some(line) = lines.next() {
        let Some(help) = line.strip_prefix("# HELP ") else {
            out.push_str(line);
            out.push('\n');
            continue;
        };
        let (name, help) = help.split_once(' ').unwrap_or((help, ""));
        let kind = lines
            .next_if(|next| next.starts_with("# TYPE "))
            .and_then(|next| next.rsplit(' ').next())
            .expect("BUG: HELP is followed by TYPE");
        let suffix = if kind == Kind::Counter.as_str() { "_total" } else { "" };
        out.push_str(&format!("# HELP {name}{suffix} {help}\n# TYPE {name}{suffix} {kind}\n"));
    }
    out
}

#[cfg(test)]
mod tests;
