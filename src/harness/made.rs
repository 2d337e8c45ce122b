//! A host whose series are made up, in the shape of its exporters.

use super::profile::{Exporter, Kind};
use super::{LoadProfile, Rng};
use crate::model::{Push, PushBuilder, Sample, Span};
use crate::wire;

/// The most series a host can have, so that a scrape fits one request of vmagent.
pub const MAX_SERIES: usize = 10_000;

const HOUR_MS: f64 = 3_600_000.0;

/// The label by which series that took the place of others differ from them, as those of a restarted container do. Its
/// values are of one length, so that they can be replaced where they stand.
const CONTAINER: &str = "container_id";
const CONTAINER_DIGITS: usize = 12;

/// One host's series and their present values.
#[derive(Debug, Clone)]
pub(super) struct Made {
    rng: Rng,
    node_id: String,
    parts: Vec<Part>,
    churn: Churn,
}

/// What goes in one request.
#[derive(Debug, Clone, Default)]
struct Part {
    /// The label sections of all series, one after the other: the arena that each push starts as.
    sections: Vec<u8>,
    series: Vec<Series>,
}

#[derive(Debug, Clone)]
struct Series {
    labels: Span,
    /// Where the value of [`CONTAINER`] begins, if it has that.
    container: u32,
    kind: Kind,
    value: u64,
}

/// Which series are replaced, and when.
#[derive(Debug, Clone)]
struct Churn {
    /// Share of the series in an hour of scraped time.
    share: f64,
    scraped_ms: Option<i64>,
    /// Series that are due to be replaced, in parts of one.
    due: f64,
    /// Part and place of the next one.
    next: (usize, usize),
    /// Replaced so far.
    replaced: u64,
}

impl Made {
    /// Host `number` with `series` series, at least 1, of which the share `churn` is replaced in an hour of scraped time.
    pub(super) fn new(seed: u64, number: usize, profile: LoadProfile, series: usize, churn: f64) -> Self {
        let mut rng = Rng::new(seed);
        let mut host = Self {
            node_id: rng.uuid(),
            parts: Vec::new(),
            rng,
            churn: Churn { share: churn, scraped_ms: None, due: 0.0, next: (0, 0), replaced: 0 },
        };
        let node = Node { name: format!("db-{number:04}"), machine_id: host.machine_id() };
        for (exporter, count) in profile.exporters(series) {
            host.add(exporter, &node, count);
        }
        host
    }

    pub(super) fn node_id(&self) -> &str {
        &self.node_id
    }

    /// All series with one new sample each, in requests of up to [`MAX_SERIES`].
    pub(super) fn requests(&mut self, timestamp_ms: i64) -> Vec<Push> {
        self.replace(timestamp_ms);
        let rng = &mut self.rng;
        self.parts.iter_mut().map(|part| part.push(timestamp_ms, rng)).collect()
    }

    /// Replaces the series whose time has come, in turn.
    fn replace(&mut self, timestamp_ms: i64) {
        let churn = &mut self.churn;
        let total: usize = self.parts.iter().map(|part| part.series.len()).sum();
        let past_ms = timestamp_ms - churn.scraped_ms.replace(timestamp_ms).unwrap_or(timestamp_ms);
        churn.due = (churn.due + churn.share * total as f64 * past_ms as f64 / HOUR_MS).min(total as f64);
        while churn.due >= 1.0 {
            churn.due -= 1.0;
            churn.replaced += 1;
            let (part, at) = churn.next;
            let has_more = at + 1 < self.parts[part].series.len();
            churn.next = if has_more { (part, at + 1) } else { ((part + 1) % self.parts.len(), 0) };
            self.parts[part].replace(at, churn.replaced, &mut self.rng);
        }
    }

    fn machine_id(&mut self) -> String {
        format!("{:016x}{:016x}", self.rng.bits(), self.rng.bits())
    }

    /// Adds the first `count` series of an exporter, with the labels that PMM gives its target.
    fn add(&mut self, exporter: &'static Exporter, node: &Node, count: usize) {
        let target = self.target(exporter, node);
        let container = container(0);
        for (family, own) in exporter.members().take(count) {
            let mut labels: Vec<(&str, &str)> = vec![("__name__", family.name)];
            labels.extend(target.iter().map(|(name, value)| (*name, value.as_str())));
            labels.extend(own.iter().map(|(name, value)| (*name, value.as_str())));
            if self.churn.share > 0.0 {
                labels.push((CONTAINER, &container));
            }
            labels.sort_unstable();
            let value = family.kind.first(&mut self.rng);
            if self.parts.last().is_none_or(|part| part.series.len() == MAX_SERIES) {
                self.parts.push(Part::default());
            }
            let part = self.parts.last_mut().expect("BUG: one was added");
            part.add(&labels, family.kind, value);
        }
    }

    /// The labels that all series of one target share.
    fn target(&mut self, exporter: &Exporter, node: &Node) -> Vec<(&'static str, String)> {
        let agent_id = self.rng.uuid();
        let mut labels = vec![
            ("agent_type", exporter.name.to_owned()),
            ("instance", agent_id.clone()),
            ("job", format!("{}_{agent_id}_hr", exporter.name)),
            ("agent_id", agent_id),
            ("machine_id", node.machine_id.clone()),
            ("node_id", self.node_id.clone()),
            ("node_name", node.name.clone()),
            ("node_type", "generic".to_owned()),
        ];
        if let Some(service_type) = exporter.service_type {
            labels.extend([
                ("cluster", "shop".to_owned()),
                ("environment", "production".to_owned()),
                ("replication_set", "shop-replicas".to_owned()),
                ("service_id", self.rng.uuid()),
                ("service_name", format!("{}-{service_type}", node.name)),
                ("service_type", service_type.to_owned()),
            ]);
        }
        labels
    }
}

impl Part {
    fn add(&mut self, labels: &[(&str, &str)], kind: Kind, value: u64) {
        let (start, mut container) = (self.offset(), 0);
        for (name, value) in labels {
            wire::append_label(&mut self.sections, name.as_bytes(), value.as_bytes());
            if *name == CONTAINER {
                container = self.offset() - CONTAINER_DIGITS as u32;
            }
        }
        let labels = Span { start, end: self.offset() };
        self.series.push(Series { labels, container, kind, value });
    }

    fn offset(&self) -> u32 {
        u32::try_from(self.sections.len()).expect("BUG: MAX_SERIES label sections take a few MiB")
    }

    fn push(&mut self, timestamp_ms: i64, rng: &mut Rng) -> Push {
        let mut push = PushBuilder::over(self.sections.clone());
        push.reserve(self.series.len(), self.series.len());
        for series in &mut self.series {
            series.value = series.kind.next(series.value, rng);
            let value = series.value as f64 / series.kind.scale();
            push.sample(Sample { value, timestamp: timestamp_ms });
            push.series(series.labels, Span::default());
        }
        push.finish()
    }

    /// Puts another series in the place of one.
    fn replace(&mut self, at: usize, generation: u64, rng: &mut Rng) {
        let series = &mut self.series[at];
        series.value = series.kind.first(rng);
        let start = series.container as usize;
        let value = container(generation);
        self.sections[start..start + CONTAINER_DIGITS].copy_from_slice(value.as_bytes());
    }
}

/// Never the same for two generations of a host, and far apart, as ids of containers are.
fn container(generation: u64) -> String {
    // An odd factor: no two numbers below 2^48 come to the same.
    format!("{:012x}", generation.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) & 0xffff_ffff_ffff)
}

/// What names the host in its labels.
struct Node {
    name: String,
    machine_id: String,
}

#[cfg(test)]
#[path = "made_tests.rs"]
mod tests;
