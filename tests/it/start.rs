//! How the agent is started, and what keeps it from starting.

use crate::stage::{SERIES, Stage, binary, page, upstream_status};
use pmm_buffer::harness::wait::{DEADLINE, until};
use pmm_buffer::harness::{Agent, Launch, ReservedPort};
use std::path::Path;
use std::process::ExitStatus;

/// Waits for the end of an agent that cannot start.
pub async fn ended(agent: &mut Agent) -> ExitStatus {
    let mut ended = None;
    until("the program ends", || {
        ended = agent.ended().expect("a child");
        ended.is_some()
    })
    .await;
    ended.expect("waited for")
}

async fn delivers(stage: &Stage) {
    let agent = stage.start().await;
    stage.feed().push(3).await;
    let verdict = stage.drained(&agent).await;
    assert!(verdict.is_clean() && verdict.delivered == 3 * SERIES, "{verdict:?}");
}

#[tokio::test]
async fn it_runs_with_flags_alone() {
    delivers(&Stage::new()).await;
}

#[tokio::test]
async fn it_runs_with_a_configuration_file() {
    delivers(&Stage::with_config("    name: pmm-server", "")).await;
}

#[tokio::test]
async fn it_runs_with_variables_alone() {
    let mut stage = Stage::new();
    stage.launch.args = vec!["run".into()];
    stage.launch.env = vec![
        ("PMM_BUFFER_LISTEN".into(), stage.launch.address.to_string().into()),
        ("PMM_BUFFER_DATA_DIR".into(), stage.data_dir().into()),
        ("PMM_BUFFER_REMOTE_WRITE_URL".into(), stage.upstream.url().into()),
    ];
    delivers(&stage).await;
}

#[tokio::test]
async fn it_finds_its_configuration_file_by_a_variable() {
    let mut stage = Stage::with_config("", "");
    stage.launch.args = vec!["run".into()];
    stage.launch.env = vec![("PMM_BUFFER_CONFIG".into(), stage.config().into())];
    delivers(&stage).await;
}

#[tokio::test]
async fn a_flag_beats_its_variable_and_a_variable_the_file() {
    let mut stage = Stage::with_config("", "log: {level: error}");
    let url = stage.upstream.url();
    stage.write_config("http://127.0.0.1:9/of-the-file", "", "log: {level: error}");
    stage.launch.env = vec![
        ("PMM_BUFFER_REMOTE_WRITE_URL".into(), "http://127.0.0.1:9/of-the-variable".into()),
        ("PMM_BUFFER_LOG_LEVEL".into(), "debug".into()),
    ];
    stage.launch.args.extend(["--remote-write-url".into(), url.clone().into()]);
    let agent = stage.start().await;
    assert_eq!(upstream_status(&agent).await.url, url);
    // The file asks for errors only.
    assert!(agent.log().contains("accepting pushes"), "{}", agent.log());
}

#[tokio::test]
async fn a_bad_configuration_ends_with_64_and_every_error_with_its_line() {
    let mut stage = Stage::with_config("", "");
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/config/values.bad.yml");
    stage.launch.args = vec!["run".into(), "--config".into(), file.into()];
    stage.launch.env.clear();
    let mut agent = stage.launch.start().expect("the program starts");
    assert_eq!(ended(&mut agent).await.code(), Some(64));
    let expected = include_str!("../config/values.bad.txt");
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/config/");
    let printed: Vec<String> = agent.log().lines().map(|line| line.replace(folder, "")).collect();
    let expected: Vec<String> = expected.lines().map(|line| format!("error: {line}")).collect();
    assert_eq!(printed, expected);
}

#[tokio::test]
async fn a_file_that_is_not_there_and_a_flag_that_is_none_end_with_64() {
    let stage = Stage::new();
    for (args, word) in [
        (vec!["run", "--config", "/nowhere/pmm-buffer.yml"], "/nowhere/pmm-buffer.yml"),
        (vec!["run", "--lisen", "127.0.0.1:1"], "--listen"),
        (vec!["run"], "--remote-write-url"),
    ] {
        let args = args.into_iter().map(Into::into).collect();
        let log = stage.folder.path().join(format!("log of {word}").replace('/', "_"));
        let mut agent = Launch::new(binary(), args, stage.launch.address, &log).start().expect("it starts");
        assert_eq!(ended(&mut agent).await.code(), Some(64), "{}", agent.log());
        assert!(agent.log().contains(word), "{word} is not in: {}", agent.log());
    }
}

#[tokio::test]
async fn a_second_agent_on_the_same_folder_is_refused() {
    let stage = Stage::new();
    let first = stage.start().await;
    let port = ReservedPort::new().expect("loopback");
    let log = stage.folder.path().join("second.log");
    let (data, url) = (stage.data_dir(), stage.upstream.url());
    let launch = Launch::flags(binary(), port.address(), &data, &url, &log);
    let mut second = launch.start().expect("the program starts");
    assert_eq!(ended(&mut second).await.code(), Some(1), "{}", second.log());
    let said = second.log();
    assert!(said.contains(&*data.to_string_lossy()) && said.contains("another"), "{said}");
    assert_eq!(said.lines().count(), 1, "one line says it: {said}");
    // The first never noticed.
    stage.feed().push(1).await;
    assert!(stage.drained(&first).await.is_clean());
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let stage = Stage::new();
    let first = stage.start().await;
    let (folder, address) = (stage.folder.path(), stage.launch.address);
    let launch = Launch::flags(
        binary(),
        address,
        &folder.join("other-data"),
        &stage.upstream.url(),
        &folder.join("second.log"),
    );
    let mut second = launch.start().expect("the program starts");
    assert_eq!(ended(&mut second).await.code(), Some(1), "{}", second.log());
    let said = second.log();
    assert!(said.contains(&address.to_string()) && said.contains("`listen`"), "{said}");
    assert_eq!(page(&first, "/ready").await.trim(), "OK");
}

#[tokio::test]
async fn a_folder_that_cannot_be_made_is_named() {
    let mut stage = Stage::new();
    let file = stage.folder.path().join("a-file");
    std::fs::write(&file, "").expect("writable");
    let log = stage.launch.log.clone();
    let url = stage.upstream.url();
    stage.launch = Launch::flags(binary(), stage.launch.address, &file.join("data"), &url, &log);
    let mut agent = stage.launch.start().expect("the program starts");
    assert_eq!(ended(&mut agent).await.code(), Some(1), "{}", agent.log());
    assert!(agent.log().contains(&*file.to_string_lossy()), "{}", agent.log());
}

#[tokio::test]
async fn an_agent_that_was_ended_starts_again_on_the_same_port_at_once() {
    let stage = Stage::new();
    for _ in 0..3 {
        let mut agent = stage.start().await;
        // A connection that is still open at the end would hold the port without SO_REUSEADDR.
        let _held = tokio::net::TcpStream::connect(agent.address()).await.expect("it listens");
        let ended = agent.terminate(DEADLINE).await.expect("it ends");
        assert!(ended.success() && Path::new(&stage.data_dir()).is_dir(), "{}", agent.log_tail());
    }
}
