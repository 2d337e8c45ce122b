//! `pmm-buffer pmm-agent install | status | uninstall`: whether this host's pmm-agent pushes through the buffer.
//!
//! Exit status: 0 when it is done, or was before; 1 when something is not as expected, and then nothing was changed, or
//! when `status` finds that pmm-agent does not push through the buffer.

mod host;

use crate::cli::{self, AgentPlace};
use crate::pmm_agent::{AgentFile, redirect, restore};
use crate::shim::Notes;
use anyhow::{Context, ensure};
use host::{Host, Yaml};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What has pmm-agent read its file again.
const NEXT: &str = "Next: systemctl restart pmm-agent";

/// Runs one of the subcommands.
pub fn run(command: &cli::PmmAgent) -> anyhow::Result<ExitCode> {
    match command {
        cli::PmmAgent::Install(args) => install(args),
        cli::PmmAgent::Status(place) => status(place),
        cli::PmmAgent::Uninstall(change) => uninstall(change),
    }
}

fn install(args: &cli::Install) -> anyhow::Result<ExitCode> {
    let cli::Change { place, dry_run, discard_queue } = &args.change;
    let (host, yaml) = (Host::of(place)?, Yaml::read(place.config.as_deref())?);
    let file = yaml.parsed()?;
    if file.vmagent.as_deref() == Some(&host.link_text()?) {
        println!("{} has it already: nothing to do.", yaml.path.display());
        return Ok(ExitCode::SUCCESS);
    }
    let vmagent = real_vmagent(args.vmagent.as_deref(), &file, &yaml.path)?;
    let (edit, edited) =
        redirect(&yaml.text, &host.link_text()?).with_context(|| yaml.path.display().to_string())?;
    host.expect_ready()?;
    expect_empty_queue(&file, *discard_queue)?;
    print!("{}", difference(&yaml.path, &edit.old, &edit.new));
    if *dry_run {
        println!("Nothing was changed.");
        return Ok(ExitCode::SUCCESS);
    }
    let notes = Notes { vmagent, buffer: host.write_url(), hand_over: host.hand_over(), edit: Some(edit) };
    host.prepare(&notes, &yaml)?;
    yaml.write(&edited)?;
    println!("Done; the file as it was is {}.\n{NEXT}", host.backup().display());
    Ok(ExitCode::SUCCESS)
}

fn uninstall(change: &cli::Change) -> anyhow::Result<ExitCode> {
    let cli::Change { place, dry_run, discard_queue } = change;
    let (host, yaml) = (Host::of(place)?, Yaml::read(place.config.as_deref())?);
    let (file, link) = (yaml.parsed()?, host.link_text()?);
    if file.vmagent.as_deref() != Some(&link) {
        println!("{} does not have the buffer's vmagent: nothing to do.", yaml.path.display());
        return Ok(ExitCode::SUCCESS);
    }
    let edit = host.notes()?.edit.with_context(|| {
        format!("{} does not say what was there: set `paths.vmagent` yourself", host.notes_path().display())
    })?;
    let restored = restore(&yaml.text, &link, &edit).with_context(|| yaml.path.display().to_string())?;
    expect_empty_queue(&file, *discard_queue)?;
    print!("{}", difference(&yaml.path, &edit.new, &edit.old));
    if *dry_run {
        println!("Nothing was changed.");
        return Ok(ExitCode::SUCCESS);
    }
    yaml.write(&restored)?;
    println!("Done; what the buffer holds it still delivers.\n{NEXT}");
    Ok(ExitCode::SUCCESS)
}

fn status(place: &AgentPlace) -> anyhow::Result<ExitCode> {
    let (host, yaml) = (Host::of(place)?, Yaml::read(place.config.as_deref())?);
    let is_installed = yaml.parsed()?.vmagent.as_deref() == Some(&host.link_text()?);
    let ready = host.expect_ready();
    let has =
        if is_installed { "starts vmagent by way of the buffer" } else { "starts vmagent past the buffer" };
    println!("{}: pmm-agent {has}", yaml.path.display());
    match host.handed_over() {
        Some(url) => println!("{}: handed over, to be sent on to {url}", host.hand_over().display()),
        None => println!("{}: nothing is handed over yet", host.hand_over().display()),
    }
    match &ready {
        Ok(()) => println!("{}: the buffer takes pushes", place.url),
        Err(error) => println!("{error:#}"),
    }
    Ok(if is_installed && ready.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The vmagent to be started in the end.
fn real_vmagent(given: Option<&Path>, file: &AgentFile, yaml: &Path) -> anyhow::Result<PathBuf> {
    let of_file = file.vmagent.as_ref().map(|path| {
        // pmm-agent looks for a relative one beside its exporters.
        file.default_vmagent().and_then(|default| Some(default.parent()?.join(path))).unwrap_or(path.into())
    });
    let beside = || Some(yaml.parent()?.parent()?.join("exporters/vmagent"));
    let path = given.map(Path::to_owned).or(of_file).or_else(|| file.default_vmagent()).or_else(beside);
    let path = path.context("where vmagent is is not known: give --vmagent FILE")?;
    host::expect_vmagent(&path, given.is_some())?;
    Ok(path)
}

/// vmagent throws away the queue of a URL that it is not given any more.
fn expect_empty_queue(file: &AgentFile, is_discarded: bool) -> anyhow::Result<()> {
    let bytes = host::vmagent_queue_bytes(file);
    ensure!(
        bytes == 0 || is_discarded,
        "vmagent's own queue holds {bytes} bytes, which it would throw away: wait until it has sent them, or give \
         --discard-queue"
    );
    Ok(())
}

/// The lines that go and come.
fn difference(path: &Path, old: &str, new: &str) -> String {
    let mut out = format!("{}:\n", path.display());
    let has = |text: &str, line: &str| text.lines().any(|other| other == line);
    for line in old.lines().filter(|line| !has(new, line)) {
        let _ = writeln!(out, "- {line}");
    }
    for line in new.lines().filter(|line| !has(old, line) && !line.is_empty()) {
        let _ = writeln!(out, "+ {line}");
    }
    out
}
