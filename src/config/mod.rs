//! The configuration: as typed, then as validated (here). Everything else sees only this form.
//!
//! ```text
//! text ─▶ yaml ─▶ raw ─▶ validate ─▶ Config
//!         places  keys   values, bounds
//!                  ▲
//!                  flags and environment, in the place of what the file says
//! ```
//!
//! [`load()`] goes the whole way and lists every error with its line. [`effective()`] is the way back, with
//! secrets masked, and [`difference`] says what of a changed file can be applied without a restart.

mod auth;
mod bounds;
mod effective;
mod load;
mod memory;
mod oauth2;
mod overrides;
mod pmm;
mod problem;
mod prometheus;
mod raw;
mod reload;
mod remote_write;
mod secret;
mod self_metrics;
mod transport;
pub(crate) mod units;
mod upstream;
mod urls;
mod validate;
mod value;
mod yaml;

pub use bounds::Bounds;
pub use effective::effective;
pub use load::{Loaded, check_entry, load};
pub use memory::{DICTIONARY_BYTES, SERIES_BYTES, STORE_CACHE_BYTES};
pub use overrides::Overrides;
pub use pmm::{Stamp, stamp};
pub use problem::{Errors, Problem, Warning};
pub use reload::{Reload, difference};
pub use secret::{Secret, SecretSource};
pub use self_metrics::SelfMetrics;
pub use transport::userinfo;
pub use upstream::{Auth, OAuth2, Proxy, Tls, Upstream, UpstreamKind};

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// The whole validated configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Where pushes are taken, and the admin pages served. Default 127.0.0.1:9431.
    ///
    /// Nobody is asked for a password there: whoever reaches it can push.
    pub listen: SocketAddr,
    /// Where the queue lives. Default /var/lib/pmm-buffer.
    pub data_dir: PathBuf,
    /// Memory for all that the agent holds, in bytes; `config/memory.rs` says how it is divided. Up to 64 GiB; default what
    /// queue and upstreams have set aside, and 128 MiB for pushes in flight.
    pub max_memory: usize,
    /// Limits of the listener.
    pub server: Server,
    /// How imports are read.
    pub import: Import,
    /// The queue on disk.
    pub queue: Queue,
    /// What upstreams refuse for good.
    pub dead_letters: DeadLetters,
    /// Where everything is sent; at least one, with names of their own.
    pub upstreams: Vec<Upstream>,
    /// How the backlog is sent.
    pub replay: Replay,
    /// What is logged.
    pub log: Log,
    /// The agent's own metrics in its own queue.
    pub self_metrics: SelfMetrics,
    /// How long a shutdown waits for what is in flight. Default 5 s, 0 to 5 min.
    pub shutdown_grace: Duration,
}

impl Config {
    /// The folder of the store.
    pub fn queue_folder(&self) -> PathBuf {
        self.data_dir.join("queue")
    }

    /// The folder of the dead letters.
    pub fn dead_letter_folder(&self) -> PathBuf {
        self.data_dir.join("dead-letters")
    }
}

impl Default for Config {
    /// Every option at its default. It has no upstream yet, which [`load()`] would refuse.
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 9431)),
            data_dir: "/var/lib/pmm-buffer".into(),
            max_memory: memory::set_aside(&Queue::default(), &[]) + Server::default().max_in_flight_bytes,
            server: Server::default(),
            import: Import::default(),
            queue: Queue::default(),
            dead_letters: DeadLetters::default(),
            upstreams: Vec::new(),
            replay: Replay::default(),
            log: Log::default(),
            self_metrics: SelfMetrics::default(),
            shutdown_grace: Duration::from_secs(5),
        }
    }
}

/// Limits of the listener.
#[derive(Debug, Clone, PartialEq)]
pub struct Server {
    /// Largest body, as it comes and unpacked, in bytes. Default 32 MiB, 64 KiB to 256 MiB.
    ///
    /// A larger push is refused with 413.
    pub max_body_bytes: usize,
    /// Memory for bodies and pushes in flight, in bytes: what [`Config::max_memory`] leaves for them. At least four
    /// times `max_body_bytes`: half of it is for bodies, and the largest body is held as it came and unpacked.
    ///
    /// Pushes beyond it wait, then get 503.
    pub max_in_flight_bytes: usize,
    /// Connections at once. Default 512, 1 to 65536.
    ///
    /// More wait until one ends.
    pub max_connections: usize,
    /// Pushes at once, from the first byte of the body to the answer. Default 256, 1 to 65536.
    ///
    /// More wait until one is answered, then get 503.
    pub max_bodies: usize,
    /// How much one push may hold.
    ///
    /// One with more is refused.
    pub bounds: Bounds,
    /// How long a body may take to arrive, and a push may wait for memory. Default 30 s, 1 s to 10 min.
    pub read_timeout: Duration,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            max_body_bytes: 32 << 20,
            max_in_flight_bytes: 128 << 20,
            max_connections: 512,
            max_bodies: 256,
            bounds: Bounds::DEFAULT,
            read_timeout: Duration::from_secs(30),
        }
    }
}

/// How imports are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Import {
    /// What becomes of a line that cannot be taken. Default refuse.
    pub bad_lines: BadLines,
}

impl Default for Import {
    fn default() -> Self {
        Self { bad_lines: BadLines::Refuse }
    }
}

/// What becomes of a line of an import that cannot be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadLines {
    /// The request is refused whole, by the line's number.
    Refuse,
    /// It is passed over, counted and logged, and the rest is taken: what VictoriaMetrics does.
    Skip,
}

impl BadLines {
    pub(crate) const WORDS: [(&'static str, Self); 2] = [("refuse", Self::Refuse), ("skip", Self::Skip)];
}

/// The queue on disk.
#[derive(Debug, Clone, PartialEq)]
pub struct Queue {
    /// Disk space for what waits, in bytes. Default 1 GiB, 16 MiB to 16 TiB.
    ///
    /// What happens beyond it is said by `when_full`.
    pub max_bytes: u64,
    /// How long samples may wait for delivery. Default for ever, else 1 min to 10 years.
    ///
    /// What is older is dropped, and counted, a segment at a time: up to an eighth of this later.
    pub max_age: Option<Duration>,
    /// Free space, in bytes, that the file system keeps for others. Default [`Queue::min_free_disk_of`], 0 to
    /// 16 TiB.
    ///
    /// Below it pushes get 503 until there is space again; deliveries go on.
    pub min_free_disk: Option<u64>,
    /// What a queue at `max_bytes` does. Default drop the oldest.
    pub when_full: WhenFull,
    /// When what is answered is safe. Default always.
    pub sync: SyncMode,
    /// How long `sync: interval` leaves what was answered to the operating system. Default 1 s, 10 ms to 1 min.
    pub sync_interval: Duration,
    /// How far back delivery begins again after an upstream was away: a server that crashed has lost what it
    /// answered last. Default 10 s, 0 (off) to 10 min.
    pub rewind: Duration,
}

impl Queue {
    /// The free space to keep on a file system of `size` bytes: what was configured, else a twentieth of it, 1 GiB
    /// at most.
    pub fn min_free_disk_of(&self, size: u64) -> u64 {
        self.min_free_disk.unwrap_or_else(|| (size / 20).min(1 << 30))
    }
}

impl Default for Queue {
    fn default() -> Self {
        Self {
            max_bytes: 1 << 30,
            max_age: None,
            min_free_disk: None,
            when_full: WhenFull::DropOldest,
            sync: SyncMode::Always,
            sync_interval: Duration::from_secs(1),
            rewind: Duration::from_secs(10),
        }
    }
}

/// What upstreams refuse for good.
#[derive(Debug, Clone, PartialEq)]
pub struct DeadLetters {
    /// Disk space for what was refused, in bytes. Default 64 MiB, 1 MiB to 16 TiB, 0 keeps nothing.
    ///
    /// Beyond it the oldest goes, counted.
    pub max_bytes: u64,
}

impl Default for DeadLetters {
    fn default() -> Self {
        Self { max_bytes: 64 << 20 }
    }
}

/// What a queue at its limit does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenFull {
    /// The oldest samples go, counted.
    DropOldest,
    /// Pushes get 503, and the pusher has to keep them.
    RejectNew,
}

impl WhenFull {
    pub(crate) const WORDS: [(&'static str, Self); 2] =
        [("drop_oldest", Self::DropOldest), ("reject_new", Self::RejectNew)];
}

/// When a push is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyncMode {
    /// Once it is synced to disk: a power cut loses nothing that was answered.
    Always,
    /// Once it is written. A kill loses nothing; a power cut or a crash of the kernel loses what was answered in
    /// the last `sync_interval`.
    Interval,
}

impl SyncMode {
    pub(crate) const WORDS: [(&'static str, Self); 2] =
        [("always", Self::Always), ("interval", Self::Interval)];
}

/// How the backlog is sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Replay {
    /// Longest wait that a Retry-After is obeyed for. Default 10 min, 1 s to 1 h.
    pub max_retry_after: Duration,
    /// Samples a second that an upstream is sent at most. Default none.
    pub samples_per_second: Option<u64>,
    /// Bytes of packed bodies a second that an upstream is sent at most. Default none.
    pub bytes_per_second: Option<u64>,
}

impl Default for Replay {
    fn default() -> Self {
        Self { max_retry_after: Duration::from_secs(600), samples_per_second: None, bytes_per_second: None }
    }
}

/// What is logged, to standard error.
#[derive(Debug, Clone, PartialEq)]
pub struct Log {
    /// Default info.
    pub level: LogLevel,
    /// Default text.
    pub format: LogFormat,
}

impl Default for Log {
    fn default() -> Self {
        Self { level: LogLevel::Info, format: LogFormat::Text }
    }
}

/// The least severe level that is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLevel {
    /// Data was lost, or an operator is needed.
    Error,
    /// Something failed, and recovered.
    Warn,
    /// Beginnings and ends: of the process, of outages.
    Info,
    /// Every request.
    Debug,
}

impl LogLevel {
    pub(crate) const WORDS: [(&'static str, Self); 4] =
        [("error", Self::Error), ("warn", Self::Warn), ("info", Self::Info), ("debug", Self::Debug)];
}

/// The form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// `key=value` text.
    Text,
    /// One JSON object a line.
    Json,
}

impl LogFormat {
    pub(crate) const WORDS: [(&'static str, Self); 2] = [("text", Self::Text), ("json", Self::Json)];
}

/// The word that stands for a value.
fn word_of<T: PartialEq>(words: &[(&'static str, T)], value: &T) -> &'static str {
    words.iter().find(|(_, known)| known == value).expect("BUG: every value has a word").0
}

#[cfg(test)]
mod tests;
