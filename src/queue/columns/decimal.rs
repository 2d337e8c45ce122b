//! Doubles as exact decimal numbers: a mantissa and a number of decimals.
//!
//! What exporters serve was printed as decimals: 0.25, 1024, 17.3. As a double the last of these is noise in all its
//! bits, as 173 with one decimal it is a small number next to the 172 before it. Exact means to the bit: what does not
//! come back from its decimal form as the same double has none.

/// The most decimals that are tried. 10^17 is beyond what the 53 bits of a double can tell apart.
pub(super) const MAX_SCALE: u8 = 17;

/// Powers of ten up to 10^22 are exact as doubles.
const POWERS: [f64; MAX_SCALE as usize + 1] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17];

/// Mantissas below this are exact as doubles, so that dividing by an exact power of ten gives the double nearest to
/// the decimal number: the same that a parser makes of it (IEEE 754, correctly rounded division).
const EXACT: f64 = (1u64 << 53) as f64;

/// The double that `mantissa` stands for with `scale` decimals.
#[inline]
pub(super) fn value(mantissa: i64, scale: u8) -> f64 {
    if scale == 0 { mantissa as f64 } else { mantissa as f64 / POWERS[usize::from(scale)] }
}

/// The mantissa of `value` with `scale` decimals, if there is an exact one.
#[inline]
pub(super) fn mantissa(value: f64, scale: u8) -> Option<i64> {
    let scaled = value * POWERS[usize::from(scale)];
    // Whole numbers may be larger: converting them rounds to the double they came from. A NaN is in no range.
    let limit = if scale == 0 { 9.2e18 } else { EXACT };
    if !(scaled > -limit && scaled < limit) {
        return None;
    }
    let mantissa = scaled.round_ties_even() as i64;
    // Negative zero has no mantissa of its own, and fails here.
    (self::value(mantissa, scale).to_bits() == value.to_bits()).then_some(mantissa)
}

/// The first scale above `from` at which `value` is exact, and its mantissa there.
pub(super) fn find(value: f64, from: u8) -> Option<(i64, u8)> {
    if !value.is_finite() {
        return None;
    }
    (from + 1..=MAX_SCALE).find_map(|scale| mantissa(value, scale).map(|mantissa| (mantissa, scale)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_an_exporter_prints_has_few_decimals() {
        for (value, expected) in [
            (0.0, (0, 0)),
            (1024.0, (1024, 0)),
            (-17.3, (-173, 1)),
            (0.25, (25, 2)),
            (1.700_000_000_123e9, (1_700_000_000_123, 3)),
            (9_007_199_254_740_993.0, (9_007_199_254_740_992, 0)),
            (1e18, (1_000_000_000_000_000_000, 0)),
        ] {
            let found = mantissa(value, 0).map(|m| (m, 0)).or_else(|| find(value, 0));
            assert_eq!(found, Some(expected), "{value}");
        }
    }

    #[test]
    fn what_is_no_decimal_number_has_none() {
        for value in [-0.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 5e-324, f64::MAX, 1.0 / 3.0 * 1e-5] {
            assert_eq!(mantissa(value, 0).map(|m| (m, 0)).or_else(|| find(value, 0)), None, "{value:e}");
        }
    }

    proptest! {
        #[test]
        fn a_mantissa_stands_for_its_double_to_the_bit(bits: u64, scale in 0..=MAX_SCALE) {
            let value = f64::from_bits(bits);
            if let Some(mantissa) = mantissa(value, scale) {
                prop_assert_eq!(super::value(mantissa, scale).to_bits(), bits);
            }
        }

        #[test]
        fn what_was_parsed_from_a_short_decimal_has_that_mantissa(digits in -999_999_999_999i64..=999_999_999_999, scale in 1..=12u8) {
            let text = format!("{digits}e-{scale}");
            let parsed: f64 = text.parse().unwrap();
            prop_assert_eq!(mantissa(parsed, scale), (digits != 0 || parsed.is_sign_positive()).then_some(digits));
        }
    }
}
