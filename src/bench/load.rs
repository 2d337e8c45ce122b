//! The load of a scenario: who pushes what, and how fast.

use super::text::{Rate, Time};
use crate::harness::{
    Capture, Encoding, FlowSpec, Format, LoadProfile, LoadSource, LoadSpec, Pace, Protocol,
};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// The most hosts of a load.
const MAX_HOSTS: usize = 10_000;

/// The most series of a host.
const MAX_SERIES: usize = 100_000;

/// Every load of the same description pushes the same.
const SEED: u64 = 7;

/// The section `load`. What is not given has the default of its profile or format.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Changes")]
pub struct Load {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<LoadProfile>,
    /// A file of captured bodies, in the place of a profile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replay: Option<PathBuf>,
    pub hosts: usize,
    /// Of each host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub series: Option<usize>,
    /// Between two scrapes of a host, by their timestamps.
    pub interval: Time,
    /// How many times as fast as `interval` says each host is scraped, while no `rate` is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub speed: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
    /// Connections in all; none is one for each host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub producers: Option<NonZeroUsize>,
    pub format: Format,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoding: Option<Encoding>,
    /// Percent of the series that are new after an hour of scraped time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub churn: Option<f64>,
}

/// The section as typed; and what the command line puts in the place of it.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Changes {
    pub profile: Option<LoadProfile>,
    pub replay: Option<PathBuf>,
    pub hosts: Option<usize>,
    pub series: Option<usize>,
    pub interval: Option<Time>,
    pub speed: Option<f64>,
    pub rate: Option<Rate>,
    pub producers: Option<NonZeroUsize>,
    pub format: Option<Format>,
    pub encoding: Option<Encoding>,
    pub churn: Option<f64>,
}

impl Default for Load {
    fn default() -> Self {
        Self {
            profile: None,
            replay: None,
            hosts: 10,
            series: None,
            interval: Time(Duration::from_secs(5)),
            speed: None,
            rate: None,
            producers: None,
            format: Format::RemoteWrite,
            encoding: None,
            churn: None,
        }
    }
}

impl TryFrom<Changes> for Load {
    type Error = String;

    fn try_from(typed: Changes) -> Result<Self, String> {
        Self::default().with(typed)
    }
}

impl Load {
    /// With what is given in the place of what is there. An error where that does not go together.
    pub fn with(&self, changes: Changes) -> Result<Self, String> {
        let mut load = self.clone();
        // One takes the place of the other.
        if changes.replay.is_some() {
            (load.profile, load.series, load.churn) = (None, None, None);
        }
        if changes.profile.is_some() {
            load.replay = None;
        }
        if changes.rate.is_some() {
            load.speed = None;
        }
        if changes.speed.is_some() {
            load.rate = None;
        }
        if changes.format.is_some() {
            load.encoding = None;
        }
        load.profile = changes.profile.or(load.profile);
        load.replay = changes.replay.or(load.replay);
        load.hosts = changes.hosts.unwrap_or(load.hosts);
        load.series = changes.series.or(load.series);
        load.interval = changes.interval.unwrap_or(load.interval);
        load.speed = changes.speed.or(load.speed);
        load.rate = changes.rate.or(load.rate);
        load.producers = changes.producers.or(load.producers);
        load.format = changes.format.unwrap_or(load.format);
        load.encoding = changes.encoding.or(load.encoding);
        load.churn = changes.churn.or(load.churn);
        load.check()?;
        Ok(load)
    }

    fn check(&self) -> Result<(), String> {
        let within = |name: &str, value: usize, most: usize| {
            if (1..=most).contains(&value) {
                Ok(())
            } else {
                Err(format!("{name}: {value} is not from 1 to {most}"))
            }
        };
        within("hosts", self.hosts, MAX_HOSTS)?;
        self.series.map_or(Ok(()), |series| within("series", series, MAX_SERIES))?;
        if self.interval.0.is_zero() {
            return Err("interval: timestamps have to grow".into());
        }
        if self.speed.is_some_and(|speed| !(speed > 0.0 && speed.is_finite())) {
            return Err("speed: it has to be above 0".into());
        }
        if self.churn.is_some_and(|churn| !(0.0..=10_000.0).contains(&churn)) {
            return Err("churn: write percent an hour, from 0 to 10000".into());
        }
        if self.speed.is_some() && self.rate.is_some() {
            return Err("speed and rate both say how fast: write one of them".into());
        }
        if self.replay.is_some() && (self.profile.is_some() || self.series.is_some() || self.churn.is_some())
        {
            return Err(
                "replay has its series from the file: it goes without profile, series and churn".into()
            );
        }
        self.protocol().map(drop)
    }

    fn protocol(&self) -> Result<Protocol, String> {
        Protocol::new(self.format, self.encoding).map_err(|error| error.to_string())
    }

    /// What the hosts are made of. Reads the file of a replay.
    pub(super) fn spec(&self) -> anyhow::Result<LoadSpec> {
        let source = match &self.replay {
            Some(file) => LoadSource::Replay(Arc::new(Capture::read(file)?)),
            None => LoadSource::Profile {
                profile: self.profile.unwrap_or(LoadProfile::Mixed),
                series: self.series,
                churn: self.churn.unwrap_or(0.0) / 100.0,
            },
        };
        Ok(LoadSpec { source, hosts: self.hosts, seed: SEED })
    }

    /// How they push to `agents`, from `first_ms` on.
    pub(super) fn flow(&self, agents: Vec<SocketAddr>, path: Option<&str>, first_ms: i64) -> FlowSpec {
        let protocol = self.protocol().expect("BUG: it was checked");
        let is_remote_write =
            matches!(self.format, Format::RemoteWrite | Format::RemoteWrite2 | Format::VictoriaMetrics);
        FlowSpec {
            agents,
            protocol: match path {
                Some(path) if is_remote_write => protocol.at(path),
                _ => protocol,
            },
            pace: self.pace(),
            producers: self.producers,
            first_ms,
            step_ms: self.step_ms(),
            passes_refused: false,
        }
    }

    fn pace(&self) -> Pace {
        match self.rate {
            Some(Rate::Max) => Pace::Full,
            Some(Rate::Samples(rate)) => Pace::Rate(rate),
            None => Pace::Every(self.interval.0.div_f64(self.speed.unwrap_or(1.0))),
        }
    }

    fn step_ms(&self) -> i64 {
        i64::try_from(self.interval.0.as_millis()).unwrap_or(i64::MAX)
    }
}

#[cfg(test)]
#[path = "load_tests.rs"]
mod tests;
