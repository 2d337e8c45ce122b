//! Scenarios on contenders, in turn: A B A B.

use super::host::host;
use super::outcome::{Figure, Played, Report, Run, VERSION, Worst};
use super::scenario::{Loses, Needs, Scenario};
use super::stage::{self, Progress, Setting};
use super::subject::Subject;
use crate::clock::Clock;
use anyhow::{Context, ensure};
use std::path::PathBuf;

/// What is to be played.
#[derive(Debug)]
pub struct Plan {
    pub scenarios: Vec<Scenario>,
    /// In the order of a round.
    pub subjects: Vec<Subject>,
    /// At least 1.
    pub rounds: usize,
    /// Where queues live.
    pub folder: PathBuf,
}

/// Plays a plan that has been checked.
///
/// # Errors
///
/// A contender does not start. What goes wrong with it later stands in its run.
pub async fn play(plan: &Plan, clock: &Clock, progress: &dyn Progress) -> anyhow::Result<Report> {
    let began = moment(clock());
    let mut scenarios = Vec::new();
    for scenario in &plan.scenarios {
        let mut runs = Vec::new();
        for round in 1..=plan.rounds {
            for subject in &plan.subjects {
                progress.run(scenario, subject.name(), round);
                let folder = plan.folder.as_path();
                let setting = Setting { scenario, subject, round, folder, clock, progress };
                let run = stage::play(&setting).await;
                runs.push(
                    run.with_context(|| format!("cannot play {} on {}", scenario.name, subject.name()))?,
                );
            }
        }
        let Scenario { name, about, .. } = scenario;
        scenarios.push(Played {
            scenario: name.clone(),
            about: about.clone(),
            text: scenario.text(),
            loss_expected: scenario.loses == Loses::Expected,
            runs,
        });
    }
    Ok(Report { version: VERSION, began, host: host(&plan.folder), scenarios })
}

impl Plan {
    /// An error where something of it does not go together.
    pub fn check(&self) -> anyhow::Result<()> {
        for (scenario, subject) in
            self.scenarios.iter().flat_map(|one| self.subjects.iter().map(move |two| (one, two)))
        {
            let (name, Needs { upstream, process }) = (&scenario.name, scenario.needs());
            match subject {
                Subject::Started { contender, .. } => ensure!(
                    scenario.max_bytes.is_none() || contender.profile.args_when_bounded.is_some(),
                    "the scenario {name} bounds the queue, and the profile of {} has no args_when_bounded to say so",
                    contender.name
                ),
                Subject::Running { upstream: listen, .. } => {
                    ensure!(
                        !process,
                        "the scenario {name} starts and stops agents or bounds their queue, which cannot be done to one \
                         that runs already: leave --target out, or choose another scenario"
                    );
                    ensure!(
                        !upstream || listen.is_some(),
                        "the scenario {name} needs an upstream of its own: give --upstream-listen with the address that \
                         the agent sends to"
                    );
                }
            }
        }
        Ok(())
    }
}

impl Run {
    /// True where nothing was lost that should have arrived, nothing came out of order, and nothing was made up.
    fn is_clean(&self, scenario: &Scenario) -> bool {
        let is_zero = |figure| self.figures.get(&figure).is_none_or(|count| *count == 0.0);
        (scenario.loses == Loses::Expected || is_zero(Figure::Lost))
            && is_zero(Figure::OutOfOrder)
            && is_zero(Figure::MadeUp)
    }
}

impl Plan {
    /// What is wrong in a report on this plan, for the user: runs that broke off, and faults of those that are held to
    /// have none.
    pub fn faults(&self, report: &Report) -> Vec<String> {
        let pairs = self.scenarios.iter().zip(&report.scenarios);
        let runs = pairs.flat_map(|(scenario, played)| played.runs.iter().map(move |run| (scenario, run)));
        runs.filter_map(|(scenario, run)| self.fault(scenario, run)).collect()
    }

    fn fault(&self, scenario: &Scenario, run: &Run) -> Option<String> {
        let of = format!("{} on {}, round {}", scenario.name, run.contender, run.round);
        if let Some(failure) = &run.failure {
            return Some(format!("{of}: {failure}"));
        }
        let is_ours =
            self.subjects.iter().any(|subject| subject.name() == run.contender && subject.is_ours());
        (is_ours && !run.is_clean(scenario)).then(|| {
            format!("{of}: not all that was answered arrived, in order, and nothing else{}", worst(run))
        })
    }
}

/// The series that fared worst, a line each.
fn worst(run: &Run) -> String {
    let line = |worst: &Worst| {
        let Worst { series, lost, out_of_order, made_up } = worst;
        format!("\n  {series}: {lost} lost, {out_of_order} out of order, {made_up} made up")
    };
    run.worst.iter().map(line).collect()
}

/// RFC 3339, in UTC, to the second.
fn moment(ms: i64) -> String {
    let since = std::time::Duration::from_secs(u64::try_from(ms / 1_000).unwrap_or_default());
    humantime::format_rfc3339_seconds(std::time::UNIX_EPOCH + since).to_string()
}

#[cfg(test)]
#[path = "compare_tests.rs"]
mod tests;
