//! An HTTP/1.1 upstream that decodes what it takes, keeps the ledger, and fails as it is told to.

use super::busy::busy;
use super::gate::Gate;
use super::{ReservedPort, SharedLedger};
use crate::ingest::encoding::Packing;
use crate::ingest::{Limits, remote_write};
use crate::model::Push;
use crate::wire;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use std::collections::VecDeque;
use std::future::{pending, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use twox_hash::XxHash3_64;

/// What the upstream does with a request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Mode {
    /// Takes it and answers 204.
    #[default]
    Accept,
    /// Takes it, and answers 204 only after this time.
    Slow(Duration),
    /// Takes nothing and answers with this status; Retry-After in whole seconds.
    Answer { status: u16, retry_after: Option<Duration> },
    /// Answers zstd bodies with this status (VictoriaMetrics: 415 or 400), and takes others.
    RefuseZstd(u16),
    /// Answers 401 unless the request has exactly this `Authorization`.
    Authorize(String),
    /// Answers 400 to a request with a series of this name in it, and takes others.
    RefuseSeries(String),
    /// Answers 400 to a request with a series in it that is one of this share of all series, and takes others. Which ones is
    /// told by their labels, so that they stay the same.
    RefuseShare { per_million: u32 },
    /// Answers 422 to a request with a sample of this time in it, and takes others.
    RefuseTime(i64),
    /// Takes it no faster than this many bytes a second, over all connections. Above 0.
    Narrow { bytes_per_second: u64 },
    /// Takes nothing and resets the connection.
    Reset,
    /// Takes it and resets the connection: the sender cannot know that it arrived.
    LoseAnswer,
    /// Reads it and never answers.
    Hang,
}

impl Mode {
    /// The status and the text that a push is refused with; none where it is taken.
    fn refuses(&self, push: &Push) -> Option<(u16, &'static str)> {
        match self {
            Self::RefuseSeries(name) => push
                .series()
                .any(|series| wire::metric_name(series.labels) == Some(name.as_bytes()))
                .then_some((400, "not this series")),
            Self::RefuseShare { per_million } => push
                .series()
                .any(|series| XxHash3_64::oneshot(series.labels) % 1_000_000 < u64::from(*per_million))
                .then_some((400, "not these series")),
            Self::RefuseTime(time) => push
                .samples()
                .iter()
                .any(|sample| sample.timestamp == *time)
                .then_some((422, "not this time")),
            _ => None,
        }
    }
}

/// One request as it came.
#[derive(Debug, Clone)]
pub struct Seen {
    /// When its head had arrived.
    pub at: Instant,
    /// Path and query.
    pub target: String,
    pub headers: HeaderMap,
    /// Bytes of the body as sent; 0 where it was not read.
    pub body_bytes: u64,
    /// Samples taken from it.
    pub samples: u64,
    /// When it was answered or broke off; none while it is in flight.
    pub ended: Option<Instant>,
    /// The answer; none while there is none, and where none is given.
    pub status: Option<u16>,
}

/// Sums over all requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    pub requests: u64,
    /// Samples of the requests that were taken, repeats included.
    pub samples: u64,
    /// Bytes of bodies as sent, of the requests that were taken.
    pub body_bytes: u64,
    pub in_flight: usize,
    /// The most requests that were in flight at the same time.
    pub max_in_flight: usize,
}

/// The last requests that are kept.
const KEPT: usize = 10_000;

/// Of requests of remote write 2.0; PMM Server takes half as much.
const LIMITS: Limits = Limits::of_bytes(64 << 20);

/// An upstream on a port of its own.
#[derive(Debug)]
pub struct Upstream {
    gate: Gate,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    ledger: SharedLedger,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    mode: Mode,
    script: VecDeque<Mode>,
    seen: VecDeque<Seen>,
    /// Number of the first request in `seen`.
    first: u64,
    totals: Totals,
    /// None while pushes are not kept.
    pushes: Option<Vec<Push>>,
    /// When all that came over a narrow line is through.
    line_free: Option<Instant>,
}

impl Upstream {
    /// An upstream that is open and accepts. Must be called within a runtime.
    pub fn start(ledger: &SharedLedger) -> io::Result<Self> {
        Self::start_on(ReservedPort::new()?, ledger)
    }

    /// The same on a port that somebody has been told already.
    pub fn start_on(port: ReservedPort, ledger: &SharedLedger) -> io::Result<Self> {
        let shared = Shared { ledger: ledger.clone(), state: Mutex::default() };
        let mut upstream = Self { gate: Gate::on(port), shared: Arc::new(shared) };
        upstream.open()?;
        Ok(upstream)
    }

    pub fn address(&self) -> SocketAddr {
        self.gate.address()
    }

    /// Where PMM Server takes remote write.
    pub fn url(&self) -> String {
        format!("http://{}/victoriametrics/api/v1/write", self.address())
    }

    /// Goes down: refuses connections from now on and aborts those there are.
    pub async fn close(&mut self) {
        self.gate.close().await;
    }

    /// Comes back on the same port. Must be called on a closed upstream, within a runtime.
    pub fn open(&mut self) -> io::Result<()> {
        let shared = self.shared.clone();
        self.gate.open(move |stream| connection(stream, shared.clone()))
    }

    /// False from [`Upstream::close`] to [`Upstream::open`].
    pub fn is_open(&self) -> bool {
        self.gate.is_open()
    }

    /// What is done with requests from now on.
    pub fn set_mode(&self, mode: Mode) {
        self.shared.state().mode = mode;
    }

    /// What is done with the next requests, one after the other, before the mode holds again.
    pub fn script(&self, modes: impl IntoIterator<Item = Mode>) {
        self.shared.state().script.extend(modes);
    }

    /// The last requests, the oldest first.
    pub fn seen(&self) -> Vec<Seen> {
        self.shared.state().seen.iter().cloned().collect()
    }

    /// Keeps what is taken from now on, whole: the ledger knows of samples only.
    pub fn keep_pushes(&self) {
        self.shared.state().pushes.get_or_insert_default();
    }

    /// What was taken since [`Upstream::keep_pushes`], the oldest first.
    pub fn pushes(&self) -> Vec<Push> {
        self.shared.state().pushes.clone().unwrap_or_default()
    }

    pub fn totals(&self) -> Totals {
        self.shared.state().totals
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a request's head, and says what to do with it.
    fn begin(self: &Arc<Self>, request: &Request<Incoming>) -> (InFlight, Mode) {
        let mut state = self.state();
        let number = state.totals.requests;
        let target = request.uri().path_and_query().map_or("", |target| target.as_str()).to_owned();
        let headers = request.headers().clone();
        let at = Instant::now();
        state.seen.push_back(Seen {
            at,
            target,
            headers,
            body_bytes: 0,
            samples: 0,
            ended: None,
            status: None,
        });
        if state.seen.len() > KEPT {
            state.seen.pop_front();
            state.first += 1;
        }
        state.totals.requests += 1;
        state.totals.in_flight += 1;
        state.totals.max_in_flight = state.totals.max_in_flight.max(state.totals.in_flight);
        let mode = state.script.pop_front().unwrap_or_else(|| state.mode.clone());
        (InFlight { shared: self.clone(), number }, mode)
    }

    /// Puts so many bytes on the line, and says when they are through.
    fn reserve_line(&self, bytes: usize, bytes_per_second: u64) -> Instant {
        let mut state = self.state();
        let from = state.line_free.unwrap_or_else(Instant::now).max(Instant::now());
        let free = from + Duration::from_secs_f64(bytes as f64 / bytes_per_second as f64);
        state.line_free = Some(free);
        free
    }

    fn take(&self, push: &Push, body_bytes: usize) {
        self.ledger.lock().arrived(push);
        let mut state = self.state();
        state.totals.samples += push.counts().all_samples();
        state.totals.body_bytes += body_bytes as u64;
        if let Some(pushes) = &mut state.pushes {
            pushes.push(push.clone());
        }
    }
}

/// A request while it is in flight, however that ends.
struct InFlight {
    shared: Arc<Shared>,
    number: u64,
}

impl InFlight {
    fn note(&self, change: impl FnOnce(&mut Seen)) {
        let mut state = self.shared.state();
        let at = self.number.checked_sub(state.first);
        if let Some(seen) = at.and_then(|at| state.seen.get_mut(at as usize)) {
            change(seen);
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.note(|seen| seen.ended = Some(Instant::now()));
        self.shared.state().totals.in_flight -= 1;
    }
}

/// The connection is to be reset.
#[derive(Debug, thiserror::Error)]
#[error("reset on purpose")]
struct Reset;

type Answered = Result<Response<Full<Bytes>>, Reset>;

async fn connection(stream: TcpStream, shared: Arc<Shared>) {
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| Box::pin(serve(shared.clone(), request)));
    let mut connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let ended = poll_fn(|context| connection.poll_without_shutdown(context)).await;
    if ended.is_err_and(|error| error.is_user()) {
        // With no time to linger, the close that follows is a reset.
        let stream = connection.into_parts().io.into_inner();
        let _ = socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO));
    }
}

async fn serve(shared: Arc<Shared>, request: Request<Incoming>) -> Answered {
    let (in_flight, mode) = shared.begin(&request);
    if mode == Mode::Reset {
        return Err(Reset);
    }
    let (head, body) = request.into_parts();
    // A body that breaks off is the sender's end of the connection: nobody is there to be answered.
    let body = match mode {
        Mode::Narrow { bytes_per_second } => read_slowly(body, &shared, bytes_per_second).await?,
        _ => body.collect().await.map_err(|_| Reset)?.to_bytes(),
    };
    in_flight.note(|seen| seen.body_bytes = body.len() as u64);
    let encoding = head.headers.get(CONTENT_ENCODING).map_or(&b""[..], HeaderValue::as_bytes);
    let (status, retry_after, text) = match mode {
        Mode::Hang => pending().await,
        Mode::Answer { status, retry_after } => (status, retry_after, "as told".to_owned()),
        Mode::RefuseZstd(status) if encoding == b"zstd" => (status, None, "no zstd here".to_owned()),
        Mode::Authorize(expected)
            if head.headers.get(AUTHORIZATION).is_none_or(|value| *value != expected) =>
        {
            (401, None, "who are you".to_owned())
        }
        _ if head.method != Method::POST => (405, None, "only POST".to_owned()),
        _ => match busy(|| unpack(&head.headers, &body)) {
            Err(error) => (400, None, error),
            Ok(push) if let Some((status, why)) = mode.refuses(&push) => (status, None, why.to_owned()),
            Ok(push) => {
                busy(|| shared.take(&push, body.len()));
                in_flight.note(|seen| seen.samples = push.counts().all_samples());
                match mode {
                    Mode::Slow(time) => tokio::time::sleep(time).await,
                    Mode::LoseAnswer => return Err(Reset),
                    _ => {}
                }
                (204, None, String::new())
            }
        },
    };
    in_flight.note(|seen| seen.status = Some(status));
    Ok(answer(status, retry_after, text))
}

/// Reads a body as fast as the line lets it through; what is not read holds the sender back.
async fn read_slowly(mut body: Incoming, shared: &Shared, bytes_per_second: u64) -> Result<Bytes, Reset> {
    let mut read = Vec::new();
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame.map_err(|_| Reset)?.into_data() {
            tokio::time::sleep_until(shared.reserve_line(data.len(), bytes_per_second).into()).await;
            read.extend_from_slice(&data);
        }
    }
    Ok(read.into())
}

fn answer(status: u16, retry_after: Option<Duration>, text: String) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::from(text));
    *answer.status_mut() = StatusCode::from_u16(status).expect("BUG: the mode has a status of HTTP");
    if let Some(time) = retry_after {
        answer.headers_mut().insert(RETRY_AFTER, time.as_secs().into());
    }
    answer
}

/// A push from a body as it was sent, by remote write 1.0 or 2.0.
fn unpack(headers: &HeaderMap, body: &[u8]) -> Result<Push, String> {
    let header = |name| headers.get(name).map_or(&b""[..], HeaderValue::as_bytes);
    if header(CONTENT_TYPE).ends_with(b"proto=io.prometheus.write.v2.Request") {
        let packing = Packing::of(headers.get(CONTENT_ENCODING).map(HeaderValue::as_bytes));
        let decoded = packing.and_then(|packing| remote_write::decode_v2(body, packing, LIMITS, |_| false));
        return decoded.map(|(push, _)| push).map_err(|error| error.to_string());
    }
    let unpacked = match header(CONTENT_ENCODING) {
        b"snappy" | b"" => snap::raw::Decoder::new().decompress_vec(body).map_err(|error| error.to_string()),
        b"zstd" => zstd::decode_all(body).map_err(|error| error.to_string()),
        other => Err(format!("content encoding {}", String::from_utf8_lossy(other))),
    };
    wire::decode(unpacked?).map_err(|error| error.to_string())
}

#[cfg(test)]
#[path = "upstream_tests.rs"]
mod tests;
