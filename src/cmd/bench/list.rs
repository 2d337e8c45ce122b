//! `bench list`.

use crate::bench::{Profile, Scenario};
use crate::harness::LoadProfile;
use comfy_table::{ContentArrangement, Table, presets};
use std::io::Write;

/// Prints all that is built in, and of contenders whether this machine has them.
pub(super) fn print() {
    let scenarios = Scenario::built_in().map(|scenario| [scenario.name, scenario.about]);
    let profiles = LoadProfile::ALL.map(|profile| {
        [profile.name().to_owned(), format!("{}, {} series", profile.about(), profile.series())]
    });
    let contenders = Profile::built_in().map(|(name, profile)| {
        let found = match profile.binary(name) {
            Ok(binary) => format!("found: {}", binary.display()),
            Err(error) => format!("not here: {error}"),
        };
        [name.to_owned(), format!("{}\n{found}", profile.about)]
    });
    let text = [
        section("Scenarios", scenarios),
        section("Load profiles (--profile)", profiles),
        section("Contenders (--contender, --with)", contenders),
    ];
    // A reader that has seen enough (`| head`) is no failure.
    let _ = std::io::stdout().write_all(text.join("\n").as_bytes());
}

fn section(title: &str, rows: impl IntoIterator<Item = [String; 2]>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.add_rows(rows);
    format!("{title}\n{}\n", table.trim_fmt())
}
