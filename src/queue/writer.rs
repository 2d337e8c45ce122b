//! The committer: one thread that owns every write, and the handle that gives it work.
//!
//! ```text
//!  append ─┐
//!  append ─┼─▶ channel ─▶ gather ─▶ encode ─▶ one WriteBatch ─▶ sync ─▶ durable moves ─▶ answer all
//!  ack    ─┘              what waits, up to GROUP_BYTES
//! ```
//!
//! While a group is being synced the next one gathers in the channel, so the groups grow with the load and a
//! lone push waits for nobody.

use super::record::SegmentEncoder;
use super::retention::{self, Limits};
use super::segment::Segment;
use super::shared::{Released, Shared};
use super::store::{Batch, Store, StoreError};
use super::{Position, position::Mark};
use crate::model::Push;
use crate::telemetry::Metrics;
use crate::telemetry::metrics::UpstreamReasonLabel;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::{mpsc, oneshot};

/// A group takes no further push beyond this many bytes in memory.
const GROUP_BYTES: usize = 8 << 20;
/// Commands that may wait; the memory of pushes is bounded by the server's budget, not by this.
pub(super) const CHANNEL: usize = 1024;

/// Why a push was not stored. The pusher gets 503 with Retry-After for every one of these.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AppendError {
    /// The store failed to write or sync; the text names the folder, the cause and what to do.
    #[error("cannot store: {0}")]
    Store(String),
    /// The agent is shutting down.
    #[error("shutting down")]
    ShuttingDown,
}

type Reply = oneshot::Sender<Result<Position, AppendError>>;

/// What the committer is asked to do.
pub(super) enum Command {
    Append {
        push: Push,
        accepted_ms: i64,
        reply: Reply,
    },
    /// An upstream's settled position moved.
    Acked,
    /// A reader met damage: what is appended from now on must not depend on what is there.
    Damaged,
    Close,
}

/// Appends pushes; cheap to clone.
#[derive(Clone)]
pub struct Appender {
    pub(super) commands: mpsc::Sender<Command>,
    pub(super) shared: Arc<Shared>,
}

impl Appender {
    /// Stores `push` and returns its position once it is synced to disk.
    ///
    /// `accepted_ms` is when its request arrived, in milliseconds since the epoch.
    /// Dropping the future does not take the push back: it may be stored all the same.
    pub async fn append(&self, push: Push, accepted_ms: i64) -> Result<Position, AppendError> {
        let (reply, answer) = oneshot::channel();
        let command = Command::Append { push, accepted_ms, reply };
        self.commands.send(command).await.map_err(|_| AppendError::ShuttingDown)?;
        answer.await.unwrap_or(Err(AppendError::ShuttingDown))
    }

    /// None while the queue takes appends, else why it does not (for `/ready`).
    pub fn unavailable(&self) -> Option<String> {
        self.shared.failure()
    }
}

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
    pub(super) limits: Limits,
    pub(super) encoder: SegmentEncoder,
    /// The settled positions as they stand on disk, to write only what moved.
    pub(super) persisted: Vec<Mark>,
}

impl Committer {
    /// Works until it is closed or every handle is gone. Blocks; run it on a thread of its own.
    pub(super) fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        let mut group = Vec::new();
        while let Some(command) = commands.blocking_recv() {
            let mut is_damaged = false;
            if gather(command, &mut commands, &mut group, &mut is_damaged) {
                // Nobody gets in behind this; what is in the channel is still received and committed.
                commands.close();
            }
            if is_damaged {
                self.encoder.restart();
            }
            self.commit(&mut group);
        }
        if let Err(error) = self.store.sync() {
            tracing::error!(%error, "last sync failed, a power cut now may repeat what was delivered last");
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
        match self.append(group) {
            Ok(first) => {
                for (at, waiting) in group.drain(..).enumerate() {
                    // A pusher that went away in the meantime does not hear of it; the push is stored.
                    let _ = waiting.reply.send(Ok(first + at as u64));
                }
                self.retain();
            }
            Err(error) => {
                let failure = self.fail(&error);
                answer_all(group, &Err(AppendError::Store(failure)));
            }
        }
    }

    /// Encodes and syncs a group. Returns the position of its first record.
    fn append(&mut self, group: &[Waiting]) -> Result<Position, StoreError> {
        let mut batch = Batch::default();
        let mut record = Vec::new();
        let mut table = self.shared.active_segment();
        let first = table.end.position;
        let mut touched: Vec<Segment> = Vec::new();
        for Waiting { push, accepted_ms, .. } in group {
            if retention::must_rotate(&table, &self.limits, *accepted_ms) {
                touched.push(table);
                table = Segment::begin(table.end);
                self.encoder = SegmentEncoder::new();
            }
            record.clear();
            self.encoder.encode(push, *accepted_ms, table.end, &mut record);
            self.store.put_record(&mut batch, table.end.position, &record);
            table.add(table.end.after(push.counts().all_samples(), record.len() as u64), *accepted_ms);
        }
        touched.push(table);
        for segment in &touched {
            self.store.put_segment(&mut batch, segment);
        }
        let acked = self.put_acks(&mut batch);
        let written = table.end.bytes - self.shared.durable().bytes;

        self.shared.appending(table.end);
        let begun = Instant::now();
        if let Err(error) = self.store.write(batch, true) {
            self.shared.abandoned();
            return Err(error);
        }
        self.metrics.sync_seconds.observe(begun.elapsed().as_secs_f64());
        self.metrics.commits.inc();
        self.metrics.queue_written_bytes.inc_by(written);
        self.persisted = acked;
        self.shared.committed(&touched, group[0].accepted_ms);
        Ok(first)
    }

    /// Writes settled positions that nothing else carries to disk. Not synced: a kill keeps them, a power cut
    /// takes the last ones back and a batch or two is delivered again.
    fn commit_acks(&mut self) {
        let mut batch = Batch::default();
        let acked = self.put_acks(&mut batch);
        if batch.is_empty() {
            return;
        }
        match self.store.write(batch, false) {
            Ok(()) => {
                self.persisted = acked;
                self.retain();
            }
            Err(error) => {
                self.fail(&error);
            }
        }
    }

    /// Puts the settled positions that moved since they were written. Returns all as they are.
    fn put_acks(&self, batch: &mut Batch) -> Vec<Mark> {
        let acked = self.shared.acked();
        for ((name, mark), persisted) in self.shared.upstreams().iter().zip(&acked).zip(&self.persisted) {
            if mark != persisted {
                self.store.put_upstream(batch, name, *mark);
            }
        }
        acked
    }

    /// Drops and releases what the limits and the settled positions say.
    fn retain(&mut self) {
        if let Err(error) = self.release() {
            self.fail(&error);
        }
    }

    fn release(&mut self) -> Result<(), StoreError> {
        // Readers are moved on before anything is deleted: what a reader misses then, it knows to be gone.
        let Some(released) = self.shared.release(&self.limits) else { return Ok(()) };
        let mut batch = Batch::default();
        for segment in &released.segments {
            self.store.forget_segment(&mut batch, segment);
        }
        // An empty table would begin anew at position 0.
        self.store.put_segment(&mut batch, &self.shared.active_segment());
        // The settled positions go with it and are synced: the file list below is durable at once, and a
        // position that points before it after a power cut would look like damage.
        let acked = self.put_acks(&mut batch);
        self.store.write(batch, true)?;
        self.persisted = acked;
        self.report_drops(&released);
        self.store.release_before(released.keep_from.position)
    }

    fn report_drops(&self, Released { dropped, lost, .. }: &Released) {
        for (name, lost) in self.shared.upstreams().iter().zip(lost).filter(|(_, lost)| **lost > 0) {
            let label = UpstreamReasonLabel { upstream: name.clone(), reason: "max_bytes" };
            self.metrics.samples_dropped.get_or_create(&label).inc_by(*lost);
            let from_ms = dropped.iter().map(|segment| segment.first_accepted_ms).min().unwrap_or(0);
            let to_ms = dropped.iter().map(|segment| segment.last_accepted_ms).max().unwrap_or(0);
            tracing::error!(
                upstream = %name,
                samples = *lost,
                accepted_from = %rfc3339(from_ms),
                accepted_to = %rfc3339(to_ms),
                "queue is full, dropped the oldest samples; raise queue.max_bytes to survive longer outages"
            );
        }
    }

    /// From here on nothing is stored: what a failed write or sync left behind is not known, and trying again
    /// could answer for data that is not there. The first reason stays.
    fn fail(&self, error: &StoreError) -> String {
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

fn rfc3339(ms: i64) -> String {
    let since = std::time::Duration::from_millis(u64::try_from(ms).unwrap_or(0));
    humantime::format_rfc3339_seconds(std::time::UNIX_EPOCH + since).to_string()
}

/// Takes `first` and what waits behind it, up to the bound. Returns true when it came to a close.
fn gather(
    first: Command,
    commands: &mut mpsc::Receiver<Command>,
    group: &mut Vec<Waiting>,
    is_damaged: &mut bool,
) -> bool {
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
            Command::Close => return true,
        }
        next = if bytes < GROUP_BYTES { commands.try_recv().ok() } else { None };
    }
    false
}

fn answer_all(group: &mut Vec<Waiting>, answer: &Result<Position, AppendError>) {
    for waiting in group.drain(..) {
        let _ = waiting.reply.send(answer.clone());
    }
}
