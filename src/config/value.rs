//! Single values: from text to a type, within bounds. What is missing is None, what is wrong is reported
//! and None too, so that reading goes on.

use super::Secret;
use super::problem::{Place, Problems, Spot};
use super::raw::{self, Section, nearest};
use super::units::{format_duration, format_size, parse_duration, parse_size};
use super::yaml::{Node, Value};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Longest part of a wrong value that a message repeats.
const QUOTED_CHARS: usize = 60;

/// Turns nodes into values.
pub(super) struct Reader<'a> {
    pub(super) problems: Problems,
    /// Relative paths of the file start here: the file's own folder.
    folder: &'a Path,
    /// Files that something needs, to look for when the rest is read.
    pub(super) files: Vec<(Spot, PathBuf)>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(problems: Problems, folder: &'a Path) -> Self {
        Self { problems, folder, files: Vec::new() }
    }

    /// The keys of a section.
    pub(super) fn section<S: Section>(&mut self, node: Option<Node>) -> S {
        raw::read(node, &mut self.problems)
    }

    /// A scalar. Null is the same as no key at all.
    pub(super) fn text<'n>(&mut self, node: Option<&'n Node>) -> Option<(&'n Spot, &'n str)> {
        let node = node?;
        match &node.value {
            Value::Null => None,
            Value::Text(text) => Some((&node.spot, text)),
            other => {
                let message = format!("expected a single value, found {}", other.kind());
                self.problems.error(&node.spot, message);
                None
            }
        }
    }

    /// A scalar that a message may repeat, made into something else.
    pub(super) fn parsed<T>(
        &mut self,
        node: Option<&Node>,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let (spot, text) = self.text(node)?;
        match parse(text) {
            Ok(value) => Some(value),
            Err(to_do) => {
                self.problems.error(spot, format!("{} {to_do}", quoted(text)));
                None
            }
        }
    }

    pub(super) fn flag(&mut self, node: Option<&Node>) -> Option<bool> {
        // Prometheus takes the words of YAML 1.1 too.
        self.parsed(node, |text| match text.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" => Ok(true),
            "false" | "no" | "off" => Ok(false),
            _ => Err("is neither true nor false".into()),
        })
    }

    /// One of a few words.
    pub(super) fn word<T: Copy>(&mut self, node: Option<&Node>, words: &[(&str, T)]) -> Option<T> {
        self.parsed(node, |text| match words.iter().find(|(word, _)| *word == text) {
            Some((_, value)) => Ok(*value),
            None => {
                let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
                let hint = match nearest(text, &known) {
                    Some(nearest) => format!(", did you mean {nearest}?"),
                    None => String::new(),
                };
                Err(format!("is none of {}{hint}", known.join(", ")))
            }
        })
    }

    pub(super) fn count(&mut self, node: Option<&Node>, bounds: RangeInclusive<usize>) -> Option<usize> {
        self.parsed(node, |text| {
            let form = "is not a whole number: write one from";
            let value = if is_digits(text) {
                text.parse().unwrap_or(usize::MAX)
            } else {
                return Err(within(form, &bounds, usize::to_string));
            };
            bounded(value, &bounds, usize::to_string)
        })
    }

    /// A size of memory.
    pub(super) fn bytes(
        &mut self,
        node: Option<&Node>,
        bounds: RangeInclusive<u64>,
        default: usize,
    ) -> usize {
        self.size(node, bounds).map_or(default, |bytes| usize::try_from(bytes).unwrap_or(usize::MAX))
    }

    pub(super) fn size(&mut self, node: Option<&Node>, bounds: RangeInclusive<u64>) -> Option<u64> {
        let format = |bytes: &u64| format_size(*bytes);
        self.parsed(node, |text| match parse_size(text) {
            Some(bytes) => bounded(bytes, &bounds, format),
            None => Err(within(
                "is not a size: write a whole number with a unit such as MiB or GiB, from",
                &bounds,
                format,
            )),
        })
    }

    pub(super) fn duration(
        &mut self,
        node: Option<&Node>,
        bounds: RangeInclusive<Duration>,
    ) -> Option<Duration> {
        let format = |duration: &Duration| format_duration(*duration);
        self.parsed(node, |text| match parse_duration(text) {
            Some(duration) => bounded(duration, &bounds, format),
            None => {
                Err(within("is not a duration: write one such as 200ms, 5s or 1m30s, from", &bounds, format))
            }
        })
    }

    /// A path; a relative one in the file starts at the file's folder, as Prometheus has it.
    pub(super) fn path(&mut self, node: Option<&Node>) -> Option<PathBuf> {
        let (spot, text) = self.text(node)?;
        if text.is_empty() || text.contains('\0') {
            self.problems.error(spot, "not a path: write one, or remove the key");
            return None;
        }
        Some(match spot.place {
            Place::Given(_) => PathBuf::from(text),
            _ => self.folder.join(text),
        })
    }

    /// The path of a file that has to be there when it is used.
    pub(super) fn file(&mut self, node: Option<&Node>) -> Option<PathBuf> {
        let path = self.path(node)?;
        if let Some(node) = node {
            self.files.push((node.spot.clone(), path.clone()));
        }
        Some(path)
    }

    /// A secret that goes into a header as it is.
    pub(super) fn header_secret(&mut self, node: Option<&Node>) -> Option<Secret> {
        let secret = self.secret(node)?;
        if let Some(node) = node
            && !secret.expose().is_ascii()
        {
            self.problems.error(&node.spot, "has a character that is not ASCII, which a header cannot hold");
        }
        Some(secret)
    }

    /// A secret: never repeated, whatever is wrong with it. An empty one is none.
    pub(super) fn secret(&mut self, node: Option<&Node>) -> Option<Secret> {
        let (spot, text) = self.text(node)?;
        if text.chars().any(char::is_control) {
            self.problems.error(
                spot,
                "has a line break or another control character in it: write it on one line, in single quotes",
            );
            return None;
        }
        (!text.is_empty()).then(|| Secret::new(text))
    }
}

/// A value for a message: without control characters, and not too long.
fn quoted(text: &str) -> String {
    let mut short: String = text.chars().take(QUOTED_CHARS).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    format!("{short:?}")
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

fn bounded<T: PartialOrd>(
    value: T,
    bounds: &RangeInclusive<T>,
    format: impl Fn(&T) -> String,
) -> Result<T, String> {
    if value < *bounds.start() {
        Err(within("is too little: write", bounds, format))
    } else if value > *bounds.end() {
        Err(within("is too much: write", bounds, format))
    } else {
        Ok(value)
    }
}

fn within<T>(form: &str, bounds: &RangeInclusive<T>, format: impl Fn(&T) -> String) -> String {
    format!("{form} {} to {}", format(bounds.start()), format(bounds.end()))
}
