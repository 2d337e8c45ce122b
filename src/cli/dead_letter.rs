//! The arguments of `queue dead-letter`.

use super::{Overrides, Place};
use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;
use std::time::SystemTime;

/// The subcommands of `queue dead-letter`.
#[derive(Debug, Subcommand)]
pub enum DeadLetter {
    /// Lists the letters: number, time, upstream, what was refused, the answer
    List(ListLetters),
    /// Shows the series and samples of one letter
    Show(ShowLetter),
    /// Writes what was refused in a form that can be pushed
    Export(ExportLetters),
    /// Sends letters once more to the upstream that refused them, and removes what it takes
    Retry(Box<RetryLetters>),
    /// Removes letters for good
    Purge(PurgeLetters),
}

/// The arguments of `queue dead-letter list`.
#[derive(Debug, Args)]
pub struct ListLetters {
    /// Where the letters are.
    #[command(flatten)]
    pub place: Place,
    /// Prints JSON
    #[arg(long)]
    pub json: bool,
}

/// The arguments of `queue dead-letter show`.
#[derive(Debug, Args)]
pub struct ShowLetter {
    /// Number of the letter
    #[arg(value_name = "N")]
    pub number: u64,
    /// Where the letters are.
    #[command(flatten)]
    pub place: Place,
    /// Prints JSON
    #[arg(long)]
    pub json: bool,
}

/// The arguments of `queue dead-letter export`.
#[derive(Debug, Args)]
pub struct ExportLetters {
    /// Numbers of the letters [default: all]
    #[arg(value_name = "N")]
    pub numbers: Vec<u64>,
    /// What to write: jsonl, for /api/v1/import of VictoriaMetrics or this agent, or remote-write, a body packed with snappy
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = ExportFormat::Jsonl)]
    pub format: ExportFormat,
    /// File to write to, which must not exist [default: standard output]
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Where the letters are.
    #[command(flatten)]
    pub place: Place,
}

/// What `queue dead-letter export` writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// VictoriaMetrics JSON lines.
    Jsonl,
    /// A remote-write 1.0 body.
    RemoteWrite,
}

/// The arguments of `queue dead-letter retry`.
#[derive(Debug, Args)]
#[command(
    after_help = "A letter goes to the upstream that refused it, as the configuration says now. The agent may be running, \
    and is not needed."
)]
pub struct RetryLetters {
    /// Numbers of the letters
    #[arg(value_name = "N", required_unless_present = "all")]
    pub numbers: Vec<u64>,
    /// All there are
    #[arg(long, conflicts_with = "numbers")]
    pub all: bool,
    /// Configuration file of the agent; the PMM_BUFFER_* variables of `run` count here too
    #[arg(long, value_name = "FILE", env = "PMM_BUFFER_CONFIG")]
    pub config: Option<PathBuf>,
    /// What takes the place of the file's values.
    #[command(flatten)]
    pub overrides: Overrides,
}

/// The arguments of `queue dead-letter purge`.
#[derive(Debug, Args)]
pub struct PurgeLetters {
    /// Numbers of the letters
    #[arg(value_name = "N", required_unless_present_any = ["all", "before"])]
    pub numbers: Vec<u64>,
    /// All there are
    #[arg(long, conflicts_with = "numbers")]
    pub all: bool,
    /// Those refused before this moment, as in 2026-01-31 or 2026-01-31T18:00:00Z
    #[arg(long, value_name = "MOMENT", value_parser = moment, conflicts_with_all = ["all", "numbers"])]
    pub before: Option<SystemTime>,
    /// Where the letters are.
    #[command(flatten)]
    pub place: Place,
}

/// A day, or a moment, in UTC.
fn moment(text: &str) -> Result<SystemTime, String> {
    let parse = humantime::parse_rfc3339_weak;
    let parsed = parse(text).or_else(|_| parse(&format!("{text}T00:00:00Z")));
    parsed.map_err(|_| "write a day or a moment in UTC, as in 2026-01-31 or 2026-01-31T18:00:00Z".to_owned())
}
