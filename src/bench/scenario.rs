//! The scenario file: a load, and what happens to the upstream and to the agent meanwhile. docs/bench.md has one with
//! every key.

use super::load::Load;
use super::text::{Size, Time};
use super::yaml::{parse, stem};
use anyhow::Context;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// Those that are built in, in the order of `bench list`.
const BUILT_IN: [(&str, &str); 8] = [
    ("steady", include_str!("../../benches/scenarios/steady.yml")),
    ("outage", include_str!("../../benches/scenarios/outage.yml")),
    ("kill", include_str!("../../benches/scenarios/kill.yml")),
    ("slow", include_str!("../../benches/scenarios/slow.yml")),
    ("poison", include_str!("../../benches/scenarios/poison.yml")),
    ("full-queue", include_str!("../../benches/scenarios/full-queue.yml")),
    ("storm", include_str!("../../benches/scenarios/storm.yml")),
    ("import", include_str!("../../benches/scenarios/import.yml")),
];

/// The most agents of a scenario: each is a process.
const MAX_AGENTS: usize = 1_000;

/// What is played.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Typed")]
pub struct Scenario {
    /// Of the file, without what follows the dot.
    #[serde(skip)]
    pub name: String,
    /// One sentence.
    pub about: String,
    pub load: Load,
    /// Agents that the hosts are dealt out to.
    #[serde(skip_serializing_if = "is_one")]
    pub agents: usize,
    /// What an agent may keep on disk; none where that is its own affair.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_bytes: Option<Size>,
    #[serde(skip_serializing_if = "Loses::is_nothing")]
    pub loses: Loses,
    pub phases: Vec<Phase>,
}

/// The file as typed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Typed {
    about: String,
    #[serde(default)]
    load: Load,
    #[serde(default = "one")]
    agents: usize,
    max_bytes: Option<Size>,
    #[serde(default)]
    loses: Loses,
    phases: Vec<Phase>,
}

/// What may be missing at the end without it being a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Loses {
    /// All that is answered has to arrive.
    #[default]
    Nothing,
    /// The scenario is made so that some of it cannot: what is lost is a figure.
    Expected,
}

/// A part of the scenario. Pushes go on from one to the next.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "TypedPhase")]
pub struct Phase {
    pub name: String,
    /// How long it takes; with `until`, at least.
    #[serde(rename = "for", skip_serializing_if = "Option::is_none")]
    pub length: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Until>,
    #[serde(skip_serializing_if = "Upstream::is_up")]
    pub upstream: Upstream,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<Event>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TypedPhase {
    name: String,
    #[serde(rename = "for")]
    length: Option<Time>,
    until: Option<Until>,
    #[serde(default)]
    upstream: Upstream,
    agent: Option<Event>,
}

/// What a phase lasts until.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Until {
    /// All is delivered that had been answered when it began.
    Current,
}

/// What the upstream does in a phase.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Upstream {
    /// Takes what comes and answers 204.
    #[default]
    Up,
    /// Refuses connections, and breaks off those there were.
    Down,
    /// Takes what comes, and answers only after this time.
    Slow(Time),
    /// Takes nothing, and answers so.
    Answer(Answer),
    /// Takes nothing, and resets the connection.
    Reset,
    /// Takes what comes, and resets the connection in the place of an answer.
    LoseAnswer,
    /// Reads, and never answers.
    Hang,
    /// Answers 400 to each request with a series of this name in it, and takes others.
    Poison(String),
    /// The same with so many percent of all series, which stay the same ones.
    PoisonPercent(f64),
    /// Takes what comes no faster than this many bytes a second.
    Narrow(Size),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "TypedAnswer")]
pub struct Answer {
    /// From 300 to 599.
    pub status: u16,
    /// `Retry-After`, in whole seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<Time>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TypedAnswer {
    status: u16,
    retry_after: Option<Time>,
}

/// What happens to every agent at the start of a phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    /// kill -9, and it is started again at once.
    Kill,
    /// SIGTERM, and it is started again as soon as it has ended.
    Restart,
    /// SIGTERM. It stays away until it is started.
    Stop,
    Start,
}

fn one() -> usize {
    1
}

fn is_one(agents: &usize) -> bool {
    *agents == 1
}

impl Loses {
    fn is_nothing(&self) -> bool {
        *self == Self::Nothing
    }
}

impl Upstream {
    pub fn is_up(&self) -> bool {
        *self == Self::Up
    }

    /// Whether nothing gets through.
    pub(super) fn is_outage(&self) -> bool {
        matches!(self, Self::Down | Self::Answer(_) | Self::Reset | Self::Hang)
    }

    /// Whether an agent can get rid of anything.
    fn takes(&self) -> bool {
        match self {
            Self::Up | Self::Slow(_) | Self::Poison(_) | Self::PoisonPercent(_) | Self::Narrow(_) => true,
            Self::Down | Self::Answer(_) | Self::Reset | Self::LoseAnswer | Self::Hang => false,
        }
    }
}

impl TryFrom<Typed> for Scenario {
    type Error = String;

    fn try_from(typed: Typed) -> Result<Self, String> {
        let Typed { about, load, agents, max_bytes, loses, phases } = typed;
        if !(1..=MAX_AGENTS).contains(&agents) {
            return Err(format!("agents: {agents} is not from 1 to {MAX_AGENTS}"));
        }
        if phases.is_empty() {
            return Err("phases: there has to be one".into());
        }
        let scenario = Self { name: String::new(), about, load, agents, max_bytes, loses, phases };
        scenario.check_events()?;
        Ok(scenario)
    }
}

impl TryFrom<TypedPhase> for Phase {
    type Error = String;

    fn try_from(typed: TypedPhase) -> Result<Self, String> {
        let TypedPhase { name, length, until, upstream, agent } = typed;
        if length.is_none() && until.is_none() {
            return Err(format!("the phase {name:?} has no end: write `for: 8s`, `until: current`, or both"));
        }
        match upstream {
            Upstream::PoisonPercent(percent) if !(percent > 0.0 && percent <= 100.0) => {
                return Err(format!("poison-percent: {percent} is not above 0 and up to 100"));
            }
            Upstream::Narrow(Size(0)) => return Err("narrow: it has to be above 0".into()),
            _ => {}
        }
        if until.is_some() && !upstream.takes() {
            return Err(format!(
                "the phase {name:?} lasts until all is delivered, but its upstream takes nothing"
            ));
        }
        Ok(Self { name, length, until, upstream, agent })
    }
}

impl TryFrom<TypedAnswer> for Answer {
    type Error = String;

    fn try_from(TypedAnswer { status, retry_after }: TypedAnswer) -> Result<Self, String> {
        if !(300..=599).contains(&status) {
            return Err(format!("status: {status} is no refusal: write one from 300 to 599"));
        }
        Ok(Self { status, retry_after })
    }
}

impl Scenario {
    /// One that is built in, or a file where `name` is a path.
    ///
    /// # Errors
    ///
    /// There is none of that name, or the file has an error, which is named with its line.
    pub fn find(name: &str) -> anyhow::Result<Self> {
        if let Some((_, text)) = BUILT_IN.iter().find(|(known, _)| *known == name) {
            return Self::parse(name, name, text);
        }
        anyhow::ensure!(
            name.contains(['/', '.']),
            "there is no scenario {name}: `pmm-buffer bench list` shows those that are built in; a file is given by \
             its path, as in ./{name}.yml"
        );
        let text = std::fs::read_to_string(name).with_context(|| format!("cannot read {name}"))?;
        Self::parse(stem(name), name, &text)
    }

    /// Those that are built in.
    pub fn built_in() -> impl Iterator<Item = Self> {
        BUILT_IN
            .iter()
            .map(|(name, text)| Self::parse(name, name, text).expect("BUG: the tests parse each of them"))
    }

    fn parse(name: &str, file: &str, text: &str) -> anyhow::Result<Self> {
        Ok(Self { name: name.to_owned(), ..parse(file, text)? })
    }

    /// In the form of its file.
    pub fn text(&self) -> String {
        serde_saphyr::to_string(self).expect("BUG: a scenario has nothing that YAML cannot say")
    }

    /// With each phase that has a length made so long.
    #[must_use]
    pub fn lasting(mut self, length: Time) -> Self {
        self.phases.iter_mut().filter_map(|phase| phase.length.as_mut()).for_each(|time| *time = length);
        self
    }

    /// How long it takes at least.
    pub fn length(&self) -> Duration {
        self.phases.iter().filter_map(|phase| phase.length).map(|time| time.0).sum()
    }

    /// What a running agent, which cannot be started anew, makes impossible; none where nothing does.
    pub fn needs(&self) -> Needs {
        Needs {
            upstream: self.phases.iter().any(|phase| !phase.upstream.is_up() || phase.until.is_some()),
            process: self.agents > 1
                || self.max_bytes.is_some()
                || self.phases.iter().any(|phase| phase.agent.is_some()),
        }
    }

    /// An agent that is away cannot be killed, nor can one that runs be started.
    fn check_events(&self) -> Result<(), String> {
        let mut is_running = true;
        for phase in &self.phases {
            let name = &phase.name;
            match phase.agent {
                Some(Event::Start) if is_running => {
                    return Err(format!("the phase {name:?} starts an agent that runs"));
                }
                Some(Event::Kill | Event::Restart | Event::Stop) if !is_running => {
                    return Err(format!("the agent has been stopped before the phase {name:?}"));
                }
                Some(event) => is_running = event != Event::Stop,
                None => {}
            }
            if phase.until.is_some() && !is_running {
                return Err(format!("the phase {name:?} would never end: the agent has been stopped"));
            }
        }
        Ok(())
    }
}

/// What a scenario cannot do without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Needs {
    /// An upstream of the harness.
    pub upstream: bool,
    /// An agent that the harness starts.
    pub process: bool,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if let Some(time) = self.length {
            write!(f, " for {time}")?;
        }
        if let Some(Until::Current) = self.until {
            f.write_str(" until all is delivered")?;
        }
        if let Some(event) = self.agent {
            write!(f, ", {event}")?;
        }
        if !self.upstream.is_up() {
            write!(f, ", {}", self.upstream)?;
        }
        Ok(())
    }
}

impl fmt::Display for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Up => f.write_str("the upstream is up"),
            Self::Down => f.write_str("the upstream is down"),
            Self::Slow(time) => write!(f, "the upstream answers after {time}"),
            Self::Answer(Answer { status, retry_after: None }) => write!(f, "the upstream answers {status}"),
            Self::Answer(Answer { status, retry_after: Some(time) }) => {
                write!(f, "the upstream answers {status} with Retry-After {}", time.0.as_secs())
            }
            Self::Reset => f.write_str("the upstream resets connections"),
            Self::LoseAnswer => f.write_str("the upstream takes what comes, and its answers are lost"),
            Self::Hang => f.write_str("the upstream never answers"),
            Self::Poison(name) => write!(f, "the upstream refuses what has {name} in it"),
            Self::PoisonPercent(percent) => {
                write!(f, "the upstream refuses what has one of {percent} % of the series in it")
            }
            Self::Narrow(size) => write!(f, "the upstream takes {size} a second"),
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kill => "the agent is killed and started",
            Self::Restart => "the agent is restarted",
            Self::Stop => "the agent is stopped",
            Self::Start => "the agent is started",
        })
    }
}

#[cfg(test)]
#[path = "scenario_tests.rs"]
mod tests;
