//! The dashboard, the alert rules and their runbooks speak of what there is.

use pmm_buffer::telemetry::metrics::{Entry, Kind, TABLE};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Labels that a scrape or `self_metrics` adds.
const ADDED: [&str; 2] = ["job", "instance"];

pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text(path: &str) -> String {
    fs::read_to_string(repository().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Values of `key` in the lines of the alert rules.
fn of_rules(key: &str) -> Vec<String> {
    let rules = text("config/alerts/pmm-buffer.yml");
    let value = |line: &str| Some(line.trim().trim_start_matches("- ").strip_prefix(key)?.trim().to_owned());
    let values: Vec<String> = rules.lines().filter_map(value).collect();
    assert!(values.len() > 10, "{values:?}");
    values
}

/// Every expression of the dashboard, the queries of its variables included.
pub fn dashboard_expressions() -> Vec<String> {
    let dashboard = serde_json::from_str(&text("config/grafana/pmm-buffer.json")).expect("JSON");
    let mut found = Vec::new();
    collect(&dashboard, &mut found);
    assert!(found.len() > 25, "{found:?}");
    found
}

fn collect(value: &serde_json::Value, found: &mut Vec<String>) {
    match value {
        serde_json::Value::Object(entries) => {
            for (key, value) in entries {
                match value.as_str() {
                    Some(text) if key == "expr" || key == "query" && text != "prometheus" => {
                        found.push(text.to_owned());
                    }
                    _ => collect(value, found),
                }
            }
        }
        serde_json::Value::Array(values) => values.iter().for_each(|value| collect(value, found)),
        _ => {}
    }
}

/// Words of an expression, each with what follows it.
fn words(expression: &str) -> Vec<(&str, &str)> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let starts =
        expression.char_indices().filter(|(at, c)| is_part(*c) && !expression[..*at].ends_with(is_part));
    let word = |(at, _)| {
        let rest: &str = &expression[at..];
        rest.split_at(rest.find(|c| !is_part(c)).unwrap_or(rest.len()))
    };
    starts.map(word).collect()
}

/// The metric that a name in an expression belongs to.
fn metric(name: &str) -> Option<&'static Entry> {
    let is = |entry: &&Entry| {
        let series = name.strip_prefix(entry.name);
        series == Some("")
            || entry.kind == Kind::Histogram && matches!(series, Some("_bucket" | "_sum" | "_count"))
    };
    TABLE.iter().find(is)
}

/// Labels that an expression selects or groups by.
fn labels(expression: &str) -> BTreeSet<&str> {
    let all = words(expression);
    let matched = all.iter().filter(|(_, rest)| {
        ["=\"", "=~\"", "!=\"", "!~\""].iter().any(|operator| rest.starts_with(operator))
    });
    let grouped = all.iter().filter(|(word, _)| ["by", "without"].contains(word)).flat_map(|(_, rest)| {
        let list = rest.trim_start().strip_prefix('(').and_then(|rest| rest.split(')').next());
        list.expect("a list of labels").split(',').map(str::trim)
    });
    let of_variable = expression.strip_prefix("label_values(").and_then(|rest| rest.rsplit(", ").next());
    let of_variable = of_variable.map(|label| label.trim_end_matches(')'));
    matched.map(|(word, _)| *word).chain(grouped).chain(of_variable).collect()
}

#[test]
fn expressions_use_metrics_and_labels_that_there_are() {
    for expression in of_rules("expr:").into_iter().chain(dashboard_expressions()) {
        let names = words(&expression).into_iter().map(|(word, _)| word);
        let names = names.filter(|word| word.starts_with("pmm_buffer_") || word.starts_with("process_"));
        let metrics: Vec<_> =
            names.map(|name| metric(name).unwrap_or_else(|| panic!("no {name}: {expression}"))).collect();
        assert!(!metrics.is_empty(), "{expression}");
        let is_known = |label: &str| {
            ADDED.contains(&label)
                || metrics.iter().any(|metric| {
                    metric.labels.contains(&label) || label == "le" && metric.kind == Kind::Histogram
                })
        };
        for label in labels(&expression) {
            assert!(is_known(label), "no label {label}: {expression}");
        }
    }
}

#[test]
fn the_dashboard_shows_what_an_operator_asks() {
    let all = dashboard_expressions().concat();
    for name in [
        "pmm_buffer_backlog_samples",
        "pmm_buffer_backlog_bytes",
        "pmm_buffer_backlog_seconds",
        "pmm_buffer_samples_accepted_total",
        "pmm_buffer_samples_sent_total",
        "pmm_buffer_samples_repeated_total",
        "pmm_buffer_samples_dropped_total",
        "pmm_buffer_samples_rejected_total",
        "pmm_buffer_upstream_up",
        "pmm_buffer_send_seconds_bucket",
        "pmm_buffer_queue_disk_bytes",
        "pmm_buffer_queue_max_bytes",
        "pmm_buffer_disk_free_bytes",
        "process_resident_memory_bytes",
    ] {
        assert!(all.contains(name), "{name}");
    }
}

#[test]
fn every_alert_has_its_runbook() {
    let runbooks = text("docs/runbooks.md");
    let anchors: Vec<String> = of_rules("runbook:");
    for (at, alert) in of_rules("alert:").into_iter().enumerate() {
        assert_eq!(anchors[at], format!("docs/runbooks.md#{}", alert.to_lowercase()));
        assert!(runbooks.lines().any(|line| line == format!("### {alert}")), "no runbook of {alert}");
    }
}

#[test]
fn every_warning_and_error_of_the_log_is_explained() {
    // Quotes and line ends are the table's own.
    let runbooks = text("docs/runbooks.md");
    let mut messages = BTreeSet::new();
    for file in sources(&repository().join("src")) {
        let source = fs::read_to_string(&file).expect("readable");
        for call in ["tracing::error!(", "tracing::warn!("] {
            messages.extend(source.split(call).skip(1).filter_map(message).map(str::to_owned));
        }
    }
    assert!(messages.len() > 15, "{messages:?}");
    let missing: Vec<_> = messages.iter().filter(|message| !runbooks.contains(message.as_str())).collect();
    assert!(missing.is_empty(), "docs/runbooks.md does not explain {missing:#?}");
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("readable").path());
    entries
        .flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect()
}

/// The last text in the arguments of a call. None where it is made at run time.
fn message(call: &str) -> Option<&str> {
    let (mut depth, mut last, mut rest) = (1, None, call);
    while depth > 0 {
        let at = rest.find(['(', ')', '"'])?;
        let (found, behind) = rest[at..].split_at(1);
        match found {
            "(" => depth += 1,
            ")" => depth -= 1,
            _ => last = behind.find('"').map(|end| &behind[..end]),
        }
        rest = if found == "\"" { &behind[last?.len() + 1..] } else { behind };
    }
    last.filter(|text| !text.starts_with('{'))
}

/// Bytes a sample that the table of docs/ha.md takes for all hosts.
const BYTES_A_SAMPLE: f64 = 1.25;

#[test]
fn the_sizing_table_follows_from_the_measured_bytes_a_sample() {
    let measured = format!(
        "an hour of 1 host: node_exporter, mysqld, postgres, harness' load | 1.4, 1.4, 1.4, 1.8 | {BYTES_A_SAMPLE},"
    );
    assert!(text("docs/performance.md").contains(&measured), "measured anew: update docs/ha.md");
    let page = text("docs/ha.md");
    let table = page.split("<!-- sizing -->").nth(1).and_then(|rest| rest.split("<!-- end -->").next());
    let rows: Vec<Vec<&str>> = table
        .expect("a table")
        .lines()
        .skip(3)
        .map(|line| line.split('|').map(str::trim).collect())
        .collect();
    assert!(rows.len() >= 5, "{rows:?}");
    for row in rows {
        let rate: f64 = row[3].parse().expect("samples a second");
        let mib = BYTES_A_SAMPLE * rate * 3600.0 / f64::from(1 << 20);
        assert_eq!(row[4], format!("{mib:.1} MiB"), "{row:?}");
        let hours: f64 = row[5].parse().expect("hours");
        // The samples a second of the row are rounded.
        assert!((hours * mib / 1024.0 - 1.0).abs() < 0.01, "{row:?}");
        assert_eq!(row[6], format!("{:.0}", hours / 24.0), "{row:?}");
        if let Ok(series) = row[2].parse::<f64>() {
            assert_eq!(row[3], format!("{:.0}", series / 14.0), "{row:?}");
        }
    }
}
