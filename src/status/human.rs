//! Figures and texts of a status as a person reads them.

use super::{Status, UpstreamState, UpstreamStatus};
use std::borrow::Cow;

/// A count with its thousands set apart: `1,234,567`.
pub fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut out = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Bytes in binary units: `3.0 MiB`.
pub fn bytes(value: u64) -> String {
    bytesize::ByteSize(value).display().iec().to_string()
}

/// A time span in its two largest units: `1 d 2 h`, `5 min 3 s`, `3.2 s`. What is negative or no number is
/// `0.0 s`.
pub fn span(seconds: f64) -> String {
    const UNITS: [(u64, &str); 4] = [(86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")];
    if seconds.is_nan() || seconds < 59.95 {
        return format!("{:.1} s", seconds.max(0.0));
    }
    let whole = seconds.round() as u64;
    let largest = UNITS.iter().position(|(unit, _)| whole >= *unit).expect("BUG: at least a minute");
    let (unit, name) = UNITS[largest];
    let (next, next_name) = UNITS[largest + 1];
    match whole % unit / next {
        0 => format!("{} {name}", whole / unit),
        rest => format!("{} {name} {rest} {next_name}", whole / unit),
    }
}

/// A moment, in milliseconds since the epoch, as RFC 3339 to the second.
pub fn moment(ms: i64) -> String {
    let since = std::time::Duration::from_millis(u64::try_from(ms).unwrap_or(0));
    humantime::format_rfc3339_seconds(std::time::UNIX_EPOCH + since).to_string()
}

/// What the queue takes on disk, of what it may take, and what is free beside it.
pub fn disk(status: &Status) -> String {
    let queue = &status.queue;
    let mut disk =
        format!("{} of {} ({} %)", bytes(queue.disk_bytes), bytes(queue.max_bytes), queue.used_percent());
    if let Some(free) = status.disk_free_bytes {
        disk.push_str(&format!(", {} free on its file system", bytes(free)));
    }
    disk
}

/// An upstream's state in words.
pub fn upstream_state(upstream: &UpstreamStatus) -> String {
    match upstream.state {
        UpstreamState::Unknown => "not tried yet".into(),
        UpstreamState::Up => "up".into(),
        UpstreamState::Down => {
            let mut out = String::from("down");
            if let Some(seconds) = upstream.outage_seconds {
                out.push_str(&format!(" for {}", span(seconds)));
            }
            if let Some(seconds) = upstream.retry_in_seconds {
                out.push_str(&format!(", next attempt in {}", span(seconds)));
            }
            out
        }
    }
}

/// Where an upstream is, how its answers are understood, and which of several URLs that is.
pub fn address(upstream: &UpstreamStatus) -> String {
    let UpstreamStatus { url, kind, url_number, urls, .. } = upstream;
    match urls.len() {
        0 if url.is_empty() => format!("not known yet ({kind})"),
        0 | 1 => format!("{url} ({kind})"),
        of => format!("{url} ({kind}), url {url_number} of {of}"),
    }
}

/// An upstream's backlog in words.
pub fn backlog(upstream: &UpstreamStatus) -> String {
    if upstream.backlog_records == 0 {
        return "none".into();
    }
    format!(
        "{} samples, {}, the oldest {} old",
        count(upstream.backlog_samples),
        bytes(upstream.backlog_bytes),
        span(upstream.backlog_seconds)
    )
}

/// The dead letters of all upstreams; none where there are none.
pub fn dead_letters(status: &Status) -> Option<String> {
    let letters: u64 = status.upstreams.iter().map(|upstream| upstream.dead_letters).sum();
    (status.dead_letter_bytes > 0 || letters > 0)
        .then(|| format!("{} dead letters, {} on disk", count(letters), bytes(status.dead_letter_bytes)))
}

/// A text that a terminal only shows: control characters are escaped.
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(char::is_control) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if c.is_control() {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_several_urls_is_shown_as_such() {
        let mut upstream = crate::status::sample().upstreams.remove(0);
        upstream.url = "http://b".into();
        assert_eq!(address(&upstream), "http://b (pmm)");
        (upstream.urls, upstream.url_number) = (vec!["http://a".into(), "http://b".into()], 2);
        assert_eq!(address(&upstream), "http://b (pmm), url 2 of 2");
        // What an older agent serves.
        upstream.urls.clear();
        assert_eq!(address(&upstream), "http://b (pmm)");
    }

    #[test]
    fn counts_have_their_thousands_set_apart() {
        for (value, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(count(value), text);
        }
        assert_eq!(count(u64::MAX), "18,446,744,073,709,551,615");
    }

    #[test]
    fn moments_are_rfc_3339_and_those_before_the_epoch_are_the_epoch() {
        assert_eq!(moment(1_767_225_600_999), "2026-01-01T00:00:00Z");
        assert_eq!(moment(-1), "1970-01-01T00:00:00Z");
    }

    #[test]
    fn spans_show_their_two_largest_units() {
        for (seconds, text) in [
            (0.0, "0.0 s"),
            (3.21, "3.2 s"),
            (59.94, "59.9 s"),
            (59.96, "1 min"),
            (90.0, "1 min 30 s"),
            (3_600.0, "1 h"),
            (3_725.0, "1 h 2 min"),
            (93_784.0, "1 d 2 h"),
            (86_400.0 * 400.0, "400 d"),
            (-5.0, "0.0 s"),
            (f64::NAN, "0.0 s"),
        ] {
            assert_eq!(span(seconds), text, "{seconds}");
        }
    }

    #[test]
    fn bytes_are_in_binary_units() {
        assert_eq!(bytes(3 << 20), "3.0 MiB");
        assert_eq!(bytes(1 << 30), "1.0 GiB");
        assert_eq!(bytes(17), "17 B");
    }

    #[test]
    fn control_characters_do_not_reach_a_terminal() {
        assert_eq!(printable("plain: ünïcode"), "plain: ünïcode");
        assert_eq!(printable("a\x1b[2Jb\nc\u{9b}"), "a\\u{1b}[2Jb\\nc\\u{9b}");
    }
}
