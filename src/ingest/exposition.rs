//! The text that exporters expose: Prometheus' format 0.0.4 and OpenMetrics 1.0.
//!
//! ```text
//! # TYPE http_requests counter
//! http_requests_total{code="200",path="/"} 1027 1700000000000 # {trace_id="a1"} 0.67 1700000000.123
//! ```
//!
//! One grammar reads both, and takes what either allows. Comments are passed over, and with them the metadata in
//! `# HELP`, `# TYPE` and `# UNIT` (as VictoriaMetrics does) and `# EOF`. Exemplars go on with their sample. The last line
//! needs no newline; for bad ones see [`lines`].
//!
//! The formats differ in the unit of time: milliseconds in Prometheus', seconds in OpenMetrics. VictoriaMetrics tells
//! them by size in both, and so pushers rely on that: below 2^31 they are seconds, and 0 is no time. Where the
//! `Content-Type` says OpenMetrics, they are seconds up to the year 9999.
//!
//! Source: prometheus.io/docs/instrumenting/exposition_formats, the OpenMetrics 1.0 specification, and
//! lib/protoparser/prometheus.

use super::import::{Import, Labels, NAME, Series, number, text_of};
use super::lines::{self, Imported};
use super::{Refusal, one_line};
use crate::model::{Sample, Span};
use crate::wire::Allowance;
use std::borrow::Cow;

/// What `Content-Type` says the text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Prometheus,
    OpenMetrics,
}

impl Format {
    /// Prometheus' where it says nothing. Refuses protobuf, which clients of the Pushgateway may send.
    pub fn of(content_type: Option<&[u8]>) -> Result<Self, Refusal> {
        let content_type = content_type.unwrap_or_default();
        let media_type = content_type.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
        if media_type.eq_ignore_ascii_case(b"application/openmetrics-text") {
            return Ok(Self::OpenMetrics);
        }
        if media_type.to_ascii_lowercase().ends_with(b"protobuf") {
            let media_type = String::from_utf8_lossy(media_type);
            return Err(Refusal::Unsupported(format!(
                "Content-Type {} is not taken here; send the text format",
                one_line(&media_type)
            )));
        }
        Ok(Self::Prometheus)
    }

    /// Times below are seconds, in both directions from 1970.
    fn seconds_below(self) -> i64 {
        match self {
            Self::Prometheus => 1 << 31,
            // The last second of the year 9999.
            Self::OpenMetrics => 253_402_300_800,
        }
    }

    /// The time in milliseconds; none for 0.
    fn time_ms(self, text: &str) -> Result<Option<i64>, String> {
        let bad = || format!("{} is no timestamp", one_line(text));
        let limit = self.seconds_below();
        let ms = if let Ok(whole) = text.parse::<i64>() {
            if (-limit..limit).contains(&whole) { whole * 1000 } else { whole }
        } else {
            let time: f64 = text.parse().map_err(|_| bad())?;
            if time.abs() < limit as f64 {
                (time * 1000.0).round() as i64
            } else if time.abs() < i64::MAX as f64 {
                time as i64
            } else {
                return Err(bad());
            }
        };
        Ok((ms != 0).then_some(ms))
    }
}

/// A line of a sample takes that much and more; four bytes would become fifty.
const SMALLEST_LINE: usize = 16;

/// Decodes a body that is not packed.
pub fn decode(body: &[u8], format: Format, import: &Import) -> Result<Imported, Refusal> {
    let mut allowance = Allowance::of(body.len(), SMALLEST_LINE);
    let (mut labels, mut of_exemplar) = (Labels::new(), Labels::new());
    lines::read(body, import, |series, line| {
        let line = line.trim_ascii();
        if line.is_empty() || line[0] == b'#' {
            return Ok(());
        }
        if !allowance.take(1) {
            return Err(Refusal::TooLarge("too many lines for the size of the body".into()));
        }
        add(series, line, format, &mut labels, &mut of_exemplar)
    })
}

/// Adds the sample of one line. The labels are handed in so that they are allocated once for all lines.
fn add<'b>(
    series: &mut Series<'_>,
    line: &'b [u8],
    format: Format,
    labels: &mut Labels<'b>,
    of_exemplar: &mut Labels<'b>,
) -> Result<(), Refusal> {
    labels.clear();
    of_exemplar.clear();
    let row = parse(line, format, labels, of_exemplar).map_err(Refusal::Bad)?;
    let section = series.labels(labels)?;
    let timestamp = row.timestamp.unwrap_or_else(|| series.default_ms());
    let extras = match row.exemplar {
        None => Span::default(),
        // As a scrape has it, one without a time is as old as its sample.
        Some((value, time)) => {
            series.exemplar(of_exemplar, Sample { value, timestamp: time.unwrap_or(timestamp) })?
        }
    };
    series.sample(Sample { value: row.value, timestamp });
    series.close(section, extras)
}

/// A line without its labels.
struct Row {
    value: f64,
    timestamp: Option<i64>,
    exemplar: Option<(f64, Option<i64>)>,
}

fn parse<'b>(
    line: &'b [u8],
    format: Format,
    labels: &mut Labels<'b>,
    of_exemplar: &mut Labels<'b>,
) -> Result<Row, String> {
    let mut rest = Rest(text_of(line)?);
    rest.metric(labels)?;
    let value = number(rest.word().ok_or("the value is missing")?)?;
    let timestamp = match rest.word_but("#") {
        Some(word) => format.time_ms(word)?,
        None => None,
    };
    let exemplar = if rest.takes("#") {
        let of = |what: String| format!("in the exemplar, {what}");
        if !rest.takes("{") {
            return Err(of("{ is missing".into()));
        }
        rest.labels(of_exemplar, false).map_err(of)?;
        let value = number(rest.word().ok_or_else(|| of("the value is missing".into()))?).map_err(of)?;
        Some((value, rest.word().map_or(Ok(None), |word| format.time_ms(word)).map_err(of)?))
    } else {
        None
    };
    match rest.word() {
        None => Ok(Row { value, timestamp, exemplar }),
        Some(word) => Err(format!("{} stands behind the sample", one_line(word))),
    }
}

/// What of a line is still to be read.
struct Rest<'a>(&'a str);

const BLANK: [char; 2] = [' ', '\t'];

impl<'a> Rest<'a> {
    fn skip_blanks(&mut self) {
        self.0 = self.0.trim_start_matches(BLANK);
    }

    /// Takes `token` where it stands next, behind blanks or not.
    fn takes(&mut self, token: &str) -> bool {
        self.skip_blanks();
        let rest = self.0.strip_prefix(token);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    /// The text up to `end`, which stays.
    fn until(&mut self, end: usize) -> &'a str {
        let (text, rest) = self.0.split_at(end);
        self.0 = rest;
        text
    }

    /// What stands next, up to a blank.
    fn word(&mut self) -> Option<&'a str> {
        self.skip_blanks();
        let end = self.0.find(BLANK).unwrap_or(self.0.len());
        Some(self.until(end)).filter(|word| !word.is_empty())
    }

    /// The same, where it does not begin with `other`.
    fn word_but(&mut self, other: &str) -> Option<&'a str> {
        self.skip_blanks();
        if self.0.starts_with(other) { None } else { self.word() }
    }

    /// A name and labels, or labels with the name among them.
    fn metric(&mut self, labels: &mut Labels<'a>) -> Result<(), String> {
        let end = self.0.find([' ', '\t', '{']).unwrap_or(self.0.len());
        let name = self.until(end);
        if name.contains(['"', '}', '=', ',']) {
            return Err(format!("{} is no name of a metric", one_line(name)));
        }
        if !name.is_empty() {
            labels.push((NAME.into(), name.into()));
        }
        if self.takes("{") {
            self.labels(labels, name.is_empty())?;
        }
        match labels.iter().find(|(name, _)| name == NAME) {
            Some((_, name)) if !name.is_empty() => Ok(()),
            _ => Err("the metric has no name".into()),
        }
    }

    /// Labels up to `}`. Where the metric's name may be among them, it is the quoted text that is followed by no value.
    fn labels(&mut self, labels: &mut Labels<'a>, may_hold_name: bool) -> Result<(), String> {
        loop {
            if self.takes("}") {
                return Ok(());
            }
            let is_quoted = self.0.starts_with('"');
            let name = if is_quoted { self.quoted()? } else { self.label_name()?.into() };
            if self.takes("=") {
                self.skip_blanks();
                let value = self
                    .quoted()
                    .map_err(|what| format!("in the value of label {}, {what}", one_line(&name)))?;
                labels.push((name, value));
            } else if is_quoted && may_hold_name {
                labels.push((NAME.into(), name));
            } else {
                return Err(format!("label {} has no value", one_line(&name)));
            }
            if !self.takes(",") && !self.0.starts_with('}') {
                return Err("a , or a } is missing behind a label".into());
            }
        }
    }

    fn label_name(&mut self) -> Result<&'a str, String> {
        let end = self.0.find(['=', ',', '{', '}', '"']).unwrap_or(self.0.len());
        let name = self.until(end).trim_end_matches(BLANK);
        match name {
            "" => Err("the name of a label is missing".into()),
            name if name.contains(BLANK) => Err(format!("{} is no name of a label", one_line(name))),
            name => Ok(name),
        }
    }

    /// A text in quotes, where `\\`, `\"` and `\n` are escapes. Another backslash stands for itself, as
    /// VictoriaMetrics has it.
    fn quoted(&mut self) -> Result<Cow<'a, str>, String> {
        let inner = self.0.strip_prefix('"').ok_or("a \" is missing")?;
        let mut escaped = None;
        let mut from = 0;
        loop {
            let at = from + inner[from..].find(['"', '\\']).ok_or("the closing \" is missing")?;
            if inner.as_bytes()[at] == b'"' {
                self.0 = &inner[at + 1..];
                return Ok(match escaped {
                    None => inner[..at].into(),
                    Some(text) => Cow::Owned(text + &inner[from..at]),
                });
            }
            let text: &mut String = escaped.get_or_insert_default();
            text.push_str(&inner[from..at]);
            from = at + 2;
            match inner.as_bytes().get(at + 1) {
                Some(b'n') => text.push('\n'),
                Some(b'"') => text.push('"'),
                Some(b'\\') => text.push('\\'),
                _ => {
                    text.push('\\');
                    from = at + 1;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
