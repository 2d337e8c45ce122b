//! node_exporter.

use super::Each::{Host, Item, ItemBy};
use super::Kind::{Bytes, Constant, Counter, Ratio, Seconds};
use super::{Exporter, family};

const CPU_MODES: &[&str] = &["idle", "iowait", "irq", "nice", "softirq", "steal", "system", "user"];

pub(in crate::harness) const NODE: Exporter = Exporter {
    name: "node_exporter",
    service_type: None,
    families: &[
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
