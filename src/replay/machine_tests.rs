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
fn another_url_gets_the_same_part_at_once_and_waits_begin_when_all_were_tried() {
    let (machine, now) = (machine(UpstreamKind::Pmm), Instant::now());
    let mut machine = machine.with_urls(2);
    machine.load(2);
    for _ in 0..5 {
        for url in 0..2 {
            assert_eq!((machine.target(now).url, sending(&machine).0), (url, Part::whole(2)));
            machine.outcome(&failed(Failure::Connect, false), now);
        }
        assert!(waiting(&mut machine, now) <= Duration::from_millis(1500));
    }
}

#[test]
fn no_change_of_the_network_cuts_a_retry_after_short() {
    let (machine, now) = (machine(UpstreamKind::Pmm), Instant::now());
    let mut machine = machine.with_urls(2);
    machine.load(1);
    let busy = Outcome::Answered(Answer { status: 503, retry_after: Some(60 * SECOND), text: String::new() });
    machine.target(now);
    machine.outcome(&busy, now);
    machine.target(now);
    machine.outcome(&failed(Failure::Connect, false), now);
    assert_eq!(machine.url(), 1);
    assert!(machine.may_wake(now), "the second was only not there");
    machine.wake();
    machine.target(now);
    machine.outcome(&busy, now);
    assert!(!machine.may_wake(now) && machine.may_wake(now + 60 * SECOND));
}

#[test]
fn a_failed_probe_leaves_no_trace_and_never_costs_a_sample() {
    let (machine, now) = (machine(UpstreamKind::Pmm), Instant::now());
    let mut machine = machine.with_urls(2);
    let deliver = |machine: &mut Machine, now, url| {
        assert_eq!(machine.target(now).url, url);
        machine.outcome(&answer(204), now)
    };
    machine.load(1);
    machine.target(now);
    machine.outcome(&failed(Failure::Connect, false), now);
    machine.target(now);
    // The stand-in takes snappy only.
    machine.outcome(&answer(415), now);
    deliver(&mut machine, now, 1);
    let mut at = now;
    for outcome in [failed(Failure::Timeout, false), answer(413), answer(422), answer(401)] {
        at += 60 * SECOND;
        machine.wake();
        machine.load(2);
        let size = machine.max_samples();
        assert!(machine.target(at).is_probe);
        let (verdict, settled) = machine.outcome(&outcome, at);
        assert!(matches!(verdict, Verdict::Retry { .. }) && settled == Settled::Nothing, "{verdict:?}");
        assert_eq!(sending(&machine), (Part::whole(2), Packing::Snappy), "after {outcome:?}");
        assert_eq!(machine.max_samples(), size);
        deliver(&mut machine, at, 1);
    }
    at += 60 * SECOND;
    machine.wake();
    machine.load(1);
    deliver(&mut machine, at, 0);
    assert_eq!(machine.url(), 0);
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
    let rejected = |series| Settled::Rejected(Part::of_series(series), "too_large");
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

#[test]
fn what_is_refused_in_either_encoding_is_looked_for_in_snappy_alone() {
    let (mut machine, now) = (machine(UpstreamKind::Pmm), Instant::now());
    machine.load(2);
    let mut packings = Vec::new();
    for status in [400, 400, 204, 400] {
        packings.push(sending(&machine).1);
        machine.outcome(&answer(status), now);
    }
    assert_eq!(packings, [Packing::Zstd, Packing::Snappy, Packing::Snappy, Packing::Snappy]);
    machine.load(1);
    assert_eq!(sending(&machine).1, Packing::Zstd, "it was not the encoding");
}

/// How a batch ended: which samples were delivered and which rejected, and how often was asked.
struct Told {
    delivered: Vec<(usize, u32)>,
    rejected: Vec<(usize, u32)>,
    asked: usize,
}

/// An upstream that refuses a part with a sample in it that `is_bad`. `away` is how often it is away before it answers.
fn tell(shape: &Shape, counts: &[u32], is_bad: impl Fn(usize, u32) -> bool, away: &mut Vec<u8>) -> Told {
    let now = Instant::now();
    let mut machine = machine(UpstreamKind::Pmm);
    machine.load(shape.clone());
    let mut told = Told { delivered: Vec::new(), rejected: Vec::new(), asked: 0 };
    loop {
        let part = match machine.next() {
            Action::Read => return told,
            Action::Wait(_) => {
                machine.wake();
                continue;
            }
            Action::Send { part, .. } => part,
        };
        let samples: Vec<(usize, u32)> = part
            .series
            .clone()
            .flat_map(|series| {
                let end = part.samples.end.min(counts[series]);
                (part.samples.start..end).map(move |sample| (series, sample))
            })
            .collect();
        let is_away = away.last_mut().is_some_and(|times| {
            *times = times.saturating_sub(1);
            *times > 0
        });
        if !is_away {
            away.pop();
            told.asked += 1;
        }
        let refused = samples.iter().any(|(series, sample)| is_bad(*series, *sample));
        let status = if is_away {
            503
        } else if refused {
            422
        } else {
            204
        };
        match machine.outcome(&answer(status), now).1 {
            Settled::Nothing => {}
            Settled::Delivered(done) => {
                assert_eq!(done, part);
                told.delivered.extend(samples);
            }
            Settled::Rejected(done, _) => {
                assert_eq!(done, part);
                assert!(refused);
                told.rejected.extend(samples);
            }
        }
    }
}

/// Every sample once, and those of a series in order.
#[track_caller]
fn assert_complete(told: &Told, counts: &[u32]) {
    let mut all = [&told.delivered[..], &told.rejected[..]].concat();
    all.sort_unstable();
    let expected: Vec<_> = counts
        .iter()
        .enumerate()
        .flat_map(|(series, count)| (0..*count).map(move |at| (series, at)))
        .collect();
    assert_eq!(all, expected, "each sample is settled once");
    for series in 0..counts.len() {
        let delivered = told.delivered.iter().filter(|(of, _)| *of == series).map(|(_, at)| *at);
        assert!(delivered.is_sorted(), "series {series} out of order");
    }
}

#[test]
fn a_moment_that_is_refused_for_all_series_condemns_no_other() {
    let counts = vec![50; 1000];
    let told = tell(&Shape::with(&counts, &[]), &counts, |_, at| at == 17, &mut Vec::new());
    assert_complete(&told, &counts);
    assert_eq!(told.rejected.len(), 1000);
    assert!(told.rejected.iter().all(|(_, at)| *at == 17));
    assert!(told.asked < 1200, "{} requests", told.asked);
}

#[test]
fn series_that_are_always_refused_cost_a_bounded_number_of_requests() {
    let counts = vec![700; 1000];
    let is_bad = |series: usize, _| series % 100 == 3;
    let told = tell(&Shape::with(&counts, &[]), &counts, is_bad, &mut Vec::new());
    assert_complete(&told, &counts);
    assert!(told.rejected.iter().all(|(series, _)| series % 100 == 3));
    assert!(told.asked < 600, "{} requests", told.asked);
}

#[test]
fn an_upstream_that_refuses_all_samples_is_not_asked_for_each() {
    let counts = vec![700; 1000];
    let told = tell(&Shape::with(&counts, &[]), &counts, |_, _| true, &mut Vec::new());
    assert_complete(&told, &counts);
    assert!(told.asked < 1500, "{} requests", told.asked);
}

proptest! {
    /// An upstream that refuses some samples and is away now and then: each sample is settled once, in the order of its
    /// series; the bad ones are rejected alone where there are not too many, all others delivered.
    #[test]
    fn poison_is_set_aside_alone_and_order_is_kept(
        counts in prop::collection::vec(0..9u32, 1..20),
        bad in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 0..6),
        mut away in prop::collection::vec(0..3u8, 0..20),
    ) {
        let bad: Vec<_> = bad.iter().map(|(series, at)| {
            let series = series.index(counts.len());
            (series, at.index(counts[series].max(1) as usize) as u32)
        }).filter(|(series, _)| counts[*series] > 0).collect();
        let told = tell(&Shape::with(&counts, &[]), &counts, |series, at| bad.contains(&(series, at)), &mut away);
        assert_complete(&told, &counts);
        let most = (0..counts.len()).map(|of| bad.iter().filter(|(series, _)| *series == of).count()).max();
        if most <= Some(MAX_SAMPLES_ALONE as usize) {
            prop_assert!(told.rejected.iter().all(|sample| bad.contains(sample)), "{:?}", told.rejected);
        }
    }

    /// However much is refused: the order holds, also where a series goes on in the next interval of the log, and the
    /// number of requests has a bound that does not grow with the samples.
    #[test]
    fn order_is_kept_across_intervals_and_requests_are_bounded(
        counts in prop::collection::vec(0..40u32, 1..100),
        middle: prop::sample::Index,
        bad in 0..4u32,
        seed: u32,
    ) {
        let middle = middle.index(counts.len());
        let shape = Shape::with(&counts, &[middle]);
        let is_bad = |series: usize, at: u32| {
            let hash = (series as u32).wrapping_mul(0x9e37_79b9).wrapping_add(at).wrapping_mul(0x85eb_ca6b) ^ seed;
            hash.count_ones() % 4 < bad
        };
        let told = tell(&shape, &counts, is_bad, &mut Vec::new());
        assert_complete(&told, &counts);
        // The same series in both intervals: all of the first before all of the second.
        let in_first = |(series, _): &(usize, u32)| *series < middle;
        let later = told.delivered.iter().position(|sample| !in_first(sample)).unwrap_or(told.delivered.len());
        prop_assert!(told.delivered[later..].iter().all(|sample| !in_first(sample)));
        prop_assert!(told.asked < 2000, "{} requests", told.asked);
    }
}
