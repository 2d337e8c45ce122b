//! `oauth2`: where a token comes from, in Prometheus' words.

use super::auth::{at_most_one, open, refuse, source};
use super::value::Reader;
use super::yaml::{Node, Value};
use super::{Auth, OAuth2, Secret, raw, transport};

/// Parameters of the request that other keys say, or that are always the same.
const RESERVED_PARAMS: [(&str, &str); 4] = [
    ("grant_type", "it is always client_credentials"),
    ("client_id", "write the key `client_id`"),
    ("client_secret", "write the key `client_secret_file`"),
    ("scope", "write the key `scopes`"),
];

pub(super) fn oauth2(node: Option<Node>, reader: &mut Reader) -> Option<Auth> {
    let (spot, raw) = open::<raw::OAuth2>(node, reader)?;
    report(&raw, reader);
    at_most_one(
        &spot,
        [("client_secret", &raw.client_secret), ("client_secret_file", &raw.client_secret_file)],
        reader,
    );
    let secret = source(reader.secret(raw.client_secret.as_ref()), &raw.client_secret_file, reader);
    if secret.is_none() && raw.client_secret_ref.is_none() && raw.client_certificate_key_file.is_none() {
        reader.problems.error(&spot, "has no secret: write `client_secret_file` or `client_secret`");
    }
    let client_id = reader.secret(raw.client_id.as_ref()).map(|id| id.expose().to_owned());
    if client_id.is_none() {
        reader.problems.error(&spot, "has no `client_id`: write what the token server knows this agent by");
    }
    if raw.token_url.is_none() {
        reader.problems.error(&spot, "has no `token_url`: write where the token server gives tokens out");
    }
    let token_url = transport::url(raw.token_url.as_ref(), reader);
    let scopes = scopes(raw.scopes.as_ref(), reader);
    let params = params(raw.endpoint_params, reader);
    let tls = transport::tls(reader.section(raw.tls_config), reader);
    let proxy = transport::proxy(raw.proxy_url.as_ref(), reader);
    let oauth2 = OAuth2 {
        client_id: client_id?,
        client_secret: secret?,
        token_url: token_url?,
        scopes,
        params,
        tls,
        proxy,
    };
    Some(Auth::OAuth2(Box::new(oauth2)))
}

/// Reports what Prometheus knows here and is not supported.
fn report(raw: &raw::OAuth2, reader: &mut Reader) {
    if let Some(node) = &raw.grant_type
        && reader.text(Some(node)).is_some_and(|(_, text)| text != "client_credentials")
    {
        reader.problems.error(&node.spot, "not supported: only client_credentials is spoken");
    }
    let with_certificate = "the client proves itself with `client_secret_file`";
    for (node, instead) in [
        (&raw.client_secret_ref, "there is no secret manager: write `client_secret_file`"),
        (&raw.client_certificate_key_id, with_certificate),
        (&raw.client_certificate_key, with_certificate),
        (&raw.client_certificate_key_file, with_certificate),
        (&raw.signature_algorithm, with_certificate),
        (&raw.iss, with_certificate),
        (&raw.audience, "write an audience as one of `endpoint_params`"),
        (&raw.claims, with_certificate),
        (&raw.no_proxy, "leave `proxy_url` out where no proxy is needed"),
        (&raw.proxy_connect_header, "a proxy gets only the user and password of `proxy_url`"),
    ] {
        refuse(node.as_ref(), instead, reader);
    }
    if let Some(node) = &raw.proxy_from_environment
        && reader.flag(Some(node)) == Some(true)
    {
        reader.problems.error(&node.spot, "not supported: write the proxy as `proxy_url`");
    }
}

fn scopes(node: Option<&Node>, reader: &mut Reader) -> Vec<String> {
    let Some(node) = node else { return Vec::new() };
    let Value::List(items) = &node.value else {
        let message = format!("expected a list of scopes, found {}", node.value.kind());
        reader.problems.error(&node.spot, message);
        return Vec::new();
    };
    // RFC 6749, 3.3: printable ASCII but for space, quote and backslash.
    let is_scope =
        |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic() && !b"\"\\".contains(&b));
    let mut scopes = Vec::with_capacity(items.len());
    for item in items {
        match reader.text(Some(item)).filter(|(_, text)| is_scope(text)) {
            Some((_, scope)) => scopes.push(scope.to_owned()),
            None => reader.problems.error(&item.spot, "not a scope: write one word an item"),
        }
    }
    scopes
}

/// What else the token server is to be told. Values may be secrets, as in the password of an older server.
fn params(node: Option<Node>, reader: &mut Reader) -> Vec<(String, Secret)> {
    let Some((section, entries)) = transport::entries(node, "name: value", reader) else { return Vec::new() };
    let mut params: Vec<(String, Secret)> = Vec::with_capacity(entries.len());
    for (mut spot, name, value) in entries {
        // Without the name, which may be a secret that went astray.
        spot.key.clone_from(&section.key);
        if let Some((_, why)) = RESERVED_PARAMS.iter().find(|(reserved, _)| *reserved == name) {
            reader.problems.error(&spot, format!("a parameter that is not set here: {why}"));
        } else if params.iter().any(|(other, _)| *other == name) {
            reader.problems.error(&spot, "the same parameter as one before: remove one");
        } else {
            let value = reader.secret(Some(&value)).unwrap_or_else(|| Secret::new(""));
            params.push((name, value));
        }
    }
    params
}
