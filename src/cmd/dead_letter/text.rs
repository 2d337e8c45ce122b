//! Letters as a person or (`--json`) a program reads them.

use crate::cmd::table::table;
use crate::dead_letter::{self, Entry, Letter};
use crate::model::{Push, SeriesView};
use crate::status::human;
use crate::wire;
use comfy_table::CellAlignment;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::Path;

pub(super) fn list(folder: &Path, letters: &[(&Entry, Letter)]) -> String {
    if letters.is_empty() {
        return format!("no dead letters in {}\n", folder.display());
    }
    let mut table = table(&["letter", "refused", "upstream", "samples", "what", "answer"]);
    for column in [1, 2, 4, 5] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Left);
        }
    }
    for (entry, letter) in letters {
        table.add_row([
            entry.number.to_string(),
            human::moment(letter.refused_ms),
            letter.upstream.clone(),
            human::count(letter.samples),
            what(letter),
            human::printable(&letter.answer).into_owned(),
        ]);
    }
    format!("{table}\n")
}

/// The metric of the first series, and how many more there are.
fn what(letter: &Letter) -> String {
    let Ok(push) = letter.push() else { return "does not read".into() };
    let series = push.series().len();
    match push.series().next() {
        None => "metadata".into(),
        Some(first) if series == 1 => name(&first),
        Some(first) => format!("{} and {} more", name(&first), human::count(series as u64 - 1)),
    }
}

fn name(series: &SeriesView<'_>) -> String {
    let name = wire::metric_name(series.labels).unwrap_or_default();
    human::printable(&String::from_utf8_lossy(name)).into_owned()
}

pub(super) fn list_json(letters: &[(&Entry, Letter)]) -> String {
    let letters: Vec<_> = letters.iter().map(|(entry, letter)| fields(entry, letter)).collect();
    pretty(&letters.into())
}

fn fields(entry: &Entry, letter: &Letter) -> Value {
    json!({
        "number": entry.number,
        "upstream": letter.upstream,
        "refused_ms": letter.refused_ms,
        "accepted_from_ms": letter.accepted_ms.0,
        "accepted_to_ms": letter.accepted_ms.1,
        "first": letter.positions.0,
        "end": letter.positions.1,
        "status": letter.status,
        "reason": letter.reason,
        "answer": letter.answer,
        "series": letter.series,
        "samples": letter.samples,
        "what": what(letter),
        "disk_bytes": entry.disk_bytes,
    })
}

pub(super) fn show_json(entry: &Entry, letter: &Letter, push: &Push) -> String {
    let mut shown = fields(entry, letter);
    let lines = dead_letter::json_lines(push);
    let content = lines.text.lines().map(|line| serde_json::from_str(line).expect("BUG: we wrote JSON"));
    shown["content"] = content.collect::<Vec<Value>>().into();
    shown["histograms"] = lines.left_out.into();
    pretty(&shown)
}

pub(super) fn show(entry: &Entry, letter: &Letter, push: &Push) -> String {
    let Letter { upstream, answer, reason, positions, accepted_ms, .. } = letter;
    let mut out = format!(
        "letter {}: {} samples of {} series, refused by {upstream} at {} ({reason})\n{}\n\
         positions {} to {}, accepted {} to {}\n",
        entry.number,
        human::count(letter.samples),
        human::count(push.series().len() as u64),
        human::moment(letter.refused_ms),
        human::printable(answer),
        positions.0,
        positions.1,
        human::moment(accepted_ms.0),
        human::moment(accepted_ms.1),
    );
    for series in push.series() {
        let _ = writeln!(out, "\n{}", series_name(&series));
        for sample in series.samples {
            let _ = writeln!(out, "  {}  {}", moment_ms(sample.timestamp), sample.value);
        }
        let histograms = wire::count_extras(series.extras).all_samples();
        if histograms > 0 {
            let _ = writeln!(out, "  and {} native histograms", human::count(histograms));
        }
    }
    out
}

/// A series as PromQL selects it.
fn series_name(series: &SeriesView<'_>) -> String {
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    let labels = wire::labels(series.labels).map_while(Result::ok).filter(|label| label.name != b"__name__");
    let labels: Vec<_> =
        labels.map(|label| format!("{}={}", text(label.name), json!(text(label.value)))).collect();
    let selector =
        if labels.is_empty() { name(series) } else { format!("{}{{{}}}", name(series), labels.join(",")) };
    human::printable(&selector).into_owned()
}

/// RFC 3339 to the millisecond; what that cannot say is the number itself.
fn moment_ms(ms: i64) -> String {
    // Year 9999.
    const MOST: i64 = 253_402_300_799_999;
    match u64::try_from(ms) {
        Ok(since) if ms <= MOST => {
            let at = std::time::UNIX_EPOCH + std::time::Duration::from_millis(since);
            humantime::format_rfc3339_millis(at).to_string()
        }
        _ => format!("{ms} ms"),
    }
}

fn pretty(value: &Value) -> String {
    let json = serde_json::to_string_pretty(value).expect("BUG: numbers and texts are JSON");
    format!("{json}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_beyond_the_calendar_are_numbers() {
        assert_eq!(moment_ms(1_700_000_000_123), "2023-11-14T22:13:20.123Z");
        assert_eq!(moment_ms(-1), "-1 ms");
        assert_eq!(moment_ms(i64::MAX), "9223372036854775807 ms");
    }
}
