//! `bench tune`: the settings that matter, tried on this host's disk.
//!
//! ```text
//!  settings ─▶ screening: each against the defaults ─▶ judge ─▶ confirmation: the best together ─▶ judge ─▶ advice
//!              3 rounds, in turn                                5 rounds of their own, in turn
//! ```
//!
//! With twenty figures compared, one or the other beats the defaults by luck. So what wins is played again, and only what
//! is measured then counts.

mod judge;
mod probe;
mod settings;
mod text;

pub use text::terminal;

use super::compare::{self, Plan};
use super::contender::Contender;
use super::load::Load;
use super::outcome::Report;
use super::scenario::{Loses, Phase, Scenario, Upstream};
use super::stage::Progress;
use super::subject::Subject;
use super::text::{Rate, Time};
use crate::clock::Clock;
use anyhow::bail;
use judge::Effect;
use probe::Probe;
use settings::Settings;
use std::path::Path;

/// Pushers, each with a host of its own: what it takes for pushes to wait for each other's sync.
const HOSTS: usize = 8;
const SERIES: usize = 1_000;
/// The confirmation's, beyond those of the screening.
const MORE_ROUNDS: usize = 2;

/// What came of it.
#[derive(Debug)]
pub struct Advice {
    /// Each setting against the defaults.
    screening: Report,
    /// The best of them together against the defaults; none where nothing was better.
    confirmation: Option<Report>,
    found: Found,
    probe: Probe,
}

/// What is to be changed.
#[derive(Debug, Clone, PartialEq)]
enum Found {
    /// Nothing was better than the defaults beyond the spread.
    Defaults,
    /// Something was, and when it was played again it was not.
    Luck(Settings),
    /// This, with what it wins.
    Gain(Settings, Vec<Effect>),
}

impl Advice {
    /// All runs, in the form of the other parts of `bench`.
    pub fn report(&self) -> Report {
        let mut report = self.screening.clone();
        report.scenarios.extend(self.confirmation.iter().flat_map(|report| report.scenarios.clone()));
        report
    }
}

/// What all trials have in common.
pub struct Trials<'a> {
    /// Its disk is what is measured.
    pub folder: &'a Path,
    /// How long each pushes.
    pub length: Time,
    /// Of the screening. What was measured once proves nothing.
    pub rounds: usize,
    pub clock: &'a Clock,
    pub progress: &'a dyn Progress,
}

impl Trials<'_> {
    /// Tries the settings.
    ///
    /// # Errors
    ///
    /// An agent does not start, or a run broke off.
    pub async fn tune(&self) -> anyhow::Result<Advice> {
        let screening = self.play("screening", &Settings::screening(), self.rounds).await?;
        let mut confirmation = None;
        let mut found = Found::Defaults;
        if let Some(winner) = judge::best(&screening) {
            let rounds = self.rounds + MORE_ROUNDS;
            let again = self.play("confirmation", &[Settings::default(), winner], rounds).await?;
            found = match judge::helps(&again, &winner) {
                Some(effects) => Found::Gain(winner, effects),
                None => Found::Luck(winner),
            };
            confirmation = Some(again);
        }
        let probe = Probe::take(self).await?;
        Ok(Advice { screening, confirmation, found, probe })
    }

    /// Plays the settings in turn.
    async fn play(&self, name: &str, settings: &[Settings], rounds: usize) -> anyhow::Result<Report> {
        let subject = |one| Ok(Subject::Started { contender: contender(one)?, version: None });
        let plan = Plan {
            scenarios: vec![Scenario { name: name.to_owned(), ..scenario(self.length) }],
            subjects: settings.iter().map(subject).collect::<anyhow::Result<_>>()?,
            rounds,
            folder: self.folder.to_owned(),
        };
        let report = compare::play(&plan, self.clock, self.progress).await?;
        match plan.faults(&report).first() {
            Some(fault) => bail!("nothing can be said, because a run went wrong: {fault}"),
            None => Ok(report),
        }
    }
}

/// This very program, so configured.
fn contender(settings: &Settings) -> anyhow::Result<Contender> {
    let mut contender = Contender::ours()?;
    contender.name = settings.to_string();
    contender.profile.args = ["run", "--config", "{config}"].map(Into::into).into();
    contender.profile.config = Some(settings.config());
    Ok(contender)
}

/// Pushers at full speed while the upstream is away, and then the way back.
fn scenario(length: Time) -> Scenario {
    let away = Phase {
        name: "upstream away".into(),
        length: Some(length),
        until: None,
        upstream: Upstream::Down,
        agent: None,
    };
    Scenario {
        name: String::new(),
        about: "Pushers at full speed while the upstream is away, then the way back.".into(),
        load: Load { hosts: HOSTS, series: Some(SERIES), rate: Some(Rate::Max), ..Load::default() },
        agents: 1,
        max_bytes: None,
        loses: Loses::Nothing,
        phases: vec![away],
    }
}
