//! Changes `paths.vmagent`, and takes the change back.

use super::{Unexpected, tree};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::ops::Range;

/// One change of a text: enough to take it back byte for byte.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Edit {
    /// What stood there; empty where lines were added at the end.
    pub old: String,
    /// What stands there now: it has the new path in it, and is nowhere else in the text.
    pub new: String,
    /// What `paths.vmagent` said.
    pub vmagent: Option<String>,
}

/// Points `paths.vmagent` to `path`. Returns the new text too.
///
/// # Errors
///
/// A text that is not YAML, or that cannot be edited by line.
pub fn redirect(text: &str, path: &str) -> Result<(Edit, String), Unexpected> {
    let before = tree(text)?;
    let vmagent = before["paths"]["vmagent"].as_str().map(str::to_owned);
    let lines = Lines::of(text)?;
    let (range, new) = match (&lines.vmagent, &lines.paths) {
        (Some(line), _) => (line.clone(), with_value(&text[line.clone()], path)),
        (None, Some(paths)) => {
            let (line, indent) = (&text[paths.clone()], &lines.indent);
            let (kept, end) = line.split_at(line.trim_end_matches(['\r', '\n']).len());
            (paths.clone(), format!("{kept}{}{indent}vmagent: {path}{end}", lines.end))
        }
        (None, None) => {
            let (end, indent) = (lines.end, &lines.indent);
            let first = if text.is_empty() || text.ends_with('\n') { "" } else { end };
            (text.len()..text.len(), format!("{first}paths:{end}{indent}vmagent: {path}{end}"))
        }
    };
    let edit = Edit { old: text[range.clone()].to_owned(), new, vmagent };
    let edited = replaced(text, range, &edit.new);
    let is_right = tree(&edited).is_ok_and(|after| {
        after["paths"]["vmagent"].as_str() == Some(path) && without_vmagent(after) == without_vmagent(before)
    });
    let is_back = restore(&edited, path, &edit).is_ok_and(|back| back == text);
    if is_right && is_back { Ok((edit, edited)) } else { Err(Unexpected::Unsafe(path.to_owned())) }
}

/// Takes an edit back that pointed to `path`: byte for byte where its lines still stand, else, in a file that was
/// written anew since, by its value.
///
/// # Errors
///
/// As with [`redirect`].
pub fn restore(text: &str, path: &str, edit: &Edit) -> Result<String, Unexpected> {
    let mut found = text.match_indices(&edit.new);
    if let (Some((at, _)), None) = (found.next(), found.next()) {
        return Ok(replaced(text, at..at + edit.new.len(), &edit.old));
    }
    let before = tree(text)?;
    let line = Lines::of(text)?.vmagent.filter(|_| before["paths"]["vmagent"].as_str() == Some(path));
    let own = edit.vmagent.as_deref().unwrap_or_default();
    let line = line.ok_or_else(|| Unexpected::Unsafe(own.to_owned()))?;
    let new = edit.vmagent.as_ref().map_or(String::new(), |own| with_value(&text[line.clone()], own));
    let restored = replaced(text, line, &new);
    let is_right = tree(&restored).is_ok_and(|after| {
        after["paths"]["vmagent"].as_str() == edit.vmagent.as_deref()
            && without_vmagent(after) == without_vmagent(before)
    });
    if is_right { Ok(restored) } else { Err(Unexpected::Unsafe(own.to_owned())) }
}

fn replaced(text: &str, range: Range<usize>, new: &str) -> String {
    [&text[..range.start], new, &text[range.end..]].concat()
}

/// A line `vmagent: value # comment` with another value.
fn with_value(line: &str, path: &str) -> String {
    let (key, rest) = line.split_once(':').unwrap_or((line, ""));
    let value = rest.find(" #").map_or(rest, |comment| &rest[..comment]);
    let after = value.trim_end().len();
    format!("{key}: {path}{}", &rest[after..])
}

/// Everything else that a file says.
fn without_vmagent(mut tree: Value) -> Value {
    if let Some(paths) = tree["paths"].as_object_mut() {
        paths.remove("vmagent");
    }
    let is_empty = tree["paths"].as_object().is_none_or(serde_json::Map::is_empty);
    if let (true, Some(keys)) = (is_empty, tree.as_object_mut()) {
        keys.remove("paths");
    }
    tree
}

/// Where lines are in a text.
struct Lines {
    /// The line `paths:`.
    paths: Option<Range<usize>>,
    /// The line of `vmagent:` below it.
    vmagent: Option<Range<usize>>,
    /// What stands before the keys below it.
    indent: String,
    /// How lines end.
    end: &'static str,
}

impl Lines {
    fn of(text: &str) -> Result<Self, Unexpected> {
        let end = if text.contains("\r\n") { "\r\n" } else { "\n" };
        let mut lines = Self { paths: None, vmagent: None, indent: "    ".into(), end };
        let (mut at, mut is_first) = (0, true);
        for line in text.split_inclusive('\n') {
            let range = at..at + line.len();
            at = range.end;
            let content = line.trim_start();
            if content.is_empty() || content.starts_with('#') {
                continue;
            }
            if lines.paths.is_none() {
                if let Some(rest) = line.strip_prefix("paths:") {
                    if !rest.trim().is_empty() && !rest.trim_start().starts_with('#') {
                        return Err(Unexpected::OneLine);
                    }
                    lines.paths = Some(range);
                }
                continue;
            }
            let indent = &line[..line.len() - content.len()];
            if indent.is_empty() {
                break;
            }
            if std::mem::take(&mut is_first) {
                lines.indent = indent.to_owned();
            }
            if lines.indent == indent && content.starts_with("vmagent:") {
                lines.vmagent = Some(range);
            }
        }
        Ok(lines)
    }
}
