//! The report as JSON, and read again.

use crate::bench::outcome::{Report, VERSION};
use anyhow::{Context, bail};
use serde::Deserialize;

/// Indented, so that an error's line leads to the place, and two reports can be told apart by line.
pub fn json(report: &Report) -> String {
    let mut report = report.clone();
    for run in report.scenarios.iter_mut().flat_map(|played| &mut played.runs) {
        // JSON has no such numbers, and what is not there was not measured.
        run.figures.retain(|_, value| value.is_finite());
    }
    let mut json = serde_json::to_string_pretty(&report).expect("BUG: a report is of numbers and texts");
    json.push('\n');
    json
}

/// # Errors
/// Fails where it is no JSON, of a version that is not known, or a part is missing or of another type; says which, and
/// the line.
pub fn read(json: &[u8]) -> anyhow::Result<Report> {
    #[derive(Deserialize)]
    struct Head {
        version: u32,
    }
    let Head { version } = serde_json::from_slice(json).context("not a report of `pmm-buffer bench`")?;
    if version > VERSION {
        bail!(
            "the report is of version {version}, and this pmm-buffer knows up to {VERSION}: show it with one as new \
             as that which wrote it"
        );
    }
    if version != VERSION {
        bail!("the report is of version {version}, which never was");
    }
    serde_json::from_slice(json).context("the report has not the form of its version")
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;
    use proptest::prelude::*;

    const GOLDEN: &str = include_str!("../../../tests/fixtures/bench/report-1.json");

    fn refusal(json: &str) -> String {
        format!("{:#}", read(json.as_bytes()).expect_err("a refusal"))
    }

    #[test]
    fn the_form_of_version_1_stays() {
        assert_eq!(json(&sample::small()), GOLDEN);
        assert_eq!(read(GOLDEN.as_bytes()).expect("a report"), sample::small());
    }

    #[test]
    fn what_is_no_report_is_refused_with_what_and_where() {
        for (json, what) in [
            (
                GOLDEN.replace("\"version\": 1,", "\"version\": 2,"),
                "of version 2, and this pmm-buffer knows up to 1",
            ),
            (GOLDEN.replace("\"version\": 1,", "\"version\": 0,"), "of version 0, which never was"),
            (GOLDEN.replace("\"version\": 1,", ""), "missing field `version`"),
            (GOLDEN.replace("\"round\": 1,", ""), "missing field `round` at line"),
            (
                GOLDEN.replace("\"round\": 1,", "\"round\": \"one\","),
                "invalid type: string \"one\", expected usize at line",
            ),
            (GOLDEN.replace("\"lost\"", "\"found\""), "unknown variant `found`"),
            (GOLDEN.replace("],", ""), "at line"),
            (GOLDEN[..GOLDEN.len() / 2].to_owned(), "EOF while parsing"),
            (String::new(), "EOF while parsing a value at line 1"),
            ("[]".to_owned(), "not a report of `pmm-buffer bench`"),
        ] {
            let refusal = refusal(&json);
            assert!(refusal.contains(what), "{refusal} does not say {what}");
        }
    }

    #[test]
    fn a_figure_that_is_no_number_was_not_measured() {
        let mut report = sample::small();
        let figures = &mut report.scenarios[0].runs[0].figures;
        figures.insert(crate::bench::outcome::Figure::CpuMicros, f64::NAN);
        assert_eq!(read(json(&report).as_bytes()).expect("a report"), sample::small());
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(report in sample::any_report()) {
            prop_assert_eq!(read(json(&report).as_bytes()).expect("a report"), report);
        }

        #[test]
        fn no_bytes_break_the_reader(bytes in prop::collection::vec(any::<u8>(), 0..64), at in 0..GOLDEN.len()) {
            let _ = read(&bytes);
            let mut golden = GOLDEN.as_bytes().to_vec();
            golden.splice(at..(at + bytes.len()).min(GOLDEN.len()), bytes);
            let _ = read(&golden);
        }
    }
}
