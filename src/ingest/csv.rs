//! Lines of values between commas, whose columns the argument `format` explains.
//!
//! ```text
//! ?format=1:label:symbol,2:metric:ask,3:metric:bid,4:time:unix_s
//! GOOG,1.23,4.56,1700000000
//! ```
//!
//! A column is `<number>:<type>:<what>`: a `label` or a `metric` of that name, or the `time` as `unix_s`, `unix_ms`,
//! `unix_ns`, `rfc3339` or `custom:<layout>` (see `layout`). Columns that are not named are passed over. Each
//! value of a metric is a sample; an empty one is none, and an empty label is no label. A value in `"` may hold commas,
//! and `""` for a quote, but no end of line.
//!
//! VictoriaMetrics passes over a header because it passes over every line that it cannot read. Here only a first line
//! without a number in any column of a metric is taken for a header; for bad lines see [`lines`].
//!
//! Source: docs.victoriametrics.com, "How to import CSV data", and lib/protoparser/csvimport.

use super::import::{Import, Labels, NAME, Series, number, text_of};
use super::layout::Layout;
use super::lines::{self, Imported};
use super::{Refusal, one_line};
use crate::model::{Sample, Span};
use crate::wire::Allowance;
use std::borrow::Cow;

/// What a column holds.
#[derive(Debug)]
enum Column {
    Nothing,
    Label(String),
    Metric(String),
    Time(Time),
}

#[derive(Debug)]
enum Time {
    /// So many of its units make a second.
    Unix {
        units: i64,
    },
    Written(Layout),
}

impl Time {
    fn of(what: &str) -> Result<Self, String> {
        match what {
            "unix_s" => Ok(Self::Unix { units: 1 }),
            "unix_ms" => Ok(Self::Unix { units: 1_000 }),
            "unix_ns" => Ok(Self::Unix { units: 1_000_000_000 }),
            "rfc3339" => Ok(Self::Written(Layout::rfc3339())),
            _ => match what.strip_prefix("custom:") {
                Some(layout) => Layout::of(layout).map(Self::Written),
                None => Err(format!(
                    "{} is no time; there are unix_s, unix_ms, unix_ns, rfc3339 and custom:<layout>",
                    one_line(what)
                )),
            },
        }
    }

    fn ms(&self, text: &str) -> Result<i64, String> {
        match self {
            Self::Unix { units } => {
                let time = text.parse::<i64>().ok();
                let ms = time.and_then(|time| match units {
                    1 => time.checked_mul(1_000),
                    units => Some(time.div_euclid(units / 1_000)),
                });
                ms.ok_or_else(|| format!("{} is no time in whole units", one_line(text)))
            }
            Self::Written(layout) => layout.read(text),
        }
    }
}

/// A column beyond is a mistake, or made to fill memory.
const MOST_COLUMNS: usize = 10_000;

/// The columns up to the last one that is named.
fn columns(format: &str) -> Result<Vec<Column>, String> {
    let mut columns = Vec::new();
    for (at, entry) in format.split(',').enumerate() {
        let column = |what: &str| format!("in entry {} ({}), {what}", at + 1, one_line(entry));
        let mut parts = entry.splitn(3, ':');
        let (Some(place), Some(kind), Some(what)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(column("something is missing of <column>:<type>:<what>"));
        };
        let place = place.parse::<usize>().ok().filter(|place| (1..=MOST_COLUMNS).contains(place));
        let place =
            place.ok_or_else(|| column(&format!("the column is no number from 1 to {MOST_COLUMNS}")))?;
        let read = match kind {
            "label" | "metric" if what.is_empty() => return Err(column("the name is missing")),
            "label" if columns.iter().any(|known| matches!(known, Column::Label(name) if name == what)) => {
                return Err(column("the label is there twice"));
            }
            // The metric gives it, and an extra label may replace it.
            "label" if what == "__name__" => return Err(column("the name of a metric is no label")),
            "label" => Column::Label(what.to_owned()),
            "metric" => Column::Metric(what.to_owned()),
            "time" if columns.iter().any(|known| matches!(known, Column::Time(_))) => {
                return Err(column("there is a time already"));
            }
            "time" => Column::Time(Time::of(what).map_err(|what| column(&what))?),
            _ => return Err(column("the type is none of label, metric and time")),
        };
        while columns.len() < place {
            columns.push(Column::Nothing);
        }
        if !matches!(columns[place - 1], Column::Nothing) {
            return Err(column("the column is there twice"));
        }
        columns[place - 1] = read;
    }
    if !columns.iter().any(|column| matches!(column, Column::Metric(_))) {
        return Err("there is no metric".into());
    }
    Ok(columns)
}

/// A sample takes that much and more.
const SMALLEST_SAMPLE: usize = 4;

/// Decodes a body that is not packed.
pub fn decode(body: &[u8], import: &Import) -> Result<Imported, Refusal> {
    let format = import.arguments.format().unwrap_or_default();
    let columns = columns(format).map_err(|what| Refusal::Bad(format!("in the argument format, {what}")))?;
    let mut rows = Rows {
        columns: &columns,
        allowance: Allowance::of(body.len(), SMALLEST_SAMPLE),
        metrics: Vec::new(),
        labels: Labels::new(),
    };
    let mut is_first = true;
    lines::read(body, import, |series, line| match line.strip_suffix(b"\r").unwrap_or(line) {
        [] => Ok(()),
        line => rows.add(series, line, std::mem::take(&mut is_first)),
    })
}

/// Reads line by line; what a line needs is allocated once for all.
struct Rows<'b> {
    columns: &'b [Column],
    /// Samples that may still come.
    allowance: Allowance,
    /// Names and values as they are written.
    metrics: Vec<(&'b str, Cow<'b, str>)>,
    labels: Labels<'b>,
}

impl<'b> Rows<'b> {
    /// Adds the samples of one line. The first one may be a header.
    fn add(&mut self, series: &mut Series<'_>, line: &'b [u8], may_be_header: bool) -> Result<(), Refusal> {
        let time = self.read(line).map_err(Refusal::Bad)?;
        let is_number = |(_, text): &(&str, Cow<'_, str>)| number(text).is_ok();
        if may_be_header && !self.metrics.is_empty() && !self.metrics.iter().any(is_number) {
            return Ok(());
        }
        let timestamp = match time {
            Some((time, text)) => time.ms(&text).map_err(Refusal::Bad)?,
            None => series.default_ms(),
        };
        if !self.allowance.take(self.metrics.len()) {
            return Err(Refusal::TooLarge("too many samples for the size of the body".into()));
        }
        self.labels.push((NAME.into(), Cow::Borrowed("")));
        for (metric, text) in self.metrics.drain(..) {
            let value = number(&text)
                .map_err(|what| Refusal::Bad(format!("in the column of {}, {what}", one_line(metric))))?;
            // Where the name stands among the labels changes when they are sorted.
            let name = self.labels.iter_mut().find(|(name, _)| name == NAME);
            name.expect("BUG: it was put there").1 = metric.into();
            let section = series.labels(&mut self.labels)?;
            series.sample(Sample { value, timestamp });
            series.close(section, Span::default())?;
        }
        Ok(())
    }

    /// Takes a line apart into labels, metrics and the time.
    fn read(&mut self, line: &'b [u8]) -> Result<Option<(&'b Time, Cow<'b, str>)>, String> {
        let mut rest = Some(text_of(line)?);
        self.labels.clear();
        self.metrics.clear();
        let mut time = None;
        for (at, column) in self.columns.iter().enumerate() {
            let text =
                rest.ok_or_else(|| format!("it has {at} columns, and {} are named", self.columns.len()))?;
            let field;
            (field, rest) = next_field(text).map_err(|what| format!("in column {}, {what}", at + 1))?;
            match column {
                Column::Label(name) if !field.is_empty() => self.labels.push((name.into(), field)),
                Column::Metric(name) if !field.is_empty() => self.metrics.push((name, field)),
                Column::Time(of) => time = Some((of, field)),
                Column::Nothing | Column::Label(_) | Column::Metric(_) => {}
            }
        }
        Ok(time)
    }
}

/// The first field of a line, and the rest where there is more.
fn next_field(text: &str) -> Result<(Cow<'_, str>, Option<&str>), String> {
    let Some(quoted) = text.strip_prefix('"') else {
        return Ok(match text.split_once(',') {
            Some((field, rest)) => (field.into(), Some(rest)),
            None => (text.into(), None),
        });
    };
    let mut from = 0;
    let end = loop {
        let at = from + quoted[from..].find('"').ok_or("the closing \" is missing")?;
        if quoted.as_bytes().get(at + 1) != Some(&b'"') {
            break at;
        }
        from = at + 2;
    };
    let field = &quoted[..end];
    let field = if from == 0 { field.into() } else { Cow::Owned(field.replace("\"\"", "\"")) };
    match &quoted[end + 1..] {
        "" => Ok((field, None)),
        rest => match rest.strip_prefix(',') {
            Some(rest) => Ok((field, Some(rest))),
            None => Err("a , is missing behind the closing \"".into()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::super::import::tests::{NOW_MS, import};
    use super::*;
    use crate::model::Push;
    use crate::wire;
    use proptest::prelude::*;

    /// What is taken of a body where no line is skipped.
    fn decode(body: &[u8], import: &Import) -> Result<Push, Refusal> {
        super::decode(body, import).map(|imported| imported.push)
    }

    fn read(format: &str, body: &str) -> Result<Push, Refusal> {
        let format: String = format.bytes().map(|byte| format!("%{byte:02x}")).collect();
        decode(body.as_bytes(), &import(&format!("format={format}&extra_label=zone=z")))
    }

    /// Every sample, as labels, value and timestamp.
    #[track_caller]
    fn samples(format: &str, body: &str) -> Vec<(String, f64, i64)> {
        let push = read(format, body).unwrap();
        push.series()
            .map(|series| {
                let labels: Vec<_> = wire::labels(series.labels)
                    .map(Result::unwrap)
                    .map(|label| String::from_utf8([label.name, b"=", label.value].concat()).unwrap())
                    .collect();
                (labels.join(";"), series.samples[0].value, series.samples[0].timestamp)
            })
            .collect()
    }

    #[track_caller]
    fn refused(format: &str, body: &str) -> String {
        match read(format, body) {
            Err(refusal) => refusal.to_string(),
            other => panic!("{body}: {other:?}"),
        }
    }

    #[test]
    fn columns_become_labels_metrics_and_the_time() {
        let read = samples(
            "2:label:symbol,4:metric:ask,1:metric:bid,5:time:unix_s",
            "1.5,\"a,\"\"b\",junk,2,1600000000,more\r\n\n,x\"y\",,-Inf,1600000001\n3,,,,1600000002",
        );
        let row = |labels: &str, value, timestamp| (labels.to_owned(), value, timestamp);
        assert_eq!(
            read,
            [
                row("__name__=bid;symbol=a,\"b;zone=z", 1.5, 1_600_000_000_000),
                row("__name__=ask;symbol=a,\"b;zone=z", 2.0, 1_600_000_000_000),
                row("__name__=ask;symbol=x\"y\";zone=z", f64::NEG_INFINITY, 1_600_000_001_000),
                row("__name__=bid;zone=z", 3.0, 1_600_000_002_000),
            ]
        );
    }

    #[test]
    fn times_are_read_in_each_form_and_else_are_those_of_the_request() {
        for (time, text, ms) in [
            ("unix_s", "1600000000", 1_600_000_000_000),
            ("unix_ms", "1600000000001", 1_600_000_000_001),
            ("unix_ns", "1600000000001999999", 1_600_000_000_001),
            ("rfc3339", "2020-09-13T14:26:40.25+02:00", 1_600_000_000_250),
            ("custom:2006-01-02 15:04:05", "2020-09-13 12:26:40", 1_600_000_000_000),
        ] {
            let read = samples(&format!("1:metric:a,2:time:{time}"), &format!("1,{text}"));
            assert_eq!(read[0].2, ms, "{time}");
        }
        assert_eq!(samples("1:metric:a", "1")[0].2, NOW_MS);
        let push = decode(b"1", &import("format=1:metric:a&timestamp=1600000000000")).unwrap();
        assert_eq!(push.samples()[0].timestamp, 1_600_000_000_000);
    }

    #[test]
    fn a_first_line_without_a_number_is_a_header() {
        let format = "1:label:k,2:metric:a,3:metric:b";
        assert_eq!(samples(format, "\nk,a,b\nx,1,2\n").len(), 2);
        assert_eq!(samples(format, "x,1,\n").len(), 1);
        assert_eq!(samples(format, "x,,\n"), []);
        assert_eq!(refused(format, "x,1,b\n"), "line 1: in the column of b, b is no number");
    }

    #[test]
    fn a_bad_line_refuses_the_request_by_its_number() {
        for (bad, what) in [
            ("x", "it has 1 columns, and 3 are named"),
            ("x,1", "it has 2 columns, and 3 are named"),
            ("x,y,1", "in the column of a, y is no number"),
            ("x, 1,1", "in the column of a,  1 is no number"),
            ("x,1e999,1", "in the column of a, 1e999 is out of range"),
            ("x,1,", " is no time in whole units"),
            ("x,1,1.5", "1.5 is no time in whole units"),
            ("x,1,9223372036854775807", "9223372036854775807 is no time in whole units"),
            ("\"x,1,1", "in column 1, the closing \" is missing"),
            ("\"x\"y,1,1", "in column 1, a , is missing behind the closing \""),
        ] {
            let what = format!("line 3: {what}");
            assert_eq!(refused("1:label:k,2:metric:a,3:time:unix_s", &format!("a,1,1\n\n{bad}\n")), what);
        }
    }

    #[test]
    fn a_format_that_cannot_be_meant_is_refused_by_its_entry() {
        for (format, what) in [
            ("", "in entry 1 (), something is missing of <column>:<type>:<what>"),
            ("1:label", "in entry 1 (1:label), something is missing of <column>:<type>:<what>"),
            ("1:label:k", "there is no metric"),
            ("0:metric:a", "in entry 1 (0:metric:a), the column is no number from 1 to 10000"),
            ("x:metric:a", "in entry 1 (x:metric:a), the column is no number from 1 to 10000"),
            ("1:foo:a", "in entry 1 (1:foo:a), the type is none of label, metric and time"),
            ("1:metric:", "in entry 1 (1:metric:), the name is missing"),
            ("1:metric:a,1:label:b", "in entry 2 (1:label:b), the column is there twice"),
            ("1:label:a,2:label:a", "in entry 2 (2:label:a), the label is there twice"),
            ("1:label:__name__", "in entry 1 (1:label:__name__), the name of a metric is no label"),
            ("1:time:unix_s,2:time:unix_s", "in entry 2 (2:time:unix_s), there is a time already"),
            (
                "1:time:x",
                "in entry 1 (1:time:x), x is no time; there are unix_s, unix_ms, unix_ns, rfc3339 and custom:<layout>",
            ),
            ("1:time:custom:MST", "in entry 1 (1:time:custom:MST), MST in a layout is not known here"),
        ] {
            assert_eq!(refused(format, "1"), format!("in the argument format, {what}"));
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            rows in prop::collection::vec(("[^\r\n]{0,8}|[a\",]{0,5}", any::<f64>(), 0..1i64 << 42), 1..9),
        ) {
            let lines: Vec<_> = rows.iter()
                .map(|(label, value, time)| format!("\"{}\",{value:?},{time}\r\n", label.replace('"', "\"\"")))
                .collect();
            let read = samples("1:label:k,2:metric:a,3:time:unix_ms", &lines.concat());
            prop_assert_eq!(read.len(), rows.len());
            for ((labels, value, time), (label, written, written_time)) in read.iter().zip(&rows) {
                let label = if label.is_empty() { String::new() } else { format!("k={label};") };
                prop_assert_eq!(labels, &format!("__name__=a;{label}zone=z"));
                prop_assert!(value.to_bits() == written.to_bits() || value.is_nan() && written.is_nan());
                prop_assert_eq!(time, written_time);
            }
        }

        #[test]
        fn no_text_makes_it_panic(
            format in "([1-4]:(label|metric|time):[a-z_]{0,8},?){0,4}|.{0,20}", body in "([a1\",.é \r]|\n){0,40}",
        ) {
            let _ = read(&format, &body);
        }

        #[test]
        fn no_bytes_make_it_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&body, &import("format=1:label:k,2:metric:a,3:time:rfc3339"));
        }
    }
}
