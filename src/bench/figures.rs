//! From what was noted to the figures. `outcome.rs` says what each of them is.

use super::outcome::Figure;
use super::watch::{Snapshot, Watch, milliseconds};
use crate::harness::{Latency, Usage, Verdict};
use std::collections::BTreeMap;
use std::time::Duration;

/// The end of a run.
#[derive(Debug)]
pub(super) struct End {
    /// When the last push was answered.
    pub(super) pushed: Duration,
    pub(super) snapshot: Snapshot,
    pub(super) answers: Latency,
    pub(super) retries: u64,
    /// There are processes to look at.
    pub(super) has_processes: bool,
    /// There is an upstream that verifies.
    pub(super) has_upstream: bool,
}

/// What can be said of this run.
pub(super) fn figures(watch: &Watch, end: &End) -> BTreeMap<Figure, f64> {
    let mut figures = Figures::default();
    figures.of_pushes(end);
    if end.has_upstream {
        figures.of_delivery(watch, &end.snapshot.counts.verdict);
        let wire = end.snapshot.counts.wire;
        figures.ratio(Figure::WireBytes, wire.body_bytes as f64, wire.samples);
    }
    if end.has_processes {
        figures.of_processes(watch, end);
    }
    figures.0
}

#[derive(Default)]
struct Figures(BTreeMap<Figure, f64>);

impl Figures {
    fn of_pushes(&mut self, end: &End) {
        let answered = end.snapshot.counts.verdict.answered as f64;
        if !end.pushed.is_zero() {
            self.0.insert(Figure::SamplesPerSecond, answered / end.pushed.as_secs_f64());
        }
        for (figure, share) in
            [(Figure::AnswerP50Ms, 0.5), (Figure::AnswerP99Ms, 0.99), (Figure::AnswerP999Ms, 0.999)]
        {
            self.maybe(figure, end.answers.quantile(share).map(milliseconds));
        }
        self.0.insert(Figure::Retries, end.retries as f64);
    }

    fn of_delivery(&mut self, watch: &Watch, verdict: &Verdict) {
        for (figure, count) in [
            (Figure::Lost, verdict.lost),
            (Figure::Duplicates, verdict.duplicates),
            (Figure::OutOfOrder, verdict.out_of_order),
            (Figure::MadeUp, verdict.made_up),
        ] {
            self.0.insert(figure, count as f64);
        }
        let Some(recovery) = watch.recovery else { return };
        let since = |(at, _): (Duration, u64)| (at - recovery.at).as_secs_f64();
        self.maybe(Figure::FirstDeliveryS, recovery.first.map(since));
        // Counts tell when all of the backlog is there only where none of it is missing.
        let current = recovery.current.filter(|_| verdict.lost == 0);
        self.maybe(Figure::CurrentS, current.map(since));
        if let (Some((first, before)), Some((last, after))) = (recovery.first, current)
            && watch.had_outage
            && last > first
        {
            let rate = after.saturating_sub(before) as f64 / (last - first).as_secs_f64();
            self.0.insert(Figure::CatchUpPerSecond, rate);
        }
    }

    fn of_processes(&mut self, watch: &Watch, end: &End) {
        let last = &end.snapshot;
        self.ratio(Figure::CpuMicros, cpu_micros(watch.begin, last.usage), last.counts.verdict.delivered);
        self.ratio(Figure::WrittenBytes, written(watch.begin, last.usage), last.counts.verdict.delivered);
        self.0.insert(Figure::PeakBytes, last.usage.peak_bytes as f64);
        if let Some(steady) = watch.steady {
            let delivered = steady.counts.verdict.delivered;
            self.ratio(Figure::CpuMicrosSteady, cpu_micros(watch.begin, steady.usage), delivered);
            self.0.insert(Figure::ResidentBytes, steady.usage.resident_bytes as f64);
        }
        // What is lost takes no space, and cannot be told from what waits.
        let tells = watch.had_outage && last.counts.verdict.lost == 0;
        if let Some((backlog, disk_bytes)) = watch.fullest.filter(|_| tells) {
            self.ratio(Figure::DiskBytes, disk_bytes as f64, backlog);
        }
    }

    fn maybe(&mut self, figure: Figure, value: Option<f64>) {
        self.0.extend(value.map(|value| (figure, value)));
    }

    /// Nothing is said of no samples.
    fn ratio(&mut self, figure: Figure, sum: f64, samples: u64) {
        self.maybe(figure, (samples > 0).then(|| sum / samples as f64));
    }
}

fn cpu_micros(from: Usage, to: Usage) -> f64 {
    to.cpu.saturating_sub(from.cpu).as_secs_f64() * 1e6
}

fn written(from: Usage, to: Usage) -> f64 {
    to.written_bytes.saturating_sub(from.written_bytes) as f64
}

#[cfg(test)]
#[path = "figures_tests.rs"]
mod tests;
