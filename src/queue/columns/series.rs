//! What is remembered of a series between its samples, and how a value is told by the difference to it.
//!
//! A value has one *kind*, and a difference of up to eight bytes, zig-zag:
//!
//! | kind | the value is | the difference is to |
//! |---|---|---|
//! | 0 | a decimal number with as many decimals as the series' last one | its mantissa |
//! | 1 | a decimal number with more decimals, which are written | 0 |
//! | 2 | none: its bits | the bits of the series' last value |

use super::bytes::{unzigzag, zigzag};
use super::decimal;

pub(super) const SAME_SCALE: u8 = 0;
pub(super) const NEW_SCALE: u8 = 1;
pub(super) const BITS: u8 = 2;

/// A value, told by what came before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) kind: u8,
    /// Of kind [`NEW_SCALE`].
    pub(super) scale: u8,
    /// Zig-zag.
    pub(super) difference: u64,
}

/// The last value of a series.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Last {
    mantissa: i64,
    bits: u64,
    scale: u8,
    /// Values in a row that were no decimal numbers; stays at its maximum.
    odd: u8,
}

/// A series of doubles that are no decimal numbers (averages, ratios) is not searched for decimals each time.
const SEARCH_AFTER: u8 = 16;

impl Last {
    /// Tells `value` by the last one, and remembers it.
    #[inline]
    pub(super) fn tell(&mut self, value: f64) -> Told {
        if let Some(mantissa) = decimal::mantissa(value, self.scale) {
            let difference = zigzag(mantissa.wrapping_sub(self.mantissa));
            self.keep(mantissa, self.scale, value);
            return Told { kind: SAME_SCALE, scale: 0, difference };
        }
        self.tell_otherwise(value)
    }

    fn tell_otherwise(&mut self, value: f64) -> Told {
        if self.odd.is_multiple_of(SEARCH_AFTER)
            && let Some((mantissa, scale)) = decimal::find(value, self.scale)
        {
            self.keep(mantissa, scale, value);
            return Told { kind: NEW_SCALE, scale, difference: zigzag(mantissa) };
        }
        let bits = value.to_bits();
        let difference = zigzag(bits.wrapping_sub(self.bits).cast_signed());
        self.bits = bits;
        self.odd = self.odd.wrapping_add(1);
        Told { kind: BITS, scale: 0, difference }
    }

    /// The value that was told, which is remembered. None for a kind or a scale that does not exist.
    #[inline]
    pub(super) fn hear(&mut self, told: Told) -> Option<f64> {
        let scale = match told.kind {
            SAME_SCALE => {
                let mantissa = self.mantissa.wrapping_add(unzigzag(told.difference));
                let value = decimal::value(mantissa, self.scale);
                self.keep(mantissa, self.scale, value);
                return Some(value);
            }
            NEW_SCALE => Some(told.scale).filter(|scale| *scale <= decimal::MAX_SCALE)?,
            BITS => {
                self.bits = self.bits.wrapping_add(unzigzag(told.difference).cast_unsigned());
                return Some(f64::from_bits(self.bits));
            }
            _ => return None,
        };
        let mantissa = unzigzag(told.difference);
        let value = decimal::value(mantissa, scale);
        self.keep(mantissa, scale, value);
        Some(value)
    }

    #[inline]
    fn keep(&mut self, mantissa: i64, scale: u8, value: f64) {
        self.mantissa = mantissa;
        self.scale = scale;
        self.bits = value.to_bits();
        self.odd = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn value() -> impl Strategy<Value = f64> {
        prop_oneof![
            any::<u64>().prop_map(f64::from_bits),
            (-1_000_000i64..1_000_000, 0..6u8).prop_map(|(mantissa, scale)| decimal::value(mantissa, scale)),
            any::<i64>().prop_map(|whole| whole as f64),
            prop::sample::select(vec![
                0.0,
                -0.0,
                f64::from_bits(0x7ff0_0000_0000_0002),
                f64::NAN,
                f64::INFINITY,
                f64::NEG_INFINITY,
                5e-324,
                f64::MIN_POSITIVE,
                f64::MAX,
                9_007_199_254_740_991.0,
                9_007_199_254_740_992.0,
                9_007_199_254_740_994.0,
                0.1 + 0.2,
            ]),
        ]
    }

    proptest! {
        #[test]
        fn what_is_told_is_heard_to_the_bit(values in prop::collection::vec(value(), 0..100)) {
            let (mut teller, mut hearer) = (Last::default(), Last::default());
            for value in values {
                let heard = hearer.hear(teller.tell(value)).unwrap();
                prop_assert_eq!(heard.to_bits(), value.to_bits());
            }
        }

        #[test]
        fn anything_told_is_a_value_or_nothing(kind: u8, scale: u8, difference: u64) {
            Last::default().hear(Told { kind, scale, difference });
        }
    }

    #[test]
    fn a_counter_is_told_by_small_differences() {
        let mut last = Last::default();
        last.tell(1_000_000.0);
        assert_eq!(last.tell(1_000_003.0), Told { kind: SAME_SCALE, scale: 0, difference: 6 });
        assert_eq!(last.tell(1_000_003.25).kind, NEW_SCALE);
        assert_eq!(last.tell(1_000_003.5), Told { kind: SAME_SCALE, scale: 0, difference: 50 });
    }
}
