//! The configuration in force, as YAML that would be read as the same, but for its secrets.

use super::units::{format_duration, format_size};
use super::{
    Auth, BadLines, Config, LogFormat, LogLevel, OAuth2, Proxy, Secret, SecretSource, SyncMode, Tls,
    Upstream, UpstreamKind, WhenFull, word_of,
};
use std::fmt::{Display, Write as _};
use std::net::SocketAddrV4;
use std::path::Path;

/// What stands for a URL's query, which may hold a token, and would not stand there as `<secret>`.
pub(super) const QUERY_MASK: &str = "***";

fn masked_query(url: &str) -> String {
    match url.split_once('?') {
        Some((endpoint, _)) => format!("{endpoint}?{QUERY_MASK}"),
        None => url.to_owned(),
    }
}

/// Writes every option with the value in force; secrets as `<secret>`.
pub fn effective(config: &Config) -> String {
    let mut out = Writer { text: String::with_capacity(1024), depth: 0 };
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
    } = config;
    out.line("listen", text(&listen.to_string()));
    out.line("data_dir", path(data_dir));
    out.line("shutdown_grace", format_duration(*shutdown_grace));
    out.line("max_memory", format_size(*max_memory as u64));
    out.section("server", |out| {
        out.line("max_body_bytes", format_size(server.max_body_bytes as u64));
        for (key, value) in server.bounds.written() {
            out.line(key, value);
        }
        out.line("max_bodies", server.max_bodies);
        out.line("max_connections", server.max_connections);
        out.line("read_timeout", format_duration(server.read_timeout));
    });
    out.section("import", |out| {
        out.line("bad_lines", word_of(&BadLines::WORDS, &import.bad_lines));
    });
    out.section("queue", |out| {
        out.line("max_bytes", format_size(queue.max_bytes));
        out.line("max_age", format_duration(queue.max_age.unwrap_or_default()));
        if let Some(bytes) = queue.min_free_disk {
            out.line("min_free_disk", format_size(bytes));
        }
        out.line("when_full", word_of(&WhenFull::WORDS, &queue.when_full));
        out.line("sync", word_of(&SyncMode::WORDS, &queue.sync));
        out.line("sync_interval", format_duration(queue.sync_interval));
        out.line("rewind", format_duration(queue.rewind));
    });
    out.section("dead_letters", |out| out.line("max_bytes", format_size(dead_letters.max_bytes)));
    out.section("replay", |out| {
        out.line("max_retry_after", format_duration(replay.max_retry_after));
        out.line("samples_per_second", replay.samples_per_second.unwrap_or(0));
        out.line("bytes_per_second", format_size(replay.bytes_per_second.unwrap_or(0)));
    });
    out.section("log", |out| {
        out.line("level", word_of(&LogLevel::WORDS, &log.level));
        out.line("format", word_of(&LogFormat::WORDS, &log.format));
    });
    out.section("self_metrics", |out| {
        out.line("enabled", self_metrics.enabled);
        out.line("interval", format_duration(self_metrics.interval));
        if let Some(file) = &self_metrics.textfile {
            out.line("textfile", path(file));
        }
        if !self_metrics.labels.is_empty() {
            out.section("labels", |out| {
                for (name, value) in &self_metrics.labels {
                    out.line(&text(name), text(value));
                }
            });
        }
    });
    out.text.push_str("remote_write:\n");
    for upstream in upstreams {
        out.depth = 2;
        let start = out.text.len();
        write_upstream(&mut out, upstream);
        out.depth = 0;
        // The first key of an entry is where its dash goes.
        out.text.replace_range(start..start + 4, "  - ");
    }
    out.text
}

fn write_upstream(out: &mut Writer, upstream: &Upstream) {
    match (&upstream.urls[..], &upstream.awaits) {
        (_, Some(pmm)) => out.line("pmm", text(pmm)),
        ([url], None) => out.line("url", text(&masked_query(url))),
        (urls, None) => {
            // In the form of a flow, so that the entry's first key is one line.
            let urls: Vec<String> = urls.iter().map(|url| quoted(&masked_query(url))).collect();
            out.line("urls", format!("[{}]", urls.join(", ")));
        }
    }
    out.line("name", text(&upstream.name));
    out.line("kind", word_of(&UpstreamKind::WORDS, &upstream.kind));
    out.line("remote_timeout", format_duration(upstream.remote_timeout));
    out.line("max_bytes_per_send", format_size(upstream.max_bytes_per_send as u64));
    write_auth(out, &upstream.auth);
    if !upstream.headers.is_empty() {
        out.section("headers", |out| {
            for (name, _) in &upstream.headers {
                out.line(&text(name), Secret::MASK);
            }
        });
    }
    write_way(out, &upstream.tls, upstream.proxy.as_ref());
    out.section("queue_config", |out| {
        out.line("max_samples_per_send", upstream.max_samples_per_send);
        out.line("min_backoff", format_duration(upstream.min_backoff));
        out.line("max_backoff", format_duration(upstream.max_backoff));
    });
}

/// TLS and proxy, of the upstream or of its token server.
fn write_way(out: &mut Writer, tls: &Tls, proxy: Option<&Proxy>) {
    out.section("tls_config", |out| {
        for (key, file) in
            [("ca_file", &tls.ca_file), ("cert_file", &tls.cert_file), ("key_file", &tls.key_file)]
        {
            if let Some(file) = file {
                out.line(key, path(file));
            }
        }
        if let Some(name) = &tls.server_name {
            out.line("server_name", text(name));
        }
        out.line("insecure_skip_verify", tls.insecure_skip_verify);
    });
    if let Some(proxy) = proxy {
        // With credentials it is no URL of a proxy any more, but it must be seen that there are some.
        let host = proxy.url.trim_start_matches("http://");
        out.line(
            "proxy_url",
            match proxy.basic {
                None => text(&proxy.url),
                Some(_) => text(&format!("http://{}@{host}", Secret::MASK)),
            },
        );
    }
}

fn write_auth(out: &mut Writer, auth: &Auth) {
    match auth {
        Auth::None => {}
        Auth::Basic { username, password } => out.section("basic_auth", |out| {
            out.line("username", text(username));
            if let Some(password) = password {
                out.secret("password", password);
            }
        }),
        Auth::Header { scheme, credentials } => out.section("authorization", |out| {
            out.line("type", text(scheme));
            out.secret("credentials", credentials);
        }),
        Auth::OAuth2(oauth2) => out.section("oauth2", |out| write_oauth2(out, oauth2)),
    }
}

fn write_oauth2(out: &mut Writer, oauth2: &OAuth2) {
    out.line("client_id", text(&oauth2.client_id));
    out.secret("client_secret", &oauth2.client_secret);
    out.line("token_url", text(&masked_query(&oauth2.token_url)));
    let scopes: Vec<String> = oauth2.scopes.iter().map(|scope| quoted(scope)).collect();
    out.line("scopes", format!("[{}]", scopes.join(", ")));
    if !oauth2.params.is_empty() {
        out.section("endpoint_params", |out| {
            for (name, _) in &oauth2.params {
                out.line(&text(name), Secret::MASK);
            }
        });
    }
    write_way(out, &oauth2.tls, oauth2.proxy.as_ref());
}

struct Writer {
    text: String,
    depth: usize,
}

impl Writer {
    fn line(&mut self, key: &str, value: impl Display) {
        let _ = writeln!(self.text, "{:1$}{key}: {value}", "", self.depth * 2);
    }

    fn section(&mut self, key: &str, body: impl FnOnce(&mut Self)) {
        let _ = writeln!(self.text, "{:1$}{key}:", "", self.depth * 2);
        self.depth += 1;
        body(self);
        self.depth -= 1;
    }

    fn secret(&mut self, key: &str, source: &SecretSource) {
        match source {
            SecretSource::Inline(_) => self.line(key, Secret::MASK),
            SecretSource::File(file) => self.line(&format!("{key}_file"), path(file)),
        }
    }
}

/// Text as a YAML scalar: in quotes unless it is sure to be read as it is. A JSON string is a YAML one.
fn text(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"/._-".contains(&b);
    let begins_as_text = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/');
    let is_address = text.parse::<SocketAddrV4>().is_ok();
    let is_word = matches!(
        text.to_ascii_lowercase().as_str(),
        "null" | "true" | "false" | "yes" | "no" | "on" | "off" | "y" | "n"
    );
    let is_url = text.split_once("://").is_some_and(|(_, rest)| rest.bytes().all(|b| plain(b) || b == b':'))
        && !text.ends_with(':');
    if is_address || begins_as_text && !is_word && (text.bytes().all(plain) || is_url) {
        return text.to_owned();
    }
    quoted(text)
}

/// A JSON string is a YAML one.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn path(path: &Path) -> String {
    text(&path.display().to_string())
}
