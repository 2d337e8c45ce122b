//! Opening a full queue of 1 GiB, and reading all of it.

use crate::cost::READ;
use crate::report::{Report, Spread};
use crate::stage::{Stage, Stages};
use pmm_buffer::config::SyncMode;
use rustix::fs::{Advice, fadvise};
use std::fs::{self, File};
use std::path::Path;
use std::time::Instant;

const ROUNDS: usize = 5;
const MOST_SECONDS: f64 = 1.0;

pub fn measure(stages: &mut Stages, report: &mut Report) -> anyhow::Result<()> {
    let data_dir = stages.full_of_noise()?;
    let open = || Stage::open(data_dir, 1 << 30, SyncMode::Interval);
    let (mut warm, mut cold) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        for (is_cold, seconds) in [(false, &mut warm), (true, &mut cold)] {
            if is_cold {
                forget(&data_dir.join("queue"))?;
            }
            let begun = Instant::now();
            let stage = open()?;
            seconds.push(begun.elapsed().as_secs_f64());
            stage.close()?;
        }
    }
    report.bounded("opening a full queue of 1 GiB, s", MOST_SECONDS, Spread::of(warm));
    report.bounded("the same, its files not in memory, s", MOST_SECONDS, Spread::of(cold));

    let mut stage = open()?;
    let backlog = stage.backlog();
    let begun = Instant::now();
    let mut samples = 0;
    while let Some(batch) = stage.reader.read(READ, Instant::now())? {
        samples += batch.push.counts().all_samples();
    }
    let seconds = begun.elapsed().as_secs_f64();
    anyhow::ensure!(samples == backlog.samples, "{samples} of {} samples were read", backlog.samples);
    report.note("that queue (noise): millions of samples", samples as f64 / 1e6);
    report.note("that queue read and merged: millions of samples a second", samples as f64 / seconds / 1e6);
    report.note("that queue read and merged: MiB a second", backlog.bytes as f64 / 1_048_576.0 / seconds);
    Ok(())
}

/// Lets the system forget what it holds of the files: the next read comes from the disk.
fn forget(folder: &Path) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder)? {
        let file = File::open(entry?.path())?;
        file.sync_all()?;
        fadvise(&file, 0, None, Advice::DontNeed)?;
    }
    Ok(())
}
