//! The advice, for a terminal of 100 columns.

use super::judge::{self, Effect, FIGURES};
use super::probe::{Level, Probe};
use super::settings::Settings;
use super::{Advice, Found};
use crate::bench::outcome::{Figure, Report};
use crate::bench::report::text;
use crate::bench::report::view::{self, Contender};
use crate::bench::spread::Spread;
use crate::status::human::printable;
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

const WIDTH: u16 = 100;
/// Columns: [`FIGURES`], and memory, which is no ground for or against.
const COLUMNS: [(Figure, &str); 5] = [
    (FIGURES[0], "answered a second"),
    (FIGURES[1], "median (ms)"),
    (FIGURES[2], "p99 (ms)"),
    (FIGURES[3], "caught up a second"),
    (Figure::PeakBytes, "peak (MiB)"),
];
/// What a commit delay would have to win at the least to be worth asking for.
const WORTH: f64 = 1.1;

/// What was tried, what is to be changed, and what there is no setting for.
pub fn terminal(advice: &Advice) -> String {
    let Advice { screening, confirmation, found, probe } = advice;
    let mut out = format!("{}\n\n", printable(&text::host(&screening.host)));
    out.push_str(&table(screening));
    if let Some(confirmation) = confirmation {
        out.push_str(&format!("\nThe best of it, played again:\n{}", table(confirmation)));
    }
    let (verdict, lines) = verdict(found);
    out.push_str(&format!("\n{}", wrapped(&verdict)));
    if !lines.is_empty() {
        out.push_str(&format!("\n{lines}"));
    }
    out.push('\n');
    for words in [&sync(screening), &delay(screening, probe), &levels(probe), LOCAL] {
        out.push_str(&wrapped(words));
    }
    out
}

/// What a trial on one host cannot tell.
const LOCAL: &str = "The upstream was on this host: over a far link large batches win more, and a server that is short of \
                     memory may want small ones.";

/// In lines that fit, with an end.
fn wrapped(text: &str) -> String {
    let mut out = String::new();
    let mut width = 0;
    for word in text.split(' ') {
        let length = word.chars().count();
        if width > 0 && width + 1 + length > usize::from(WIDTH) {
            out.push('\n');
            width = 0;
        } else if width > 0 {
            out.push(' ');
            width += 1;
        }
        out.push_str(word);
        width += length;
    }
    out + "\n"
}

fn table(report: &Report) -> String {
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY);
    table.set_content_arrangement(ContentArrangement::Dynamic).set_width(WIDTH);
    let played = report.scenarios.first().map(view::contenders).unwrap_or_default();
    let rounds = played.first().map_or(0, |contender| contender.runs.len());
    let header = [format!("medians of {rounds} rounds")];
    table.set_header(header.into_iter().chain(COLUMNS.map(|(_, title)| title.to_owned())));
    for contender in &played {
        let cells = COLUMNS.map(|(figure, _)| cell(contender, &played[0], figure));
        table.add_row([contender.name.to_owned()].into_iter().chain(cells));
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    format!("{table}\n")
}

/// The median, and below it what that is beside the defaults.
fn cell(contender: &Contender, defaults: &Contender, figure: Figure) -> String {
    let Some(now) = contender.spread(figure) else { return "–".to_owned() };
    let value = text::figure(figure, Spread { least: now.median, most: now.median, ..now });
    match Effect::of(defaults, contender, figure) {
        Some(effect) if contender.name != defaults.name => format!("{value}\n{}", effect.words()),
        _ => value,
    }
}

/// What is to be done, and the lines for the configuration.
fn verdict(found: &Found) -> (String, String) {
    match found {
        Found::Defaults => {
            let words = "The defaults are fine: nothing that was tried was better beyond the spread.";
            (words.to_owned(), String::new())
        }
        Found::Luck(settings) => {
            let words = format!(
                "The defaults are fine: {settings} looked better at first, and was not when it was played again."
            );
            (words, String::new())
        }
        Found::Gain(settings, effects) => {
            (format!("To be changed in the configuration ({}):", won(effects)), settings.lines())
        }
    }
}

/// The figures that are better, in words.
fn won(effects: &[Effect]) -> String {
    let won = effects.iter().filter(|effect| judge::is_gain(effect));
    won.map(|effect| format!("{} {}", effect.figure.title(), effect.words())).collect::<Vec<_>>().join("; ")
}

/// What answering before the sync would win.
fn sync(screening: &Report) -> String {
    let words = match judge::helps(screening, &Settings::unsynced()) {
        None => "wins nothing on this disk beyond the spread".to_owned(),
        Some(effects) => format!("wins: {}", won(&effects)),
    };
    format!(
        "queue.sync: interval {words}. It is not advised: a power cut then loses what was answered since the last sync."
    )
}

/// What a commit delay would win.
fn delay(screening: &Report, probe: &Probe) -> String {
    let Probe { pushers, pushes_a_sync, sync_ms, .. } = probe;
    // It saves syncs, so it wins no more than having none at all, and no more than all pushers sharing each.
    let unsynced = judge::effects(screening, &Settings::unsynced()).unwrap_or_default();
    let throughput = unsynced.iter().find(|effect| effect.figure == Figure::SamplesPerSecond);
    let no_syncs = throughput.map_or(1.0, |effect| effect.now.median / effect.before.median);
    let most = no_syncs.min(*pushers as f64 / pushes_a_sync).max(1.0);
    let verdict = if most < WORTH {
        "there is nothing to win"
    } else {
        "and each answer would wait for it; pushes that come together share a sync as it is"
    };
    format!(
        "A commit delay, which there is none of: {pushers} pushers have {pushes_a_sync:.1} pushes a sync, of {sync_ms:.2} ms. \
         It would win {:.0} % of throughput at the most: {verdict}.",
        (most - 1.0) * 100.0
    )
}

/// What another level of zstd would win.
fn levels(probe: &Probe) -> String {
    let [own, others @ ..] = &probe.levels[..] else { return String::new() };
    let other = |level: &Level| {
        format!("level {} {:.2} bytes and {:.3} µs a sample", level.level, level.bytes, level.micros)
    };
    let others: Vec<_> = others.iter().map(other).collect();
    format!("zstd in the log, always level {}: {}; {}.", own.level, other(own), others.join("; "))
}

#[cfg(test)]
mod tests {
    use super::super::judge::sample::{report, times};
    use super::*;

    fn advice(found: Found, unsynced: f64, pushes_a_sync: f64) -> Advice {
        let trials = [
            (Settings::default(), times([1.0; 4])),
            (Settings::candidates()[1], times([1.0, 1.0, 1.0, 1.5])),
            (Settings::unsynced(), times([unsynced, 1.0, 1.0, 1.0])),
        ];
        let level = |level| Level { level, bytes: 1.5, micros: 0.1 };
        let probe = Probe { pushers: 8, pushes_a_sync, sync_ms: 0.4, levels: vec![level(1), level(3)] };
        Advice { screening: report(&trials), confirmation: None, found, probe }
    }

    fn unwrapped(text: &str) -> String {
        text.replace('\n', " ")
    }

    #[test]
    fn a_gain_is_told_with_its_lines() {
        let large = Settings::candidates()[1];
        let screening = advice(Found::Defaults, 1.0, 4.0).screening;
        let effects = judge::helps(&screening, &large).expect("it helps");
        let text = terminal(&advice(Found::Gain(large, effects), 1.0, 4.0));
        assert!(
            text.contains(
                "To be changed in the configuration (samples delivered a second, catching up +50 %, better):\n\n\
                 remote_write:\n  - # in each entry\n    max_bytes_per_send: 32MiB\n"
            ),
            "{text}"
        );
        assert!(!text.contains("The defaults are fine"), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    }

    #[test]
    fn no_gain_and_luck_leave_the_defaults() {
        let text = terminal(&advice(Found::Defaults, 1.0, 4.0));
        assert!(text.contains("The defaults are fine: nothing that was tried"), "{text}");
        let text = terminal(&advice(Found::Luck(Settings::candidates()[0]), 1.0, 4.0));
        assert!(text.contains("The defaults are fine: small batches looked better at first"), "{text}");
        assert!(!text.contains("remote_write:"), "{text}");
    }

    #[test]
    fn a_commit_delay_wins_no_more_than_no_sync_and_no_more_than_a_sync_for_all() {
        for (unsynced, pushes_a_sync, most) in [(1.0, 4.0, 0), (1.5, 4.0, 50), (9.0, 4.0, 100), (9.0, 8.0, 0)]
        {
            let text = terminal(&advice(Found::Defaults, unsynced, pushes_a_sync));
            assert!(unwrapped(&text).contains(&format!("win {most} % of throughput at the most")), "{text}");
            assert_eq!(text.contains("there is nothing to win"), most == 0, "{text}");
        }
    }

    #[test]
    fn giving_up_safety_is_told_with_its_price() {
        let text = terminal(&advice(Found::Defaults, 9.0, 4.0));
        let expected = "queue.sync: interval wins: samples answered a second +800 %, better. It is not advised: a power cut";
        assert!(unwrapped(&text).contains(expected), "{text}");
    }
}
