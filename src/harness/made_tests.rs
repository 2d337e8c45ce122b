//! Churn: how many series are replaced, and by what.

use super::*;
use std::collections::HashSet;

const NOW_MS: i64 = 1_700_000_000_000;
const HOUR: i64 = 3_600_000;

fn sections(host: &mut Made, timestamp_ms: i64) -> HashSet<Vec<u8>> {
    let requests = host.requests(timestamp_ms);
    requests.iter().flat_map(|push| push.series().map(|series| series.labels.to_vec())).collect()
}

#[test]
fn the_share_of_an_hour_is_replaced_in_an_hour_by_series_that_were_never_there() {
    let mut host = Made::new(1, 0, LoadProfile::Mysql, 12_000, 0.25);
    let mut seen = sections(&mut host, NOW_MS);
    assert_eq!(seen.len(), 12_000);
    // In steps that replace no whole number of series.
    let (mut replaced, steps) = (0, 70);
    for step in 1..=steps {
        let now = sections(&mut host, NOW_MS + step * HOUR / steps);
        assert_eq!(now.len(), 12_000);
        replaced += now.into_iter().filter(|section| seen.insert(section.clone())).count();
    }
    assert!((2_999..=3_000).contains(&replaced), "{replaced}");
}

#[test]
fn all_is_replaced_at_most_once_a_scrape() {
    let mut host = Made::new(1, 0, LoadProfile::Node, 100, 1.0);
    let before = sections(&mut host, NOW_MS);
    let after = sections(&mut host, NOW_MS + 50 * HOUR);
    assert!(before.is_disjoint(&after));
}

#[test]
fn labels_stay_sound_when_they_are_replaced() {
    let mut host = Made::new(1, 0, LoadProfile::Node, 100, 1.0);
    host.requests(NOW_MS);
    for push in host.requests(NOW_MS + HOUR) {
        for series in push.series() {
            let label = wire::labels(series.labels)
                .map(|label| label.expect("well-formed"))
                .find(|label| label.name == CONTAINER.as_bytes());
            let value = label.expect("a container").value;
            assert!(value.len() == CONTAINER_DIGITS && value.is_ascii(), "{value:?}");
        }
    }
}

#[test]
fn without_churn_there_is_no_label_for_it_and_series_stay() {
    let mut host = Made::new(1, 0, LoadProfile::Node, 100, 0.0);
    let before = sections(&mut host, NOW_MS);
    assert_eq!(before, sections(&mut host, NOW_MS + 100 * HOUR));
    let text = before.iter().map(|section| String::from_utf8_lossy(section).into_owned());
    assert!(!text.collect::<String>().contains(CONTAINER));
}
