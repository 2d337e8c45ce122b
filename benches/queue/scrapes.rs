//! Hosts that are scraped for as long as it takes: captures, carried on, and the harness' load.

use crate::captures::Capture;
use pmm_buffer::harness::HostLoad;
use pmm_buffer::model::{Push, PushBuilder, Sample};
use pmm_buffer::wire;

/// 2026-01-01.
pub const FIRST_MS: i64 = 1_767_225_600_000;
/// What PMM scrapes its exporters' high-resolution metrics at.
pub const PERIOD_MS: i64 = 5_000;
/// Scrapes of an hour.
pub const HOUR: usize = 720;

/// How long a scrape is under way until it is accepted.
const UNDER_WAY_MS: i64 = 20;

/// What is scraped: one exporter of one host.
pub trait Target {
    /// The next scrape, at `at_ms`.
    fn scrape(&mut self, at_ms: i64) -> Push;
}

impl Target for HostLoad {
    fn scrape(&mut self, at_ms: i64) -> Push {
        HostLoad::scrape(self, at_ms)
    }
}

/// A capture that begins anew where it ends, with the time going on. At each seam all counters jump back by what they
/// had grown, which costs bytes that a capture of an hour would not; and no record is packed with any other, so that
/// nothing is gained by seeing a scrape again.
pub struct Replayed {
    scrapes: Vec<Push>,
    next: usize,
}

/// Labels that no two hosts share.
const IDENTITY: [&[u8]; 8] = [
    b"agent_id",
    b"instance",
    b"job",
    b"machine_id",
    b"node_id",
    b"node_name",
    b"service_id",
    b"service_name",
];

impl Replayed {
    /// The capture as host `number` would have made it: with names and ids of its own, and at another point of its
    /// course.
    pub fn new(capture: &Capture, number: usize) -> Self {
        let scrapes: Vec<_> = capture.pushes().iter().map(|push| of_host(push, number)).collect();
        Self { next: number * 5 % scrapes.len(), scrapes }
    }
}

impl Target for Replayed {
    fn scrape(&mut self, at_ms: i64) -> Push {
        let scrape = &self.scrapes[self.next];
        self.next = (self.next + 1) % self.scrapes.len();
        let first_ms = scrape.samples().first().map_or(at_ms, |sample| sample.timestamp);
        retimed(scrape, at_ms - first_ms)
    }
}

fn retimed(push: &Push, by_ms: i64) -> Push {
    rebuilt(push, |section, out| out.extend_from_slice(section), by_ms)
}

fn of_host(push: &Push, number: usize) -> Push {
    let suffix = format!("-{number}");
    let relabel = |section: &[u8], out: &mut Vec<u8>| {
        for label in wire::labels(section) {
            let label = label.expect("a capture is remote write");
            let is_identity = IDENTITY.contains(&label.name);
            let value = [label.value, if is_identity { suffix.as_bytes() } else { b"" }].concat();
            wire::append_label(out, label.name, &value);
        }
    };
    rebuilt(push, relabel, 0)
}

/// The captures hold labels and samples, nothing else.
fn rebuilt(push: &Push, relabel: impl Fn(&[u8], &mut Vec<u8>), by_ms: i64) -> Push {
    let mut builder = PushBuilder::default();
    builder.reserve(push.series().len(), push.samples().len());
    for series in push.series() {
        let labels = builder.store_with(|out| relabel(series.labels, out));
        for sample in series.samples {
            builder.sample(Sample { value: sample.value, timestamp: sample.timestamp + by_ms });
        }
        builder.series(labels, Default::default());
    }
    builder.finish()
}

/// `count` scrapes of each of `targets`, in turn, with the time at which each was accepted; `from` is what each was
/// scraped before. The scrapes of a period are spread over it.
pub fn scrapes<T: Target>(targets: &mut [T], from: usize, count: usize) -> impl Iterator<Item = (Push, i64)> {
    let hosts = targets.len();
    let between_ms = PERIOD_MS / hosts as i64;
    (from * hosts..(from + count) * hosts).map(move |number| {
        let (round, target) = (number / hosts, number % hosts);
        let at_ms = FIRST_MS + round as i64 * PERIOD_MS + target as i64 * between_ms;
        (targets[target].scrape(at_ms), at_ms + UNDER_WAY_MS)
    })
}
