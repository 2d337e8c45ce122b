//! Reads a request's body within its limits.

use super::limits::Reservation;
use super::refused::Refused;
use http_body_util::BodyExt;
use hyper::HeaderMap;
use hyper::body::{Body, Incoming};
use hyper::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use std::error::Error;
use std::io;
use std::time::Duration;
use tokio::time::{Instant, timeout, timeout_at};

/// What a chunked body reserves before its first byte, and by which it grows at least.
const CHUNKED_STEP_BYTES: usize = 256 * 1024;

/// How long the body is, as far as its head says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Length {
    Declared(usize),
    Chunked,
}

impl Length {
    /// Checks what the head declares against `limit`, before anything of the body is read.
    pub(super) fn of(headers: &HeaderMap, body: &Incoming, limit: usize) -> Result<Self, Refused> {
        if headers.contains_key(TRANSFER_ENCODING) {
            return Ok(Self::Chunked);
        }
        if !headers.contains_key(CONTENT_LENGTH) {
            return Err(Refused::NoLength);
        }
        let declared = body.size_hint().lower();
        match usize::try_from(declared) {
            Ok(declared) if declared <= limit => Ok(Self::Declared(declared)),
            _ => Err(Refused::TooLarge { limit }),
        }
    }

    /// Memory to reserve before reading.
    pub(super) fn first_bytes(self, limit: usize) -> usize {
        match self {
            Self::Declared(length) => length,
            Self::Chunked => CHUNKED_STEP_BYTES.min(limit),
        }
    }
}

/// A body read to its end, and the memory it takes.
pub(super) struct Whole {
    pub(super) bytes: Vec<u8>,
    pub(super) reservation: Reservation,
}

/// Reads the whole body, of at most `limit` bytes.
///
/// It has `patience` to arrive. `reservation` covers [`Length::first_bytes`]; a chunked body that turns out
/// longer reserves more as it comes, and waits for that up to `patience` in all, which does not count as its
/// own slowness. Bodies that do so can wait for each other; the first whose patience ends gives way.
pub(super) async fn read(
    mut body: Incoming,
    length: Length,
    mut reservation: Reservation,
    limit: usize,
    patience: Duration,
) -> Result<Whole, Refused> {
    let mut deadline = Instant::now() + patience;
    let mut waited = Duration::ZERO;
    let mut bytes = Vec::with_capacity(length.first_bytes(limit));
    loop {
        let frame = match timeout_at(deadline, body.frame()).await {
            Err(_) => return Err(Refused::TimedOut { after: patience, received: bytes.len() }),
            Ok(None) => break,
            Ok(Some(Err(error))) => return Err(broken(&error, bytes.len())),
            Ok(Some(Ok(frame))) => frame,
        };
        // Trailers say nothing that a push needs.
        let Ok(data) = frame.into_data() else { continue };
        let needed = bytes.len() + data.len();
        if needed > limit {
            return Err(Refused::TooLarge { limit });
        }
        if needed > reservation.bytes() {
            let more = (needed * 2).clamp(CHUNKED_STEP_BYTES, limit.max(needed));
            let began = Instant::now();
            let growing = timeout(patience.saturating_sub(waited), reservation.grow_to(more));
            growing.await.map_err(|_| Refused::Busy(patience))?;
            waited += began.elapsed();
            deadline += began.elapsed();
            bytes.reserve_exact(more - bytes.len());
        }
        bytes.extend_from_slice(&data);
    }
    Ok(Whole { bytes, reservation })
}

/// Tells a body cut short from one whose chunks make no sense.
fn broken(error: &hyper::Error, received: usize) -> Refused {
    let cause = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    match cause {
        Some(cause) if matches!(cause.kind(), io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput) => {
            Refused::BadChunk(cause.to_string())
        }
        _ => Refused::Truncated { received },
    }
}

/// Waits for what a body `needs` before it is read, until `deadline`, which ends in `late`, or until the server ends.
pub(super) async fn wait_for<T>(
    needs: impl Future<Output = T>,
    (deadline, late): (Instant, Refused),
    drain_begins: impl Future<Output = ()>,
) -> Result<T, Refused> {
    tokio::select! {
        biased;
        got = needs => Ok(got),
        () = drain_begins => Err(Refused::ShuttingDown),
        () = tokio::time::sleep_until(deadline) => Err(late),
    }
}
