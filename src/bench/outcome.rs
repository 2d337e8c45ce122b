//! What was measured: the form of the JSON report. The stage makes it, the reports read it, and neither knows the other.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Of the JSON form. A reader refuses a later one.
pub const VERSION: u32 = 1;

/// All that a report shows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    pub version: u32,
    /// When it began, RFC 3339.
    pub began: String,
    pub host: Host,
    /// In the order they were played.
    pub scenarios: Vec<Played>,
}

/// Where it was measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// As /proc/cpuinfo names it.
    pub cpu: String,
    pub cores: usize,
    pub memory_bytes: u64,
    pub kernel: String,
    /// Type of the file system that the queues were on, such as ext4.
    pub file_system: String,
}

/// One scenario on every contender.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Played {
    pub scenario: String,
    /// One sentence from its file.
    pub about: String,
    /// The scenario as it was played, in the form of its file.
    pub text: String,
    /// It is made so that some of what is answered cannot arrive: what is lost is then no fault.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub loss_expected: bool,
    /// In the order they were made: A B A B.
    pub runs: Vec<Run>,
}

/// One scenario, once, on one contender.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    pub contender: String,
    /// As the program says it, where it does.
    pub version: Option<String>,
    /// From 1.
    pub round: usize,
    /// What was not measured is not there.
    pub figures: BTreeMap<Figure, f64>,
    pub phases: Vec<Phase>,
    /// Some ten a second, in order.
    pub moments: Vec<Moment>,
    /// Why the run broke off, in words for the user; the figures are then those so far.
    pub failure: Option<String>,
    /// Series with samples lost, out of order or made up, those with the most first; a few of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub worst: Vec<Worst>,
}

/// What went wrong with one series, in samples.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Worst {
    /// Its metric and labels.
    pub series: String,
    pub lost: u64,
    pub out_of_order: u64,
    pub made_up: u64,
}

/// When a phase of the scenario began.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Phase {
    pub name: String,
    /// Seconds since the first push.
    pub at_s: f64,
}

/// How things stood at a moment. Counts are sums since the first push.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Moment {
    /// Seconds since the first push.
    pub at_s: f64,
    /// Samples the contender answered for.
    pub answered: u64,
    /// Samples that arrived, repeats not counted.
    pub delivered: u64,
    /// Samples that were answered and had not arrived.
    pub backlog: u64,
    /// Bodies that the upstream took.
    pub wire_bytes: u64,
    /// User and system time of the process tree.
    pub cpu_s: f64,
    /// Of the process tree; 0 while it is down.
    pub resident_bytes: u64,
    /// Blocks of its data folder.
    pub disk_bytes: u64,
    /// Of the pushes that were answered since the moment before; none where there were none.
    pub answer_p50_ms: Option<f64>,
    pub answer_p99_ms: Option<f64>,
}

/// What a run is reduced to. The order is that of the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Figure {
    /// Answered samples a second, over the time of the pushes.
    SamplesPerSecond,
    /// Delivered samples a second, from the first delivery after an outage until current.
    CatchUpPerSecond,
    /// Over all phases, µs of the process tree a delivered sample.
    CpuMicros,
    /// The same, in the phases before the first fault.
    CpuMicrosSteady,
    /// At the end of the phases before the first fault.
    ResidentBytes,
    PeakBytes,
    /// That the process tree had written to disk, a delivered sample.
    WrittenBytes,
    /// What the data folder took, a sample of the backlog, when the backlog was largest in a run that lost nothing.
    DiskBytes,
    /// Bodies that the upstream took, a sample that was in them.
    WireBytes,
    AnswerP50Ms,
    AnswerP99Ms,
    AnswerP999Ms,
    /// From the end of the last fault to the first sample that was new to the upstream.
    FirstDeliveryS,
    /// From the end of the last fault until all was delivered that had been answered by then.
    CurrentS,
    /// Answered and not delivered at the end.
    Lost,
    /// Delivered again.
    Duplicates,
    OutOfOrder,
    /// Delivered and never pushed.
    MadeUp,
    /// Tries of pushes that were refused or had no answer.
    Retries,
}

/// Which way a figure is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Better {
    Lower,
    Higher,
    /// Anything but 0 is a fault.
    Zero,
    /// Says something, but is neither.
    Neither,
}

impl Figure {
    /// All, in the order of the tables.
    pub const ALL: [Self; 19] = [
        Self::SamplesPerSecond,
        Self::CatchUpPerSecond,
        Self::CpuMicros,
        Self::CpuMicrosSteady,
        Self::ResidentBytes,
        Self::PeakBytes,
        Self::WrittenBytes,
        Self::DiskBytes,
        Self::WireBytes,
        Self::AnswerP50Ms,
        Self::AnswerP99Ms,
        Self::AnswerP999Ms,
        Self::FirstDeliveryS,
        Self::CurrentS,
        Self::Lost,
        Self::Duplicates,
        Self::OutOfOrder,
        Self::MadeUp,
        Self::Retries,
    ];

    /// As the tables name it, with its unit.
    pub fn title(self) -> &'static str {
        match self {
            Self::SamplesPerSecond => "samples answered a second",
            Self::CatchUpPerSecond => "samples delivered a second, catching up",
            Self::CpuMicros => "CPU a sample (µs)",
            Self::CpuMicrosSteady => "CPU a sample, before the first fault (µs)",
            Self::ResidentBytes => "resident memory, before the first fault (MiB)",
            Self::PeakBytes => "resident memory, peak (MiB)",
            Self::WrittenBytes => "bytes written a sample",
            Self::DiskBytes => "bytes on disk a sample that waits",
            Self::WireBytes => "wire bytes a sample",
            Self::AnswerP50Ms => "answer, median (ms)",
            Self::AnswerP99Ms => "answer, p99 (ms)",
            Self::AnswerP999Ms => "answer, p99.9 (ms)",
            Self::FirstDeliveryS => "first delivery after the fault (s)",
            Self::CurrentS => "current after the fault (s)",
            Self::Lost => "samples lost",
            Self::Duplicates => "samples delivered again",
            Self::OutOfOrder => "samples out of order",
            Self::MadeUp => "samples made up",
            Self::Retries => "pushes tried again",
        }
    }

    pub fn better(self) -> Better {
        match self {
            Self::SamplesPerSecond | Self::CatchUpPerSecond => Better::Higher,
            Self::Lost | Self::OutOfOrder | Self::MadeUp => Better::Zero,
            Self::Duplicates | Self::Retries => Better::Neither,
            _ => Better::Lower,
        }
    }

    /// What a value is divided by to be in the unit of [`Figure::title`].
    pub fn scale(self) -> f64 {
        match self {
            Self::ResidentBytes | Self::PeakBytes => 1_048_576.0,
            _ => 1.0,
        }
    }
}
