//! Instructions that the hot paths take for a sample, against those in `figures.txt`. They are the same on a busy host and on a
//! quiet one, so that a check can hold them. `cargo bench --bench instructions`; with `PMM_BUFFER_TEST_BLESS=1` the figures are
//! written anew.
//!
//! callgrind counts whole processes: one that goes through a path once, and one that does so some times more. What
//! differs is the path alone.

#[path = "../captures/mod.rs"]
mod captures;
mod paths;

use anyhow::{Context, bail, ensure};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

/// More or less than the figure by this share is a change. Hosts differ in what their C library chooses for a copy.
const TOLERANCE: f64 = 0.04;
/// Turns in the longer of the two processes, beyond the one of the shorter.
const TURNS: u64 = 4;

fn main() -> anyhow::Result<ExitCode> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    if let [flag, name, turns] = arguments.as_slice()
        && flag == "--turns"
    {
        let mut path = paths::path(name);
        (0..turns.parse()?).for_each(|_| (path.turn)());
        return Ok(ExitCode::SUCCESS);
    }
    let rustc = rustc()?;
    let mut measured = BTreeMap::new();
    for name in paths::NAMES {
        let samples = paths::path(name).samples as f64;
        let path = (count(name, 1 + TURNS)? - count(name, 1)?) as f64 / TURNS as f64;
        measured.insert(name, path / samples);
    }
    if std::env::var_os("PMM_BUFFER_TEST_BLESS").is_some() {
        std::fs::write(file(), written(&rustc, &measured))?;
    }
    compare(&rustc, &measured)
}

/// Instructions of a process that goes through a path `turns` times.
fn count(name: &str, turns: u64) -> anyhow::Result<u64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe()?)
        .args(["--turns", name, &turns.to_string()])
        .output()
        .context("cannot start valgrind: install it (on Debian: apt-get install valgrind)")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{name} under valgrind: {}\n{said}", output.status);
    let collected = said.lines().find_map(|line| line.split_once("Collected :"));
    let (_, collected) = collected.with_context(|| format!("{name}: valgrind counted nothing:\n{said}"))?;
    Ok(collected.trim().parse()?)
}

/// What compiled this, as far as can be known: another compiler makes other instructions.
fn rustc() -> anyhow::Result<String> {
    let output =
        Command::new("rustc").arg("--version").output().context("cannot ask rustc for its version")?;
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

fn file() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("benches/instructions/figures.txt")
}

fn written(rustc: &str, measured: &BTreeMap<&str, f64>) -> String {
    let mut text = format!("# Instructions a sample. {rustc}\n");
    for (name, figure) in measured {
        writeln!(text, "{figure:9.1}  {name}").expect("in memory");
    }
    text
}

fn compare(rustc: &str, measured: &BTreeMap<&str, f64>) -> anyhow::Result<ExitCode> {
    let text = std::fs::read_to_string(file())?;
    let (head, lines) = text.split_once('\n').context("no figures")?;
    let known: Vec<_> = lines.lines().filter_map(|line| line.trim().split_once("  ")).collect();
    if known.len() != measured.len() {
        bail!("{} has {} figures for {} paths", file().display(), known.len(), measured.len());
    }
    let is_same_compiler = head.ends_with(rustc);
    let mut is_off = false;
    for (figure, name) in known {
        let figure: f64 = figure.parse()?;
        let now = measured.get(name).with_context(|| format!("no path is named {name}"))?;
        let change = now / figure - 1.0;
        let is_change = change.abs() > TOLERANCE;
        is_off |= is_change;
        let mark = if is_change { "  <- changed" } else { "" };
        println!("{name:36} {now:9.1} instructions a sample, {:+.1} %{mark}", change * 100.0);
    }
    if is_off && is_same_compiler {
        println!(
            "a figure changed by more than {} %: if that is meant, run `PMM_BUFFER_TEST_BLESS=1 cargo bench --bench instructions` \
             and say in the commit why",
            TOLERANCE * 100.0
        );
        return Ok(ExitCode::FAILURE);
    }
    if is_off {
        println!("the figures were made with another compiler ({head}): not held against {rustc}");
    }
    Ok(ExitCode::SUCCESS)
}
