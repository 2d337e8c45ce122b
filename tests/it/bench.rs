//! `bench`, as an operator and a sceptic use it: what it measures, what it says, and its exit status.

use crate::commands::{Ran, run};
use crate::stage::Stage;
use pmm_buffer::bench::outcome::{Figure, Report, Run};
use pmm_buffer::bench::report;
use pmm_buffer::harness::ReservedPort;
use pmm_buffer::harness::wait::{DEADLINE, until};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// A load that any machine carries.
const TINY: [&str; 6] = ["--for", "1s", "--hosts", "2", "--series", "50"];

pub fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// Runs `bench` with its queues and its report in `folder`; the report is there where it says so.
pub async fn bench(folder: &Path, args: &[&str]) -> (Ran, Option<Report>) {
    let (own, json) = (folder.display().to_string(), folder.join("report.json"));
    let json_arg = json.display().to_string();
    let args = [&["bench"], args, &TINY, &["--folder", &own, "--json", &json_arg]].concat();
    let ran = run(&args).await;
    let report = fs::read(&json).ok().map(|bytes| report::read(&bytes).expect("a report"));
    let left = fs::read_dir(folder)
        .expect("readable")
        .filter_map(|entry| entry.expect("readable").file_name().into_string().ok());
    let left: Vec<String> = left.filter(|name| name.starts_with("pmm-buffer-bench")).collect();
    assert_eq!(left, Vec::<String>::new(), "folders are removed");
    (ran, report)
}

fn only(report: &Report) -> &Run {
    let runs = &report.scenarios[0].runs;
    assert_eq!((report.scenarios.len(), runs.len()), (1, 1));
    &runs[0]
}

pub fn figure(run: &Run, figure: Figure) -> f64 {
    *run.figures.get(&figure).unwrap_or_else(|| panic!("no {figure:?} in {:?}", run.figures))
}

/// All that was answered arrived, in order, and nothing else.
pub fn assert_clean(run: &Run) {
    assert_eq!(run.failure, None);
    for fault in [Figure::Lost, Figure::OutOfOrder, Figure::MadeUp] {
        assert_eq!(figure(run, fault), 0.0, "{fault:?}");
    }
    let last = run.moments.last().expect("there are moments");
    assert!(last.answered > 0);
    assert_eq!((last.delivered, last.backlog), (last.answered, 0));
    assert!(run.moments.is_sorted_by_key(|moment| moment.at_s));
}

fn phases(run: &Run) -> Vec<&str> {
    assert!(run.phases.is_sorted_by_key(|phase| phase.at_s));
    run.phases.iter().map(|phase| phase.name.as_str()).collect()
}

#[tokio::test]
async fn a_steady_run_measures_what_the_process_takes_and_loses_nothing() {
    let folder = folder();
    let html = folder.path().join("report.html");
    let (ran, report) = bench(folder.path(), &["run", "steady", "--html", &html.display().to_string()]).await;
    assert_eq!(ran.code, Some(0), "{}\n{}", ran.err, ran.out);
    assert_eq!(ran.err.lines().collect::<Vec<_>>(), ["steady, pmm-buffer, round 1 of 1", "  steady for 1s"]);
    let report = report.expect("written");
    let run = only(&report);
    assert_clean(run);
    assert_eq!(phases(run), ["steady"]);
    assert_eq!(run.version.as_deref(), Some(env!("CARGO_PKG_VERSION")));
    for above_zero in [
        Figure::SamplesPerSecond,
        Figure::ResidentBytes,
        Figure::PeakBytes,
        Figure::WireBytes,
        Figure::AnswerP50Ms,
        Figure::AnswerP999Ms,
    ] {
        assert!(figure(run, above_zero) > 0.0, "{above_zero:?}");
    }
    assert!(!run.figures.contains_key(&Figure::CurrentS), "nothing went wrong");
    // What was played can be played again.
    let again = folder.path().join("again.yml");
    fs::write(&again, &report.scenarios[0].text).expect("writable");
    let (ran, report) = bench(folder.path(), &["run", &again.display().to_string()]).await;
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert_eq!(report.expect("written").scenarios[0].scenario, "again");
    // And what was measured can be shown again.
    let json = folder.path().join("report.json").display().to_string();
    let shown = run_show(&[&json, "--before", &json]).await;
    assert!(shown.contains("samples lost"), "{shown}");
    let page = fs::read_to_string(&html).expect("written");
    assert!(page.starts_with("<!doctype html>") || page.starts_with("<!DOCTYPE html>"), "{}", &page[..100]);
}

async fn run_show(args: &[&str]) -> String {
    let ran = run(&[&["bench", "show"], args].concat()).await;
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
    ran.out
}

#[tokio::test]
async fn an_outage_is_played_and_the_way_back_measured() {
    let folder = folder();
    let (ran, report) = bench(folder.path(), &["run", "outage"]).await;
    assert_eq!(ran.code, Some(0), "{}\n{}", ran.err, ran.out);
    let report = report.expect("written");
    let run = only(&report);
    assert_clean(run);
    assert_eq!(phases(run), ["steady", "outage", "catch-up"]);
    for figure in [Figure::FirstDeliveryS, Figure::CurrentS, Figure::DiskBytes, Figure::CpuMicros] {
        assert!(run.figures.contains_key(&figure), "{figure:?}");
    }
    assert!(figure(run, Figure::CurrentS) >= figure(run, Figure::FirstDeliveryS));
    let backlog = run.moments.iter().map(|moment| moment.backlog).max();
    assert!(backlog > Some(0), "nothing waited in the outage");
}

#[tokio::test]
async fn a_kill_loses_nothing_and_its_cost_is_on_the_account() {
    let folder = folder();
    let (ran, report) = bench(folder.path(), &["run", "kill"]).await;
    assert_eq!(ran.code, Some(0), "{}\n{}", ran.err, ran.out);
    let report = report.expect("written");
    let run = only(&report);
    assert_clean(run);
    assert_eq!(phases(run), ["steady", "killed", "outage", "killed in the outage", "catch-up"]);
    assert!(run.moments.is_sorted_by_key(|moment| moment.cpu_s), "CPU adds up over restarts");
}

#[tokio::test]
async fn several_agents_come_back_and_each_delivers_all() {
    let folder = folder();
    let file = folder.path().join("mine.yml");
    let text = "about: Three agents.\nagents: 3\nphases:\n- {name: outage, for: 1s, upstream: {answer: {status: 503}}}\n\
        - {name: back, until: current}\n";
    fs::write(&file, text).expect("writable");
    let (ran, report) = bench(folder.path(), &["run", &file.display().to_string(), "--format", "json"]).await;
    assert_eq!(ran.code, Some(0), "{}\n{}", ran.err, ran.out);
    assert_clean(only(&report.expect("written")));
}

#[tokio::test]
async fn a_running_agent_is_measured_from_outside() {
    let stage = Stage::new();
    let listen = ReservedPort::new().expect("loopback").address();
    let mut launch = stage.launch.clone();
    let url = stage.upstream.url();
    for arg in &mut launch.args {
        if arg.to_str() == Some(&url) {
            *arg = format!("http://{listen}/victoriametrics/api/v1/write").into();
        }
    }
    let mut agent = launch.start().expect("it starts");
    agent.ready(DEADLINE).await.expect("ready");
    let target = format!("http://{}", agent.address());
    let folder = folder();
    let (ran, report) = bench(
        folder.path(),
        &["run", "outage", "--target", &target, "--upstream-listen", &listen.to_string()],
    )
    .await;
    assert_eq!(ran.code, Some(0), "{}\n{}", ran.err, ran.out);
    let report = report.expect("written");
    let verified = only(&report);
    assert_clean(verified);
    assert_eq!(verified.contender, target);
    assert!(!verified.figures.contains_key(&Figure::CpuMicros), "it is not ours to look into");

    // Without an upstream of its own only answers are measured.
    let (ran, report) = bench(folder.path(), &["run", "--target", &target]).await;
    assert_eq!(ran.code, Some(0), "{}\n{}", ran.err, ran.out);
    let report = report.expect("written");
    assert!(figure(only(&report), Figure::AnswerP50Ms) > 0.0);
    assert!(!only(&report).figures.contains_key(&Figure::Lost), "nobody verifies");
    let (ran, _) = bench(folder.path(), &["run", "outage", "--target", &target]).await;
    assert_eq!(ran.code, Some(64));
    assert!(ran.err.contains("--upstream-listen"), "{}", ran.err);
}

#[tokio::test]
async fn a_contender_that_does_not_start_is_told_with_the_end_of_its_log() {
    let folder = folder();
    let file = folder.path().join("mine.yml");
    let text =
        "about: It.\nprogram: sh\nargs: ['-c', 'echo no disk for {listen} and {url}; exit 3']\nready: /\n";
    fs::write(&file, text).expect("writable");
    let (ran, report) = bench(folder.path(), &["run", "--contender", &file.display().to_string()]).await;
    assert_eq!(ran.code, Some(1));
    for part in ["mine does not start", "exit status: 3", "no disk for 127.0.0.1:"] {
        assert!(ran.err.contains(part), "{part} is not in:\n{}", ran.err);
    }
    assert!(report.is_none());
}

#[tokio::test]
async fn a_contender_that_ends_breaks_its_run_off_with_the_end_of_its_log() {
    let folder = folder();
    let file = folder.path().join("mine.yml");
    let binary = crate::stage::binary().display().to_string();
    let script = format!(
        "{binary} run --listen {{listen}} --data-dir {{data}} --remote-write-url {{url}} & sleep 1.5; kill $!; wait; echo gone; exit 4"
    );
    let text = format!("about: It.\nprogram: sh\nargs: ['-c', '{script}']\nready: /ready\n");
    fs::write(&file, text).expect("writable");
    let mine = file.display().to_string();
    let args = ["bench", "run", "--contender", &mine, "--for", "20s", "--hosts", "1", "--series", "10"];
    let ran = run(&args).await;
    assert_eq!(ran.code, Some(1), "{}", ran.err);
    for part in ["error: steady on mine, round 1: the agent ended with exit status: 4", "gone"] {
        assert!(ran.err.contains(part), "{part} is not in:\n{}", ran.err);
    }
    assert!(ran.out.contains("samples answered a second"), "the figures so far are shown:\n{}", ran.out);
}

#[tokio::test]
async fn what_is_wrong_is_told_before_anything_starts() {
    let folder = folder();
    let bad = folder.path().join("bad.yml");
    fs::write(&bad, "about: It.\nphases:\n  - {name: a, fore: 1s}\n").expect("writable");
    let bad = bad.display().to_string();
    for (args, part) in [
        (&["run", "stedy"][..], "bench list"),
        (&["run", &bad], "bad.yml:3:15: there is no key fore"),
        (&["run", "--contender", "vmagnet"], "bench list"),
        (&["run", "--contender", "vmagent=/no/such"], "there is no program /no/such"),
        (&["run", "--target", "https://pmm/"], "does not begin with http://"),
        (&["run", "--encoding", "gzip"], "never packed with gzip"),
        (&["compare", "--with", "pmm-buffer"], "pmm-buffer is to be compared with itself"),
        (&["run", "--upstream-listen", "127.0.0.1:1"], "--target"),
        (&["run", "--rate", "fast"], "samples a second"),
    ] {
        let (ran, report) = bench(folder.path(), args).await;
        assert_eq!((ran.code, ran.out.as_str()), (Some(64), ""), "{args:?}: {}", ran.err);
        assert!(ran.err.contains(part), "{args:?}: {}", ran.err);
        assert!(report.is_none());
    }
}

#[tokio::test]
async fn the_list_has_all_that_is_built_in() {
    let ran = run(&["bench", "list"]).await;
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
    for name in ["steady", "outage", "storm", "mongodb", "pmm-buffer", "vmagent"] {
        assert!(
            ran.out.lines().any(|line| line.trim_start().starts_with(name)),
            "{name} is not in:\n{}",
            ran.out
        );
    }
}

#[tokio::test]
async fn what_is_broken_off_leaves_nothing_behind() {
    let folder = folder();
    let own = folder.path().display().to_string();
    let mut command = Command::new(crate::stage::binary());
    command.args(["bench", "run", "--for", "1h", "--hosts", "1", "--series", "10", "--folder", &own]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it runs");
    let id = child.id();
    // The agent is there, and pushes go on.
    let queue = || fs::read_dir(folder.path()).expect("readable").count();
    until("the agent is started", || !agents(id).is_empty() && queue() == 1).await;
    let agents = agents(id);
    let pid = Pid::from_raw(id as i32).expect("above 0");
    kill_process(pid, Signal::INT).expect("it runs");
    let ended = tokio::task::spawn_blocking(move || child.wait()).await.expect("no panic").expect("it ends");
    assert_eq!(ended.code(), Some(130));
    assert_eq!(queue(), 0, "the folder is removed");
    for agent in agents {
        assert!(!Path::new(&format!("/proc/{agent}")).exists(), "{agent} still runs");
    }
}

/// Processes that any thread of `id` has started.
fn agents(id: u32) -> Vec<String> {
    let threads = fs::read_dir(format!("/proc/{id}/task")).into_iter().flatten().flatten();
    let children = threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    children.flat_map(|list| list.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).collect()
}
