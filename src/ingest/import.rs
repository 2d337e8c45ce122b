//! What the import routes share: arguments of the request, and the way from labels to series.
//!
//! `extra_label=name=value`, as often as needed, gives every series of the request a label; it takes the place of
//! one of the same name, and the last of several of one name counts. `timestamp=` gives the time, in milliseconds,
//! to samples without one; `format=` is for CSV. Other arguments are ignored, as VictoriaMetrics does.
//!
//! A path in the form of the Pushgateway, `…/metrics/job/<job>/<name>/<value>…`, gives labels too; where a name ends
//! in `@base64`, its value is base64 for URLs. An `extra_label` takes their place.
//!
//! Source: docs.victoriametrics.com, lib/protoparser/protoparserutil/extra_labels.go, and the Pushgateway's README.

use super::{Limits, Refusal, one_line};
use crate::config::BadLines;
use crate::model::{Mark, Push, PushBuilder, Sample, Span};
use crate::wire;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::borrow::Cow;

/// One import request, but for its body.
#[derive(Debug, Clone)]
pub struct Import {
    pub arguments: Arguments,
    /// When the request arrived: the time of samples that come without one. Taken then and kept with them, it is not
    /// moved by an outage.
    pub accepted_ms: i64,
    pub limits: Limits,
    /// What becomes of a line that cannot be taken.
    pub bad_lines: BadLines,
}

/// What the path and the query of an import request say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Arguments {
    /// Sorted by name, each name once, no name and no value empty.
    extra_labels: Vec<(String, String)>,
    timestamp_ms: Option<i64>,
    /// What the columns of CSV hold.
    format: Option<String>,
}

impl Arguments {
    /// `group` is what stands behind `/metrics/` in a path of the Pushgateway's form.
    pub fn of(group: Option<&str>, query: Option<&str>) -> Result<Self, Refusal> {
        let mut arguments = Self::default();
        if let Some(group) = group {
            arguments.read_group(group).map_err(|what| Refusal::Bad(format!("in the path, {what}")))?;
        }
        for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let argument = match name {
                "extra_label" | "timestamp" | "format" => {
                    decoded(value, true).and_then(|value| arguments.read(name, &value))
                }
                _ => Ok(()),
            };
            argument.map_err(|what| Refusal::Bad(format!("in the argument {name}, {what}")))?;
        }
        Ok(arguments)
    }

    /// Arguments with these labels for every series. Those without a name or a value are none.
    pub fn with_labels<'l>(labels: impl IntoIterator<Item = (&'l str, &'l str)>) -> Self {
        let mut arguments = Self::default();
        for (name, value) in labels {
            // Refused is only what has no name.
            let _ = arguments.label(name, value);
        }
        arguments
    }

    pub(super) fn format(&self) -> Option<&str> {
        self.format.as_deref()
    }

    fn read(&mut self, name: &str, value: &str) -> Result<(), String> {
        if name == "format" {
            self.format.get_or_insert_with(|| value.to_owned());
            return Ok(());
        }
        if name == "extra_label" {
            let (name, value) = value
                .split_once('=')
                .ok_or_else(|| format!("{} is not of the form name=value", one_line(value)))?;
            return self.label(name, value);
        }
        // The first one counts, and 0 and less as none: so VictoriaMetrics has it.
        if self.timestamp_ms.is_none() && !value.is_empty() {
            let timestamp: i64 = value
                .parse()
                .map_err(|_| format!("{} is no whole number of milliseconds", one_line(value)))?;
            self.timestamp_ms = (timestamp > 0).then_some(timestamp);
        }
        Ok(())
    }

    /// Adds a label in the place of one of the same name. One without a value is ignored, as VictoriaMetrics does.
    fn label(&mut self, name: &str, value: &str) -> Result<(), String> {
        if name.is_empty() {
            return Err("a label has no name".into());
        }
        if !value.is_empty() {
            match self.extra_labels.binary_search_by(|(known, _)| known.as_str().cmp(name)) {
                Ok(at) => value.clone_into(&mut self.extra_labels[at].1),
                Err(at) => self.extra_labels.insert(at, (name.to_owned(), value.to_owned())),
            }
        }
        Ok(())
    }

    fn read_group(&mut self, group: &str) -> Result<(), String> {
        // Taken apart before it is decoded: a value may hold an escaped slash.
        let mut parts = group.strip_suffix('/').unwrap_or(group).split('/');
        while let Some(name) = parts.next() {
            let name = decoded(name, false)?;
            let value = match parts.next() {
                Some(value) => decoded(value, false)?,
                // `job/` with nothing behind it.
                None if group.ends_with('/') => Cow::Borrowed(""),
                None => return Err(format!("label {} has no value", one_line(&name))),
            };
            match name.strip_suffix("@base64") {
                None => self.label(&name, &value)?,
                Some(name) => {
                    let bytes = URL_SAFE_NO_PAD.decode(value.trim_end_matches('=')).ok();
                    let value = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
                    let value = value.ok_or_else(|| {
                        format!("the value of label {} is no text in base64 for URLs", one_line(name))
                    })?;
                    self.label(name, &value)?;
                }
            }
        }
        Ok(())
    }
}

/// Undoes percent-encoding, and in a query also `+` for a blank.
fn decoded(text: &str, is_query: bool) -> Result<Cow<'_, str>, String> {
    if !text.contains(['%', '+']) {
        return Ok(text.into());
    }
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'%' => {
                let digits =
                    bytes.get(at + 1..at + 3).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
                let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok());
                let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
                out.push(byte.ok_or_else(|| format!("a % in {} begins no escape", one_line(text)))?);
                at += 3;
                continue;
            }
            b'+' if is_query => out.push(b' '),
            byte => out.push(byte),
        }
        at += 1;
    }
    let text = String::from_utf8(out).map_err(|_| format!("{} is no UTF-8", one_line(text)))?;
    Ok(text.into())
}

/// The label that is a metric's name.
pub(super) const NAME: &str = "__name__";

/// A line as text.
pub(super) fn text_of(line: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(line)
        .map_err(|error| format!("it is no UTF-8 from its byte {} on", error.valid_up_to() + 1))
}

/// The number of a sample: in decimal, or one of the words `Inf`, `Infinity` and `NaN` in any case.
pub(super) fn number(text: &str) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|_| format!("{} is no number", one_line(text)))?;
    if value.is_infinite() && text.contains(|c: char| c.is_ascii_digit()) {
        return Err(format!("{} is out of range", one_line(text)));
    }
    // One NaN for all the ways to write it.
    Ok(if value.is_nan() { f64::NAN } else { value })
}

/// Names and values, as they stand in a line.
pub(super) type Labels<'a> = Vec<(Cow<'a, str>, Cow<'a, str>)>;

/// What labels are written in: text, or bytes where the protocol has it so.
pub(super) trait Text: ToOwned + AsRef<[u8]> + Ord {}

impl Text for str {}
impl Text for [u8] {}

/// The push that a body becomes, series by series.
pub(super) struct Series<'i> {
    builder: PushBuilder,
    import: &'i Import,
    /// The labels of an exemplar, allocated once for all.
    section: Vec<u8>,
}

impl<'i> Series<'i> {
    pub(super) fn new(import: &'i Import) -> Self {
        Self { builder: PushBuilder::default(), import, section: Vec::new() }
    }

    /// Stores the labels of a series, sorted, with the extra ones.
    pub(super) fn labels<T: Text + ?Sized>(
        &mut self,
        labels: &mut [(Cow<'_, T>, Cow<'_, T>)],
    ) -> Result<Span, Refusal> {
        check(labels).map_err(Refusal::Bad)?;
        let extra_labels = &self.import.arguments.extra_labels;
        let mut count = 0;
        let section = self.builder.store_with(|out| count = append(out, labels, extra_labels));
        self.import.limits.hold_labels(count, self.builder.bytes(section))?;
        self.bound(section)
    }

    /// Stores what else belongs to a series, in its wire form.
    pub(super) fn exemplar(&mut self, labels: &mut Labels<'_>, sample: Sample) -> Result<Span, Refusal> {
        if !labels.is_empty() {
            check(labels).map_err(|what| Refusal::Bad(format!("in the exemplar, {what}")))?;
        }
        let section = &mut self.section;
        section.clear();
        append(section, labels, &[]);
        let field = self
            .builder
            .store_with(|out| wire::append_exemplar(out, section, sample.value, sample.timestamp));
        self.builder.count_extras(0, 1);
        self.bound(field)
    }

    /// Labels may take more bytes as they are stored than in the body, and extra labels as often as there are series:
    /// a small body must not fill memory with them.
    fn bound(&self, stored: Span) -> Result<Span, Refusal> {
        let limit = self.import.limits.unpacked_bytes;
        if self.builder.arena_len() > limit.saturating_mul(2) {
            return Err(Refusal::TooLarge(format!(
                "the labels take more than twice {limit} bytes (server.max_body_bytes); send smaller requests"
            )));
        }
        Ok(stored)
    }

    /// The time of a sample without one.
    pub(super) fn default_ms(&self) -> i64 {
        self.import.arguments.timestamp_ms.unwrap_or(self.import.accepted_ms)
    }

    pub(super) fn sample(&mut self, sample: Sample) {
        self.builder.sample(sample);
    }

    pub(super) fn close(&mut self, labels: Span, extras: Span) -> Result<(), Refusal> {
        self.builder.series(labels, extras);
        self.import.limits.hold_counts(self.builder.counts())
    }

    pub(super) fn mark(&self) -> Mark {
        self.builder.mark()
    }

    /// Takes back what was added since.
    pub(super) fn rewind(&mut self, mark: Mark) {
        self.builder.rewind(mark);
    }

    pub(super) fn finish(self) -> Push {
        self.builder.finish()
    }
}

/// Sorts labels and holds them to the rules of a section.
fn check<T: Text + ?Sized>(labels: &mut [(Cow<'_, T>, Cow<'_, T>)]) -> Result<(), String> {
    labels.sort_unstable();
    match labels.first() {
        None => return Err("there are no labels".into()),
        Some((name, _)) if (**name).as_ref().is_empty() => return Err("a label has no name".into()),
        Some(_) => {}
    }
    match labels.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        Some(pair) => {
            let name = String::from_utf8_lossy((*pair[0].0).as_ref());
            Err(format!("label {} stands there twice", one_line(&name)))
        }
        None => Ok(()),
    }
}

/// Writes two sorted runs of labels as one, and returns how many it wrote. Of two with one name, that of `extra` is taken.
fn append<T: Text + ?Sized>(
    out: &mut Vec<u8>,
    labels: &[(Cow<'_, T>, Cow<'_, T>)],
    extra: &[(String, String)],
) -> usize {
    let mut count = 0;
    let mut put = |name: &[u8], value: &[u8]| {
        wire::append_label(out, name, value);
        count += 1;
    };
    let mut extra = extra.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).peekable();
    for (name, value) in labels {
        let name: &[u8] = (**name).as_ref();
        while let Some((name, value)) = extra.next_if(|(extra, _)| *extra < name) {
            put(name, value);
        }
        if extra.peek().is_none_or(|(extra, _)| *extra != name) {
            put(name, (**value).as_ref());
        }
    }
    for (name, value) in extra {
        put(name, value);
    }
    count
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// When requests of tests arrive.
    pub(in super::super) const NOW_MS: i64 = 1_700_000_000_000;

    pub(in super::super) fn import(query: &str) -> Import {
        let arguments = Arguments::of(None, Some(query)).unwrap();
        let bad_lines = BadLines::Refuse;
        Import { arguments, accepted_ms: NOW_MS, limits: Limits::of_bytes(1 << 20), bad_lines }
    }

    #[track_caller]
    fn extra_labels(group: Option<&str>, query: &str) -> Vec<(String, String)> {
        Arguments::of(group, Some(query)).unwrap().extra_labels
    }

    fn owned(labels: &[(&str, &str)]) -> Vec<(String, String)> {
        labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn extra_labels_are_decoded_and_the_last_of_a_name_counts() {
        let query = "extra_label=z=a=b%20c%2Bd+e&x=%zz&extra_label=a%3D1&extra_label=a=2&extra_label=c=&&y";
        assert_eq!(extra_labels(None, query), owned(&[("a", "2"), ("z", "a=b c+d e")]));
    }

    #[test]
    fn a_path_of_the_pushgateway_gives_labels_which_arguments_override() {
        let labels = extra_labels(Some("job/my%2Fjob+1/instance/a"), "extra_label=instance=b");
        assert_eq!(labels, owned(&[("instance", "b"), ("job", "my/job+1")]));
        for padded in ["bXkvam9iYQ==", "bXkvam9iYQ"] {
            let group = format!("job@base64/{padded}/empty@base64/=/x/y/");
            assert_eq!(extra_labels(Some(&group), ""), owned(&[("job", "my/joba"), ("x", "y")]));
        }
        assert_eq!(extra_labels(Some("job/"), ""), []);
    }

    #[test]
    fn the_first_timestamp_counts_and_one_that_is_not_positive_is_none() {
        let timestamp = |query| Arguments::of(None, Some(query)).unwrap().timestamp_ms;
        assert_eq!(timestamp("timestamp=1700000000001&timestamp=5"), Some(1_700_000_000_001));
        assert_eq!([timestamp("timestamp="), timestamp("timestamp=0"), timestamp("timestamp=-5")], [None; 3]);
    }

    #[test]
    fn what_cannot_be_read_is_refused_by_its_place() {
        for (group, query, what) in [
            (None, "extra_label=a", "in the argument extra_label, a is not of the form name=value"),
            (None, "extra_label==a", "in the argument extra_label, a label has no name"),
            (None, "extra_label=a=%zz", "in the argument extra_label, a % in a=%zz begins no escape"),
            (None, "extra_label=a=%ff", "in the argument extra_label, a=%ff is no UTF-8"),
            (None, "timestamp=1.5", "in the argument timestamp, 1.5 is no whole number of milliseconds"),
            (Some("job/a/b"), "", "in the path, label b has no value"),
            (Some("job/a//b"), "", "in the path, a label has no name"),
            (Some("job@base64/*"), "", "in the path, the value of label job is no text in base64 for URLs"),
        ] {
            assert_eq!(Arguments::of(group, Some(query)).unwrap_err().to_string(), what);
        }
    }

    proptest! {
        #[test]
        fn extra_labels_are_merged_in_order(
            own in prop::collection::btree_map("[a-e]{1,2}", "[a-c]", 1..6),
            extra in prop::collection::btree_map("[a-e]{1,2}", "[x-z]", 0..6),
        ) {
            let mut labels: Labels<'_> = own.iter().rev().map(|(n, v)| (n.as_str().into(), v.as_str().into())).collect();
            check(&mut labels).unwrap();
            let mut section = Vec::new();
            let count = append(&mut section, &labels, &extra.clone().into_iter().collect::<Vec<_>>());
            let read: Vec<_> = wire::labels(&section).map(Result::unwrap)
                .map(|label| (label.name.to_vec(), label.value.to_vec())).collect();
            let mut wanted = own;
            wanted.extend(extra);
            let wanted: Vec<_> = wanted.into_iter().map(|(n, v)| (n.into_bytes(), v.into_bytes())).collect();
            prop_assert_eq!(count, wanted.len());
            prop_assert_eq!(read, wanted);
        }

        #[test]
        fn no_text_makes_it_panic(group in proptest::option::of(".{0,40}"), query in ".{0,40}|extra_label=.{0,20}") {
            let _ = Arguments::of(group.as_deref(), Some(&query));
        }
    }
}
