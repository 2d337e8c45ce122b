//! What the queue costs: bytes on disk, time a sample, time to be safe on disk, time to open, memory. Each figure stands
//! beside the most that it may be.
//!
//! `cargo bench --bench queue`, some two minutes, 4 GiB of disk; `-- disk cost sync open memory` for some parts of it. The
//! files are made in cargo's target folder: what is measured is that disk. docs/performance.md says what the figures mean.

mod cost;
mod disk;
mod memory;
mod open;
mod report;
mod scrapes;
mod stage;
mod sync;

#[path = "../captures/mod.rs"]
mod captures;

use report::Report;
use stage::Stages;

type Part = fn(&mut Stages, &mut Report) -> anyhow::Result<()>;

const PARTS: [(&str, Part); 5] = [
    ("disk", disk::measure),
    ("cost", cost::measure),
    ("sync", sync::measure),
    ("open", open::measure),
    ("memory", memory::measure),
];

fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    // `cargo test --benches` only wants to see it start.
    if args.iter().any(|arg| arg == "--test") {
        return Ok(());
    }
    let chosen: Vec<&String> = args.iter().filter(|arg| !arg.starts_with('-')).collect();
    if let Some(unknown) = chosen.iter().find(|name| PARTS.iter().all(|(known, _)| known != *name)) {
        anyhow::bail!("no part {unknown}; there are disk, cost, sync, open and memory");
    }
    // As the agent's own main does it: what is freed and mapped again would be timed, too.
    pmm_buffer::memory::tune_malloc();
    let (mut stages, mut report) = (Stages::default(), Report::default());
    for (name, part) in PARTS {
        if chosen.is_empty() || chosen.iter().any(|chosen| *chosen == name) {
            eprintln!("{name} …");
            part(&mut stages, &mut report)?;
        }
    }
    println!("{report}");
    Ok(())
}
