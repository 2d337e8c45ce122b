//! Durations and sizes as text: Prometheus' durations, sizes with a unit. Each form is exact: what is
//! written is what is read.

use std::time::Duration;

pub(super) const KIB: u64 = 1 << 10;
pub(super) const MIB: u64 = 1 << 20;
pub(super) const GIB: u64 = 1 << 30;
pub(super) const TIB: u64 = 1 << 40;

/// Units of a duration in milliseconds, the longest first, which is also the order they are written in.
const DURATION_UNITS: [(&str, u64); 7] = [
    ("y", 365 * 86_400_000),
    ("w", 7 * 86_400_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// Units of a size in bytes, the largest first. As in SI and IEC, and unlike in Prometheus, MB is not MiB.
const SIZE_UNITS: [(&str, u64); 9] = [
    ("TiB", TIB),
    ("TB", 1_000_000_000_000),
    ("GiB", GIB),
    ("GB", 1_000_000_000),
    ("MiB", MIB),
    ("MB", 1_000_000),
    ("KiB", KIB),
    ("KB", 1_000),
    ("B", 1),
];

/// Reads a duration: `200ms`, `5s`, `1m30s`. Each unit at most once, the longer first; 0 needs no unit.
pub(crate) fn parse_duration(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    if text.is_empty() {
        return None;
    }
    let mut units = DURATION_UNITS.iter();
    let mut rest = text;
    let mut total_ms = 0_u64;
    while !rest.is_empty() {
        let (number, unit);
        (number, rest) = split_at_first(rest, |c| !c.is_ascii_digit());
        (unit, rest) = split_at_first(rest, |c| c.is_ascii_digit());
        // The iterator goes on from where the last unit was, which is what keeps the order.
        let (_, unit_ms) = units.find(|(name, _)| *name == unit)?;
        total_ms = number.parse::<u64>().ok()?.checked_mul(*unit_ms)?.checked_add(total_ms)?;
    }
    Some(Duration::from_millis(total_ms))
}

/// Writes a duration, to the millisecond, as [`parse_duration`] reads it.
pub(crate) fn format_duration(duration: Duration) -> String {
    let mut left_ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    if left_ms == 0 {
        return "0s".into();
    }
    let mut text = String::new();
    // Years and weeks are read, but never written: days are what people count in.
    for (unit, unit_ms) in &DURATION_UNITS[2..] {
        if left_ms >= *unit_ms {
            text += &format!("{}{unit}", left_ms / unit_ms);
            left_ms %= unit_ms;
        }
    }
    text
}

/// Reads a size in bytes: `1GiB`, `512MB`, `1048576`. A whole number, and at most one unit.
pub(crate) fn parse_size(text: &str) -> Option<u64> {
    let (number, unit) = split_at_first(text, |c| !c.is_ascii_digit());
    let unit_bytes = match unit.trim_start_matches(' ') {
        "" => 1,
        unit => SIZE_UNITS.iter().find(|(name, _)| *name == unit)?.1,
    };
    number.parse::<u64>().ok()?.checked_mul(unit_bytes)
}

/// Writes a size, exactly, with the largest unit that leaves a whole number; bytes without one.
pub(crate) fn format_size(bytes: u64) -> String {
    let unit = SIZE_UNITS[..8].iter().find(|(_, unit)| bytes >= *unit && bytes.is_multiple_of(*unit));
    match unit {
        Some((name, unit)) => format!("{}{name}", bytes / unit),
        None => bytes.to_string(),
    }
}

fn split_at_first(text: &str, ends: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(ends).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_are_those_of_prometheus() {
        let ms = |text| parse_duration(text).map(|duration| duration.as_millis());
        for (text, expected) in [
            ("0", 0),
            ("0s", 0),
            ("200ms", 200),
            ("5s", 5_000),
            ("1m30s", 90_000),
            ("90s", 90_000),
            ("1h0m1s", 3_601_000),
            ("1d", 86_400_000),
            ("2w", 14 * 86_400_000),
            ("1y", 365 * 86_400_000),
            ("1y2w3d4h5m6s7ms", 365 * 86_400_000 + 17 * 86_400_000 + 4 * 3_600_000 + 306_007),
        ] {
            assert_eq!(ms(text), Some(expected), "{text}");
        }
        for text in ["", "5", "s", "5 s", " 5s", "5s ", "-5s", "1.5s", "1s1m", "1s1s", "5S", "5sec", "1s5"] {
            assert_eq!(ms(text), None, "{text:?}");
        }
        assert_eq!(ms("99999999999999999999s"), None, "does not fit");
        assert_eq!(ms("18446744073709551615y"), None, "does not fit");
    }

    #[test]
    fn sizes_have_si_and_iec_units() {
        for (text, expected) in [
            ("0", 0),
            ("1048576", MIB),
            ("7B", 7),
            ("64KiB", 64 * KIB),
            ("512MB", 512_000_000),
            ("1GiB", GIB),
            ("1 GiB", GIB),
            ("2TB", 2_000_000_000_000),
            ("16TiB", 16 * TIB),
        ] {
            assert_eq!(parse_size(text), Some(expected), "{text}");
        }
        for text in
            ["", "MiB", "1.5GiB", "-1", "+1", "1e9", "1_000", "1gib", "1G", "1GiB1MiB", "1GiB ", "0x10"]
        {
            assert_eq!(parse_size(text), None, "{text:?}");
        }
        assert_eq!(parse_size("18446744073709551615"), Some(u64::MAX));
        assert_eq!(parse_size("18446744073709551615KiB"), None, "does not fit");
    }

    #[test]
    fn both_are_written_as_people_write_them() {
        let duration = |ms| format_duration(Duration::from_millis(ms));
        assert_eq!([0, 200, 5_000, 90_000, 600_000].map(duration), ["0s", "200ms", "5s", "1m30s", "10m"]);
        assert_eq!(
            [0, 1, 1537, 64 * KIB, 512_000_000, GIB].map(format_size),
            ["0", "1", "1537", "64KiB", "512MB", "1GiB"]
        );
    }

    proptest! {
        #[test]
        fn a_written_duration_is_read_as_it_was(ms: u64) {
            let duration = Duration::from_millis(ms);
            prop_assert_eq!(parse_duration(&format_duration(duration)), Some(duration));
        }

        #[test]
        fn a_written_size_is_read_as_it_was(count: u64, shift in 0_u32..50) {
            let bytes = count >> shift << shift;
            prop_assert_eq!(parse_size(&format_size(bytes)), Some(bytes));
        }

        #[test]
        fn no_text_makes_either_panic(text in "[0-9]{0,22}[a-zA-Z ]{0,4}[0-9]{0,3}.{0,4}") {
            let _ = (parse_duration(&text), parse_size(&text));
        }
    }
}
