use super::*;
use crate::replay::verdict::{Answer, Failure};
use proptest::prelude::*;

const SECOND: Duration = Duration::from_secs(1);

fn rules(kind: UpstreamKind) -> Rules {
    Rules { kind, max_retry_after: 600 * SECOND, max_samples_per_send: 50_000, rate: RateLimit::default() }
}

fn machine(kind: UpstreamKind) -> Machine {
    let backoff = Backoff::new(Duration::from_millis(200), 5 * SECOND, 7);
    Machine::new(rules(kind), backoff)
}

fn answer(status: u16) -> Outcome {
    Outcome::Answered(Answer { status, retry_after: None, text: String::new() })
}

fn failed(failure: Failure, is_stale: bool) -> Outcome {
    Outcome::Failed { failure, error: String::new(), is_stale }
}

#[track_caller]
fn sending(machine: &Machine) -> (Part, Packing) {
    match machine.next() {
        Action::Send { part, packing, .. } => (part, packing),
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn waiting(machine: &mut Machine, now: Instant) -> Duration {
    let Action::Wait(until) = machine.next() else { panic!("{:?}", machine.next()) };
    machine.wake();
    until - now
}

#[test]
fn a_delivered_batch_makes_room_for_the_next() {
    let (mut machine, now) = (machine(UpstreamKind::Pmm), Instant::now());
    assert_eq!(machine.next(), Action::Read);
    machine.load(1);
    let (_, settled) = machine.outcome(&answer(204), now);
    assert_eq!(settled, Settled::Delivered(Part::whole(1)));
    assert_eq!(machine.next(), Action::Read);
}

#[test]
fn a_failure_is_waited_out_and_the_same_part_sent_again() {
    let (mut machine, now) = (machine(UpstreamKind::Pmm), Instant::now());
    machine.load(2);
    for _ in 0..20 {
        let outcome = failed(Failure::Connect, false);
        let (verdict, settled) = machine.outcome(&outcome, now);
        assert_eq!((verdict, settled), (Verdict::Retry { reason: "connect", wait: None }, Settled::Nothing));
        assert!(waiting(&mut machine, now) <= Duration::from_millis(1500));
        assert_eq!(sending(&machine).0, Part::whole(2));
    }
}

#[test]
fn a_connection_that_went_stale_costs_no_wait() {
    let mut machine = machine(UpstreamKind::Pmm);
    machine.load(1);
    machine.outcome(&failed(Failure::Broken, true), Instant::now());
    assert_eq!(sending(&machine).0, Part::whole(1));
}

#[test]
fn retry_after_is_a_lower_bound_up_to_the_cap() {
    let (mut machine, now) = (machine(UpstreamKind::Pmm), Instant::now());
    machine.load(1);
    for (asked, bound) in [(30, 30), (100_000, 600)] {
        let retry_after = Some(asked * SECOND);
        let outcome = Outcome::Answered(Answer { status: 503, retry_after, text: String::new() });
        machine.outcome(&outcome, now);
        let wait = waiting(&mut machine, now);
        assert!(wait >= bound * SECOND && wait <= (bound + 5) * SECOND, "{wait:?}");
    }
}

#[test]
fn an_upstream_without_zstd_gets_snappy_from_then_on_until_it_was_away() {
    let (mut machine, now) = (machine(UpstreamKind::Prometheus), Instant::now());
    machine.load(1);
    assert_eq!(sending(&machine).1, Packing::Zstd);
    machine.outcome(&answer(415), now);
    assert_eq!(sending(&machine).1, Packing::Snappy);
    machine.outcome(&answer(200), now);
    machine.load(1);
    assert_eq!(sending(&machine).1, Packing::Snappy);
    machine.outcome(&answer(500), now);
    machine.wake();
    assert_eq!(sending(&machine).1, Packing::Zstd);
}

#[test]
fn content_that_is_refused_either_way_does_not_cost_the_zstd_of_the_rest() {
    let (mut machine, now) = (machine(UpstreamKind::Pmm), Instant::now());
    machine.load(1);
    machine.outcome(&answer(400), now);
    let (_, settled) = machine.outcome(&answer(400), now);
    assert_eq!(settled, Settled::Rejected(Part::whole(1), "bad_request"));
    machine.load(1);
    assert_eq!(sending(&machine).1, Packing::Zstd);
}

#[test]
fn after_an_outage_the_first_delivery_is_a_probe_and_the_rest_is_spread() {
    let start = Instant::now();
    let after = |outage: Duration, seed: u64| {
        let mut machine = Machine::new(rules(UpstreamKind::Pmm), Backoff::new(SECOND, SECOND, seed));
        machine.load(1);
        machine.outcome(&failed(Failure::Connect, false), start);
        machine.wake();
        let back = start + outage;
        machine.outcome(&answer(204), back);
        match machine.next() {
            Action::Wait(until) => until - back,
            Action::Read => Duration::ZERO,
            other => panic!("{other:?}"),
        }
    };
    let spread = |outage| (0..100).map(|seed| after(outage, seed)).max().unwrap();
    assert!(spread(10 * SECOND) <= SECOND / 2);
    assert!(spread(100 * SECOND) <= 5 * SECOND && spread(100 * SECOND) > 4 * SECOND);
    assert!(spread(100_000 * SECOND) <= MAX_SPREAD);
}

#[test]
fn too_large_is_halved_down_to_a_single_series() {
    let (mut machine, now) = (machine(UpstreamKind::Pmm), Instant::now());
    machine.load(3);
    let mut settled = Vec::new();
    while machine.next() != Action::Read {
        match machine.outcome(&answer(413), now).1 {
            Settled::Nothing => {}
            other => settled.push(other),
        }
    }
    let rejected = |series| Settled::Rejected(Part { series }, "too_large");
    assert_eq!(settled, [rejected(0..1), rejected(1..2), rejected(2..3)]);
}

#[test]
fn an_upstream_that_refuses_everything_is_not_asked_for_each_series() {
    let (mut machine, now) = (machine(UpstreamKind::Pmm), Instant::now());
    machine.load(10_000);
    let (mut attempts, mut rejected) = (0, 0);
    while machine.next() != Action::Read {
        attempts += 1;
        if let Settled::Rejected(part, _) = machine.outcome(&answer(422), now).1 {
            assert_eq!(part.series.start, rejected);
            rejected = part.series.end;
        }
    }
    assert_eq!(rejected, 10_000);
    assert!(attempts < 200, "{attempts} attempts");
}

proptest! {
    /// An upstream that refuses some series and is away now and then: each series is settled once, in order, the bad
    /// ones rejected alone, the rest delivered.
    #[test]
    fn poison_is_set_aside_alone_and_order_is_kept(fate in prop::collection::vec((any::<bool>(), 0..3u8), 1..20)) {
        let now = Instant::now();
        let (bad, mut away): (Vec<bool>, Vec<u8>) = fate.into_iter().unzip();
        let mut machine = machine(UpstreamKind::Pmm);
        machine.load(bad.len());
        let mut settled = 0;
        loop {
            let part = match machine.next() {
                Action::Read => break,
                Action::Wait(_) => { machine.wake(); continue }
                Action::Send { part, .. } => part,
            };
            prop_assert_eq!(part.series.start, settled, "the first part not settled is the one in flight");
            let is_bad = bad[part.series.clone()].contains(&true);
            let status = match &mut away[settled] {
                0 => if is_bad { 400 } else { 204 },
                times => { *times -= 1; 503 }
            };
            match machine.outcome(&answer(status), now).1 {
                Settled::Nothing => {}
                Settled::Delivered(done) => {
                    prop_assert!(!is_bad);
                    settled = done.series.end;
                }
                Settled::Rejected(done, _) => {
                    prop_assert_eq!(done.series.len(), 1);
                    prop_assert!(bad[done.series.start]);
                    settled = done.series.end;
                }
            }
        }
        prop_assert_eq!(settled, bad.len());
    }
}
