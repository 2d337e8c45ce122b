//! Decodes records wherever reading begins: a record depends on those before it in its interval, so these are read
//! first where they were not.

use super::Position;
use super::columns::{Decoder, Nothing, Sink};
use super::merge::Merge;
use super::record::{self, Header, RecordError, read_header};
use super::store::{Store, StoreError};

/// Why a record was not decoded.
#[derive(Debug, thiserror::Error)]
pub(super) enum IntervalError {
    /// It is lost, or what it depends on is.
    #[error(transparent)]
    Damaged(#[from] RecordError),
    /// The store did not answer; what is on disk may be in order.
    #[error(transparent)]
    Store(StoreError),
}

/// Keeps its place between reads, so that reading on costs nothing extra.
pub(super) struct IntervalDecoder {
    columns: Decoder,
    /// Restart point of the interval that is being read, and the record that comes next in it.
    restart: Position,
    next: Position,
    /// Restart point of an interval that cannot be read to its end, and where that begins.
    broken: Option<(Position, Position)>,
}

impl IntervalDecoder {
    pub(super) fn new() -> Self {
        Self { columns: Decoder::new(), restart: 0, next: 0, broken: None }
    }

    /// Decodes the record at `position`, whose header was read, into `merge`. After an error nothing of it is there.
    pub(super) fn decode(
        &mut self,
        store: &Store,
        position: Position,
        header: &Header,
        record: &[u8],
        merge: &mut Merge,
    ) -> Result<(), IntervalError> {
        let restart = position.checked_sub(header.since_restart.into()).ok_or(RecordError::Interval)?;
        if self.broken.is_some_and(|(broken, from)| broken == restart && from <= position) {
            return Err(RecordError::Interval.into());
        }
        if restart == position {
            self.begin(restart);
            merge.begin_interval();
        } else if self.restart != restart || self.next != position {
            self.read_up_to(store, restart, position)?;
            merge.begin_interval();
        }
        merge.begin_record();
        let stepped = self.step(position, header, record, merge);
        if stepped.is_err() {
            merge.roll_back();
        }
        stepped
    }

    fn begin(&mut self, restart: Position) {
        self.columns.restart();
        self.restart = restart;
        self.next = restart;
    }

    /// Reads the interval from its restart point up to `position`.
    fn read_up_to(
        &mut self,
        store: &Store,
        restart: Position,
        position: Position,
    ) -> Result<(), IntervalError> {
        self.begin(restart);
        let mut failed = None;
        let scanned = store.scan(restart, position, |at, record| {
            let stepped = read_header(record).map_err(IntervalError::from).and_then(|header| {
                if at != self.next || at - restart != u64::from(header.since_restart) {
                    return Err(RecordError::Interval.into());
                }
                self.step(at, &header, record, &mut Nothing)
            });
            failed = stepped.err();
            failed.is_none()
        });
        match (scanned, failed) {
            (Err(error), _) if !error.is_corruption => Err(IntervalError::Store(error)),
            (Ok(()), None) if self.next == position => Ok(()),
            _ => {
                self.broken = Some((restart, self.next));
                Err(RecordError::Interval.into())
            }
        }
    }

    fn step(
        &mut self,
        position: Position,
        header: &Header,
        record: &[u8],
        sink: &mut impl Sink,
    ) -> Result<(), IntervalError> {
        let (payload, wire_len) = (record::payload(record), header.wire_len as usize);
        let decoded = self.columns.decode_into(payload, header.accepted_ms, wire_len, sink);
        match decoded {
            Ok(()) => self.next = position + 1,
            Err(_) => self.broken = Some((self.restart, position)),
        }
        Ok(decoded.map_err(RecordError::Payload)?)
    }
}
