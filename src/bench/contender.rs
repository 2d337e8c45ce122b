//! The contender's profile file: how a program starts, where it takes pushes, what it is asked for. docs/bench.md has
//! one with every key.

use super::text::Size;
use super::yaml::{parse, stem};
use crate::harness::{Launch, find_peer};
use anyhow::{Context, bail, ensure};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Profiles that are built in, in the order of `bench list`.
const BUILT_IN: [(&str, &str); 3] = [
    (OURS, include_str!("../../benches/contenders/pmm-buffer.yml")),
    ("vmagent", include_str!("../../benches/contenders/vmagent.yml")),
    ("prometheus-agent", include_str!("../../benches/contenders/prometheus-agent.yml")),
];

/// The name of this program's own profile.
pub const OURS: &str = "pmm-buffer";

/// What may stand in braces in arguments and in the configuration.
const PLACEHOLDERS: [&str; 5] = ["listen", "url", "data", "config", "max_bytes"];

/// A program that takes pushes and sends them on.
#[derive(Debug, Clone, PartialEq)]
pub struct Contender {
    /// As reports name it.
    pub name: String,
    pub profile: Profile,
    /// Where the program was found.
    pub binary: PathBuf,
}

/// The file.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "Typed")]
pub struct Profile {
    /// One sentence.
    pub about: String,
    /// A name that is looked for on PATH, or a path; none for this very program.
    pub program: Option<String>,
    /// What to do where the program is not found.
    pub install: Option<String>,
    pub args: Vec<String>,
    /// Added where the scenario bounds the queue; none where the program cannot be bounded.
    pub args_when_bounded: Option<Vec<String>>,
    /// Text of the file at `{config}`.
    pub config: Option<String>,
    /// Answers 200 as soon as pushes are taken.
    pub ready: String,
    /// Where remote write is taken; none where that is /api/v1/write.
    pub push: Option<String>,
    /// Has it print its version.
    pub version_args: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Typed {
    about: String,
    program: Option<String>,
    install: Option<String>,
    args: Vec<String>,
    args_when_bounded: Option<Vec<String>>,
    config: Option<String>,
    ready: String,
    push: Option<String>,
    #[serde(default)]
    version_args: Vec<String>,
}

impl TryFrom<Typed> for Profile {
    type Error = String;

    fn try_from(typed: Typed) -> Result<Self, String> {
        let Typed { about, program, install, args, args_when_bounded, config, ready, push, version_args } =
            typed;
        for path in [Some(&ready), push.as_ref()].into_iter().flatten() {
            if !path.starts_with('/') {
                return Err(format!("{path:?} is no path: it begins with /"));
            }
        }
        let bounded = args_when_bounded.iter().flatten();
        let texts: Vec<&String> = args.iter().chain(bounded).chain(&config).collect();
        let used: BTreeSet<&str> = PLACEHOLDERS
            .into_iter()
            .filter(|name| texts.iter().any(|text| text.contains(&braced(name))))
            .collect();
        for (name, what) in [("listen", "where it listens"), ("url", "where it sends to")] {
            if !used.contains(name) {
                return Err(format!(
                    "{{{name}}} is nowhere in args and config: the program is not told {what}"
                ));
            }
        }
        if config.is_some() != used.contains("config") {
            return Err("`config` and {config} in the args go together".into());
        }
        Ok(Self { about, program, install, args, args_when_bounded, config, ready, push, version_args })
    }
}

fn braced(name: &str) -> String {
    format!("{{{name}}}")
}

/// Where one process of a contender lives.
#[derive(Debug)]
pub(super) struct Place<'a> {
    pub(super) listen: SocketAddr,
    pub(super) url: &'a str,
    /// A folder of its own, which is there.
    pub(super) folder: &'a Path,
    pub(super) max_bytes: Option<Size>,
}

impl Place<'_> {
    /// What is measured as the contender's space on disk.
    pub(super) fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn config(&self) -> PathBuf {
        self.folder.join("config.yml")
    }

    fn fill(&self, text: &str) -> String {
        let max_bytes = self.max_bytes.map_or(String::new(), |size| size.0.to_string());
        let values = [
            self.listen.to_string(),
            self.url.to_owned(),
            self.data().display().to_string(),
            self.config().display().to_string(),
            max_bytes,
        ];
        PLACEHOLDERS
            .iter()
            .zip(values)
            .fold(text.to_owned(), |text, (name, value)| text.replace(&braced(name), &value))
    }
}

impl Contender {
    /// `NAME`, `NAME=BINARY`, `FILE` or `FILE=BINARY`.
    ///
    /// # Errors
    ///
    /// There is none of that name, the file has an error, or the program is not on this machine.
    pub fn find(text: &str) -> anyhow::Result<Self> {
        let (of, binary) = text.split_once('=').map_or((text, None), |(of, path)| (of, Some(path)));
        let (name, profile) = Profile::find(of)?;
        let found = match binary {
            Some(path) => at(path)?,
            None => profile.binary(&name)?,
        };
        // As it can be asked for again.
        let name = binary.map_or(name.clone(), |path| format!("{name}={path}"));
        Ok(Self { name, profile, binary: found })
    }

    /// This very program.
    pub fn ours() -> anyhow::Result<Self> {
        Self::find(OURS)
    }

    /// Whether it is held to lose nothing.
    pub fn is_ours(&self) -> bool {
        self.profile.program.is_none()
    }

    /// The number in the first line that the program prints of it, or that line; none where there is none.
    pub fn version(&self) -> Option<String> {
        if self.profile.version_args.is_empty() {
            return None;
        }
        let mut command = Command::new(&self.binary);
        command.args(&self.profile.version_args).stdin(Stdio::null());
        let output = command.output().ok()?;
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text);
        let line = text.lines().map(str::trim).find(|line| !line.is_empty())?;
        // Reports name the program themselves, and builds have long stories.
        let is_number = |word: &&str| word.trim_start_matches('v').starts_with(|c: char| c.is_ascii_digit());
        Some(line.split_whitespace().find(is_number).unwrap_or(line).to_owned())
    }

    /// How one process of it starts. Writes its configuration where it has one.
    pub(super) fn launch(&self, place: &Place<'_>) -> anyhow::Result<Launch> {
        let Profile { args, args_when_bounded, config, .. } = &self.profile;
        if let Some(text) = config {
            let file = place.config();
            std::fs::write(&file, place.fill(text))
                .with_context(|| format!("cannot write {}", file.display()))?;
        }
        let mut args = args.clone();
        if place.max_bytes.is_some() {
            let more = args_when_bounded.clone();
            args.extend(more.expect("BUG: the plan was checked"));
        }
        let args: Vec<OsString> = args.iter().map(|arg| place.fill(arg).into()).collect();
        let launch = Launch::new(&self.binary, args, place.listen, &place.folder.join("log"));
        Ok(Launch { own_group: true, ..launch })
    }
}

impl Profile {
    /// One that is built in, or a file where `name` is a path; with its name.
    fn find(name: &str) -> anyhow::Result<(String, Self)> {
        if let Some((_, text)) = BUILT_IN.iter().find(|(known, _)| *known == name) {
            return Ok((name.to_owned(), parse(name, text)?));
        }
        ensure!(
            name.contains(['/', '.']),
            "there is no contender {name}: `pmm-buffer bench list` shows those that are built in; a profile of your own \
             is given by its path, as in ./{name}.yml"
        );
        let text = std::fs::read_to_string(name).with_context(|| format!("cannot read {name}"))?;
        Ok((stem(name).to_owned(), parse(name, &text)?))
    }

    /// Those that are built in, with their names.
    pub fn built_in() -> impl Iterator<Item = (&'static str, Self)> {
        BUILT_IN
            .iter()
            .map(|(name, text)| (*name, parse(name, text).expect("BUG: the tests parse each of them")))
    }

    /// Where its program is. An error says what to do.
    pub fn binary(&self, name: &str) -> anyhow::Result<PathBuf> {
        let Some(program) = &self.program else {
            return std::env::current_exe().context("cannot find this program's own file");
        };
        if program.contains('/') {
            return at(program);
        }
        if let Ok(found) = find_peer(program) {
            return Ok(found);
        }
        let install = self.install.as_ref().map_or(String::new(), |install| format!("{install}, or "));
        bail!("{program} is not on PATH: {install}give its path, as in {name}=/path/to/{program}")
    }
}

fn at(path: &str) -> anyhow::Result<PathBuf> {
    let found = PathBuf::from(path);
    ensure!(found.is_file(), "there is no program {path}");
    Ok(found)
}

#[cfg(test)]
#[path = "contender_tests.rs"]
mod tests;
