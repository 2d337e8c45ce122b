//! kill -9 at random moments, on one queue, while the upstream comes and goes.
//!
//! `PMM_BUFFER_KILL_ROUNDS` sets how many kills there are, `PMM_BUFFER_KILL_SEED` repeats a run's choices.

use crate::stage::{SERIES, Stage, upstream_status};
use pmm_buffer::harness::wait::DEADLINE;
use pmm_buffer::harness::{Mode, Rng};
use std::str::FromStr;
use std::time::Duration;

const ROUNDS: u64 = 8;
const SEED: u64 = 20_251;

fn setting(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(u64::from_str(&text).unwrap_or_else(|_| panic!("{name}={text} is not a whole number")))
}

/// Where the kill falls is the point of the test, so this is a time and no condition.
async fn some_time(rng: &mut Rng, most_ms: u64) {
    tokio::time::sleep(Duration::from_millis(rng.below(most_ms))).await;
}

#[tokio::test]
async fn kill_9_at_any_moment_loses_nothing_that_was_answered() {
    let rounds = setting("PMM_BUFFER_KILL_ROUNDS").unwrap_or(ROUNDS);
    let seed = setting("PMM_BUFFER_KILL_SEED").unwrap_or(SEED);
    println!("{rounds} rounds of kill -9, PMM_BUFFER_KILL_SEED={seed}");
    let mut rng = Rng::new(seed);
    let mut stage = Stage::new();
    let flow = stage.flow(6, Duration::from_millis(10));
    let (mut is_open, mut held) = (true, 0);
    for round in 1..=rounds {
        let mut agent = stage.launch.start().expect("the program starts");
        // The others are killed while they open their queue, or soon after.
        if rng.chance(75) {
            agent.ready(DEADLINE).await.expect("ready");
            stage.answered(SERIES).await;
        }
        some_time(&mut rng, 250).await;
        match (is_open, rng.chance(60)) {
            (true, true) => stage.upstream.close().await,
            (false, true) => stage.upstream.open().expect("the port is ours"),
            _ => stage.upstream.script([Mode::LoseAnswer, Mode::Slow(Duration::from_millis(30))]),
        }
        is_open = stage.upstream.is_open();
        some_time(&mut rng, 250).await;
        agent.kill().expect("it was started");
        let verdict = stage.ledger.verdict();
        held += u64::from(verdict.lost > 0);
        let faults = (verdict.out_of_order, verdict.made_up);
        assert_eq!(faults, (0, 0), "round {round}, seed {seed}: {verdict:?}");
    }
    assert!(held > 0, "no kill found a backlog: the test tests nothing");
    if !is_open {
        stage.upstream.open().expect("the port is ours");
    }
    let agent = stage.start().await;
    let verdict = stage.finish(&agent, flow).await;
    println!("{verdict:?}");
    assert!(verdict.is_clean() && verdict.delivered >= verdict.answered, "seed {seed}: {verdict:?}");
    let status = upstream_status(&agent).await;
    assert_eq!((status.samples_dropped, status.samples_rejected), (0, 0), "seed {seed}");
}
