//! From what vmagent was meant to be started with to what is handed over and what it is started with.

use super::hand_over::{Authorization, BasicAuth, OAuth2, TlsConfig};
use super::settings::Settings;
use super::{HandOver, Start, Unclear};
use crate::config;
use hyper::Uri;
use std::collections::BTreeMap;
use std::path::Path;

const URL: &str = "remoteWrite.url";
const INSECURE: &str = "remoteWrite.tlsInsecureSkipVerify";

/// Settings of a URL that are the buffer's from then on; vmagent is left without them.
const HANDED_OVER: [&str; 18] = [
    "remoteWrite.basicAuth.username",
    "remoteWrite.basicAuth.password",
    "remoteWrite.basicAuth.passwordFile",
    "remoteWrite.bearerToken",
    "remoteWrite.bearerTokenFile",
    "remoteWrite.oauth2.clientID",
    "remoteWrite.oauth2.clientSecret",
    "remoteWrite.oauth2.clientSecretFile",
    "remoteWrite.oauth2.tokenUrl",
    "remoteWrite.oauth2.scopes",
    "remoteWrite.oauth2.endpointParams",
    "remoteWrite.headers",
    "remoteWrite.tlsCAFile",
    "remoteWrite.tlsCertFile",
    "remoteWrite.tlsKeyFile",
    "remoteWrite.tlsServerName",
    "remoteWrite.proxyURL",
    INSECURE,
];

/// Settings that change what is sent, and that the buffer has no counterpart for: all that begin so, but for those that are
/// handed over.
const UNSUPPORTED: [&str; 4] = [
    "remoteWrite.oauth2.",
    "remoteWrite.aws.",
    "remoteWrite.basicAuth.usernameFile",
    "remoteWrite.multitenantURL",
];

/// Where PMM Server takes remote write.
const PMM_PATH: &str = "/victoriametrics/api/v1/write";

/// What the shim does. Has no `Debug`: there are secrets in it.
#[derive(Clone, PartialEq, Eq)]
pub struct Plan {
    /// None where vmagent was meant to send to the buffer already.
    pub hand_over: Option<HandOver>,
    /// What vmagent is started with.
    pub start: Start,
}

/// Puts the buffer, which takes remote write at `buffer`, before the URL that vmagent was meant to send to.
///
/// Of several URLs, that of PMM Server is handed over, else the first; vmagent goes on sending to the others itself,
/// with the settings that are theirs.
///
/// # Errors
///
/// Why it cannot be told what vmagent would have done: it is to be started unchanged then.
pub fn plan(start: Start, buffer: &str) -> Result<Plan, Unclear> {
    let unchanged = start.clone();
    let mut settings = Settings::read(start)?;
    let mut urls = settings.items(URL)?;
    if urls.is_empty() {
        return Err(Unclear::NoUrl);
    }
    if urls.iter().any(|url| is_same_listener(url, buffer)) {
        return Ok(Plan { hand_over: None, start: unchanged });
    }
    if let Some(name) = UNSUPPORTED.iter().find(|name| settings.any(name, &HANDED_OVER)) {
        return Err(Unclear::Unsupported(name.trim_end_matches('.').to_owned()));
    }
    let is_pmm = |url: &String| path(url).ends_with(PMM_PATH);
    let at = urls.iter().position(is_pmm).unwrap_or(0);
    let hand_over = hand_over(&settings, &urls[at], at)?;
    config::check_entry(&hand_over.to_json()).map_err(|errors| Unclear::Refused(errors.to_string()))?;
    urls[at] = buffer.to_owned();
    settings.set(URL, &urls);
    for name in HANDED_OVER {
        let rest = rest(&settings.items(name)?, at, urls.len(), if name == INSECURE { "false" } else { "" });
        settings.set(name, &rest);
    }
    Ok(Plan { hand_over: Some(hand_over), start: settings.into_start() })
}

fn path(url: &str) -> &str {
    url.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/')
}

/// Whether a URL is the buffer's own: to hand it over would have the buffer push to itself.
fn is_same_listener(url: &str, buffer: &str) -> bool {
    let listener = |url: &str| {
        let uri: Uri = url.parse().ok()?;
        let host = uri.host()?.trim_matches(['[', ']']).to_ascii_lowercase();
        let is_loopback =
            host == "localhost" || host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback());
        let host = if is_loopback { "localhost".to_owned() } else { host };
        Some((host, uri.port_u16().unwrap_or(80)))
    };
    listener(buffer).is_some_and(|own| listener(url) == Some(own))
}

/// What of a setting stays for the other URLs; nothing where they had none either.
fn rest(items: &[String], at: usize, urls: usize, none: &str) -> Vec<String> {
    let item =
        |index| if index == at { none.to_owned() } else { item(items, index).unwrap_or(none.to_owned()) };
    let rest: Vec<String> = (0..urls).map(item).collect();
    if rest.iter().all(|item| item == none) { Vec::new() } else { rest }
}

/// The item for a URL: by its index, but a single one is for all.
fn item(items: &[String], at: usize) -> Option<String> {
    let item = if let [single] = items { Some(single) } else { items.get(at) };
    item.filter(|item| !item.is_empty()).cloned()
}

/// What was meant for the URL at this index.
fn hand_over(settings: &Settings, url: &str, at: usize) -> Result<HandOver, Unclear> {
    let get = |name: &str| Ok(item(&settings.items(&format!("remoteWrite.{name}"))?, at));
    let file = |name: &str| match get(name)? {
        // vmagent would fetch it.
        Some(file) if file.contains("://") => {
            Err(Unclear::Unsupported(format!("a URL in remoteWrite.{name}")))
        }
        // pmm-agent starts its children in the root folder.
        Some(file) => Ok(Some(Path::new("/").join(file).to_string_lossy().into_owned())),
        None => Ok(None),
    };
    let (url, userinfo) = without_userinfo(url);
    let basic = BasicAuth {
        username: get("basicAuth.username")?.unwrap_or_default(),
        password: get("basicAuth.password")?,
        password_file: file("basicAuth.passwordFile")?,
    };
    let bearer =
        Authorization { credentials: get("bearerToken")?, credentials_file: file("bearerTokenFile")? };
    let has_bearer = bearer != Authorization::default();
    let oauth2 = oauth2(&get, file("oauth2.clientSecretFile")?)?;
    let basic = Some(basic).filter(|basic| *basic != BasicAuth::default());
    let in_url =
        userinfo.filter(|_| basic.is_none() && !has_bearer && oauth2.is_none()).map(in_url).transpose()?;
    Ok(HandOver {
        url,
        basic_auth: basic.or(in_url),
        authorization: Some(bearer).filter(|_| has_bearer),
        oauth2,
        headers: headers(&get("headers")?.unwrap_or_default())?,
        tls_config: TlsConfig {
            ca_file: file("tlsCAFile")?,
            cert_file: file("tlsCertFile")?,
            key_file: file("tlsKeyFile")?,
            server_name: get("tlsServerName")?,
            insecure_skip_verify: switch(get("tlsInsecureSkipVerify")?)?,
        },
        proxy_url: get("proxyURL")?,
    })
}

/// As vmagent, which looks at it only where there is a secret.
fn oauth2(
    get: &impl Fn(&str) -> Result<Option<String>, Unclear>,
    client_secret_file: Option<String>,
) -> Result<Option<OAuth2>, Unclear> {
    let client_secret = get("oauth2.clientSecret")?;
    if client_secret.is_none() && client_secret_file.is_none() {
        return Ok(None);
    }
    let scopes = get("oauth2.scopes")?.unwrap_or_default();
    let params = get("oauth2.endpointParams")?.filter(|params| !params.is_empty());
    let params = params.map(|params| serde_json::from_str(&params)).transpose();
    let unsupported = "remoteWrite.oauth2.endpointParams other than a JSON object of texts";
    Ok(Some(OAuth2 {
        client_id: get("oauth2.clientID")?.unwrap_or_default(),
        client_secret,
        client_secret_file,
        token_url: get("oauth2.tokenUrl")?.unwrap_or_default(),
        scopes: scopes.split(';').filter(|scope| !scope.is_empty()).map(str::to_owned).collect(),
        endpoint_params: params.map_err(|_| Unclear::Unsupported(unsupported.into()))?.unwrap_or_default(),
    }))
}

/// Go's spellings of a truth value.
fn switch(text: Option<String>) -> Result<bool, Unclear> {
    match text.as_deref() {
        None | Some("0" | "f" | "F" | "false" | "FALSE" | "False") => Ok(false),
        Some("1" | "t" | "T" | "true" | "TRUE" | "True") => Ok(true),
        Some(_) => Err(Unclear::Unsupported(format!("neither true nor false in {INSECURE}"))),
    }
}

/// `Name: value^^Name: value`
fn headers(text: &str) -> Result<BTreeMap<String, String>, Unclear> {
    let header = |header: &str| {
        let (name, value) = header.split_once(':')?;
        Some((name.trim().to_owned(), value.trim().to_owned()))
    };
    let headers = text.split("^^").filter(|text| !text.is_empty()).map(header);
    headers
        .collect::<Option<_>>()
        .ok_or_else(|| Unclear::Unsupported("remoteWrite.headers without a colon".into()))
}

/// A URL without the user and password in it, and these.
fn without_userinfo(url: &str) -> (String, Option<&str>) {
    let Some((scheme, rest)) = url.split_once("://") else { return (url.to_owned(), None) };
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    match authority.rsplit_once('@') {
        Some((userinfo, host)) => (format!("{scheme}://{host}{path}"), Some(userinfo)),
        None => (url.to_owned(), None),
    }
}

fn in_url(userinfo: &str) -> Result<BasicAuth, Unclear> {
    let (username, password) = config::userinfo(userinfo)
        .map_err(|wrong| Unclear::Unsupported(format!("a URL in which {wrong}")))?;
    let password = Some(password.expose().to_owned()).filter(|password| !password.is_empty());
    Ok(BasicAuth { username, password, password_file: None })
}
