//! Pushes as a vmagent on PMM hosts makes them: the same series at each scrape, with new values.

use super::Rng;
use super::profile::{Kind, MYSQL, NODE, Profile};
use crate::model::{Push, PushBuilder, Sample, Span};
use crate::wire;

/// The most series a host can have, so that a scrape fits one request of vmagent.
pub const MAX_SERIES: usize = 10_000;

/// Share of a host's series that node_exporter has, in percent; mysqld_exporter has the rest.
const NODE_PERCENT: usize = 35;

/// Hosts that are scraped in turn. The same seed gives the same pushes.
#[derive(Debug, Clone)]
pub struct Load {
    hosts: Vec<HostLoad>,
    turn: usize,
}

impl Load {
    /// A load of `hosts` hosts with `series_per_host` series each, from 1 to [`MAX_SERIES`].
    pub fn new(seed: u64, hosts: usize, series_per_host: usize) -> Self {
        let mut rng = Rng::new(seed);
        let hosts = (0..hosts).map(|number| HostLoad::new(rng.bits(), number, series_per_host)).collect();
        Self { hosts, turn: 0 }
    }

    /// The next host's scrape at `timestamp_ms`, in milliseconds since the epoch; must be later than that
    /// host's last one.
    pub fn next_scrape(&mut self, timestamp_ms: i64) -> Push {
        let turn = self.turn;
        self.turn = (turn + 1) % self.hosts.len();
        self.hosts[turn].scrape(timestamp_ms)
    }

    /// The hosts, to be driven each on its own.
    pub fn into_hosts(self) -> Vec<HostLoad> {
        self.hosts
    }
}

/// One host's series and their present values.
#[derive(Debug, Clone)]
pub struct HostLoad {
    rng: Rng,
    node_id: String,
    /// The label sections of all series, one after the other: the arena that each push starts as.
    sections: Vec<u8>,
    series: Vec<Series>,
    scraped_ms: i64,
}

#[derive(Debug, Clone)]
struct Series {
    labels: Span,
    kind: Kind,
    value: u64,
}

impl HostLoad {
    /// Host `number` with `series` series, from 1 to [`MAX_SERIES`].
    pub fn new(seed: u64, number: usize, series: usize) -> Self {
        assert!((1..=MAX_SERIES).contains(&series), "BUG: a host has 1 to {MAX_SERIES} series, not {series}");
        let mut rng = Rng::new(seed);
        let mut host = Self {
            node_id: rng.uuid(),
            sections: Vec::new(),
            series: Vec::with_capacity(series),
            scraped_ms: i64::MIN,
            rng,
        };
        let node = Node { name: format!("db-{number:04}"), machine_id: host.machine_id() };
        let of_node = series * NODE_PERCENT / 100;
        host.add(&NODE, &node, of_node);
        host.add(&MYSQL, &node, series - of_node);
        host
    }

    /// The value of the label `node_id`, which all series of the host have and no other host's.
    pub fn node_id(&self) -> &str {
        &self.node_id
    }

    /// All series of the host with one new sample each, at `timestamp_ms` in milliseconds since the epoch.
    /// It must be later than that of the scrape before: the upstream tells loss and reordering by it.
    pub fn scrape(&mut self, timestamp_ms: i64) -> Push {
        assert!(timestamp_ms > self.scraped_ms, "BUG: a scrape is later than the one before");
        self.scraped_ms = timestamp_ms;
        let mut push = PushBuilder::over(self.sections.clone());
        push.reserve(self.series.len(), self.series.len());
        for series in &mut self.series {
            series.value = series.kind.next(series.value, &mut self.rng);
            let value = series.value as f64 / series.kind.scale();
            push.sample(Sample { value, timestamp: timestamp_ms });
            push.series(series.labels, Span::default());
        }
        push.finish()
    }

    fn machine_id(&mut self) -> String {
        format!("{:016x}{:016x}", self.rng.bits(), self.rng.bits())
    }

    /// Adds the first `count` series of a profile, with the labels that PMM gives its target.
    fn add(&mut self, profile: &'static Profile, node: &Node, count: usize) {
        let target = self.target(profile, node);
        for (family, own) in profile.members().take(count) {
            let mut labels: Vec<(&str, &str)> = vec![("__name__", family.name)];
            labels.extend(target.iter().map(|(name, value)| (*name, value.as_str())));
            labels.extend(own.iter().map(|(name, value)| (*name, value.as_str())));
            labels.sort_unstable();
            let start = self.offset();
            for (name, value) in labels {
                wire::append_label(&mut self.sections, name.as_bytes(), value.as_bytes());
            }
            let labels = Span { start, end: self.offset() };
            let value = family.kind.first(&mut self.rng);
            self.series.push(Series { labels, kind: family.kind, value });
        }
    }

    fn offset(&self) -> u32 {
        u32::try_from(self.sections.len()).expect("BUG: MAX_SERIES label sections take a few MiB")
    }

    /// The labels that all series of one target share.
    fn target(&mut self, profile: &Profile, node: &Node) -> Vec<(&'static str, String)> {
        let agent_id = self.rng.uuid();
        let mut labels = vec![
            ("agent_type", profile.agent_type.to_owned()),
            ("instance", agent_id.clone()),
            ("job", format!("{}_{agent_id}_hr", profile.exporter)),
            ("agent_id", agent_id),
            ("machine_id", node.machine_id.clone()),
            ("node_id", self.node_id.clone()),
            ("node_name", node.name.clone()),
            ("node_type", "generic".to_owned()),
        ];
        if let Some(service_type) = profile.service_type {
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

/// What names the host in its labels.
struct Node {
    name: String,
    machine_id: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    const NOW_MS: i64 = 1_700_000_000_000;

    #[test]
    fn the_same_seed_gives_the_same_pushes() {
        let mut one = Load::new(3, 2, 100);
        let mut other = Load::new(3, 2, 100);
        for scrape in 0..6 {
            assert_eq!(one.next_scrape(NOW_MS + scrape), other.next_scrape(NOW_MS + scrape));
        }
        assert_ne!(one.next_scrape(NOW_MS + 9), Load::new(4, 2, 100).next_scrape(NOW_MS + 9));
    }

    #[test]
    fn series_are_distinct_over_all_hosts_and_their_labels_sorted_and_unique() {
        let mut load = Load::new(1, 3, 2_000);
        let mut seen = HashSet::new();
        for _ in 0..3 {
            for series in load.next_scrape(NOW_MS).series() {
                assert!(seen.insert(series.labels.to_vec()), "a series stands twice");
                let names: Vec<_> =
                    wire::labels(series.labels).map(|label| label.expect("well-formed").name).collect();
                assert!(names.is_sorted_by(|a, b| a < b), "{names:?}");
            }
        }
        assert_eq!(seen.len(), 6_000);
    }

    #[test]
    fn a_series_has_as_many_labels_and_bytes_as_pmm_gives_it() {
        let push = HostLoad::new(1, 0, 1_000).scrape(NOW_MS);
        let labels: usize = push.series().map(|series| wire::labels(series.labels).count()).sum();
        let bytes: usize = push.series().map(|series| series.labels.len()).sum();
        assert!((10_000..=16_000).contains(&labels), "{labels} labels of 1000 series");
        assert!((350_000..=700_000).contains(&bytes), "{bytes} bytes of 1000 series");
    }

    #[test]
    fn what_is_encoded_decodes_to_the_same_push() {
        let push = HostLoad::new(5, 1, MAX_SERIES).scrape(NOW_MS);
        let mut body = Vec::new();
        wire::encode(&push, &mut body);
        assert_eq!(wire::decode(body).expect("well-formed"), push);
        assert_eq!(push.counts().samples as usize, MAX_SERIES);
    }

    #[test]
    fn most_values_move_and_some_stand_still() {
        let mut host = HostLoad::new(1, 0, 1_000);
        let (before, after) = (host.scrape(NOW_MS), host.scrape(NOW_MS + 1));
        let moved = before.samples().iter().zip(after.samples()).filter(|(a, b)| a.value != b.value).count();
        assert!((300..900).contains(&moved), "{moved} of 1000 moved");
    }

    #[test]
    #[should_panic(expected = "BUG: a scrape is later")]
    fn a_scrape_is_never_repeated() {
        let mut host = HostLoad::new(1, 0, 1);
        host.scrape(NOW_MS);
        host.scrape(NOW_MS);
    }
}
