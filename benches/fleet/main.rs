//! A fleet after an outage: what its return does to a server, and what each rule of delivery contributes.
//!
//! `cargo bench --bench fleet` simulates, and writes the tables and plots of docs/fleet.md; some two minutes. `-- costs`
//! measures what requests cost a real VictoriaMetrics, which the simulated server stands on.

mod costs;
mod pages;
mod scenes;
mod sim;
mod table;

fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    // `cargo test --benches` only wants to see it start.
    if args.iter().any(|arg| arg == "--test") {
        return Ok(());
    }
    if args.iter().any(|arg| arg == "costs") {
        return costs::measure();
    }
    scenes::report()
}
