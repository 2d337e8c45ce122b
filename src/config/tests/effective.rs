//! The effective configuration is YAML that is read as the same.

use super::super::effective::QUERY_MASK;
use super::super::{
    Auth, Config, Queue, Secret, SecretSource, SyncMode, Upstream, UpstreamKind, WhenFull, effective, memory,
};
use super::good;
use proptest::prelude::*;
use std::time::Duration;

/// Every secret becomes its mask, which is what reading the effective form gives.
fn masked(mut config: Config) -> Config {
    let mask = |secret: &mut Secret| *secret = Secret::new(Secret::MASK);
    for upstream in &mut config.upstreams {
        for url in &mut upstream.urls {
            if let Some(query) = url.find('?') {
                url.replace_range(query + 1.., QUERY_MASK);
            }
        }
        upstream.headers.iter_mut().for_each(|(_, value)| mask(value));
        match &mut upstream.auth {
            Auth::Basic { password: Some(SecretSource::Inline(secret)), .. }
            | Auth::Header { credentials: SecretSource::Inline(secret), .. } => mask(secret),
            _ => {}
        }
    }
    config
}

#[test]
fn the_sample_comes_back() {
    let config = good(include_str!("../../../config/pmm-buffer.yml"));
    assert_eq!(good(&effective(&config)), config);
}

#[test]
fn what_is_awaited_comes_back() {
    let config = good("remote_write: [{pmm: /nowhere/upstream.json, remote_timeout: 2s}]");
    assert_eq!(config.upstreams[0].awaits.as_deref(), Some("/nowhere/upstream.json"));
    assert_eq!(good(&effective(&config)), config);
}

proptest! {
    #[test]
    fn what_is_written_is_read_as_the_same(
        (grace_ms, timeout_ms, backoff_ms) in (0_u64..=300_000, 1_000_u64..=49_000, 10_u64..=5_000),
        (samples, bytes) in (1_usize..=1_000_000, 65_536_usize..=33_554_432),
        queue in (16_u64 << 20)..(1 << 44),
        (age_s, min_free, sync_ms, rewind_s) in (60_u64..1 << 28, prop::option::of(0_u64..1 << 44), 10_u64..60_000, 0..600_u64),
        (username, password) in ("[^:\\p{Cc}]{1,20}", "[^\\p{Cc}]{1,20}"),
        scheme in "[A-Za-z0-9.!#$%&'*+^_`|~-]{1,10}",
        (dir, name, path) in ("/[^\\p{Cc}/]{0,20}", "[A-Za-z0-9_.-]{1,64}", "[a-z0-9./?=&:%,_-]{0,20}"),
        (is_basic, is_file, skip, headers) in any::<(bool, bool, bool, bool)>(),
        others in prop::collection::btree_set("[a-z0-9./?=&:%,_-]{0,20}", 0..Upstream::MAX_URLS),
    ) {
        prop_assume!(!scheme.eq_ignore_ascii_case("basic"));
        let secret = || match is_file {
            true => SecretSource::File("/f: x".into()),
            false => SecretSource::Inline(Secret::new(&password)),
        };
        let mut upstream = Upstream::new(format!("https://pmm.example.com:8443/{path}"));
        upstream.name = name;
        upstream.kind = UpstreamKind::Pmm;
        upstream.urls.extend(others.iter().map(|path| format!("http://other.example.com/{path}")));
        upstream.auth = if is_basic {
            Auth::Basic { username, password: Some(secret()) }
        } else {
            Auth::Header { scheme, credentials: secret() }
        };
        if headers {
            let secrets = [&password, "1"].map(Secret::new);
            upstream.headers = ["X-Scope-OrgID".into(), "no".into()].into_iter().zip(secrets).collect();
        }
        upstream.tls.insecure_skip_verify = skip;
        upstream.remote_timeout = Duration::from_millis(timeout_ms);
        upstream.min_backoff = Duration::from_millis(backoff_ms);
        (upstream.max_samples_per_send, upstream.max_bytes_per_send) = (samples, bytes);
        let mut config = Config { data_dir: dir.into(), upstreams: vec![upstream], ..Config::default() };
        config.shutdown_grace = Duration::from_millis(grace_ms);
        config.queue = Queue {
            max_bytes: queue,
            max_age: is_basic.then_some(Duration::from_secs(age_s)),
            min_free_disk: min_free,
            when_full: if skip { WhenFull::RejectNew } else { WhenFull::DropOldest },
            sync: if is_file { SyncMode::Interval } else { SyncMode::Always },
            sync_interval: Duration::from_millis(sync_ms),
            rewind: Duration::from_secs(rewind_s),
        };
        config.server.max_in_flight_bytes += samples;
        let set_aside = memory::set_aside(&config.queue, &config.upstreams);
        config.max_memory = set_aside + config.server.max_in_flight_bytes;
        let text = effective(&config);
        prop_assert_eq!(good(&text), masked(config), "{}", text);
    }
}
