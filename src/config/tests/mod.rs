//! Tests of the whole way from text to [`Config`](super::Config). Those of one part are in its file.

mod effective;
mod files;
mod overrides;
mod prometheus;
mod sample;
mod secrets;
mod self_metrics;

use proptest::prelude::*;

use super::load::read;
use super::{Config, Errors, Loaded, Overrides};
use std::path::Path;

/// Reads a text as `test.yml` of the folder `/etc/pmm-buffer`.
fn load(text: &str) -> Result<Loaded, Errors> {
    read(text, "test.yml", Path::new("/etc/pmm-buffer"), &Overrides::default())
}

fn good(text: &str) -> Config {
    load(text).unwrap_or_else(|errors| panic!("{errors}\n{text}")).config
}

/// The errors as they are printed.
fn bad(text: &str) -> String {
    load(text).expect_err("it must not be read").to_string()
}

fn warnings(text: &str) -> Vec<String> {
    let loaded = load(text).unwrap_or_else(|errors| panic!("{errors}\n{text}"));
    loaded.warnings.iter().map(ToString::to_string).collect()
}

proptest! {
    /// However a file is mistyped: it is read, or every error has a place and a message.
    #[test]
    fn no_text_makes_reading_panic(
        (at, remove) in (0_usize..2000, 0_usize..20),
        insert in "[ -~\\n\\té]{0,5}",
    ) {
        let mut text: Vec<char> = include_str!("../../../tests/config/full.good.yml").chars().collect();
        let at = at.min(text.len());
        text.splice(at..(at + remove).min(text.len()), insert.chars());
        if let Err(errors) = load(&text.into_iter().collect::<String>()) {
            for error in errors.iter() {
                prop_assert!(error.to_string().starts_with("test.yml:"), "{}", error);
            }
        }
    }
}
