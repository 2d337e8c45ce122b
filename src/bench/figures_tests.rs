use super::super::watch::Counts;
use super::*;
use crate::harness::Totals;

const S: Duration = Duration::from_secs(1);

fn usage(cpu_ms: u64, written_bytes: u64) -> Usage {
    Usage { cpu: Duration::from_millis(cpu_ms), resident_bytes: 5, peak_bytes: 9, written_bytes }
}

fn snapshot(at: Duration, answered: u64, delivered: u64, usage: Usage) -> Snapshot {
    let verdict = Verdict { answered, delivered, lost: answered - delivered, ..Verdict::default() };
    let wire = Totals { samples: delivered, body_bytes: 3 * delivered, ..Totals::default() };
    Snapshot { at, counts: Counts { verdict, wire }, usage, disk_bytes: 2 * answered }
}

fn end(snapshot: Snapshot) -> End {
    End {
        pushed: 10 * S,
        snapshot,
        answers: Latency::default(),
        retries: 4,
        has_processes: true,
        has_upstream: true,
    }
}

/// One second of steady flow, an outage up to the third, current after the fifth.
fn outage(last: Snapshot) -> BTreeMap<Figure, f64> {
    let mut watch = Watch::new(usage(100, 10));
    watch.fault_begins(snapshot(S, 1_000, 1_000, usage(102, 0)));
    watch.had_outage = true;
    let fullest = snapshot(3 * S, 3_000, 1_000, usage(0, 0));
    watch.moment(&fullest, &Latency::default());
    watch.fault_ends(3 * S, &fullest.counts);
    for (at, delivered) in [(4 * S, 1_500), (5 * S, 3_000)] {
        watch.look(at, &snapshot(at, 3_000, delivered, usage(0, 0)).counts);
    }
    figures(&watch, &end(last))
}

#[test]
fn figures_are_those_of_their_definitions() {
    let figures = outage(snapshot(10 * S, 4_000, 4_000, usage(108, 8_010)));
    for (figure, expected) in [
        (Figure::SamplesPerSecond, 400.0),
        (Figure::CatchUpPerSecond, 1_500.0),
        (Figure::CpuMicros, 2.0),
        (Figure::CpuMicrosSteady, 2.0),
        (Figure::ResidentBytes, 5.0),
        (Figure::PeakBytes, 9.0),
        (Figure::WrittenBytes, 2.0),
        (Figure::DiskBytes, 3.0),
        (Figure::WireBytes, 3.0),
        (Figure::FirstDeliveryS, 1.0),
        (Figure::CurrentS, 2.0),
        (Figure::Lost, 0.0),
        (Figure::Retries, 4.0),
    ] {
        let value = figures.get(&figure).copied();
        assert!(value.is_some_and(|value| (value - expected).abs() < 1e-9), "{figure:?}: {value:?}");
    }
    assert_eq!(figures.get(&Figure::AnswerP50Ms), None, "nothing was recorded");
}

#[test]
fn who_lost_samples_never_was_current_and_what_waited_is_not_known() {
    let figures = outage(snapshot(10 * S, 4_000, 3_999, usage(108, 0)));
    assert_eq!(figures[&Figure::Lost], 1.0);
    assert!(figures.contains_key(&Figure::FirstDeliveryS));
    for figure in [Figure::CurrentS, Figure::CatchUpPerSecond, Figure::DiskBytes] {
        assert!(!figures.contains_key(&figure), "{figure:?}");
    }
}

#[test]
fn what_was_not_measured_is_not_told() {
    let last = snapshot(10 * S, 0, 0, Usage::default());
    let end = End { has_processes: false, has_upstream: false, ..end(last) };
    let figures = figures(&Watch::default(), &end);
    assert_eq!(figures.keys().copied().collect::<Vec<_>>(), [Figure::SamplesPerSecond, Figure::Retries]);
}
