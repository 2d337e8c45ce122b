//! Hosts of each profile.

use super::*;
use crate::wire;
use std::collections::HashSet;

const NOW_MS: i64 = 1_700_000_000_000;

fn spec(profile: LoadProfile, hosts: usize) -> LoadSpec {
    LoadSpec { source: LoadSource::Profile { profile, series: None, churn: 0.0 }, hosts, seed: 3 }
}

#[test]
fn a_profile_is_known_by_its_name_and_another_word_is_told_all_names() {
    for profile in LoadProfile::ALL {
        assert_eq!(profile.name().parse(), Ok(profile));
    }
    let error = "mysq".parse::<LoadProfile>().expect_err("a typo").to_string();
    assert_eq!(
        error,
        "there is no load profile `mysq`: it is one of node, mysql, postgres, mongodb, extreme, mixed"
    );
}

#[test]
fn hosts_of_each_profile_have_its_series_each_once_with_as_many_labels_and_bytes_as_pmm_gives_them() {
    for profile in LoadProfile::ALL {
        let mut seen = HashSet::new();
        let (mut labels, mut bytes) = (0, 0);
        for mut host in spec(profile, 2).build() {
            for push in host.requests(NOW_MS) {
                assert!(push.series().len() <= crate::harness::MAX_SERIES);
                for series in push.series() {
                    let names: Vec<_> =
                        wire::labels(series.labels).map(|label| label.expect("well-formed").name).collect();
                    assert!(names.is_sorted_by(|a, b| a < b), "{names:?}");
                    (labels, bytes) = (labels + names.len(), bytes + series.labels.len());
                    assert!(seen.insert(series.labels.to_vec()), "{profile}: a series stands twice");
                }
            }
        }
        assert_eq!(seen.len(), 2 * profile.series(), "{profile}");
        let (labels, bytes) = (labels / seen.len(), bytes / seen.len());
        assert!((9..=16).contains(&labels), "{profile}: {labels} labels a series");
        assert!((280..=700).contains(&bytes), "{profile}: {bytes} bytes a series");
    }
}

#[test]
fn the_same_spec_gives_the_same_pushes() {
    let scrape = |seed| {
        let hosts = LoadSpec { seed, ..spec(LoadProfile::Postgres, 2) }.build();
        hosts.into_iter().map(|mut host| host.requests(NOW_MS)).collect::<Vec<_>>()
    };
    assert_eq!(scrape(1), scrape(1));
    assert_ne!(scrape(1), scrape(2));
}

#[test]
fn a_scrape_that_does_not_fit_one_request_takes_two() {
    let mut hosts = spec(LoadProfile::Extreme, 1).build();
    let sizes: Vec<usize> = hosts[0].requests(NOW_MS).iter().map(|push| push.series().len()).collect();
    assert_eq!(sizes, [10_000, 5_000]);
}
