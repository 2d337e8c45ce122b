//! What is shown while the demo runs: a live line on a terminal, a line a phase elsewhere.

use super::delivery::Delivery;
use crate::harness::Verdict;
use crate::status::human;
use indicatif::{ProgressBar, ProgressStyle};
use std::cell::RefCell;
use std::io::{IsTerminal, Write};

#[derive(Debug)]
pub(super) struct View {
    /// None where stderr is no terminal.
    bar: Option<ProgressBar>,
    /// The figures shown last.
    figures: RefCell<String>,
}

impl View {
    pub(super) fn new() -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("     {spinner} {msg}").expect("BUG: a valid template");
            ProgressBar::new_spinner().with_style(style)
        });
        Self { bar, figures: RefCell::default() }
    }

    /// Ends a phase with the figures it came to, and begins the next.
    pub(super) fn phase(&self, title: &str) {
        self.end_phase();
        self.line(title);
    }

    /// Shows how things stand.
    pub(super) fn show(&self, verdict: &Verdict, delivery: &Delivery) {
        let figures = figures(verdict, delivery);
        if let Some(bar) = &self.bar {
            bar.set_message(figures.clone());
            bar.tick();
        }
        self.figures.replace(figures);
    }

    /// One line that stays.
    pub(super) fn line(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(text),
            // A reader that has gone away does not end the demo: its exit status is still wanted.
            None => drop(writeln!(std::io::stdout(), "{text}")),
        }
    }

    pub(super) fn finish(&self) {
        self.end_phase();
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn end_phase(&self) {
        let figures = self.figures.take();
        if !figures.is_empty() {
            self.line(&format!("     {figures}"));
        }
    }
}

fn figures(verdict: &Verdict, delivery: &Delivery) -> String {
    format!(
        "answered {}, delivered {}, held by the agent {}",
        human::count(verdict.answered),
        human::count(verdict.answered.saturating_sub(delivery.held)),
        human::count(delivery.held)
    )
}
