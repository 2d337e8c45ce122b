//! The child process, with a shell in the agent's place where its behaviour does not matter.

use super::*;
use crate::harness::ReservedPort;
use crate::harness::wait::until;

const PATIENCE: Duration = Duration::from_secs(20);

/// A shell that runs `script`.
fn launch(script: &str, folder: &Path) -> Launch {
    let port = ReservedPort::new().expect("loopback");
    let args = vec!["-c".into(), script.into()];
    Launch::new(Path::new("/bin/sh"), args, port.address(), &folder.join("log"))
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

#[test]
fn the_command_lines_are_those_of_the_documentation() {
    let address = SocketAddr::from(([127, 0, 0, 1], 9431));
    let (binary, log) = (Path::new("/bin/pmm-buffer"), Path::new("/tmp/log"));
    let flags = Launch::flags(binary, address, Path::new("/data"), "http://pmm/write", log);
    let expected = [
        "run",
        "--listen",
        "127.0.0.1:9431",
        "--data-dir",
        "/data",
        "--remote-write-url",
        "http://pmm/write",
    ];
    assert_eq!(flags.args, expected);
    assert_eq!(Launch::config(binary, address, Path::new("/c.yml"), log).args, ["run", "--config", "/c.yml"]);
}

#[tokio::test]
async fn an_agent_that_ends_before_it_is_ready_shows_its_log() {
    let folder = folder();
    let mut agent = launch("echo no such option >&2; exit 64", folder.path()).start().expect("a shell");
    let error = agent.ready(PATIENCE).await.expect_err("it ended").to_string();
    assert!(error.contains("exit status: 64") && error.contains("no such option"), "{error}");
}

#[tokio::test]
async fn an_agent_that_is_never_ready_is_given_up() {
    let folder = folder();
    let mut agent = launch("exec sleep 1000", folder.path()).start().expect("a shell");
    let error = agent.ready(Duration::from_millis(50)).await.expect_err("nobody listens").to_string();
    assert!(error.contains("not ready after 50ms"), "{error}");
}

#[tokio::test]
async fn signals_reach_the_process_and_its_end_is_seen() {
    let folder = folder();
    let script = "trap 'echo reloaded' HUP; trap 'exit 3' TERM; echo up; while :; do sleep 0.01; done";
    let mut launch = launch(script, folder.path());
    // A shell cannot trap what was ignored when it started, as SIGHUP is where the tests run under nohup.
    launch.args.splice(0..0, ["--default-signal=HUP".into(), launch.binary.clone().into()]);
    launch.binary = "/usr/bin/env".into();
    let mut agent = launch.start().expect("a shell");
    crate::harness::wait::until("the traps are set", || agent.log().contains("up")).await;
    agent.reload().expect("it runs");
    crate::harness::wait::until("it reloaded", || agent.log().contains("reloaded")).await;
    let ended = agent.terminate(PATIENCE).await.expect("it ends");
    assert_eq!(ended.code(), Some(3));
    assert_eq!(agent.ended().expect("reaped").and_then(|status| status.code()), Some(3));
    agent.reload().expect_err("nothing is there to be signalled");
}

#[tokio::test]
async fn variables_of_a_launch_reach_the_process() {
    let folder = folder();
    let mut launch = launch("echo $PMM_BUFFER_LISTEN", folder.path());
    launch.env.push(("PMM_BUFFER_LISTEN".into(), "here".into()));
    let agent = launch.start().expect("a shell");
    crate::harness::wait::until("it was said", || agent.log().contains("here")).await;
}

#[tokio::test]
async fn a_process_that_is_dropped_is_killed() {
    let folder = folder();
    let agent = launch("exec sleep 1000", folder.path()).start().expect("a shell");
    let proc = PathBuf::from(format!("/proc/{}", agent.id()));
    assert!(agent.tree_usage().expect("it runs").resident_bytes > 0);
    drop(agent);
    assert!(!proc.exists(), "killed and reaped");
}

#[tokio::test]
async fn a_kill_takes_along_what_a_process_with_a_group_has_started() {
    let folder = folder();
    let script = "sleep 1000 & echo $!; wait";
    let launch = Launch { own_group: true, ..launch(script, folder.path()) };
    let mut agent = launch.start().expect("a shell");
    until("the other is started", || agent.log().ends_with('\n')).await;
    let proc = PathBuf::from(format!("/proc/{}/stat", agent.log().trim()));
    assert!(proc.exists());
    agent.kill().expect("killed");
    // Nobody may be there to wait for it: then it stays as a zombie.
    let is_gone = || std::fs::read_to_string(&proc).map_or(true, |stat| stat.contains(") Z "));
    until("the other is gone", is_gone).await;
}

#[test]
fn settings_in_the_environment_are_not_the_childs() {
    let mut command = Command::new("agent");
    let names = ["PATH", "PMM_BUFFER_LISTEN", "PMM_BUFFER_", "PMM_BUFFERS"];
    remove_settings(&mut command, names.into_iter().map(OsString::from));
    let removed: Vec<_> =
        command.get_envs().filter(|(_, value)| value.is_none()).map(|(name, _)| name).collect();
    assert_eq!(removed, ["PMM_BUFFER_", "PMM_BUFFER_LISTEN"]);
}
