//! Small fleets after an outage, with the real state machine in virtual time: see benches/fleet, and docs/fleet.md for large
//! ones.

#[path = "../../benches/fleet/sim/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the bench uses the rest")]
mod sim;

use sim::{Manners, Model, Policy, SAMPLES_PER_SECOND, SECOND, Scene, Story, quantile, run};

const AGENTS: usize = 100;
const OUTAGE: u64 = 300;

fn scene(model: Model) -> Scene {
    let policy = Policy::Buffer(Manners::ALL);
    Scene { policy, agents: AGENTS, outage: OUTAGE, patience: 3_600, model, seed: 7 }
}

/// All that was pushed before the outage ended, once and in order.
fn assert_delivered_once(story: &Story) {
    assert!(story.current.iter().all(Option::is_some), "{:?}", story.current);
    assert!(story.samples >= AGENTS as u64 * (OUTAGE - 1) * SAMPLES_PER_SECOND, "{} samples", story.samples);
    assert_eq!((story.repeated, story.out_of_order), (0, 0));
}

#[test]
fn a_fleet_that_returns_is_current_soon_and_never_has_more_waiting_than_one_request_each() {
    let story = run(&scene(Model::measured(2)));
    assert_delivered_once(&story);
    assert_eq!((story.busy, story.timeouts, story.crashes), (0, 0, 0));
    assert!(story.max_waiting() < AGENTS, "{} waiting", story.max_waiting());
    assert!(quantile(&story.first_delivery, 1.0) < Some(2.0), "{:?}", story.first_delivery);
    assert!(quantile(&story.current, 1.0) < Some(30.0), "{:?}", story.current);
    assert!(story.longest_answer() < 3.0, "{} s", story.longest_answer());
}

#[test]
fn a_server_that_refuses_most_of_them_still_gets_everything_in_order() {
    let story = run(&scene(Model { max_waiting: 10, ..Model::measured(1) }));
    assert_delivered_once(&story);
    assert!(story.busy > 0 && story.max_waiting() <= 10, "{} of 503", story.busy);
}

#[test]
fn what_a_server_that_fell_over_had_not_answered_is_sent_again_and_in_order() {
    let model = Model { crash_at: Some(40), restart: 5 * SECOND, ..Model::measured(1) };
    let story = run(&Scene { patience: 60, ..scene(model) });
    assert!(story.crashes > 0);
    assert_eq!(story.out_of_order, 0);
}

#[test]
fn answers_that_come_too_late_repeat_samples_and_lose_none() {
    let model = Model { round_trip: 31 * SECOND, ..Model::measured(2) };
    let story = run(&Scene { patience: 300, ..scene(model) });
    assert!(story.timeouts > 0 && story.repeated > 0);
    assert_eq!(story.out_of_order, 0);
}

#[test]
fn the_same_seed_tells_the_same_story() {
    let tell = |seed| run(&Scene { seed, ..scene(Model::measured(1)) });
    assert_eq!(tell(1), tell(1));
    assert_ne!(tell(1), tell(2));
}
