//! The unit as systemd's own analyzer sees it, and as the agent's defaults need it. systemd itself is never started.

use crate::stage::binary;
use pmm_buffer::config::Config;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config/systemd");

/// The exposure level that is allowed, in tenths.
const EXPOSURE: &str = "15";

fn read(name: &str) -> String {
    fs::read_to_string(Path::new(FOLDER).join(name)).expect("a unit")
}

/// None where there is no analyzer that looks at files.
fn analyzer() -> Option<()> {
    let version = Command::new("systemd-analyze").arg("--version").output().ok()?;
    let text = String::from_utf8_lossy(&version.stdout).into_owned();
    let number: u32 = text.split_ascii_whitespace().nth(1)?.parse().ok()?;
    (number >= 250).then_some(())
}

fn analyze(folder: &Path, args: &[&str], units: &[&str]) -> Output {
    let units = units.iter().map(|unit| folder.join(unit));
    Command::new("systemd-analyze").args(args).args(units).output().expect("it was there")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

#[test]
fn systemd_finds_nothing_wrong_and_little_exposed() {
    if analyzer().is_none() {
        println!("skipped: no systemd-analyze of version 250 or later");
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    // It looks whether the program is there.
    let program = binary().to_str().expect("a path that is text");
    let service = read("pmm-buffer.service").replace("/usr/bin/pmm-buffer", program);
    fs::write(folder.path().join("pmm-buffer.service"), service).expect("writable");
    fs::write(folder.path().join("pmm-buffer.socket"), read("pmm-buffer.socket")).expect("writable");

    let verified = analyze(folder.path(), &["verify"], &["pmm-buffer.service", "pmm-buffer.socket"]);
    assert!(verified.status.success() && said(&verified).is_empty(), "{}", said(&verified));
    let args = ["security", "--offline=true", "--no-pager", "--threshold", EXPOSURE];
    let secured = analyze(folder.path(), &args, &["pmm-buffer.service"]);
    assert!(secured.status.success(), "{}", said(&secured));
}

/// The value of a setting that stands once.
fn setting(unit: &str, name: &str) -> String {
    let values: Vec<_> = unit
        .lines()
        .filter_map(|line| line.strip_prefix(name)?.strip_prefix('='))
        .map(str::to_owned)
        .collect();
    assert_eq!(values.len(), 1, "{name} in {unit}");
    values.into_iter().next().expect("one")
}

fn megabytes(text: &str) -> usize {
    text.strip_suffix('M').expect("in M").parse::<usize>().expect("a number") << 20
}

#[test]
fn the_unit_has_room_for_the_defaults() {
    let (unit, socket, config) = (read("pmm-buffer.service"), read("pmm-buffer.socket"), Config::default());
    assert_eq!(setting(&socket, "ListenStream"), config.listen.to_string());
    assert_eq!(
        format!("/var/lib/{}", setting(&unit, "StateDirectory")),
        config.data_dir.display().to_string()
    );
    let stop: u64 =
        setting(&unit, "TimeoutStopSec").strip_suffix('s').expect("in s").parse().expect("a number");
    assert!(Duration::from_secs(stop) > 2 * config.shutdown_grace);
    let files: usize = setting(&unit, "LimitNOFILE").parse().expect("a number");
    assert!(files > 2 * config.server.max_connections);
    // `max_memory` of the default has no upstream in it yet, which adds three of its batches and 32 MiB.
    let one_upstream = config.max_memory + 3 * (8 << 20) + (32 << 20);
    let (high, max) = (megabytes(&setting(&unit, "MemoryHigh")), megabytes(&setting(&unit, "MemoryMax")));
    assert!(high > one_upstream + one_upstream / 2 && max > high, "{high} {max} {one_upstream}");
}
