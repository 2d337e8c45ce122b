//! A look at a queue from outside: what is in it, and whether all of it reads. Changes nothing in the folder, and an
//! agent may be at work in it meanwhile.
//!
//! Records are read the way a delivery reads them, so what is found missing here is what a delivery would miss.

use super::interval::IntervalDecoder;
use super::mark::Mark;
use super::merge::Merge;
use super::run::{Gap, ReadLimit, Run, Source};
use super::segment::{Segment, accepted_between};
use super::store::{Found, Store, StoreError};
use super::{OpenError, Position};
use serde::Serialize;
use std::collections::HashSet;
use std::path::Path;
use twox_hash::XxHash3_128;

/// What is read at once: bounds the memory of a survey, with the hashes of the series.
const AT_ONCE: ReadLimit = ReadLimit { records: 256, samples: 100_000, bytes: 8 << 20 };

/// What a queue holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Survey {
    /// The folder of the store.
    pub path: String,
    /// What the folder takes of the file system.
    pub disk_bytes: u64,
    /// What all segments come to.
    pub total: Figures,
    /// In the order of the log.
    pub segments: Vec<Figures>,
    pub upstreams: Vec<Upstream>,
    /// What is wrong with the store as a whole, in words.
    pub damage: Vec<String>,
    /// Records that are missing or do not read, in the order of the log.
    pub losses: Vec<Loss>,
}

impl Survey {
    /// True where nothing is damaged and every record reads.
    pub fn is_sound(&self) -> bool {
        self.damage.is_empty() && self.losses.is_empty()
    }

    /// Samples that are lost, of all that the queue held.
    pub fn samples_lost(&self) -> u64 {
        self.losses.iter().map(|loss| loss.samples).sum()
    }
}

/// A stretch of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Figures {
    /// Position of its first record, and one past its last.
    pub first: Position,
    pub end: Position,
    /// Records, float and histogram samples, encoded bytes: as written, with what does not read any more.
    pub records: u64,
    pub samples: u64,
    pub bytes: u64,
    /// Different series, in what reads.
    pub series: u64,
    /// When its first and last record were accepted, in milliseconds since the epoch; zeros where it is empty.
    pub first_accepted_ms: i64,
    pub last_accepted_ms: i64,
}

/// Where an upstream stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Upstream {
    /// Name of its `remote_write` entry.
    pub name: String,
    /// Every record before this position is settled.
    pub acked: Position,
    pub backlog_records: u64,
    pub backlog_samples: u64,
    pub backlog_bytes: u64,
}

/// Records in a row that are missing or do not read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Loss {
    /// Position of the first, and one past the last.
    pub first: Position,
    pub end: Position,
    pub samples: u64,
    /// They were accepted between these moments, in milliseconds since the epoch.
    pub from_ms: i64,
    pub to_ms: i64,
    pub cause: String,
}

/// A queue that could not be surveyed.
#[derive(Debug, thiserror::Error)]
pub enum SurveyError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error("cannot read the queue in {path}: {error}; check the disk, then look again")]
    Read { path: String, error: StoreError },
}

/// Reads the whole queue in `path`. `progress` is told how many encoded bytes were read, of how many.
pub fn survey(path: &Path, mut progress: impl FnMut(u64, u64)) -> Result<Survey, SurveyError> {
    let (store, found) = Store::open_read_only(path)?;
    let total_bytes = found.segments.iter().map(Segment::bytes).sum();
    let mut read_bytes = 0;
    let mut look = Look::default();
    for segment in &found.segments {
        let read = look.read(&store, segment, |bytes| progress(read_bytes + bytes, total_bytes));
        read.map_err(|error| SurveyError::Read { path: path.display().to_string(), error })?;
        read_bytes += segment.bytes();
    }
    Ok(look.finish(&store, found))
}

/// A survey being made.
#[derive(Default)]
struct Look {
    segments: Vec<Figures>,
    losses: Vec<Loss>,
    /// Hashes of the label sections of the whole queue.
    series: HashSet<u128>,
}

impl Look {
    /// Reads one segment. `progress` is told how many of its bytes were read.
    fn read(
        &mut self,
        store: &Store,
        segment: &Segment,
        mut progress: impl FnMut(u64),
    ) -> Result<(), StoreError> {
        let mut decoder = IntervalDecoder::new();
        let mut series = HashSet::new();
        let mut at = segment.start;
        let mut last_ms = None;
        while at.position < segment.end.position {
            let source = &mut Source { store, decoder: &mut decoder };
            let run = Run::read(source, (at, segment.end), AT_ONCE, Merge::default())?;
            self.losses.extend(run.gaps.iter().map(|gap| loss(gap, last_ms, segment)));
            last_ms = run.pending.last().map(|(_, accepted_ms)| *accepted_ms).or(last_ms);
            at = run.at;
            series.extend(run.merge.label_sections().map(XxHash3_128::oneshot));
            progress(at.bytes.saturating_sub(segment.start.bytes));
        }
        let accepted = (segment.first_accepted_ms, segment.last_accepted_ms);
        self.segments.push(figures(segment.start, segment.end, accepted, series.len()));
        self.series.extend(series);
        Ok(())
    }

    fn finish(self, store: &Store, found: Found) -> Survey {
        let Self { segments, mut losses, series } = self;
        losses.dedup_by(|next, loss| loss.join(next));
        let marks = (found.segments.first(), found.segments.last());
        let (first, end) =
            marks.0.zip(marks.1).map(|(first, last)| (first.start, last.end)).unwrap_or_default();
        let accepted = accepted_between(&found.segments, first.position, end.position);
        Survey {
            path: store.path().display().to_string(),
            disk_bytes: store.disk_bytes(),
            total: figures(first, end, accepted, series.len()),
            segments,
            upstreams: found
                .upstreams
                .into_iter()
                .map(|(name, acked)| upstream(name, acked.max(first), end))
                .collect(),
            damage: found.damage,
            losses,
        }
    }
}

impl Loss {
    /// Takes in a loss that goes on where this one ends. False where it does not.
    fn join(&mut self, next: &Self) -> bool {
        if self.end != next.first || self.cause != next.cause {
            return false;
        }
        self.end = next.end;
        self.samples += next.samples;
        self.to_ms = next.to_ms;
        true
    }
}

/// What stands around a gap says when its records were accepted; where nothing does, the segment knows.
fn loss(gap: &Gap, before_run_ms: Option<i64>, segment: &Segment) -> Loss {
    Loss {
        first: gap.from.position,
        end: gap.to.position,
        samples: gap.to.samples_since(gap.from),
        from_ms: gap.after_ms.or(before_run_ms).unwrap_or(segment.first_accepted_ms),
        to_ms: gap.before_ms.unwrap_or(segment.last_accepted_ms),
        cause: gap.cause.clone(),
    }
}

fn figures(
    from: Mark,
    to: Mark,
    (first_accepted_ms, last_accepted_ms): (i64, i64),
    series: usize,
) -> Figures {
    Figures {
        first: from.position,
        end: to.position,
        records: to.position - from.position,
        samples: to.samples_since(from),
        bytes: to.bytes.saturating_sub(from.bytes),
        series: series as u64,
        first_accepted_ms,
        last_accepted_ms,
    }
}

fn upstream(name: String, acked: Mark, end: Mark) -> Upstream {
    Upstream {
        name,
        acked: acked.position,
        backlog_records: end.position.saturating_sub(acked.position),
        backlog_samples: end.samples_since(acked),
        backlog_bytes: end.bytes.saturating_sub(acked.bytes),
    }
}
