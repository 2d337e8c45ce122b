//! What the tables of a scenario show, and in which words its faults are told.

use super::text;
use crate::bench::outcome::{Better, Figure, Played, Run, Worst};
use crate::bench::spread::Spread;
use crate::status::human;

/// Series with faults that are shown of a contender.
const WORST: usize = 5;

/// One contender's rounds of a scenario.
pub(in crate::bench) struct Contender<'a> {
    pub(in crate::bench) name: &'a str,
    /// All of them, in the order they were made.
    pub(in crate::bench) runs: Vec<&'a Run>,
    /// See [`Played::loss_expected`].
    loss_expected: bool,
}

/// The contenders of a scenario, in the order they first played.
pub(in crate::bench) fn contenders(played: &Played) -> Vec<Contender<'_>> {
    let mut out: Vec<Contender> = Vec::new();
    for run in &played.runs {
        match out.iter_mut().find(|contender| contender.name == run.contender) {
            Some(contender) => contender.runs.push(run),
            None => out.push(Contender {
                name: &run.contender,
                runs: vec![run],
                loss_expected: played.loss_expected,
            }),
        }
    }
    out
}

/// Figures that any of them has, in the order of the tables.
pub(super) fn figures<'a>(contenders: &'a [Contender]) -> impl Iterator<Item = Figure> + 'a {
    let has =
        |contender: &Contender, figure| contender.runs.iter().any(|run| run.figures.contains_key(&figure));
    Figure::ALL.into_iter().filter(move |figure| contenders.iter().any(|contender| has(contender, *figure)))
}

impl<'a> Contender<'a> {
    /// The rounds whose figures count: those that were played to the end, or all where none was.
    pub(in crate::bench) fn counted(&self) -> Vec<&'a Run> {
        let whole: Vec<_> = self.runs.iter().copied().filter(|run| run.failure.is_none()).collect();
        if whole.is_empty() { self.runs.clone() } else { whole }
    }

    pub(in crate::bench) fn spread(&self, figure: Figure) -> Option<Spread> {
        Spread::of(self.counted().iter().filter_map(|run| run.figures.get(&figure).copied()))
    }

    /// Of rounds that both played. None for what is a count of something rare.
    pub(super) fn ratio(&self, to: &Self, figure: Figure) -> Option<Spread> {
        if matches!(figure.better(), Better::Zero | Better::Neither) {
            return None;
        }
        let theirs = to.counted();
        let pair = |run: &&Run| {
            let other = theirs.iter().find(|other| other.round == run.round)?;
            Some((*run.figures.get(&figure)?, *other.figures.get(&figure)?))
        };
        let rounds: Vec<_> = self.counted().iter().filter_map(pair).collect();
        Spread::ratio(&rounds)
    }

    /// As the program says it; several where they changed between rounds.
    pub(super) fn version(&self) -> Option<String> {
        let mut versions: Vec<&str> = self.runs.iter().filter_map(|run| run.version.as_deref()).collect();
        versions.dedup();
        (!versions.is_empty()).then(|| versions.join(", "))
    }

    /// Each fault in words: `samples lost: 154 at most, in 2 of 3 rounds`.
    pub(super) fn faults(&self) -> Vec<String> {
        let counted = self.counted();
        let fault = |figure: Figure| {
            let values = counted.iter().filter_map(|run| run.figures.get(&figure).copied());
            let bad: Vec<f64> = values.filter(|value| *value > 0.0).collect();
            let most = bad.iter().copied().reduce(f64::max)?;
            let rounds = match counted.len() {
                1 => String::new(),
                of => format!(" at most, in {} of {of} rounds", bad.len()),
            };
            Some(format!("{}: {}{rounds}", figure.title(), text::number(most, 0)))
        };
        Figure::ALL.into_iter().filter(|figure| self.is_fault(*figure)).filter_map(fault).collect()
    }

    /// Whether anything but 0 is a fault.
    pub(super) fn is_fault(&self, figure: Figure) -> bool {
        figure.better() == Better::Zero && !(figure == Figure::Lost && self.loss_expected)
    }

    /// The series that the faults are of: a few, those with the most first.
    pub(super) fn worst(&self) -> Vec<String> {
        if self.faults().is_empty() {
            return Vec::new();
        }
        let counted = self.counted();
        let all = counted.iter().flat_map(|run| run.worst.iter().map(|worst| (run.round, worst)));
        let words = |(round, worst): (usize, &Worst)| {
            let counts =
                [(worst.lost, "lost"), (worst.out_of_order, "out of order"), (worst.made_up, "made up")];
            let counts = counts.iter().filter(|(count, _)| *count > 0);
            let counts: Vec<_> =
                counts.map(|(count, what)| format!("{} {what}", human::count(*count))).collect();
            format!("round {round}, {}: {}", worst.series, counts.join(", "))
        };
        all.take(WORST).map(words).collect()
    }

    /// Each run that broke off, and what that means for the figures.
    pub(super) fn failures(&self) -> Vec<String> {
        let none_whole = self.runs.iter().all(|run| run.failure.is_some());
        let so_far = if none_whole { "the figures are those until then" } else { "its figures are left out" };
        let failure = |run: &&Run| {
            let why = run.failure.as_ref()?;
            Some(format!("round {} broke off, {so_far}: {why}", run.round))
        };
        self.runs.iter().filter_map(failure).collect()
    }

    /// The round that stands for the others where only one can be shown: of those that count, the one that took
    /// neither the least nor the most time.
    pub(super) fn middle(&self) -> Option<&'a Run> {
        let mut counted = self.counted();
        counted.sort_by(|a, b| length(a).total_cmp(&length(b)));
        counted.get((counted.len().max(1) - 1) / 2).copied()
    }
}

/// Seconds from the first push to the last moment.
pub(super) fn length(run: &Run) -> f64 {
    run.moments.last().map_or(0.0, |moment| moment.at_s)
}
