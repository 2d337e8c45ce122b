//! `pmm-buffer status`: the state of a running agent, for a person or (`--json`) for a program.
//!
//! Exit status: 0 while pushes are accepted and no upstream is down; 1 when the agent cannot be reached,
//! does not accept pushes, or an upstream is down. With `--alive`: 0 where the agent answers.

use crate::cli;
use crate::status::{Status, UpstreamStatus, human};
use anyhow::{Context, bail, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::header::HOST;
use hyper::{Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;
use tokio::net::TcpStream;

const PATH: &str = "/api/v1/status";

/// Where the agent says that it lives.
const ALIVE_PATH: &str = "/health";

/// The agent answers from memory: what takes longer will not come.
const PATIENCE: Duration = Duration::from_secs(5);

/// Far beyond a status of a thousand upstreams; bounds what a wrong URL can make this hold.
const MAX_ANSWER_BYTES: usize = 4 << 20;

/// Fetches and prints the status.
pub fn run(args: &cli::Status) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let path = if args.alive { ALIVE_PATH } else { PATH };
    let fetched = runtime.block_on(async {
        tokio::time::timeout(PATIENCE, fetch(&args.url, path)).await.unwrap_or_else(|_| {
            Err(anyhow::anyhow!("no answer from {} within {} s", args.url, PATIENCE.as_secs()))
        })
    });
    let seen = fetched.and_then(|body| if args.alive { Ok(Seen::Alive) } else { read(&args.url, body) });
    let (body, status) = match seen {
        Ok(Seen::Alive) => {
            let _ = writeln!(std::io::stdout(), "alive");
            return Ok(ExitCode::SUCCESS);
        }
        Ok(Seen::Status(body, status)) => (body, status),
        Err(error) => {
            eprintln!("error: {}", human::printable(&format!("{error:#}")));
            eprintln!(
                "is pmm-buffer running, and is this its address? see `systemctl status pmm-buffer`, its log, \
                 and `listen` in its configuration; another address is given with --url"
            );
            return Ok(ExitCode::FAILURE);
        }
    };
    let text = if args.json { body } else { render(&status) };
    // A reader that has seen enough (`| head`) is no failure.
    let _ = std::io::stdout().write_all(text.as_bytes());
    Ok(if status.is_healthy() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What was found.
enum Seen {
    Alive,
    /// As it came, and as it is understood.
    Status(String, Box<Status>),
}

/// Where `wanted` of the agent at `url` is, which may be that of its status.
fn endpoint(url: &str, wanted: &str) -> anyhow::Result<Uri> {
    let uri: Uri = url.parse().with_context(|| format!("{url} is not a URL"))?;
    ensure!(
        uri.scheme_str() == Some("http") && uri.host().is_some(),
        "{url} is not the URL of an agent: it begins with http://, as in http://127.0.0.1:9431"
    );
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    ensure!(!authority.contains('@'), "the URL of an agent has no user and no password in it");
    let path = uri.path().trim_end_matches('/');
    let path = path.strip_suffix(PATH).unwrap_or(path);
    format!("http://{authority}{path}{wanted}").parse().with_context(|| format!("{url} is not a URL"))
}

/// What the agent at `url` serves there.
async fn fetch(url: &str, wanted: &str) -> anyhow::Result<String> {
    let uri = endpoint(url, wanted)?;
    let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    let stream = TcpStream::connect((host, uri.port_u16().unwrap_or(80)))
        .await
        .with_context(|| format!("cannot reach {url}"))?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let request = Request::get(uri.path())
        .header(HOST, uri.authority().map_or("", |authority| authority.as_str()))
        .body(Empty::<Bytes>::new())?;
    let answer = sender.send_request(request).await.with_context(|| format!("no answer from {url}"))?;
    if answer.status() != StatusCode::OK {
        bail!(
            "{url} answers {}: it is not the listener of pmm-buffer, or one of another version",
            answer.status()
        );
    }
    let body = Limited::new(answer.into_body(), MAX_ANSWER_BYTES).collect().await;
    let body = body.map_err(|error| anyhow::anyhow!("{url} broke off its answer: {error}"))?.to_bytes();
    String::from_utf8(body.to_vec()).with_context(|| format!("{url} does not answer with text"))
}

fn read(url: &str, body: String) -> anyhow::Result<Seen> {
    let status = serde_json::from_str(&body)
        .with_context(|| format!("{url} does not answer with a status of pmm-buffer"))?;
    Ok(Seen::Status(body, status))
}

/// The status as text, in aligned lines.
fn render(status: &Status) -> String {
    let mut out = String::with_capacity(1024);
    let _ = writeln!(
        out,
        "pmm-buffer {}, up {}: {}",
        status.version,
        human::span(status.uptime_seconds),
        match &status.unavailable {
            None => "accepting pushes".to_owned(),
            Some(why) => format!("NOT ACCEPTING pushes, {why}"),
        }
    );
    line(
        &mut out,
        "accepted",
        &format!(
            "{} samples in {} pushes, {} refused",
            human::count(status.samples_accepted),
            human::count(status.pushes_accepted),
            human::count(status.pushes_refused)
        ),
    );
    queue(&mut out, status);
    for upstream in &status.upstreams {
        render_upstream(&mut out, upstream);
    }
    let problems = status.problems();
    if !problems.is_empty() {
        out.push_str("\nwhat to do\n");
    }
    for problem in problems {
        let _ = writeln!(out, "  - {}:\n    {}", problem.what, problem.to_do);
    }
    // The lines are ours, what stands in them came from elsewhere.
    out.lines().fold(String::with_capacity(out.len()), |safe, line| safe + &human::printable(line) + "\n")
}

fn queue(out: &mut String, status: &Status) {
    let queue = &status.queue;
    line(out, "queue", &queue.path);
    line(out, "disk", &human::disk(status));
    if let Some(letters) = human::dead_letters(status) {
        line(out, "refused", &letters);
    }
    if let Some(memory) = status.resident_bytes {
        line(out, "memory", &human::bytes(memory));
    }
}

fn render_upstream(out: &mut String, upstream: &UpstreamStatus) {
    let _ = writeln!(out, "\nupstream {}: {}", upstream.name, human::upstream_state(upstream));
    line(out, "address", &human::address(upstream));
    line(out, "backlog", &human::backlog(upstream));
    line(
        out,
        "sent",
        &format!(
            "{} samples, {} rejected, {} dropped",
            human::count(upstream.samples_sent),
            human::count(upstream.samples_rejected),
            human::count(upstream.samples_dropped)
        ),
    );
    if let Some(error) = &upstream.last_error {
        line(out, "last error", error);
    }
}

fn line(out: &mut String, name: &str, value: &str) {
    let _ = writeln!(out, "  {name:<11} {value}");
}

#[cfg(test)]
#[path = "status_tests.rs"]
mod tests;
