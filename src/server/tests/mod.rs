//! The real server on loopback, driven by raw sockets.

mod answers;
mod bodies;
mod client;
mod imports;
mod load;
mod logging;
mod own_metrics;
mod pages;
mod shutdown;
mod skipped;
mod spec_v1;
mod spec_v2;

use super::*;
use client::Client;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// How the queue behaves.
#[derive(Debug, Clone, Default)]
enum Mode {
    #[default]
    Accept,
    Fail(AppendError),
    Panic,
}

/// A queue in memory that does as it is told.
#[derive(Default)]
struct FakeQueue {
    mode: Mutex<Mode>,
    /// While set, appends wait.
    held: AtomicBool,
    released: tokio::sync::Notify,
    /// Appends that began.
    begun: AtomicI64,
    appended: Mutex<Vec<(Push, i64)>>,
    unavailable: Mutex<Option<String>>,
}

impl FakeQueue {
    fn set(&self, mode: Mode) {
        *self.mode.lock().unwrap() = mode;
    }

    fn set_unavailable(&self, why: Option<&str>) {
        *self.unavailable.lock().unwrap() = why.map(str::to_owned);
    }

    fn hold(&self) {
        self.held.store(true, Ordering::SeqCst);
    }

    fn release(&self) {
        self.held.store(false, Ordering::SeqCst);
        self.released.notify_waiters();
    }

    fn begun(&self) -> i64 {
        self.begun.load(Ordering::SeqCst)
    }

    fn appended(&self) -> Vec<(Push, i64)> {
        self.appended.lock().unwrap().clone()
    }
}

impl Append for Arc<FakeQueue> {
    async fn append(&self, push: Push, accepted_ms: i64) -> Result<Position, AppendError> {
        self.begun.fetch_add(1, Ordering::SeqCst);
        loop {
            let released = self.released.notified();
            if !self.held.load(Ordering::SeqCst) {
                break;
            }
            released.await;
        }
        let mode = self.mode.lock().unwrap().clone();
        match mode {
            Mode::Accept => {
                let mut appended = self.appended.lock().unwrap();
                appended.push((push, accepted_ms));
                Ok(appended.len() as Position - 1)
            }
            Mode::Fail(error) => Err(error),
            Mode::Panic => panic!("a fault on purpose"),
        }
    }

    fn unavailable(&self) -> Option<String> {
        self.unavailable.lock().unwrap().clone()
    }
}

/// When the tests take place, in milliseconds since the epoch.
const NOW_MS: i64 = 1_700_000_000_000;

/// Bounds every wait of a test. Reached only where a test fails.
const DEADLINE: Duration = Duration::from_secs(20);

fn limits() -> config::Server {
    config::Server {
        max_body_bytes: 1 << 20,
        max_in_flight_bytes: 16 << 20,
        max_connections: 64,
        read_timeout: DEADLINE,
        ..config::Server::default()
    }
}

/// A server on a port of its own.
struct Agent {
    address: SocketAddr,
    queue: Arc<FakeQueue>,
    metrics: Arc<Metrics>,
    state: Arc<State<Arc<FakeQueue>>>,
    asked: Arc<AtomicI64>,
    stop: Option<oneshot::Sender<()>>,
    served: JoinHandle<Drained>,
}

impl Agent {
    async fn start(limits: config::Server) -> Self {
        Self::with_grace(limits, DEADLINE).await
    }

    async fn with_grace(limits: config::Server, grace: Duration) -> Self {
        Self::with_clock(limits, grace, Arc::new(|| NOW_MS)).await
    }

    async fn with_clock(limits: config::Server, grace: Duration, clock: Clock) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
        let address = listener.local_addr().expect("bound");
        let queue = Arc::<FakeQueue>::default();
        let metrics = Arc::new(Metrics::new());
        let asked = Arc::new(AtomicI64::new(0));
        let counted = asked.clone();
        let clock: Clock = Arc::new(move || {
            counted.fetch_add(1, Ordering::SeqCst);
            clock()
        });
        let state = State::new(
            queue.clone(),
            limits,
            config::Import::default(),
            metrics.clone(),
            Arc::new(crate::status::sample),
            clock,
        );
        let (stop, stopped) = oneshot::channel();
        let shutdown = async move {
            let _ = stopped.await;
            grace
        };
        let served = tokio::spawn(serve(listener, state.clone(), shutdown));
        Self { address, queue, metrics, state, asked, stop: Some(stop), served }
    }

    async fn client(&self) -> Client {
        Client::connect(self.address).await
    }

    /// Pushes whose head has arrived: each asks for the time once.
    fn begun(&self) -> i64 {
        self.asked.load(Ordering::SeqCst)
    }

    /// Begins the shutdown.
    fn stop(&mut self) {
        let _ = self.stop.take().expect("stopped once").send(());
    }

    async fn ended(self) -> Drained {
        tokio::time::timeout(DEADLINE, self.served).await.expect("the server ends").expect("without a fault")
    }

    fn refused(&self, reason: &'static str) -> u64 {
        let label = crate::telemetry::metrics::ReasonLabel { reason };
        self.metrics.pushes_refused.get_or_create_owned(&label).get()
    }

    fn accepted(&self, route: &'static str) -> u64 {
        let label = crate::telemetry::metrics::RouteLabel { route };
        self.metrics.pushes_accepted.get_or_create_owned(&label).get()
    }
}

fn state(queue: Arc<FakeQueue>, metrics: Arc<Metrics>, limits: config::Server) -> Arc<State<Arc<FakeQueue>>> {
    State::new(
        queue,
        limits,
        config::Import::default(),
        metrics,
        Arc::new(crate::status::sample),
        Arc::new(|| NOW_MS),
    )
}

/// Waits until `condition` holds.
async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + DEADLINE;
    while !condition() {
        assert!(tokio::time::Instant::now() < deadline, "never came true: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// A remote-write body of `samples` samples of one series, packed with snappy.
fn body(samples: usize) -> Vec<u8> {
    use crate::proto;
    use prost::Message;
    let label = |name: &str, value: &str| proto::Label { name: name.into(), value: value.into() };
    let request = proto::WriteRequest {
        timeseries: vec![proto::TimeSeries {
            labels: vec![label("__name__", "up"), label("job", "test")],
            samples: (0..samples)
                .map(|at| proto::Sample { value: at as f64, timestamp: NOW_MS + at as i64 })
                .collect(),
            ..Default::default()
        }],
        ..Default::default()
    };
    pack(&request.encode_to_vec())
}

fn pack(bytes: &[u8]) -> Vec<u8> {
    snap::raw::Encoder::new().compress_vec(bytes).expect("small enough")
}

/// What VictoriaMetrics exports of one sample.
fn native_body() -> Vec<u8> {
    use crate::harness::{NativeBlock, NativeBody};
    let mut body = NativeBody::new(NOW_MS, NOW_MS);
    body.add(b"up\x01", &NativeBlock::new(&[NOW_MS], &[1]));
    body.bytes
}

/// A whole push request.
fn push_request(path: &str, body: &[u8]) -> Vec<u8> {
    let mut request = push_head(path, &format!("Content-Length: {}", body.len()));
    request.extend_from_slice(body);
    request
}

/// A request to import `body`, with one more header line.
fn import_request(method: &str, path: &str, header: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let mut request =
        format!("{method} {path} HTTP/1.1\r\nHost: test\r\n{header}\r\nContent-Length: {length}\r\n\r\n")
            .into_bytes();
    request.extend_from_slice(body);
    request
}

/// The head of a push, with one more header line.
fn push_head(path: &str, header: &str) -> Vec<u8> {
    format!(
        "POST {path} HTTP/1.1\r\nHost: test\r\nContent-Type: application/x-protobuf\r\n\
         Content-Encoding: snappy\r\nX-Prometheus-Remote-Write-Version: 0.1.0\r\n{header}\r\n\r\n"
    )
    .into_bytes()
}

/// `body` in chunks of `size` bytes, with the last chunk.
fn chunked(body: &[u8], size: usize) -> Vec<u8> {
    let mut out = Vec::new();
    for chunk in body.chunks(size) {
        out.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        out.extend_from_slice(chunk);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"0\r\n\r\n");
    out
}
