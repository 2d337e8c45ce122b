//! Captured remote write, pushed again: by as many hosts as one likes, at the times of their scrapes, without an end.
//!
//! A capture is one of
//!
//! - a file of bodies: for each a length (u32, little-endian) and a remote-write 1.0 `WriteRequest`, all packed with zstd or
//!   not at all (the form of `benches/captures`)
//! - a file that is one body as it was sent, packed with snappy or zstd
//! - a folder of these, in the order of their names
//!
//! Float samples are kept, but for those that are no finite number; so are no histograms, exemplars and metadata. Values are
//! rounded to 15 digits, which every format can carry.

use crate::model::{Push, PushBuilder, Sample, Span};
use crate::wire;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, io};

/// Labels whose values tell hosts apart: those of PMM, and `instance` of any Prometheus.
const OWN: [&str; 7] =
    ["agent_id", "instance", "machine_id", "node_id", "node_name", "service_id", "service_name"];

/// The label that series get which have none of [`OWN`].
const ADDED: &str = "instance";

/// The least power of ten that a value may need, see [`super::NativeBody::exact`].
const LEAST: f64 = 1e-7;
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Captured bodies, in their order.
#[derive(Debug)]
pub struct Capture {
    /// Label sections, each once.
    series: Vec<Vec<u8>>,
    bodies: Vec<Vec<Captured>>,
    samples: u64,
}

/// A sample of a body.
#[derive(Debug, Clone, Copy)]
struct Captured {
    /// Place in [`Capture::series`].
    series: usize,
    value: f64,
    /// Before the latest sample of the body, in milliseconds.
    age_ms: i64,
}

/// A capture that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    #[error("cannot read the capture {}: {error}", .path.display())]
    Unreadable { path: PathBuf, error: io::Error },
    #[error(
        "{} is no capture: {why}; it has to be a remote-write 1.0 body as it was sent, or bodies each after its length of \
         4 bytes", .path.display()
    )]
    Malformed { path: PathBuf, why: String },
    #[error("the capture {} holds no sample that is a number", .path.display())]
    Empty { path: PathBuf },
}

impl Capture {
    /// Reads a file or a folder.
    pub fn read(path: &Path) -> Result<Self, CaptureError> {
        let unreadable = |error| CaptureError::Unreadable { path: path.to_owned(), error };
        let mut files = vec![path.to_owned()];
        if path.is_dir() {
            let entries = fs::read_dir(path).and_then(Iterator::collect::<io::Result<Vec<_>>>);
            files = entries.map_err(unreadable)?.into_iter().map(|entry| entry.path()).collect();
            files.sort();
        }
        let mut pushes = Vec::new();
        for file in files {
            let bytes =
                fs::read(&file).map_err(|error| CaptureError::Unreadable { path: file.clone(), error })?;
            pushes.extend(bodies(&bytes).map_err(|why| CaptureError::Malformed { path: file, why })?);
        }
        let capture = Self::of(&pushes);
        if capture.samples == 0 { Err(CaptureError::Empty { path: path.to_owned() }) } else { Ok(capture) }
    }

    /// The capture that holds these pushes; those without a sample are left out.
    pub fn of(pushes: &[Push]) -> Self {
        let mut capture = Self { series: Vec::new(), bodies: Vec::new(), samples: 0 };
        let mut places = HashMap::<Vec<u8>, usize>::new();
        for push in pushes {
            let latest = push.samples().iter().map(|sample| sample.timestamp).max().unwrap_or_default();
            let mut body = Vec::new();
            for view in push.series() {
                let samples = view.samples.iter().filter_map(|sample| {
                    Some(Captured {
                        series: 0,
                        value: tame(sample.value)?,
                        age_ms: latest.saturating_sub(sample.timestamp),
                    })
                });
                let start = body.len();
                body.extend(samples);
                if body.len() > start {
                    let place = *places.entry(view.labels.to_vec()).or_insert_with_key(|labels| {
                        capture.series.push(labels.clone());
                        capture.series.len() - 1
                    });
                    body[start..].iter_mut().for_each(|sample| sample.series = place);
                }
            }
            if !body.is_empty() {
                capture.samples += body.len() as u64;
                capture.bodies.push(body);
            }
        }
        capture
    }

    /// Requests it is made of.
    pub fn bodies(&self) -> usize {
        self.bodies.len()
    }

    /// Samples in all of them.
    pub fn samples(&self) -> u64 {
        self.samples
    }

    pub fn series(&self) -> usize {
        self.series.len()
    }
}

/// The pushes in a file.
fn bodies(file: &[u8]) -> Result<Vec<Push>, String> {
    let unpacked = match file.starts_with(&ZSTD) {
        true => zstd::decode_all(file).map_err(|error| error.to_string())?,
        false => match snap::raw::Decoder::new().decompress_vec(file) {
            Ok(body) => body,
            Err(_) => file.to_vec(),
        },
    };
    let decode = |body: &[u8]| {
        let push = wire::decode(body.to_vec()).map_err(|error| error.to_string())?;
        let is_text = |bytes| std::str::from_utf8(bytes).is_ok();
        let is_sound = push
            .series()
            .flat_map(|series| wire::labels(series.labels))
            .all(|label| label.is_ok_and(|label| is_text(label.name) && is_text(label.value)));
        if is_sound { Ok(push) } else { Err("a label is no text".to_owned()) }
    };
    match after_lengths(&unpacked) {
        Some(bodies) => bodies.into_iter().map(decode).collect(),
        None => Ok(vec![decode(&unpacked)?]),
    }
}

/// The bodies, where the file is a run of lengths and as many bytes to its very end.
fn after_lengths(mut rest: &[u8]) -> Option<Vec<&[u8]>> {
    let mut bodies = Vec::new();
    while !rest.is_empty() {
        let (length, tail) = rest.split_first_chunk::<4>()?;
        let (body, tail) = tail.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        bodies.push(body);
        rest = tail;
    }
    Some(bodies)
}

/// The value to 15 digits; none where it is no finite number. What is too small or too large to be spelled out is 0.
fn tame(value: f64) -> Option<f64> {
    let magnitude = value.abs();
    match value {
        _ if !value.is_finite() => None,
        _ if !(LEAST..1e15).contains(&magnitude) => Some(0.0),
        _ => Some(format!("{value:.14e}").parse().expect("BUG: what was formatted is a number")),
    }
}

/// One host that pushes a capture.
#[derive(Debug, Clone)]
pub(super) struct Replayed {
    capture: Arc<Capture>,
    node_id: String,
    /// The host's own label sections, by their place in [`Capture::series`], and the last time of each.
    series: Vec<(Vec<u8>, i64)>,
    next: usize,
}

impl Replayed {
    /// Host `number`, whose series are no other host's.
    pub(super) fn new(capture: &Arc<Capture>, number: usize) -> Self {
        let node_id = format!("replay-{number:04}");
        let series = capture.series.iter().map(|labels| (own_labels(labels, &node_id), i64::MIN)).collect();
        Self { capture: capture.clone(), node_id, series, next: 0 }
    }

    pub(super) fn node_id(&self) -> &str {
        &self.node_id
    }

    /// The next body, with its latest samples at `timestamp_ms` and the others as long before as they were; but each sample
    /// of a series later than the one before it.
    pub(super) fn request(&mut self, timestamp_ms: i64) -> Push {
        let mut push = PushBuilder::default();
        let body = &self.capture.bodies[self.next];
        self.next = (self.next + 1) % self.capture.bodies.len();
        for run in body.chunk_by(|a, b| a.series == b.series) {
            let (labels, last_ms) = &mut self.series[run[0].series];
            for sample in run {
                *last_ms = timestamp_ms.saturating_sub(sample.age_ms).max(last_ms.saturating_add(1));
                push.sample(Sample { value: sample.value, timestamp: *last_ms });
            }
            let labels = push.store(labels);
            push.series(labels, Span::default());
        }
        push.finish()
    }
}

/// The section with the host's id behind the values that tell hosts apart, or with a label of its own where it has none.
fn own_labels(section: &[u8], id: &str) -> Vec<u8> {
    let mut labels: Vec<(Vec<u8>, Vec<u8>)> = wire::labels(section)
        .map(|label| label.expect("BUG: a decoded push holds sound labels"))
        .map(|label| (label.name.to_vec(), label.value.to_vec()))
        .collect();
    let mut is_own = false;
    for (_, value) in labels.iter_mut().filter(|(name, _)| OWN.iter().any(|own| own.as_bytes() == name)) {
        value.extend(format!("-{id}").into_bytes());
        is_own = true;
    }
    if !is_own {
        labels.push((ADDED.into(), id.into()));
    }
    labels.sort_unstable();
    let mut own = Vec::new();
    labels.iter().for_each(|(name, value)| wire::append_label(&mut own, name, value));
    own
}

#[cfg(test)]
#[path = "replay_tests.rs"]
mod tests;
