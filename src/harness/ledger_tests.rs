//! Cases by hand, and the ledger against a model that keeps everything and counts at the end.

use super::*;
use crate::model::{PushBuilder, Span};
use proptest::prelude::*;
use std::collections::HashSet;

type Entry = (u8, i64, u64);

fn push(entries: &[Entry]) -> Push {
    let mut push = PushBuilder::default();
    for (series, timestamp, bits) in entries {
        let labels = push.store(&[*series]);
        push.sample(Sample { value: f64::from_bits(*bits), timestamp: *timestamp });
        push.series(labels, Span::default());
    }
    push.finish()
}

/// A ledger of one series, with samples 0, 1, … pushed and answered.
fn ledger(samples: i64) -> Ledger {
    let mut ledger = Ledger::default();
    for at in 0..samples {
        ledger.pushed(&push(&[(1, at, 0)]));
        ledger.answered(&push(&[(1, at, 0)]));
    }
    ledger
}

fn arrive(ledger: &mut Ledger, timestamps: &[i64]) {
    let entries: Vec<Entry> = timestamps.iter().map(|timestamp| (1, *timestamp, 0)).collect();
    ledger.arrived(&push(&entries));
}

#[test]
fn what_arrives_once_and_in_order_is_clean() {
    let mut ledger = ledger(3);
    assert_eq!(ledger.verdict().lost, 3);
    arrive(&mut ledger, &[0, 1, 2]);
    let verdict = ledger.verdict();
    assert_eq!(verdict, Verdict { pushed: 3, answered: 3, delivered: 3, ..Verdict::default() });
    assert!(verdict.is_clean());
}

#[test]
fn a_repeated_batch_is_duplicates_and_not_a_reorder() {
    let mut ledger = ledger(4);
    arrive(&mut ledger, &[0, 1, 2]);
    arrive(&mut ledger, &[1, 2]);
    arrive(&mut ledger, &[3]);
    let verdict = ledger.verdict();
    assert_eq!((verdict.delivered, verdict.duplicates, verdict.out_of_order), (4, 2, 0));
    assert!(verdict.is_clean());
}

#[test]
fn a_sample_that_comes_after_a_later_one_is_out_of_order() {
    let mut ledger = ledger(5);
    arrive(&mut ledger, &[0, 1, 2, 4, 3]);
    assert_eq!(ledger.verdict().out_of_order, 1);
    assert!(!ledger.verdict().is_clean());
}

#[test]
fn another_value_timestamp_or_series_is_made_up() {
    let mut ledger = ledger(1);
    ledger.arrived(&push(&[(1, 0, 1), (1, 7, 0), (2, 0, 0)]));
    let verdict = ledger.verdict();
    assert_eq!((verdict.made_up, verdict.delivered, verdict.lost), (3, 0, 1));
}

#[test]
fn values_are_compared_by_bits() {
    let stale = 0x7ff0_0000_0000_0002;
    let mut ledger = Ledger::default();
    ledger.pushed(&push(&[(1, 0, stale), (2, 0, 0)]));
    ledger.arrived(&push(&[(1, 0, stale), (2, 0, (-0.0f64).to_bits())]));
    let verdict = ledger.verdict();
    assert_eq!((verdict.delivered, verdict.made_up), (1, 1));
}

#[test]
fn what_was_never_answered_is_not_lost_and_may_arrive() {
    let mut ledger = Ledger::default();
    ledger.pushed(&push(&[(1, 0, 0), (2, 0, 0)]));
    ledger.arrived(&push(&[(1, 0, 0)]));
    assert_eq!(ledger.verdict(), Verdict { pushed: 2, delivered: 1, ..Verdict::default() });
}

#[test]
fn arrivals_can_be_taken_anew() {
    let mut ledger = ledger(2);
    arrive(&mut ledger, &[1, 0, 0, 9]);
    ledger.forget_arrivals();
    assert_eq!(ledger.verdict(), Verdict { pushed: 2, answered: 2, lost: 2, ..Verdict::default() });
    arrive(&mut ledger, &[0, 1]);
    assert_eq!(ledger.verdict().delivered, 2);
    assert!(ledger.verdict().is_clean());
}

#[test]
#[should_panic(expected = "BUG: the timestamps of a series increase")]
fn a_push_that_could_not_be_told_from_another_is_a_bug() {
    ledger(2).pushed(&push(&[(1, 1, 0)]));
}

/// What happens, in the model's terms. Numbers pick one of the pushes so far.
#[derive(Debug, Clone)]
enum Event {
    Push(Vec<(u8, u64)>),
    Answer(prop::sample::Index),
    Arrive(Vec<prop::sample::Index>),
    MakeUp(Entry),
}

fn event() -> impl Strategy<Value = Event> {
    let sample = (0u8..4, 0u64..3);
    prop_oneof![
        3 => prop::collection::vec(sample, 1..6).prop_map(Event::Push),
        2 => any::<prop::sample::Index>().prop_map(Event::Answer),
        3 => prop::collection::vec(any::<prop::sample::Index>(), 1..4).prop_map(Event::Arrive),
        1 => (0u8..6, 0i64..40, 0u64..3).prop_map(Event::MakeUp),
    ]
}

/// Keeps every event and counts at the end, in the plainest way.
#[derive(Default)]
struct Model {
    pushes: Vec<Vec<Entry>>,
    answered: HashSet<Entry>,
    /// Arrivals that had been pushed.
    valid: Vec<Entry>,
    made_up: u64,
}

impl Model {
    fn arrive(&mut self, entries: Vec<Entry>) {
        for entry in entries {
            if self.pushes.iter().flatten().any(|pushed| *pushed == entry) {
                self.valid.push(entry);
            } else {
                self.made_up += 1;
            }
        }
    }

    fn verdict(&self) -> Verdict {
        let delivered: HashSet<Entry> = self.valid.iter().copied().collect();
        let is_late = |(at, entry): &(usize, &Entry)| {
            let before = &self.valid[..*at];
            !before.contains(entry) && before.iter().any(|other| other.0 == entry.0 && other.1 > entry.1)
        };
        Verdict {
            pushed: self.pushes.iter().flatten().count() as u64,
            answered: self.answered.len() as u64,
            delivered: delivered.len() as u64,
            lost: self.answered.difference(&delivered).count() as u64,
            duplicates: (self.valid.len() - delivered.len()) as u64,
            out_of_order: self.valid.iter().enumerate().filter(is_late).count() as u64,
            made_up: self.made_up,
        }
    }
}

proptest! {
    #[test]
    fn the_verdict_is_that_of_the_model(events in prop::collection::vec(event(), 0..60)) {
        let (mut ledger, mut model) = (Ledger::default(), Model::default());
        let mut clock = 0;
        for event in events {
            match event {
                Event::Push(samples) => {
                    let mut entries = Vec::new();
                    for (series, bits) in samples {
                        clock += 1;
                        entries.push((series, clock, bits));
                    }
                    ledger.pushed(&push(&entries));
                    model.pushes.push(entries);
                }
                Event::Answer(which) if !model.pushes.is_empty() => {
                    let entries = which.get(&model.pushes).clone();
                    ledger.answered(&push(&entries));
                    model.answered.extend(entries);
                }
                Event::Arrive(which) if !model.pushes.is_empty() => {
                    let entries: Vec<Entry> =
                        which.iter().flat_map(|which| which.get(&model.pushes).clone()).collect();
                    ledger.arrived(&push(&entries));
                    model.arrive(entries);
                }
                Event::MakeUp(entry) => {
                    ledger.arrived(&push(&[entry]));
                    model.arrive(vec![entry]);
                }
                Event::Answer(_) | Event::Arrive(_) => {}
            }
            prop_assert_eq!(ledger.verdict(), model.verdict());
        }
    }
}
