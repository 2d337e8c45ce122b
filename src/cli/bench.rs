//! The arguments of `bench`.

use crate::bench::{Changes, Rate, Time};
use crate::harness::{Encoding, Format, LoadProfile};
use clap::{Args, Subcommand, value_parser};
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;

/// The subcommands of `bench`.
#[derive(Debug, Subcommand)]
pub enum Bench {
    /// Plays scenarios on one agent or server, and shows what was measured
    Run(Box<BenchRun>),
    /// Plays scenarios in turn on this agent and on others, and shows ratios with their spread
    Compare(Box<BenchCompare>),
    /// Tries the settings that matter on this host's disk, and prints the lines it would change; some two minutes
    Tune(BenchTune),
    /// Shows the report of an earlier run, alone or beside another
    Show(BenchShow),
    /// Lists scenarios, load profiles and contenders
    List,
}

/// The arguments of `bench run`.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit status: 0 where all that was answered arrived, in order, and nothing else; 1 where it did not, or a \
    run broke off; 64 for a wrong command line or file; 130 when interrupted."
)]
pub struct BenchRun {
    /// Names or files of scenarios [default: steady]
    #[arg(value_name = "SCENARIO")]
    pub scenarios: Vec<String>,
    /// What is measured: a name of `bench list`, or a profile's file; NAME=PROGRAM takes another program
    #[arg(long, value_name = "NAME|FILE", default_value = "pmm-buffer", conflicts_with = "target")]
    pub contender: String,
    /// An agent or server that runs already and takes remote write there; nothing is started
    #[arg(long, value_name = "URL")]
    pub target: Option<String>,
    /// Where the target sends to: there the upstream listens that verifies every sample
    #[arg(long, value_name = "IP:PORT", requires = "target")]
    pub upstream_listen: Option<SocketAddr>,
    /// How often each scenario is played
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = value_parser!(u16).range(1..=1000))]
    pub rounds: u16,
    /// What all plays have in common.
    #[command(flatten)]
    pub play: BenchPlay,
}

/// The arguments of `bench compare`.
#[derive(Debug, Args)]
#[command(
    after_help = "Each round plays a scenario on pmm-buffer and then on each of the others. What is lost by another agent is a \
    figure and no failure. Exit status as for `bench run`."
)]
pub struct BenchCompare {
    /// Names or files of scenarios [default: steady and outage]
    #[arg(value_name = "SCENARIO")]
    pub scenarios: Vec<String>,
    /// What to compare with: a name of `bench list`, or a profile's file; NAME=PROGRAM takes another program
    #[arg(long, value_name = "NAME|FILE", num_args = 1.., default_value = "vmagent")]
    pub with: Vec<String>,
    /// How often each scenario is played on each
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = value_parser!(u16).range(1..=1000))]
    pub rounds: u16,
    /// What all plays have in common.
    #[command(flatten)]
    pub play: BenchPlay,
}

/// What `bench run` and `bench compare` have in common.
#[derive(Debug, Args)]
pub struct BenchPlay {
    /// How long each phase is that has a length, such as 30s [default: as the scenario says]
    #[arg(long = "for", value_name = "DURATION")]
    pub length: Option<Time>,
    /// In the place of what the scenario says.
    #[command(flatten)]
    pub load: BenchLoad,
    /// Where queues and reports go.
    #[command(flatten)]
    pub places: BenchPlaces,
}

/// Where queues and reports go.
#[derive(Debug, Args)]
pub struct BenchPlaces {
    /// Where queues live: the disk that is measured [default: the system's folder for temporary files]
    #[arg(long, value_name = "FOLDER")]
    pub folder: Option<PathBuf>,
    /// Where to write the report as JSON, for `bench show`
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Where to write the report as a page with plots
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
}

/// The load, in the place of what the scenario says.
#[derive(Debug, Args)]
#[command(next_help_heading = "Load, in the place of the scenario's")]
pub struct BenchLoad {
    /// What the hosts run: node, mysql, postgres, mongodb, extreme or mixed
    #[arg(long, value_name = "NAME", conflicts_with = "replay")]
    profile: Option<LoadProfile>,
    /// Captured pushes, again and again, in the place of a profile
    #[arg(long, value_name = "FILE")]
    replay: Option<PathBuf>,
    /// Hosts that push
    #[arg(long, value_name = "N")]
    hosts: Option<usize>,
    /// Series of each host
    #[arg(long, value_name = "N", conflicts_with = "replay")]
    series: Option<usize>,
    /// Time between two scrapes of a host, by their timestamps, such as 5s
    #[arg(long, value_name = "DURATION")]
    interval: Option<Time>,
    /// How many times as fast as that each host is scraped
    #[arg(long, value_name = "FACTOR", conflicts_with = "rate")]
    speed: Option<f64>,
    /// Samples a second in all, or max for as fast as it goes
    #[arg(long, value_name = "N|max")]
    rate: Option<Rate>,
    /// Connections that push [default: one for each host]
    #[arg(long, value_name = "N")]
    producers: Option<NonZeroUsize>,
    /// What is pushed: remote-write, remote-write-2, victoriametrics, json, text or native
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,
    /// How bodies are packed: none, snappy, zstd or gzip [default: as usual for the format]
    #[arg(long, value_name = "NAME")]
    encoding: Option<Encoding>,
    /// Percent of the series that are new after an hour of scrapes
    #[arg(long, value_name = "PERCENT", conflicts_with = "replay")]
    churn: Option<f64>,
}

/// The arguments of `bench tune`.
#[derive(Debug, Args)]
#[command(
    after_help = "Each trial pushes as fast as it goes while the upstream is away, and measures the way back. Agents are started \
    for it with folders of their own; one that runs already is left alone, and shares disk and CPU with them."
)]
pub struct BenchTune {
    /// Where queues and reports go.
    #[command(flatten)]
    pub places: BenchPlaces,
    /// How long a trial pushes
    #[arg(long = "for", value_name = "DURATION", default_value = "2s", hide = true)]
    pub length: Time,
    /// How often each setting is tried
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = value_parser!(u16).range(1..=100), hide = true)]
    pub rounds: u16,
}

/// The arguments of `bench show`.
#[derive(Debug, Args)]
pub struct BenchShow {
    /// Report that was written with --json
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// An earlier report to show it beside
    #[arg(long, value_name = "FILE")]
    pub before: Option<PathBuf>,
    /// Where to write it as a page with plots
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
}

impl BenchLoad {
    pub fn changes(&self) -> Changes {
        Changes {
            profile: self.profile,
            replay: self.replay.clone(),
            hosts: self.hosts,
            series: self.series,
            interval: self.interval,
            speed: self.speed,
            rate: self.rate,
            producers: self.producers,
            format: self.format,
            encoding: self.encoding,
            churn: self.churn,
        }
    }
}
