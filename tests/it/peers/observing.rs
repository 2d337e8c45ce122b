//! promtool's opinion of the alert rules and of the dashboard's expressions.

use super::peer;
use crate::observing::{dashboard_expressions, repository};
use std::ffi::OsStr;
use std::fs;
use std::process::Command;

fn promtool(args: &[&OsStr]) {
    let output = Command::new(peer("promtool")).args(args).output().expect("promtool starts");
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "promtool: {said}");
}

#[test]
fn the_alert_rules_are_read_and_fire_when_they_should() {
    let folder = repository().join("config/alerts");
    promtool(&["check".as_ref(), "rules".as_ref(), folder.join("pmm-buffer.yml").as_ref()]);
    promtool(&["test".as_ref(), "rules".as_ref(), folder.join("pmm-buffer.test.yml").as_ref()]);
}

#[test]
fn the_expressions_of_the_dashboard_are_promql() {
    let expressions = dashboard_expressions();
    let mut rules = String::from("groups:\n  - name: dashboard\n    rules:\n");
    for (at, expression) in expressions.iter().filter(|text| !text.starts_with("label_values(")).enumerate() {
        let expression = expression
            .replace("$__rate_interval", "1m")
            .replace("$__range", "1h")
            .replace("$instance", ".*")
            .replace("$upstream", ".*");
        assert!(!expression.contains('$'), "a variable that the dashboard does not have: {expression}");
        rules += &format!("      - record: panel:{at}\n        expr: '{expression}'\n");
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("rules.yml");
    fs::write(&file, rules).expect("writable");
    promtool(&["check".as_ref(), "rules".as_ref(), file.as_ref()]);
}
