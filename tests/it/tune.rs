//! `bench tune`, with trials that are too short to prove anything.

use crate::bench::{assert_clean, folder};
use crate::commands::run;
use pmm_buffer::bench::report;
use std::fs;

#[tokio::test]
async fn each_setting_is_tried_and_one_round_proves_nothing() {
    let folder = folder();
    let (own, json) = (folder.path().display().to_string(), folder.path().join("report.json"));
    let json_arg = json.display().to_string();
    let args = ["bench", "tune", "--for", "100ms", "--rounds", "1", "--folder", &own, "--json", &json_arg];
    let ran = run(&args).await;
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    for text in [
        "The defaults are fine",
        "queue.sync: interval wins nothing",
        "8 pushers have ",
        "zstd in the log, always level 1",
    ] {
        assert!(ran.out.contains(text), "no {text} in\n{}", ran.out);
    }
    let report = report::read(&fs::read(&json).expect("it was written")).expect("a report");
    let runs = &report.scenarios[0].runs;
    let names: Vec<_> = runs.iter().map(|run| run.contender.as_str()).collect();
    assert_eq!(names, ["defaults", "small batches", "large batches", "max_memory 460MiB", "sync: interval"]);
    for run in runs {
        assert_clean(run);
        assert!(ran.out.contains(&run.contender), "{}", ran.out);
    }
    let left =
        fs::read_dir(folder.path()).expect("readable").map(|entry| entry.expect("readable").file_name());
    assert_eq!(left.collect::<Vec<_>>(), ["report.json"], "folders are removed");
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_a_wrong_command_line() {
    let ran = run(&["bench", "tune", "--folder", "/no-such-folder"]).await;
    assert_eq!((ran.code, ran.out.as_str()), (Some(64), ""));
    assert!(ran.err.contains("/no-such-folder"), "{}", ran.err);
}
