//! What changed between two reports.

use super::view::{self, Contender};
use crate::bench::outcome::{Better, Figure, Played, Report};
use crate::bench::spread::Spread;

/// One contender on one scenario that both reports have.
pub(super) struct Section<'a> {
    pub(super) scenario: &'a str,
    pub(super) contender: &'a str,
    pub(super) changes: Vec<Change>,
}

/// One figure, before and now.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::bench) struct Change {
    pub(in crate::bench) figure: Figure,
    pub(in crate::bench) before: Spread,
    pub(in crate::bench) now: Spread,
    /// Of the side that has fewer.
    pub(in crate::bench) rounds: usize,
    /// Anything but 0 is a fault.
    pub(super) is_fault: bool,
}

/// What a change means. Better and worse are said only of several rounds each, whose spreads do not overlap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::bench) enum Meaning {
    Better,
    Worse,
    /// Within the spread, or neither good nor bad.
    Nothing,
    /// Something that must not be at all is.
    Fault,
}

impl Change {
    /// None where one of the two has not measured it.
    pub(in crate::bench) fn of(before: &Contender, now: &Contender, figure: Figure) -> Option<Self> {
        Some(Self {
            figure,
            before: before.spread(figure)?,
            now: now.spread(figure)?,
            rounds: before.counted().len().min(now.counted().len()),
            is_fault: now.is_fault(figure),
        })
    }

    pub(in crate::bench) fn meaning(&self) -> Meaning {
        let better = self.figure.better();
        if self.is_fault && self.now.most > 0.0 {
            return Meaning::Fault;
        }
        match better {
            Better::Lower | Better::Higher | Better::Zero
                if self.rounds > 1 && self.now.is_apart(&self.before) =>
            {
                let rose = self.now.median > self.before.median;
                if rose == (better == Better::Higher) { Meaning::Better } else { Meaning::Worse }
            }
            _ => Meaning::Nothing,
        }
    }

    /// Of the median. None where it was not above 0 before, or this is a count of faults.
    pub(in crate::bench) fn percent(&self) -> Option<f64> {
        let ratio = self.now.median / self.before.median;
        (self.figure.better() != Better::Zero && self.before.median > 0.0 && ratio.is_finite())
            .then_some((ratio - 1.0) * 100.0)
    }

    /// `+12 %, worse`.
    pub(in crate::bench) fn words(&self) -> String {
        let meaning = match self.meaning() {
            Meaning::Better => Some("better"),
            Meaning::Worse => Some("worse"),
            Meaning::Nothing => None,
            Meaning::Fault => Some("FAULT"),
        };
        let percent = self.percent().map(percent);
        [percent.as_deref(), meaning].into_iter().flatten().collect::<Vec<_>>().join(", ")
    }
}

fn percent(percent: f64) -> String {
    match percent.round() {
        0.0 => "±0 %".to_owned(),
        rounded if rounded.abs() >= 1e6 => format!("{rounded:+e} %"),
        rounded => format!("{rounded:+.0} %"),
    }
}

/// In the order of `report`. A figure is there where both have it.
pub(super) fn sections<'a>(report: &'a Report, before: &Report) -> Vec<Section<'a>> {
    let mut out = Vec::new();
    for played in &report.scenarios {
        let Some(earlier) = same(played, before) else { continue };
        let earlier = view::contenders(earlier);
        for contender in view::contenders(played) {
            let Some(other) = earlier.iter().find(|other| other.name == contender.name) else { continue };
            let changes = changes(&contender, other);
            out.push(Section { scenario: &played.scenario, contender: contender.name, changes });
        }
    }
    out
}

/// What to bear in mind where the two are not of the same host or the same scenarios.
pub(super) fn notes(report: &Report, before: &Report) -> Vec<String> {
    let mut notes = Vec::new();
    if report.host != before.host {
        notes.push(
            "the reports are of different hosts, or the host was changed: ratios between them say little"
                .into(),
        );
    }
    for played in &report.scenarios {
        match same(played, before) {
            None => notes.push(format!("{} is not in the earlier report", played.scenario)),
            Some(earlier) if earlier.text != played.text => {
                notes.push(format!("{} was changed in between: it is not the same load", played.scenario));
            }
            Some(_) => {}
        }
    }
    notes
}

fn same<'a>(played: &Played, before: &'a Report) -> Option<&'a Played> {
    before.scenarios.iter().find(|earlier| earlier.scenario == played.scenario)
}

fn changes(contender: &Contender, before: &Contender) -> Vec<Change> {
    Figure::ALL.into_iter().filter_map(|figure| Change::of(before, contender, figure)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    fn change(figure: Figure, before: [f64; 3], now: [f64; 3]) -> Change {
        let spread = |[least, median, most]: [f64; 3]| Spread { least, median, most };
        Change {
            figure,
            before: spread(before),
            now: spread(now),
            rounds: 3,
            is_fault: figure.better() == Better::Zero,
        }
    }

    #[test]
    fn better_and_worse_are_said_of_what_is_beyond_the_spread() {
        for (figure, before, now, words) in [
            (Figure::CpuMicros, [0.9, 1.0, 1.1], [0.7, 0.75, 0.8], "-25 %, better"),
            (Figure::CpuMicros, [0.9, 1.0, 1.1], [1.2, 1.5, 1.6], "+50 %, worse"),
            (Figure::CpuMicros, [0.9, 1.0, 1.1], [1.0, 1.5, 1.6], "+50 %"),
            (Figure::SamplesPerSecond, [90.0, 100.0, 110.0], [150.0, 150.0, 150.0], "+50 %, better"),
            (Figure::SamplesPerSecond, [90.0, 100.0, 110.0], [10.0, 10.0, 10.0], "-90 %, worse"),
            (Figure::SamplesPerSecond, [90.0, 100.0, 110.0], [99.0, 99.9, 110.0], "±0 %"),
            (Figure::Retries, [0.0, 0.0, 0.0], [5.0, 5.0, 5.0], ""),
            (Figure::Retries, [4.0, 4.0, 4.0], [5.0, 5.0, 5.0], "+25 %"),
            (Figure::Lost, [0.0, 0.0, 0.0], [0.0, 0.0, 1.0], "FAULT"),
            (Figure::Lost, [4.0, 5.0, 6.0], [0.0, 0.0, 0.0], "better"),
            (Figure::Lost, [0.0, 0.0, 0.0], [0.0, 0.0, 0.0], ""),
            (Figure::CpuMicros, [0.0, 0.0, 0.0], [1.0, 1.0, 1.0], "worse"),
        ] {
            assert_eq!(change(figure, before, now).words(), words, "{figure:?} {before:?} {now:?}");
        }
    }

    #[test]
    fn what_a_scenario_is_made_to_lose_is_no_fault() {
        let mut report = sample::small();
        report.scenarios[0].loss_expected = true;
        let sections = sections(&report, &report);
        let lost = sections[1].changes.iter().find(|change| change.figure == Figure::Lost).expect("measured");
        assert_eq!(lost.words(), "");
    }

    #[test]
    fn one_round_proves_nothing() {
        let one = Change { rounds: 1, ..change(Figure::CpuMicros, [1.0; 3], [2.0; 3]) };
        assert_eq!(one.words(), "+100 %");
        let fault = Change { rounds: 1, ..change(Figure::Lost, [0.0; 3], [2.0; 3]) };
        assert_eq!(fault.words(), "FAULT");
    }

    #[test]
    fn only_what_both_have_is_compared_and_the_rest_is_said() {
        let (mut now, mut before) =
            (sample::outage(&["pmm-buffer", "vmagent"]), sample::outage(&["pmm-buffer"]));
        assert_eq!(notes(&now, &before), Vec::<String>::new());
        let compared = sections(&now, &before);
        assert_eq!(compared.iter().map(|section| section.contender).collect::<Vec<_>>(), ["pmm-buffer"]);
        assert_eq!(compared[0].changes.len(), Figure::ALL.len());
        before.host.cores = 64;
        before.scenarios[0].text.push_str("more");
        let mut other = now.scenarios[0].clone();
        other.scenario = "other".into();
        now.scenarios.push(other);
        let notes = notes(&now, &before);
        assert!(notes[0].contains("different hosts"), "{notes:?}");
        assert!(
            notes[1].starts_with("outage was changed") && notes[2].starts_with("other is not in"),
            "{notes:?}"
        );
    }
}
