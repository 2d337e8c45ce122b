//! The one file that names rocksdb: opening, the options with their reasons, batches, reads, space.

use super::retention::Limits;
use super::segment::{self, Segment};
use super::{OpenError, Position, keys, position::Mark};
use rocksdb::{
    ColumnFamily, ColumnFamilyDescriptor, DB, DBCompressionType, DBRecoveryMode, LogLevel, Options,
    ReadOptions, WriteBatch, WriteOptions,
};
use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

/// Version of the whole store: column families, keys, table. A store of another version is refused.
pub const FORMAT_VERSION: u8 = 1;

const RECORDS: &str = "records";
/// RocksDB makes this family in every store; the meta keys live there, apart from the records, because a key
/// that is rewritten all the time among them would make every compaction rewrite records.
const META: &str = "default";

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
        let is_corruption = error.kind() == rocksdb::ErrorKind::Corruption;
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
pub struct Found {
    /// The segment table, in order. Empty in a new store.
    pub segments: Vec<Segment>,
    /// The settled position of each upstream ever named.
    pub upstreams: Vec<(String, Mark)>,
}

/// An open RocksDB.
pub struct Store {
    db: DB,
    path: PathBuf,
}

impl Store {
    /// Opens the store at `path`, or makes one in a folder that is missing or empty. Anything else is refused
    /// and left as it is.
    pub fn open(path: &Path, limits: &Limits) -> Result<(Self, Found), OpenError> {
        let is_new = prepare_folder(path)?;
        let options = db_options(limits, is_new);
        let families = [
            ColumnFamilyDescriptor::new(META, meta_options(limits)),
            ColumnFamilyDescriptor::new(RECORDS, records_options(limits)),
        ];
        let db = DB::open_cf_descriptors(&options, path, families)
            .map_err(|error| open_error(path, error.into_string()))?;
        let store = Self { db, path: path.to_owned() };
        if is_new {
            store.initialize().map_err(|error| open_error(path, error.to_string()))?;
        }
        store.check_format()?;
        let found = store.read_meta()?;
        Ok((store, found))
    }

    fn initialize(&self) -> Result<(), StoreError> {
        let mut batch = Batch::default();
        batch.batch.put_cf(self.meta(), keys::FORMAT, [FORMAT_VERSION]);
        self.write(batch, true)?;
        // The files' names must survive a power cut as their contents do.
        for folder in [Some(self.path.as_path()), self.path.parent()].into_iter().flatten() {
            let _ = fs::File::open(folder).and_then(|folder| folder.sync_all());
        }
        Ok(())
    }

    #[cfg(test)]
    pub fn put_format_for_test(&self, version: u8) {
        let mut batch = Batch::default();
        batch.batch.put_cf(self.meta(), keys::FORMAT, [version]);
        self.write(batch, true).unwrap();
    }

    fn check_format(&self) -> Result<(), OpenError> {
        let path = self.path.clone();
        let format = self
            .db
            .get_cf(self.meta(), keys::FORMAT)
            .map_err(|error| open_error(&path, error.into_string()))?;
        match format.as_deref() {
            Some([FORMAT_VERSION]) => Ok(()),
            Some([version]) => Err(OpenError::Version { path, found: *version, known: FORMAT_VERSION }),
            _ => Err(OpenError::Foreign { path }),
        }
    }

    fn read_meta(&self) -> Result<Found, OpenError> {
        let mut found = Found { segments: Vec::new(), upstreams: Vec::new() };
        let damaged = |what: String| OpenError::Damaged { path: self.path.clone(), what };
        for item in self.db.iterator_cf(self.meta(), rocksdb::IteratorMode::Start) {
            let (key, value) = item.map_err(|error| damaged(error.into_string()))?;
            match keys::meta(&key) {
                keys::Meta::Segment(first) => {
                    let segment = Segment::decode(&value)
                        .filter(|segment| segment.start.position == first)
                        .ok_or_else(|| {
                        damaged(format!("the table entry of segment {first} does not read"))
                    })?;
                    found.segments.push(segment);
                }
                keys::Meta::Upstream(name) => {
                    let mark = segment::decode_mark(&value)
                        .ok_or_else(|| damaged(format!("the position of upstream {name} does not read")))?;
                    found.upstreams.push((name, mark));
                }
                keys::Meta::Format | keys::Meta::Unknown => {}
            }
        }
        Ok(found)
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

    /// What the folder takes of the file system, in bytes: blocks, with what is allocated ahead.
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

/// Makes the folder if it is missing. Returns true where a new store may be made in it: only an empty folder
/// is, because a folder with files and no store in it may be a store that lost its first file.
fn prepare_folder(path: &Path) -> Result<bool, OpenError> {
    let io = |error: io::Error| OpenError::Folder { path: path.to_owned(), error };
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(io)?;
    if path.join("CURRENT").exists() {
        return Ok(false);
    }
    // RocksDB leaves these behind when it could not finish making a store.
    let harmless = |name: &str| name == "LOCK" || name.starts_with("LOG") || name == "lost+found";
    for entry in fs::read_dir(path).map_err(io)? {
        let name = entry.map_err(io)?.file_name();
        if !harmless(&name.to_string_lossy()) {
            return Err(OpenError::Foreign { path: path.to_owned() });
        }
    }
    Ok(true)
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

fn db_options(limits: &Limits, is_new: bool) -> Options {
    let mut options = Options::default();
    options.create_if_missing(is_new);
    options.create_missing_column_families(is_new);
    // A log that ends in a torn record is what a kill leaves behind: its last commit was not answered. Damage
    // before that is not: the default mode would open and silently lose what follows, this one refuses.
    options.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
    options.set_paranoid_checks(true);
    // The meta family is written with every commit and flushed never: without a bound it would keep every log
    // file alive. Two write buffers' worth is what the records need themselves.
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
    options.set_manifest_preallocation_size(64 * KIB);
    options
}

fn records_options(limits: &Limits) -> Options {
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
    options.set_block_based_table_factory(&table_options(64 * KIB));
    options
}

fn meta_options(limits: &Limits) -> Options {
    let mut options = Options::default();
    options.set_write_buffer_size(usize::try_from(limits.write_buffer_bytes / 4).unwrap_or(usize::MAX));
    options.set_max_write_buffer_number(2);
    options.set_compression_type(DBCompressionType::None);
    options.set_block_based_table_factory(&table_options(4 * KIB));
    options
}

fn table_options(block_bytes: usize) -> rocksdb::BlockBasedOptions {
    let mut table = rocksdb::BlockBasedOptions::default();
    // Reads are sequential and never come back: a small cache for indexes, large blocks for records.
    table.set_block_cache(&rocksdb::Cache::new_lru_cache(2 * MIB));
    table.set_cache_index_and_filter_blocks(true);
    table.set_block_size(block_bytes);
    table.set_format_version(6);
    table
}
