//! The agent's own metrics in its own queue.

use super::problem::Spot;
use super::raw;
use super::value::Reader;
use super::yaml::{Node, Value};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

const INTERVAL: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(3600);
const NAME_BYTES: usize = 128;
const VALUE_BYTES: usize = 1024;

/// Labels of the metrics themselves: one of these for all would make different series the same.
pub(super) const TAKEN: [&str; 6] = ["__name__", "le", "reason", "route", "upstream", "version"];

/// The agent's own metrics in its own queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SelfMetrics {
    /// Whether they are put there. Default off: what arrives is what was pushed, and nothing else.
    pub enabled: bool,
    /// How often. Default 10 s, 1 s to 1 h.
    pub interval: Duration,
    /// Labels of each series beside those that the agent knows, by name. One of the same name takes the place of it, and
    /// an empty value takes it away. Default none.
    pub labels: Vec<(String, String)>,
    /// A file they are written to as well, whether they are `enabled` or not: for the textfile collector of node_exporter.
    /// Default none.
    pub textfile: Option<PathBuf>,
}

impl Default for SelfMetrics {
    fn default() -> Self {
        Self { enabled: false, interval: Duration::from_secs(10), labels: Vec::new(), textfile: None }
    }
}

/// Reads the section, or the one word that stands for it.
pub(super) fn self_metrics(node: Option<Node>, reader: &mut Reader) -> SelfMetrics {
    let default = SelfMetrics::default();
    if let Some(Node { value: Value::Text(_), .. }) = node {
        return SelfMetrics { enabled: reader.flag(node.as_ref()).unwrap_or(default.enabled), ..default };
    }
    let raw: raw::SelfMetrics = reader.section(node);
    SelfMetrics {
        enabled: reader.flag(raw.enabled.as_ref()).unwrap_or(default.enabled),
        interval: reader.duration(raw.interval.as_ref(), INTERVAL).unwrap_or(default.interval),
        labels: labels(raw.labels, reader),
        textfile: textfile(raw.textfile.as_ref(), reader),
    }
}

fn textfile(node: Option<&Node>, reader: &mut Reader) -> Option<PathBuf> {
    let path = reader.path(node)?;
    let spot = &node?.spot;
    if path.extension().is_none_or(|extension| extension != "prom") {
        reader.problems.error(spot, "node_exporter reads files whose name ends in .prom: write such a name");
        return None;
    }
    if !path.parent().is_some_and(Path::is_dir) {
        reader.problems.warn(spot, "there is no such folder yet: nothing is written until it is there");
    }
    Some(path)
}

/// Sorted by name.
fn labels(node: Option<Node>, reader: &mut Reader) -> Vec<(String, String)> {
    let Some(node) = node else { return Vec::new() };
    let Value::Map(entries) = node.value else {
        let message = format!("expected a section of `name: value`, found {}", node.value.kind());
        reader.problems.error(&node.spot, message);
        return Vec::new();
    };
    let mut labels: Vec<(String, String)> = Vec::with_capacity(entries.len());
    for (key, name, value) in entries {
        let is_twice = labels.iter().any(|(other, _)| *other == name);
        // Null and an empty text are the same here: no such label.
        let value = reader.text(Some(&value)).map_or("", |(_, text)| text).to_owned();
        match wrong(&name, &value, is_twice) {
            // Without the name, as in every section of free keys: it may be a secret that went astray.
            Some(wrong) => {
                reader.problems.error(&Spot { place: key.place, key: node.spot.key.clone() }, wrong);
            }
            None => labels.push((name, value)),
        }
    }
    labels.sort();
    labels
}

fn wrong(name: &str, value: &str, is_twice: bool) -> Option<String> {
    let is_name = name.len() <= NAME_BYTES
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    if TAKEN.contains(&name) {
        Some(format!("a label that the metrics have themselves: write none of {}", TAKEN.join(", ")))
    } else if !is_name {
        Some(format!("not the name of a label: write 1 to {NAME_BYTES} of A-Z a-z 0-9 _, no digit first"))
    } else if is_twice {
        Some("the same label as one before: remove one".into())
    } else if value.len() > VALUE_BYTES {
        Some(format!("a value of {} bytes: write at most {VALUE_BYTES}", value.len()))
    } else {
        None
    }
}
