//! `pmm-buffer bench`: measures this agent and others, see docs/bench.md.
//!
//! The report goes to stdout, progress and faults to stderr.

mod list;
mod view;

use super::interrupt::unless_interrupted;
use super::wall;
use crate::bench::outcome::Report;
use crate::bench::{Contender, Plan, Scenario, Subject, Target, play, report, tune};
use crate::cli::{Bench, BenchCompare, BenchPlaces, BenchPlay, BenchRun, BenchShow, BenchTune, EXIT_USAGE};
use crate::clock::Clock;
use anyhow::{Context, anyhow, ensure};
use std::collections::HashSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use view::View;

/// Scenarios of `bench run` and `bench compare` where none is named.
const RUN: [&str; 1] = ["steady"];
const COMPARE: [&str; 2] = ["steady", "outage"];

/// Does what `command` says.
pub fn run(command: &Bench) -> anyhow::Result<ExitCode> {
    match command {
        Bench::Run(args) => unless_interrupted(async { measure(plan_run(args).await, &args.play).await }),
        Bench::Compare(args) => unless_interrupted(measure(plan_compare(args), &args.play)),
        Bench::Tune(args) => unless_interrupted(tune(args)),
        Bench::Show(args) => show(args),
        Bench::List => {
            list::print();
            Ok(ExitCode::SUCCESS)
        }
    }
}

async fn plan_run(args: &BenchRun) -> anyhow::Result<Plan> {
    let subject = match &args.target {
        Some(url) => Subject::Running { target: Target::find(url).await?, upstream: args.upstream_listen },
        None => Subject::started(Contender::find(&args.contender)?),
    };
    plan(&args.scenarios, &RUN, vec![subject], args.rounds, &args.play)
}

fn plan_compare(args: &BenchCompare) -> anyhow::Result<Plan> {
    let others = args.with.iter().map(|name| Contender::find(name));
    let contenders = [Contender::ours()].into_iter().chain(others).collect::<anyhow::Result<Vec<_>>>()?;
    let mut names = HashSet::new();
    for contender in &contenders {
        ensure!(names.insert(&contender.name), "{} is to be compared with itself", contender.name);
    }
    let subjects = contenders.into_iter().map(Subject::started).collect();
    plan(&args.scenarios, &COMPARE, subjects, args.rounds, &args.play)
}

fn plan(
    names: &[String],
    default: &[&str],
    subjects: Vec<Subject>,
    rounds: u16,
    play: &BenchPlay,
) -> anyhow::Result<Plan> {
    let names: Vec<&str> =
        if names.is_empty() { default.to_vec() } else { names.iter().map(String::as_str).collect() };
    let scenarios = names.into_iter().map(|name| scenario(name, play)).collect::<anyhow::Result<_>>()?;
    let folder = folder(play.places.folder.as_deref())?;
    let plan = Plan { scenarios, subjects, rounds: rounds.into(), folder };
    plan.check()?;
    Ok(plan)
}

/// Where queues live.
fn folder(given: Option<&Path>) -> anyhow::Result<PathBuf> {
    let folder = given.map_or_else(std::env::temp_dir, Path::to_owned);
    ensure!(folder.is_dir(), "{} is no folder", folder.display());
    Ok(folder)
}

fn scenario(name: &str, play: &BenchPlay) -> anyhow::Result<Scenario> {
    let mut scenario = Scenario::find(name)?;
    let load = scenario.load.with(play.load.changes());
    scenario.load = load.map_err(|error| anyhow!("{name}: {error}"))?;
    Ok(match play.length {
        Some(length) => scenario.lasting(length),
        None => scenario,
    })
}

/// Plays the plan, and prints and writes the report.
async fn measure(plan: anyhow::Result<Plan>, args: &BenchPlay) -> anyhow::Result<ExitCode> {
    let plan = match plan {
        Ok(plan) => plan,
        Err(error) => {
            eprintln!("error: {error:#}");
            return Ok(ExitCode::from(EXIT_USAGE));
        }
    };
    let view = View::new(Some(plan.rounds));
    let played = play(&plan, &(Arc::new(wall::now_ms) as Clock), &view).await;
    view.finish();
    let report = played?;
    print(&report::terminal(&report));
    write_report(&report, &args.places)?;
    let faults = plan.faults(&report);
    faults.iter().for_each(|fault| eprintln!("error: {fault}"));
    Ok(if faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn tune(args: &BenchTune) -> anyhow::Result<ExitCode> {
    let folder = match folder(args.places.folder.as_deref()) {
        Ok(folder) => folder,
        Err(error) => {
            eprintln!("error: {error:#}");
            return Ok(ExitCode::from(EXIT_USAGE));
        }
    };
    let view = View::new(None);
    let clock = Arc::new(wall::now_ms) as Clock;
    let trials = tune::Trials {
        folder: &folder,
        length: args.length,
        rounds: args.rounds.into(),
        clock: &clock,
        progress: &view,
    };
    let tuned = trials.tune().await;
    view.finish();
    let advice = tuned?;
    print(&tune::terminal(&advice));
    write_report(&advice.report(), &args.places)?;
    Ok(ExitCode::SUCCESS)
}

fn show(args: &BenchShow) -> anyhow::Result<ExitCode> {
    let report = read(&args.file)?;
    let before = args.before.as_deref().map(read).transpose()?;
    print(&match &before {
        Some(before) => report::terminal_beside(&report, before),
        None => report::terminal(&report),
    });
    if let Some(file) = &args.html {
        write(file, &report::html(&report, before.as_ref()))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn write_report(report: &Report, places: &BenchPlaces) -> anyhow::Result<()> {
    if let Some(file) = &places.json {
        write(file, &report::json(report))?;
    }
    if let Some(file) = &places.html {
        write(file, &report::html(report, None))?;
    }
    Ok(())
}

fn read(file: &Path) -> anyhow::Result<Report> {
    let bytes = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    report::read(&bytes).with_context(|| format!("{} is not a report of `bench`", file.display()))
}

fn write(file: &Path, text: &str) -> anyhow::Result<()> {
    fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
}

fn print(text: &str) {
    // A reader that has seen enough (`| head`) is no failure.
    let _ = std::io::stdout().write_all(text.as_bytes());
}
