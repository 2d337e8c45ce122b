//! YAML as a tree in which every value knows its key and its place.
//!
//! Deserializing into typed structs would end at the first wrong key or value. A tree always succeeds where
//! the YAML itself is well-formed, so that every error of a file can be listed at once.

use super::problem::{Place, Problems, Spot};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{DuplicateKeyPolicy, Location, NonFiniteFloatPolicy, Spanned};
use std::fmt;

/// A value with its key and its place. Has no `Debug`: any of them may be a secret.
pub(super) struct Node {
    pub(super) spot: Spot,
    pub(super) value: Value,
}

pub(super) enum Value {
    /// Nothing, `~` or `null`.
    Null,
    /// A scalar as it is written, without quotes: numbers are not rounded, `00123` keeps its zeros.
    Text(String),
    List(Vec<Node>),
    /// Keys in the order of the file, and possibly twice; `Spot` is the key's own place.
    Map(Vec<(Spot, String, Node)>),
}

impl Value {
    /// What it is, for messages.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Text(_) => "a single value",
            Self::List(_) => "a list",
            Self::Map(_) => "a section of keys",
        }
    }
}

/// Reads a document. None when it is not YAML, which has been reported then.
pub(super) fn parse(text: &str, problems: &mut Problems) -> Option<Node> {
    let options = serde_saphyr::options! {
        // It would show the text around an error, which may be a secret.
        with_snippet: false,
        // Each of these would end the reading.
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        non_finite_float_policy: NonFiniteFloatPolicy::PassThrough,
    };
    match serde_saphyr::from_str_with_options::<Spanned<Parsed>>(text, options) {
        Ok(parsed) => Some(node(parsed, String::new(), text)),
        Err(error) => {
            let place = error.location().map_or(Place::SomewhereInFile, place);
            problems.error(&Spot { place, key: String::new() }, explain(&error));
            None
        }
    }
}

/// What is wrong with the YAML, without a word of its text.
fn explain(error: &serde_saphyr::Error) -> String {
    use serde_saphyr::Error;
    match error.without_snippet() {
        // The scanner's messages are fixed texts, with at most one character of the input.
        Error::ExternalMessage { msg, .. } => format!("not valid YAML: {msg}"),
        Error::Eof { .. } => "not valid YAML: the file ends too early".into(),
        Error::MultipleDocuments { .. } => {
            "more than one YAML document: write one, without a second `---`".into()
        }
        Error::UnknownAnchor { .. } => {
            "not valid YAML: an alias of nothing; put a value that begins with `*` in quotes".into()
        }
        Error::AliasError { error, .. } => explain(error),
        Error::Budget { .. } | Error::AliasReplayLimitExceeded { .. } => {
            "not read: nested too deeply, or too large once its aliases are filled in".into()
        }
        Error::Unexpected { expected, .. } => format!("not valid YAML: expected {expected}"),
        _ => {
            "not YAML that can be read here: a key must be one word, a value plain text, a list or a section"
                .into()
        }
    }
}

fn place(location: Location) -> Place {
    if location == Location::UNKNOWN {
        return Place::SomewhereInFile;
    }
    Place::File { line: location.line(), column: location.column() }
}

/// Gives a value its key, and plain scalars their text.
fn node(parsed: Spanned<Parsed>, key: String, source: &str) -> Node {
    // Of an alias or a merge, what is wrong is where it is defined.
    let at = parsed.defined;
    let value = match parsed.value {
        Parsed::Null => Value::Null,
        Parsed::Text(text) => Value::Text(text),
        Parsed::Resolved(resolved) => Value::Text(slice(source, at).map_or(resolved, str::to_owned)),
        Parsed::List(items) => {
            let item = |(index, item)| node(item, format!("{key}[{index}]"), source);
            Value::List(items.into_iter().enumerate().map(item).collect())
        }
        Parsed::Map(entries) => Value::Map(
            entries
                .into_iter()
                .map(|(name, value)| {
                    let key =
                        if key.is_empty() { name.value.clone() } else { format!("{key}.{}", name.value) };
                    let spot = Spot { place: place(name.defined), key: key.clone() };
                    (spot, name.value, node(value, key, source))
                })
                .collect(),
        ),
    };
    Node { spot: Spot { place: place(at), key }, value }
}

/// The text of a plain scalar. None where its place is not known to the byte.
fn slice(source: &str, at: Location) -> Option<&str> {
    let start = usize::try_from(at.span().byte_offset()?).ok()?;
    let len = usize::try_from(at.span().byte_len()?).ok()?;
    let text = source.get(start..start.checked_add(len)?)?.trim();
    // A tag (`!!int "5"`) belongs to the span: then the resolved form is the better one.
    (!text.is_empty() && !text.contains(['!', '"', '\'', '&'])).then_some(text)
}

/// A value as serde gives it.
enum Parsed {
    Null,
    Text(String),
    /// A plain scalar that YAML takes for a number or a truth value, written anew.
    Resolved(String),
    List(Vec<Spanned<Parsed>>),
    Map(Vec<(Spanned<String>, Spanned<Parsed>)>),
}

impl<'de> Deserialize<'de> for Parsed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ParsedVisitor)
    }
}

struct ParsedVisitor;

impl<'de> Visitor<'de> for ParsedVisitor {
    type Value = Parsed;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any YAML")
    }

    fn visit_unit<E>(self) -> Result<Parsed, E> {
        Ok(Parsed::Null)
    }

    fn visit_str<E>(self, text: &str) -> Result<Parsed, E> {
        Ok(Parsed::Text(text.to_owned()))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Parsed, E> {
        Ok(Parsed::Resolved(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Parsed, E> {
        Ok(Parsed::Resolved(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Parsed, E> {
        Ok(Parsed::Resolved(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Parsed, E> {
        Ok(Parsed::Resolved(value.to_string()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Parsed, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Parsed::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Parsed, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Parsed::Map(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `key=text@line:column` of every scalar.
    fn scalars(text: &str) -> Vec<String> {
        let mut problems = Problems::new("test.yml");
        let mut found = Vec::new();
        let tree = parse(text, &mut problems).expect("YAML");
        collect(&tree, &mut found);
        found
    }

    fn collect(node: &Node, found: &mut Vec<String>) {
        match &node.value {
            Value::Null => {}
            Value::Text(text) => {
                let Place::File { line, column } = node.spot.place else { panic!("no place") };
                found.push(format!("{}={text}@{line}:{column}", node.spot.key));
            }
            Value::List(items) => items.iter().for_each(|item| collect(item, found)),
            Value::Map(entries) => entries.iter().for_each(|(_, _, value)| collect(value, found)),
        }
    }

    #[test]
    fn what_yaml_takes_for_a_number_stays_as_it_is_written() {
        let text =
            "a: [007, 1e5, 0x1F, 1_000, .5, 99999999999999999999, 1.10]\nb: {c: TRUE, d: .NaN, e: 1:30}";
        let values: Vec<String> = scalars(text)
            .iter()
            .filter_map(|scalar| Some(scalar.split_once('=')?.1.split_once('@')?.0.to_owned()))
            .collect();
        assert_eq!(
            values,
            ["007", "1e5", "0x1F", "1_000", ".5", "99999999999999999999", "1.10", "TRUE", ".NaN", "1:30"]
        );
    }

    #[test]
    fn it_stays_so_behind_wide_characters_line_ends_and_aliases() {
        let text = "\u{feff}# \u{1f600}\r\né: ü\r\na: &x 007 # é\r\nb: *x\r\nc: &y {d: 0e1}\r\ne: {<<: *y, f: '08'}\r\n";
        assert_eq!(
            scalars(text),
            ["é=ü@2:4", "a=007@3:7", "b=007@3:7", "c.d=0e1@5:11", "e.f=08@6:16", "e.d=0e1@5:11"]
        );
    }

    #[test]
    fn hostile_yaml_ends_in_an_error() {
        let deep = "[".repeat(100_000);
        let bomb = (1..30).fold("a0: &a0 [x]\n".to_owned(), |text, level| {
            let aliases = format!("*a{}, ", level - 1).repeat(9);
            text + &format!("a{level}: &a{level} [{aliases}]\n")
        });
        for text in [deep, bomb, "a: &a [*a]".into(), "a: {<<: 1}".into(), "? [a]\n: b".into()] {
            let mut problems = Problems::new("test.yml");
            assert!(parse(&text, &mut problems).is_none(), "{}", &text[..text.len().min(60)]);
            let errors = problems.finish().expect_err("reported").to_string();
            assert!(errors.starts_with("test.yml:") && errors.len() < 200, "{errors}");
        }
    }
}
