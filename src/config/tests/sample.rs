//! `config/pmm-buffer.yml` is the reference: it names every key, at its default.

use super::super::raw::{self, Section};
use super::super::{Auth, Config, Upstream, UpstreamKind};
use super::{good, warnings};

const SAMPLE: &str = include_str!("../../../config/pmm-buffer.yml");

const URL: &str = "https://pmm.example.com/victoriametrics/api/v1/write";

#[test]
fn the_sample_is_the_defaults() {
    let (upstreams, max_memory) = (vec![Upstream::new(URL)], 230 << 20);
    let defaults = Config { upstreams, max_memory, ..Config::default() };
    assert_eq!(good(SAMPLE), defaults);
    assert_eq!(good(&format!("remote_write: [{{url: '{URL}'}}]")), defaults);
    assert_eq!(warnings(SAMPLE), [""; 0]);
}

#[test]
fn the_sample_names_every_key() {
    let words: Vec<&str> = SAMPLE.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').collect();
    let known = [
        raw::File::KEYS,
        raw::Server::KEYS,
        raw::Import::KEYS,
        raw::Queue::KEYS,
        raw::DeadLetters::KEYS,
        raw::Replay::KEYS,
        raw::Log::KEYS,
        raw::SelfMetrics::KEYS,
        raw::RemoteWrite::KEYS,
        raw::BasicAuth::KEYS,
        raw::Authorization::KEYS,
        raw::OAuth2::KEYS,
        raw::TlsConfig::KEYS,
        raw::QueueConfig::KEYS,
    ];
    for key in known.concat() {
        assert!(words.contains(&key), "config/pmm-buffer.yml does not name {key}");
    }
}

/// The sample with its examples in force, but for those of these keys.
fn uncommented(without: &[&str]) -> String {
    let mut text = String::new();
    let mut is_left_out = false;
    for line in SAMPLE.lines() {
        let (indent, comment) = line.split_at(line.len() - line.trim_start().len());
        let example = comment.strip_prefix('#').filter(|text| !text.is_empty());
        let example = example.filter(|text| !text.starts_with(' ') || text.starts_with("  "));
        match example {
            None => text += line,
            Some(example) => {
                if !example.starts_with(' ') {
                    is_left_out = without.iter().any(|key| example.starts_with(key));
                }
                if !is_left_out {
                    text += &format!("{indent}{example}");
                }
            }
        }
        text.push('\n');
    }
    text
}

#[test]
fn the_examples_in_the_sample_are_read() {
    let upstream = |without: &[&str]| good(&uncommented(without)).upstreams.remove(0);
    let found = upstream(&["urls", "oauth2", "authorization"]);
    assert!(matches!(found.auth, Auth::Basic { .. }));
    assert!(found.proxy.is_some() && found.headers.len() == 1);
    let tls = found.tls;
    assert!(
        tls.ca_file.is_some()
            && tls.cert_file.is_some()
            && tls.key_file.is_some()
            && tls.server_name.is_some()
    );
    assert!(matches!(upstream(&["urls", "basic_auth", "oauth2"]).auth, Auth::Header { .. }));
    assert!(matches!(upstream(&["urls", "basic_auth", "authorization"]).auth, Auth::OAuth2(_)));
}

#[test]
fn what_the_packages_begin_with_follows_pmm_and_tells_of_itself() {
    const PACKAGED: &str = include_str!("../../../config/packages/pmm-buffer.yml");
    let config = good(PACKAGED);
    assert!(config.self_metrics.enabled);
    // On a host of PMM's there is something to follow.
    let upstream = &config.upstreams[0];
    assert!(upstream.awaits.is_some() != upstream.nowhere().is_none(), "{upstream:?}");
    let commented: String = PACKAGED.lines().filter_map(|line| line.strip_prefix("  # ")).fold(
        String::from("remote_write:\n"),
        |text, line| {
            if line.starts_with(['-', ' ']) { text + "  " + line + "\n" } else { text }
        },
    );
    let basic = good(&commented).upstreams.remove(0);
    assert_eq!((basic.urls, basic.awaits), (vec![URL.to_owned()], None));
    assert!(matches!(basic.auth, Auth::Basic { .. }));
}

#[test]
fn the_list_of_urls_in_the_sample_is_read_in_the_place_of_the_url() {
    let text = uncommented(&["authorization", "oauth2"]).replace(&format!("    url: {URL}\n"), "");
    let upstream = good(&text).upstreams.remove(0);
    assert_eq!((upstream.urls.len(), upstream.kind), (2, UpstreamKind::Pmm));
}
