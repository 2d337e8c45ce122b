//! The other commands, as a script calls them: what they print, where, and their exit status.

use crate::stage::{SERIES, Stage, binary, upstream_status};
use pmm_buffer::harness::wait::until_async;
use pmm_buffer::status::Status;
use serde_json::Value;
use std::process::{Command, Stdio};

pub struct Ran {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

/// Runs a command with its output in pipes, and holds it to what every command keeps there: text in plain lines.
pub async fn run(args: &[&str]) -> Ran {
    run_with(args, &[]).await
}

/// The same with these variables.
pub async fn run_with(args: &[&str], env: &[(&str, &std::ffi::OsStr)]) -> Ran {
    let mut command = Command::new(binary());
    command.args(args).envs(env.iter().copied()).stdin(Stdio::null());
    // Every command bounds its own time; what it talks to lives on the test's runtime.
    let output = tokio::task::spawn_blocking(move || command.output());
    let output = output.await.expect("no panic").expect("it runs");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    let ran = Ran { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) };
    for text in [&ran.out, &ran.err] {
        let control = text.chars().find(|char| char.is_control() && *char != '\n');
        assert_eq!(control, None, "{args:?} prints a control character:\n{text:?}");
    }
    ran
}

fn file(name: &str) -> String {
    format!("{}/{name}", env!("CARGO_MANIFEST_DIR"))
}

#[tokio::test]
async fn the_sample_configuration_is_good_and_printed_as_it_is_in_force() {
    let ran = run(&["check-config", &file("config/pmm-buffer.yml")]).await;
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
    assert!(ran.out.contains("listen: 127.0.0.1:9431"), "{}", ran.out);
    // What is printed is a configuration again, and the same one.
    let folder = tempfile::tempdir().expect("a temporary folder");
    let copy = folder.path().join("copy.yml");
    std::fs::write(&copy, &ran.out).expect("writable");
    let again = run(&["check-config", &copy.to_string_lossy()]).await;
    assert_eq!((again.code, again.out), (Some(0), ran.out), "{}", again.err);
}

#[tokio::test]
async fn a_bad_configuration_is_told_with_every_error_and_64() {
    let ran = run(&["check-config", &file("tests/config/values.bad.yml")]).await;
    let expected = include_str!("../config/values.bad.txt");
    let expected: Vec<String> =
        expected.lines().map(|line| format!("error: {}{line}", file("tests/config/"))).collect();
    assert_eq!(ran.err.lines().collect::<Vec<_>>(), expected);
    assert_eq!((ran.code, ran.out.as_str()), (Some(64), ""));
}

#[tokio::test]
async fn help_lists_the_commands_and_version_the_version() {
    let help = run(&["--help"]).await;
    assert_eq!((help.code, help.err.as_str()), (Some(0), ""));
    for command in ["run", "check-config", "status", "queue", "pmm-agent", "vmagent-shim", "demo", "bench"] {
        assert!(help.out.lines().any(|line| line.trim_start().starts_with(command)), "{}", help.out);
        let own = run(&[command, "--help"]).await;
        assert_eq!(own.code, Some(0));
        assert!(own.out.contains(&format!("Usage: pmm-buffer {command}")), "{}", own.out);
    }
    assert_eq!(run(&["--version"]).await.out, format!("pmm-buffer {}\n", env!("CARGO_PKG_VERSION")));
    assert_eq!(run(&[]).await.code, Some(64));
}

#[tokio::test]
async fn status_tells_of_an_agent_that_is_well_and_of_one_in_an_outage() {
    let mut stage = Stage::new();
    let agent = stage.start().await;
    let url = format!("http://{}", agent.address());
    let mut feed = stage.feed();
    feed.push(2).await;
    stage.drained(&agent).await;
    let well = run(&["status", "--url", &url]).await;
    assert_eq!((well.code, well.err.as_str()), (Some(0), ""), "{}", well.out);
    assert!(
        well.out.contains("accepting pushes") && well.out.contains("200 samples in 2 pushes"),
        "{}",
        well.out
    );

    stage.upstream.close().await;
    feed.push(3).await;
    until_async("the outage is noticed", async || upstream_status(&agent).await.last_error.is_some()).await;
    let ill = run(&["status", "--url", &url]).await;
    assert_eq!(ill.code, Some(1), "{}", ill.out);
    for part in ["refused", "what to do", "300 samples", &stage.upstream.url()] {
        assert!(ill.out.contains(part), "{part} is not in:\n{}", ill.out);
    }
    // For a probe: a restart would not bring the upstream back.
    let alive = run(&["status", "--url", &url, "--alive"]).await;
    assert_eq!((alive.code, alive.out.as_str(), alive.err.as_str()), (Some(0), "alive\n", ""));
    let json = run(&["status", "--url", &url, "--json"]).await;
    assert_eq!(json.code, Some(1));
    let status: Status = serde_json::from_str(&json.out).expect("the JSON of a status");
    assert_eq!((status.samples_accepted, status.upstreams[0].backlog_samples), (5 * SERIES, 3 * SERIES));
    let value: Value = serde_json::from_str(&json.out).expect("JSON");
    assert_eq!(value["upstreams"][0]["state"], "down");
}

#[tokio::test]
async fn status_says_that_nobody_is_there() {
    let stage = Stage::new();
    let url = format!("http://{}", stage.launch.address);
    let ran = run(&["status", "--url", &url]).await;
    assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""));
    assert!(ran.err.contains(&url) && ran.err.contains("is pmm-buffer running"), "{}", ran.err);
    assert_eq!(run(&["status", "--url", &url, "--alive"]).await.code, Some(1));
}

#[tokio::test]
async fn an_agent_whose_threads_stand_still_is_not_alive() {
    let stage = Stage::new();
    let agent = stage.start().await;
    let pid = rustix::process::Pid::from_raw(agent.id() as i32).expect("above 0");
    rustix::process::kill_process(pid, rustix::process::Signal::STOP).expect("it runs");
    let ran = run(&["status", "--url", &format!("http://{}", agent.address()), "--alive"]).await;
    assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""));
    assert!(ran.err.contains("no answer from"), "{}", ran.err);
}

#[tokio::test]
async fn the_demo_passes_its_own_verdict_in_plain_lines() {
    let ran = run(&["demo", "--seconds", "3"]).await;
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{}", ran.out);
    for phase in ["1/4", "2/4", "3/4", "4/4"] {
        assert!(ran.out.lines().any(|line| line.starts_with(phase)), "{phase} is not in:\n{}", ran.out);
    }
    let row = |name: &str| {
        let line = ran.out.lines().find(|line| line.contains(name));
        line.unwrap_or_else(|| panic!("no {name} in:\n{}", ran.out)).replace('│', " ").trim().to_owned()
    };
    for name in ["lost: answered, not delivered", "out of order", "never pushed, yet delivered"] {
        assert!(row(name).ends_with(" 0"), "{}", row(name));
    }
    // Ten hosts push a thousand samples ten times a second, and never faster; the outage takes as long as was said.
    let held =
        row("held when the upstream came back").rsplit("  ").next().map(|count| count.replace(',', ""));
    let held: u64 = held.and_then(|count| count.trim().parse().ok()).expect("a number");
    assert!((1..600_000).contains(&held), "{held} samples were held after an outage of 3 s");
    let verdict = ran.out.lines().last().expect("it prints");
    assert_eq!(verdict, "all that was answered arrived, in order, and nothing else");
}
