//! Figures as text.

use crate::bench::outcome::{Better, Figure, Host};
use crate::bench::spread::Spread;
use crate::status::human;

/// A figure over rounds, in the unit of its title: `12.3 (11.9 to 14.0)`; the value alone where all rounds agree.
pub(in crate::bench) fn figure(figure: Figure, spread: Spread) -> String {
    let spread = spread.per(figure.scale());
    match figure.better() {
        // Counts.
        Better::Zero | Better::Neither => with_decimals(spread, 0),
        Better::Lower | Better::Higher => with_decimals(spread, decimals(spread)),
    }
}

/// A ratio over rounds.
pub(super) fn ratio(spread: Spread) -> String {
    with_decimals(spread, decimals(spread).max(2))
}

fn with_decimals(spread: Spread, decimals: usize) -> String {
    let [median, least, most] =
        [spread.median, spread.least, spread.most].map(|value| number(value, decimals));
    if least == most { median } else { format!("{median} ({least} to {most})") }
}

/// Three digits that say something, as far as decimals can.
fn decimals(spread: Spread) -> usize {
    let size = if spread.median == 0.0 { spread.most.abs() } else { spread.median.abs() };
    match size {
        100.0.. => 0,
        10.0.. => 1,
        0.1.. => 2,
        0.01.. => 3,
        0.0 => 0,
        _ => 4,
    }
}

/// `1,234` or `1.23`.
pub(super) fn number(value: f64, decimals: usize) -> String {
    let rounded = value.round();
    // What a counter cannot hold; nothing that was measured comes near.
    if rounded.abs() >= 1e18 {
        return format!("{value:e}");
    }
    if decimals > 0 {
        return format!("{value:.decimals$}");
    }
    let sign = if rounded < 0.0 { "-" } else { "" };
    format!("{sign}{}", human::count(rounded.abs() as u64))
}

/// Where it was measured, in a line.
pub(in crate::bench) fn host(host: &Host) -> String {
    format!(
        "{}, {} cores, {}, Linux {}, {}",
        host.cpu,
        host.cores,
        human::bytes(host.memory_bytes),
        host.kernel,
        host.file_system
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_show_three_digits_and_the_spread_as_many_decimals() {
        for (figure, values, text) in [
            (Figure::SamplesPerSecond, [848_000.4, 691_000.0, 863_000.0], "848,000 (691,000 to 863,000)"),
            (Figure::AnswerP50Ms, [3.71, 1.5, 17.6], "3.71 (1.50 to 17.60)"),
            (Figure::AnswerP50Ms, [0.042, 0.042, 0.05], "0.042 (0.042 to 0.050)"),
            (Figure::AnswerP50Ms, [0.0, 0.0, 0.5], "0.00 (0.00 to 0.50)"),
            (Figure::CurrentS, [66.04, 66.04, 66.04], "66.0"),
            (Figure::ResidentBytes, [23_068_672.0, 22_020_096.0, 23_068_672.0], "22.0 (21.0 to 22.0)"),
            (Figure::Lost, [154.0, 0.0, 1_154.0], "154 (0 to 1,154)"),
            (Figure::Lost, [0.0, 0.0, 0.0], "0"),
            (Figure::WrittenBytes, [-1e300, -1e300, -1e300], "-1e300"),
        ] {
            let [median, least, most] = values;
            assert_eq!(super::figure(figure, Spread { least, median, most }), text);
        }
        assert_eq!(ratio(Spread { least: 12.0, median: 120.0, most: 121.0 }), "120.00 (12.00 to 121.00)");
        assert_eq!(number(-1234.4, 0), "-1,234");
    }
}
