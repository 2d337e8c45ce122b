//! Pushes as a vmagent on PMM hosts makes them: the same series at each scrape, with new values.

use super::made::{MAX_SERIES, Made};
use super::replay::Replayed;
use super::{LoadProfile, Rng};
use crate::model::Push;

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

/// One host: what it pushes, scrape after scrape.
#[derive(Debug, Clone)]
pub struct HostLoad {
    source: Source,
    scraped_ms: i64,
}

#[derive(Debug, Clone)]
enum Source {
    Made(Made),
    Replayed(Replayed),
}

impl HostLoad {
    /// Host `number` with `series` series, from 1 to [`MAX_SERIES`].
    pub fn new(seed: u64, number: usize, series: usize) -> Self {
        assert!((1..=MAX_SERIES).contains(&series), "BUG: a host has 1 to {MAX_SERIES} series, not {series}");
        Self::made(Made::new(seed, number, LoadProfile::Mixed, series, 0.0))
    }

    pub(super) fn made(made: Made) -> Self {
        Self { source: Source::Made(made), scraped_ms: i64::MIN }
    }

    pub(super) fn replayed(replayed: Replayed) -> Self {
        Self { source: Source::Replayed(replayed), scraped_ms: i64::MIN }
    }

    /// The value of the label `node_id`, which all series of the host have and no other host's. Of a replay, what the host
    /// is told from others by.
    pub fn node_id(&self) -> &str {
        match &self.source {
            Source::Made(made) => made.node_id(),
            Source::Replayed(replayed) => replayed.node_id(),
        }
    }

    /// All series of the host with one new sample each, at `timestamp_ms` in milliseconds since the epoch.
    /// It must be later than that of the scrape before: the upstream tells loss and reordering by it.
    ///
    /// Of a host whose scrape fits one request: [`HostLoad::requests`] takes any.
    pub fn scrape(&mut self, timestamp_ms: i64) -> Push {
        let mut requests = self.requests(timestamp_ms);
        let push = requests.pop().expect("BUG: a host has series");
        assert!(requests.is_empty(), "BUG: this scrape takes several requests");
        push
    }

    /// The next scrape, as [`HostLoad::scrape`], in requests of up to [`MAX_SERIES`] series; of a replay, the next body.
    pub fn requests(&mut self, timestamp_ms: i64) -> Vec<Push> {
        assert!(timestamp_ms > self.scraped_ms, "BUG: a scrape is later than the one before");
        self.scraped_ms = timestamp_ms;
        match &mut self.source {
            Source::Made(made) => made.requests(timestamp_ms),
            Source::Replayed(replayed) => vec![replayed.request(timestamp_ms)],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire;
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
