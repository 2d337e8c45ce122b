//! A scenario over time: the moments of its runs as charts.

use super::chart::{Chart, Line};
use super::view::{self, Contender};
use crate::bench::outcome::{Moment, Run};

/// Points of a line, at the most, about: what a chart has room for.
const POINTS: f64 = 240.0;
/// Points of a rate, where its means are of no less and no more than so many seconds: pushes come in bursts, and a way
/// back may take less than a second.
const RATES: f64 = 60.0;
const LEAST_RATE_S: f64 = 0.2;
const MOST_RATE_S: f64 = 1.0;

/// What is drawn, and how many moments become one point.
enum Curve {
    /// Growth a second of a sum.
    Rate(fn(&Moment) -> f64),
    /// The most.
    Most(fn(&Moment) -> Option<f64>),
    /// The middle.
    Median(fn(&Moment) -> Option<f64>),
}

const MIB: f64 = 1_048_576.0;

/// Title, unit, whether its axis is logarithmic, and where it is found.
const CURVES: [(&str, &str, bool, Curve); 8] = [
    ("Answered", "samples a second", false, Curve::Rate(|moment| moment.answered as f64)),
    ("Delivered", "samples a second", false, Curve::Rate(|moment| moment.delivered as f64)),
    ("Backlog", "samples", false, Curve::Most(|moment| Some(moment.backlog as f64))),
    ("Answer, median", "ms", true, Curve::Median(|moment| moment.answer_p50_ms)),
    ("Answer, p99", "ms", true, Curve::Most(|moment| moment.answer_p99_ms)),
    ("Resident memory", "MiB", false, Curve::Most(|moment| Some(moment.resident_bytes as f64 / MIB))),
    ("CPU", "cores at work", false, Curve::Rate(|moment| moment.cpu_s)),
    ("Data folder", "MiB", false, Curve::Most(|moment| Some(moment.disk_bytes as f64 / MIB))),
];

/// A chart a curve: a line a contender, of its middle round, with its other rounds thin behind. The bands are the
/// phases of the first contender's line.
pub(super) fn charts(contenders: &[Contender]) -> Vec<Chart> {
    let middles: Vec<Option<&Run>> = contenders.iter().map(Contender::middle).collect();
    let bands = middles.iter().flatten().next().map_or_else(Vec::new, |run| {
        run.phases.iter().map(|phase| (phase.at_s, phase.name.clone())).collect()
    });
    let x_to = contenders.iter().flat_map(Contender::counted).map(view::length).fold(0.0, f64::max);
    let chart = |(title, y, logarithmic, curve): &(&str, &'static str, bool, Curve)| Chart {
        title: (*title).to_owned(),
        x: "seconds",
        x_to,
        y,
        logarithmic: *logarithmic,
        lines: contenders
            .iter()
            .zip(&middles)
            .enumerate()
            .flat_map(|(number, (contender, middle))| lines(number, contender, *middle, curve))
            .collect(),
        bands: bands.clone(),
    };
    CURVES.iter().map(chart).filter(|chart| chart.lines.iter().any(|line| !line.points.is_empty())).collect()
}

fn lines(number: usize, contender: &Contender, middle: Option<&Run>, curve: &Curve) -> Vec<Line> {
    let line = |run: &&Run| {
        let meant = middle.is_some_and(|middle| std::ptr::eq(middle, *run));
        let name = meant.then(|| contender.name.to_owned());
        Line { name, number, thin: !meant, points: points(&run.moments, curve) }
    };
    contender.counted().iter().map(line).collect()
}

fn points(moments: &[Moment], curve: &Curve) -> Vec<(f64, f64)> {
    let length = moments.last().map_or(0.0, |moment| moment.at_s);
    let step = length / POINTS;
    match curve {
        Curve::Rate(pick) => {
            rates(moments, step.max((length / RATES).clamp(LEAST_RATE_S, MOST_RATE_S)), *pick)
        }
        Curve::Most(pick) => {
            gauges(moments, step, *pick, |values| values.iter().copied().fold(f64::NAN, f64::max))
        }
        Curve::Median(pick) => gauges(moments, step, *pick, |values| {
            values.sort_by(f64::total_cmp);
            values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
        }),
    }
}

/// Growth a second, of `step` seconds at a time, at the middle of them.
fn rates(moments: &[Moment], step: f64, pick: fn(&Moment) -> f64) -> Vec<(f64, f64)> {
    let Some(mut from) = moments.first() else { return Vec::new() };
    let mut out = Vec::new();
    for (at, to) in moments.iter().enumerate().skip(1) {
        let seconds = to.at_s - from.at_s;
        // The last one may be shorter, so that the end is there.
        let is_end = at + 1 == moments.len() && seconds >= step / 2.0;
        if seconds >= step || is_end {
            // A sum does not shrink; what is left of a process that ended may not be counted with it any more.
            out.push((f64::midpoint(from.at_s, to.at_s), (pick(to) - pick(from)).max(0.0) / seconds));
            from = to;
        }
    }
    out
}

/// One value of all in `step` seconds; where there is none at all, a gap.
fn gauges(
    moments: &[Moment],
    step: f64,
    pick: fn(&Moment) -> Option<f64>,
    reduce: fn(&mut [f64]) -> f64,
) -> Vec<(f64, f64)> {
    let Some(first) = moments.first() else { return Vec::new() };
    let (mut out, mut values, mut from) = (Vec::new(), Vec::new(), first.at_s);
    for moment in moments {
        values.extend(pick(moment));
        if moment.at_s - from >= step {
            out.push((moment.at_s, reduce(&mut values)));
            values.clear();
            from = moment.at_s;
        }
    }
    if out.iter().all(|(_, value)| value.is_nan()) { Vec::new() } else { out }
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    fn moments(answers: &[Option<f64>]) -> Vec<Moment> {
        let base = sample::small().scenarios[0].runs[0].moments[0].clone();
        let moment = |(at, answer): (usize, &Option<f64>)| Moment {
            at_s: at as f64 / 10.0,
            answered: at as u64 * 10,
            answer_p99_ms: *answer,
            ..base.clone()
        };
        answers.iter().enumerate().map(moment).collect()
    }

    #[test]
    fn rates_are_means_of_up_to_a_second_and_reach_to_the_end() {
        let moments = moments(&[None; 1_000]);
        let of_a_second = points(&moments, &CURVES[0].3);
        assert!((99..=101).contains(&of_a_second.len()), "{of_a_second:?}");
        assert!(of_a_second.iter().all(|(_, rate)| (rate - 100.0).abs() < 1e-6), "{of_a_second:?}");
        let short = points(&moments[..10], &CURVES[0].3);
        assert!(short.len() >= 3 && short.last().is_some_and(|(at, _)| *at > 0.7), "{short:?}");
    }

    #[test]
    fn the_worst_of_an_interval_is_shown_and_its_absence_is_a_gap() {
        let mut answers = vec![Some(1.0); 4_801];
        answers[2_000] = Some(99.0);
        answers[3_000..3_100].fill(None);
        let points = points(&moments(&answers), &CURVES[4].3);
        assert!(points.len() <= 241, "{}", points.len());
        assert_eq!(points.iter().filter(|(_, value)| *value == 99.0).count(), 1);
        assert!(points.iter().any(|(at, value)| value.is_nan() && (300.0..310.0).contains(at)), "{points:?}");
    }

    #[test]
    fn each_chart_has_a_strong_line_a_contender_and_the_other_rounds_thin() {
        let report = sample::outage(&["pmm-buffer", "vmagent"]);
        let charts = charts(&view::contenders(&report.scenarios[0]));
        assert_eq!(charts.len(), CURVES.len());
        for chart in &charts {
            assert_eq!(chart.lines.iter().filter(|line| line.thin).count(), 4, "{}", chart.title);
            let names: Vec<_> = chart.lines.iter().filter_map(|line| line.name.as_deref()).collect();
            assert_eq!(names, ["pmm-buffer", "vmagent"], "{}", chart.title);
            assert_eq!(chart.bands.len(), 4);
        }
    }

    #[test]
    fn what_was_never_measured_has_no_chart() {
        let mut report = sample::outage(&["vmagent"]);
        for moment in report.scenarios[0].runs.iter_mut().flat_map(|run| &mut run.moments) {
            (moment.answer_p50_ms, moment.answer_p99_ms) = (None, None);
        }
        let charts = charts(&view::contenders(&report.scenarios[0]));
        assert!(charts.iter().all(|chart| !chart.title.starts_with("Answer,")));
        assert_eq!(charts.len(), CURVES.len() - 2);
    }
}
