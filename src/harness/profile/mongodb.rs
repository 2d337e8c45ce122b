//! mongodb_exporter: the state of the server first, then collection after collection.

use super::Each::{By, Host, Item, ItemBy};
use super::Kind::{Bytes, Constant, Counter, Ratio, Seconds};
use super::{Exporter, family};

const CONNECTIONS: &[&str] = &["active", "available", "current", "totalCreated"];
const OPERATIONS: &[&str] = &["command", "delete", "getmore", "insert", "query", "update"];
const LATENCIES: &[&str] = &["commands", "reads", "transactions", "writes"];
const DOCUMENTS: &[&str] = &["deleted", "inserted", "returned", "updated"];
const LOCKS: &[&str] = &["readers", "total", "writers"];
const ASSERTS: &[&str] = &["msg", "regular", "rollovers", "user", "warning"];
const TRANSACTIONS: &[&str] = &["available", "out", "totalTickets"];
const MEMBERS: &[&str] = &["0", "1", "2"];
const DATABASES: &[&str] = &["admin", "config", "local", "shop"];
const SHOP: &[&str] = &["shop"];
const INDEXES: &[&str] = &["_id_", "customer_1", "placed_-1"];

pub(in crate::harness) const MONGODB: Exporter = Exporter {
    name: "mongodb_exporter",
    service_type: Some("mongodb"),
    families: &[
        family("mongodb_up", Constant, Host),
        family("mongodb_version_info", Constant, Host),
        family("mongodb_ss_uptime", Counter, Host),
        family("mongodb_ss_mem_resident", Bytes, Host),
        family("mongodb_ss_mem_virtual", Bytes, Host),
        family("mongodb_ss_network_bytesIn", Counter, Host),
        family("mongodb_ss_network_bytesOut", Counter, Host),
        family("mongodb_ss_network_numRequests", Counter, Host),
        family("mongodb_ss_extra_info_page_faults", Counter, Host),
        family("mongodb_ss_wt_cache_bytes_currently_in_the_cache", Bytes, Host),
        family("mongodb_ss_wt_cache_maximum_bytes_configured", Constant, Host),
        family("mongodb_ss_wt_cache_tracked_dirty_bytes_in_the_cache", Bytes, Host),
        family("mongodb_ss_wt_cache_pages_read_into_cache", Counter, Host),
        family("mongodb_ss_wt_cache_pages_written_from_cache", Counter, Host),
        family("mongodb_ss_wt_cache_unmodified_pages_evicted", Counter, Host),
        family("mongodb_ss_wt_log_log_bytes_written", Counter, Host),
        family("mongodb_ss_wt_txn_transaction_checkpoints", Counter, Host),
        family("mongodb_ss_metrics_cursor_open_total", Constant, Host),
        family("mongodb_ss_metrics_cursor_timedOut", Counter, Host),
        family("mongodb_ss_metrics_ttl_deletedDocuments", Counter, Host),
        family("mongodb_ss_metrics_queryExecutor_scanned", Counter, Host),
        family("mongodb_ss_metrics_queryExecutor_scannedObjects", Counter, Host),
        family("mongodb_oplog_stats_storageStats_size", Bytes, Host),
        family("mongodb_sys_cpu_num_cpus", Constant, Host),
        family("mongodb_sys_cpu_user_ms", Seconds, Host),
        family("mongodb_sys_cpu_system_ms", Seconds, Host),
        family("mongodb_ss_connections", Constant, By("conn_type", CONNECTIONS)),
        family("mongodb_ss_opcounters", Counter, By("legacy_op_type", OPERATIONS)),
        family("mongodb_ss_opcountersRepl", Counter, By("legacy_op_type", OPERATIONS)),
        family("mongodb_ss_opLatencies_latency", Counter, By("op_type", LATENCIES)),
        family("mongodb_ss_opLatencies_ops", Counter, By("op_type", LATENCIES)),
        family("mongodb_ss_metrics_document", Counter, By("doc_op_type", DOCUMENTS)),
        family("mongodb_ss_globalLock_currentQueue", Constant, By("count_type", LOCKS)),
        family("mongodb_ss_globalLock_activeClients", Constant, By("count_type", LOCKS)),
        family("mongodb_ss_asserts", Counter, By("assert_type", ASSERTS)),
        family("mongodb_ss_wt_concurrentTransactions_read", Constant, By("txn_rw", TRANSACTIONS)),
        family("mongodb_ss_wt_concurrentTransactions_write", Constant, By("txn_rw", TRANSACTIONS)),
        family("mongodb_rs_members_state", Constant, By("member_idx", MEMBERS)),
        family("mongodb_rs_members_health", Constant, By("member_idx", MEMBERS)),
        family("mongodb_rs_members_uptime", Counter, By("member_idx", MEMBERS)),
        family("mongodb_rs_members_pingMs", Ratio, By("member_idx", MEMBERS)),
        family("mongodb_rs_members_optimeDate", Counter, By("member_idx", MEMBERS)),
        family("mongodb_dbstats_collections", Constant, By("database", DATABASES)),
        family("mongodb_dbstats_objects", Counter, By("database", DATABASES)),
        family("mongodb_dbstats_dataSize", Bytes, By("database", DATABASES)),
        family("mongodb_dbstats_storageSize", Bytes, By("database", DATABASES)),
        family("mongodb_dbstats_indexes", Constant, By("database", DATABASES)),
        family("mongodb_dbstats_indexSize", Bytes, By("database", DATABASES)),
        family("mongodb_dbstats_avgObjSize", Ratio, By("database", DATABASES)),
        family(
            "mongodb_collstats_storageStats_count",
            Counter,
            ItemBy("collection", "orders_", "database", SHOP),
        ),
        family(
            "mongodb_collstats_storageStats_size",
            Bytes,
            ItemBy("collection", "orders_", "database", SHOP),
        ),
        family(
            "mongodb_collstats_storageStats_storageSize",
            Bytes,
            ItemBy("collection", "orders_", "database", SHOP),
        ),
        family(
            "mongodb_collstats_storageStats_avgObjSize",
            Constant,
            ItemBy("collection", "orders_", "database", SHOP),
        ),
        family(
            "mongodb_collstats_storageStats_nindexes",
            Constant,
            ItemBy("collection", "orders_", "database", SHOP),
        ),
        family(
            "mongodb_collstats_storageStats_totalIndexSize",
            Bytes,
            ItemBy("collection", "orders_", "database", SHOP),
        ),
        family(
            "mongodb_collstats_storageStats_capped",
            Constant,
            ItemBy("collection", "orders_", "database", SHOP),
        ),
        family(
            "mongodb_collstats_latencyStats_reads_latency",
            Counter,
            ItemBy("collection", "orders_", "database", SHOP),
        ),
        family(
            "mongodb_collstats_latencyStats_reads_ops",
            Counter,
            ItemBy("collection", "orders_", "database", SHOP),
        ),
        family(
            "mongodb_collstats_latencyStats_writes_latency",
            Counter,
            ItemBy("collection", "orders_", "database", SHOP),
        ),
        family(
            "mongodb_collstats_latencyStats_writes_ops",
            Counter,
            ItemBy("collection", "orders_", "database", SHOP),
        ),
        family(
            "mongodb_collstats_latencyStats_commands_latency",
            Counter,
            ItemBy("collection", "orders_", "database", SHOP),
        ),
        family(
            "mongodb_collstats_latencyStats_commands_ops",
            Counter,
            ItemBy("collection", "orders_", "database", SHOP),
        ),
        family("mongodb_top_total_count", Counter, Item("collection", "shop.orders_")),
        family("mongodb_top_total_time", Counter, Item("collection", "shop.orders_")),
        family("mongodb_top_readLock_count", Counter, Item("collection", "shop.orders_")),
        family("mongodb_top_readLock_time", Counter, Item("collection", "shop.orders_")),
        family("mongodb_top_writeLock_count", Counter, Item("collection", "shop.orders_")),
        family("mongodb_top_writeLock_time", Counter, Item("collection", "shop.orders_")),
        family("mongodb_top_queries_count", Counter, Item("collection", "shop.orders_")),
        family("mongodb_top_queries_time", Counter, Item("collection", "shop.orders_")),
        family("mongodb_top_getmore_count", Counter, Item("collection", "shop.orders_")),
        family("mongodb_top_getmore_time", Counter, Item("collection", "shop.orders_")),
        family("mongodb_top_insert_count", Counter, Item("collection", "shop.orders_")),
        family("mongodb_top_insert_time", Counter, Item("collection", "shop.orders_")),
        family("mongodb_top_update_count", Counter, Item("collection", "shop.orders_")),
        family("mongodb_top_update_time", Counter, Item("collection", "shop.orders_")),
        family("mongodb_top_remove_count", Counter, Item("collection", "shop.orders_")),
        family("mongodb_top_remove_time", Counter, Item("collection", "shop.orders_")),
        family("mongodb_top_commands_count", Counter, Item("collection", "shop.orders_")),
        family("mongodb_top_commands_time", Counter, Item("collection", "shop.orders_")),
        family(
            "mongodb_indexstats_accesses_ops",
            Counter,
            ItemBy("collection", "orders_", "key_name", INDEXES),
        ),
        family(
            "mongodb_collstats_storageStats_indexSizes",
            Bytes,
            ItemBy("collection", "orders_", "index_name", INDEXES),
        ),
    ],
};
