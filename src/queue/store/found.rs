//! What is in a store that was opened, sound or not.

use super::open::open_error;
use super::{FORMAT_VERSION, Store, StoreError};
use crate::queue::mark::Mark;
use crate::queue::record::read_header;
use crate::queue::retention::Limits;
use crate::queue::salvage::{self, Rebuild};
use crate::queue::segment::{self, Segment};
use crate::queue::witness;
use crate::queue::{OpenError, Position, keys};

/// What was found at opening.
#[derive(Default)]
pub struct Found {
    /// The segment table, in order, contiguous. Empty in a new store.
    pub segments: Vec<Segment>,
    /// The settled position of each upstream ever named.
    pub upstreams: Vec<(String, Mark)>,
    /// What was wrong and could be passed over, in words for the log.
    pub damage: Vec<String>,
    /// The log had reached further than it does.
    pub(super) is_short: bool,
    /// The table on disk is not sound: `segments` was made anew from the records.
    pub(super) is_anew: bool,
}

impl Store {
    /// What is in the store, besides what was found at opening it.
    pub(super) fn examine(
        &self,
        mut damage: Vec<String>,
        upstreams: &[String],
        limits: &Limits,
    ) -> Result<Found, OpenError> {
        let refuse = |error: StoreError| open_error(&self.path, error.to_string());
        self.check_format(&mut damage)?;
        let mut found = self.read_meta();
        found.damage.splice(0..0, damage);
        for name in upstreams {
            if !found.upstreams.iter().any(|(known, _)| known == name) {
                found.upstreams.extend(self.upstream(name).map(|mark| (name.clone(), mark)));
            }
        }
        let acked = found.upstreams.iter().map(|(_, mark)| *mark);
        let end = found.segments.last().map_or(0, |last| last.end.position);
        let reached = witness::read(&self.path).filter(|reached| reached.position > end);
        if let Some(reached) = reached {
            let what = format!("it ends before position {end} and had reached {}", reached.position);
            found.damage.push(what);
            found.is_short = true;
        }
        if !found.damage.is_empty()
            || !salvage::is_sound(&found.segments, acked)
            || self.has_records(end).map_err(refuse)?
        {
            found.segments = self.table_from_records(&found, reached, limits).map_err(refuse)?;
            found.is_anew = true;
            found.damage.push("the table of segments was made anew from the records".into());
        }
        Ok(found)
    }

    fn check_format(&self, damage: &mut Vec<String>) -> Result<(), OpenError> {
        let path = self.path.clone();
        match self.db.get_cf(self.meta(), keys::FORMAT).map_err(StoreError::from) {
            Ok(Some(format)) => match format.as_slice() {
                [FORMAT_VERSION] => Ok(()),
                [version] => Err(OpenError::Version { path, found: *version, known: FORMAT_VERSION }),
                _ => Err(OpenError::Foreign { path }),
            },
            // Records have versions of their own: one that this agent does not know is not read.
            Ok(None) if self.has_records(0).unwrap_or(true) => {
                damage.push("the format of the store is missing".into());
                Ok(())
            }
            Ok(None) => Err(OpenError::Foreign { path }),
            Err(error) if error.is_corruption => {
                damage.push(format!("the format of the store does not read ({error})"));
                Ok(())
            }
            Err(error) => Err(open_error(&path, error.to_string())),
        }
    }

    /// True where there are records from `from` on.
    fn has_records(&self, from: Position) -> Result<bool, StoreError> {
        let mut has_some = false;
        let scanned = self.scan(from, keys::ANCHOR_POSITION, |_, _| {
            has_some = true;
            false
        });
        match scanned {
            // Something was there.
            Err(error) if error.is_corruption => Ok(true),
            scanned => scanned.map(|()| has_some),
        }
    }

    fn read_meta(&self) -> Found {
        let mut found = Found::default();
        for item in self.db.iterator_cf(self.meta(), rocksdb::IteratorMode::Start) {
            let (key, value) = match item {
                Ok(item) => item,
                Err(error) => {
                    found.damage.push(format!("the tables do not read: {error}"));
                    break;
                }
            };
            match keys::meta(&key) {
                keys::Meta::Segment(first) => {
                    match Segment::decode(&value).filter(|segment| segment.start.position == first) {
                        Some(segment) => found.segments.push(segment),
                        None => {
                            found.damage.push(format!("the table entry of segment {first} does not read"))
                        }
                    }
                }
                keys::Meta::Upstream(name) => match segment::decode_mark(&value) {
                    Some(mark) => found.upstreams.push((name, mark)),
                    None => found.damage.push(format!("the position of upstream {name} does not read")),
                },
                keys::Meta::Format | keys::Meta::Unknown => {}
            }
        }
        found
    }

    /// True where records do not read that the table of segments has.
    pub(super) fn lacks_records(&self, found: &Found) -> bool {
        let (Some(first), Some(last)) = (found.segments.first(), found.segments.last()) else { return false };
        let mut read = 0;
        let scanned = self.scan_readable(first.start.position, |_, _| read += 1);
        scanned.is_err() || read < last.end.position - first.start.position
    }

    /// The settled position of one upstream. Asked for by its key it can be there where a walk over all of them ends at
    /// damage.
    fn upstream(&self, name: &str) -> Option<Mark> {
        let value = self.db.get_cf(self.meta(), keys::upstream(name)).ok()??;
        segment::decode_mark(&value)
    }

    /// The segment table from the records that can be read, and from what is left of the old one.
    fn table_from_records(
        &self,
        found: &Found,
        reached: Option<Mark>,
        limits: &Limits,
    ) -> Result<Vec<Segment>, StoreError> {
        let starts = found.segments.first().map(|first| first.start).into_iter();
        let acked = found.upstreams.iter().map(|(_, mark)| *mark);
        // Without a table, and nobody who was here before, all that is left is wanted.
        let from = starts.chain(acked).min_by_key(|mark| mark.position);
        let ends = found.segments.iter().map(|segment| segment.end);
        let to = ends.chain(reached).max_by_key(|mark| mark.position);
        let mut rebuild = Rebuild::new(limits.segment_bytes);
        self.scan_readable(from.map_or(0, |mark| mark.position), |position, record| {
            if let Ok(header) = read_header(record) {
                rebuild.add(position, &header, record.len() as u64);
            }
        })?;
        Ok(rebuild.finish(from, to))
    }

    /// Calls `visit` for every record from `from` on that can be read, in order.
    pub fn scan_readable(
        &self,
        from: Position,
        mut visit: impl FnMut(Position, &[u8]),
    ) -> Result<(), StoreError> {
        let mut next = from;
        let scanned = self.scan(from, keys::ANCHOR_POSITION, |position, record| {
            visit(position, record);
            next = position + 1;
            true
        });
        match scanned {
            Err(error) if error.is_corruption => self.visit_singly(next, visit),
            scanned => scanned,
        }
    }

    /// The same, record by record: an iterator ends at a block that is damaged, and one that begins near a table that does
    /// not open ends at once, though others have what it looks for.
    fn visit_singly(&self, from: Position, mut visit: impl FnMut(Position, &[u8])) -> Result<(), StoreError> {
        let (mut next, mut skipped) = (from, 0);
        while skipped < MOST_SKIPPED {
            match self.get(next) {
                Ok(Some(record)) => {
                    visit(next, &record);
                    skipped = 0;
                }
                Ok(None) => skipped += 1,
                Err(error) if error.is_corruption => skipped += 1,
                Err(error) => return Err(error),
            }
            next += 1;
        }
        Ok(())
    }
}

/// More records than a damaged table file can hold: what follows so many that do not read is the end.
const MOST_SKIPPED: u32 = 1 << 18;
