//! What a process and those it started take of the host, read from /proc.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What a process tree has taken of the host so far. Sources: proc(5), and `Documentation/filesystems/proc.rst` of the
/// kernel for `io`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// User and system time, that of children that have ended and were waited for included. In steps of the clock tick,
    /// 10 ms.
    pub cpu: Duration,
    /// Now, over the tree. Pages that several processes share count for each.
    pub resident_bytes: u64,
    /// The most that was resident since the start. Of a tree it is the sum of each process' most, an upper bound.
    pub peak_bytes: u64,
    /// `write_bytes`: pages that were written to, that of children that have ended and were waited for included. Of a file
    /// that is removed soon, not all of them get to the disk.
    pub written_bytes: u64,
}

impl Usage {
    /// Looks at the process `root` and all that come from it. An error where `root` has ended, or where the caller may not
    /// look at it: it is another user's.
    pub fn of_tree(root: u32) -> io::Result<Self> {
        let ticks_per_second = rustix::param::clock_ticks_per_second();
        let mut sum = Self::of_process(root, ticks_per_second)?;
        let mut waiting = children(root)?;
        while let Some(id) = waiting.pop() {
            // One that ended in the meantime is in its parent's account, once that has waited for it.
            if let Ok(usage) = Self::of_process(id, ticks_per_second) {
                sum = sum.plus(usage);
                waiting.extend(children(id).unwrap_or_default());
            }
        }
        Ok(sum)
    }

    fn of_process(id: u32, ticks_per_second: u64) -> io::Result<Self> {
        let folder = PathBuf::from(format!("/proc/{id}"));
        let read = |file: &str| {
            let path = folder.join(file);
            fs::read_to_string(&path).map_err(|error| {
                io::Error::new(error.kind(), format!("cannot read {}: {error}", path.display()))
            })
        };
        Self::parse(&read("stat")?, &read("status")?, &read("io")?, ticks_per_second)
            .ok_or_else(|| io::Error::other(format!("process {id} has ended")))
    }

    /// Parses the files `stat`, `status` and `io` of /proc/PID.
    fn parse(stat: &str, status: &str, io: &str, ticks_per_second: u64) -> Option<Self> {
        // After the command in parentheses come fields 3, 4, …; 14 to 17 are user and system ticks, own and of children.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        let ticks = field(14)? + field(15)? + field(16)? + field(17)?;
        Some(Self {
            cpu: Duration::from_secs_f64(ticks as f64 / ticks_per_second as f64),
            resident_bytes: memory(status, "VmRSS:")?,
            peak_bytes: memory(status, "VmHWM:")?,
            written_bytes: number(io, "write_bytes:")?,
        })
    }

    /// The account of two processes, or of two trees.
    pub fn plus(self, other: Self) -> Self {
        Self {
            cpu: self.cpu + other.cpu,
            resident_bytes: self.resident_bytes + other.resident_bytes,
            peak_bytes: self.peak_bytes + other.peak_bytes,
            written_bytes: self.written_bytes + other.written_bytes,
        }
    }

    /// The account over a restart: `self` is of the process that has ended, `now` of the one that took its place. What was
    /// consumed adds up, memory does not.
    pub fn then(self, now: Self) -> Self {
        Self {
            cpu: self.cpu + now.cpu,
            resident_bytes: now.resident_bytes,
            peak_bytes: self.peak_bytes.max(now.peak_bytes),
            written_bytes: self.written_bytes + now.written_bytes,
        }
    }
}

/// The children of all threads of a process.
fn children(id: u32) -> io::Result<Vec<u32>> {
    let mut children = Vec::new();
    for thread in fs::read_dir(format!("/proc/{id}/task"))? {
        // A thread may end while one looks; a kernel without the file says so of each.
        match fs::read_to_string(thread?.path().join("children")) {
            Ok(list) => {
                children.extend(list.split_ascii_whitespace().filter_map(|id| id.parse::<u32>().ok()))
            }
            Err(error) if !Path::new("/proc/thread-self/children").exists() => return Err(error),
            Err(_) => {}
        }
    }
    Ok(children)
}

/// A line of /proc/PID/status such as `VmRSS:     1234 kB`, in bytes.
fn memory(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

/// A line such as `write_bytes: 4096`.
fn number(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name))?.trim().parse().ok()
}

#[cfg(test)]
#[path = "usage_tests.rs"]
mod tests;
