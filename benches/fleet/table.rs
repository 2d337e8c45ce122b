//! Stories as tables in Markdown.

use crate::sim::{Story, quantile};
use comfy_table::{CellAlignment, Table, presets};

/// One row a story.
pub fn of_stories(stories: &[(String, Story)]) -> String {
    let header = [
        "",
        "first delivery: half, last (s)",
        "current: first, half, last (s)",
        "requests",
        "server CPU (s)",
        "503",
        "timeouts",
        "most waiting",
        "longest answer (s)",
        "crashes",
    ];
    let rows = stories.iter().map(|(name, story)| {
        let first = [0.5, 1.0].map(|share| seconds(quantile(&story.first_delivery, share))).join(", ");
        let current = [0.0, 0.5, 1.0].map(|share| seconds(quantile(&story.current, share))).join(", ");
        vec![
            name.clone(),
            first,
            current,
            count(story.requests),
            format!("{:.0}", story.cpu_seconds()),
            count(story.busy),
            count(story.timeouts),
            count(story.max_waiting() as u64),
            format!("{:.1}", story.longest_answer()),
            count(story.crashes),
        ]
    });
    of_rows(&header, rows)
}

/// The first column names the rows.
pub fn of_rows<T: ToString>(header: &[T], rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table.set_header(header.iter().map(ToString::to_string));
    table.add_rows(rows);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.to_string()
}

/// A time that few read to the tenth when it is long.
pub fn seconds(time: Option<f64>) -> String {
    match time {
        None => "never".to_owned(),
        Some(time) if time < 20.0 => format!("{time:.1}"),
        Some(time) => format!("{time:.0}"),
    }
}

/// A number in groups of three digits.
fn count(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().filter_map(|group| std::str::from_utf8(group).ok()).collect();
    groups.join(" ")
}
