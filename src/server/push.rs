//! One push, from its head to its answer.

use super::body::{self, Length, Whole};
use super::decode::{self, Decoded};
use super::limits::Limits;
use super::refused::Refused;
use super::routes::PushRoute;
use super::{Append, State};
use crate::model::Counts;
use crate::telemetry::metrics::RouteLabel;
use hyper::Request;
use hyper::body::Incoming;
use hyper::http::request::Parts;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::time::{Instant, timeout_at};

/// Takes a push: returns what it holds once it is durable, or why it was refused with nothing of it kept.
pub(super) async fn take<A: Append>(
    state: &Arc<State<A>>,
    peer: SocketAddr,
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
    let deadline = Instant::now() + patience;
    let crowded = Refused::Crowded { most: limits.server.max_bodies, after: patience };
    let place = body::wait_for(limits.place(), (deadline, crowded), state.drain_begins()).await?;
    let reserving = limits.bodies.reserve(length.first_bytes(limit));
    let reservation =
        body::wait_for(reserving, (deadline, Refused::Busy(patience)), state.drain_begins()).await?;
    let whole = body::read(incoming, length, reservation, limit, patience).await?;

    // On its own, so that a pusher that goes away now neither leaves a decoded push uncounted nor gives its
    // memory back while the queue still holds it.
    let state = state.clone();
    let stored = tokio::spawn(async move {
        let request = Pushed { peer, route, head: &head, accepted_ms };
        let stored = store(&state, &request, whole, &limits).await;
        drop(place);
        stored
    });
    stored.await.unwrap_or_else(|panic| {
        tracing::error!(%panic, "a push was refused by a fault of the agent");
        Err(Refused::Internal)
    })
}

/// A push, but for its body.
pub(super) struct Pushed<'a> {
    peer: SocketAddr,
    pub(super) route: PushRoute,
    pub(super) head: &'a Parts,
    /// When the request arrived: what it sends without a time has that one.
    pub(super) accepted_ms: i64,
}

/// Decodes and appends a body that arrived whole.
async fn store<A: Append>(
    state: &State<A>,
    request: &Pushed<'_>,
    whole: Whole,
    limits: &Limits,
) -> Result<Counts, Refused> {
    let accepted_ms = request.accepted_ms;
    let body_bytes = whole.bytes.len() as u64;
    let patience = limits.server.read_timeout;
    let deadline = Instant::now() + patience;
    let decoder =
        timeout_at(deadline, state.decoders.acquire()).await.map_err(|_| Refused::Busy(patience))?;
    let decoder = decoder.expect("BUG: it is never closed");
    let mut metadata = state.metadata.of_push(accepted_ms);
    let Decoded { push, not_carried, skipped } =
        decode_off_the_runtime(request, whole, limits, |field| metadata.is_due(field))?;
    let counts = push.counts();
    if !push.is_empty() {
        let reserving = limits.pushes.reserve(push.memory());
        let reservation = timeout_at(deadline, reserving).await.map_err(|_| Refused::Busy(patience))?;
        drop(decoder);
        state.appender.append(push, accepted_ms).await?;
        drop(reservation);
    }
    metadata.stored();
    let route = RouteLabel { route: request.route.path() };
    state.metrics.pushes_accepted.get_or_create(&route).inc();
    state.metrics.samples_accepted.inc_by(counts.all_samples());
    state.metrics.accepted_bytes.inc_by(body_bytes);
    state.metrics.start_timestamps_dropped.inc_by(not_carried.start_timestamps);
    state.metrics.lines_skipped.get_or_create(&route).inc_by(skipped.lines);
    state.report_skipped(&skipped, request.head.uri.path(), request.peer);
    Ok(counts)
}

/// Decoding is CPU work of up to some ten milliseconds: other tasks go on meanwhile. The body and its
/// memory are given back at its end.
fn decode_off_the_runtime(
    request: &Pushed<'_>,
    whole: Whole,
    limits: &Limits,
    wants_metadata: impl FnMut(&[u8]) -> bool,
) -> Result<Decoded, Refused> {
    let Whole { bytes, reservation } = whole;
    let decoded = tokio::task::block_in_place(|| decode::decode(request, bytes, limits, wants_metadata));
    drop(reservation);
    Ok(decoded?)
}
