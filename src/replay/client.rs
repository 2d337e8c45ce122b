//! One request at a time to one upstream, over one connection to each of its URLs.

use super::batch::Packing;
use super::dial::{self, Connection, DialError, Target};
use super::failover;
use super::oauth2::Tokens;
use super::verdict::{Answer, Failure, Outcome};
use crate::config::{Auth, SecretSource, Upstream};
use crate::ingest::one_line;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{
    AUTHORIZATION, CONNECTION, CONTENT_ENCODING, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue,
    LOCATION, PROXY_AUTHORIZATION, RETRY_AFTER, USER_AGENT,
};
use hyper::{Request, Response, Version};
use std::time::{Duration, Instant, SystemTime};
use tokio::time::timeout;

/// What is read of an answer's body; it is only looked at when something is wrong.
const MAX_ANSWER_BYTES: usize = 64 * 1024;
/// What of it is put into an error.
const MAX_TEXT_CHARS: usize = 200;

/// Wall clock, for a Retry-After that is a date.
pub type WallClock = fn() -> SystemTime;

/// See the module's doc.
pub struct Client {
    upstream: Upstream,
    wall: WallClock,
    tokens: Tokens,
    /// By URL. Beside the one in use, there is one only where a probe was answered with a word about the content.
    connections: Vec<Option<Open>>,
}

/// A probe of the first URL has this long in all, as the delivery to the one in use waits for it.
const PROBE_TIMEOUT: Duration = Duration::from_secs(3);

/// A connection, and what its requests have in common.
struct Open {
    connection: Connection,
    target: Target,
    headers: HeaderMap,
    /// When it carried its last answer.
    answered: Option<Instant>,
}

/// A server that ends a connection sooner after an answer, and did not say so in it, may have gone down before it had flushed
/// what that answer was for (VictoriaMetrics: 5 s). One that only ends idle connections waits longer.
const SUDDEN: Duration = Duration::from_secs(6);

impl Client {
    pub fn new(upstream: Upstream, wall: WallClock) -> Self {
        let connections = upstream.urls.iter().map(|_| None).collect();
        Self { upstream, wall, tokens: Tokens::default(), connections }
    }

    /// Sends one body and waits for its answer, within the deadline of the upstream.
    pub async fn send(
        &mut self,
        target: failover::Target,
        body: Vec<u8>,
        packing: Packing,
        attempt: u32,
    ) -> Outcome {
        let failover::Target { url, is_probe } = target;
        let (deadline, name) = match self.upstream.remote_timeout {
            longer if is_probe && longer > PROBE_TIMEOUT => (PROBE_TIMEOUT, "a probe"),
            deadline => (deadline, "remote_timeout"),
        };
        let outcome = match timeout(deadline, self.attempt(url, body, packing, attempt)).await {
            Ok(Ok(answer)) => Outcome::Answered(answer),
            Ok(Err(outcome)) => outcome,
            Err(_) => Outcome::Failed {
                failure: Failure::Timeout,
                error: format!("no answer within {} s ({name})", deadline.as_secs_f32()),
                is_stale: false,
            },
        };
        if matches!(&outcome, Outcome::Answered(answer) if answer.status == 401) {
            self.tokens.forget();
        }
        match &outcome {
            // What was connected to another URL is not needed any more.
            Outcome::Answered(answer) if matches!(answer.status, 200..=299) => {
                self.disconnect(|other| other != url)
            }
            Outcome::Answered(answer) if matches!(answer.status, 400 | 413 | 415 | 422) => {}
            _ => self.disconnect(|failed| failed == url),
        }
        outcome
    }

    /// The next request there dials anew: names, files and credentials are looked up again.
    fn disconnect(&mut self, which: impl Fn(usize) -> bool) {
        let chosen = self.connections.iter_mut().enumerate().filter(|(url, _)| which(*url));
        chosen.for_each(|(_, connection)| *connection = None);
    }

    async fn attempt(
        &mut self,
        url: usize,
        body: Vec<u8>,
        packing: Packing,
        attempt: u32,
    ) -> Result<Answer, Outcome> {
        let token = match &self.upstream.auth {
            Auth::OAuth2(oauth2) => Some(self.tokens.authorization(oauth2).await?),
            _ => None,
        };
        let mut open = self.open(url).await?;
        let is_reused = open.answered.is_some();
        let mut request = open.request(body, packing, attempt);
        if let Some(token) = token {
            request.headers_mut().insert(AUTHORIZATION, token);
        }
        let broken = |error: hyper::Error| Outcome::Failed {
            failure: Failure::Broken,
            error: format!("the connection broke: {}", innermost(&error)),
            is_stale: is_reused,
        };
        let answer = open.connection.requests.send_request(request).await.map_err(broken)?;
        let (answer, can_go_on) = read_answer(answer, (self.wall)()).await;
        if can_go_on {
            open.answered = Some(Instant::now());
            self.connections[url] = Some(open);
        }
        Ok(answer)
    }

    /// The connection that is there, or a new one.
    async fn open(&mut self, url: usize) -> Result<Open, Outcome> {
        if let Some(mut open) = self.connections[url].take() {
            if open.connection.requests.ready().await.is_ok() {
                return Ok(open);
            }
            let ended = open.connection.ended();
            if open.answered.is_some_and(|answered| ended.saturating_duration_since(answered) < SUDDEN) {
                return Err(Outcome::Failed {
                    failure: Failure::Broken,
                    error: "the connection was closed right after an answer".into(),
                    is_stale: true,
                });
            }
        }
        let failed = |error: DialError| Outcome::Failed {
            failure: if matches!(error, DialError::Setup(_)) { Failure::Setup } else { Failure::Connect },
            error: one_line(&error.to_string()).into_owned(),
            is_stale: false,
        };
        let Upstream { urls, proxy, tls, .. } = &self.upstream;
        let target = Target::new(&urls[url], proxy.as_ref(), tls).map_err(failed)?;
        let headers = headers(&self.upstream, &target).map_err(|what| failed(DialError::Setup(what)))?;
        let connection = target.connect().await.map_err(failed)?;
        Ok(Open { connection, target, headers, answered: None })
    }
}

impl Open {
    fn request(&self, body: Vec<u8>, packing: Packing, attempt: u32) -> Request<Full<Bytes>> {
        let mut request = Request::post(self.target.request_uri())
            .body(Full::new(Bytes::from(body)))
            .expect("BUG: the parts of a request are valid on their own");
        let headers = request.headers_mut();
        *headers = self.headers.clone();
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static(packing.as_str()));
        if packing == Packing::Zstd {
            // What vmagent says to a server that is to take zstd.
            headers.insert("x-victoriametrics-remote-write-version", HeaderValue::from_static("1"));
        }
        if attempt > 0 {
            headers.insert("retry-attempt", HeaderValue::from(attempt));
        }
        request
    }
}

/// Headers that all requests of a connection have.
fn headers(upstream: &Upstream, target: &Target) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for (name, value) in &upstream.headers {
        let name = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| format!("header {name} has no valid name"))?;
        let value =
            secret_value(value.expose()).ok_or_else(|| format!("the value of header {name} is not valid"))?;
        headers.append(name, value);
    }
    let host =
        HeaderValue::from_str(target.authority()).map_err(|_| "its url names no valid host".to_owned())?;
    headers.insert(HOST, host);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
    headers.insert(USER_AGENT, HeaderValue::from_static(concat!("pmm-buffer/", env!("CARGO_PKG_VERSION"))));
    headers.insert("x-prometheus-remote-write-version", HeaderValue::from_static("0.1.0"));
    if let Some(authorization) = authorization(&upstream.auth)? {
        headers.insert(AUTHORIZATION, authorization);
    }
    if let Some(authorization) = target.proxy_authorization() {
        headers.insert(PROXY_AUTHORIZATION, authorization.clone());
    }
    Ok(headers)
}

fn authorization(auth: &Auth) -> Result<Option<HeaderValue>, String> {
    match auth {
        // A token changes from request to request.
        Auth::None | Auth::OAuth2(_) => Ok(None),
        Auth::Basic { username, password } => {
            let password = password.as_ref().map(secret).transpose()?.unwrap_or_default();
            Ok(Some(dial::basic(username, &password)))
        }
        Auth::Header { scheme, credentials } => {
            let value = format!("{scheme} {}", secret(credentials)?);
            let value =
                secret_value(&value).ok_or("the credentials hold characters that no header may have")?;
            Ok(Some(value))
        }
    }
}

/// A secret, from its file where it is in one. Line ends around it are not part of it.
pub(super) fn secret(source: &SecretSource) -> Result<String, String> {
    match source {
        SecretSource::Inline(secret) => Ok(secret.expose().to_owned()),
        SecretSource::File(path) => std::fs::read_to_string(path)
            .map(|text| text.trim().to_owned())
            .map_err(|error| format!("cannot read {}: {error}", path.display())),
    }
}

/// A header's value that nothing prints.
fn secret_value(value: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(value).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// The answer, and whether the connection can carry another request.
async fn read_answer(answer: Response<Incoming>, wall: SystemTime) -> (Answer, bool) {
    let (head, body) = answer.into_parts();
    let body = Limited::new(body, MAX_ANSWER_BYTES).collect().await;
    let can_go_on = body.is_ok() && !says_close(head.version, &head.headers);
    let body = body.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let mut text: String = String::from_utf8_lossy(&body).trim().chars().take(MAX_TEXT_CHARS).collect();
    if let Some(location) = head.headers.get(LOCATION).and_then(|location| location.to_str().ok()) {
        // A query may hold a token.
        let location = location.split(['?', '#']).next().unwrap_or_default();
        text = format!("it points to {location}; set url to where the upstream really is");
    }
    let retry_after = head.headers.get(RETRY_AFTER).and_then(|value| retry_after(value.to_str().ok()?, wall));
    let text = one_line(&text).into_owned();
    (Answer { status: head.status.as_u16(), retry_after, text }, can_go_on)
}

/// True where the server ends the connection after this answer: RFC 9112, 9.6.
fn says_close(version: Version, headers: &HeaderMap) -> bool {
    let options = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
    let mut options = options.flat_map(|value| value.split(',')).map(str::trim);
    match version {
        Version::HTTP_11 => options.any(|option| option.eq_ignore_ascii_case("close")),
        _ => !options.any(|option| option.eq_ignore_ascii_case("keep-alive")),
    }
}

/// Retry-After in seconds or as a date: RFC 9110, 10.2.3. A date that has passed asks for no wait.
fn retry_after(value: &str, wall: SystemTime) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(wall).unwrap_or_default())
}

/// What went wrong at the bottom: "connection reset by peer" says more than "error sending request".
fn innermost(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_read_in_both_forms() {
        let wall = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        assert_eq!(retry_after(" 120 ", wall), Some(Duration::from_secs(120)));
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:50:07 GMT", wall), Some(Duration::from_secs(30)));
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:49:00 GMT", wall), Some(Duration::ZERO));
        assert_eq!(retry_after("soon", wall), None);
        assert_eq!(retry_after("-1", wall), None);
    }

    #[test]
    fn a_server_says_that_it_ends_the_connection() {
        let says = |version, value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(CONNECTION, value.parse().unwrap());
            says_close(version, &headers)
        };
        assert!(says(Version::HTTP_11, "upgrade, Close") && !says(Version::HTTP_11, "keep-alive"));
        assert!(says(Version::HTTP_10, "x") && !says(Version::HTTP_10, "Keep-Alive"));
        assert!(!says_close(Version::HTTP_11, &HeaderMap::new()));
    }

    #[test]
    fn credentials_are_marked_as_secret() {
        let auth = Auth::Header {
            scheme: "Bearer".into(),
            credentials: SecretSource::Inline(crate::config::Secret::new("hunter2")),
        };
        let value = authorization(&auth).unwrap().unwrap();
        assert_eq!(value.as_bytes(), b"Bearer hunter2");
        assert!(!format!("{value:?}").contains("hunter2"));
        assert!(!format!("{:?}", dial::basic("user", "hunter2")).contains("dXNlcjpodW50ZXIy"));
    }
}
