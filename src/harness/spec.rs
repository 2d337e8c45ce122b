//! What load is asked for: whose series, how many, of how many hosts.

use super::made::Made;
use super::profile::{Exporter, MONGODB, MYSQL, NODE, POSTGRES};
use super::replay::Replayed;
use super::{Capture, HostLoad, Rng};
use std::fmt::{self, Display};
use std::str::FromStr;
use std::sync::Arc;

/// Whose series a host has. Numbers of series are those of facts about PMM hosts: an operating system alone, and with one
/// database on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LoadProfile {
    /// node_exporter.
    Node,
    /// node_exporter and mysqld_exporter.
    Mysql,
    /// node_exporter and postgres_exporter.
    Postgres,
    /// node_exporter and mongodb_exporter, many collections.
    Mongodb,
    /// node_exporter and mysqld_exporter with statistics of many tables: several requests a scrape.
    Extreme,
    /// A small host: node_exporter and mysqld_exporter, 35 to 65.
    Mixed,
}

impl LoadProfile {
    pub const ALL: [Self; 6] =
        [Self::Node, Self::Mysql, Self::Postgres, Self::Mongodb, Self::Extreme, Self::Mixed];

    pub fn name(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::Mysql => "mysql",
            Self::Postgres => "postgres",
            Self::Mongodb => "mongodb",
            Self::Extreme => "extreme",
            Self::Mixed => "mixed",
        }
    }

    /// One line for the user.
    pub fn about(self) -> &'static str {
        match self {
            Self::Node => "node_exporter",
            Self::Mysql => "node_exporter and mysqld_exporter",
            Self::Postgres => "node_exporter and postgres_exporter",
            Self::Mongodb => "node_exporter and mongodb_exporter, many collections",
            Self::Extreme => "node_exporter and mysqld_exporter, many tables; two requests a scrape",
            Self::Mixed => "node_exporter and mysqld_exporter of a small host",
        }
    }

    /// Series of a host where no number is given.
    pub fn series(self) -> usize {
        match self {
            Self::Node => 1_400,
            Self::Mysql => 4_000,
            Self::Postgres => 5_400,
            Self::Mongodb => 8_000,
            Self::Extreme => 15_000,
            Self::Mixed => 1_000,
        }
    }

    /// The exporters of a host, and how many of its series each has.
    pub(super) fn exporters(self, series: usize) -> Vec<(&'static Exporter, usize)> {
        let service = match self {
            Self::Node => return vec![(&NODE, series)],
            Self::Mysql | Self::Extreme | Self::Mixed => &MYSQL,
            Self::Postgres => &POSTGRES,
            Self::Mongodb => &MONGODB,
        };
        let of_node = match self {
            Self::Mixed => series * 35 / 100,
            _ => series * Self::Node.series() / self.series(),
        };
        vec![(&NODE, of_node), (service, series - of_node)]
    }
}

impl Display for LoadProfile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A word that names no profile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no load profile `{word}`: it is one of {}", LoadProfile::ALL.map(LoadProfile::name).join(", "))]
pub struct UnknownProfile {
    pub word: String,
}

impl FromStr for LoadProfile {
    type Err = UnknownProfile;

    fn from_str(word: &str) -> Result<Self, UnknownProfile> {
        let known = Self::ALL.into_iter().find(|profile| profile.name() == word);
        known.ok_or_else(|| UnknownProfile { word: word.to_owned() })
    }
}

/// Where the series of a host come from.
#[derive(Debug, Clone)]
pub enum LoadSource {
    Profile {
        profile: LoadProfile,
        /// Of each host, at least 1; the profile's own where none is given.
        series: Option<usize>,
        /// Share of the series that are replaced by new ones in an hour of scraped time, as those of restarted containers
        /// are: 1 is all of them. 0 is none, and then they have no label of a container.
        churn: f64,
    },
    /// Captured bodies, again and again, with the times of the scrapes.
    Replay(Arc<Capture>),
}

/// The hosts that push. The same spec gives the same pushes.
#[derive(Debug, Clone)]
pub struct LoadSpec {
    pub source: LoadSource,
    /// At least 1.
    pub hosts: usize,
    pub seed: u64,
}

impl LoadSpec {
    /// The hosts, to be driven each on its own.
    pub fn build(&self) -> Vec<HostLoad> {
        let mut rng = Rng::new(self.seed);
        let host = |number| match &self.source {
            LoadSource::Profile { profile, series, churn } => {
                let series = series.unwrap_or(profile.series());
                assert!(series > 0, "BUG: a host has series");
                HostLoad::made(Made::new(rng.bits(), number, *profile, series, *churn))
            }
            LoadSource::Replay(capture) => HostLoad::replayed(Replayed::new(capture, number)),
        };
        (0..self.hosts).map(host).collect()
    }

    /// Samples of one scrape of one host; of a replay, of a body on average.
    pub fn samples_per_scrape(&self) -> f64 {
        match &self.source {
            LoadSource::Profile { profile, series, .. } => series.unwrap_or(profile.series()) as f64,
            LoadSource::Replay(capture) => capture.samples() as f64 / capture.bodies() as f64,
        }
    }
}

#[cfg(test)]
#[path = "spec_tests.rs"]
mod tests;
