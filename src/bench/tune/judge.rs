//! From what was measured to what is advised. Pure.

use super::settings::Settings;
use crate::bench::outcome::{Figure, Report};
use crate::bench::report::change::{Change, Meaning};
use crate::bench::report::view;

/// One figure with the defaults, and with a setting.
pub(super) type Effect = Change;

/// What a setting may win or cost.
pub(super) const FIGURES: [Figure; 4] =
    [Figure::SamplesPerSecond, Figure::AnswerP50Ms, Figure::AnswerP99Ms, Figure::CatchUpPerSecond];

/// A change below so many percent is not worth a line in a file.
const LEAST_PERCENT: f64 = 10.0;

/// The candidates that help, put together: of those that change the same thing, the one that wins most. None where none
/// helps.
pub(super) fn best(report: &Report) -> Option<Settings> {
    let helping =
        Settings::candidates().into_iter().filter_map(|one| Some((one, gain(&helps(report, &one)?))));
    let mut helping: Vec<(Settings, f64)> = helping.collect();
    helping.sort_by(|a, b| b.1.total_cmp(&a.1));
    helping.into_iter().map(|(one, _)| one).reduce(|all, one| all.with(one).unwrap_or(all))
}

/// What a setting changes, where that is for the better: some figure won, beyond the spread, and none lost.
pub(super) fn helps(report: &Report, settings: &Settings) -> Option<Vec<Effect>> {
    let effects = effects(report, settings)?;
    let has = |meaning| effects.iter().any(|effect| counts(effect) && effect.meaning() == meaning);
    (has(Meaning::Better) && !has(Meaning::Worse)).then_some(effects)
}

/// What a setting changes, of what was measured with it and with the defaults.
pub(super) fn effects(report: &Report, settings: &Settings) -> Option<Vec<Effect>> {
    let contenders = view::contenders(report.scenarios.first()?);
    let find = |settings: &Settings| {
        let name = settings.to_string();
        contenders.iter().find(|contender| contender.name == name)
    };
    let (defaults, tried) = (find(&Settings::default())?, find(settings)?);
    Some(FIGURES.into_iter().filter_map(|figure| Effect::of(defaults, tried, figure)).collect())
}

/// True where the figure is better beyond the spread, and by enough.
pub(super) fn is_gain(effect: &Effect) -> bool {
    counts(effect) && effect.meaning() == Meaning::Better
}

fn counts(effect: &Effect) -> bool {
    effect.percent().is_some_and(|percent| percent.abs() >= LEAST_PERCENT)
}

/// How many times better, all figures that won together, as a logarithm.
fn gain(effects: &[Effect]) -> f64 {
    let won = effects.iter().filter(|effect| is_gain(effect));
    won.map(|effect| (effect.now.median / effect.before.median).ln().abs()).sum()
}

/// Reports for tests.
#[cfg(test)]
pub(super) mod sample {
    use super::*;
    use crate::bench::outcome::{Host, Played, Run, VERSION};
    use std::collections::BTreeMap;

    /// What is measured in a round: a value for each of [`FIGURES`].
    pub(crate) type Round = [f64; 4];

    pub(crate) fn report(trials: &[(Settings, Vec<Round>)]) -> Report {
        let run = |settings: &Settings, round: usize, values: &Round| Run {
            contender: settings.to_string(),
            version: None,
            round,
            figures: FIGURES.into_iter().zip(*values).collect::<BTreeMap<_, _>>(),
            phases: Vec::new(),
            moments: Vec::new(),
            failure: None,
            worst: Vec::new(),
        };
        let runs = trials.iter().flat_map(|(settings, rounds)| {
            rounds.iter().enumerate().map(move |(at, values)| run(settings, at + 1, values))
        });
        let host = Host {
            cpu: String::new(),
            cores: 1,
            memory_bytes: 1,
            kernel: String::new(),
            file_system: String::new(),
        };
        let (scenario, about, text) = (String::new(), String::new(), String::new());
        let played = Played { scenario, about, text, loss_expected: false, runs: runs.collect() };
        Report { version: VERSION, began: String::new(), host, scenarios: vec![played] }
    }

    /// Three rounds around what the defaults measure, times a factor a figure.
    pub(crate) fn times(factors: Round) -> Vec<Round> {
        [0.98, 1.0, 1.02].map(|noise| std::array::from_fn(|at| 100.0 * noise * factors[at])).into()
    }
}

#[cfg(test)]
mod tests {
    use super::sample::{Round, report, times};
    use super::*;
    use proptest::prelude::*;

    fn with(candidates: &[Round]) -> Report {
        let trials =
            Settings::candidates().into_iter().zip(candidates).map(|(one, factors)| (one, times(*factors)));
        let defaults = (Settings::default(), times([1.0; 4]));
        report(&[defaults].into_iter().chain(trials).collect::<Vec<_>>())
    }

    #[test]
    fn the_defaults_are_fine_where_nothing_is_better_beyond_the_spread() {
        assert_eq!(best(&with(&[[1.0; 4]; 3])), None);
        // Better, but by too little; better within the spread is not better.
        assert_eq!(best(&with(&[[1.08; 4], [1.0; 4], [1.01; 4]])), None);
        assert_eq!(best(&report(&[])), None);
    }

    #[test]
    fn what_wins_and_loses_nothing_is_advised() {
        let [small, large, memory] = Settings::candidates();
        // The figures: pushes a second, median and p99 of answers, delivered a second.
        assert_eq!(best(&with(&[[1.0; 4], [1.0, 1.0, 1.0, 1.5], [1.0; 4]])), Some(large));
        assert_eq!(best(&with(&[[1.0, 0.5, 1.0, 1.0], [1.0, 1.0, 1.0, 1.5], [1.0; 4]])), Some(small));
        assert_eq!(best(&with(&[[1.0; 4], [1.0; 4], [1.2, 1.0, 1.0, 1.0]])), Some(memory));
        assert_eq!(best(&with(&[[1.0; 4], [1.0, 1.0, 1.0, 1.5], [1.2, 1.0, 1.0, 1.0]])), large.with(memory));
        // Faster on the way back, and slower to answer.
        assert_eq!(best(&with(&[[1.0; 4], [1.0, 1.0, 1.3, 1.5], [1.0; 4]])), None);
        // Slower by too little to say so.
        assert_eq!(best(&with(&[[1.0; 4], [0.95, 1.0, 1.05, 1.5], [1.0; 4]])), Some(large));
    }

    #[test]
    fn giving_up_safety_is_never_advised() {
        let trials =
            [(Settings::default(), times([1.0; 4])), (Settings::unsynced(), times([9.0, 0.1, 0.1, 9.0]))];
        assert_eq!(best(&report(&trials)), None);
        assert!(helps(&report(&trials), &Settings::unsynced()).is_some());
    }

    proptest! {
        #[test]
        fn what_is_advised_wins_somewhere_and_loses_nowhere(
            values in prop::collection::vec(prop::collection::vec(prop::array::uniform4(1.0..200.0_f64), 0..5), 4),
        ) {
            let settings = [Settings::default()].into_iter().chain(Settings::candidates());
            let report = report(&settings.zip(values).collect::<Vec<_>>());
            let Some(best) = best(&report) else { return Ok(()) };
            let parts = Settings::candidates().into_iter().filter(|one| {
                one.batch.is_none_or(|_| one.batch == best.batch) && one.memory.is_none_or(|_| one.memory == best.memory)
            });
            let mut all = Settings::default();
            for part in parts {
                let effects = helps(&report, &part).expect("each part helps by itself");
                let good = |effect: &Effect| effect.meaning() == Meaning::Better && counts(effect);
                let bad = |effect: &Effect| effect.meaning() == Meaning::Worse && counts(effect);
                prop_assert!(effects.iter().any(good) && !effects.iter().any(bad));
                all = all.with(part).expect("one of each kind");
            }
            prop_assert_eq!(all, best);
        }

        #[test]
        fn noise_around_the_same_values_is_no_gain(
            rounds in prop::collection::vec(prop::array::uniform4(0.955..1.045_f64), 12),
        ) {
            let at = |from: usize| rounds[from..from + 3].iter().map(|round| round.map(|value| value * 100.0)).collect();
            let settings = [Settings::default()].into_iter().chain(Settings::candidates());
            let trials: Vec<_> = settings.zip([0, 3, 6, 9]).map(|(one, from)| (one, at(from))).collect();
            prop_assert_eq!(best(&report(&trials)), None);
        }
    }
}
