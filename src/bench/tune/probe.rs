//! What there is no setting for, measured all the same: whether one would win something here.

use super::{Trials, scenario};
use crate::bench::crew::Crew;
use crate::bench::spread::Spread;
use crate::harness::{Client, Flow, Load, SharedLedger, Upstream};
use crate::model::Push;
use crate::queue::columns::Encoder;
use anyhow::Context;
use std::time::Instant;

/// Scrapes that the levels of zstd are tried on.
const SCRAPES: usize = 100;
/// How often each level is tried, in turn.
const ROUNDS: usize = 3;
/// zstd's level in the log, and the one that its makers have as the default.
const LEVELS: [i32; 2] = [1, 3];

/// What was found.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Probe {
    pub(super) pushers: usize,
    /// Pushes that share a sync, under all pushers at full speed, on average.
    pub(super) pushes_a_sync: f64,
    /// Time of a synced write, on average.
    pub(super) sync_ms: f64,
    /// The level of the log first.
    pub(super) levels: Vec<Level>,
}

/// What a level of zstd makes of the harness' load.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Level {
    pub(super) level: i32,
    /// Of a record in the log, a sample.
    pub(super) bytes: f64,
    /// To encode it, a sample.
    pub(super) micros: f64,
}

impl Probe {
    pub(super) async fn take(trials: &Trials<'_>) -> anyhow::Result<Self> {
        let (pushes_a_sync, sync_ms) = syncs(trials).await?;
        Ok(Self { pushers: super::HOSTS, pushes_a_sync, sync_ms, levels: levels() })
    }
}

/// Pushes a sync and milliseconds a sync, by the agent's own account: from outside nobody sees them.
async fn syncs(trials: &Trials<'_>) -> anyhow::Result<(f64, f64)> {
    let Trials { folder, length, clock, .. } = *trials;
    let ledger = SharedLedger::default();
    let mut upstream = Upstream::start(&ledger).context("cannot listen on 127.0.0.1")?;
    upstream.close().await;
    let contender = super::contender(&super::Settings::default())?;
    let crew = Crew::start(&contender, 1, None, &upstream.url(), folder).await?;
    let agents = crew.addresses();
    let mut client = Client::new(agents[0]);
    let load = scenario(length).load;
    let flow = Flow::drive(load.spec()?.build(), load.flow(agents, None, clock() + 1), &ledger);
    tokio::time::sleep(length.0).await;
    let answered = flow.account().counts().answered as f64;
    let metrics = client.get("/metrics").await.context("the agent does not show its metrics")?.text();
    let of =
        |name: &str| value(&metrics, name).with_context(|| format!("the agent's metrics have no {name}"));
    let syncs = of("pmm_buffer_sync_seconds_count")?.max(1.0);
    Ok((answered / syncs, of("pmm_buffer_sync_seconds_sum")? * 1e3 / syncs))
}

/// Of a metric without labels.
fn value(metrics: &str, name: &str) -> Option<f64> {
    metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok())
}

fn levels() -> Vec<Level> {
    let mut load = Load::new(7, 1, super::SERIES);
    let pushes: Vec<Push> =
        (0..SCRAPES).map(|at| load.next_scrape(1_767_225_600_000 + at as i64 * 5_000)).collect();
    let mut micros: Vec<Vec<f64>> = vec![Vec::new(); LEVELS.len()];
    let mut bytes = vec![0.0; LEVELS.len()];
    for _ in 0..ROUNDS {
        for (at, level) in LEVELS.into_iter().enumerate() {
            let begun = Instant::now();
            bytes[at] = encoded(&pushes, level) as f64;
            micros[at].push(begun.elapsed().as_secs_f64() * 1e6);
        }
    }
    let samples = (SCRAPES * super::SERIES) as f64;
    let level = |(at, level): (usize, i32)| {
        let spread = Spread::of(micros[at].iter().copied()).expect("BUG: there were rounds");
        Level { level, bytes: bytes[at] / samples, micros: spread.median / samples }
    };
    LEVELS.into_iter().enumerate().map(level).collect()
}

fn encoded(pushes: &[Push], level: i32) -> usize {
    let mut encoder = Encoder::of_level(level);
    let mut payload = Vec::new();
    let mut bytes = 0;
    for push in pushes {
        payload.clear();
        encoder.encode(push, 0, &mut payload);
        bytes += payload.len();
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_found_by_its_whole_name() {
        let metrics = "# TYPE a histogram\na_sum 0.5\na_sum_b 7\na_count{x=\"y\"} 9\na_count 4\n";
        assert_eq!(value(metrics, "a_sum"), Some(0.5));
        assert_eq!(value(metrics, "a_count"), Some(4.0));
        assert_eq!(value(metrics, "a"), None);
    }

    #[test]
    fn the_level_of_the_log_comes_first() {
        let levels = levels();
        assert_eq!(levels[0].level, 1);
        let payload = |encoder: &mut Encoder| {
            let mut out = Vec::new();
            encoder.encode(&Load::new(7, 1, 1_000).next_scrape(0), 0, &mut out);
            out
        };
        assert_eq!(payload(&mut Encoder::new()), payload(&mut Encoder::of_level(levels[0].level)));
        assert!(levels.iter().all(|level| level.bytes > 0.5 && level.micros > 0.0), "{levels:?}");
    }
}
