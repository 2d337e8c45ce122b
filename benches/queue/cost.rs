//! Time a sample: that it does not depend on the size of a push, nor on what waits.

use crate::report::{Report, Spread, micros_each};
use crate::scrapes::{FIRST_MS, scrapes};
use crate::stage::{MIB, Stage, Stages, folder, full_of_scrapes, hosts};
use pmm_buffer::config::SyncMode;
use pmm_buffer::harness::{HostLoad, Load};
use pmm_buffer::model::{Push, Sample};
use pmm_buffer::queue::columns::{Decoder, Encoder, Section, Sink};
use pmm_buffer::queue::{ReadLimit, Reader};
use pmm_buffer::wire;
use std::hint::black_box;
use std::time::Instant;

const ROUNDS: usize = 9;
const MOST_ENCODE: f64 = 0.40;
const MOST_DECODE: f64 = 0.15;
/// Series of a push.
const SIZES: [usize; 3] = [100, 1_000, 10_000];
/// Samples that are coded in a round.
const CODED: usize = 100_000;
/// A delivery's read in a catch-up.
pub const READ: ReadLimit = ReadLimit { records: u64::MAX, samples: 50_000, bytes: 8 << 20 };

pub fn measure(_: &mut Stages, report: &mut Report) -> anyhow::Result<()> {
    codec(report);
    single(report)?;
    backlog(report)
}

/// Pushes of one size, the first of which makes the series known.
struct Coded {
    pushes: Vec<Push>,
    lengths: Vec<usize>,
    encode: Vec<f64>,
    decode: Vec<f64>,
}

impl Coded {
    fn new(series: usize) -> Self {
        let mut load = Load::new(7, 1, series);
        let pushes: Vec<_> =
            (0..=CODED / series).map(|n| load.next_scrape(FIRST_MS + n as i64 * 5_000)).collect();
        let lengths = pushes.iter().map(wire::encoded_len).collect();
        Self { pushes, lengths, encode: Vec::new(), decode: Vec::new() }
    }

    fn round(&mut self) {
        let mut encoder = Encoder::new();
        let mut encode = |push: &Push| {
            let mut payload = Vec::new();
            let since = encoder.encode(push, FIRST_MS, &mut payload);
            (since, payload)
        };
        let first = encode(&self.pushes[0]);
        let begun = Instant::now();
        let records: Vec<_> = self.pushes[1..].iter().map(&mut encode).collect();
        self.encode.push(micros_each(begun.elapsed(), CODED as u64));

        let (mut decoder, mut kept) = (Decoder::new(), Kept::default());
        let mut decode = |(since, payload): &(u32, Vec<u8>), length: usize| {
            if *since == 0 {
                decoder.restart();
            }
            kept.clear();
            decoder.decode_into(payload, FIRST_MS, length, &mut kept).expect("its own record");
            black_box(&kept);
        };
        decode(&first, self.lengths[0]);
        let begun = Instant::now();
        records.iter().zip(&self.lengths[1..]).for_each(|(record, length)| decode(record, *length));
        self.decode.push(micros_each(begun.elapsed(), CODED as u64));
    }
}

/// Where records are decoded to: memory that is kept from one to the next, as a delivery's is in a catch-up.
#[derive(Default)]
struct Kept {
    bytes: Vec<u8>,
    samples: Vec<Sample>,
    /// Of each series: the ends of its labels and of its samples.
    series: Vec<(usize, usize)>,
}

impl Kept {
    fn clear(&mut self) {
        self.bytes.clear();
        self.samples.clear();
        self.series.clear();
    }
}

impl Sink for Kept {
    fn series(&mut self, _: usize, labels: Section<'_>) {
        labels.write(&mut self.bytes);
    }

    fn sample(&mut self, sample: Sample) {
        self.samples.push(sample);
    }

    fn end_series(&mut self, extras: &[u8]) {
        self.series.push((self.bytes.len(), self.samples.len()));
        self.bytes.extend_from_slice(extras);
    }

    fn request_extra(&mut self, extra: &[u8]) {
        self.bytes.extend_from_slice(extra);
    }
}

fn codec(report: &mut Report) {
    let mut sizes = SIZES.map(Coded::new);
    for _ in 0..ROUNDS {
        sizes.iter_mut().for_each(Coded::round);
    }
    let title = |what: &str, series: usize| format!("{what}, µs a sample, pushes of {series} series");
    for (size, series) in sizes.iter().zip(SIZES) {
        report.bounded(title("encode", series), MOST_ENCODE, Spread::of(size.encode.clone()));
    }
    for (size, series) in sizes.iter().zip(SIZES) {
        report.bounded(title("decode", series), MOST_DECODE, Spread::of(size.decode.clone()));
    }
}

/// Pushes as batches of their own: nothing is merged, all labels are written each time.
fn single(report: &mut Report) -> anyhow::Result<()> {
    const ONE: ReadLimit = ReadLimit { records: 1, ..READ };
    for series in SIZES {
        let folder = folder()?;
        let mut stage = Stage::open(folder.path(), 64 * MIB, SyncMode::Interval)?;
        let mut hosts = Load::new(7, 1, series).into_hosts();
        stage.append_all(scrapes(&mut hosts, 0, CODED / series))?;
        let mut rounds = Vec::new();
        for _ in 0..ROUNDS {
            stage.reader.rewind_to_acked();
            let begun = Instant::now();
            let samples = read(&mut stage.reader, ONE, usize::MAX)?;
            rounds.push(micros_each(begun.elapsed(), samples));
        }
        let title = format!("read, one push at a time, µs a sample, pushes of {series} series");
        report.note(title, Spread::of(rounds));
    }
    Ok(())
}

/// Scrapes that are appended in a round.
const APPENDED: usize = 100;
/// Deliveries' reads in a round.
const READS: usize = 2;

/// A queue that is appended to and read.
struct Worked {
    name: &'static str,
    stage: Stage,
    hosts: Vec<HostLoad>,
    scraped: usize,
    append: Vec<f64>,
    read: Vec<f64>,
}

impl Worked {
    fn round(&mut self) -> anyhow::Result<()> {
        let per_host = APPENDED / self.hosts.len();
        let pushes: Vec<_> = scrapes(&mut self.hosts, self.scraped, per_host).collect();
        self.scraped += per_host;
        let samples = pushes.iter().map(|(push, _)| push.counts().all_samples()).sum();
        let begun = Instant::now();
        self.stage.append_all(pushes.into_iter())?;
        self.append.push(micros_each(begun.elapsed(), samples));

        self.stage.reader.rewind_to_acked();
        let begun = Instant::now();
        let samples = read(&mut self.stage.reader, READ, READS)?;
        self.read.push(micros_each(begun.elapsed(), samples));
        Ok(())
    }
}

/// Reads so many batches, or to the end. Returns their samples.
pub fn read(reader: &mut Reader, limit: ReadLimit, batches: usize) -> anyhow::Result<u64> {
    let mut samples = 0;
    for _ in 0..batches {
        let Some(batch) = reader.read(limit, Instant::now())? else { break };
        samples += batch.push.counts().all_samples();
        reader.recycle(batch.push);
    }
    Ok(samples)
}

/// The same work on a queue where nothing waits and on one that is full, in turn.
fn backlog(report: &mut Report) -> anyhow::Result<()> {
    const HOSTS: usize = 10;
    let folders = (folder()?, folder()?);
    let mut full_hosts = hosts(HOSTS);
    eprintln!("  filling 64 MiB");
    let (full, scraped) = full_of_scrapes(folders.0.path(), 64 * MIB, &mut full_hosts)?;
    let empty = Stage::open(folders.1.path(), 64 * MIB, SyncMode::Interval)?;
    let worked = |name, stage, hosts, scraped| Worked {
        name,
        stage,
        hosts,
        scraped,
        append: Vec::new(),
        read: Vec::new(),
    };
    let mut both = [
        worked("nothing waits", empty, hosts(HOSTS), 0),
        worked("a full queue of 64 MiB", full, full_hosts, scraped),
    ];
    for _ in 0..ROUNDS {
        both.iter_mut().try_for_each(Worked::round)?;
        // Where nothing waits, what a round appended is settled before the next.
        let reader = &mut both[0].stage.reader;
        reader.ack(reader.bounds().1, Instant::now());
    }
    for worked in &both {
        let title = format!("append without its sync, µs a sample, {}", worked.name);
        report.note(title, Spread::of(worked.append.clone()));
    }
    for worked in &both {
        report.note(format!("read and merge, µs a sample, {}", worked.name), Spread::of(worked.read.clone()));
    }
    let [_, mut full] = both;
    full.stage.reader.rewind_to_acked();
    let begun = Instant::now();
    let samples = read(&mut full.stage.reader, READ, usize::MAX)?;
    let rate = samples as f64 / begun.elapsed().as_secs_f64() / 1e6;
    report.note("the whole full queue of 64 MiB, read and merged: millions of samples", samples as f64 / 1e6);
    report.note("the whole full queue of 64 MiB, read and merged: millions of samples a second", rate);
    Ok(())
}
