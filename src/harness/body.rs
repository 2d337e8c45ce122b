//! Pushes in each format, not packed.

use super::NativeBody;
use crate::model::{Push, Sample, SeriesView};
use crate::proto::v2;
use crate::wire;
use prost::Message;
use std::collections::HashMap;
use std::io::Write;
use std::str;

/// A `WriteRequest` of remote write 1.0.
pub(super) fn remote_write(push: &Push) -> Vec<u8> {
    let mut body = Vec::with_capacity(wire::encoded_len(push));
    wire::encode(push, &mut body);
    body
}

/// A `Request` of remote write 2.0.
pub(super) fn remote_write_2(push: &Push) -> Vec<u8> {
    let (mut symbols, mut references) = (vec![String::new()], HashMap::from([(&b""[..], 0)]));
    let mut timeseries = Vec::with_capacity(push.series().len());
    for series in push.series() {
        let mut reference = |bytes| {
            *references.entry(bytes).or_insert_with(|| {
                symbols.push(text_of(bytes).to_owned());
                symbols.len() as u32 - 1
            })
        };
        let sample = |sample: &Sample| v2::Sample {
            value: sample.value,
            timestamp: sample.timestamp,
            start_timestamp: 0,
        };
        timeseries.push(v2::TimeSeries {
            labels_refs: labels(&series)
                .flat_map(|(name, value)| [reference(name), reference(value)])
                .collect(),
            samples: series.samples.iter().map(sample).collect(),
            ..v2::TimeSeries::default()
        });
    }
    v2::Request { symbols, timeseries }.encode_to_vec()
}

/// JSON lines, a line a series. All values have to be finite.
pub(super) fn json(push: &Push) -> Vec<u8> {
    let mut out = Vec::new();
    for series in push.series() {
        out.extend(b"{\"metric\":{");
        for (at, (name, value)) in labels(&series).enumerate() {
            out.extend(if at == 0 { &b""[..] } else { b"," });
            json_text(&mut out, name);
            out.push(b':');
            json_text(&mut out, value);
        }
        out.extend(b"},\"values\":[");
        join(&mut out, series.samples, |out, sample| write!(out, "{}", sample.value));
        out.extend(b"],\"timestamps\":[");
        join(&mut out, series.samples, |out, sample| write!(out, "{}", sample.timestamp));
        out.extend(b"]}\n");
    }
    out
}

fn json_text(out: &mut Vec<u8>, text: &[u8]) {
    serde_json::to_writer(out, text_of(text)).expect("BUG: it is in memory");
}

fn join(out: &mut Vec<u8>, samples: &[Sample], write: impl Fn(&mut Vec<u8>, &Sample) -> std::io::Result<()>) {
    for (at, sample) in samples.iter().enumerate() {
        out.extend(if at == 0 { &b""[..] } else { b"," });
        write(out, sample).expect("BUG: it is in memory");
    }
}

/// Prometheus' text format, a line a sample, each with its time.
pub(super) fn text(push: &Push) -> Vec<u8> {
    let mut out = Vec::new();
    for series in push.series() {
        let start = out.len();
        out.extend(wire::metric_name(series.labels).unwrap_or_default());
        out.push(b'{');
        for (name, value) in labels(&series).filter(|(name, _)| *name != b"__name__") {
            out.extend(name);
            out.extend(b"=\"");
            for byte in value {
                match byte {
                    b'\\' | b'"' => out.extend([b'\\', *byte]),
                    b'\n' => out.extend(b"\\n"),
                    byte => out.push(*byte),
                }
            }
            out.extend(b"\",");
        }
        out.extend(b"} ");
        let head = start..out.len();
        for (at, sample) in series.samples.iter().enumerate() {
            if at > 0 {
                out.extend_from_within(head.clone());
            }
            writeln!(out, "{} {}", sample.value, sample.timestamp).expect("BUG: it is in memory");
        }
        if series.samples.is_empty() {
            out.truncate(start);
        }
    }
    out
}

/// Native blocks. All values have to be decimal numbers of up to 15 digits, see [`NativeBody::exact`].
pub(super) fn native(push: &Push) -> Vec<u8> {
    NativeBody::exact(push).bytes
}

/// Names and values, in their order.
fn labels<'a>(series: &SeriesView<'a>) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
    wire::labels(series.labels).map(|label| {
        let label = label.expect("BUG: a push holds sound labels");
        (label.name, label.value)
    })
}

fn text_of(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).expect("BUG: the harness' loads are text")
}
