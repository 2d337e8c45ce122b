//! One upstream's view of the queue.
//!
//! A read is a contiguous run of records. What cannot be read in it is skipped, counted and reported.

use super::appender::Command;
use super::interval::IntervalDecoder;
use super::mark::Mark;
use super::merge::Merge;
use super::run::{ReadLimit, Run, Source};
use super::shared::{Readable, Shared};
use super::store::{Store, StoreError};
use super::{Backlog, Position};
use crate::model::{Push, Sample};
use crate::status::human::moment;
use crate::telemetry::Metrics;
use crate::telemetry::metrics::UpstreamReasonLabel;
use std::collections::VecDeque;
use std::sync::{Arc, mpsc};
use std::time::Instant;
use tokio::sync::watch;

/// A contiguous run of records as one push: each series once (once an interval of the log, to be exact), with its
/// samples in the order they were accepted. What was damaged between the records is not in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    pub push: Push,
    /// Numbers of the first series of each interval of the log in it but the first.
    pub intervals: Vec<usize>,
    /// Position of its first record.
    pub first: Position,
    /// Ack this to settle it: one past its last position.
    pub end: Position,
    /// Records in it; never 0.
    pub records: u64,
}

/// The store cannot be read for now; what is on disk may be in order.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the queue in {path}: {error}; check the disk, delivery is tried again")]
pub struct ReadError {
    path: String,
    error: StoreError,
}

/// Reads, acks and rewinds for one upstream. Not cloneable: one reader, one position.
pub struct Reader {
    pub(super) upstream: usize,
    pub(super) name: String,
    pub(super) store: Arc<Store>,
    pub(super) shared: Arc<Shared>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) commands: mpsc::Sender<Command>,
    pub(super) durable: watch::Receiver<Position>,
    /// What was read and not acked: behind each record, and when it was accepted.
    pub(super) pending: VecDeque<(Mark, i64)>,
    pub(super) decoder: IntervalDecoder,
    /// Losses before it were reported: what is read again after a rewind is not lost again.
    pub(super) reported: Mark,
    /// Memory of a batch that is done with, for the next one.
    pub(super) spare: (Vec<u8>, Vec<Sample>),
}

impl Reader {
    /// Waits until there is a durable record that was not read yet.
    pub async fn readable(&mut self) {
        loop {
            self.durable.borrow_and_update();
            let Readable { from, to } = self.shared.readable(self.upstream);
            if from.position < to.position {
                return;
            }
            if self.durable.changed().await.is_err() {
                // The sender lives as long as `shared`; nothing more can come.
                std::future::pending::<()>().await;
            }
        }
    }

    /// Reads on from the read position; `None` when everything durable was read. Blocks for milliseconds. What does not read
    /// and has nothing before it that waits is settled `now`.
    pub fn read(&mut self, limit: ReadLimit, now: Instant) -> Result<Option<Batch>, ReadError> {
        loop {
            let Readable { from, to } = self.shared.readable(self.upstream);
            if from.position >= to.position {
                return Ok(None);
            }
            let source = &mut Source { store: &self.store, decoder: &mut self.decoder };
            let merge = Merge::over(std::mem::take(&mut self.spare));
            let run = Run::read(source, (from, to), limit, merge)
                .map_err(|error| ReadError { path: self.store.path().display().to_string(), error })?;
            let oldest_ms = run.pending.first().map_or(0, |(_, accepted_ms)| *accepted_ms);
            if !self.shared.read(self.upstream, from, run.at, oldest_ms) {
                // Dropped under our hands: what is kept now begins later.
                self.pending.clear();
                continue;
            }
            self.report(&run);
            self.pending.extend(&run.pending);
            let Some(first) = run.first else {
                self.settle_damaged(run.at, now);
                continue;
            };
            let (end, records) = (run.at.position, run.records);
            let intervals = run.merge.intervals().to_vec();
            return Ok(Some(Batch { push: run.merge.finish(), intervals, first, end, records }));
        }
    }

    /// Takes back the memory of a batch that is done with. It serves the next one if there is more to read by now, as in a
    /// catch-up: an agent that has nothing to do keeps none.
    pub fn recycle(&mut self, push: Push) {
        let Readable { from, to } = self.shared.readable(self.upstream);
        if from.position < to.position {
            self.spare = push.into_memory();
        }
    }

    /// Nothing of a run could be read. It goes with what is pending before it, or is settled at once.
    fn settle_damaged(&mut self, end: Mark, now: Instant) {
        match self.pending.back_mut() {
            Some((last, _)) => *last = end,
            None => {
                self.shared.ack(self.upstream, end, 0, now);
                self.tell_committer();
            }
        }
    }

    /// Counts and logs what of a run is missing, once.
    fn report(&mut self, run: &Run) {
        let from = self.reported;
        self.reported = from.max(run.at);
        let gaps: Vec<_> = run.gaps.iter().filter(|gap| gap.to.position > from.position).collect();
        let (Some(first), Some(last)) = (gaps.first(), gaps.last()) else { return };
        let records: u64 = gaps.iter().map(|gap| gap.to.position - gap.from.max(from).position).sum();
        let samples: u64 = gaps.iter().map(|gap| gap.to.samples_since(gap.from.max(from))).sum();
        let label = UpstreamReasonLabel { upstream: self.name.clone(), reason: "damaged" };
        self.metrics.samples_dropped.get_or_create(&label).inc_by(samples);
        // Fails where the queue is closed, and nothing more is written.
        let _ = self.commands.send(Command::Damaged);
        let (from_ms, to_ms) = self.shared.accepted_between(first.from.position, last.to.position);
        tracing::error!(
            upstream = %self.name,
            path = %self.store.path().display(),
            records,
            samples,
            from = first.from.position,
            to = last.to.position,
            accepted_from = %moment(first.after_ms.unwrap_or(from_ms)),
            accepted_to = %moment(last.before_ms.unwrap_or(to_ms)),
            cause = %first.cause,
            "damaged records skipped, their samples are lost; check the disk"
        );
    }

    /// Settles everything below `end`. Survives a kill, not necessarily a power cut: then it repeats.
    pub fn ack(&mut self, end: Position, now: Instant) {
        let mut settled = None;
        while let Some((mark, _)) = self.pending.front()
            && mark.position <= end
        {
            settled = self.pending.pop_front();
        }
        if let Some((mark, accepted_ms)) = settled {
            self.shared.ack(self.upstream, mark, accepted_ms, now);
            self.tell_committer();
        }
    }

    /// A settled position moved. Where the queue is closed, the next start goes on before it and repeats.
    fn tell_committer(&self) {
        let _ = self.commands.send(Command::Acked);
    }

    /// Goes back to the first position not acked: what was read since will be read again.
    pub fn rewind_to_acked(&mut self) {
        self.pending.clear();
        self.shared.rewind(self.upstream);
    }

    /// The upstream was away, and may have lost what it answered last: what was settled within `queue.rewind` is not
    /// settled any more and will be read again, with all that was read since. Returns its samples.
    pub fn take_back(&mut self, now: Instant) -> u64 {
        let samples = self.shared.take_back(self.upstream, now);
        // Where nothing is to be repeated, what was read and not settled stays in the caller's hands.
        if samples > 0 {
            self.pending.clear();
        }
        samples
    }

    /// The settled position, and the end of what is durable.
    pub fn bounds(&self) -> (Position, Position) {
        let chain = self.shared.chain();
        (chain.cursor(self.upstream).acked.position, chain.durable().position)
    }

    /// When the first and the last record that was read and not acked were accepted, in milliseconds since the epoch.
    pub fn accepted_ms(&self) -> Option<(i64, i64)> {
        Some((self.pending.front()?.1, self.pending.back()?.1))
    }

    pub fn backlog(&self) -> Backlog {
        self.shared.backlog(self.upstream)
    }
}
