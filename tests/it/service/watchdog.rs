//! The watchdog is fed while there is progress, and only then.

use super::manager::{Manager, WATCHDOG};
use crate::stage::{SERIES, Stage, logged};
use pmm_buffer::harness::wait::until;
use pmm_buffer::harness::{Agent, Mode};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Syncs hang in a process with this library in it while the file that `STALL` names is there.
fn compile_stall(folder: &Path) -> PathBuf {
    let (library, source) =
        (folder.join("stall.so"), Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/service/stall.c"));
    let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
    let compiled =
        Command::new(compiler).args(["-shared", "-fPIC", "-O1", "-o"]).args([&library, &source]).status();
    assert!(compiled.expect("a C compiler").success(), "stall.c does not compile");
    library
}

/// Looks at the manager for twelve of its intervals, longer than one turn may take.
async fn stays_content(manager: &mut Manager, agent: &Agent) {
    let begun = std::time::Instant::now();
    until("twelve intervals are over", || {
        // A machine under load may make a beat late; a restart is what only a missing one brings.
        manager.heard();
        begun.elapsed() > 12 * WATCHDOG
    })
    .await;
    until("it is fed", || manager.is_content()).await;
    assert!(!agent.log().contains("no progress"), "{}", agent.log());
}

#[tokio::test]
async fn it_is_fed_while_there_is_nothing_to_do_and_while_the_upstream_is_away() {
    let mut stage = Stage::new();
    let mut manager = Manager::on(&mut stage);
    let agent = stage.start().await;
    stays_content(&mut manager, &agent).await;
    stage.upstream.close().await;
    stage.feed().push(1).await;
    manager.hears("away for").await;
    stays_content(&mut manager, &agent).await;
}

#[tokio::test]
async fn a_sync_that_hangs_ends_it_and_one_that_returns_in_time_does_not() {
    let mut stage = Stage::new();
    let mut manager = Manager::on(&mut stage);
    let (library, stall) = (compile_stall(stage.folder.path()), stage.folder.path().join("stall"));
    stage.launch.env.extend([("LD_PRELOAD".into(), library.into()), ("STALL".into(), stall.clone().into())]);
    let agent = stage.start().await;
    let mut feed = stage.feed();
    feed.push(1).await;
    until("it is fed", || manager.is_content()).await;

    File::create(&stall).expect("writable");
    let push = tokio::spawn(async move {
        feed.push(1).await;
        feed
    });
    logged(&agent, "no progress").await;
    assert!(
        agent.log().contains("part=\"committer\"") || agent.log().contains("part=committer"),
        "{}",
        agent.log()
    );
    until("systemd would end it", || !manager.is_content()).await;
    assert_eq!(stage.ledger.verdict().answered, SERIES);

    fs::remove_file(&stall).expect("it is there");
    until("it is fed again", || manager.is_content()).await;
    logged(&agent, "there is progress again").await;
    push.await.expect("answered").push(1).await;
    let verdict = stage.drained(&agent).await;
    assert!(verdict.is_clean() && verdict.delivered == 3 * SERIES, "{verdict:?}");
}

#[tokio::test]
async fn an_upstream_that_takes_longer_than_one_turn_may_ends_it() {
    // The deadline of a request is 49 s at most, and one turn may take ten intervals: only an interval this short shows that
    // deliveries are watched too.
    let mut stage = Stage::with_config("    remote_timeout: 49s", "");
    let mut manager = Manager::on(&mut stage);
    stage.upstream.set_mode(Mode::Hang);
    let agent = stage.start().await;
    stage.feed().push(1).await;
    logged(&agent, "no progress").await;
    assert!(agent.log().contains("replay to default"), "{}", agent.log());
    until("systemd would end it", || !manager.is_content()).await;
}
