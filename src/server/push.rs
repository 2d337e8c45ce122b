//! One push, from its head to its answer.

use super::body::{self, Length, Whole};
use super::decode::{self, Decoded};
use super::limits::Limits;
use super::refused::Refused;
use super::routes::PushRoute;
use super::{Append, State};
use crate::ingest;
use crate::model::Counts;
use crate::telemetry::metrics::RouteLabel;
use hyper::Request;
use hyper::body::Incoming;
use hyper::http::request::Parts;
use std::sync::Arc;
use tokio::time::{Instant, timeout_at};

/// Takes a push: returns what it holds once it is durable, or why it was refused with nothing of it kept.
pub(super) async fn take<A: Append>(
    state: &Arc<State<A>>,
    route: PushRoute,
    request: Request<Incoming>,
) -> Result<Counts, Refused> {
    let accepted_ms = (state.clock)();
    if state.is_draining() {
        return Err(Refused::ShuttingDown);
    }
    let limits = state.limits();
    let limit = limits.server.max_body_bytes;
    let patience = limits.server.read_timeout;
    let (head, incoming) = request.into_parts();
    let length = Length::of(&head.headers, &incoming, limit)?;
    let first = length.first_bytes(limit);
    let reservation = body::reserve(&limits.bodies, first, patience, state.drain_begins()).await?;
    let whole = body::read(incoming, length, reservation, limit, patience).await?;

    // On its own, so that a pusher that goes away now neither leaves a decoded push uncounted nor gives its
    // memory back while the queue still holds it.
    let state = state.clone();
    let stored = tokio::spawn(async move { store(&state, route, &head, whole, &limits, accepted_ms).await });
    stored.await.unwrap_or_else(|panic| {
        tracing::error!(%panic, "a push was refused by a fault of the agent");
        Err(Refused::Internal)
    })
}

/// Decodes and appends a body that arrived whole.
async fn store<A: Append>(
    state: &State<A>,
    route: PushRoute,
    head: &Parts,
    whole: Whole,
    limits: &Limits,
    accepted_ms: i64,
) -> Result<Counts, Refused> {
    let body_bytes = whole.bytes.len() as u64;
    let patience = limits.server.read_timeout;
    let deadline = Instant::now() + patience;
    let decoder =
        timeout_at(deadline, state.decoders.acquire()).await.map_err(|_| Refused::Busy(patience))?;
    let decoder = decoder.expect("BUG: it is never closed");
    let wants_metadata = |field: &[u8]| state.metadata.is_due(field, accepted_ms);
    let Decoded { push, not_carried } =
        decode_off_the_runtime(route, head, whole, limits, accepted_ms, wants_metadata)?;
    let counts = push.counts();
    if !push.is_empty() {
        let reserving = limits.pushes.reserve(push.memory());
        let reservation = timeout_at(deadline, reserving).await.map_err(|_| Refused::Busy(patience))?;
        drop(decoder);
        state.appender.append(push, accepted_ms).await?;
        drop(reservation);
    }
    state.metrics.pushes_accepted.get_or_create(&RouteLabel { route: route.path() }).inc();
    state.metrics.samples_accepted.inc_by(counts.all_samples());
    state.metrics.accepted_bytes.inc_by(body_bytes);
    state.metrics.start_timestamps_dropped.inc_by(not_carried.start_timestamps);
    Ok(counts)
}

/// Decoding is CPU work of up to some ten milliseconds: other tasks go on meanwhile. The body and its
/// memory are given back at its end.
fn decode_off_the_runtime(
    route: PushRoute,
    head: &Parts,
    whole: Whole,
    limits: &Limits,
    accepted_ms: i64,
    wants_metadata: impl FnMut(&[u8]) -> bool,
) -> Result<Decoded, Refused> {
    let limits = ingest::Limits { unpacked_bytes: limits.server.max_body_bytes };
    let Whole { bytes, reservation } = whole;
    let decoded = tokio::task::block_in_place(|| {
        decode::decode(route, head, bytes, limits, accepted_ms, wants_metadata)
    });
    drop(reservation);
    Ok(decoded?)
}
