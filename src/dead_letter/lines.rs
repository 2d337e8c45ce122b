//! A push as VictoriaMetrics JSON lines, which `/api/v1/import` takes. Pure.

use crate::model::{Push, Sample, SeriesView};
use crate::wire;
use serde_json::{Map, Value, json};
use std::fmt::Write as _;

/// What [`json_lines`] wrote.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Lines {
    pub text: String,
    /// Native histograms, and samples with unknown fields: this format has no place for them.
    pub left_out: u64,
}

/// One line a series that has float samples. A value that is no number is `null`, as VictoriaMetrics writes it.
pub fn json_lines(push: &Push) -> Lines {
    let mut lines = Lines::default();
    for series in push.series() {
        lines.left_out += wire::count_extras(series.extras).all_samples();
        if series.samples.is_empty() {
            continue;
        }
        let _ = write!(lines.text, r#"{{"metric":{},"values":["#, Value::Object(labels(&series)));
        separated(&mut lines.text, series.samples, |out, sample| value(out, sample.value));
        lines.text.push_str(r#"],"timestamps":["#);
        separated(&mut lines.text, series.samples, |out, sample| {
            let _ = write!(out, "{}", sample.timestamp);
        });
        lines.text.push_str("]}\n");
    }
    lines
}

/// Labels as a JSON object; bytes that are no text are replaced.
pub(crate) fn labels(series: &SeriesView<'_>) -> Map<String, Value> {
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    let labels = wire::labels(series.labels).map_while(Result::ok);
    labels.map(|label| (text(label.name), json!(text(label.value)))).collect()
}

fn separated(out: &mut String, samples: &[Sample], mut write: impl FnMut(&mut String, &Sample)) {
    for (at, sample) in samples.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        write(out, sample);
    }
}

fn value(out: &mut String, value: f64) {
    let _ = match value {
        value if value.is_nan() => write!(out, "null"),
        value if value.is_infinite() => {
            write!(out, r#""{}Infinity""#, if value < 0.0 { "-" } else { "" })
        }
        value => write!(out, "{value:?}"),
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::BadLines;
    use crate::dead_letter::letter::tests::letter;
    use crate::ingest::import::{Arguments, Import};
    use crate::ingest::{Limits, import_json};

    #[test]
    fn lines_are_those_that_victoriametrics_writes() {
        let values = [1.0, -0.5, f64::INFINITY, f64::NEG_INFINITY, f64::NAN, 1e300];
        let push = letter("a", "a\"b", &values).push().unwrap();
        let expected = concat!(
            r#"{"metric":{"__name__":"a\"b"},"values":[1.0,-0.5,"Infinity","-Infinity",null,1e300],"#,
            r#""timestamps":[1700000000000,1700000000001,1700000000002,1700000000003,1700000000004,1700000000005]}"#,
            "\n"
        );
        assert_eq!(json_lines(&push), Lines { text: expected.into(), left_out: 0 });
    }

    #[test]
    fn what_is_written_is_taken_as_the_same() {
        let push = letter("a", "up", &[1.0, 0.1 + 0.2, -0.0, 1e-300]).push().unwrap();
        let import = Import {
            arguments: Arguments::default(),
            accepted_ms: 0,
            limits: Limits::of_bytes(1 << 20),
            bad_lines: BadLines::Refuse,
        };
        assert_eq!(import_json::decode(json_lines(&push).text.as_bytes(), &import).unwrap().push, push);
    }
}
