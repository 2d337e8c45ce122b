//! The time until a push is safe, beside the least it can be: a bare write and fdatasync of the same bytes on the same disk.

use crate::report::{Report, Spread};
use crate::scrapes::scrapes;
use crate::stage::{MIB, Stage, Stages, folder};
use pmm_buffer::config::SyncMode;
use pmm_buffer::harness::{Load, Rng};
use pmm_buffer::queue::columns::Encoder;
use rustix::fs::{FallocateFlags, fallocate};
use std::fs::File;
use std::io::{Seek, Write};
use std::path::Path;
use std::time::{Duration, Instant};

const ROUNDS: usize = 600;
/// Not counted: caches fill, files are made.
const WARM_UP: usize = 20;
const MOST_RATIO: f64 = 1.5;
/// Before everything that is timed: pushes do not come one upon the other, and what a disk does after a pause is not what it
/// does in a row.
const PAUSE: Duration = Duration::from_millis(1);
/// What RocksDB does with its log.
const FAIR: Layout = Layout::Growing;

/// A file that is written to as a log is, by hand.
struct Bare {
    file: File,
    layout: Layout,
    length: u64,
    allocated: u64,
}

/// Where the bytes of a bare file go.
#[derive(Clone, Copy, PartialEq)]
enum Layout {
    /// Behind its end: each sync also writes the new length, and the blocks it took.
    Growing,
    /// Behind its end, into space that was allocated ahead as RocksDB does for its log: each sync also writes the new length.
    Allocated,
    /// Over zeros that were written and synced before: a sync writes the bytes, nothing else.
    Written,
}

impl Layout {
    fn name(self) -> &'static str {
        match self {
            Self::Growing => "growing",
            Self::Allocated => "allocated ahead",
            Self::Written => "written over",
        }
    }
}

const AHEAD: u64 = 4 * MIB;

impl Bare {
    fn new(folder: &Path, layout: Layout) -> std::io::Result<Self> {
        let mut file = File::create_new(folder.join(layout.name()))?;
        if layout == Layout::Written {
            let zeros = vec![0; MIB as usize];
            for _ in 0..64 {
                file.write_all(&zeros)?;
            }
            file.rewind()?;
        }
        file.sync_all()?;
        Ok(Self { file, layout, length: 0, allocated: 0 })
    }

    fn append(&mut self, bytes: &[u8]) -> std::io::Result<Duration> {
        let begun = Instant::now();
        self.length += bytes.len() as u64;
        if self.layout == Layout::Allocated && self.length > self.allocated {
            fallocate(&self.file, FallocateFlags::KEEP_SIZE, self.allocated, AHEAD)?;
            self.allocated += AHEAD;
        }
        self.file.write_all(bytes)?;
        self.file.sync_data()?;
        Ok(begun.elapsed())
    }
}

/// What took how long, in milliseconds.
#[derive(Default)]
struct Times {
    all: Vec<f64>,
    /// Those of records that have no labels in them.
    known: Vec<f64>,
}

impl Times {
    fn quantile(times: &[f64], quantile: f64) -> f64 {
        let mut sorted = times.to_vec();
        sorted.sort_by(f64::total_cmp);
        sorted[((sorted.len() - 1) as f64 * quantile) as usize]
    }

    fn median(&self) -> f64 {
        Self::quantile(&self.all, 0.5)
    }

    fn p99(&self) -> f64 {
        Self::quantile(&self.all, 0.99)
    }

    fn p99_known(&self) -> f64 {
        Self::quantile(&self.known, 0.99)
    }
}

pub fn measure(_: &mut Stages, report: &mut Report) -> anyhow::Result<()> {
    for series in [1_000, 100] {
        measure_pushes(report, series)?;
    }
    Ok(())
}

/// One pusher with pushes of so many series.
fn measure_pushes(report: &mut Report, series: usize) -> anyhow::Result<()> {
    let folder = folder()?;
    let stage = Stage::open(folder.path(), 1 << 30, SyncMode::Always)?;
    let mut bares = Vec::new();
    for layout in [Layout::Growing, Layout::Allocated, Layout::Written] {
        bares.push((Bare::new(folder.path(), layout)?, Times::default()));
    }
    let (mut append, mut store, mut encode) = (Times::default(), Times::default(), Times::default());
    let mut encoder = Encoder::new();
    let mut lengths = Vec::new();
    let mut hosts = Load::new(7, 1, series).into_hosts();
    let mut rng = Rng::new(7);
    for (round, (push, accepted_ms)) in scrapes(&mut hosts, 0, WARM_UP + ROUNDS).enumerate() {
        let begun = Instant::now();
        let since = encoder.encode(&push, accepted_ms, &mut Vec::new());
        let encoded = begun.elapsed();
        let (bytes, seconds) = (stage.backlog().bytes, stage.sync_seconds()?);
        std::thread::sleep(PAUSE);
        let begun = Instant::now();
        stage.append(push, accepted_ms)?;
        let appended = begun.elapsed();
        let record: Vec<u8> = (bytes..stage.backlog().bytes).map(|_| rng.bits() as u8).collect();
        let note = |times: &mut Times, took: Duration| {
            if round >= WARM_UP {
                times.all.push(took.as_secs_f64() * 1e3);
                if since > 0 {
                    times.known.push(took.as_secs_f64() * 1e3);
                }
            }
        };
        note(&mut append, appended);
        note(&mut store, Duration::from_secs_f64(stage.sync_seconds()? - seconds));
        note(&mut encode, encoded);
        for (bare, times) in &mut bares {
            std::thread::sleep(PAUSE);
            note(times, bare.append(&record)?);
        }
        lengths.push(record.len() as f64);
    }
    let title = |what: &str| format!("{what}, pushes of {series} series");
    report.note(title("append, bytes of a record"), Spread::of(lengths));
    let with_labels = append.all.len() - append.known.len();
    report.note(title("append, pushes for one that is a restart point"), ROUNDS as f64 / with_labels as f64);
    for (name, times) in [("append", &append), ("of it, write and sync", &store), ("of it, encode", &encode)]
    {
        report.note(title(&format!("{name}, ms, median")), times.median());
        report.note(title(&format!("{name}, ms, p99")), times.p99());
    }
    for (bare, times) in &bares {
        report.note(title(&format!("bare file, {}, ms, median", bare.layout.name())), times.median());
        report.note(title(&format!("bare file, {}, ms, p99", bare.layout.name())), times.p99());
    }
    let beside = &bares.iter().find(|(bare, _)| bare.layout == FAIR).expect("BUG: it is among them").1;
    let of_bare = |what: &str| title(&format!("{what} beside the bare file, {}", FAIR.name()));
    report.bounded(of_bare("append, ratio of medians"), MOST_RATIO, append.median() / beside.median());
    report.bounded(of_bare("append, ratio of p99"), MOST_RATIO, append.p99() / beside.p99());
    report.bounded(
        of_bare("append of known series, ratio of p99"),
        MOST_RATIO,
        append.p99_known() / beside.p99_known(),
    );
    report.note(of_bare("write and sync alone, ratio of medians"), store.median() / beside.median());
    report.note(of_bare("append, ms more than"), append.median() - beside.median());
    Ok(())
}
