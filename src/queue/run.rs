//! One contiguous run of records, read from the store.
//!
//! What cannot be read (a flipped bit, a lost block) is no error but a [`Gap`]: the running totals in the records around
//! it say how many samples it held.

use super::Position;
use super::interval::{IntervalDecoder, IntervalError};
use super::mark::Mark;
use super::merge::Merge;
use super::record::{Header, read_header};
use super::store::{Store, StoreError};

/// Bounds of one read; at least one record is returned, however large.
#[derive(Debug, Clone, Copy)]
pub struct ReadLimit {
    pub records: u64,
    /// Float and histogram samples.
    pub samples: u64,
    /// No record is added to a batch that would take this many bytes unpacked, about.
    pub bytes: usize,
}

/// Where a run comes from.
pub(super) struct Source<'a> {
    pub(super) store: &'a Store,
    pub(super) decoder: &'a mut IntervalDecoder,
}

/// Records of a run that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Gap {
    pub(super) from: Mark,
    pub(super) to: Mark,
    /// When the records before and behind it were accepted, in milliseconds since the epoch; none where they are not in
    /// the run.
    pub(super) after_ms: Option<i64>,
    pub(super) before_ms: Option<i64>,
    /// Why, in words.
    pub(super) cause: String,
}

/// A run of records being read.
pub(super) struct Run {
    pub(super) merge: Merge,
    /// Position of the first record taken.
    pub(super) first: Option<Position>,
    pub(super) records: u64,
    /// Behind each record, and when it was accepted.
    pub(super) pending: Vec<(Mark, i64)>,
    /// Where the run ends so far.
    pub(super) at: Mark,
    pub(super) samples: u64,
    /// What is missing, in order.
    pub(super) gaps: Vec<Gap>,
    /// The first damage met since the last gap, in words.
    damage: Option<String>,
    /// The store did not answer.
    failed: Option<StoreError>,
}

impl Run {
    /// Reads `from..to` up to `limit` into `merge`, which is empty. Damage is no error; a store that cannot be read now is.
    pub(super) fn read(
        source: &mut Source<'_>,
        (from, to): (Mark, Mark),
        limit: ReadLimit,
        merge: Merge,
    ) -> Result<Self, StoreError> {
        let mut run = Self {
            merge,
            first: None,
            records: 0,
            pending: Vec::new(),
            at: from,
            samples: 0,
            gaps: Vec::new(),
            damage: None,
            failed: None,
        };
        let mut next = from.position;
        let mut is_full = false;
        let scanned = source.store.scan(from.position, to.position, |position, record| {
            is_full = !run.take(source, position, record, &limit);
            next = position + 1;
            !is_full
        });
        match scanned {
            Ok(()) => {}
            Err(error) if error.is_corruption => {
                run.note(&error);
                is_full = !run.read_singly(source, next, to.position, &limit)?;
            }
            Err(error) => return Err(error),
        }
        if let Some(error) = run.failed.take() {
            return Err(error);
        }
        if !is_full {
            run.skip_to(to, None);
        }
        Ok(run)
    }

    /// Reads record by record: an iterator ends at a block that is damaged, these end at nothing. Returns false
    /// when the run is full.
    fn read_singly(
        &mut self,
        source: &mut Source<'_>,
        from: Position,
        to: Position,
        limit: &ReadLimit,
    ) -> Result<bool, StoreError> {
        for position in from..to {
            match source.store.get(position) {
                Ok(Some(record)) => {
                    if !self.take(source, position, &record, limit) {
                        return Ok(false);
                    }
                }
                Ok(None) => {}
                Err(error) if error.is_corruption => self.note(&error),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Takes a record in. Returns false, and leaves it for the next run, where the run is full.
    fn take(
        &mut self,
        source: &mut Source<'_>,
        position: Position,
        record: &[u8],
        limit: &ReadLimit,
    ) -> bool {
        let header = match read_header(record) {
            Ok(header) => header,
            Err(error) => {
                self.note(&error);
                return true;
            }
        };
        if self.records > 0 && self.would_exceed(&header, limit) {
            return false;
        }
        match source.decoder.decode(source.store, position, &header, record, &mut self.merge) {
            Ok(()) => self.add(position, &header, record.len()),
            Err(IntervalError::Damaged(error)) => self.note(&error),
            Err(IntervalError::Store(error)) => {
                self.failed = Some(error);
                return false;
            }
        }
        true
    }

    fn would_exceed(&self, header: &Header, limit: &ReadLimit) -> bool {
        self.records >= limit.records
            || self.samples + u64::from(header.samples) > limit.samples
            || self.merge.wire_bytes() >= limit.bytes
    }

    fn add(&mut self, position: Position, header: &Header, encoded_bytes: usize) {
        self.skip_to(header.mark(position), Some(header.accepted_ms));
        self.at = self.at.after(u64::from(header.samples), encoded_bytes as u64);
        self.first.get_or_insert(position);
        self.records += 1;
        self.samples += u64::from(header.samples);
        self.pending.push((self.at, header.accepted_ms));
    }

    /// Moves on to `mark`, where a record accepted at `before_ms` stands or the run ends. What lies before it and was not
    /// taken is lost.
    fn skip_to(&mut self, mark: Mark, before_ms: Option<i64>) {
        let cause = self.damage.take();
        if mark.position > self.at.position {
            let after_ms = self.pending.last().map(|(_, accepted_ms)| *accepted_ms);
            let cause = cause.unwrap_or_else(|| "missing in the log".into());
            self.gaps.push(Gap { from: self.at, to: mark, after_ms, before_ms, cause });
        }
        self.at = mark;
        // The run's last record takes the gap behind it along when it is acked.
        if let Some((last, _)) = self.pending.last_mut() {
            *last = mark;
        }
    }

    fn note(&mut self, damage: &dyn std::fmt::Display) {
        self.damage.get_or_insert_with(|| damage.to_string());
    }
}
