//! `pmm-buffer queue dead-letter list | show | export | retry | purge`: what upstreams refused for good.
//!
//! The agent may be at work meanwhile: it makes letters, and drops the oldest at its limit; whoever removes one first has
//! removed it.
//!
//! Exit status: 0 when all was done; 1 when a letter is not there, does not read or was not taken; 64 for a
//! configuration that cannot be used.

mod retry;
mod text;

use super::place::{config_of, refuse};
use crate::cli::{self, ExportFormat};
use crate::clock::epoch_ms;
use crate::dead_letter::{self, Entry, Folder, Letter};
use crate::status::human;
use crate::wire;
use anyhow::{Context, bail, ensure};
use std::fs::File;
use std::io::{IsTerminal as _, Write as _};
use std::path::Path;
use std::process::ExitCode;

/// Runs one of the subcommands.
pub fn run(command: &cli::DeadLetter) -> anyhow::Result<ExitCode> {
    match command {
        cli::DeadLetter::List(args) => at(&args.place, |folder| list(folder, args.json)),
        cli::DeadLetter::Show(args) => at(&args.place, |folder| show(folder, args)),
        cli::DeadLetter::Export(args) => at(&args.place, |folder| export(folder, args)),
        cli::DeadLetter::Purge(args) => at(&args.place, |folder| purge(folder, args)),
        cli::DeadLetter::Retry(args) => retry::retry(args),
    }
}

/// Acts on the folder of the letters.
fn at(place: &cli::Place, act: impl FnOnce(&Folder) -> anyhow::Result<ExitCode>) -> anyhow::Result<ExitCode> {
    match config_of(place) {
        Ok(config) => act(&Folder::new(config.dead_letter_folder())),
        Err(errors) => Ok(refuse(&errors)),
    }
}

/// The letters there are.
fn entries(folder: &Folder) -> anyhow::Result<Vec<Entry>> {
    folder.list().with_context(|| format!("cannot read {}", folder.path().display()))
}

/// The letters with these numbers, all for none.
fn chosen(folder: &Folder, numbers: &[u64]) -> anyhow::Result<Vec<Entry>> {
    let mut entries = entries(folder)?;
    for number in numbers {
        ensure!(
            entries.iter().any(|entry| entry.number == *number),
            "there is no dead letter {number} in {}; `pmm-buffer queue dead-letter list` shows those there are",
            folder.path().display()
        );
    }
    entries.retain(|entry| numbers.is_empty() || numbers.contains(&entry.number));
    Ok(entries)
}

/// Reads letters; what does not read is said and left out.
struct Reading<'a> {
    folder: &'a Folder,
    has_failed: bool,
}

impl<'a> Reading<'a> {
    fn new(folder: &'a Folder) -> Self {
        Self { folder, has_failed: false }
    }

    fn read(&mut self, entry: &Entry) -> Option<Letter> {
        let read = self.folder.read(entry);
        read.inspect_err(|error| self.failed(error)).ok()
    }

    fn failed(&mut self, error: &dyn std::fmt::Display) {
        self.has_failed = true;
        eprintln!("error: {}", human::printable(&error.to_string()));
    }

    fn code(&self) -> ExitCode {
        if self.has_failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    }
}

fn list(folder: &Folder, as_json: bool) -> anyhow::Result<ExitCode> {
    let mut reading = Reading::new(folder);
    let entries = entries(folder)?;
    let letters: Vec<_> =
        entries.iter().filter_map(|entry| reading.read(entry).map(|letter| (entry, letter))).collect();
    print(&if as_json { text::list_json(&letters) } else { text::list(folder.path(), &letters) });
    Ok(reading.code())
}

fn show(folder: &Folder, args: &cli::ShowLetter) -> anyhow::Result<ExitCode> {
    let entry = chosen(folder, &[args.number])?.remove(0);
    let letter = folder.read(&entry)?;
    let push = letter.push().with_context(|| format!("dead letter {}", args.number))?;
    print(&if args.json {
        text::show_json(&entry, &letter, &push)
    } else {
        text::show(&entry, &letter, &push)
    });
    Ok(ExitCode::SUCCESS)
}

fn export(folder: &Folder, args: &cli::ExportLetters) -> anyhow::Result<ExitCode> {
    let entries = chosen(folder, &args.numbers)?;
    let is_binary = args.format == ExportFormat::RemoteWrite;
    if is_binary && args.output.is_none() && std::io::stdout().is_terminal() {
        bail!("this is no text, and would be printed to a terminal: give --output FILE");
    }
    let mut reading = Reading::new(folder);
    let (mut out, mut left_out) = (Vec::new(), 0);
    for entry in &entries {
        let Some(letter) = reading.read(entry) else { continue };
        let push = match letter.push() {
            Ok(push) => push,
            Err(error) => {
                reading.failed(&format!("dead letter {}: {error}", entry.number));
                continue;
            }
        };
        if is_binary {
            // One after the other, they are one request.
            wire::encode(&push, &mut out);
        } else {
            let lines = dead_letter::json_lines(&push);
            out.extend_from_slice(lines.text.as_bytes());
            left_out += lines.left_out;
        }
    }
    if is_binary {
        out = snap::raw::Encoder::new().compress_vec(&out).context("more than one body can hold")?;
    }
    if left_out > 0 {
        eprintln!(
            "{} native histograms have no place in JSON lines and are left out: --format remote-write has them",
            human::count(left_out)
        );
    }
    write_out(args.output.as_deref(), &out)?;
    Ok(reading.code())
}

fn write_out(file: Option<&Path>, bytes: &[u8]) -> anyhow::Result<()> {
    let Some(path) = file else {
        // A reader that has seen enough (`| head`) is no failure.
        let _ = std::io::stdout().write_all(bytes);
        return Ok(());
    };
    let written = File::create_new(path).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    written.with_context(|| format!("cannot write {}", path.display()))
}

fn purge(folder: &Folder, args: &cli::PurgeLetters) -> anyhow::Result<ExitCode> {
    let mut reading = Reading::new(folder);
    let mut entries = chosen(folder, &args.numbers)?;
    if let Some(before) = args.before {
        let before_ms = epoch_ms(before);
        entries.retain(|entry| reading.read(entry).is_some_and(|letter| letter.refused_ms < before_ms));
    }
    let mut disk_bytes = 0;
    for entry in &entries {
        remove(folder, entry)?;
        disk_bytes += entry.disk_bytes;
    }
    let count = human::count(entries.len() as u64);
    print(&format!("{count} dead letters removed, {} are free\n", human::bytes(disk_bytes)));
    Ok(reading.code())
}

fn remove(folder: &Folder, entry: &Entry) -> anyhow::Result<()> {
    folder.remove(entry).with_context(|| {
        format!(
            "cannot remove dead letter {} in {}; run this as the user of the agent",
            entry.number,
            folder.path().display()
        )
    })
}

fn print(text: &str) {
    // A reader that has seen enough (`| head`) is no failure.
    let _ = std::io::stdout().write_all(text.as_bytes());
}
