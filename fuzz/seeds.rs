//! Writes what the fuzz targets begin with into `corpus/`: a few series of each capture.

use pmm_buffer::harness::NativeBody;
use pmm_buffer::model::{Push, PushBuilder, Span};
use pmm_buffer::queue::columns::Encoder;
use pmm_buffer::wire;
use std::fs;
use std::path::Path;

#[path = "../benches/captures/mod.rs"]
mod captures;

fn main() -> std::io::Result<()> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let write = |target: &str, name: &str, bytes: Vec<u8>| {
        fs::create_dir_all(corpus.join(target))?;
        fs::write(corpus.join(target).join(name), bytes)
    };
    for capture in captures::ALL {
        let pushes: Vec<_> = capture.pushes().iter().take(3).map(|push| every(push, 40)).collect();
        let mut encoder = Encoder::new();
        let mut records = Vec::new();
        for push in &pushes {
            let mut payload = Vec::new();
            encoder.encode(push, 0, &mut payload);
            records.extend((wire::encoded_len(push) as u32).to_le_bytes());
            records.extend((payload.len() as u32).to_le_bytes());
            records.extend(payload);
        }
        write("columns", capture.name, records)?;
        let mut body = Vec::new();
        wire::encode(&pushes[0], &mut body);
        write("remote_write", capture.name, body)?;
        write("import_json", capture.name, lines(&pushes[0]).into_bytes())?;
        write("native", capture.name, NativeBody::of(&pushes[0]).bytes)?;
        write("exposition", capture.name, exposition(&pushes[0]).into_bytes())?;
    }
    // An export of a real database, which has every form of a column.
    let export = include_bytes!("../tests/fixtures/native/victoriametrics-1.79.bin");
    write("native", "victoriametrics", export.to_vec())
}

/// Each nth series of a push, without its extras.
fn every(push: &Push, nth: usize) -> Push {
    let mut picked = PushBuilder::default();
    for series in push.series().step_by(nth) {
        let labels = picked.store(series.labels);
        series.samples.iter().for_each(|sample| picked.sample(*sample));
        picked.series(labels, Span::default());
    }
    picked.finish()
}

/// The push as text of Prometheus, with exemplars. What would have to be escaped is left out.
fn exposition(push: &Push) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace(['"', '\\', '\n'], "");
    let mut lines = String::new();
    for series in push.series() {
        let labels: Vec<_> = wire::labels(series.labels)
            .flatten()
            .filter(|label| label.name != b"__name__")
            .map(|label| format!("{}=\"{}\"", text(label.name), text(label.value)))
            .collect();
        let (name, labels) = (text(wire::metric_name(series.labels).unwrap_or(b"none")), labels.join(","));
        let (value, timestamp) = (series.samples[0].value, series.samples[0].timestamp);
        lines += &format!(
            "# TYPE {name} gauge\n{name}{{{labels}}} {value} {timestamp} # {{id=\"a\"}} 1 {timestamp}\n"
        );
    }
    lines
}

/// The push as JSON lines. What is in a label's value is left out where JSON would have to escape it.
fn lines(push: &Push) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace(['"', '\\', '\n'], "");
    let mut lines = String::new();
    for series in push.series() {
        let labels: Vec<_> = wire::labels(series.labels)
            .flatten()
            .map(|label| format!("\"{}\":\"{}\"", text(label.name), text(label.value)))
            .collect();
        let sample = series.samples[0];
        let (labels, value, timestamp) = (labels.join(","), sample.value, sample.timestamp);
        lines += &format!("{{\"metric\":{{{labels}}},\"values\":[{value}],\"timestamps\":[{timestamp}]}}\n");
    }
    lines
}
