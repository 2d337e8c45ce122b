//! Bytes on disk a sample, everything counted, at a scrape every 5 s.

use crate::captures;
use crate::report::Report;
use crate::scrapes::{HOUR, Replayed, Target, scrapes};
use crate::stage::{MIB, Stage, Stages, folder, hosts};
use pmm_buffer::config::SyncMode;

/// Real scrapes, and the harness' load.
const MOST_REAL: f64 = 1.4;
const MOST_SYNTHETIC: f64 = 1.8;

/// What is in every folder, however little is in the queue, weighs on an hour of a host; after a night of ten it is lost
/// among the records.
const NIGHT: usize = 8 * HOUR;

pub fn measure(_: &mut Stages, report: &mut Report) -> anyhow::Result<()> {
    for (count, scraped, span) in [
        (1, HOUR, "an hour of 1 host"),
        (10, HOUR, "an hour of 10 hosts"),
        (10, NIGHT, "8 hours of 10 hosts"),
    ] {
        // One exporter of these is enough to show it.
        let captures = if scraped == HOUR { &captures::ALL[..] } else { &captures::ALL[..1] };
        for capture in captures {
            let targets = (0..count).map(|number| Replayed::new(capture, number)).collect();
            measure_one(report, &format!("{}, {span}", capture.name), MOST_REAL, targets, scraped)?;
        }
        measure_one(report, &format!("synthetic, {span}"), MOST_SYNTHETIC, hosts(count), scraped)?;
    }
    many_series(report)
}

/// The labels of an interval are bounded. Where one scrape of all hosts has more of them, no interval lasts for a second one.
fn many_series(report: &mut Report) -> anyhow::Result<()> {
    const SCRAPED: usize = 50;
    for count in [50, 120, 160] {
        let folder = folder()?;
        let stage = Stage::open(folder.path(), 1 << 30, SyncMode::Interval)?;
        stage.append_all(scrapes(&mut hosts(count), 0, SCRAPED))?;
        let backlog = stage.backlog();
        let name = format!("bytes a sample, synthetic, {SCRAPED} scrapes of {count} hosts: records");
        report.note(name, backlog.bytes as f64 / backlog.samples as f64);
        stage.close()?;
    }
    Ok(())
}

fn measure_one<T: Target>(
    report: &mut Report,
    name: &str,
    most: f64,
    mut targets: Vec<T>,
    scraped: usize,
) -> anyhow::Result<()> {
    let folder = folder()?;
    let stage = Stage::open(folder.path(), 1 << 30, SyncMode::Interval)?;
    stage.append_all(scrapes(&mut targets, 0, scraped))?;
    let backlog = stage.backlog();
    let a_sample = |bytes: u64| bytes as f64 / backlog.samples as f64;
    let open = stage.settled_disk_bytes()?;
    let closed = stage.close()?;
    report.bounded(format!("bytes a sample, {name}: records"), most, a_sample(backlog.bytes));
    report.bounded(format!("bytes a sample, {name}: folder"), most, a_sample(open));
    report.note(format!("bytes a sample, {name}: folder, closed"), a_sample(closed));
    report.note(format!("MiB, {name}: folder"), open as f64 / MIB as f64);
    report.note(format!("MiB, {name}: folder beyond records"), (open - backlog.bytes) as f64 / MIB as f64);
    Ok(())
}
