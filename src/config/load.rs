//! From a file, flags and the environment to a [`Config`].

use super::overrides::Overrides;
use super::problem::{Errors, Problem, Problems, Warning};
use super::value::Reader;
use super::yaml::{self, Value};
use super::{Config, Stamp, pmm, raw, validate};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Far beyond any real configuration; bounds what a wrong path can make this read.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// A configuration that can be used.
#[derive(Debug)]
pub struct Loaded {
    /// Validated.
    pub config: Config,
    /// In the order of the file.
    pub warnings: Vec<Warning>,
    /// Other files that say what is in force, as they were before they were read: when one changes, load again.
    pub followed: Vec<(PathBuf, Stamp)>,
}

/// Loads the configuration: the file, if there is one, with `overrides` in the place of what it says.
///
/// # Errors
///
/// Everything that is wrong, each with its place.
pub fn load(path: Option<&Path>, overrides: &Overrides) -> Result<Loaded, Errors> {
    let Some(path) = path else {
        if overrides.remote_write_url.as_deref().is_none_or(str::is_empty) {
            return Err(Errors::one(Problem::of(
                "",
                "nowhere to send: give --remote-write-url URL, or --config FILE with a `remote_write` entry",
            )));
        }
        return read("", "command line", Path::new(""), overrides);
    };
    let name = path.display().to_string();
    let text = read_file(path).map_err(|message| Errors::one(Problem::of(&name, message)))?;
    read(&text, &name, path.parent().unwrap_or(Path::new("")), overrides)
}

/// Checks one entry of `remote_write` by itself, as JSON or YAML. Files that it names need not be there.
///
/// # Errors
///
/// Everything that is wrong, without the value of a secret.
pub fn check_entry(entry: &str) -> Result<(), Errors> {
    let text = format!("remote_write: [{entry}]");
    read(&text, "", Path::new("/"), &Overrides::default()).map(|_| ())
}

fn read_file(path: &Path) -> Result<String, String> {
    let explain = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => "there is no such file: see --config".to_owned(),
        io::ErrorKind::PermissionDenied => "may not be read: give this user the right to".to_owned(),
        io::ErrorKind::IsADirectory => "is a folder: name the file in it".to_owned(),
        _ => format!("cannot be read: {error}"),
    };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(explain)?;
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(explain)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err("is larger than 1 MiB, which is no configuration".into());
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = 1 + valid.iter().filter(|byte| **byte == b'\n').count();
        format!("is not UTF-8 in line {line}")
    })
}

/// Reads a text. Looks whether the files it names are there and what PMM hands over, and does nothing else outside.
pub(super) fn read(text: &str, name: &str, folder: &Path, overrides: &Overrides) -> Result<Loaded, Errors> {
    let mut problems = Problems::new(name);
    let Some(mut tree) = yaml::parse(text, &mut problems) else {
        return Err(problems.finish().expect_err("BUG: what is no YAML was reported"));
    };
    let is_section = matches!(tree.value, Value::Map(_) | Value::Null);
    overrides.apply(&mut tree, &mut problems);
    let followed = pmm::fill(&mut tree, &mut problems);
    let file: raw::File = raw::read(Some(tree), &mut problems);
    if !is_section {
        // What would follow from it are no errors of their own.
        return Err(problems.finish().expect_err("BUG: what is no section was reported"));
    }
    let mut reader = Reader::new(problems, folder);
    let config = validate::config(file, &mut reader);
    let Reader { mut problems, files, .. } = reader;
    for (spot, path) in files {
        // It may come later: with a mount, or from whatever hands out certificates.
        if !path.is_file() {
            problems.warn(
                &spot,
                format!("there is no file {} yet: requests fail until it is there", path.display()),
            );
        }
    }
    Ok(Loaded { warnings: problems.finish()?, config, followed })
}
