//! `pmm-buffer queue inspect | verify | repair`: the queue on disk, without the agent. `dead-letter` is a file of its own.
//!
//! Exit status: 0 when all is well; 1 when the queue cannot be read, `verify` finds damage, or `repair` fails; 64 for
//! a configuration that does not name a folder.

use super::dead_letter;
use super::place::{config_of, refuse};
use super::table::table;
use crate::cli;
use crate::queue::survey::{Figures, Loss, Survey, SurveyError, Upstream, survey};
use crate::queue::{self, OpenError};
use crate::status::human;
use indicatif::{ProgressBar, ProgressStyle};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

/// Runs one of the subcommands.
pub fn run(command: &cli::Queue) -> anyhow::Result<ExitCode> {
    match command {
        cli::Queue::Inspect(args) => at(&args.place, |path| {
            show(&look(path)?, args.json, inspection);
            Ok(ExitCode::SUCCESS)
        }),
        cli::Queue::Verify(args) => at(&args.place, |path| {
            let survey = look(path)?;
            show(&survey, args.json, verdict);
            Ok(if survey.is_sound() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }),
        cli::Queue::Repair(place) => at(place, repair),
        cli::Queue::DeadLetter { command } => dead_letter::run(command),
    }
}

/// Acts on the folder of the store.
fn at(place: &cli::Place, act: impl FnOnce(&Path) -> anyhow::Result<ExitCode>) -> anyhow::Result<ExitCode> {
    match config_of(place) {
        Ok(config) => act(&config.queue_folder()),
        Err(errors) => Ok(refuse(&errors)),
    }
}

/// Surveys the queue, with a bar where standard error is a terminal.
fn look(path: &Path) -> Result<Survey, SurveyError> {
    let style = ProgressStyle::with_template("reading {bytes} of {total_bytes} {wide_bar} {eta}");
    let bar = ProgressBar::new(0).with_style(style.expect("BUG: a valid template"));
    let surveyed = survey(path, |read, total| {
        bar.set_length(total);
        bar.set_position(read);
    });
    bar.finish_and_clear();
    surveyed
}

fn repair(path: &Path) -> anyhow::Result<ExitCode> {
    let refused = match look(path) {
        Ok(survey) => {
            println!("{}", headline(&survey));
            println!(
                "The queue opens as it is, nothing was changed: start the agent, it delivers what can be read."
            );
            return Ok(ExitCode::SUCCESS);
        }
        Err(refused) => refused,
    };
    // Anything else would not be mended by it, or needs no mending.
    let SurveyError::Open(OpenError::Damaged { .. }) = refused else { return Err(refused.into()) };
    queue::repair(path)?;
    show(&look(path)?, false, verdict);
    println!("Repaired; what does not read was moved to {}/lost. Start the agent.", path.display());
    Ok(ExitCode::SUCCESS)
}

fn show(survey: &Survey, as_json: bool, text: fn(&Survey) -> String) {
    let out = if as_json {
        let json = serde_json::to_string_pretty(survey).expect("BUG: numbers and texts are JSON");
        format!("{json}\n")
    } else {
        text(survey)
    };
    // A reader that has seen enough (`| head`) is no failure.
    let _ = std::io::stdout().write_all(out.as_bytes());
}

fn headline(survey: &Survey) -> String {
    let Figures { first, end, records, samples, bytes, series, .. } = survey.total;
    let mut out = format!("{}: {} on disk\n", survey.path, human::bytes(survey.disk_bytes));
    let count = human::count;
    let _ = write!(
        out,
        "{} records (positions {first} to {end}), {} samples of {} series, {}",
        count(records),
        count(samples),
        count(series),
        human::bytes(bytes)
    );
    if records > 0 {
        let _ = write!(
            out,
            ", {} a sample, accepted {} to {}",
            bytes_a_sample(&survey.total),
            human::moment(survey.total.first_accepted_ms),
            human::moment(survey.total.last_accepted_ms)
        );
    }
    out
}

fn bytes_a_sample(figures: &Figures) -> String {
    if figures.samples == 0 {
        "–".into()
    } else {
        format!("{:.2} bytes", figures.bytes as f64 / figures.samples as f64)
    }
}

/// What `inspect` prints.
fn inspection(survey: &Survey) -> String {
    let mut out = headline(survey);
    out.push_str("\n\n");
    let mut segments =
        table(&["segment", "records", "samples", "series", "bytes", "a sample", "accepted from", "to"]);
    for figures in survey.segments.iter().filter(|figures| figures.records > 0) {
        segments.add_row([
            figures.first.to_string(),
            human::count(figures.records),
            human::count(figures.samples),
            human::count(figures.series),
            human::bytes(figures.bytes),
            bytes_a_sample(figures),
            human::moment(figures.first_accepted_ms),
            human::moment(figures.last_accepted_ms),
        ]);
    }
    let mut upstreams = table(&["upstream", "settled before", "waiting records", "samples", "bytes"]);
    for Upstream { name, acked, backlog_records, backlog_samples, backlog_bytes } in &survey.upstreams {
        upstreams.add_row([
            human::printable(name).into_owned(),
            acked.to_string(),
            human::count(*backlog_records),
            human::count(*backlog_samples),
            human::bytes(*backlog_bytes),
        ]);
    }
    let _ = writeln!(out, "{segments}\n\n{upstreams}");
    if !survey.is_sound() {
        out.push('\n');
        out.push_str(&damage(survey));
    }
    out
}

/// What `verify` prints.
fn verdict(survey: &Survey) -> String {
    let mut out = headline(survey);
    out.push('\n');
    if survey.is_sound() {
        out.push_str("Sound: every record reads.\n");
    } else {
        out.push_str(&damage(survey));
    }
    out
}

fn damage(survey: &Survey) -> String {
    let mut out = String::new();
    for what in &survey.damage {
        let _ = writeln!(out, "Damaged: {}", human::printable(what));
    }
    for Loss { first, end, samples, from_ms, to_ms, cause } in &survey.losses {
        let _ = writeln!(
            out,
            "Lost: positions {first} to {end}, {} samples accepted between {} and {} ({})",
            human::count(*samples),
            human::moment(*from_ms),
            human::moment(*to_ms),
            human::printable(cause)
        );
    }
    let _ = writeln!(
        out,
        "{} of {} samples are lost; the agent delivers all others and counts these. Check the disk.",
        human::count(survey.samples_lost()),
        human::count(survey.total.samples)
    );
    out
}
