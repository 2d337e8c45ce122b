use super::*;
use crate::replay::verdict::Answer;
use proptest::prelude::*;
use std::collections::BTreeSet;

const SECOND: Duration = Duration::from_secs(1);

fn refused() -> Outcome {
    Outcome::Failed { failure: Failure::Connect, error: String::new(), is_stale: false }
}

fn answer(status: u16) -> Outcome {
    Outcome::Answered(Answer { status, retry_after: None, text: String::new() })
}

/// An attempt at `url` that is no probe.
fn plain(url: usize) -> Target {
    Target { url, is_probe: false }
}

const PROBE: Target = Target { url: 0, is_probe: true };

#[test]
fn a_refused_connection_moves_on_at_once_and_a_wait_comes_after_all_were_tried() {
    let (mut failover, now) = (Failover::new(3), Instant::now());
    for _round in 0..3 {
        for url in 0..3 {
            assert_eq!(failover.attempt(now), plain(url));
            let step = failover.failed(&refused(), Duration::ZERO, now);
            assert_eq!(step, if url < 2 { Step::AtOnce } else { Step::WaitFrom(now) });
        }
    }
}

#[test]
fn one_url_waits_as_ever() {
    let (mut failover, now) = (Failover::new(1), Instant::now());
    for asked in [Duration::ZERO, 30 * SECOND] {
        for outcome in [refused(), answer(503), answer(401)] {
            assert_eq!(failover.attempt(now), plain(0));
            assert_eq!(failover.failed(&outcome, asked, now), Step::WaitFrom(now + asked));
        }
    }
}

#[test]
fn server_errors_move_on_after_three_or_ten_seconds() {
    let now = Instant::now();
    let steps = |outcomes: &[(Outcome, Duration, Duration)]| {
        let mut failover = Failover::new(2);
        let of = |(outcome, asked, took): &(Outcome, Duration, Duration)| {
            failover.attempt(now);
            failover.failed(outcome, *asked, now + *took) == Step::AtOnce
        };
        outcomes.iter().map(of).collect::<Vec<_>>()
    };
    let quick = || (answer(503), Duration::ZERO, Duration::ZERO);
    assert_eq!(steps(&[quick(), quick(), quick()]), [false, false, true]);
    assert_eq!(
        steps(&[(answer(503), 60 * SECOND, Duration::ZERO)]),
        [true],
        "it says itself that it is away for long"
    );
    let timeout = Outcome::Failed { failure: Failure::Timeout, error: String::new(), is_stale: false };
    assert_eq!(steps(&[(timeout.clone(), Duration::ZERO, 30 * SECOND)]), [true]);
    assert_eq!(steps(&[(timeout, Duration::ZERO, SECOND)]), [false]);
    let refused = || (answer(401), Duration::ZERO, 60 * SECOND);
    assert_eq!(
        steps(&[refused(), refused(), refused(), refused()]),
        [false; 4],
        "another URL takes no other password"
    );
}

#[test]
fn a_stand_in_that_never_delivered_is_left_at_its_first_failure() {
    let (mut failover, now) = (Failover::new(3), Instant::now());
    failover.attempt(now);
    failover.failed(&refused(), Duration::ZERO, now);
    assert_eq!(failover.attempt(now), plain(1));
    assert_eq!(failover.failed(&answer(503), Duration::ZERO, now), Step::AtOnce);
    assert_eq!(failover.attempt(now), plain(2));
    failover.settled();
    failover.attempt(now);
    assert_eq!(failover.failed(&answer(503), Duration::ZERO, now), Step::WaitFrom(now), "this one delivered");
}

#[test]
fn a_busy_url_is_passed_over_until_its_time() {
    let (mut failover, now) = (Failover::new(2), Instant::now());
    failover.attempt(now);
    assert_eq!(failover.failed(&answer(503), 60 * SECOND, now), Step::AtOnce);
    assert_eq!(failover.attempt(now), plain(1));
    // Both are away: the second is free to be asked again, the first is not.
    assert_eq!(failover.failed(&refused(), Duration::ZERO, now), Step::WaitFrom(now));
    assert_eq!(failover.attempt(now), plain(1));
    assert_eq!(failover.failed(&answer(503), 20 * SECOND, now), Step::WaitFrom(now + 20 * SECOND));
    assert_eq!(failover.attempt(now + 20 * SECOND), plain(1), "no probe while the first is busy");
    assert_eq!(failover.failed(&refused(), Duration::ZERO, now + 60 * SECOND), Step::AtOnce);
    assert_eq!(failover.attempt(now + 60 * SECOND), plain(0));
}

#[test]
fn the_first_is_probed_ever_more_rarely_and_taken_back_when_it_delivers() {
    let (mut failover, mut now) = (Failover::new(2), Instant::now());
    failover.attempt(now);
    failover.failed(&refused(), Duration::ZERO, now);
    failover.attempt(now);
    failover.settled();
    for wait in [10, 20, 40, 60, 60] {
        assert_eq!(failover.attempt(now + wait * SECOND - Duration::from_millis(1)), plain(1));
        failover.settled();
        now += wait * SECOND;
        assert_eq!(failover.attempt(now), PROBE);
        assert_eq!(failover.failed(&refused(), Duration::ZERO, now), Step::AtOnce);
        assert_eq!(failover.attempt(now), plain(1), "the same batch");
        failover.settled();
    }
    now += 60 * SECOND;
    assert_eq!(failover.attempt(now), PROBE);
    assert_eq!(failover.current(), 1, "not before it delivered");
    assert_eq!(failover.attempt(now), PROBE, "the same in another encoding");
    failover.settled();
    assert_eq!((failover.current(), failover.attempt(now)), (0, plain(0)));
    // What the probes waited for is forgotten.
    failover.failed(&refused(), Duration::ZERO, now);
    failover.attempt(now);
    failover.settled();
    assert_eq!(failover.attempt(now + 10 * SECOND), PROBE);
}

/// How a server does in one second.
#[derive(Debug, Clone, Copy)]
enum State {
    Up,
    Away,
    Busy(u64),
    Error,
    Unauthorized,
}

fn state() -> impl Strategy<Value = State> {
    prop_oneof![
        4 => Just(State::Up),
        3 => Just(State::Away),
        1 => (0..100_u64).prop_map(State::Busy),
        2 => Just(State::Error),
        1 => Just(State::Unauthorized),
    ]
}

proptest! {
    /// Whatever the servers do: between two waits each is asked once at most besides the probe, none that could be asked is
    /// passed over, none is asked while it asked for patience; and once they are well, the first is the one in use.
    #[test]
    fn every_url_gets_its_turn_and_the_first_comes_back(
        urls in 1..=8_usize,
        script in prop::collection::vec((prop::collection::vec(state(), 8), 0..30_u64), 1..100),
    ) {
        let mut failover = Failover::new(urls);
        let mut now = Instant::now();
        let mut busy_until = vec![now; urls];
        let mut round = BTreeSet::new();
        for (states, pause) in script {
            let mut asked_now = Vec::new();
            loop {
                let Target { url, is_probe } = failover.attempt(now);
                prop_assert!(busy_until[url] <= now, "{url} asked for patience");
                if !is_probe {
                    prop_assert!(!asked_now.contains(&url), "{url} twice without a wait: {asked_now:?}");
                    asked_now.push(url);
                    round.insert(url);
                }
                let (outcome, asked) = match states[url] {
                    State::Up => {
                        failover.settled();
                        round.clear();
                        break;
                    }
                    State::Away => (refused(), 0),
                    State::Busy(seconds) => (answer(503), seconds),
                    State::Error => (answer(500), 0),
                    State::Unauthorized => (answer(401), 0),
                };
                let asked = Duration::from_secs(asked);
                busy_until[url] = now + asked;
                let step = failover.failed(&outcome, asked, now);
                if is_probe {
                    prop_assert_eq!(step, Step::AtOnce);
                }
                let Step::WaitFrom(from) = step else { continue };
                if failover.failures == 0 {
                    let is_left_out = |url: &usize| !round.contains(url) && busy_until[*url] <= now;
                    prop_assert_eq!((0..urls).find(is_left_out), None, "a wait before it was tried");
                    round.clear();
                }
                now = now.max(from);
                break;
            }
            now += Duration::from_secs(pause);
        }
        now += Duration::from_secs(1000);
        for _ in 0..2 {
            failover.attempt(now);
            failover.settled();
            now += LAST_PROBE;
        }
        prop_assert_eq!(failover.current(), 0);
    }
}
