//! Opens what a power cut left, and says whether the agent's promise holds there.

use super::peers::{self, Load};
use super::record::{MAX_BYTES, UPSTREAM};
use pmm_buffer::config;
use pmm_buffer::harness::Ledger;
use pmm_buffer::model::Push;
use pmm_buffer::queue::{self, OpenError, Options, Queue, ReadLimit, Reader};
use pmm_buffer::telemetry::Metrics;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

const ALL: ReadLimit = ReadLimit { records: u64::MAX, samples: u64::MAX, bytes: usize::MAX };

/// What had happened outside of the agent when the power was cut.
pub struct Before<'a> {
    /// All pushes, sent or not: none but these may be found.
    pub load: &'a Load,
    pub answered: Vec<&'a Push>,
    /// Batches that the agent knew to be delivered; what was in them need not be there any more.
    pub settled: &'a [Push],
}

/// A store in which the promise holds.
pub enum Found {
    Opened {
        /// The first position kept.
        trimmed: u64,
    },
    /// It was found to be damaged, which nobody may open, and nobody may delete.
    Refused(OpenError),
}

/// Opens the queue in `folder`; an error says what is wrong with it.
pub fn judge(folder: &Path, before: &Before<'_>) -> Result<Found, String> {
    let metrics = Arc::new(Metrics::new());
    let mut queue = match Queue::open(options(folder), &[UPSTREAM.to_owned()], metrics.clone()) {
        Ok(queue) => queue,
        Err(error @ OpenError::Damaged { .. }) => return Ok(Found::Refused(error)),
        Err(error) => return Err(error.to_string()),
    };
    let mut reader = queue.reader(UPSTREAM);
    let found = Found::Opened { trimmed: queue.view().status().trimmed };

    let mut ledger = Ledger::default();
    before.load.iter().flatten().for_each(|push| drop(ledger.pushed(push)));
    before.answered.iter().for_each(|push| ledger.answered(push));
    before.settled.iter().for_each(|push| ledger.arrived(push));
    while let Some(push) = deliver(&mut reader)? {
        ledger.arrived(&push);
    }
    let verdict = ledger.verdict();
    if !verdict.is_clean() {
        return Err(format!("{verdict:?}"));
    }
    if metrics.render().lines().any(|line| line.starts_with("pmm_buffer_samples_dropped_total{")) {
        return Err("records were skipped as damaged".to_owned());
    }
    goes_on(&queue, &mut reader)?;
    drop(reader);
    queue.close();
    Ok(found)
}

/// The only place that knows the queue's options.
fn options(folder: &Path) -> Options {
    let settings = config::Queue { max_bytes: MAX_BYTES, rewind: Duration::ZERO, ..config::Queue::default() };
    Options { path: folder.join("queue"), settings, clock: Arc::new(|| 0) }
}

/// True where CURRENT names a list of files that is not there.
pub fn lost_its_list(folder: &Path) -> bool {
    let path = options(folder).path;
    fs::read_to_string(path.join("CURRENT")).is_ok_and(|name| !path.join(name.trim_end()).exists())
}

/// What the refusal says to do.
pub fn repair(folder: &Path) -> Result<(), String> {
    queue::repair(&options(folder).path).map_err(|error| error.to_string())
}

/// Takes the next batch as an upstream does that settles at once.
fn deliver(reader: &mut Reader) -> Result<Option<Push>, String> {
    let Some(batch) = reader.read(ALL, Instant::now()).map_err(|error| error.to_string())? else {
        return Ok(None);
    };
    reader.ack(batch.end, Instant::now());
    Ok(Some(batch.push))
}

/// The next push is taken, and delivered as it came.
fn goes_on(queue: &Queue, reader: &mut Reader) -> Result<(), String> {
    let push = peers::push((usize::MAX, 0));
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(queue.appender().append(push.clone(), 0)).map_err(|error| error.to_string())?;
    match deliver(reader)? {
        Some(delivered) if delivered.series().eq(push.series()) => Ok(()),
        _ => Err("the push after the cut is not delivered as it came".to_owned()),
    }
}
