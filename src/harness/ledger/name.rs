//! How a series is named in a report.

use crate::wire;
use std::fmt::Write;

/// Labels of PMM that a reader does not need: `node_name` tells hosts apart, and the metric's name exporters.
const LEFT_OUT: [&str; 13] = [
    "agent_id",
    "agent_type",
    "cluster",
    "environment",
    "instance",
    "job",
    "machine_id",
    "node_id",
    "node_type",
    "replication_set",
    "service_id",
    "service_name",
    "service_type",
];

/// Name and labels of a section in the form of a selector. Where it has a `node_name`, without the labels that say no more.
pub(super) fn short_name(section: &[u8]) -> String {
    let labels: Option<Vec<_>> = wire::labels(section)
        .map(|label| label.ok().map(|label| (lossy(label.name), lossy(label.value))))
        .collect();
    let Some(labels) = labels else { return "a series whose labels cannot be read".to_owned() };
    let is_of_pmm = labels.iter().any(|(name, _)| name == "node_name");
    let mut out = String::new();
    for (_, value) in labels.iter().filter(|(name, _)| name == "__name__") {
        out += value;
    }
    out.push('{');
    let shown = |name: &str| name != "__name__" && !(is_of_pmm && LEFT_OUT.contains(&name));
    for (at, (name, value)) in labels.iter().filter(|(name, _)| shown(name)).enumerate() {
        let comma = if at == 0 { "" } else { "," };
        write!(out, "{comma}{name}={value:?}").expect("BUG: it is in memory");
    }
    out.push('}');
    out
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(labels: &[(&str, &str)]) -> String {
        let mut section = Vec::new();
        for (name, value) in labels {
            wire::append_label(&mut section, name.as_bytes(), value.as_bytes());
        }
        short_name(&section)
    }

    #[test]
    fn a_series_of_pmm_is_named_without_what_says_no_more() {
        let labels =
            [("__name__", "up"), ("agent_id", "a"), ("device", "sd\"a"), ("job", "j"), ("node_name", "db")];
        assert_eq!(named(&labels), r#"up{device="sd\"a",node_name="db"}"#);
    }

    #[test]
    fn another_series_is_named_by_all_its_labels() {
        assert_eq!(
            named(&[("__name__", "up"), ("instance", "i"), ("job", "j")]),
            r#"up{instance="i",job="j"}"#
        );
        assert_eq!(named(&[]), "{}");
        assert_eq!(short_name(b"\xff"), "a series whose labels cannot be read");
    }
}
