//! Times as a layout of Go describes them: by how it writes the 2nd of January 2006, 15:04:05.
//!
//! Known are years, months and days in numbers and English names, hours of either clock, fractions, and zones as
//! offsets. A name of a zone (`MST`) says no offset, and a day of the year is rare: a layout with one is refused.
//! A fraction behind the seconds is read where the layout has none, as Go does. Without a zone it is UTC.
//!
//! Source: the documentation of Go's package `time`.

use super::one_line;

/// A layout, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Layout(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(String),
    Year,
    YearOfCentury,
    /// Where true, in two digits; else in one or two.
    Month(bool),
    MonthName(&'static [&'static str]),
    DayName(&'static [&'static str]),
    Day(bool),
    /// As [`Part::Day`], a blank in the place of a first digit.
    PaddedDay,
    Hour,
    Hour12(bool),
    Minute(bool),
    Second(bool),
    Fraction,
    HalfOfDay,
    /// `Z` may stand for UTC; a colon stands between hours and minutes; there are minutes.
    Zone {
        may_be_z: bool,
        has_colon: bool,
        has_minutes: bool,
    },
}

const MONTHS: &[&str] = &[
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const SHORT_MONTHS: &[&str] =
    &["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const DAYS: &[&str] = &["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const SHORT_DAYS: &[&str] = &["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];

const fn zone(may_be_z: bool, has_colon: bool, has_minutes: bool) -> Option<Part> {
    Some(Part::Zone { may_be_z, has_colon, has_minutes })
}

/// What stands for a part, longer ones before those they begin with; none for what is refused.
const TOKENS: &[(&str, Option<Part>)] = &[
    ("January", Some(Part::MonthName(MONTHS))),
    ("Jan", Some(Part::MonthName(SHORT_MONTHS))),
    ("Monday", Some(Part::DayName(DAYS))),
    ("Mon", Some(Part::DayName(SHORT_DAYS))),
    ("MST", None),
    ("002", None),
    ("__2", None),
    ("01", Some(Part::Month(true))),
    ("02", Some(Part::Day(true))),
    ("03", Some(Part::Hour12(true))),
    ("04", Some(Part::Minute(true))),
    ("05", Some(Part::Second(true))),
    ("06", Some(Part::YearOfCentury)),
    ("15", Some(Part::Hour)),
    ("1", Some(Part::Month(false))),
    ("2006", Some(Part::Year)),
    ("2", Some(Part::Day(false))),
    ("_2", Some(Part::PaddedDay)),
    ("3", Some(Part::Hour12(false))),
    ("4", Some(Part::Minute(false))),
    ("5", Some(Part::Second(false))),
    ("PM", Some(Part::HalfOfDay)),
    ("pm", Some(Part::HalfOfDay)),
    ("Z07:00:00", None),
    ("Z070000", None),
    ("Z07:00", zone(true, true, true)),
    ("Z0700", zone(true, false, true)),
    ("Z07", zone(true, false, false)),
    ("-07:00:00", None),
    ("-070000", None),
    ("-07:00", zone(false, true, true)),
    ("-0700", zone(false, false, true)),
    ("-07", zone(false, false, false)),
];

impl Layout {
    /// RFC 3339, as Go writes it.
    pub(super) fn rfc3339() -> Self {
        Self::of("2006-01-02T15:04:05Z07:00").expect("BUG: it is made of what is known")
    }

    pub(super) fn of(layout: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = layout;
        while let Some(first) = rest.chars().next() {
            let fraction = fraction_len(rest);
            if fraction > 0 {
                parts.push(Part::Fraction);
                rest = &rest[fraction..];
                continue;
            }
            // `_2006` is a line and a year.
            let token = TOKENS
                .iter()
                .find(|(token, _)| rest.starts_with(token) && !(*token == "_2" && rest.starts_with("_2006")));
            match token {
                Some((token, Some(part))) => {
                    parts.push(part.clone());
                    rest = &rest[token.len()..];
                }
                Some((token, None)) => return Err(format!("{token} in a layout is not known here")),
                None => {
                    match parts.last_mut() {
                        Some(Part::Literal(text)) => text.push(first),
                        _ => parts.push(Part::Literal(first.into())),
                    }
                    rest = &rest[first.len_utf8()..];
                }
            }
        }
        if parts.iter().all(|part| matches!(part, Part::Literal(_))) {
            return Err(format!("the layout {} holds nothing of a time", one_line(layout)));
        }
        Ok(Self(parts))
    }

    /// The time in milliseconds since the epoch.
    pub(super) fn read(&self, text: &str) -> Result<i64, String> {
        self.parse(text).ok_or_else(|| format!("{} is no time of this format", one_line(text)))
    }

    fn parse(&self, text: &str) -> Option<i64> {
        let mut rest = text;
        let (mut year, mut month, mut day) = (0, 1, 1);
        let (mut hour, mut minute, mut second, mut ms) = (0, 0, 0, 0);
        let (mut is_pm, mut offset_minutes) = (None, 0);
        for (at, part) in self.0.iter().enumerate() {
            match part {
                Part::Literal(text) => rest = rest.strip_prefix(text.as_str())?,
                Part::Year => year = digits(&mut rest, 4, 4)?,
                Part::YearOfCentury => {
                    let short = digits(&mut rest, 2, 2)?;
                    // As POSIX and Go have it.
                    year = if short >= 69 { 1900 + short } else { 2000 + short };
                }
                Part::Month(is_fixed) => month = number(&mut rest, *is_fixed, 1, 12)?,
                Part::MonthName(names) => month = 1 + name(&mut rest, names)?,
                Part::DayName(names) => drop(name(&mut rest, names)?),
                Part::Day(is_fixed) => day = number(&mut rest, *is_fixed, 1, 31)?,
                Part::PaddedDay => {
                    rest = rest.strip_prefix(' ').unwrap_or(rest);
                    day = number(&mut rest, false, 1, 31)?;
                }
                Part::Hour => hour = number(&mut rest, false, 0, 23)?,
                Part::Hour12(is_fixed) => hour = number(&mut rest, *is_fixed, 0, 12)?,
                Part::Minute(is_fixed) => minute = number(&mut rest, *is_fixed, 0, 59)?,
                Part::Second(is_fixed) => {
                    second = number(&mut rest, *is_fixed, 0, 59)?;
                    if self.0.get(at + 1) != Some(&Part::Fraction) {
                        ms = fraction(&mut rest)?;
                    }
                }
                Part::Fraction => ms = fraction(&mut rest)?,
                Part::HalfOfDay => is_pm = Some(name(&mut rest, &["AM", "PM"])? == 1),
                Part::Zone { may_be_z, has_colon, has_minutes } => {
                    offset_minutes = match rest.strip_prefix('Z').filter(|_| *may_be_z) {
                        Some(behind) => {
                            rest = behind;
                            0
                        }
                        None => offset(&mut rest, *has_colon, *has_minutes)?,
                    };
                }
            }
        }
        hour = match is_pm {
            Some(true) if hour < 12 => hour + 12,
            Some(false) if hour == 12 => 0,
            _ => hour,
        };
        if !rest.is_empty() || day > days_of(year, month) {
            return None;
        }
        let minutes = (days_since_epoch(year, month, day) * 24 + hour) * 60 + minute - offset_minutes;
        Some((minutes * 60 + second) * 1000 + ms)
    }
}

/// Length of `.000`, `.999` or `,000` at the beginning of a layout.
fn fraction_len(layout: &str) -> usize {
    let Some(digits) = layout.strip_prefix(['.', ',']) else { return 0 };
    let count = ['0', '9'].map(|digit| digits.len() - digits.trim_start_matches(digit).len());
    let count = count[0].max(count[1]);
    let goes_on = digits[count..].starts_with(|next: char| next.is_ascii_digit());
    if count == 0 || goes_on { 0 } else { 1 + count }
}

/// A number of `least` to `most` digits.
fn digits(rest: &mut &str, least: usize, most: usize) -> Option<i64> {
    let count = rest.bytes().take(most).take_while(u8::is_ascii_digit).count();
    if count < least {
        return None;
    }
    let (number, behind) = rest.split_at(count);
    *rest = behind;
    number.parse().ok()
}

/// A number of two digits, or of one where it is not fixed, within these bounds.
fn number(rest: &mut &str, is_fixed: bool, least: i64, most: i64) -> Option<i64> {
    let number = digits(rest, if is_fixed { 2 } else { 1 }, 2)?;
    (least..=most).contains(&number).then_some(number)
}

/// The place of one of `names` among them, in upper or lower case.
fn name(rest: &mut &str, names: &[&str]) -> Option<i64> {
    for (at, name) in names.iter().enumerate() {
        if rest.get(..name.len()).is_some_and(|text| text.eq_ignore_ascii_case(name)) {
            *rest = &rest[name.len()..];
            return i64::try_from(at).ok();
        }
    }
    None
}

/// A fraction of a second in milliseconds, the rest cut off; 0 where there is none.
fn fraction(rest: &mut &str) -> Option<i64> {
    let Some(behind) = rest.strip_prefix(['.', ',']) else { return Some(0) };
    let count = behind.bytes().take_while(u8::is_ascii_digit).count();
    if count == 0 {
        return None;
    }
    *rest = &behind[count..];
    let ms = behind[..count].bytes().chain([b'0'; 3]).take(3);
    Some(ms.fold(0, |ms, digit| ms * 10 + i64::from(digit - b'0')))
}

/// An offset from UTC in minutes.
fn offset(rest: &mut &str, has_colon: bool, has_minutes: bool) -> Option<i64> {
    let sign = if rest.starts_with('+') { 1 } else { -1 };
    *rest = rest.strip_prefix(['+', '-'])?;
    let hours = number(rest, true, 0, 24)?;
    if !has_minutes {
        return Some(sign * hours * 60);
    }
    if has_colon {
        *rest = rest.strip_prefix(':')?;
    }
    Some(sign * (hours * 60 + number(rest, true, 0, 59)?))
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_of(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 to a day of the years 0 to 9999.
fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    // Leap days before a year, counted from the year 0, which was one.
    let leaps = |year: i64| (year + 3) / 4 - (year + 99) / 100 + (year + 399) / 400;
    let of_years = year * 365 + leaps(year) - (1970 * 365 + leaps(1970));
    of_years + (1..month).map(|month| days_of(year, month)).sum::<i64>() + day - 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn read(layout: &str, text: &str) -> Result<i64, String> {
        Layout::of(layout).unwrap().read(text)
    }

    /// 2026-11-25 10:00:01 UTC.
    const THEN: i64 = 1_795_600_801_000;

    #[test]
    fn layouts_read_what_go_writes_with_them() {
        for (layout, text, ms) in [
            ("2006-01-02 15:04:05", "2026-11-25 10:00:01", THEN),
            ("2006-01-02 15:04:05", "2026-11-25 10:00:01.2509", THEN + 250),
            ("2006-01-02 15:04:05.000", "2026-11-25 10:00:01.25", THEN + 250),
            ("Mon Jan _2 15:04:05 2006", "Wed Nov 25 10:00:01 2026", THEN),
            ("Monday, 02-Jan-06 15:04:05 -0700", "Wednesday, 25-Nov-26 12:00:01 +0200", THEN),
            ("January 2, 2006 3:04:05 PM", "November 25, 2026 10:00:01 AM", THEN),
            ("1/2/2006 03:04:05pm -07", "11/25/2026 12:00:01am -10", THEN),
            ("20060102T150405Z0700", "20261125T100001Z", THEN),
            ("date_2006_1.2 15h4m5s", "date_2026_11.25 10h0m1s", THEN),
            ("2006-01-02", "1970-01-01", 0),
            ("2006-01-02", "0000-03-01", -62_162_035_200_000),
            ("2006-01-02", "2000-02-29", 951_782_400_000),
        ] {
            assert_eq!(read(layout, text), Ok(ms), "{layout}");
        }
    }

    #[test]
    fn rfc_3339_is_read_with_zone_and_fraction() {
        let read = |text| Layout::rfc3339().read(text);
        assert_eq!(read("2026-11-25T10:00:01Z"), Ok(THEN));
        assert_eq!(read("2026-11-25T12:00:01.5+02:00"), Ok(THEN + 500));
        assert_eq!(read("2026-11-25T09:29:01.123456789-00:31"), Ok(THEN + 123));
        for bad in [
            "",
            "2026-11-25",
            "2026-11-25 10:00:01Z",
            "2026-11-25T10:00:01",
            "2026-02-29T10:00:01Z",
            "2026-13-01T10:00:01Z",
            "2026-11-25T24:00:01Z",
            "2026-11-25T10:00:01Zé",
            "2026-11-25T10:00:01.Z",
        ] {
            assert_eq!(read(bad), Err(format!("{bad} is no time of this format")));
        }
    }

    #[test]
    fn layouts_that_are_not_known_are_refused() {
        for (layout, what) in [
            ("2006-01-02 MST", "MST in a layout is not known here"),
            ("2006-002", "002 in a layout is not known here"),
            ("yyyy-mm-dd", "the layout yyyy-mm-dd holds nothing of a time"),
            ("", "the layout  holds nothing of a time"),
        ] {
            assert_eq!(Layout::of(layout), Err(what.into()));
        }
    }

    proptest! {
        #[test]
        fn days_follow_each_other(year in 0..9999i64, month in 1..=12i64) {
            let next = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
            let days = days_since_epoch(next.0, next.1, 1) - days_since_epoch(year, month, 1);
            prop_assert_eq!(days, days_of(year, month));
        }

        #[test]
        fn no_text_makes_it_panic(layout in "[0-9JanMonPZ:.,_ -]{0,20}", text in ".{0,20}|[0-9:.,é ]{0,20}") {
            if let Ok(layout) = Layout::of(&layout) {
                let _ = layout.read(&text);
            }
        }
    }
}
