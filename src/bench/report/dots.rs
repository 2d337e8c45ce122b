//! Before and now on one line, as a small SVG in a row of a table.

use super::change::{Change, Meaning};
use super::text::number;
use crate::bench::spread::Spread;
use std::fmt::Write as _;

const WIDTH: f64 = 240.0;
const HEIGHT: f64 = 18.0;
const MARGIN: f64 = 12.0;
/// Doublings to either side that a scale has at least and at most.
const LEAST: f64 = 0.5;
const MOST: f64 = 4.0;

/// The common scale of a table: ratios to the median before, halves as far from the middle as doubles.
pub(super) struct Scale {
    doublings: f64,
}

impl Scale {
    /// As wide as the changes need.
    pub(super) fn of(changes: &[Change]) -> Self {
        let ends = changes.iter().filter(|change| change.before.median > 0.0).flat_map(|change| {
            let unit = change.before.median;
            [change.before, change.now]
                .map(|spread| spread.per(unit))
                .into_iter()
                .flat_map(|spread| [spread.least, spread.most])
        });
        let doublings = ends.map(|ratio| ratio.log2().abs()).filter(|doublings| doublings.is_finite());
        // To whole and half doublings.
        Self { doublings: ((doublings.fold(LEAST, f64::max) * 2.0).ceil() / 2.0).min(MOST) }
    }

    fn x(&self, ratio: f64) -> f64 {
        let share = if ratio > 0.0 { (ratio.log2() / self.doublings).clamp(-1.0, 1.0) } else { -1.0 };
        WIDTH / 2.0 + share * (WIDTH / 2.0 - MARGIN)
    }

    /// The header: which ratio is where.
    pub(super) fn header(&self) -> String {
        let mut out = open("");
        let end = self.doublings.exp2();
        for (ratio, label) in
            [(1.0 / end, number(1.0 / end, 2)), (1.0, "1".to_owned()), (end, number(end, 2))]
        {
            let _ = write!(
                out,
                "<text x=\"{:.1}\" y=\"13\" text-anchor=\"middle\">{label}</text>",
                self.x(ratio)
            );
        }
        out + "</svg>"
    }

    /// The spread before as a grey bar, now as a line with a dot at the median. Empty where there is no ratio to show.
    pub(super) fn row(&self, change: &Change) -> String {
        let unit = change.before.median;
        if unit <= 0.0 || change.percent().is_none() {
            return String::new();
        }
        let mut out = open(match change.meaning() {
            Meaning::Better => " good",
            Meaning::Worse | Meaning::Fault => " bad",
            Meaning::Nothing => "",
        });
        let ends = |spread: Spread| {
            let spread = spread.per(unit);
            (self.x(spread.least), self.x(spread.median), self.x(spread.most))
        };
        let (left, middle, right) = ends(change.before);
        let width = (right - left).max(1.0);
        let _ = write!(
            out,
            "<rect class=\"before\" x=\"{left:.1}\" y=\"3\" width=\"{width:.1}\" height=\"12\"/>\
             <path class=\"middle\" d=\"M{middle:.1} 0v{HEIGHT}\"/>"
        );
        let (left, middle, right) = ends(change.now);
        let _ = write!(
            out,
            "<path class=\"bar\" d=\"M{left:.1} 9H{right:.1}\"/><circle class=\"dot\" cx=\"{middle:.1}\" cy=\"9\" r=\"4\"/></svg>"
        );
        out
    }
}

fn open(class: &str) -> String {
    format!("<svg class=\"dots{class}\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" aria-hidden=\"true\">")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::outcome::Figure;
    use proptest::prelude::*;

    fn change(before: [f64; 3], now: [f64; 3]) -> Change {
        let spread = |[least, median, most]: [f64; 3]| Spread { least, median, most };
        Change {
            figure: Figure::CpuMicros,
            before: spread(before),
            now: spread(now),
            rounds: 3,
            is_fault: false,
        }
    }

    #[test]
    fn halves_and_doubles_are_as_far_from_the_middle() {
        let halved = change([1.0, 1.0, 1.0], [0.5, 0.5, 0.5]);
        let scale = Scale::of(&[halved, change([1.0, 1.0, 1.0], [2.0, 2.0, 2.0])]);
        assert!((scale.x(0.5) - 12.0).abs() < 1e-9 && (scale.x(1.0) - 120.0).abs() < 1e-9);
        assert!((scale.x(2.0) - 228.0).abs() < 1e-9);
        let row = scale.row(&halved);
        assert!(row.contains("class=\"dots good\"") && row.contains("cx=\"12.0\""), "{row}");
        assert!(scale.header().contains(">0.50<") && scale.header().contains(">2.00<"));
    }

    #[test]
    fn what_has_no_ratio_has_no_dot() {
        let change = change([0.0, 0.0, 0.0], [1.0, 1.0, 1.0]);
        assert_eq!(Scale::of(&[change]).row(&change), "");
    }

    proptest! {
        #[test]
        fn all_is_within_the_picture(mut before in any::<[f64; 3]>(), mut now in any::<[f64; 3]>()) {
            before.sort_by(f64::total_cmp);
            now.sort_by(f64::total_cmp);
            let change = change(before, now);
            let row = Scale::of(&[change]).row(&change);
            prop_assert!(!row.contains("NaN") && !row.contains("inf") && row.len() < 500, "{}", row);
        }
    }
}
