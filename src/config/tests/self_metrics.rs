//! `self_metrics`: one word or a section, and labels that keep series apart.

use super::super::SelfMetrics;
use super::super::self_metrics::TAKEN;
use super::{bad, good};

const URL: &str = "remote_write: [{url: 'http://a'}]";

fn of(text: &str) -> SelfMetrics {
    good(&format!("{text}\n{URL}")).self_metrics
}

#[test]
fn one_word_stands_for_the_section() {
    let on = SelfMetrics { enabled: true, ..SelfMetrics::default() };
    assert_eq!(of("self_metrics: on"), on);
    assert_eq!(of("self_metrics: {enabled: true}"), on);
    assert_eq!(of("self_metrics: off"), SelfMetrics::default());
    assert_eq!(of("self_metrics:"), SelfMetrics::default());
}

#[test]
fn labels_are_sorted_and_may_be_empty() {
    let labels = of("self_metrics: {labels: {node_name: db-7, az: 1, instance: }}").labels;
    let expected = [("az", "1"), ("instance", ""), ("node_name", "db-7")];
    assert_eq!(labels, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
}

#[test]
fn labels_that_would_mix_series_up_are_refused() {
    for name in TAKEN.into_iter().chain(["0a", "a-b", "'a b'", "''", "ä"]) {
        let text = format!("self_metrics: {{labels: {{{name}: x}}}}\n{URL}");
        assert!(bad(&text).contains("self_metrics.labels"), "{name}");
    }
    for entry in crate::telemetry::metrics::TABLE {
        assert!(entry.labels.iter().all(|label| TAKEN.contains(label)), "{}", entry.name);
    }
}
