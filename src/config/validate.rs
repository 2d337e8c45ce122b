//! From keys and nodes to a [`Config`]: values, bounds, and what must hold between them.

use super::memory;
use super::problem::{Place, Spot};
use super::raw;
use super::units::{GIB, KIB, MIB, TIB, format_duration, format_size, parse_duration, parse_size};
use super::value::Reader;
use super::yaml::{Node, Value};
use super::{
    BadLines, Bounds, Config, DeadLetters, Import, Log, LogFormat, LogLevel, Queue, Replay, Server, SyncMode,
    Upstream, WhenFull, remote_write, self_metrics,
};
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

const MAX_BODY_BYTES: RangeInclusive<u64> = 64 * KIB..=256 * MIB;
const MAX_MEMORY: RangeInclusive<u64> = 64 * MIB..=64 * GIB;
const MAX_CONNECTIONS: RangeInclusive<usize> = 1..=65_536;
const MAX_BODIES: RangeInclusive<usize> = 1..=65_536;
const READ_TIMEOUT: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(600);
const QUEUE_MAX_BYTES: RangeInclusive<u64> = 16 * MIB..=16 * TIB;
/// 0 keeps nothing.
const DEAD_LETTERS_MAX_BYTES: RangeInclusive<u64> = MIB..=16 * TIB;
/// 0 is for ever.
const MAX_AGE: RangeInclusive<Duration> = Duration::from_secs(60)..=Duration::from_secs(10 * 365 * 86_400);
const MIN_FREE_DISK: RangeInclusive<u64> = 0..=16 * TIB;
const SYNC_INTERVAL: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(60);
const REWIND: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(600);
const MAX_RETRY_AFTER: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(3600);
/// 0 is no limit.
const SAMPLES_PER_SECOND: RangeInclusive<usize> = 0..=100_000_000;
const BYTES_PER_SECOND: RangeInclusive<u64> = 0..=16 << 30;
const SHUTDOWN_GRACE: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(300);

/// Memory for bodies and pushes, in bodies of the largest size: half of it is for bodies, and one is held as
/// it came and unpacked at the same time.
const IN_FLIGHT_BODIES: usize = 4;

/// Makes a configuration of a file's keys. What it returns is of use only if no error was reported.
pub(super) fn config(file: raw::File, reader: &mut Reader) -> Config {
    let default = Config::default();
    let raw_server: raw::Server = reader.section(file.server);
    let errors = reader.problems.error_count();
    let server = server(&raw_server, reader);
    // One problem is told once.
    let body = raw_server.max_body_bytes.as_ref().filter(|_| reader.problems.error_count() == errors);
    let mut config = Config {
        listen: listen(file.listen.as_ref(), reader).unwrap_or(default.listen),
        data_dir: reader.path(file.data_dir.as_ref()).unwrap_or(default.data_dir),
        shutdown_grace: reader
            .duration(file.shutdown_grace.as_ref(), SHUTDOWN_GRACE)
            .unwrap_or(default.shutdown_grace),
        max_memory: default.max_memory,
        server,
        import: import(&reader.section(file.import), reader),
        queue: queue(&reader.section(file.queue), reader),
        dead_letters: dead_letters(&reader.section(file.dead_letters), reader),
        replay: replay(&reader.section(file.replay), reader),
        log: log(&reader.section(file.log), reader),
        self_metrics: self_metrics::self_metrics(file.self_metrics, reader),
        upstreams: upstreams(file.remote_write, reader),
    };
    divide_memory(&mut config, file.max_memory.as_ref(), body, reader);
    config
}

fn listen(node: Option<&Node>, reader: &mut Reader) -> Option<SocketAddr> {
    let listen: SocketAddr = reader.parsed(node, |text| {
        text.parse().map_err(|_| "is not an IP address and a port: write them as in 127.0.0.1:9431".into())
    })?;
    if let Some(node) = node
        && !listen.ip().is_loopback()
    {
        reader.problems.warn(
            &node.spot,
            "open to other hosts, and nobody is asked for a password: let a firewall say who may push",
        );
    }
    Some(listen)
}

fn server(raw: &raw::Server, reader: &mut Reader) -> Server {
    let default = Server::default();
    Server {
        max_body_bytes: reader.bytes(raw.max_body_bytes.as_ref(), MAX_BODY_BYTES, default.max_body_bytes),
        max_connections: reader
            .count(raw.max_connections.as_ref(), MAX_CONNECTIONS)
            .unwrap_or(default.max_connections),
        max_bodies: reader.count(raw.max_bodies.as_ref(), MAX_BODIES).unwrap_or(default.max_bodies),
        bounds: Bounds::read(raw, reader),
        read_timeout: reader
            .duration(raw.read_timeout.as_ref(), READ_TIMEOUT)
            .unwrap_or(default.read_timeout),
        ..default
    }
}

fn import(raw: &raw::Import, reader: &mut Reader) -> Import {
    let default = Import::default();
    Import { bad_lines: reader.word(raw.bad_lines.as_ref(), &BadLines::WORDS).unwrap_or(default.bad_lines) }
}

/// Divides `max_memory`. `body` is the node of `max_body_bytes`, which is to blame where `max_memory` was not given.
fn divide_memory(config: &mut Config, given: Option<&Node>, body: Option<&Node>, reader: &mut Reader) {
    let set_aside = memory::set_aside(&config.queue, &config.upstreams);
    let default = set_aside.saturating_add(config.server.max_in_flight_bytes);
    let errors = reader.problems.error_count();
    config.max_memory = reader.bytes(given, MAX_MEMORY, default);
    config.server.max_in_flight_bytes = config.max_memory.saturating_sub(set_aside);
    let bodies = config.server.max_body_bytes.saturating_mul(IN_FLIGHT_BODIES);
    if let Some(node) = given.or(body)
        && config.server.max_in_flight_bytes < bodies
        && reader.problems.error_count() == errors
    {
        let whole = |bytes: usize| format_size((bytes as u64).div_ceil(MIB) * MIB);
        reader.problems.error(
            &node.spot,
            format!(
                "max_memory is {}, of which {} are set aside for queue and upstreams, and what is left must be \
                 {IN_FLIGHT_BODIES} times max_body_bytes ({}): write at least max_memory: {}, or a smaller \
                 max_body_bytes",
                whole(config.max_memory),
                whole(set_aside),
                format_size(config.server.max_body_bytes as u64),
                whole(set_aside.saturating_add(bodies)),
            ),
        );
    }
}

fn queue(raw: &raw::Queue, reader: &mut Reader) -> Queue {
    let default = Queue::default();
    let queue = Queue {
        max_bytes: reader.size(raw.max_bytes.as_ref(), QUEUE_MAX_BYTES).unwrap_or(default.max_bytes),
        max_age: max_age(raw.max_age.as_ref(), reader),
        min_free_disk: reader.size(raw.min_free_disk.as_ref(), MIN_FREE_DISK),
        when_full: reader.word(raw.when_full.as_ref(), &WhenFull::WORDS).unwrap_or(default.when_full),
        sync: reader.word(raw.sync.as_ref(), &SyncMode::WORDS).unwrap_or(default.sync),
        sync_interval: reader
            .duration(raw.sync_interval.as_ref(), SYNC_INTERVAL)
            .unwrap_or(default.sync_interval),
        rewind: reader.duration(raw.rewind.as_ref(), REWIND).unwrap_or(default.rewind),
    };
    if let Some(node) = &raw.sync
        && queue.sync == SyncMode::Interval
    {
        let window = format_duration(queue.sync_interval);
        reader.problems.warn(
            &node.spot,
            format!("a power cut loses what was answered in the last {window}; `always` loses nothing"),
        );
    }
    queue
}

/// 0 is for ever, and so is none at all.
fn max_age(node: Option<&Node>, reader: &mut Reader) -> Option<Duration> {
    let (_, text) = reader.text(node)?;
    if parse_duration(text) == Some(Duration::ZERO) { None } else { reader.duration(node, MAX_AGE) }
}

fn dead_letters(raw: &raw::DeadLetters, reader: &mut Reader) -> DeadLetters {
    let node = raw.max_bytes.as_ref();
    let is_off = reader.text(node).is_some_and(|(_, text)| parse_size(text) == Some(0));
    let max_bytes = if is_off { Some(0) } else { reader.size(node, DEAD_LETTERS_MAX_BYTES) };
    max_bytes.map_or_else(DeadLetters::default, |max_bytes| DeadLetters { max_bytes })
}

fn replay(raw: &raw::Replay, reader: &mut Reader) -> Replay {
    let max_retry_after = reader.duration(raw.max_retry_after.as_ref(), MAX_RETRY_AFTER);
    let samples = reader.count(raw.samples_per_second.as_ref(), SAMPLES_PER_SECOND);
    let bytes = reader.size(raw.bytes_per_second.as_ref(), BYTES_PER_SECOND);
    Replay {
        max_retry_after: max_retry_after.unwrap_or(Replay::default().max_retry_after),
        samples_per_second: samples.map(|samples| samples as u64).filter(|samples| *samples > 0),
        bytes_per_second: bytes.filter(|bytes| *bytes > 0),
    }
}

fn log(raw: &raw::Log, reader: &mut Reader) -> Log {
    let default = Log::default();
    Log {
        level: reader.word(raw.level.as_ref(), &LogLevel::WORDS).unwrap_or(default.level),
        format: reader.word(raw.format.as_ref(), &LogFormat::WORDS).unwrap_or(default.format),
    }
}

/// The entries of `remote_write`, and what must hold between them.
fn upstreams(node: Option<Node>, reader: &mut Reader) -> Vec<Upstream> {
    let missing = Spot { place: Place::SomewhereInFile, key: "remote_write".into() };
    let (spot, entries) = match node {
        None => (missing, Vec::new()),
        Some(Node { spot, value: Value::Null }) => (spot, Vec::new()),
        Some(Node { spot, value: Value::List(entries) }) => (spot, entries),
        Some(Node { spot, value }) => {
            let message = format!("expected a list, each entry with a `- `, found {}", value.kind());
            reader.problems.error(&spot, message);
            return Vec::new();
        }
    };
    if entries.is_empty() {
        reader
            .problems
            .error(&spot, "nowhere to send: write an entry with a `url`, or give --remote-write-url");
    }
    let single = entries.len() == 1;
    let mut upstreams: Vec<Upstream> = Vec::with_capacity(entries.len());
    for entry in entries {
        let spot = entry.spot.clone();
        let upstream = remote_write::upstream(entry, single, reader);
        if upstreams.iter().any(|other| other.name == upstream.name) && !upstream.name.is_empty() {
            reader.problems.error(
                &spot,
                format!(
                    "the second entry named `{}`: give each its own, which names its place in the queue",
                    upstream.name
                ),
            );
        }
        upstreams.push(upstream);
    }
    upstreams
}
