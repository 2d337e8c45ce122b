//! The queue against a plain list that does the same, through everything that can happen to it: a full folder, age, a
//! wall clock that jumps, rewinds, damage, orderly restarts and kills.
//!
//! The committer has no thread here: it works when the test says so, and everything has one outcome. Two things the list
//! is told by the queue and holds to their rules: how much is dropped at once (by segments, whose size in bytes it does
//! not know), and how far back a rewind goes (by steps of the window).

use super::damage::overwrite_in;
use super::matrix::copy_folder;
use super::*;
use crate::queue::record::read_header;
use crate::telemetry::metrics::UpstreamReasonLabel;
use proptest::prelude::*;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

const NAMES: [&str; 2] = ["a", "b"];
/// A folder that some 200 large pushes fill.
const MAX_BYTES: u64 = 2 * MIB;
const MAX_AGE_MS: i64 = 1_000_000;
const WINDOW: Duration = Duration::from_secs(10);
/// A rewind goes back by its window and at most one of these more.
const WINDOW_STEP: Duration = Duration::from_millis(625);
const START_MS: i64 = 1_700_000_000_000;

#[derive(Debug, Clone)]
enum Step {
    Append {
        pushes: usize,
        samples: usize,
    },
    Read {
        upstream: usize,
        records: u64,
    },
    Ack {
        upstream: usize,
        records: u64,
    },
    /// What was read and not acked is read again.
    Rewind {
        upstream: usize,
    },
    /// The upstream was away: what was acked within the window is read again.
    TakeBack {
        upstream: usize,
    },
    /// The committer looks after things.
    Tick,
    /// Time goes by, on both clocks.
    Wait {
        ms: u64,
    },
    /// The wall clock is set.
    Clock {
        ms: i64,
    },
    Reopen,
    /// kill -9, and a start on what it left.
    Kill,
    /// The same, and a record has changed on the disk meanwhile.
    Damage {
        at: prop::sample::Index,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let upstream = || 0..NAMES.len();
    prop_oneof![
        6 => (1..4usize, 1..20usize).prop_map(|(pushes, samples)| Step::Append { pushes, samples }),
        4 => (5..90usize).prop_map(|pushes| Step::Append { pushes, samples: 1_000 }),
        9 => (upstream(), 1..90u64).prop_map(|(upstream, records)| Step::Read { upstream, records }),
        9 => (upstream(), 0..90u64).prop_map(|(upstream, records)| Step::Ack { upstream, records }),
        1 => upstream().prop_map(|upstream| Step::Rewind { upstream }),
        4 => upstream().prop_map(|upstream| Step::TakeBack { upstream }),
        3 => Just(Step::Tick),
        4 => (1..8_000u64).prop_map(|ms| Step::Wait { ms }),
        1 => (-2 * MAX_AGE_MS..2 * MAX_AGE_MS).prop_map(|ms| Step::Clock { ms }),
        1 => Just(Step::Reopen),
        1 => Just(Step::Kill),
        1 => any::<prop::sample::Index>().prop_map(|at| Step::Damage { at }),
    ]
}

fn settings() -> config::Queue {
    let max_age = Some(Duration::from_millis(MAX_AGE_MS as u64));
    config::Queue { max_bytes: MAX_BYTES, max_age, rewind: WINDOW, ..config::Queue::default() }
}

/// An open queue whose committer works when it is told to.
struct Driven {
    queue: Queue,
    readers: Vec<Reader>,
    committer: Committer,
    commands: mpsc::Receiver<Command>,
}

impl Driven {
    fn open(path: &Path, now_ms: &Arc<AtomicI64>, metrics: &Arc<Metrics>) -> Self {
        let now_ms = now_ms.clone();
        let clock: Clock = Arc::new(move || now_ms.load(Ordering::Relaxed));
        let names = NAMES.map(str::to_owned);
        let options = Options { path: path.to_owned(), settings: settings(), clock };
        let (mut queue, committer, commands) = Queue::assemble(options, &names, metrics.clone()).unwrap();
        let readers = NAMES.iter().map(|name| queue.reader(name)).collect();
        Self { queue, readers, committer, commands }
    }

    /// Carries out everything that was asked, then what is due without.
    fn settle(&mut self) {
        while let Ok(command) = self.commands.try_recv() {
            let _ = self.committer.turn(command, &self.commands);
        }
        self.committer.tick();
    }

    fn append(&mut self, push: Push, accepted_ms: i64) -> Position {
        let appender = self.queue.appender();
        let mut append = pin!(appender.append(push, accepted_ms));
        let context = &mut Context::from_waker(Waker::noop());
        assert!(append.as_mut().poll(context).is_pending(), "answered before it was stored");
        self.settle();
        match append.poll(context) {
            Poll::Ready(appended) => appended.unwrap(),
            Poll::Pending => panic!("stored and not answered"),
        }
    }

    fn close(self) {
        let Self { queue, readers, committer, commands } = self;
        drop((queue, readers, commands));
        committer.finish();
    }
}

/// A record as it was appended.
struct Record {
    samples: u64,
    accepted_ms: i64,
    /// Encoded bytes of all records before it.
    bytes_before: u64,
    /// The restart point of its interval.
    restart: u64,
    is_damaged: bool,
}

#[derive(Default)]
struct Upstream {
    acked: u64,
    read: u64,
    /// Where each record that was read and not acked ends, with what is lost behind it.
    pending: VecDeque<u64>,
    /// The settled position on disk.
    persisted: u64,
    /// Settled at the start, or since the last rewind.
    base: u64,
    /// What was settled since, and when.
    settled: Vec<(Instant, u64)>,
    /// The rewinds, and what was settled then.
    taken_back: Vec<(Instant, u64)>,
    /// Losses before it were counted since the start.
    reported: u64,
    dropped: u64,
    damaged: u64,
}

impl Upstream {
    fn settle(&mut self, now: Instant, to: u64) {
        if to > self.acked {
            self.acked = to;
            self.settled.push((now, to));
        }
    }

    /// What was settled at `moment`.
    fn settled_at(&self, moment: Instant) -> u64 {
        let by_then = self.settled.iter().filter(|(at, _)| *at <= moment);
        by_then.map(|(_, position)| *position).max().unwrap_or(0).max(self.base)
    }

    fn start(&mut self) {
        let Self { persisted, dropped, damaged, .. } = *self;
        let (acked, read, base) = (persisted, persisted, persisted);
        *self = Self { acked, read, base, persisted, dropped, damaged, ..Self::default() };
    }
}

struct Model {
    folder: TempDir,
    now: Instant,
    now_ms: Arc<AtomicI64>,
    /// The latest that the wall clock ever said.
    latest_ms: i64,
    metrics: Arc<Metrics>,
    driven: Option<Driven>,
    records: Vec<Record>,
    trimmed: u64,
    upstreams: [Upstream; NAMES.len()],
}

impl Model {
    fn new() -> Self {
        let (folder, metrics) = (tempfile::tempdir().unwrap(), Arc::new(Metrics::new()));
        let now_ms = Arc::new(AtomicI64::new(START_MS));
        let driven = Some(Driven::open(&folder.path().join("queue"), &now_ms, &metrics));
        let (records, upstreams, now) = (Vec::new(), Default::default(), Instant::now());
        Self { folder, now, now_ms, latest_ms: START_MS, metrics, driven, records, trimmed: 0, upstreams }
    }

    fn driven(&mut self) -> &mut Driven {
        self.driven.as_mut().unwrap()
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("queue")
    }

    fn end(&self) -> u64 {
        self.records.len() as u64
    }

    fn samples(&self, from: u64, to: u64) -> u64 {
        self.records[from as usize..to.max(from) as usize].iter().map(|record| record.samples).sum()
    }

    /// A record is lost where it is damaged, or one is that it depends on.
    fn is_lost(&self, position: u64) -> bool {
        let restart = self.records[position as usize].restart;
        self.records[restart as usize..=position as usize].iter().any(|record| record.is_damaged)
    }

    fn carry_out(&mut self, step: Step) {
        match step {
            Step::Append { pushes, samples } => (0..pushes).for_each(|_| self.append(samples)),
            Step::Read { upstream, records } => self.read(upstream, records),
            Step::Ack { upstream, records } => self.ack(upstream, records),
            Step::Rewind { upstream } => {
                self.driven().readers[upstream].rewind_to_acked();
                let state = &mut self.upstreams[upstream];
                state.read = state.acked;
                state.pending.clear();
            }
            Step::TakeBack { upstream } => self.take_back(upstream),
            Step::Tick => self.settle(),
            Step::Wait { ms } => {
                self.now += Duration::from_millis(ms);
                self.set_clock(self.now_ms.load(Ordering::Relaxed) + ms as i64);
            }
            Step::Clock { ms } => self.set_clock(START_MS + ms),
            Step::Reopen => {
                self.settle();
                self.driven.take().unwrap().close();
                self.start();
            }
            Step::Kill => {
                self.kill();
                self.start();
            }
            Step::Damage { at } => {
                self.kill();
                if self.end() > self.trimmed {
                    self.damage(self.trimmed + at.index((self.end() - self.trimmed) as usize) as u64);
                }
                self.start();
            }
        }
    }

    fn set_clock(&mut self, ms: i64) {
        self.now_ms.store(ms, Ordering::Relaxed);
        self.latest_ms = self.latest_ms.max(ms);
    }

    fn append(&mut self, samples: usize) {
        let (id, accepted_ms) = (self.end(), self.now_ms.load(Ordering::Relaxed));
        assert_eq!(self.driven().append(noise(id, samples), accepted_ms), id);
        let record = self.driven().queue.store.get(id).unwrap().unwrap();
        let header = read_header(&record).unwrap();
        self.records.push(Record {
            samples: samples as u64,
            accepted_ms,
            bytes_before: header.bytes_before,
            restart: id - u64::from(header.since_restart),
            is_damaged: false,
        });
        self.settled();
    }

    fn settle(&mut self) {
        self.driven().settle();
        self.settled();
    }

    /// The committer did what there was to do: settled positions are on disk, and what was dropped was the oldest, for a
    /// reason.
    fn settled(&mut self) {
        let trimmed = self.driven().queue.view().status().trimmed;
        assert!(trimmed >= self.trimmed, "what was dropped is back");
        let end = self.driven().queue.shared.durable().bytes;
        let limits = Limits::of(&self.driven().committer.settings);
        let settled_by_all = self.upstreams.iter().map(|upstream| upstream.acked).min().unwrap_or(0);
        for position in self.trimmed..trimmed {
            let record = &self.records[position as usize];
            let is_old = record.accepted_ms < self.latest_ms - MAX_AGE_MS;
            let is_too_much = end - record.bytes_before + limits.segment_bytes > limits.live_bytes;
            assert!(
                position < settled_by_all || is_old || is_too_much,
                "{position} was dropped for no reason"
            );
        }
        self.trimmed = trimmed;
        for upstream in 0..NAMES.len() {
            let dropped = self.samples(self.upstreams[upstream].acked, trimmed);
            let state = &mut self.upstreams[upstream];
            state.dropped += dropped;
            state.acked = state.acked.max(trimmed);
            state.read = state.read.max(trimmed);
            state.base = state.base.max(trimmed);
            state.persisted = state.acked;
        }
    }

    fn read(&mut self, upstream: usize, most: u64) {
        let now = self.now;
        let batch = self.driven().readers[upstream].read(ReadLimit { records: most, ..ALL }, now).unwrap();
        let from = self.upstreams[upstream].read;
        let mut taken = Vec::new();
        let mut to = self.end();
        for position in from..self.end() {
            // A record that is damaged itself is passed over without counting as one too many.
            if taken.len() as u64 == most && !self.records[position as usize].is_damaged {
                to = taken[taken.len() - 1] + 1;
                break;
            }
            if !self.is_lost(position) {
                taken.push(position);
            }
        }
        let lost = |position: &u64| self.is_lost(*position);
        let damaged: u64 = (from.max(self.upstreams[upstream].reported)..to)
            .filter(lost)
            .map(|position| self.records[position as usize].samples)
            .sum();
        match &batch {
            Some(batch) => {
                let samples = |id: &u64| self.records[*id as usize].samples as usize;
                assert_holds(batch, taken.iter().map(|id| noise(*id, samples(id))));
                assert_eq!((batch.first, batch.end, batch.records), (taken[0], to, taken.len() as u64));
            }
            None => assert!(taken.is_empty(), "{taken:?} were not read"),
        }
        if let Some(batch) = batch {
            self.driven().readers[upstream].recycle(batch.push);
        }
        let state = &mut self.upstreams[upstream];
        state.damaged += damaged;
        state.reported = state.reported.max(to);
        state.read = to;
        if taken.is_empty() {
            match state.pending.back_mut() {
                Some(last) => *last = (*last).max(to),
                None => state.settle(now, to),
            }
        }
        state.pending.extend(taken.iter().skip(1));
        state.pending.extend((!taken.is_empty()).then_some(to));
    }

    fn ack(&mut self, upstream: usize, records: u64) {
        let now = self.now;
        let to = self.upstreams[upstream].acked + records;
        self.driven().readers[upstream].ack(to, now);
        let state = &mut self.upstreams[upstream];
        let mut settled = None;
        while state.pending.front().is_some_and(|end| *end <= to) {
            settled = state.pending.pop_front();
        }
        if let Some(settled) = settled {
            state.settle(now, settled);
        }
    }

    fn take_back(&mut self, upstream: usize) {
        let now = self.now;
        let samples = self.driven().readers[upstream].take_back(now);
        let to = self.driven().readers[upstream].bounds().0;
        let state = &self.upstreams[upstream];
        let acked = state.acked;
        assert_eq!(samples, self.samples(to, acked));
        // What an earlier rewind repeated is not repeated by a fourth one so soon.
        let lately = || state.taken_back.iter().filter(|(at, _)| now < *at + 6 * WINDOW);
        let repeated =
            lately().next_back().filter(|_| lately().count() >= 3).map_or(0, |(_, position)| *position);
        // The window ends with the last answer, where that is not too long ago.
        let answered = state.settled.last().map(|(at, _)| *at).filter(|at| now < *at + 6 * WINDOW);
        let end = answered.unwrap_or(now);
        let long_ago = |by: Duration| state.settled_at(end - by).max(repeated).min(acked);
        assert!(to >= long_ago(WINDOW + WINDOW_STEP), "{to} of {acked} is too far back");
        assert!(to <= long_ago(WINDOW), "{to} of {acked} is not far enough back");
        if to < acked {
            let state = &mut self.upstreams[upstream];
            (state.acked, state.read, state.base) = (to, to, to);
            state.taken_back.push((now, acked));
            state.settled.clear();
            state.pending.clear();
        }
    }

    /// Leaves a folder as kill -9 would leave it now: what the committer was not told to do is not in it.
    fn kill(&mut self) {
        let left = self.folder.path().join("left");
        // RocksDB's own threads may be at work on files: a copy counts if they stood still meanwhile.
        until("the folder stands still", || {
            let _ = std::fs::remove_dir_all(&left);
            let names = listing(&self.path());
            copy_folder(&self.path(), &left).is_ok() && names == listing(&self.path())
        });
        self.driven.take().unwrap().close();
        std::fs::remove_dir_all(self.path()).unwrap();
        std::fs::rename(left, self.path()).unwrap();
    }

    fn damage(&mut self, position: u64) {
        let (store, _) = Store::open(&self.path(), &[], &Limits::of(&settings())).unwrap();
        overwrite_in(&store, position, |record| *record.last_mut().unwrap() ^= 1);
        self.records[position as usize].is_damaged ^= true;
    }

    fn start(&mut self) {
        self.driven = Some(Driven::open(&self.path(), &self.now_ms, &self.metrics));
        self.upstreams.iter_mut().for_each(Upstream::start);
    }

    /// What anyone can see.
    fn check(&mut self) {
        for (upstream, name) in NAMES.into_iter().enumerate() {
            let backlog = self.driven().readers[upstream].backlog();
            let state = &self.upstreams[upstream];
            let expected = (self.end() - state.acked, self.samples(state.acked, self.end()));
            assert_eq!((backlog.records, backlog.samples), expected);
            assert_eq!(backlog.oldest_accepted_ms.is_some(), backlog.records > 0);
            let counted = |reason| {
                let label = UpstreamReasonLabel { upstream: name.into(), reason };
                self.metrics.samples_dropped.get(&label).map_or(0, |counter| counter.get())
            };
            assert_eq!(counted("max_age") + counted("max_bytes"), state.dropped);
            assert_eq!(counted("damaged"), state.damaged);
        }
    }
}

/// Names and sizes.
fn listing(folder: &Path) -> Vec<(std::ffi::OsString, u64)> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    // One that went in between is none.
    let mut files: Vec<_> =
        entries.filter_map(|entry| Some((entry.file_name(), entry.metadata().ok()?.len()))).collect();
    files.sort();
    files
}

/// More of them with `PMM_BUFFER_MODEL_CASES`.
fn cases() -> u32 {
    std::env::var("PMM_BUFFER_MODEL_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(10)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]

    #[test]
    fn any_history_reads_as_a_list_does(steps in prop::collection::vec(step(), 1..80)) {
        let mut model = Model::new();
        for step in steps {
            model.carry_out(step);
            model.check();
        }
        model.settle();
        (0..NAMES.len()).for_each(|upstream| model.read(upstream, u64::MAX));
        model.check();
    }
}
