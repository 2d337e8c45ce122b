use super::*;
use std::collections::BTreeSet;

/// Metrics with at least one series in every family.
fn filled() -> Metrics {
    let metrics = Metrics::new();
    metrics.declare_upstream("pmm");
    let label = UpstreamReasonLabel { upstream: "pmm".into(), reason: "test" };
    metrics.samples_dropped.get_or_create(&label).inc();
    metrics.batches_retried.get_or_create(&label).inc();
    metrics.samples_rejected.get_or_create(&label).inc();
    metrics.sync_seconds.observe(0.003);
    metrics
}

/// Name, type, labels and help of every metric in a text exposition.
fn parse(text: &str) -> BTreeSet<(String, String, String, String)> {
    let mut out = BTreeSet::new();
    let lines: Vec<&str> = text.lines().collect();
    for (at, line) in lines.iter().enumerate() {
        let Some((name, help)) = line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' ')) else {
            continue;
        };
        let kind = lines[at + 1].strip_prefix(&format!("# TYPE {name} ")).expect("TYPE follows HELP");
        let sample = lines[at + 2];
        let labels = sample.split_once('{').map_or("", |(_, rest)| rest.split_once('}').unwrap().0);
        let labels: Vec<&str> = labels
            .split(',')
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, _)| name)
            .filter(|name| *name != "le")
            .collect();
        out.insert((name.to_owned(), kind.to_owned(), labels.join(", "), help.to_owned()));
    }
    out
}

fn table() -> BTreeSet<(String, String, String, String)> {
    TABLE
        .iter()
        .map(|e| (e.name.into(), e.kind.as_str().into(), e.labels.join(", "), format!("{}.", e.help)))
        .collect()
}

#[test]
fn what_is_served_equals_the_table() {
    assert_eq!(parse(&filled().render()), table());
}

#[test]
fn the_documentation_equals_the_table() {
    let rows: Vec<String> = include_str!("../../../docs/metrics.md")
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(str::to_owned)
        .collect();
    let expected: Vec<String> = TABLE
        .iter()
        .map(|e| format!("| `{}` | {} | {} | {} |", e.name, e.kind.as_str(), e.labels.join(", "), e.help))
        .collect();
    assert_eq!(rows, expected);
}

#[test]
fn names_are_unique_and_counters_alone_end_in_total() {
    let names: BTreeSet<&str> = TABLE.iter().map(|e| e.name).collect();
    assert_eq!(names.len(), TABLE.len());
    for entry in TABLE {
        assert_eq!(entry.name.ends_with("_total"), entry.kind == Kind::Counter, "{}", entry.name);
    }
}

#[test]
fn every_sample_line_belongs_to_the_type_line_above_it() {
    let text = filled().render();
    let mut family = "";
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            family = rest.split(' ').next().unwrap();
        } else if !line.starts_with('#') {
            let name = line.split(['{', ' ']).next().unwrap();
            let base = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix));
            assert!(name == family || base == Some(family), "{name} stands below {family}");
        }
    }
    assert!(text.contains("pmm_buffer_sync_seconds_bucket{le=\"0.005\"} 1\n"), "{text}");
    assert!(!text.contains("# EOF"), "an end mark is OpenMetrics only");
}

#[test]
fn reasons_and_routes_are_there_at_zero_from_the_start() {
    let text = Metrics::new().render();
    for reason in REFUSAL_REASONS {
        let line = format!("pmm_buffer_pushes_refused_total{{reason=\"{reason}\"}} 0\n");
        assert!(text.contains(&line), "{line}");
    }
    assert!(text.contains("pmm_buffer_pushes_accepted_total{route=\"/api/v1/write\"} 0\n"));
}

#[test]
fn label_values_cannot_break_out_of_their_line() {
    let metrics = Metrics::new();
    metrics.declare_upstream("a\"} 1\nfake_metric 2\\");
    let text = metrics.render();
    assert!(!text.lines().any(|line| line.starts_with("fake_metric")), "{text}");
}

#[test]
fn mirrored_gauges_follow_the_status() {
    let metrics = Metrics::new();
    let mut status = crate::status::sample();
    status.unavailable = None;
    status.disk_free_bytes = Some(5_000);
    metrics.mirror(&status);
    assert_eq!(metrics.accepting.get(), 1);
    assert_eq!(metrics.disk_free_bytes.get(), 5_000.0);
    let label = UpstreamLabel { upstream: status.upstreams[0].name.clone() };
    let backlog = metrics.backlog_samples.get_or_create_owned(&label).get();
    assert_eq!(backlog, status.upstreams[0].backlog_samples as i64);

    status.unavailable = Some("disk full".into());
    status.queue.disk_bytes = u64::MAX;
    status.disk_free_bytes = None;
    metrics.mirror(&status);
    assert_eq!(metrics.accepting.get(), 0);
    assert_eq!(metrics.queue_disk_bytes.get(), i64::MAX);
    assert!(metrics.render().contains("pmm_buffer_disk_free_bytes NaN\n"), "not 0, which would alarm");
}

/// Prometheus' own reading of it, where promtool is installed.
#[test]
fn promtool_finds_nothing_to_complain_about() {
    use std::io::Write;
    use std::process::{Command, Stdio};
    let child = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut child) = child else {
        eprintln!("promtool is not installed: skipped");
        return;
    };
    child.stdin.take().expect("piped").write_all(filled().render().as_bytes()).expect("promtool reads");
    let out = child.wait_with_output().expect("promtool ends");
    let said = [out.stdout, out.stderr].concat();
    assert!(out.status.success() && said.is_empty(), "{}", String::from_utf8_lossy(&said));
}
