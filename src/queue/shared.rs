//! What the committer, the readers and the status share: the chain, the segment table, the first failure.

use super::mark::Mark;
use super::position::{Chain, Cursor};
use super::retention::{self, Limits};
use super::segment::{self, Segment};
use super::{Backlog, Position};
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// Held for the length of a few assignments, never across I/O.
pub(super) struct Shared {
    /// Names of the upstreams, in the order of the chain's cursors.
    upstreams: Vec<String>,
    state: Mutex<State>,
    /// Wakes the readers; the value is the durable position.
    durable: watch::Sender<Position>,
}

struct State {
    chain: Chain,
    /// Contiguous, never empty; the last one is being written to.
    segments: VecDeque<Segment>,
    /// Why nothing is stored any more.
    failure: Option<String>,
    /// Why nothing is stored for now.
    refusal: Option<String>,
    /// Since when something is written and not synced.
    unsynced_since: Option<Instant>,
}

/// What a release takes out of the log.
pub(super) struct Released {
    pub(super) segments: Vec<Segment>,
    /// What of it was taken though it was not settled.
    pub(super) dropped: Vec<Dropped>,
    /// The first record kept.
    pub(super) keep_from: Mark,
}

/// Segments that a policy took out of the log.
pub(super) struct Dropped {
    /// Value of the label `reason` of `pmm_buffer_samples_dropped_total`.
    pub(super) reason: &'static str,
    /// Samples that each upstream had not settled.
    pub(super) lost: Vec<u64>,
    /// When they were accepted, in milliseconds since the epoch.
    pub(super) from_ms: i64,
    pub(super) to_ms: i64,
}

/// Where a reader may read.
pub(super) struct Readable {
    pub(super) from: Mark,
    pub(super) to: Mark,
}

impl Shared {
    /// `segments` as found on disk, contiguous; `cursors` in the order of `upstreams`.
    pub(super) fn new(
        upstreams: Vec<String>,
        segments: Vec<Segment>,
        cursors: Vec<Cursor>,
        rewind: Duration,
    ) -> Self {
        assert_eq!(upstreams.len(), cursors.len(), "BUG: a cursor for each upstream");
        let mut segments = VecDeque::from(segments);
        let trimmed = segments.front().map_or(Mark::default(), |segment| segment.start);
        let durable = segments.back().map_or(Mark::default(), |segment| segment.end);
        // What a codec remembers of a segment is not on disk: after a start, a new one begins.
        if segments.back().is_none_or(|last| !last.is_empty()) {
            segments.push_back(Segment::begin(durable));
        }
        let chain = Chain::new(trimmed, durable, cursors, rewind);
        let state = State { chain, segments, failure: None, refusal: None, unsynced_since: None };
        Self { upstreams, state: Mutex::new(state), durable: watch::Sender::new(durable.position) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic under this lock is a broken chain. What follows it would be built on that.
        self.state.lock().expect("BUG: the chain was broken before")
    }

    pub(super) fn upstreams(&self) -> &[String] {
        &self.upstreams
    }

    /// Why nothing is stored any more, if that is so.
    pub(super) fn failure(&self) -> Option<String> {
        self.state().failure.clone()
    }

    /// Why a push would not be stored now, if that is so.
    pub(super) fn unavailable(&self) -> Option<String> {
        let state = self.state();
        state.failure.as_ref().or(state.refusal.as_ref()).cloned()
    }

    /// Sets or clears why nothing is stored for now. Returns true where that changed.
    pub(super) fn set_refusal(&self, refusal: Option<&str>) -> bool {
        let mut state = self.state();
        let is_change = state.refusal.is_some() != refusal.is_some();
        state.refusal = refusal.map(str::to_owned);
        is_change
    }

    pub(super) fn set_unsynced_since(&self, since: Option<Instant>) {
        self.state().unsynced_since = since;
    }

    /// Since when something is written and not synced; none where all is.
    pub(super) fn unsynced_since(&self) -> Option<Instant> {
        self.state().unsynced_since
    }

    /// When the records of the segments that `from..to` touches were accepted, first and last: as near as the table knows.
    pub(super) fn accepted_between(&self, from: Position, to: Position) -> (i64, i64) {
        segment::accepted_between(&self.state().segments, from, to)
    }

    /// Encoded bytes of the records kept.
    pub(super) fn live_bytes(&self) -> u64 {
        let state = self.state();
        let first = state.segments.front().map_or(0, |segment| segment.start.bytes);
        state.chain.durable().bytes - first
    }

    /// Keeps the first failure. Returns false where there was one.
    pub(super) fn set_failure(&self, failure: &str) -> bool {
        let mut state = self.state();
        let is_first = state.failure.is_none();
        state.failure.get_or_insert_with(|| failure.to_owned());
        is_first
    }

    pub(super) fn active_segment(&self) -> Segment {
        *self.state().segments.back().expect("BUG: the table is never empty")
    }

    pub(super) fn chain(&self) -> Chain {
        self.state().chain.clone()
    }

    pub(super) fn durable(&self) -> Mark {
        self.state().chain.durable()
    }

    /// Settled positions, in the order of the upstreams.
    pub(super) fn acked(&self) -> Vec<Mark> {
        self.state().chain.cursors().iter().map(|cursor| cursor.acked).collect()
    }

    /// A commit group that ends at `end` is about to be written.
    pub(super) fn appending(&self, end: Mark) {
        self.state().chain.append(end);
    }

    /// The group failed.
    pub(super) fn abandoned(&self) {
        self.state().chain.abandon();
    }

    /// The group is synced: `touched` are the segments it wrote to, the first of them the active one till now. The readers may
    /// read it, and are woken by [`Shared::wake_readers`].
    pub(super) fn committed(&self, touched: &[Segment], oldest_accepted_ms: i64) {
        let mut state = self.state();
        state.segments.pop_back();
        state.segments.extend(touched);
        state.chain.commit(oldest_accepted_ms);
    }

    /// Tells the readers how far the log reaches now.
    pub(super) fn wake_readers(&self) {
        let durable = self.durable().position;
        self.durable.send_replace(durable);
    }

    /// Takes out of the log what the limits say and what nobody needs; none where there is nothing.
    pub(super) fn release(&self, limits: &Limits, now: Instant, now_ms: i64) -> Option<Released> {
        let mut state = self.state();
        let State { chain, segments, .. } = &mut *state;
        let needed = chain.needed(now).position;
        let decision = retention::decide(segments, needed, limits, now_ms);
        let keep_from = decision.keep_from;
        let count = segments.iter().take_while(|segment| segment.start.position < keep_from.position).count();
        if count == 0 {
            return None;
        }
        let released: Vec<_> = segments.drain(..count).collect();
        let first = segments.front().filter(|segment| !segment.is_empty());
        let first_ms = first.map(|segment| segment.first_accepted_ms);
        let mut dropped = Vec::new();
        for (reason, before) in [("max_age", decision.too_old_before), ("max_bytes", decision.full_before)] {
            let gone = released.iter().filter(|segment| {
                segment.end.position <= before.position && segment.start.position >= chain.trimmed().position
            });
            let from_ms = gone.clone().map(|segment| segment.first_accepted_ms).min();
            let to_ms = gone.map(|segment| segment.last_accepted_ms).max();
            if let (Some(from_ms), Some(to_ms)) = (from_ms, to_ms) {
                dropped.push(Dropped { reason, lost: chain.trim(before, first_ms), from_ms, to_ms });
            }
        }
        let lost: u64 = chain.trim(keep_from, first_ms).iter().sum();
        assert_eq!(lost, 0, "BUG: what is not settled goes by a policy only");
        Some(Released { segments: released, dropped, keep_from })
    }

    /// A receiver that hears of every commit.
    pub(super) fn watch(&self) -> watch::Receiver<Position> {
        self.durable.subscribe()
    }

    pub(super) fn readable(&self, upstream: usize) -> Readable {
        let state = self.state();
        Readable { from: state.chain.cursor(upstream).read, to: state.chain.durable() }
    }

    /// Moves a reader on to `end`. Returns false, and moves nothing, where what it read from `from` on was
    /// dropped in the meantime.
    pub(super) fn read(&self, upstream: usize, from: Mark, end: Mark, oldest_accepted_ms: i64) -> bool {
        let mut state = self.state();
        if state.chain.trimmed().position > from.position {
            return false;
        }
        state.chain.read(upstream, end, oldest_accepted_ms);
        true
    }

    pub(super) fn ack(&self, upstream: usize, end: Mark, accepted_ms: i64, now: Instant) {
        self.state().chain.ack(upstream, end, accepted_ms, now);
    }

    /// Makes what an upstream settled lately unsettled again. Returns how many samples that are.
    pub(super) fn take_back(&self, upstream: usize, now: Instant) -> u64 {
        let mut state = self.state();
        let State { chain, segments, .. } = &mut *state;
        let before = chain.cursor(upstream).acked;
        let from = chain.take_back(upstream, now);
        if from == before {
            return 0;
        }
        let segment = segments.iter().find(|segment| segment.end.position > from.position);
        if let Some(segment) = segment {
            chain.accepted(upstream, segment.first_accepted_ms);
        }
        before.samples - from.samples
    }

    pub(super) fn rewind(&self, upstream: usize) {
        self.state().chain.rewind(upstream);
    }

    pub(super) fn backlog(&self, upstream: usize) -> Backlog {
        self.state().chain.backlog(upstream)
    }
}
