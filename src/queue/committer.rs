//! The committer: one thread that owns every write.
//!
//! ```text
//!  append ─┐
//!  append ─┼─▶ channel ─▶ gather ─▶ encode ─▶ one WriteBatch ─▶ sync ─▶ durable moves ─▶ answer all ─▶ wake the readers
//!  ack    ─┘              what waits, up to GROUP_BYTES
//! ```
//!
//! While a group is being synced the next one gathers in the channel, so the groups grow with the load and a
//! lone push waits for nobody. Between groups it looks after the log, see `upkeep`.

use super::Position;
use super::appender::{AppendError, Command, Reply};
use super::mark::Mark;
use super::record::SegmentEncoder;
use super::retention::{self, Footprint, Limits};
use super::segment::Segment;
use super::shared::Shared;
use super::store::{Batch, Store, StoreError};
use crate::clock::Clock;
use crate::config::{self, SyncMode};
use crate::model::Push;
use crate::service::Heartbeat;
use crate::telemetry::Metrics;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

/// A group takes no further push beyond this many bytes in memory.
const GROUP_BYTES: usize = 8 << 20;

struct Waiting {
    push: Push,
    accepted_ms: i64,
    reply: Reply,
}

/// The committer's own state.
pub(super) struct Committer {
    pub(super) store: Arc<Store>,
    pub(super) shared: Arc<Shared>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) heartbeat: Heartbeat,
    pub(super) clock: Clock,
    pub(super) settings: config::Queue,
    pub(super) limits: Limits,
    pub(super) encoder: SegmentEncoder,
    /// The settled positions as they stand on disk, to write only what moved.
    pub(super) persisted: Vec<Mark>,
    /// What the folder takes.
    pub(super) footprint: Footprint,
    /// The last write failed because the file system was full.
    pub(super) is_out_of_space: bool,
}

/// The committer looks after things this often when nothing else wakes it: segments that are too old or no longer held
/// for a rewind, free space that came back.
const TICK: Duration = Duration::from_secs(1);

impl Committer {
    /// Works until it is closed or every handle is gone. Blocks; run it on a thread of its own. What was asked behind the
    /// close is not carried out: who waits for it hears that the queue shuts down.
    pub(super) fn run(mut self, commands: mpsc::Receiver<Command>) {
        let tick = match self.settings.sync {
            SyncMode::Always => TICK,
            SyncMode::Interval => TICK.min(self.settings.sync_interval),
        };
        loop {
            self.heartbeat.beat();
            match commands.recv_timeout(tick) {
                Ok(command) => {
                    if self.turn(command, &commands).is_break() {
                        break;
                    }
                }
                Err(RecvTimeoutError::Timeout) => self.tick(),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        self.finish();
    }

    /// Takes `first` and what waits behind it, up to the bound, and carries it out. Breaks at a close.
    pub(super) fn turn(&mut self, first: Command, commands: &mpsc::Receiver<Command>) -> ControlFlow<()> {
        let mut group = Vec::new();
        let mut is_damaged = false;
        let flow = gather(first, commands, &mut group, &mut is_damaged);
        if is_damaged {
            self.encoder.restart();
        }
        self.commit(&mut group);
        self.sync_if_due();
        flow
    }

    /// Everyone who could ask for anything is gone.
    pub(super) fn finish(self) {
        if let Err(error) = self.store.sync() {
            tracing::error!(%error, "last sync failed, a power cut now may repeat what was delivered last");
        }
    }

    /// Nobody asked for anything.
    pub(super) fn tick(&mut self) {
        if self.shared.failure().is_none() {
            self.sync_if_due();
            self.refusal();
            self.commit_acks();
        }
    }

    fn commit(&mut self, group: &mut Vec<Waiting>) {
        if let Some(failure) = self.shared.failure() {
            answer_all(group, &Err(AppendError::Store(failure)));
            return;
        }
        if group.is_empty() {
            self.commit_acks();
            return;
        }
        if let Some(refusal) = self.refusal() {
            answer_all(group, &Err(AppendError::Full(refusal)));
            self.commit_acks();
            return;
        }
        self.keep_within();
        match self.append(group) {
            Ok(first) => {
                self.is_out_of_space = false;
                for (at, waiting) in group.drain(..).enumerate() {
                    // A pusher that went away in the meantime does not hear of it; the push is stored.
                    let _ = waiting.reply.send(Ok(first + at as u64));
                }
                // After the answers: on a host with few cores a reader would be at work before them.
                self.shared.wake_readers();
                self.retain();
            }
            Err(error) => {
                let answer = self.append_failed(&error);
                answer_all(group, &Err(answer));
            }
        }
    }

    /// Encodes and writes a group, synced where that is asked for. Returns the position of its first record. The pushes
    /// are gone then: once one is encoded, its memory serves those that arrive during the sync.
    fn append(&mut self, group: &mut [Waiting]) -> Result<Position, StoreError> {
        let mut batch = Batch::default();
        let mut record = Vec::new();
        let mut table = self.shared.active_segment();
        let first = table.end.position;
        let mut touched: Vec<Segment> = Vec::new();
        for Waiting { push, accepted_ms, .. } in group.iter_mut() {
            if retention::must_rotate(&table, &self.limits, *accepted_ms) {
                touched.push(table);
                table = Segment::begin(table.end);
                self.encoder = SegmentEncoder::new();
            }
            record.clear();
            let push = std::mem::take(push);
            self.encoder.encode(&push, *accepted_ms, table.end, &mut record);
            self.store.put_record(&mut batch, table.end.position, &record);
            table.add(table.end.after(push.counts().all_samples(), record.len() as u64), *accepted_ms);
        }
        touched.push(table);
        for segment in &touched {
            self.store.put_segment(&mut batch, segment);
        }
        let acked = self.put_acks(&mut batch);
        let written = table.end.bytes - self.shared.durable().bytes;
        let is_synced = self.settings.sync == SyncMode::Always;

        self.shared.appending(table.end);
        let begun = Instant::now();
        if let Err(error) = self.store.write(batch, is_synced) {
            self.shared.abandoned();
            return Err(error);
        }
        if is_synced {
            self.metrics.sync_seconds.observe(begun.elapsed().as_secs_f64());
        } else if self.shared.unsynced_since().is_none() {
            self.shared.set_unsynced_since(Some(begun));
        }
        self.metrics.commits.inc();
        self.metrics.queue_written_bytes.inc_by(written);
        self.footprint.write(written);
        self.persisted = acked;
        self.shared.committed(&touched, group[0].accepted_ms);
        if is_synced {
            // Before the answers: what was answered and is damaged after a kill would not be missed otherwise.
            self.store.note_end(table.end);
        }
        Ok(first)
    }

    /// With `sync: interval`, syncs what was written since the last time once that is long enough ago.
    fn sync_if_due(&mut self) {
        let since = self.shared.unsynced_since();
        if since.is_none_or(|since| since.elapsed() < self.settings.sync_interval) {
            return;
        }
        let begun = Instant::now();
        match self.store.sync() {
            Ok(()) => {
                self.metrics.sync_seconds.observe(begun.elapsed().as_secs_f64());
                self.shared.set_unsynced_since(None);
                self.store.note_end(self.shared.durable());
            }
            Err(error) => drop(self.fail(&error)),
        }
    }

    /// What became of a group whose write failed. None of it is in the log.
    ///
    /// A file system that is full is no fault: RocksDB takes writes again, from a log file of its own, once there is
    /// space, and nothing of what it took before is in doubt. After any other error it is.
    fn append_failed(&mut self, error: &StoreError) -> AppendError {
        // What was encoded is not there: nothing may depend on it.
        self.encoder = SegmentEncoder::new();
        if !error.is_out_of_space {
            return AppendError::Store(self.fail(error));
        }
        self.metrics.store_errors.inc();
        self.is_out_of_space = true;
        let reason = format!("no space for {} ({error})", self.store.path().display());
        if self.shared.set_refusal(Some(&reason)) {
            tracing::warn!(
                reason,
                "the file system is full, pushes are answered with 503 until there is space; delivery goes on"
            );
        }
        AppendError::Full(reason)
    }

    /// Puts the settled positions that moved since they were written. Returns all as they are.
    pub(super) fn put_acks(&self, batch: &mut Batch) -> Vec<Mark> {
        let acked = self.shared.acked();
        for ((name, mark), persisted) in self.shared.upstreams().iter().zip(&acked).zip(&self.persisted) {
            if mark != persisted {
                self.store.put_upstream(batch, name, *mark);
            }
        }
        acked
    }

    /// From here on nothing is stored: what a failed write or sync left behind is not known, and trying again
    /// could answer for data that is not there. The first reason stays.
    pub(super) fn fail(&self, error: &StoreError) -> String {
        self.metrics.store_errors.inc();
        let folder = self.store.path().display();
        let failure = format!(
            "writing to {folder} failed ({error}); check the disk and its free space, then restart the agent"
        );
        if self.shared.set_failure(&failure) {
            tracing::error!(path = %folder, %error, "cannot store, pushes are answered with 503 until a restart; delivery goes on");
        }
        self.shared.failure().unwrap_or(failure)
    }
}

/// Takes `first` and what waits behind it, up to the bound, or up to a close: then it breaks.
fn gather(
    first: Command,
    commands: &mpsc::Receiver<Command>,
    group: &mut Vec<Waiting>,
    is_damaged: &mut bool,
) -> ControlFlow<()> {
    let mut bytes = 0;
    let mut next = Some(first);
    while let Some(command) = next {
        match command {
            Command::Append { push, accepted_ms, reply } => {
                bytes += push.memory();
                group.push(Waiting { push, accepted_ms, reply });
            }
            Command::Acked => {}
            Command::Damaged => *is_damaged = true,
            Command::Close => return ControlFlow::Break(()),
        }
        next = if bytes < GROUP_BYTES { commands.try_recv().ok() } else { None };
    }
    ControlFlow::Continue(())
}

fn answer_all(group: &mut Vec<Waiting>, answer: &Result<Position, AppendError>) {
    for waiting in group.drain(..) {
        let _ = waiting.reply.send(answer.clone());
    }
}
