use super::*;

const S: Duration = Duration::from_secs(1);

fn counts(answered: u64, delivered: u64) -> Counts {
    let verdict = Verdict { answered, delivered, lost: answered - delivered, ..Verdict::default() };
    Counts { verdict, wire: Totals::default() }
}

fn snapshot(at: Duration, answered: u64, delivered: u64) -> Snapshot {
    Snapshot { at, counts: counts(answered, delivered), disk_bytes: answered, ..Snapshot::default() }
}

#[test]
fn the_way_back_begins_where_the_last_fault_ends() {
    let mut watch = Watch::default();
    assert!(watch.delivers());
    watch.fault_ends(S, &counts(0, 0));
    assert_eq!(watch.recovery, None, "there was no fault");

    watch.fault_begins(snapshot(S, 10, 10));
    watch.look(2 * S, &counts(20, 10));
    assert!(!watch.delivers() && watch.recovery.is_none());
    watch.fault_ends(3 * S, &counts(30, 10));
    assert!(!watch.delivers(), "nothing has come yet");
    watch.look(4 * S, &counts(40, 10));
    watch.look(5 * S, &counts(50, 20));
    assert!(watch.delivers());
    watch.look(6 * S, &counts(60, 30));
    watch.look(7 * S, &counts(60, 60));
    let recovery = watch.recovery.expect("there was a fault");
    assert_eq!(recovery.at, 3 * S);
    assert_eq!(recovery.first, Some((5 * S, 20)));
    assert_eq!(recovery.current, Some((6 * S, 30)), "what was answered later does not count");

    // A second fault begins anew; what was before the first one stays.
    watch.fault_begins(snapshot(8 * S, 70, 70));
    watch.fault_ends(8 * S, &counts(70, 70));
    assert_eq!(watch.recovery.map(|recovery| recovery.at), Some(8 * S));
    assert_eq!(watch.steady.map(|steady| steady.at), Some(S));
}

#[test]
fn moments_count_from_the_first_push_and_the_largest_backlog_is_kept() {
    let mut watch = Watch { begin: Usage { cpu: S, ..Usage::default() }, ..Watch::default() };
    let usage = Usage { cpu: 3 * S, resident_bytes: 7, ..Usage::default() };
    let moment = watch.moment(&Snapshot { usage, ..snapshot(S, 30, 10) }, &Latency::default()).clone();
    assert_eq!((moment.at_s, moment.cpu_s, moment.resident_bytes, moment.backlog), (1.0, 2.0, 7, 20));
    assert_eq!((moment.answer_p50_ms, moment.answer_p99_ms), (None, None));
    watch.moment(&snapshot(2 * S, 40, 39), &Latency::default());
    assert_eq!(watch.fullest, Some((20, 30)));
    assert_eq!(watch.moments.len(), 2);
}
