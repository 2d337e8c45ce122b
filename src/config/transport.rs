//! The way to an upstream: URL, headers, TLS, proxy.

use super::problem::Spot;
use super::raw;
use super::value::Reader;
use super::yaml::{Node, Value};
use super::{Proxy, Secret, Tls, auth};
use hyper::Uri;
use hyper::header::HeaderName;
use rustls::pki_types::ServerName;

/// Headers that belong to the protocol, to the connection, or to another key of the configuration. Those that
/// Prometheus reserves, and hop-by-hop ones, which would break the framing.
const RESERVED_HEADERS: [&str; 21] = [
    "host",
    "content-encoding",
    "content-length",
    "content-type",
    "user-agent",
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-connection",
    "www-authenticate",
    "accept-encoding",
    "transfer-encoding",
    "te",
    "trailer",
    "upgrade",
    "expect",
    "x-prometheus-remote-write-version",
    "x-prometheus-remote-read-version",
    "x-amz-date",
    "x-amz-security-token",
    "x-amz-content-sha256",
];

/// The URL to send to. It may hold a password by mistake, so that messages never repeat it.
pub(super) fn url(node: Option<&Node>, reader: &mut Reader) -> Option<String> {
    let (spot, text) = reader.text(node)?;
    let wrong = match absolute(text) {
        // hyper would leave it out without a word.
        _ if text.contains('#') => "has a fragment (`#`), which is never sent: remove it, or write %23",
        None => "not an absolute URL: write one such as https://pmm.example.com/victoriametrics/api/v1/write",
        Some(uri) if !matches!(uri.scheme_str(), Some("http" | "https")) => {
            "neither http nor https: write one of them"
        }
        Some(uri) if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) => {
            "has a user or a password in it, and URLs are logged and shown: write `basic_auth` with \
             `username` and `password_file`"
        }
        Some(_) => return Some(text.to_owned()),
    };
    reader.problems.error(spot, wrong);
    None
}

/// A URL with a scheme, a host and, if any, a port that there can be.
fn absolute(text: &str) -> Option<Uri> {
    let uri: Uri = text.parse().ok()?;
    let authority = uri.authority()?;
    let host_and_port = authority.as_str().rsplit('@').next()?;
    let has_port = host_and_port.len() > authority.host().len();
    let is_port_right = !has_port || authority.port_u16().is_some_and(|port| port > 0);
    (uri.scheme().is_some() && !authority.host().is_empty() && is_port_right).then_some(uri)
}

/// Extra headers, in the order of the file.
pub(super) fn headers(node: Option<Node>, reader: &mut Reader) -> Vec<(String, Secret)> {
    let Some((section, entries)) = entries(node, "Name: value", reader) else { return Vec::new() };
    let mut headers: Vec<(String, Secret)> = Vec::with_capacity(entries.len());
    for (key, name, value) in entries {
        let wrong = if headers.iter().any(|(other, _)| other.eq_ignore_ascii_case(&name)) {
            Some("the same header as one before: remove one".to_owned())
        } else if matches!(value.value, Value::Null) {
            Some("a header without a value: write `Name: value`".to_owned())
        } else {
            wrong_name(&name)
        };
        if let Some(wrong) = wrong {
            // Without the name: it may be a secret that went astray.
            reader.problems.error(&Spot { place: key.place, key: section.key.clone() }, wrong);
        } else {
            let value = reader.header_secret(Some(&value)).unwrap_or_else(|| Secret::new(""));
            headers.push((name, value));
        }
    }
    headers
}

/// A key of a section, where it stands, and its value.
pub(super) type Entry = (Spot, String, Node);

/// What stands in a section whose keys are the user's own, and where that section is. `form` is that of an entry.
pub(super) fn entries(node: Option<Node>, form: &str, reader: &mut Reader) -> Option<(Spot, Vec<Entry>)> {
    let node = node?;
    match node.value {
        Value::Map(entries) => Some((node.spot, entries)),
        other => {
            let message = format!("expected a section of `{form}`, found {}", other.kind());
            reader.problems.error(&node.spot, message);
            None
        }
    }
}

fn wrong_name(name: &str) -> Option<String> {
    let lower = name.to_ascii_lowercase();
    match lower.as_str() {
        "authorization" => {
            Some("Authorization is not set here: write `authorization` or `basic_auth`".into())
        }
        "proxy-authorization" => {
            Some("Proxy-Authorization is not set here: write the user and password in `proxy_url`".into())
        }
        _ if RESERVED_HEADERS.contains(&lower.as_str()) => {
            Some(format!("{name} is set by the protocol and cannot be changed: remove it"))
        }
        _ if HeaderName::from_bytes(name.as_bytes()).is_err() => {
            Some("not the name of a header: write `Name: value`".into())
        }
        _ => None,
    }
}

/// `proxy_url`, whose userinfo becomes the proxy's credentials. Messages never repeat it.
pub(super) fn proxy(node: Option<&Node>, reader: &mut Reader) -> Option<Proxy> {
    let (spot, text) = reader.text(node)?;
    if text.is_empty() {
        return None;
    }
    match proxy_of(text) {
        Ok(proxy) => Some(proxy),
        Err(wrong) => {
            reader.problems.error(spot, wrong);
            None
        }
    }
}

fn proxy_of(text: &str) -> Result<Proxy, &'static str> {
    let uri = absolute(text).ok_or("not an absolute URL: write http://host:port")?;
    if uri.scheme_str() != Some("http") {
        return Err("only a proxy that is spoken to with http is supported: write http://host:port");
    }
    if uri.path_and_query().is_some_and(|path| path.as_str() != "/") {
        return Err("the URL of a proxy has no path: write http://host:port");
    }
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    let (userinfo, host) = match authority.rsplit_once('@') {
        Some((userinfo, host)) => (Some(userinfo), host),
        None => (None, authority),
    };
    Ok(Proxy { url: format!("http://{host}"), basic: userinfo.map(self::userinfo).transpose()? })
}

/// User and password of a URL's userinfo.
///
/// # Errors
///
/// What is wrong with it, without a word of it.
pub fn userinfo(userinfo: &str) -> Result<(String, Secret), &'static str> {
    let (username, password) = userinfo.split_once(':').unwrap_or((userinfo, ""));
    let decode = |text| {
        percent_decoded(text).ok_or("the user or password has a wrong %-escape, or a control character")
    };
    Ok((decode(username)?, Secret::new(decode(password)?)))
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let [high, low, tail @ ..] = rest else { return None };
        let digit = |byte: u8| char::from(byte).to_digit(16);
        bytes.push(u8::try_from(digit(*high)? * 16 + digit(*low)?).ok()?);
        rest = tail;
    }
    String::from_utf8(bytes).ok().filter(|text| !text.contains(char::is_control))
}

/// `tls_config`.
pub(super) fn tls(raw: raw::TlsConfig, reader: &mut Reader) -> Tls {
    for (node, instead) in [
        (&raw.ca, "write it to a file, and the file's path as `ca_file`"),
        (&raw.cert, "write it to a file, and the file's path as `cert_file`"),
        (&raw.key, "write it to a file, and the file's path as `key_file`"),
        (&raw.ca_ref, "there is no secret manager: write `ca_file`"),
        (&raw.cert_ref, "there is no secret manager: write `cert_file`"),
        (&raw.key_ref, "there is no secret manager: write `key_file`"),
    ] {
        auth::refuse(node.as_ref(), instead, reader);
    }
    versions(&raw, reader);
    for (given, missing, name) in
        [(&raw.cert_file, &raw.key_file, "key_file"), (&raw.key_file, &raw.cert_file, "cert_file")]
    {
        if let (Some(node), None) = (given, missing) {
            reader
                .problems
                .error(&node.spot, format!("has no `{name}` beside it: a client certificate needs both"));
        }
    }
    let insecure_skip_verify = reader.flag(raw.insecure_skip_verify.as_ref()).unwrap_or(false);
    if let Some(node) = raw.insecure_skip_verify.as_ref().filter(|_| insecure_skip_verify) {
        reader.problems.warn(
            &node.spot,
            "any certificate is taken: whoever is in between can read everything and answer; `ca_file` is \
             the safe way",
        );
    }
    Tls {
        ca_file: reader.file(raw.ca_file.as_ref()),
        cert_file: reader.file(raw.cert_file.as_ref()),
        key_file: reader.file(raw.key_file.as_ref()),
        server_name: server_name(raw.server_name.as_ref(), reader),
        insecure_skip_verify,
    }
}

/// An empty one is none, as in Prometheus.
fn server_name(node: Option<&Node>, reader: &mut Reader) -> Option<String> {
    let name = reader.parsed(node, |text| match ServerName::try_from(text) {
        Err(_) if !text.is_empty() => Err("is not a host name or an address: write only that".into()),
        _ => Ok(text.to_owned()),
    });
    name.filter(|name| !name.is_empty())
}

/// TLS 1.2 and 1.3 are spoken, whichever the upstream prefers.
fn versions(raw: &raw::TlsConfig, reader: &mut Reader) {
    const WORDS: [(&str, u8); 4] = [("TLS10", 10), ("TLS11", 11), ("TLS12", 12), ("TLS13", 13)];
    let min = reader.word(raw.min_version.as_ref(), &WORDS);
    let max = reader.word(raw.max_version.as_ref(), &WORDS);
    if let Some(node) = &raw.min_version {
        match min {
            Some(10 | 11) => {
                reader.problems.warn(&node.spot, "ignored: TLS 1.2 is the oldest that is spoken")
            }
            // To ignore it would be weaker than what was asked for.
            Some(13) => reader.problems.error(
                &node.spot,
                "not supported: TLS 1.2 and later is spoken; have the upstream refuse 1.2",
            ),
            _ => {}
        }
    }
    if let (Some(node), Some(10..=12)) = (&raw.max_version, max) {
        reader.problems.warn(&node.spot, "ignored: TLS 1.3 is spoken with an upstream that can");
    }
}
