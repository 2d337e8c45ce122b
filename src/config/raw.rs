//! The configuration as typed: which keys there are, and nothing about their values.
//!
//! A key that is not listed here is an error, never ignored: a typing mistake would leave a limit or a
//! credential out without a word.

use super::problem::{Place, Problems, Spot};
use super::yaml::{Node, Value};

/// A section: a fixed set of keys.
pub(super) trait Section: Default {
    /// Every key it may have, in the order of the documentation.
    const KEYS: &'static [&'static str];

    /// Where the value of a key goes. None for an unknown key.
    fn slot(&mut self, key: &str) -> Option<&mut Option<Node>>;
}

/// The name of a key: that of its field, unless the field cannot have it.
macro_rules! key {
    ($field:ident) => {
        stringify!($field)
    };
    ($field:ident $key:literal) => {
        $key
    };
}

macro_rules! section {
    ($(#[$doc:meta])* $name:ident { $($field:ident $(= $key:literal)?),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Default)]
        pub(super) struct $name {
            $(pub(super) $field: Option<Node>,)*
        }

        impl Section for $name {
            const KEYS: &'static [&'static str] = &[$(key!($field $($key)?)),*];

            fn slot(&mut self, key: &str) -> Option<&mut Option<Node>> {
                match key {
                    $(key!($field $($key)?) => Some(&mut self.$field),)*
                    _ => None,
                }
            }
        }
    };
}

section! {
    /// The file itself.
    File {
        listen, data_dir, shutdown_grace, max_memory, server, import, queue, dead_letters, replay, log, self_metrics,
        remote_write,
    }
}

section! {
    /// `server`
    Server {
        max_body_bytes, max_series, max_samples, max_labels, max_label_name_bytes, max_label_value_bytes,
        max_line_bytes, max_symbols, max_bodies, max_connections, read_timeout,
    }
}

section! {
    /// `import`
    Import { bad_lines }
}

section! {
    /// `queue`
    Queue { max_bytes, max_age, min_free_disk, when_full, sync, sync_interval, rewind }
}

section! {
    /// `dead_letters`
    DeadLetters { max_bytes }
}

section! {
    /// `replay`
    Replay { max_retry_after, samples_per_second, bytes_per_second }
}

section! {
    /// `log`
    Log { level, format }
}

section! {
    /// `self_metrics`
    SelfMetrics { enabled, interval, labels, textfile }
}

section! {
    /// `remote_write[]`: Prometheus' keys, and `urls`, `kind` and `max_bytes_per_send`.
    RemoteWrite {
        url, urls, name, pmm, kind, remote_timeout, max_bytes_per_send,
        basic_auth, authorization, oauth2, bearer_token, bearer_token_file,
        headers, tls_config, proxy_url, queue_config,
        // Known, so that a block of Prometheus pastes in; see `prometheus.rs` for what becomes of them.
        write_relabel_configs, send_exemplars, send_native_histograms, metadata_config, protobuf_message,
        round_robin_dns, follow_redirects, enable_http2, http_headers,
        no_proxy, proxy_from_environment, proxy_connect_header,
        sigv4, azuread, google_iam,
    }
}

section! {
    /// `basic_auth`
    BasicAuth { username, password, password_file, username_file, username_ref, password_ref }
}

section! {
    /// `authorization`
    Authorization { kind = "type", credentials, credentials_file, credentials_ref }
}

section! {
    /// `oauth2`
    OAuth2 {
        client_id, client_secret, client_secret_file, token_url, scopes, endpoint_params, tls_config, proxy_url,
        grant_type, client_secret_ref, client_certificate_key_id, client_certificate_key, client_certificate_key_file,
        signature_algorithm, iss, audience, claims, no_proxy, proxy_from_environment, proxy_connect_header,
    }
}

section! {
    /// `tls_config`
    TlsConfig {
        ca_file, cert_file, key_file, server_name, insecure_skip_verify,
        min_version, max_version, ca, cert, key, ca_ref, cert_ref, key_ref,
    }
}

section! {
    /// `queue_config`
    QueueConfig {
        max_samples_per_send, min_backoff, max_backoff,
        capacity, min_shards, max_shards, batch_send_deadline, retry_on_http_429, sample_age_limit,
    }
}

/// Keys of a whole prometheus.yml, which people paste with the block they mean.
const OF_PROMETHEUS: [&str; 11] = [
    "global",
    "scrape_configs",
    "scrape_config_files",
    "rule_files",
    "alerting",
    "remote_read",
    "storage",
    "tracing",
    "otlp",
    "runtime",
    "external_labels",
];

/// Sorts the keys of a section into its fields, and reports what does not belong there. A key without a value
/// is the same as no key.
pub(super) fn read<S: Section>(node: Option<Node>, problems: &mut Problems) -> S {
    let mut section = S::default();
    let Some(node) = node else { return section };
    let entries = match node.value {
        Value::Null => return section,
        Value::Map(entries) => entries,
        other => {
            problems.error(&node.spot, format!("expected a section of keys, found {}", other.kind()));
            return section;
        }
    };
    for (spot, name, value) in entries {
        match section.slot(&name) {
            None => unknown::<S>(&node.spot, spot.place, &name, problems),
            Some(slot @ None) => *slot = Some(value).filter(|node| !matches!(node.value, Value::Null)),
            Some(Some(_)) => problems.error(&spot, "given twice: remove one"),
        }
    }
    section
}

/// Repeats a key only if it is nearly a known one: else it may be a secret that went astray.
fn unknown<S: Section>(section: &Spot, place: Place, name: &str, problems: &mut Problems) {
    let spot = Spot { place, key: section.key.clone() };
    let message = match nearest(name, S::KEYS) {
        _ if section.key.is_empty() && OF_PROMETHEUS.contains(&name) => {
            format!("`{name}` is Prometheus' own: copy only its `remote_write`")
        }
        Some(nearest) => format!("unknown key `{name}`, did you mean `{nearest}`?"),
        None => format!("unknown key; known are {}", S::KEYS.join(", ")),
    };
    problems.error(&spot, message);
}

/// The known word that was probably meant, if one is near: at most a third of it differs.
pub(super) fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    // No key is longer, and no input makes this slow.
    if word.len() > 40 {
        return None;
    }
    let word = word.to_lowercase().replace('-', "_");
    let by_distance = known.iter().map(|known| (distance(&word, known), *known));
    by_distance.min().filter(|(distance, known)| distance * 3 <= known.len()).map(|(_, known)| known)
}

/// Levenshtein's distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(row[j + 1] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_key_is_suggested_and_no_far_one() {
        let nearest = |word| nearest(word, RemoteWrite::KEYS);
        assert_eq!(nearest("urll"), Some("url"));
        assert_eq!(nearest("Remote-Timeout"), Some("remote_timeout"));
        assert_eq!(nearest("tls_cofnig"), Some("tls_config"));
        assert_eq!(nearest("basic_auths"), Some("basic_auth"));
        assert_eq!(nearest("hunter2"), None);
        assert_eq!(nearest(&"x".repeat(10_000)), None);
    }

    #[test]
    fn a_distance_counts_edits() {
        for (a, b, edits) in [("", "", 0), ("", "abc", 3), ("abc", "", 3), ("kitten", "sitting", 3)] {
            assert_eq!(distance(a, b), edits, "{a} {b}");
        }
    }
}
