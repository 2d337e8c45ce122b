//! Opens a store: with full care, with less where it is damaged, and not at all where that would make things worse.

use super::heads::{self, BadHead};
use super::options::{META, db_options, families, meta_options};
use super::{Batch, FORMAT_VERSION, Found, Store, StoreError};
use crate::config::{self, STORE_CACHE_BYTES};
use crate::queue::folder::{self, Folder};
use crate::queue::retention::Limits;
use crate::queue::witness::Witness;
use crate::queue::{OpenError, keys};
use rocksdb::{Cache, DB};
use std::path::Path;
use std::{fs, io};

/// How a store is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Care {
    /// Anything that is not as it was written is an error.
    Strict,
    /// What cannot be read is passed over: damaged entries of the log, files that are missing or do not open.
    Salvage,
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
        let mut damage = Vec::new();
        if !is_new {
            damage = mend_heads(path)?;
            refuse_short_list(path)?;
        }
        let of_folder = |error| of_folder(path, error);
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
        refuse_bad_heads(path)?;
        Self::look_into(path)
    }

    /// The same where there is a store, without heads that RocksDB would never get past.
    fn look_into(path: &Path) -> Result<(Self, Found), OpenError> {
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

    /// Makes a store that does not open usable again, from the files that are left: their list is made anew, the log is
    /// turned into tables. What does not read is moved to `lost` in the folder; nothing is deleted.
    pub fn repair(path: &Path) -> Result<(), OpenError> {
        let of_folder = |error| of_folder(path, error);
        let heads = heads::bad_heads_of_logs(path).map_err(of_folder)?;
        heads.iter().try_for_each(BadHead::mend).map_err(of_folder)?;
        let limits = Limits::of(&config::Queue::default());
        DB::repair(&db_options(&limits, false, Care::Salvage), path)
            .map_err(|error| open_error(path, error.into_string()))
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

/// Mends what RocksDB would never get past in its logs and its list of files. Returns what that was, in words.
///
/// A list that does not become whole by it is left as it is.
fn mend_heads(path: &Path) -> Result<Vec<String>, OpenError> {
    let mut heads = heads::bad_heads_of_list(path).map_err(|error| of_folder(path, error))?;
    if let Some(head) = heads.iter().find(|head| !head.is_known()) {
        return Err(open_error(path, head.to_string()));
    }
    heads.extend(heads::bad_heads_of_logs(path).map_err(|error| of_folder(path, error))?);
    heads.iter().try_for_each(BadHead::mend).map_err(|error| of_folder(path, error))?;
    Ok(heads.iter().map(BadHead::to_string).collect())
}

/// Refuses, for a look that may change nothing, what RocksDB would never get past.
fn refuse_bad_heads(path: &Path) -> Result<(), OpenError> {
    for find in [heads::bad_heads_of_list, heads::bad_heads_of_logs] {
        if let Some(head) = find(path).map_err(|error| of_folder(path, error))?.first() {
            return Err(OpenError::LostLog { path: path.to_owned(), what: head.to_string() });
        }
    }
    Ok(())
}

fn of_folder(path: &Path, error: io::Error) -> OpenError {
    OpenError::Folder { path: path.to_owned(), error }
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

/// Refuses a store, its heads mended, whose list of files ends too early: RocksDB would take it for an older one, and delete the tables that
/// are not in it. They are told from what a crash leaves half made by the records they held: those of such a table are in the
/// log still, these are missing.
fn refuse_short_list(path: &Path) -> Result<(), OpenError> {
    let unlisted = match Store::look_into(path) {
        Ok((store, found)) => unlisted_tables(&store.db, path).map(|mut unlisted| {
            // Every record is read where there are such tables, and only there.
            if !unlisted.is_empty() && !found.is_short && !store.lacks_records(&found) {
                unlisted.clear();
            }
            unlisted
        }),
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
    Err(open_error(path, format!("its list of files does not name {tables}, and records are missing")))
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
pub(super) fn is_damage(error: &rocksdb::Error) -> bool {
    let says = |what: &str| error.as_ref().contains(what);
    error.kind() == rocksdb::ErrorKind::Corruption
        || error.kind() == rocksdb::ErrorKind::IOError && says("No such file or directory")
        // A kill while it was made anew.
        || error.kind() == rocksdb::ErrorKind::InvalidArgument && says(&format!("Column family not found: {META}"))
}

pub(super) fn open_error(path: &Path, text: String) -> OpenError {
    let path = path.to_owned();
    // RocksDB says "While lock file" for another process and "lock hold by current process" for this one.
    if text.contains("lock file") || text.contains("lock hold") {
        OpenError::Locked { path }
    } else {
        OpenError::Damaged { path, what: text }
    }
}
