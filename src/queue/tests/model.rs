//! The queue against a plain list that does the same.

use super::*;
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Step {
    Append { samples: usize },
    Read { upstream: usize, records: u64 },
    Ack { upstream: usize, records: usize },
    Rewind { upstream: usize },
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (1..20usize).prop_map(|samples| Step::Append { samples }),
        4 => (0..2usize, 1..6u64).prop_map(|(upstream, records)| Step::Read { upstream, records }),
        3 => (0..2usize, 0..6usize).prop_map(|(upstream, records)| Step::Ack { upstream, records }),
        1 => (0..2usize).prop_map(|upstream| Step::Rewind { upstream }),
        1 => Just(Step::Reopen),
    ]
}

/// What the queue is to hold: samples of each record, and two places an upstream.
#[derive(Default)]
struct Model {
    records: Vec<usize>,
    read: [usize; 2],
    acked: [usize; 2],
}

impl Model {
    fn backlog(&self, upstream: usize) -> (u64, u64) {
        let pending = &self.records[self.acked[upstream]..];
        (pending.len() as u64, pending.iter().sum::<usize>() as u64)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_history_reads_as_a_list_does(steps in prop::collection::vec(step(), 1..60)) {
        let mut fixture = Fixture::new(&["a", "b"], 64 * MIB);
        let mut model = Model::default();
        for step in steps {
            match step {
                Step::Append { samples } => {
                    let id = model.records.len() as u64;
                    prop_assert_eq!(fixture.append(push(id, samples), id as i64), id);
                    model.records.push(samples);
                }
                Step::Read { upstream, records } => {
                    let from = model.read[upstream];
                    let to = (from + records as usize).min(model.records.len());
                    let batch = fixture.readers[upstream].read(ReadLimit { records, ..ALL }).unwrap();
                    let expected: Vec<_> = (from as u64..to as u64).collect();
                    prop_assert_eq!(batch.as_ref().map_or(Vec::new(), ids), expected);
                    model.read[upstream] = to;
                }
                Step::Ack { upstream, records } => {
                    let to = (model.acked[upstream] + records).min(model.read[upstream]);
                    fixture.readers[upstream].ack(to as u64, Instant::now());
                    model.acked[upstream] = to;
                }
                Step::Rewind { upstream } => {
                    fixture.readers[upstream].rewind_to_acked();
                    model.read[upstream] = model.acked[upstream];
                }
                Step::Reopen => {
                    fixture.reopen();
                    model.read = model.acked;
                }
            }
            for upstream in 0..2 {
                let backlog = fixture.backlog(upstream);
                prop_assert_eq!((backlog.records, backlog.samples), model.backlog(upstream));
                prop_assert_eq!(backlog.oldest_accepted_ms.is_some(), backlog.records > 0);
            }
        }
    }
}
