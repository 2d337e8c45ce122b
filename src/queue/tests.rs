//! The queue on a real disk: a model test, restarts, limits, damage.

mod damage;
mod limits;
mod matrix;
mod merged;
mod model;
mod survey;
mod versions;

use super::*;
use crate::model::{Push, PushBuilder, Sample, SeriesView, Span};
use crate::wire;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const MIB: u64 = 1 << 20;

/// A push of `samples` samples that can be told from every other.
fn push(id: u64, samples: usize) -> Push {
    let mut builder = PushBuilder::default();
    let labels = builder.store_with(|out| wire::append_label(out, b"id", id.to_string().as_bytes()));
    for at in 0..samples {
        builder.sample(Sample { value: id as f64, timestamp: at as i64 });
    }
    builder.series(labels, Span::default());
    builder.finish()
}

/// A push that does not pack: so many samples of noise.
fn noise(id: u64, samples: usize) -> Push {
    let mut builder = PushBuilder::default();
    let labels = builder.store_with(|out| wire::append_label(out, b"id", id.to_string().as_bytes()));
    let mut state = id.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    for at in 0..samples {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        builder.sample(Sample { value: f64::from_bits(state), timestamp: at as i64 });
    }
    builder.series(labels, Span::default());
    builder.finish()
}

const ALL: ReadLimit = ReadLimit { records: u64::MAX, bytes: usize::MAX, samples: u64::MAX };

/// A queue in a folder of its own, which survives [`Fixture::reopen`].
struct Fixture {
    folder: TempDir,
    upstreams: Vec<String>,
    settings: config::Queue,
    /// Wall clock, in milliseconds.
    now_ms: Arc<AtomicI64>,
    metrics: Arc<Metrics>,
    queue: Option<Queue>,
    readers: Vec<Reader>,
}

impl Fixture {
    /// A queue that holds nothing for a rewind.
    fn new(upstreams: &[&str], max_bytes: u64) -> Self {
        Self::with(upstreams, config::Queue { max_bytes, rewind: Duration::ZERO, ..config::Queue::default() })
    }

    fn with(upstreams: &[&str], settings: config::Queue) -> Self {
        let upstreams = upstreams.iter().map(|&name| name.to_owned()).collect();
        let folder = tempfile::tempdir().unwrap();
        let metrics = Arc::new(Metrics::new());
        let (now_ms, readers) = (Arc::default(), Vec::new());
        let mut fixture = Self { folder, upstreams, settings, now_ms, metrics, queue: None, readers };
        fixture.open();
        fixture
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("queue")
    }

    fn try_open(&self) -> Result<Queue, OpenError> {
        let now_ms = self.now_ms.clone();
        let clock: Clock = Arc::new(move || now_ms.load(Ordering::Relaxed));
        let options = Options { path: self.path(), settings: self.settings.clone(), clock };
        Queue::open(options, &self.upstreams, self.metrics.clone())
    }

    fn open(&mut self) {
        let mut queue = self.try_open().unwrap();
        self.readers = self.upstreams.iter().map(|name| queue.reader(name)).collect();
        self.queue = Some(queue);
    }

    fn close(&mut self) {
        self.readers.clear();
        self.queue.take().unwrap().close();
    }

    fn reopen(&mut self) {
        self.close();
        self.open();
    }

    fn queue(&self) -> &Queue {
        self.queue.as_ref().unwrap()
    }

    fn append(&self, push: Push, accepted_ms: i64) -> Position {
        let appender = self.queue().appender();
        futures(appender.append(push, accepted_ms)).unwrap()
    }

    fn backlog(&self, upstream: usize) -> Backlog {
        self.readers[upstream].backlog()
    }
}

/// Runs a future that the committer's thread completes.
fn futures<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

/// Waits for something that another thread does.
#[track_caller]
fn until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !done() {
        assert!(Instant::now() < deadline, "{what} did not come to pass");
        std::thread::yield_now();
    }
}

/// The pushes of a batch, each of which has one series of its own.
fn ids(batch: &Batch) -> Vec<u64> {
    let id = |series: SeriesView<'_>| {
        let label = wire::labels(series.labels).next().unwrap().unwrap();
        std::str::from_utf8(label.value).unwrap().parse().unwrap()
    };
    batch.push.series().map(id).collect()
}

/// Asserts that a batch holds these pushes, each of which has one series of its own.
#[track_caller]
fn assert_holds(batch: &Batch, pushes: impl Iterator<Item = Push>) {
    let pushes: Vec<_> = pushes.collect();
    assert_eq!(batch.push.series().len(), pushes.len());
    for (series, push) in batch.push.series().zip(&pushes) {
        assert!(push.series().eq([series]), "{:?}", ids(batch));
    }
}

#[test]
fn what_is_appended_is_read_back_in_order_by_each_upstream() {
    let mut fixture = Fixture::new(&["a", "b"], 64 * MIB);
    for id in 0..10 {
        assert_eq!(fixture.append(push(id, 3), 1_000 + id as i64), id);
    }
    for reader in &mut fixture.readers {
        let batch = reader.read(ALL, Instant::now()).unwrap().unwrap();
        assert_eq!(ids(&batch), (0..10).collect::<Vec<_>>());
        assert_holds(&batch, (0..10).map(|id| push(id, 3)));
        assert_eq!((batch.first, batch.end, batch.records), (0, 10, 10));
        assert_eq!(reader.read(ALL, Instant::now()).unwrap(), None);
    }
    let expected =
        Backlog { records: 10, samples: 30, oldest_accepted_ms: Some(1_000), ..fixture.backlog(0) };
    assert_eq!(fixture.backlog(0), expected);
}

#[test]
fn a_reader_that_waits_is_woken_by_the_next_commit() {
    let mut fixture = Fixture::new(&["a"], 64 * MIB);
    let appender = fixture.queue().appender();
    let reader = &mut fixture.readers[0];
    futures(async {
        let (position, ()) = tokio::join!(appender.append(push(1, 1), 0), reader.readable());
        position.unwrap();
    });
    assert!(reader.read(ALL, Instant::now()).unwrap().is_some());
}

/// By it, a log that lost its end is told from an older one.
#[test]
fn how_far_the_log_reached_is_noted_before_the_answer() {
    let fixture = Fixture::new(&["a"], 64 * MIB);
    for id in 0..200 {
        fixture.append(push(id, 1), 0);
        let noted = witness::read(&fixture.path()).expect("a note");
        assert_eq!(noted.position, id + 1);
    }
}

#[test]
fn memory_of_a_batch_serves_the_next_while_there_is_one() {
    let mut fixture = Fixture::new(&["a"], 64 * MIB);
    for id in 0..3 {
        fixture.append(push(id, 100), 0);
    }
    let reader = &mut fixture.readers[0];
    let two = ReadLimit { records: 2, ..ALL };
    let first = reader.read(two, Instant::now()).unwrap().unwrap();
    assert_holds(&first, [push(0, 100), push(1, 100)].into_iter());
    reader.recycle(first.push);
    assert!(reader.spare.0.capacity() > 0 && reader.spare.1.capacity() >= 200, "there is more to read");
    let second = reader.read(two, Instant::now()).unwrap().unwrap();
    assert_holds(&second, [push(2, 100)].into_iter());
    reader.recycle(second.push);
    assert_eq!((reader.spare.0.capacity(), reader.spare.1.capacity()), (0, 0), "nothing is left to read");
}

#[test]
fn acks_survive_a_restart_and_what_was_only_read_comes_again() {
    let mut fixture = Fixture::new(&["a", "b"], 64 * MIB);
    for id in 0..6 {
        fixture.append(push(id, 1), id as i64);
    }
    fixture.readers[0].read(ALL, Instant::now()).unwrap();
    fixture.readers[0].ack(4, Instant::now());
    fixture.reopen();
    assert_eq!(fixture.backlog(0).records, 2);
    assert_eq!(fixture.backlog(0).oldest_accepted_ms, Some(4));
    assert_eq!(ids(&fixture.readers[0].read(ALL, Instant::now()).unwrap().unwrap()), [4, 5]);
    assert_eq!(ids(&fixture.readers[1].read(ALL, Instant::now()).unwrap().unwrap()), [0, 1, 2, 3, 4, 5]);
}

#[test]
fn positions_go_on_after_everything_was_released_and_reopened() {
    let mut fixture = Fixture::new(&["a"], 64 * MIB);
    fixture.append(push(0, 1), 0);
    fixture.reopen();
    fixture.readers[0].read(ALL, Instant::now()).unwrap();
    fixture.readers[0].ack(1, Instant::now());
    until("the release", || fixture.queue().view().status().trimmed == 1);
    for expected in 1..4 {
        fixture.reopen();
        assert_eq!(fixture.append(push(expected, 1), 0), expected);
        fixture.readers[0].read(ALL, Instant::now()).unwrap();
        fixture.readers[0].ack(expected + 1, Instant::now());
    }
}

#[test]
fn a_new_name_starts_at_the_oldest_kept_and_a_name_left_out_is_forgotten() {
    let mut fixture = Fixture::new(&["a"], 64 * MIB);
    for id in 0..3 {
        fixture.append(push(id, 1), 0);
    }
    fixture.readers[0].read(ALL, Instant::now()).unwrap();
    fixture.readers[0].ack(2, Instant::now());
    fixture.close();
    fixture.upstreams = vec!["b".into()];
    fixture.open();
    assert_eq!(fixture.backlog(0).records, 3, "b has seen nothing yet");
    fixture.close();
    fixture.upstreams = vec!["a".into()];
    fixture.open();
    assert_eq!(fixture.backlog(0).records, 3, "a was forgotten in between");
}

#[test]
fn a_second_agent_on_the_same_folder_is_refused() {
    let fixture = Fixture::new(&["a"], 64 * MIB);
    let error = fixture.try_open().err().unwrap();
    assert!(matches!(error, OpenError::Locked { .. }), "{error}");
    assert!(error.to_string().contains(&fixture.path().display().to_string()));
}

#[test]
fn appends_after_close_are_refused_and_those_before_are_kept() {
    let mut fixture = Fixture::new(&["a"], 64 * MIB);
    let appender = fixture.queue().appender();
    fixture.append(push(1, 1), 0);
    fixture.close();
    let refused = futures(appender.append(push(2, 1), 0));
    assert!(matches!(refused, Err(AppendError::ShuttingDown)));
    fixture.open();
    assert_eq!(ids(&fixture.readers[0].read(ALL, Instant::now()).unwrap().unwrap()), [1]);
}

#[test]
fn many_who_append_at_once_share_few_syncs() {
    let fixture = Fixture::new(&["a"], 64 * MIB);
    let appender = fixture.queue().appender();
    futures(async {
        let appends = (0..500).map(|id| Box::pin(appender.append(push(id, 1), 0))).collect();
        let mut positions: Vec<_> = join_all(appends).await.into_iter().map(Result::unwrap).collect();
        positions.sort_unstable();
        assert_eq!(positions, (0..500).collect::<Vec<_>>());
    });
    assert!(fixture.metrics.commits.get() < 250, "{} commits for 500 appends", fixture.metrics.commits.get());
}

/// Appends pushes of its own, one after the other, until one is refused or `most` are stored. Returns their ids.
fn append_in_turn(appender: &Appender, first: u64, most: u64) -> Vec<u64> {
    let mut last = None;
    let mut stored = Vec::new();
    for id in first..first + most {
        match futures(appender.append(push(id, 1), 0)) {
            Ok(position) => assert!(last.replace(position) < Some(position), "its pushes are out of order"),
            Err(AppendError::ShuttingDown) => break,
            Err(error) => panic!("{error}"),
        }
        stored.push(id);
    }
    stored
}

#[test]
fn threads_that_append_at_once_are_all_answered_each_in_its_order() {
    let mut fixture = Fixture::new(&["a"], 64 * MIB);
    let appender = fixture.queue().appender();
    std::thread::scope(|scope| {
        for first in [0, 1_000, 2_000, 3_000] {
            let appender = &appender;
            scope.spawn(move || assert_eq!(append_in_turn(appender, first, 200).len(), 200));
        }
    });
    let mut found = ids(&fixture.readers[0].read(ALL, Instant::now()).unwrap().unwrap());
    // Stable: those of a thread stay in the order in which they are found.
    found.sort_by_key(|id| id / 1_000);
    let expected: Vec<_> =
        [0, 1_000, 2_000, 3_000].into_iter().flat_map(|first| first..first + 200).collect();
    assert_eq!(found, expected);
}

#[test]
fn what_was_answered_while_the_queue_closed_is_there() {
    let mut fixture = Fixture::new(&["a"], 64 * MIB);
    let appender = fixture.queue().appender();
    let answered: Vec<_> = std::thread::scope(|scope| {
        let threads = [0, 1_000_000, 2_000_000].map(|first| {
            scope.spawn({
                let appender = &appender;
                move || append_in_turn(appender, first, 1_000_000)
            })
        });
        until("pushes from all", || fixture.metrics.commits.get() > 30);
        fixture.close();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    fixture.open();
    let mut found = ids(&fixture.readers[0].read(ALL, Instant::now()).unwrap().unwrap());
    found.sort_by_key(|id| id / 1_000_000);
    assert_eq!(found, answered);
}

/// Polls all of them until all are done.
async fn join_all<T>(mut futures: Vec<std::pin::Pin<Box<impl Future<Output = T>>>>) -> Vec<T> {
    let mut done: Vec<Option<T>> = futures.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        for (future, slot) in futures.iter_mut().zip(&mut done) {
            if slot.is_none()
                && let std::task::Poll::Ready(value) = future.as_mut().poll(context)
            {
                *slot = Some(value);
            }
        }
        if done.iter().all(Option::is_some) { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    done.into_iter().flatten().collect()
}
