//! One push, from its head to its answer.

use super::body::{self, Length, Whole};
use super::limits::Limits;
use super::refused::Refused;
use super::routes::PushRoute;
use super::{Append, State, decode};
use crate::ingest;
use crate::model::Push;
use crate::telemetry::metrics::RouteLabel;
use hyper::Request;
use hyper::body::Incoming;
use hyper::http::request::Parts;
use std::sync::Arc;
use tokio::time::{Instant, timeout_at};

/// Takes a push: returns once it is durable, or refused with nothing of it kept.
pub(super) async fn take<A: Append>(
    state: &Arc<State<A>>,
    route: PushRoute,
    request: Request<Incoming>,
) -> Result<(), Refused> {
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
) -> Result<(), Refused> {
    let body_bytes = whole.bytes.len() as u64;
    let patience = limits.server.read_timeout;
    let deadline = Instant::now() + patience;
    let decoder =
        timeout_at(deadline, state.decoders.acquire()).await.map_err(|_| Refused::Busy(patience))?;
    let decoder = decoder.expect("BUG: it is never closed");
    let push = decode_off_the_runtime(route, head, whole, limits, accepted_ms)?;
    let samples = push.counts().all_samples();
    if !push.is_empty() {
        let reserving = limits.pushes.reserve(push.memory());
        let reservation = timeout_at(deadline, reserving).await.map_err(|_| Refused::Busy(patience))?;
        drop(decoder);
        state.appender.append(push, accepted_ms).await?;
        drop(reservation);
    }
    state.metrics.pushes_accepted.get_or_create(&RouteLabel { route: route.path() }).inc();
    state.metrics.samples_accepted.inc_by(samples);
    state.metrics.accepted_bytes.inc_by(body_bytes);
    Ok(())
}

/// Decoding is CPU work of up to some ten milliseconds: other tasks go on meanwhile. The body and its
/// memory are given back at its end.
fn decode_off_the_runtime(
    route: PushRoute,
    head: &Parts,
    whole: Whole,
    limits: &Limits,
    accepted_ms: i64,
) -> Result<Push, Refused> {
    let limits = ingest::Limits { unpacked_bytes: limits.server.max_body_bytes };
    let Whole { bytes, reservation } = whole;
    let decoded = tokio::task::block_in_place(|| decode::decode(route, head, bytes, limits, accepted_ms));
    drop(reservation);
    Ok(decoded?)
}
