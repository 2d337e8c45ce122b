//! Paths, and who answers them.

use super::answer::{self, Answer};
use super::refused::Refused;
use super::{Append, State, page, push};
use crate::ingest::remote_write::Message;
use crate::model::Counts;
use crate::telemetry::metrics;
use hyper::body::{Body, Incoming};
use hyper::header::{ALLOW, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, RETRY_AFTER};
use hyper::{Method, Request, StatusCode};
use std::net::SocketAddr;
use std::sync::Arc;

/// Where a push is taken, and so what it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PushRoute {
    Write,
    Push,
    Import,
    Csv,
    Native,
    Exposition,
    /// As [`Self::Exposition`], with labels in the path.
    Pushgateway,
}

impl PushRoute {
    const ALL: [Self; 7] =
        [Self::Write, Self::Push, Self::Import, Self::Csv, Self::Native, Self::Exposition, Self::Pushgateway];

    /// The path without its prefix, and the value of the label `route`.
    pub(super) fn path(self) -> &'static str {
        match self {
            Self::Write => "/api/v1/write",
            Self::Push => "/api/v1/push",
            Self::Import => "/api/v1/import",
            Self::Csv => "/api/v1/import/csv",
            Self::Native => "/api/v1/import/native",
            Self::Exposition => "/api/v1/import/prometheus",
            Self::Pushgateway => "/api/v1/import/prometheus/metrics/job",
        }
    }

    fn takes_remote_write(self) -> bool {
        matches!(self, Self::Write | Self::Push)
    }

    /// Clients of the Pushgateway send PUT to replace a group; to a buffer that is a push like any other.
    fn methods(self) -> &'static str {
        match self {
            Self::Pushgateway => "POST, PUT",
            _ => "POST",
        }
    }

    /// The answer to a push that was taken. VictoriaMetrics' to one for the Pushgateway is that one's: 200.
    fn success(self) -> Answer {
        match self {
            Self::Pushgateway => answer::with_type(StatusCode::OK, "text/plain; charset=utf-8", ""),
            _ => answer::no_content(),
        }
    }
}

/// What the push routes may stand under: the paths of VictoriaMetrics, and of PMM Server in front of it.
const PREFIXES: [&str; 2] = ["/prometheus", "/victoriametrics"];

/// For messages: the push routes, in words.
pub(super) fn push_paths() -> String {
    let paths = PushRoute::ALL.map(PushRoute::path).join(", ");
    format!("{paths}, also under {}", PREFIXES.join(" and "))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    Push(PushRoute),
    Metrics,
    Health,
    Ready,
    Status,
    Home,
}

fn find(path: &str) -> Option<Target> {
    match path {
        "/" => return Some(Target::Home),
        "/metrics" => return Some(Target::Metrics),
        "/health" => return Some(Target::Health),
        "/ready" => return Some(Target::Ready),
        "/api/v1/status" => return Some(Target::Status),
        _ => {}
    }
    let is_group = |group: &str| group.starts_with("job/") || group.starts_with("job@base64/");
    if group(path).is_some_and(is_group) {
        return Some(Target::Push(PushRoute::Pushgateway));
    }
    let exact = PushRoute::ALL.into_iter().filter(|route| *route != PushRoute::Pushgateway);
    exact.into_iter().find(|route| route.path() == bare(path)).map(Target::Push)
}

fn bare(path: &str) -> &str {
    PREFIXES.iter().find_map(|prefix| path.strip_prefix(prefix)).unwrap_or(path)
}

/// The labels in a path of the Pushgateway's form, as they stand there.
pub(super) fn group(path: &str) -> Option<&str> {
    bare(path).strip_prefix(PushRoute::Exposition.path())?.strip_prefix("/metrics/")
}

/// Answers one request.
pub(super) async fn answer<A: Append>(
    state: &Arc<State<A>>,
    peer: SocketAddr,
    request: Request<Incoming>,
) -> Answer {
    match find(request.uri().path()) {
        Some(Target::Push(route)) => push_route(state, peer, route, request).await,
        Some(target) => {
            let has_body = !request.body().is_end_stream();
            let answer = match *request.method() {
                Method::GET | Method::HEAD => page(state, target),
                _ => answer::header(
                    answer::line(StatusCode::METHOD_NOT_ALLOWED, "this page is read with GET"),
                    ALLOW,
                    "GET, HEAD",
                ),
            };
            if has_body { answer::closing(answer) } else { answer }
        }
        None => unknown(state, peer, &request),
    }
}

async fn push_route<A: Append>(
    state: &Arc<State<A>>,
    peer: SocketAddr,
    route: PushRoute,
    request: Request<Incoming>,
) -> Answer {
    if route.takes_remote_write() && is_handshake(request.uri().query()) {
        let answer = answer::with_type(StatusCode::OK, "text/plain; charset=utf-8", "1");
        return if request.body().is_end_stream() { answer } else { answer::closing(answer) };
    }
    let path = request.uri().path().to_owned();
    if !route.methods().split(", ").any(|method| request.method() == method) {
        return state.refuse(&Refused::Method { allow: route.methods() }, &path, peer);
    }
    let content_type = request.headers().get(CONTENT_TYPE).map(|value| value.as_bytes());
    let is_v2 = route.takes_remote_write() && Message::of(content_type) == Ok(Message::V2);
    let taken = push::take(state, peer, route, request).await;
    let written = taken.as_ref().copied().unwrap_or_default();
    let answer = match taken {
        Ok(_) => route.success(),
        Err(refused) => state.refuse(&refused, &path, peer),
    };
    if is_v2 { with_written(answer, written) } else { answer }
}

/// Says what was written, as remote write 2.0 wants it said of successes and of failures.
fn with_written(answer: Answer, written: Counts) -> Answer {
    let headers = [
        (HeaderName::from_static("x-prometheus-remote-write-samples-written"), written.samples),
        (HeaderName::from_static("x-prometheus-remote-write-histograms-written"), written.histograms),
        (HeaderName::from_static("x-prometheus-remote-write-exemplars-written"), written.exemplars),
    ];
    headers.into_iter().fold(answer, |answer, (name, count)| answer::header(answer, name, &count.to_string()))
}

/// VictoriaMetrics' question whether zstd is understood (lib/protoparser/protoparserutil).
fn is_handshake(query: Option<&str>) -> bool {
    query.is_some_and(|query| query.split('&').any(|pair| pair == "get_vm_proto_version=1"))
}

fn unknown<A: Append>(state: &Arc<State<A>>, peer: SocketAddr, request: &Request<Incoming>) -> Answer {
    if request.method() == Method::GET || request.method() == Method::HEAD {
        // No push, so none is counted as refused.
        let text = format!(
            "no such path; there are /, /metrics, /health, /ready, /api/v1/status, and for pushes {}",
            push_paths()
        );
        return answer::line(StatusCode::NOT_FOUND, &text);
    }
    state.refuse(&Refused::UnknownPath, request.uri().path(), peer)
}

fn page<A: Append>(state: &Arc<State<A>>, target: Target) -> Answer {
    match target {
        Target::Push(_) => unreachable!("BUG: push routes are answered elsewhere"),
        Target::Metrics => answer::with_type(StatusCode::OK, metrics::CONTENT_TYPE, state.metrics_page()),
        Target::Health => answer::line(StatusCode::OK, "OK"),
        Target::Ready => match state.unavailable() {
            None => answer::line(StatusCode::OK, "OK"),
            Some(why) => {
                let text = format!("not accepting pushes: {}", crate::ingest::one_line(&why));
                let answer = answer::line(StatusCode::SERVICE_UNAVAILABLE, &text);
                answer::header(answer, RETRY_AFTER, "5")
            }
        },
        Target::Status => {
            let mut json = serde_json::to_vec_pretty(&state.status()).expect("BUG: a status is plain data");
            json.push(b'\n');
            answer::with_type(StatusCode::OK, "application/json", json)
        }
        Target::Home => {
            let html = page::render(&state.status());
            let answer = answer::with_type(StatusCode::OK, "text/html; charset=utf-8", html);
            // Nothing but the style in the page itself: what slips through the escaping stays inert.
            let policy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";
            answer::header(answer, CONTENT_SECURITY_POLICY, policy)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn push_routes_stand_alone_and_under_each_prefix() {
        for prefix in ["", "/prometheus", "/victoriametrics"] {
            for route in PushRoute::ALL {
                let group = if route == PushRoute::Pushgateway { "/a/instance/b" } else { "" };
                let path = format!("{prefix}{}{group}", route.path());
                assert_eq!(find(&path), Some(Target::Push(route)), "{path}");
            }
            let path = format!("{prefix}/api/v1/import/prometheus/metrics/job@base64/YQ/a/b");
            assert_eq!(find(&path), Some(Target::Push(PushRoute::Pushgateway)));
            assert_eq!(group(&path), Some("job@base64/YQ/a/b"));
        }
    }

    #[test]
    fn nothing_else_is_a_push_route() {
        for path in [
            "/api/v1/write/",
            "/API/v1/write",
            "/prometheus",
            "/prometheus/victoriametrics/api/v1/write",
            "/prometheus/metrics",
            "/api/v1/import/",
            "/api/v1/import/prometheus/",
            "/api/v1/import/prometheus/metrics",
            "/api/v1/import/prometheus/metrics/job",
            "/api/v1/import/prometheus/metrics/instance/a",
            "",
            "*",
        ] {
            assert_eq!(find(path), None, "{path}");
        }
    }

    #[test]
    fn the_labels_of_the_metric_are_the_routes() {
        assert_eq!(PushRoute::ALL.map(PushRoute::path).as_slice(), metrics::PUSH_ROUTES);
    }

    #[test]
    fn the_handshake_is_asked_by_a_whole_query_argument() {
        assert!(is_handshake(Some("get_vm_proto_version=1")));
        assert!(is_handshake(Some("a=b&get_vm_proto_version=1")));
        assert!(!is_handshake(Some("get_vm_proto_version=12")));
        assert!(!is_handshake(Some("xget_vm_proto_version=1")));
        assert!(!is_handshake(None));
    }
}
