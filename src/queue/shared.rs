//! What the committer, the readers and the status share: the chain, the segment table, the first failure.

use super::position::{Chain, Cursor, Mark};
use super::retention::{self, Limits};
use super::segment::Segment;
use super::{Backlog, Position};
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard};
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
    failure: Option<String>,
}

/// What a release takes out of the log.
pub(super) struct Released {
    pub(super) segments: Vec<Segment>,
    /// Those of `segments` that some upstream had not settled.
    pub(super) dropped: Vec<Segment>,
    /// The first record kept.
    pub(super) keep_from: Mark,
    /// Samples that each upstream had not settled.
    pub(super) lost: Vec<u64>,
}

/// Where a reader may read.
pub(super) struct Readable {
    pub(super) from: Mark,
    pub(super) to: Mark,
}

impl Shared {
    /// `segments` as found on disk, contiguous; `cursors` in the order of `upstreams`.
    pub(super) fn new(upstreams: Vec<String>, segments: Vec<Segment>, cursors: Vec<Cursor>) -> Self {
        assert_eq!(upstreams.len(), cursors.len(), "BUG: a cursor for each upstream");
        let mut segments = VecDeque::from(segments);
        let trimmed = segments.front().map_or(Mark::default(), |segment| segment.start);
        let durable = segments.back().map_or(Mark::default(), |segment| segment.end);
        // What a codec remembers of a segment is not on disk: after a start, a new one begins.
        if segments.back().is_none_or(|last| !last.is_empty()) {
            segments.push_back(Segment::begin(durable));
        }
        let chain = Chain::new(trimmed, durable, cursors);
        Self {
            upstreams,
            state: Mutex::new(State { chain, segments, failure: None }),
            durable: watch::Sender::new(durable.position),
        }
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

    /// The group is synced: `touched` are the segments it wrote to, the first of them the active one till now.
    pub(super) fn committed(&self, touched: &[Segment], oldest_accepted_ms: i64) {
        let durable = {
            let mut state = self.state();
            state.segments.pop_back();
            state.segments.extend(touched);
            state.chain.commit(oldest_accepted_ms);
            state.chain.durable().position
        };
        self.durable.send_replace(durable);
    }

    /// Takes out of the log what the limits and the settled positions say; none where there is nothing.
    pub(super) fn release(&self, limits: &Limits) -> Option<Released> {
        let mut state = self.state();
        let State { chain, segments, .. } = &mut *state;
        let decision = retention::decide(segments, chain, limits);
        let keep_from = decision.keep_from;
        let count = segments.iter().take_while(|segment| segment.start.position < keep_from.position).count();
        if count == 0 {
            return None;
        }
        let released: Vec<_> = segments.drain(..count).collect();
        let is_dropped = |segment: &&Segment| segment.end.position <= decision.drop_before.position;
        let dropped = released.iter().filter(is_dropped).copied().collect();
        let first = segments.front().filter(|segment| !segment.is_empty());
        let lost = chain.trim(keep_from, first.map(|segment| segment.first_accepted_ms));
        Some(Released { segments: released, dropped, keep_from, lost })
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

    pub(super) fn ack(&self, upstream: usize, end: Mark, accepted_ms: i64) {
        self.state().chain.ack(upstream, end, accepted_ms);
    }

    pub(super) fn rewind(&self, upstream: usize) {
        self.state().chain.rewind(upstream);
    }

    pub(super) fn backlog(&self, upstream: usize) -> Backlog {
        self.state().chain.backlog(upstream)
    }
}
