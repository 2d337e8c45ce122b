//! RocksDB's options, with their reasons.

use super::journal;
use super::open::Care;
use crate::config::STORE_CACHE_BYTES;
use crate::queue::retention::Limits;
use rocksdb::{Cache, ColumnFamilyDescriptor, DBCompressionType, DBRecoveryMode, Options};

pub(super) const RECORDS: &str = "records";
/// The meta keys live apart from the records, because a key that is rewritten all the time among them would make every
/// compaction rewrite records. And not in the family that RocksDB makes in every store, because that one cannot be made
/// anew where it does not read.
pub(super) const META: &str = "tables";
/// Has no keys.
const UNUSED: &str = rocksdb::DEFAULT_COLUMN_FAMILY_NAME;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

pub(super) fn families(limits: &Limits) -> [ColumnFamilyDescriptor; 3] {
    let cache = Cache::new_lru_cache(STORE_CACHE_BYTES);
    [
        ColumnFamilyDescriptor::new(UNUSED, meta_options(limits, &cache)),
        ColumnFamilyDescriptor::new(META, meta_options(limits, &cache)),
        ColumnFamilyDescriptor::new(RECORDS, records_options(limits, &cache)),
    ]
}

pub(super) fn db_options(limits: &Limits, is_new: bool, care: Care) -> Options {
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
    // The meta family is written with every commit and flushed never: without a bound it would keep every log file alive. At
    // the bound RocksDB flushes both families and deletes the log. Just below a write buffer, it comes before the records'
    // own flush, after which table and log would hold the same records until the next one.
    options.set_max_total_wal_size(limits.write_buffer_bytes / 8 * 7);
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
    options.set_info_logger(journal::logger());
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

pub(super) fn meta_options(limits: &Limits, cache: &Cache) -> Options {
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
