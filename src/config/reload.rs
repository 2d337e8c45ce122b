//! What of a changed configuration can be applied to a running agent.

use super::{Config, Upstream};
use std::collections::BTreeSet;

/// The keys that differ, in the order of the file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reload {
    /// Can be applied at once.
    pub apply: Vec<String>,
    /// Needs a restart; until then the old value is in force.
    pub needs_restart: Vec<String>,
}

impl Reload {
    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        self.apply.is_empty() && self.needs_restart.is_empty()
    }
}

/// Compares the configuration in force with a new one.
///
/// Limits of the server, the log's level, the grace time and an upstream's settings can change on the fly.
/// What is open or counted at the start cannot: the socket, the queue, the log's format, the set of
/// upstreams.
pub fn difference(old: &Config, new: &Config) -> Reload {
    // Names every field, so that a new one cannot be forgotten here.
    let Config {
        listen,
        data_dir,
        max_memory,
        server,
        import,
        queue,
        dead_letters,
        upstreams,
        replay,
        log,
        self_metrics,
        shutdown_grace,
    } = old;
    let mut reload = Reload::default();
    let mut compare = |key: &str, differs: bool, applies: bool| {
        if differs {
            let keys = if applies { &mut reload.apply } else { &mut reload.needs_restart };
            keys.push(key.to_owned());
        }
    };
    compare("listen", *listen != new.listen, false);
    compare("data_dir", *data_dir != new.data_dir, false);
    compare("shutdown_grace", *shutdown_grace != new.shutdown_grace, true);
    compare("max_memory", *max_memory != new.max_memory, true);
    compare("server.max_body_bytes", server.max_body_bytes != new.server.max_body_bytes, true);
    for ((key, old), (_, new)) in server.bounds.written().zip(new.server.bounds.written()) {
        compare(&format!("server.{key}"), old != new, true);
    }
    compare("server.max_bodies", server.max_bodies != new.server.max_bodies, true);
    compare("server.max_connections", server.max_connections != new.server.max_connections, true);
    compare("server.read_timeout", server.read_timeout != new.server.read_timeout, true);
    compare("import.bad_lines", import.bad_lines != new.import.bad_lines, true);
    compare("queue.max_bytes", queue.max_bytes != new.queue.max_bytes, false);
    compare("queue.max_age", queue.max_age != new.queue.max_age, false);
    compare("queue.min_free_disk", queue.min_free_disk != new.queue.min_free_disk, false);
    compare("queue.when_full", queue.when_full != new.queue.when_full, false);
    compare("queue.sync", queue.sync != new.queue.sync, false);
    compare("queue.sync_interval", queue.sync_interval != new.queue.sync_interval, false);
    compare("queue.rewind", queue.rewind != new.queue.rewind, false);
    compare("dead_letters.max_bytes", *dead_letters != new.dead_letters, true);
    compare("replay.max_retry_after", replay.max_retry_after != new.replay.max_retry_after, true);
    compare("replay.samples_per_second", replay.samples_per_second != new.replay.samples_per_second, true);
    compare("replay.bytes_per_second", replay.bytes_per_second != new.replay.bytes_per_second, true);
    compare("log.level", log.level != new.log.level, true);
    compare("log.format", log.format != new.log.format, false);
    compare("self_metrics.enabled", self_metrics.enabled != new.self_metrics.enabled, true);
    compare("self_metrics.interval", self_metrics.interval != new.self_metrics.interval, true);
    compare("self_metrics.labels", self_metrics.labels != new.self_metrics.labels, true);
    compare("self_metrics.textfile", self_metrics.textfile != new.self_metrics.textfile, true);
    compare_upstreams(upstreams, &new.upstreams, &mut reload);
    reload
}

/// By name: their order means nothing.
fn compare_upstreams(old: &[Upstream], new: &[Upstream], reload: &mut Reload) {
    let names: BTreeSet<&str> = old.iter().chain(new).map(|upstream| upstream.name.as_str()).collect();
    for name in names {
        let named = |upstreams: &[Upstream]| upstreams.iter().position(|upstream| upstream.name == name);
        let entry = format!("remote_write[{name}]");
        match (named(old), named(new)) {
            (Some(before), Some(after)) => {
                let changed = changed_keys(&old[before], &new[after]);
                reload.apply.extend(changed.into_iter().map(|key| format!("{entry}.{key}")));
            }
            (None, _) => reload.needs_restart.push(format!("{entry} (added)")),
            (_, None) => reload.needs_restart.push(format!("{entry} (removed)")),
        }
    }
}

fn changed_keys(old: &Upstream, new: &Upstream) -> Vec<&'static str> {
    let Upstream {
        name: _,
        urls,
        awaits,
        kind,
        auth,
        headers,
        tls,
        proxy,
        remote_timeout,
        max_samples_per_send,
        max_bytes_per_send,
        min_backoff,
        max_backoff,
    } = old;
    let keys = [
        (if urls.len().max(new.urls.len()) > 1 { "urls" } else { "url" }, *urls != new.urls),
        ("pmm", *awaits != new.awaits && *urls == new.urls),
        ("kind", *kind != new.kind),
        ("remote_timeout", *remote_timeout != new.remote_timeout),
        ("max_bytes_per_send", *max_bytes_per_send != new.max_bytes_per_send),
        ("authentication", *auth != new.auth),
        ("headers", *headers != new.headers),
        ("tls_config", *tls != new.tls),
        ("proxy_url", *proxy != new.proxy),
        ("queue_config.max_samples_per_send", *max_samples_per_send != new.max_samples_per_send),
        ("queue_config.min_backoff", *min_backoff != new.min_backoff),
        ("queue_config.max_backoff", *max_backoff != new.max_backoff),
    ];
    keys.into_iter().filter(|(_, differs)| *differs).map(|(key, _)| key).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Auth, LogFormat, LogLevel, Queue, Secret, SecretSource, SyncMode, WhenFull};
    use std::time::Duration;

    fn config(names: &[&str]) -> Config {
        let upstream = |name: &&str| Upstream { name: (*name).to_owned(), ..Upstream::new("http://a") };
        Config { upstreams: names.iter().map(upstream).collect(), ..Config::default() }
    }

    #[test]
    fn nothing_changed_is_nothing_to_do() {
        assert!(difference(&config(&["a", "b"]), &config(&["a", "b"])).is_empty());
        assert!(
            difference(&config(&["a", "b"]), &config(&["b", "a"])).is_empty(),
            "their order means nothing"
        );
    }

    #[test]
    fn limits_level_and_grace_apply_at_once() {
        let mut new = config(&["a"]);
        new.shutdown_grace = Duration::ZERO;
        new.max_memory += 1;
        new.server.max_body_bytes += 1;
        new.server.max_connections += 1;
        new.server.read_timeout += Duration::from_secs(1);
        new.dead_letters.max_bytes += 1;
        new.replay.max_retry_after += Duration::from_secs(1);
        new.replay.samples_per_second = Some(1);
        new.replay.bytes_per_second = Some(1);
        new.log.level = LogLevel::Debug;
        new.self_metrics.enabled = true;
        new.self_metrics.interval += Duration::from_secs(1);
        new.self_metrics.labels.push(("az".into(), "b".into()));
        new.self_metrics.textfile = Some("/a.prom".into());
        let reload = difference(&config(&["a"]), &new);
        assert_eq!(
            reload.apply,
            [
                "shutdown_grace",
                "max_memory",
                "server.max_body_bytes",
                "server.max_connections",
                "server.read_timeout",
                "dead_letters.max_bytes",
                "replay.max_retry_after",
                "replay.samples_per_second",
                "replay.bytes_per_second",
                "log.level",
                "self_metrics.enabled",
                "self_metrics.interval",
                "self_metrics.labels",
                "self_metrics.textfile",
            ]
        );
        assert_eq!(reload.needs_restart, [""; 0]);
    }

    #[test]
    fn what_is_open_needs_a_restart() {
        let mut new = config(&["a"]);
        new.listen.set_port(1);
        new.data_dir = "/elsewhere".into();
        new.queue = Queue {
            max_bytes: 1 << 40,
            max_age: Some(Duration::from_secs(60)),
            min_free_disk: Some(0),
            when_full: WhenFull::RejectNew,
            sync: SyncMode::Interval,
            sync_interval: Duration::from_secs(2),
            rewind: Duration::ZERO,
        };
        new.log.format = LogFormat::Json;
        let reload = difference(&config(&["a"]), &new);
        let queue = ["max_bytes", "max_age", "min_free_disk", "when_full", "sync", "sync_interval", "rewind"];
        let queue = queue.iter().map(|key| format!("queue.{key}"));
        let keys = ["listen", "data_dir"].map(str::to_owned).into_iter();
        let keys: Vec<_> = keys.chain(queue).chain(["log.format".to_owned()]).collect();
        assert_eq!(reload.needs_restart, keys);
        assert_eq!(reload.apply, [""; 0]);
    }

    #[test]
    fn upstreams_are_compared_by_name() {
        let mut new = config(&["c", "b"]);
        new.upstreams[1].urls = vec!["http://b".into()];
        new.upstreams[1].max_backoff += Duration::from_secs(1);
        let credentials = SecretSource::Inline(Secret::new("hunter2"));
        new.upstreams[1].auth = Auth::Header { scheme: "Bearer".into(), credentials };
        let reload = difference(&config(&["a", "b"]), &new);
        assert_eq!(
            reload.apply,
            [
                "remote_write[b].url",
                "remote_write[b].authentication",
                "remote_write[b].queue_config.max_backoff"
            ]
        );
        assert_eq!(reload.needs_restart, ["remote_write[a] (removed)", "remote_write[c] (added)"]);
    }

    #[test]
    fn a_list_of_urls_goes_by_its_own_key() {
        let mut new = config(&["a"]);
        new.upstreams[0].urls.push("http://b".into());
        assert_eq!(difference(&config(&["a"]), &new).apply, ["remote_write[a].urls"]);
    }
}
