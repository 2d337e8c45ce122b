//! The one file that names rocksdb: opening, the options with their reasons, batches, reads, space.

use super::folder::{self, Folder};
use super::record::read_header;
use super::retention::Limits;
use super::salvage::{self, Rebuild};
use super::segment::{self, Segment};
use super::witness::{self, Witness};
use super::{OpenError, Position, keys, position::Mark};
use crate::config::{self, STORE_CACHE_BYTES};
use rocksdb::{
    Cache, ColumnFamily, ColumnFamilyDescriptor, DB, DBCompressionType, DBRecoveryMode, LogLevel, Options,
    ReadOptions, WriteBatch, WriteOptions,
};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Version of the whole store: column families, keys, table. A store of another version is refused.
pub const FORMAT_VERSION: u8 = 1;

const RECORDS: &str = "records";
/// The meta keys live apart from the records, because a key that is rewritten all the time among them would make every
/// compaction rewrite records. And not in the family that RocksDB makes in every store, because that one cannot be made
/// anew where it does not read.
const META: &str = "tables";
/// Has no keys.
const UNUSED: &str = rocksdb::DEFAULT_COLUMN_FAMILY_NAME;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// An error of the store, as text: what a log line or a 503 can say of it.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{text}")]
pub struct StoreError {
    text: String,
    /// What was read is not what was written. Reading it again would not help.
    pub is_corruption: bool,
    /// The file system, or a quota on it, is full.
    pub is_out_of_space: bool,
}

impl From<rocksdb::Error> for StoreError {
    fn from(error: rocksdb::Error) -> Self {
        let is_corruption = is_damage(&error);
        let text = error.into_string();
        // RocksDB's C interface has no code for it: the words are those of strerror(3) for ENOSPC and EDQUOT.
        let is_out_of_space =
            ["No space left on device", "Disk quota exceeded"].iter().any(|w| text.contains(w));
        Self { text, is_corruption, is_out_of_space }
    }
}

/// What one commit changes. Applied whole or not at all.
#[derive(Default)]
pub struct Batch {
    batch: WriteBatch,
}

impl Batch {
    pub fn is_empty(&self) -> bool {
        self.batch.is_empty()
    }
}

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
    is_short: bool,
    /// The table on disk is not sound: `segments` was made anew from the records.
    is_anew: bool,
}

/// How a store is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Care {
    /// Anything that is not as it was written is an error.
    Strict,
    /// What cannot be read is passed over: damaged entries of the log, files that are missing or do not open.
    Salvage,
}

/// An open RocksDB.
pub struct Store {
    db: DB,
    path: PathBuf,
    /// None where it is open for reading.
    witness: Option<Witness>,
}

impl Store {
    /// Opens the store at `path`, or makes one in a folder that is missing or empty.
    ///
    /// Damage that RocksDB can pass over is passed over, see [`Found::damage`]; what it cost is counted where it is
    /// read. What cannot be opened at all is refused and left as it is.
    ///
    /// `upstreams` are those whose settled positions are wanted, though a walk over all may end at damage.
    pub fn open(path: &Path, upstreams: &[String], limits: &Limits) -> Result<(Self, Found), OpenError> {
        let folder = Folder::prepare(path)?;
        let is_new = folder.is_new;
        if !is_new {
            refuse_short_list(path)?;
        }
        let of_folder = |error| OpenError::Folder { path: path.to_owned(), error };
        let mut damage = Vec::new();
        let db = match open_db(path, limits, is_new, Care::Strict) {
            Ok(db) => db,
            Err(error) if !is_new && is_damage(&error) => {
                let db = salvage_db(path, limits).map_err(|error| open_error(path, error.into_string()))?;
                damage.push(error.into_string());
                db
            }
            Err(error) => return Err(open_error(path, error.into_string())),
        };
        let mut store = Self { db, path: path.to_owned(), witness: None };
        let refuse = |error: StoreError| open_error(path, error.to_string());
        if is_new {
            store.initialize().map_err(refuse)?;
            folder.finish().map_err(of_folder)?;
        } else {
            damage.extend(store.renew_anchor().map_err(refuse)?);
        }
        let found = store.examine(damage, upstreams, limits)?;
        let witness = Witness::open(path).map_err(of_folder)?;
        if !found.is_anew {
            store.witness = Some(witness);
            return Ok((store, found));
        }
        // RocksDB's compactions run into what does not read, and then it takes no more writes unless it is opened with less
        // care.
        drop(store);
        let db = open_db(path, limits, false, Care::Salvage);
        let db = db.map_err(|error| open_error(path, error.into_string()))?;
        let mut store = Self { db, path: path.to_owned(), witness: Some(witness) };
        store.renew_meta(&found, limits).map_err(refuse)?;
        Ok((store, found))
    }

    /// Opens the store at `path` for reading, and changes nothing in the folder. An agent may have it open: what is seen is
    /// how it stood at this moment.
    pub fn open_read_only(path: &Path) -> Result<(Self, Found), OpenError> {
        folder::expect_store(path)?;
        let limits = Limits::of(&config::Queue::default());
        let mut damage = Vec::new();
        let opened = open_moving(|| open_db_read_only(path, &limits, Care::Strict));
        let opened = match opened {
            Err(error) if is_damage(&error) => {
                damage.push(error.into_string());
                open_db_read_only(path, &limits, Care::Salvage)
            }
            opened => opened,
        };
        let refuse = |error: rocksdb::Error| match error.into_string() {
            what if what.contains("WAL") => OpenError::LostLog { path: path.to_owned(), what },
            what => open_error(path, what),
        };
        let db = opened.map_err(refuse)?;
        let store = Self { db, path: path.to_owned(), witness: None };
        let found = store.examine(damage, &[], &limits)?;
        Ok((store, found))
    }

    /// What is in the store, besides what was found at opening it.
    fn examine(
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

    /// Makes a store that does not open usable again, from the files that are left: their list is made anew, the log is
    /// turned into tables. What does not read is moved to `lost` in the folder; nothing is deleted.
    pub fn repair(path: &Path) -> Result<(), OpenError> {
        let limits = Limits::of(&config::Queue::default());
        DB::repair(&db_options(&limits, false, Care::Salvage), path)
            .map_err(|error| open_error(path, error.into_string()))
    }

    /// Everything before `end` is synced.
    pub fn note_end(&self, end: Mark) {
        if let Some(witness) = &self.witness {
            witness.note(end);
        }
    }

    fn initialize(&self) -> Result<(), StoreError> {
        let mut batch = Batch::default();
        batch.batch.put_cf(self.meta(), keys::FORMAT, [FORMAT_VERSION]);
        self.write(batch, true)?;
        // A repair learns from the tables which families there are: without one, what is in the log only would belong to a
        // family that it does not know.
        self.db.flush_cf(self.meta())?;
        self.put_anchor()
    }

    /// Puts the anchor into a table of its own on the last level: no compaction reads that one again, and it can be
    /// dropped alone.
    fn put_anchor(&self) -> Result<(), StoreError> {
        let mut batch = Batch::default();
        batch.batch.put_cf(self.records(), keys::ANCHOR, []);
        self.write(batch, true)?;
        self.db.flush_cf(self.records())?;
        self.db.compact_range_cf(self.records(), Some(keys::ANCHOR), Some(keys::ANCHOR));
        Ok(())
    }

    /// Puts the anchor anew where it is lost. Returns what was wrong, in words.
    ///
    /// Nobody needs the key, but a table that does not read makes every iterator end that comes near it.
    fn renew_anchor(&self) -> Result<Option<String>, StoreError> {
        let what = match self.db.get_cf(self.records(), keys::ANCHOR) {
            Ok(Some(_)) => return Ok(None),
            Ok(None) => "the key behind all records is missing".to_owned(),
            Err(error) if is_damage(&error) => format!("the key behind all records does not read ({error})"),
            Err(error) => return Err(error.into()),
        };
        self.db.delete_file_in_range_cf(self.records(), keys::ANCHOR, keys::ANCHOR)?;
        self.put_anchor()?;
        Ok(Some(what))
    }

    /// Makes the family of the meta keys anew, with what was found, and the files go that do not read. A kill in the middle
    /// leaves a store without settled positions: everything that is kept is delivered again.
    fn renew_meta(&mut self, found: &Found, limits: &Limits) -> Result<(), StoreError> {
        self.db.drop_cf(META)?;
        self.db.create_cf(META, &meta_options(limits, &Cache::new_lru_cache(STORE_CACHE_BYTES)))?;
        let mut batch = Batch::default();
        batch.batch.put_cf(self.meta(), keys::FORMAT, [FORMAT_VERSION]);
        found.segments.iter().for_each(|segment| self.put_segment(&mut batch, segment));
        found.upstreams.iter().for_each(|(name, acked)| self.put_upstream(&mut batch, name, *acked));
        self.write(batch, true)?;
        Ok(self.db.flush_cf(self.meta())?)
    }

    /// Name of the table that holds the anchor.
    #[cfg(test)]
    pub fn anchor_table_for_test(&self) -> String {
        let mut tables = self.db.live_files().unwrap();
        tables.retain(|table| table.start_key.as_deref() == Some(&keys::ANCHOR[..]));
        assert_eq!(tables.len(), 1, "the anchor has a table of its own");
        assert_eq!(tables[0].level, 6, "no compaction reads it");
        tables.remove(0).name.trim_start_matches('/').to_owned()
    }

    /// What a kill in the middle of [`Store::renew_meta`] leaves.
    #[cfg(test)]
    pub fn drop_meta_for_test(mut self) {
        self.db.drop_cf(META).unwrap();
    }

    #[cfg(test)]
    pub fn put_format_for_test(&self, version: u8) {
        let mut batch = Batch::default();
        batch.batch.put_cf(self.meta(), keys::FORMAT, [version]);
        self.write(batch, true).unwrap();
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

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn put_record(&self, batch: &mut Batch, position: Position, record: &[u8]) {
        batch.batch.put_cf(self.records(), keys::record(position), record);
    }

    pub fn put_segment(&self, batch: &mut Batch, segment: &Segment) {
        batch.batch.put_cf(self.meta(), keys::segment(segment.start.position), segment.encode());
    }

    pub fn put_upstream(&self, batch: &mut Batch, name: &str, acked: Mark) {
        batch.batch.put_cf(self.meta(), keys::upstream(name), segment::encode_mark(acked));
    }

    pub fn forget_upstream(&self, batch: &mut Batch, name: &str) {
        batch.batch.delete_cf(self.meta(), keys::upstream(name));
    }

    /// Removes a segment's table entry: from then on nobody reads its records.
    ///
    /// No tombstone is written for them. A range tombstone spans keys far from the records it is flushed with, so
    /// its file overlaps all others and compaction rewrites the whole queue, twice its size for a while.
    pub fn forget_segment(&self, batch: &mut Batch, segment: &Segment) {
        batch.batch.delete_cf(self.meta(), keys::segment(segment.start.position));
    }

    /// Applies a batch; with `sync` it is on disk when this returns.
    pub fn write(&self, batch: Batch, sync: bool) -> Result<(), StoreError> {
        let mut options = WriteOptions::default();
        options.set_sync(sync);
        Ok(self.db.write_opt(batch.batch, &options)?)
    }

    /// Gives the file system back the files that lie wholly before `first`; what stays of them, less than three
    /// write buffers, goes with a later call. Call it after the batch that forgot the segments is synced: the file
    /// list is durable at once, and must never be ahead of the table.
    pub fn release_before(&self, first: Position) -> Result<(), StoreError> {
        let Some(last) = first.checked_sub(1) else { return Ok(()) };
        Ok(self.db.delete_file_in_range_cf(self.records(), keys::record(0), keys::record(last))?)
    }

    /// Syncs what was written without.
    pub fn sync(&self) -> Result<(), StoreError> {
        Ok(self.db.flush_wal(true)?)
    }

    /// Calls `visit` for the records of `from..to` in order until it returns false.
    ///
    /// Both bounds are given to RocksDB, so that it never looks at what was deleted before `from`.
    pub fn scan(
        &self,
        from: Position,
        to: Position,
        mut visit: impl FnMut(Position, &[u8]) -> bool,
    ) -> Result<(), StoreError> {
        let mut options = ReadOptions::default();
        options.set_iterate_lower_bound(keys::record(from));
        options.set_iterate_upper_bound(keys::record(to));
        options.set_verify_checksums(true);
        // What is read here is read once: it must not push indexes out of the cache.
        options.fill_cache(false);
        let mut iterator = self.db.raw_iterator_cf_opt(self.records(), options);
        iterator.seek(keys::record(from));
        while let Some((key, value)) = iterator.item() {
            let Some(position) = keys::position(key) else { break };
            if !visit(position, value) {
                return Ok(());
            }
            iterator.next();
        }
        Ok(iterator.status()?)
    }

    /// One record; none where there is none.
    pub fn get(&self, position: Position) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.db.get_cf(self.records(), keys::record(position))?)
    }

    /// What the folder takes of the file system, in bytes: whole blocks.
    pub fn disk_bytes(&self) -> u64 {
        let Ok(entries) = fs::read_dir(&self.path) else { return 0 };
        let blocks: u64 =
            entries.flatten().filter_map(|entry| entry.metadata().ok()).map(|file| file.blocks()).sum();
        blocks * 512
    }

    fn records(&self) -> &ColumnFamily {
        self.db.cf_handle(RECORDS).expect("BUG: the family was opened with the store")
    }

    fn meta(&self) -> &ColumnFamily {
        self.db.cf_handle(META).expect("BUG: the family was opened with the store")
    }
}

/// More records than a damaged table file can hold: what follows so many that do not read is the end.
const MOST_SKIPPED: u32 = 1 << 18;

fn families(limits: &Limits) -> [ColumnFamilyDescriptor; 3] {
    let cache = Cache::new_lru_cache(STORE_CACHE_BYTES);
    [
        ColumnFamilyDescriptor::new(UNUSED, meta_options(limits, &cache)),
        ColumnFamilyDescriptor::new(META, meta_options(limits, &cache)),
        ColumnFamilyDescriptor::new(RECORDS, records_options(limits, &cache)),
    ]
}

fn open_db(path: &Path, limits: &Limits, is_new: bool, care: Care) -> Result<DB, rocksdb::Error> {
    DB::open_cf_descriptors(&db_options(limits, is_new, care), path, families(limits))
}

fn open_db_read_only(path: &Path, limits: &Limits, care: Care) -> Result<DB, rocksdb::Error> {
    let mut options = db_options(limits, false, care);
    // All of them at once: an agent that has the store open deletes files when it releases space.
    options.set_max_open_files(-1);
    // Without it, RocksDB 11.8 crashes in a read-only open (`DBImpl::Recover` wants to note in the list of files that logs
    // are not tracked any more, and has nothing to note it with). The price: a store that lost a log is not opened.
    options.set_track_and_verify_wals_in_manifest(true);
    DB::open_cf_descriptors_read_only(&options, path, families(limits), false)
}

/// Opens a store that an agent may have open: between reading the list of files and opening them, some may go.
fn open_moving(open: impl Fn() -> Result<DB, rocksdb::Error>) -> Result<DB, rocksdb::Error> {
    let mut opened = open();
    for _ in 1..OPEN_ATTEMPTS {
        match &opened {
            Err(error) if is_damage(error) => opened = open(),
            _ => break,
        }
    }
    opened
}

const OPEN_ATTEMPTS: usize = 5;

/// Refuses a store whose list of files ends too early: RocksDB would take it for an older one, and delete the tables that
/// are not in it. They are told from what a crash leaves by the records they held: these are missing at the log's end.
fn refuse_short_list(path: &Path) -> Result<(), OpenError> {
    let unlisted = match Store::open_read_only(path) {
        Ok((store, found)) if found.is_short => unlisted_tables(&store.db, path),
        // A list that ends too early also names logs that are long gone.
        Err(OpenError::LostLog { .. }) => unlisted_without_logs(path),
        // What does not open for reading is told by the open that follows.
        _ => return Ok(()),
    };
    let unlisted = unlisted.unwrap_or_default();
    if unlisted.is_empty() {
        return Ok(());
    }
    let tables = unlisted.join(", ");
    Err(open_error(
        path,
        format!("its list of files does not name {tables}, and records are missing at its end"),
    ))
}

/// Names of table files in the folder that RocksDB does not know of.
fn unlisted_tables(db: &DB, path: &Path) -> Result<Vec<String>, rocksdb::Error> {
    let listed = db.live_files()?;
    let is_listed = |name: &str| listed.iter().any(|file| file.name.trim_start_matches('/') == name);
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    Ok(names.filter(|name| name.ends_with(".sst") && !is_listed(name)).collect())
}

/// The same of a store that lost a log, which does not open read-only. It does as a second instance, which keeps its own
/// notes elsewhere.
fn unlisted_without_logs(path: &Path) -> Result<Vec<String>, rocksdb::Error> {
    let limits = Limits::of(&config::Queue::default());
    let mut options = db_options(&limits, false, Care::Salvage);
    options.set_max_open_files(-1);
    let notes = std::env::temp_dir().join(format!("pmm-buffer-{}", std::process::id()));
    let db = DB::open_cf_descriptors_as_secondary(&options, path, &notes, families(&limits));
    let unlisted = db.and_then(|db| unlisted_tables(&db, path));
    let _ = fs::remove_dir_all(notes);
    unlisted
}

/// Opens a damaged store. RocksDB writes what it could read of its log to tables then, so that from there on all may be
/// well: if it is, the store is open with full care.
fn salvage_db(path: &Path, limits: &Limits) -> Result<DB, rocksdb::Error> {
    drop(open_db(path, limits, false, Care::Salvage)?);
    match open_db(path, limits, false, Care::Strict) {
        Err(error) if is_damage(&error) => open_db(path, limits, false, Care::Salvage),
        other => other,
    }
}

/// True where files are not what was written, or are not there.
fn is_damage(error: &rocksdb::Error) -> bool {
    let says = |what: &str| error.as_ref().contains(what);
    error.kind() == rocksdb::ErrorKind::Corruption
        || error.kind() == rocksdb::ErrorKind::IOError && says("No such file or directory")
        // A kill while it was made anew.
        || error.kind() == rocksdb::ErrorKind::InvalidArgument && says(&format!("Column family not found: {META}"))
}

fn open_error(path: &Path, text: String) -> OpenError {
    let path = path.to_owned();
    // RocksDB says "While lock file" for another process and "lock hold by current process" for this one.
    if text.contains("lock file") || text.contains("lock hold") {
        OpenError::Locked { path }
    } else {
        OpenError::Damaged { path, what: text }
    }
}

fn db_options(limits: &Limits, is_new: bool, care: Care) -> Options {
    // Space that is allocated ahead of what is written is most of a small queue, and a sync is no faster for it: the file
    // system notes the end of what was written all the same (docs/performance.md). There is no function for it.
    let mut options = Options::default()
        .get_options_from_string("allow_fallocate=false")
        .expect("BUG: RocksDB knows its own option");
    options.create_if_missing(is_new);
    options.create_missing_column_families(is_new || care == Care::Salvage);
    // A log that ends in a torn record is what a kill leaves behind: its last commit was not answered. Anything else is
    // damage: the default mode would open and lose what follows without a word, this one does not open.
    options.set_wal_recovery_mode(match care {
        Care::Strict => DBRecoveryMode::TolerateCorruptedTailRecords,
        Care::Salvage => DBRecoveryMode::SkipAnyCorruptedRecord,
    });
    // Without them a store opens though files of it are missing or do not open; what is read is checked all the same.
    options.set_paranoid_checks(care == Care::Strict);
    // A log file that went missing is known to be.
    options.set_track_and_verify_wals_in_manifest(care == Care::Strict);
    // The meta family is written with every commit and flushed never: without a bound it would keep every log
    // file alive. Two write buffers' worth is what the records need themselves. Not flushed together with the records:
    // where the last entry of the list of files is damaged, RocksDB takes it for torn, and the tables that it names for
    // nobody's. With the meta keys among them, nothing would be left that knows of the records in the others.
    options.set_max_total_wal_size(2 * limits.write_buffer_bytes);
    // Log files are made anew: a recycled one ends in old records, which weakens the check for a torn tail.
    options.set_recycle_log_file_num(0);
    // One flush and one compaction at a time are ahead of any load this agent takes, and the host's cores
    // belong to its database.
    options.set_max_background_jobs(2);
    // Files are opened once and kept; the table of a 1 GiB queue has some 130.
    options.set_max_open_files(256);
    // Written-back in pieces, so that a flush is no burst for the database's disk.
    options.set_bytes_per_sync(MIB as u64);
    options.set_skip_stats_update_on_db_open(true);
    options.set_stats_dump_period_sec(0);
    options.set_stats_persist_period_sec(0);
    // RocksDB's own log: what support would ask for, and no more.
    options.set_keep_log_file_num(2);
    options.set_max_log_file_size(MIB);
    options.set_log_level(LogLevel::Warn);
    options.set_max_manifest_file_size(4 * MIB);
    options
}

fn records_options(limits: &Limits, cache: &Cache) -> Options {
    let mut options = Options::default();
    let buffer = usize::try_from(limits.write_buffer_bytes).unwrap_or(usize::MAX);
    options.set_write_buffer_size(buffer);
    options.set_max_write_buffer_number(2);
    // Records are packed before they come here.
    options.set_compression_type(DBCompressionType::None);
    // Keys only grow, so files never overlap: compaction moves them down without rewriting, where a file-range
    // delete can free them. It skips level 0, so nothing may linger there.
    options.set_level_zero_file_num_compaction_trigger(2);
    options.set_target_file_size_base(limits.write_buffer_bytes);
    options.set_level_compaction_dynamic_level_bytes(true);
    // A record is rewritten by nobody: no compaction by age.
    options.set_ttl(0);
    options.set_periodic_compaction_seconds(0);
    options.set_block_based_table_factory(&table_options(64 * KIB, cache));
    options
}

fn meta_options(limits: &Limits, cache: &Cache) -> Options {
    let mut options = Options::default();
    options.set_write_buffer_size(usize::try_from(limits.write_buffer_bytes / 4).unwrap_or(usize::MAX));
    options.set_max_write_buffer_number(2);
    options.set_compression_type(DBCompressionType::None);
    options.set_block_based_table_factory(&table_options(4 * KIB, cache));
    options
}

fn table_options(block_bytes: usize, cache: &Cache) -> rocksdb::BlockBasedOptions {
    let mut table = rocksdb::BlockBasedOptions::default();
    // Reads are sequential and never come back: a small cache for indexes, large blocks for records.
    table.set_block_cache(cache);
    table.set_cache_index_and_filter_blocks(true);
    table.set_block_size(block_bytes);
    table.set_format_version(6);
    table
}
