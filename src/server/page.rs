//! The status page: one self-contained HTML file. Pure.

use crate::html::escape;
use crate::status::{Status, UpstreamState, UpstreamStatus, human};
use std::fmt::Write;

const STYLE: &str = "\
:root{color-scheme:light dark;--line:#8884;--good:#1a7f37;--bad:#cf222e;--wait:#9a6700}\
body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}\
h1{font-size:1.4rem;margin:0}h2{font-size:1.1rem;margin:2rem 0 .3rem}\
table{border-collapse:collapse;width:100%}\
th,td{text-align:left;vertical-align:top;padding:.25rem .8rem .25rem 0;border-bottom:1px solid var(--line);\
overflow-wrap:anywhere}\
th{font-weight:normal;opacity:.75;width:10rem}\
.good{color:var(--good)}.bad{color:var(--bad)}.wait{color:var(--wait)}\
li{margin:.3rem 0}footer{margin-top:2rem;opacity:.75}";

/// The page for `status`. It loads nothing, and reloads itself every five seconds.
pub(super) fn render(status: &Status) -> String {
    let mut html = String::with_capacity(4096);
    html.push_str("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">");
    html.push_str("<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">");
    html.push_str("<meta http-equiv=\"refresh\" content=\"5\">");
    let _ = write!(html, "<title>pmm-buffer: {}</title><style>{STYLE}</style></head><body>", verdict(status));
    head(&mut html, status);
    problems(&mut html, status);
    agent(&mut html, status);
    for one in &status.upstreams {
        upstream(&mut html, one);
    }
    html.push_str(
        "<footer><a href=\"/api/v1/status\">status as JSON</a> · <a href=\"/metrics\">metrics</a> · \
         <a href=\"/ready\">ready</a></footer></body></html>\n",
    );
    html
}

fn verdict(status: &Status) -> &'static str {
    if status.is_healthy() { "healthy" } else { "needs attention" }
}

fn head(html: &mut String, status: &Status) {
    let class = if status.is_healthy() { "good" } else { "bad" };
    let _ = write!(
        html,
        "<h1>pmm-buffer <span class=\"{class}\">{}</span></h1><p>version {}, up {}</p>",
        verdict(status),
        escape(&status.version),
        human::span(status.uptime_seconds)
    );
}

fn problems(html: &mut String, status: &Status) {
    let problems = status.problems();
    if problems.is_empty() {
        return;
    }
    html.push_str("<h2>What to do</h2><ul>");
    for problem in problems {
        let _ = write!(html, "<li>{}: {}</li>", escape(&problem.what), escape(&problem.to_do));
    }
    html.push_str("</ul>");
}

fn agent(html: &mut String, status: &Status) {
    html.push_str("<h2>Agent</h2><table>");
    match &status.unavailable {
        None => row(html, "pushes", "good", "accepted"),
        Some(why) => row(html, "pushes", "bad", &format!("answered with 503: {why}")),
    }
    row(
        html,
        "taken",
        "",
        &format!(
            "{} samples in {} pushes; {} pushes refused",
            human::count(status.samples_accepted),
            human::count(status.pushes_accepted),
            human::count(status.pushes_refused)
        ),
    );
    let queue = &status.queue;
    row(html, "queue", "", &queue.path);
    row(html, "disk", "", &human::disk(status));
    if let Some(letters) = human::dead_letters(status) {
        row(html, "refused", "", &letters);
    }
    if let Some(memory) = status.resident_bytes {
        row(html, "memory", "", &human::bytes(memory));
    }
    html.push_str("</table>");
}

fn upstream(html: &mut String, upstream: &UpstreamStatus) {
    let _ = write!(html, "<h2>Upstream {}</h2><table>", escape(&upstream.name));
    let class = match upstream.state {
        UpstreamState::Up => "good",
        UpstreamState::Down => "bad",
        UpstreamState::Unknown => "wait",
    };
    row(html, "state", class, &human::upstream_state(upstream));
    row(html, "address", "", &human::address(upstream));
    row(html, "backlog", "", &human::backlog(upstream));
    row(
        html,
        "sent",
        "",
        &format!(
            "{} samples; {} rejected, {} dropped",
            human::count(upstream.samples_sent),
            human::count(upstream.samples_rejected),
            human::count(upstream.samples_dropped)
        ),
    );
    if let Some(error) = &upstream.last_error {
        row(html, "last error", "bad", error);
    }
    html.push_str("</table>");
}

fn row(html: &mut String, name: &str, class: &str, value: &str) {
    let _ = write!(html, "<tr><th>{name}</th><td class=\"{class}\">{}</td></tr>", escape(value));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_told_with_what_to_do() {
        let html = render(&crate::status::sample());
        for part in [
            "needs attention",
            "down for 1 h 2 min, next attempt in 3.2 s",
            "1,234,567 samples, 3.0 MiB, the oldest 1 h 2 min old",
            "cannot connect: connection refused",
            "check that https://pmm.example.com/victoriametrics/api/v1/write is reachable",
            "100.0 MiB of 1.0 GiB (9 %), 40.0 GiB free",
        ] {
            assert!(html.contains(part), "{part} is missing in {html}");
        }
    }

    #[test]
    fn everything_from_outside_is_escaped() {
        let bad = "<script>\"'&\x1b";
        let mut status = crate::status::sample();
        status.unavailable = Some(bad.into());
        status.version = bad.into();
        status.queue.path = bad.into();
        let upstream = &mut status.upstreams[0];
        upstream.name = bad.into();
        upstream.url = bad.into();
        upstream.kind = bad.into();
        upstream.last_error = Some(bad.into());
        let html = render(&status);
        assert!(!html.contains("<script"), "{html}");
        assert!(!html.contains('\x1b'));
        assert!(html.contains("&lt;script&gt;&quot;&#39;&amp;\\u{1b}"));
    }

    #[test]
    fn nothing_is_loaded_from_elsewhere() {
        let html = render(&crate::status::sample());
        for attribute in ["src=", "@import", "url(", "<link", "<script"] {
            assert!(!html.contains(attribute), "{attribute}");
        }
    }
}
