//! `pmm-buffer pmm-agent install | status | uninstall`: whether this host's pmm-agent pushes through the buffer.
//!
//! Exit status: 0 when it is done, or was before; 1 when something is not as expected, and then nothing was changed but what
//! is said, or when `status` finds that pmm-agent does not push through the buffer.

mod host;
mod removal;

use crate::cli::{self, AgentPlace};
use crate::pmm_agent::{AgentFile, redirect, restore};
use crate::shim::Notes;
use anyhow::{Context, ensure};
use host::{Host, Leads, Yaml};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Runs one of the subcommands.
pub fn run(command: &cli::PmmAgent) -> anyhow::Result<ExitCode> {
    match command {
        cli::PmmAgent::Install(args) => install(args),
        cli::PmmAgent::Status(place) => status(place),
        cli::PmmAgent::Uninstall(args) if args.for_removal => Ok(removal::leave(&args.change.place)),
        cli::PmmAgent::Uninstall(args) => uninstall(&args.change),
    }
}

/// pmm-agent's file as it is, and what goes with it.
struct Found {
    host: Host,
    yaml: Yaml,
    file: AgentFile,
}

impl Found {
    fn at(place: &AgentPlace, config: Option<PathBuf>) -> anyhow::Result<Self> {
        let yaml = Yaml::read(&config.context("there is no pmm-agent.yaml: give --config FILE")?)?;
        let file = yaml.parsed()?;
        Ok(Self { host: Host::of(place, file.vmagent.as_deref())?, yaml, file })
    }

    /// Whether the file has the buffer's link.
    fn is_redirected(&self) -> anyhow::Result<bool> {
        Ok(self.file.vmagent.as_deref() == Some(&self.host.link_text()?))
    }

    /// The change that was made, and the text without it.
    fn restored(&self) -> anyhow::Result<(crate::pmm_agent::Edit, String)> {
        let edit = self.host.notes()?.edit.with_context(|| {
            format!(
                "{} does not say what was there: set `paths.vmagent` yourself",
                self.host.notes_path().display()
            )
        })?;
        let restored = restore(&self.yaml.text, &self.host.link_text()?, &edit)
            .with_context(|| self.yaml.path.display().to_string())?;
        Ok((edit, restored))
    }
}

fn install(args: &cli::Install) -> anyhow::Result<ExitCode> {
    let cli::Change { place, dry_run, restart, discard_queue } = &args.change;
    let found = Found::at(place, host::configs(place).into_iter().next())?;
    let Found { host, yaml, file } = &found;
    if found.is_redirected()? {
        if host.leads_to()? == Leads::Here {
            println!("{} has it already: nothing to do.", yaml.path.display());
            return Ok(ExitCode::SUCCESS);
        }
        // As after a removal that could not change the file.
        host.expect_ready()?;
        host.link_to(&std::env::current_exe()?)?;
        println!("{} has it already; {} is the buffer's again.", yaml.path.display(), host.link_text()?);
        return finish(*restart);
    }
    let vmagent = real_vmagent(args.vmagent.as_deref(), file, &yaml.path)?;
    let (edit, edited) =
        redirect(&yaml.text, &host.link_text()?).with_context(|| yaml.path.display().to_string())?;
    host.expect_ready()?;
    expect_empty_queue(file, *discard_queue)?;
    print!("{}", difference(&yaml.path, &edit.old, &edit.new));
    if *dry_run {
        println!("Nothing was changed.");
        return Ok(ExitCode::SUCCESS);
    }
    let notes = Notes {
        vmagent,
        buffer: host.write_url(),
        hand_over: host.hand_over(),
        config: Some(yaml.path.clone()),
        edit: Some(edit),
    };
    host.prepare(&notes, yaml)?;
    yaml.write(&edited)?;
    println!("Done; the file as it was is {}.", host.backup().display());
    finish(*restart)
}

fn uninstall(change: &cli::Change) -> anyhow::Result<ExitCode> {
    let cli::Change { place, dry_run, restart, discard_queue } = change;
    let found = Found::at(place, host::changed_config(place))?;
    if !found.is_redirected()? {
        println!("{} does not have the buffer's vmagent: nothing to do.", found.yaml.path.display());
        return Ok(ExitCode::SUCCESS);
    }
    let (edit, restored) = found.restored()?;
    expect_empty_queue(&found.file, *discard_queue)?;
    print!("{}", difference(&found.yaml.path, &edit.new, &edit.old));
    if *dry_run {
        println!("Nothing was changed.");
        return Ok(ExitCode::SUCCESS);
    }
    found.yaml.write(&restored)?;
    println!("Done; what the buffer holds it still delivers.");
    finish(*restart)
}

/// Has pmm-agent read its file again, or says how.
fn finish(restart: bool) -> anyhow::Result<ExitCode> {
    if !restart {
        println!("Next: systemctl restart pmm-agent");
        return Ok(ExitCode::SUCCESS);
    }
    host::systemctl("restart")
        .context("pmm-agent was not restarted, and goes on as it was until you do it")?;
    println!("pmm-agent was restarted.");
    Ok(ExitCode::SUCCESS)
}

fn status(place: &AgentPlace) -> anyhow::Result<ExitCode> {
    let found = Found::at(place, host::changed_config(place))?;
    let Found { host, yaml, .. } = &found;
    let is_installed = found.is_redirected()? && host.leads_to()? == Leads::Here;
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
