//! What the process takes of the host, from /proc (see proc(5)).

use super::metrics::{bare, find};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use std::path::Path;

/// One reading of /proc/self.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Process {
    pub cpu_seconds: f64,
    pub resident_bytes: u64,
    pub virtual_bytes: u64,
    pub threads: u64,
    /// Seconds since the epoch.
    pub start_time_seconds: f64,
}

impl Process {
    /// Reads the state of this process; `None` where /proc is missing or hidden.
    pub fn read() -> Option<Self> {
        let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
        let host = std::fs::read_to_string("/proc/stat").ok()?;
        let ticks_per_second = rustix::param::clock_ticks_per_second();
        Self::parse(&stat, &host, ticks_per_second, rustix::param::page_size() as u64)
    }

    /// Parses /proc/self/stat and the boot time of /proc/stat.
    fn parse(stat: &str, host: &str, ticks_per_second: u64, page_bytes: u64) -> Option<Self> {
        // The second field is the command in parentheses, which may hold spaces and parentheses itself.
        // After it come fields 3, 4, …: field n of proc(5) is at n - 3.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        let boot: u64 = host.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
        let seconds = |ticks: u64| ticks as f64 / ticks_per_second as f64;
        Some(Self {
            cpu_seconds: seconds(field(14)? + field(15)?),
            resident_bytes: field(24)? * page_bytes,
            virtual_bytes: field(23)?,
            threads: field(20)?,
            start_time_seconds: boot as f64 + seconds(field(22)?),
        })
    }
}

/// Open file descriptors, the one of the listing itself not counted.
fn open_fds() -> Option<u64> {
    let count = std::fs::read_dir("/proc/self/fd").ok()?.count() as u64;
    Some(count.saturating_sub(1))
}

/// Space that an unprivileged process may still fill on the file system of `path`, in bytes.
pub fn disk_free_bytes(path: &Path) -> Option<u64> {
    file_system(path).map(|file_system| file_system.free_bytes)
}

/// How much room a file system has, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileSystem {
    pub size_bytes: u64,
    /// What unprivileged users may still take.
    pub free_bytes: u64,
}

/// The file system of `path`; none where it cannot be asked.
pub fn file_system(path: &Path) -> Option<FileSystem> {
    let stat = rustix::fs::statvfs(path).ok()?;
    let bytes = |blocks: u64| blocks.saturating_mul(stat.f_frsize);
    Some(FileSystem { size_bytes: bytes(stat.f_blocks), free_bytes: bytes(stat.f_bavail) })
}

/// Writes the `process_*` metrics at each scrape; what cannot be read is left out.
#[derive(Debug)]
pub(super) struct ProcessCollector;

impl Collector for ProcessCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        if let Some(process) = Process::read() {
            counter(&mut encoder, "process_cpu_seconds_total", process.cpu_seconds)?;
            gauge(&mut encoder, "process_resident_memory_bytes", process.resident_bytes as f64)?;
            gauge(&mut encoder, "process_virtual_memory_bytes", process.virtual_bytes as f64)?;
            gauge(&mut encoder, "process_threads", process.threads as f64)?;
            gauge(&mut encoder, "process_start_time_seconds", process.start_time_seconds)?;
        }
        if let Some(open) = open_fds() {
            gauge(&mut encoder, "process_open_fds", open as f64)?;
        }
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        gauge(&mut encoder, "process_max_fds", limit.map_or(f64::INFINITY, |limit| limit as f64))
    }
}

fn counter(encoder: &mut DescriptorEncoder<'_>, name: &'static str, value: f64) -> std::fmt::Result {
    let metric = ConstCounter::new(value);
    metric.encode(encoder.encode_descriptor(bare(name), &help(name), None, metric.metric_type())?)
}

fn gauge(encoder: &mut DescriptorEncoder<'_>, name: &'static str, value: f64) -> std::fmt::Result {
    let metric = ConstGauge::new(value);
    metric.encode(encoder.encode_descriptor(name, &help(name), None, metric.metric_type())?)
}

/// A registered metric gets its full stop from the library, a collected one does not.
fn help(name: &str) -> String {
    format!("{}.", find(name).help)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &str = "cpu  1 2 3\nbtime 1700000000\nprocesses 7\n";

    #[test]
    fn stat_is_parsed_by_the_numbers_of_proc_5() {
        let stat = "42 (a) b (c)) S 1 42 42 0 -1 4194560 900 0 3 0 250 50 0 0 20 0 7 0 1234 \
                    104857600 2560 18446744073709551615 1 1 0";
        let process = Process::parse(stat, HOST, 100, 4096).expect("a good line");
        assert_eq!(
            process,
            Process {
                cpu_seconds: 3.0,
                resident_bytes: 2560 * 4096,
                virtual_bytes: 104_857_600,
                threads: 7,
                start_time_seconds: 1_700_000_012.34,
            }
        );
    }

    #[test]
    fn a_cut_stat_is_no_reading() {
        assert_eq!(Process::parse("42 (x) S 1 2", HOST, 100, 4096), None);
        assert_eq!(Process::parse("", HOST, 100, 4096), None);
    }

    #[test]
    fn this_process_is_readable() {
        let process = Process::read().expect("linux has /proc");
        assert!(process.resident_bytes > 1 << 20, "{process:?}");
        assert!(process.start_time_seconds > 1.6e9, "{process:?}");
        assert!(open_fds().is_some_and(|fds| fds >= 3));
        assert!(disk_free_bytes(Path::new("/")).is_some());
        assert_eq!(disk_free_bytes(Path::new("/no/such/folder")), None);
    }
}
