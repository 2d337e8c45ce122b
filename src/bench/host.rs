//! Where it is measured.

use super::outcome::Host;
use std::fs;
use std::path::Path;

/// This host, with the file system that `folder` is on. What /proc does not tell is empty.
pub(super) fn host(folder: &Path) -> Host {
    let read = |file: &str| fs::read_to_string(file).unwrap_or_default();
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    Host {
        cpu: value(&read("/proc/cpuinfo"), "model name").unwrap_or_default(),
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        memory_bytes: memory(&read("/proc/meminfo")).unwrap_or_default(),
        kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
        file_system: file_system(&read("/proc/self/mounts"), &folder).unwrap_or_default(),
    }
}

/// The value of the first line `name : value`.
fn value(text: &str, name: &str) -> Option<String> {
    let mut lines = text.lines().filter_map(|line| line.split_once(':'));
    lines.find(|(key, _)| key.trim() == name).map(|(_, value)| value.trim().to_owned())
}

fn memory(meminfo: &str) -> Option<u64> {
    let total = value(meminfo, "MemTotal")?;
    Some(total.strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

/// The type of the mount that holds `folder`: the deepest, and of those that lie on each other the last. See proc(5).
fn file_system(mounts: &str, folder: &Path) -> Option<String> {
    let mounts = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(1);
        Some((Path::new(fields.next()?), fields.next()?))
    });
    let holding = mounts.filter(|(point, _)| folder.starts_with(point));
    holding.max_by_key(|(point, _)| point.components().count()).map(|(_, kind)| kind.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_system_is_that_of_the_deepest_mount() {
        let mounts = "a / ext4 rw 0 0\nb /data xfs rw 0 0\nc /data btrfs rw 0 0\nd /data2 tmpfs rw 0 0\n";
        let of = |folder: &str| file_system(mounts, Path::new(folder));
        assert_eq!(of("/data/queue").as_deref(), Some("btrfs"));
        assert_eq!(of("/var").as_deref(), Some("ext4"));
        assert_eq!(of("/data2").as_deref(), Some("tmpfs"));
        assert_eq!(file_system("", Path::new("/")), None);
    }

    #[test]
    fn this_host_has_cores_memory_and_a_kernel() {
        let host = host(&std::env::temp_dir());
        assert!(host.cores > 0 && host.memory_bytes > 1 << 20, "{host:?}");
        assert!(!host.kernel.is_empty() && !host.file_system.is_empty(), "{host:?}");
    }
}
