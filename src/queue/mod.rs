//! The durable queue: one log, one committer, one reader an upstream.
//!
//! ```text
//!  Appender ─▶ committer ─▶ store (RocksDB) ─▶ Reader "pmm"     ─▶ replay
//!  (server)    one thread    │                 Reader "archive" ─▶ replay
//!                            └ positions: trimmed ≤ acked ≤ read ≤ durable ≤ next
//! ```
//!
//! | file | its job |
//! |---|---|
//! | `mark` | a place in the log, with running totals (pure) |
//! | `position` | cursors, the chain of positions (pure) |
//! | `record` | one push as bytes: header and payload (pure) |
//! | `columns` | the codec of the payload (pure) |
//! | `interval` | decodes records wherever reading begins |
//! | `merge` | many records as one push (pure) |
//! | `segment` | entries of the segment table (pure) |
//! | `salvage` | the segment table of a damaged store (pure) |
//! | `retention` | which segments go, and why (pure) |
//! | `recent` | what was settled lately, for a rewind (pure) |
//! | `keys` | keys of the store (pure) |
//! | `folder` | the folder that the store is in |
//! | `store` | RocksDB, and nothing else knows of it |
//! | `shared` | what committer, readers and status share |
//! | `appender` | the handle that feeds the committer |
//! | `committer` | one thread that owns every write |
//! | `upkeep` | what it does between groups: room, retention, settled positions |
//! | `reader` | reads, acks, rewinds |
//! | `run` | one contiguous run of records, read around what is damaged |
//! | `witness` | how far the log reached, in a file of its own |
//! | `survey` | a look at a queue from outside, which changes nothing |
//!
//! The format on disk is in docs/format.md.

mod appender;
pub mod columns;
mod committer;
mod folder;
mod interval;
mod keys;
mod mark;
mod merge;
mod position;
mod reader;
mod recent;
mod record;
mod retention;
mod run;
mod salvage;
mod segment;
mod shared;
mod store;
pub mod survey;
#[cfg(test)]
mod tests;
mod upkeep;
mod witness;

pub use appender::{AppendError, Appender};
pub use mark::Position;
pub use reader::{Batch, ReadError, Reader};
pub use run::ReadLimit;

use crate::clock::Clock;
use crate::config;
use crate::fault::AbortOnPanic;
use crate::service::Heartbeat;
use crate::status::QueueStatus;
use crate::telemetry::Metrics;
use appender::Command;
use committer::Committer;
use interval::IntervalDecoder;
use mark::Mark;
use position::Cursor;
use record::SegmentEncoder;
use retention::{Footprint, Limits};
use shared::Shared;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use store::{Batch as WriteBatch, Found, Store, StoreError};

/// How a queue is opened.
#[derive(Clone)]
pub struct Options {
    /// Folder of the store; made if it is missing, with mode 0700.
    pub path: PathBuf,
    /// `queue:` of the configuration.
    pub settings: config::Queue,
    /// What ages are measured with.
    pub clock: Clock,
}

/// A queue that cannot be opened. Nothing was deleted or made anew.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(
        "cannot use {path} for the queue: {error}; check that the folder exists, or can be made, and belongs to the agent's user"
    )]
    Folder { path: PathBuf, error: std::io::Error },
    #[error("{path} holds files, and no queue; point data_dir to an empty folder or to the queue's own")]
    Foreign { path: PathBuf },
    #[error(
        "the queue in {path} is in use by another process; stop the other pmm-buffer, or give this one its own data_dir"
    )]
    Locked { path: PathBuf },
    #[error(
        "the queue in {path} has format {found}, this agent knows {known}; run the version that wrote it until its backlog is delivered"
    )]
    Version { path: PathBuf, found: u8, known: u8 },
    #[error(
        "the queue in {path} is damaged and was left as it is ({what}); keep a copy of the folder, then run `pmm-buffer queue repair`, or move the folder away to start with an empty queue"
    )]
    Damaged { path: PathBuf, what: String },
    /// Of a look that may change nothing; [`Queue::open`] opens such a store.
    #[error(
        "the queue in {path} lost a part of its log ({what}), and only the agent can read what is left: start it, it delivers that and counts what is missing"
    )]
    LostLog { path: PathBuf, what: String },
    #[error("cannot start the queue's thread: {0}")]
    Thread(std::io::Error),
}

/// Makes a store that [`Queue::open`] refused as damaged usable again, from the files that are left. Deletes nothing:
/// what does not read is moved to `lost` in the folder.
pub fn repair(path: &Path) -> Result<(), OpenError> {
    Store::repair(path)
}

/// What one upstream has not settled yet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Backlog {
    pub records: u64,
    /// Float and histogram samples.
    pub samples: u64,
    /// Encoded bytes of the records.
    pub bytes: u64,
    /// When the oldest of them was accepted, in milliseconds since the epoch (a lower bound for the moment
    /// between a delivery and the next read); none when all is settled.
    pub oldest_accepted_ms: Option<i64>,
}

/// The open queue. Dropping it closes it, as [`Queue::close`] does: the process must not end under RocksDB's threads.
pub struct Queue {
    store: Arc<Store>,
    shared: Arc<Shared>,
    metrics: Arc<Metrics>,
    commands: mpsc::Sender<Command>,
    /// None before it is run and once it is closed.
    committer: Option<JoinHandle<()>>,
    heartbeat: Heartbeat,
    max_bytes: u64,
    taken: Vec<bool>,
}

impl Queue {
    /// Opens or creates the queue at `options.path`, with one reader position for each of `upstreams`
    /// (names of `remote_write` entries). A name not seen before starts at the oldest record kept; the
    /// position of a name that is no longer among them is forgotten.
    pub fn open(options: Options, upstreams: &[String], metrics: Arc<Metrics>) -> Result<Self, OpenError> {
        let (mut queue, committer, commands) = Self::assemble(options, upstreams, metrics)?;
        let run = move || {
            // Nobody knows what is in a log whose committer panicked.
            let _abort = AbortOnPanic { part: "committer" };
            committer.run(commands);
        };
        let thread = std::thread::Builder::new().name("committer".into()).spawn(run);
        queue.committer = Some(thread.map_err(OpenError::Thread)?);
        Ok(queue)
    }

    /// The parts of an open queue: its committer is yet to be run, with what it is asked.
    fn assemble(
        options: Options,
        upstreams: &[String],
        metrics: Arc<Metrics>,
    ) -> Result<(Self, Committer, mpsc::Receiver<Command>), OpenError> {
        let limits = Limits::of(&options.settings);
        let (store, found) = Store::open(&options.path, upstreams, &limits)?;
        for what in &found.damage {
            tracing::error!(
                path = %options.path.display(),
                what,
                "the queue is damaged, what can be read of it is delivered; what cannot is counted where it is missed"
            );
        }
        let damaged =
            |error: StoreError| OpenError::Damaged { path: options.path.clone(), what: error.to_string() };
        forget_others(&store, &found, upstreams).map_err(damaged)?;
        let cursors = upstreams.iter().map(|name| cursor(&store, &found, name)).collect();
        let rewind = options.settings.rewind;
        let shared = Arc::new(Shared::new(upstreams.to_vec(), found.segments, cursors, rewind));
        store.release_before(shared.chain().trimmed().position).map_err(damaged)?;
        let store = Arc::new(store);
        let heartbeat = Heartbeat::default();
        let committer = Committer {
            store: store.clone(),
            shared: shared.clone(),
            metrics: metrics.clone(),
            heartbeat: heartbeat.clone(),
            clock: options.clock,
            settings: options.settings.clone(),
            limits,
            encoder: SegmentEncoder::new(),
            persisted: shared.acked(),
            footprint: Footprint::of(store.disk_bytes()),
            is_out_of_space: false,
        };
        let (commands, receiver) = mpsc::channel();
        let (taken, max_bytes) = (vec![false; upstreams.len()], options.settings.max_bytes);
        let queue = Self { store, shared, metrics, commands, committer: None, heartbeat, max_bytes, taken };
        Ok((queue, committer, receiver))
    }

    pub fn appender(&self) -> Appender {
        Appender { commands: self.commands.clone(), shared: self.shared.clone() }
    }

    /// The reader of one upstream. Panics for a name not given to [`Queue::open`], or taken twice.
    pub fn reader(&mut self, upstream: &str) -> Reader {
        let index =
            self.index(upstream).expect("BUG: a reader for an upstream that the queue was not opened with");
        assert!(!std::mem::replace(&mut self.taken[index], true), "BUG: two readers for upstream {upstream}");
        Reader {
            upstream: index,
            name: upstream.to_owned(),
            store: self.store.clone(),
            shared: self.shared.clone(),
            metrics: self.metrics.clone(),
            commands: self.commands.clone(),
            durable: self.shared.watch(),
            pending: VecDeque::new(),
            decoder: IntervalDecoder::new(),
            reported: Mark::default(),
            spare: Default::default(),
        }
    }

    /// Beats at each turn of the committer.
    pub fn heartbeat(&self) -> Heartbeat {
        self.heartbeat.clone()
    }

    fn index(&self, upstream: &str) -> Option<usize> {
        self.shared.upstreams().iter().position(|name| name == upstream)
    }

    /// What status and metrics ask; cheap to clone.
    pub fn view(&self) -> View {
        View { store: self.store.clone(), shared: self.shared.clone(), max_bytes: self.max_bytes }
    }

    /// Stops taking appends, commits what waits, syncs, closes. Blocks.
    pub fn close(self) {
        drop(self);
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        let Some(committer) = self.committer.take() else { return };
        // Fails where the committer ended before us.
        let _ = self.commands.send(Command::Close);
        // A panic of the committer aborts the process, so there is nothing to learn from the handle.
        let _ = committer.join();
    }
}

/// The queue from outside: numbers only.
#[derive(Clone)]
pub struct View {
    store: Arc<Store>,
    shared: Arc<Shared>,
    max_bytes: u64,
}

impl View {
    /// Looks at the folder: some twenty `stat` calls.
    pub fn status(&self) -> QueueStatus {
        let chain = self.shared.chain();
        QueueStatus {
            path: self.store.path().display().to_string(),
            disk_bytes: self.store.disk_bytes(),
            max_bytes: self.max_bytes,
            unsynced_seconds: self.shared.unsynced_since().map_or(0.0, |since| since.elapsed().as_secs_f64()),
            trimmed: chain.trimmed().position,
            durable: chain.durable().position,
            next: chain.next().position,
        }
    }

    /// Settled position and backlog of an upstream; none for a name the queue was not opened with.
    pub fn backlog(&self, upstream: &str) -> Option<(Position, Backlog)> {
        let index = self.shared.upstreams().iter().position(|name| name == upstream)?;
        let chain = self.shared.chain();
        Some((chain.cursor(index).acked.position, chain.backlog(index)))
    }
}

/// Where an upstream goes on.
fn cursor(store: &Store, found: &Found, name: &str) -> Cursor {
    let trimmed = found.segments.first().map_or(Mark::default(), |segment| segment.start);
    let acked = found
        .upstreams
        .iter()
        .find(|(known, _)| known == name)
        .map_or(trimmed, |(_, mark)| mark.max(trimmed));
    let Some(segment) = found.segments.iter().find(|segment| segment.end.position > acked.position) else {
        return Cursor::at(acked, None);
    };
    // Exact where the record can be read, else the segment's: a lower bound until the first read.
    let record = store.get(acked.position).ok().flatten();
    let accepted_ms = record
        .and_then(|record| record::read_header(&record).ok())
        .map_or(segment.first_accepted_ms, |header| header.accepted_ms);
    Cursor::at(acked, Some(accepted_ms))
}

/// Forgets upstreams that are no longer configured: their backlog would hold the log back for ever.
fn forget_others(store: &Store, found: &Found, upstreams: &[String]) -> Result<(), StoreError> {
    let mut batch = WriteBatch::default();
    let end = found.segments.last().map_or(Mark::default(), |segment| segment.end);
    for (name, acked) in found.upstreams.iter().filter(|(name, _)| !upstreams.contains(name)) {
        store.forget_upstream(&mut batch, name);
        tracing::warn!(
            upstream = %name,
            samples_not_delivered = end.samples.saturating_sub(acked.samples),
            "upstream is no longer configured, its position in the queue is forgotten"
        );
    }
    if batch.is_empty() { Ok(()) } else { store.write(batch, true) }
}
