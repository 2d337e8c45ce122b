//! Pushes remote write as vmagent does: in order, and again until it is answered.

use super::{Answer, Client};
use crate::model::{Push, Sample, SeriesView};
use crate::proto::v2;
use crate::wire;
use bytes::Bytes;
use prost::Message;
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

const PATH: &str = "/api/v1/write";
const HEADERS: [(&str, &str); 4] = [
    ("content-type", "application/x-protobuf"),
    ("content-encoding", "snappy"),
    ("x-prometheus-remote-write-version", "0.1.0"),
    ("user-agent", "pmm-buffer-harness"),
];

/// Wait between tries. Short, so that an agent that is back is found at once.
const RETRY: Duration = Duration::from_millis(25);

/// The body of a remote-write 1.0 request, packed with snappy.
pub fn pack(push: &Push) -> Bytes {
    let mut body = Vec::with_capacity(wire::encoded_len(push));
    wire::encode(push, &mut body);
    snappy(&body)
}

/// The body of a remote-write 2.0 request with the labels and samples of a push, packed with snappy.
pub fn pack_v2(push: &Push) -> Bytes {
    let (mut symbols, mut references) = (vec![String::new()], HashMap::from([(Vec::new(), 0)]));
    let mut reference = |text: &[u8]| {
        *references.entry(text.to_vec()).or_insert_with_key(|text| {
            symbols.push(String::from_utf8(text.clone()).expect("BUG: the harness' loads are text"));
            symbols.len() as u32 - 1
        })
    };
    let series = |series: SeriesView<'_>| {
        let labels = wire::labels(series.labels).map(|label| label.expect("BUG: a push holds sound labels"));
        let sample = |sample: &Sample| v2::Sample {
            value: sample.value,
            timestamp: sample.timestamp,
            start_timestamp: 0,
        };
        v2::TimeSeries {
            labels_refs: labels.flat_map(|label| [reference(label.name), reference(label.value)]).collect(),
            samples: series.samples.iter().map(sample).collect(),
            ..v2::TimeSeries::default()
        }
    };
    let timeseries = push.series().map(series).collect();
    snappy(&v2::Request { symbols, timeseries }.encode_to_vec())
}

/// The body of an import of JSON lines with the labels and samples of a push, a line a series.
pub fn json_lines(push: &Push) -> Bytes {
    let text = |bytes| std::str::from_utf8(bytes).expect("BUG: the harness' loads are text");
    let list = |items: Vec<String>| items.join(",");
    let mut out = String::new();
    for series in push.series() {
        let labels = wire::labels(series.labels).map(|label| label.expect("BUG: a push holds sound labels"));
        // Texts without control characters are quoted in the same way in both.
        let labels = labels.map(|label| format!("{:?}:{:?}", text(label.name), text(label.value)));
        let (labels, samples) = (list(labels.collect()), series.samples.iter());
        let values = list(samples.clone().map(|sample| sample.value.to_string()).collect());
        let timestamps = list(samples.map(|sample| sample.timestamp.to_string()).collect());
        out += &format!("{{\"metric\":{{{labels}}},\"values\":[{values}],\"timestamps\":[{timestamps}]}}\n");
    }
    out.into()
}

fn snappy(body: &[u8]) -> Bytes {
    let packed = snap::raw::Encoder::new().compress_vec(body);
    packed.expect("BUG: a push is far below the 4 GiB that snappy takes").into()
}

/// The agent refused a push for good, with an answer that a pusher does not repeat.
#[derive(Debug, thiserror::Error)]
#[error("a push was refused with {}: {}", .0.status, .0.text())]
pub struct PushRefused(pub Answer);

/// One pusher with its connection. Pushes go one at a time, so their order is kept.
#[derive(Debug)]
pub struct Pusher {
    client: Client,
}

impl Pusher {
    pub fn new(agent: SocketAddr) -> Self {
        Self { client: Client::new(agent) }
    }

    /// Pushes a packed body once. An error means that no answer came: the push may be stored or not.
    pub async fn push(&mut self, body: Bytes) -> io::Result<Answer> {
        self.client.post(PATH, &HEADERS, body).await
    }

    /// Pushes until the answer is 204, and returns the number of tries. Without an answer, and at 429 and
    /// 5xx, it tries again, for ever: bound it with a timeout.
    pub async fn push_until_answered(&mut self, body: Bytes) -> Result<u32, PushRefused> {
        let mut tries = 0;
        loop {
            tries += 1;
            match self.push(body.clone()).await {
                Ok(answer) if answer.status == 204 => return Ok(tries),
                Ok(answer) if answer.status != 429 && answer.status < 500 => return Err(PushRefused(answer)),
                Ok(_) | Err(_) => tokio::time::sleep(RETRY).await,
            }
        }
    }
}
