//! What the exporters of a PMM host expose: metric names, labels, and how the values move.

use super::Rng;

/// How the values of a family move from scrape to scrape. A value is a whole number over [`Kind::scale`],
/// so that its decimal form is short, as exporters' are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A counter of events; many stand still on a quiet host.
    Counter,
    /// A counter of seconds, in hundredths.
    Seconds,
    /// A gauge of bytes, in pages.
    Bytes,
    /// A gauge from 0 to 1, in ten-thousandths.
    Ratio,
    /// A setting or an info metric.
    Constant,
}

impl Kind {
    pub(super) fn scale(self) -> f64 {
        match self {
            Self::Seconds => 100.0,
            Self::Ratio => 10_000.0,
            Self::Counter | Self::Bytes | Self::Constant => 1.0,
        }
    }

    pub(super) fn first(self, rng: &mut Rng) -> u64 {
        match self {
            Self::Counter | Self::Seconds => rng.below(10_000_000),
            Self::Bytes => rng.below(1 << 20) * 4096,
            Self::Ratio => rng.below(10_001),
            Self::Constant => rng.below(3) * 512,
        }
    }

    pub(super) fn next(self, value: u64, rng: &mut Rng) -> u64 {
        match self {
            Self::Counter if rng.chance(40) => value,
            Self::Counter => value + rng.below(1000),
            Self::Seconds => value + rng.below(500),
            Self::Bytes if rng.chance(50) => value + rng.below(64) * 4096,
            Self::Bytes => value.saturating_sub(rng.below(64) * 4096),
            Self::Ratio => (value + rng.below(201)).saturating_sub(100).min(10_000),
            Self::Constant => value,
        }
    }
}

/// How many series a family has on a host.
#[derive(Debug, Clone, Copy)]
pub(super) enum Each {
    /// One.
    Host,
    /// One for each item: the label's name, and the stem of its values.
    Item(&'static str, &'static str),
    /// One for each item and each value of a second label.
    ItemBy(&'static str, &'static str, &'static str, &'static [&'static str]),
}

/// One metric of an exporter.
#[derive(Debug, Clone, Copy)]
pub(super) struct Family {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) each: Each,
}

/// One exporter.
#[derive(Debug)]
pub(super) struct Profile {
    pub(super) agent_type: &'static str,
    /// `job` begins with it.
    pub(super) exporter: &'static str,
    /// None for the host itself, which is no service.
    pub(super) service_type: Option<&'static str>,
    pub(super) families: &'static [Family],
}

const fn family(name: &'static str, kind: Kind, each: Each) -> Family {
    Family { name, kind, each }
}

use Each::{Host, Item, ItemBy};
use Kind::{Bytes, Constant, Counter, Ratio, Seconds};

const CPU_MODES: &[&str] = &["idle", "iowait", "irq", "nice", "softirq", "steal", "system", "user"];
const COMMANDS: &[&str] =
    &["begin", "commit", "delete", "insert", "rollback", "select", "set_option", "update"];
const TABLE_WAITS: &[&str] = &["delete", "fetch", "insert", "update"];

pub(super) const NODE: Profile = Profile {
    agent_type: "node_exporter",
    exporter: "node_exporter",
    service_type: None,
    families: &[
        family("up", Constant, Host),
        family("scrape_duration_seconds", Ratio, Host),
        family("scrape_samples_scraped", Constant, Host),
        family("scrape_samples_post_metric_relabeling", Constant, Host),
        family("scrape_series_added", Constant, Host),
        family("node_boot_time_seconds", Constant, Host),
        family("node_context_switches_total", Counter, Host),
        family("node_forks_total", Counter, Host),
        family("node_intr_total", Counter, Host),
        family("node_load1", Ratio, Host),
        family("node_load5", Ratio, Host),
        family("node_memory_Buffers_bytes", Bytes, Host),
        family("node_memory_Cached_bytes", Bytes, Host),
        family("node_memory_MemAvailable_bytes", Bytes, Host),
        family("node_memory_MemTotal_bytes", Constant, Host),
        family("node_procs_running", Constant, Host),
        family("node_vmstat_pgfault", Counter, Host),
        family("node_cpu_seconds_total", Seconds, ItemBy("cpu", "", "mode", CPU_MODES)),
        family("node_disk_io_time_seconds_total", Seconds, Item("device", "nvme")),
        family("node_disk_read_bytes_total", Counter, Item("device", "nvme")),
        family("node_disk_written_bytes_total", Counter, Item("device", "nvme")),
        family("node_filesystem_avail_bytes", Bytes, Item("mountpoint", "/data/")),
        family("node_filesystem_size_bytes", Constant, Item("mountpoint", "/data/")),
        family("node_network_receive_bytes_total", Counter, Item("device", "eth")),
        family("node_network_transmit_bytes_total", Counter, Item("device", "eth")),
        family("node_network_receive_drop_total", Constant, Item("device", "eth")),
    ],
};

pub(super) const MYSQL: Profile = Profile {
    agent_type: "mysqld_exporter",
    exporter: "mysqld_exporter",
    service_type: Some("mysql"),
    families: &[
        family("up", Constant, Host),
        family("scrape_duration_seconds", Ratio, Host),
        family("scrape_samples_scraped", Constant, Host),
        family("scrape_samples_post_metric_relabeling", Constant, Host),
        family("scrape_series_added", Constant, Host),
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

/// One series of a profile: its family, and the labels that tell it from the others.
pub(super) type Member = (Family, Vec<(&'static str, String)>);

impl Profile {
    /// The profile's series, item after item, without an end.
    pub(super) fn members(&'static self) -> impl Iterator<Item = Member> {
        (0u32..).flat_map(move |item| self.families.iter().flat_map(move |family| family.members(item)))
    }
}

impl Family {
    fn members(self, item: u32) -> Vec<Member> {
        match self.each {
            Host if item == 0 => vec![(self, Vec::new())],
            Host => Vec::new(),
            Item(label, stem) => vec![(self, vec![(label, format!("{stem}{item}"))])],
            ItemBy(label, stem, by, values) => values
                .iter()
                .map(|value| (self, vec![(label, format!("{stem}{item}")), (by, (*value).to_owned())]))
                .collect(),
        }
    }
}
