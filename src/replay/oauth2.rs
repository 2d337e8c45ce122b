//! Tokens of `oauth2`: the client credentials grant (RFC 6749, 4.4). One is kept until shortly before it expires.

use super::client::secret;
use super::dial::{self, DialError, Target};
use super::verdict::{Failure, Outcome};
use crate::config::OAuth2;
use crate::ingest::one_line;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{
    ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue, PROXY_AUTHORIZATION, USER_AGENT,
};
use hyper::{Request, StatusCode};
use std::fmt::Write as _;
use std::time::{Duration, Instant};
use tokio::time::timeout;

/// A token server has this long in all; the request that waits for the token has its own deadline on top.
const TIMEOUT: Duration = Duration::from_secs(10);
/// What is read of its answer.
const MAX_ANSWER_BYTES: usize = 256 * 1024;
/// A token is renewed this long before it expires, or a tenth of its life where that is less: clocks differ, and a request
/// takes its time.
const MARGIN: Duration = Duration::from_secs(30);
/// No token is kept for longer, whatever its server says.
const MAX_LIFE: Duration = Duration::from_secs(366 * 86_400);

/// Why there is no token, in one line without secrets.
#[derive(Debug, thiserror::Error)]
pub(super) enum TokenError {
    /// A file that does not read, or a key that does not parse.
    #[error("{0}")]
    Setup(String),
    #[error("cannot get a token from {url}: {what}")]
    Server { url: String, what: String },
}

impl From<TokenError> for Outcome {
    fn from(error: TokenError) -> Self {
        let failure = if matches!(error, TokenError::Setup(_)) { Failure::Setup } else { Failure::Token };
        Self::Failed { failure, error: one_line(&error.to_string()).into_owned(), is_stale: false }
    }
}

/// Where a client puts its id and secret (RFC 6749, 2.3.1). Every server has to take the first, and some take only the
/// second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Header,
    Body,
}

/// The token in force of one upstream.
#[derive(Default)]
pub(super) struct Tokens {
    token: Option<Token>,
    /// What the server is known to take.
    place: Option<Place>,
}

#[derive(Debug, PartialEq)]
struct Token {
    authorization: HeaderValue,
    /// None for one that does not say when it expires.
    life: Option<Duration>,
    since: Instant,
}

impl Tokens {
    /// The value of `Authorization`; asks the token server where there is none, or not for long.
    pub(super) async fn authorization(&mut self, oauth2: &OAuth2) -> Result<HeaderValue, TokenError> {
        if let Some(token) = self.token.as_ref().filter(|token| token.is_good(Instant::now())) {
            return Ok(token.authorization.clone());
        }
        let token = self.fetch(oauth2).await?;
        let authorization = token.authorization.clone();
        self.token = Some(token);
        Ok(authorization)
    }

    /// The upstream does not accept the token: the next request gets a new one.
    pub(super) fn forget(&mut self) {
        self.token = None;
    }

    async fn fetch(&mut self, oauth2: &OAuth2) -> Result<Token, TokenError> {
        let secret = secret(&oauth2.client_secret).map_err(TokenError::Setup)?;
        let url = oauth2.token_url.split(['?', '#']).next().unwrap_or_default();
        let failed = |what: String| TokenError::Server { url: url.to_owned(), what };
        let places = match self.place {
            Some(known) => vec![known],
            None => vec![Place::Header, Place::Body],
        };
        let mut refused = None;
        for place in places {
            let asking = timeout(TIMEOUT, ask(oauth2, &secret, place));
            let asked =
                asking.await.map_err(|_| failed(format!("no answer within {} s", TIMEOUT.as_secs())))?;
            let (status, body) = asked.map_err(|error| match error {
                DialError::Setup(what) => TokenError::Setup(format!("oauth2: {what}")),
                error => failed(error.to_string()),
            })?;
            let answer = if status.is_success() {
                Token::parse(&body, Instant::now())
            } else {
                Err(describe(status, &body))
            };
            match answer {
                Ok(token) => {
                    self.place = Some(place);
                    return Ok(token);
                }
                Err(what) if matches!(status.as_u16(), 400 | 401) => drop(refused.get_or_insert(what)),
                Err(what) => return Err(failed(what)),
            }
        }
        // A server that was set up anew may want the other place.
        self.place = None;
        Err(failed(refused.unwrap_or_default()))
    }
}

impl Token {
    fn is_good(&self, now: Instant) -> bool {
        self.life.is_none_or(|life| now < self.since + life - MARGIN.min(life / 10))
    }

    /// Reads an answer: RFC 6749, 5.1.
    fn parse(body: &[u8], now: Instant) -> Result<Self, String> {
        let answer: serde_json::Value =
            serde_json::from_slice(body).map_err(|_| "its answer is not JSON: check token_url".to_owned())?;
        let token = answer["access_token"].as_str().filter(|token| !token.is_empty());
        let token = token.ok_or("its answer has no access_token: check token_url")?;
        let scheme = match answer["token_type"].as_str().unwrap_or_default() {
            kind if kind.is_empty() || kind.eq_ignore_ascii_case("bearer") => "Bearer",
            kind if kind.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') => kind,
            _ => return Err("its answer has a token_type that is not one".into()),
        };
        let mut authorization = HeaderValue::from_str(&format!("{scheme} {token}"))
            .map_err(|_| "its token holds characters that no header may have".to_owned())?;
        authorization.set_sensitive(true);
        // Some servers write the number as a string.
        let life = &answer["expires_in"];
        let seconds = life.as_f64().or_else(|| life.as_str()?.parse().ok());
        let life = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        Ok(Self { authorization, life: life.map(|life| life.min(MAX_LIFE)), since: now })
    }
}

/// Asks once. The answer's status and body, or why there is none.
async fn ask(oauth2: &OAuth2, secret: &str, place: Place) -> Result<(StatusCode, Bytes), DialError> {
    let target =
        Target::new(&oauth2.token_url, oauth2.proxy.as_ref(), &oauth2.tls).map_err(|error| match error {
            DialError::Setup(_) => DialError::Setup("its token_url or proxy_url does not parse".into()),
            error => error,
        })?;
    let request = request(&target, oauth2, secret, place)?;
    let broken = |what: String| DialError::Broken { host: target.authority().to_owned(), what };
    let mut connection = target.connect().await?;
    let answer =
        connection.requests.send_request(request).await.map_err(|error| broken(error.to_string()))?;
    let status = answer.status();
    let body = Limited::new(answer.into_body(), MAX_ANSWER_BYTES).collect().await;
    let body = body.map_err(|error| broken(error.to_string()))?;
    Ok((status, body.to_bytes()))
}

fn request(
    target: &Target,
    oauth2: &OAuth2,
    secret: &str,
    place: Place,
) -> Result<Request<Full<Bytes>>, DialError> {
    let mut request = Request::post(target.request_uri())
        .body(Full::new(Bytes::from(form(oauth2, secret, place))))
        .expect("BUG: the parts of a request are valid on their own");
    let headers = request.headers_mut();
    let host = HeaderValue::from_str(target.authority())
        .map_err(|_| DialError::Setup("its token_url names no valid host".into()))?;
    headers.insert(HOST, host);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(USER_AGENT, HeaderValue::from_static(concat!("pmm-buffer/", env!("CARGO_PKG_VERSION"))));
    if place == Place::Header {
        headers.insert(AUTHORIZATION, dial::basic(&encoded(&oauth2.client_id), &encoded(secret)));
    }
    if let Some(authorization) = target.proxy_authorization() {
        headers.insert(PROXY_AUTHORIZATION, authorization.clone());
    }
    Ok(request)
}

fn form(oauth2: &OAuth2, secret: &str, place: Place) -> String {
    let mut form = "grant_type=client_credentials".to_owned();
    let mut add = |name: &str, value: &str| {
        let _ = write!(form, "&{}={}", encoded(name), encoded(value));
    };
    if !oauth2.scopes.is_empty() {
        add("scope", &oauth2.scopes.join(" "));
    }
    if place == Place::Body {
        add("client_id", &oauth2.client_id);
        add("client_secret", secret);
    }
    for (name, value) in &oauth2.params {
        add(name, value.expose());
    }
    form
}

/// application/x-www-form-urlencoded, as the WHATWG URL standard has it.
fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b' ' => out.push('+'),
            b'*' | b'-' | b'.' | b'_' => out.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => out.push(char::from(byte)),
            _ => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}

/// A refusal (RFC 6749, 5.2), and what to do. Of the answer only its error code: the rest could repeat what was sent.
fn describe(status: StatusCode, body: &[u8]) -> String {
    let answer: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let code = answer["error"].as_str().unwrap_or_default();
    let is_code = (1..=64).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    let code = if is_code { code } else { "" };
    let to_do = match (status.as_u16(), code) {
        (_, "invalid_scope") => ": check scopes",
        (_, "unauthorized_client" | "unsupported_grant_type") => {
            ": have it allow this client the grant client_credentials"
        }
        (_, "invalid_client") | (401, _) => {
            ": it does not accept client_id and client_secret, check both; client_secret_file is read for each attempt"
        }
        (400, _) => ": check scopes and endpoint_params",
        (300..=399 | 404 | 405, _) => ": check token_url",
        _ => "",
    };
    let separator = if code.is_empty() { "" } else { " " };
    format!("it answered {}{separator}{code}{to_do}", status.as_u16())
}

#[cfg(test)]
#[path = "oauth2_tests.rs"]
mod tests;
