//! What is shown while scenarios are played: a live line on a terminal, a line a phase elsewhere.

use crate::bench::outcome::Moment;
use crate::bench::{Phase, Progress, Scenario};
use crate::status::human;
use indicatif::{ProgressBar, ProgressStyle};
use std::cell::RefCell;
use std::io::{IsTerminal, Write};

/// All of it goes to stderr: stdout is for the report.
#[derive(Debug)]
pub(super) struct View {
    /// None where stderr is no terminal.
    bar: Option<ProgressBar>,
    /// None where they are not known beforehand.
    rounds: Option<usize>,
    state: RefCell<State>,
}

#[derive(Debug, Default)]
struct State {
    run: String,
    phase: String,
}

impl View {
    pub(super) fn new(rounds: Option<usize>) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{spinner} {msg}").expect("BUG: a valid template");
            ProgressBar::new_spinner().with_style(style)
        });
        Self { bar, rounds, state: RefCell::default() }
    }

    pub(super) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    /// A line that stays, where there is no live one.
    fn line(&self, text: &str) {
        if self.bar.is_none() {
            // A reader that has gone away does not end the bench: its exit status is still wanted.
            drop(writeln!(std::io::stderr(), "{text}"));
        }
    }
}

impl Progress for View {
    fn run(&self, scenario: &Scenario, contender: &str, round: usize) {
        let of = self.rounds.map_or(String::new(), |rounds| format!(" of {rounds}"));
        let run = format!("{}, {contender}, round {round}{of}", scenario.name);
        self.line(&run);
        *self.state.borrow_mut() = State { run, phase: "starts".into() };
        if let Some(bar) = &self.bar {
            bar.set_message(format!("{}: starts", self.state.borrow().run));
        }
    }

    fn phase(&self, phase: &Phase) {
        self.line(&format!("  {phase}"));
        self.state.borrow_mut().phase.clone_from(&phase.name);
    }

    fn moment(&self, moment: &Moment) {
        let Some(bar) = &self.bar else { return };
        let State { run, phase } = &*self.state.borrow();
        bar.set_message(format!(
            "{run}: {phase}, {:.0} s, answered {}, delivered {}, waiting {}",
            moment.at_s,
            human::count(moment.answered),
            human::count(moment.delivered),
            human::count(moment.backlog),
        ));
        bar.tick();
    }
}
