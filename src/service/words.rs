//! The backlog in one line, as `systemctl status` shows it.

use crate::ingest::one_line;
use crate::status::{NO_URL, UpstreamState, UpstreamStatus, human};
use std::borrow::Cow;

/// What the agent is at: why pushes are refused, if they are, and how each upstream is served.
pub fn words(unavailable: Option<&str>, upstreams: &[UpstreamStatus]) -> String {
    let refused = unavailable.map(|why| format!("pushes are refused: {}", one_line(why)));
    let delivery = upstreams.iter().map(|upstream| match upstreams {
        [_] => of(Cow::Borrowed("upstream"), upstream, ""),
        _ => of(Cow::Owned(format!("upstream {}", upstream.name)), upstream, &format!("{}: ", upstream.name)),
    });
    refused.into_iter().chain(delivery).collect::<Vec<_>>().join("; ")
}

/// `named` begins a sentence about an outage, `prefix` any other.
fn of(named: Cow<'_, str>, upstream: &UpstreamStatus, prefix: &str) -> String {
    let waits = waits(upstream);
    if upstream.last_reason.as_deref() == Some(NO_URL) {
        return format!("{prefix}nothing says yet where to send to, {waits}");
    }
    match (upstream.state, upstream.outage_seconds) {
        (UpstreamState::Down, Some(seconds)) => {
            format!("{named} away for {}, {waits}", human::span(seconds.round()))
        }
        // Not the upstream's fault, such as a queue that cannot be read.
        (UpstreamState::Down, None) => format!("{prefix}not delivering, {waits}"),
        (UpstreamState::Up, _) => format!("{prefix}delivering, {waits}"),
        (UpstreamState::Unknown, _) => format!("{prefix}nothing sent yet, {waits}"),
    }
}

fn waits(upstream: &UpstreamStatus) -> String {
    let samples = upstream.backlog_samples;
    match (upstream.backlog_records, samples) {
        (0, _) => "nothing waits".into(),
        (_, 1) => format!("1 sample ({}) waits", human::bytes(upstream.backlog_bytes)),
        _ => format!("{} samples ({}) wait", about(samples), human::bytes(upstream.backlog_bytes)),
    }
}

/// A count that is read, not compared: `1.2 million`.
fn about(value: u64) -> String {
    match value {
        0..1_000_000 => human::count(value),
        1_000_000..1_000_000_000 => format!("{:.1} million", value as f64 / 1e6),
        _ => format!("{:.1} billion", value as f64 / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status;

    fn upstream(state: UpstreamState) -> UpstreamStatus {
        let upstream = status::sample().upstreams.remove(0);
        let outage_seconds = upstream.outage_seconds.filter(|_| state == UpstreamState::Down);
        UpstreamStatus { state, outage_seconds, ..upstream }
    }

    fn settled(state: UpstreamState) -> UpstreamStatus {
        UpstreamStatus { backlog_records: 0, backlog_samples: 0, backlog_bytes: 0, ..upstream(state) }
    }

    #[test]
    fn one_upstream_is_not_named() {
        for (status, expected) in [
            (settled(UpstreamState::Up), "delivering, nothing waits"),
            (settled(UpstreamState::Unknown), "nothing sent yet, nothing waits"),
            (upstream(UpstreamState::Up), "delivering, 1.2 million samples (3.0 MiB) wait"),
            (
                upstream(UpstreamState::Down),
                "upstream away for 1 h 2 min, 1.2 million samples (3.0 MiB) wait",
            ),
            (
                UpstreamStatus { outage_seconds: None, ..upstream(UpstreamState::Down) },
                "not delivering, 1.2 million samples (3.0 MiB) wait",
            ),
        ] {
            assert_eq!(words(None, &[status]), expected);
        }
    }

    #[test]
    fn several_upstreams_are() {
        let archive = UpstreamStatus { name: "archive".into(), ..settled(UpstreamState::Up) };
        assert_eq!(
            words(None, &[upstream(UpstreamState::Down), archive]),
            "upstream pmm away for 1 h 2 min, 1.2 million samples (3.0 MiB) wait; archive: delivering, nothing waits"
        );
    }

    #[test]
    fn a_refusal_comes_first_and_on_one_line() {
        let said = words(Some("no space\nREADY=1"), &[settled(UpstreamState::Up)]);
        assert!(said.starts_with("pushes are refused: no space"), "{said}");
        assert!(said.ends_with("; delivering, nothing waits") && !said.contains('\n'), "{said}");
    }

    #[test]
    fn counts_are_short() {
        for (value, text) in
            [(0, "0"), (999_999, "999,999"), (1_000_000, "1.0 million"), (1_250_000_000, "1.2 billion")]
        {
            assert_eq!(about(value), text);
        }
    }
}
