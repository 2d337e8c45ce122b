//! RocksDB: what is written, read and released. Nothing outside of this folder names it.
//!
//! | file | its job |
//! |---|---|
//! | `open` | opens, repairs, refuses what it would make worse |
//! | `found` | what is in a store that was opened, sound or not |
//! | `heads` | mends what RocksDB would never get past in its logs |
//! | `options` | RocksDB's options with their reasons |
//! | `journal` | RocksDB's own log lines, among the agent's |

mod found;
mod heads;
mod journal;
mod open;
mod options;

pub use found::Found;
#[cfg(test)]
pub use heads::entries_for_test;
use options::{META, RECORDS};

use super::segment::{self, Segment};
use super::witness::Witness;
use super::{Position, keys, mark::Mark};
use rocksdb::{ColumnFamily, DB, ReadOptions, WriteBatch, WriteOptions};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Version of the whole store: column families, keys, table. A store of another version is refused.
pub const FORMAT_VERSION: u8 = 1;

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
        let is_corruption = open::is_damage(&error);
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

/// An open RocksDB.
pub struct Store {
    db: DB,
    path: PathBuf,
    /// None where it is open for reading.
    witness: Option<Witness>,
}

impl Store {
    /// Everything before `end` is synced.
    pub fn note_end(&self, end: Mark) {
        if let Some(witness) = &self.witness {
            witness.note(end);
        }
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
