//! `tests/config`: files that are read, and files that are not, with the exact messages beside them.
//!
//! After a wanted change, `PMM_BUFFER_TEST_BLESS=1 cargo test config::tests::files` writes the messages anew.

use super::super::effective;
use super::super::load::read;
use super::Overrides;
use std::fs;
use std::path::{Path, PathBuf};

fn files(suffix: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config");
    let entries =
        fs::read_dir(folder).expect("the folder is there").map(|entry| entry.expect("readable").path());
    let mut files: Vec<PathBuf> = entries.filter(|path| path.to_string_lossy().ends_with(suffix)).collect();
    files.sort();
    assert!(!files.is_empty(), "no {suffix}");
    files
}

fn compare(expected: &Path, found: &str) {
    if std::env::var_os("PMM_BUFFER_TEST_BLESS").is_some() {
        fs::write(expected, found).expect("writable");
    }
    let text = fs::read_to_string(expected).unwrap_or_default();
    assert_eq!(found, text, "{}", expected.display());
}

fn outcome(path: &Path) -> Result<String, String> {
    let text = fs::read_to_string(path).expect("readable");
    let name = path.file_name().expect("a file").to_string_lossy();
    // A folder that is nowhere, so that the messages are the same everywhere.
    match read(&text, &name, Path::new("/nowhere"), &Overrides::default()) {
        Ok(loaded) => {
            let warnings = loaded.warnings.iter().map(|warning| format!("# {warning}\n"));
            Ok(warnings.collect::<String>() + &effective(&loaded.config))
        }
        Err(errors) => Err(format!("{errors}\n")),
    }
}

#[test]
fn good_files_are_read_with_these_warnings_and_values() {
    for path in files(".good.yml") {
        let found = outcome(&path).unwrap_or_else(|errors| panic!("{errors}"));
        compare(&path.with_extension("txt"), &found);
    }
}

#[test]
fn bad_files_are_refused_with_these_messages() {
    for path in files(".bad.yml") {
        let found = outcome(&path).expect_err("must be refused");
        compare(&path.with_extension("txt"), &found);
    }
}
