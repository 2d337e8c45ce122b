//! mysqld_exporter.

use super::Each::{Host, Item, ItemBy};
use super::Kind::{Bytes, Constant, Counter, Ratio, Seconds};
use super::{Exporter, family};

const COMMANDS: &[&str] =
    &["begin", "commit", "delete", "insert", "rollback", "select", "set_option", "update"];
const TABLE_WAITS: &[&str] = &["delete", "fetch", "insert", "update"];

pub(in crate::harness) const MYSQL: Exporter = Exporter {
    name: "mysqld_exporter",
    service_type: Some("mysql"),
    families: &[
        family("mysql_up", Constant, Host),
        family("mysql_global_status_aborted_connects", Counter, Host),
        family("mysql_global_status_bytes_received", Counter, Host),
        family("mysql_global_status_bytes_sent", Counter, Host),
        family("mysql_global_status_innodb_buffer_pool_bytes_data", Bytes, Host),
        family("mysql_global_status_innodb_row_lock_time", Counter, Host),
        family("mysql_global_status_questions", Counter, Host),
        family("mysql_global_status_slow_queries", Counter, Host),
        family("mysql_global_status_threads_connected", Constant, Host),
        family("mysql_global_status_uptime", Counter, Host),
        family("mysql_global_variables_innodb_buffer_pool_size", Constant, Host),
        family("mysql_global_variables_max_connections", Constant, Host),
        family(
            "mysql_global_status_commands_total",
            Counter,
            ItemBy("connection", "pool", "command", COMMANDS),
        ),
        family("mysql_info_schema_table_rows", Counter, Item("table", "orders_")),
        family("mysql_info_schema_table_size_data_length", Bytes, Item("table", "orders_")),
        family("mysql_info_schema_auto_increment_column_usage", Ratio, Item("table", "orders_")),
        family(
            "mysql_perf_schema_table_io_waits_seconds_total",
            Seconds,
            ItemBy("name", "orders_", "operation", TABLE_WAITS),
        ),
        family(
            "mysql_perf_schema_table_io_waits_total",
            Counter,
            ItemBy("name", "orders_", "operation", TABLE_WAITS),
        ),
        family("mysql_perf_schema_file_events_total", Counter, Item("event_name", "wait/io/file/innodb/f")),
        family("mysql_version_info", Constant, Host),
    ],
};
