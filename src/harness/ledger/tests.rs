//! Cases by hand, and the ledger against a model that keeps everything and counts at the end.

use super::*;
use crate::model::{PushBuilder, Sample, Span};
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

#[test]
fn labels_in_another_order_are_the_same_series() {
    let labelled = |labels: &[(&str, &str)]| {
        let mut push = PushBuilder::default();
        let section = push.store_with(|out| {
            labels
                .iter()
                .for_each(|(name, value)| wire::append_label(out, name.as_bytes(), value.as_bytes()));
        });
        push.sample(Sample { value: 1.0, timestamp: 1 });
        push.series(section, Span::default());
        push.finish()
    };
    let mut ledger = Ledger::default();
    ledger.pushed(&labelled(&[("__name__", "up"), ("a", "1")]));
    ledger.arrived(&labelled(&[("a", "1"), ("__name__", "up")]));
    ledger.arrived(&labelled(&[("a", "2"), ("__name__", "up")]));
    assert_eq!((ledger.verdict().delivered, ledger.verdict().made_up), (1, 1));
    let [stranger] = &ledger.worst(9)[..] else { panic!("one series has a fault") };
    assert_eq!((stranger.name.as_str(), stranger.made_up), ("up{a=\"2\"}", 1));
}

#[test]
fn the_worst_series_come_first_and_those_with_duplicates_alone_last() {
    let mut ledger = Ledger::default();
    let all = push(&[(1, 0, 0), (1, 1, 0), (2, 0, 0), (3, 0, 0), (4, 0, 0), (4, 1, 0)]);
    ledger.pushed(&all);
    ledger.answered(&all);
    // Series 1 loses one, 2 is whole, 3 is there three times, and 4 has one late.
    ledger.arrived(&push(&[
        (1, 0, 0),
        (2, 0, 0),
        (3, 0, 0),
        (3, 0, 0),
        (3, 0, 0),
        (4, 1, 0),
        (4, 0, 0),
        (4, 7, 0),
    ]));
    let worst = ledger.worst(9);
    let counts: Vec<_> = worst
        .iter()
        .map(|faults| (faults.lost, faults.duplicates, faults.out_of_order, faults.made_up))
        .collect();
    assert_eq!(counts, [(0, 0, 1, 1), (1, 0, 0, 0), (0, 2, 0, 0)]);
    assert_eq!(ledger.worst(1), worst[..1]);
}

#[test]
fn what_is_settled_is_forgotten_and_what_is_not_stays() {
    let mut ledger = Ledger::forgetting(4);
    for at in 0..10_000 {
        ledger.pushed(&push(&[(1, at, 0)]));
        ledger.answered(&push(&[(1, at, 0)]));
        if at % 1_000 != 7 {
            arrive(&mut ledger, &[at]);
        }
    }
    let remembered = ledger.tracks.iter().map(Track::remembered).sum::<usize>();
    assert!(remembered <= 50, "{remembered} of 10 000");
    assert_eq!((ledger.verdict().lost, ledger.worst(1)[0].lost), (10, 10));
    arrive(&mut ledger, &[5_000, 6_007, 6_007, 20_000]);
    let verdict = ledger.verdict();
    assert_eq!((verdict.lost, verdict.duplicates, verdict.out_of_order, verdict.made_up), (9, 2, 1, 1));
}

#[test]
#[should_panic(expected = "BUG: what was forgotten")]
fn arrivals_of_a_ledger_that_forgets_cannot_be_taken_anew() {
    Ledger::forgetting(1).forget_arrivals();
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

/// Plays the events on a ledger and on the model, and shows both verdicts after each.
fn play(mut ledger: Ledger, events: Vec<Event>, check: impl Fn(Verdict, Verdict)) -> (Ledger, Model) {
    let (mut model, mut clock) = (Model::default(), 0);
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
        check(ledger.verdict(), model.verdict());
    }
    (ledger, model)
}

/// That series by series there is what the verdict has in all.
fn check_series(ledger: &Ledger) {
    let mut sum = Verdict::default();
    for faults in ledger.worst(usize::MAX) {
        sum.lost += faults.lost;
        sum.duplicates += faults.duplicates;
        sum.out_of_order += faults.out_of_order;
        sum.made_up += faults.made_up;
    }
    let Verdict { pushed, answered, delivered, .. } = ledger.verdict();
    assert_eq!(Verdict { pushed, answered, delivered, ..sum }, ledger.verdict());
}

proptest! {
    #[test]
    fn the_verdict_is_that_of_the_model(events in prop::collection::vec(event(), 0..60)) {
        let (ledger, _) = play(Ledger::default(), events, |verdict, model| assert_eq!(verdict, model));
        check_series(&ledger);
    }

    #[test]
    fn a_ledger_that_forgets_comes_to_the_same_verdict(
        keep in 0usize..6, events in prop::collection::vec(event(), 0..200),
    ) {
        let is_made_up = |event: &Event| matches!(event, Event::MakeUp(_));
        let events = events.into_iter().filter(|event| !is_made_up(event)).collect();
        let (ledger, _) = play(Ledger::forgetting(keep), events, |verdict, model| assert_eq!(verdict, model));
        check_series(&ledger);
    }

    #[test]
    fn what_is_made_up_of_a_forgotten_time_counts_as_a_duplicate_and_all_else_as_ever(
        keep in 0usize..6, events in prop::collection::vec(event(), 0..200),
    ) {
        let (ledger, _) = play(Ledger::forgetting(keep), events, |verdict, model| {
            assert!(verdict.made_up <= model.made_up);
            let duplicates = verdict.duplicates - (model.made_up - verdict.made_up);
            assert_eq!(Verdict { duplicates, made_up: model.made_up, ..verdict }, model);
        });
        check_series(&ledger);
    }
}
