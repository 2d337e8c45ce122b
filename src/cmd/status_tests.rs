use super::*;
use crate::status::{UpstreamState, sample};
use std::io::{Read, Write};
use std::net::TcpListener;

#[test]
fn an_outage_is_told_with_what_to_do() {
    assert_eq!(
        render(&sample()),
        "\
pmm-buffer 0.1.0, up 1 d 2 h: accepting pushes
  accepted    31,104,000 samples in 18,720 pushes, 3 refused
  queue       /var/lib/pmm-buffer/queue
  disk        100.0 MiB of 1.0 GiB (9 %), 40.0 GiB free on its file system
  memory      48.0 MiB

upstream pmm: down for 1 h 2 min, next attempt in 3.2 s
  address     https://pmm.example.com/victoriametrics/api/v1/write (pmm)
  backlog     1,234,567 samples, 3.0 MiB, the oldest 1 h 2 min old
  sent        29,869,433 samples, 0 rejected, 0 dropped
  last error  cannot connect: connection refused

what to do
  - upstream pmm is down:
    check that https://pmm.example.com/victoriametrics/api/v1/write is reachable from this host and takes \
its credentials; what is accepted meanwhile is kept and sent when it is back
"
    );
}

#[test]
fn refused_credentials_and_a_url_that_stands_in_are_told_with_what_to_check() {
    let mut status = sample();
    let upstream = &mut status.upstreams[0];
    upstream.last_reason = Some("auth".into());
    upstream.urls = vec!["https://one".into(), "https://two".into()];
    (upstream.url, upstream.url_number) = ("https://two".into(), 2);
    let text = render(&status);
    for part in [
        "upstream pmm gets no data: its access is refused:\n    check the credentials of its remote_write entry",
        "what https://two lets them do",
        "upstream pmm is sent to url 2 of 2:\n    check https://one; delivery goes back to it by itself",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[test]
fn a_healthy_agent_has_nothing_to_do() {
    assert_eq!(
        render(&healthy()),
        "\
pmm-buffer 0.1.0, up 1 d 2 h: accepting pushes
  accepted    31,104,000 samples in 18,720 pushes, 3 refused
  queue       /var/lib/pmm-buffer/queue
  disk        100.0 MiB of 1.0 GiB (9 %)

upstream pmm: up
  address     https://pmm.example.com/victoriametrics/api/v1/write (pmm)
  backlog     none
  sent        29,869,433 samples, 0 rejected, 0 dropped
"
    );
}

#[test]
fn everything_wrong_at_once_is_all_told() {
    let mut status = sample();
    status.unavailable = Some("cannot write".into());
    status.queue.disk_bytes = 900 << 20;
    status.disk_free_bytes = Some(1 << 20);
    status.upstreams[0].samples_dropped = 5_000;
    status.upstreams[0].samples_rejected = 7;
    let text = render(&status);
    for part in [
        "NOT ACCEPTING pushes, cannot write",
        "- pushes are answered with 503: cannot write",
        "- upstream pmm refused 7 samples for good",
        "- 5,000 samples for upstream pmm were dropped",
        "- the queue takes 87 % of queue.max_bytes",
        "- the disk has 1.0 MiB free, less than the 124.0 MiB",
    ] {
        assert!(text.contains(part), "{part} is missing in {text}");
    }
}

#[test]
fn what_came_from_elsewhere_cannot_drive_the_terminal() {
    let mut status = sample();
    status.upstreams[0].last_error = Some("\x1b[2J\x07".into());
    let text = render(&status);
    assert!(!text.contains(['\x1b', '\x07']), "{text:?}");
}

#[test]
fn an_agent_is_healthy_while_it_accepts_and_no_upstream_is_down() {
    let mut status = healthy();
    assert!(status.is_healthy());
    status.upstreams[0].state = UpstreamState::Unknown;
    assert!(status.is_healthy(), "not tried yet is no outage");
    status.unavailable = Some("disk full".into());
    assert!(!status.is_healthy());
    assert!(!sample().is_healthy(), "its upstream is down");
}

#[test]
fn the_url_may_be_that_of_the_agent_or_of_its_status() {
    for (url, expected) in [
        ("http://127.0.0.1:9431", "http://127.0.0.1:9431/api/v1/status"),
        ("http://127.0.0.1:9431/", "http://127.0.0.1:9431/api/v1/status"),
        ("http://[::1]:9431/api/v1/status", "http://[::1]:9431/api/v1/status"),
        ("http://host/behind/proxy/", "http://host/behind/proxy/api/v1/status"),
    ] {
        assert_eq!(endpoint(url, PATH).expect(url).to_string(), expected);
    }
    for url in ["127.0.0.1:9431", "https://127.0.0.1:9431", "http://", "", "http://a b"] {
        assert!(endpoint(url, PATH).is_err(), "{url}");
    }
    let error = endpoint("http://user:s3cret@127.0.0.1", PATH).expect_err("no credentials").to_string();
    assert!(!error.contains("s3cret"), "{error}");
}

#[test]
fn the_exit_status_tells_healthy_from_not() {
    let (url, served) = serve_once(200, serde_json::to_string(&healthy()).unwrap());
    assert_eq!(exit(&url), ExitCode::SUCCESS);
    assert!(served.join().unwrap().starts_with("GET /api/v1/status HTTP/1.1\r\n"));

    let (url, served) = serve_once(200, serde_json::to_string(&sample()).unwrap());
    assert_eq!(exit(&url), ExitCode::FAILURE);
    served.join().unwrap();
}

#[test]
fn to_be_alive_is_to_answer() {
    let alive = |url: &str| {
        ExitCodeEq(run(&cli::Status { url: url.into(), json: false, alive: true }).expect("reported"))
    };
    let (url, served) = serve_once(200, "OK\n".into());
    assert_eq!(alive(&url), ExitCode::SUCCESS);
    assert!(served.join().unwrap().starts_with("GET /health HTTP/1.1\r\n"));
    let (url, served) = serve_once(200, "OK\n".into());
    assert_eq!(alive(&format!("{url}{PATH}")), ExitCode::SUCCESS);
    assert!(served.join().unwrap().starts_with("GET /health HTTP/1.1\r\n"));
    let (url, served) = serve_once(404, "no such path".into());
    assert_eq!(alive(&url), ExitCode::FAILURE);
    served.join().unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert_eq!(alive(&format!("http://{free}")), ExitCode::FAILURE, "nobody listens");
}

#[test]
fn who_does_not_answer_with_a_status_is_a_failure() {
    for (code, body) in [(404, "no such path"), (200, "<html>"), (200, "{}")] {
        let (url, served) = serve_once(code, body.into());
        assert_eq!(exit(&url), ExitCode::FAILURE, "{code} {body}");
        served.join().unwrap();
    }
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert_eq!(exit(&format!("http://{free}")), ExitCode::FAILURE, "nobody listens");
    assert_eq!(exit("nonsense"), ExitCode::FAILURE);
}

#[test]
fn a_status_of_an_older_agent_is_understood() {
    let mut value = serde_json::to_value(sample()).unwrap();
    let object = value.as_object_mut().unwrap();
    object.remove("resident_bytes");
    object.remove("disk_free_bytes");
    object.insert("a_field_of_the_future".into(), 1.into());
    let status: Status = serde_json::from_value(value).expect("known fields are enough");
    assert_eq!(status, Status { resident_bytes: None, disk_free_bytes: None, ..sample() });
}

fn healthy() -> Status {
    let mut status = sample();
    status.resident_bytes = None;
    status.disk_free_bytes = None;
    let upstream = &mut status.upstreams[0];
    upstream.state = UpstreamState::Up;
    upstream.backlog_records = 0;
    upstream.backlog_samples = 0;
    upstream.backlog_bytes = 0;
    upstream.backlog_seconds = 0.0;
    upstream.last_error = None;
    upstream.outage_seconds = None;
    upstream.retry_in_seconds = None;
    status
}

/// `ExitCode` has no equality of its own; its debug form tells.
#[track_caller]
fn exit(url: &str) -> ExitCodeEq {
    ExitCodeEq(
        run(&cli::Status { url: url.into(), json: false, alive: false }).expect("reported, not returned"),
    )
}

#[derive(Debug)]
struct ExitCodeEq(ExitCode);

impl PartialEq<ExitCode> for ExitCodeEq {
    fn eq(&self, other: &ExitCode) -> bool {
        format!("{:?}", self.0) == format!("{other:?}")
    }
}

/// Answers one request on loopback, and returns its head.
fn serve_once(code: u16, body: String) -> (String, std::thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let url = format!("http://{}", listener.local_addr().unwrap());
    let served = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a client");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).expect("a whole head");
            head.push(byte[0]);
        }
        let answer = format!("HTTP/1.1 {code} X\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        stream.write_all(answer.as_bytes()).expect("the client reads");
        String::from_utf8(head).expect("ASCII")
    });
    (url, served)
}
