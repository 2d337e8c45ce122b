//! Median, least and most of some rounds, and of the ratio between two contenders. Pure.

/// What a figure was, over rounds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    pub least: f64,
    /// Of an even number of rounds, the mean of the two in the middle.
    pub median: f64,
    pub most: f64,
}

impl Spread {
    /// None where there are no values. Values that are no numbers or infinite are left out.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().filter(|value| value.is_finite()).collect();
        values.sort_by(f64::total_cmp);
        let (least, most) = (*values.first()?, *values.last()?);
        let middle = values.len() / 2;
        let below = if values.len().is_multiple_of(2) { middle - 1 } else { middle };
        Some(Self { least, median: f64::midpoint(values[below], values[middle]), most })
    }

    /// Ours to theirs, of rounds that were played side by side: the ratio of the medians, and the least and most of
    /// the ratios within a round. What slows the host for a while slows both sides of a round, so this spread is
    /// narrower than that of either side. None where there are no rounds, or one of theirs is not above 0.
    pub fn ratio(rounds: &[(f64, f64)]) -> Option<Self> {
        if rounds.iter().any(|(_, theirs)| *theirs <= 0.0) {
            return None;
        }
        let ours = Self::of(rounds.iter().map(|round| round.0))?;
        let theirs = Self::of(rounds.iter().map(|round| round.1))?;
        let within = Self::of(rounds.iter().map(|(ours, theirs)| ours / theirs))?;
        // It lies between them, but for rounding.
        let median = (ours.median / theirs.median).clamp(within.least, within.most);
        median.is_finite().then_some(Self { median, ..within })
    }

    /// In another unit. `unit` is above 0.
    #[must_use]
    pub fn per(self, unit: f64) -> Self {
        Self { least: self.least / unit, median: self.median / unit, most: self.most / unit }
    }

    /// True where every round of this one was above, or every one below, all of the other's.
    pub fn is_apart(&self, other: &Self) -> bool {
        self.least > other.most || self.most < other.least
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn spread(least: f64, median: f64, most: f64) -> Spread {
        Spread { least, median, most }
    }

    #[test]
    fn the_middle_is_found_in_any_order() {
        assert_eq!(Spread::of([3.0, 1.0, 2.0]), Some(spread(1.0, 2.0, 3.0)));
        assert_eq!(Spread::of([4.0, 1.0, 2.0, 3.0]), Some(spread(1.0, 2.5, 4.0)));
        assert_eq!(Spread::of([7.0]), Some(spread(7.0, 7.0, 7.0)));
        assert_eq!(Spread::of([]), None);
        assert_eq!(Spread::of([f64::NAN, 2.0, f64::INFINITY]), Some(spread(2.0, 2.0, 2.0)));
    }

    #[test]
    fn a_ratio_has_the_spread_within_rounds() {
        // The host was twice as slow in the second round: for both.
        assert_eq!(Spread::ratio(&[(1.0, 2.0), (2.0, 4.0), (1.0, 2.0)]), Some(spread(0.5, 0.5, 0.5)));
        assert_eq!(Spread::ratio(&[(1.0, 2.0), (3.0, 4.0), (1.0, 1.0)]), Some(spread(0.5, 0.5, 1.0)));
        for none in [&[][..], &[(1.0, 0.0)], &[(1.0, 2.0), (1.0, -1.0)]] {
            assert_eq!(Spread::ratio(none), None, "{none:?}");
        }
    }

    #[test]
    fn spreads_that_touch_are_not_apart() {
        let one = spread(1.0, 2.0, 3.0);
        assert!(!one.is_apart(&spread(3.0, 4.0, 5.0)));
        assert!(one.is_apart(&spread(3.1, 4.0, 5.0)) && spread(3.1, 4.0, 5.0).is_apart(&one));
    }

    proptest! {
        #[test]
        fn the_median_is_in_between_and_no_order_matters(mut values in prop::collection::vec(any::<f64>(), 0..12)) {
            let one = Spread::of(values.iter().copied());
            values.reverse();
            prop_assert_eq!(Spread::of(values.iter().copied()), one);
            let finite = values.iter().filter(|value| value.is_finite());
            prop_assert_eq!(one.is_none(), finite.clone().count() == 0);
            if let Some(Spread { least, median, most }) = one {
                prop_assert!(least <= median && median <= most);
                let below = finite.clone().filter(|value| **value <= median).count();
                let above = finite.clone().filter(|value| **value >= median).count();
                prop_assert!(below * 2 >= finite.clone().count() && above * 2 >= finite.count());
            }
        }

        #[test]
        fn the_ratio_is_in_between_and_turns_round_with_the_sides(
            rounds in prop::collection::vec((1e-6..1e9, 1e-6..1e9), 1..12),
        ) {
            let one = Spread::ratio(&rounds).expect("rounds above 0");
            prop_assert!(one.least <= one.median && one.median <= one.most);
            let turned: Vec<_> = rounds.iter().map(|(ours, theirs)| (*theirs, *ours)).collect();
            let other = Spread::ratio(&turned).expect("rounds above 0");
            for (this, that) in [(one.median, other.median), (one.least, other.most), (one.most, other.least)] {
                prop_assert!((this * that - 1.0).abs() < 1e-9, "{} and {}", this, that);
            }
        }
    }
}
