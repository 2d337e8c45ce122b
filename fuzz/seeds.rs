//! Writes what the fuzz targets begin with into `seeds/`: a few series of each capture.

use pmm_buffer::model::Push;
use pmm_buffer::queue::columns::Encoder;
use pmm_buffer::wire;
use std::fs;
use std::path::Path;

#[path = "../benches/captures/mod.rs"]
mod captures;

const SERIES: usize = 20;

/// What other programs wrote: a request of 2.0 with everything in it, and `up 1\nup 2\n` three times in each encoding.
const BINARY: [(&str, &str, &str); 5] = [
    (
        "remote_write_v2",
        "series",
        "220022085f5f6e616d655f5f2202757022036a6f62220161220468656c702a430a0401020304121209000000000000f83f1080d095ffbc\
         3118051a101900000000000008407880d095ffbc31220f0a02030411000000000000004018072a0408021805",
    ),
    ("import", "gzip", "1f8b08000000000002032b2d5030e42a2d50300211182c00695b61da1e000000"),
    ("import", "deflate", "789c2b2d5030e42a2d50300211182c007b000784"),
    ("import", "snappy", "1e20757020310a757020320105420a00"),
    ("import", "zstd", "28b52ffd201edd000090757020310a757020323132310a757020320a03040140c0453902"),
];

fn bytes(digits: &str) -> Vec<u8> {
    let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).expect("hexadecimal");
    (0..digits.len()).step_by(2).map(byte).collect()
}

fn main() -> std::io::Result<()> {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds");
    let write = |target: &str, name: &str, bytes: Vec<u8>| {
        fs::create_dir_all(seeds.join(target))?;
        fs::write(seeds.join(target).join(name), bytes)
    };
    for capture in captures::ALL {
        let pushes: Vec<_> = capture.pushes().iter().take(3).map(few).collect();
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
        write("exposition", capture.name, exposition(&pushes[0]).into_bytes())?;
    }
    // One of each form; mutation does the rest.
    for (target, name, text) in [
        (
            "csv",
            "columns",
            "1:label:k,2:metric:a,3:metric:b,4:time:unix_ms\nk,1.5,-2,1700000000000\n\"q,\"\"\",,+Inf,1\n",
        ),
        (
            "csv",
            "times",
            "1:metric:a,2:time:rfc3339\n1,2020-09-13T14:26:40.25+02:00\n2,2020-09-13T14:26:40Z\n",
        ),
        (
            "csv",
            "layout",
            "1:metric:a,2:time:custom:Mon Jan _2 2006 03:04:05.000 PM -0700\n1,Sun Sep 13 2020 02:26:40.125 PM +0200\n",
        ),
        (
            "exposition",
            "open_metrics",
            "# TYPE a counter\na_total{b=\"\\\\\\\"\\n\"} 1 1700000000.5 # {id=\"x\"} 0.5 1700000000\n# EOF\n",
        ),
        ("exposition", "quoted", "{\"a.b\",\"c d\"=\"x\"} NaN\nup 1 1700000000000\nup -Inf\n"),
        (
            "import_json",
            "words",
            "{\"metric\":{\"__name__\":\"\\u00e9\"},\"values\":[1,null,\"NaN\",\"-Infinity\",1e-7],\"timestamps\":[1,2,3,4,5],\"x\":{}}\n",
        ),
        (
            "import",
            "arguments",
            "job@base64/YQ==/a/b%2Fc/\nextra_label=a=%C3%A9+b&timestamp=1700000000000&format=1:metric:a&extra_label=c=",
        ),
    ] {
        write(target, name, text.as_bytes().to_vec())?;
    }
    for (target, name, digits) in BINARY {
        write(target, name, bytes(digits))?;
    }
    // An export of a real database, which has every form of a column.
    let export = include_bytes!("../tests/fixtures/native/victoriametrics-1.79.bin");
    write("native", "victoriametrics", export.to_vec())
}

/// The first series of a push.
fn few(push: &Push) -> Push {
    let mut body = Vec::new();
    wire::encode_in_pieces(push, 0..SERIES, usize::MAX, &mut Vec::new(), |piece| {
        body.extend_from_slice(piece)
    });
    wire::decode(body).expect("it was encoded")
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
