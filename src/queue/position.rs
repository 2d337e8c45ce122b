//! The one chain that positions stand in.

use super::Backlog;
use super::mark::Mark;
use super::recent::Recent;
use std::time::{Duration, Instant};

/// The place nearest to `mark` between `from` and `to`.
fn clamp(mark: Mark, from: Mark, to: Mark) -> Mark {
    if mark.position > to.position { to } else { mark.max(from) }
}

/// One upstream's two places in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// Everything before it is settled for this upstream.
    pub acked: Mark,
    /// Where this upstream reads on.
    pub read: Mark,
    /// When the first record not settled was accepted, in milliseconds since the epoch. Between an ack and the
    /// next read it is when the last record settled was: a lower bound. None when nothing is pending.
    pub oldest_accepted_ms: Option<i64>,
}

impl Cursor {
    pub fn at(acked: Mark, oldest_accepted_ms: Option<i64>) -> Self {
        Self { acked, read: acked, oldest_accepted_ms }
    }
}

/// The chain of positions. Every change goes through a method here, and each ends in [`Chain::check`]:
///
/// ```text
/// trimmed ≤ acked ≤ read ≤ durable ≤ next
/// ```
#[derive(Debug, Clone)]
pub struct Chain {
    /// The first record kept.
    trimmed: Mark,
    /// Behind the last record that is synced: what readers may see.
    durable: Mark,
    /// Where the next record goes: ahead of `durable` while a commit group is written.
    next: Mark,
    /// One for each upstream, in the order given to [`Chain::new`].
    cursors: Vec<Cursor>,
    /// What each of them settled lately, in the same order.
    recent: Vec<Recent>,
}

impl Chain {
    /// A chain as found on disk. A cursor outside the kept range is moved into it. `window` is how far back a
    /// rewind goes.
    pub fn new(trimmed: Mark, durable: Mark, mut cursors: Vec<Cursor>, window: Duration) -> Self {
        for cursor in &mut cursors {
            *cursor = Cursor::at(clamp(cursor.acked, trimmed, durable), cursor.oldest_accepted_ms);
        }
        let recent = cursors.iter().map(|cursor| Recent::new(window, cursor.acked)).collect();
        let chain = Self { trimmed, durable, next: durable, cursors, recent };
        chain.check();
        chain
    }

    pub fn trimmed(&self) -> Mark {
        self.trimmed
    }

    pub fn durable(&self) -> Mark {
        self.durable
    }

    pub fn next(&self) -> Mark {
        self.next
    }

    pub fn cursor(&self, upstream: usize) -> &Cursor {
        &self.cursors[upstream]
    }

    pub fn cursors(&self) -> &[Cursor] {
        &self.cursors
    }

    /// The first record that some upstream still needs: it has not settled it, or may want it again.
    pub fn needed(&mut self, now: Instant) -> Mark {
        let bases = self.recent.iter_mut().map(|recent| recent.base(now));
        bases.min_by_key(|mark| mark.position).unwrap_or(self.durable)
    }

    /// A commit group is being written that ends at `end`.
    pub fn append(&mut self, end: Mark) {
        self.next = self.next.max(end);
        self.check();
    }

    /// Everything appended is synced. `oldest_accepted_ms` is of the first record that became durable.
    pub fn commit(&mut self, oldest_accepted_ms: i64) {
        let before = self.durable;
        self.durable = self.next;
        for cursor in &mut self.cursors {
            if cursor.acked.position == before.position && before.position < self.durable.position {
                cursor.oldest_accepted_ms = Some(oldest_accepted_ms);
            }
        }
        self.check();
    }

    /// The write of everything appended and not committed failed: it never was.
    pub fn abandon(&mut self) {
        self.next = self.durable;
        self.check();
    }

    /// An upstream read up to `end`; the first record it was given was accepted at `oldest_accepted_ms`.
    pub fn read(&mut self, upstream: usize, end: Mark, oldest_accepted_ms: i64) {
        let cursor = &mut self.cursors[upstream];
        if end.position > cursor.read.position {
            if cursor.read.position == cursor.acked.position {
                cursor.oldest_accepted_ms = Some(oldest_accepted_ms);
            }
            cursor.read = end;
        }
        self.check();
    }

    /// An upstream settled everything before `end`; the last of it was accepted at `accepted_ms`. Where
    /// retention was faster, nothing changes.
    pub fn ack(&mut self, upstream: usize, end: Mark, accepted_ms: i64, now: Instant) {
        let durable = self.durable.position;
        let cursor = &mut self.cursors[upstream];
        if end.position > cursor.acked.position {
            cursor.acked = end;
            cursor.read = cursor.read.max(end);
            cursor.oldest_accepted_ms = (end.position < durable).then_some(accepted_ms);
            self.recent[upstream].settled(now, end);
        }
        self.check();
    }

    /// An upstream is away: what it settled within the window counts as not settled, and will be read again. Returns
    /// where that begins; the caller knows when its record was accepted, see [`Chain::accepted`].
    pub fn take_back(&mut self, upstream: usize, now: Instant) -> Mark {
        let cursor = &mut self.cursors[upstream];
        let from = self.recent[upstream].rewind(now, cursor.acked);
        if from.position < cursor.acked.position {
            (cursor.acked, cursor.read) = (from, from);
        }
        self.check();
        from
    }

    /// The first record not settled by an upstream was accepted at `accepted_ms`, or later.
    pub fn accepted(&mut self, upstream: usize, accepted_ms: i64) {
        let cursor = &mut self.cursors[upstream];
        cursor.oldest_accepted_ms = (cursor.acked.position < self.durable.position).then_some(accepted_ms);
    }

    /// What was read and not settled will be read again.
    pub fn rewind(&mut self, upstream: usize) {
        let cursor = &mut self.cursors[upstream];
        cursor.read = cursor.acked;
        self.check();
    }

    /// Gives up everything before `first`, whose record was accepted at `accepted_ms` if there is one. Returns
    /// for each upstream how many samples it had not settled.
    pub fn trim(&mut self, first: Mark, accepted_ms: Option<i64>) -> Vec<u64> {
        self.trimmed = self.trimmed.max(first);
        let mut lost = Vec::with_capacity(self.cursors.len());
        for cursor in &mut self.cursors {
            lost.push(first.samples.saturating_sub(cursor.acked.samples));
            if first.position > cursor.acked.position {
                cursor.acked = first;
                cursor.read = cursor.read.max(first);
                cursor.oldest_accepted_ms = accepted_ms;
            }
        }
        self.recent.iter_mut().for_each(|recent| recent.trim(first));
        self.check();
        lost
    }

    /// What an upstream has not settled.
    pub fn backlog(&self, upstream: usize) -> Backlog {
        let Cursor { acked, oldest_accepted_ms, .. } = self.cursors[upstream];
        Backlog {
            records: self.durable.position - acked.position,
            samples: self.durable.samples - acked.samples,
            bytes: self.durable.bytes - acked.bytes,
            oldest_accepted_ms,
        }
    }

    /// Asserts the chain. A violation is a bug that would lose or repeat data: it must not go on.
    fn check(&self) {
        let Self { trimmed, durable, next, cursors, recent: _ } = self;
        assert!(durable.position <= next.position, "BUG: durable beyond next: {self:?}");
        assert!(trimmed.position <= durable.position, "BUG: trimmed beyond durable: {self:?}");
        for cursor in cursors {
            assert!(trimmed.position <= cursor.acked.position, "BUG: acked before trimmed: {self:?}");
            assert!(cursor.acked.position <= cursor.read.position, "BUG: read before acked: {self:?}");
            assert!(cursor.read.position <= durable.position, "BUG: read beyond durable: {self:?}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::Position;
    use proptest::prelude::*;

    fn mark(position: Position) -> Mark {
        Mark { position, samples: position * 10, bytes: position * 100 }
    }

    fn chain(trimmed: Mark, durable: Mark, cursors: Vec<Cursor>) -> Chain {
        Chain::new(trimmed, durable, cursors, Duration::from_secs(10))
    }

    #[derive(Debug, Clone)]
    enum Step {
        Commit(u64),
        Abandon(u64),
        Read(usize, u64),
        Ack(usize, u64),
        Rewind(usize),
        TakeBack(usize),
        Trim(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0..5u64).prop_map(Step::Commit),
            (0..5u64).prop_map(Step::Abandon),
            (0..2usize, 0..6u64).prop_map(|(upstream, by)| Step::Read(upstream, by)),
            (0..2usize, 0..6u64).prop_map(|(upstream, by)| Step::Ack(upstream, by)),
            (0..2usize).prop_map(Step::Rewind),
            (0..2usize).prop_map(Step::TakeBack),
            (0..40u64).prop_map(Step::Trim),
        ]
    }

    proptest! {
        /// Every step that the queue can take keeps the chain (each method asserts it), and what a trim says
        /// it lost is what was not settled.
        #[test]
        fn any_history_keeps_the_chain(steps in prop::collection::vec((step(), 0..4_000u64), 0..60)) {
            let mut chain = chain(mark(0), mark(0), vec![Cursor::at(mark(0), None); 2]);
            let mut now = Instant::now();
            for (step, ms) in steps {
                now += Duration::from_millis(ms);
                let durable = chain.durable().position;
                match step {
                    Step::Commit(records) => {
                        chain.append(mark(durable + records));
                        chain.commit(1);
                    }
                    Step::Abandon(records) => {
                        chain.append(mark(durable + records));
                        chain.abandon();
                    }
                    Step::Read(upstream, by) => {
                        let end = (chain.cursor(upstream).read.position + by).min(durable);
                        chain.read(upstream, mark(end), 2);
                    }
                    Step::Ack(upstream, by) => {
                        let end = (chain.cursor(upstream).acked.position + by).min(durable);
                        chain.ack(upstream, mark(end), 3, now);
                    }
                    Step::Rewind(upstream) => chain.rewind(upstream),
                    Step::TakeBack(upstream) => {
                        let needed = chain.needed(now);
                        let from = chain.take_back(upstream, now);
                        chain.accepted(upstream, 5);
                        prop_assert!(from.position >= needed.position, "what may be read again is kept");
                    }
                    Step::Trim(first) => {
                        let first = first.min(durable);
                        let expected: Vec<_> = (0..2)
                            .map(|upstream| first.saturating_sub(chain.cursor(upstream).acked.position) * 10)
                            .collect();
                        prop_assert_eq!(chain.trim(mark(first), (first < durable).then_some(4)), expected);
                    }
                }
                for upstream in 0..2 {
                    let backlog = chain.backlog(upstream);
                    prop_assert_eq!(backlog.samples, backlog.records * 10);
                    prop_assert_eq!(backlog.oldest_accepted_ms.is_some(), backlog.records > 0, "{:?}", chain);
                }
            }
        }
    }

    #[test]
    fn a_cursor_from_outside_the_kept_range_is_moved_into_it() {
        let cursors = [2, 7, 12].map(|at| Cursor::at(mark(at), None)).to_vec();
        let mut chain = chain(mark(5), mark(10), cursors);
        let acked: Vec<_> = chain.cursors().iter().map(|cursor| cursor.acked.position).collect();
        assert_eq!(acked, [5, 7, 10]);
        assert_eq!(chain.needed(Instant::now()), mark(5));
    }

    #[test]
    #[should_panic(expected = "BUG: read beyond durable")]
    fn reading_what_is_not_durable_is_a_bug() {
        chain(mark(0), mark(0), vec![Cursor::at(mark(0), None)]).read(0, mark(1), 0);
    }
}
