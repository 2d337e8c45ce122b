//! Tables for a terminal of 100 columns.

use super::change::{self, Change};
use super::text;
use super::view::{self, Contender};
use crate::bench::outcome::{Played, Report};
use crate::status::human::printable;
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

const COLUMNS: u16 = 100;

/// A table a scenario, and below it what must not be overlooked. Ratios are of the first contender to the second.
pub fn terminal(report: &Report) -> String {
    let mut out = format!("{}, {}\n", printable(&report.began), printable(&text::host(&report.host)));
    for played in &report.scenarios {
        out.push_str(&format!("\n{}: {}\n", printable(&played.scenario), printable(&played.about)));
        out.push_str(&scenario(played));
    }
    out
}

/// What changed since an earlier report: a table for each scenario and contender that both have.
pub fn terminal_beside(report: &Report, before: &Report) -> String {
    let mut out = format!("now: {}\nbefore: {}\n", head(report), head(before));
    for note in change::notes(report, before) {
        out.push_str(&format!("{}\n", printable(&note)));
    }
    for section in change::sections(report, before) {
        out.push_str(&format!("\n{}, {}\n", printable(section.scenario), printable(section.contender)));
        let mut table =
            table(vec!["median (least to most)".into(), "before".into(), "now".into(), "".into()]);
        table.add_rows(section.changes.iter().map(change_row));
        out.push_str(&shown(&table));
    }
    out
}

fn head(report: &Report) -> String {
    format!("{}, {}", printable(&report.began), printable(&text::host(&report.host)))
}

fn scenario(played: &Played) -> String {
    let contenders = view::contenders(played);
    let mut table = table(header(&contenders));
    for figure in view::figures(&contenders) {
        let cell = |contender: &Contender| {
            contender
                .spread(figure)
                .map_or_else(|| "–".to_owned(), |spread| whole(&text::figure(figure, spread)))
        };
        let mut row = vec![figure.title().to_owned()];
        row.extend(contenders.iter().map(cell));
        if let [first, second, ..] = &contenders[..] {
            row.push(
                first.ratio(second, figure).map_or_else(String::new, |ratio| whole(&text::ratio(ratio))),
            );
        }
        table.add_row(row);
    }
    let mut out = shown(&table);
    for contender in &contenders {
        for fault in contender.faults() {
            out.push_str(&format!("FAULT: {}: {}\n", printable(contender.name), printable(&fault)));
        }
        for worst in contender.worst() {
            out.push_str(&format!("  {}\n", printable(&worst)));
        }
        for failure in contender.failures() {
            out.push_str(&format!("FAILED: {}: {}\n", printable(contender.name), printable(&failure)));
        }
    }
    out
}

fn header(contenders: &[Contender]) -> Vec<String> {
    let rounds = contenders.iter().map(|contender| contender.counted().len()).max().unwrap_or(0);
    let what = match rounds {
        0 | 1 => "one round".to_owned(),
        rounds => format!("median (least to most) of {rounds} rounds"),
    };
    let name = |contender: &Contender| match contender.version() {
        Some(version) => format!("{} {}", printable(contender.name), printable(&version)),
        None => printable(contender.name).into_owned(),
    };
    let mut header = vec![what];
    header.extend(contenders.iter().map(name));
    if let [first, second, ..] = contenders {
        header.push(format!("{} : {}", printable(first.name), printable(second.name)));
    }
    header
}

fn change_row(change: &Change) -> Vec<String> {
    let cell = |spread| whole(&text::figure(change.figure, spread));
    vec![change.figure.title().to_owned(), cell(change.before), cell(change.now), change.words()]
}

/// The blank of a value that is not to be broken within its spread.
const NO_BREAK: char = '\u{a0}';

/// Breaks a line before its spread at the most.
fn whole(value: &str) -> String {
    match value.split_once(' ') {
        Some((value, spread)) => format!("{value} {}", spread.replace(' ', &NO_BREAK.to_string())),
        None => value.to_owned(),
    }
}

fn shown(table: &Table) -> String {
    format!("{table}\n").replace(NO_BREAK, " ")
}

fn table(header: Vec<String>) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY);
    table.set_content_arrangement(ContentArrangement::Dynamic).set_width(COLUMNS);
    table.set_header(header);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;
    use crate::bench::outcome::Figure;
    use proptest::prelude::*;

    /// The row of a figure, without borders and in single spaces.
    fn row(table: &str, title: &str) -> String {
        let line = table
            .lines()
            .find(|line| line.contains(title))
            .unwrap_or_else(|| panic!("no {title} in {table}"));
        line.replace('│', " ").split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn one_contender_has_one_column() {
        let table = terminal(&sample::outage(&["pmm-buffer"]));
        assert_eq!(row(&table, "answer, median"), "answer, median (ms) 0.60 (0.57 to 0.63)");
        assert_eq!(row(&table, "of 3 rounds"), "median (least to most) of 3 rounds pmm-buffer 1.0");
        assert_eq!(row(&table, "samples lost"), "samples lost 0");
        assert!(!table.contains("FAULT") && !table.contains("FAILED") && !table.contains(" : "), "{table}");
    }

    #[test]
    fn ratios_are_of_the_first_to_the_second() {
        let table = terminal(&sample::outage(&["pmm-buffer", "vmagent", "other"]));
        assert_eq!(row(&table, "of 3 rounds"), "most) of 3 rounds vmagent");
        let table = terminal(&sample::outage(&["pmm-buffer", "vmagent"]));
        assert_eq!(
            row(&table, "answer, median"),
            "answer, median (ms) 0.60 (0.57 to 0.63) 1.60 (1.54 to 1.66) 0.37 (0.37 to 0.38)"
        );
        assert_eq!(row(&table, "samples lost "), "samples lost 0 77 (0 to 154)");
    }

    #[test]
    fn faults_and_failures_are_said_in_words() {
        let table = terminal(&sample::outage(&["pmm-buffer", "vmagent"]));
        assert!(table.contains("FAULT: vmagent: samples lost: 154 at most, in 2 of 3 rounds\n"), "{table}");
        let table = terminal(&sample::small());
        assert!(
            table.contains("FAULT: vmagent: samples lost: 154\n  round 1, up{job=\"a\"}: 154 lost\n"),
            "{table}"
        );
        assert!(
            table.contains(
                "FAILED: vmagent: round 1 broke off, the figures are those until then: it ended with status 1\n"
            ),
            "{table}"
        );
        let mut report = sample::small();
        report.scenarios[0].loss_expected = true;
        let table = terminal(&report);
        assert!(!table.contains("FAULT: vmagent"), "the scenario is made so:\n{table}");
    }

    #[test]
    fn a_round_that_broke_off_does_not_count_beside_whole_ones() {
        let mut report = sample::outage(&["pmm-buffer"]);
        let broken = &mut report.scenarios[0].runs[0];
        broken.failure = Some("killed".into());
        broken.figures.insert(Figure::AnswerP50Ms, 1e6);
        let table = terminal(&report);
        assert_eq!(row(&table, "answer, median"), "answer, median (ms) 0.61 (0.60 to 0.63)");
        assert!(table.contains("FAILED: pmm-buffer: round 1 broke off, its figures are left out: killed\n"));
    }

    #[test]
    fn an_earlier_report_stands_beside() {
        let before = sample::outage(&["pmm-buffer"]);
        let mut now = before.clone();
        for run in &mut now.scenarios[0].runs {
            *run.figures.get_mut(&Figure::CpuMicros).expect("measured") *= 2.0;
            run.figures.insert(Figure::Lost, 3.0);
        }
        let table = terminal_beside(&now, &before);
        let cpu = row(&table, "CPU a sample (µs)");
        assert_eq!(cpu, "CPU a sample (µs) 1.00 (0.95 to 1.05) 2.00 (1.90 to 2.10) +100 %, worse");
        assert_eq!(
            row(&table, "answer, median"),
            "answer, median (ms) 0.60 (0.57 to 0.63) 0.60 (0.57 to 0.63) ±0 %"
        );
        assert_eq!(row(&table, "samples lost"), "samples lost 0 3 FAULT");
    }

    proptest! {
        #[test]
        fn any_report_fits_and_leaves_the_terminal_alone(report in sample::any_report(), before in sample::any_report()) {
            for out in [terminal(&report), terminal_beside(&report, &before)] {
                prop_assert!(!out.contains('\x1b'));
                // Of other letters a terminal knows the width.
                let simple = |line: &&str| line.chars().all(|c| c.is_ascii_graphic() || " │┌╞└┐╡┘─═–±…".contains(c));
                for line in out.lines().filter(|line| line.starts_with(['│', '┌', '╞', '└'])).filter(simple) {
                    prop_assert!(line.chars().count() <= usize::from(COLUMNS), "{}", line);
                }
            }
        }
    }
}
