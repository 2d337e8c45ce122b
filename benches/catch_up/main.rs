//! The way back after an outage, against a real VictoriaMetrics, beside vmagent with one queue, which keeps the order too: in
//! turn, on an hour of real scrapes of some hosts. Then this agent over a link with 100 ms there and back, and how soon a push
//! is delivered when nothing is wrong.
//!
//! `cargo bench --bench catch_up`, some three minutes. docs/performance.md says what the figures mean.

mod delay;
mod scene;

#[path = "../captures/mod.rs"]
#[allow(dead_code, reason = "other benches print the names")]
mod captures;
#[path = "../queue/report.rs"]
#[allow(dead_code, reason = "the queue's bench uses the rest")]
mod report;
#[path = "../queue/scrapes.rs"]
#[allow(dead_code, reason = "the queue's bench uses the rest")]
mod scrapes;

use report::{Report, Spread};
use scene::{CatchUp, Kind, Link};

const ROUNDS: usize = 3;

fn main() -> anyhow::Result<()> {
    // `cargo test --benches` only wants to see it start.
    if std::env::args().any(|arg| arg == "--test") {
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let (mut buffer, mut vmagent, mut far) = (Vec::new(), Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        eprintln!("round {round} of {ROUNDS}");
        buffer.push(runtime.block_on(scene::catch_up(Kind::Buffer, Link::Near))?);
        vmagent.push(runtime.block_on(scene::catch_up(Kind::Vmagent, Link::Near))?);
        far.push(runtime.block_on(scene::catch_up(Kind::Buffer, Link::Far))?);
    }
    let mut report = Report::default();
    figures(&mut report, "pmm-buffer", &buffer);
    figures(&mut report, "vmagent", &vmagent);
    figures(&mut report, "pmm-buffer, 100 ms", &far);
    report.bounded("pmm-buffer: wire bytes a sample, zstd", 2.7, runtime.block_on(scene::zstd_bytes())?);
    let latencies = runtime.block_on(scene::steady())?;
    report.bounded("a push until it is delivered, low load, ms", 100.0, Spread::of(latencies));
    println!("{report}");
    Ok(())
}

fn figures(report: &mut Report, name: &str, rounds: &[CatchUp]) {
    let mut note = |what: &str, pick: fn(&CatchUp) -> f64| {
        report.note(format!("{name}: {what}"), Spread::of(rounds.iter().map(pick).collect()));
    };
    note("first delivery, s", |round| round.first_delivery_s);
    note("thousand samples a second from there on", |round| round.samples / round.rest_s / 1e3);
    note("wire bytes a sample", |round| round.wire_bytes / round.samples);
    note("CPU of the server, µs a sample", |round| round.server_cpu_us / round.samples);
    note("CPU of the agent, µs a sample", |round| round.agent_cpu_us / round.samples);
}
