//! A power cut at any moment loses nothing that was answered.
//!
//! The real agent runs under a recorder that writes down every change of its folder, every sync, every answer
//! to a pusher and from the upstream, in one order. For many points of that trace the folder is made as a
//! power cut there would leave it, with everything thrown away that was not synced, or all but a random part
//! of it. Each such folder is opened and must hold, in order and bit for bit, every push answered before the
//! cut that was not settled by the upstream before it; it must hold nothing else, and take further pushes.
//!
//! | file | its job |
//! |---|---|
//! | `recorder.c` | writes the trace, from within the agent |
//! | `trace` | compiles the recorder, reads the trace |
//! | `peers` | pushers and an upstream that know what they sent and took |
//! | `record` | the run that is recorded |
//! | `disk` | what a cut leaves: the models of data and names (pure) |
//! | `cuts` | where the power is cut (pure) |
//! | `judge` | opens what was left |
//!
//! Why no order of events is imagined: the recorder notes a sync's end before the agent can hear of it, an
//! answer before it is sent, and an upstream's answer after it came and before the agent can hear of it. So a
//! push that is answered in a prefix of the trace was synced in it, unless the agent answered too early; and
//! a record that was given up in it was settled in it, unless the agent gave it up too early.
//!
//! `PMM_BUFFER_POWER_CUTS` sets how many folders are made and opened.

mod cuts;
mod disk;
mod judge;
mod peers;
mod record;
mod trace;

use cuts::Cut;
use disk::{Data, Disk, Names};
use judge::{Before, Found};
use pmm_buffer::harness::Rng;
use pmm_buffer::model::Push;
use record::Run;
use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use trace::Event;

/// Folders that are made and opened, where the environment does not say.
const CUTS: usize = 1000;
const SEED: u64 = 11;

#[test]
fn nothing_that_was_answered_is_lost_wherever_the_power_is_cut() {
    let run = record::record();
    let wanted = std::env::var("PMM_BUFFER_POWER_CUTS").ok();
    let wanted = wanted.map_or(CUTS, |text| text.parse().expect("PMM_BUFFER_POWER_CUTS is a number"));
    let is_answer = |event: &Event| matches!(event, Event::Answered { .. });
    let first = run.events.iter().position(is_answer).expect("pushes are answered");
    let cuts = cuts::choose(&run.events, first..run.events.len() + 1, wanted, &mut Rng::new(SEED));
    let outcome = cut_at(&run, &cuts);
    assert_has_all_moments(&run, &outcome);
    outcome.assert_no_failures();
}

/// Nothing was answered yet, so nothing can be lost: nobody should have to clear the folder by hand.
#[test]
fn a_first_start_that_was_cut_off_is_no_obstacle_to_the_next() {
    let run = record::record_first_start();
    cut_at(&run, &cuts::all(&run.events)).assert_no_failures();
}

/// The same cuts find what is missing where the agent answers before it syncs: if they did not, the tests above would show
/// nothing.
#[test]
fn an_agent_that_answers_before_it_syncs_is_found_out() {
    let run = record::record_answers_before_syncs();
    let is_answer = |event: &Event| matches!(event, Event::Answered { .. });
    let first = run.events.iter().position(is_answer).expect("pushes are answered");
    let last = run.events.iter().rposition(is_answer).expect("pushes are answered");
    let cuts = cuts::choose(&run.events, first + 1..last + 1, 70, &mut Rng::new(SEED));
    let outcome = cut_at(&run, &cuts);
    // All but those after which what was not synced is there all the same.
    assert!(outcome.failures.len() > cuts.len() / 4, "{} of {}", outcome.failures.len(), cuts.len());
    assert!(outcome.failures.iter().all(|failure| failure.contains("answered")), "{:?}", outcome.failures);
}

/// What came of all cuts.
#[derive(Default)]
struct Outcome {
    /// The first positions kept, of the stores that opened.
    trimmed: BTreeSet<u64>,
    refused: usize,
    failures: Vec<String>,
}

/// Cuts at each place of `cuts`, which are in order, and goes on to the end of the trace.
fn cut_at(run: &Run, cuts: &[Cut]) -> Outcome {
    let mut replay = Replay::new(run);
    let mut outcome = Outcome::default();
    for (number, cut) in cuts.iter().enumerate() {
        replay.go_to(cut.after);
        match replay.cut(cut, &Rng::new(SEED + number as u64)) {
            Ok(Found::Opened { trimmed }) => drop(outcome.trimmed.insert(trimmed)),
            Ok(Found::Refused(_)) => outcome.refused += 1,
            Err(error) => outcome.failures.push(format!("{}: {error}", cuts::describe(&run.events, cut))),
        }
    }
    replay.go_to(run.events.len());
    replay.disk.assert_is(&run.folder);
    assert_eq!(
        replay.settled,
        run.taken.len(),
        "the upstream's answers, as the recorder saw them and as it gave them"
    );
    let sent: usize = run.sent.values().map(Vec::len).sum();
    assert_eq!(replay.answered.len(), sent, "answers to pushers, as the recorder saw them and as they came");
    println!("{} cuts of {} events, {} stores refused", cuts.len(), run.events.len(), outcome.refused);
    outcome
}

impl Outcome {
    fn assert_no_failures(&self) {
        let failures = &self.failures;
        let first = failures[..failures.len().min(10)].join("\n");
        assert!(
            failures.is_empty(),
            "{} cuts break the promise, the first of them:\n{first}",
            failures.len()
        );
    }
}

/// The trace from its begin to some point: the disk there, and what had happened outside of the agent.
struct Replay<'a> {
    run: &'a Run,
    at: usize,
    disk: Disk,
    answered: Vec<&'a Push>,
    /// Answers on each connection.
    answers: HashMap<u16, usize>,
    settled: usize,
}

impl<'a> Replay<'a> {
    fn new(run: &'a Run) -> Self {
        Self { run, at: 0, disk: Disk::default(), answered: Vec::new(), answers: HashMap::new(), settled: 0 }
    }

    /// Goes forward until just before event `at`.
    fn go_to(&mut self, at: usize) {
        for event in &self.run.events[self.at..at] {
            self.disk.apply(event);
            match event {
                Event::Answered { port } => {
                    let answers = self.answers.entry(*port).or_default();
                    let (pusher, number) = self.run.sent[port][*answers];
                    *answers += 1;
                    self.answered.push(&self.run.load[pusher][number]);
                }
                Event::Settled => self.settled += 1,
                _ => {}
            }
        }
        self.at = at;
    }

    fn cut(&self, cut: &Cut, rng: &Rng) -> Result<Found, String> {
        let folder = in_memory().expect("a temporary folder");
        self.disk.write_out(cut.fate, &mut rng.clone(), folder.path());
        let before = Before {
            load: &self.run.load,
            answered: self.answered.clone(),
            settled: &self.run.taken[..self.settled],
        };
        let mut found = judge::judge(folder.path(), &before)?;
        // RocksDB begins a list of files, syncs it, renames CURRENT to name it, and then syncs the folder. Where names reach
        // the disk in any order, which no file system with a journal does, CURRENT can name a list that is not there. A
        // repair makes it anew, and nothing may be lost by that.
        if matches!(found, Found::Refused(_))
            && cut.fate.names == Names::FolderAndSome
            && judge::lost_its_list(folder.path())
        {
            judge::repair(folder.path())?;
            found = judge::judge(folder.path(), &before)?;
        }
        if let Found::Refused(error) = &found {
            // Where pages in the middle of the last write are lost and later ones are not, RocksDB cannot
            // tell that from damage to what was synced. To open would be to guess that nothing answered is
            // lost.
            if !matches!(cut.fate.data, Data::Pages(_)) {
                return Err(error.to_string());
            }
            if let Some(path) = self.disk.find_touched(cut.fate, &mut rng.clone(), folder.path()) {
                return Err(format!("refused, and {path} was changed: {error}"));
            }
        }
        Ok(found)
    }
}

/// What is opened there needs no disk of its own: its syncs were had in the recorded run.
fn in_memory() -> std::io::Result<tempfile::TempDir> {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }
}

/// Asserts that the trace has what a cut could hit; without it, the test would prove little.
fn assert_has_all_moments(run: &Run, outcome: &Outcome) {
    let count =
        |is_counted: &dyn Fn(&Event) -> bool| run.events.iter().filter(|event| is_counted(event)).count();
    let made = |suffix: &str| {
        count(&|event| matches!(event, Event::Opened { path, creates: true, .. } if path.ends_with(suffix)))
    };
    let removed =
        |suffix: &str| count(&|event| matches!(event, Event::Removed { path } if path.ends_with(suffix)));
    let segment_bytes = record::MAX_BYTES / 32;
    for written in &run.written {
        // Segments end once they hold this much, and a process begins with a new one.
        assert!(*written > 2 * segment_bytes, "{written} bytes change the segment once at most");
    }
    let trimmed = &outcome.trimmed;
    assert!(trimmed.len() > 3, "the log began at {trimmed:?}: hardly a segment was released between cuts");
    let (logs, tables) = (made(".log"), made(".sst"));
    assert!(logs > 4 && removed(".log") > 2, "{logs} logs made, {} removed", removed(".log"));
    assert!(tables > 4 && removed(".sst") > 2, "{tables} tables made, {} removed", removed(".sst"));
    assert!(run.taken.len() > 20, "{} batches settled", run.taken.len());
}
