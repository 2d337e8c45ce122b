//! The account of a process tree: the files of /proc, and a shell with children.

use super::*;
use crate::harness::wait::until;
use crate::harness::{Launch, ReservedPort};

const STAT: &str = "7 (a (b) c) S 1 7 7 0 -1 0 0 0 0 0 150 50 30 20 20 0 9 0 100 0 0";
const STATUS: &str = "Name:\ta\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\n";
const IO: &str = "rchar: 1\nwrite_bytes: 4096\ncancelled_write_bytes: 1024\n";

#[test]
fn usage_is_read_from_the_fields_of_proc() {
    let expected = Usage {
        cpu: Duration::from_millis(2_500),
        resident_bytes: 1 << 20,
        peak_bytes: 2 << 20,
        written_bytes: 4096,
    };
    assert_eq!(Usage::parse(STAT, STATUS, IO, 100), Some(expected));
    assert_eq!(Usage::parse(STAT, "Name:\ta\nState:\tZ (zombie)\n", IO, 100), None);
}

#[test]
fn over_a_restart_what_was_consumed_adds_up_and_memory_does_not() {
    let usage = |seconds, resident_bytes, peak_bytes, written_bytes| Usage {
        cpu: Duration::from_secs(seconds),
        resident_bytes,
        peak_bytes,
        written_bytes,
    };
    assert_eq!(usage(1, 10, 30, 5).then(usage(2, 20, 20, 7)), usage(3, 20, 30, 12));
}

fn shell(script: &str, folder: &Path) -> crate::harness::Agent {
    let port = ReservedPort::new().expect("loopback");
    let args = vec!["-c".into(), script.into()];
    let launch = Launch::new(Path::new("/bin/sh"), args, port.address(), &folder.join("log"));
    launch.start().expect("a shell")
}

/// CPU that a loop of the shell takes: enough to be told from that of a start.
const BUSY: &str = "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done";

#[tokio::test]
async fn children_count_while_they_run_and_once_they_have_ended() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let script = format!("({BUSY}; echo counted; read x <pipe; echo ended); echo waited; read x <pipe");
    let script = format!("cd {}; mkfifo pipe; {script}", folder.path().display());
    let agent = shell(&script, folder.path());
    until("the child has worked", || agent.log().contains("counted")).await;
    let running = agent.tree_usage().expect("it runs");
    assert!(running.cpu > Duration::from_millis(100), "{running:?}");
    let own = Usage::of_process(agent.id(), rustix::param::clock_ticks_per_second()).expect("it runs");
    assert!(running.resident_bytes > own.resident_bytes, "the child is resident, too");
    fs::write(folder.path().join("pipe"), "\n").expect("the child reads");
    until("the child has ended", || agent.log().contains("waited")).await;
    let after = agent.tree_usage().expect("it runs");
    assert!(after.cpu >= running.cpu, "{after:?} after {running:?}");
}

#[tokio::test]
async fn a_process_that_is_gone_has_no_account() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut agent = shell("exec sleep 1000", folder.path());
    agent.kill().expect("it runs");
    agent.tree_usage().expect_err("it is gone");
}
