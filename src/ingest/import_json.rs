//! VictoriaMetrics' `/api/v1/import`: JSON lines, as `/api/v1/export` writes them.
//!
//! ```text
//! {"metric":{"__name__":"up","job":"node"},"values":[1,null],"timestamps":[1700000000000,1700000015000]}
//! ```
//!
//! Timestamps are milliseconds since the epoch and mandatory. A value is a number, `null` or `"NaN"`,
//! `"Infinity"` or `"-Infinity"`. Other keys of a line are ignored, as VictoriaMetrics does. For bad
//! lines see [`lines`].
//!
//! Source: docs.victoriametrics.com, "JSON line format", and lib/protoparser/vmimport.

use super::import::{Import, Labels, Series, text_of};
use super::lines::{self, Imported};
use super::{Refusal, one_line};
use crate::model::{Sample, Span};
use crate::wire::Allowance;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

/// Decodes a body that is not packed.
pub fn decode(body: &[u8], import: &Import) -> Result<Imported, Refusal> {
    let mut row = Row::default();
    lines::read(body, import, |series, line| match line.trim_ascii() {
        [] => Ok(()),
        line => row.add(series, line),
    })
}

/// One line, as parsed. It is allocated once for all lines.
#[derive(Default)]
struct Row<'b> {
    labels: Labels<'b>,
    values: Vec<f64>,
    timestamps: Vec<i64>,
}

impl<'b> Row<'b> {
    /// Adds the series of one line.
    fn add(&mut self, series: &mut Series<'_>, line: &'b [u8]) -> Result<(), Refusal> {
        self.parse(line).map_err(Refusal::Bad)?;
        let Self { labels, values, timestamps } = self;
        if values.len() != timestamps.len() {
            return Err(Refusal::Bad(format!("{} values and {} timestamps", values.len(), timestamps.len())));
        }
        let section = series.labels(labels).map_err(|refusal| refusal.in_place("in `metric`, "))?;
        if values.is_empty() {
            return Ok(());
        }
        for (&value, &timestamp) in values.iter().zip(timestamps.iter()) {
            series.sample(Sample { value, timestamp });
        }
        series.close(section, Span::default())
    }

    fn parse(&mut self, line: &'b [u8]) -> Result<(), String> {
        let text = text_of(line)?;
        // Two bytes make an element; real timestamps alone have 13.
        let allowance = Allowance::of(line.len(), SMALLEST_ELEMENT);
        let mut parser = serde_json::Deserializer::from_str(text);
        let line = LineSeed { row: self, allowance };
        let parsed = line.deserialize(&mut parser).and_then(|()| parser.end());
        // The parser counts lines within the line: only its column says something.
        parsed.map_err(|error| {
            let text = error.to_string();
            let what = text.split(" at line ").next().unwrap_or(&text);
            match error.column() {
                0 => one_line(what).into_owned(),
                column => format!("{} (column {column})", one_line(what)),
            }
        })
    }
}

/// Each array may have an element for so many bytes of its line.
const SMALLEST_ELEMENT: usize = 8;

struct LineSeed<'r, 'b> {
    row: &'r mut Row<'b>,
    allowance: Allowance,
}

impl<'b> DeserializeSeed<'b> for LineSeed<'_, 'b> {
    type Value = ();

    fn deserialize<D: Deserializer<'b>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'b> Visitor<'b> for LineSeed<'_, 'b> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with `metric`, `values` and `timestamps`")
    }

    fn visit_map<M: MapAccess<'b>>(self, mut map: M) -> Result<(), M::Error> {
        let Self { row: Row { labels, values, timestamps }, allowance } = self;
        labels.clear();
        values.clear();
        timestamps.clear();
        let mut found = [("metric", false), ("values", false), ("timestamps", false)];
        while let Some(Text(key)) = map.next_key()? {
            let Some((_, is_found)) = found.iter_mut().find(|(name, _)| *name == key) else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            if std::mem::replace(is_found, true) {
                return Err(M::Error::custom(format_args!("`{key}` stands in it twice")));
            }
            match &*key {
                "metric" => map.next_value_seed(Metric(labels))?,
                "values" => {
                    map.next_value_seed(Array { out: values, take: |Value(value)| value, allowance })?;
                }
                _ => map.next_value_seed(Array {
                    out: timestamps,
                    take: |Timestamp(timestamp)| timestamp,
                    allowance,
                })?,
            }
        }
        match found.iter().find(|(_, is_found)| !is_found) {
            Some((missing, _)) => Err(M::Error::missing_field(missing)),
            None => Ok(()),
        }
    }
}

/// Adds the elements of an array to `out`.
struct Array<'r, T, E> {
    out: &'r mut Vec<T>,
    take: fn(E) -> T,
    allowance: Allowance,
}

impl<'b, T, E: serde::Deserialize<'b>> DeserializeSeed<'b> for Array<'_, T, E> {
    type Value = ();

    fn deserialize<D: Deserializer<'b>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'b, T, E: serde::Deserialize<'b>> Visitor<'b> for Array<'_, T, E> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<S: SeqAccess<'b>>(mut self, mut seq: S) -> Result<(), S::Error> {
        while let Some(element) = seq.next_element()? {
            if !self.allowance.take(1) {
                return Err(S::Error::custom("too many elements for the size of the line"));
            }
            self.out.push((self.take)(element));
        }
        Ok(())
    }
}

/// A string, borrowed where it holds no escapes.
struct Text<'a>(Cow<'a, str>);

impl<'de> serde::Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;
        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(TextVisitor)
    }
}

/// Adds the entries of an object to labels.
struct Metric<'r, 'b>(&'r mut Labels<'b>);

impl<'b> DeserializeSeed<'b> for Metric<'_, 'b> {
    type Value = ();

    fn deserialize<D: Deserializer<'b>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'b> Visitor<'b> for Metric<'_, 'b> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of label names and values")
    }

    fn visit_map<M: MapAccess<'b>>(self, mut map: M) -> Result<(), M::Error> {
        while let Some((Text(name), Text(value))) = map.next_entry()? {
            self.0.push((name, value));
        }
        Ok(())
    }
}

struct Value(f64);

impl<'de> serde::Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ValueVisitor;
        impl Visitor<'_> for ValueVisitor {
            type Value = Value;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number, null, \"NaN\", \"Infinity\" or \"-Infinity\"")
            }

            fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
                Ok(Value(value))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
                Ok(Value(value as f64))
            }

            fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
                Ok(Value(value as f64))
            }

            fn visit_unit<E>(self) -> Result<Value, E> {
                Ok(Value(f64::NAN))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
                match text {
                    "NaN" => Ok(Value(f64::NAN)),
                    "Infinity" => Ok(Value(f64::INFINITY)),
                    "-Infinity" => Ok(Value(f64::NEG_INFINITY)),
                    other => Err(E::invalid_value(serde::de::Unexpected::Str(other), &self)),
                }
            }
        }
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct Timestamp(i64);

impl<'de> serde::Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        i64::deserialize(deserializer).map(Timestamp)
    }
}

#[cfg(test)]
mod tests {
    use super::super::import::tests::import;
    use super::*;
    use crate::model::Push;
    use crate::wire;
    use proptest::prelude::*;

    /// What is taken of a body where no line is skipped.
    fn decode(body: &[u8], import: &Import) -> Result<Push, Refusal> {
        super::decode(body, import).map(|imported| imported.push)
    }

    fn line(values: &str, timestamps: &str) -> String {
        format!(
            r#"{{"metric":{{"__name__":"up","job":"a"}},"values":[{values}],"timestamps":[{timestamps}]}}"#
        )
    }

    #[track_caller]
    fn refused(body: &str) -> String {
        match decode(body.as_bytes(), &import("")) {
            Err(Refusal::Bad(what)) => what,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn special_values_are_taken_as_victoriametrics_does() {
        let push = decode(
            line(r#"1,null,"NaN","Infinity","-Infinity",-0.0"#, "1,2,3,4,5,6").as_bytes(),
            &import(""),
        )
        .unwrap();
        let values: Vec<_> = push.samples().iter().map(|sample| sample.value).collect();
        assert_eq!(values[0], 1.0);
        assert!(values[1].is_nan() && values[2].is_nan());
        assert_eq!(values[3..5], [f64::INFINITY, f64::NEG_INFINITY]);
        assert_eq!(values[5].to_bits(), (-0.0f64).to_bits());
    }

    #[test]
    fn a_bad_line_refuses_the_request_by_its_number() {
        let good = line("1", "1");
        for (bad, what) in [
            ("{", "EOF while parsing an object"),
            ("[]", "expected an object with `metric`"),
            (r#"{"values":[1],"timestamps":[1]}"#, "missing field `metric`"),
            (r#"{"metric":{"a":"b"},"values":[1]}"#, "missing field `timestamps`"),
            (r#"{"metric":{"a":"b"},"timestamps":[1]}"#, "missing field `values`"),
            (r#"{"metric":{},"values":[1],"timestamps":[1]}"#, "in `metric`, there are no labels"),
            (r#"{"metric":{"":"b"},"values":[1],"timestamps":[1]}"#, "in `metric`, a label has no name"),
            (
                r#"{"metric":{"a":"b","a":"c"},"values":[1],"timestamps":[1]}"#,
                "in `metric`, label a stands there twice",
            ),
            (r#"{"metric":{"a":1},"values":[1],"timestamps":[1]}"#, "expected a string"),
            (
                r#"{"metric":{"a":"b"},"values":[1],"values":[1],"timestamps":[1]}"#,
                "`values` stands in it twice",
            ),
            (&line("1,2", "1"), "2 values and 1 timestamps"),
            (&line("\"x\"", "1"), "invalid value: string \"x\""),
            (&line("1", "1.5"), "invalid type: floating point"),
            (&line("1e999", "1"), "number out of range"),
            (&line("1", "\"1\""), "invalid type: string"),
            ("{\"metric\":{\"a\":\"b\"},\"values\":[1],\"timestamps\":[1]} x", "trailing characters"),
        ] {
            let text = refused(&format!("{good}\n\r\n{bad}\n"));
            assert!(text.starts_with("line 3: ") && text.contains(what), "{bad}: {text}");
        }
    }

    #[test]
    fn blank_lines_other_keys_and_empty_series_are_fine() {
        let body = format!(
            "\n{}\r\n{}\n",
            line("1", "1").replace("{\"metric\"", "{\"x\":[1],\"metric\""),
            line("", "")
        );
        let push = decode(body.as_bytes(), &import("")).unwrap();
        assert_eq!((push.counts().series, push.counts().samples), (1, 1));
        assert!(decode(b"\n", &import("")).unwrap().is_empty());
    }

    #[test]
    fn a_line_made_to_fill_memory_is_refused() {
        let many = vec!["0"; 100_000].join(",");
        assert!(refused(&line(&many, &many)).contains("too many elements"));
    }

    proptest! {
        /// Every double reads back to the bit from its shortest decimal form.
        #[test]
        fn values_are_exact(bits: u64, timestamp: i64) {
            let value = f64::from_bits(bits);
            prop_assume!(value.is_finite());
            let push = decode(line(&format!("{value:?}"), &timestamp.to_string()).as_bytes(), &import("")).unwrap();
            prop_assert_eq!(push.samples(), &[Sample { value, timestamp }]);
        }

        #[test]
        fn labels_come_out_sorted_and_exact(labels in prop::collection::btree_map(".{1,8}", ".{0,8}", 1..6)) {
            let names: Vec<_> = labels.iter().rev()
                .map(|(name, value)| format!("{}:{}", serde_json::json!(name), serde_json::json!(value)))
                .collect();
            let body = format!("{{\"metric\":{{{}}},\"values\":[1],\"timestamps\":[1]}}", names.join(","));
            let push = decode(body.as_bytes(), &import("")).unwrap();
            let series = push.series().next().unwrap();
            let read: Vec<_> = wire::labels(series.labels).map(Result::unwrap)
                .map(|label| (label.name.to_vec(), label.value.to_vec())).collect();
            let written: Vec<_> = labels.iter().map(|(name, value)| (name.clone().into_bytes(), value.clone().into_bytes())).collect();
            prop_assert_eq!(read, written);
        }

        #[test]
        fn no_bytes_make_it_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&body, &import(""));
        }
    }
}
